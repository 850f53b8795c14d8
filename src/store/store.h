// The seam between the relay and an engine that keeps events: RocksDB in the process (embedded/), or NATS JetStream.
//
// An engine appends events, feeds each subscription with them, and commits what became of them. It knows nothing of
// clients: leases, deadlines, attempts and order belong to the delivery tracker, which all engines share. A *claim* is
// between the relay and its engine, a *lease* between the relay and a client.
//
// Threads: every method may be called from any thread and never blocks. Callbacks run on the store's completion thread,
// batched; they must only post work elsewhere. Exceptions: Start and Stop block, and are called by the owner alone.
//
// Errors, chosen for what the caller does next: RESOURCE_EXHAUSTED (full or too busy: try later), UNAVAILABLE (the
// engine has stopped accepting after a failure and is trying to recover: try later), FAILED_PRECONDITION and ABORTED
// (the world has changed: read again), NOT_FOUND, INVALID_ARGUMENT, DATA_LOSS (stop and look).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event_id.h"
#include "base/hash.h"
#include "base/retry_record.h"

namespace hookstream::store {

template <typename T>
using Done = absl::AnyInvocable<void(absl::StatusOr<T>) &&>;
using DoneStatus = absl::AnyInvocable<void(absl::Status) &&>;

// How an event's body is to be read when it is typed. Stored as a number: values are never reused.
// kForm is urlencoded; kMultipart is multipart/form-data, whose boundary is in the raw head's content type.
enum class Content : uint8_t { kOpaque = 0, kJson = 1, kForm = 2, kMultipart = 3 };

// What is kept of an event. The parts are wire bytes of hookstream.v1.Event, ready to be put into a delivery:
//   envelope  the Event's fields except id, data, raw and typing
//   raw_head  the fields of its Raw message except body and body_bytes
//   body      the event's own bytes, credentials masked
struct EventData {
  std::string source;    // 1..63 characters; also the lane of dedupe and fairness
  std::string provider;  // family
  std::string type;      // at most 256 bytes
  absl::Time received_at;
  Content content = Content::kOpaque;
  std::string envelope;
  std::string raw_head;
  std::string body;

