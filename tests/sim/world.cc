#include "tests/sim/world.h"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/clock.h"

namespace hookstream::sim {
namespace {

using delivery::Delivery;
using delivery::Result;
using delivery::ResultStatus;
using delivery::SendRun;
using delivery::Tracker;

class World {
 public:
  explicit World(const Run& run)
      : run_(run), rng_(run.seed), tracker_rng_(run.seed ^ 0x9e3779b97f4a7c15), store_(rng_) {
    settings_ = RandomSettings();
    checker_ = std::make_unique<Checker>(settings_, store_);
    tracker_ = std::make_unique<Tracker>(settings_, generation_, tracker_rng_);
    const int clients = 1 + static_cast<int>(Below(6));
    clients_.resize(static_cast<size_t>(clients));
    for (size_t i = 0; i < clients_.size(); ++i) {
      // Two may share an id, some have none.
      if (!Chance(0.2)) clients_[i].client_id = absl::StrCat("c", Below(4));
    }
    events_max_ = 40 + Below(160);
    p_act_ = 0.05 + Unit() * 0.5;
    p_bad_ = Unit() * 0.6;
    p_disconnect_ = Chance(0.2) ? 0 : Unit() * 0.03;
    p_restart_ = Chance(0.4) ? 0 : Unit() * 0.006;
    p_store_fault_ = Chance(0.4) ? 0 : Unit() * 0.02;
    p_claim_loss_ = Chance(0.6) ? 0 : Unit() * 0.02;
    p_seek_ = Chance(0.7) ? 0 : 0.002;
    p_poison_ = Chance(0.6) ? 0 : 0.03;
    p_oversized_ = Chance(0.5) ? 0 : 0.1;
    store_.SetLatency(absl::Milliseconds(Chance(0.2) ? 5000 : 1 + static_cast<int>(Below(200))));
  }

  RunResult Go() {
    const int steps = 600 + static_cast<int>(Below(600));
    for (int i = 0; i < steps && !Broken(); ++i) FaultyTurn();
    if (!Broken()) Calm();
    RunResult result{.violation = checker_->violation(),
                     .at = Mono().since_start,
                     .digest = digest_,
                     .deliveries = deliveries_,
                     .settled = settled_ + tracker_->counts().settled,
                     .dead = static_cast<int64_t>(store_.DeadCount()),
                     .restarts = restarts_};
    return result;
  }

 private:
  struct Held {
    Delivery delivery;
    MonoTime act_at;
    SettleKind plan = SettleKind::kAck;
    bool hangs = false;
  };
  struct Client {
    std::string client_id;
    StreamId stream = 0;   // 0: not connected
    StreamId session = 0;  // of the last stream
    bool broken = false;   // the connection is gone, the relay does not know yet
    bool confirm = false;
    Credit credit;
    std::vector<Held> held;
  };

  // ---- Chance.
  double Unit() { return static_cast<double>(rng_() >> 11) * 0x1p-53; }
  bool Chance(double p) { return Unit() < p; }
  uint64_t Below(uint64_t n) { return rng_() % n; }

