// Durations and sizes as people write them in the configuration and on the command line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace hookstream {

// Decimal only: no sign, and no leading zero, which other YAML readers take for octal.
bool ParseWholeNumber(std::string_view text, int64_t& value);

// "500ms", "30s", "10m", "72h", "7d", or several joined ("1h30m"). INVALID_ARGUMENT without a unit, when negative or
// too large.
absl::StatusOr<absl::Duration> ParseDurationText(std::string_view text);
std::string DurationText(absl::Duration duration);

// "512B", "64KiB", "25MiB", "20GiB", "1TiB", and with powers of ten "kB", "MB", "GB", "TB". INVALID_ARGUMENT without a
// unit.
absl::StatusOr<int64_t> ParseBytesText(std::string_view text);
std::string BytesText(int64_t bytes);

}  // namespace hookstream
