#include "dispatch/dispatcher.h"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "dispatch/runner.h"
#include "dispatch/spec.h"

namespace hookstream::dispatch {
namespace {

// Ids of private subscriptions; the store's own are below.
constexpr uint64_t kEphemeralIds = uint64_t{1} << 63;
constexpr int32_t kFetchDefault = 100, kFetchMax = 1'000;
constexpr int64_t kFetchBytesDefault = 3 << 20, kFetchBytesMin = 1 << 10, kFetchBytesMax = 64 << 20;

absl::Status NoSuchSubscription(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("no subscription is named \"", name, "\""));
}
absl::Status Declared(const std::string& name) {
  return absl::FailedPreconditionError(
      absl::StrCat("the subscription \"", name, "\" is declared by the configuration: change it there"));
}

}  // namespace

struct Dispatcher::State final : store::SubscriptionSink {
  struct Known {
    store::SubscriptionRecord record;
    StoredSpec stored;
    std::shared_ptr<Runner> runner;  // null: what the store has can't be read
  };

  State(store::Store& the_store, RegistrySource registry, const Clock& the_clock, metrics::Registry& the_metrics,
        const Options& the_options)
      : store(the_store),
        clock(the_clock),
        metrics(the_metrics),
        options(the_options),
        ids(DeliveryIdCodec::RandomKey()),
        typed{&TypedCounter("full"), &TypedCounter("partial"), &TypedCounter("untyped")},
        typing_seconds(metrics.AddHistogram("hookstream_dispatch_typing_seconds", "Time to type one event",
                                            {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 0.1})),
        tail_bytes(metrics.AddGauge("hookstream_dispatch_tail_cache_bytes", "Recent events that are kept typed")),
        tail(options.tail_cache_bytes, store, std::move(registry), clock,
             [this](TypedStatus status, absl::Duration took) {
               typed[static_cast<size_t>(status)]->Increment();
               typing_seconds.Observe(absl::ToDoubleSeconds(took));
             }),
        pool(static_cast<size_t>(options.threads)),
        context{store,
                tail,
                ids,
                clock,
                pool,
                options.resume_grace,
                options.heartbeat_interval,
                [this](store::SubscriptionId id) { Expire(id); }} {
    metrics.AddGauge("hookstream_dispatch_tail_cache_bytes_max", "Bound of the tail cache")
        .Set(static_cast<double>(options.tail_cache_bytes));
    metrics.AddGauge("hookstream_dispatch_all_streams_max", "Bound of the open streams").Set(options.streams_max);
    metrics.AddGauge("hookstream_dispatch_subscriptions_max", "Bound of the subscriptions")
        .Set(options.subscriptions_max);
    auto& all_streams = metrics.AddGauge("hookstream_dispatch_all_streams", "Open streams of all subscriptions");
    auto& all = metrics.AddGauge("hookstream_dispatch_subscriptions", "Subscriptions, without private ones");
    refresh = metrics.AddRefresh([this, &all_streams, &all] {
      tail_bytes.Set(static_cast<double>(tail.Bytes()));
      all_streams.Set(context.streams.load());
      {
        MutexLock lock(mutex);
        all.Set(static_cast<double>(known.size()));
      }
      for (const auto& runner : Runners()) runner->RefreshMetrics();
    });
  }

  metrics::Counter& TypedCounter(const char* status) {
    return metrics.AddCounter("hookstream_dispatch_typed_events_total", "Events that were typed, by outcome",
                              {{"status", status}});
  }

  // --- what the store tells ---

  void OnSubscription(const store::SubscriptionRecord& record) override { Learn(record); }
  void OnSubscriptionDropped(store::SubscriptionId id) override { Forget(id); }

