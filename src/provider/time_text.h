// Times as providers write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "provider/provider.h"

namespace hookstream::provider {

// Seconds and milliseconds: digits only, at most 15, with `fractions` also a decimal part; ISO 8601: date and time,
// with a "T" or a space between, a fraction, and "Z" or an offset (neither: UTC). nullopt for everything else, and
// outside the years 1..9999 (what google.protobuf.Timestamp can hold).
enum class Fractions { kRefused, kAccepted };
std::optional<absl::Time> ParseTimeText(std::string_view text, TimeUnit unit, Fractions fractions);

// The other way, without a fraction; ISO 8601 in UTC.
std::string FormatTimeText(absl::Time time, TimeUnit unit);

}  // namespace hookstream::provider
