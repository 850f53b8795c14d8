// Start, stop, and what happens when the disk fails.
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <future>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "store/embedded/internal.h"

namespace hookstream::store {

using embedded::Cf;
using embedded::Database;
using embedded::DedupeKey;
using embedded::LoadedState;
using embedded::Subscription;
using embedded::SubscriptionKeyKind;
using embedded::View;

namespace embedded {

Metrics::Metrics(metrics::Registry* given)
    : own(given == nullptr ? std::make_unique<metrics::Registry>() : nullptr),
      registry(given == nullptr ? *own : *given),
      appended_events(registry.AddCounter("hookstream_store_appended_events_total", "Events stored")),
      appended_bytes(registry.AddCounter("hookstream_store_appended_bytes_total", "Bytes of events stored")),
      duplicates(registry.AddCounter("hookstream_store_duplicates_total", "Events that were stored before")),
      refused_full(registry.AddCounter("hookstream_store_refused_total", "Appends refused", {{"reason", "full"}})),
      refused_busy(registry.AddCounter("hookstream_store_refused_total", "Appends refused", {{"reason", "busy"}})),
      refused_unavailable(
          registry.AddCounter("hookstream_store_refused_total", "Appends refused", {{"reason", "unavailable"}})),
      acks(registry.AddCounter("hookstream_store_outcomes_total", "Outcomes made durable", {{"kind", "ack"}})),
      retries(registry.AddCounter("hookstream_store_outcomes_total", "Outcomes made durable", {{"kind", "retry"}})),
      dead(registry.AddCounter("hookstream_store_outcomes_total", "Outcomes made durable", {{"kind", "dead"}})),
      redriven(registry.AddCounter("hookstream_store_redriven_total", "Dead letters made deliverable again")),
      purged(registry.AddCounter("hookstream_store_purged_total", "Dead letters deleted")),
      failures(registry.AddCounter("hookstream_store_failures_total", "Times that the store stopped accepting")),
      read_failures(registry.AddCounter("hookstream_store_read_failures_total", "Reads for a feed that failed")),
      trimmed_events(registry.AddCounter("hookstream_store_trimmed_events_total", "Events deleted by retention")),
      ephemeral_lost(
          registry.AddCounter("hookstream_store_ephemeral_lost_total",
                              "Released events of ephemeral subscriptions that retention deleted meanwhile")),
      commit_seconds(registry.AddHistogram("hookstream_store_commit_seconds", "One commit, its sync included",
                                           metrics::Registry::LatencyBuckets())),
      sync_seconds(registry.AddHistogram("hookstream_store_sync_seconds", "The sync of one commit",
                                         metrics::Registry::LatencyBuckets())),
      batch_events(registry.AddHistogram("hookstream_store_batch_events", "Events stored by one commit",
                                         {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096})),
      healthy(registry.AddGauge("hookstream_store_healthy", "1: accepts events, 0: does not")),
      clock_step_seconds(registry.AddGauge("hookstream_store_clock_step_seconds",
                                           "How far the wall clock has been set since the start")),
      pinned_bytes(registry.AddGauge("hookstream_store_pinned_bytes",
                                     "Bytes past their retention that a subscription has not settled")) {}

}  // namespace embedded

EmbeddedStore::EmbeddedStore(EmbeddedOptions options)
    : options_(std::move(options)),
      clock_(options_.clock != nullptr ? *options_.clock : system_clock_),
      age_(clock_),
      metrics_(std::make_unique<embedded::Metrics>(options_.metrics)),
      tail_(std::make_unique<embedded::Tail>(static_cast<uint64_t>(options_.tail_bytes_max))),
      dedupe_(std::make_unique<embedded::DedupeIndex>(static_cast<size_t>(options_.dedupe_recent_max))),
      index_writer_(std::make_unique<embedded::ChunkIndexWriter>()),
      write_batch_(std::make_unique<rocksdb::WriteBatch>()) {
  metrics::Registry& registry = metrics_->registry;
  const auto gauge = [&](const char* name, const char* help) { return &registry.AddGauge(name, help); };
  gauge("hookstream_store_queue_events_max", "Bound of hookstream_store_queue_events")
      ->Set(static_cast<double>(options_.queue_events_max));
  gauge("hookstream_store_queue_bytes_max", "Bound of hookstream_store_queue_bytes")
      ->Set(static_cast<double>(options_.queue_bytes_max));
  gauge("hookstream_store_tail_bytes_max", "Bound of hookstream_store_tail_bytes")
      ->Set(static_cast<double>(options_.tail_bytes_max));
  gauge("hookstream_store_bytes_max", "Bound of hookstream_store_bytes; 0: none")
      ->Set(static_cast<double>(options_.bytes_max));
  gauge("hookstream_store_queries_max", "Bound of hookstream_store_queries")
      ->Set(static_cast<double>(options_.queries_max));
  metrics_->refresh = registry.AddRefresh(
      [this, queue_events = gauge("hookstream_store_queue_events", "Events that wait for their commit"),
       queue_bytes = gauge("hookstream_store_queue_bytes", "Bytes that wait for their commit"),
       queries = gauge("hookstream_store_queries", "Tasks that wait for the reader thread"),
       tail = gauge("hookstream_store_tail_bytes", "Recent events in memory"),
       events = gauge("hookstream_store_events", "Events stored"),
       bytes = gauge("hookstream_store_bytes", "What the stored events count for against the limit"),
       disk = gauge("hookstream_store_disk_bytes", "All files in the data folder")] {
        {
          MutexLock lock(queue_mutex_);
          queue_events->Set(static_cast<double>(queue_events_));
          queue_bytes->Set(static_cast<double>(queue_bytes_));
        }
        queries->Set(static_cast<double>(reader_.Pending()));
        tail->Set(static_cast<double>(tail_->bytes()));
        const StoreStats stats = GetStats();
        events->Set(static_cast<double>(stats.events));
        bytes->Set(static_cast<double>(stats.bytes));
        disk->Set(static_cast<double>(stats.disk_bytes));
      });
}

EmbeddedStore::~EmbeddedStore() { Stop(); }

Capabilities EmbeddedStore::GetCapabilities() const {
  Capabilities capabilities;
  capabilities.event_bytes_max = options_.event_bytes_max;
  return capabilities;
}

absl::StatusOr<std::unique_ptr<Database>> EmbeddedStore::OpenDatabase() {
  return Database::Open({options_.data_dir, options_.env, &age_.last(), [this] {
                           background_error_ = true;
                           MutexLock lock(queue_mutex_);
                           queue_wake_.NotifyOne();
                         }});
}

absl::Status EmbeddedStore::CreateNew(Database& database) {
  std::random_device random;
  StoreTag tag = 0;
  while (tag == 0) tag = static_cast<uint64_t>(random()) << 32 | random();
  age_.StartNew();
  rocksdb::WriteBatch batch;
  rocksdb::ColumnFamilyHandle* const cf = database.cf(Cf::kMeta);
  batch.Put(cf, embedded::meta_key::kFormat, embedded::EncodeNumber(embedded::kFormatVersion));
  batch.Put(cf, embedded::meta_key::kTag, embedded::EncodeNumber(tag));
  batch.Put(cf, embedded::meta_key::kClock, EncodeClockMark(age_.Mark()));
  return database.WriteSynced(batch);
}

absl::Status EmbeddedStore::Load(Database& database, LoadedState& state) {
  const auto number = [&](const char* key, uint64_t absent) -> absl::StatusOr<uint64_t> {
    const auto bytes = database.Get(Cf::kMeta, key);
    if (absl::IsNotFound(bytes.status())) return absent;
    HS_RETURN_IF_ERROR(bytes.status());
    return embedded::ParseNumber(*bytes);
  };
  HS_ASSIGN_OR_RETURN(state.tag, number(embedded::meta_key::kTag, 0));
  if (state.tag == 0) return absl::DataLossError(absl::StrCat("the store in ", options_.data_dir, " has lost its tag"));
  HS_ASSIGN_OR_RETURN(state.trim, number(embedded::meta_key::kTrim, 1));
  HS_ASSIGN_OR_RETURN(state.next_subscription, number(embedded::meta_key::kNextSubscription, 1));
  HS_ASSIGN_OR_RETURN(const std::string mark, database.Get(Cf::kMeta, embedded::meta_key::kClock));
  HS_ASSIGN_OR_RETURN(state.clock, embedded::ParseClockMark(mark));

  embedded::LogReader reader(database, state.trim, embedded::kNoSeq, /*scan=*/false);
  if (reader.SeekBackwards(embedded::kNoSeq - 1)) {
    state.last_chunk = reader.chunk().first;
    state.last = reader.chunk().end() - 1;
    state.last_header = reader.chunk().header;
    embedded::LogReader first(database, state.trim, embedded::kNoSeq, /*scan=*/false);
    if (!first.Seek(state.trim)) return first.status();
    HS_ASSIGN_OR_RETURN(const Before before, CountBefore(database, first.chunk().first, embedded::kNoSeq));
    state.events_begin = before.events;
    state.bytes_begin = before.bytes;
    state.oldest_received = before.received_at;
  }
  HS_RETURN_IF_ERROR(reader.status());

  // A subscription's keys come together, its spec last.
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(database.db().NewIterator(options, database.cf(Cf::kSub)));
  LoadedState::Entry entry;
  std::vector<std::pair<embedded::SubscriptionKey, embedded::SettledPage>> pages;
  std::vector<embedded::SubscriptionKey> retries;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    HS_ASSIGN_OR_RETURN(const embedded::SubscriptionKey key, embedded::ParseSubscriptionKey(View(it->key())));
    switch (key.kind) {
      case SubscriptionKeyKind::kProgress: {
        HS_ASSIGN_OR_RETURN(entry.progress, embedded::ParseProgress(View(it->value())));
        break;
      }
      case SubscriptionKeyKind::kPage: {
        HS_ASSIGN_OR_RETURN(const embedded::SettledPage page, embedded::ParsePage(View(it->value())));
        pages.emplace_back(key, page);
        break;
      }
      case SubscriptionKeyKind::kRetry: retries.push_back(key); break;
      case SubscriptionKeyKind::kSpec: {
        HS_ASSIGN_OR_RETURN(entry.spec, embedded::ParseSpec(key.id, View(it->value())));
        const Generation generation = entry.spec.record.generation;
        if (entry.progress.generation != generation) {
          return absl::DataLossError(absl::StrCat("the progress of subscription \"", entry.spec.record.name,
                                                  "\" is of generation ", entry.progress.generation, ", not ",
                                                  generation));
        }
        entry.settled = embedded::SettledPages(std::max(entry.spec.begin, entry.progress.frontier));
        entry.first_page_saved = embedded::PageOf(entry.progress.frontier);
        for (const auto& [page_key, page] : pages) {
          if (page_key.generation == generation) entry.settled.AddPage(page_key.number, page);
        }
        for (const embedded::SubscriptionKey& retry : retries) {
          if (retry.generation == generation) entry.retries.insert(retry.number);
        }
        state.subscriptions[key.id] = std::move(entry);
        entry = LoadedState::Entry();
        pages.clear();
        retries.clear();
        break;
      }
    }
  }
  HS_RETURN_IF_ERROR(embedded::ToStatus(it->status()));
  for (auto& [id, loaded] : state.subscriptions) {
    const std::string end = embedded::SubscriptionPrefix(id + 1);
    const rocksdb::Slice end_slice(end);
    rocksdb::ReadOptions dead_options;
    dead_options.iterate_upper_bound = &end_slice;
    const std::unique_ptr<rocksdb::Iterator> dead(database.db().NewIterator(dead_options, database.cf(Cf::kDead)));
    dead->Seek(embedded::SubscriptionPrefix(id));
    if (dead->Valid()) loaded.dead_low = embedded::SeqOfKey(View(dead->key()).substr(8));
    HS_RETURN_IF_ERROR(embedded::ToStatus(dead->status()));
  }
  return absl::OkStatus();
}