  // Also with what a verb gave back: the sink may be told later.
  void Learn(const store::SubscriptionRecord& record) {
    auto stored = DecodeStoredSpec(record.spec);
    auto spec =
        stored.ok() ? CompileSpec(stored->message, options.resume_grace) : absl::StatusOr<Spec>(stored.status());
    if (!spec.ok()) {
      Log(LogLevel::kError, "a subscription can't be used",
          {{"subscription", record.name}, {"reason", std::string(spec.status().message())}});
    }
    std::shared_ptr<Runner> created, changed;
    {
      MutexLock lock(mutex);
      if (stopped || dropped.contains(record.id)) return;
      Known& entry = known[record.name];
      if (entry.record.id == record.id && entry.record.revision >= record.revision &&
          entry.record.generation >= record.generation) {
        return;
      }
      const bool is_new = entry.record.id != record.id;
      if (is_new) entry.runner = nullptr;
      entry.record = record;
      if (stored.ok()) entry.stored = *stored;
      if (spec.ok() && entry.runner == nullptr) {
        entry.runner = std::make_shared<Runner>(context,
                                                Runner::Setup{.id = record.id,
                                                              .name = record.name,
                                                              .generation = record.generation,
                                                              .spec = *spec,
                                                              .paused = entry.stored.paused,
                                                              .ephemeral_start = std::nullopt},
                                                metrics, Random());
        if (started) created = entry.runner;
      } else if (spec.ok()) {
        changed = entry.runner;
      }
    }
    if (created != nullptr) created->Attach();
    if (changed != nullptr) changed->Update(*std::move(spec), stored->paused, record.generation);
  }

  void Forget(store::SubscriptionId id) {
    std::shared_ptr<Runner> runner;
    std::string name;
    {
      MutexLock lock(mutex);
      dropped.insert(id);
      for (auto it = known.begin(); it != known.end(); ++it) {
        if (it->second.record.id != id) continue;
        name = it->first;
        runner = std::move(it->second.runner);
        known.erase(it);
        break;
      }
    }
    if (runner != nullptr)
      runner->End(absl::NotFoundError(absl::StrCat("the subscription \"", name, "\" was deleted")));
  }

  void Expire(store::SubscriptionId id) {
    store.DropSubscription(id, [id](absl::Status status) {
      if (!status.ok()) {
        Log(LogLevel::kWarning, "an expired subscription could not be deleted",
            {{"id", id}, {"reason", std::string(status.message())}});
      }
    });
  }

  // --- lookups ---

  uint64_t Random() HS_REQUIRES(mutex) { return random(); }

  std::vector<std::shared_ptr<Runner>> Runners() {
    std::vector<std::shared_ptr<Runner>> runners;
    MutexLock lock(mutex);
    for (const auto& [name, entry] : known) {
      if (entry.runner != nullptr) runners.push_back(entry.runner);
    }
    for (const auto& weak : ephemeral) {
      if (auto runner = weak.lock()) runners.push_back(std::move(runner));
    }
    return runners;
  }

  absl::StatusOr<Known> Find(const std::string& name) {
    MutexLock lock(mutex);
    const auto it = known.find(name);
    if (it == known.end()) return NoSuchSubscription(name);
    return it->second;
  }

