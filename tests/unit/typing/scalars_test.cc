#include "typing/scalars.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace hookstream::typing {
namespace {

std::string Time(std::string_view text) {
  const auto time = ParseTimestamp(text);
  return time.has_value() ? absl::StrCat(time->seconds, ".", time->nanos) : "none";
}

std::string Decimal(std::string_view text, int64_t unit, bool timestamp = true) {
  const auto time = ParseDecimalTime(text, unit, timestamp);
  return time.has_value() ? absl::StrCat(time->seconds, ".", time->nanos) : "none";
}

TEST(ScalarsTest, TimesAreTakenAsProvidersWriteThem) {
  EXPECT_EQ(Time("1970-01-01T00:00:00Z"), "0.0");
  EXPECT_EQ(Time("2024-02-29T12:34:56.789Z"), "1709210096.789000000");
  EXPECT_EQ(Time("2024-02-29 12:34:56"), "1709210096.0");
  EXPECT_EQ(Time("2024-02-29 12:34:56 UTC"), "1709210096.0");
  EXPECT_EQ(Time("2024-02-29t12:34:56z"), "1709210096.0");
  EXPECT_EQ(Time("2024-02-29T14:34:56+02:00"), "1709210096.0");
  EXPECT_EQ(Time("2024-02-29T14:34:56 +0200"), "1709210096.0");
  EXPECT_EQ(Time("2024-02-29T07:04:56-05:30"), "1709210096.0");
  EXPECT_EQ(Time("2024-02-29T14:34:56+02"), "1709210096.0");
  EXPECT_EQ(Time("2024-02-29"), "1709164800.0");
  EXPECT_EQ(Time("2024-02-29T12:34:56.123456789123Z"), "1709210096.123456789");
  EXPECT_EQ(Time("0001-01-01T00:00:00Z"), "-62135596800.0");
  EXPECT_EQ(Time("9999-12-31T23:59:59Z"), "253402300799.0");
}

TEST(ScalarsTest, WhatIsNoTimeIsRefused) {
  for (const char* bad : {"",
                          "2024",
                          "2024-2-29",
                          "2023-02-29",
                          "2024-13-01",
                          "2024-00-01",
                          "2024-01-32",
                          "2024-01-01T",
                          "2024-01-01T24:00:00Z",
                          "2024-01-01T00:60:00Z",
                          "2024-01-01T00:00:60Z",
                          "2024-01-01T00:00:00.Z",
                          "2024-01-01T00:00:00+2",
                          "2024-01-01T00:00:00X",
                          "2024-01-01T00:00:00+24:00",
                          "0000-01-01T00:00:00Z",
                          "0001-01-01T00:00:00+01:00",
                          "9999-12-31T23:59:59-01:00",
                          "2024-01-01T00:00Z",
                          " 2024-01-01"}) {
    EXPECT_EQ(Time(bad), "none") << bad;
  }
}

TEST(ScalarsTest, TheCalendarIsAbseils) {
  for (int64_t day = -354000; day < 2900000; day += 997) {
    const absl::Time time = absl::FromUnixSeconds(day * 86400 + 12345);
    const auto parsed = ParseTimestamp(absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone()));
    ASSERT_TRUE(parsed.has_value()) << time;
    ASSERT_EQ(parsed->seconds, absl::ToUnixSeconds(time)) << time;
  }
}

TEST(ScalarsTest, NumbersAreTimesInTheirUnit) {
  EXPECT_EQ(Decimal("1355517523.000005", 1), "1355517523.5000");
  EXPECT_EQ(Decimal("1355517523123", 1000), "1355517523.123000000");
  EXPECT_EQ(Decimal("1355517523123.5", 1000), "1355517523.123500000");
  EXPECT_EQ(Decimal("1355517523123456", 1'000'000), "1355517523.123456000");
  EXPECT_EQ(Decimal("-1.5", 1), "-2.500000000");
  EXPECT_EQ(Decimal("-1.5", 1, false), "-1.-500000000");
  for (const char* bad : {"", "-", "--1", "1.", ".5", "1e3", "0x1", "99999999999999999999", "253402300800"}) {
    EXPECT_EQ(Decimal(bad, 1), "none") << bad;
  }
  EXPECT_EQ(TimeFromInteger(-1500, 1000, true)->seconds, -2);
  EXPECT_EQ(TimeFromInteger(-1500, 1000, true)->nanos, 500'000'000);
  EXPECT_FALSE(TimeFromInteger(std::numeric_limits<int64_t>::max(), 1, true).has_value());
  EXPECT_EQ(ParseDuration("1.5s")->nanos, 500'000'000);
  EXPECT_EQ(ParseDuration("-1.5s")->nanos, -500'000'000);
  EXPECT_FALSE(ParseDuration("1.5").has_value());
  EXPECT_FALSE(ParseDuration("s").has_value());
}

TEST(ScalarsTest, Base64IsTakenInBothAlphabetsWithAndWithoutPadding) {
  EXPECT_EQ(DecodeBase64("aGVsbG8="), "hello");
  EXPECT_EQ(DecodeBase64("aGVsbG8"), "hello");
  EXPECT_EQ(DecodeBase64("+/+/"), DecodeBase64("-_-_"));
  EXPECT_EQ(DecodeBase64(""), "");
  for (const char* bad : {"a", "a===", "aGVsbG8=x", "a GVsbG8", "====", "aGVs!"}) {
    EXPECT_FALSE(DecodeBase64(bad).has_value()) << bad;
  }
}

TEST(ScalarsTest, NumbersInTextsAreWholeTexts) {
  bool out_of_range;
  EXPECT_EQ(ParseInt64("-9223372036854775808", out_of_range), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(ParseUint64("18446744073709551615", out_of_range), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(ParseInt64("1e3", out_of_range), 1000);
  EXPECT_EQ(ParseInt64("5.0", out_of_range), 5);
  EXPECT_FALSE(ParseInt64("9223372036854775808", out_of_range).has_value());
  EXPECT_TRUE(out_of_range);
  EXPECT_FALSE(ParseUint64("-1", out_of_range).has_value());
  EXPECT_TRUE(out_of_range);
  for (const char* bad : {"", " 1", "1 ", "0x1", "1.5", "abc", "+1", "1e", "inf", "nan"}) {
    EXPECT_FALSE(ParseInt64(bad, out_of_range).has_value()) << bad;
    EXPECT_FALSE(out_of_range) << bad;
  }
  EXPECT_TRUE(std::isnan(ParseDouble("NaN", out_of_range).value()));
  EXPECT_EQ(ParseDouble("-Infinity", out_of_range), -std::numeric_limits<double>::infinity());
  EXPECT_FALSE(ParseDouble("1e999", out_of_range).has_value());
  EXPECT_TRUE(out_of_range);
  EXPECT_EQ(ParseDouble("1e-999", out_of_range), 0.0);
}

TEST(ScalarsTest, TextsAreCutBetweenCharacters) {
  EXPECT_EQ(CutUtf8("abc", 2), "ab");
  EXPECT_EQ(CutUtf8("a\xC3\xA9", 2), "a");
  EXPECT_EQ(CutUtf8("\xF0\x9F\x98\x80", 3), "");
  EXPECT_EQ(CutUtf8("abc", 3), "abc");
}

}  // namespace
}  // namespace hookstream::typing