absl::Status EmbeddedStore::LoadDedupe(Database& database) {
  HS_ASSIGN_OR_RETURN(const Seq derived, dedupe_->Reset(database));
  embedded::LogReader reader(database, trim_, embedded::kNoSeq, /*scan=*/true);
  bool found = reader.Seek(std::max<Seq>(derived, trim_));
  for (; found; found = reader.Next()) {
    const embedded::ChunkIndex& chunk = reader.chunk();
    for (size_t i = 0; i < chunk.entries.size(); ++i) {
      const embedded::ChunkEntry& entry = chunk.entries[i];
      if (entry.dedupe.IsZero()) continue;
      dedupe_->Add(DedupeKey(dedupe_->Lane(entry.source), entry.dedupe),
                   {chunk.first + i, chunk.header.age, entry.dedupe_window_seconds});
    }
    if (const auto sealed = dedupe_->Seal(chunk.end() - 1); sealed.has_value()) {
      HS_RETURN_IF_ERROR(dedupe_->Derive(database, *sealed));
    }
  }
  return reader.status();
}

void EmbeddedStore::Adopt(LoadedState& state) {
  tag_ = state.tag;
  trim_ = state.trim;
  next_subscription_ = std::max(next_subscription_, state.next_subscription);
  head_ = state.last;
  last_chunk_ = state.last_chunk;
  events_end_ = state.last_header.events_end;
  bytes_end_ = state.last_header.bytes_end;
  events_begin_ = state.events_begin;
  bytes_begin_ = state.bytes_begin;
  oldest_received_us_ = absl::ToUnixMicros(state.oldest_received);
  received_max_ = std::max(received_max_, state.last_header.received_max);
  // A sequence that was tried and failed may yet be on disk, or reappear: it is not used again.
  next_seq_ = std::max(next_seq_, state.last + 1);
  tail_->Reset(next_seq_);
  AdoptSubscriptions(state);
}