  // For streams: FAILED_PRECONDITION where there is nothing to run.
  absl::StatusOr<std::shared_ptr<Runner>> FindRunner(const std::string& name) {
    HS_ASSIGN_OR_RETURN(Known entry, Find(name));
    if (entry.runner == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("the settings of \"", name, "\" can't be used by this version"));
    }
    return std::move(entry.runner);
  }

  // Counts one stream in; the runner counts it out.
  absl::Status Admit() {
    if (draining.load()) return absl::UnavailableError("the relay is stopping: connect again");
    if (context.streams.fetch_add(1) >= options.streams_max) {
      context.streams.fetch_sub(1);
      return absl::ResourceExhaustedError(absl::StrCat("too many streams: at most ", options.streams_max));
    }
    return absl::OkStatus();
  }

  uint64_t NextStream() { return next_stream.fetch_add(1); }

  absl::StatusOr<std::shared_ptr<Runner>> MakeEphemeral(const v1::Ephemeral& from) {
    auto filter = filter::Filter::Compile(from.filter());
    if (!filter.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("ephemeral.filter: ", filter.status().message()));
    }
    HS_ASSIGN_OR_RETURN(const auto start, ResolveStart(from.start(), store.Tag()));
    Spec spec;
    spec.filter = *std::move(filter);
    spec.message.set_filter(from.filter());
    spec.settings.resume_grace = options.resume_grace;
    MutexLock lock(mutex);
    const uint64_t id = kEphemeralIds + next_ephemeral++;
    auto runner = std::make_shared<Runner>(context,
                                           Runner::Setup{.id = id,
                                                         .name = absl::StrCat("ephemeral-", id - kEphemeralIds),
                                                         .generation = 1,
                                                         .spec = std::move(spec),
                                                         .paused = false,
                                                         .ephemeral_start = start},
                                           metrics, Random());
    std::erase_if(ephemeral, [](const auto& weak) { return weak.expired(); });
    ephemeral.push_back(runner);
    return runner;
  }

  // --- subscriptions ---

  static v1::SubscriptionInfo MakeInfo(const Known& entry, const absl::StatusOr<store::SubscriptionStats>& stats) {
    v1::SubscriptionInfo info;
    *info.mutable_subscription() = entry.stored.message;
    info.mutable_subscription()->set_name(entry.record.name);
    info.set_revision(absl::StrCat(entry.record.revision));
    info.set_generation(static_cast<int64_t>(entry.record.generation));
    info.set_declared(entry.stored.declared);
    info.set_paused(entry.stored.paused);
    ToProto(entry.record.created_at, info.mutable_created_at());
    if (entry.runner != nullptr) {
      const Runner::Snapshot now = entry.runner->GetSnapshot();
      info.set_streams(now.streams);
      info.set_leased(now.leased);
      info.set_waiting(now.waiting);
      info.set_ready(now.ready);
    }
    if (stats.ok()) {
      info.set_lag(stats->lag);
      info.set_dead(stats->dead);
      if (stats->oldest_unsettled_at.has_value())
        ToProto(*stats->oldest_unsettled_at, info.mutable_oldest_unsettled_at());
    }
    return info;
  }

  void GiveInfo(const std::string& name, Done<v1::SubscriptionInfo> done) {
    auto entry = Find(name);
    if (!entry.ok()) return std::move(done)(entry.status());
    const store::SubscriptionId id = entry->record.id;
    store.GetSubscriptionStats(id, [entry = *std::move(entry),
                                    done = std::move(done)](absl::StatusOr<store::SubscriptionStats> stats) mutable {
      if (!stats.ok()) return std::move(done)(stats.status());
      std::move(done)(MakeInfo(entry, stats));
    });
  }

  // What a verb that changes a subscription does with the store's answer: it is answered once the change is in force.
  store::Done<store::SubscriptionRecord> LearnAndGive(Done<v1::SubscriptionInfo> done) {
    return [this, done = std::move(done)](absl::StatusOr<store::SubscriptionRecord> record) mutable {
      if (!record.ok()) return std::move(done)(record.status());
      Learn(*record);
      const auto runner = FindRunner(record->name);
      if (!runner.ok()) return GiveInfo(record->name, std::move(done));
      (*runner)->Run(
          [this, name = record->name, done = std::move(done)]() mutable { GiveInfo(name, std::move(done)); });
    };
  }

  void Put(const StoredSpec& spec, store::Revision expected, Done<v1::SubscriptionInfo> done) {
    const auto start = ResolveStart(spec.message.start(), store.Tag());
    if (!start.ok()) return std::move(done)(start.status());
    store.PutSubscription(spec.message.name(), EncodeStoredSpec(spec), expected, *start, LearnAndGive(std::move(done)));
  }

  store::Store& store;
  const Clock& clock;
  metrics::Registry& metrics;
  const Options options;
  const DeliveryIdCodec ids;
  std::array<metrics::Counter*, 3> typed;  // by TypedStatus
  metrics::Histogram& typing_seconds;
  metrics::Gauge& tail_bytes;
  TailCache tail;
  boost::asio::thread_pool pool;
  RunnerContext context;
  std::atomic<bool> draining{false};
  std::atomic<uint64_t> next_stream{1};

  Mutex mutex;
  std::map<std::string, Known> known HS_GUARDED_BY(mutex);  // in the order of names, for pages
  std::set<store::SubscriptionId> dropped HS_GUARDED_BY(mutex);
  std::vector<std::weak_ptr<Runner>> ephemeral HS_GUARDED_BY(mutex);
  uint64_t next_ephemeral HS_GUARDED_BY(mutex) = 1;
  std::random_device random HS_GUARDED_BY(mutex);
  bool started HS_GUARDED_BY(mutex) = false;
  bool stopped HS_GUARDED_BY(mutex) = false;
  std::shared_ptr<void> refresh;  // the last: it uses the others
};

