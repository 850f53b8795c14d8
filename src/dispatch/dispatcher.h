// Joins, for each subscription: the store's feed, the pure delivery tracker, the typing of events, and the streams of
// clients with their credit.
//
// Lifecycle: made -> `store.Start(dispatcher.Subscriptions(), ...)` -> Start -> streams come and go -> StopDeliveries ->
// SendDrain -> WaitSettled -> CloseStreams -> Stop -> destroyed, before the store stops.
//
// Threads: every public method may be called from any thread and does not block, but for WaitSettled and Stop. Each
// subscription works on a strand of a pool of Options::threads threads named "dispatch"; what comes in for it (claims,
// commits, settlements, credit) is gathered in an inbox and worked off in one go, so that a busy subscription costs one
// hand-over a batch. Callbacks run on that strand. Lock order: nothing is called while a mutex of this room is held.
//
// Limits: Options::streams_max streams, Options::subscriptions_max subscriptions, a subscription's max_unsettled events
// and the credit of its streams, the tail cache's bytes. At each: RESOURCE_EXHAUSTED.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/retry_record.h"
#include "dispatch/delivery_id.h"
#include "dispatch/prepared.h"
#include "hookstream/v1/admin_service.pb.h"
#include "hookstream/v1/subscriber_service.pb.h"
#include "metrics/metrics.h"
#include "store/store.h"

namespace hookstream::dispatch {

struct Options {
  int threads = 2;
  int64_t tail_cache_bytes = 64 << 20;
  int streams_max = 10'000;
  int subscriptions_max = 10'000;
  // How long a client that lost its connection may take to come back to its leases.
  absl::Duration resume_grace = absl::Seconds(15);
  // A stream that was sent nothing for so long gets a heartbeat.
  absl::Duration heartbeat_interval = absl::Seconds(15);
};

// One attempt, ready to be composed (compose.h).
struct Delivery {
  PreparedRef event;
  DeliveryIdText id;
  int attempt = 1;
  absl::Time deadline;          // by the wall clock
  absl::Duration deadline_in;   // from the hand-over
  std::shared_ptr<const Failure> last_failure;  // null on the first
};

enum class SettlementStatus : uint8_t { kOk = 1, kLeaseExpired = 2, kUnknown = 3, kRetry = 4 };  // as in the proto

struct SettlementResult {
  std::string delivery_id;
  SettlementStatus status = SettlementStatus::kOk;
};

// What a stream is told. All run on the subscription's strand, one at a time, and must not block; none runs after
// `closed`, nor after the Stream's destructor has returned... but for one that is running at that moment: capture what
// lives as long as it may run.
struct StreamCallbacks {
  std::function<void(std::vector<Delivery>)> deliveries;
  std::function<void(std::vector<SettlementResult>)> results;
  std::function<void(absl::Duration grace, const std::string& reason)> drain;
  // Nothing was sent for Options::heartbeat_interval. `lag`: events accepted and not yet examined.
  std::function<void(int64_t lag)> heartbeat;
  // The last one, exactly once unless the Stream was destroyed or Lost first. OK: half-closed and every settlement
  // answered. Else why the relay ends it: UNAVAILABLE (stopping), NOT_FOUND (subscription deleted), INTERNAL.
  std::function<void(absl::Status)> closed;
};

class Runner;

// A client's place in a subscription. Thread-safe, but for its destruction.
class Stream {
 public:
  Stream(std::shared_ptr<Runner> runner, uint64_t id, v1::Opened opened);
  // As Lost, if it was not ended before.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // What is in force; `server_version` is left to the caller.
  const v1::Opened& opened() const { return opened_; }
  v1::View view() const { return view_; }

  // In their order. `taken` runs on the strand once they are applied (not yet durable): the place for backpressure.
  // RESOURCE_EXHAUSTED: more than kSettlementsMax. INVALID_ARGUMENT names the settlement and the field; nothing of the
  // batch is applied.
  absl::Status Settle(const v1::SettleBatch& batch, absl::AnyInvocable<void() &&> taken);
  // INVALID_ARGUMENT: outside of the ranges of Open.
  absl::Status Flow(const v1::Flow& flow);
  // The client sends nothing more: its leases are given back at no cost; `closed` follows once its settlements are
  // answered.
  void HalfClose();
  // The connection is gone.
  void Lost();

