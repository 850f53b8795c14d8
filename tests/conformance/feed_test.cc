#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include "tests/conformance/fixture.h"

namespace hookstream::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class FeedTest : public StoreTest {
 protected:
  SubscriptionId Subscribe(const char* name = "one") {
    const auto made = client().Put(name);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? made->id : 0;
  }
};
HS_STORE_SUITE(FeedTest);

TEST_P(FeedTest, ClaimsInOrderAsFarAsTheAppetiteGoes) {
  const SubscriptionId id = Subscribe();
  client().Fill(5);
  TestFeed feed = client().Attach(id);
  EXPECT_THAT(feed.Claim(2), ElementsAre(1, 2));
  client().Fill(1);
  EXPECT_EQ(feed.sink->Waiting(), 0u);
  // Appetite adds up.
  feed.feed->Want(1, 1 << 20);
  feed.feed->Want(2, 1 << 20);
  EXPECT_THAT(feed.sink->TakeSeqs(3), ElementsAre(3, 4, 5));
  EXPECT_THAT(feed.Claim(1), ElementsAre(6));
}

TEST_P(FeedTest, NewEventsComeToAFeedThatWaits) {
  TestFeed feed = client().Attach(Subscribe());
  feed.feed->Want(10, 1 << 20);
  for (Seq seq = 1; seq <= 4; ++seq) {
    client().Fill(1);
    EXPECT_THAT(feed.sink->TakeSeqs(1), ElementsAre(seq));
  }
}

TEST_P(FeedTest, AppetiteOfBytesIsOverdrawnByOneEventAtMost) {
  const SubscriptionId id = Subscribe();
  std::vector<NewEvent> events;
  for (int i = 0; i < 5; ++i) {
    events.push_back(MakeEvent(std::string(1000, 'x')));
    events.back().data.envelope = events.back().data.raw_head = "";
  }
  HS_ASSERT_OK(client().AppendAll(std::move(events)));
  TestFeed feed = client().Attach(id);
  feed.feed->Want(100, 1500);
  EXPECT_THAT(feed.sink->TakeSeqs(2), ElementsAre(1, 2));
  // 500 overdrawn: this brings it to nothing.
  feed.feed->Want(0, 500);
  HS_ASSERT_OK(feed.AckAll({1}));
  EXPECT_EQ(feed.sink->Waiting(), 0u);
  feed.feed->Want(0, 1);
  EXPECT_THAT(feed.sink->TakeSeqs(1), ElementsAre(3));
}

TEST_P(FeedTest, OneFeedASubscription) {
  const SubscriptionId id = Subscribe();
  TestFeed feed = client().Attach(id);
  RecordingFeed sink;
  EXPECT_EQ(Code(store().Attach(id, 1, nullptr, sink)), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Code(store().Attach(id, 2, nullptr, sink)), absl::StatusCode::kAborted);
  EXPECT_EQ(Code(store().Attach(id + 1, 1, nullptr, sink)), absl::StatusCode::kNotFound);
  feed.feed.reset();
  HS_EXPECT_OK(store().Attach(id, 1, nullptr, sink));
}

TEST_P(FeedTest, SubscriptionsGetEverythingEach) {
  TestFeed one = client().Attach(Subscribe("one"));
  TestFeed two = client().Attach(Subscribe("two"));
  client().Fill(3);
  EXPECT_THAT(one.Claim(3), ElementsAre(1, 2, 3));
  HS_ASSERT_OK(one.AckAll({1, 2, 3}));
  EXPECT_THAT(two.Claim(3), ElementsAre(1, 2, 3));
}

TEST_P(FeedTest, WhatTheFilterDoesNotMatchIsSettledUnseen) {
  const SubscriptionId id = Subscribe();
  std::vector<NewEvent> events;
  for (int i = 0; i < 3000; ++i) events.push_back(MakeEvent("x", "", "shop", i % 1000 == 999 ? "wanted" : "other"));
  HS_ASSERT_OK(client().AppendAll(std::move(events)));
  {
    TestFeed feed = client().Attach(id, 1, OfType("wanted"));
    EXPECT_THAT(feed.Claim(3), ElementsAre(1000, 2000, 3000));
    HS_ASSERT_OK(feed.AckAll({1000, 3000}));
  }
  Restart();
  TestFeed feed = client().Attach(id, 1, OfType("wanted"));
  EXPECT_THAT(feed.Claim(1), ElementsAre(2000));
  client().Fill(1);
  HS_ASSERT_OK(client().Append(MakeEvent("x", "", "shop", "wanted")));
  EXPECT_THAT(feed.Claim(1), ElementsAre(3002));
}

TEST_P(FeedTest, AConfirmedAckIsFinalAlsoAfterARestart) {
  const SubscriptionId id = Subscribe();
  client().Fill(5);
  {
    TestFeed feed = client().Attach(id);
    EXPECT_EQ(feed.Claim(5).size(), 5u);
    HS_ASSERT_OK(feed.AckAll({2, 5}));
  }
  for (int round = 0; round < 2; ++round) {
    TestFeed feed = client().Attach(id);
    EXPECT_THAT(feed.Claim(3), ElementsAre(1, 3, 4));
    feed.feed.reset();
    Restart();
  }
}