Dispatcher::Dispatcher(store::Store& store, RegistrySource registry, const Clock& clock, metrics::Registry& metrics,
                       Options options)
    : state_(std::make_unique<State>(store, std::move(registry), clock, metrics, options)) {}

Dispatcher::~Dispatcher() { Stop(); }

store::SubscriptionSink& Dispatcher::Subscriptions() { return *state_; }

void Dispatcher::Start() {
  {
    MutexLock lock(state_->mutex);
    state_->started = true;
  }
  for (const auto& runner : state_->Runners()) runner->Attach();
}

// --- streams ---

absl::StatusOr<std::unique_ptr<Stream>> Dispatcher::OpenStream(const v1::Open& open, StreamCallbacks callbacks) {
  HS_ASSIGN_OR_RETURN(const OpenSettings settings, CompileOpen(open));
  std::shared_ptr<Runner> runner;
  switch (open.target_case()) {
    case v1::Open::kSubscription: {
      HS_ASSIGN_OR_RETURN(runner, state_->FindRunner(open.subscription()));
      HS_RETURN_IF_ERROR(state_->Admit());
      break;
    }
    case v1::Open::kEphemeral: {
      HS_RETURN_IF_ERROR(state_->Admit());
      auto made = state_->MakeEphemeral(open.ephemeral());
      if (!made.ok()) {
        state_->context.streams.fetch_sub(1);
        return made.status();
      }
      runner = *std::move(made);
      break;
    }
    case v1::Open::TARGET_NOT_SET: return absl::InvalidArgumentError("target: subscription or ephemeral must be set");
  }
  const uint64_t stream = state_->NextStream();
  runner->Open(stream, open, settings, std::move(callbacks));
  if (open.has_ephemeral()) runner->Attach();
  return std::make_unique<Stream>(std::move(runner), stream, settings);
}

absl::StatusOr<std::unique_ptr<Stream>> Dispatcher::Fetch(const v1::FetchRequest& request,
                                                          Done<std::vector<Delivery>> done) {
  OpenSettings settings;
  FetchCall call;
  const int32_t events = request.max_events() == 0 ? kFetchDefault : request.max_events();
  if (events < 1 || events > kFetchMax) {
    return absl::InvalidArgumentError(absl::StrCat("max_events: must be 1 to ", kFetchMax));
  }
  settings.message_bytes_max = request.max_bytes() == 0 ? kFetchBytesDefault : request.max_bytes();
  if (settings.message_bytes_max < kFetchBytesMin || settings.message_bytes_max > kFetchBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("max_bytes: must be ", kFetchBytesMin, " to ", kFetchBytesMax));
  }
  if (!request.tier().empty()) return absl::InvalidArgumentError("tier: the subscription has no tiers");
  if (request.client_id().size() > 128) return absl::InvalidArgumentError("client_id: must be at most 128 characters");
  HS_ASSIGN_OR_RETURN(settings.view, CompileView(request.view(), v1::VIEW_FULL));
  const auto wait = FromProto(request.wait());
  if (!wait.has_value() || *wait < absl::ZeroDuration() || *wait > absl::Seconds(30)) {
    return absl::InvalidArgumentError("wait: must be 0 to 30 s");
  }
  HS_ASSIGN_OR_RETURN(auto runner, state_->FindRunner(request.subscription()));
  HS_RETURN_IF_ERROR(state_->Admit());
  settings.batch_events_max = events;
  // Credit counts what is stored; in the answer the typed payload comes on top, which is rarely longer than the JSON.
  settings.credit = {.events = events, .bytes = settings.message_bytes_max / 2};
  call.credit = settings.credit;
  call.client_id = request.client_id();
  call.wait = *wait;
  call.done = std::move(done);
  const uint64_t stream = state_->NextStream();
  runner->Fetch(stream, std::move(call));
  return std::make_unique<Stream>(std::move(runner), stream, settings);
}

