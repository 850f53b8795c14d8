// The engine for one machine: RocksDB in the process. docs/storage.md says what it writes and what it promises.
//
// Threads:
//   commit      takes what waits, makes it one batch, writes it with one sync, and applies it in memory; it alone
//               writes what is acknowledged, so that at most one commit is ever unsynced
//   completion  runs every callback, and feeds the subscriptions from the tail of recent events
//   reader      everything that reads the disk: feeds behind the tail, queries, retention, deriving dedupe keys
// Lock order: subscriptions_mutex_, Subscription::mutex, queue_mutex_, then the leaves (Tail, Worker, AgeClock).
// database_mutex_ is taken first of all, by the reader for a task and by the commit thread to exchange the database.
//
// After a failed write or sync it refuses work with UNAVAILABLE, tells the health sink why, and reopens the database in
// process until that works. Claims live through it; commits that were not confirmed fail. A sequence is never used
// twice.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "store/embedded/age_clock.h"
#include "store/embedded/worker.h"
#include "store/store.h"

namespace rocksdb {
class Env;
class WriteBatch;
}  // namespace rocksdb

namespace hookstream::metrics {
class Registry;
}

namespace hookstream::store {

namespace embedded {
class ChunkIndexWriter;
class Database;
class DedupeIndex;
class LogReader;
class Tail;
struct LoadedState;
struct Metrics;
struct SealedIds;
struct Subscription;
class FeedLink;
}  // namespace embedded

struct EmbeddedOptions {
  // Made when it does not exist. One relay at a time.
  std::string data_dir;

  // How much of what every subscription has settled is kept for replays: both limits apply; zero: no limit.
  struct Retention {
    absl::Duration age = absl::Hours(7 * 24);
    int64_t bytes = int64_t{20} << 30;
  };
  Retention retention;
  // Of stored events, each with 64 bytes for what is kept beside it; at it Append is refused. Zero: no limit. From
  // three quarters of it on history is trimmed before its retention is over. The folder takes more: see
  // docs/storage.md.
  int64_t bytes_max = int64_t{50} << 30;

  // What may wait for a commit.
  int64_t queue_events_max = 65'536;
  int64_t queue_bytes_max = int64_t{64} << 20;
  // Tasks that may wait for the reader thread: queries beyond it are refused.
  int64_t queries_max = 1'000;
  int64_t event_bytes_max = int64_t{32} << 20;
  // A commit takes no further event once it has these many bytes.
  int64_t batch_bytes_max = int64_t{4} << 20;
  int64_t tail_bytes_max = int64_t{64} << 20;
  // Provider's event ids in memory.
  int64_t dedupe_recent_max = 32'768;

  // How long an unconfirmed settlement may wait for others to share its sync.
  absl::Duration ride_max = absl::Milliseconds(10);
  absl::Duration maintenance_interval = absl::Seconds(1);
  absl::Duration reopen_delay_min = absl::Milliseconds(50);
  absl::Duration reopen_delay_max = absl::Seconds(5);

  const Clock* clock = nullptr;          // nothing: the system's
  rocksdb::Env* env = nullptr;           // nothing: the default one. For tests that let the disk fail
  metrics::Registry* metrics = nullptr;  // nothing: not counted
};

class EmbeddedStore final : public Store {
 public:
  explicit EmbeddedStore(EmbeddedOptions options);
  // Stops if it was not stopped.
  ~EmbeddedStore() override;

  Capabilities GetCapabilities() const override;
  StoreTag Tag() const override { return tag_; }
  absl::Status Start(SubscriptionSink& subscriptions, HealthSink health) override;
  void Stop() override;

  absl::Status Append(std::vector<NewEvent> events, Done<std::vector<Appended>> done) override;
  void PutSubscription(std::string name, std::string spec, Revision expected, Position start,
                       Done<SubscriptionRecord> done) override;
  void DropSubscription(SubscriptionId id, DoneStatus done) override;
  absl::StatusOr<std::unique_ptr<Feed>> Attach(SubscriptionId id, Generation generation, MetaFilter filter,
                                               FeedSink& sink) override;
  absl::StatusOr<std::unique_ptr<Feed>> AttachEphemeral(Position start, MetaFilter filter, FeedSink& sink) override;
  void Seek(SubscriptionId id, Generation expected, Position position, Done<SubscriptionRecord> done) override;
  void ListDead(SubscriptionId id, Seq from, MetaFilter filter, PageLimit limit, Done<DeadPage> done) override;
  void Redrive(SubscriptionId id, std::vector<Seq> seqs, Done<int64_t> done) override;
  void PurgeDead(SubscriptionId id, std::vector<Seq> seqs, Done<int64_t> done) override;
  void Read(Position from, MetaFilter filter, PageLimit limit, Done<EventPage> done) override;
  void ReadBackwards(Position from, MetaFilter filter, PageLimit limit, Done<EventPage> done) override;
  void ReadOne(Seq seq, Done<EventRef> done) override;
  void PutRecord(Record record, DoneStatus done) override;
  void ListRecords(std::string prefix, Done<std::vector<Record>> done) override;
  void GetSubscriptionStats(SubscriptionId id, Done<SubscriptionStats> done) override;
  StoreStats GetStats() const override;

