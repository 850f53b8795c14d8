// A store in memory, for tests of what stands above the seam. It keeps the contract of store/store.h: nothing blocks,
// and callbacks run on one completion thread, in order. A test can hold that thread back, refuse or fail appends, and
// look at what was stored. Nothing is retried, trimmed or limited.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/mutex.h"
#include "store/store.h"

namespace hookstream::testing {

class FakeStore final : public store::Store {
 public:
  static constexpr StoreTag kTag = 0x1234'5678'9abc'def0;

  FakeStore() : thread_([this] { Run(); }) {}
  ~FakeStore() override { Stop(); }

  // --- the test's side ---

  // No callback runs until Release. What runs at the moment is finished first.
  void Hold() {
    MutexLock lock(mutex_);
    held_ = true;
    while (running_) idle_.Wait(mutex_);
  }
  void Release() {
    MutexLock lock(mutex_);
    held_ = false;
    wake_.NotifyAll();
  }
  // OK: appends are taken. Otherwise Append returns it at once.
  void RefuseAppends(absl::Status status) {
    MutexLock lock(mutex_);
    refusal_ = std::move(status);
  }
  // OK: appends succeed. Otherwise they are taken, store nothing, and complete with it.
  void FailAppends(absl::Status status) {
    MutexLock lock(mutex_);
    failure_ = std::move(status);
  }
  // Of Feed::Commit: not OK, and nothing of a commit is in force.
  void FailCommits(absl::Status status) {
    MutexLock lock(mutex_);
    commit_failure_ = std::move(status);
  }
  // Appends that were taken, also those whose callback has not run.
  int64_t Appends() const {
    MutexLock lock(mutex_);
    return appends_;
  }
  void WaitForAppends(int64_t count) const {
    MutexLock lock(mutex_);
    while (appends_ < count) appended_.Wait(mutex_);
  }
  std::vector<store::EventRef> Events() const {
    MutexLock lock(mutex_);
    return events_;
  }
  // What was given to Append with the last event that was stored.
  store::NewEvent LastNewEvent() const {
    MutexLock lock(mutex_);
    return last_;
  }

  // --- store::Store ---

  store::Capabilities GetCapabilities() const override { return {.event_bytes_max = 64 << 20}; }
  StoreTag Tag() const override { return kTag; }

  absl::Status Start(store::SubscriptionSink& subscriptions, store::HealthSink) override {
    std::vector<store::SubscriptionRecord> records;
    {
      MutexLock lock(mutex_);
      sink_ = &subscriptions;
      for (const auto& [id, subscription] : subscriptions_) records.push_back(subscription.record);
    }
    for (const auto& record : records) subscriptions.OnSubscription(record);
    return absl::OkStatus();
  }

  void Stop() override {
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      stopping_ = true;
      held_ = false;
      wake_.NotifyAll();
    }
    thread_.join();
  }

  absl::Status Append(std::vector<store::NewEvent> events, store::Done<std::vector<store::Appended>> done) override {
    MutexLock lock(mutex_);
    if (stopping_) return absl::UnavailableError("stopped");
    if (!refusal_.ok()) return refusal_;
    ++appends_;
    appended_.NotifyAll();
    if (!failure_.ok()) {
      Post([done = std::move(done), status = failure_]() mutable { std::move(done)(status); });
      return absl::OkStatus();
    }
    std::vector<store::Appended> appended;
    for (store::NewEvent& event : events) {
      const auto key = std::make_pair(event.data.source, event.dedupe);
      if (const auto it = dedupe_.find(key); !event.dedupe.IsZero() && it != dedupe_.end()) {
        appended.push_back({it->second, true});
        continue;
      }
      const Seq seq = events_.size() + 1;
      dedupe_[key] = seq;
      last_ = event;
      auto stored = std::make_shared<store::StoredEvent>();
      stored->seq = seq;
      stored->data = std::move(event.data);
      events_.push_back(std::move(stored));
      appended.push_back({seq, false});
    }
    Post([done = std::move(done), appended = std::move(appended)]() mutable { std::move(done)(std::move(appended)); });
    Post([this] { FeedAll(); });
    return absl::OkStatus();
  }

  void PutSubscription(std::string name, std::string spec, store::Revision expected, store::Position start,
                       store::Done<store::SubscriptionRecord> done) override {
    MutexLock lock(mutex_);
    absl::StatusOr<store::SubscriptionRecord> result = PutLocked(std::move(name), std::move(spec), expected, start);
    Post([this, done = std::move(done), result = std::move(result)]() mutable {
      if (result.ok() && sink_ != nullptr) sink_->OnSubscription(*result);
      std::move(done)(std::move(result));
    });
  }

