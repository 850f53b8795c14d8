// A store as the tracker's owner sees it, in memory: durable and not yet synced state, a feed that follows Want,
// commits that take time, fail, or are lost in a crash. Single-threaded, driven by the world's clock.
#pragma once

#include <map>
#include <random>
#include <set>
#include <vector>

#include "delivery/tracker.h"

namespace hookstream::sim {

using delivery::ClaimedEvent;
using delivery::CommitToken;
using delivery::Outcome;
using delivery::OutcomeKind;

enum class Disposition { kPending, kSettled, kDead };

// What the store knows of an event in the current generation.
struct Stored {
  Disposition disposition = Disposition::kPending;
  RetryRecord retry = {};
  // Pending with failures: by the store's clock, and the least that the law allows.
  MonoTime due = {};
  MonoTime not_before = {};
  int version = 0;
};

class ModelStore {
 public:
  struct EventFacts {
    int64_t bytes = 0;
    bool matches = true;
    bool poison = false;
  };
  struct Answer {
    CommitToken token;
    bool ok;
  };

  explicit ModelStore(std::mt19937_64& rng) : rng_(rng) {}

  Seq Append(EventFacts facts);
  const EventFacts& Facts(Seq seq) const { return facts_.at(seq); }
  Seq LastSeq() const { return static_cast<Seq>(facts_.size()); }

  // The feed.
  void Want(int64_t events, int64_t bytes);
  std::vector<ClaimedEvent> HandOut(size_t events_max, MonoTime now);
  void Release(Seq seq) { claimed_.erase(seq); }
  // Takes claims of events that match away; they are handed out again.
  std::vector<Seq> LoseClaims(size_t events_max);

  // Commits.
  void Commit(CommitToken token, std::vector<Outcome> outcomes, bool confirm, MonoTime now);
  std::vector<Answer> Answers(MonoTime now);
  MonoTime NextAnswer() const;
  bool InFlight(Seq seq) const { return in_flight_seqs_.contains(seq); }
  void Sync();

  // The administration.
  std::vector<Seq> Redrive(size_t events_max);
  // A new generation that begins at `from`.
  void Seek(Seq from);

  // The process dies: what is not synced may be lost, what is in flight may have been written or not.
  void Crash(MonoTime now);
  // The process stops in order. Answers that only an earlier generation waits for are gone with it: a new tracker
  // counts its tokens from 1 again.
  void Stop();

  // Faults.
  void SetFailing(bool failing) { failing_ = failing; }
  void SetLatency(absl::Duration max) { latency_max_ = max; }

  const Stored& Synced(Seq seq) const { return synced_.at(seq); }
  const Stored& Applied(Seq seq) const { return applied_.at(seq); }
  const std::set<Seq>& ClaimedSeqs() const { return claimed_; }
  int64_t wanted_events() const { return wanted_events_; }
  bool AllDone() const { return pending_.empty(); }
  size_t DeadCount() const;

 private:
  struct Write {
    Seq seq;
    Stored value;
  };
  struct Flight {
    CommitToken token;
    std::vector<Outcome> outcomes;
    bool confirm;
    MonoTime sent_at;
    MonoTime done_at;
  };

  bool Chance(double p) { return static_cast<double>(rng_() >> 11) * 0x1p-53 < p; }
  std::vector<Write> Resolve(const Flight& flight, MonoTime now) const;
  void Apply(const std::vector<Write>& writes);
  void DropFeed();
  void RebuildPending();

  std::mt19937_64& rng_;
  std::map<Seq, EventFacts> facts_;
  std::map<Seq, Stored> applied_;
  std::map<Seq, Stored> synced_;
  std::vector<std::vector<Write>> unsynced_;
  std::vector<std::vector<Write>> failed_;  // may reappear after a crash
  std::set<Seq> pending_;                   // of applied_
  std::set<Seq> claimed_;
  std::vector<Flight> flights_;
  std::multiset<Seq> in_flight_seqs_;
  int64_t wanted_events_ = 0;
  int64_t wanted_bytes_ = 0;
  bool failing_ = false;
  absl::Duration latency_max_ = absl::Milliseconds(50);
  Seq first_seq_ = 1;
};

}  // namespace hookstream::sim
