#include "app/relay.h"

#include <algorithm>
#include <future>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "dispatch/admin.h"
#include "dispatch/dispatcher.h"
#include "edge/handlers.h"
#include "edge/server.h"
#include "google/protobuf/util/time_util.h"
#include "ingest/ingest.h"
#include "metrics/metrics.h"
#include "outbound/client.h"
#include "rpc/server.h"
#include "store/embedded/embedded_store.h"

namespace hookstream::app {
namespace {

google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

// The status with what it is about before its message.
absl::Status Annotate(std::string_view about, const absl::Status& status) {
  if (status.ok()) return status;
  return {status.code(), absl::StrCat(absl::string_view(about.data(), about.size()), ": ", status.message())};
}

edge::ServerOptions HttpOptions(const Config::Http& http) {
  edge::ServerOptions options;
  options.name = "http";
  options.listen = http.listen.Text();
  options.threads = static_cast<int>(http.threads);
  options.connections_max = static_cast<int>(http.max_connections);
  options.head_bytes_max = static_cast<int>(http.max_head);
  options.head_lines_max = static_cast<int>(http.max_head_lines);
  options.buffered_bytes_max = http.max_buffered_bytes;
  options.idle_timeout = http.idle_timeout;
  options.head_timeout = http.head_timeout;
  options.body_timeout = http.body_timeout;
  options.handle_timeout = http.handle_timeout;
  options.write_timeout = http.write_timeout;
  return options;
}

edge::ServerOptions AdminOptions(const Config::Admin& admin) {
  edge::ServerOptions options;
  options.name = "admin";
  options.listen = admin.listen.Text();
  options.threads = 1;
  options.connections_max = 100;
  return options;
}

dispatch::Options DispatchOptions(const Config& config) {
  dispatch::Options options;
  options.tail_cache_bytes = config.grpc.cache;
  options.streams_max = static_cast<int>(config.grpc.max_streams);
  options.heartbeat_interval = config.grpc.heartbeat;
  options.resume_grace = config.grpc.resume_grace;
  return options;
}

rpc::Options RpcOptions(const Config::Grpc& grpc) {
  rpc::Options options;
  options.listen = grpc.listen.Text();
  options.receive_bytes_max = static_cast<int>(grpc.max_message);
  options.version = HOOKSTREAM_VERSION;
  return options;
}

store::EmbeddedOptions StoreOptions(const Config& config, const Clock& clock, metrics::Registry& metrics) {
  store::EmbeddedOptions options;
  options.data_dir = config.store.data_dir;
  options.retention = {config.store.retention_age, config.store.retention_bytes};
  options.bytes_max = config.store.max_bytes;
  options.queue_bytes_max = config.store.max_queue_bytes;
  options.tail_bytes_max = config.store.cache;
  // What the edge lets in fits, with what is kept beside the body.
  options.event_bytes_max =
      std::max(options.event_bytes_max, config.http.max_body + 2 * config.http.max_head + (1 << 20));
  options.clock = &clock;
  options.metrics = &metrics;
  return options;
}

outbound::Options OutboundOptions(const Config::Outbound& outbound) {
  outbound::Options options;
  options.timeout = outbound.timeout;
  options.response_bytes_max = outbound.max_response;
  options.ca_file = outbound.ca_file;
  for (const auto& [host, endpoint] : outbound.resolve) options.resolve.push_back({host, endpoint});
  options.user_agent = absl::StrCat("hookstream/", HOOKSTREAM_VERSION);
  return options;
}

uint64_t RandomInstance() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

ingest::Options IngestOptions(const Config& config, outbound::Client& client) {
  ingest::Options options;
  options.public_url = config.http.public_url;
  options.instance = RandomInstance();
  options.fetch = [&client](ingest::FetchRequest request, auto done) {
    outbound::Request out;
    out.url = std::move(request.url);
    if (!request.json.empty()) {
      out.method = outbound::Method::kPost;
      out.content_type = "application/json";
      out.body = std::move(request.json);
    }
    client.Fetch(std::move(out), [done = std::move(done)](absl::StatusOr<outbound::Response> response) mutable {
      if (!response.ok()) return std::move(done)(response.status());
      std::move(done)(ingest::Fetched{std::move(response->body), response->max_age});
    });
  };
  // The client's start says why when they can't be read.
  options.trust = outbound::LoadTrust(config.outbound.ca_file).value_or(nullptr);
  return options;
}

}  // namespace

struct Relay::Parts {
  Parts(Plan the_plan, std::function<void()> on_health)
      : plan(std::move(the_plan)), health_changed(std::move(on_health)), registry(plan.registry) {}