void Dispatcher::Settle(const v1::SettleRequest& request, Done<std::vector<SettlementResult>> done) {
  auto runner = state_->FindRunner(request.subscription());
  if (!runner.ok()) return std::move(done)(runner.status());
  auto batch = (*runner)->ReadSettlements(request.settlements());
  if (!batch.ok()) return std::move(done)(batch.status());
  (*runner)->SettleCall(state_->NextStream(), *std::move(batch), std::move(done));
}

// --- subscriptions ---

void Dispatcher::CreateSubscription(const v1::Subscription& subscription, Done<v1::SubscriptionInfo> done) {
  const auto spec = CompileSpec(subscription, state_->options.resume_grace);
  if (!spec.ok()) return std::move(done)(spec.status());
  size_t count = 0;
  {
    MutexLock lock(state_->mutex);
    count = state_->known.size();
  }
  if (count >= static_cast<size_t>(state_->options.subscriptions_max)) {
    return std::move(done)(absl::ResourceExhaustedError(
        absl::StrCat("too many subscriptions: at most ", state_->options.subscriptions_max)));
  }
  state_->Put({.message = subscription, .declared = false, .paused = false}, 0, std::move(done));
}

void Dispatcher::UpdateSubscription(const v1::Subscription& subscription, const std::string& revision,
                                    Done<v1::SubscriptionInfo> done) {
  const auto spec = CompileSpec(subscription, state_->options.resume_grace);
  if (!spec.ok()) return std::move(done)(spec.status());
  const auto entry = state_->Find(subscription.name());
  if (!entry.ok()) return std::move(done)(entry.status());
  if (entry->stored.declared) return std::move(done)(Declared(subscription.name()));
  store::Revision expected = entry->record.revision;
  if (!revision.empty() && (!absl::SimpleAtoi(revision, &expected) || expected == 0)) {
    return std::move(done)(absl::InvalidArgumentError("revision: is none that SubscriptionInfo gave"));
  }
  state_->Put({.message = subscription, .declared = false, .paused = entry->stored.paused}, expected, std::move(done));
}

void Dispatcher::DeleteSubscription(const std::string& name, DoneStatus done) {
  const auto entry = state_->Find(name);
  if (!entry.ok()) return std::move(done)(entry.status());
  if (entry->stored.declared) return std::move(done)(Declared(name));
  const store::SubscriptionId id = entry->record.id;
  state_->store.DropSubscription(id, [state = state_.get(), id, done = std::move(done)](absl::Status status) mutable {
    if (status.ok()) state->Forget(id);
    std::move(done)(std::move(status));
  });
}

void Dispatcher::PauseSubscription(const std::string& name, bool paused, Done<v1::SubscriptionInfo> done) {
  auto entry = state_->Find(name);
  if (!entry.ok()) return std::move(done)(entry.status());
  if (entry->stored.paused == paused) return state_->GiveInfo(name, std::move(done));
  StoredSpec changed = std::move(entry->stored);
  changed.paused = paused;
  state_->Put(changed, entry->record.revision, std::move(done));
}

