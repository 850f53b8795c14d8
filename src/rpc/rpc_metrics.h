// What is counted of the gRPC server.
#pragma once

#include <map>

#include <grpcpp/support/status.h>

#include "metrics/metrics.h"

namespace hookstream::rpc {

struct RpcMetrics {
  explicit RpcMetrics(metrics::Registry& registry);

  metrics::Gauge& streams;
  metrics::Counter& messages;        // batches of deliveries that were written
  metrics::Counter& message_bytes;   // of these
  metrics::Counter& message_events;  // deliveries in these
  metrics::Counter& bodies_omitted;
  metrics::Counter& settle_batches;
  metrics::Counter& heartbeats;

  // A Subscribe or Fetch call ended.
  void Finished(const char* method, grpc::StatusCode code);

 private:
  metrics::Registry& registry_;
};

}  // namespace hookstream::rpc