  Settings RandomSettings() {
    Settings s;
    s.ack_deadline = absl::Milliseconds(1000 + static_cast<int>(Below(10'000)));
    const int maxima[] = {1, 2, 3, 10, 0};
    s.max_attempts = maxima[Below(5)];
    s.retry = {.min_backoff = absl::Milliseconds(static_cast<int>(Below(3000))),
               .max_backoff = absl::Milliseconds(3000 + static_cast<int>(Below(20'000))),
               .multiplier = 1 + Unit() * 3,
               .jitter = Chance(0.2) ? 0 : Unit()};
    s.max_unsettled = 1 + static_cast<int64_t>(Below(Chance(0.5) ? 20 : 200));
    s.max_lease = s.ack_deadline * (1 + Unit() * 3);
    s.resume_grace = absl::Milliseconds(static_cast<int>(Below(8000)));
    s.commit_retry = absl::Milliseconds(static_cast<int>(Below(2000)));
    return s;
  }

  // ---- Time and trace.
  MonoTime Mono() const { return clock_.MonoNow(); }

  // What the tracker is told.
  Now TrackerNow() const {
    Now now{Mono(), clock_.WallNow()};
    if (run_.mutant == Mutant::kWallClockExpires) now.mono = now.mono + wall_steps_;
    return now;
  }

  bool Broken() const { return checker_->violation().has_value(); }

  template <typename... Args>
  void Trace(const Args&... args) {
    if (run_.trace) {
      std::printf("%10.3f %s\n", absl::ToDoubleSeconds(Mono().since_start), absl::StrCat(args...).c_str());
    }
  }

  void Digest(uint64_t value) { digest_ = (digest_ ^ value) * 0x100000001b3; }

  // ---- Between the tracker and the world.
  void Step() {
    tracker_->Step(TrackerNow(), actions_);
    dirty_ = false;
    wake_at_ = actions_.wake_at;
    Counts counts = tracker_->counts();
    Mutate(counts);
    checker_->OnActions(actions_, counts, Mono());
    if (Broken()) return;
    for (const Result& result : actions_.results) {
      Trace("result ", result.id.seq, "#", result.id.number, " ", static_cast<int>(result.status));
      Digest(result.id.seq * 8 + static_cast<uint64_t>(result.status));
    }
    for (const Seq seq : actions_.releases) {
      Trace("release ", seq);
      Digest(seq);
      store_.Release(seq);
    }
    if (actions_.commit != 0) {
      for (const Outcome& outcome : actions_.outcomes) {
        Trace("commit ", actions_.commit, ": ", outcome.seq, " kind ", static_cast<int>(outcome.kind), " attempts ",
              outcome.record.attempts, " delay ", absl::FormatDuration(outcome.delay));
        Digest(outcome.seq * 4 + static_cast<uint64_t>(outcome.kind));
        Digest(static_cast<uint64_t>(absl::ToInt64Nanoseconds(outcome.delay)));
      }
      if (run_.mutant != Mutant::kLostCommit || actions_.commit % 7 != 0) {
        store_.Commit(actions_.commit, std::move(actions_.outcomes), actions_.confirm, Mono());
      }
    }
    for (const SendRun& send : actions_.sends) {
      for (uint32_t i = send.first; i < send.first + send.count; ++i) Arrive(send.stream, actions_.deliveries[i]);
    }
    if (actions_.want_events > 0 || actions_.want_bytes > 0) {
      Trace("want ", actions_.want_events, " events, ", actions_.want_bytes, " bytes");
      store_.Want(actions_.want_events, actions_.want_bytes);
    }
    checker_->OnCarriedOut(counts);
  }

  void Mutate(Counts& counts) {
    switch (run_.mutant) {
      case Mutant::kAckInsteadOfRetry:
        for (Outcome& outcome : actions_.outcomes) {
          if (outcome.kind == OutcomeKind::kRetry) outcome.kind = OutcomeKind::kAck;
        }
        break;
      case Mutant::kEarlyOk:
        for (const auto& [stream, id] : acks_seen_) actions_.results.push_back({stream, id, ResultStatus::kOk});
        acks_seen_.clear();
        break;
      case Mutant::kRedeliverSettled:
        for (const SendRun& send : actions_.sends) {
          for (Seq seq = 1; seq <= store_.LastSeq(); ++seq) {
            if (store_.Applied(seq).disposition == Disposition::kSettled && store_.Facts(seq).matches) {
              actions_.deliveries[send.first].id.seq = seq;
              return;
            }
          }
        }
        break;
      case Mutant::kAttemptJump:
        for (Delivery& delivery : actions_.deliveries) ++delivery.attempt;
        break;
      case Mutant::kTwoLeases:
        if (!actions_.deliveries.empty()) {
          Delivery again = actions_.deliveries[0];
          again.id.number += 1000;
          actions_.deliveries.push_back(again);
          actions_.sends.push_back(
              {actions_.sends[0].stream, static_cast<uint32_t>(actions_.deliveries.size() - 1), 1});
        }
        break;
      case Mutant::kMiscount:
        if (counts.leased > 0) --counts.leased;
        break;
      case Mutant::kShortDelay:
        for (Outcome& outcome : actions_.outcomes) outcome.delay = outcome.delay / 3;
        break;
      case Mutant::kOverWant:
        if (actions_.want_events > 0) actions_.want_events *= 2;
        break;
      case Mutant::kDeadNotSynced:
        for (const Outcome& outcome : actions_.outcomes) {
          if (outcome.kind == OutcomeKind::kDead) actions_.confirm = false;
        }
        break;
      default: break;
    }
  }

  void Open(const StreamOpen& open) {
    Trace("open ", open.stream, " client '", open.client_id, "' resumes ", open.resumes, " holds ", open.held.size(),
          " credit ", open.credit.events, "/", open.credit.bytes);
    checker_->OnOpen(open);
    if (open.client_id.empty()) anonymous_.insert(open.stream);
    StreamOpen given = open;
    if (run_.mutant == Mutant::kOverCredit) given.credit.events += 3;
    tracker_->Open(given, TrackerNow());
    dirty_ = true;
  }

  void CloseStream(StreamId stream, CloseHow how) {
    Trace("close ", stream, " ", static_cast<int>(how));
    checker_->OnClose(stream, how, Mono());
    // Of a client without an id, so that there is no grace.
    if (run_.mutant == Mutant::kHalfCloseIsLost && how == CloseHow::kHalfClose && anonymous_.contains(stream)) {
      how = CloseHow::kLost;
    }
    tracker_->Close(stream, how, TrackerNow());
    dirty_ = true;
  }

  void Settle(StreamId stream, const Settlement& settlement) {
    Trace("settle ", settlement.id.seq, "#", settlement.id.number, " kind ", static_cast<int>(settlement.kind), " by ",
          stream);
    checker_->OnSettle(stream, settlement, Mono());
    Settlement given = settlement;
    if (run_.mutant == Mutant::kStaleIdSettles && newest_.contains(given.id.seq)) given.id = newest_[given.id.seq];
    if (run_.mutant == Mutant::kEarlyOk && given.kind == SettleKind::kAck) acks_seen_.emplace_back(stream, given.id);
    tracker_->Settle(stream, {&given, 1}, TrackerNow());
    dirty_ = true;
  }

  // ---- The store's side.
  void StoreTurn() {
    for (const ModelStore::Answer& answer : store_.Answers(Mono())) {
      Trace("committed ", answer.token, answer.ok ? " ok" : " failed");
      checker_->OnCommitted(answer.token);
      tracker_->Committed(answer.token, answer.ok, TrackerNow());
      dirty_ = true;
    }
    std::vector<ClaimedEvent> claimed = store_.HandOut(1 + Below(20), Mono());
    std::vector<Seq> skips;
    int64_t skip_bytes = 0;
    for (const ClaimedEvent& event : claimed) {
      Trace("claimed ", event.seq, " attempts ", event.retry.attempts, " delay ", absl::FormatDuration(event.delay));
      if (store_.Facts(event.seq).matches) continue;
      checker_->OnSkip(event.seq);
      skips.push_back(event.seq);
      skip_bytes += event.bytes;
    }
    std::erase_if(claimed, [this](const ClaimedEvent& event) { return !store_.Facts(event.seq).matches; });
    if (!skips.empty()) tracker_->Skip(skips, skip_bytes);
    if (!claimed.empty()) tracker_->Claimed(claimed, TrackerNow());
    dirty_ |= !skips.empty() || !claimed.empty();
    if (Chance(0.2)) store_.Sync();
  }

  void AppendSome() {
    for (uint64_t n = Below(8); n > 0 && store_.LastSeq() < events_max_; --n) {
      const int64_t bytes = 1 + static_cast<int64_t>(Below(Chance(p_oversized_) ? 20'000 : 500));
      store_.Append({.bytes = bytes, .matches = !Chance(0.1), .poison = Chance(p_poison_)});
    }
  }

  // ---- The clients' side.
  void Arrive(StreamId stream, const Delivery& delivery) {
    Trace("deliver ", delivery.id.seq, "#", delivery.id.number, " attempt ", delivery.attempt, " to ", stream);
    Digest(delivery.id.seq * 64 + static_cast<uint64_t>(delivery.attempt));
    Digest(delivery.id.number);
    ++deliveries_;
    newest_[delivery.id.seq] = delivery.id;
    Client* client = nullptr;
    for (Client& c : clients_) {
      if (c.stream == stream && !c.broken) client = &c;
    }
    if (client == nullptr) return;  // the relay will find out
    Held held{delivery, Mono() + absl::Milliseconds(static_cast<int>(Below(3000))), SettleKind::kAck, false};
    held.delivery.last_failure = nullptr;
    if (faulty_) {
      if (store_.Facts(delivery.id.seq).poison) client->broken = true;
      if (Chance(p_bad_)) {
        held.plan = static_cast<SettleKind>(Below(4));
        held.hangs = Chance(0.2);
        // Some do it too late.
        if (Chance(0.3)) held.act_at = held.act_at + settings_.ack_deadline;
      }
    }
    client->held.push_back(held);
  }

  void Connect(Client& client) {
    StreamOpen open;
    open.stream = ++last_stream_;
    open.client_id = client.client_id;
    open.confirm = Chance(0.5);
    open.credit = {1 + static_cast<int64_t>(Below(30)), 1 + static_cast<int64_t>(Below(5000))};
    if (client.session != 0 && Chance(0.7)) {
      open.resumes = client.session;
      for (const Held& held : client.held) {
        if (Chance(0.8)) open.held.push_back(held.delivery.id);
      }
      if (Chance(0.2) && !graveyard_.empty()) open.held.push_back(graveyard_[Below(graveyard_.size())]);
    }
    client.stream = open.stream;
    client.credit = open.credit;
    client.confirm = open.confirm;
    client.broken = false;
    Open(open);
    client.session = tracker_->SessionOf(open.stream);
  }

  void Disconnect(Client& client, CloseHow how) {
    CloseStream(client.stream, how);
    client.stream = 0;
    client.broken = false;
    if (how != CloseHow::kLost || Chance(0.3)) Bury(client);
  }

  // The client forgets what it holds; its ids may still turn up.
  void Bury(Client& client) {
    for (const Held& held : client.held) graveyard_.push_back(held.delivery.id);
    while (graveyard_.size() > 100) graveyard_.pop_front();
    client.held.clear();
  }

  Settlement MakeSettlement(const DeliveryId& id, SettleKind kind) {
    Settlement settlement{.id = id, .kind = kind};
    if (kind == SettleKind::kNack || kind == SettleKind::kReject) settlement.reason = "could not";
    if (kind == SettleKind::kNack && Chance(0.5)) settlement.delay = absl::Milliseconds(static_cast<int>(Below(5000)));
    if (kind == SettleKind::kExtend && Chance(0.5)) {
      settlement.delay = absl::Milliseconds(static_cast<int>(Below(20'000)));
    }
    return settlement;
  }

  // By the client's own stream, or by a unary call. One draw a statement: the order in which arguments are evaluated is
  // the compiler's, and a seed is to mean the same run with each.
  void SettleBy(const Client& client, const DeliveryId& id, SettleKind kind) {
    const bool unary = client.stream == 0 || client.broken || Chance(0.1);
    const Settlement settlement = MakeSettlement(id, kind);
    Settle(unary ? ++last_stream_ : client.stream, settlement);
  }

  void ClientTurn(Client& client) {
    const bool online = client.stream != 0 && !client.broken;
    for (size_t i = 0; i < client.held.size();) {
      Held& held = client.held[i];
      if (held.act_at > Mono() || (held.hangs && faulty_) || (!online && Chance(0.9))) {
        ++i;
        continue;
      }
      const Held now = held;
      if (now.plan == SettleKind::kExtend) {
        held.act_at = Mono() + absl::Milliseconds(static_cast<int>(Below(4000)));
        if (Chance(0.5)) held.plan = SettleKind::kAck;
        ++i;
      } else {
        client.held.erase(client.held.begin() + static_cast<ptrdiff_t>(i));
        if (faulty_ && Chance(0.2)) graveyard_.push_back(now.delivery.id);
      }
      SettleBy(client, now.delivery.id, now.plan);
      if (Chance(0.05)) SettleBy(client, now.delivery.id, SettleKind::kAck);
    }
  }

  void ClientFaults(Client& client) {
    if (client.stream == 0) {
      if (Chance(0.1)) Connect(client);
      return;
    }
    if (client.broken) {
      if (Chance(0.2)) Disconnect(client, CloseHow::kLost);
      return;
    }
    if (Chance(p_disconnect_)) {
      switch (Below(4)) {
        case 0: Disconnect(client, CloseHow::kHalfClose); break;
        case 1: Disconnect(client, CloseHow::kLost); break;
        case 2: client.broken = true; break;
        case 3: Disconnect(client, CloseHow::kDrain); break;
      }
      return;
    }
    if (Chance(0.02)) {
      client.credit = {static_cast<int64_t>(Below(30)), 1 + static_cast<int64_t>(Below(5000))};
      Trace("credit ", client.stream, " ", client.credit.events, "/", client.credit.bytes);
      checker_->OnCredit(client.stream, client.credit);
      Credit given = client.credit;
      if (run_.mutant == Mutant::kOverCredit) given.events += 3;
      tracker_->SetCredit(client.stream, given);
      dirty_ = true;
    }
    if (Chance(0.02) && !graveyard_.empty()) {
      const auto kind = static_cast<SettleKind>(Below(4));
      SettleBy(client, graveyard_[Below(graveyard_.size())], kind);
    }
    if (Chance(0.01)) {  // never given out
      const DeliveryId id{generation_, 1 + Below(events_max_), static_cast<uint32_t>(rng_())};
      SettleBy(client, id, SettleKind::kAck);
    }
  }

  // A Fetch call: a stream that goes as soon as it has something; its deliveries are settled by unary calls, or never.
  void Fetch() {
    const StreamId stream = ++last_stream_;
    Open({.stream = stream, .credit = {1 + static_cast<int64_t>(Below(5)), 2000}, .confirm = true});
    Client caller;
    caller.stream = stream;
    clients_.push_back(caller);
    Step();
    std::vector<Held> held = std::move(clients_.back().held);
    clients_.pop_back();
    CloseStream(stream, CloseHow::kDetach);
    for (const Held& h : held) graveyard_.push_back(h.delivery.id);
    while (graveyard_.size() > 100) graveyard_.pop_front();
  }

  // ---- The relay's side.
  void Restart(bool graceful) {
    Trace(graceful ? "stop" : "crash");
    Digest(graceful);
    ++restarts_;
    if (graceful) {
      tracker_->Drain();
      dirty_ = true;
      for (int i = 0; i < 20 && !Broken() && !tracker_->IsIdle(); ++i) {
        clock_.Advance(absl::Milliseconds(static_cast<int>(Below(300))));
        StoreTurn();
        for (Client& client : clients_) ClientTurn(client);
        Step();
      }
      if (Broken()) return;
    }
    for (Client& client : clients_) {
      if (client.stream != 0 && graceful) CloseStream(client.stream, CloseHow::kDrain);
      client.stream = 0;
      client.broken = false;
      if (Chance(0.5)) Bury(client);
    }
    if (graceful) {
      Step();
      for (int i = 0; i < 1000 && !Broken() && !tracker_->IsIdle(); ++i) {
        clock_.Advance(absl::Milliseconds(100));
        store_.SetFailing(false);
        StoreTurn();
        Step();
      }
      if (Broken()) return;
      if (tracker_->counts().Unsettled() != 0) checker_->Fail(13, "a drained tracker keeps events");
      store_.Stop();
    } else {
      store_.Crash(Mono());
    }
    settled_ += tracker_->counts().settled;
    checker_->OnRestart();
    if (graceful && Chance(0.2)) {
      // Down for a while.
      clock_.Advance(absl::Seconds(static_cast<int>(Below(20))));
    }
    acks_seen_.clear();
    tracker_ = std::make_unique<Tracker>(settings_, generation_, tracker_rng_);
    wake_at_ = MonoTime::Infinite();
    dirty_ = true;
  }

  void Seek() {
    Step();  // what is on its way belongs to the old generation
    if (Broken()) return;
    const Seq from = 1 + Below(store_.LastSeq() + 1);
    Trace("seek ", from);
    store_.Seek(from);
    ++generation_;
    checker_->OnReset(generation_);
    settled_ += tracker_->counts().settled;
    tracker_->Reset(generation_);
    newest_.clear();
    dirty_ = true;
  }

  // The store fails and is opened again in the process: a new feed of the same generation.
  void Reattach() {
    Step();
    if (Broken()) return;
    Trace("reattach");
    store_.Crash(Mono());
    checker_->OnReset(generation_);
    settled_ += tracker_->counts().settled;
    tracker_->Reset(generation_);
    dirty_ = true;
  }

  void FaultyTurn() {
    Advance(Chance(0.7) ? absl::Milliseconds(static_cast<int>(Below(200)))
                        : absl::Milliseconds(static_cast<int>(Below(3000))));
    if (Chance(0.3)) AppendSome();
    if (Chance(0.7)) StoreTurn();
    for (Client& client : clients_) {
      if (Chance(p_act_)) ClientTurn(client);
      ClientFaults(client);
    }
    if (Chance(0.01)) Fetch();
    if (Broken()) return;
    if (Chance(p_store_fault_)) store_.SetFailing(true);
    if (Chance(0.1)) store_.SetFailing(false);
    if (Chance(p_claim_loss_)) {
      Step();
      if (Broken()) return;
      const std::vector<Seq> lost = store_.LoseClaims(5);
      for (const Seq seq : lost) Trace("claim lost ", seq);
      checker_->OnClaimLost(lost);
      tracker_->ClaimLost(lost);
      dirty_ = true;
    }
    if (Chance(0.01)) {
      Step();  // a person redrives what was seen dead
      if (Broken()) return;
      for (const Seq seq : store_.Redrive(1 + Below(5))) {
        Trace("redrive ", seq);
        checker_->OnRedrive(seq);
      }
    }
    if (Chance(0.01)) {
      const absl::Duration step = absl::Seconds(static_cast<int>(Below(7200))) - absl::Hours(1);
      clock_.StepWall(step);
      if (step > absl::ZeroDuration()) wall_steps_ += step;
    }
    if (Chance(0.005)) {
      paused_ = !paused_;
      paused_ ? tracker_->Pause() : tracker_->Resume();
      dirty_ = true;
    }
    if (Chance(p_seek_)) Seek();
    if (!Broken() && Chance(p_restart_)) Reattach();
    if (Broken()) return;
    if (Chance(p_restart_)) {
      Restart(Chance(0.5));
      paused_ = false;
    }
    if (Broken()) return;
    // The contract: after inputs, and when wake_at has come.
    if (dirty_ || Mono() >= wake_at_) Step();
  }

  void Advance(absl::Duration d) { clock_.Advance(d); }

  // The faults stop: clients connect and acknowledge, commits succeed. All must end within bounded virtual time.
  void Calm() {
    Trace("calm");
    faulty_ = false;
    store_.SetFailing(false);
    store_.SetLatency(absl::Milliseconds(20));
    tracker_->Resume();
    dirty_ = true;
    for (Client& client : clients_) {
      if (client.broken) Disconnect(client, CloseHow::kLost);
      if (client.stream == 0) {
        Bury(client);
        Connect(client);
      }
      client.credit = {20, 3000};
      checker_->OnCredit(client.stream, client.credit);
      tracker_->SetCredit(client.stream, client.credit);
    }
    // One event after the other, each as long as it can take: generous, yet bounded.
    const absl::Duration once = settings_.max_lease + settings_.retry.max_backoff * 2 + settings_.resume_grace +
                                settings_.commit_retry + absl::Seconds(15);
    const MonoTime limit = Mono() + once * 4 + absl::Seconds(5) * static_cast<double>(store_.LastSeq());
    while (!Broken() && Mono() < limit) {
      // To the next thing that happens anywhere: the tracker's own wake_at has to be enough.
      MonoTime next = std::min(wake_at_, store_.NextAnswer());
      for (const Client& client : clients_) {
        for (const Held& held : client.held) next = std::min(next, std::max(held.act_at, Mono()));
      }
      if (!dirty_ && next > Mono()) {
        if (next == MonoTime::Infinite()) next = Mono() + absl::Milliseconds(50);
        Advance(std::min(next - Mono(), absl::Milliseconds(50)));
      }
      StoreTurn();
      for (Client& client : clients_) ClientTurn(client);
      if (dirty_ || Mono() >= wake_at_) Step();
      if (store_.AllDone() && tracker_->counts().Unsettled() == 0 && Quiet()) break;
    }
    if (Broken()) return;
    std::map<StreamId, Credit> outstanding;
    for (const Client& client : clients_) outstanding[client.stream] = tracker_->Outstanding(client.stream);
    checker_->AtEnd(tracker_->counts(), outstanding);
  }

  bool Quiet() const {
    return store_.NextAnswer() == MonoTime::Infinite() &&
           std::all_of(clients_.begin(), clients_.end(), [](const Client& client) { return client.held.empty(); });
  }

  const Run run_;
  std::mt19937_64 rng_;
  std::mt19937_64 tracker_rng_;
  ManualClock clock_;
  ModelStore store_;
  Settings settings_;
  std::unique_ptr<Checker> checker_;
  std::unique_ptr<Tracker> tracker_;
  Actions actions_;
  MonoTime wake_at_ = MonoTime::Infinite();
  bool dirty_ = true;  // an input since the last Step
  bool faulty_ = true;
  bool paused_ = false;
  Generation generation_ = 1;
  std::vector<Client> clients_;
  StreamId last_stream_ = 0;
  std::deque<DeliveryId> graveyard_;
  uint64_t events_max_ = 0;
  double p_act_ = 0, p_bad_ = 0, p_disconnect_ = 0, p_restart_ = 0, p_store_fault_ = 0, p_claim_loss_ = 0, p_seek_ = 0,
         p_poison_ = 0, p_oversized_ = 0;
  // For the result and the mutants.
  uint64_t digest_ = 0xcbf29ce484222325;
  int64_t deliveries_ = 0;
  int64_t settled_ = 0;
  int restarts_ = 0;
  absl::Duration wall_steps_;
  std::map<Seq, DeliveryId> newest_;
  std::set<StreamId> anonymous_;
  std::vector<std::pair<StreamId, DeliveryId>> acks_seen_;
};

}  // namespace

RunResult Simulate(const Run& run) { return World(run).Go(); }

}  // namespace hookstream::sim
