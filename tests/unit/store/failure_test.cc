// Disks that fail, fill up, and forget.
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "tests/unit/store/embedded_fixture.h"

namespace hookstream::store::testing {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FailureTest : public EmbeddedTest {
 protected:
  // The write-ahead log that is written to now.
  std::string NewestLog() const {
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(options_.data_dir)) {
      if (entry.path().extension() == ".log") newest = std::max(newest, entry.path().string());
    }
    return newest;
  }
  static std::string Contents(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static void Overwrite(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
};

TEST_F(FailureTest, AFullDiskRefusesAndRecoversWithoutARestart) {
  Open();
  const SubscriptionId id = client().Put("one")->id;
  client().Fill(3);
  TestFeed feed = client().Attach(id);
  EXPECT_THAT(feed.Claim(3), ElementsAre(1, 2, 3));
  HS_ASSERT_OK(feed.AckAll({1}));

  fs_->FailWrites(rocksdb::IOStatus::NoSpace("No space left on device"));
  const auto failed = client().Append(MakeEvent("lost", "id-lost"));
  EXPECT_EQ(Code(failed), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(health_.WaitFor(absl::StatusCode::kUnavailable));
  EXPECT_THAT(std::string(health_.All().back().message()), HasSubstr("No space left"));
  EXPECT_EQ(Code(client().Append(MakeEvent("refused"))), absl::StatusCode::kUnavailable);
  EXPECT_EQ(feed.Commit({{2, Ack{}}}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Code(client().Put("two")), absl::StatusCode::kUnavailable);
  // What is stored can be read until the database is closed for its reopening; the test once took that for closed
  // already.
  EXPECT_THAT(Code(client().ReadOne(1)), AnyOf(absl::StatusCode::kOk, absl::StatusCode::kUnavailable));

  fs_->FailWrites(std::nullopt);
  ASSERT_TRUE(health_.WaitRecovered());
  const auto appended = client().Append(MakeEvent("after"));
  HS_ASSERT_OK(appended);
  EXPECT_GT(appended->seq, 4u) << "a sequence that was tried must not be used again";
  // The claims have lived through it.
  HS_EXPECT_OK(feed.Commit({{2, Ack{}}, {3, Retry{Attempts(1), absl::ZeroDuration()}}}));
  EXPECT_THAT(feed.Claim(1), ElementsAre(appended->seq));
  HS_EXPECT_OK(feed.AckAll({appended->seq}));
  feed.feed.reset();
  Close();
  Open();
  feed = client().Attach(id);
  client().Fill(1);
  EXPECT_EQ(feed.Claim(2).front(), 3u);
}

TEST_F(FailureTest, AFeedGetsEverythingThatWasAcceptedAroundAFailure) {
  options_.tail_bytes_max = 0;
  Open();
  TestFeed feed = client().Attach(client().Put("one")->id);
  std::vector<Seq> accepted = client().Fill(3);
  for (int round = 0; round < 3; ++round) {
    fs_->FailWrites(rocksdb::IOStatus::NoSpace());
    EXPECT_FALSE(client().Append(MakeEvent("lost")).ok());
    fs_->FailWrites(std::nullopt);
    ASSERT_TRUE(health_.WaitRecovered());
    for (const Seq seq : client().Fill(2)) accepted.push_back(seq);
  }
  EXPECT_EQ(feed.Claim(static_cast<int64_t>(accepted.size())), accepted);
}

// A batch whose sync failed is refused, and may be there after the reopening.
TEST_F(FailureTest, AfterAFailedSyncNothingIsUsedTwice) {
  Open();
  const SubscriptionId id = client().Put("one")->id;
  client().Fill(2);
  TestFeed feed = client().Attach(id);
  EXPECT_THAT(feed.Claim(2), ElementsAre(1, 2));
  feed.feed->Want(100, 1 << 20);

  fs_->FailLogSyncs(1);
  EXPECT_EQ(Code(client().Append(MakeEvent("twice", "id-1"))), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(health_.WaitRecovered());
  // The sender tries again. Either way exactly one is there.
  const auto again = client().Append(MakeEvent("twice", "id-1"));
  HS_ASSERT_OK(again);
  const auto event = client().ReadOne(again->seq);
  HS_ASSERT_OK(event);
  EXPECT_EQ((*event)->data.body, "twice");
  const auto page = client().Read(AtSeq{3});
  HS_ASSERT_OK(page);
  EXPECT_EQ(page->events.size(), 1u);
  EXPECT_EQ(feed.sink->TakeSeqs(1), SeqsOf(page->events));

  // The same for a settlement: it failed for the client, and may hold.
  fs_->FailLogSyncs(1);
  EXPECT_EQ(feed.Commit({{1, Ack{}}}).code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(health_.WaitRecovered());
  HS_EXPECT_OK(feed.Commit({{1, Ack{}}}));
  EXPECT_EQ(fs_->FailedSyncs(), 2);
}

TEST_F(FailureTest, ChangesWhoseSyncFailedAreToldOnceTheyTurnOutToHold) {
  Open();
  const SubscriptionId kept = client().Put("kept")->id;
  const SubscriptionId moved = client().Put("moved")->id;
  const SubscriptionId dropped = client().Put("dropped")->id;
  client().Fill(3);
  TestFeed kept_feed = client().Attach(kept);
  TestFeed moved_feed = client().Attach(moved);
  TestFeed dropped_feed = client().Attach(dropped);
  for (TestFeed* feed : {&kept_feed, &moved_feed, &dropped_feed}) EXPECT_EQ(feed->Claim(3).size(), 3u);
  const auto fail_once = [&](auto change) {
    fs_->FailLogSyncs(1);
    EXPECT_FALSE(change().ok());
    EXPECT_TRUE(health_.WaitRecovered());
  };
  fail_once([&] { return client().Put("kept", "new spec", 1); });
  fail_once([&] { return client().Put("added"); });
  fail_once([&] { return client().Seek(moved, 1, Latest{}); });
  fail_once([&] { return client().Drop(dropped); });
  // The log was whole, only its sync failed: all of it holds, and everybody has been told.
  EXPECT_TRUE(Eventually([&] {
    const auto records = subscriptions_.Records();
    return records.size() == 3 && records.at(kept).spec == "new spec" && records.at(moved).generation == 2;
  }));
  EXPECT_EQ(moved_feed.sink->WaitLost(3).size(), 3u);
  EXPECT_EQ(dropped_feed.sink->WaitLost(3).size(), 3u);
  HS_EXPECT_OK(kept_feed.AckAll({1, 2, 3}));
  EXPECT_FALSE(moved_feed.AckAll({1}).ok());
  EXPECT_EQ(Code(client().Put("added")), absl::StatusCode::kAlreadyExists);
}

TEST_F(FailureTest, AFailedFlushIsRecoveredFrom) {
  Open();
  fs_->FailWrites(rocksdb::IOStatus::NoSpace(), ".sst");
  // The log takes them until RocksDB wants to flush.
  std::set<Seq> accepted;
  std::string body(1 << 20, 'x');
  for (int i = 0; i < 200 && health_.All().back().ok(); ++i) {
    const auto appended = client().Append(MakeEvent(body));
    if (appended.ok()) accepted.insert(appended->seq);
  }
  ASSERT_TRUE(health_.WaitFor(absl::StatusCode::kUnavailable));
  fs_->FailWrites(std::nullopt);
  ASSERT_TRUE(health_.WaitRecovered());
  for (const Seq seq : accepted) HS_EXPECT_OK(client().ReadOne(seq));
  HS_EXPECT_OK(client().Append(MakeEvent("after")));
}

TEST_F(FailureTest, StopsWhileTheDiskIsFull) {
  Open();
  client().Fill(1);
  fs_->FailWrites(rocksdb::IOStatus::NoSpace());
  EXPECT_FALSE(client().Append(MakeEvent("lost")).ok());
  Close();
  fs_->FailWrites(std::nullopt);
  Open();
  EXPECT_EQ(store().GetStats().events, 1);
}

// Invariants 1 to 4 of the delivery: everything that was answered is there after any crash, in the state that was
// confirmed, and no sequence means two events.
TEST_F(FailureTest, NothingAcknowledgedIsLostOverManyCrashes) {
  constexpr int kRounds = 12;
  std::mt19937 random(20240229);
  options_.dedupe_recent_max = 16;
  options_.tail_bytes_max = 4000;
  std::map<std::string, Seq> stored;  // provider's id -> sequence that was answered
  std::map<Seq, std::string> owner;   // and back
  std::set<Seq> settled;
  std::map<Seq, int> attempts;
  Open();
  const SubscriptionId id = client().Put("one")->id;
  int next_id = 0;
  for (int round = 0; round < kRounds; ++round) {
    TestFeed feed = client().Attach(id);
    feed.feed->Want(1 << 20, int64_t{1} << 40);
    const int appends = 20 + static_cast<int>(random() % 60);
    for (int i = 0; i < appends; ++i) {
      // Some again, as a sender does that had no answer.
      const std::string name =
          absl::StrCat("id-", random() % 4 == 0 && next_id > 0 ? static_cast<int>(random()) % next_id : next_id++);
      const auto appended = client().Append(MakeEvent(name + std::string(random() % 3000, '.'), name));
      HS_ASSERT_OK(appended);
      if (const auto known = stored.find(name); known != stored.end()) {
        EXPECT_TRUE(appended->duplicate) << name;
        EXPECT_EQ(appended->seq, known->second);
      }
      const auto [it, is_new] = owner.try_emplace(appended->seq, name);
      EXPECT_EQ(it->second, name) << "sequence " << appended->seq << " is used twice";
      stored[name] = appended->seq;
    }
    std::vector<Claimed> claimed = feed.sink->Take(feed.sink->Waiting());
    for (size_t i = 0; i < claimed.size(); ++i) {
      const Seq seq = claimed[i].event->seq;
      EXPECT_FALSE(settled.contains(seq)) << seq << " was confirmed and comes again";
      EXPECT_EQ(claimed[i].retry.attempts, attempts[seq]) << seq;
      if (random() % 2 == 0) {
        HS_ASSERT_OK(feed.Commit({{seq, Ack{}}}));
        settled.insert(seq);
      } else if (random() % 2 == 0) {
        HS_ASSERT_OK(feed.Commit({{seq, Retry{Attempts(attempts[seq] + 1), absl::ZeroDuration()}}}));
        ++attempts[seq];
      }
    }
    // Something is on its way when it happens.
    Answer<absl::StatusOr<std::vector<Appended>>> unanswered;
    fs_->HoldLogSyncs(true);
    std::vector<NewEvent> events;
    for (int i = 0; i < 40; ++i) events.push_back(MakeEvent(std::string(random() % 3000, '?')));
    HS_ASSERT_OK(store().Append(std::move(events), unanswered.Callback()));
    fs_->WaitForHeldSync();
    fs_->Freeze();
    EXPECT_FALSE(unanswered.Get().ok());
    feed.feed.reset();
    if (random() % 3 == 0) {
      Kill();
    } else {
      Crash(random);
    }
    Open();
    for (const auto& [name, seq] : stored) {
      const auto event = client().ReadOne(seq);
      HS_ASSERT_OK(event);
      EXPECT_EQ((*event)->data.body.substr(0, name.size()), name);
    }
  }
  // In the end everything that is open comes, and nothing else.
  TestFeed feed = client().Attach(id);
  std::set<Seq> open;
  const auto all = client().Read(Earliest{}, nullptr, {1 << 20, int64_t{1} << 40, 1 << 20});
  HS_ASSERT_OK(all);
  for (const EventRef& event : all->events) {
    if (!settled.contains(event->seq)) open.insert(event->seq);
  }
  const std::vector<Seq> rest = feed.Claim(static_cast<int64_t>(open.size()));
  EXPECT_EQ(std::set<Seq>(rest.begin(), rest.end()), open);
}

TEST_F(FailureTest, ATornTailOpensWithoutTheTornCommit) {
  Open();
  client().Fill(3);
  const std::string log = NewestLog();
  const uint64_t acknowledged = std::filesystem::file_size(log);
  client().Fill(1, std::string(3000, 'x'));
  Kill();
  std::string bytes = Contents(log);
  ASSERT_GT(bytes.size(), acknowledged);
  bytes.resize(acknowledged + (bytes.size() - acknowledged) / 2);
  Overwrite(log, bytes);
  Open();
  EXPECT_EQ(store().GetStats().head, 3u);
}

TEST_F(FailureTest, ATornTailOfGarbageOpensToo) {
  Open();
  client().Fill(3);
  const std::string log = NewestLog();
  const uint64_t acknowledged = Contents(log).size();
  client().Fill(1, std::string(100'000, 'x'));
  Kill();
  std::string bytes = Contents(log);
  // The last commit's sectors were written in any order: the first is missing, the last is there.
  for (uint64_t i = acknowledged + 100; i < acknowledged + 600; ++i) bytes[i] = '\0';
  Overwrite(log, bytes);
  Open();
  EXPECT_EQ(store().GetStats().head, 3u);
}

TEST_F(FailureTest, DamageBeforeTheTailIsRefusedAndNamesTheFile) {
  Open();
  client().Fill(3);
  const std::string log = NewestLog();
  const uint64_t middle = Contents(log).size();
  client().Fill(3, std::string(500, 'x'));
  client().Fill(3);
  Kill();
  const std::string whole = Contents(log);
  for (const uint64_t at : {middle + 4, middle + 5, middle + 6, middle + 300}) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    Overwrite(log, bytes);
    const absl::Status refused = TryOpen();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << at << ": " << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(std::filesystem::path(log).filename().string()));
    Close();
  }
  Overwrite(log, whole);
  Open();
  EXPECT_EQ(store().GetStats().head, 9u);
}

TEST_F(FailureTest, ADamagedTableIsDataLossNotSilence) {
  Open();
  client().Fill(100, std::string(1000, 'x'));
  Close();
  Open();  // flushes what the log held
  client().Fill(1);
  Close();
  int damaged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(options_.data_dir)) {
    if (entry.path().extension() != ".sst" || entry.file_size() < 50'000) continue;
    std::string bytes = Contents(entry.path().string());
    for (size_t i = 1000; i < 40'000; i += 100) bytes[i] = static_cast<char>(~bytes[i]);
    Overwrite(entry.path().string(), bytes);
    ++damaged;
  }
  ASSERT_GT(damaged, 0);
  Open();
  EXPECT_EQ(Code(client().ReadOne(5)), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Code(client().Read(Earliest{})), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace hookstream::store::testing
