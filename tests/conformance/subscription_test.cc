#include "tests/conformance/fixture.h"

namespace hookstream::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SubscriptionTest : public StoreTest {};
HS_STORE_SUITE(SubscriptionTest);

TEST_P(SubscriptionTest, IsCreatedOnceAndChangedOnlyAtItsRevision) {
  const auto made = client().Put("billing", "one");
  HS_ASSERT_OK(made);
  EXPECT_EQ(made->name, "billing");
  EXPECT_EQ(made->spec, "one");
  EXPECT_EQ(made->revision, 1u);
  EXPECT_EQ(made->generation, 1u);
  EXPECT_EQ(made->created_at, clock_.WallNow());
  EXPECT_EQ(Code(client().Put("billing", "two")), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Code(client().Put("billing", "two", 7)), absl::StatusCode::kAborted);
  EXPECT_EQ(Code(client().Put("unknown", "two", 1)), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code(client().Put("", "two")), absl::StatusCode::kInvalidArgument);
  const auto changed = client().Put("billing", "two", 1);
  HS_ASSERT_OK(changed);
  EXPECT_EQ(changed->id, made->id);
  EXPECT_EQ(changed->revision, 2u);
  EXPECT_EQ(changed->generation, 1u);
  EXPECT_EQ(subscriptions_.Records()[made->id].spec, "two");
}

TEST_P(SubscriptionTest, AllAreToldAtStart) {
  const auto one = client().Put("one", "1");
  const auto two = client().Put("two", "2");
  HS_ASSERT_OK(client().Put("two", "2b", 1));
  HS_ASSERT_OK(client().Drop(one->id));
  Close();
  subscriptions_.OnSubscriptionDropped(two->id);
  Open();
  const auto told = subscriptions_.Records();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told.at(two->id).name, "two");
  EXPECT_EQ(told.at(two->id).spec, "2b");
  EXPECT_EQ(told.at(two->id).revision, 2u);
  EXPECT_EQ(told.at(two->id).created_at, two->created_at);
}

TEST_P(SubscriptionTest, AnIdIsNeverUsedTwice) {
  const auto one = client().Put("one");
  HS_ASSERT_OK(client().Drop(one->id));
  EXPECT_THAT(subscriptions_.Records(), IsEmpty());
  Restart();
  const auto again = client().Put("one");
  HS_ASSERT_OK(again);
  EXPECT_NE(again->id, one->id);
}

TEST_P(SubscriptionTest, DroppedLosesItsFeedAndItsDeadLetters) {
  client().Fill(3);
  const auto made = client().Put("one");
  TestFeed feed = client().Attach(made->id);
  EXPECT_THAT(feed.Claim(2), ElementsAre(1, 2));
  HS_ASSERT_OK(feed.Commit({{1, Dead{Attempts(1)}}}));
  HS_ASSERT_OK(client().Drop(made->id));
  EXPECT_THAT(feed.sink->WaitLost(1), ElementsAre(2));
  EXPECT_FALSE(feed.Commit({{2, Ack{}}}).ok());
  EXPECT_EQ(Code(client().ListDead(made->id)), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code(client().Drop(made->id)), absl::StatusCode::kNotFound);
  RecordingFeed sink;
  EXPECT_EQ(Code(store().Attach(made->id, 1, nullptr, sink)), absl::StatusCode::kNotFound);
}

