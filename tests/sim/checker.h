// Watches what goes between the tracker and its world and names the invariant that breaks (the numbers are those of
// docs/delivery.md). It keeps its own, slower picture of leases, credit and answers, and trusts only the model store.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delivery/tracker.h"
#include "tests/sim/model_store.h"

namespace hookstream::sim {

using delivery::Actions;
using delivery::CloseHow;
using delivery::Counts;
using delivery::Credit;
using delivery::DeliveryId;
using delivery::Generation;
using delivery::Now;
using delivery::Settings;
using delivery::SettleKind;
using delivery::Settlement;
using delivery::StreamId;
using delivery::StreamOpen;

struct Violation {
  int invariant = 0;
  std::string what;
};

class Checker {
 public:
  Checker(const Settings& settings, ModelStore& store) : settings_(settings), store_(store) {}

  // Each before the tracker gets it.
  void OnOpen(const StreamOpen& open);
  void OnCredit(StreamId stream, Credit credit);
  void OnClose(StreamId stream, CloseHow how, MonoTime now);
  void OnSettle(StreamId stream, const Settlement& settlement, MonoTime now);
  void OnClaimLost(const std::vector<Seq>& seqs);
  void OnCommitted(CommitToken token);
  void OnSkip(Seq seq) { events_[seq].skipped = true; }
  // A seek, or a new feed of the same generation.
  void OnReset(Generation generation);
  void OnRedrive(Seq seq) { events_[seq] = {}; }
  // The tracker is gone; a new one of the same generation begins.
  void OnRestart();

  // After the tracker's Step, before the world carries the actions out. `counts` as the tracker gives them.
  void OnActions(const Actions& actions, const Counts& counts, MonoTime now);
  // After they were carried out.
  void OnCarriedOut(const Counts& counts);
  // When the faults have stopped for long enough.
  void AtEnd(const Counts& counts, std::map<StreamId, Credit> outstanding);

  const std::optional<Violation>& violation() const { return violation_; }
  void Fail(int invariant, std::string what);

 private:
  struct RefEvent {
    uint32_t newest = 0;
    int attempt = 0;
    bool leased = false;
    StreamId stream = 0;
    int64_t bytes = 0;
    MonoTime deadline = {};
    MonoTime leased_at = {};
    // What happened to the newest delivery.
    bool acked = false;
    bool rejected = false;
    bool nacked = false;
    bool timed_out = false;
    bool lost = false;
    // What older delivery ids asked for (bits by SettleKind): if it is done, that is why.
    unsigned stale = 0;
    std::optional<absl::Duration> nack_delay = std::nullopt;
    // In the generation.
    bool final_ok = false;
    bool skipped = false;
  };
  enum class RefState { kOpen, kLost, kDetached };
  struct RefStream {
    RefState state = RefState::kOpen;
    StreamId session = 0;
    std::string client_id = {};
    bool confirm = false;
    Credit credit = {};
    Credit outstanding = {};
    MonoTime grace_end = {};
  };

  // Settlements of one delivery id by one stream. Which of them a result answers is not said: OK needs one that is
  // durable, or an extension.
  struct Awaited {
    int unanswered = 0;
    int extensions = 0;
    bool ack = false;
    bool nack = false;
    bool reject = false;
  };

  static unsigned Bit(SettleKind kind) { return 1u << static_cast<unsigned>(kind); }
  void EndLease(RefEvent& event);
  void Forget(Seq seq);
  void SweepTime(MonoTime now);
  void CheckOutcome(const Outcome& outcome, bool confirm);
  void CheckResult(const delivery::Result& result);
  void CheckDelivery(StreamId stream, const delivery::Delivery& delivery, MonoTime now);
  void CheckWant(const Actions& actions, const Counts& counts);
  void CheckCounts(const Counts& counts);

  Settings settings_;
  ModelStore& store_;
  Generation generation_ = 1;
  std::map<Seq, RefEvent> events_;
  std::map<StreamId, RefStream> streams_;
  std::map<std::pair<StreamId, std::pair<Seq, uint32_t>>, Awaited> awaiting_;  // confirmed ones
  std::map<CommitToken, std::vector<Seq>> commits_;
  std::map<Seq, int> lost_in_flight_;
  int64_t acks_committed_ = 0;
  std::optional<Violation> violation_;
};

}  // namespace hookstream::sim
