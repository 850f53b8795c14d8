// Feeds: claims, and reading for them from the tail of recent events or from the disk.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "store/embedded/internal.h"

namespace hookstream::store {

using embedded::Cf;
using embedded::Claim;
using embedded::FeedLink;
using embedded::LogReader;
using embedded::Subscription;

namespace {

// Events taken from the tail before other feeds have their turn.
constexpr int64_t kTailEventsMax = 256;
// What one task of the reader thread gathers for a feed.
constexpr int64_t kReadEventsMax = 1024;
constexpr int64_t kReadBytesMax = int64_t{2} << 20;
constexpr int64_t kReadExaminedMax = 100'000;

bool Matches(const MetaFilter* filter, Seq seq, const EventData& data) {
  return filter == nullptr || (*filter)({seq, data.source, data.provider, data.type, data.received_at});
}

std::shared_ptr<const MetaFilter> Share(MetaFilter filter) {
  return filter ? std::make_shared<const MetaFilter>(std::move(filter)) : nullptr;
}

}  // namespace

class EmbeddedStore::EmbeddedFeed final : public Feed {
 public:
  EmbeddedFeed(EmbeddedStore& store, SubscriptionPtr subscription, std::shared_ptr<FeedLink> link,
               Generation generation)
      : store_(store), subscription_(std::move(subscription)), link_(std::move(link)), generation_(generation) {}

  ~EmbeddedFeed() override { store_.Detach(subscription_, link_); }

  void Want(int64_t events, int64_t bytes) override {
    {
      MutexLock lock(subscription_->mutex);
      if (subscription_->feed != link_) return;
      subscription_->want_events += events;
      subscription_->want_bytes += bytes;
    }
    store_.Wake(subscription_);
  }

  void Commit(CommitToken token, std::vector<Outcome> outcomes, bool confirm) override {
    store_.FeedCommit(subscription_, link_, generation_, token, std::move(outcomes), confirm);
  }

  void Release(std::vector<Seq> seqs) override {
    {
      MutexLock lock(subscription_->mutex);
      if (subscription_->feed != link_) return;
      for (const Seq seq : seqs) {
        const auto it = subscription_->claims.find(seq);
        if (it == subscription_->claims.end()) continue;
        if (it->second.committing) {
          it->second.released = true;
        } else {
          subscription_->claims.erase(it);
          subscription_->again.insert(seq);
        }
      }
    }
    store_.Wake(subscription_);
  }

 private:
  EmbeddedStore& store_;
  const SubscriptionPtr subscription_;
  const std::shared_ptr<FeedLink> link_;
  const Generation generation_;
};

absl::StatusOr<std::unique_ptr<Feed>> EmbeddedStore::Attach(SubscriptionId id, Generation generation, MetaFilter filter,
                                                            FeedSink& sink) {
  auto link = std::make_shared<FeedLink>(sink);
  MutexLock lock(subscriptions_mutex_);
  const auto it = subscriptions_.find(id);
  if (it == subscriptions_.end()) return absl::NotFoundError(absl::StrCat("there is no subscription with id ", id));
  const SubscriptionPtr& subscription = it->second;
  {
    MutexLock subscription_lock(subscription->mutex);
    if (subscription->record.generation != generation) {
      return absl::AbortedError(absl::StrCat("subscription \"", subscription->record.name, "\" is at generation ",
                                             subscription->record.generation, ", not ", generation));
    }
    if (subscription->feed != nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("subscription \"", subscription->record.name, "\" has a feed already"));
    }
    subscription->feed = link;
    subscription->filter = Share(std::move(filter));
    ++subscription->epoch;
  }
  attached_.push_back(subscription);
  return std::make_unique<EmbeddedFeed>(*this, subscription, std::move(link), generation);
}

