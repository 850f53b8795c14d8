// The load generator of the end-to-end benchmark: keep-alive HTTP connections, each with one signed webhook under way.
//
// One thread and one epoll; a request is built, signed over its own body and written with one send, so that the cost of
// the generator is small and the same against every server.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace hookstream::bench {

struct LoadOptions {
  uint16_t port = 0;   // on 127.0.0.1
  std::string path;    // e.g. "/webhooks/stripe"
  std::string secret;  // Stripe's signing secret, "whsec_..."
  int connections = 64;
  absl::Duration duration = absl::Seconds(5);
  // Makes the event ids of this run different from those of another.
  std::string run_id;
};

struct LoadResult {
  int64_t requests = 0;  // answered 2xx
  int64_t refused = 0;   // answered otherwise, or the connection broke
  absl::Duration elapsed;
  std::vector<uint32_t> latencies_us;  // of each 2xx, not sorted
};

// Stops sending after `duration` and waits for the answers that are due. Errors: it can't connect.
absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options);

// A Stripe payment_intent.succeeded of about 2 KB; `id` is the event's, and payments differ with it.
std::string PaymentIntentBody(std::string_view id);

}  // namespace hookstream::bench
