#include "provider/time_text.h"

#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace hookstream::provider {
namespace {

constexpr size_t kMaxDigits = 15;
constexpr size_t kMaxIsoBytes = 40;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Nanoseconds of ".123", cut after the ninth digit.
std::optional<int64_t> ParseFraction(std::string_view digits) {
  if (digits.empty() || digits.size() > 2 * kMaxDigits) return std::nullopt;
  int64_t nanos = 0;
  for (size_t i = 0; i < digits.size() || i < 9; ++i) {
    const char c = i < digits.size() ? digits[i] : '0';
    if (!IsDigit(c)) return std::nullopt;
    if (i < 9) nanos = nanos * 10 + (c - '0');
  }
  return nanos;
}

std::optional<absl::Time> ParseNumber(std::string_view text, absl::Duration unit, Fractions fractions) {
  std::string_view fraction;
  if (const size_t dot = text.find('.'); dot != std::string_view::npos) {
    if (fractions == Fractions::kRefused) return std::nullopt;
    fraction = text.substr(dot + 1);
    text = text.substr(0, dot);
    if (fraction.empty()) return std::nullopt;
  }
  if (text.empty() || text.size() > kMaxDigits) return std::nullopt;
  int64_t number = 0;
  for (const char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    number = number * 10 + (c - '0');
  }
  absl::Duration since_epoch = number * unit;
  if (!fraction.empty()) {
    const std::optional<int64_t> nanos = ParseFraction(fraction);
    if (!nanos) return std::nullopt;
    since_epoch += (unit / 1'000'000'000) * *nanos;
  }
  return absl::UnixEpoch() + since_epoch;
}

std::optional<absl::Time> ParseIso(std::string_view text) {
  // The shape is checked here since absl's parser also takes "infinite-future" and spaces around.
  if (text.size() < 19 || text.size() > kMaxIsoBytes || !IsDigit(text[0]) || !IsDigit(text[18])) return std::nullopt;
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return std::nullopt;
  std::string normal(text);
  normal[10] = 'T';
  std::string_view zone = text.substr(19);
  if (!zone.empty() && zone[0] == '.') {
    size_t end = 1;
    while (end < zone.size() && IsDigit(zone[end])) ++end;
    if (end == 1) return std::nullopt;
    zone.remove_prefix(end);
  }
  if (zone.empty()) {
    normal += 'Z';
  } else if (zone == "z") {
    normal.back() = 'Z';
  } else if (zone != "Z" && zone[0] != '+' && zone[0] != '-') {
    return std::nullopt;
  }
  absl::Time time;
  if (!absl::ParseTime("%Y-%m-%dT%H:%M:%E*S%Ez", normal, &time, nullptr)) return std::nullopt;
  return time;
}

}  // namespace

std::optional<absl::Time> ParseTimeText(std::string_view text, TimeUnit unit, Fractions fractions) {
  std::optional<absl::Time> time;
  switch (unit) {
    case TimeUnit::kSeconds: time = ParseNumber(text, absl::Seconds(1), fractions); break;
    case TimeUnit::kMilliseconds: time = ParseNumber(text, absl::Milliseconds(1), fractions); break;
    case TimeUnit::kIso: time = ParseIso(text); break;
  }
  static const absl::Time kFirst = absl::FromUnixSeconds(-62'135'596'800);
  static const absl::Time kEnd = absl::FromUnixSeconds(253'402'300'800);
  if (!time || *time < kFirst || *time >= kEnd) return std::nullopt;
  return time;
}

std::string FormatTimeText(absl::Time time, TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kSeconds: return absl::StrCat(absl::ToUnixSeconds(time));
    case TimeUnit::kMilliseconds: return absl::StrCat(absl::ToUnixMillis(time));
    case TimeUnit::kIso: break;
  }
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace hookstream::provider