void EmbeddedStore::AdoptSubscriptions(LoadedState& state) {
  // At a reopening, commits that were reported as failed may have been written after all: the disk is right.
  std::vector<SubscriptionId> dropped;
  {
    MutexLock lock(subscriptions_mutex_);
    for (const auto& [id, subscription] : subscriptions_) {
      if (!state.subscriptions.contains(id)) dropped.push_back(id);
    }
  }
  for (const SubscriptionId id : dropped) ForgetSubscription(id);

  for (auto& [id, entry] : state.subscriptions) {
    const SubscriptionRecord& record = entry.spec.record;
    SubscriptionPtr subscription = FindSubscription(id);
    bool changed = subscription == nullptr;
    if (subscription == nullptr) {
      subscription = std::make_shared<Subscription>(/*is_ephemeral=*/false);
      {
        MutexLock lock(subscription->mutex);
        subscription->record = record;
        subscription->StartAt(entry.spec.begin);
        subscription->settled = std::move(entry.settled);
        subscription->next_read = subscription->settled.FirstMissing();
        subscription->again = entry.retries;
      }
      names_[record.name] = id;
      MutexLock lock(subscriptions_mutex_);
      subscriptions_[id] = subscription;
    } else {
      bool moved;
      {
        MutexLock lock(subscription->mutex);
        moved = subscription->record.generation != record.generation;
        changed = !moved && subscription->record.revision != record.revision;
      }
      if (moved) MoveSubscription(subscription, entry.spec);
      MutexLock lock(subscription->mutex);
      subscription->record = record;
      // What the filter skipped is known in memory only.
      subscription->settled.AddAll(entry.settled);
      for (const Seq seq : entry.retries) {
        // Redriven by a commit that was reported as failed.
        if (subscription->settled.Has(seq) && !subscription->claims.contains(seq)) subscription->again.insert(seq);
      }
      std::erase_if(subscription->again, [&](Seq seq) HS_NO_THREAD_SAFETY_ANALYSIS {
        return subscription->settled.Has(seq) && !entry.retries.contains(seq);
      });
    }
    MutexLock lock(subscription->mutex);
    subscription->retries = std::move(entry.retries);
    subscription->first_page_saved = entry.first_page_saved;
    subscription->dead = static_cast<int64_t>(entry.progress.dead);
    subscription->dead_low = entry.dead_low;
    subscription->dead_low_stale = false;
    ++subscription->dead_changes;
    if (changed) completion_.Post([this, record] { subscription_sink_->OnSubscription(record); });
  }
}

