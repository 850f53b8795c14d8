// The life of the events of one subscription and generation, from the claim at the engine to the settlement: leases,
// attempts, backoff, credit. docs/delivery.md tells it to users; the invariants it keeps are checked by tests/sim.
//
// A pure state machine: it knows no clock, no thread and no I/O. Inputs are methods that change the state; what follows
// from them comes out of the next Step as actions for the owner to carry out:
//
//   tracker.Claimed(events, now);            // any number of inputs
//   tracker.Settle(stream, settlements, now);
//   tracker.Step(now, actions);              // then one Step: the inputs' work is batched by itself
//
// Call Step after each batch of inputs and when `actions.wake_at` has come. Time never goes backwards between calls.
//
// The law: nothing visible that depends on a commit leaves before its Committed. A failure record is durable before the
// next attempt is sent; a result OK is sent after the commit; a failed commit gives the event back (same attempt) and
// the client RETRY.
//
// Threads: none; the owner calls it on one strand. Limits: at most Settings::max_unsettled events plus what was wanted
// before that was lowered; streams are bounded by the owner.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event_id.h"
#include "base/retry_record.h"

namespace hookstream::delivery {

// Names a stream for the life of the process; never 0, never used twice.
using StreamId = uint64_t;
// Names a commit of one tracker: 1, 2, 3...
using CommitToken = uint64_t;
// Grows by one with every seek of the subscription.
using Generation = uint64_t;

// How long until the next attempt after `n` failed ones: min_backoff * multiplier^(n-1), at most max_backoff, times
// 1 +/- jitter.
struct RetryLaw {
  absl::Duration min_backoff = absl::Seconds(1);   // >= 0
  absl::Duration max_backoff = absl::Minutes(10);  // >= min_backoff
  double multiplier = 2;                           // >= 1
  double jitter = 0.2;                             // 0..1
};

// The law's delay; `unit` is a uniform random number of [0, 1).
absl::Duration Backoff(const RetryLaw& law, int failed_attempts, double unit);

struct Settings {
  absl::Duration ack_deadline = absl::Seconds(30);
  int max_attempts = 10;  // 0: unlimited
  RetryLaw retry;
  int64_t max_unsettled = 10'000;
  // How far extensions can move a lease's end, from its sending.
  absl::Duration max_lease = absl::Hours(1);
  // How long after a lost connection the same client may take up its leases.
  absl::Duration resume_grace = absl::Seconds(15);
  // After a failed commit nothing is sent for so long: what is delivered could not be settled.
  absl::Duration commit_retry = absl::Seconds(1);
};

// Both clocks: monotonic time decides, wall time is only written into failure records.
struct Now {
  MonoTime mono;
  absl::Time wall;
};

// Names one delivery. `number` differs for every delivery of a tracker and begins at a random one, so that neither an
// older delivery nor one from before a restart is taken for the newest.
struct DeliveryId {
  Generation generation = 0;
  Seq seq = 0;
  uint32_t number = 0;

