// The store's own time, in which retention, dedupe windows and backoffs are counted: it advances with the monotonic
// clock, and over a restart by what the wall clock says, at most a day. So no step of the wall clock trims, expires or
// redelivers anything; the price is that a relay that was down for longer keeps things longer.
#pragma once

#include <algorithm>
#include <atomic>

#include "base/clock.h"
#include "base/mutex.h"
#include "store/embedded/format.h"

namespace hookstream::store::embedded {

// Thread-safe.
class AgeClock {
 public:
  static constexpr absl::Duration kDownTimeMax = absl::Hours(24);

  explicit AgeClock(const Clock& clock) : clock_(clock) {}

  // Returns how far the wall clock seems to have moved since `mark`, so that a doubtful one can be told of.
  absl::Duration Start(const ClockMark& mark) {
    const absl::Time wall = clock_.WallNow();
    const absl::Duration moved = wall - mark.wall;
    MutexLock lock(mutex_);
    base_ = mark.age + absl::ToInt64Milliseconds(std::clamp(moved, absl::ZeroDuration(), kDownTimeMax));
    mono_base_ = clock_.MonoNow();
    wall_base_ = wall;
    now_ = base_;
    return moved;
  }

  // For a new store: the wall clock gives the first value, only so that it can be read by people.
  void StartNew() { Start({std::max<AgeMs>(absl::ToUnixMillis(clock_.WallNow()), 0), clock_.WallNow()}); }

  AgeMs Now() {
    const MonoTime mono = clock_.MonoNow();
    MutexLock lock(mutex_);
    now_ = base_ + absl::ToInt64Milliseconds(mono - mono_base_);
    return now_;
  }

  ClockMark Mark() { return {Now(), clock_.WallNow()}; }

  // How far the wall clock has run ahead of (or fallen behind) the monotonic one since Start.
  absl::Duration WallStep() const {
    const absl::Time wall = clock_.WallNow();
    const MonoTime mono = clock_.MonoNow();
    MutexLock lock(mutex_);
    return (wall - wall_base_) - (mono - mono_base_);
  }

  // The last value of Now, for threads that must not wait.
  const std::atomic<AgeMs>& last() const { return now_; }

 private:
  const Clock& clock_;
  mutable Mutex mutex_;
  AgeMs base_ HS_GUARDED_BY(mutex_) = 0;
  MonoTime mono_base_ HS_GUARDED_BY(mutex_){};
  absl::Time wall_base_ HS_GUARDED_BY(mutex_);
  std::atomic<AgeMs> now_ = 0;
};

}  // namespace hookstream::store::embedded
