#include "dispatch/delivery_id.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace hookstream::dispatch {
namespace {

// Key and expected values of the reference implementation's vectors: bytes 00..0f, messages 00, 01, 02...
TEST(SipHashTest, GivesTheReferenceVectors) {
  const DeliveryIdCodec::Key key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
  std::string message;
  EXPECT_EQ(SipHash24(key, message), 0x726fdb47dd0e0e31ULL);
  for (char c = 0; c < 15; ++c) message.push_back(c);
  EXPECT_EQ(SipHash24(key, message), 0xa129ca6149be45e5ULL);
}

TEST(DeliveryIdTest, WhatWasEncodedIsDecoded) {
  const DeliveryIdCodec codec(DeliveryIdCodec::RandomKey());
  for (const uint64_t sub : {uint64_t{0}, uint64_t{7}, std::numeric_limits<uint64_t>::max()}) {
    const delivery::DeliveryId id{.generation = 3, .seq = 0xfedcba9876543210ULL, .number = 0xdeadbeef};
    const DeliveryIdText text = codec.Encode(sub, id);
    EXPECT_LE(text.view().size(), 64u);
    const auto decoded = codec.Decode(text.view());
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->subscription, sub);
    EXPECT_EQ(decoded->id, id);
  }
}

TEST(DeliveryIdTest, NoOtherTextIsAnId) {
  const DeliveryIdCodec codec(DeliveryIdCodec::RandomKey());
  const std::string good(codec.Encode(1, {.generation = 1, .seq = 2, .number = 3}).view());
  EXPECT_FALSE(codec.Decode("").has_value());
  EXPECT_FALSE(codec.Decode(good.substr(1)).has_value());
  EXPECT_FALSE(codec.Decode(good + "A").has_value());
  for (size_t i = 0; i < good.size(); ++i) {
    for (const char c : {'A', 'B', '_', '9', '!', '\0'}) {
      std::string bad = good;
      if (bad[i] == c) continue;
      bad[i] = c;
      EXPECT_FALSE(codec.Decode(bad).has_value()) << i << " " << c;
    }
  }
}

TEST(DeliveryIdTest, AnIdOfAnotherProcessIsNone) {
  const DeliveryIdCodec one(DeliveryIdCodec::RandomKey()), other(DeliveryIdCodec::RandomKey());
  EXPECT_FALSE(other.Decode(one.Encode(1, {.generation = 1, .seq = 1, .number = 1}).view()).has_value());
}

}  // namespace
}  // namespace hookstream::dispatch
