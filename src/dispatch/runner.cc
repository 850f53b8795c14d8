#include "dispatch/runner.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace hookstream::dispatch {
namespace {

// A Fetch that is not to wait still gives the store this long to look.
constexpr absl::Duration kFetchWaitMin = absl::Milliseconds(200);
// How long until the feed is asked for again when the store refused it.
constexpr absl::Duration kAttachRetry = absl::Seconds(1);

// How much nicer than the rest the pool's threads are.
constexpr int kPoolNiceness = 5;

// Where processors are short, a sender's 2xx goes before the delivery of what is already durable: senders give up after
// seconds, and a burst of typing must not stand between a commit and its answers. It is a weight, so deliveries never
// starve. It also gives the thread its name in top and gdb.
void EnterPoolThread() {
  thread_local bool entered = false;
  if (std::exchange(entered, true)) return;
  pthread_setname_np(pthread_self(), "dispatch");
  // On Linux 0 is the calling thread, not the process.
  if (setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + kPoolNiceness) != 0) {
    Log(LogLevel::kDebug, "the priority of a dispatch thread stays as it is",
        {{"error", std::string_view(std::strerror(errno))}});
  }
}

// As the proto promises; ours are shorter.
constexpr size_t kDeliveryIdBytesMax = 64;

SettlementStatus ToStatus(delivery::ResultStatus status) {
  switch (status) {
    case delivery::ResultStatus::kOk: return SettlementStatus::kOk;
    case delivery::ResultStatus::kLeaseExpired: return SettlementStatus::kLeaseExpired;
    case delivery::ResultStatus::kUnknown: return SettlementStatus::kUnknown;
    case delivery::ResultStatus::kRetry: return SettlementStatus::kRetry;
  }
  return SettlementStatus::kUnknown;
}

const char* KindName(FailureKind kind) {
  switch (kind) {
    case FailureKind::kNack: return "nack";
    case FailureKind::kDeadline: return "deadline";
    case FailureKind::kLostConnection: return "lost_connection";
    case FailureKind::kReject: return "reject";
  }
  return "unknown";
}

}  // namespace

// What the store tells a feed's owner, handed to the strand. Claims of a feed that was given back are dropped by
// `epoch`.
struct Runner::FeedLink final : store::FeedSink {
  FeedLink(Runner& runner_of_feed, uint64_t epoch_of_feed) : runner(runner_of_feed), epoch(epoch_of_feed) {}

  void OnClaimed(std::vector<store::Claimed> events) override {
    runner.Post([self = runner.shared_from_this(), at = epoch, moved = std::move(events)]() mutable {
      if (at == self->feed_epoch_) self->OnClaimed(std::move(moved));
    });
  }
  void OnClaimLost(std::vector<Seq> seqs) override {
    runner.Post([self = runner.shared_from_this(), at = epoch, moved = std::move(seqs)]() mutable {
      if (at == self->feed_epoch_) self->OnClaimLost(std::move(moved));
    });
  }
  void OnCommitted(store::CommitToken token, absl::Status status) override {
    runner.Post([self = runner.shared_from_this(), at = epoch, token, moved = std::move(status)]() {
      if (at == self->feed_epoch_) self->OnCommitted(token, moved);
    });
  }

  Runner& runner;
  const uint64_t epoch;
};

Runner::Runner(RunnerContext& context, Setup setup, metrics::Registry& metrics, uint64_t seed)
    : context_(context),
      id_(setup.id),
      name_(std::move(setup.name)),
      ephemeral_start_(setup.ephemeral_start),
      metrics_(metrics, ephemeral_start_.has_value() ? "(ephemeral)" : name_),
      spec_(std::move(setup.spec)),
      rng_(seed),
      tracker_(spec_.settings, setup.generation, rng_),
      idle_since_(context.clock.MonoNow()),
      timer_(context.pool) {
  if (setup.paused) tracker_.Pause();
  metrics_.unsettled_max.Set(static_cast<double>(spec_.settings.max_unsettled));
}

Runner::~Runner() = default;

// --- the inbox ---

void Runner::Post(Task task) {
  {
    MutexLock lock(mutex_);
    if (shut_) return;
    inbox_.push_back(std::move(task));
    if (scheduled_) return;
    scheduled_ = true;
  }
  {
    MutexLock lock(context_.mutex);
    ++context_.busy;
  }
  boost::asio::post(context_.pool, [self = shared_from_this()] { self->Work(); });
}

