// Times as providers write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "provider/provider.h"

namespace hookstream::provider {

// Seconds and milliseconds: digits only, at most 15, with `fractions` also a decimal part; ISO 8601: date and time,
// with a "T" or a space between, a fraction, and "Z" or an offset (neither: UTC); HTTP's date: IMF-fixdate alone (RFC
// 9110), with the weekday that the day has. nullopt for everything else, and
// outside the years 1..9999 (what google.protobuf.Timestamp can hold).
enum class Fractions { kRefused, kAccepted };
std::optional<absl::Time> ParseTimeText(std::string_view text, TimeUnit unit, Fractions fractions);

// The other way, without a fraction; ISO 8601 in UTC. Texts of HTTP's date are in English whatever the locale.
std::string FormatTimeText(absl::Time time, TimeUnit unit);

}  // namespace hookstream::provider
