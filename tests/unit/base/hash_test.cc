#include "base/hash.h"

#include <gtest/gtest.h>

namespace hookstream {
namespace {

TEST(HashTest, IsTheBeginningOfSha256AndNeverNone) {
  // SHA-256("abc"), FIPS 180-2, appendix B.1.
  EXPECT_EQ(HashOf("abc").AsBytes(),
            std::string_view("\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23", 16));
  EXPECT_FALSE(HashOf("").IsZero());
  EXPECT_TRUE(Hash128{}.IsZero());
}

}  // namespace
}  // namespace hookstream