 private:
  class EmbeddedFeed;
  using SubscriptionPtr = std::shared_ptr<embedded::Subscription>;

  struct AppendOp {
    std::vector<NewEvent> events;
    Done<std::vector<Appended>> done;
    int64_t bytes = 0;
  };
  struct OutcomeOp {
    SubscriptionPtr subscription;
    std::shared_ptr<embedded::FeedLink> feed;
    Generation generation = 0;
    CommitToken token = 0;
    std::vector<Outcome> outcomes;
    absl::Status status;  // not OK: refused; it only keeps its place among the feed's commits
    bool marked = false;  // its claims are marked as committing
  };
  // A change that has a commit of its own.
  struct ControlOp {
    // On the commit thread: what to write, by the state as it is then. Not OK: nothing is written.
    absl::AnyInvocable<absl::Status(rocksdb::WriteBatch&) &&> prepare;
    // On the commit thread, once it is durable or has failed: applies it and posts the answer.
    absl::AnyInvocable<void(absl::Status) &&> finish;
  };

  struct Batch;

  // --- lifecycle.cc ---
  absl::Status Load(embedded::Database& database, embedded::LoadedState& state);
  void Adopt(embedded::LoadedState& state);
  void AdoptSubscriptions(embedded::LoadedState& state);
  absl::Status CreateNew(embedded::Database& database);
  absl::Status LoadDedupe(embedded::Database& database);
  absl::StatusOr<std::unique_ptr<embedded::Database>> OpenDatabase();
  // Refuses the batch and what waits, and reopens. The batch may be written or not: nobody is told that it is.
  void Fail(const absl::Status& why, Batch batch);
  bool Reopen();
  void TellHealth(absl::Status status);

  // --- commit.cc ---
  void CommitLoop();
  bool TakeWork(Batch& batch);
  void Commit(Batch batch);
  absl::Status AddAppends(Batch& batch, rocksdb::WriteBatch& out);
  void AddOutcomes(Batch& batch, rocksdb::WriteBatch& out);
  void AddOutcome(OutcomeOp& op, Batch& batch, rocksdb::WriteBatch& out);
  void AddHousekeeping(Batch& batch, rocksdb::WriteBatch& out);
  absl::Status Write(rocksdb::WriteBatch& out);
  void Apply(Batch& batch);
  static void SettleClaims(const OutcomeOp& op, bool committed);
  void PostControl(ControlOp control);
  void DeriveDedupe(const embedded::SealedIds& sealed, bool flush);
  void PostDeriveDedupe(embedded::SealedIds sealed, bool flush);

  // --- feeds.cc ---
  void Wake(const SubscriptionPtr& subscription);
  void WakeAll();
  void Pump(const SubscriptionPtr& subscription);
  void ReadForFeed(const SubscriptionPtr& subscription);
  absl::Status ReadAgain(const SubscriptionPtr& subscription, uint64_t epoch, std::vector<Claimed>& claimed);
  absl::Status ReadNew(const SubscriptionPtr& subscription, uint64_t epoch, std::vector<Claimed>& claimed);
  // From the tail, or by `reader`, which keeps its place: events close to each other are read together.
  absl::StatusOr<EventRef> LoadEvent(Seq seq, embedded::LogReader& reader);
  void FeedCommit(const SubscriptionPtr& subscription, const std::shared_ptr<embedded::FeedLink>& feed,
                  Generation generation, CommitToken token, std::vector<Outcome> outcomes, bool confirm);
  void Detach(const SubscriptionPtr& subscription, const std::shared_ptr<embedded::FeedLink>& feed);

  // --- queries.cc ---
  SubscriptionPtr FindSubscription(SubscriptionId id) const;
  absl::StatusOr<Seq> Resolve(const Position& position);
  // Runs on the reader thread with the database open; `refuse` is called with why it can't.
  void PostQuery(absl::AnyInvocable<void() &&> query, absl::AnyInvocable<void(absl::Status) &&> refuse);
  template <typename T>
  void Answer(Done<T> done, absl::StatusOr<T> answer);
  template <typename T>
  void Query(Done<T> done, absl::AnyInvocable<absl::StatusOr<T>() &&> query);
  void ForgetSubscription(SubscriptionId id);
  void MoveSubscription(const SubscriptionPtr& subscription, const embedded::SpecValue& value);
  void ChangeDead(SubscriptionId id, std::vector<Seq> seqs, bool redrive, Done<int64_t> done);
  absl::StatusOr<EventPage> ReadPage(const Position& from, const MetaFilter& filter, const PageLimit& limit);
  absl::StatusOr<EventPage> ReadPageBackwards(const Position& from, const MetaFilter& filter, const PageLimit& limit);

