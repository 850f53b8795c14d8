// kill -9 at random moments, under load from several senders and subscribers, again and again on the same data.
//
// What is checked, over all rounds:
//   - every event that was answered 2xx is delivered to each subscription
//   - a duplicate's 2xx names an event that is delivered
//   - an event whose acknowledgement was confirmed is never delivered again
//   - an event's attempt never decreases, and grows by one only after a failure that could have been recorded
// Five rounds; thirty-five with HOOKSTREAM_TEST_LONG=1, or as many as HOOKSTREAM_CRASH_ROUNDS says. The seed is
// printed; HOOKSTREAM_TEST_SEED repeats its choices (not the machine's timing).
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "cli/http_client.h"
#include "tests/support/process/process.h"
#include "tests/support/process/subscriber.h"

namespace hookstream::testing {
namespace {

constexpr char kConfiguration[] = R"(
sources: [{name: open, provider: github, verification: none}]
subscriptions:
  - {name: one, start: earliest, max_attempts: 0, retry: {min_backoff: 10ms, max_backoff: 50ms}}
  - {name: two, start: earliest, max_attempts: 0, retry: {min_backoff: 10ms, max_backoff: 50ms}}
)";
constexpr const char* kSubscriptions[] = {"one", "two"};
constexpr int kSenders = 3;
constexpr int kStreamsEach = 2;

int64_t EnvironmentOr(const char* name, int64_t value) {
  const char* text = std::getenv(name);
  return text == nullptr ? value : std::strtoll(text, nullptr, 10);
}

// What one subscription has seen. Violations are collected, not asserted, since several threads report.
class Ledger {
 public:
  explicit Ledger(std::string name) : name_(std::move(name)) {}

  void Delivered(const std::string& id, int attempt) {
    MutexLock lock(mutex_);
    ++deliveries_;
    Entry& entry = entries_[id];
    if (entry.confirmed)
      Violation(absl::StrCat(id, " came again (attempt ", attempt, ") after its acknowledgement was confirmed"));
    if (attempt < entry.attempt)
      Violation(absl::StrCat(id, ": attempt went back from ", entry.attempt, " to ", attempt));
    if (attempt > entry.failures + 1)
      Violation(absl::StrCat(id, ": attempt ", attempt, " after ", entry.failures, " failures"));
    entry.attempt = attempt;
  }
  // Before the settlement is sent: the relay may make it durable and never be able to say so.
  void Failing(const std::string& id) {
    MutexLock lock(mutex_);
    ++entries_[id].failures;
    entries_[id].acked = false;
  }
  void Acking(const std::string& id) {
    MutexLock lock(mutex_);
    entries_[id].acked = true;
  }
  void Confirmed(const std::string& id) {
    MutexLock lock(mutex_);
    entries_[id].confirmed = true;
  }
  // Those of `ids` that never came, or whose last delivery was failed: they have to come yet.
  std::set<std::string> Unsettled(const std::set<std::string>& ids) const {
    MutexLock lock(mutex_);
    std::set<std::string> missing;
    for (const std::string& id : ids) {
      const auto found = entries_.find(id);
      if (found == entries_.end() || !found->second.acked) missing.insert(id);
    }
    return missing;
  }
  // What was seen of an event, for the report of a failure.
  std::string Describe(const std::string& id) const {
    MutexLock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) return absl::StrCat(id, " never came");
    const Entry& entry = found->second;
    return absl::StrCat(id, ": last attempt ", entry.attempt, ", failed ", entry.failures, " times, ",
                        entry.acked ? "acknowledged last" : "failed last", entry.confirmed ? ", confirmed" : "");
  }
  std::vector<std::string> Violations() const {
    MutexLock lock(mutex_);
    return violations_;
  }
  int64_t deliveries() const {
    MutexLock lock(mutex_);
    return deliveries_;
  }

