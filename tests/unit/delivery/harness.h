// A tracker with a clock of its own, and short words for what a test does with it.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "delivery/tracker.h"
#include "gtest/gtest.h"

namespace hookstream::delivery {

inline constexpr StreamId kStream = 1;

class Harness {
 public:
  static Settings NoJitter() {
    Settings settings;
    settings.retry.jitter = 0;
    settings.max_attempts = 3;
    return settings;
  }

  explicit Harness(const Settings& settings = NoJitter()) : tracker(settings, 7, rng_) {}

  Now now() const { return {mono_, absl::FromUnixSeconds(1'700'000'000) + mono_.since_start}; }

  // One Step; what it does is in `actions` and in the record of deliveries.
  Actions& Step() {
    tracker.Step(now(), actions);
    for (const SendRun& run : actions.sends) {
      for (uint32_t i = run.first; i < run.first + run.count; ++i) {
        const Delivery& delivery = actions.deliveries[i];
        newest[delivery.id.seq] = delivery.id;
        sent_to[delivery.id.seq] = run.stream;
      }
    }
    return actions;
  }

  Actions& After(absl::Duration d) {
    mono_ = mono_ + d;
    return Step();
  }

  void Open(StreamId stream = kStream, Credit credit = {100, 1'000'000}, bool confirm = true, std::string client = "") {
    tracker.Open({.stream = stream, .client_id = std::move(client), .credit = credit, .confirm = confirm}, now());
  }

  void Resume(StreamId stream, std::string client, StreamId session, std::vector<DeliveryId> held) {
    tracker.Open({.stream = stream,
                  .client_id = std::move(client),
                  .resumes = session,
                  .held = std::move(held),
                  .credit = {100, 1'000'000},
                  .confirm = true},
                 now());
  }

  void Close(StreamId stream, CloseHow how) { tracker.Close(stream, how, now()); }

  void Claim(std::vector<Seq> seqs, int64_t bytes = 100) {
    std::vector<ClaimedEvent> events;
    for (const Seq seq : seqs) events.push_back({.seq = seq, .bytes = bytes});
    tracker.Claimed(events, now());
  }

  void ClaimWith(Seq seq, RetryRecord record, absl::Duration delay = absl::ZeroDuration()) {
    ClaimedEvent event{.seq = seq, .bytes = 100, .retry = std::move(record), .delay = delay};
    tracker.Claimed({&event, 1}, now());
  }

  void Settle(const Settlement& settlement, StreamId stream = kStream) {
    tracker.Settle(stream, {&settlement, 1}, now());
  }
  void Ack(Seq seq, StreamId stream = kStream) { Settle({.id = newest.at(seq)}, stream); }
  void Nack(Seq seq, std::optional<absl::Duration> delay = std::nullopt, std::string_view reason = "no") {
    Settle({.id = newest.at(seq), .kind = SettleKind::kNack, .delay = delay, .reason = reason});
  }
  void Reject(Seq seq) { Settle({.id = newest.at(seq), .kind = SettleKind::kReject, .reason = "bad"}); }
  void Extend(Seq seq, std::optional<absl::Duration> to = std::nullopt) {
    Settle({.id = newest.at(seq), .kind = SettleKind::kExtend, .delay = to});
  }

  // Answers the commit of the last Step, and steps.
  Actions& Commit(bool ok = true) {
    EXPECT_NE(actions.commit, 0u);
    tracker.Committed(actions.commit, ok, now());
    return Step();
  }

  // Opens a stream, has one event delivered on it.
  void Deliver(Seq seq = 1) {
    Open();
    Claim({seq});
    Step();
    EXPECT_TRUE(newest.contains(seq));
  }

  std::vector<Seq> Delivered() const {
    std::vector<Seq> seqs;
    for (const Delivery& delivery : actions.deliveries) seqs.push_back(delivery.id.seq);
    return seqs;
  }

  std::vector<ResultStatus> Results() const {
    std::vector<ResultStatus> statuses;
    for (const Result& result : actions.results) statuses.push_back(result.status);
    return statuses;
  }

 private:
  std::mt19937_64 rng_{42};
  MonoTime mono_{absl::Seconds(1)};

 public:
  Tracker tracker;
  Actions actions;
  std::map<Seq, DeliveryId> newest;
  std::map<Seq, StreamId> sent_to;
};

inline RetryRecord Failed(int attempts, FailureKind kind = FailureKind::kNack) {
  RetryRecord record{.attempts = attempts, .failures = {}};
  for (int n = attempts; n > 0 && record.failures.size() < kFailuresKept; --n) {
    record.failures.push_back({.kind = kind, .reason = "", .time = absl::UnixEpoch(), .attempt = n});
  }
  return record;
}

}  // namespace hookstream::delivery
