// One subscription at work: its feed, its tracker, its streams.
//
// Lifecycle: made by the dispatcher when the store tells of a subscription (or a client opens a private one) -> Attach
// ->
// ... -> End. Threads: the public methods may be called from any thread; they put a task into the inbox, and the pool
// works the inbox off, one thread at a time ("the strand"), with one step of the tracker for all tasks that had
// gathered. Everything below "On the strand" is touched there only.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "delivery/tracker.h"
#include "dispatch/delivery_id.h"
#include "dispatch/prepared.h"
#include "dispatch/spec.h"
#include "dispatch/stream.h"
#include "dispatch/subscription_metrics.h"
#include "store/store.h"

namespace hookstream::dispatch {

// What all runners share. Outlives them.
struct RunnerContext {
  store::Store& store;
  TailCache& tail;
  const DeliveryIdCodec& ids;
  const Clock& clock;
  boost::asio::thread_pool& pool;
  absl::Duration resume_grace;
  absl::Duration heartbeat_interval;
  // No stream was open for the subscription's expire_after. Must not block.
  std::function<void(store::SubscriptionId)> expired;

  std::atomic<int> streams{0};
  // Runners with work, and waiting for them to have none.
  Mutex mutex{};
  CondVar changed{};
  int busy HS_GUARDED_BY(mutex) = 0;
};

struct FetchCall {
  delivery::Credit credit;
  std::string client_id;
  absl::Duration wait;
  absl::AnyInvocable<void(absl::StatusOr<std::vector<Delivery>>) &&> done;
};

// A batch of settlements as the tracker takes them, with what they point to.
struct SettlementBatch {
  std::vector<delivery::Settlement> settlements;
  std::vector<std::string> reasons;
  // Those whose id is none of this subscription's: answered at once.
  std::vector<std::string> unknown;
  // For each settlement as it came: its place in `settlements`, or in `unknown` as -1 - place.
  std::vector<int> places;
};

class Runner : public std::enable_shared_from_this<Runner> {
 public:
  // `ephemeral_start`: a private subscription, which begins there and ends with its only stream.
  struct Setup {
    uint64_t id = 0;
    std::string name;
    delivery::Generation generation = 1;
    Spec spec;
    bool paused = false;
    std::optional<store::Position> ephemeral_start;
  };
  Runner(RunnerContext& context, Setup setup, metrics::Registry& metrics, uint64_t seed);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  uint64_t id() const { return id_; }
  const std::string& name() const { return name_; }

  // Asks the store for the feed, and asks again when it can't be had.
  void Attach();
  // Settings or generation have changed.
  void Update(Spec spec, bool paused, delivery::Generation generation);
  // For good: streams are closed with `why`, the feed is given back.
  void End(absl::Status why);
  // The pool is about to stop: whatever still comes in is dropped.
  void Shut();

  void Open(uint64_t stream, v1::Open open, OpenSettings settings, StreamCallbacks callbacks);
  void Fetch(uint64_t stream, FetchCall call);
  void SettleCall(uint64_t stream, SettlementBatch batch,
                  absl::AnyInvocable<void(absl::StatusOr<std::vector<SettlementResult>>) &&> done);
  void Settle(uint64_t stream, SettlementBatch batch, absl::AnyInvocable<void() &&> taken);
  void Flow(uint64_t stream, v1::Flow flow);
  void HalfClose(uint64_t stream);
  void Lost(uint64_t stream);

  // The subscription and generation need not be right: such settlements are answered UNKNOWN. INVALID_ARGUMENT names
  // the settlement and field, RESOURCE_EXHAUSTED the limit.
  absl::StatusOr<SettlementBatch> ReadSettlements(
      const google::protobuf::RepeatedPtrField<v1::Settlement>& settlements) const;

  void StopDeliveries();
  void SendDrain(absl::Duration grace, std::string reason);
  void CloseStreams();
  // Nothing is leased and nothing is being written.
  bool IsIdle() const { return idle_.load(); }
  // Runs `task` on the strand, after all that was asked for before.
  void Run(absl::AnyInvocable<void() &&> task) { Post(std::move(task)); }
  // Looks at the clock.
  void Poke() {
    Post([] {});
  }
  // Brings gauges up to date that cost something.
  void RefreshMetrics();

