#include "base/clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace hookstream {

absl::Time SystemClock::WallNow() const { return absl::Now(); }

MonoTime SystemClock::MonoNow() const {
  return {absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch())};
}

absl::Time ManualClock::WallNow() const {
  MutexLock lock(mutex_);
  return wall_;
}

MonoTime ManualClock::MonoNow() const {
  MutexLock lock(mutex_);
  return mono_;
}

void ManualClock::Advance(absl::Duration d) {
  MutexLock lock(mutex_);
  wall_ += d;
  mono_ = mono_ + d;
}

void ManualClock::StepWall(absl::Duration d) {
  MutexLock lock(mutex_);
  wall_ += d;
}

}  // namespace hookstream