void Runner::Work() {
  EnterPoolThread();
  {
    MutexLock lock(mutex_);
    working_.swap(inbox_);
  }
  for (Task& task : working_) std::move(task)();
  working_.clear();
  if (!end_.has_value()) Turn();
  bool more = false;
  {
    MutexLock lock(mutex_);
    more = !inbox_.empty();
    scheduled_ = more;
  }
  if (more) {  // behind the others that wait for a thread
    boost::asio::post(context_.pool, [self = shared_from_this()] { self->Work(); });
    return;
  }
  MutexLock lock(context_.mutex);
  --context_.busy;
  context_.changed.NotifyAll();
}

// --- one turn ---

void Runner::Turn() {
  RunTimers(context_.clock.MonoNow());
  do {
    again_ = false;
    tracker_.Step(Now(), actions_);
    Carry();
  } while (again_);
  FinishHalfClosed();
  PublishCounts();

  MonoTime wake = std::min({actions_.wake_at, next_heartbeat_, next_fetch_, attach_at_});
  if (streams_.empty() && spec_.expire_after != absl::InfiniteDuration() && !expiring_) {
    wake = std::min(wake, idle_since_ + spec_.expire_after);
  }
  Arm(wake);
}

void Runner::Carry() {
  // The commit first: what is sent takes longer than what the store is to begin with.
  const delivery::CommitToken refused = feed_ == nullptr ? actions_.commit : 0;
  CarryCommit();
  CarrySends(Now());
  CarryResults();
  if (refused != 0) {
    // An input, and so after the sends, which point into the tracker.
    tracker_.Committed(refused, false, Now());
    again_ = true;
  }
  if (!actions_.releases.empty()) {
    for (const Seq seq : actions_.releases) events_.erase(seq);
    if (feed_ != nullptr) feed_->Release(std::move(actions_.releases));
  }
  if (actions_.want_events != 0 || actions_.want_bytes != 0) {
    owed_want_.events += actions_.want_events;
    owed_want_.bytes += actions_.want_bytes;
  }
  if (feed_ != nullptr && (owed_want_.events != 0 || owed_want_.bytes != 0)) {
    feed_->Want(std::exchange(owed_want_.events, 0), std::exchange(owed_want_.bytes, 0));
  }
}

void Runner::CarrySends(delivery::Now now) {
  if (actions_.sends.empty()) return;
  refs_.clear();
  prepared_.clear();
  for (const auto& delivery : actions_.deliveries) refs_.push_back(events_.at(delivery.id.seq));
  context_.tail.Get(refs_, prepared_);

  // All are made before any is handed over: a hand-over may be an input of the tracker, and ends what they point to.
  std::vector<std::pair<uint64_t, std::vector<Delivery>>> batches;
  batches.reserve(actions_.sends.size());
  absl::flat_hash_map<uint64_t, size_t> fetches;  // a Fetch is answered once, with all its runs
  int64_t redelivered = 0;
  for (const delivery::SendRun& run : actions_.sends) {
    const auto stream = streams_.find(run.stream);
    if (stream == streams_.end()) continue;
    size_t batch = batches.size();
    if (stream->second.fetch.has_value()) batch = fetches.try_emplace(run.stream, batch).first->second;
    if (batch == batches.size()) batches.emplace_back(run.stream, std::vector<Delivery>());
    std::vector<Delivery>& to = batches[batch].second;
    to.reserve(to.size() + run.count);
    for (uint32_t i = run.first; i < run.first + run.count; ++i) {
      const delivery::Delivery& from = actions_.deliveries[i];
      const absl::Duration left = std::max(from.deadline - now.mono, absl::ZeroDuration());
      to.push_back(
          {.event = std::move(prepared_[i]),
           .id = context_.ids.Encode(id_, from.id),
           .attempt = from.attempt,
           .deadline = now.wall + left,
           .deadline_in = left,
           .last_failure = from.last_failure == nullptr ? nullptr : std::make_shared<Failure>(*from.last_failure)});
      if (from.attempt > 1) ++redelivered;
    }
  }
  if (redelivered != 0) metrics_.redelivered.Increment(static_cast<double>(redelivered));
  refs_.clear();
  prepared_.clear();
  for (auto& [stream, deliveries] : batches) {
    const auto it = streams_.find(stream);
    if (it == streams_.end()) continue;
    if (it->second.fetch.has_value()) {
      FetchCall call = *std::move(it->second.fetch);
      EraseStream(stream);
      tracker_.Close(stream, delivery::CloseHow::kDetach, now);
      again_ = true;
      std::move(call.done)(std::move(deliveries));
      continue;
    }
    it->second.last_sent = now.mono;
    it->second.callbacks.deliveries(std::move(deliveries));
  }
}

