#include "typing/scalars.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"
#include "base/text.h"

namespace hookstream::typing {
namespace {

// `count` digits at the front of `text`, taken off.
bool TakeDigits(std::string_view& text, int count, int& value) {
  if (text.size() < static_cast<size_t>(count)) return false;
  value = 0;
  for (int i = 0; i < count; ++i) {
    if (!IsDigit(text[static_cast<size_t>(i)])) return false;
    value = value * 10 + (text[static_cast<size_t>(i)] - '0');
  }
  text.remove_prefix(static_cast<size_t>(count));
  return true;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// ".123" -> nanoseconds; digits beyond the ninth are dropped. False: a point without digits.
bool TakeFraction(std::string_view& text, int32_t& nanos) {
  nanos = 0;
  if (text.empty() || text.front() != '.') return true;
  text.remove_prefix(1);
  if (text.empty() || !IsDigit(text.front())) return false;
  int32_t scale = 100'000'000;
  while (!text.empty() && IsDigit(text.front())) {
    nanos += (text.front() - '0') * scale;
    scale /= 10;
    text.remove_prefix(1);
  }
  return true;
}

// Days since 1970-01-01 of the proleptic Gregorian calendar. Algorithm: Howard Hinnant, "chrono-Compatible Low-Level
// Date Algorithms".
int64_t DaysFromCivil(int64_t year, int month, int day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

int DaysInMonth(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

// Zone at the end of a time: seconds east of UTC.
bool ParseZone(std::string_view text, int64_t& offset) {
  offset = 0;
  TakeChar(text, ' ');
  if (text.empty() || text == "Z" || text == "z" || text == "UTC" || text == "GMT") return true;
  const bool west = text.front() == '-';
  if (!west && text.front() != '+') return false;
  text.remove_prefix(1);
  int hours = 0;
  int minutes = 0;
  if (!TakeDigits(text, 2, hours)) return false;
  if (!text.empty()) {
    TakeChar(text, ':');
    if (!TakeDigits(text, 2, minutes) || !text.empty()) return false;
  }
  if (hours > 23 || minutes > 59) return false;
  offset = (hours * 60 + minutes) * 60 * (west ? -1 : 1);
  return true;
}

bool IsNumberText(std::string_view text) {
  // What JSON calls a number; from_chars takes more ("inf", hexadecimal digits, leading zeros).
  TakeChar(text, '-');
  if (text.empty() || !IsDigit(text.front())) return false;
  while (!text.empty() && IsDigit(text.front())) text.remove_prefix(1);
  int32_t ignored;
  if (!TakeFraction(text, ignored)) return false;
  if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
    text.remove_prefix(1);
    if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
    if (text.empty() || !IsDigit(text.front())) return false;
    while (!text.empty() && IsDigit(text.front())) text.remove_prefix(1);
  }
  return text.empty();
}

template <typename T, typename Whole>
std::optional<T> ParseWhole(std::string_view text, bool& out_of_range, Whole whole) {
  out_of_range = false;
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  if (!IsNumberText(text)) return std::nullopt;
  const std::optional<double> number = ParseDouble(text, out_of_range);
  if (!number.has_value()) return std::nullopt;
  const std::optional<T> result = whole(*number);
  out_of_range = !result.has_value() && *number == std::floor(*number);
  return result;
}

// With the fraction's sign as Protobuf wants it, if it lies within the type's range.
std::optional<SecondsNanos> Normalized(SecondsNanos time, bool timestamp) {
  if (timestamp && time.nanos < 0) {
    --time.seconds;
    time.nanos += 1'000'000'000;
  }
  if (timestamp ? time.seconds < kMinTimestampSeconds || time.seconds > kMaxTimestampSeconds
                : time.seconds < -kMaxDurationSeconds || time.seconds > kMaxDurationSeconds) {
    return std::nullopt;
  }
  return time;
}

}  // namespace

std::optional<SecondsNanos> ParseTimestamp(std::string_view text) {
  int year;
  int month;
  int day;
  if (!TakeDigits(text, 4, year) || !TakeChar(text, '-') || !TakeDigits(text, 2, month) || !TakeChar(text, '-') ||
      !TakeDigits(text, 2, day)) {
    return std::nullopt;
  }
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month)) return std::nullopt;
  SecondsNanos time;
  time.seconds = DaysFromCivil(year, month, day) * 86400;
  if (text.empty()) return time;
  if (!TakeChar(text, 'T') && !TakeChar(text, 't') && !TakeChar(text, ' ')) return std::nullopt;
  int hour;
  int minute;
  int second;
  if (!TakeDigits(text, 2, hour) || !TakeChar(text, ':') || !TakeDigits(text, 2, minute) || !TakeChar(text, ':') ||
      !TakeDigits(text, 2, second) || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;
  }
  int64_t offset;
  if (!TakeFraction(text, time.nanos) || !ParseZone(text, offset)) return std::nullopt;
  time.seconds += hour * 3600 + minute * 60 + second - offset;
  if (time.seconds < kMinTimestampSeconds || time.seconds > kMaxTimestampSeconds) return std::nullopt;
  return time;
}

std::optional<SecondsNanos> ParseDuration(std::string_view text) {
  if (text.empty() || text.back() != 's') return std::nullopt;
  text.remove_suffix(1);
  return ParseDecimalTime(text, 1, false);
}

std::optional<SecondsNanos> ParseDecimalTime(std::string_view text, int64_t units_per_second, bool timestamp) {
  const bool negative = TakeChar(text, '-');
  int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  // from_chars takes a sign of its own; a second one is none.
  if (error != std::errc() || whole < 0 || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  int32_t fraction_nanos;  // of one unit
  if (!TakeFraction(text, fraction_nanos) || !text.empty()) return std::nullopt;
  SecondsNanos time;
  time.seconds = whole / units_per_second;
  const int64_t nanos_per_unit = 1'000'000'000 / units_per_second;
  time.nanos = static_cast<int32_t>(whole % units_per_second * nanos_per_unit + fraction_nanos / units_per_second);
  if (negative) {
    time.seconds = -time.seconds;
    time.nanos = -time.nanos;
  }
  return Normalized(time, timestamp);
}

std::optional<SecondsNanos> TimeFromInteger(int64_t value, int64_t units_per_second, bool timestamp) {
  SecondsNanos time;
  time.seconds = value / units_per_second;
  time.nanos = static_cast<int32_t>(value % units_per_second * (1'000'000'000 / units_per_second));
  return Normalized(time, timestamp);
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  for (int padding = 0; padding < 2 && !text.empty() && text.back() == '='; ++padding) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    uint32_t six;
    if (c >= 'A' && c <= 'Z') {
      six = static_cast<uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      six = static_cast<uint32_t>(c - 'a' + 26);
    } else if (IsDigit(c)) {
      six = static_cast<uint32_t>(c - '0' + 52);
    } else if (c == '+' || c == '-') {
      six = 62;
    } else if (c == '/' || c == '_') {
      six = 63;
    } else {
      return std::nullopt;
    }
    bits = bits << 6 | six;
    if (++count == 4) {
      out.push_back(static_cast<char>(bits >> 16));
      out.push_back(static_cast<char>(bits >> 8));
      out.push_back(static_cast<char>(bits));
      bits = 0;
      count = 0;
    }
  }
  if (count == 2) out.push_back(static_cast<char>(bits >> 4));
  if (count == 3) {
    out.push_back(static_cast<char>(bits >> 10));
    out.push_back(static_cast<char>(bits >> 2));
  }
  return out;
}

std::optional<int64_t> ParseInt64(std::string_view text, bool& out_of_range) {
  return ParseWhole<int64_t>(text, out_of_range, WholeInt64);
}

std::optional<uint64_t> ParseUint64(std::string_view text, bool& out_of_range) {
  return ParseWhole<uint64_t>(text, out_of_range, WholeUint64);
}

std::optional<double> ParseDouble(std::string_view text, bool& out_of_range) {
  out_of_range = false;
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (!IsNumberText(text)) return std::nullopt;
  double value = 0;
  if (!absl::SimpleAtod(absl::string_view(text.data(), text.size()), &value)) return std::nullopt;
  out_of_range = std::isinf(value);
  if (out_of_range) return std::nullopt;
  return value;
}

std::optional<int64_t> WholeInt64(double value) {
  // 2^63 itself is a double and does not fit.
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0) || value != std::floor(value)) {
    return std::nullopt;
  }
  return static_cast<int64_t>(value);
}

std::optional<uint64_t> WholeUint64(double value) {
  if (!(value >= 0 && value < 18446744073709551616.0) || value != std::floor(value)) return std::nullopt;
  return static_cast<uint64_t>(value);
}

std::string SnakePath(std::string_view camel) {
  std::string snake;
  for (const char c : camel) {
    if (c >= 'A' && c <= 'Z') {
      snake.push_back('_');
      snake.push_back(static_cast<char>(c - 'A' + 'a'));
    } else {
      snake.push_back(c);
    }
  }
  return snake;
}

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

}  // namespace hookstream::typing
