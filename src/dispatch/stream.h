// A client's place in a subscription, without any word of gRPC.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "dispatch/delivery.h"
#include "dispatch/spec.h"
#include "hookstream/v1/subscriber_service.pb.h"

namespace hookstream::dispatch {

class Runner;

// The numbers are those of hookstream.v1.SettlementStatus.
enum class SettlementStatus : uint8_t { kOk = 1, kLeaseExpired = 2, kUnknown = 3, kRetry = 4 };

struct SettlementResult {
  std::string delivery_id;
  SettlementStatus status = SettlementStatus::kOk;
};

// What a stream is told. All run on the subscription's strand, one at a time, and must not block. None is started after
// `closed`, or after Lost or the Stream's destructor was worked off there: capture what lives as long as the callbacks.
struct StreamCallbacks {
  // The first. What is in force; `server_version` is left to the receiver.
  std::function<void(v1::Opened)> opened;
  std::function<void(std::vector<Delivery>)> deliveries;
  std::function<void(std::vector<SettlementResult>)> results;
  std::function<void(absl::Duration grace, const std::string& reason)> drain;
  // Nothing was sent for Options::heartbeat_interval. `lag`: events accepted and not yet examined.
  std::function<void(int64_t lag)> heartbeat;
  // The last, exactly once unless the stream was lost first. OK: half-closed, and its settlements are answered. Else
  // why the relay ends it: UNAVAILABLE (stopping), NOT_FOUND (subscription deleted), or what the store says.
  std::function<void(absl::Status)> closed;
};

inline constexpr int kSettlementsMax = 10'000;

// Thread-safe, but for its destruction. Every call is worked off later, on the strand.
class Stream {
 public:
  Stream(std::shared_ptr<Runner> runner, uint64_t id, OpenSettings settings);
  // As Lost, if it was not closed before.
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const OpenSettings& settings() const { return settings_; }

  // In their order. `taken` runs on the strand once they are applied (not yet durable): the place for backpressure; it
  // does not run when this fails, or when the stream has ended. RESOURCE_EXHAUSTED: more than kSettlementsMax.
  // INVALID_ARGUMENT names the settlement and the field; nothing of the batch is applied.
  absl::Status Settle(const v1::SettleBatch& batch, absl::AnyInvocable<void() &&> taken);
  // INVALID_ARGUMENT: outside of the ranges of Open.
  absl::Status Flow(const v1::Flow& flow);
  // The client sends nothing more: its leases are given back at no cost; `closed` follows once its settlements are
  // answered.
  void HalfClose();
  // The connection is gone.
  void Lost();

 private:
  const std::shared_ptr<Runner> runner_;
  const uint64_t id_;
  const OpenSettings settings_;
};

}  // namespace hookstream::dispatch