void Runner::CarryResults() {
  for (size_t i = 0; i < actions_.results.size();) {
    const uint64_t stream = actions_.results[i].stream;
    size_t end = i;
    while (end < actions_.results.size() && actions_.results[end].stream == stream) {
      metrics_.results[static_cast<size_t>(ToStatus(actions_.results[end].status)) - 1]->Increment();
      ++end;
    }
    if (const auto it = streams_.find(stream); it != streams_.end()) {
      std::vector<SettlementResult> results;
      results.reserve(end - i);
      for (; i < end; ++i) {
        const delivery::Result& result = actions_.results[i];
        results.push_back({.delivery_id = std::string(context_.ids.Encode(id_, result.id).view()),
                           .status = ToStatus(result.status)});
      }
      it->second.last_sent = context_.clock.MonoNow();
      it->second.callbacks.results(std::move(results));
    } else if (const auto call = settle_calls_.find(stream); call != settle_calls_.end()) {
      for (; i < end; ++i) {
        const delivery::Result& result = actions_.results[i];
        const auto places = call->second.waiting.find(std::pair(result.id.seq, result.id.number));
        if (places == call->second.waiting.end() || places->second.empty()) continue;
        call->second.results[static_cast<size_t>(places->second.front())].status = ToStatus(result.status);
        places->second.erase(places->second.begin());
        --call->second.unanswered;
      }
      if (call->second.unanswered == 0) {
        PendingSettle pending = std::move(call->second);
        settle_calls_.erase(call);
        std::move(pending.done)(std::move(pending.results));
      }
    }
    i = end;
  }
}

void Runner::CarryCommit() {
  if (actions_.commit == 0) return;
  last_token_ = actions_.commit;
  if (feed_ == nullptr) return;  // refused at the end of Carry
  Commit commit;
  std::vector<store::Outcome> outcomes;
  outcomes.reserve(actions_.outcomes.size());
  for (delivery::Outcome& outcome : actions_.outcomes) {
    switch (outcome.kind) {
      case delivery::OutcomeKind::kAck:
        commit.finals.push_back(outcome.seq);
        outcomes.push_back({outcome.seq, store::Ack{}});
        break;
      case delivery::OutcomeKind::kRetry:
        if (LogEnabled(LogLevel::kDebug)) {
          Log(LogLevel::kDebug, "attempt failed",
              {{"subscription", name_},
               {"event_id", FormatEventId(context_.store.Tag(), outcome.seq)},
               {"attempt", outcome.record.attempts},
               {"kind", outcome.record.failures.empty() ? "unknown" : KindName(outcome.record.failures.front().kind)},
               {"delay_seconds", absl::ToDoubleSeconds(outcome.delay)}});
        }
        outcomes.push_back({outcome.seq, store::Retry{std::move(outcome.record), outcome.delay}});
        break;
      case delivery::OutcomeKind::kDead:
        commit.finals.push_back(outcome.seq);
        commit.dead.push_back({.seq = outcome.seq,
                               .attempts = outcome.record.attempts,
                               .last = outcome.record.failures.empty() ? Failure() : outcome.record.failures.front()});
        outcomes.push_back({outcome.seq, store::Dead{std::move(outcome.record)}});
        break;
    }
  }
  commits_.emplace(actions_.commit, std::move(commit));
  feed_->Commit(actions_.commit, std::move(outcomes), actions_.confirm);
}

// --- the feed ---

void Runner::Attach() {
  Post([self = shared_from_this()] {
    self->attach_wanted_ = true;
    self->AttachNow();
  });
}

void Runner::AttachNow() {
  attach_at_ = MonoTime::Infinite();
  if (!attach_wanted_ || feed_ != nullptr || end_.has_value()) return;
  link_ = std::make_unique<FeedLink>(*this, ++feed_epoch_);
  auto feed = ephemeral_start_.has_value()
                  ? context_.store.AttachEphemeral(*ephemeral_start_, ToMetaFilter(spec_.filter), *link_)
                  : context_.store.Attach(id_, tracker_.generation(), ToMetaFilter(spec_.filter), *link_);
  if (feed.ok()) {
    feed_ = *std::move(feed);
    return;
  }
  Log(LogLevel::kWarning, "the store refused a feed",
      {{"subscription", name_}, {"reason", std::string(feed.status().message())}});
  if (ephemeral_start_.has_value()) {
    End(feed.status());
    return;
  }
  attach_at_ = context_.clock.MonoNow() + kAttachRetry;
}

void Runner::DetachAndReset(delivery::Generation generation) {
  ++feed_epoch_;
  feed_ = nullptr;
  link_ = nullptr;
  events_.clear();
  commits_.clear();
  owed_want_ = {};
  tracker_.Reset(generation);
}

