// What it costs to hand a stored event to subscriptions: feed, typing (once), tracker, delivery ids, and the settlement
// of each delivery. The store is one in memory, so that only the dispatcher is measured. Items are deliveries.
#include <benchmark/benchmark.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "dispatch/dispatcher.h"
#include "metrics/metrics.h"
#include "tests/bench/load.h"
#include "tests/support/fake_store.h"
#include "typing/registry.h"

namespace hookstream {
namespace {

constexpr int kBatch = 1'000;

// Acknowledges all that comes and counts it.
struct Subscriber {
  Mutex mutex;
  CondVar changed;
  int64_t acknowledged HS_GUARDED_BY(mutex) = 0;
  std::unique_ptr<dispatch::Stream> stream HS_GUARDED_BY(mutex);

  void OnDeliveries(const std::vector<dispatch::Delivery>& deliveries) {
    v1::SettleBatch batch;
    for (const dispatch::Delivery& delivery : deliveries) {
      v1::Settlement* settlement = batch.add_settlements();
      settlement->set_delivery_id(delivery.id.view().data(), delivery.id.view().size());
      settlement->mutable_ack();
    }
    MutexLock lock(mutex);
    while (stream == nullptr) changed.Wait(mutex);
    if (!stream->Settle(batch, [] {}).ok()) std::abort();
    acknowledged += static_cast<int64_t>(deliveries.size());
    changed.NotifyAll();
  }
  void WaitFor(int64_t count) {
    MutexLock lock(mutex);
    while (acknowledged < count) changed.Wait(mutex);
  }
};

void FanOut(benchmark::State& state) {
  const auto subscriptions = static_cast<int>(state.range(0));
  testing::FakeStore store;
  SystemClock clock;
  metrics::Registry metrics;
  auto registry = typing::Registry::Build().value();
  dispatch::Dispatcher dispatcher(
      store, [registry] { return registry; }, clock, metrics);
  const absl::Status started = store.Start(dispatcher.Subscriptions(), [](const absl::Status&) {});
  if (!started.ok()) return state.SkipWithError("could not start");
  dispatcher.Start();

  std::vector<v1::Subscription> declared(static_cast<size_t>(subscriptions));
  for (int i = 0; i < subscriptions; ++i) {
    declared[static_cast<size_t>(i)].set_name(absl::StrCat("bench-", i));
    declared[static_cast<size_t>(i)].set_max_unsettled(100'000);
  }
  std::atomic<bool> ready = false;
  dispatcher.DeclareSubscriptions(declared, [&](const absl::Status& status) { ready = status.ok(); });
  dispatcher.WaitIdle();
  while (!ready) std::this_thread::yield();
  std::vector<std::unique_ptr<Subscriber>> subscribers;
  for (int i = 0; i < subscriptions; ++i) {
    auto subscriber = std::make_unique<Subscriber>();
    v1::Open open;
    open.set_subscription(absl::StrCat("bench-", i));
    open.set_max_outstanding_events(10'000);
    dispatch::StreamCallbacks callbacks;
    callbacks.opened = [](const v1::Opened&) {};
    callbacks.deliveries = [s = subscriber.get()](std::vector<dispatch::Delivery> got) { s->OnDeliveries(got); };
    callbacks.results = [](const std::vector<dispatch::SettlementResult>&) {};
    callbacks.drain = [](absl::Duration, const std::string&) {};
    callbacks.heartbeat = [](int64_t) {};
    callbacks.closed = [](const absl::Status&) {};
    auto stream = dispatcher.OpenStream(open, std::move(callbacks));
    if (!stream.ok()) return state.SkipWithError(stream.status().ToString().c_str());
    MutexLock lock(subscriber->mutex);
    subscriber->stream = *std::move(stream);
    subscriber->changed.NotifyAll();
    subscribers.push_back(std::move(subscriber));
  }

  int64_t sent = 0;
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) {
      store::NewEvent event;
      event.data.source = "stripe";
      event.data.provider = "stripe";
      event.data.type = "payment_intent.succeeded";
      event.data.received_at = clock.WallNow();
      event.data.content = store::Content::kJson;
      event.data.body = bench::PaymentIntentBody(absl::StrCat(sent + i));
      std::vector<store::NewEvent> events;
      events.push_back(std::move(event));
      if (!store.Append(std::move(events), [](const auto&) {}).ok()) return state.SkipWithError("append");
    }
    sent += kBatch;
    for (auto& subscriber : subscribers) subscriber->WaitFor(sent);
  }
  state.SetItemsProcessed(sent * subscriptions);
  for (auto& subscriber : subscribers) {
    std::unique_ptr<dispatch::Stream> stream;
    {
      MutexLock lock(subscriber->mutex);
      stream = std::move(subscriber->stream);
    }
  }
  dispatcher.StopDeliveries();
  dispatcher.CloseStreams();
  dispatcher.Stop();
  store.Stop();
}
BENCHMARK(FanOut)->Arg(1)->Arg(4)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace hookstream

BENCHMARK_MAIN();