  friend bool operator==(const DeliveryId&, const DeliveryId&) = default;
};

// How much may be unsettled on a stream. One event larger than `bytes` is still delivered, alone.
struct Credit {
  int64_t events = 0;
  int64_t bytes = 0;
};

struct StreamOpen {
  StreamId stream = 0;
  // Empty: the client can't resume, its leases end with the connection.
  std::string client_id = {};
  // A resumption: the SessionOf an earlier stream (what a resume token carries). 0: none.
  StreamId resumes = 0;
  // What a resuming client still works on. The other leases of its lost streams become Ready, at no cost.
  std::vector<DeliveryId> held = {};
  Credit credit = {};
  // True: every settlement has a result, when it is durable. False: only those that are not OK.
  bool confirm = false;
};

enum class CloseHow {
  // The client half-closed: its leases become Ready, at no cost.
  kHalfClose,
  // The relay is stopping; as kHalfClose.
  kDrain,
  // The connection broke: its leases live on for the resume grace (without a client id: not at all), then their
  // attempts
  // have failed.
  kLost,
  // A Fetch call returned: its leases live on until they are settled or their deadline.
  kDetach,
};

// An event that the store has given to this tracker.
struct ClaimedEvent {
  Seq seq = 0;
  int64_t bytes = 0;  // what it costs of a stream's credit
  RetryRecord retry = {};
  // How long it is still to wait, e.g. after a restart.
  absl::Duration delay = absl::ZeroDuration();
  // An ordering key's hash has its place here: Claimed then decides between Ready and Held.
};

enum class SettleKind : uint8_t { kAck, kNack, kExtend, kReject };

struct Settlement {
  DeliveryId id = {};
  SettleKind kind = SettleKind::kAck;
  // Nack: until the next delivery (0 to 7 d); absent: by the law. Extend: the new deadline from now, at least 1 s, cut
  // to what max_lease leaves; absent: ack_deadline.
  std::optional<absl::Duration> delay = std::nullopt;
  // Nack and reject; cut to kFailureReasonBytesMax. Read during the call only.
  std::string_view reason = {};
};

enum class ResultStatus : uint8_t {
  kOk,            // durable (extend: the lease is moved)
  kLeaseExpired,  // a newer delivery exists, or the event is settled, dead or no longer here
  kUnknown,       // another generation
  kRetry,         // could not be written; the event lives
};

struct Result {
  // Who settled. It may be closed meanwhile.
  StreamId stream = 0;
  DeliveryId id = {};
  ResultStatus status = ResultStatus::kOk;
};

enum class OutcomeKind : uint8_t { kAck, kRetry, kDead };

struct Outcome {
  Seq seq = 0;
  OutcomeKind kind = OutcomeKind::kAck;         // kAck: settled, or skipped by the filter
  absl::Duration delay = absl::ZeroDuration();  // kRetry only
  RetryRecord record = {};                      // kRetry and kDead only
};

struct Delivery {
  DeliveryId id = {};
  int attempt = 0;         // from 1
  MonoTime deadline = {};  // settle or extend before
  // Why the attempt before failed; null on the first. Points into the tracker: valid until the next input.
  const Failure* last_failure = nullptr;
};

// deliveries[first, first + count) go to `stream`, in this order.
struct SendRun {
  StreamId stream = 0;
  uint32_t first = 0;
  uint32_t count = 0;
};

// What a Step asks its owner to do. The order between the kinds does not matter; within one it does. Reuse the object:
// its vectors keep their capacity.
struct Actions {
  std::vector<SendRun> sends;
  std::vector<Delivery> deliveries;
  std::vector<Result> results;
  // The commit of this Step: all of `outcomes` in one transition of the store, all or none. Token 0: none. The owner
  // may move `outcomes` out. Commits may be answered in any order, each exactly once.
  CommitToken commit = 0;
  bool confirm = false;  // true: synced before it is answered; false: may ride along with the next sync
  std::vector<Outcome> outcomes;
  // Given back to the store, at no cost.
  std::vector<Seq> releases;
  // Additive: so many more may be claimed. The store hands out an event while more than 0 of both are left, and takes 1
  // and its bytes off, below 0 if the last one was large.
  int64_t want_events = 0;
  int64_t want_bytes = 0;
  // When Step is to be called at the latest, if no input came. An earlier call does no harm: don't cancel a timer only
  // because this moved further away.
  MonoTime wake_at = MonoTime::Infinite();

  void Clear();
};

// Where the events are (invariant: claimed = all the others), and how many went through.
struct Counts {
  // Now.
  int64_t ready = 0;
  int64_t leased = 0;
  int64_t settling = 0;
  int64_t failing = 0;
  int64_t waiting = 0;
  int64_t dying = 0;
  int64_t skipping = 0;
  // Since the tracker was made or reset.
  int64_t claimed = 0;
  int64_t settled = 0;
  int64_t dead = 0;
  int64_t skipped = 0;
  int64_t released = 0;
  int64_t claims_lost = 0;
  // Of interest for metrics, no part of the sum.
  int64_t delivered = 0;
  int64_t failed_nack = 0;
  int64_t failed_deadline = 0;
  int64_t failed_lost_connection = 0;
  int64_t failed_reject = 0;
  int64_t commits_failed = 0;

  int64_t Unsettled() const { return ready + leased + settling + failing + waiting + dying + skipping; }
};

class Tracker {
 public:
  // A run of deliveries for one stream, before it is the next one's turn.
  static constexpr uint32_t kSendRunMax = 100;

  // `rng` makes the jitter and the first delivery number; it outlives the tracker.
  Tracker(const Settings& settings, Generation generation, std::mt19937_64& rng);
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  // ---- Inputs.