absl::StatusOr<std::unique_ptr<Feed>> EmbeddedStore::AttachEphemeral(Position start, MetaFilter filter,
                                                                     FeedSink& sink) {
  {
    MutexLock lock(queue_mutex_);
    if (!accepting_.ok()) return accepting_;
  }
  auto link = std::make_shared<FeedLink>(sink);
  auto subscription = std::make_shared<Subscription>(/*is_ephemeral=*/true);
  {
    MutexLock lock(subscription->mutex);
    if (std::holds_alternative<Latest>(start)) {
      subscription->next_read = head_ + 1;
    } else {
      subscription->unresolved = start;
    }
    subscription->feed = link;
    subscription->filter = Share(std::move(filter));
  }
  MutexLock lock(subscriptions_mutex_);
  attached_.push_back(subscription);
  return std::make_unique<EmbeddedFeed>(*this, subscription, std::move(link), Generation{0});
}

void EmbeddedStore::Detach(const SubscriptionPtr& subscription, const std::shared_ptr<FeedLink>& feed) {
  feed->Close(completion_.IsCurrent());
  MutexLock lock(subscriptions_mutex_);
  MutexLock subscription_lock(subscription->mutex);
  if (subscription->feed != feed) return;
  std::erase(attached_, subscription);
  subscription->DropFeed();
}

void EmbeddedStore::FeedCommit(const SubscriptionPtr& subscription, const std::shared_ptr<FeedLink>& feed,
                               Generation generation, CommitToken token, std::vector<Outcome> outcomes, bool confirm) {
  MutexLock lock(subscription->mutex);
  OutcomeOp op{subscription, feed, generation, token, std::move(outcomes), absl::OkStatus(), false};
  bool urgent = confirm;
  if (subscription->feed != feed) {
    op.status = absl::AbortedError("the feed's claims are gone");
  } else {
    // All or none: an event that is not held, or comes twice, refuses the whole.
    size_t marked = 0;
    for (; marked < op.outcomes.size(); ++marked) {
      const Outcome& outcome = op.outcomes[marked];
      const auto it = subscription->claims.find(outcome.seq);
      if (it == subscription->claims.end() || it->second.committing) {
        op.status = absl::FailedPreconditionError(
            absl::StrCat("event ", outcome.seq,
                         it == subscription->claims.end() ? " is not claimed" : " is being committed already"));
        break;
      }
      it->second.committing = true;
      urgent = urgent || !std::holds_alternative<Ack>(outcome.what);
    }
    op.marked = op.status.ok();
    const auto unmark = [&]() HS_REQUIRES(subscription->mutex) {
      for (size_t i = 0; i < marked; ++i) subscription->claims[op.outcomes[i].seq].committing = false;
      op.marked = false;
    };
    if (!op.status.ok()) unmark();

    if (subscription->ephemeral) {
      if (op.status.ok()) {
        unmark();
        for (const Outcome& outcome : op.outcomes) {
          if (!std::holds_alternative<Retry>(outcome.what)) subscription->claims.erase(outcome.seq);
        }
      }
    } else {
      MutexLock queue_lock(queue_mutex_);
      if (accepting_.ok()) {
        if (outcomes_.empty())
          ride_until_ = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(options_.ride_max);
        // The commit thread sleeps past the first one's ride only when it is told.
        const bool wake = outcomes_.empty() || (urgent && !urgent_);
        urgent_ = urgent_ || urgent || !op.status.ok();
        outcomes_.push_back(std::move(op));
        if (wake) queue_wake_.NotifyOne();
        return;
      }
      if (op.status.ok()) {
        unmark();
        op.status = accepting_;
      }
      // Under the lock: behind the refusals of what was waiting when the store stopped accepting.
      completion_.Post(
          [op = std::move(op)] { op.feed->Call([&](FeedSink& sink) { sink.OnCommitted(op.token, op.status); }); });
      return;
    }
  }
  completion_.Post(
      [op = std::move(op)] { op.feed->Call([&](FeedSink& sink) { sink.OnCommitted(op.token, op.status); }); });
}

