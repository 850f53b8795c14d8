#include "tests/conformance/fixture.h"

namespace hookstream::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RetentionTest : public StoreTest {
 protected:
  void SetUp() override {
    limits_.retention_age = absl::Hours(24);
    StoreTest::SetUp();
  }
  bool TrimReaches(Seq seq) {
    return Eventually([&] { return store().GetStats().trim >= seq; });
  }
  // Whether history could go has been looked at since: it goes up to what is settled when that may.
  void LetMaintenanceRun() {
    const Seq trim = store().GetStats().trim;
    (void)Eventually([&, rounds = 0]() mutable { return ++rounds > 30 || store().GetStats().trim != trim; });
  }
};
HS_STORE_SUITE(RetentionTest);

TEST_P(RetentionTest, SettledHistoryGoesByAgeAndTheSequenceGoesOn) {
  for (int i = 0; i < 3; ++i) client().Fill(2);
  clock_.Advance(absl::Hours(23));
  client().Fill(1);
  LetMaintenanceRun();
  EXPECT_EQ(store().GetStats().trim, 1u);
  EXPECT_EQ(store().GetStats().events, 7);
  clock_.Advance(absl::Hours(2));
  ASSERT_TRUE(TrimReaches(7));
  EXPECT_EQ(store().GetStats().events, 1);
  EXPECT_EQ(Code(client().ReadOne(6)), absl::StatusCode::kNotFound);
  EXPECT_THAT(SeqsOf(client().Read(Earliest{})->events), ElementsAre(7));
  EXPECT_THAT(SeqsOf(client().Read(AtSeq{2})->events), ElementsAre(7));
  EXPECT_THAT(SeqsOf(client().ReadBackwards(Latest{})->events), ElementsAre(7));
  clock_.Advance(absl::Hours(48));
  Restart();
  EXPECT_EQ(store().GetStats().trim, 7u);
  EXPECT_EQ(store().GetStats().events, 1);
  EXPECT_THAT(client().Fill(1), ElementsAre(8));
}

TEST_P(RetentionTest, AClockStepTrimsNothing) {
  for (int i = 0; i < 3; ++i) client().Fill(1);
  clock_.StepWall(absl::Hours(24 * 365));
  LetMaintenanceRun();
  EXPECT_EQ(store().GetStats().trim, 1u);
  // Nor over a restart, but for the day that it may count.
  Restart();
  EXPECT_EQ(store().GetStats().head, 3u);
}

TEST_P(RetentionTest, WhatASubscriptionHasNotSettledStays) {
  const SubscriptionId id = client().Put("slow")->id;
  for (int i = 0; i < 6; ++i) client().Fill(1);
  {
    TestFeed feed = client().Attach(id);
    EXPECT_EQ(feed.Claim(6).size(), 6u);
    HS_ASSERT_OK(feed.AckAll({1, 2, 4, 5, 6}));
    clock_.Advance(absl::Hours(48));
    ASSERT_TRUE(TrimReaches(3));
    LetMaintenanceRun();
    EXPECT_EQ(store().GetStats().trim, 3u);
  }
  Restart();
  EXPECT_EQ(store().GetStats().trim, 3u);
  TestFeed feed = client().Attach(id);
  EXPECT_THAT(feed.Claim(1), ElementsAre(3));
  HS_ASSERT_OK(feed.AckAll({3}));
  EXPECT_TRUE(TrimReaches(6));
}