  std::shared_ptr<const typing::Registry> Registry() {
    MutexLock lock(mutex);
    return registry;
  }
  // OK: every part works.
  absl::Status Health() {
    MutexLock lock(mutex);
    if (draining) return absl::UnavailableError("the relay is stopping");
    if (!started) return absl::UnavailableError("the relay is starting");
    return store_health;
  }
  void OnStoreHealth(const absl::Status& health) {
    {
      MutexLock lock(mutex);
      store_health = health;
    }
    ingest.SetHealth(health);
    health_changed();
  }
  edge::Health ReadyHealth() {
    edge::Health health;
    MutexLock lock(mutex);
    if (draining) health.failing.push_back({"relay", "stopping"});
    if (!started) health.failing.push_back({"relay", "starting"});
    if (!store_health.ok()) health.failing.push_back({"store", std::string(store_health.message())});
    return health;
  }
  v1::GetStatusResponse Status();
  v1::ListSourcesResponse Sources() const;
  absl::StatusOr<v1::ListLearntKeysResponse> LearntKeys(const std::string& source) const;
  void ForgetKey(const v1::ForgetLearntKeyRequest& request, dispatch::Done<v1::ForgetLearntKeyResponse> done);
  absl::Status Declare(const std::vector<v1::Subscription>& subscriptions);

  Plan plan;
  const std::function<void()> health_changed;
  SystemClock clock;
  const absl::Time started_at = clock.WallNow();

  Mutex mutex;
  std::shared_ptr<const typing::Registry> registry HS_GUARDED_BY(mutex);
  absl::Status store_health HS_GUARDED_BY(mutex);
  bool started HS_GUARDED_BY(mutex) = false;
  bool draining HS_GUARDED_BY(mutex) = false;

  // In the order in which each needs those before it; destroyed in the opposite one.
  metrics::Registry metrics;
  std::unique_ptr<store::Store> store =
      std::make_unique<store::EmbeddedStore>(StoreOptions(plan.config, clock, metrics));
  dispatch::Dispatcher dispatcher{*store, [this] { return Registry(); }, clock, metrics, DispatchOptions(plan.config)};
  dispatch::Admin admin{*store, dispatcher, [this] { return Registry(); }};
  outbound::Client outbound{OutboundOptions(plan.config.outbound), metrics};
  ingest::Ingest ingest{IngestOptions(plan.config, outbound), *store, clock, metrics};
  edge::WebhookHandler webhook_handler{ingest};
  edge::AdminHandler admin_handler{metrics, [this] { return ReadyHealth(); }};
  edge::Server http{HttpOptions(plan.config.http), webhook_handler, metrics};
  edge::Server admin_http{AdminOptions(plan.config.admin), admin_handler, metrics};
  rpc::Server grpc{dispatcher,
                   admin,
                   [this] { return Registry(); },
                   {[this] { return Status(); }, [this] { return Sources(); },
                    [this](const v1::ListLearntKeysRequest& request) { return LearntKeys(request.source()); },
                    [this](const v1::ForgetLearntKeyRequest& request,
                           dispatch::Done<v1::ForgetLearntKeyResponse> done) { ForgetKey(request, std::move(done)); }},
                   metrics,
                   RpcOptions(plan.config.grpc)};