  // A stream that was not opened before. A resumption takes over the held leases of lost streams of the same session
  // and client id, never those of a live one: the owner closes the older stream as lost first if it knows that it is
  // dead.
  void Open(const StreamOpen& open, Now now);
  // Absolute. Lower credit takes effect as deliveries are settled. Unknown or closed stream: no effect.
  void SetCredit(StreamId stream, Credit credit);
  // Unknown or closed stream: no effect.
  void Close(StreamId stream, CloseHow how, Now now);

  // Events that the store hands out after a Want; records are moved from. One that is already here is the same event
  // claimed anew: no effect but to undo its ClaimLost.
  void Claimed(std::span<ClaimedEvent> events, Now now);
  // The store took them away: they are no longer here, what is committed in flight is still answered. No effect on a
  // skipped one: if it is handed out again it is to be skipped again.
  void ClaimLost(std::span<const Seq> seqs);
  // Handed out by the store as those of Claimed, but the filter says no: never Claimed, settled by the next commit.
  // `bytes`: theirs together.
  void Skip(std::span<const Seq> seqs, int64_t bytes);

  // In the order given. `stream` gets the results; it need not be the one that holds the leases, nor be open: the
  // settlements of a unary call are always confirmed.
  void Settle(StreamId stream, std::span<const Settlement> settlements, Now now);

  // The answer to Actions::commit. Unknown token (from before a Reset): no effect.
  void Committed(CommitToken token, bool ok, Now now);

  // No new deliveries and no claims; leases run on.
  void Pause() { paused_ = true; }
  void Resume() { paused_ = false; }
  // For good: no new deliveries; all that is not leased or being committed is released, and so are leases given back
  // later. Done when IsIdle after a Step.
  void Drain() { draining_ = true; }
  // A seek, or a new feed of the same generation: all events are gone, the streams stay with their whole credit.
  // Settlements in flight are answered UNKNOWN. The owner has dropped the old feed: nothing is wanted any more.
  void Reset(Generation generation);
  // For leases and failures from now on. An event whose attempts are used up by a lower maximum goes to the dead
  // letters.
  void UpdateSettings(const Settings& settings, Now now);

  // ---- Output. Replaces the contents of `actions`.
  void Step(Now now, Actions& actions);

  // ---- For metrics and the owner's decisions.
  const Counts& counts() const { return counts_; }
  Generation generation() const { return generation_; }
  // Nothing is leased, being committed or skipped.
  bool IsIdle() const;
  // What a resume token of this stream has to carry; 0 if it is not open.
  StreamId SessionOf(StreamId stream) const;
  // What is unsettled on an open stream; zero if it is not open.
  Credit Outstanding(StreamId stream) const;
  // What the store may still hand out.
  Credit Wanted() const { return wanted_; }
  size_t OpenStreams() const { return open_streams_; }

 private:
  // Slots in events_ and streams_.
  using Slot = uint32_t;
  static constexpr Slot kNil = UINT32_MAX;

  enum class State : uint8_t { kFree, kReady, kLeased, kSettling, kFailing, kWaiting, kDying };

  // In the order in which they are sent.
  enum Queue : uint8_t {
    // Its last attempt ended with a lost connection, which it may have caused: a stream gets one at first, and one more
    // at a time for each that it acknowledges, so that a poisonous event does not take its neighbours along.
    kSuspect,
    kRedelivery,
    kFresh,
    kQueues
  };

  struct Link {
    Slot prev = kNil;
    Slot next = kNil;
  };
  struct List {
    Slot head = kNil;
    Slot tail = kNil;
    bool empty() const { return head == kNil; }
  };
  enum LinkKind { kByState, kByStream, kLinks };

  // Who is to hear of a commit, and whether of OK too. stream 0: nobody.
  struct Reply {
    StreamId stream = 0;
    bool confirm = false;
  };

  struct Event {
    Seq seq = 0;
    int64_t bytes = 0;
    State state = State::kFree;
    Queue queue = kFresh;
    // The lease's end is not at its place in leases_ but in timers_.
    bool in_timers = false;
    // Failing, Dying: `record` has the failure on top that is not yet durable.
    bool failure_pending = false;
    // Settling, Failing, Dying: forgotten once the commit is answered.
    bool claim_lost = false;
    // Of the newest delivery; 0: none yet.
    uint32_t number = 0;
    Slot stream = kNil;    // Leased
    Link links[kLinks];    // kByState: ready_, leases_ or a commit's; kByStream: Stream::leases
    MonoTime deadline;     // Leased
    MonoTime due;          // not to be delivered before
    MonoTime leased_at;    // Leased
    absl::Duration delay;  // Failing: what the outcome says
    Reply reply;           // Settling, Failing, Dying
    Reply late_ack;        // Failing, Dying: an ack that came after the failure
    RetryRecord record;
  };