TEST_P(RetentionTest, ADeadLetterStaysReadableUntilItIsPurged) {
  const SubscriptionId id = client().Put("one")->id;
  for (int i = 0; i < 4; ++i) client().Fill(1);
  {
    TestFeed feed = client().Attach(id);
    EXPECT_EQ(feed.Claim(4).size(), 4u);
    HS_ASSERT_OK(feed.Commit({{1, Ack{}}, {2, Dead{Attempts(1)}}, {3, Ack{}}, {4, Ack{}}}));
  }
  clock_.Advance(absl::Hours(48));
  ASSERT_TRUE(TrimReaches(2));
  Restart();
  LetMaintenanceRun();
  EXPECT_EQ(store().GetStats().trim, 2u);
  EXPECT_EQ(client().ListDead(id)->events.front().event->data.body, "body 0");
  EXPECT_EQ(*client().Redrive(id, {2}), 1);
  LetMaintenanceRun();
  EXPECT_EQ(store().GetStats().trim, 2u);
  TestFeed feed = client().Attach(id);
  EXPECT_THAT(feed.Claim(1), ElementsAre(2));
  HS_ASSERT_OK(feed.AckAll({2}));
  EXPECT_TRUE(TrimReaches(4));
}

TEST_P(RetentionTest, AnEphemeralFeedKeepsNothing) {
  TestFeed feed = client().AttachEphemeral(Earliest{}, nullptr);
  for (int i = 0; i < 3; ++i) client().Fill(1);
  clock_.Advance(absl::Hours(48));
  ASSERT_TRUE(TrimReaches(3));
  client().Fill(1);
  // It goes on with what there is.
  EXPECT_EQ(feed.Claim(2).back(), 4u);
}

TEST_P(RetentionTest, ADuplicateOfATrimmedEventIsStillADuplicate) {
  NewEvent event = MakeEvent("x", "id-1");
  event.dedupe_window = absl::Hours(24 * 20);
  HS_ASSERT_OK(client().Append(event));
  client().Fill(1);
  clock_.Advance(absl::Hours(48));
  ASSERT_TRUE(TrimReaches(2));
  Restart();
  const auto again = client().Append(event);
  HS_ASSERT_OK(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->seq, 1u);
}

class FullStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    limits_.bytes_max = 100'000;
    StoreTest::SetUp();
  }
  absl::Status AppendUntilRefused() {
    for (int i = 0; i < 1000; ++i) {
      NewEvent event = MakeEvent(std::string(1000, 'x'));
      if (const auto appended = client().Append(std::move(event)); !appended.ok()) return appended.status();
    }
    return absl::OkStatus();
  }
};
HS_STORE_SUITE(FullStoreTest);

TEST_P(FullStoreTest, RefusesAtItsLimitNamesWhoPinsItAndRecovers) {
  const SubscriptionId id = client().Put("sleepy")->id;
  HS_ASSERT_OK(client().Put("other", "", 0, Latest{}));
  HS_ASSERT_OK(client().Drop(client().Put("third")->id));
  EXPECT_EQ(AppendUntilRefused().code(), absl::StatusCode::kResourceExhausted);
  const StoreStats full = store().GetStats();
  EXPECT_LE(full.bytes, full.disk_bytes_max);
  EXPECT_GT(full.bytes, full.disk_bytes_max * 9 / 10);
  // The reason is found by maintenance.
  EXPECT_TRUE(Eventually([&] {
    const absl::Status status = AppendUntilRefused();
    return status.code() == absl::StatusCode::kResourceExhausted &&
           status.message().find("sleepy") != absl::string_view::npos;
  }));
  // Once it has settled, history makes room.
  for (const char* name : {"sleepy", "other"}) {
    const SubscriptionId one = std::string_view(name) == "sleepy" ? id : id + 1;
    TestFeed feed = client().Attach(one);
    HS_ASSERT_OK(feed.AckAll(feed.Claim(full.events)));
  }
  EXPECT_TRUE(Eventually([&] { return store().GetStats().events < full.events; }));
  HS_EXPECT_OK(client().Append(MakeEvent(std::string(1000, 'x'))));
}

TEST_P(FullStoreTest, SettledHistoryNeverFillsIt) {
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(Eventually([&] { return client().Append(MakeEvent(std::string(1000, 'x'))).ok(); }));
  }
  EXPECT_LE(store().GetStats().bytes, limits_.bytes_max);
  EXPECT_EQ(store().GetStats().head, 500u);
}

}  // namespace
}  // namespace hookstream::store::testing