void EmbeddedStore::Wake(const SubscriptionPtr& subscription) {
  {
    MutexLock lock(subscription->mutex);
    if (!subscription->Hungry() || subscription->wake_posted || subscription->reading || subscription->read_failed)
      return;
    subscription->wake_posted = true;
  }
  completion_.Post([this, subscription] { Pump(subscription); });
}

void EmbeddedStore::WakeAll() {
  std::vector<SubscriptionPtr> attached;
  {
    MutexLock lock(subscriptions_mutex_);
    attached = attached_;
  }
  for (const SubscriptionPtr& subscription : attached) Wake(subscription);
}

void EmbeddedStore::Pump(const SubscriptionPtr& subscription) {
  std::vector<EventRef> events;
  for (;;) {
    std::vector<Claimed> claimed;
    std::shared_ptr<const MetaFilter> filter;
    std::shared_ptr<FeedLink> feed;
    uint64_t epoch;
    events.clear();
    {
      MutexLock lock(subscription->mutex);
      subscription->wake_posted = false;
      if (!subscription->Hungry() || subscription->reading || subscription->read_failed) return;
      feed = subscription->feed;
      // What comes again comes first; from memory if all of it is there.
      bool disk = subscription->unresolved.has_value();
      while (!disk && !subscription->again.empty() && subscription->Hungry()) {
        const Seq seq = *subscription->again.begin();
        EventRef event = subscription->retries.contains(seq) ? nullptr : tail_->Find(seq);
        if (event == nullptr) {
          disk = true;
          break;
        }
        subscription->again.erase(seq);
        subscription->AddClaim(*event);
        claimed.push_back({std::move(event), {}, absl::ZeroDuration()});
      }
      const auto want = static_cast<size_t>(std::min(subscription->want_events, kTailEventsMax));
      if (!disk && subscription->Hungry()) disk = !tail_->Get(subscription->next_read, want, events);
      if (disk) {
        subscription->reading = true;
        reader_.Post([this, subscription] { ReadForFeed(subscription); });
      }
      filter = subscription->filter;
      epoch = subscription->epoch;
    }
    if (!claimed.empty()) feed->Call([&](FeedSink& sink) { sink.OnClaimed(std::move(claimed)); });
    if (events.empty()) return;

    std::vector<bool> matches;
    matches.reserve(events.size());
    for (const EventRef& event : events) matches.push_back(Matches(filter.get(), event->seq, event->data));
    claimed.clear();
    {
      MutexLock lock(subscription->mutex);
      // A seek or another feed came in between: start over.
      if (subscription->epoch != epoch) continue;
      for (size_t i = 0; i < events.size() && subscription->Hungry(); ++i) {
        const Seq seq = events[i]->seq;
        subscription->next_read = seq + 1;
        if (!subscription->IsOpen(seq)) continue;
        if (!matches[i]) {
          subscription->Skip(seq);
          continue;
        }
        subscription->AddClaim(*events[i]);
        claimed.push_back({events[i], {}, absl::ZeroDuration()});
      }
    }
    if (!claimed.empty()) feed->Call([&](FeedSink& sink) { sink.OnClaimed(std::move(claimed)); });
  }
}

void EmbeddedStore::ReadForFeed(const SubscriptionPtr& subscription) {
  std::vector<Claimed> claimed;
  std::shared_ptr<FeedLink> feed;
  uint64_t epoch;
  {
    MutexLock lock(subscription->mutex);
    feed = subscription->feed;
    epoch = subscription->epoch;
  }
  absl::Status status;
  {
    MutexLock database_lock(database_mutex_);
    if (database_ == nullptr) {
      // It is being reopened, and everybody is woken after that.
      MutexLock lock(subscription->mutex);
      subscription->reading = false;
      return;
    }
    status = ReadAgain(subscription, epoch, claimed);
    if (status.ok()) status = ReadNew(subscription, epoch, claimed);
  }
  // Before `reading` ends, so that what is read later also comes later.
  if (feed != nullptr && !claimed.empty()) {
    completion_.Post([feed, claimed = std::move(claimed)]() mutable {
      feed->Call([&](FeedSink& sink) { sink.OnClaimed(std::move(claimed)); });
    });
  }
  {
    MutexLock lock(subscription->mutex);
    subscription->reading = false;
    subscription->read_failed = !status.ok();
    if (!status.ok()) {
      metrics_->read_failures.Increment();
      Log(LogLevel::kError, "events can't be read for a subscription",
          {{"subscription", subscription->record.name}, {"error", status.ToString()}});
    }
  }
  Wake(subscription);
}