 private:
  friend class Dispatcher;
  const std::shared_ptr<Runner> runner_;
  const uint64_t id_;
  const v1::Opened opened_;
  v1::View view_ = v1::VIEW_FULL;
};

inline constexpr int kSettlementsMax = 10'000;

template <typename T>
using Done = absl::AnyInvocable<void(absl::StatusOr<T>) &&>;
using DoneStatus = absl::AnyInvocable<void(absl::Status) &&>;

class Dispatcher {
 public:
  // All outlive the dispatcher.
  Dispatcher(store::Store& store, RegistrySource registry, const Clock& clock, metrics::Registry& metrics,
             Options options = {});
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // For Store::Start. It must be told of all subscriptions before Start.
  store::SubscriptionSink& Subscriptions();
  // After the store has started: feeds are attached and events flow.
  absl::Status Start();

  // --- streams ---

  // NOT_FOUND, INVALID_ARGUMENT (names the field), RESOURCE_EXHAUSTED (too many streams), UNAVAILABLE (stopping).
  // Callbacks may run before this returns.
  absl::StatusOr<std::unique_ptr<Stream>> OpenStream(const v1::Open& open, StreamCallbacks callbacks);

  // Deliveries for a client that holds no stream: its leases live until they are settled or their deadline. `done` gets
  // at least one delivery, or none when the wait is over. Errors as OpenStream. `cancelled` of the handle: nobody waits
  // any more.
  struct Fetched {
    std::vector<Delivery> deliveries;
  };
  // Runs `done` exactly once, unless the call was cancelled by destroying the handle.
  std::unique_ptr<Stream> Fetch(const v1::FetchRequest& request, Done<Fetched> done);
  // One result for each settlement, in their order, when they are durable. Errors as OpenStream and Stream::Settle.
  void Settle(const v1::SettleRequest& request, Done<std::vector<SettlementResult>> done);

  // --- subscriptions; errors as AdminService says ---

  void CreateSubscription(const v1::Subscription& subscription, Done<v1::SubscriptionInfo> done);
  void UpdateSubscription(const v1::Subscription& subscription, const std::string& revision,
                          Done<v1::SubscriptionInfo> done);
  void DeleteSubscription(const std::string& name, DoneStatus done);
  void PauseSubscription(const std::string& name, bool paused, Done<v1::SubscriptionInfo> done);
  void SeekSubscription(const std::string& name, const v1::Start& position, Done<v1::SubscriptionInfo> done);
  void GetSubscription(const std::string& name, Done<v1::SubscriptionInfo> done);
  void ListSubscriptions(const v1::ListSubscriptionsRequest& request, Done<v1::ListSubscriptionsResponse> done);

  // What the configuration declares now: these are created or changed and become read-only over the API; others that
  // were declared before are kept and become ordinary ones. INVALID_ARGUMENT names subscription and field, and nothing is
  // changed.
  void DeclareSubscriptions(std::vector<v1::Subscription> subscriptions, DoneStatus done);
  // The check of DeclareSubscriptions alone: for `serve --check`.
  static absl::Status ValidateSubscription(const v1::Subscription& subscription);

  // The id of a subscription, for the store's verbs. NOT_FOUND.
  absl::StatusOr<store::SubscriptionId> FindSubscription(const std::string& name) const;

  // --- the end, in this order ---

  // No new deliveries; settlements are taken. New streams are refused.
  void StopDeliveries();
  // Tells every stream that the relay is going to stop.
  void SendDrain(absl::Duration grace, const std::string& reason);
  // Blocks until nothing is leased and every settlement is answered, or for `timeout` of real time. True: all settled.
  bool WaitSettled(absl::Duration timeout);
  // Ends every stream with UNAVAILABLE; leases are given back at no cost.
  void CloseStreams();
  // Gives the feeds back and ends the threads. No callback runs after it returns.
  void Stop();

  // Looks at the clock now: what is due is done without waiting for a timer. For clocks that are moved by hand.
  void CheckTimers();
  // Waits until every inbox is empty and nothing is being worked off. For tests.
  void WaitIdle();

  // After the registry of schemas has changed.
  void RegistryChanged();

  TailCache& tail();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace hookstream::dispatch