void Runner::OnClaimed(std::vector<store::Claimed> events) {
  std::vector<delivery::ClaimedEvent> claimed;
  claimed.reserve(events.size());
  for (store::Claimed& event : events) {
    const Seq seq = event.event->seq;
    newest_seen_ = std::max(newest_seen_, seq);
    claimed.push_back({.seq = seq,
                       .bytes = static_cast<int64_t>(event.event->data.Bytes()),
                       .retry = std::move(event.retry),
                       .delay = event.retry_after});
    events_.insert_or_assign(seq, std::move(event.event));
  }
  tracker_.Claimed(claimed, Now());
}

void Runner::OnClaimLost(std::vector<Seq> seqs) {
  tracker_.ClaimLost(seqs);
  for (const Seq seq : seqs) events_.erase(seq);
}

void Runner::OnCommitted(delivery::CommitToken token, const absl::Status& status) {
  const auto it = commits_.find(token);
  if (it == commits_.end()) return;
  const Commit commit = std::move(it->second);
  commits_.erase(it);
  if (status.ok()) {
    for (const DeadNote& dead : commit.dead) {
      const auto event = events_.find(dead.seq);
      Log(LogLevel::kWarning, "event is a dead letter",
          {{"subscription", name_},
           {"event_id", FormatEventId(context_.store.Tag(), dead.seq)},
           {"type", event == events_.end() ? std::string_view() : std::string_view(event->second->data.type)},
           {"attempt", dead.attempts},
           {"kind", KindName(dead.last.kind)},
           {"reason", dead.last.reason}});
    }
    for (const Seq seq : commit.finals) events_.erase(seq);
  } else {
    Log(LogLevel::kWarning, "the store refused outcomes",
        {{"subscription", name_}, {"reason", std::string(status.message())}});
  }
  tracker_.Committed(token, status.ok(), Now());
}

// --- settings ---

void Runner::Update(Spec spec, bool paused, delivery::Generation generation) {
  Post([self = shared_from_this(), moved = std::move(spec), paused, generation]() mutable {
    // A feed is bound to its filter and generation; what the old one had claimed comes again.
    const bool anew =
        generation != self->tracker_.generation() || moved.message.filter() != self->spec_.message.filter();
    self->spec_ = std::move(moved);
    self->metrics_.unsettled_max.Set(static_cast<double>(self->spec_.settings.max_unsettled));
    self->tracker_.UpdateSettings(self->spec_.settings, self->Now());
    if (paused) {
      self->tracker_.Pause();
    } else {
      self->tracker_.Resume();
    }
    if (anew) {
      self->DetachAndReset(generation);
      self->AttachNow();
    }
  });
}

void Runner::End(absl::Status why) {
  Post([self = shared_from_this(), why = std::move(why)] {
    if (self->end_.has_value()) return;
    self->end_ = why.ok() ? absl::UnavailableError("the subscription has ended") : why;
    std::vector<uint64_t> streams;
    for (const auto& [id, stream] : self->streams_) streams.push_back(id);
    for (const uint64_t id : streams) self->CloseStream(id, delivery::CloseHow::kDrain, why);
    auto calls = std::move(self->settle_calls_);
    self->settle_calls_.clear();
    for (auto& [id, call] : calls) std::move(call.done)(*self->end_);
    self->DetachAndReset(self->tracker_.generation());
    self->timer_.cancel();
    self->PublishCounts();
  });
}

void Runner::Shut() {
  std::vector<Task> dropped;
  MutexLock lock(mutex_);
  shut_ = true;
  dropped.swap(inbox_);
}

// --- streams ---

