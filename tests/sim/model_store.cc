#include "tests/sim/model_store.h"

#include <algorithm>

namespace hookstream::sim {

Seq ModelStore::Append(EventFacts facts) {
  const Seq seq = LastSeq() + 1;
  facts_[seq] = facts;
  applied_[seq] = {};
  synced_[seq] = {};
  pending_.insert(seq);
  return seq;
}

void ModelStore::Want(int64_t events, int64_t bytes) {
  wanted_events_ += events;
  wanted_bytes_ += bytes;
}

std::vector<ClaimedEvent> ModelStore::HandOut(size_t events_max, MonoTime now) {
  std::vector<ClaimedEvent> out;
  for (const Seq seq : pending_) {
    if (wanted_events_ <= 0 || wanted_bytes_ <= 0 || out.size() >= events_max) break;
    if (!claimed_.insert(seq).second) continue;
    const Stored& stored = applied_.at(seq);
    ClaimedEvent& event = out.emplace_back();
    event.seq = seq;
    event.bytes = facts_.at(seq).bytes;
    event.retry = stored.retry;
    if (stored.retry.attempts > 0) event.delay = std::max(absl::ZeroDuration(), stored.due - now);
    wanted_events_ -= 1;
    wanted_bytes_ -= event.bytes;
  }
  return out;
}

std::vector<Seq> ModelStore::LoseClaims(size_t events_max) {
  std::vector<Seq> lost;
  for (const Seq seq : claimed_) {
    if (facts_.at(seq).matches && lost.size() < events_max && Chance(0.3)) lost.push_back(seq);
  }
  for (const Seq seq : lost) claimed_.erase(seq);
  return lost;
}

void ModelStore::Commit(CommitToken token, std::vector<Outcome> outcomes, bool confirm, MonoTime now) {
  for (const Outcome& outcome : outcomes) in_flight_seqs_.insert(outcome.seq);
  const absl::Duration latency = latency_max_ * (static_cast<double>(rng_() >> 11) * 0x1p-53);
  flights_.push_back({token, std::move(outcomes), confirm, now, now + latency});
}

std::vector<ModelStore::Write> ModelStore::Resolve(const Flight& flight, MonoTime now) const {
  std::vector<Write> writes;
  for (const Outcome& outcome : flight.outcomes) {
    Write write{outcome.seq, applied_.at(outcome.seq)};
    ++write.value.version;
    switch (outcome.kind) {
      case OutcomeKind::kAck: write.value.disposition = Disposition::kSettled; break;
      case OutcomeKind::kRetry:
        write.value.retry = outcome.record;
        write.value.due = now + outcome.delay;
        write.value.not_before = flight.sent_at + outcome.delay;
        break;
      case OutcomeKind::kDead:
        write.value.disposition = Disposition::kDead;
        write.value.retry = outcome.record;
        break;
    }
    writes.push_back(std::move(write));
  }
  return writes;
}

void ModelStore::Apply(const std::vector<Write>& writes) {
  for (const Write& write : writes) {
    applied_[write.seq] = write.value;
    if (write.value.disposition == Disposition::kPending) continue;
    pending_.erase(write.seq);
    claimed_.erase(write.seq);
  }
  unsynced_.push_back(writes);
}

std::vector<ModelStore::Answer> ModelStore::Answers(MonoTime now) {
  std::vector<Answer> answers;
  for (size_t i = 0; i < flights_.size();) {
    if (flights_[i].done_at > now) {
      ++i;
      continue;
    }
    const Flight flight = std::move(flights_[i]);
    flights_.erase(flights_.begin() + static_cast<ptrdiff_t>(i));
    for (const Outcome& outcome : flight.outcomes) in_flight_seqs_.erase(in_flight_seqs_.find(outcome.seq));
    const std::vector<Write> writes = Resolve(flight, now);
    if (failing_) {
      failed_.push_back(writes);
    } else {
      Apply(writes);
      if (flight.confirm) Sync();
    }
    answers.push_back({flight.token, !failing_});
  }
  return answers;
}

MonoTime ModelStore::NextAnswer() const {
  MonoTime next = MonoTime::Infinite();
  for (const Flight& flight : flights_) next = std::min(next, flight.done_at);
  return next;
}

void ModelStore::Sync() {
  for (const auto& writes : unsynced_) {
    for (const Write& write : writes) synced_[write.seq] = write.value;
  }
  unsynced_.clear();
}

std::vector<Seq> ModelStore::Redrive(size_t events_max) {
  std::vector<Seq> redriven;
  for (Seq seq = first_seq_; seq <= LastSeq() && redriven.size() < events_max; ++seq) {
    if (synced_.at(seq).disposition != Disposition::kDead || InFlight(seq)) continue;
    applied_[seq] = {.version = applied_[seq].version + 1};
    synced_[seq] = applied_[seq];
    pending_.insert(seq);
    redriven.push_back(seq);
  }
  return redriven;
}

void ModelStore::Seek(Seq from) {
  Sync();
  first_seq_ = from;
  // Answers of the old generation still come, and must do nothing.
  for (Flight& flight : flights_) flight.outcomes.clear();
  in_flight_seqs_.clear();
  failed_.clear();
  for (const auto& [seq, facts] : facts_) {
    applied_[seq] = {.disposition = seq < from ? Disposition::kSettled : Disposition::kPending};
    synced_[seq] = applied_[seq];
  }
  DropFeed();
}

void ModelStore::Crash(MonoTime now) {
  // Of what is not synced, any prefix survives; then what was in flight may have made it.
  const size_t survivors = unsynced_.empty() ? 0 : rng_() % (unsynced_.size() + 1);
  unsynced_.resize(survivors);
  Sync();
  applied_ = synced_;
  for (const Flight& flight : flights_) {
    if (Chance(0.5)) Apply(Resolve(flight, now));
  }
  for (const auto& writes : failed_) {
    const bool current = std::all_of(writes.begin(), writes.end(), [this](const Write& write) {
      return write.value.version == applied_.at(write.seq).version + 1;
    });
    if (current && Chance(0.5)) Apply(writes);
  }
  flights_.clear();
  in_flight_seqs_.clear();
  failed_.clear();
  DropFeed();
}

void ModelStore::Stop() {
  flights_.clear();
  in_flight_seqs_.clear();
  DropFeed();
}

void ModelStore::DropFeed() {
  Sync();
  claimed_.clear();
  wanted_events_ = 0;
  wanted_bytes_ = 0;
  RebuildPending();
}

void ModelStore::RebuildPending() {
  pending_.clear();
  for (const auto& [seq, stored] : applied_) {
    if (stored.disposition == Disposition::kPending) pending_.insert(seq);
  }
}

size_t ModelStore::DeadCount() const {
  return static_cast<size_t>(std::count_if(applied_.begin(), applied_.end(), [](const auto& entry) {
    return entry.second.disposition == Disposition::kDead;
  }));
}

}  // namespace hookstream::sim