TEST_P(SubscriptionTest, BeginsWhereItIsToldTo) {
  std::vector<NewEvent> events;
  for (int i = 0; i < 10; ++i) {
    events.push_back(MakeEvent("x"));
    events.back().data.received_at = absl::FromUnixSeconds(1'700'000'000 + i);
  }
  HS_ASSERT_OK(client().AppendAll(std::move(events)));
  const auto first_of = [&](const char* name, Position start) {
    const auto made = client().Put(name, "", 0, start);
    TestFeed feed = client().Attach(made->id);
    return feed.Claim(1);
  };
  EXPECT_THAT(first_of("earliest", Earliest{}), ElementsAre(1));
  EXPECT_THAT(first_of("seq", AtSeq{4}), ElementsAre(4));
  EXPECT_THAT(first_of("time", AtTime{absl::FromUnixSeconds(1'700'000'006)}), ElementsAre(7));
  EXPECT_THAT(first_of("before all", AtTime{absl::FromUnixSeconds(1)}), ElementsAre(1));
  const auto latest = client().Put("latest", "", 0, Latest{});
  const auto future = client().Put("future", "", 0, AtTime{absl::FromUnixSeconds(1'900'000'000)});
  client().Fill(1);
  TestFeed latest_feed = client().Attach(latest->id);
  EXPECT_THAT(latest_feed.Claim(1), ElementsAre(11));
  TestFeed future_feed = client().Attach(future->id);
  EXPECT_THAT(future_feed.Claim(1), ElementsAre(11));
}

TEST_P(SubscriptionTest, ASeekBeginsANewGenerationAndTakesTheClaims) {
  client().Fill(5);
  const auto made = client().Put("one");
  TestFeed feed = client().Attach(made->id);
  EXPECT_THAT(feed.Claim(5), ElementsAre(1, 2, 3, 4, 5));
  HS_ASSERT_OK(feed.Commit({{1, Ack{}}, {2, Retry{Attempts(3), absl::Seconds(1)}}}));

  EXPECT_EQ(Code(client().Seek(made->id, 7, Earliest{})), absl::StatusCode::kAborted);
  EXPECT_EQ(Code(client().Seek(made->id + 1, 1, Earliest{})), absl::StatusCode::kNotFound);
  const auto moved = client().Seek(made->id, 1, AtSeq{1});
  HS_ASSERT_OK(moved);
  EXPECT_EQ(moved->generation, 2u);
  EXPECT_EQ(subscriptions_.Records()[made->id].generation, 2u);
  EXPECT_THAT(feed.sink->WaitLost(4), ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(feed.Commit({{3, Ack{}}}).code(), absl::StatusCode::kAborted);

  RecordingFeed sink;
  EXPECT_EQ(Code(store().Attach(made->id, 1, nullptr, sink)), absl::StatusCode::kAborted);
  for (int round = 0; round < 2; ++round) {
    TestFeed again = client().Attach(made->id, 2);
    again.feed->Want(5, 1 << 20);
    const auto claimed = again.sink->Take(5);
    ASSERT_EQ(claimed.size(), 5u);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(claimed[i].event->seq, i + 1);
      EXPECT_EQ(claimed[i].retry, RetryRecord{});
    }
    again.feed.reset();
    feed.feed.reset();
    Restart();
  }
}

TEST_P(SubscriptionTest, ASeekToLatestSkipsTheBacklog) {
  client().Fill(5);
  const auto made = client().Put("one");
  HS_ASSERT_OK(client().Seek(made->id, 1, Latest{}));
  EXPECT_EQ(client().Stats(made->id)->lag, 0);
  client().Fill(1);
  TestFeed feed = client().Attach(made->id, 2);
  EXPECT_THAT(feed.Claim(1), ElementsAre(6));
}

TEST_P(SubscriptionTest, StatsTellLagAndTheOldestUnsettled) {
  const auto made = client().Put("one");
  EXPECT_EQ(client().Stats(made->id)->lag, 0);
  EXPECT_FALSE(client().Stats(made->id)->oldest_unsettled_at.has_value());
  std::vector<NewEvent> events;
  for (int i = 0; i < 4; ++i) {
    events.push_back(MakeEvent("x", "", "shop", i == 1 ? "other" : "wanted"));
    events.back().data.received_at = absl::FromUnixSeconds(1'700'000'000 + i);
  }
  HS_ASSERT_OK(client().AppendAll(std::move(events)));
  TestFeed feed = client().Attach(made->id, 1, OfType("wanted"));
  EXPECT_EQ(client().Stats(made->id)->lag, 4);
  EXPECT_THAT(feed.Claim(2), ElementsAre(1, 3));
  EXPECT_EQ(client().Stats(made->id)->lag, 1);
  EXPECT_EQ(client().Stats(made->id)->skipped, 1);
  EXPECT_EQ(client().Stats(made->id)->oldest_unsettled_at, absl::FromUnixSeconds(1'700'000'000));
  HS_ASSERT_OK(feed.AckAll({1}));
  EXPECT_EQ(client().Stats(made->id)->oldest_unsettled_at, absl::FromUnixSeconds(1'700'000'002));
  EXPECT_EQ(Code(client().Stats(made->id + 1)), absl::StatusCode::kNotFound);
}

// Small values of the relay's own, which outlive it.
TEST_P(SubscriptionTest, RecordsAreReplacedRemovedAndOutliveARestart) {
  EXPECT_THAT(client().Records(""), IsEmpty());
  HS_ASSERT_OK(client().PutRecord("keys/a", "1"));
  HS_ASSERT_OK(client().PutRecord("keys/b", std::string("2\0x", 3)));
  HS_ASSERT_OK(client().PutRecord("other", "3"));
  HS_ASSERT_OK(client().PutRecord("keys/a", "4"));
  Restart();
  EXPECT_THAT(client().Records("keys/"), ElementsAre("keys/a=4", std::string("keys/b=2\0x", 10)));
  HS_ASSERT_OK(client().PutRecord("keys/a", ""));
  HS_ASSERT_OK(client().PutRecord("never", ""));
  Restart();
  EXPECT_THAT(client().Records("keys/"), ElementsAre(std::string("keys/b=2\0x", 10)));
  EXPECT_EQ(client().Records("").size(), 2u);
  EXPECT_EQ(Code(client().PutRecord("", "x")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(client().PutRecord("x", std::string(kRecordValueMax + 1, 'x'))), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace hookstream::store::testing