  void DropSubscription(store::SubscriptionId id, store::DoneStatus done) override {
    MutexLock lock(mutex_);
    const bool there = subscriptions_.erase(id) > 0;
    Post([this, id, there, done = std::move(done)]() mutable {
      if (there && sink_ != nullptr) sink_->OnSubscriptionDropped(id);
      std::move(done)(there ? absl::OkStatus() : absl::NotFoundError("no such subscription"));
    });
  }

  void PutRecord(store::Record record, store::DoneStatus done) override {
    MutexLock lock(mutex_);
    absl::Status status = failure_;
    if (status.ok()) {
      if (record.value.empty()) {
        records_.erase(record.name);
      } else {
        records_[record.name] = record.value;
      }
    }
    Post([done = std::move(done), status]() mutable { std::move(done)(status); });
  }

  void ListRecords(std::string prefix, store::Done<std::vector<store::Record>> done) override {
    MutexLock lock(mutex_);
    std::vector<store::Record> found;
    for (const auto& [name, value] : records_) {
      if (name.starts_with(prefix)) found.push_back({name, value});
    }
    Post([done = std::move(done), found = std::move(found)]() mutable { std::move(done)(std::move(found)); });
  }

  absl::StatusOr<std::unique_ptr<store::Feed>> Attach(store::SubscriptionId id, store::Generation generation,
                                                      store::MetaFilter filter, store::FeedSink& sink) override {
    MutexLock lock(mutex_);
    const auto it = subscriptions_.find(id);
    if (it == subscriptions_.end()) return absl::NotFoundError("no such subscription");
    if (it->second.record.generation != generation) return absl::AbortedError("another generation");
    if (it->second.attached) return absl::FailedPreconditionError("attached already");
    it->second.attached = true;
    return MakeFeed(id, it->second.position, std::move(filter), sink);
  }

  absl::StatusOr<std::unique_ptr<store::Feed>> AttachEphemeral(store::Position start, store::MetaFilter filter,
                                                               store::FeedSink& sink) override {
    MutexLock lock(mutex_);
    const store::SubscriptionId id = next_id_++;
    return MakeFeed(
        id, std::make_shared<Progress>(Progress{.next = FirstOf(start), .redeliver = {}, .settled = {}, .dead = {}}),
        std::move(filter), sink);
  }

  void Seek(store::SubscriptionId id, store::Generation expected, store::Position position,
            store::Done<store::SubscriptionRecord> done) override {
    MutexLock lock(mutex_);
    const auto it = subscriptions_.find(id);
    absl::StatusOr<store::SubscriptionRecord> result = absl::NotFoundError("no such subscription");
    if (it != subscriptions_.end() && it->second.record.generation != expected) {
      result = absl::AbortedError("another generation");
    } else if (it != subscriptions_.end()) {
      ++it->second.record.generation;
      it->second.attached = false;
      it->second.position =
          std::make_shared<Progress>(Progress{.next = FirstOf(position), .redeliver = {}, .settled = {}, .dead = {}});
      result = it->second.record;
    }
    Post([this, done = std::move(done), result = std::move(result)]() mutable {
      if (result.ok() && sink_ != nullptr) sink_->OnSubscription(*result);
      std::move(done)(std::move(result));
    });
  }

  void ListDead(store::SubscriptionId id, Seq from, store::MetaFilter filter, store::PageLimit limit,
                store::Done<store::DeadPage> done) override {
    MutexLock lock(mutex_);
    store::DeadPage page;
    if (const auto it = subscriptions_.find(id); it != subscriptions_.end()) {
      for (const auto& [seq, dead] : it->second.position->dead) {
        if (seq < from || !Matches(filter, *dead.event)) continue;
        if (static_cast<int64_t>(page.events.size()) == limit.events_max) {
          page.next = seq;
          break;
        }
        page.events.push_back(dead);
      }
    }
    Post([done = std::move(done), page = std::move(page)]() mutable { std::move(done)(std::move(page)); });
  }

  void Redrive(store::SubscriptionId id, std::vector<Seq> seqs, store::Done<int64_t> done) override {
    MutexLock lock(mutex_);
    int64_t count = 0;
    if (const auto it = subscriptions_.find(id); it != subscriptions_.end()) {
      for (const Seq seq : seqs) {
        if (it->second.position->dead.erase(seq) == 0) continue;
        it->second.position->redeliver[seq] = {};
        ++count;
      }
    }
    Post([done = std::move(done), count]() mutable { std::move(done)(count); });
    Post([this] { FeedAll(); });
  }

