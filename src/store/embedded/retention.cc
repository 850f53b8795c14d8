// What is kept, and the end of what is not.
//
// Trim: the reader thread finds how far history may go; a commit of its own makes that the trim sequence, durably,
// after it has checked again that nobody needs what lies below; then the files that lie below it altogether are
// dropped. What is left below it in the oldest file goes with that file. No range delete hides it: every reader begins
// at the trim sequence, and a tombstone over all of history would make compaction rewrite files that it otherwise only
// moves.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "store/embedded/internal.h"

namespace hookstream::store {

using embedded::Cf;
using embedded::ChunkPlace;
using embedded::ChunkPredicate;
using embedded::kNoSeq;

namespace {

constexpr absl::Duration kClockStepAlarm = absl::Minutes(1);

}  // namespace

absl::StatusOr<EmbeddedStore::Before> EmbeddedStore::CountBefore(embedded::Database& database, Seq first, Seq end) {
  embedded::LogReader reader(database, first, end, /*scan=*/false);
  if (!reader.Seek(first)) {
    HS_RETURN_IF_ERROR(reader.status());
    return absl::DataLossError(absl::StrCat("the events from ", first, " on are not stored"));
  }
  const embedded::ChunkIndex& chunk = reader.chunk();
  Before before;
  before.events = chunk.header.events_end - chunk.entries.size();
  before.bytes = chunk.header.bytes_end;
  for (const auto& entry : chunk.entries) before.bytes -= embedded::StoredBytes(entry.Bytes());
  before.received_at = chunk.entries.front().received_at;
  return before;
}

void EmbeddedStore::Maintain() {
  {
    MutexLock lock(database_mutex_);
    if (database_ != nullptr) {
      if (const absl::Status status = Retain(); !status.ok()) {
        Log(LogLevel::kError, "history can't be trimmed", {{"error", status.ToString()}});
      }
      disk_bytes_ = database_->DiskBytes();
    }
  }
  const absl::Duration step = age_.WallStep();
  metrics_->clock_step_seconds.Set(absl::ToDoubleSeconds(step));
  const bool stepped = step > kClockStepAlarm || step < -kClockStepAlarm;
  if (stepped != clock_stepped_.exchange(stepped) && stepped) {
    Log(LogLevel::kWarning, "the wall clock was set; retention, dedupe and backoff go on by the monotonic one",
        {{"seconds", absl::ToInt64Seconds(step)}});
  }
  // Feeds that could not read have another try.
  std::vector<SubscriptionPtr> attached;
  {
    MutexLock lock(subscriptions_mutex_);
    attached = attached_;
  }
  for (const SubscriptionPtr& subscription : attached) {
    {
      MutexLock lock(subscription->mutex);
      if (!std::exchange(subscription->read_failed, false)) continue;
    }
    Wake(subscription);
  }
  maintaining_ = false;
}

EmbeddedStore::Pinned EmbeddedStore::OldestNeeded() const {
  Pinned pinned;
  MutexLock lock(subscriptions_mutex_);
  for (const auto& [id, subscription] : subscriptions_) {
    MutexLock subscription_lock(subscription->mutex);
    if (const Seq pin = subscription->Pin(); pin < pinned.seq) pinned = {pin, subscription->record.name};
  }
  return pinned;
}

absl::Status EmbeddedStore::RefreshDeadLow(const SubscriptionPtr& subscription) {
  SubscriptionId id;
  uint64_t changes;
  {
    MutexLock lock(subscription->mutex);
    if (!subscription->dead_low_stale) return absl::OkStatus();
    id = subscription->record.id;
    changes = subscription->dead_changes;
  }
  const std::string end = embedded::SubscriptionPrefix(id + 1);
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end_slice;
  const std::unique_ptr<rocksdb::Iterator> it(database_->db().NewIterator(options, database_->cf(Cf::kDead)));
  it->Seek(embedded::SubscriptionPrefix(id));
  Seq low = kNoSeq;
  if (it->Valid()) {
    low = embedded::SeqOfKey(embedded::View(it->key()).substr(8));
  } else {
    HS_RETURN_IF_ERROR(embedded::ToStatus(it->status()));
  }
  MutexLock lock(subscription->mutex);
  if (subscription->dead_changes == changes) {
    subscription->dead_low = low;
    subscription->dead_low_stale = false;
  }
  return absl::OkStatus();
}

absl::Status EmbeddedStore::Retain() {
  std::vector<SubscriptionPtr> all;
  {
    MutexLock lock(subscriptions_mutex_);
    for (const auto& [id, subscription] : subscriptions_) all.push_back(subscription);
  }
  for (const SubscriptionPtr& subscription : all) HS_RETURN_IF_ERROR(RefreshDeadLow(subscription));

  const Seq trim = trim_;
  const Seq last_chunk = last_chunk_;
  const uint64_t bytes_end = bytes_end_;
  if (last_chunk <= trim) return absl::OkStatus();  // the last commit always stays: the next sequence is known by it

  const auto end_of = [&](const ChunkPredicate& gone) -> absl::StatusOr<Seq> {
    HS_ASSIGN_OR_RETURN(const std::optional<ChunkPlace> last,
                        embedded::LastChunkWhere(*database_, trim, last_chunk, gone));
    return last.has_value() ? last->first + last->header.count : trim;
  };
  Seq cut = trim;
  bool by_age = false;
  const embedded::AgeMs now = age_.Now();
  if (options_.retention.age > absl::ZeroDuration()) {
    // In steps: each trim costs a sync.
    const embedded::AgeMs age = absl::ToInt64Milliseconds(options_.retention.age);
    by_age = now - aged_ >= age / 100;
    if (by_age) {
      HS_ASSIGN_OR_RETURN(cut, end_of([&](const ChunkPlace& place) { return place.header.age <= now - age; }));
    }
  }
  // History gives way well before the limit at which events are refused.
  uint64_t bytes_max = options_.retention.bytes > 0 ? static_cast<uint64_t>(options_.retention.bytes) : ~uint64_t{0};
  if (options_.bytes_max > 0) bytes_max = std::min(bytes_max, static_cast<uint64_t>(options_.bytes_max) / 4 * 3);
  if (bytes_end - bytes_begin_ > bytes_max) {
    HS_ASSIGN_OR_RETURN(const Seq by_bytes, end_of([&](const ChunkPlace& place) {
                          return bytes_end - place.header.bytes_end >= bytes_max;
                        }));
    cut = std::max(cut, by_bytes);
  }

  // Dedupe keys are derived from what would go: they must be on disk before.
  Pinned pinned = OldestNeeded();
  if (const Seq derived = dedupe_->durable() + 1; derived < std::min(cut, pinned.seq)) {
    PostControl({[](rocksdb::WriteBatch&) { return absl::OkStatus(); },
                 [this](const absl::Status& status) {
                   if (!status.ok()) return;
                   if (auto sealed = dedupe_->Seal(head_, /*now=*/true); sealed.has_value()) {
                     PostDeriveDedupe(*std::move(sealed), /*flush=*/true);
                   }
                 }});
    pinned = {derived, ""};
  }
  Seq allowed = cut;
  if (pinned.seq < cut) {
    // Whole commits go: the one that holds the pinned event stays.
    HS_ASSIGN_OR_RETURN(
        allowed, end_of([&](const ChunkPlace& place) { return place.first + place.header.count <= pinned.seq; }));
  }
  // A gap may lie before the next chunk.
  const auto first_chunk_at = [&](Seq seq) -> absl::StatusOr<Seq> {
    embedded::LogReader reader(*database_, trim, kNoSeq, /*scan=*/false);
    if (reader.Seek(seq)) return reader.chunk().first;
    HS_RETURN_IF_ERROR(reader.status());
    return trim;
  };
  uint64_t pinned_bytes = 0;
  if (allowed < cut) {
    HS_ASSIGN_OR_RETURN(const Seq from, first_chunk_at(allowed));
    HS_ASSIGN_OR_RETURN(const Seq to, first_chunk_at(cut));
    HS_ASSIGN_OR_RETURN(const Before kept, CountBefore(*database_, from, kNoSeq));
    HS_ASSIGN_OR_RETURN(const Before wanted, CountBefore(*database_, to, kNoSeq));
    pinned_bytes = wanted.bytes - kept.bytes;
  }
  metrics_->pinned_bytes.Set(static_cast<double>(pinned_bytes));
  {
    const std::string name = allowed < cut ? pinned.name : "";
    MutexLock lock(queue_mutex_);
    if (!name.empty() && name != pinned_by_) {
      Log(LogLevel::kInfo, "a subscription keeps events past their retention",
          {{"subscription", name}, {"seq", pinned.seq}, {"bytes", pinned_bytes}});
    }
    pinned_by_ = name;
  }
  if (options_.bytes_max > 0) {
    const double used = static_cast<double>(bytes_end - bytes_begin_) / static_cast<double>(options_.bytes_max);
    if (used >= 0.8 && !nearly_full_.exchange(true)) {
      Log(LogLevel::kWarning, "the store is nearly full; at its limit webhooks are refused",
          {{"subscription", pinned.name}, {"bytes", bytes_end - bytes_begin_}, {"bytes_max", options_.bytes_max}});
    } else if (used < 0.75) {
      nearly_full_ = false;
    }
  }
  if (by_age && allowed == cut) aged_ = now;
  if (allowed <= trim) return absl::OkStatus();
  HS_ASSIGN_OR_RETURN(const Seq first, first_chunk_at(allowed));
  if (first <= trim) return absl::OkStatus();
  HS_ASSIGN_OR_RETURN(const Before before, CountBefore(*database_, first, kNoSeq));
  PostTrim(first, before.events, before.bytes, before.received_at);
  return absl::OkStatus();
}

void EmbeddedStore::PostTrim(Seq trim, uint64_t events_begin, uint64_t bytes_begin, absl::Time oldest) {
  PostControl({
      [this, trim](rocksdb::WriteBatch& out) -> absl::Status {
        // A seek or a redrive may have come in between.
        if (trim <= trim_) return absl::FailedPreconditionError("trimmed already");
        if (const Pinned pinned = OldestNeeded(); pinned.seq < trim) {
          return absl::FailedPreconditionError(
              absl::StrCat("subscription \"", pinned.name, "\" needs event ", pinned.seq));
        }
        return embedded::ToStatus(
            out.Put(database_->cf(Cf::kMeta), embedded::meta_key::kTrim, embedded::EncodeNumber(trim)));
      },
      [this, trim, events_begin, bytes_begin, oldest](absl::Status status) {
        if (!status.ok()) return;  // looked at again by the next maintenance
        metrics_->trimmed_events.Increment(static_cast<double>(events_begin - events_begin_));
        trim_ = trim;
        events_begin_ = events_begin;
        bytes_begin_ = bytes_begin;
        oldest_received_us_ = absl::ToUnixMicros(oldest);
        reader_.Post([this, trim] {
          MutexLock lock(database_mutex_);
          if (database_ == nullptr) return;
          if (const absl::Status dropped = database_->DropFilesBelow(trim); !dropped.ok()) {
            Log(LogLevel::kWarning, "files of trimmed events could not be removed; tried again at the next trim",
                {{"error", dropped.ToString()}});
          }
        });
      },
  });
}

}  // namespace hookstream::store
