#include "ingest/metrics.h"

#include <algorithm>

#include <utility>

namespace hookstream::ingest {
namespace {

metrics::Counter& Requests(metrics::Registry& registry, const std::string& source, std::string_view decision) {
  return registry.AddCounter("hookstream_ingest_requests_total", "Webhook requests by what was decided",
                             {{"source", source}, {"decision", std::string(decision)}});
}

metrics::Counter& Failures(metrics::Registry& registry, const std::string& source, verify::Reason reason,
                           const char* enforced) {
  return registry.AddCounter(
      "hookstream_ingest_verification_failures_total",
      "Requests that failed verification; enforced=\"false\": accepted in audit mode",
      {{"source", source}, {"reason", std::string(verify::ReasonName(reason))}, {"enforced", enforced}});
}

metrics::Counter& Events(metrics::Registry& registry, const std::string& source, const char* status) {
  return registry.AddCounter("hookstream_ingest_events_total", "Events that are durable",
                             {{"source", source}, {"status", status}});
}

}  // namespace

std::optional<int64_t> LogLimiter::Admit(MonoTime now) {
  MutexLock lock(mutex_);
  if (now - second_ >= absl::Seconds(1)) {
    second_ = now;
    lines_ = 0;
  }
  if (lines_ == kLinesMax) {
    ++suppressed_;
    return std::nullopt;
  }
  ++lines_;
  return std::exchange(suppressed_, 0);
}

absl::Duration RateLimiter::Take(double per_second, MonoTime now) {
  const auto interval = static_cast<int64_t>(1e9 / per_second);
  const int64_t burst = std::max<int64_t>(1'000'000'000, interval);
  const int64_t now_nanos = absl::ToInt64Nanoseconds(now.since_start);
  int64_t full_at = full_at_nanos_.load(std::memory_order_relaxed);
  for (;;) {
    const int64_t start = std::max(full_at, now_nanos);
    const int64_t excess = start + interval - burst - now_nanos;
    if (excess > 0) return absl::Nanoseconds(excess);
    if (full_at_nanos_.compare_exchange_weak(full_at, start + interval, std::memory_order_relaxed)) {
      return absl::ZeroDuration();
    }
  }
}

KeyStats::KeyStats(metrics::Registry& registry, const std::string& source, const std::string& key, absl::Time now)
    : hits(registry.AddCounter("hookstream_ingest_key_hits_total", "Requests that a key verified",
                               {{"source", source}, {"key", key}})),
      last_hit(registry.AddGauge("hookstream_ingest_key_last_hit_timestamp_seconds",
                                 "When a key last verified a request, as Unix seconds; 0: not since the start",
                                 {{"source", source}, {"key", key}})),
      counting_since(now) {}

void KeyStats::Hit(absl::Time now) {
  hits.Increment();
  last_hit_nanos.store(absl::ToUnixNanos(now), std::memory_order_relaxed);
  last_hit.Set(absl::ToDoubleSeconds(now - absl::UnixEpoch()));
}

void SkewRecord::Add(absl::Duration skew, absl::Time received, MonoTime now) {
  const int64_t hour = now.since_start / kSpan;
  MutexLock lock(mutex_);
  last_.last = skew;
  last_.last_at = received;
  Extremes& extremes = extremes_[static_cast<size_t>(hour % 2)];
  if (extremes.hour != hour) extremes = {.hour = hour, .lowest = skew, .highest = skew};
  extremes.lowest = std::min(extremes.lowest, skew);
  extremes.highest = std::max(extremes.highest, skew);
}

std::optional<SignedTimeSkew> SkewRecord::Read(MonoTime now) const {
  const int64_t hour = now.since_start / kSpan;
  MutexLock lock(mutex_);
  if (extremes_[0].hour < 0 && extremes_[1].hour < 0) return std::nullopt;
  SignedTimeSkew skew = last_;
  for (const Extremes& extremes : extremes_) {
    if (extremes.hour < 0 || hour - extremes.hour > 1) continue;
    skew.lowest = std::min(extremes.lowest, skew.lowest.value_or(extremes.lowest));
    skew.highest = std::max(extremes.highest, skew.highest.value_or(extremes.highest));
  }
  return skew;
}

SourceStats::SourceStats(metrics::Registry& registry, const std::string& source, absl::Time now)
    : counting_since(now),
      accepted(Requests(registry, source, "accepted")),
      handshakes(Requests(registry, source, "handshake")),
      events(Events(registry, source, "accepted")),
      duplicates(Events(registry, source, "duplicate")),
      unparsed(registry.AddCounter("hookstream_ingest_unparsed_total",
                                   "Verified requests whose body is not what the preset expects: accepted raw",
                                   {{"source", source}})),
      skew_seconds(registry.AddHistogram(
          "hookstream_ingest_signed_time_skew_seconds",
          "Received minus signed time where the signature was right; negative: the provider's clock is ahead",
          {-300, -60, -10, -2, -1, 0, 1, 2, 5, 10, 60, 300, 3600, 86400}, {{"source", source}})) {
  for (size_t i = 0; i < kReasonCount; ++i) {
    refused.emplace_back(Requests(registry, source, ReasonName(static_cast<Reason>(i))));
  }
  for (size_t i = 0; i < kVerifyReasons; ++i) {
    failed.emplace_back(Failures(registry, source, static_cast<verify::Reason>(i), "true"));
    audited.emplace_back(Failures(registry, source, static_cast<verify::Reason>(i), "false"));
  }
}

void SourceStats::SignedAt(absl::Time signed_at, absl::Time received, MonoTime now) {
  const absl::Duration difference = received - signed_at;
  skew_seconds.Observe(absl::ToDoubleSeconds(difference));
  skew.Add(difference, received, now);
}

Metrics::Metrics(metrics::Registry& registry, absl::Time now)
    : unknown(registry, "", now),
      body_bytes(registry.AddHistogram("hookstream_ingest_body_bytes", "Sizes of accepted requests' bodies",
                                       {256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216})),
      process_seconds(registry.AddHistogram(
          "hookstream_ingest_process_seconds", "Verification and extraction of an accepted request",
          {0.000002, 0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.001, 0.01, 0.1, 1})),
      append_seconds(registry.AddHistogram("hookstream_ingest_append_seconds", "Until the store had made it durable",
                                           registry.LatencyBuckets())),
      appending(registry.AddGauge("hookstream_ingest_appending", "Requests that wait for the store")) {}

}  // namespace hookstream::ingest