void Dispatcher::SeekSubscription(const std::string& name, const v1::Start& position, Done<v1::SubscriptionInfo> done) {
  if (position.position_case() == v1::Start::POSITION_NOT_SET) {
    return std::move(done)(absl::InvalidArgumentError("position: must be set"));
  }
  const auto to = ResolveStart(position, state_->store.Tag());
  if (!to.ok()) return std::move(done)(to.status());
  const auto entry = state_->Find(name);
  if (!entry.ok()) return std::move(done)(entry.status());
  Log(LogLevel::kInfo, "subscription seeks", {{"subscription", name}});
  state_->store.Seek(entry->record.id, entry->record.generation, *to, state_->LearnAndGive(std::move(done)));
}

void Dispatcher::GetSubscription(const std::string& name, Done<v1::SubscriptionInfo> done) {
  state_->GiveInfo(name, std::move(done));
}

void Dispatcher::ListSubscriptions(const v1::ListSubscriptionsRequest& request,
                                   Done<v1::ListSubscriptionsResponse> done) {
  const auto size = ReadPageSize(request.page_size());
  if (!size.ok()) return std::move(done)(size.status());
  if (!request.page_token().empty() && !ValidateName("page_token", request.page_token()).ok()) {
    return std::move(done)(absl::InvalidArgumentError("page_token: is none that this call gave"));
  }
  // The answer is complete when the last of the store's answers is in.
  struct Gathering {
    Mutex mutex;
    size_t missing HS_GUARDED_BY(mutex) = 0;
    v1::ListSubscriptionsResponse response HS_GUARDED_BY(mutex);
    Done<v1::ListSubscriptionsResponse> done;
  };
  std::vector<State::Known> page;
  auto gathering = std::make_shared<Gathering>();
  gathering->done = std::move(done);
  {
    MutexLock lock(state_->mutex);
    auto it = state_->known.upper_bound(request.page_token());
    for (; it != state_->known.end() && page.size() < static_cast<size_t>(*size); ++it) page.push_back(it->second);
    MutexLock gathering_lock(gathering->mutex);
    if (it != state_->known.end()) gathering->response.set_next_page_token(page.back().record.name);
    for (size_t i = 0; i < page.size(); ++i) gathering->response.add_subscriptions();
    gathering->missing = page.size();
  }
  if (page.empty()) return std::move(gathering->done)(v1::ListSubscriptionsResponse());
  for (size_t i = 0; i < page.size(); ++i) {
    const store::SubscriptionId id = page[i].record.id;
    state_->store.GetSubscriptionStats(
        id, [gathering, i, entry = std::move(page[i])](absl::StatusOr<store::SubscriptionStats> stats) {
          v1::ListSubscriptionsResponse response;
          {
            MutexLock lock(gathering->mutex);
            *gathering->response.mutable_subscriptions(static_cast<int>(i)) = State::MakeInfo(entry, stats);
            if (--gathering->missing != 0) return;
            response.Swap(&gathering->response);
          }
          std::move(gathering->done)(std::move(response));
        });
  }
}

absl::Status Dispatcher::ValidateSubscriptions(const std::vector<v1::Subscription>& subscriptions) {
  std::set<std::string> names;
  for (const auto& subscription : subscriptions) {
    const auto spec = CompileSpec(subscription, absl::ZeroDuration());
    if (!spec.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("subscription \"", subscription.name(), "\": ", spec.status().message()));
    }
    if (!names.insert(subscription.name()).second) {
      return absl::InvalidArgumentError(absl::StrCat("subscription \"", subscription.name(), "\" is declared twice"));
    }
  }
  return absl::OkStatus();
}