 private:
  struct Entry {
    int attempt = 0;
    int failures = 0;
    bool acked = false;
    bool confirmed = false;
  };
  void Violation(const std::string& text) HS_REQUIRES(mutex_) {
    violations_.push_back(absl::StrCat(name_, ": ", text));
  }

  const std::string name_;
  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ HS_GUARDED_BY(mutex_);
  std::vector<std::string> violations_ HS_GUARDED_BY(mutex_);
  int64_t deliveries_ HS_GUARDED_BY(mutex_) = 0;
};

// What was answered 2xx.
class Accepted {
 public:
  void Add(const std::string& id) {
    MutexLock lock(mutex_);
    ids_.insert(id);
  }
  std::set<std::string> Ids() const {
    MutexLock lock(mutex_);
    return ids_;
  }
  size_t Count() const {
    MutexLock lock(mutex_);
    return ids_.size();
  }

 private:
  mutable Mutex mutex_;
  std::set<std::string> ids_ HS_GUARDED_BY(mutex_);
};

// Posts until the relay is gone. A delivery whose answer got lost is sent again in the next round, as a provider does.
class Sender {
 public:
  Sender(const RelayProcess& relay, int number, uint64_t seed, Accepted& accepted)
      : relay_(relay), number_(number), random_(seed), accepted_(accepted) {}