absl::StatusOr<EventRef> EmbeddedStore::LoadEvent(Seq seq, LogReader& reader) {
  if (EventRef event = tail_->Find(seq); event != nullptr) return event;
  if (reader.Holds(seq)) return reader.Event(seq);
  if (!reader.Seek(seq)) {
    HS_RETURN_IF_ERROR(reader.status());
  } else if (reader.chunk().first <= seq) {
    return reader.Event(seq);
  }
  return absl::NotFoundError(absl::StrCat("event ", seq, " is not stored"));
}

absl::Status EmbeddedStore::ReadAgain(const SubscriptionPtr& subscription, uint64_t epoch,
                                      std::vector<Claimed>& claimed) {
  std::vector<std::pair<Seq, bool>> wanted;
  SubscriptionId id;
  Generation generation;
  int64_t bytes_left;
  {
    MutexLock lock(subscription->mutex);
    if (!subscription->Hungry() || subscription->epoch != epoch) return absl::OkStatus();
    const int64_t count = std::min(subscription->want_events, kReadEventsMax);
    for (auto it = subscription->again.begin();
         it != subscription->again.end() && static_cast<int64_t>(wanted.size()) < count; ++it) {
      wanted.emplace_back(*it, subscription->retries.contains(*it));
    }
    id = subscription->record.id;
    generation = subscription->record.generation;
    bytes_left = std::min(subscription->want_bytes, kReadBytesMax);
  }
  LogReader reader(*database_, trim_, head_ + 1, /*scan=*/false);
  for (const auto& [seq, has_record] : wanted) {
    if (bytes_left <= 0) break;
    Claimed claim;
    auto event = LoadEvent(seq, reader);
    if (absl::IsNotFound(event.status())) {
      MutexLock lock(subscription->mutex);
      if (subscription->epoch != epoch) return absl::OkStatus();
      subscription->again.erase(seq);
      if (subscription->ephemeral) {
        metrics_->ephemeral_lost.Increment();
        continue;
      }
      return absl::DataLossError(absl::StrCat("event ", seq, " is unsettled and not stored any more"));
    }
    HS_RETURN_IF_ERROR(event.status());
    claim.event = *std::move(event);
    if (has_record) {
      HS_ASSIGN_OR_RETURN(const std::string bytes, database_->Get(Cf::kSub, embedded::RetryKey(id, generation, seq)));
      HS_ASSIGN_OR_RETURN(embedded::StoredRetry retry, embedded::ParseRetry(bytes));
      claim.retry = std::move(retry.record);
      claim.retry_after = std::max(absl::ZeroDuration(), retry.delay - absl::Milliseconds(age_.Now() - retry.written));
    }
    bytes_left -= static_cast<int64_t>(claim.event->data.Bytes());
    MutexLock lock(subscription->mutex);
    if (subscription->epoch != epoch) {
      // What was claimed here went with the feed; `claimed` is for a sink that is closed.
      return absl::OkStatus();
    }
    if (!subscription->Hungry()) break;
    if (subscription->again.erase(seq) == 0) continue;
    subscription->AddClaim(*claim.event);
    claimed.push_back(std::move(claim));
  }
  return absl::OkStatus();
}

