// The commit thread.
#include <pthread.h>
#include <rocksdb/iostats_context.h>
#include <rocksdb/perf_level.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "store/embedded/internal.h"

namespace hookstream::store {

using embedded::AgeMs;
using embedded::Cf;
using embedded::DedupeEntry;
using embedded::DedupeKey;
using embedded::EncodeDead;
using embedded::EncodeProgress;
using embedded::EncodeRetry;
using embedded::kPageEvents;
using embedded::PageOf;
using embedded::SettledPage;
using embedded::SliceOf;
using embedded::Subscription;
using embedded::View;

namespace {

using SteadyClock = std::chrono::steady_clock;

// Outcomes in one batch: a bound on how long an append may wait behind settlements.
constexpr size_t kOutcomesPerBatchMax = 16'384;
// Without any other write, how often the time is noted, so that a restart knows how long it was away.
constexpr std::chrono::seconds kClockMarkInterval{60};
// A few pages are deleted one by one, many by a range.
constexpr uint64_t kSingleDeletesMax = 16;

double Seconds(SteadyClock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

void EmbeddedStore::CommitLoop() {
  pthread_setname_np(pthread_self(), "store-commit");
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableTimeExceptForMutex);
  SteadyClock::time_point maintained = SteadyClock::now();
  Batch batch;
  while (TakeWork(batch)) {
    if (background_error_.exchange(false)) {
      Fail(absl::UnavailableError("RocksDB could not flush or compact"), std::move(batch));
    } else {
      Commit(std::move(batch));
    }
    batch = Batch();
    if (Seconds(SteadyClock::now() - maintained) >= absl::ToDoubleSeconds(options_.maintenance_interval)) {
      maintained = SteadyClock::now();
      age_.Now();
      if (!maintaining_.exchange(true)) reader_.Post([this] { Maintain(); });
    }
  }
  // How long the relay is away is counted from here.
  if (database_ != nullptr) {
    rocksdb::WriteBatch last;
    last.Put(database_->cf(Cf::kMeta), embedded::meta_key::kClock, EncodeClockMark(age_.Mark()));
    if (const absl::Status status = Write(last); !status.ok()) {
      Log(LogLevel::kWarning, "the time of the stop could not be written", {{"error", status.ToString()}});
    }
  }
}

bool EmbeddedStore::TakeWork(Batch& batch) {
  MutexLock lock(queue_mutex_);
  const SteadyClock::time_point idle_until =
      SteadyClock::now() + absl::ToChronoNanoseconds(options_.maintenance_interval);
  for (;;) {
    if (stopping_) {
      if (appends_.empty() && outcomes_.empty() && controls_.empty()) return false;
      break;
    }
    if (urgent_ || background_error_) break;
    const SteadyClock::time_point until = outcomes_.empty() ? idle_until : std::min(idle_until, ride_until_);
    const auto left = until - SteadyClock::now();
    if (left <= SteadyClock::duration::zero()) break;
    queue_wake_.WaitFor(queue_mutex_, absl::FromChrono(left));
  }

  if (!controls_.empty()) {
    batch.control = std::move(controls_.front());
    controls_.pop_front();
  }
  int64_t events = 0;
  int64_t bytes = 0;
  size_t taken = 0;
  for (; taken < appends_.size() && (taken == 0 || bytes + appends_[taken].bytes <= options_.batch_bytes_max);
       ++taken) {
    bytes += appends_[taken].bytes;
    events += static_cast<int64_t>(appends_[taken].events.size());
  }
  queue_events_ -= events;
  queue_bytes_ -= bytes;
  batch.appends.assign(std::make_move_iterator(appends_.begin()),
                       std::make_move_iterator(appends_.begin() + static_cast<ptrdiff_t>(taken)));
  appends_.erase(appends_.begin(), appends_.begin() + static_cast<ptrdiff_t>(taken));

  size_t outcomes = 0;
  taken = 0;
  for (; taken < outcomes_.size() && outcomes < kOutcomesPerBatchMax; ++taken)
    outcomes += outcomes_[taken].outcomes.size();
  batch.outcomes.assign(std::make_move_iterator(outcomes_.begin()),
                        std::make_move_iterator(outcomes_.begin() + static_cast<ptrdiff_t>(taken)));
  outcomes_.erase(outcomes_.begin(), outcomes_.begin() + static_cast<ptrdiff_t>(taken));

  urgent_ = !appends_.empty() || !outcomes_.empty() || !controls_.empty();
  return true;
}

void EmbeddedStore::Commit(Batch batch) {
  // A change goes by itself and before the rest: outcomes and appends are then judged by the state that it made.
  if (batch.control.has_value()) {
    rocksdb::WriteBatch out;
    absl::Status status = std::move(batch.control->prepare)(out);
    if (status.ok() && out.Count() > 0) {
      status = Write(out);
      if (!status.ok()) {
        Fail(status, std::move(batch));
        return;
      }
    }
    std::move(batch.control->finish)(status);
    batch.control.reset();
  }

  write_batch_->Clear();
  rocksdb::WriteBatch& out = *write_batch_;
  const SteadyClock::time_point begin = SteadyClock::now();
  if (!batch.appends.empty()) {
    if (const absl::Status status = AddAppends(batch, out); !status.ok()) {
      Fail(status, std::move(batch));
      return;
    }
  }
  AddOutcomes(batch, out);
  AddHousekeeping(batch, out);
  if (out.Count() > 0) {
    if (const absl::Status status = Write(out); !status.ok()) {
      Fail(status, std::move(batch));
      return;
    }
    metrics_->commit_seconds.Observe(Seconds(SteadyClock::now() - begin));
    if (!batch.events.empty()) metrics_->batch_events.Observe(static_cast<double>(batch.events.size()));
  }
  Apply(batch);
}

absl::Status EmbeddedStore::AddAppends(Batch& batch, rocksdb::WriteBatch& out) {
  const AgeMs now = age_.Now();
  std::vector<Hash128> keys;
  for (const AppendOp& op : batch.appends) {
    for (const NewEvent& event : op.events) {
      if (!event.dedupe.IsZero()) keys.push_back(DedupeKey(dedupe_->Lane(event.data.source), event.dedupe));
    }
  }
  std::vector<DedupeEntry> known;
  HS_RETURN_IF_ERROR(dedupe_->Find(keys, known));

  absl::flat_hash_map<Hash128, Seq>
      here;  // ids that are new in this batch: a racing duplicate shares its original's sync
  here.reserve(keys.size());
  size_t key = 0;
  const Seq first = next_seq_;
  embedded::ChunkHeader& header = batch.header;
  header.age = now;
  header.bytes_end = bytes_end_;
  std::vector<rocksdb::Slice> parts;
  batch.results.reserve(batch.appends.size());
  batch.events.reserve(batch.appends.size());
  for (AppendOp& op : batch.appends) {
    std::vector<Appended>& results = batch.results.emplace_back();
    results.reserve(op.events.size());
    for (NewEvent& event : op.events) {
      const auto window_seconds = static_cast<uint64_t>(absl::ToInt64Seconds(event.dedupe_window));
      if (!event.dedupe.IsZero()) {
        const DedupeEntry& entry = known[key];
        const Hash128& id = keys[key++];
        if (entry.seq != 0 && now - entry.age < static_cast<AgeMs>(window_seconds) * 1000) {
          results.push_back({entry.seq, true});
          ++batch.duplicates;
          continue;
        }
        const auto [it, is_new] = here.try_emplace(id, next_seq_);
        if (!is_new) {
          results.push_back({it->second, true});
          ++batch.duplicates;
          continue;
        }
        batch.ids.push_back({id, DedupeEntry{next_seq_, now, window_seconds}});
      }
      auto stored = std::make_shared<StoredEvent>();
      stored->seq = next_seq_++;
      stored->data = std::move(event.data);
      const EventData& data = stored->data;
      index_writer_->Add(data, event.dedupe, window_seconds, event.ordering_key);
      header.bytes_end += embedded::StoredBytes(data.Bytes());
      received_max_ = std::max(received_max_, data.received_at);
      results.push_back({stored->seq, false});
      batch.events.push_back(std::move(stored));
    }
  }
  if (batch.events.empty()) return absl::OkStatus();

  for (const EventRef& event : batch.events) {
    for (const std::string* part : {&event->data.envelope, &event->data.raw_head, &event->data.body}) {
      if (!part->empty()) parts.emplace_back(*part);
    }
  }
  header.count = batch.events.size();
  header.received_max = received_max_;
  header.events_end = events_end_ + header.count;
  const std::string seq_key = embedded::SeqKey(first);
  const rocksdb::Slice key_slice(seq_key);
  HS_RETURN_IF_ERROR(embedded::ToStatus(out.Put(database_->cf(Cf::kLog), rocksdb::SliceParts(&key_slice, 1),
                                                rocksdb::SliceParts(parts.data(), static_cast<int>(parts.size())))));
  return embedded::ToStatus(out.Put(database_->cf(Cf::kIdx), key_slice, SliceOf(index_writer_->Finish(header))));
}

void EmbeddedStore::AddOutcomes(Batch& batch, rocksdb::WriteBatch& out) {
  for (OutcomeOp& op : batch.outcomes) {
    if (op.status.ok()) AddOutcome(op, batch, out);
  }
  rocksdb::ColumnFamilyHandle* const cf = database_->cf(Cf::kSub);
  for (auto& [subscription, delta] : batch.deltas) {
    MutexLock lock(subscription->mutex);
    const SubscriptionId id = subscription->record.id;
    const Generation generation = subscription->record.generation;
    const uint64_t first_page = subscription->settled.first_page();
    for (auto& [number, page] : delta.pages) {
      if (const SettledPage* present = subscription->settled.Find(number); present != nullptr) page.Add(*present);
      out.Put(cf, embedded::PageKey(id, generation, number), EncodePage(page));
    }
    if (first_page > subscription->first_page_saved || !delta.dead.empty()) {
      out.Put(cf, embedded::ProgressKey(id),
              EncodeProgress({generation, first_page * kPageEvents,
                              static_cast<uint64_t>(subscription->dead) + delta.dead.size()}));
      delta.first_page_saved = first_page;
    }
    // Full pages that the frontier has passed are not needed any more.
    if (first_page - subscription->first_page_saved > kSingleDeletesMax) {
      out.DeleteRange(cf, embedded::PageKey(id, generation, subscription->first_page_saved),
                      embedded::PageKey(id, generation, first_page));
    } else {
      for (uint64_t page = subscription->first_page_saved; page < first_page; ++page) {
        out.Delete(cf, embedded::PageKey(id, generation, page));
      }
    }
  }
}

void EmbeddedStore::AddOutcome(OutcomeOp& op, Batch& batch, rocksdb::WriteBatch& out) {
  Subscription& subscription = *op.subscription;
  MutexLock lock(subscription.mutex);
  if (subscription.dropped) {
    op.status = absl::NotFoundError("the subscription has been dropped");
    return;
  }
  if (subscription.record.generation != op.generation) {
    op.status = absl::AbortedError("the subscription has been moved to another position");
    return;
  }
  const SubscriptionId id = subscription.record.id;
  // After a seek an event may be dead already: it is counted once. Read before anything is put into the batch.
  std::set<Seq> newly_dead;
  for (const Outcome& outcome : op.outcomes) {
    if (!std::holds_alternative<Dead>(outcome.what)) continue;
    const absl::Status found = database_->Get(Cf::kDead, embedded::DeadKey(id, outcome.seq)).status();
    if (absl::IsNotFound(found)) {
      newly_dead.insert(outcome.seq);
    } else if (!found.ok()) {
      op.status = found;
      return;
    }
  }
  Batch::Delta& delta = batch.deltas[&subscription];
  delta.dead.merge(newly_dead);
  delta.subscription = op.subscription;
  const AgeMs now = age_.Now();
  const auto forget_retry = [&](Seq seq) HS_REQUIRES(subscription.mutex) {
    const auto pending = delta.retries.find(seq);
    if (pending != delta.retries.end() ? pending->second : subscription.retries.contains(seq)) {
      out.Delete(database_->cf(Cf::kSub), embedded::RetryKey(id, op.generation, seq));
      delta.retries[seq] = false;
    }
  };
  for (const Outcome& outcome : op.outcomes) {
    const Seq seq = outcome.seq;
    if (const auto* retry = std::get_if<Retry>(&outcome.what)) {
      out.Put(database_->cf(Cf::kSub), embedded::RetryKey(id, op.generation, seq),
              EncodeRetry({retry->record, now, retry->delay}));
      delta.retries[seq] = true;
      continue;
    }
    if (PageOf(seq) >= subscription.settled.first_page()) delta.pages[PageOf(seq)].Add(seq);
    forget_retry(seq);
    if (const auto* dead = std::get_if<Dead>(&outcome.what)) {
      out.Put(database_->cf(Cf::kDead), embedded::DeadKey(id, seq), EncodeDead({dead->record, clock_.WallNow()}));
    }
  }
}

void EmbeddedStore::AddHousekeeping(Batch& batch, rocksdb::WriteBatch& out) {
  const SteadyClock::time_point now = SteadyClock::now();
  const bool company = out.Count() > 0;
  if (Seconds(now - housekept_) < absl::ToDoubleSeconds(options_.maintenance_interval)) return;
  // How far subscriptions have come that had nothing to settle, or else a restart would filter again from where they
  // were.
  std::vector<SubscriptionPtr> attached;
  {
    MutexLock lock(subscriptions_mutex_);
    attached = attached_;
  }
  for (const SubscriptionPtr& subscription : attached) {
    MutexLock lock(subscription->mutex);
    if (subscription->ephemeral || subscription->dropped || batch.deltas.contains(subscription.get())) continue;
    const uint64_t first_page = subscription->settled.first_page();
    if (first_page <= subscription->first_page_saved) continue;
    const SubscriptionId id = subscription->record.id;
    const Generation generation = subscription->record.generation;
    out.Put(database_->cf(Cf::kSub), embedded::ProgressKey(id),
            EncodeProgress({generation, first_page * kPageEvents, static_cast<uint64_t>(subscription->dead)}));
    out.DeleteRange(database_->cf(Cf::kSub), embedded::PageKey(id, generation, subscription->first_page_saved),
                    embedded::PageKey(id, generation, first_page));
    Batch::Delta& delta = batch.deltas[subscription.get()];
    delta.subscription = subscription;
    delta.first_page_saved = first_page;
  }
  if (company || out.Count() > 0 || now - housekept_ > kClockMarkInterval) {
    out.Put(database_->cf(Cf::kMeta), embedded::meta_key::kClock, EncodeClockMark(age_.Mark()));
    housekept_ = now;
  }
}

absl::Status EmbeddedStore::Write(rocksdb::WriteBatch& out) {
  rocksdb::IOStatsContext& stats = *rocksdb::get_iostats_context();
  stats.fsync_nanos = 0;
  const absl::Status status = database_->WriteSynced(out);
  metrics_->sync_seconds.Observe(static_cast<double>(stats.fsync_nanos) * 1e-9);
  return status;
}

void EmbeddedStore::Apply(Batch& batch) {
  if (!batch.events.empty()) {
    for (const auto& [id, entry] : batch.ids) dedupe_->Add(id, entry);
    metrics_->appended_events.Increment(static_cast<double>(batch.header.count));
    metrics_->appended_bytes.Increment(
        static_cast<double>(batch.header.bytes_end - bytes_end_ - batch.header.count * embedded::StoredBytes(0)));
    if (events_begin_ == events_end_) oldest_received_us_ = absl::ToUnixMicros(batch.events.front()->data.received_at);
    events_end_ = batch.header.events_end;
    bytes_end_ = batch.header.bytes_end;
    tail_->Push(batch.events);
    last_chunk_ = batch.events.front()->seq;
    head_ = batch.events.back()->seq;
  }
  for (auto& [subscription, delta] : batch.deltas) {
    MutexLock lock(subscription->mutex);
    for (const auto& [number, page] : delta.pages) subscription->settled.AddPage(number, page);
    for (const auto& [seq, present] : delta.retries) {
      if (present) {
        subscription->retries.insert(seq);
      } else {
        subscription->retries.erase(seq);
      }
    }
    if (!delta.dead.empty()) {
      subscription->dead += static_cast<int64_t>(delta.dead.size());
      subscription->dead_low = std::min(subscription->dead_low, *delta.dead.begin());
      ++subscription->dead_changes;
    }
    if (delta.first_page_saved.has_value()) subscription->first_page_saved = *delta.first_page_saved;
  }
  for (const OutcomeOp& op : batch.outcomes) {
    if (op.marked) SettleClaims(op, op.status.ok());
    if (!op.status.ok()) continue;
    for (const Outcome& outcome : op.outcomes) {
      (std::holds_alternative<Ack>(outcome.what)     ? metrics_->acks
       : std::holds_alternative<Retry>(outcome.what) ? metrics_->retries
                                                     : metrics_->dead)
          .Increment();
    }
  }
  metrics_->duplicates.Increment(static_cast<double>(batch.duplicates));

  const bool fresh = !batch.events.empty();
  const Seq last = head_;
  if (!batch.appends.empty() || !batch.outcomes.empty()) {
    batch.events.clear();
    completion_.Post([this, fresh, done = std::move(batch)]() mutable {
      for (size_t i = 0; i < done.appends.size(); ++i) std::move(done.appends[i].done)(std::move(done.results[i]));
      for (OutcomeOp& op : done.outcomes) {
        op.feed->Call([&](FeedSink& sink) { sink.OnCommitted(op.token, op.status); });
      }
      if (fresh) WakeAll();
    });
  }
  if (auto sealed = dedupe_->Seal(last); sealed.has_value()) {
    if (dedupe_->Overfull()) {
      DeriveDedupe(*sealed, /*flush=*/false);
    } else {
      PostDeriveDedupe(*std::move(sealed), /*flush=*/false);
    }
  }
}

void EmbeddedStore::DeriveDedupe(const embedded::SealedIds& sealed, bool flush) {
  if (const absl::Status status = dedupe_->Derive(*database_, sealed, flush); !status.ok()) {
    Log(LogLevel::kWarning, "dedupe ids could not be written; they stay in memory", {{"error", status.ToString()}});
  }
}

void EmbeddedStore::PostDeriveDedupe(embedded::SealedIds sealed, bool flush) {
  reader_.Post([this, sealed = std::move(sealed), flush] {
    MutexLock lock(database_mutex_);
    if (database_ != nullptr) DeriveDedupe(sealed, flush);
  });
}

void EmbeddedStore::SettleClaims(const OutcomeOp& op, bool committed) {
  Subscription& subscription = *op.subscription;
  MutexLock lock(subscription.mutex);
  // After a seek, or when the subscription is gone, there is nothing left to change.
  if (subscription.dropped || subscription.record.generation != op.generation) return;
  const bool attached = subscription.feed == op.feed;
  for (const Outcome& outcome : op.outcomes) {
    const bool gone = committed && !std::holds_alternative<Retry>(outcome.what);
    if (!attached) {
      // The feed went away meanwhile and left it to be claimed again.
      if (gone) subscription.again.erase(outcome.seq);
      continue;
    }
    const auto it = subscription.claims.find(outcome.seq);
    if (it == subscription.claims.end()) continue;
    if (gone) {
      subscription.claims.erase(it);
    } else if (it->second.released) {
      subscription.claims.erase(it);
      subscription.again.insert(outcome.seq);
    } else {
      it->second.committing = false;
    }
  }
}

void EmbeddedStore::PostControl(ControlOp control) {
  absl::Status refused;
  {
    MutexLock lock(queue_mutex_);
    refused = accepting_;
    if (refused.ok() && static_cast<int64_t>(controls_.size()) >= options_.queries_max) {
      refused = absl::ResourceExhaustedError("too many changes are waiting");
    }
    if (refused.ok()) {
      controls_.push_back(std::move(control));
      urgent_ = true;
      queue_wake_.NotifyOne();
    }
  }
  if (!refused.ok()) {
    completion_.Post([finish = std::move(control.finish), refused]() mutable { std::move(finish)(refused); });
  }
}

absl::Status EmbeddedStore::Append(std::vector<NewEvent> events, Done<std::vector<Appended>> done) {
  int64_t bytes = 0;
  if (events.empty()) return absl::InvalidArgumentError("there is no event to append");
  for (NewEvent& event : events) {
    EventData& data = event.data;
    const auto event_bytes = static_cast<int64_t>(data.Bytes());
    if (data.source.empty() || data.source.size() > 63) {
      return absl::InvalidArgumentError("an event's source has 1 to 63 characters");
    }
    if (data.type.size() > 256) return absl::InvalidArgumentError("an event's type has at most 256 bytes");
    if (event_bytes > options_.event_bytes_max) {
      return absl::InvalidArgumentError(
          absl::StrCat("an event of ", event_bytes, " bytes; the store takes up to ", options_.event_bytes_max));
    }
    if (event.dedupe_window < absl::ZeroDuration() || event.dedupe_window > absl::Hours(30 * 24)) {
      return absl::InvalidArgumentError("a dedupe window has at most 30 days");
    }
    // As it is stored, so that an event is the same from memory and from disk.
    data.received_at = absl::FromUnixMicros(absl::ToUnixMicros(data.received_at));
    bytes += static_cast<int64_t>(embedded::StoredBytes(static_cast<uint64_t>(event_bytes)));
  }
  const auto count = static_cast<int64_t>(events.size());

  MutexLock lock(queue_mutex_);
  if (!accepting_.ok()) {
    metrics_->refused_unavailable.Increment();
    return accepting_;
  }
  // A request that is larger than the whole queue still goes, alone.
  if (queue_events_ > 0 &&
      (queue_events_ + count > options_.queue_events_max || queue_bytes_ + bytes > options_.queue_bytes_max)) {
    metrics_->refused_busy.Increment();
    return absl::ResourceExhaustedError(
        absl::StrCat("too busy: ", queue_events_, " events of ", queue_bytes_, " bytes are waiting for their commit"));
  }
  if (options_.bytes_max > 0 && static_cast<int64_t>(StoredBytes()) + queue_bytes_ + bytes > options_.bytes_max) {
    metrics_->refused_full.Increment();
    return absl::ResourceExhaustedError(absl::StrCat(
        "the store is full: ", StoredBytes(), " of ", options_.bytes_max, " bytes",
        pinned_by_.empty() ? "" : absl::StrCat("; what subscription \"", pinned_by_, "\" has not settled keeps them")));
  }
  queue_events_ += count;
  queue_bytes_ += bytes;
  appends_.push_back({std::move(events), std::move(done), bytes});
  urgent_ = true;
  queue_wake_.NotifyOne();
  return absl::OkStatus();
}

}  // namespace hookstream::store