  void PurgeDead(store::SubscriptionId id, std::vector<Seq> seqs, store::Done<int64_t> done) override {
    MutexLock lock(mutex_);
    int64_t count = 0;
    if (const auto it = subscriptions_.find(id); it != subscriptions_.end()) {
      for (const Seq seq : seqs) count += static_cast<int64_t>(it->second.position->dead.erase(seq));
    }
    Post([done = std::move(done), count]() mutable { std::move(done)(count); });
  }

  void Read(store::Position from, store::MetaFilter filter, store::PageLimit limit,
            store::Done<store::EventPage> done) override {
    MutexLock lock(mutex_);
    store::EventPage page;
    for (Seq seq = FirstOf(from); seq <= events_.size(); ++seq) {
      if (!Matches(filter, *events_[seq - 1])) continue;
      if (static_cast<int64_t>(page.events.size()) == limit.events_max) {
        page.next = seq;
        break;
      }
      page.events.push_back(events_[seq - 1]);
    }
    Post([done = std::move(done), page = std::move(page)]() mutable { std::move(done)(std::move(page)); });
  }

  void ReadBackwards(store::Position from, store::MetaFilter filter, store::PageLimit limit,
                     store::Done<store::EventPage> done) override {
    MutexLock lock(mutex_);
    store::EventPage page;
    for (Seq seq = std::min<Seq>(FirstOf(from), events_.size()); seq > 0; --seq) {
      if (!Matches(filter, *events_[seq - 1])) continue;
      if (static_cast<int64_t>(page.events.size()) == limit.events_max) {
        page.next = seq;
        break;
      }
      page.events.push_back(events_[seq - 1]);
    }
    Post([done = std::move(done), page = std::move(page)]() mutable { std::move(done)(std::move(page)); });
  }

  void ReadOne(Seq seq, store::Done<store::EventRef> done) override {
    MutexLock lock(mutex_);
    absl::StatusOr<store::EventRef> result = absl::NotFoundError("no such event");
    if (seq > 0 && seq <= events_.size()) result = events_[seq - 1];
    Post([done = std::move(done), result = std::move(result)]() mutable { std::move(done)(std::move(result)); });
  }

  void GetSubscriptionStats(store::SubscriptionId id, store::Done<store::SubscriptionStats> done) override {
    MutexLock lock(mutex_);
    absl::StatusOr<store::SubscriptionStats> result = absl::NotFoundError("no such subscription");
    if (const auto it = subscriptions_.find(id); it != subscriptions_.end()) {
      result = store::SubscriptionStats{.lag = static_cast<int64_t>(events_.size() + 1 - it->second.position->next),
                                        .dead = static_cast<int64_t>(it->second.position->dead.size()),
                                        .skipped = 0,
                                        .oldest_unsettled_at = {}};
    }
    Post([done = std::move(done), result = std::move(result)]() mutable { std::move(done)(std::move(result)); });
  }

  store::StoreStats GetStats() const override {
    MutexLock lock(mutex_);
    store::StoreStats stats;
    stats.events = static_cast<int64_t>(events_.size());
    for (const auto& event : events_) stats.bytes += static_cast<int64_t>(event->data.Bytes());
    stats.head = events_.size();
    stats.trim = 1;
    if (!events_.empty()) stats.oldest_event_at = events_.front()->data.received_at;
    return stats;
  }

 private:
  // How far a subscription is, in one generation.
  struct Progress {
    Seq next = 1;
    std::map<Seq, RetryRecord> redeliver;
    std::set<Seq> settled;
    std::map<Seq, store::DeadEvent> dead;
  };
  struct Subscription {
    store::SubscriptionRecord record;
    std::shared_ptr<Progress> position;
    bool attached = false;
  };

  class FakeFeed final : public store::Feed {
   public:
    FakeFeed(FakeStore& store, store::SubscriptionId id, std::shared_ptr<Progress> progress, store::MetaFilter filter,
             store::FeedSink& sink)
        : store_(store), id_(id), progress_(std::move(progress)), filter_(std::move(filter)), sink_(sink) {}