  struct Snapshot {
    int64_t ready = 0, leased = 0, waiting = 0;
    int streams = 0;
  };
  Snapshot GetSnapshot() const;

 private:
  using Task = absl::AnyInvocable<void() &&>;
  struct FeedLink;
  struct StreamState {
    StreamCallbacks callbacks;
    delivery::Credit credit;
    MonoTime last_sent;
    // Half-closed: ends when this commit and the earlier ones are answered.
    std::optional<delivery::CommitToken> closing_after{};
    std::optional<FetchCall> fetch{};
    MonoTime fetch_until = MonoTime::Infinite();
  };
  struct PendingSettle {
    std::vector<SettlementResult> results;
    // Places in `results` that wait for an answer, by seq and number; in the order of the request.
    absl::flat_hash_map<std::pair<Seq, uint32_t>, std::vector<int>> waiting;
    size_t unanswered = 0;
    absl::AnyInvocable<void(absl::StatusOr<std::vector<SettlementResult>>) &&> done;
  };
  struct DeadNote {
    Seq seq;
    int attempts;
    Failure last;
  };
  struct Commit {
    std::vector<Seq> finals;  // events that are done with when it succeeds
    std::vector<DeadNote> dead;
  };

  void Post(Task task);
  void Work();

  // On the strand.
  delivery::Now Now() const { return {context_.clock.MonoNow(), context_.clock.WallNow()}; }
  void Turn();
  void Carry();  // carries the actions of one step out
  void CarrySends(delivery::Now now);
  void CarryResults();
  void CarryCommit();
  void AttachNow();
  void DetachAndReset(delivery::Generation generation);
  void OnClaimed(std::vector<store::Claimed> events);
  void OnClaimLost(std::vector<Seq> seqs);
  void OnCommitted(delivery::CommitToken token, const absl::Status& status);
  void CountSettlements(const SettlementBatch& batch);
  void EraseStream(uint64_t stream);
  void CloseStream(uint64_t stream, delivery::CloseHow how, absl::Status status);
  void FinishHalfClosed();
  void RunTimers(MonoTime now);
  void SendHeartbeats(MonoTime now);
  void Arm(MonoTime at);
  void PublishCounts();

  RunnerContext& context_;
  const uint64_t id_;
  const std::string name_;
  const std::optional<store::Position> ephemeral_start_;
  SubscriptionMetrics metrics_;

  Mutex mutex_;
  std::vector<Task> inbox_ HS_GUARDED_BY(mutex_);
  bool scheduled_ HS_GUARDED_BY(mutex_) = false;
  bool shut_ HS_GUARDED_BY(mutex_) = false;

  std::atomic<bool> idle_{true};
  std::atomic<int64_t> ready_{0}, leased_{0}, waiting_{0};
  std::atomic<int> stream_count_{0};

  // On the strand.
  Spec spec_;
  std::mt19937_64 rng_;
  delivery::Tracker tracker_;
  delivery::Actions actions_;
  bool again_ = false;  // an input was given while actions were carried out
  uint64_t feed_epoch_ = 0;
  std::unique_ptr<FeedLink> link_;
  std::unique_ptr<store::Feed> feed_;
  delivery::Credit owed_want_;  // wanted while there is no feed
  bool attach_wanted_ = false;
  MonoTime attach_at_ = MonoTime::Infinite();
  std::optional<absl::Status> end_;  // why it has ended
  absl::flat_hash_map<Seq, store::EventRef> events_;
  absl::flat_hash_map<delivery::CommitToken, Commit> commits_;
  delivery::CommitToken last_token_ = 0;
  absl::flat_hash_map<uint64_t, StreamState> streams_;
  absl::flat_hash_map<uint64_t, PendingSettle> settle_calls_;
  int half_closed_ = 0;
  MonoTime next_heartbeat_ = MonoTime::Infinite();
  MonoTime next_fetch_ = MonoTime::Infinite();
  MonoTime idle_since_;
  bool expiring_ = false;
  Seq newest_seen_ = 0;
  delivery::Counts counted_;
  boost::asio::steady_timer timer_;
  MonoTime armed_at_ = MonoTime::Infinite();
  std::vector<Task> working_;
  std::vector<store::EventRef> refs_;  // scratch
  std::vector<PreparedRef> prepared_;  // scratch
};

}  // namespace hookstream::dispatch
