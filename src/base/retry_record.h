// What is remembered of an event's failed attempts in one subscription: written by the store, made by the delivery
// tracker, shown in `last_failure` and the dead letters. Here because both rooms need it and neither includes the
// other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace hookstream {

// The numbers are stored on disk and are those of hookstream.v1.FailureKind.
enum class FailureKind : uint8_t {
  kNack = 1,
  kDeadline = 2,
  kLostConnection = 3,
  kReject = 4,
};

struct Failure {
  FailureKind kind = FailureKind::kNack;
  // The client's own words of nack or reject, at most kFailureReasonBytesMax; empty for the others.
  std::string reason;
  // Wall time, for people; nothing is decided by it.
  absl::Time time;
  // The attempt that failed: from 1.
  int attempt = 0;

  friend bool operator==(const Failure&, const Failure&) = default;
};

struct RetryRecord {
  // Attempts that failed so far; the next delivery is attempt `attempts + 1`.
  int attempts = 0;
  // Newest first, at most kFailuresKept.
  std::vector<Failure> failures;

  friend bool operator==(const RetryRecord&, const RetryRecord&) = default;
};

inline constexpr size_t kFailureReasonBytesMax = 512;
inline constexpr size_t kFailuresKept = 8;

}  // namespace hookstream
