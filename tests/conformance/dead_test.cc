#include "tests/conformance/fixture.h"

namespace hookstream::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DeadTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    id_ = client().Put("one")->id;
  }
  std::vector<Seq> DeadSeqs(MetaFilter filter = nullptr) {
    const auto page = client().ListDead(id_, 0, std::move(filter));
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<Seq> seqs;
    if (page.ok()) {
      for (const DeadEvent& dead : page->events) seqs.push_back(dead.event->seq);
    }
    return seqs;
  }
  // Appends and makes them dead.
  void Kill(int count) {
    const std::vector<Seq> seqs = client().Fill(count);
    TestFeed feed = client().Attach(id_);
    std::vector<Outcome> outcomes;
    for (const Seq seq : feed.Claim(count)) outcomes.push_back({seq, Dead{Attempts(5, "gave up")}});
    HS_ASSERT_OK(feed.Commit(std::move(outcomes)));
  }

  SubscriptionId id_ = 0;
};
HS_STORE_SUITE(DeadTest);

TEST_P(DeadTest, ADeadEventIsListedWithItsHistoryAndNotDeliveredAgain) {
  Kill(2);
  for (int round = 0; round < 2; ++round) {
    const auto page = client().ListDead(id_);
    HS_ASSERT_OK(page);
    ASSERT_EQ(page->events.size(), 2u);
    EXPECT_FALSE(page->next.has_value());
    EXPECT_EQ(page->events[0].event->seq, 1u);
    EXPECT_EQ(page->events[0].event->data.body, "body 0");
    EXPECT_EQ(page->events[0].record, Attempts(5, "gave up"));
    EXPECT_EQ(page->events[0].dead_at, clock_.WallNow());
    EXPECT_EQ(client().Stats(id_)->dead, 2);
    Restart();
  }
  TestFeed feed = client().Attach(id_);
  client().Fill(1);
  EXPECT_THAT(feed.Claim(1), ElementsAre(3));
}

TEST_P(DeadTest, ListsInPagesAndByFilter) {
  Kill(5);
  PageLimit limit;
  limit.events_max = 2;
  auto page = client().ListDead(id_, 0, nullptr, limit);
  HS_ASSERT_OK(page);
  EXPECT_EQ(page->events.size(), 2u);
  ASSERT_EQ(page->next, Seq{3});
  page = client().ListDead(id_, *page->next, nullptr, limit);
  EXPECT_EQ(page->events.front().event->seq, 3u);
  EXPECT_THAT(DeadSeqs(OfType("other")), IsEmpty());
  EXPECT_THAT(DeadSeqs([](const EventMeta& meta) { return meta.seq == 4; }), ElementsAre(4));
}

TEST_P(DeadTest, RedrivenEventsAreDeliverableOnceEachAndStaySoOverARestart) {
  Kill(3);
  {
    TestFeed feed = client().Attach(id_);
    feed.feed->Want(2, 1 << 20);
    // 2 comes twice, 9 is not dead.
    const auto count = client().Redrive(id_, {2, 3, 2, 9});
    HS_ASSERT_OK(count);
    EXPECT_EQ(*count, 2);
    const auto claimed = feed.sink->Take(2);
    ASSERT_EQ(claimed.size(), 2u);
    EXPECT_EQ(claimed[0].event->seq, 2u);
    EXPECT_EQ(claimed[0].retry, RetryRecord{});
    EXPECT_EQ(claimed[0].retry_after, absl::ZeroDuration());
    EXPECT_EQ(claimed[1].event->seq, 3u);
    EXPECT_EQ(*client().Redrive(id_, {2, 3}), 0);
    HS_ASSERT_OK(feed.AckAll({3}));
    HS_ASSERT_OK(feed.Commit({{2, Retry{Attempts(1), absl::ZeroDuration()}}}));
  }
  EXPECT_THAT(DeadSeqs(), ElementsAre(1));
  EXPECT_EQ(client().Stats(id_)->dead, 1);
  Restart();
  EXPECT_TRUE(client().Stats(id_)->oldest_unsettled_at.has_value());
  {
    TestFeed feed = client().Attach(id_);
    feed.feed->Want(1, 1 << 20);
    const auto claimed = feed.sink->Take(1);
    ASSERT_EQ(claimed.size(), 1u);
    EXPECT_EQ(claimed[0].event->seq, 2u);
    EXPECT_EQ(claimed[0].retry, Attempts(1));
    HS_ASSERT_OK(feed.AckAll({2}));
  }
  Restart();
  TestFeed feed = client().Attach(id_);
  client().Fill(1);
  EXPECT_THAT(feed.Claim(1), ElementsAre(4));
}

TEST_P(DeadTest, ARedrivenEventMayDieAgain) {
  Kill(1);
  EXPECT_EQ(*client().Redrive(id_, {1}), 1);
  EXPECT_THAT(DeadSeqs(), IsEmpty());
  TestFeed feed = client().Attach(id_);
  EXPECT_THAT(feed.Claim(1), ElementsAre(1));
  HS_ASSERT_OK(feed.Commit({{1, Dead{Attempts(1)}}}));
  EXPECT_THAT(DeadSeqs(), ElementsAre(1));
  EXPECT_EQ(client().Stats(id_)->dead, 1);
}

TEST_P(DeadTest, PurgedIsGone) {
  Kill(3);
  EXPECT_EQ(*client().PurgeDead(id_, {1, 3, 7}), 2);
  EXPECT_THAT(DeadSeqs(), ElementsAre(2));
  EXPECT_EQ(*client().Redrive(id_, {1}), 0);
  Restart();
  EXPECT_THAT(DeadSeqs(), ElementsAre(2));
  EXPECT_EQ(client().Stats(id_)->dead, 1);
  EXPECT_EQ(Code(client().PurgeDead(id_ + 1, {1})), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code(client().Redrive(id_ + 1, {1})), absl::StatusCode::kNotFound);
}

// After a seek back a dead event comes again by itself; redriving it then must not give it twice or forget its
// attempts.
TEST_P(DeadTest, ASeekAndARedriveDoNotDoubleAnEvent) {
  Kill(3);
  HS_ASSERT_OK(client().Seek(id_, 1, Earliest{}));
  {
    TestFeed feed = client().Attach(id_, 2);
    EXPECT_THAT(feed.Claim(2), ElementsAre(1, 2));
    HS_ASSERT_OK(feed.Commit({{1, Retry{Attempts(2), absl::ZeroDuration()}}}));
    EXPECT_EQ(*client().Redrive(id_, {1, 3}), 2);
    EXPECT_THAT(feed.Claim(1), ElementsAre(3));
    HS_ASSERT_OK(feed.AckAll({3}));
    HS_ASSERT_OK(feed.Commit({{2, Dead{Attempts(1, "again")}}}));
    EXPECT_EQ(client().Stats(id_)->dead, 1);
  }
  Restart();
  TestFeed feed = client().Attach(id_, 2);
  feed.feed->Want(5, 1 << 20);
  const auto claimed = feed.sink->Take(1);
  ASSERT_EQ(claimed.size(), 1u);
  EXPECT_EQ(claimed[0].event->seq, 1u);
  EXPECT_EQ(claimed[0].retry, Attempts(2));
  client().Fill(1);
  EXPECT_THAT(feed.sink->TakeSeqs(1), ElementsAre(4));
}

}  // namespace
}  // namespace hookstream::store::testing
