// Joins, for each subscription: the store's feed, the pure delivery tracker, the typing of events, and the streams of
// clients with their credit.
//
// Lifecycle: made -> `store.Start(dispatcher.Subscriptions(), ...)` -> Start -> streams come and go -> StopDeliveries
// -> SendDrain -> WaitSettled -> CloseStreams -> (rpc::Server::Shutdown) -> Stop -> store.Stop -> destroyed.
//
// Threads: every public method may be called from any thread and does not block, but for WaitSettled, WaitIdle and
// Stop. Each subscription works on a strand of a pool of Options::threads threads; what comes in for it (claims,
// commits, settlements, credit) is gathered in an inbox and worked off in one go, so that a busy subscription costs one
// hand-over a batch. Callbacks of streams run on that strand, `done` of the other verbs there or on the store's
// completion thread; both must not block. Nothing is called while a mutex of this room is held.
//
// Limits: Options::streams_max streams, Options::subscriptions_max subscriptions (RESOURCE_EXHAUSTED at both), each
// subscription's max_unsettled and the credit of its streams, the tail cache's bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "dispatch/delivery.h"
#include "dispatch/prepared.h"
#include "dispatch/stream.h"
#include "hookstream/v1/admin_service.pb.h"
#include "hookstream/v1/subscriber_service.pb.h"
#include "metrics/metrics.h"
#include "store/store.h"

namespace hookstream::dispatch {

struct Options {
  int threads = 2;
  int64_t tail_cache_bytes = 64 << 20;
  int streams_max = 10'000;  // open streams and running Fetch calls
  int subscriptions_max = 10'000;
  // How long a client that lost its connection may take to come back to its leases.
  absl::Duration resume_grace = absl::Seconds(15);
  // A stream that was sent nothing for so long gets a heartbeat.
  absl::Duration heartbeat_interval = absl::Seconds(15);
};

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

  // For Store::Start.
  store::SubscriptionSink& Subscriptions();
  // After the store has started: feeds are attached and events flow.
  void Start();

  // --- streams ---

  // NOT_FOUND, INVALID_ARGUMENT (names the field), RESOURCE_EXHAUSTED (too many streams), UNAVAILABLE (stopping); then
  // no callback runs. Callbacks may run before this returns.
  absl::StatusOr<std::unique_ptr<Stream>> OpenStream(const v1::Open& open, StreamCallbacks callbacks);

  // Deliveries for a client that holds no stream: its leases live until they are settled or their deadline. `done` gets
  // them, or none when the wait is over. Destroying the handle says that nobody waits any more: `done` then may never
  // run. Errors as OpenStream, by the return value; then `done` does not run.
  absl::StatusOr<std::unique_ptr<Stream>> Fetch(const v1::FetchRequest& request, Done<std::vector<Delivery>> done);
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

  // What the configuration declares now: these are created or changed, and become read-only over the API; others that
  // were declared before are kept and become ordinary ones. INVALID_ARGUMENT names subscription and field, and nothing
  // is changed.
  void DeclareSubscriptions(std::vector<v1::Subscription> subscriptions, DoneStatus done);
  // The check of DeclareSubscriptions alone, for `serve --check`.
  static absl::Status ValidateSubscriptions(const std::vector<v1::Subscription>& subscriptions);

  // For the store's verbs. NOT_FOUND.
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
  // Waits until nothing is in an inbox or being worked off.
  void WaitIdle();

  // Recent events, typed. To be cleared when the registry of schemas has changed.
  TailCache& tail();

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace hookstream::dispatch
