#include "rpc/rpc_metrics.h"

#include <string>

namespace hookstream::rpc {

RpcMetrics::RpcMetrics(metrics::Registry& registry)
    : streams(registry.AddGauge("hookstream_rpc_subscribe_calls", "Open Subscribe calls")),
      messages(
          registry.AddCounter("hookstream_rpc_delivery_messages_total", "Messages with deliveries that were sent")),
      message_bytes(registry.AddCounter("hookstream_rpc_delivery_bytes_total", "Bytes of messages with deliveries")),
      message_events(registry.AddCounter("hookstream_rpc_deliveries_total", "Deliveries in these messages")),
      bodies_omitted(registry.AddCounter("hookstream_rpc_bodies_omitted_total",
                                         "Deliveries without their body, which did not fit into a message")),
      settle_batches(registry.AddCounter("hookstream_rpc_settle_batches_total", "Batches of settlements that came")),
      heartbeats(registry.AddCounter("hookstream_rpc_heartbeats_total", "Heartbeats that were sent")),
      registry_(registry) {}

void RpcMetrics::Finished(const char* method, grpc::StatusCode code) {
  registry_
      .AddCounter("hookstream_rpc_finished_calls_total", "Calls that ended, by gRPC status code",
                  {{"method", method}, {"code", std::to_string(static_cast<int>(code))}})
      .Increment();
}

}  // namespace hookstream::rpc