    // A callback of this feed that runs at the moment is waited for; it only posts, so that is short.
    ~FakeFeed() override {
      MutexLock callback(store_.feed_mutex_);
      MutexLock lock(store_.mutex_);
      store_.feeds_.erase(this);
      for (auto& [seq, record] : claims_) progress_->redeliver[seq] = std::move(record);
      const auto it = store_.subscriptions_.find(id_);
      if (it != store_.subscriptions_.end() && it->second.position == progress_) it->second.attached = false;
    }

    void Want(int64_t events, int64_t bytes) override {
      MutexLock lock(store_.mutex_);
      events_wanted_ += events;
      bytes_wanted_ += bytes;
      store_.Post([s = &store_] { s->FeedAll(); });
    }

    void Commit(store::CommitToken token, std::vector<store::Outcome> outcomes, bool) override {
      MutexLock lock(store_.mutex_);
      const absl::Status status = store_.commit_failure_;
      if (status.ok()) {
        for (store::Outcome& outcome : outcomes) Settle(outcome);
      }
      store_.Post([this, s = &store_, token, status] {
        MutexLock callback(s->feed_mutex_);
        if (s->IsAttached(this)) sink_.OnCommitted(token, status);
      });
    }

    void Release(std::vector<Seq> seqs) override {
      MutexLock lock(store_.mutex_);
      for (const Seq seq : seqs) {
        if (auto claim = claims_.extract(seq)) progress_->redeliver.insert(std::move(claim));
      }
      store_.Post([s = &store_] { s->FeedAll(); });
    }

   private:
    friend class FakeStore;

    void Settle(store::Outcome& outcome) HS_REQUIRES(store_.mutex_) {
      if (std::holds_alternative<store::Ack>(outcome.what)) {
        claims_.erase(outcome.seq);
        progress_->settled.insert(outcome.seq);
      } else if (auto* retry = std::get_if<store::Retry>(&outcome.what)) {
        claims_[outcome.seq] = std::move(retry->record);
      } else {
        claims_.erase(outcome.seq);
        progress_->dead[outcome.seq] = {store_.events_[outcome.seq - 1],
                                        std::move(std::get<store::Dead>(outcome.what).record), absl::Now()};
      }
    }

    std::vector<store::Claimed> Take() HS_REQUIRES(store_.mutex_) {
      std::vector<store::Claimed> taken;
      const auto claim = [&](Seq seq, RetryRecord record) HS_NO_THREAD_SAFETY_ANALYSIS {
        const store::EventRef& event = store_.events_[seq - 1];
        --events_wanted_;
        bytes_wanted_ -= static_cast<int64_t>(event->data.Bytes());
        claims_[seq] = record;
        taken.push_back({event, std::move(record), absl::ZeroDuration()});
      };
      while (events_wanted_ > 0 && bytes_wanted_ > 0 && !progress_->redeliver.empty()) {
        auto node = progress_->redeliver.extract(progress_->redeliver.begin());
        claim(node.key(), std::move(node.mapped()));
      }
      for (; events_wanted_ > 0 && bytes_wanted_ > 0 && progress_->next <= store_.events_.size(); ++progress_->next) {
        if (Matches(filter_, *store_.events_[progress_->next - 1])) claim(progress_->next, {});
      }
      return taken;
    }

    FakeStore& store_;
    const store::SubscriptionId id_;
    const std::shared_ptr<Progress> progress_;
    const store::MetaFilter filter_;
    store::FeedSink& sink_;
    int64_t events_wanted_ HS_GUARDED_BY(store_.mutex_) = 0;
    int64_t bytes_wanted_ HS_GUARDED_BY(store_.mutex_) = 0;
    std::map<Seq, RetryRecord> claims_ HS_GUARDED_BY(store_.mutex_);
  };

  static bool Matches(const store::MetaFilter& filter, const store::StoredEvent& event) {
    return !filter ||
           filter({event.seq, event.data.source, event.data.provider, event.data.type, event.data.received_at});
  }

  Seq FirstOf(const store::Position& position) const HS_REQUIRES(mutex_) {
    if (std::holds_alternative<store::Earliest>(position)) return 1;
    if (std::holds_alternative<store::Latest>(position)) return events_.size() + 1;
    if (const auto* seq = std::get_if<store::AtSeq>(&position)) return std::max<Seq>(1, seq->seq);
    const auto it = std::find_if(events_.begin(), events_.end(), [&](const auto& event) {
      return event->data.received_at >= std::get<store::AtTime>(position).received_at;
    });
    return static_cast<Seq>(it - events_.begin()) + 1;
  }

