#include "provider/time_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "base/text.h"

namespace hookstream::provider {
namespace {

constexpr size_t kMaxDigits = 15;
constexpr size_t kMaxIsoBytes = 40;

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

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

std::string HttpDate(absl::Time time) {
  const absl::CivilSecond civil = absl::ToCivilSecond(time, absl::UTCTimeZone());
  const auto two = [](int number) { return absl::Dec(number, absl::kZeroPad2); };
  const auto name = [](std::string_view text) { return absl::string_view(text.data(), text.size()); };
  return absl::StrCat(name(kWeekdays[static_cast<size_t>(absl::GetWeekday(civil))]), ", ", two(civil.day()), " ",
                      name(kMonths[static_cast<size_t>(civil.month()) - 1]), " ",
                      absl::Dec(civil.year(), absl::kZeroPad4), " ", two(civil.hour()), ":", two(civil.minute()), ":",
                      two(civil.second()), " GMT");
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

// The one spelling of a time, so what was parsed is written again and compared.
std::optional<absl::Time> ParseHttpDate(std::string_view text) {
  if (text.size() != std::string_view("Sun, 06 Nov 1994 08:49:37 GMT").size()) return std::nullopt;
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  if (month == kMonths.end()) return std::nullopt;
  const auto number = [&](size_t at, size_t digits) {
    int value = 0;
    for (const char c : text.substr(at, digits)) value = IsDigit(c) ? value * 10 + (c - '0') : -1'000'000;
    return value;
  };
  const absl::CivilSecond civil(number(12, 4), month - kMonths.begin() + 1, number(5, 2), number(17, 2), number(20, 2),
                                number(23, 2));
  const absl::Time time = absl::FromCivil(civil, absl::UTCTimeZone());
  if (HttpDate(time) != text) return std::nullopt;
  return time;
}

}  // namespace

std::optional<absl::Time> ParseTimeText(std::string_view text, TimeUnit unit, Fractions fractions) {
  std::optional<absl::Time> time;
  switch (unit) {
    case TimeUnit::kSeconds: time = ParseNumber(text, absl::Seconds(1), fractions); break;
    case TimeUnit::kMilliseconds: time = ParseNumber(text, absl::Milliseconds(1), fractions); break;
    case TimeUnit::kIso: time = ParseIso(text); break;
    case TimeUnit::kHttp: time = ParseHttpDate(text); break;
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
    case TimeUnit::kHttp: return HttpDate(time);
    case TimeUnit::kIso: break;
  }
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace hookstream::provider
