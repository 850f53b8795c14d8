#include "base/event_id.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace hookstream {
namespace {

TEST(EventIdTest, TextAndBack) {
  for (const uint64_t seq : {uint64_t{1}, uint64_t{31}, uint64_t{32}, uint64_t{1} << 63, UINT64_MAX}) {
    const std::string text = FormatEventId(0x0123456789abcdef, seq);
    EXPECT_EQ(text.size(), 26U);
    const auto id = ParseEventId(text);
    ASSERT_TRUE(id.ok()) << text;
    EXPECT_EQ(id->seq, seq);
    EXPECT_EQ(id->tag, 0x0123456789abcdefU);
  }
}

TEST(EventIdTest, TextsSortAsTheEventsWereAccepted) {
  std::string before;
  for (uint64_t seq = 1; seq < uint64_t{1} << 60; seq = seq * 7 + 1) {
    const std::string text = FormatEventId(UINT64_MAX / seq, seq);
    EXPECT_LT(before, text);
    before = text;
  }
}

TEST(EventIdTest, WhatIsNoIdIsRefused) {
  const std::string good = FormatEventId(7, 42);
  for (const std::string& bad : {std::string(), good.substr(1), good + "0", "w" + good.substr(1), "G" + good.substr(1),
                                 "g" + good.substr(1) /* a 65th bit */}) {
    EXPECT_EQ(ParseEventId(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace hookstream
