// Time as it is injected everywhere: wall time for what people and providers mean by time, monotonic time for leases,
// backoff and retention, which no clock step may move.
#pragma once

#include <compare>

#include "absl/time/time.h"
#include "base/mutex.h"

namespace hookstream {

// A point on the monotonic clock of this process. Never stored.
struct MonoTime {
  absl::Duration since_start;

  static constexpr MonoTime Infinite() { return {absl::InfiniteDuration()}; }
  friend bool operator==(MonoTime a, MonoTime b) { return a.since_start == b.since_start; }
  friend bool operator!=(MonoTime a, MonoTime b) { return a.since_start != b.since_start; }
  friend bool operator<(MonoTime a, MonoTime b) { return a.since_start < b.since_start; }
  friend bool operator<=(MonoTime a, MonoTime b) { return a.since_start <= b.since_start; }
  friend bool operator>(MonoTime a, MonoTime b) { return a.since_start > b.since_start; }
  friend bool operator>=(MonoTime a, MonoTime b) { return a.since_start >= b.since_start; }
  friend MonoTime operator+(MonoTime t, absl::Duration d) { return {t.since_start + d}; }
  friend MonoTime operator-(MonoTime t, absl::Duration d) { return {t.since_start - d}; }
  friend absl::Duration operator-(MonoTime a, MonoTime b) { return a.since_start - b.since_start; }
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time WallNow() const = 0;
  virtual MonoTime MonoNow() const = 0;
};

class SystemClock final : public Clock {
 public:
  absl::Time WallNow() const override;
  MonoTime MonoNow() const override;
};

// Moved by hand in tests and the simulation.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(absl::Time wall = absl::FromUnixSeconds(1'700'000'000)) : wall_(wall) {}
  absl::Time WallNow() const override;
  MonoTime MonoNow() const override;
  // Both clocks.
  void Advance(absl::Duration d);
  // A clock step: the wall clock only.
  void StepWall(absl::Duration d);

 private:
  mutable Mutex mutex_;
  absl::Time wall_ HS_GUARDED_BY(mutex_);
  MonoTime mono_ HS_GUARDED_BY(mutex_){absl::Seconds(1)};
};

}  // namespace hookstream