  absl::StatusOr<store::SubscriptionRecord> PutLocked(std::string name, std::string spec, store::Revision expected,
                                                      const store::Position& start) HS_REQUIRES(mutex_) {
    const auto it = std::find_if(subscriptions_.begin(), subscriptions_.end(),
                                 [&](const auto& entry) { return entry.second.record.name == name; });
    if (it != subscriptions_.end()) {
      if (expected == 0) return absl::AlreadyExistsError("the name is taken");
      if (it->second.record.revision != expected) return absl::AbortedError("another revision");
      it->second.record.spec = std::move(spec);
      ++it->second.record.revision;
      return it->second.record;
    }
    if (expected != 0) return absl::AbortedError("no such subscription");
    const store::SubscriptionId id = next_id_++;
    Subscription& subscription = subscriptions_[id];
    subscription.record = {.id = id,
                           .name = std::move(name),
                           .spec = std::move(spec),
                           .revision = 1,
                           .generation = 1,
                           .created_at = absl::Now()};
    subscription.position =
        std::make_shared<Progress>(Progress{.next = FirstOf(start), .redeliver = {}, .settled = {}, .dead = {}});
    return subscription.record;
  }

  std::unique_ptr<store::Feed> MakeFeed(store::SubscriptionId id, std::shared_ptr<Progress> progress,
                                        store::MetaFilter filter, store::FeedSink& sink) HS_REQUIRES(mutex_) {
    auto feed = std::make_unique<FakeFeed>(*this, id, std::move(progress), std::move(filter), sink);
    feeds_.insert(feed.get());
    return feed;
  }

  bool IsAttached(FakeFeed* feed) {
    MutexLock lock(mutex_);
    return feeds_.contains(feed);
  }

  // On the completion thread.
  void FeedAll() {
    MutexLock callback(feed_mutex_);
    std::vector<std::pair<FakeFeed*, std::vector<store::Claimed>>> batches;
    {
      MutexLock lock(mutex_);
      for (FakeFeed* feed : feeds_) {
        if (auto taken = TakeFrom(*feed); !taken.empty()) batches.emplace_back(feed, std::move(taken));
      }
    }
    for (auto& [feed, taken] : batches) feed->sink_.OnClaimed(std::move(taken));
  }
  std::vector<store::Claimed> TakeFrom(FakeFeed& feed) HS_NO_THREAD_SAFETY_ANALYSIS { return feed.Take(); }

  void Post(absl::AnyInvocable<void()> task) HS_REQUIRES(mutex_) {
    tasks_.push_back(std::move(task));
    wake_.NotifyAll();
  }

  void Run() {
    for (;;) {
      absl::AnyInvocable<void()> task;
      {
        MutexLock lock(mutex_);
        running_ = false;
        idle_.NotifyAll();
        while (!stopping_ && (held_ || tasks_.empty())) wake_.Wait(mutex_);
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
        running_ = true;
      }
      task();
    }
  }

  // Held while a feed's sink is called; before mutex_.
  Mutex feed_mutex_;
  mutable Mutex mutex_;
  mutable CondVar appended_;
  CondVar wake_;
  CondVar idle_;
  bool held_ HS_GUARDED_BY(mutex_) = false;
  bool running_ HS_GUARDED_BY(mutex_) = false;
  bool stopping_ HS_GUARDED_BY(mutex_) = false;
  absl::Status refusal_ HS_GUARDED_BY(mutex_);
  absl::Status failure_ HS_GUARDED_BY(mutex_);
  absl::Status commit_failure_ HS_GUARDED_BY(mutex_);
  int64_t appends_ HS_GUARDED_BY(mutex_) = 0;
  std::deque<absl::AnyInvocable<void()>> tasks_ HS_GUARDED_BY(mutex_);
  std::vector<store::EventRef> events_ HS_GUARDED_BY(mutex_);
  std::map<std::string, std::string> records_ HS_GUARDED_BY(mutex_);
  store::NewEvent last_ HS_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, Hash128>, Seq> dedupe_ HS_GUARDED_BY(mutex_);
  std::map<store::SubscriptionId, Subscription> subscriptions_ HS_GUARDED_BY(mutex_);
  store::SubscriptionId next_id_ HS_GUARDED_BY(mutex_) = 1;
  std::set<FakeFeed*> feeds_ HS_GUARDED_BY(mutex_);
  store::SubscriptionSink* sink_ = nullptr;
  std::thread thread_;  // last: it uses the others
};

}  // namespace hookstream::testing
