#include "base/units.h"

#include <algorithm>
#include <array>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace hookstream {
namespace {

struct Unit {
  std::string_view name;
  int64_t scale;
};

// Nanoseconds. Longest names first among those that share a beginning, so that "ms" is not read as minutes.
constexpr std::array<Unit, 5> kTimeUnits = {{{"ms", 1'000'000},
                                             {"s", 1'000'000'000},
                                             {"m", 60'000'000'000},
                                             {"h", 3'600'000'000'000},
                                             {"d", 86'400'000'000'000}}};
constexpr std::array<Unit, 9> kByteUnits = {{{"B", 1},
                                             {"KiB", int64_t{1} << 10},
                                             {"MiB", int64_t{1} << 20},
                                             {"GiB", int64_t{1} << 30},
                                             {"TiB", int64_t{1} << 40},
                                             {"kB", 1'000},
                                             {"MB", 1'000'000},
                                             {"GB", 1'000'000'000},
                                             {"TB", 1'000'000'000'000}}};

}  // namespace

bool ParseWholeNumber(std::string_view text, int64_t& value) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  if (!std::all_of(text.begin(), text.end(), IsDigit)) return false;
  return absl::SimpleAtoi(ToAbsl(text), &value);
}

absl::StatusOr<absl::Duration> ParseDurationText(std::string_view text) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", ToAbsl(text), "' is no duration: write a whole number with a unit (ms, s, m, h, d), e.g. 30s"));
  };
  if (text == "0") return absl::ZeroDuration();
  std::string_view rest = text;
  absl::Duration sum;
  if (rest.empty()) return bad();
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    int64_t number = 0;
    if (!ParseWholeNumber(rest.substr(0, digits), number)) return bad();
    rest.remove_prefix(digits);
    const auto unit = std::find_if(kTimeUnits.begin(), kTimeUnits.end(),
                                   [&](const Unit& u) { return rest.substr(0, u.name.size()) == u.name; });
    if (unit == kTimeUnits.end()) return bad();
    rest.remove_prefix(unit->name.size());
    sum += number * absl::Nanoseconds(unit->scale);
  }
  if (sum > absl::Hours(24 * 36'500)) return bad();
  return sum;
}

std::string DurationText(absl::Duration duration) {
  if (duration == absl::ZeroDuration()) return "0s";
  for (auto unit = kTimeUnits.rbegin(); unit != kTimeUnits.rend(); ++unit) {
    absl::Duration rest;
    const int64_t whole = absl::IDivDuration(duration, absl::Nanoseconds(unit->scale), &rest);
    // 72h is how people write it; 3d would be as true.
    if (rest == absl::ZeroDuration() && whole > 0 && !(unit->name == "d" && whole < 7)) {
      return absl::StrCat(whole, ToAbsl(unit->name));
    }
  }
  return absl::FormatDuration(duration);
}

absl::StatusOr<int64_t> ParseBytesText(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  int64_t number = 0;
  const auto unit =
      std::find_if(kByteUnits.begin(), kByteUnits.end(), [&](const Unit& u) { return text.substr(digits) == u.name; });
  if (!ParseWholeNumber(text.substr(0, digits), number) || unit == kByteUnits.end() ||
      number > std::numeric_limits<int64_t>::max() / unit->scale) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", ToAbsl(text), "' is no size: write a whole number with a unit (B, KiB, MiB, GiB, TiB), e.g. 25MiB"));
  }
  return number * unit->scale;
}

std::string BytesText(int64_t bytes) {
  for (size_t i = 5; i-- > 0;) {
    if (bytes >= kByteUnits[i].scale && bytes % kByteUnits[i].scale == 0) {
      return absl::StrCat(bytes / kByteUnits[i].scale, ToAbsl(kByteUnits[i].name));
    }
  }
  return absl::StrCat(bytes, "B");
}

}  // namespace hookstream
