// The gRPC server: SubscriberService, AdminService, SchemaService, grpc.health.v1, and reflection (v1 and v1alpha).
//
// Lifecycle: made -> Start -> SetServing -> SetDraining -> (Dispatcher's drain) -> Shutdown -> destroyed, before the
// dispatcher is stopped. Threads: gRPC's own; every method may be called from any thread, Start and Shutdown by the owner
// alone. Limits: Options; RESOURCE_EXHAUSTED at each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "dispatch/admin.h"
#include "dispatch/dispatcher.h"
#include "hookstream/v1/admin_service.pb.h"
#include "metrics/metrics.h"

namespace hookstream::rpc {

struct Options {
  // "host:port"; port 0: any, see Server::port. TLS and tokens will have their place beside it.
  std::string listen = "127.0.0.1:0";
  // Largest message that a client may send: settle batches and admin calls.
  int receive_bytes_max = 4 << 20;
  // Streams per connection that gRPC admits; more wait. The relay's own cap is dispatch::Options::streams_max.
  int streams_per_connection_max = 1'000;
  // A vanished client is found after keepalive_time + keepalive_timeout.
  absl::Duration keepalive_time = absl::Seconds(20);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // Clients that ping more often are disconnected (ENHANCE_YOUR_CALM).
  absl::Duration client_ping_interval_min = absl::Seconds(10);
  std::string version;  // shown in `Opened.server_version`
};

// What only the app knows. Called on gRPC's threads: must not block.
struct StatusSource {
  std::function<v1::GetStatusResponse()> status;
  std::function<v1::ListSourcesResponse()> sources;
};

class Server {
 public:
  // All outlive the server.
  Server(dispatch::Dispatcher& dispatcher, dispatch::Admin& admin, dispatch::RegistrySource registry,
         StatusSource status, metrics::Registry& metrics, Options options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // UNAVAILABLE: the address can't be bound. Health says NOT_SERVING until SetServing(true).
  absl::Status Start();
  // The port that is bound, after Start.
  int port() const;

  // What grpc.health.v1 answers, for every service and for "". False while the store does not accept, or at draining.
  void SetServing(bool serving);

  // Ends calls that are open after `grace`, and waits for them. At once for those that wait for nothing.
  void Shutdown(absl::Duration grace);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace hookstream::rpc