  size_t Bytes() const { return envelope.size() + raw_head.size() + body.size(); }
};

struct StoredEvent {
  Seq seq = 0;
  EventData data;
};

// Immutable and shared: by the engine's tail of recent events, subscriptions and streams.
using EventRef = std::shared_ptr<const StoredEvent>;

struct NewEvent {
  EventData data;
  Hash128 dedupe;                                  // of the provider's event id; zero: none
  absl::Duration dedupe_window = absl::Hours(72);  // at most 30 days
  Hash128 ordering_key;                            // zero: none
};

struct Appended {
  Seq seq = 0;             // of the event, or of the original that it duplicates
  bool duplicate = false;  // its original is durable
};

// What can be told of an event without its bytes.
struct EventMeta {
  Seq seq;
  std::string_view source;
  std::string_view provider;
  std::string_view type;
  absl::Time received_at;
};
// Pure and thread-safe. Empty: every event.
using MetaFilter = std::function<bool(const EventMeta&)>;

// --- positions ---

struct Earliest {};
struct Latest {};
struct AtTime {
  absl::Time received_at;  // the first event received at or after it
};
struct AtSeq {
  Seq seq;  // that event, or the first after it that is stored
};
using Position = std::variant<Earliest, Latest, AtTime, AtSeq>;

// --- subscriptions ---

using SubscriptionId = uint64_t;  // never used twice
using Generation = uint64_t;      // grows with each seek
using Revision = uint64_t;        // grows with each change of the spec

struct SubscriptionRecord {
  SubscriptionId id = 0;
  std::string name;
  std::string spec;  // opaque to the engine
  Revision revision = 0;
  Generation generation = 0;
  absl::Time created_at;
};

// Told of every subscription at Start and of every later change, in order.
class SubscriptionSink {
 public:
  virtual ~SubscriptionSink() = default;
  virtual void OnSubscription(const SubscriptionRecord& record) = 0;
  virtual void OnSubscriptionDropped(SubscriptionId id) = 0;
};

// --- a subscription's feed ---

struct Claimed {
  EventRef event;
  RetryRecord retry;           // attempts so far and why they failed; empty for a first delivery
  absl::Duration retry_after;  // what was left of the backoff when the record was read; zero: at once
};

struct Ack {};
struct Retry {
  RetryRecord record;
  absl::Duration delay;  // from the commit
};
struct Dead {
  RetryRecord record;
};
struct Outcome {
  Seq seq = 0;
  std::variant<Ack, Retry, Dead> what;
};

using CommitToken = uint64_t;  // the caller's; given back in OnCommitted

class FeedSink {
 public:
  virtual ~FeedSink() = default;
  // Events that this feed now holds a claim on, in ascending order among those that come for the first time.
  virtual void OnClaimed(std::vector<Claimed> events) = 0;
  // The engine gave them to another, or they are gone (a seek). No outcome is accepted for them any more.
  virtual void OnClaimLost(std::vector<Seq> seqs) = 0;
  // In the order of Commit. Not OK: nothing of that commit is in force, its events are still claimed.
  virtual void OnCommitted(CommitToken token, absl::Status status) = 0;
};

// Events of one subscription and generation for one relay. The destructor releases what is claimed, at no cost of an
// attempt; no callback runs after it returns.
class Feed {
 public:
  virtual ~Feed() = default;
  // Additional appetite. The engine claims and delivers until it is used up; redeliveries that are due at a restart
  // come first. The last event may overdraw the bytes, so that one larger than all of them comes at all; later appetite
  // pays for it first.
  virtual void Want(int64_t events, int64_t bytes) = 0;
  // One transition: all or none. `confirm`: synced before OnCommitted. Without it, and with acks only, it rides along
  // with the next sync, within 10 ms. Retry and Dead are always synced first.
  virtual void Commit(CommitToken token, std::vector<Outcome> outcomes, bool confirm) = 0;
  // Gives claims back; the events come again when there is appetite.
  virtual void Release(std::vector<Seq> seqs) = 0;
};

// --- reading ---

struct EventPage {
  std::vector<EventRef> events;
  // Where the next page begins. Nothing: there is none.
  std::optional<Seq> next;
};

struct PageLimit {
  int64_t events_max = 100;
  int64_t bytes_max = 4 << 20;     // at least one event is returned
  int64_t examined_max = 100'000;  // a page may be empty and have a next
};

struct DeadEvent {
  EventRef event;
  RetryRecord record;
  absl::Time dead_at;
};

struct DeadPage {
  std::vector<DeadEvent> events;
  std::optional<Seq> next;
};

struct SubscriptionStats {
  int64_t lag = 0;  // stored and not yet examined for it
  int64_t dead = 0;
  int64_t skipped = 0;                            // that its filter did not match, since Start
  std::optional<absl::Time> oldest_unsettled_at;  // nothing: all is settled
};

struct StoreStats {
  int64_t events = 0;
  int64_t bytes = 0;           // of events
  int64_t disk_bytes = 0;      // of the whole data folder
  int64_t disk_bytes_max = 0;  // 0: no limit
  Seq head = 0;                // last sequence given
  Seq trim = 0;                // first sequence that may be stored
  std::optional<absl::Time> oldest_event_at;
};

struct Capabilities {
  bool confirm = true;        // can confirm settlements
  bool ordered = true;        // gives events in order of acceptance
  bool atomic_append = true;  // events of one Append are stored all or none
  int64_t event_bytes_max = 0;
};

// Told when the engine stops and resumes accepting, with why. Called on the completion thread; in Start before it
// returns.
using HealthSink = std::function<void(const absl::Status&)>;

// A small value that the relay keeps for itself, beside the events.
struct Record {
  std::string name;
  std::string value;
};
inline constexpr size_t kRecordNameMax = 256;
inline constexpr size_t kRecordValueMax = 64 << 10;

class Store {
 public:
  virtual ~Store() = default;