void Runner::Open(uint64_t stream, v1::Open open, OpenSettings settings, StreamCallbacks callbacks) {
  Post([self = shared_from_this(), stream, open = std::move(open), settings, moved = std::move(callbacks)]() mutable {
    if (self->end_.has_value()) {
      self->context_.streams.fetch_sub(1);
      moved.closed(*self->end_);
      return;
    }
    const delivery::Now now = self->Now();
    delivery::StreamOpen to{.stream = stream,
                            .client_id = open.client_id(),
                            .resumes = 0,
                            .held = {},
                            .credit = settings.credit,
                            .confirm = open.confirm_settlements()};
    if (const auto token = self->context_.ids.Decode(open.resume_token()); token && token->subscription == self->id_) {
      to.resumes = token->id.seq;
    }
    for (const std::string& text : open.held_delivery_ids()) {
      const auto id = self->context_.ids.Decode(text);
      if (id.has_value() && id->subscription == self->id_) to.held.push_back(id->id);
    }
    self->tracker_.Open(to, now);

    v1::Opened opened;
    opened.set_subscription(self->name_);
    const delivery::DeliveryId session{
        .generation = self->tracker_.generation(), .seq = self->tracker_.SessionOf(stream), .number = 0};
    opened.set_resume_token(std::string(self->context_.ids.Encode(self->id_, session).view()));
    opened.set_max_outstanding_events(static_cast<int32_t>(settings.credit.events));
    opened.set_max_outstanding_bytes(settings.credit.bytes);
    opened.set_max_message_bytes(settings.message_bytes_max);
    opened.set_max_batch_events(settings.batch_events_max);
    ToProto(self->spec_.settings.ack_deadline, opened.mutable_ack_deadline());
    ToProto(self->context_.resume_grace, opened.mutable_resume_grace());
    ToProto(self->context_.heartbeat_interval, opened.mutable_heartbeat_interval());
    const auto [it, inserted] = self->streams_.emplace(
        stream, StreamState{.callbacks = std::move(moved), .credit = settings.credit, .last_sent = now.mono});
    self->stream_count_.store(static_cast<int>(self->streams_.size()));
    self->next_heartbeat_ = std::min(self->next_heartbeat_, now.mono + self->context_.heartbeat_interval);
    Log(LogLevel::kDebug, "stream opened",
        {{"subscription", self->name_}, {"client_id", open.client_id()}, {"stream", stream}, {"resumes", to.resumes}});
    it->second.callbacks.opened(std::move(opened));
  });
}

void Runner::Fetch(uint64_t stream, FetchCall call) {
  Post([self = shared_from_this(), stream, moved = std::move(call)]() mutable {
    if (self->end_.has_value()) {
      self->context_.streams.fetch_sub(1);
      std::move(moved.done)(*self->end_);
      return;
    }
    const delivery::Now now = self->Now();
    self->tracker_.Open({.stream = stream,
                         .client_id = moved.client_id,
                         .resumes = 0,
                         .held = {},
                         .credit = moved.credit,
                         .confirm = true},
                        now);
    StreamState state;
    state.credit = moved.credit;
    state.last_sent = now.mono;
    state.fetch_until = now.mono + std::max(moved.wait, kFetchWaitMin);
    state.fetch = std::move(moved);
    self->next_fetch_ = std::min(self->next_fetch_, state.fetch_until);
    self->streams_.emplace(stream, std::move(state));
    self->stream_count_.store(static_cast<int>(self->streams_.size()));
  });
}

absl::StatusOr<SettlementBatch> Runner::ReadSettlements(
    const google::protobuf::RepeatedPtrField<v1::Settlement>& settlements) const {
  if (settlements.size() > kSettlementsMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("settlements: ", settlements.size(), " in one batch, at most ", kSettlementsMax, " are taken"));
  }
  const auto count = static_cast<size_t>(settlements.size());
  SettlementBatch batch;
  batch.settlements.reserve(count);
  batch.places.reserve(count);
  for (int i = 0; i < settlements.size(); ++i) {
    const v1::Settlement& from = settlements[i];
    const auto error = [&](const char* field, const char* what) {
      return absl::InvalidArgumentError(absl::StrCat("settlements[", i, "].", field, ": ", what));
    };
    if (from.delivery_id().size() > kDeliveryIdBytesMax)
      return error("delivery_id", "is longer than any that was given");
    delivery::Settlement to;
    const std::string* reason = nullptr;
    switch (from.outcome_case()) {
      case v1::Settlement::kAck: to.kind = delivery::SettleKind::kAck; break;
      case v1::Settlement::kNack:
        to.kind = delivery::SettleKind::kNack;
        reason = &from.nack().reason();
        if (from.nack().has_delay()) {
          to.delay = FromProto(from.nack().delay());
          if (!to.delay.has_value() || *to.delay < absl::ZeroDuration() || *to.delay > absl::Hours(7 * 24)) {
            return error("nack.delay", "must be 0 to 7 d");
          }
        }
        break;
      case v1::Settlement::kExtend:
        to.kind = delivery::SettleKind::kExtend;
        if (from.extend().has_deadline()) {
          to.delay = FromProto(from.extend().deadline());
          if (!to.delay.has_value() || *to.delay < absl::Seconds(1))
            return error("extend.deadline", "must be 1 s or more");
        }
        break;
      case v1::Settlement::kReject:
        to.kind = delivery::SettleKind::kReject;
        reason = &from.reject().reason();
        break;
      case v1::Settlement::OUTCOME_NOT_SET: return error("outcome", "must be set");
    }
    const auto id = context_.ids.Decode(from.delivery_id());
    if (!id.has_value() || id->subscription != id_) {
      batch.places.push_back(-1 - static_cast<int>(batch.unknown.size()));
      batch.unknown.push_back(from.delivery_id());
      continue;
    }
    to.id = id->id;
    if (reason != nullptr && !reason->empty()) {
      if (batch.reasons.empty()) batch.reasons.reserve(count);  // `reason` points into it
      to.reason = batch.reasons.emplace_back(*reason);
    }
    batch.places.push_back(static_cast<int>(batch.settlements.size()));
    batch.settlements.push_back(to);
  }
  return batch;
}

