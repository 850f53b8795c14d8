// What ingest counts, and how often it logs. A source's numbers go on over a reload: they belong to its name.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "ingest/ingest.h"
#include "metrics/metrics.h"
#include "verify/verifier.h"

namespace hookstream::ingest {

// At most `kLinesMax` log lines a second; says how many were left out since the last. Thread-safe.
class LogLimiter {
 public:
  static constexpr int kLinesMax = 10;
  // Nothing: not now.
  std::optional<int64_t> Admit(MonoTime now);

 private:
  Mutex mutex_;
  MonoTime second_ HS_GUARDED_BY(mutex_) = {-absl::InfiniteDuration()};
  int lines_ HS_GUARDED_BY(mutex_) = 0;
  int64_t suppressed_ HS_GUARDED_BY(mutex_) = 0;
};

// A token bucket as one number, the time at which it would be full again (the generic cell rate algorithm). A burst is
// one second's worth of requests, at least one. Thread-safe.
class RateLimiter {
 public:
  // Zero: the request passes and is counted. Otherwise: how long until one may pass.
  absl::Duration Take(double per_second, MonoTime now);

 private:
  std::atomic<int64_t> full_at_nanos_{0};
};

// A counter of the registry that also knows how much of it is its own: a source that was removed and comes back finds
// the old counter.
class Tally {
 public:
  explicit Tally(metrics::Counter& counter) : counter_(&counter), before_(counter.Value()) {}

  void Increment(double by = 1) { counter_->Increment(by); }
  int64_t Value() const { return static_cast<int64_t>(counter_->Value() - before_); }

 private:
  metrics::Counter* counter_;
  double before_;
};

// Thread-safe.
struct KeyStats {
  KeyStats(metrics::Registry& registry, const std::string& source, const std::string& key, absl::Time now);

  void Hit(absl::Time now);

  Tally hits;
  metrics::Gauge& last_hit;
  const absl::Time counting_since;
  std::atomic<int64_t> last_hit_nanos{-1};  // -1: never
};

// What is remembered of signed times: the last skew, and the extremes of this hour and the one before. Thread-safe.
class SkewRecord {
 public:
  static constexpr absl::Duration kSpan = absl::Hours(1);

  void Add(absl::Duration skew, absl::Time received, MonoTime now);
  // nullopt: nothing was ever added.
  std::optional<SignedTimeSkew> Read(MonoTime now) const;

 private:
  struct Extremes {
    int64_t hour = -1;  // which span since the clock's start; -1: none
    absl::Duration lowest;
    absl::Duration highest;
  };

  mutable Mutex mutex_;
  SignedTimeSkew last_ HS_GUARDED_BY(mutex_);
  // Even hours and odd ones.
  std::array<Extremes, 2> extremes_ HS_GUARDED_BY(mutex_);
};

// One source's, or that of requests to unknown sources (an empty name).
struct SourceStats {
  SourceStats(metrics::Registry& registry, const std::string& source, absl::Time now);

  void SignedAt(absl::Time signed_at, absl::Time received, MonoTime now);

  static constexpr size_t kVerifyReasons = verify::kReasonCount;

  const absl::Time counting_since;
  Tally accepted;
  metrics::Counter& handshakes;
  metrics::Counter& events;
  metrics::Counter& duplicates;
  metrics::Counter& unparsed;
  std::vector<Tally> refused;  // by Reason
  std::vector<Tally> failed;   // by verify::Reason: why the signature was not right
  std::vector<Tally> audited;  // accepted nevertheless: audit mode
  std::atomic<int64_t> verified{0};
  metrics::Histogram& skew_seconds;
  SkewRecord skew;
  LogLimiter log;
  RateLimiter rate;
};

class Metrics {
 public:
  Metrics(metrics::Registry& registry, absl::Time now);

  SourceStats unknown;
  metrics::Histogram& body_bytes;
  metrics::Histogram& process_seconds;
  metrics::Histogram& append_seconds;
  metrics::Gauge& appending;
};

}  // namespace hookstream::ingest
