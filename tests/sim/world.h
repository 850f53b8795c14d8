// One simulated run: the real tracker between a model store and seeded clients, on a clock that is moved by hand. A
// seed decides everything, so that a run replays exactly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/checker.h"

namespace hookstream::sim {

// A fault planted between the tracker and its world, to prove that the checker sees it.
enum class Mutant {
  kNone,
  kAckInsteadOfRetry,  // 1: an event that failed is settled
  kEarlyOk,            // 3: OK before the commit
  kRedeliverSettled,   // 3: a settled event is delivered once more
  kAttemptJump,        // 4: an attempt that no failure paid for
  kHalfCloseIsLost,    // 4: a graceful end costs an attempt
  kStaleIdSettles,     // 5: an older delivery id is taken for the newest
  kTwoLeases,          // 5: one event on two streams
  kMiscount,           // 6
  kShortDelay,         // 8: the backoff is halved
  kOverCredit,         // 9: more than the client allowed
  kOverWant,           // 9: more wanted than there is credit for
  kDeadNotSynced,      // 10: a dead letter that may be lost
  kWallClockExpires,   // 11: a clock step ends leases
  kLostCommit,         // 13: a commit never reaches the store, so its answer never comes
};

struct Run {
  uint64_t seed = 1;
  Mutant mutant = Mutant::kNone;
  bool trace = false;  // prints each input and action
};

struct RunResult {
  std::optional<Violation> violation;
  absl::Duration at;    // virtual time of the violation or of the end
  uint64_t digest = 0;  // of all that happened, in order
  int64_t deliveries = 0;
  int64_t settled = 0;
  int64_t dead = 0;
  int restarts = 0;
};

RunResult Simulate(const Run& run);

}  // namespace hookstream::sim