void Runner::CountSettlements(const SettlementBatch& batch) {
  std::array<int, 4> counts{};
  for (const auto& settlement : batch.settlements) ++counts[static_cast<size_t>(settlement.kind)];
  for (size_t kind = 0; kind < counts.size(); ++kind) {
    if (counts[kind] != 0) metrics_.settlements[kind]->Increment(counts[kind]);
  }
  if (!batch.unknown.empty()) {
    metrics_.results[static_cast<size_t>(SettlementStatus::kUnknown) - 1]->Increment(
        static_cast<double>(batch.unknown.size()));
  }
}

void Runner::Settle(uint64_t stream, SettlementBatch batch, absl::AnyInvocable<void() &&> taken) {
  Post([self = shared_from_this(), stream, moved = std::move(batch), taken = std::move(taken)]() mutable {
    self->CountSettlements(moved);
    self->tracker_.Settle(stream, moved.settlements, self->Now());
    if (const auto it = self->streams_.find(stream); it != self->streams_.end() && !moved.unknown.empty()) {
      std::vector<SettlementResult> results;
      results.reserve(moved.unknown.size());
      for (std::string& id : moved.unknown) results.push_back({std::move(id), SettlementStatus::kUnknown});
      it->second.last_sent = self->context_.clock.MonoNow();
      it->second.callbacks.results(std::move(results));
    }
    std::move(taken)();
  });
}

void Runner::SettleCall(uint64_t stream, SettlementBatch batch,
                        absl::AnyInvocable<void(absl::StatusOr<std::vector<SettlementResult>>) &&> done) {
  Post([self = shared_from_this(), stream, moved = std::move(batch), done = std::move(done)]() mutable {
    if (self->end_.has_value()) {
      std::move(done)(*self->end_);
      return;
    }
    self->CountSettlements(moved);
    PendingSettle pending;
    pending.results.resize(moved.places.size());
    for (size_t i = 0; i < moved.places.size(); ++i) {
      if (const int place = moved.places[i]; place < 0) {
        pending.results[i] = {std::move(moved.unknown[static_cast<size_t>(-1 - place)]), SettlementStatus::kUnknown};
      } else {
        const delivery::DeliveryId& id = moved.settlements[static_cast<size_t>(place)].id;
        pending.results[i].delivery_id = std::string(self->context_.ids.Encode(self->id_, id).view());
        pending.waiting[std::pair(id.seq, id.number)].push_back(static_cast<int>(i));
      }
    }
    pending.unanswered = moved.settlements.size();
    pending.done = std::move(done);
    if (pending.unanswered == 0) {
      std::move(pending.done)(std::move(pending.results));
      return;
    }
    self->settle_calls_.emplace(stream, std::move(pending));
    self->tracker_.Settle(stream, moved.settlements, self->Now());
  });
}

void Runner::Flow(uint64_t stream, v1::Flow flow) {
  Post([self = shared_from_this(), stream, flow = std::move(flow)] {
    const auto it = self->streams_.find(stream);
    if (it == self->streams_.end()) return;
    if (ApplyFlow(flow, it->second.credit).ok()) self->tracker_.SetCredit(stream, it->second.credit);
  });
}

void Runner::HalfClose(uint64_t stream) {
  Post([self = shared_from_this(), stream] {
    const auto it = self->streams_.find(stream);
    if (it == self->streams_.end() || it->second.closing_after.has_value()) return;
    self->tracker_.Close(stream, delivery::CloseHow::kHalfClose, self->Now());
    // The step that follows makes at most one commit, which has its settlements.
    it->second.closing_after = self->last_token_ + 1;
    ++self->half_closed_;
  });
}

void Runner::Lost(uint64_t stream) {
  Post([self = shared_from_this(), stream] {
    const auto it = self->streams_.find(stream);
    if (it == self->streams_.end()) return;
    self->tracker_.Close(stream, delivery::CloseHow::kLost, self->Now());
    Log(LogLevel::kDebug, "stream lost", {{"subscription", self->name_}, {"stream", stream}});
    self->EraseStream(stream);
  });
}

