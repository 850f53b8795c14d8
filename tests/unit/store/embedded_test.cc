// What only the embedded engine has: its folder, its queue, its commit thread.
#include <rocksdb/db.h>

#include "metrics/metrics.h"
#include "store/embedded/format.h"
#include "tests/unit/store/embedded_fixture.h"

namespace hookstream::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EmbeddedStoreTest : public EmbeddedTest {
 protected:
  ~EmbeddedStoreTest() override { Close(); }

  metrics::Registry registry_;  // outlives the store
  // An append whose sync waits.
  Answer<absl::StatusOr<std::vector<Appended>>> AppendHeld(NewEvent event) {
    Answer<absl::StatusOr<std::vector<Appended>>> answer;
    fs_->HoldLogSyncs(true);
    std::vector<NewEvent> events;
    events.push_back(std::move(event));
    HS_EXPECT_OK(store().Append(std::move(events), answer.Callback()));
    fs_->WaitForHeldSync();
    return answer;
  }
};

TEST_F(EmbeddedStoreTest, ASecondRelayOnOneFolderIsRefusedByName) {
  Open();
  EmbeddedStore second(options_);
  RecordingSubscriptions subscriptions;
  const absl::Status refused = second.Start(subscriptions, nullptr);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(options_.data_dir));
}

TEST_F(EmbeddedStoreTest, ANewerFormatIsRefused) {
  Open();
  Close();
  const auto change = [&](auto&& with) {
    rocksdb::DBOptions db_options;
    std::vector<std::string> names;
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies(db_options, options_.data_dir, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* raw = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(db_options, options_.data_dir, families, &handles, &raw).ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    with(*db);
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  };
  const auto set_format = [&](uint64_t format) {
    change([&](rocksdb::DB& db) {
      ASSERT_TRUE(db.Put(rocksdb::WriteOptions(), "format", embedded::EncodeNumber(format)).ok());
    });
  };
  set_format(embedded::kFormatVersion + 1);
  const absl::Status refused = TryOpen();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("newer"));
  Close();
  set_format(embedded::kFormatVersion);
  HS_EXPECT_OK(TryOpen());
  Close();
  change([&](rocksdb::DB& db) {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    ASSERT_TRUE(db.CreateColumnFamily(rocksdb::ColumnFamilyOptions(), "from the future", &handle).ok());
    db.DestroyColumnFamilyHandle(handle);
  });
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EmbeddedStoreTest, ADuplicateWaitsForTheSyncOfItsOriginal) {
  Open();
  auto original = AppendHeld(MakeEvent("a", "id-1"));
  Answer<absl::StatusOr<std::vector<Appended>>> duplicate;
  std::vector<NewEvent> events;
  events.push_back(MakeEvent("a", "id-1"));
  HS_ASSERT_OK(store().Append(std::move(events), duplicate.Callback()));
  EXPECT_FALSE(original.Ready());
  EXPECT_FALSE(duplicate.Ready());
  EXPECT_EQ(store().GetStats().head, 0u);
  fs_->HoldLogSyncs(false);
  EXPECT_FALSE(original.Get()->front().duplicate);
  const auto second = duplicate.Get();
  HS_ASSERT_OK(second);
  EXPECT_TRUE(second->front().duplicate);
  EXPECT_EQ(second->front().seq, 1u);
}

TEST_F(EmbeddedStoreTest, ADuplicateOfAFailedOriginalIsStored) {
  Open();
  auto original = AppendHeld(MakeEvent("a", "id-1"));
  fs_->FailWrites(rocksdb::IOStatus::NoSpace());
  fs_->FailLogSyncs(1);
  fs_->HoldLogSyncs(false);
  EXPECT_FALSE(original.Get().ok());
  fs_->FailWrites(std::nullopt);
  ASSERT_TRUE(health_.WaitRecovered());
  const auto again = client().Append(MakeEvent("a", "id-1"));
  HS_ASSERT_OK(again);
  HS_EXPECT_OK(client().ReadOne(again->seq));
}