  // How far Start came; Drain undoes it.
  bool store_started = false;
  bool grpc_started = false;
  bool drained = false;
  bool serving = false;
};

v1::GetStatusResponse Relay::Parts::Status() {
  v1::GetStatusResponse response;
  response.set_version(HOOKSTREAM_VERSION);
  *response.mutable_started_at() = ToProto(started_at);
  const absl::Status health = Health();
  response.set_ready(health.ok());
  response.set_not_ready_reason(std::string(health.message()));
  response.set_engine("embedded");
  const store::StoreStats stats = store->GetStats();
  response.set_stored_events(stats.events);
  response.set_stored_bytes(stats.bytes);
  if (stats.oldest_event_at) *response.mutable_oldest_event_at() = ToProto(*stats.oldest_event_at);
  return response;
}

v1::ListSourcesResponse Relay::Parts::Sources() const {
  v1::ListSourcesResponse response;
  for (const ingest::SourceInfo& info : ingest.ListSources()) {
    v1::Source& source = *response.add_sources();
    source.set_name(info.name);
    source.set_preset(info.preset);
    source.set_provider(info.provider);
    source.set_url(info.url);
    source.set_enforce(info.enforce);
    *source.mutable_counting_since() = ToProto(info.counting_since);
    source.set_accepted(info.accepted);
    source.set_refused(info.refused);
    source.set_verified(info.verified);
    source.set_would_refuse(info.would_refuse);
    const auto add_counts = [](const std::vector<ingest::ReasonCount>& counts, auto& list) {
      for (const ingest::ReasonCount& entry : counts) {
        v1::ReasonCount& count = *list.Add();
        count.set_reason(std::string(entry.reason));
        count.set_count(entry.count);
      }
    };
    add_counts(info.refused_by, *source.mutable_refused_by());
    add_counts(info.would_refuse_by, *source.mutable_would_refuse_by());
    if (info.skew) {
      v1::SignedTimeSkew& skew = *source.mutable_signed_time_skew();
      *skew.mutable_last() = ToProto(info.skew->last);
      *skew.mutable_last_at() = ToProto(info.skew->last_at);
      if (info.skew->lowest) *skew.mutable_lowest() = ToProto(*info.skew->lowest);
      if (info.skew->highest) *skew.mutable_highest() = ToProto(*info.skew->highest);
    }
    for (const ingest::KeyInfo& key_info : info.keys) {
      v1::SourceKey& key = *source.add_keys();
      key.set_id(key_info.id);
      if (key_info.not_before != absl::InfinitePast()) *key.mutable_not_before() = ToProto(key_info.not_before);
      if (key_info.not_after != absl::InfiniteFuture()) *key.mutable_not_after() = ToProto(key_info.not_after);
      key.set_hits(key_info.hits);
      if (key_info.last_hit_at != absl::InfinitePast()) *key.mutable_last_hit_at() = ToProto(key_info.last_hit_at);
      *key.mutable_counting_since() = ToProto(key_info.counting_since);
    }
  }
  return response;
}

absl::StatusOr<v1::ListLearntKeysResponse> Relay::Parts::LearntKeys(const std::string& source) const {
  HS_ASSIGN_OR_RETURN(const std::vector<ingest::LearntKey> keys, ingest.ListLearntKeys(source));
  v1::ListLearntKeysResponse response;
  for (const ingest::LearntKey& learnt : keys) {
    v1::LearntKey& key = *response.add_keys();
    key.set_id(learnt.id);
    key.set_secret(learnt.secret);
    *key.mutable_learnt_at() = ToProto(learnt.learnt_at);
  }
  return response;
}

void Relay::Parts::ForgetKey(const v1::ForgetLearntKeyRequest& request,
                             dispatch::Done<v1::ForgetLearntKeyResponse> done) {
  ingest.ForgetLearntKey(request.source(), request.key_id(), [done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) return std::move(done)(std::move(status));
    std::move(done)(v1::ForgetLearntKeyResponse());
  });
}

