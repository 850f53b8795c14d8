#include "provider/time_text.h"

#include <gtest/gtest.h>

namespace hookstream::provider {
namespace {

std::optional<int64_t> Millis(std::string_view text, TimeUnit unit, Fractions fractions = Fractions::kAccepted) {
  const auto time = ParseTimeText(text, unit, fractions);
  return time ? std::optional(absl::ToUnixMillis(*time)) : std::nullopt;
}

TEST(TimeText, NumbersAreDigitsOnly) {
  EXPECT_EQ(Millis("1730000000", TimeUnit::kSeconds), 1'730'000'000'000);
  EXPECT_EQ(Millis("1730000000.125", TimeUnit::kSeconds), 1'730'000'000'125);
  EXPECT_EQ(Millis("1730000000123", TimeUnit::kMilliseconds), 1'730'000'000'123);
  EXPECT_EQ(Millis("1730000000.125", TimeUnit::kSeconds, Fractions::kRefused), std::nullopt);
  for (const char* text :
       {"", " 1", "+1", "-1", "1e9", "0x10", "1.", ".5", "1_0", "1730000000000000000", "999999999999999"}) {
    EXPECT_EQ(Millis(text, TimeUnit::kSeconds), std::nullopt) << text;
  }
}

TEST(TimeText, IsoTimesComeInManySpellings) {
  for (const char* text : {"2024-10-27T03:33:20Z", "2024-10-27t03:33:20z", "2024-10-27 03:33:20", "2024-10-27T03:33:20",
                           "2024-10-27T03:33:20.000000000Z", "2024-10-27T05:33:20+02:00", "2024-10-27T05:33:20+0200",
                           "2024-10-26T20:33:20-07:00"}) {
    EXPECT_EQ(Millis(text, TimeUnit::kIso), 1'730'000'000'000) << text;
  }
  EXPECT_EQ(Millis("2024-10-27T03:33:20.877041743Z", TimeUnit::kIso), 1'730'000'000'877);
  for (const char* text :
       {"", "infinite-future", "2024-10-27", "2024-13-27T03:33:20Z", "2024-10-27T03:33:20 ", "2024-10-27T03:33:20.Z",
        "2024-10-27T03:33:20X", "1730000000", "2024-10-27T03:33:20+", "0000-01-01T00:00:00Z"}) {
    EXPECT_EQ(Millis(text, TimeUnit::kIso), std::nullopt) << text;
  }
}

TEST(TimeText, HttpsDateHasOneSpelling) {
  EXPECT_EQ(Millis("Sun, 27 Oct 2024 03:33:20 GMT", TimeUnit::kHttp), 1'730'000'000'000);
  EXPECT_EQ(Millis("Thu, 29 Feb 2024 00:00:00 GMT", TimeUnit::kHttp), 1'709'164'800'000);
  EXPECT_EQ(FormatTimeText(absl::FromUnixSeconds(1'730'000'000), TimeUnit::kHttp), "Sun, 27 Oct 2024 03:33:20 GMT");
  EXPECT_EQ(FormatTimeText(absl::FromUnixSeconds(784'111'777), TimeUnit::kHttp), "Sun, 06 Nov 1994 08:49:37 GMT");
  for (const char* text :
       {"", "Mon, 27 Oct 2024 03:33:20 GMT", "Sun, 27 oct 2024 03:33:20 GMT", "Sun, 27 Oct 2024 03:33:20 UTC",
        "Sun, 27 Oct 2024 03:33:20", "Sun, 27 Oct 2024 03:33:20 GMT ", "Sun, 27 Oct 2024  3:33:20 GMT",
        "Thu, 29 Feb 2023 00:00:00 GMT", "Wed, 01 Mar 2023 24:00:00 GMT", "Sun, 27 Oct 2024 03:33:60 GMT",
        "Sun, 27 Oct +024 03:33:20 GMT", "Sun, 27 Oct -024 03:33:20 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 +00", "Sat, 01 Jan 0000 00:00:00 GMT"}) {
    EXPECT_EQ(Millis(text, TimeUnit::kHttp), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace hookstream::provider