absl::Status EmbeddedStore::Start(SubscriptionSink& subscriptions, HealthSink health) {
  subscription_sink_ = &subscriptions;
  health_ = std::move(health);
  auto database = OpenDatabase();
  HS_RETURN_IF_ERROR(database.status());
  const absl::Status format = (*database)->Get(Cf::kMeta, embedded::meta_key::kFormat).status();
  const bool is_new = absl::IsNotFound(format);
  if (is_new) {
    HS_RETURN_IF_ERROR(CreateNew(**database));
  } else {
    HS_RETURN_IF_ERROR(format);
  }
  LoadedState state;
  HS_RETURN_IF_ERROR(Load(**database, state));
  if (!is_new) {
    const absl::Duration away = age_.Start(*state.clock);
    if (away < absl::ZeroDuration() || away > embedded::AgeClock::kDownTimeMax) {
      Log(LogLevel::kWarning,
          "by the wall clock the relay was away for a doubtful time; what is kept ages by a day at most",
          {{"seconds", absl::ToInt64Seconds(away)}});
    }
  }
  completion_.Start();
  reader_.Start();
  Adopt(state);
  if (const absl::Status status = LoadDedupe(**database); !status.ok()) {
    reader_.Stop();
    completion_.Stop();
    return status;
  }
  {
    MutexLock lock(database_mutex_);
    database_ = *std::move(database);
    disk_bytes_ = database_->DiskBytes();
  }
  {
    MutexLock lock(queue_mutex_);
    accepting_ = absl::OkStatus();
    stopping_ = false;
  }
  started_ = true;
  housekept_ = std::chrono::steady_clock::now();
  commit_thread_ = std::thread([this] { CommitLoop(); });
  TellHealth(absl::OkStatus());
  // Everything above has been told once this has run.
  std::promise<void> told;
  completion_.Post([&told] { told.set_value(); });
  told.get_future().wait();
  Log(LogLevel::kInfo, "store opened",
      {{"data_dir", options_.data_dir},
       {"events", state.last_header.events_end - state.events_begin},
       {"head", state.last},
       {"trim", state.trim},
       {"subscriptions", state.subscriptions.size()}});
  return absl::OkStatus();
}

