#include "typing/repair.h"

#include "gtest/gtest.h"
#include "typing/raw_text.h"

namespace hookstream::typing {
namespace {

TEST(RepairTest, OddSpotsAreMended) {
  EXPECT_EQ(RepairJson("\xEF\xBB\xBF{}").json, "{}");
  EXPECT_EQ(RepairJson("[\"a\tb\x01\"]").json, "[\"a\\u0009b\\u0001\"]");
  EXPECT_EQ(RepairJson("[\"\\ud83d\\ude00 \\ud83d \\ude00\"]").json, "[\"\\ud83d\\ude00 \xEF\xBF\xBD \xEF\xBF\xBD\"]");
  EXPECT_EQ(RepairJson("[\"\xFF\xC3\xA9\"]").json, "[\"\xEF\xBF\xBD\xC3\xA9\"]");
  EXPECT_EQ(RepairJson("[18446744073709551616,-9223372036854775809]").json,
            "[18446744073709551616e0,-9223372036854775809e0]");
  EXPECT_EQ(RepairJson("[1e999,-1e999]").json, "[\"1e999\",\"-1e999\"]");
}

TEST(RepairTest, OnlyWhatLosesAValueIsLossy) {
  EXPECT_FALSE(RepairJson("\xEF\xBB\xBF{}").lossy);
  EXPECT_FALSE(RepairJson("[\"\t\"]").lossy);
  EXPECT_FALSE(RepairJson("[18446744073709551616]").lossy);
  EXPECT_TRUE(RepairJson("[\"\\ud83d\"]").lossy);
  EXPECT_TRUE(RepairJson("[\"\xFF\"]").bad_utf8);
}

TEST(RepairTest, WhatIsFineOrBrokenOtherwiseStays) {
  for (const char* same : {"{\"a\": [1, -2.5e3, 18446744073709551615, true, null, \"\\u00e9\\\\\"]}", "{\"a\":}",
                           "[1,]", "[01]", "[--1]", "\"\\", "\"\\u12\"", "[\"abc", "[1e-999]", "{", "", "-"}) {
    const Repaired repaired = RepairJson(same);
    EXPECT_EQ(repaired.json, same);
    EXPECT_EQ(repaired.what, "");
  }
}

TEST(RepairTest, WhatWasDoneIsNamedOnce) {
  EXPECT_EQ(RepairJson("\xEF\xBB\xBF[\"\t\t\"]").what, "byte order mark, control character");
}

TEST(RawTextTest, NumbersAreFoundAsWritten) {
  const std::string_view json = R"( {"a" : [1, {"b\"": "]"}, 12.50], "c": {"d": 1E2}, "a": 3} )";
  size_t budget = 1000;
  EXPECT_EQ(FindRawText(json, {"a", "2"}, budget), "12.50");
  EXPECT_EQ(FindRawText(json, {"c", "d"}, budget), "1E2");
  EXPECT_EQ(FindRawText(json, {"c", "x"}, budget), "");
  EXPECT_EQ(FindRawText(json, {"a", "9"}, budget), "");
  EXPECT_EQ(FindRawText(json, {"a", "x"}, budget), "");
  EXPECT_LT(budget, 1000u);
  budget = 3;
  EXPECT_EQ(FindRawText(json, {"c", "d"}, budget), "");
  EXPECT_EQ(budget, 0u);
}

}  // namespace
}  // namespace hookstream::typing