  enum class StreamState : uint8_t { kFree, kOpen, kLost, kDetached };

  struct Stream {
    StreamState state = StreamState::kFree;
    bool confirm = false;
    StreamId id = 0;
    StreamId session = 0;
    std::string client_id;
    Credit credit;
    Credit outstanding;
    int64_t suspects = 0;
    int64_t suspects_max = 1;
    List leases;
    MonoTime grace_end;
  };

  struct PendingCommit {
    CommitToken token = 0;
    bool confirm = false;
    List events;
    std::vector<Seq> skips;
  };

  // Lists and slots.
  void Append(List& list, LinkKind kind, Slot slot);
  void Unlink(List& list, LinkKind kind, Slot slot);
  Slot NewEvent(Seq seq);
  void Forget(Slot slot);
  void SetState(Event& event, State state);

  // Transitions. Each expects the event in no list but where it says so.
  void MakeReady(Slot slot, Now now);
  void MakeWaiting(Slot slot);  // until its due
  void MakeSettling(Slot slot, Reply reply);
  void Fail(Slot slot, FailureKind kind, std::string_view reason, std::optional<absl::Duration> delay, Reply reply,
            Now now);
  void Die(Slot slot, Reply reply);
  void Lease(Slot slot, Slot stream, MonoTime now);
  void EndLease(Slot slot);      // from Leased to no list
  void LeaveReady(Slot slot);    // from Ready to no list
  void LeaveWaiting(Slot slot);  // from Waiting to no list
  void StopLeaseTimer(Slot slot);
  void FinishCommitted(Slot slot, bool ok, Now now);
  bool Exhausted(const Event& event) const;

  void SettleOne(StreamId stream, bool confirm, const Settlement& settlement, Now now);
  bool Extend(Slot slot, std::optional<absl::Duration> delay, MonoTime now);
  void Answer(Reply reply, const Event& event, ResultStatus status);

  Stream* FindOpen(StreamId id);
  void FreeStream(Slot slot);
  void GiveBackLeases(Slot stream, Now now);
  void FailLeases(Slot stream, Now now);

  // The parts of a Step.
  void FireTimers(Now now);
  void ReleaseAll(Actions& actions);
  void SendReady(MonoTime now, Actions& actions);
  uint32_t SendRunTo(Slot stream, int64_t count_max, MonoTime now, Actions& actions);
  Slot NextFor(const Stream& stream) const;
  void EmitCommit(MonoTime now, Actions& actions);
  void EmitWant(Actions& actions);
  MonoTime NextWake(MonoTime now) const;

  Settings settings_;
  Generation generation_;
  std::mt19937_64& rng_;
  uint32_t last_number_;
  bool paused_ = false;
  bool draining_ = false;
  // After a failed commit: until then nothing is sent and nothing is tried again by itself.
  MonoTime hold_until_{-absl::InfiniteDuration()};

  std::vector<Event> events_;
  Slot free_event_ = kNil;
  absl::flat_hash_map<Seq, Slot> index_;
  List ready_[kQueues];
  int64_t ready_count_[kQueues] = {};
  int64_t ready_bytes_[kQueues] = {};
  // Leases with the deadline that they got when sent, which makes them ordered by it: nothing but list work for an
  // event that is acknowledged in time. Extended leases and waiting events are in timers_.
  List leases_;
  absl::btree_set<std::pair<MonoTime, Slot>> timers_;

  std::vector<Stream> streams_;
  std::vector<Slot> free_streams_;
  absl::flat_hash_map<StreamId, Slot> stream_index_;  // open ones
  std::vector<Slot> lost_;
  size_t open_streams_ = 0;
  size_t next_stream_ = 0;  // whose turn it is

  Credit wanted_;
  CommitToken last_token_ = 0;
  PendingCommit pending_;
  std::vector<PendingCommit> in_flight_;
  std::vector<Result> results_;
  Counts counts_;
};

}  // namespace hookstream::delivery