void EmbeddedStore::Stop() {
  if (!started_.exchange(false)) return;
  {
    MutexLock lock(queue_mutex_);
    stopping_ = true;
    accepting_ = absl::UnavailableError("the store is being stopped");
    queue_wake_.NotifyOne();
  }
  commit_thread_.join();
  reader_.Stop();
  completion_.Stop();
  MutexLock lock(database_mutex_);
  database_.reset();
}

void EmbeddedStore::TellHealth(absl::Status status) {
  metrics_->healthy.Set(status.ok() ? 1 : 0);
  completion_.Post([this, status = std::move(status)] {
    if (health_) health_(status);
  });
}

void EmbeddedStore::Fail(const absl::Status& why, Batch batch) {
  metrics_->failures.Increment();
  Log(LogLevel::kError, "the store stops accepting", {{"error", why.ToString()}});
  const absl::Status refusal =
      absl::UnavailableError(absl::StrCat("the store has stopped accepting: ", std::string(why.message())));
  if (batch.control.has_value()) std::move(batch.control->finish)(refusal);
  std::deque<ControlOp> controls;
  {
    MutexLock lock(queue_mutex_);
    if (!stopping_) accepting_ = refusal;
    for (AppendOp& op : appends_) batch.appends.push_back(std::move(op));
    for (OutcomeOp& op : outcomes_) batch.outcomes.push_back(std::move(op));
    appends_.clear();
    outcomes_.clear();
    controls.swap(controls_);
    queue_events_ = queue_bytes_ = 0;
    urgent_ = false;
    // Under the lock: before the refusals of what comes now.
    completion_.Post([batch = std::move(batch), refusal]() mutable {
      for (AppendOp& op : batch.appends) std::move(op.done)(refusal);
      for (OutcomeOp& op : batch.outcomes) {
        if (op.marked) SettleClaims(op, false);
        if (op.status.ok()) op.status = refusal;
        op.feed->Call([&](FeedSink& sink) { sink.OnCommitted(op.token, op.status); });
      }
    });
  }
  for (ControlOp& control : controls) std::move(control.finish)(refusal);
  TellHealth(absl::Status(absl::IsDataLoss(why) ? absl::StatusCode::kDataLoss : absl::StatusCode::kUnavailable,
                          why.message()));
  if (!Reopen()) return;
  {
    MutexLock lock(queue_mutex_);
    if (!stopping_) accepting_ = absl::OkStatus();
  }
  Log(LogLevel::kInfo, "the store accepts again", {{"head", head_.load()}});
  TellHealth(absl::OkStatus());
  WakeAll();
}