TEST_P(FeedTest, UnconfirmedAcksAreCommittedToo) {
  const SubscriptionId id = Subscribe();
  client().Fill(2);
  {
    TestFeed feed = client().Attach(id);
    EXPECT_EQ(feed.Claim(2).size(), 2u);
    HS_ASSERT_OK(feed.Commit({{1, Ack{}}}, /*confirm=*/false));
  }
  Restart();
  TestFeed feed = client().Attach(id);
  EXPECT_THAT(feed.Claim(1), ElementsAre(2));
}

TEST_P(FeedTest, ReleasedEventsComeAgainBeforeNewOnes) {
  const SubscriptionId id = Subscribe();
  client().Fill(4);
  TestFeed feed = client().Attach(id);
  EXPECT_THAT(feed.Claim(3), ElementsAre(1, 2, 3));
  feed.feed->Release({3, 1});
  EXPECT_THAT(feed.Claim(3), ElementsAre(1, 3, 4));
  // What is not claimed can't be given back.
  feed.feed->Release({99});
  EXPECT_EQ(feed.Commit({{99, Ack{}}}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(FeedTest, TheDestructorReleases) {
  const SubscriptionId id = Subscribe();
  client().Fill(3);
  {
    TestFeed feed = client().Attach(id);
    EXPECT_EQ(feed.Claim(2).size(), 2u);
  }
  TestFeed feed = client().Attach(id);
  EXPECT_THAT(feed.Claim(3), ElementsAre(1, 2, 3));
}

TEST_P(FeedTest, NoCallbackComesAfterTheDestructor) {
  const SubscriptionId id = Subscribe();
  for (int round = 0; round < 50; ++round) {
    client().Fill(1);
    TestFeed feed = client().Attach(id);
    feed.feed->Want(1 << 20, int64_t{1} << 40);
    feed.feed->Commit(1, {{12345, Ack{}}}, true);
    feed.feed.reset();
    // The sink is gone here: the sanitizers tell of a call that comes too late.
  }
}

TEST_P(FeedTest, ARetryKeepsTheClaimAndItsRecordSurvives) {
  const SubscriptionId id = Subscribe();
  client().Fill(3);
  RetryRecord record = Attempts(2, "first");
  record.failures.push_back({FailureKind::kLostConnection, "", absl::FromUnixSeconds(1'700'000'100), 1});
  {
    TestFeed feed = client().Attach(id);
    EXPECT_EQ(feed.Claim(3).size(), 3u);
    HS_ASSERT_OK(feed.Commit({{2, Retry{Attempts(1), absl::Seconds(5)}}}));
    HS_ASSERT_OK(feed.Commit({{2, Retry{record, absl::Seconds(60)}}}));
    HS_ASSERT_OK(feed.AckAll({1}));
  }
  clock_.Advance(absl::Seconds(20));
  Restart();
  clock_.Advance(absl::Seconds(15));
  {
    TestFeed feed = client().Attach(id);
    feed.feed->Want(2, 1 << 20);
    const auto claimed = feed.sink->Take(2);
    ASSERT_EQ(claimed.size(), 2u);
    // What waits for another attempt comes first, with what is left of its delay.
    EXPECT_EQ(claimed[0].event->seq, 2u);
    EXPECT_EQ(claimed[0].retry, record);
    EXPECT_EQ(claimed[0].retry_after, absl::Seconds(25));
    EXPECT_EQ(claimed[1].event->seq, 3u);
    EXPECT_EQ(claimed[1].retry, RetryRecord{});
    EXPECT_EQ(claimed[1].retry_after, absl::ZeroDuration());
    HS_ASSERT_OK(feed.AckAll({2, 3}));
  }
  Restart();
  TestFeed feed = client().Attach(id);
  feed.feed->Want(1, 1 << 20);
  client().Fill(1);
  EXPECT_THAT(feed.sink->TakeSeqs(1), ElementsAre(4));
}

TEST_P(FeedTest, AClockStepDoesNotShortenADelay) {
  const SubscriptionId id = Subscribe();
  client().Fill(1);
  TestFeed feed = client().Attach(id);
  EXPECT_EQ(feed.Claim(1).size(), 1u);
  HS_ASSERT_OK(feed.Commit({{1, Retry{Attempts(1), absl::Seconds(60)}}}));
  clock_.StepWall(absl::Hours(1));
  feed.feed->Release({1});
  feed.feed->Want(1, 1 << 20);
  const auto claimed = feed.sink->Take(1);
  ASSERT_EQ(claimed.size(), 1u);
  EXPECT_EQ(claimed[0].retry_after, absl::Seconds(60));
  EXPECT_EQ(claimed[0].retry.attempts, 1);
}

TEST_P(FeedTest, ACommitIsAllOrNone) {
  const SubscriptionId id = Subscribe();
  client().Fill(3);
  TestFeed feed = client().Attach(id);
  EXPECT_EQ(feed.Claim(2).size(), 2u);
  EXPECT_EQ(feed.Commit({{1, Ack{}}, {3, Ack{}}}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(feed.Commit({{1, Ack{}}, {1, Ack{}}}).code(), absl::StatusCode::kFailedPrecondition);
  // Both are still claimed.
  HS_EXPECT_OK(feed.Commit({{1, Ack{}}, {2, Ack{}}}));
  EXPECT_EQ(feed.Commit({{1, Ack{}}}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(FeedTest, CommitsAreAnsweredInTheirOrder) {
  const SubscriptionId id = Subscribe();
  client().Fill(100);
  TestFeed feed = client().Attach(id);
  EXPECT_EQ(feed.Claim(100).size(), 100u);
  std::vector<CommitToken> tokens;
  for (Seq seq = 1; seq <= 100; ++seq) {
    // Every third one is refused.
    feed.feed->Commit(seq, {{seq % 3 == 0 ? 1000 : seq, Ack{}}}, seq % 2 == 0);
    tokens.push_back(seq);
  }
  HS_ASSERT_OK(feed.sink->WaitCommitted(100));
  EXPECT_EQ(feed.sink->CommittedOrder(), tokens);
}

TEST_P(FeedTest, EverythingUnsettledComesAgainExactlyOnceOverManyPages) {
  constexpr int kEvents = 5000;
  const SubscriptionId id = Subscribe();
  for (int i = 0; i < 10; ++i) client().Fill(kEvents / 10);
  std::mt19937 random(7);
  std::set<Seq> open;
  for (Seq seq = 1; seq <= kEvents; ++seq) open.insert(seq);
  while (!open.empty()) {
    TestFeed feed = client().Attach(id);
    std::vector<Seq> claimed = feed.Claim(static_cast<int64_t>(open.size()));
    std::sort(claimed.begin(), claimed.end());
    ASSERT_TRUE(std::equal(claimed.begin(), claimed.end(), open.begin(), open.end()));
    std::shuffle(claimed.begin(), claimed.end(), random);
    claimed.resize(open.size() < 200 ? open.size() : open.size() * 2 / 3);
    for (size_t i = 0; i < claimed.size(); i += 700) {
      const std::vector<Seq> part(claimed.begin() + static_cast<ptrdiff_t>(i),
                                  claimed.begin() + static_cast<ptrdiff_t>(std::min(i + 700, claimed.size())));
      HS_ASSERT_OK(feed.AckAll(part));
    }
    for (const Seq seq : claimed) open.erase(seq);
    feed.feed.reset();
    Restart();
  }
  EXPECT_EQ(client().Stats(id)->lag, 0);
  EXPECT_FALSE(client().Stats(id)->oldest_unsettled_at.has_value());
}

TEST_P(FeedTest, AnEphemeralFeedGetsEventsAndWritesNothing) {
  client().Fill(3);
  {
    TestFeed feed = client().AttachEphemeral(Earliest{}, nullptr);
    EXPECT_THAT(feed.Claim(3), ElementsAre(1, 2, 3));
    HS_EXPECT_OK(feed.Commit({{1, Ack{}}, {2, Retry{Attempts(1), absl::Seconds(1)}}}));
    HS_EXPECT_OK(feed.Commit({{2, Dead{Attempts(1)}}}));
    EXPECT_EQ(feed.Commit({{2, Ack{}}}).code(), absl::StatusCode::kFailedPrecondition);
    feed.feed->Release({3});
    EXPECT_THAT(feed.Claim(1), ElementsAre(3));
  }
  TestFeed all = client().AttachEphemeral(AtSeq{2}, nullptr);
  EXPECT_THAT(all.Claim(2), ElementsAre(2, 3));
  TestFeed latest = client().AttachEphemeral(Latest{}, OfType("wanted"));
  latest.feed->Want(10, 1 << 20);
  client().Fill(1);
  HS_ASSERT_OK(client().Append(MakeEvent("x", "", "shop", "wanted")));
  EXPECT_THAT(latest.sink->TakeSeqs(1), ElementsAre(5));
  EXPECT_THAT(subscriptions_.Records(), IsEmpty());
}

TEST_P(FeedTest, AFeedMayBeClosedWhileItsCommitIsOnItsWay) {
  const SubscriptionId id = Subscribe();
  for (int round = 0; round < 20; ++round) {
    const Seq seq = client().Fill(1).front();
    {
      TestFeed feed = client().Attach(id);
      EXPECT_THAT(feed.Claim(1), ElementsAre(seq));
      feed.feed->Commit(1, {{seq, Ack{}}}, true);
    }
    // Either it was committed or it comes again; in the end it is settled.
    ASSERT_TRUE(Eventually([&] { return !client().Stats(id)->oldest_unsettled_at.has_value(); }));
  }
}

}  // namespace
}  // namespace hookstream::store::testing