absl::Status Relay::Parts::Declare(const std::vector<v1::Subscription>& subscriptions) {
  std::promise<absl::Status> done;
  dispatcher.DeclareSubscriptions(subscriptions, [&done](absl::Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

Relay::Relay(Plan plan, std::function<void()> health_changed)
    : parts_(std::make_unique<Parts>(std::move(plan), std::move(health_changed))) {}

Relay::~Relay() { Drain(absl::ZeroDuration()); }

absl::Status Relay::Start() {
  Parts& p = *parts_;
  const Config& config = p.plan.config;
  const MonoTime before = p.clock.MonoNow();
  HS_RETURN_IF_ERROR(Annotate(
      absl::StrCat("store.data_dir ", config.store.data_dir),
      p.store->Start(p.dispatcher.Subscriptions(), [&p](const absl::Status& health) { p.OnStoreHealth(health); })));
  p.store_started = true;
  const store::StoreStats stats = p.store->GetStats();
  Log(LogLevel::kInfo, "store recovered",
      {{"data_dir", config.store.data_dir},
       {"events", stats.events},
       {"disk_bytes", stats.disk_bytes},
       {"seconds", absl::ToDoubleSeconds(p.clock.MonoNow() - before)}});
  p.dispatcher.Start();
  HS_RETURN_IF_ERROR(Annotate("subscriptions", p.Declare(p.plan.subscriptions)));
  HS_RETURN_IF_ERROR(Annotate("learnt keys", p.ingest.RestoreLearntKeys()));
  HS_RETURN_IF_ERROR(Annotate("outbound.ca_file", p.outbound.Start()));
  HS_RETURN_IF_ERROR(Annotate("sources", p.ingest.ReplaceSources(p.plan.sources)));
  HS_RETURN_IF_ERROR(Annotate(absl::StrCat("admin.listen ", config.admin.listen.Text()), p.admin_http.Start()));
  HS_RETURN_IF_ERROR(Annotate(absl::StrCat("grpc.listen ", config.grpc.listen.Text()), p.grpc.Start()));
  p.grpc_started = true;
  // Last, so that a webhook is only taken when all the rest works.
  HS_RETURN_IF_ERROR(Annotate(absl::StrCat("http.listen ", config.http.listen.Text()), p.http.Start()));
  {
    MutexLock lock(p.mutex);
    p.started = true;
  }
  ApplyHealth();
  return absl::OkStatus();
}

Ports Relay::GetPorts() const { return {parts_->http.Port(), parts_->grpc.port(), parts_->admin_http.Port()}; }

void Relay::ApplyHealth() {
  Parts& p = *parts_;
  const absl::Status health = p.Health();
  if (!p.grpc_started || p.drained || health.ok() == p.serving) return;
  p.serving = health.ok();
  p.grpc.SetServing(p.serving);
  Log(p.serving ? LogLevel::kInfo : LogLevel::kError, p.serving ? "ready" : "not ready",
      {{"reason", health.message()}});
}

absl::Status Relay::Reload(Plan plan) {
  Parts& p = *parts_;
  // The only step that can fail for a reason that lies outside of the plan comes first, and changes nothing then.
  HS_RETURN_IF_ERROR(Annotate("subscriptions", p.Declare(plan.subscriptions)));
  if (const absl::Status status = p.ingest.ReplaceSources(plan.sources); !status.ok()) {
    if (const absl::Status back = p.Declare(p.plan.subscriptions); !back.ok()) {
      Log(LogLevel::kError, "subscriptions could not be set back", {{"error", back.message()}});
    }
    return Annotate("sources", status);
  }
  const bool schemas_changed = p.Registry()->fingerprint() != plan.registry->fingerprint();
  {
    MutexLock lock(p.mutex);
    p.registry = plan.registry;
  }
  if (schemas_changed) p.dispatcher.tail().Clear();
  p.plan.sources = std::move(plan.sources);
  p.plan.subscriptions = std::move(plan.subscriptions);
  p.plan.registry = std::move(plan.registry);
  return absl::OkStatus();
}

void Relay::Drain(absl::Duration grace) {
  Parts& p = *parts_;
  if (std::exchange(p.drained, true)) return;
  {
    MutexLock lock(p.mutex);
    p.draining = true;
  }
  const MonoTime end = p.clock.MonoNow() + grace;
  const auto left = [&] { return std::max(end - p.clock.MonoNow(), absl::ZeroDuration()); };
  if (p.grpc_started) p.grpc.SetServing(false);
  if (p.store_started) {
    p.dispatcher.StopDeliveries();
    // A sender that dawdles over its body must not take the subscribers' time.
    p.http.Drain(left() / 2);
    p.dispatcher.SendDrain(left(), "the relay is stopping");
    const bool settled = p.dispatcher.WaitSettled(left());
    Log(LogLevel::kInfo, settled ? "all deliveries are settled" : "deliveries that are not settled are given back");
    p.dispatcher.CloseStreams();
  }
  if (p.grpc_started) p.grpc.Shutdown(absl::Seconds(2));
  if (p.store_started) {
    p.dispatcher.Stop();
    p.http.Stop();
    // What waits for an answer is told that there is none, while there is still a store for what comes of it.
    p.outbound.Stop();
    p.store->Stop();
  }
  p.admin_http.Stop();
}

}  // namespace hookstream::app
