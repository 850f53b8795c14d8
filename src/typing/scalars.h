// Texts and numbers of JSON -> the values of Protobuf's scalars and well-known types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hookstream::typing {

// Seconds since 1970 and nanoseconds, as google.protobuf.Timestamp (nanos 0..999,999,999) or Duration (nanos of the
// same sign as seconds).
struct SecondsNanos {
  int64_t seconds = 0;
  int32_t nanos = 0;
};

inline constexpr int64_t kMinTimestampSeconds = -62135596800;  // 0001-01-01T00:00:00Z
inline constexpr int64_t kMaxTimestampSeconds = 253402300799;  // 9999-12-31T23:59:59Z
inline constexpr int64_t kMaxDurationSeconds = 315576000000;   // timestamp.proto, duration.proto

// RFC 3339, and what providers make of it: a space for the T, lower case, a zone as +HHMM or " UTC" or none at all
// (then UTC), a date alone (midnight UTC). Digits beyond nanoseconds are cut. Within years 1 to 9999.
std::optional<SecondsNanos> ParseTimestamp(std::string_view text);

// "1.5s", as Protobuf's JSON writes a duration.
std::optional<SecondsNanos> ParseDuration(std::string_view text);

// A decimal number, e.g. "1355517523.000005", in units of 1/`units_per_second` s, exactly, rounded down to nanoseconds.
// `units_per_second` is 1, 1,000 or 1,000,000. Timestamps take nanos from 0, so with `timestamp` -0.5 is {-1, 5e8}.
std::optional<SecondsNanos> ParseDecimalTime(std::string_view text, int64_t units_per_second, bool timestamp);
std::optional<SecondsNanos> TimeFromInteger(int64_t value, int64_t units_per_second, bool timestamp);

// Base64, standard or URL-safe alphabet, with padding or without. Nothing else is skipped.
std::optional<std::string> DecodeBase64(std::string_view text);

// "123", "1e3", "5.0": the whole text, no spaces. Empty when it is no number, or not a whole one; `out_of_range` tells
// a number that does not fit from a text that is none.
std::optional<int64_t> ParseInt64(std::string_view text, bool& out_of_range);
std::optional<uint64_t> ParseUint64(std::string_view text, bool& out_of_range);
// Also "NaN", "Infinity", "-Infinity".
std::optional<double> ParseDouble(std::string_view text, bool& out_of_range);
// A double that is a whole number within the type.
std::optional<int64_t> WholeInt64(double value);
std::optional<uint64_t> WholeUint64(double value);

// One path of a google.protobuf.FieldMask: "address.streetName" -> "address.street_name".
std::string SnakePath(std::string_view camel);

// The longest prefix of at most `max_bytes` that does not cut a UTF-8 character.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);

}  // namespace hookstream::typing
