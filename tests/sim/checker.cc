#include "tests/sim/checker.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace hookstream::sim {
namespace {

std::string Name(Seq seq) { return absl::StrCat("event ", seq); }

bool Within(absl::Duration d, absl::Duration low, absl::Duration high) {
  constexpr absl::Duration kRounding = absl::Microseconds(1);
  return d >= low - kRounding && d <= high + kRounding;
}

}  // namespace

void Checker::Fail(int invariant, std::string what) {
  if (!violation_.has_value()) violation_ = Violation{invariant, std::move(what)};
}

void Checker::EndLease(RefEvent& event) {
  if (!event.leased) return;
  event.leased = false;
  RefStream& stream = streams_[event.stream];
  stream.outstanding.events -= 1;
  stream.outstanding.bytes -= event.bytes;
}

// The event leaves the tracker unsettled: its old delivery ids are worth nothing.
void Checker::Forget(Seq seq) {
  RefEvent& event = events_[seq];
  EndLease(event);
  event = {.final_ok = event.final_ok};
}

void Checker::OnOpen(const StreamOpen& open) {
  const bool resumes = open.resumes != 0 && !open.client_id.empty();
  streams_[open.stream] = {.session = resumes ? open.resumes : open.stream,
                           .client_id = open.client_id,
                           .confirm = open.confirm,
                           .credit = open.credit};
  if (!resumes) return;
  for (auto& [seq, event] : events_) {
    if (!event.leased) continue;
    const RefStream& from = streams_[event.stream];
    if (from.state != RefState::kLost || from.session != open.resumes || from.client_id != open.client_id) continue;
    const bool held =
        std::find(open.held.begin(), open.held.end(), DeliveryId{generation_, seq, event.newest}) != open.held.end();
    EndLease(event);
    if (!held) continue;
    event.leased = true;
    event.stream = open.stream;
    streams_[open.stream].outstanding.events += 1;
    streams_[open.stream].outstanding.bytes += event.bytes;
  }
}

void Checker::OnCredit(StreamId stream, Credit credit) { streams_[stream].credit = credit; }

void Checker::OnClose(StreamId id, CloseHow how, MonoTime now) {
  RefStream& stream = streams_[id];
  switch (how) {
    case CloseHow::kDetach: stream.state = RefState::kDetached; return;
    case CloseHow::kHalfClose:
    case CloseHow::kDrain:
      stream.state = RefState::kDetached;
      for (auto& [seq, event] : events_) {
        if (event.leased && event.stream == id) EndLease(event);
      }
      return;
    case CloseHow::kLost:
      stream.state = RefState::kLost;
      stream.grace_end = stream.client_id.empty() ? now : now + settings_.resume_grace;
      if (!stream.client_id.empty()) return;
      for (auto& [seq, event] : events_) {
        if (!event.leased || event.stream != id) continue;
        EndLease(event);
        event.lost = true;
      }
      return;
  }
}

void Checker::OnSettle(StreamId stream_id, const Settlement& settlement, MonoTime now) {
  const auto it = streams_.find(stream_id);
  if (it == streams_.end() || it->second.state != RefState::kOpen || it->second.confirm) {
    Awaited& awaited = awaiting_[{stream_id, {settlement.id.seq, settlement.id.number}}];
    ++awaited.unanswered;
    awaited.extensions += settlement.kind == SettleKind::kExtend;
    awaited.ack |= settlement.kind == SettleKind::kAck;
    awaited.nack |= settlement.kind == SettleKind::kNack;
    awaited.reject |= settlement.kind == SettleKind::kReject;
  }
  if (settlement.id.generation != generation_) return;
  const auto found = events_.find(settlement.id.seq);
  if (found == events_.end()) return;
  RefEvent& event = found->second;
  if (event.newest == 0 || event.newest != settlement.id.number) {
    event.stale |= Bit(settlement.kind);
    return;
  }
  if (settlement.kind == SettleKind::kAck) {
    event.acked = true;
    EndLease(event);
    return;
  }
  if (!event.leased) return;
  switch (settlement.kind) {
    case SettleKind::kAck: return;
    case SettleKind::kNack:
      event.nacked = true;
      event.nack_delay = settlement.delay;
      EndLease(event);
      return;
    case SettleKind::kReject:
      event.rejected = true;
      EndLease(event);
      return;
    case SettleKind::kExtend: {
      const MonoTime limit = event.leased_at + settings_.max_lease;
      if (limit <= now) return;
      const absl::Duration wish = std::max(absl::Seconds(1), settlement.delay.value_or(settings_.ack_deadline));
      event.deadline = std::min(now + wish, limit);
      return;
    }
  }
}

