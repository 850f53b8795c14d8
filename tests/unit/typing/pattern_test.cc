#include "typing/pattern.h"

#include "gtest/gtest.h"

namespace hookstream::typing {
namespace {

bool Matches(std::string_view pattern, std::string_view type) {
  const auto parsed = TypePattern::Parse(pattern);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed->Matches(type);
}

bool Overlap(std::string_view a, std::string_view b) {
  const bool forth = TypePattern::Parse(a)->Overlaps(*TypePattern::Parse(b));
  EXPECT_EQ(forth, TypePattern::Parse(b)->Overlaps(*TypePattern::Parse(a))) << a << " " << b;
  return forth;
}

TEST(PatternTest, OneStarIsExactlyOneSegment) {
  EXPECT_TRUE(Matches("invoice.*", "invoice.paid"));
  EXPECT_FALSE(Matches("invoice.*", "invoice"));
  EXPECT_FALSE(Matches("invoice.*", "invoice."));
  EXPECT_FALSE(Matches("invoice.*", "invoice.a.b"));
  EXPECT_FALSE(Matches("invoice.*", "invoices.paid"));
  EXPECT_TRUE(Matches("*", "push"));
  EXPECT_FALSE(Matches("*", "push.x"));
  EXPECT_TRUE(Matches("*.paid", "invoice.paid"));
  EXPECT_TRUE(Matches("a.*.c", "a.b.c"));
  EXPECT_FALSE(Matches("*", ""));
}

TEST(PatternTest, TwoStarsAreAnyNumberOfSegments) {
  EXPECT_TRUE(Matches("a.**", "a"));
  EXPECT_TRUE(Matches("a.**", "a.b"));
  EXPECT_TRUE(Matches("a.**", "a.b.c"));
  EXPECT_FALSE(Matches("a.**", "ab"));
  EXPECT_TRUE(Matches("**", "a.b/c:d"));
  EXPECT_TRUE(Matches("**.c", "c"));
  EXPECT_TRUE(Matches("**.c", "a.b.c"));
  EXPECT_FALSE(Matches("**.c", "a.bc"));
  EXPECT_TRUE(Matches("a.**.z", "a.z"));
  EXPECT_TRUE(Matches("a.**.z", "a.b.c.z"));
  EXPECT_FALSE(Matches("a.**.z", "a.b.c"));
  EXPECT_TRUE(Matches("a.**.m.*.z", "a.m.m.x.z"));
}

TEST(PatternTest, BoundariesAreDotSlashAndColonAndDoNotStandForEachOther) {
  EXPECT_TRUE(Matches("orders/*", "orders/create"));
  EXPECT_TRUE(Matches("a:*", "a:b"));
  EXPECT_FALSE(Matches("orders/*", "orders.create"));
  EXPECT_FALSE(Matches("orders.*", "orders.a/b"));
  EXPECT_TRUE(Matches("orders.**", "orders.a/b:c"));
}

TEST(PatternTest, MalformedPatternsAreRefused) {
  for (const char* bad : {"", ".", "a.", ".a", "a..b", "a*", "a.b*", "***", "**.**", "a.**.**"}) {
    EXPECT_FALSE(TypePattern::Parse(bad).ok()) << bad;
  }
  EXPECT_FALSE(TypePattern::Parse(std::string(257, 'a')).ok());
  std::string many = "a";
  for (int i = 0; i < 32; ++i) many += ".a";
  EXPECT_FALSE(TypePattern::Parse(many).ok());
}

TEST(PatternTest, OverlapIsFound) {
  EXPECT_TRUE(Overlap("a.*", "*.b"));
  EXPECT_TRUE(Overlap("a.**", "a"));
  EXPECT_TRUE(Overlap("**.z", "a.**"));
  EXPECT_TRUE(Overlap("a.b", "a.b"));
  EXPECT_FALSE(Overlap("a.*", "b.*"));
  EXPECT_FALSE(Overlap("a.*", "a"));
  EXPECT_FALSE(Overlap("a.*.c", "a.b"));
}

TEST(PatternTest, LiteralsAreCounted) {
  EXPECT_EQ(TypePattern::Parse("a.*.b.**")->literals(), 2);
  EXPECT_EQ(TypePattern::Parse("a.b")->head(), "a");
  EXPECT_EQ(TypePattern::Parse("*.b")->head(), "");
}

}  // namespace
}  // namespace hookstream::typing
