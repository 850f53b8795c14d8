#include "delivery/tracker.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

namespace hookstream::delivery {
namespace {

constexpr absl::Duration kNackDelayMax = absl::Hours(24 * 7);
constexpr absl::Duration kExtendMin = absl::Seconds(1);

// At most `bytes_max` of `text`, not ending within a UTF-8 character.
std::string_view Cut(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// What the store is to know: without the failures that are one too many.
RetryRecord Trimmed(const RetryRecord& record) {
  const size_t kept = std::min(record.failures.size(), kFailuresKept);
  return {record.attempts, {record.failures.begin(), record.failures.begin() + static_cast<ptrdiff_t>(kept)}};
}

bool IsSuspect(const RetryRecord& record) {
  return !record.failures.empty() && record.failures.front().kind == FailureKind::kLostConnection;
}

int64_t FreeEvents(const Credit& credit, const Credit& outstanding) {
  return std::max<int64_t>(0, credit.events - outstanding.events);
}

int64_t FreeBytes(const Credit& credit, const Credit& outstanding) {
  return std::max<int64_t>(0, credit.bytes - outstanding.bytes);
}

}  // namespace

absl::Duration Backoff(const RetryLaw& law, int failed_attempts, double unit) {
  // In double: beyond the range of a Duration it is infinite, and the maximum cuts it.
  const double grown =
      absl::ToDoubleSeconds(law.min_backoff) * std::pow(law.multiplier, std::max(0, failed_attempts - 1));
  const double capped = std::min(grown, absl::ToDoubleSeconds(law.max_backoff));
  return absl::Seconds(std::max(0.0, capped * (1 + law.jitter * (2 * unit - 1))));
}

void Actions::Clear() {
  sends.clear();
  deliveries.clear();
  results.clear();
  commit = 0;
  confirm = false;
  outcomes.clear();
  releases.clear();
  want_events = 0;
  want_bytes = 0;
  wake_at = MonoTime::Infinite();
}

Tracker::Tracker(const Settings& settings, Generation generation, std::mt19937_64& rng)
    : settings_(settings), generation_(generation), rng_(rng), last_number_(static_cast<uint32_t>(rng())) {}

// ---- Lists and slots.

void Tracker::Append(List& list, LinkKind kind, Slot slot) {
  events_[slot].links[kind] = {list.tail, kNil};
  if (list.tail == kNil) {
    list.head = slot;
  } else {
    events_[list.tail].links[kind].next = slot;
  }
  list.tail = slot;
}

void Tracker::Unlink(List& list, LinkKind kind, Slot slot) {
  const Link link = events_[slot].links[kind];
  (link.prev == kNil ? list.head : events_[link.prev].links[kind].next) = link.next;
  (link.next == kNil ? list.tail : events_[link.next].links[kind].prev) = link.prev;
}

Tracker::Slot Tracker::NewEvent(Seq seq) {
  Slot slot = free_event_;
  if (slot == kNil) {
    slot = static_cast<Slot>(events_.size());
    events_.emplace_back();
  } else {
    free_event_ = events_[slot].links[kByState].next;
    events_[slot] = Event();
  }
  events_[slot].seq = seq;
  return slot;
}

void Tracker::Forget(Slot slot) {
  Event& event = events_[slot];
  SetState(event, State::kFree);
  index_.erase(event.seq);
  event.record = {};
  event.links[kByState].next = free_event_;
  free_event_ = slot;
}

void Tracker::SetState(Event& event, State state) {
  static constexpr std::array<int64_t Counts::*, 7> kCount = {
      nullptr, &Counts::ready, &Counts::leased, &Counts::settling, &Counts::failing, &Counts::waiting, &Counts::dying};
  if (const auto from = kCount[static_cast<size_t>(event.state)]) --(counts_.*from);
  if (const auto to = kCount[static_cast<size_t>(state)]) ++(counts_.*to);
  event.state = state;
}

// ---- Transitions.

bool Tracker::Exhausted(const Event& event) const {
  return settings_.max_attempts > 0 && event.record.attempts >= settings_.max_attempts;
}

void Tracker::MakeReady(Slot slot, Now now) {
  Event& event = events_[slot];
  if (Exhausted(event)) {  // the maximum was lowered: there is no attempt left to make
    if (now.mono < hold_until_) {
      event.due = hold_until_;
      MakeWaiting(slot);
    } else {
      Die(slot, {});
    }
    return;
  }
  event.queue = IsSuspect(event.record)                          ? kSuspect
                : event.number != 0 || event.record.attempts > 0 ? kRedelivery
                                                                 : kFresh;
  SetState(event, State::kReady);
  Append(ready_[event.queue], kByState, slot);
  ++ready_count_[event.queue];
  ready_bytes_[event.queue] += event.bytes;
}

void Tracker::LeaveReady(Slot slot) {
  const Event& event = events_[slot];
  Unlink(ready_[event.queue], kByState, slot);
  --ready_count_[event.queue];
  ready_bytes_[event.queue] -= event.bytes;
}

void Tracker::MakeWaiting(Slot slot) {
  Event& event = events_[slot];
  SetState(event, State::kWaiting);
  timers_.emplace(event.due, slot);
}

void Tracker::LeaveWaiting(Slot slot) { timers_.erase({events_[slot].due, slot}); }

void Tracker::MakeSettling(Slot slot, Reply reply) {
  Event& event = events_[slot];
  SetState(event, State::kSettling);
  event.reply = reply;
  pending_.confirm |= reply.confirm;
  Append(pending_.events, kByState, slot);
}

void Tracker::Fail(Slot slot, FailureKind kind, std::string_view reason, std::optional<absl::Duration> delay,
                   Reply reply, Now now) {
  Event& event = events_[slot];
  RetryRecord& record = event.record;
  ++record.attempts;
  record.failures.insert(record.failures.begin(), Failure{.kind = kind,
                                                          .reason = std::string(Cut(reason, kFailureReasonBytesMax)),
                                                          .time = now.wall,
                                                          .attempt = record.attempts});
  event.failure_pending = true;
  switch (kind) {
    case FailureKind::kNack: ++counts_.failed_nack; break;
    case FailureKind::kDeadline: ++counts_.failed_deadline; break;
    case FailureKind::kLostConnection: ++counts_.failed_lost_connection; break;
    case FailureKind::kReject: ++counts_.failed_reject; break;
  }
  // Tiers have their place here: past a tier's maximum the event is Ready for the next one, at the last it dies.
  if (kind == FailureKind::kReject || Exhausted(event)) {
    Die(slot, reply);
    return;
  }
  const double unit = static_cast<double>(rng_() >> 11) * 0x1p-53;
  event.delay = delay.has_value() ? std::clamp(*delay, absl::ZeroDuration(), kNackDelayMax)
                                  : Backoff(settings_.retry, record.attempts, unit);
  event.due = now.mono + event.delay;
  event.reply = reply;
  SetState(event, State::kFailing);
  pending_.confirm = true;
  Append(pending_.events, kByState, slot);
}

void Tracker::Die(Slot slot, Reply reply) {
  Event& event = events_[slot];
  event.reply = reply;
  SetState(event, State::kDying);
  pending_.confirm = true;
  Append(pending_.events, kByState, slot);
}

void Tracker::Lease(Slot slot, Slot stream_slot, MonoTime now) {
  Event& event = events_[slot];
  Stream& stream = streams_[stream_slot];
  SetState(event, State::kLeased);
  if (++last_number_ == 0) ++last_number_;
  event.number = last_number_;
  event.stream = stream_slot;
  event.leased_at = now;
  event.deadline = now + std::min(settings_.ack_deadline, settings_.max_lease);
  event.in_timers = !leases_.empty() && event.deadline < events_[leases_.tail].deadline;  // ack_deadline was lowered
  if (event.in_timers) {
    timers_.emplace(event.deadline, slot);
  } else {
    Append(leases_, kByState, slot);
  }
  Append(stream.leases, kByStream, slot);
  ++stream.outstanding.events;
  stream.outstanding.bytes += event.bytes;
  stream.suspects += event.queue == kSuspect;
  ++counts_.delivered;
}

void Tracker::StopLeaseTimer(Slot slot) {
  Event& event = events_[slot];
  if (event.in_timers) {
    timers_.erase({event.deadline, slot});
    event.in_timers = false;
  } else {
    Unlink(leases_, kByState, slot);
  }
}

void Tracker::EndLease(Slot slot) {
  StopLeaseTimer(slot);
  Event& event = events_[slot];
  Stream& stream = streams_[event.stream];
  Unlink(stream.leases, kByStream, slot);
  --stream.outstanding.events;
  stream.outstanding.bytes -= event.bytes;
  stream.suspects -= event.queue == kSuspect;
  if (stream.state != StreamState::kOpen && stream.leases.empty()) FreeStream(event.stream);
  event.stream = kNil;
}

// ---- Streams.

Tracker::Stream* Tracker::FindOpen(StreamId id) {
  const auto it = stream_index_.find(id);
  return it == stream_index_.end() ? nullptr : &streams_[it->second];
}

void Tracker::FreeStream(Slot slot) {
  if (streams_[slot].state == StreamState::kLost) std::erase(lost_, slot);
  streams_[slot] = Stream();
  free_streams_.push_back(slot);
}

void Tracker::Open(const StreamOpen& open, Now now) {
  assert(open.stream != 0 && !stream_index_.contains(open.stream));
  Slot slot;
  if (free_streams_.empty()) {
    slot = static_cast<Slot>(streams_.size());
    streams_.emplace_back();
  } else {
    slot = free_streams_.back();
    free_streams_.pop_back();
  }
  const bool resumes = open.resumes != 0 && !open.client_id.empty();
  Stream& stream = streams_[slot];
  stream.state = StreamState::kOpen;
  stream.confirm = open.confirm;
  stream.id = open.stream;
  stream.session = resumes ? open.resumes : open.stream;
  stream.client_id = open.client_id;
  stream.credit = open.credit;
  stream_index_.emplace(open.stream, slot);
  ++open_streams_;
  if (!resumes) return;

  const auto is_predecessor = [&](const Stream& other) {
    return other.state == StreamState::kLost && other.session == open.resumes && other.client_id == open.client_id;
  };
  for (const DeliveryId& id : open.held) {
    const auto it = index_.find(id.seq);
    if (id.generation != generation_ || it == index_.end()) continue;
    Event& event = events_[it->second];
    if (event.state != State::kLeased || event.number != id.number) continue;
    const Slot from = event.stream;
    if (!is_predecessor(streams_[from])) continue;
    Stream& old = streams_[from];
    Unlink(old.leases, kByStream, it->second);
    old.outstanding.events -= 1;
    old.outstanding.bytes -= event.bytes;
    old.suspects -= event.queue == kSuspect;
    if (old.leases.empty()) FreeStream(from);
    Append(stream.leases, kByStream, it->second);
    stream.outstanding.events += 1;
    stream.outstanding.bytes += event.bytes;
    stream.suspects += event.queue == kSuspect;
    event.stream = slot;
  }
  for (size_t i = lost_.size(); i-- > 0;) {
    if (is_predecessor(streams_[lost_[i]])) GiveBackLeases(lost_[i], now);
  }
}

void Tracker::SetCredit(StreamId id, Credit credit) {
  if (Stream* stream = FindOpen(id)) stream->credit = credit;
}

void Tracker::Close(StreamId id, CloseHow how, Now now) {
  const auto it = stream_index_.find(id);
  if (it == stream_index_.end()) return;
  const Slot slot = it->second;
  stream_index_.erase(it);
  --open_streams_;
  Stream& stream = streams_[slot];
  if (stream.leases.empty()) {
    FreeStream(slot);
    return;
  }
  switch (how) {
    case CloseHow::kHalfClose:
    case CloseHow::kDrain:
      stream.state = StreamState::kDetached;
      GiveBackLeases(slot, now);
      return;
    case CloseHow::kDetach: stream.state = StreamState::kDetached; return;
    case CloseHow::kLost:
      stream.state = StreamState::kLost;
      stream.grace_end = now.mono + settings_.resume_grace;
      lost_.push_back(slot);
      if (stream.client_id.empty()) FailLeases(slot, now);
      return;
  }
}

// Both empty the list of a stream that is not open, whose last lease frees the slot: hence the look before each one.
void Tracker::GiveBackLeases(Slot stream, Now now) {
  for (Slot slot = streams_[stream].leases.head; slot != kNil;) {
    const Slot next = events_[slot].links[kByStream].next;
    EndLease(slot);
    MakeReady(slot, now);
    slot = next;
  }
}

void Tracker::FailLeases(Slot stream, Now now) {
  for (Slot slot = streams_[stream].leases.head; slot != kNil;) {
    const Slot next = events_[slot].links[kByStream].next;
    EndLease(slot);
    Fail(slot, FailureKind::kLostConnection, {}, std::nullopt, {}, now);
    slot = next;
  }
}

// ---- Events from and to the store.

void Tracker::Claimed(std::span<ClaimedEvent> events, Now now) {
  for (ClaimedEvent& claimed : events) {
    wanted_.events -= 1;
    wanted_.bytes -= claimed.bytes;
    if (const auto it = index_.find(claimed.seq); it != index_.end()) {
      events_[it->second].claim_lost = false;
      continue;
    }
    const Slot slot = NewEvent(claimed.seq);
    index_.emplace(claimed.seq, slot);
    ++counts_.claimed;
    Event& event = events_[slot];
    event.bytes = claimed.bytes;
    event.record = std::move(claimed.retry);
    // Ordering keys have their place here: Held while an earlier event of the key is unsettled.
    if (claimed.delay > absl::ZeroDuration()) {
      event.due = now.mono + claimed.delay;
      MakeWaiting(slot);
    } else {
      MakeReady(slot, now);
    }
  }
}

void Tracker::ClaimLost(std::span<const Seq> seqs) {
  for (const Seq seq : seqs) {
    const auto it = index_.find(seq);
    if (it == index_.end()) continue;
    const Slot slot = it->second;
    switch (events_[slot].state) {
      case State::kReady: LeaveReady(slot); break;
      case State::kLeased: EndLease(slot); break;
      case State::kWaiting: LeaveWaiting(slot); break;
      case State::kSettling:
      case State::kFailing:
      case State::kDying: events_[slot].claim_lost = true; continue;
      case State::kFree: continue;
    }
    ++counts_.claims_lost;
    Forget(slot);
  }
}

void Tracker::Skip(std::span<const Seq> seqs, int64_t bytes) {
  const auto count = static_cast<int64_t>(seqs.size());
  wanted_.events -= count;
  wanted_.bytes -= bytes;
  counts_.claimed += count;
  counts_.skipping += count;
  pending_.skips.insert(pending_.skips.end(), seqs.begin(), seqs.end());
}

// ---- Settlements.

void Tracker::Settle(StreamId stream, std::span<const Settlement> settlements, Now now) {
  const Stream* open = FindOpen(stream);
  const bool confirm = open == nullptr || open->confirm;
  for (const Settlement& settlement : settlements) SettleOne(stream, confirm, settlement, now);
}

void Tracker::SettleOne(StreamId stream, bool confirm, const Settlement& settlement, Now now) {
  const DeliveryId& id = settlement.id;
  if (id.generation != generation_) {
    results_.push_back({stream, id, ResultStatus::kUnknown});
    return;
  }
  const Reply reply{stream, confirm};
  const bool is_ack = settlement.kind == SettleKind::kAck;
  const auto it = index_.find(id.seq);
  if (it != index_.end() && events_[it->second].number == id.number && id.number != 0) {
    const Slot slot = it->second;
    Event& event = events_[slot];
    switch (event.state) {
      case State::kLeased:
        switch (settlement.kind) {
          case SettleKind::kAck:
            if (event.queue == kSuspect) ++streams_[event.stream].suspects_max;
            EndLease(slot);
            MakeSettling(slot, reply);
            return;
          case SettleKind::kNack:
            EndLease(slot);
            Fail(slot, FailureKind::kNack, settlement.reason, settlement.delay, reply, now);
            return;
          case SettleKind::kReject:
            EndLease(slot);
            Fail(slot, FailureKind::kReject, settlement.reason, std::nullopt, reply, now);
            return;
          case SettleKind::kExtend:
            if (!Extend(slot, settlement.delay, now.mono)) break;
            if (confirm) results_.push_back({stream, id, ResultStatus::kOk});
            return;
        }
        break;
      // The lease is over, but the work was done and no newer delivery exists: a late ack settles.
      case State::kReady:
        if (!is_ack) break;
        LeaveReady(slot);
        MakeSettling(slot, reply);
        return;
      case State::kWaiting:
        if (!is_ack) break;
        LeaveWaiting(slot);
        MakeSettling(slot, reply);
        return;
      case State::kFailing:
      case State::kDying:
        if (!is_ack || event.late_ack.stream != 0 || event.claim_lost) break;
        event.late_ack = reply;
        return;
      case State::kSettling:
      case State::kFree: break;
    }
  }
  results_.push_back({stream, id, ResultStatus::kLeaseExpired});
}

bool Tracker::Extend(Slot slot, std::optional<absl::Duration> delay, MonoTime now) {
  Event& event = events_[slot];
  const MonoTime limit = event.leased_at + settings_.max_lease;
  if (limit <= now) return false;
  StopLeaseTimer(slot);
  event.deadline = std::min(now + std::max(delay.value_or(settings_.ack_deadline), kExtendMin), limit);
  event.in_timers = true;
  timers_.emplace(event.deadline, slot);
  return true;
}

void Tracker::Answer(Reply reply, const Event& event, ResultStatus status) {
  if (reply.stream == 0 || (status == ResultStatus::kOk && !reply.confirm)) return;
  results_.push_back({reply.stream, {generation_, event.seq, event.number}, status});
}

// ---- Commits.

void Tracker::Committed(CommitToken token, bool ok, Now now) {
  const auto it = std::find_if(in_flight_.begin(), in_flight_.end(),
                               [token](const PendingCommit& commit) { return commit.token == token; });
  if (it == in_flight_.end()) return;
  const PendingCommit commit = std::move(*it);
  in_flight_.erase(it);
  if (ok) {
    counts_.skipping -= static_cast<int64_t>(commit.skips.size());
    counts_.skipped += static_cast<int64_t>(commit.skips.size());
  } else {
    ++counts_.commits_failed;
    hold_until_ = now.mono + settings_.commit_retry;
    pending_.skips.insert(pending_.skips.end(), commit.skips.begin(), commit.skips.end());
  }
  for (Slot slot = commit.events.head; slot != kNil;) {
    const Slot next = events_[slot].links[kByState].next;
    FinishCommitted(slot, ok, now);
    slot = next;
  }
}

// The event is in no list any more.
void Tracker::FinishCommitted(Slot slot, bool ok, Now now) {
  Event& event = events_[slot];
  const State was = event.state;
  const Reply late_ack = std::exchange(event.late_ack, {});
  Answer(std::exchange(event.reply, {}), event, ok ? ResultStatus::kOk : ResultStatus::kRetry);
  if (event.failure_pending) {
    event.failure_pending = false;
    if (ok) {
      if (event.record.failures.size() > kFailuresKept) event.record.failures.pop_back();
    } else {
      --event.record.attempts;
      event.record.failures.erase(event.record.failures.begin());
      event.due = now.mono;
    }
  }
  if (ok && was != State::kFailing) {  // the end
    if (was == State::kSettling) {
      ++counts_.settled;
    } else {
      // Parking has its place here: with the dead letter durable, the key goes on or its later events follow.
      ++counts_.dead;
      Answer(late_ack, event, ResultStatus::kLeaseExpired);
    }
    Forget(slot);
    return;
  }
  if (event.claim_lost) {
    Answer(late_ack, event, ResultStatus::kRetry);
    ++counts_.claims_lost;
    Forget(slot);
  } else if (late_ack.stream != 0) {
    MakeSettling(slot, late_ack);
  } else if (event.due > now.mono) {  // not only after a failure: a late ack that could not be written leaves the delay
    MakeWaiting(slot);
  } else {
    MakeReady(slot, now);
  }
}

void Tracker::EmitCommit(MonoTime now, Actions& actions) {
  const bool skips_due = !pending_.skips.empty() && now >= hold_until_;
  if (pending_.events.empty() && !skips_due) return;
  actions.commit = pending_.token = ++last_token_;
  actions.confirm = pending_.confirm;
  for (Slot slot = pending_.events.head; slot != kNil; slot = events_[slot].links[kByState].next) {
    const Event& event = events_[slot];
    Outcome& outcome = actions.outcomes.emplace_back();
    outcome.seq = event.seq;
    if (event.state == State::kSettling) continue;
    outcome.kind = event.state == State::kFailing ? OutcomeKind::kRetry : OutcomeKind::kDead;
    if (event.state == State::kFailing) outcome.delay = event.delay;
    outcome.record = Trimmed(event.record);
  }
  for (const Seq seq : pending_.skips) actions.outcomes.emplace_back().seq = seq;
  in_flight_.push_back(std::exchange(pending_, {}));
}

// ---- The rest.

void Tracker::Reset(Generation generation) {
  const auto forget = [this](const PendingCommit& commit) {
    for (Slot slot = commit.events.head; slot != kNil; slot = events_[slot].links[kByState].next) {
      Answer(events_[slot].reply, events_[slot], ResultStatus::kUnknown);
      Answer(events_[slot].late_ack, events_[slot], ResultStatus::kUnknown);
    }
  };
  for (const PendingCommit& commit : in_flight_) forget(commit);
  forget(pending_);
  generation_ = generation;
  in_flight_.clear();
  pending_ = {};
  events_.clear();
  free_event_ = kNil;
  index_.clear();
  std::fill(std::begin(ready_), std::end(ready_), List());
  std::fill(std::begin(ready_count_), std::end(ready_count_), 0);
  std::fill(std::begin(ready_bytes_), std::end(ready_bytes_), 0);
  leases_ = {};
  timers_.clear();
  for (Slot slot = 0; slot < streams_.size(); ++slot) {
    Stream& stream = streams_[slot];
    stream.leases = {};
    stream.outstanding = {};
    stream.suspects = 0;
    if (stream.state == StreamState::kLost || stream.state == StreamState::kDetached) FreeStream(slot);
  }
  wanted_ = {};
  counts_ = {};
}

void Tracker::UpdateSettings(const Settings& settings, Now now) {
  settings_ = settings;
  for (Slot slot = 0; slot < events_.size(); ++slot) {
    const Event& event = events_[slot];
    if (!Exhausted(event)) continue;
    if (event.state == State::kReady) {
      LeaveReady(slot);
    } else if (event.state == State::kWaiting) {
      LeaveWaiting(slot);
    } else {
      continue;  // a lease runs on: its attempt is made
    }
    MakeReady(slot, now);
  }
}

bool Tracker::IsIdle() const {
  return counts_.leased + counts_.settling + counts_.failing + counts_.dying + counts_.skipping == 0;
}

StreamId Tracker::SessionOf(StreamId id) const {
  const auto it = stream_index_.find(id);
  return it == stream_index_.end() ? 0 : streams_[it->second].session;
}

Credit Tracker::Outstanding(StreamId id) const {
  const auto it = stream_index_.find(id);
  return it == stream_index_.end() ? Credit() : streams_[it->second].outstanding;
}

// ---- Step.

void Tracker::Step(Now now, Actions& actions) {
  actions.Clear();
  FireTimers(now);
  if (draining_) {
    ReleaseAll(actions);
  } else if (!paused_ && now.mono >= hold_until_) {
    // A rate limit has its place here: how many of the ready ones may go.
    SendReady(now.mono, actions);
    EmitWant(actions);
  }
  EmitCommit(now.mono, actions);
  actions.results.swap(results_);
  actions.wake_at = NextWake(now.mono);
}

void Tracker::FireTimers(Now now) {
  while (!leases_.empty() && events_[leases_.head].deadline <= now.mono) {
    const Slot slot = leases_.head;
    EndLease(slot);
    Fail(slot, FailureKind::kDeadline, {}, std::nullopt, {}, now);
  }
  while (!timers_.empty() && timers_.begin()->first <= now.mono) {
    const Slot slot = timers_.begin()->second;
    if (events_[slot].state == State::kLeased) {
      EndLease(slot);
      Fail(slot, FailureKind::kDeadline, {}, std::nullopt, {}, now);
    } else {
      LeaveWaiting(slot);
      MakeReady(slot, now);
    }
  }
  for (size_t i = lost_.size(); i-- > 0;) {
    if (streams_[lost_[i]].grace_end <= now.mono) FailLeases(lost_[i], now);
  }
}

void Tracker::ReleaseAll(Actions& actions) {
  const auto release = [&](Slot slot) {
    actions.releases.push_back(events_[slot].seq);
    ++counts_.released;
    Forget(slot);
  };
  for (const List& queue : ready_) {
    while (!queue.empty()) {
      const Slot slot = queue.head;
      LeaveReady(slot);
      release(slot);
    }
  }
  for (auto it = timers_.begin(); it != timers_.end();) {
    const Slot slot = it->second;
    if (events_[slot].state == State::kWaiting) {
      it = timers_.erase(it);
      release(slot);
    } else {
      ++it;
    }
  }
}

// In turn, each stream gets a share by its free credit: one stream is served in runs, and a slow one that has little
// credit left gets little.
void Tracker::SendReady(MonoTime now, Actions& actions) {
  const size_t streams = streams_.size();
  for (bool progress = true; progress;) {
    progress = false;
    const int64_t ready = counts_.ready;
    if (ready == 0) return;
    int64_t free_events = 0;
    for (const Stream& stream : streams_) {
      if (stream.state == StreamState::kOpen) free_events += FreeEvents(stream.credit, stream.outstanding);
    }
    if (free_events == 0) return;
    const size_t first = next_stream_;
    for (size_t i = 0; i < streams && counts_.ready > 0; ++i) {
      const size_t slot = (first + i) % streams;
      const Stream& stream = streams_[slot];
      if (stream.state != StreamState::kOpen) continue;
      const int64_t free = FreeEvents(stream.credit, stream.outstanding);
      const int64_t share = (ready * free + free_events - 1) / free_events;
      if (SendRunTo(static_cast<Slot>(slot), std::min<int64_t>(share, kSendRunMax), now, actions) == 0) continue;
      progress = true;
      next_stream_ = slot + 1;
    }
  }
}

uint32_t Tracker::SendRunTo(Slot stream_slot, int64_t count_max, MonoTime now, Actions& actions) {
  const Stream& stream = streams_[stream_slot];
  const auto first = static_cast<uint32_t>(actions.deliveries.size());
  uint32_t count = 0;
  for (; count < count_max; ++count) {
    const Slot slot = NextFor(stream);
    if (slot == kNil) break;
    LeaveReady(slot);
    Lease(slot, stream_slot, now);
    const Event& event = events_[slot];
    actions.deliveries.push_back({.id = {generation_, event.seq, event.number},
                                  .attempt = event.record.attempts + 1,
                                  .deadline = event.deadline,
                                  .last_failure = event.record.failures.empty() ? nullptr : &event.record.failures[0]});
  }
  if (count > 0) actions.sends.push_back({stream.id, first, count});
  return count;
}

// The first event that this stream has to get, if it fits. One that does not fit is waited for, not overtaken:
// otherwise a large event would starve.
Tracker::Slot Tracker::NextFor(const Stream& stream) const {
  if (FreeEvents(stream.credit, stream.outstanding) == 0 || stream.credit.bytes <= 0) return kNil;
  for (int queue = kSuspect; queue < kQueues; ++queue) {
    if (ready_[queue].empty() || (queue == kSuspect && stream.suspects >= stream.suspects_max)) continue;
    const Slot slot = ready_[queue].head;
    const bool fits = events_[slot].bytes <= FreeBytes(stream.credit, stream.outstanding);
    return fits || stream.outstanding.events == 0 ? slot : kNil;
  }
  return kNil;
}

void Tracker::EmitWant(Actions& actions) {
  Credit free;
  for (const Stream& stream : streams_) {
    if (stream.state != StreamState::kOpen) continue;
    const int64_t events = FreeEvents(stream.credit, stream.outstanding);
    const int64_t bytes = FreeBytes(stream.credit, stream.outstanding);
    if (events == 0 || bytes == 0) continue;  // one is of no use without the other
    free.events += events;
    free.bytes += bytes;
  }
  // Ready ones have their credit already; suspects not, or many of them would keep the streams idle.
  free.events -= ready_count_[kRedelivery] + ready_count_[kFresh];
  free.bytes -= ready_bytes_[kRedelivery] + ready_bytes_[kFresh];
  const int64_t room = settings_.max_unsettled - counts_.Unsettled();
  actions.want_events = std::max<int64_t>(0, std::min(free.events, room) - wanted_.events);
  actions.want_bytes = std::max<int64_t>(0, free.bytes - wanted_.bytes);
  wanted_.events += actions.want_events;
  wanted_.bytes += actions.want_bytes;
}

MonoTime Tracker::NextWake(MonoTime now) const {
  MonoTime wake = MonoTime::Infinite();
  if (!leases_.empty()) wake = std::min(wake, events_[leases_.head].deadline);
  if (!timers_.empty()) wake = std::min(wake, timers_.begin()->first);
  for (const Slot slot : lost_) wake = std::min(wake, streams_[slot].grace_end);
  if (now < hold_until_) wake = std::min(wake, hold_until_);
  return wake;
}

}  // namespace hookstream::delivery