TEST_F(EmbeddedStoreTest, WhatWaitsForACommitIsBounded) {
  options_.queue_events_max = 4;
  options_.queue_bytes_max = 10'000;
  Open();
  auto held = AppendHeld(MakeEvent("a"));
  std::vector<Answer<absl::StatusOr<std::vector<Appended>>>> waiting(4);
  const auto append = [&](NewEvent event, auto callback) {
    std::vector<NewEvent> events;
    events.push_back(std::move(event));
    return store().Append(std::move(events), std::move(callback));
  };
  for (auto& answer : waiting) HS_EXPECT_OK(append(MakeEvent("b"), answer.Callback()));
  const absl::Status refused = append(MakeEvent("c"), [](auto) { FAIL() << "refused at once"; });
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  fs_->HoldLogSyncs(false);
  for (auto& answer : waiting) HS_EXPECT_OK(answer.Get());

  held = AppendHeld(MakeEvent("a"));
  // One that is larger than the queue goes alone.
  Answer<absl::StatusOr<std::vector<Appended>>> large;
  HS_EXPECT_OK(append(MakeEvent(std::string(20'000, 'x')), large.Callback()));
  EXPECT_EQ(append(MakeEvent("c"), [](auto) { FAIL() << "refused at once"; }).code(),
            absl::StatusCode::kResourceExhausted);
  fs_->HoldLogSyncs(false);
  HS_EXPECT_OK(large.Get());
}

TEST_F(EmbeddedStoreTest, WhatComesDuringASyncSharesTheNextOne) {
  options_.metrics = &registry_;
  Open();
  auto first = AppendHeld(MakeEvent("a"));
  std::vector<Answer<absl::StatusOr<std::vector<Appended>>>> answers(50);
  for (auto& answer : answers) {
    std::vector<NewEvent> events;
    events.push_back(MakeEvent("b"));
    HS_ASSERT_OK(store().Append(std::move(events), answer.Callback()));
  }
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_store_queue_events 50\n"));
  fs_->HoldLogSyncs(false);
  for (auto& answer : answers) HS_EXPECT_OK(answer.Get());
  const std::string text = registry_.Expose();
  EXPECT_THAT(text, HasSubstr("hookstream_store_batch_events_count 2\n"));
  EXPECT_THAT(text, HasSubstr("hookstream_store_appended_events_total 51\n"));
  EXPECT_THAT(text, HasSubstr("hookstream_store_healthy 1\n"));
  EXPECT_THAT(text, HasSubstr("hookstream_store_queue_events_max 65536\n"));
}

TEST_F(EmbeddedStoreTest, ADowntimeAgesWhatIsKeptByADayAtMost) {
  options_.retention.age = absl::Hours(36);
  Open();
  for (int i = 0; i < 3; ++i) client().Fill(1);
  Close();
  clock_.Advance(absl::Hours(24 * 365));
  Open();
  client().Fill(1);
  EXPECT_EQ(store().GetStats().trim, 1u);
  clock_.Advance(absl::Hours(11));
  Close();
  Open();
  EXPECT_EQ(store().GetStats().trim, 1u);
  clock_.Advance(absl::Hours(2));
  EXPECT_TRUE(Eventually([&] { return store().GetStats().trim == 4; }));
}

TEST_F(EmbeddedStoreTest, ProgressOfAFilterThatSkipsIsKept) {
  Open();
  const SubscriptionId id = client().Put("one")->id;
  for (int i = 0; i < 5; ++i) client().Fill(1000);
  {
    TestFeed feed = client().Attach(id, 1, OfType("none"));
    feed.feed->Want(10, 1 << 20);
    ASSERT_TRUE(Eventually([&] { return client().Stats(id)->lag == 0; }));
  }
  // It is written with the next commit that comes after a second of maintenance; here a clean stop is not enough for
  // the last page, which is not full.
  TestFeed feed = client().Attach(id, 1, OfType("none"));
  feed.feed->Want(10, 1 << 20);
  ASSERT_TRUE(Eventually([&] {
    client().Fill(1);
    feed.feed.reset();
    Close();
    Open();
    const bool kept = client().Stats(id)->lag < 2000;
    feed = client().Attach(id, 1, OfType("none"));
    feed.feed->Want(10, 1 << 20);
    return kept;
  }));
  feed.feed.reset();
}

TEST_F(EmbeddedStoreTest, DedupeIdsOutliveMemoryAndCrashes) {
  options_.dedupe_recent_max = 8;
  std::mt19937 random(3);
  Open();
  for (int i = 0; i < 200; ++i) HS_ASSERT_OK(client().Append(MakeEvent("x", absl::StrCat("id-", i))));
  for (int round = 0; round < 2; ++round) {
    Crash(random);
    Open();
    for (int i = 0; i < 200; i += 7) {
      const auto again = client().Append(MakeEvent("x", absl::StrCat("id-", i)));
      HS_ASSERT_OK(again);
      EXPECT_TRUE(again->duplicate) << i;
      EXPECT_EQ(again->seq, static_cast<Seq>(i + 1));
    }
  }
}

}  // namespace
}  // namespace hookstream::store::testing
