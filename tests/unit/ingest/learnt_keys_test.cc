#include "ingest/learnt_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hookstream::ingest {
namespace {

TEST(LearntKeys, ComeBackAsTheyWereWritten) {
  const std::vector<LearntKey> keys = {{"learnt-1", std::string("a\0 \n", 4), absl::FromUnixMillis(1)},
                                       {"learnt-2", "b", absl::FromUnixMillis(1'750'000'000'123)}};
  const auto read = ParseLearntKeys(EncodeLearntKeys(keys));
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*read)[i].id, keys[i].id);
    EXPECT_EQ((*read)[i].secret, keys[i].secret);
    EXPECT_EQ((*read)[i].learnt_at, keys[i].learnt_at);
  }
  EXPECT_EQ(EncodeLearntKeys({}), "");
  EXPECT_TRUE(ParseLearntKeys("")->empty());
}

TEST(LearntKeys, WhatWasNotWrittenIsDamage) {
  for (const char* text : {"a", "a 1", "a x YQ==", "a 1 !", "a 1 ", " 1 YQ==", "a 1 YQ== b"}) {
    EXPECT_EQ(ParseLearntKeys(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(LearntKeys, IdsAreNotTakenTwice) {
  const absl::Time now = absl::FromUnixSeconds(1'750'000'000);
  std::vector<LearntKey> keys;
  for (const char* id : {"learnt-20250615T150640Z", "learnt-20250615T150640Z-2", "learnt-20250615T150640Z-3"}) {
    EXPECT_EQ(LearntKeyId(now, keys), id);
    keys.push_back({LearntKeyId(now, keys), "s", now});
  }
}

TEST(LearntKeys, ARecordIsNamedAfterItsSource) { EXPECT_EQ(LearntKeysSource(LearntKeysRecord("asana")), "asana"); }

}  // namespace
}  // namespace hookstream::ingest
