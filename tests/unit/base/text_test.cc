#include "base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace hookstream {
namespace {

TEST(Utf8LengthTest, TakesTheFirstCharacterAndNothingThatUnicodeForbids) {
  const std::vector<std::pair<std::string, size_t>> cases = {
      {"a", 1},
      {std::string("\0", 1), 1},
      {"\xC3\xA9z", 2},         // U+00E9
      {"\xE2\x82\xAC", 3},      // U+20AC
      {"\xED\x9F\xBF", 3},      // U+D7FF, the last before the surrogates
      {"\xF0\x9F\x98\x80", 4},  // U+1F600
      {"\xF4\x8F\xBF\xBF", 4},  // U+10FFFF
      {"\x80", 0},              // a tail alone
      {"\xC0\x80", 0},          // overlong
      {"\xE0\x9F\xBF", 0},      // overlong
      {"\xF0\x8F\xBF\xBF", 0},  // overlong
      {"\xED\xA0\x80", 0},      // a surrogate
      {"\xF4\x90\x80\x80", 0},  // beyond U+10FFFF
      {"\xF5\x80\x80\x80", 0},
      {"\xC3", 0},  // cut short
      {"\xE2\x82", 0},
      {"\xF0\x9F\x98", 0},
  };
  for (const auto& [text, length] : cases) EXPECT_EQ(Utf8Length(text), length) << ::testing::PrintToString(text);
}

TEST(ReplaceBadUtf8Test, ReplacesByteByByteAndKeepsTheRest) {
  EXPECT_EQ(ReplaceBadUtf8("", "?"), "");
  EXPECT_EQ(ReplaceBadUtf8("caf\xC3\xA9", "?"), "caf\xC3\xA9");
  EXPECT_EQ(ReplaceBadUtf8("a\xFF\xFE"
                           "b\xE2\x82",
                           "?"),
            "a??b??");
  EXPECT_EQ(ReplaceBadUtf8("\xED\xA0\x80", "\xEF\xBF\xBD"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(EncodeFormTextTest, WhatIsDecodedIsWhatWasEncoded) {
  EXPECT_EQ(EncodeFormText("a b+c*-._&=\xC3\xA9~"), "a+b%2Bc*-._%26%3D%C3%A9%7E");
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_EQ(DecodeFormText(EncodeFormText(all)), all);
}

TEST(DecodePercentTest, PlusStands) {
  EXPECT_EQ(DecodePercent("a+b%20c%2B%C3%A9"), "a+b c+\xC3\xA9");
  for (const char* kept : {"%", "%4", "%zz", "%4z", "100%"}) EXPECT_EQ(DecodePercent(kept), kept);
}

TEST(DecodeFormTextTest, PlusIsASpaceAndABadPercentStandsForItself) {
  EXPECT_EQ(DecodeFormText("a+b%20c"), "a b c");
  EXPECT_EQ(DecodeFormText("%2b%2B"), "++");
  EXPECT_EQ(DecodeFormText("%C3%A9"), "\xC3\xA9");
  EXPECT_EQ(DecodeFormText("%ff"), "\xff");
  for (const char* kept : {"%", "%4", "%zz", "%4z", "100%"}) EXPECT_EQ(DecodeFormText(kept), kept);
}

}  // namespace
}  // namespace hookstream