void Runner::EraseStream(uint64_t stream) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  if (it->second.closing_after.has_value()) --half_closed_;
  streams_.erase(it);
  context_.streams.fetch_sub(1);
  stream_count_.store(static_cast<int>(streams_.size()));
  if (streams_.empty()) {
    idle_since_ = context_.clock.MonoNow();
    if (ephemeral_start_.has_value()) End(absl::OkStatus());
  }
}

void Runner::CloseStream(uint64_t stream, delivery::CloseHow how, absl::Status status) {
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return;
  tracker_.Close(stream, how, Now());
  again_ = true;
  if (it->second.fetch.has_value()) {
    FetchCall call = *std::move(it->second.fetch);
    EraseStream(stream);
    if (status.ok()) {
      std::move(call.done)(std::vector<Delivery>());
    } else {
      std::move(call.done)(std::move(status));
    }
    return;
  }
  const StreamCallbacks callbacks = std::move(it->second.callbacks);
  EraseStream(stream);
  callbacks.closed(std::move(status));
}

void Runner::FinishHalfClosed() {
  if (half_closed_ == 0) return;
  delivery::CommitToken oldest = last_token_ + 2;  // later than any that is waited for
  for (const auto& [token, commit] : commits_) oldest = std::min(oldest, token);
  std::vector<uint64_t> finished;
  for (const auto& [id, stream] : streams_) {
    if (stream.closing_after.has_value() && *stream.closing_after < oldest) finished.push_back(id);
  }
  for (const uint64_t id : finished) CloseStream(id, delivery::CloseHow::kHalfClose, absl::OkStatus());
}

// --- the end ---

void Runner::StopDeliveries() {
  // Not idle until this was worked off.
  idle_.store(false);
  Post([self = shared_from_this()] {
    self->tracker_.Drain();
    if (self->end_.has_value()) self->idle_.store(true);
  });
}

void Runner::SendDrain(absl::Duration grace, std::string reason) {
  Post([self = shared_from_this(), grace, reason = std::move(reason)] {
    for (auto& [id, stream] : self->streams_) {
      if (!stream.fetch.has_value() && !stream.closing_after.has_value()) stream.callbacks.drain(grace, reason);
    }
  });
}

void Runner::CloseStreams() {
  Post([self = shared_from_this()] {
    std::vector<uint64_t> streams;
    for (const auto& [id, stream] : self->streams_) streams.push_back(id);
    for (const uint64_t id : streams) {
      self->CloseStream(id, delivery::CloseHow::kDrain, absl::UnavailableError("the relay is stopping"));
    }
  });
}

// --- time ---

void Runner::RunTimers(MonoTime now) {
  if (now >= attach_at_) AttachNow();
  if (now >= next_fetch_) {
    next_fetch_ = MonoTime::Infinite();
    std::vector<uint64_t> over;
    for (const auto& [id, stream] : streams_) {
      if (stream.fetch_until <= now) {
        over.push_back(id);
      } else {
        next_fetch_ = std::min(next_fetch_, stream.fetch_until);
      }
    }
    for (const uint64_t id : over) CloseStream(id, delivery::CloseHow::kHalfClose, absl::OkStatus());
  }
  if (now >= next_heartbeat_) SendHeartbeats(now);
  if (streams_.empty() && !expiring_ && spec_.expire_after != absl::InfiniteDuration() &&
      now >= idle_since_ + spec_.expire_after) {
    expiring_ = true;
    Log(LogLevel::kInfo, "subscription expired: no stream was open", {{"subscription", name_}});
    context_.expired(id_);
  }
}

void Runner::SendHeartbeats(MonoTime now) {
  next_heartbeat_ = MonoTime::Infinite();
  std::vector<uint64_t> due;
  for (auto& [id, stream] : streams_) {
    if (stream.fetch.has_value()) continue;
    if (stream.last_sent + context_.heartbeat_interval <= now) {
      due.push_back(id);
      stream.last_sent = now;
    }
    next_heartbeat_ = std::min(next_heartbeat_, stream.last_sent + context_.heartbeat_interval);
  }
  if (due.empty()) return;
  const auto send = [self = shared_from_this(), due = std::move(due)](int64_t lag) {
    for (const uint64_t id : due) {
      const auto it = self->streams_.find(id);
      if (it != self->streams_.end()) it->second.callbacks.heartbeat(lag);
    }
  };
  if (ephemeral_start_.has_value()) {
    // The store keeps nothing of a private feed: at most what came after the newest event that matched.
    send(static_cast<int64_t>(context_.store.GetStats().head - newest_seen_));
    return;
  }
  context_.store.GetSubscriptionStats(
      id_, [self = shared_from_this(), send](absl::StatusOr<store::SubscriptionStats> stats) {
        if (stats.ok()) self->Post([send, lag = stats->lag] { send(lag); });
      });
}

