#include "rpc/server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "rpc/admin_service.h"
#include "rpc/reflection.h"
#include "rpc/rpc_metrics.h"
#include "rpc/schema_service.h"
#include "rpc/subscribe_call.h"

namespace hookstream::rpc {
namespace {

const std::vector<std::string>& ServiceNames() {
  static const std::vector<std::string> names = {
      v1::SubscriberService::service_full_name(), v1::AdminService::service_full_name(),
      v1::SchemaService::service_full_name(),     "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",      "grpc.reflection.v1alpha.ServerReflection"};
  return names;
}

int Milliseconds(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

}  // namespace

struct Server::State {
  State(dispatch::Dispatcher& dispatcher, dispatch::Admin& admin_verbs, const dispatch::RegistrySource& registry,
        StatusSource status, metrics::Registry& registry_of_metrics, Options the_options)
      : options(std::move(the_options)),
        metrics(registry_of_metrics),
        subscriber({.dispatcher = dispatcher, .metrics = metrics, .version = options.version}),
        admin(dispatcher, admin_verbs, std::move(status)),
        schema(registry),
        reflection(registry, ServiceNames()),
        reflection_alpha(registry, ServiceNames()) {}

  const Options options;
  RpcMetrics metrics;
  SubscriberService subscriber;
  AdminService admin;
  SchemaService schema;
  ReflectionV1 reflection;
  ReflectionV1Alpha reflection_alpha;
  int port = 0;
  std::unique_ptr<grpc::Server> server;  // before the services: it uses them
};

Server::Server(dispatch::Dispatcher& dispatcher, dispatch::Admin& admin, dispatch::RegistrySource registry,
               StatusSource status, metrics::Registry& metrics, Options options)
    : state_(std::make_unique<State>(dispatcher, admin, registry, std::move(status), metrics, std::move(options))) {}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

absl::Status Server::Start() {
  const Options& options = state_->options;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &state_->port);
  builder.SetMaxReceiveMessageSize(options.receive_bytes_max);
  builder.SetMaxSendMessageSize(-1);  // each stream has its own limit
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.calls_per_connection_max);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_time));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(options.client_ping_interval_min));
  // Two relays on one port would share its connections without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(&state_->subscriber);
  builder.RegisterService(&state_->admin);
  builder.RegisterService(&state_->schema);
  builder.RegisterService(&state_->reflection);
  builder.RegisterService(&state_->reflection_alpha);
  state_->server = builder.BuildAndStart();
  if (state_->server == nullptr || state_->port == 0) {
    state_->server = nullptr;
    return absl::UnavailableError(absl::StrCat("can't listen on ", options.listen, " for gRPC"));
  }
  SetServing(false);
  Log(LogLevel::kInfo, "gRPC is served", {{"listen", options.listen}, {"port", state_->port}});
  return absl::OkStatus();
}

int Server::port() const { return state_->port; }

void Server::SetServing(bool serving) {
  if (state_->server == nullptr) return;
  grpc::HealthCheckServiceInterface* const health = state_->server->GetHealthCheckService();
  health->SetServingStatus("", serving);
  for (const std::string& name : ServiceNames()) health->SetServingStatus(name, serving);
}

void Server::Shutdown(absl::Duration grace) {
  if (state_->server == nullptr) return;
  state_->server->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  state_->server->Wait();
  state_->server = nullptr;
}

}  // namespace hookstream::rpc