void Checker::OnClaimLost(const std::vector<Seq>& seqs) {
  for (const Seq seq : seqs) {
    if (store_.InFlight(seq)) {
      lost_in_flight_[seq] = 1;
    } else {
      Forget(seq);
    }
  }
}

void Checker::OnCommitted(CommitToken token) {
  const auto it = commits_.find(token);
  if (it == commits_.end()) return;
  for (const Seq seq : it->second) {
    // Claimed anew meanwhile: the claim is the tracker's again.
    if (lost_in_flight_.erase(seq) > 0 && !store_.ClaimedSeqs().contains(seq)) Forget(seq);
    if (store_.Applied(seq).disposition == Disposition::kSettled) ++acks_committed_;
  }
  commits_.erase(it);
}

void Checker::OnReset(Generation generation) {
  if (generation != generation_) events_.clear();
  for (auto& [seq, event] : events_) event = {.final_ok = event.final_ok};
  generation_ = generation;
  for (auto it = streams_.begin(); it != streams_.end();) {
    it->second.outstanding = {};
    it = it->second.state == RefState::kOpen ? std::next(it) : streams_.erase(it);
  }
  commits_.clear();
  lost_in_flight_.clear();
  acks_committed_ = 0;
}

void Checker::OnRestart() {
  for (auto& [seq, event] : events_) event = {.final_ok = event.final_ok};
  streams_.clear();
  awaiting_.clear();
  commits_.clear();
  lost_in_flight_.clear();
  acks_committed_ = 0;
}

// Leases that end because time passed, as the tracker sees it in its Step.
void Checker::SweepTime(MonoTime now) {
  for (auto& [seq, event] : events_) {
    if (!event.leased) continue;
    const RefStream& stream = streams_[event.stream];
    if (event.deadline <= now) {
      EndLease(event);
      event.timed_out = true;
    } else if (stream.state == RefState::kLost && stream.grace_end <= now) {
      EndLease(event);
      event.lost = true;
    }
  }
}

void Checker::OnActions(const Actions& actions, const Counts& counts, MonoTime now) {
  SweepTime(now);
  for (const delivery::Result& result : actions.results) CheckResult(result);
  for (const Outcome& outcome : actions.outcomes) CheckOutcome(outcome, actions.confirm);
  for (const Seq seq : actions.releases) {
    if (events_[seq].leased) Fail(4, absl::StrCat(Name(seq), " was released while it was leased"));
    Forget(seq);
  }
  for (const delivery::SendRun& run : actions.sends) {
    for (uint32_t i = run.first; i < run.first + run.count; ++i) CheckDelivery(run.stream, actions.deliveries[i], now);
  }
  CheckWant(actions, counts);
  if (actions.commit == 0) return;
  for (const Outcome& outcome : actions.outcomes) commits_[actions.commit].push_back(outcome.seq);
}

void Checker::CheckResult(const delivery::Result& result) {
  using delivery::ResultStatus;
  const auto it = awaiting_.find({result.stream, {result.id.seq, result.id.number}});
  const bool ok = result.status == ResultStatus::kOk;
  if (it == awaiting_.end()) {
    if (ok) Fail(3, absl::StrCat("result OK for ", Name(result.id.seq), " that nobody waits for"));
    return;
  }
  const Awaited awaited = it->second;
  if (--it->second.unanswered == 0) awaiting_.erase(it);
  if (!ok) return;
  RefEvent& event = events_[result.id.seq];
  if (result.id.generation != generation_ || (event.newest != 0 && event.newest != result.id.number)) {
    Fail(5, absl::StrCat("result OK for an older delivery of ", Name(result.id.seq)));
    return;
  }
  const Stored& stored = store_.Synced(result.id.seq);
  const bool acked = awaited.ack && stored.disposition == Disposition::kSettled;
  const bool rejected = awaited.reject && stored.disposition == Disposition::kDead;
  const bool nacked =
      awaited.nack && (stored.disposition != Disposition::kPending || stored.retry.attempts >= event.attempt);
  event.final_ok |= acked || rejected;
  if (acked || rejected || nacked) return;
  if (awaited.extensions == 0) {
    Fail(3, absl::StrCat("result OK for ", Name(result.id.seq), " before its commit"));
  } else if (awaited.unanswered > 1) {
    --it->second.extensions;
  }
}

