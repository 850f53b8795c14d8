// Reading for people and for the API, and the changes of subscriptions and dead letters.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "store/embedded/internal.h"

namespace hookstream::store {

using embedded::Cf;
using embedded::EncodeProgress;
using embedded::EncodeRetry;
using embedded::kNoSeq;
using embedded::LogReader;
using embedded::SettledPages;
using embedded::Subscription;

namespace {

// In one Redrive or PurgeDead: each is looked up on the commit thread.
constexpr size_t kDeadChangesMax = 10'000;

absl::Status NoSubscription(SubscriptionId id) {
  return absl::NotFoundError(absl::StrCat("there is no subscription with id ", id));
}

// A page that is being filled.
class PageBudget {
 public:
  explicit PageBudget(const PageLimit& limit)
      : events_(limit.events_max), bytes_(limit.bytes_max), examined_(limit.examined_max) {}

  bool Examine() { return examined_-- > 0; }
  // At least one event fits.
  bool Take(uint64_t bytes) {
    if (events_ <= 0 || (taken_ && bytes_ < static_cast<int64_t>(bytes))) return false;
    taken_ = true;
    --events_;
    bytes_ -= static_cast<int64_t>(bytes);
    return true;
  }

 private:
  int64_t events_;
  int64_t bytes_;
  int64_t examined_;
  bool taken_ = false;
};

// Puts the event at `i` of the reader's chunk into the page if the filter has it. False: the page is full, and the next
// one begins there.
absl::StatusOr<bool> Examine(LogReader& reader, size_t i, const MetaFilter& filter, PageBudget& budget,
                             EventPage& page) {
  const embedded::ChunkEntry& entry = reader.chunk().entries[i];
  const Seq seq = reader.chunk().first + i;
  page.next = seq;
  if (!budget.Examine()) return false;
  if (filter && !filter({seq, entry.source, entry.provider, entry.type, entry.received_at})) return true;
  if (!budget.Take(entry.Bytes())) return false;
  HS_ASSIGN_OR_RETURN(EventRef event, reader.Event(seq));
  page.events.push_back(std::move(event));
  return true;
}

}  // namespace

void EmbeddedStore::PostQuery(absl::AnyInvocable<void() &&> query, absl::AnyInvocable<void(absl::Status) &&> refuse) {
  absl::Status refused;
  {
    MutexLock lock(queue_mutex_);
    if (stopping_ || !started_) refused = accepting_;
  }
  if (refused.ok() && static_cast<int64_t>(reader_.Pending()) >= options_.queries_max) {
    refused = absl::ResourceExhaustedError("too many queries are waiting");
  }
  if (!refused.ok()) {
    completion_.Post([refuse = std::move(refuse), refused]() mutable { std::move(refuse)(refused); });
    return;
  }
  reader_.Post([this, query = std::move(query), refuse = std::move(refuse)]() mutable {
    MutexLock lock(database_mutex_);
    if (database_ == nullptr) {
      std::move(refuse)(absl::UnavailableError("the store is being reopened"));
    } else {
      std::move(query)();
    }
  });
}

template <typename T>
void EmbeddedStore::Answer(Done<T> done, absl::StatusOr<T> answer) {
  completion_.Post(
      [done = std::move(done), answer = std::move(answer)]() mutable { std::move(done)(std::move(answer)); });
}

template <typename T>
void EmbeddedStore::Query(Done<T> done, absl::AnyInvocable<absl::StatusOr<T>() &&> query) {
  // Both ways out need it, and only one is taken.
  auto shared = std::make_shared<Done<T>>(std::move(done));
  PostQuery([this, shared, query = std::move(query)]() mutable { Answer<T>(std::move(*shared), std::move(query)()); },
            [this, shared](absl::Status status) { Answer<T>(std::move(*shared), std::move(status)); });
}

EmbeddedStore::SubscriptionPtr EmbeddedStore::FindSubscription(SubscriptionId id) const {
  MutexLock lock(subscriptions_mutex_);
  const auto it = subscriptions_.find(id);
  return it == subscriptions_.end() ? nullptr : it->second;
}

absl::StatusOr<Seq> EmbeddedStore::Resolve(const Position& position) {
  const Seq end = head_ + 1;
  if (std::holds_alternative<Earliest>(position)) return trim_.load();
  if (std::holds_alternative<Latest>(position)) return end;
  if (const auto* at = std::get_if<AtSeq>(&position)) return std::clamp<Seq>(at->seq, trim_, end);
  return embedded::FirstReceivedAt(*database_, trim_, end, std::get<AtTime>(position).received_at);
}

// --- reading ---

void EmbeddedStore::Read(Position from, MetaFilter filter, PageLimit limit, Done<EventPage> done) {
  Query<EventPage>(std::move(done),
                   [this, from, filter = std::move(filter), limit] { return ReadPage(from, filter, limit); });
}

void EmbeddedStore::ReadBackwards(Position from, MetaFilter filter, PageLimit limit, Done<EventPage> done) {
  Query<EventPage>(std::move(done),
                   [this, from, filter = std::move(filter), limit] { return ReadPageBackwards(from, filter, limit); });
}

absl::StatusOr<EventPage> EmbeddedStore::ReadPage(const Position& from, const MetaFilter& filter,
                                                  const PageLimit& limit) {
  EventPage page;
  PageBudget budget(limit);
  HS_ASSIGN_OR_RETURN(const Seq start, Resolve(from));
  LogReader reader(*database_, trim_, head_ + 1, /*scan=*/true);
  for (bool found = reader.Seek(start); found; found = reader.Next()) {
    const embedded::ChunkIndex& chunk = reader.chunk();
    for (size_t i = start > chunk.first ? start - chunk.first : 0; i < chunk.entries.size(); ++i) {
      HS_ASSIGN_OR_RETURN(const bool goes_on, Examine(reader, i, filter, budget, page));
      if (!goes_on) return page;
    }
  }
  HS_RETURN_IF_ERROR(reader.status());
  page.next.reset();
  return page;
}

absl::StatusOr<EventPage> EmbeddedStore::ReadPageBackwards(const Position& from, const MetaFilter& filter,
                                                           const PageLimit& limit) {
  EventPage page;
  PageBudget budget(limit);
  HS_ASSIGN_OR_RETURN(const Seq resolved, Resolve(from));
  const Seq start = std::min<Seq>(resolved, head_);
  LogReader reader(*database_, trim_, head_ + 1, /*scan=*/false);
  for (bool found = reader.SeekBackwards(start); found; found = reader.Previous()) {
    const embedded::ChunkIndex& chunk = reader.chunk();
    for (size_t i = std::min<size_t>(chunk.entries.size(), start - chunk.first + 1); i-- > 0;) {
      HS_ASSIGN_OR_RETURN(const bool goes_on, Examine(reader, i, filter, budget, page));
      if (!goes_on) return page;
    }
  }
  HS_RETURN_IF_ERROR(reader.status());
  page.next.reset();
  return page;
}

void EmbeddedStore::ReadOne(Seq seq, Done<EventRef> done) {
  Query<EventRef>(std::move(done), [this, seq]() -> absl::StatusOr<EventRef> {
    if (seq < trim_) return absl::NotFoundError(absl::StrCat("event ", seq, " is not stored any more"));
    LogReader reader(*database_, trim_, head_ + 1, /*scan=*/false);
    return LoadEvent(seq, reader);
  });
}

void EmbeddedStore::ListDead(SubscriptionId id, Seq from, MetaFilter filter, PageLimit limit, Done<DeadPage> done) {
  Query<DeadPage>(std::move(done), [this, id, from, filter = std::move(filter), limit]() -> absl::StatusOr<DeadPage> {
    if (FindSubscription(id) == nullptr) return NoSubscription(id);
    DeadPage page;
    PageBudget budget(limit);
    const std::string end = embedded::SubscriptionPrefix(id + 1);
    const rocksdb::Slice end_slice(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &end_slice;
    const std::unique_ptr<rocksdb::Iterator> it(database_->db().NewIterator(options, database_->cf(Cf::kDead)));
    LogReader reader(*database_, trim_, head_ + 1, /*scan=*/false);
    for (it->Seek(embedded::DeadKey(id, from)); it->Valid(); it->Next()) {
      const Seq seq = embedded::SeqOfKey(embedded::View(it->key()).substr(8));
      page.next = seq;
      if (!budget.Examine()) return page;
      HS_ASSIGN_OR_RETURN(EventRef event, LoadEvent(seq, reader));
      const EventData& data = event->data;
      if (filter && !filter({seq, data.source, data.provider, data.type, data.received_at})) continue;
      if (!budget.Take(data.Bytes())) return page;
      HS_ASSIGN_OR_RETURN(embedded::StoredDead dead, embedded::ParseDead(embedded::View(it->value())));
      page.events.push_back({std::move(event), std::move(dead.record), dead.dead_at});
    }
    HS_RETURN_IF_ERROR(embedded::ToStatus(it->status()));
    page.next.reset();
    return page;
  });
}

void EmbeddedStore::GetSubscriptionStats(SubscriptionId id, Done<SubscriptionStats> done) {
  Query<SubscriptionStats>(std::move(done), [this, id]() -> absl::StatusOr<SubscriptionStats> {
    const SubscriptionPtr subscription = FindSubscription(id);
    if (subscription == nullptr) return NoSubscription(id);
    SubscriptionStats stats;
    const Seq head = head_;
    Seq oldest;
    {
      MutexLock lock(subscription->mutex);
      stats.dead = subscription->dead;
      stats.skipped = subscription->skipped;
      stats.lag = subscription->next_read <= head ? static_cast<int64_t>(head - subscription->next_read + 1) : 0;
      oldest = subscription->settled.FirstMissing();
      if (!subscription->retries.empty()) oldest = std::min(oldest, *subscription->retries.begin());
    }
    if (oldest > head) return stats;
    LogReader reader(*database_, trim_, head + 1, /*scan=*/false);
    if (reader.Seek(oldest)) {
      const embedded::ChunkIndex& chunk = reader.chunk();
      stats.oldest_unsettled_at = chunk.entries[oldest > chunk.first ? oldest - chunk.first : 0].received_at;
    }
    HS_RETURN_IF_ERROR(reader.status());
    return stats;
  });
}

StoreStats EmbeddedStore::GetStats() const {
  StoreStats stats;
  stats.head = head_;
  stats.trim = trim_;
  const uint64_t events_begin = events_begin_;
  stats.events = static_cast<int64_t>(events_end_ - events_begin);
  stats.bytes = static_cast<int64_t>(StoredBytes());
  stats.disk_bytes = disk_bytes_;
  stats.disk_bytes_max = options_.bytes_max;
  if (stats.events > 0) stats.oldest_event_at = absl::FromUnixMicros(oldest_received_us_);
  return stats;
}

void EmbeddedStore::ListRecords(std::string prefix, Done<std::vector<Record>> done) {
  Query<std::vector<Record>>(std::move(done),
                             [this, prefix = std::move(prefix)]() -> absl::StatusOr<std::vector<Record>> {
                               const size_t own = std::string_view(embedded::meta_key::kRecordPrefix).size();
                               const std::string begin = embedded::meta_key::kRecordPrefix + prefix;
                               const std::unique_ptr<rocksdb::Iterator> it(
                                   database_->db().NewIterator(rocksdb::ReadOptions(), database_->cf(Cf::kMeta)));
                               std::vector<Record> records;
                               for (it->Seek(begin); it->Valid() && it->key().starts_with(begin); it->Next()) {
                                 records.push_back({it->key().ToString().substr(own), it->value().ToString()});
                               }
                               HS_RETURN_IF_ERROR(embedded::ToStatus(it->status()));
                               return records;
                             });
}

// --- changes ---

void EmbeddedStore::PutRecord(Record record, DoneStatus done) {
  absl::Status refused;
  if (record.name.empty() || record.name.size() > kRecordNameMax || record.value.size() > kRecordValueMax) {
    refused = absl::InvalidArgumentError("a record has a name of 1 to 256 bytes and at most 64 KiB");
    completion_.Post([done = std::move(done), refused]() mutable { std::move(done)(refused); });
    return;
  }
  PostControl({
      [this, record = std::move(record)](rocksdb::WriteBatch& out) -> absl::Status {
        const std::string key = embedded::meta_key::kRecordPrefix + record.name;
        rocksdb::ColumnFamilyHandle* const cf = database_->cf(Cf::kMeta);
        return embedded::ToStatus(record.value.empty() ? out.Delete(cf, key) : out.Put(cf, key, record.value));
      },
      [this, done = std::move(done)](absl::Status status) mutable {
        completion_.Post([done = std::move(done), status]() mutable { std::move(done)(status); });
      },
  });
}

void EmbeddedStore::PutSubscription(std::string name, std::string spec, Revision expected, Position start,
                                    Done<SubscriptionRecord> done) {
  if (name.empty() || name.size() > 256) {
    Answer<SubscriptionRecord>(std::move(done), absl::InvalidArgumentError("a subscription's name has 1 to 256 bytes"));
    return;
  }
  if (std::holds_alternative<AtTime>(start)) {
    // Looked up where reading may block.
    auto shared = std::make_shared<Done<SubscriptionRecord>>(std::move(done));
    PostQuery(
        [this, name = std::move(name), spec = std::move(spec), expected, start, shared]() mutable {
          const auto seq = Resolve(start);
          if (!seq.ok()) return Answer<SubscriptionRecord>(std::move(*shared), seq.status());
          PutSubscription(std::move(name), std::move(spec), expected, AtSeq{*seq}, std::move(*shared));
        },
        [this, shared](absl::Status status) { Answer<SubscriptionRecord>(std::move(*shared), std::move(status)); });
    return;
  }
  struct Change {
    embedded::SpecValue value;
    SubscriptionPtr present;
  };
  auto change = std::make_shared<Change>();
  PostControl({
      [this, name = std::move(name), spec = std::move(spec), expected, start,
       change](rocksdb::WriteBatch& out) mutable -> absl::Status {
        const auto known = names_.find(name);
        SubscriptionRecord& record = change->value.record;
        if (known != names_.end()) {
          change->present = FindSubscription(known->second);
          MutexLock lock(change->present->mutex);
          record = change->present->record;
          change->value.begin = change->present->begin;
          if (expected == 0) return absl::AlreadyExistsError(absl::StrCat("subscription \"", name, "\" exists"));
          if (expected != record.revision) {
            return absl::AbortedError(
                absl::StrCat("subscription \"", name, "\" is at revision ", record.revision, ", not ", expected));
          }
          ++record.revision;
        } else {
          if (expected != 0) return absl::NotFoundError(absl::StrCat("there is no subscription \"", name, "\""));
          record.id = next_subscription_;
          record.name = std::move(name);
          record.revision = 1;
          record.generation = 1;
          record.created_at = absl::FromUnixMicros(absl::ToUnixMicros(clock_.WallNow()));
          HS_ASSIGN_OR_RETURN(change->value.begin, Resolve(start));
          out.Put(database_->cf(Cf::kSub), embedded::ProgressKey(record.id),
                  EncodeProgress({1, change->value.begin, 0}));
          out.Put(database_->cf(Cf::kMeta), embedded::meta_key::kNextSubscription,
                  embedded::EncodeNumber(next_subscription_ + 1));
        }
        record.spec = std::move(spec);
        return embedded::ToStatus(
            out.Put(database_->cf(Cf::kSub), embedded::SpecKey(record.id), EncodeSpec(change->value)));
      },
      [this, change, done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) return Answer<SubscriptionRecord>(std::move(done), std::move(status));
        const SubscriptionRecord& record = change->value.record;
        if (change->present != nullptr) {
          MutexLock lock(change->present->mutex);
          change->present->record = record;
        } else {
          next_subscription_ = record.id + 1;
          names_[record.name] = record.id;
          auto added = std::make_shared<Subscription>(/*is_ephemeral=*/false);
          {
            MutexLock lock(added->mutex);
            added->record = record;
            added->StartAt(change->value.begin);
          }
          MutexLock lock(subscriptions_mutex_);
          subscriptions_[record.id] = std::move(added);
        }
        completion_.Post([this, record, done = std::move(done)]() mutable {
          subscription_sink_->OnSubscription(record);
          std::move(done)(std::move(record));
        });
      },
  });
}

void EmbeddedStore::DropSubscription(SubscriptionId id, DoneStatus done) {
  PostControl({
      [this, id](rocksdb::WriteBatch& out) -> absl::Status {
        if (FindSubscription(id) == nullptr) return NoSubscription(id);
        const std::string begin = embedded::SubscriptionPrefix(id);
        const std::string end = embedded::SubscriptionPrefix(id + 1);
        HS_RETURN_IF_ERROR(embedded::ToStatus(out.DeleteRange(database_->cf(Cf::kSub), begin, end)));
        return embedded::ToStatus(out.DeleteRange(database_->cf(Cf::kDead), begin, end));
      },
      [this, id, done = std::move(done)](absl::Status status) mutable {
        if (status.ok()) ForgetSubscription(id);
        completion_.Post([done = std::move(done), status]() mutable { std::move(done)(status); });
      },
  });
}

void EmbeddedStore::ForgetSubscription(SubscriptionId id) {
  const SubscriptionPtr subscription = FindSubscription(id);
  std::shared_ptr<embedded::FeedLink> feed;
  std::vector<Seq> lost;
  {
    MutexLock lock(subscriptions_mutex_);
    subscriptions_.erase(id);
    std::erase(attached_, subscription);
    MutexLock subscription_lock(subscription->mutex);
    names_.erase(subscription->record.name);
    subscription->dropped = true;
    feed = subscription->TakeClaims(lost);
  }
  completion_.Post([this, id, feed = std::move(feed), lost = std::move(lost)]() mutable {
    if (feed != nullptr && !lost.empty()) feed->Call([&](FeedSink& sink) { sink.OnClaimLost(std::move(lost)); });
    subscription_sink_->OnSubscriptionDropped(id);
  });
}

void EmbeddedStore::Seek(SubscriptionId id, Generation expected, Position position, Done<SubscriptionRecord> done) {
  if (std::holds_alternative<AtTime>(position)) {
    auto shared = std::make_shared<Done<SubscriptionRecord>>(std::move(done));
    PostQuery(
        [this, id, expected, position, shared]() mutable {
          const auto seq = Resolve(position);
          if (!seq.ok()) return Answer<SubscriptionRecord>(std::move(*shared), seq.status());
          Seek(id, expected, AtSeq{*seq}, std::move(*shared));
        },
        [this, shared](absl::Status status) { Answer<SubscriptionRecord>(std::move(*shared), std::move(status)); });
    return;
  }
  auto value = std::make_shared<embedded::SpecValue>();
  PostControl({
      [this, id, expected, position, value](rocksdb::WriteBatch& out) -> absl::Status {
        const SubscriptionPtr subscription = FindSubscription(id);
        if (subscription == nullptr) return NoSubscription(id);
        HS_ASSIGN_OR_RETURN(value->begin, Resolve(position));
        MutexLock lock(subscription->mutex);
        SubscriptionRecord& record = value->record;
        record = subscription->record;
        if (record.generation != expected) {
          return absl::AbortedError(absl::StrCat("subscription \"", record.name, "\" is at generation ",
                                                 record.generation, ", not ", expected));
        }
        ++record.generation;
        rocksdb::ColumnFamilyHandle* const cf = database_->cf(Cf::kSub);
        out.Put(cf, embedded::SpecKey(id), EncodeSpec(*value));
        out.Put(cf, embedded::ProgressKey(id),
                EncodeProgress({record.generation, value->begin, static_cast<uint64_t>(subscription->dead)}));
        out.DeleteRange(cf, embedded::PageKey(id, 0, 0), embedded::PageKey(id, record.generation, 0));
        return embedded::ToStatus(
            out.DeleteRange(cf, embedded::RetryKey(id, 0, 0), embedded::RetryKey(id, record.generation, 0)));
      },
      [this, id, value, done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) return Answer<SubscriptionRecord>(std::move(done), std::move(status));
        MoveSubscription(FindSubscription(id), *value);
        Answer<SubscriptionRecord>(std::move(done), value->record);
      },
  });
}