  // --- retention.cc ---
  void Maintain();
  absl::Status Retain();
  absl::Status RefreshDeadLow(const SubscriptionPtr& subscription);
  struct Pinned {
    Seq seq = embedded::kNoSeq;
    std::string name;
  };
  Pinned OldestNeeded() const;
  void PostTrim(Seq trim, uint64_t events_begin, uint64_t bytes_begin, absl::Time oldest);
  // Of everything before the chunk that begins at `first`.
  struct Before {
    uint64_t events = 0;
    uint64_t bytes = 0;
    absl::Time received_at;  // of the event at `first`
  };
  static absl::StatusOr<Before> CountBefore(embedded::Database& database, Seq first, Seq end);
  uint64_t StoredBytes() const { return bytes_end_ - bytes_begin_; }

  const EmbeddedOptions options_;
  const SystemClock system_clock_;
  const Clock& clock_;
  embedded::AgeClock age_;
  StoreTag tag_ = 0;
  SubscriptionSink* subscription_sink_ = nullptr;
  HealthSink health_;
  std::unique_ptr<embedded::Metrics> metrics_;
  std::unique_ptr<embedded::Tail> tail_;

  embedded::Worker completion_{"store-complete"};
  embedded::Worker reader_{"store-read"};
  std::thread commit_thread_;
  std::atomic<bool> started_ = false;

  // The commit thread uses the database without the mutex: nobody else exchanges it.
  Mutex database_mutex_;
  std::unique_ptr<embedded::Database> database_;

  mutable Mutex subscriptions_mutex_;
  std::map<SubscriptionId, SubscriptionPtr> subscriptions_ HS_GUARDED_BY(subscriptions_mutex_);
  std::vector<SubscriptionPtr> attached_ HS_GUARDED_BY(subscriptions_mutex_);

  mutable Mutex queue_mutex_;
  CondVar queue_wake_;
  std::deque<AppendOp> appends_ HS_GUARDED_BY(queue_mutex_);
  std::deque<OutcomeOp> outcomes_ HS_GUARDED_BY(queue_mutex_);
  std::deque<ControlOp> controls_ HS_GUARDED_BY(queue_mutex_);
  int64_t queue_events_ HS_GUARDED_BY(queue_mutex_) = 0;
  int64_t queue_bytes_ HS_GUARDED_BY(queue_mutex_) = 0;
  bool urgent_ HS_GUARDED_BY(queue_mutex_) = false;  // something must not wait for company
  std::chrono::steady_clock::time_point ride_until_ HS_GUARDED_BY(queue_mutex_);
  absl::Status accepting_ HS_GUARDED_BY(queue_mutex_) = absl::UnavailableError("the store has not been started");
  bool stopping_ HS_GUARDED_BY(queue_mutex_) = false;
  std::string pinned_by_ HS_GUARDED_BY(queue_mutex_);  // who keeps history from being trimmed; may be empty

  // Of the commit thread.
  std::unique_ptr<embedded::DedupeIndex> dedupe_;
  std::unique_ptr<embedded::ChunkIndexWriter> index_writer_;
  std::unique_ptr<rocksdb::WriteBatch> write_batch_;
  Seq next_seq_ = 1;
  SubscriptionId next_subscription_ = 1;
  absl::Time received_max_ = absl::UnixEpoch();
  std::map<std::string, SubscriptionId> names_;
  std::chrono::steady_clock::time_point housekept_;
  std::chrono::steady_clock::time_point reopened_;
  absl::Duration reopen_delay_;

  // Written by the commit thread, read by all.
  std::atomic<Seq> head_ = 0;             // last durable sequence
  std::atomic<Seq> trim_ = 1;             // first that may be stored; begins a chunk
  std::atomic<Seq> last_chunk_ = 0;       // first sequence of the newest commit
  std::atomic<uint64_t> events_end_ = 0;  // ever stored
  std::atomic<uint64_t> events_begin_ = 0;
  std::atomic<uint64_t> bytes_end_ = 0;
  std::atomic<uint64_t> bytes_begin_ = 0;
  std::atomic<int64_t> oldest_received_us_ = 0;  // of the event at trim_
  std::atomic<int64_t> disk_bytes_ = 0;
  std::atomic<bool> maintaining_ = false;
  embedded::AgeMs aged_ = 0;  // of the reader thread: when history was last trimmed by age
  std::atomic<bool> background_error_ = false;
  std::atomic<bool> nearly_full_ = false;
  std::atomic<bool> clock_stepped_ = false;
};

}  // namespace hookstream::store