void Dispatcher::DeclareSubscriptions(std::vector<v1::Subscription> subscriptions, DoneStatus done) {
  if (absl::Status status = ValidateSubscriptions(subscriptions); !status.ok()) return std::move(done)(status);
  struct Change {
    StoredSpec spec;
    store::Revision expected;
  };
  std::vector<Change> changes;
  {
    MutexLock lock(state_->mutex);
    std::set<std::string> names;
    for (auto& subscription : subscriptions) {
      names.insert(subscription.name());
      const auto it = state_->known.find(subscription.name());
      if (it == state_->known.end()) {
        changes.push_back({{.message = std::move(subscription), .declared = true, .paused = false}, 0});
      } else if (!it->second.stored.declared || !SameSubscription(it->second.stored.message, subscription)) {
        changes.push_back({{.message = std::move(subscription), .declared = true, .paused = it->second.stored.paused},
                           it->second.record.revision});
      }
    }
    for (const auto& [name, entry] : state_->known) {
      if (!entry.stored.declared || names.contains(name)) continue;
      StoredSpec detached = entry.stored;
      detached.declared = false;
      changes.push_back({std::move(detached), entry.record.revision});
    }
  }
  if (changes.empty()) return std::move(done)(absl::OkStatus());
  struct Gathering {
    Mutex mutex;
    size_t missing HS_GUARDED_BY(mutex) = 0;
    absl::Status first HS_GUARDED_BY(mutex);
    DoneStatus done;
  };
  auto gathering = std::make_shared<Gathering>();
  gathering->done = std::move(done);
  {
    MutexLock lock(gathering->mutex);
    gathering->missing = changes.size();
  }
  for (Change& change : changes) {
    Log(LogLevel::kInfo, change.spec.declared ? "subscription is declared" : "subscription is no longer declared",
        {{"subscription", change.spec.message.name()}});
    state_->Put(
        change.spec, change.expected,
        [gathering, name = change.spec.message.name()](absl::StatusOr<v1::SubscriptionInfo> info) {
          absl::Status result;
          {
            MutexLock lock(gathering->mutex);
            if (!info.ok()) {
              gathering->first.Update(absl::Status(
                  info.status().code(), absl::StrCat("subscription \"", name, "\": ", info.status().message())));
            }
            if (--gathering->missing != 0) return;
            result = gathering->first;
          }
          std::move(gathering->done)(std::move(result));
        });
  }
}

absl::StatusOr<store::SubscriptionId> Dispatcher::FindSubscription(const std::string& name) const {
  HS_ASSIGN_OR_RETURN(const auto entry, state_->Find(name));
  return entry.record.id;
}

// --- the end ---

void Dispatcher::StopDeliveries() {
  state_->draining.store(true);
  for (const auto& runner : state_->Runners()) runner->StopDeliveries();
}

void Dispatcher::SendDrain(absl::Duration grace, const std::string& reason) {
  for (const auto& runner : state_->Runners()) runner->SendDrain(grace, reason);
}

bool Dispatcher::WaitSettled(absl::Duration timeout) {
  const auto runners = state_->Runners();
  // Real time: it bounds how long a stopping process lives, whatever clock the leases run on.
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  MutexLock lock(state_->context.mutex);
  while (true) {
    bool idle = state_->context.busy == 0;
    for (const auto& runner : runners) idle = idle && runner->IsIdle();
    if (idle) return true;
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) return false;
    state_->context.changed.WaitFor(state_->context.mutex, absl::FromChrono(left));
  }
}

void Dispatcher::CloseStreams() {
  for (const auto& runner : state_->Runners()) runner->CloseStreams();
}

void Dispatcher::Stop() {
  state_->draining.store(true);
  {
    MutexLock lock(state_->mutex);
    if (state_->stopped) return;
    state_->stopped = true;
  }
  const auto runners = state_->Runners();
  for (const auto& runner : runners) runner->End(absl::UnavailableError("the relay is stopping"));
  WaitIdle();
  for (const auto& runner : runners) runner->Shut();
  state_->pool.stop();
  state_->pool.join();
}

void Dispatcher::CheckTimers() {
  for (const auto& runner : state_->Runners()) runner->Poke();
}

void Dispatcher::WaitIdle() {
  MutexLock lock(state_->context.mutex);
  while (state_->context.busy != 0) state_->context.changed.Wait(state_->context.mutex);
}

TailCache& Dispatcher::tail() { return state_->tail; }

}  // namespace hookstream::dispatch