void Checker::CheckOutcome(const Outcome& outcome, bool confirm) {
  RefEvent& event = events_[outcome.seq];
  const Stored& stored = store_.Synced(outcome.seq);
  if (store_.InFlight(outcome.seq)) Fail(5, absl::StrCat(Name(outcome.seq), " is in two commits at once"));
  if (outcome.kind == OutcomeKind::kAck) {
    if (!event.acked && !event.skipped) {
      Fail((event.stale & Bit(SettleKind::kAck)) != 0 ? 5 : 1,
           absl::StrCat(Name(outcome.seq), " is settled, but its newest delivery was not acknowledged"));
    }
    return;
  }
  const RetryRecord& record = outcome.record;
  if (!confirm) Fail(10, absl::StrCat("the failure record of ", Name(outcome.seq), " is not to be synced"));
  if (record.failures.empty() || record.failures.size() > kFailuresKept) {
    Fail(10, absl::StrCat(Name(outcome.seq), " has ", record.failures.size(), " failures in its record"));
    return;
  }
  const Failure& failure = record.failures.front();
  if (record.attempts != stored.retry.attempts + 1 || failure.attempt != record.attempts) {
    Fail(4, absl::StrCat("the record of ", Name(outcome.seq), " goes from ", stored.retry.attempts, " to ",
                         record.attempts, " attempts"));
  }
  bool justified = false;
  bool stale = false;
  switch (failure.kind) {
    case FailureKind::kNack:
      justified = event.nacked;
      stale = (event.stale & Bit(SettleKind::kNack)) != 0;
      break;
    case FailureKind::kReject:
      justified = event.rejected;
      stale = (event.stale & Bit(SettleKind::kReject)) != 0;
      break;
    case FailureKind::kDeadline:
      if (!event.timed_out) {
        Fail(11, absl::StrCat(Name(outcome.seq), " missed its deadline before that had come"));
      }
      justified = true;
      break;
    case FailureKind::kLostConnection: justified = event.lost; break;
  }
  if (!justified) Fail(stale ? 5 : 4, absl::StrCat("a failed attempt of ", Name(outcome.seq), " that did not fail"));
  if (outcome.kind == OutcomeKind::kDead) {
    const bool used_up = settings_.max_attempts > 0 && record.attempts >= settings_.max_attempts;
    if (!event.rejected && !used_up) Fail(1, absl::StrCat(Name(outcome.seq), " is dead before its time"));
    return;
  }
  if (event.rejected) Fail(10, absl::StrCat(Name(outcome.seq), " was rejected and is tried again"));
  const delivery::RetryLaw& law = settings_.retry;
  if (failure.kind == FailureKind::kNack && event.nack_delay.has_value()) {
    if (outcome.delay != *event.nack_delay)
      Fail(8, absl::StrCat("the nack's delay of ", Name(outcome.seq), " is lost"));
  } else {
    absl::Duration base = law.min_backoff;
    for (int i = 1; i < record.attempts && base < law.max_backoff; ++i) base = base * law.multiplier;
    base = std::min(base, law.max_backoff);
    if (!Within(outcome.delay, base * (1 - law.jitter), base * (1 + law.jitter))) {
      Fail(8, absl::StrCat("attempt ", record.attempts, " of ", Name(outcome.seq), " is followed by a delay of ",
                           absl::FormatDuration(outcome.delay)));
    }
  }
}

void Checker::CheckDelivery(StreamId stream_id, const delivery::Delivery& delivery, MonoTime now) {
  const Seq seq = delivery.id.seq;
  RefEvent& event = events_[seq];
  const Stored& stored = store_.Synced(seq);
  if (event.final_ok || store_.Applied(seq).disposition == Disposition::kSettled) {
    Fail(3, absl::StrCat(Name(seq), " is delivered after it was settled"));
  }
  if (store_.Applied(seq).disposition == Disposition::kDead)
    Fail(10, absl::StrCat(Name(seq), " is dead and delivered"));
  if (!store_.ClaimedSeqs().contains(seq)) Fail(1, absl::StrCat(Name(seq), " is delivered without a claim"));
  if (delivery.id.generation != generation_ || delivery.id.number == 0 || delivery.id.number == event.newest) {
    Fail(5, absl::StrCat("a delivery id of ", Name(seq), " is used twice"));
  }
  if (event.leased) Fail(5, absl::StrCat(Name(seq), " is delivered while it is leased"));
  if (store_.InFlight(seq)) Fail(5, absl::StrCat(Name(seq), " is delivered while its outcome is being committed"));
  if (delivery.attempt != stored.retry.attempts + 1) {
    Fail(4, absl::StrCat(Name(seq), " is delivered as attempt ", delivery.attempt, " after ", stored.retry.attempts,
                         " durable failures"));
  }
  if (settings_.max_attempts > 0 && delivery.attempt > settings_.max_attempts) {
    Fail(4, absl::StrCat(Name(seq), " is delivered as attempt ", delivery.attempt));
  }
  if (now < stored.not_before) Fail(8, absl::StrCat(Name(seq), " is delivered before its delay is over"));
  const Failure* last = stored.retry.failures.empty() ? nullptr : &stored.retry.failures.front();
  if ((last == nullptr) != (delivery.last_failure == nullptr) || (last != nullptr && *last != *delivery.last_failure)) {
    Fail(4, absl::StrCat("the last failure of ", Name(seq), " is not the durable one"));
  }
  const auto it = streams_.find(stream_id);
  if (it == streams_.end() || it->second.state != RefState::kOpen) {
    Fail(9, absl::StrCat(Name(seq), " is delivered to a stream that is not open"));
    return;
  }
  RefStream& stream = it->second;
  event = {.newest = delivery.id.number,
           .attempt = delivery.attempt,
           .leased = true,
           .stream = stream_id,
           .bytes = store_.Facts(seq).bytes,
           .deadline = delivery.deadline,
           .leased_at = now};
  stream.outstanding.events += 1;
  stream.outstanding.bytes += event.bytes;
  if (stream.outstanding.events > stream.credit.events ||
      (stream.outstanding.bytes > stream.credit.bytes && stream.outstanding.events > 1)) {
    Fail(9, absl::StrCat("stream ", stream_id, " has ", stream.outstanding.events, " events and ",
                         stream.outstanding.bytes, " bytes outstanding"));
  }
}

