// What tests of a store are written with: waiting calls around the asynchronous ones, and sinks that record.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "store/store.h"

namespace hookstream::store::testing {

// Long enough for a loaded machine under a sanitizer; a test that passes never waits so long.
inline constexpr absl::Duration kPatience = absl::Seconds(60);

// Removed with everything in it.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hookstream-store-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The answer to one asynchronous call.
template <typename T>
class Answer {
 public:
  auto Callback() {
    return [promise = promise_](T value) mutable { promise->set_value(std::move(value)); };
  }
  bool Ready() const { return future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  T Get() {
    if (future_.wait_for(absl::ToChronoSeconds(kPatience)) != std::future_status::ready) {
      ADD_FAILURE() << "no answer";
      std::abort();
    }
    return future_.get();
  }

 private:
  std::shared_ptr<std::promise<T>> promise_ = std::make_shared<std::promise<T>>();
  std::future<T> future_ = promise_->get_future();
};

inline NewEvent MakeEvent(std::string body, std::string dedupe = "", std::string source = "shop",
                          std::string type = "order.made") {
  NewEvent event;
  event.data.source = std::move(source);
  event.data.provider = "acme";
  event.data.type = std::move(type);
  event.data.received_at = absl::FromUnixSeconds(1'700'000'000);
  event.data.content = Content::kJson;
  event.data.envelope = "envelope of " + body.substr(0, 8);
  event.data.raw_head = "head of " + body.substr(0, 8);
  event.data.body = std::move(body);
  if (!dedupe.empty()) event.dedupe = HashOf(dedupe);
  return event;
}

inline MetaFilter OfType(std::string type) {
  return [type = std::move(type)](const EventMeta& meta) { return meta.type == type; };
}

inline RetryRecord Attempts(int attempts, std::string reason = "no") {
  RetryRecord record;
  record.attempts = attempts;
  record.failures.push_back({FailureKind::kNack, std::move(reason), absl::FromUnixSeconds(1'700'000'123), attempts});
  return record;
}

class RecordingSubscriptions : public SubscriptionSink {
 public:
  void OnSubscription(const SubscriptionRecord& record) override {
    MutexLock lock(mutex_);
    records_[record.id] = record;
  }
  void OnSubscriptionDropped(SubscriptionId id) override {
    MutexLock lock(mutex_);
    records_.erase(id);
  }
  std::map<SubscriptionId, SubscriptionRecord> Records() {
    MutexLock lock(mutex_);
    return records_;
  }

 private:
  Mutex mutex_;
  std::map<SubscriptionId, SubscriptionRecord> records_ HS_GUARDED_BY(mutex_);
};

class RecordingHealth {
 public:
  HealthSink Sink() {
    return [this](const absl::Status& status) {
      MutexLock lock(mutex_);
      all_.push_back(status);
      changed_.NotifyAll();
    };
  }
  std::vector<absl::Status> All() {
    MutexLock lock(mutex_);
    return all_;
  }
  bool WaitFor(absl::StatusCode code) {
    MutexLock lock(mutex_);
    while (all_.empty() || all_.back().code() != code) {
      if (!changed_.WaitFor(mutex_, kPatience)) return false;
    }
    return true;
  }
  // Until it has failed and become healthy once more than at the last call.
  bool WaitRecovered() {
    MutexLock lock(mutex_);
    for (;;) {
      const auto ok = [](const absl::Status& status) { return status.ok(); };
      const auto failed = std::find_if_not(all_.begin() + static_cast<ptrdiff_t>(seen_), all_.end(), ok);
      const auto recovered = std::find_if(failed, all_.end(), ok);
      if (recovered != all_.end()) {
        seen_ = static_cast<size_t>(recovered - all_.begin()) + 1;
        return true;
      }
      if (!changed_.WaitFor(mutex_, kPatience)) return false;
    }
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<absl::Status> all_ HS_GUARDED_BY(mutex_);
  size_t seen_ HS_GUARDED_BY(mutex_) = 0;
};

// Keeps what a feed says, and can wait for it.
class RecordingFeed : public FeedSink {
 public:
  void OnClaimed(std::vector<Claimed> events) override {
    MutexLock lock(mutex_);
    for (Claimed& claimed : events) claimed_.push_back(std::move(claimed));
    changed_.NotifyAll();
  }
  void OnClaimLost(std::vector<Seq> seqs) override {
    MutexLock lock(mutex_);
    lost_.insert(lost_.end(), seqs.begin(), seqs.end());
    changed_.NotifyAll();
  }
  void OnCommitted(CommitToken token, absl::Status status) override {
    MutexLock lock(mutex_);
    committed_.emplace_back(token, std::move(status));
    changed_.NotifyAll();
  }

  // Takes the first `count` claims; fewer when they did not come in time.
  std::vector<Claimed> Take(size_t count) {
    MutexLock lock(mutex_);
    while (claimed_.size() < count && changed_.WaitFor(mutex_, kPatience)) {
    }
    const size_t n = std::min(count, claimed_.size());
    std::vector<Claimed> taken(std::make_move_iterator(claimed_.begin()),
                               std::make_move_iterator(claimed_.begin() + static_cast<ptrdiff_t>(n)));
    claimed_.erase(claimed_.begin(), claimed_.begin() + static_cast<ptrdiff_t>(n));
    return taken;
  }
  std::vector<Seq> TakeSeqs(size_t count) {
    std::vector<Seq> seqs;
    for (const Claimed& claimed : Take(count)) seqs.push_back(claimed.event->seq);
    return seqs;
  }
  // What has come and was not taken.
  size_t Waiting() {
    MutexLock lock(mutex_);
    return claimed_.size();
  }
  std::vector<Seq> WaitLost(size_t count) {
    MutexLock lock(mutex_);
    while (lost_.size() < count && changed_.WaitFor(mutex_, kPatience)) {
    }
    return lost_;
  }
  absl::Status WaitCommitted(CommitToken token) {
    MutexLock lock(mutex_);
    for (;;) {
      for (const auto& [committed, status] : committed_) {
        if (committed == token) return status;
      }
      if (!changed_.WaitFor(mutex_, kPatience)) return absl::DeadlineExceededError("OnCommitted did not come");
    }
  }
  std::vector<CommitToken> CommittedOrder() {
    MutexLock lock(mutex_);
    std::vector<CommitToken> order;
    for (const auto& [token, status] : committed_) order.push_back(token);
    return order;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<Claimed> claimed_ HS_GUARDED_BY(mutex_);
  std::vector<Seq> lost_ HS_GUARDED_BY(mutex_);
  std::vector<std::pair<CommitToken, absl::Status>> committed_ HS_GUARDED_BY(mutex_);
};

// A feed and what it said. Closed with the object.
struct TestFeed {
  std::unique_ptr<RecordingFeed> sink = std::make_unique<RecordingFeed>();
  std::unique_ptr<Feed> feed;
  CommitToken last_token = 0;

  absl::Status Commit(std::vector<Outcome> outcomes, bool confirm = true) {
    feed->Commit(++last_token, std::move(outcomes), confirm);
    return sink->WaitCommitted(last_token);
  }
  absl::Status AckAll(const std::vector<Seq>& seqs) {
    std::vector<Outcome> outcomes;
    for (const Seq seq : seqs) outcomes.push_back({seq, Ack{}});
    return Commit(std::move(outcomes));
  }
  std::vector<Seq> Claim(int64_t count) {
    feed->Want(count, int64_t{1} << 40);
    return sink->TakeSeqs(static_cast<size_t>(count));
  }
};

// Waiting forms of the store's verbs.
class Client {
 public:
  explicit Client(Store& store) : store_(store) {}

  absl::StatusOr<std::vector<Appended>> AppendAll(std::vector<NewEvent> events) {
    Answer<absl::StatusOr<std::vector<Appended>>> answer;
    if (absl::Status refused = store_.Append(std::move(events), answer.Callback()); !refused.ok()) return refused;
    return answer.Get();
  }
  absl::StatusOr<Appended> Append(NewEvent event) {
    std::vector<NewEvent> events;
    events.push_back(std::move(event));
    auto appended = AppendAll(std::move(events));
    if (!appended.ok()) return appended.status();
    return appended->front();
  }
  // The sequences of `count` events without ids, in one request.
  std::vector<Seq> Fill(int count, std::string prefix = "body ") {
    std::vector<NewEvent> events;
    for (int i = 0; i < count; ++i) events.push_back(MakeEvent(absl::StrCat(prefix, i)));
    auto appended = AppendAll(std::move(events));
    EXPECT_TRUE(appended.ok()) << appended.status();
    std::vector<Seq> seqs;
    if (appended.ok()) {
      for (const Appended& one : *appended) seqs.push_back(one.seq);
    }
    return seqs;
  }
  absl::StatusOr<SubscriptionRecord> Put(std::string name, std::string spec = "spec", Revision expected = 0,
                                         Position start = Earliest{}) {
    Answer<absl::StatusOr<SubscriptionRecord>> answer;
    store_.PutSubscription(std::move(name), std::move(spec), expected, start, answer.Callback());
    return answer.Get();
  }
  absl::Status PutRecord(std::string name, std::string value) {
    Answer<absl::Status> answer;
    store_.PutRecord({std::move(name), std::move(value)}, answer.Callback());
    return answer.Get();
  }
  // "name=value" of each.
  std::vector<std::string> Records(std::string prefix) {
    Answer<absl::StatusOr<std::vector<Record>>> answer;
    store_.ListRecords(std::move(prefix), answer.Callback());
    const auto records = answer.Get();
    EXPECT_TRUE(records.ok()) << records.status();
    std::vector<std::string> texts;
    for (const Record& record : records.value_or(std::vector<Record>())) {
      texts.push_back(absl::StrCat(record.name, "=", record.value));
    }
    return texts;
  }
  absl::Status Drop(SubscriptionId id) {
    Answer<absl::Status> answer;
    store_.DropSubscription(id, answer.Callback());
    return answer.Get();
  }
  absl::StatusOr<SubscriptionRecord> Seek(SubscriptionId id, Generation expected, Position position) {
    Answer<absl::StatusOr<SubscriptionRecord>> answer;
    store_.Seek(id, expected, position, answer.Callback());
    return answer.Get();
  }
  absl::StatusOr<DeadPage> ListDead(SubscriptionId id, Seq from = 0, MetaFilter filter = nullptr,
                                    PageLimit limit = {}) {
    Answer<absl::StatusOr<DeadPage>> answer;
    store_.ListDead(id, from, std::move(filter), limit, answer.Callback());
    return answer.Get();
  }
  absl::StatusOr<int64_t> Redrive(SubscriptionId id, std::vector<Seq> seqs) {
    Answer<absl::StatusOr<int64_t>> answer;
    store_.Redrive(id, std::move(seqs), answer.Callback());
    return answer.Get();
  }
  absl::StatusOr<int64_t> PurgeDead(SubscriptionId id, std::vector<Seq> seqs) {
    Answer<absl::StatusOr<int64_t>> answer;
    store_.PurgeDead(id, std::move(seqs), answer.Callback());
    return answer.Get();
  }
  absl::StatusOr<EventPage> Read(Position from, MetaFilter filter = nullptr, PageLimit limit = {}) {
    Answer<absl::StatusOr<EventPage>> answer;
    store_.Read(from, std::move(filter), limit, answer.Callback());
    return answer.Get();
  }
  absl::StatusOr<EventPage> ReadBackwards(Position from, MetaFilter filter = nullptr, PageLimit limit = {}) {
    Answer<absl::StatusOr<EventPage>> answer;
    store_.ReadBackwards(from, std::move(filter), limit, answer.Callback());
    return answer.Get();
  }
  absl::StatusOr<EventRef> ReadOne(Seq seq) {
    Answer<absl::StatusOr<EventRef>> answer;
    store_.ReadOne(seq, answer.Callback());
    return answer.Get();
  }
  absl::StatusOr<SubscriptionStats> Stats(SubscriptionId id) {
    Answer<absl::StatusOr<SubscriptionStats>> answer;
    store_.GetSubscriptionStats(id, answer.Callback());
    return answer.Get();
  }
  TestFeed Attach(SubscriptionId id, Generation generation = 1, MetaFilter filter = nullptr) {
    TestFeed test;
    auto feed = store_.Attach(id, generation, std::move(filter), *test.sink);
    EXPECT_TRUE(feed.ok()) << feed.status();
    if (feed.ok()) test.feed = *std::move(feed);
    return test;
  }
  TestFeed AttachEphemeral(Position start, MetaFilter filter = nullptr) {
    TestFeed test;
    auto feed = store_.AttachEphemeral(start, std::move(filter), *test.sink);
    EXPECT_TRUE(feed.ok()) << feed.status();
    if (feed.ok()) test.feed = *std::move(feed);
    return test;
  }

 private:
  Store& store_;
};

// Polls: for what no callback tells.
inline bool Eventually(const std::function<bool()>& holds) {
  const absl::Duration step = absl::Milliseconds(1);
  for (absl::Duration waited; waited < kPatience; waited += step) {
    if (holds()) return true;
    std::promise<void> never;
    never.get_future().wait_for(absl::ToChronoMilliseconds(step));
  }
  return holds();
}

inline std::vector<Seq> SeqsOf(const std::vector<EventRef>& events) {
  std::vector<Seq> seqs;
  for (const EventRef& event : events) seqs.push_back(event->seq);
  return seqs;
}

}  // namespace hookstream::store::testing