  void Run(const std::atomic<bool>& stop) {
    cli::HttpClient client(absl::Seconds(20));
    cli::HttpRequest request;
    request.url = *cli::ParseHttpUrl(relay_.Url("open"));
    while (!stop) {
      if (pending_.empty()) pending_ = absl::StrCat("s", number_, "-", ++count_);
      // Every so often an earlier one once more.
      const bool again = count_ > 1 && random_() % 16 == 0;
      const std::string name = again ? absl::StrCat("s", number_, "-", 1 + random_() % (count_ - 1)) : pending_;
      request.headers = {{"Content-Type", "application/json"}, {"X-GitHub-Event", "ping"}, {"X-GitHub-Delivery", name}};
      request.body = absl::StrCat("{\"zen\":\"", std::string(1 + random_() % 2'000, 'z'), "\"}");
      const auto response = client.Send(request);
      if (!response.ok()) return;
      if (response->status != 200) continue;
      const size_t at = response->body.find("\"id\":\"");
      accepted_.Add(response->body.substr(at + 6, 26));
      if (!again) pending_.clear();
    }
  }

 private:
  const RelayProcess& relay_;
  const int number_;
  std::mt19937_64 random_;
  Accepted& accepted_;
  std::string pending_;
  uint64_t count_ = 0;
};

// Receives until the stream ends: acknowledges most, fails some.
void Receive(Subscriber& subscriber, Ledger& ledger, uint64_t seed, bool fail_some, const std::atomic<bool>& stop) {
  std::mt19937_64 random(seed);
  std::map<std::string, std::string> waiting;  // delivery id -> event id, acknowledgements without an answer yet
  const auto collect = [&] {
    for (auto it = waiting.begin(); it != waiting.end();) {
      const auto result = subscriber.Result(it->first, absl::ZeroDuration());
      if (result == v1::SETTLEMENT_STATUS_OK) ledger.Confirmed(it->second);
      it = result ? waiting.erase(it) : std::next(it);
    }
  };
  while (!stop) {
    const auto delivery = subscriber.Next(absl::Milliseconds(50));
    collect();
    if (!delivery) {
      if (subscriber.Finish(absl::ZeroDuration())) break;
      continue;
    }
    const std::string& id = delivery->event().id();
    ledger.Delivered(id, delivery->attempt());
    if (fail_some && random() % 10 == 0) {
      ledger.Failing(id);
      subscriber.Nack(delivery->delivery_id(), "on purpose", absl::ZeroDuration());
    } else {
      ledger.Acking(id);
      waiting.emplace(delivery->delivery_id(), id);
      subscriber.Ack(delivery->delivery_id());
    }
  }
  collect();
}

TEST(CrashTest, NothingThatWasAcceptedIsLostAndNoConfirmedAckIsForgotten) {
  const bool run_long = EnvironmentOr("HOOKSTREAM_TEST_LONG", 0) != 0;
  const auto rounds = EnvironmentOr("HOOKSTREAM_CRASH_ROUNDS", run_long ? 35 : 5);
  const auto seed =
      static_cast<uint64_t>(EnvironmentOr("HOOKSTREAM_TEST_SEED", static_cast<int64_t>(std::random_device()())));
  std::cout << "seed " << seed << ", " << rounds << " rounds" << std::endl;
  std::mt19937_64 random(seed);

  RelayProcess relay(kConfiguration);
  Accepted accepted;
  std::vector<std::unique_ptr<Ledger>> ledgers;
  for (const char* name : kSubscriptions) ledgers.push_back(std::make_unique<Ledger>(name));
  std::vector<std::unique_ptr<Sender>> senders;
  for (int i = 0; i < kSenders; ++i) senders.push_back(std::make_unique<Sender>(relay, i, random(), accepted));

  // `work` runs while senders and subscribers do; then all are ended.
  const auto with_load = [&](bool sending, bool fail_some, const auto& work) {
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    std::vector<std::unique_ptr<Subscriber>> subscribers;
    for (size_t i = 0; i < ledgers.size(); ++i) {
      for (int stream = 0; stream < kStreamsEach; ++stream) {
        v1::Open open;
        open.set_subscription(kSubscriptions[i]);
        open.set_view(v1::VIEW_METADATA);
        open.set_max_outstanding_events(50);
        subscribers.push_back(std::make_unique<Subscriber>(relay.GrpcAddress(), open));
        threads.emplace_back([&, i, subscriber = subscribers.back().get(), own_seed = random()] {
          Receive(*subscriber, *ledgers[i], own_seed, fail_some, stop);
        });
      }
    }
    if (sending) {
      for (const auto& sender : senders) threads.emplace_back([&stop, sender = sender.get()] { sender->Run(stop); });
    }
    work();
    stop = true;
    for (std::thread& thread : threads) thread.join();
  };

  for (int64_t round = 0; round < rounds; ++round) {
    const absl::Status started = relay.Start();
    ASSERT_TRUE(started.ok()) << "round " << round << ": " << started;
    const size_t before = accepted.Count();
    with_load(true, true, [&] {
      // Not before there is something to lose; then anywhere within the next part of a second.
      EXPECT_TRUE(WaitUntil([&] { return accepted.Count() >= before + 20; })) << relay.Log();
      const absl::Time moment = absl::Now() + absl::Milliseconds(random() % 400);
      WaitUntil([&] { return absl::Now() >= moment; });
      relay.Kill();
    });
    for (const auto& ledger : ledgers) {
      for (const std::string& violation : ledger->Violations()) ADD_FAILURE() << "round " << round << ": " << violation;
    }
    ASSERT_FALSE(HasFailure());
  }

  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  const std::set<std::string> ids = accepted.Ids();
  with_load(false, false, [&] {
    for (const auto& ledger : ledgers) {
      EXPECT_TRUE(WaitUntil([&] { return ledger->Unsettled(ids).empty(); }, absl::Seconds(60)));
    }
  });
  int64_t deliveries = 0;
  for (size_t i = 0; i < ledgers.size(); ++i) {
    const std::set<std::string> lost = ledgers[i]->Unsettled(ids);
    for (const std::string& id : lost) ADD_FAILURE() << kSubscriptions[i] << ": " << ledgers[i]->Describe(id);
    for (const std::string& violation : ledgers[i]->Violations()) ADD_FAILURE() << violation;
    deliveries += ledgers[i]->deliveries();
  }
  EXPECT_EQ(relay.Stop(), 0) << relay.Log();
  std::cout << ids.size() << " events accepted, " << deliveries << " deliveries over " << rounds << " crashes"
            << std::endl;
}

}  // namespace
}  // namespace hookstream::testing