absl::Status EmbeddedStore::ReadNew(const SubscriptionPtr& subscription, uint64_t epoch,
                                    std::vector<Claimed>& claimed) {
  std::shared_ptr<const MetaFilter> filter;
  std::optional<Position> unresolved;
  Seq position;
  {
    MutexLock lock(subscription->mutex);
    unresolved = subscription->unresolved;
  }
  if (unresolved.has_value()) {
    HS_ASSIGN_OR_RETURN(const Seq start, Resolve(*unresolved));
    MutexLock lock(subscription->mutex);
    subscription->unresolved.reset();
    subscription->next_read = start;
  }
  {
    MutexLock lock(subscription->mutex);
    if (!subscription->Hungry() || !subscription->again.empty() || subscription->epoch != epoch) {
      return absl::OkStatus();
    }
    if (subscription->ephemeral && subscription->next_read < trim_) subscription->next_read = trim_;
    filter = subscription->filter;
    position = subscription->next_read;
  }
  // From there on it is in memory.
  const Seq end = tail_->first();
  if (position >= end) return absl::OkStatus();

  LogReader reader(*database_, trim_, end, /*scan=*/true);
  int64_t events_left = kReadEventsMax;
  int64_t bytes_left = kReadBytesMax;
  int64_t examined_left = kReadExaminedMax;
  std::vector<bool> matches;
  std::vector<size_t> wanted;
  for (bool found = reader.Seek(position); events_left > 0 && bytes_left > 0 && examined_left > 0;
       found = reader.Next()) {
    if (!found) {
      HS_RETURN_IF_ERROR(reader.status());
      MutexLock lock(subscription->mutex);
      if (subscription->epoch == epoch) subscription->SkipGap(position, end);
      return absl::OkStatus();
    }
    const embedded::ChunkIndex& chunk = reader.chunk();
    const size_t begin = position > chunk.first ? position - chunk.first : 0;
    matches.assign(chunk.entries.size(), true);
    for (size_t i = begin; filter != nullptr && i < chunk.entries.size(); ++i) {
      const embedded::ChunkEntry& entry = chunk.entries[i];
      matches[i] = (*filter)({chunk.first + i, entry.source, entry.provider, entry.type, entry.received_at});
    }
    // What to load: nobody but this task adds to what is claimed or settled beyond next_read.
    wanted.clear();
    {
      MutexLock lock(subscription->mutex);
      if (subscription->epoch != epoch) return absl::OkStatus();
      if (position < chunk.first) subscription->SkipGap(position, chunk.first);
      int64_t want_events = std::min(subscription->want_events, events_left);
      int64_t want_bytes = std::min(subscription->want_bytes, bytes_left);
      for (size_t i = begin; i < chunk.entries.size() && want_events > 0 && want_bytes > 0; ++i) {
        if (!matches[i] || !subscription->IsOpen(chunk.first + i)) continue;
        wanted.push_back(i);
        --want_events;
        want_bytes -= static_cast<int64_t>(chunk.entries[i].Bytes());
      }
    }
    std::vector<EventRef> loaded;
    loaded.reserve(wanted.size());
    for (const size_t i : wanted) {
      auto event = reader.Event(chunk.first + i);
      HS_RETURN_IF_ERROR(event.status());
      loaded.push_back(*std::move(event));
    }
    MutexLock lock(subscription->mutex);
    if (subscription->epoch != epoch) return absl::OkStatus();
    size_t next = 0;
    for (size_t i = begin; i < chunk.entries.size(); ++i) {
      const Seq seq = chunk.first + i;
      if (matches[i] && subscription->IsOpen(seq)) {
        // The appetite, or this task's share, is used up.
        if (next == loaded.size() || loaded[next]->seq != seq || !subscription->Hungry()) return absl::OkStatus();
        bytes_left -= static_cast<int64_t>(loaded[next]->data.Bytes());
        --events_left;
        subscription->AddClaim(*loaded[next]);
        claimed.push_back({std::move(loaded[next++]), {}, absl::ZeroDuration()});
      } else if (!matches[i] && !subscription->settled.Has(seq)) {
        subscription->Skip(seq);
      }
      subscription->next_read = seq + 1;
      --examined_left;
    }
    position = chunk.end();
  }
  return absl::OkStatus();
}

}  // namespace hookstream::store