  virtual Capabilities GetCapabilities() const = 0;
  virtual StoreTag Tag() const = 0;  // after Start

  // Blocks until recovered. FAILED_PRECONDITION: the data is another relay's, or of a newer format. DATA_LOSS: what was
  // acknowledged is damaged; the message names the file. `subscriptions` is told of all that exist before Start
  // returns.
  virtual absl::Status Start(SubscriptionSink& subscriptions, HealthSink health) = 0;
  // Refuses new work with UNAVAILABLE, finishes what was taken, flushes, closes. Feeds must be gone.
  virtual void Stop() = 0;

  // Stores the events of one request, all or none, deduplicated; `done` runs after the sync, in the order of the
  // events. RESOURCE_EXHAUSTED and UNAVAILABLE come back at once and `done` does not run.
  virtual absl::Status Append(std::vector<NewEvent> events, Done<std::vector<Appended>> done) = 0;

  // Creates (`expected` 0: ALREADY_EXISTS if the name is taken) or replaces the spec (`expected` must be the present
  // revision, else ABORTED). `start` matters only for a new one.
  virtual void PutSubscription(std::string name, std::string spec, Revision expected, Position start,
                               Done<SubscriptionRecord> done) = 0;
  // With its position, retries and dead letters.
  virtual void DropSubscription(SubscriptionId id, DoneStatus done) = 0;

  // One feed per subscription at a time (FAILED_PRECONDITION otherwise). Events that `filter` does not match are
  // settled without being claimed.
  virtual absl::StatusOr<std::unique_ptr<Feed>> Attach(SubscriptionId id, Generation generation, MetaFilter filter,
                                                       FeedSink& sink) = 0;
  // A feed that writes nothing: for a private subscription that lives as long as its stream.
  virtual absl::StatusOr<std::unique_ptr<Feed>> AttachEphemeral(Position start, MetaFilter filter, FeedSink& sink) = 0;

  // A new generation at `position`; feeds of the old one lose their claims. ABORTED when `expected` is not the present
  // one.
  virtual void Seek(SubscriptionId id, Generation expected, Position position, Done<SubscriptionRecord> done) = 0;

  virtual void ListDead(SubscriptionId id, Seq from, MetaFilter filter, PageLimit limit, Done<DeadPage> done) = 0;
  // They become deliverable with an empty retry record, once each; those that are not dead are passed over. Gives the
  // count.
  virtual void Redrive(SubscriptionId id, std::vector<Seq> seqs, Done<int64_t> done) = 0;
  virtual void PurgeDead(SubscriptionId id, std::vector<Seq> seqs, Done<int64_t> done) = 0;

  virtual void Read(Position from, MetaFilter filter, PageLimit limit, Done<EventPage> done) = 0;
  // Newest first, from `from` downwards; `next` continues.
  virtual void ReadBackwards(Position from, MetaFilter filter, PageLimit limit, Done<EventPage> done) = 0;
  virtual void ReadOne(Seq seq, Done<EventRef> done) = 0;  // NOT_FOUND
  // Replaces the record; an empty value removes it. Durable when `done` runs. INVALID_ARGUMENT: no name, or too large.
  virtual void PutRecord(Record record, DoneStatus done) = 0;
  // Those whose name begins with `prefix`, in the order of their names.
  virtual void ListRecords(std::string prefix, Done<std::vector<Record>> done) = 0;
  virtual void GetSubscriptionStats(SubscriptionId id, Done<SubscriptionStats> done) = 0;
  virtual StoreStats GetStats() const = 0;
};

}  // namespace hookstream::store
