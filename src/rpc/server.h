// The gRPC server: SubscriberService, AdminService, SchemaService, grpc.health.v1, and reflection (v1 and v1alpha).
//
// Lifecycle: made -> Start -> SetServing(true) -> ... -> SetServing(false) -> (the dispatcher's drain, which ends the
// streams) -> Shutdown -> destroyed. Destroyed before the dispatcher. Threads: gRPC's own; SetServing may be called
// from any thread, the rest by the owner alone. Limits: Options; RESOURCE_EXHAUSTED at each.
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
  // "host:port"; port 0: any, see Server::port. The certificate and the tokens will have their place beside it.
  std::string listen = "127.0.0.1:0";
  // Largest message that a client may send: settle batches (10,000 of them take about 1 MiB) and admin calls.
  int receive_bytes_max = 4 << 20;
  // Calls that gRPC admits on one connection; more wait. The relay's own cap is dispatch::Options::streams_max.
  int calls_per_connection_max = 1'000;
  // A client that has vanished is found after the sum of both.
  absl::Duration keepalive_time = absl::Seconds(20);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // Clients that ping more often are disconnected (ENHANCE_YOUR_CALM).
  absl::Duration client_ping_interval_min = absl::Seconds(10);
  std::string version{};  // shown in `Opened.server_version`
};

// What only the app knows. Called on gRPC's threads: must not block.
struct StatusSource {
  std::function<v1::GetStatusResponse()> status;
  std::function<v1::ListSourcesResponse()> sources;
  std::function<absl::StatusOr<v1::ListLearntKeysResponse>(const v1::ListLearntKeysRequest&)> learnt_keys;
  std::function<void(const v1::ForgetLearntKeyRequest&, dispatch::Done<v1::ForgetLearntKeyResponse>)> forget_key;
};

class Server {
 public:
  // The references outlive the server.
  Server(dispatch::Dispatcher& dispatcher, dispatch::Admin& admin, dispatch::RegistrySource registry,
         StatusSource status, metrics::Registry& metrics, Options options);
  // As Shutdown with no grace.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // UNAVAILABLE: the address can't be bound. Health says NOT_SERVING until SetServing(true).
  absl::Status Start();
  // The port that is bound, after Start.
  int port() const;

  // What grpc.health.v1 answers, for every service and for "". False while the store does not accept, and from the
  // drain on.
  void SetServing(bool serving);

  // Takes no new calls, lets those that are open go on for `grace`, then cancels them; returns when all are over.
  void Shutdown(absl::Duration grace);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace hookstream::rpc