void Runner::Arm(MonoTime at) {
  if (at == MonoTime::Infinite() || at >= armed_at_) return;
  armed_at_ = at;
  const absl::Duration left = std::max(at - context_.clock.MonoNow(), absl::ZeroDuration());
  timer_.expires_after(absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    self->Post([self] { self->armed_at_ = MonoTime::Infinite(); });
  });
}

// --- numbers ---

void Runner::PublishCounts() {
  const delivery::Counts& now = tracker_.counts();
  const auto count = [](metrics::Counter& counter, int64_t before, int64_t after) {
    const int64_t grown = after >= before ? after - before : after;  // a reset began anew
    if (grown != 0) counter.Increment(static_cast<double>(grown));
  };
  count(metrics_.delivered, counted_.delivered, now.delivered);
  count(metrics_.acked, counted_.settled, now.settled);
  count(metrics_.dead, counted_.dead, now.dead);
  count(metrics_.released, counted_.released, now.released);
  count(metrics_.commits_failed, counted_.commits_failed, now.commits_failed);
  count(metrics_.failed_nack, counted_.failed_nack, now.failed_nack);
  count(metrics_.failed_deadline, counted_.failed_deadline, now.failed_deadline);
  count(metrics_.failed_lost_connection, counted_.failed_lost_connection, now.failed_lost_connection);
  count(metrics_.failed_reject, counted_.failed_reject, now.failed_reject);
  counted_ = now;
  ready_.store(now.ready, std::memory_order_relaxed);
  leased_.store(now.leased, std::memory_order_relaxed);
  waiting_.store(now.waiting, std::memory_order_relaxed);
  idle_.store(end_.has_value() || (tracker_.IsIdle() && commits_.empty() && settle_calls_.empty()));
}

Runner::Snapshot Runner::GetSnapshot() const {
  return {
      .ready = ready_.load(), .leased = leased_.load(), .waiting = waiting_.load(), .streams = stream_count_.load()};
}

void Runner::RefreshMetrics() {
  Post([self = shared_from_this()] {
    int64_t free = 0;
    for (const auto& [id, stream] : self->streams_) {
      free += std::max<int64_t>(0, stream.credit.events - self->tracker_.Outstanding(id).events);
    }
    const delivery::Counts& counts = self->tracker_.counts();
    self->metrics_.credit_free.Set(static_cast<double>(free));
    self->metrics_.streams.Set(static_cast<double>(self->streams_.size()));
    self->metrics_.leased.Set(static_cast<double>(counts.leased));
    self->metrics_.ready.Set(static_cast<double>(counts.ready));
    self->metrics_.waiting.Set(static_cast<double>(counts.waiting));
    self->metrics_.unsettled.Set(static_cast<double>(counts.Unsettled()));
    if (self->ephemeral_start_.has_value()) return;
    self->context_.store.GetSubscriptionStats(self->id_, [self](absl::StatusOr<store::SubscriptionStats> stats) {
      if (!stats.ok()) return;
      self->metrics_.lag.Set(static_cast<double>(stats->lag));
      self->metrics_.dead_letters.Set(static_cast<double>(stats->dead));
    });
  });
}

// --- the stream's handle ---

Stream::Stream(std::shared_ptr<Runner> runner, uint64_t id, OpenSettings settings)
    : runner_(std::move(runner)), id_(id), settings_(settings) {}

Stream::~Stream() { runner_->Lost(id_); }

absl::Status Stream::Settle(const v1::SettleBatch& batch, absl::AnyInvocable<void() &&> taken) {
  HS_ASSIGN_OR_RETURN(auto settlements, runner_->ReadSettlements(batch.settlements()));
  runner_->Settle(id_, std::move(settlements), std::move(taken));
  return absl::OkStatus();
}

absl::Status Stream::Flow(const v1::Flow& flow) {
  delivery::Credit checked;
  HS_RETURN_IF_ERROR(ApplyFlow(flow, checked));
  runner_->Flow(id_, flow);
  return absl::OkStatus();
}

void Stream::HalfClose() { runner_->HalfClose(id_); }

void Stream::Lost() { runner_->Lost(id_); }

}  // namespace hookstream::dispatch