void Checker::CheckWant(const Actions& actions, const Counts& counts) {
  if (actions.want_events < 0 || actions.want_bytes < 0) Fail(9, "a negative want");
  if (actions.want_events == 0) return;
  int64_t free = 0;
  for (const auto& [id, stream] : streams_) {
    if (stream.state == RefState::kOpen) free += std::max<int64_t>(0, stream.credit.events - stream.outstanding.events);
  }
  const int64_t wanted = store_.wanted_events() + actions.want_events;
  if (wanted > free) Fail(9, absl::StrCat(wanted, " events are wanted with a free credit of ", free));
  if (wanted + counts.Unsettled() > settings_.max_unsettled) {
    Fail(9, absl::StrCat(wanted, " events are wanted with ", counts.Unsettled(), " unsettled"));
  }
}

void Checker::OnCarriedOut(const Counts& counts) { CheckCounts(counts); }

void Checker::CheckCounts(const Counts& c) {
  if (c.claimed != c.Unsettled() + c.settled + c.dead + c.skipped + c.released + c.claims_lost) {
    Fail(6, absl::StrCat(c.claimed, " events were claimed and ", c.Unsettled(), " are unsettled, ", c.settled,
                         " settled, ", c.dead, " dead, ", c.skipped, " skipped, ", c.released, " released, ",
                         c.claims_lost, " lost"));
  }
  int64_t claims = static_cast<int64_t>(store_.ClaimedSeqs().size());
  for (const auto& [seq, lost] : lost_in_flight_) claims += !store_.ClaimedSeqs().contains(seq);
  if (c.Unsettled() != claims) {
    Fail(6, absl::StrCat("the tracker has ", c.Unsettled(), " events, the store has given it ", claims));
  }
  int64_t leased = 0;
  for (const auto& [seq, event] : events_) leased += event.leased;
  if (leased != c.leased) Fail(6, absl::StrCat(leased, " leases run and ", c.leased, " are counted"));
  if (c.settled + c.skipped != acks_committed_) {
    Fail(6, absl::StrCat(acks_committed_, " acks are committed and ", c.settled + c.skipped, " are counted"));
  }
  if (c.Unsettled() > settings_.max_unsettled) Fail(9, absl::StrCat(c.Unsettled(), " events are unsettled"));
  for (const int64_t n : {c.ready, c.leased, c.settling, c.failing, c.waiting, c.dying, c.skipping}) {
    if (n < 0) Fail(6, "a negative count");
  }
}

void Checker::AtEnd(const Counts& counts, std::map<StreamId, Credit> outstanding) {
  if (!store_.AllDone()) Fail(13, "the faults have stopped, and an event is neither settled nor dead");
  if (counts.Unsettled() != 0) Fail(13, absl::StrCat(counts.Unsettled(), " events stay in the tracker"));
  for (const auto& [id, credit] : outstanding) {
    if (credit.events != 0 || credit.bytes != 0) Fail(13, absl::StrCat("the credit of stream ", id, " is not whole"));
  }
  for (const auto& [key, awaited] : awaiting_) {
    Fail(13, absl::StrCat("a settlement of ", Name(key.second.first), " has no result"));
  }
}

}  // namespace hookstream::sim