bool EmbeddedStore::Reopen() {
  {
    MutexLock lock(database_mutex_);
    database_.reset();
  }
  // One that fails again at once waits as long as before, so that a disk with a few free bytes is not opened all the
  // time.
  const auto now = std::chrono::steady_clock::now();
  absl::Duration delay = options_.reopen_delay_min;
  if (now - reopened_ < absl::ToChronoNanoseconds(2 * options_.reopen_delay_max)) {
    delay = std::min(2 * reopen_delay_, options_.reopen_delay_max);
  }
  std::string told;
  for (;; delay = std::min(2 * delay, options_.reopen_delay_max)) {
    {
      MutexLock lock(queue_mutex_);
      const auto until = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(delay);
      while (!stopping_ && std::chrono::steady_clock::now() < until) {
        queue_wake_.WaitFor(queue_mutex_, absl::FromChrono(until - std::chrono::steady_clock::now()));
      }
      if (stopping_) return false;
    }
    background_error_ = false;
    auto opened = OpenDatabase();
    absl::Status status = opened.status();
    LoadedState state;
    if (status.ok()) status = Load(**opened, state);
    if (status.ok() && state.last < head_) {
      status = absl::DataLossError(absl::StrCat("events ", state.last + 1, " to ", head_.load(),
                                                " were acknowledged, and are gone from ", options_.data_dir));
    }
    if (status.ok()) {
      rocksdb::WriteBatch probe;
      probe.Put((*opened)->cf(Cf::kMeta), embedded::meta_key::kClock, EncodeClockMark(age_.Mark()));
      status = (*opened)->WriteSynced(probe);
    }
    if (status.ok()) {
      MutexLock lock(database_mutex_);
      Adopt(state);
      status = LoadDedupe(**opened);
      if (status.ok()) database_ = *std::move(opened);
    }
    if (status.ok()) {
      reopen_delay_ = delay;
      reopened_ = std::chrono::steady_clock::now();
      return true;
    }
    if (status.ToString() != told) {
      told = status.ToString();
      Log(LogLevel::kError, "the store can't be reopened yet", {{"error", told}});
      TellHealth(status);
    }
  }
}

}  // namespace hookstream::store
