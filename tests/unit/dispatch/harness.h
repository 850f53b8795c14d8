// A dispatcher over a store in memory and a clock that is moved by hand, and streams that remember what they were told.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "dispatch/admin.h"
#include "dispatch/compose.h"
#include "dispatch/dispatcher.h"
#include "metrics/metrics.h"
#include "tests/support/fake_store.h"
#include "tests/support/make_event.h"
#include "typing/registry.h"

namespace hookstream::dispatch {

inline constexpr absl::Duration kPatience = absl::Seconds(20);

// Waits for what a callback gives.
template <typename T>
class Waiter {
 public:
  absl::AnyInvocable<void(T) &&> Callback() {
    return [this](T value) {
      MutexLock lock(mutex_);
      value_ = std::move(value);
      changed_.NotifyAll();
    };
  }
  T Get() {
    MutexLock lock(mutex_);
    while (!value_.has_value() && changed_.WaitFor(mutex_, kPatience)) {
    }
    EXPECT_TRUE(value_.has_value()) << "no answer came";
    return value_.has_value() ? *std::move(value_) : T(absl::DeadlineExceededError("no answer came"));
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<T> value_ HS_GUARDED_BY(mutex_);
};

class TestStream {
 public:
  StreamCallbacks Callbacks() {
    StreamCallbacks callbacks;
    callbacks.opened = [this](v1::Opened opened) { Change([&] { opened_ = std::move(opened); }); };
    callbacks.deliveries = [this](std::vector<Delivery> deliveries) {
      Change([&] { std::move(deliveries.begin(), deliveries.end(), std::back_inserter(deliveries_)); });
    };
    callbacks.results = [this](std::vector<SettlementResult> results) {
      Change([&] { std::move(results.begin(), results.end(), std::back_inserter(results_)); });
    };
    callbacks.drain = [this](absl::Duration, const std::string& reason) { Change([&] { drain_ = reason; }); };
    callbacks.heartbeat = [this](int64_t lag) { Change([&] { heartbeats_.push_back(lag); }); };
    callbacks.closed = [this](absl::Status status) { Change([&] { closed_ = std::move(status); }); };
    return callbacks;
  }

  // Takes all that have come, once there are `count`.
  std::vector<Delivery> Take(size_t count) {
    Wait("deliveries", [&] { return deliveries_.size() >= count; });
    MutexLock lock(mutex_);
    return std::exchange(deliveries_, {});
  }
  std::vector<SettlementResult> TakeResults(size_t count) {
    Wait("results", [&] { return results_.size() >= count; });
    MutexLock lock(mutex_);
    return std::exchange(results_, {});
  }
  v1::Opened Opened() {
    Wait("opened", [&] { return opened_.has_value(); });
    MutexLock lock(mutex_);
    return *opened_;
  }
  absl::Status Closed() {
    Wait("closed", [&] { return closed_.has_value(); });
    MutexLock lock(mutex_);
    return *closed_;
  }
  std::string Drain() {
    Wait("drain", [&] { return drain_.has_value(); });
    MutexLock lock(mutex_);
    return *drain_;
  }
  int64_t Heartbeat() {
    Wait("heartbeat", [&] { return !heartbeats_.empty(); });
    MutexLock lock(mutex_);
    return heartbeats_.back();
  }
  size_t Pending() {
    MutexLock lock(mutex_);
    return deliveries_.size();
  }
  bool IsClosed() {
    MutexLock lock(mutex_);
    return closed_.has_value();
  }

  std::unique_ptr<Stream> stream;

 private:
  void Change(const std::function<void()>& change) {
    MutexLock lock(mutex_);
    change();
    changed_.NotifyAll();
  }
  void Wait(const char* what, const std::function<bool()>& condition) {
    MutexLock lock(mutex_);
    while (!condition()) {
      if (!changed_.WaitFor(mutex_, kPatience)) {
        ADD_FAILURE() << "waited in vain for " << what;
        return;
      }
    }
  }

