// The running relay: every room, made and joined here once.
//
// Lifecycle: made -> Start -> (Reload any number of times) -> Drain -> destroyed. One thread owns it and calls these;
// readiness is read from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "app/plan.h"

namespace hookstream::app {

struct Ports {
  int http = 0;
  int grpc = 0;
  int admin = 0;
};

class Relay {
 public:
  // `health_changed` is called from any thread when the store stops or resumes accepting; it must only post.
  // ApplyHealth then carries the change on.
  Relay(Plan plan, std::function<void()> health_changed);
  // Drains with no grace if that was not done.
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // Recovers the store, then opens the ports. The message of an error says which part, and what to do.
  absl::Status Start();
  // The ports that are listened on.
  Ports GetPorts() const;

  // Tells clients of gRPC's health service what the store's health is now, and logs it.
  void ApplyHealth();

  // Sources, keys, presets, subscriptions and schemas of `plan`; requests that are on the way see the old or the new.
  // On an error everything stays as it was.
  absl::Status Reload(Plan plan);

  // Readiness off -> no new deliveries -> no new HTTP requests -> the drain message -> settlements, until there are
  // none to wait for or `grace` has passed -> streams and ports closed -> store flushed and closed.
  void Drain(absl::Duration grace);

 private:
  struct Parts;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace hookstream::app
