// What ingest counts, and how often it logs. A source's numbers go on over a reload: they belong to its name.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

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

struct KeyStats {
  explicit KeyStats(metrics::Counter& hits_counter) : counter(hits_counter) {}

  void Hit(absl::Time now) {
    hits.fetch_add(1, std::memory_order_relaxed);
    last_hit_nanos.store(absl::ToUnixNanos(now), std::memory_order_relaxed);
    counter.Increment();
  }

  metrics::Counter& counter;
  std::atomic<int64_t> hits{0};
  std::atomic<int64_t> last_hit_nanos{-1};  // -1: never
};

// One source's, or that of requests to unknown sources (an empty name).
struct SourceStats {
  SourceStats(metrics::Registry& registry, const std::string& source);

  static constexpr size_t kVerifyReasons = verify::kReasonCount;

  metrics::Counter& accepted;
  metrics::Counter& handshakes;
  metrics::Counter& events;
  metrics::Counter& duplicates;
  metrics::Counter& unparsed;
  std::array<metrics::Counter*, kReasonCount> refused;
  std::array<metrics::Counter*, kVerifyReasons> failed;   // by why the signature was not right
  std::array<metrics::Counter*, kVerifyReasons> audited;  // accepted nevertheless: audit mode
  LogLimiter log;
  RateLimiter rate;
};

class Metrics {
 public:
  explicit Metrics(metrics::Registry& registry);

  SourceStats unknown;
  metrics::Histogram& body_bytes;
  metrics::Histogram& process_seconds;
  metrics::Histogram& append_seconds;
  metrics::Gauge& appending;
};

}  // namespace hookstream::ingest