  Mutex mutex_;
  CondVar changed_;
  std::optional<v1::Opened> opened_;
  std::vector<Delivery> deliveries_;
  std::vector<SettlementResult> results_;
  std::optional<std::string> drain_;
  std::vector<int64_t> heartbeats_;
  std::optional<absl::Status> closed_;
};

class Harness : public ::testing::Test {
 protected:
  Harness() : Harness(Options()) {}
  explicit Harness(Options options)
      : schemas_(*typing::Registry::Build()),
        dispatcher_(
            store_, [this] { return schemas_; }, clock_, metrics_, options),
        admin_(store_, dispatcher_, [this] { return schemas_; }) {
    EXPECT_TRUE(store_.Start(dispatcher_.Subscriptions(), nullptr).ok());
    dispatcher_.Start();
  }
  ~Harness() override {
    streams_.clear();
    dispatcher_.Stop();
    store_.Stop();
  }

  static v1::Subscription Plain(const std::string& name) {
    v1::Subscription message;
    message.set_name(name);
    message.mutable_start()->set_earliest(true);
    message.mutable_retry()->set_jitter(0);
    return message;
  }

  absl::StatusOr<v1::SubscriptionInfo> Create(const v1::Subscription& message) {
    Waiter<absl::StatusOr<v1::SubscriptionInfo>> waiter;
    dispatcher_.CreateSubscription(message, waiter.Callback());
    return waiter.Get();
  }
  absl::StatusOr<v1::SubscriptionInfo> Get(const std::string& name) {
    Waiter<absl::StatusOr<v1::SubscriptionInfo>> waiter;
    dispatcher_.GetSubscription(name, waiter.Callback());
    return waiter.Get();
  }

  Seq Add(const testing::EventShape& shape = {}) {
    Waiter<absl::StatusOr<std::vector<store::Appended>>> waiter;
    std::vector<store::NewEvent> events;
    events.push_back(testing::MakeNewEvent(shape));
    EXPECT_TRUE(store_.Append(std::move(events), waiter.Callback()).ok());
    return waiter.Get()->front().seq;
  }
  std::string IdOf(Seq seq) { return FormatEventId(store_.Tag(), seq); }

  static v1::Open OpenOf(const std::string& subscription) {
    v1::Open open;
    open.set_subscription(subscription);
    open.set_confirm_settlements(true);
    return open;
  }
  TestStream& Open(const v1::Open& open) {
    streams_.push_back(std::make_unique<TestStream>());
    auto stream = dispatcher_.OpenStream(open, streams_.back()->Callbacks());
    EXPECT_TRUE(stream.ok()) << stream.status().ToString();
    if (stream.ok()) streams_.back()->stream = *std::move(stream);
    return *streams_.back();
  }

  static v1::SettleBatch Acks(const std::vector<Delivery>& deliveries) {
    v1::SettleBatch batch;
    for (const auto& delivery : deliveries) {
      auto& settlement = *batch.add_settlements();
      settlement.set_delivery_id(std::string(delivery.id.view()));
      settlement.mutable_ack();
    }
    return batch;
  }
  static v1::SettleBatch NackOf(const Delivery& delivery, const std::string& reason,
                                std::optional<absl::Duration> delay = std::nullopt) {
    v1::SettleBatch batch;
    auto& settlement = *batch.add_settlements();
    settlement.set_delivery_id(std::string(delivery.id.view()));
    settlement.mutable_nack()->set_reason(reason);
    if (delay.has_value()) settlement.mutable_nack()->mutable_delay()->set_seconds(absl::ToInt64Seconds(*delay));
    return batch;
  }
  static absl::Status Settle(TestStream& stream, const v1::SettleBatch& batch) {
    return stream.stream->Settle(batch, [] {});
  }

  void Advance(absl::Duration duration) {
    clock_.Advance(duration);
    dispatcher_.CheckTimers();
  }
  // Until nothing goes on between the dispatcher and the store.
  void Quiesce() {
    for (int i = 0; i < 4; ++i) {
      dispatcher_.WaitIdle();
      Waiter<absl::StatusOr<store::EventRef>> barrier;
      store_.ReadOne(0, barrier.Callback());
      EXPECT_FALSE(barrier.Get().ok());
    }
    dispatcher_.WaitIdle();
  }

  ManualClock clock_;
  metrics::Registry metrics_;
  testing::FakeStore store_;
  std::shared_ptr<const typing::Registry> schemas_;
  Dispatcher dispatcher_;
  Admin admin_;
  std::vector<std::unique_ptr<TestStream>> streams_;
};

}  // namespace hookstream::dispatch