void EmbeddedStore::MoveSubscription(const SubscriptionPtr& subscription, const embedded::SpecValue& value) {
  std::shared_ptr<embedded::FeedLink> feed;
  std::vector<Seq> lost;
  {
    MutexLock lock(subscriptions_mutex_);
    std::erase(attached_, subscription);
    MutexLock subscription_lock(subscription->mutex);
    feed = subscription->TakeClaims(lost);
    subscription->record = value.record;
    subscription->retries.clear();
    subscription->StartAt(value.begin);
  }
  completion_.Post([this, record = value.record, feed = std::move(feed), lost = std::move(lost)]() mutable {
    if (feed != nullptr && !lost.empty()) feed->Call([&](FeedSink& sink) { sink.OnClaimLost(std::move(lost)); });
    subscription_sink_->OnSubscription(record);
  });
}

void EmbeddedStore::Redrive(SubscriptionId id, std::vector<Seq> seqs, Done<int64_t> done) {
  ChangeDead(id, std::move(seqs), /*redrive=*/true, std::move(done));
}

void EmbeddedStore::PurgeDead(SubscriptionId id, std::vector<Seq> seqs, Done<int64_t> done) {
  ChangeDead(id, std::move(seqs), /*redrive=*/false, std::move(done));
}

void EmbeddedStore::ChangeDead(SubscriptionId id, std::vector<Seq> seqs, bool redrive, Done<int64_t> done) {
  if (seqs.size() > kDeadChangesMax) {
    Answer<int64_t>(std::move(done),
                    absl::InvalidArgumentError(absl::StrCat("at most ", kDeadChangesMax, " dead letters at once")));
    return;
  }
  struct Change {
    SubscriptionPtr subscription;
    int64_t count = 0;
    std::vector<Seq> again;  // settled before, deliverable now
  };
  auto change = std::make_shared<Change>();
  PostControl({
      [this, id, seqs = std::move(seqs), redrive, change](rocksdb::WriteBatch& out) mutable -> absl::Status {
        change->subscription = FindSubscription(id);
        if (change->subscription == nullptr) return NoSubscription(id);
        std::sort(seqs.begin(), seqs.end());
        seqs.erase(std::unique(seqs.begin(), seqs.end()), seqs.end());
        Subscription& subscription = *change->subscription;
        for (const Seq seq : seqs) {
          const std::string key = embedded::DeadKey(id, seq);
          const absl::Status found = database_->Get(Cf::kDead, key).status();
          if (absl::IsNotFound(found)) continue;
          HS_RETURN_IF_ERROR(found);
          ++change->count;
          out.Delete(database_->cf(Cf::kDead), key);
          MutexLock lock(subscription.mutex);
          // After a seek it may be on its way again already, perhaps with attempts that must not be forgotten.
          if (!redrive || !subscription.settled.Has(seq) || subscription.retries.contains(seq)) continue;
          out.Put(database_->cf(Cf::kSub), embedded::RetryKey(id, subscription.record.generation, seq),
                  EncodeRetry({RetryRecord{}, age_.Now(), absl::ZeroDuration()}));
          change->again.push_back(seq);
        }
        if (change->count == 0) return absl::OkStatus();
        MutexLock lock(subscription.mutex);
        // The frontier as it is on disk: pages from there on have not been deleted.
        const Seq frontier = std::max(subscription.begin, subscription.first_page_saved * embedded::kPageEvents);
        return embedded::ToStatus(out.Put(database_->cf(Cf::kSub), embedded::ProgressKey(id),
                                          EncodeProgress({subscription.record.generation, frontier,
                                                          static_cast<uint64_t>(subscription.dead - change->count)})));
      },
      [this, redrive, change, done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) return Answer<int64_t>(std::move(done), std::move(status));
        {
          MutexLock lock(change->subscription->mutex);
          change->subscription->dead -= change->count;
          change->subscription->dead_low_stale = true;
          ++change->subscription->dead_changes;
          for (const Seq seq : change->again) {
            change->subscription->retries.insert(seq);
            if (!change->subscription->claims.contains(seq)) change->subscription->again.insert(seq);
          }
        }
        (redrive ? metrics_->redriven : metrics_->purged).Increment(static_cast<double>(change->count));
        Answer<int64_t>(std::move(done), change->count);
        Wake(change->subscription);
      },
  });
}

}  // namespace hookstream::store
