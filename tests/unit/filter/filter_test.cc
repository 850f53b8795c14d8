#include "filter/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hookstream::filter {
namespace {

using ::testing::StartsWith;

Filter Compiled(std::string_view text) {
  auto filter = Filter::Compile(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status().ToString();
  return filter.ok() ? *filter : Filter();
}

std::string ErrorOf(std::string_view text) {
  const auto filter = Filter::Compile(text);
  EXPECT_FALSE(filter.ok()) << text;
  return std::string(filter.status().message());
}

constexpr Subject kInvoice{.source = "stripe-live", .provider = "stripe", .type = "invoice.payment.failed"};

TEST(FilterTest, AnEmptyTextMatchesEverything) {
  EXPECT_TRUE(Compiled("").MatchesAll());
  EXPECT_TRUE(Compiled(" \n\t").MatchesAll());
  EXPECT_TRUE(Compiled("").Matches(kInvoice));
}

TEST(FilterTest, EveryConditionMustHold) {
  EXPECT_TRUE(Compiled(R"(provider == "stripe")").Matches(kInvoice));
  EXPECT_TRUE(Compiled(R"(provider=="stripe"&&source=='stripe-live')").Matches(kInvoice));
  EXPECT_FALSE(Compiled(R"(provider == "stripe" && source == "stripe-test")").Matches(kInvoice));
  EXPECT_FALSE(Compiled(R"(provider == "strip")").Matches(kInvoice));
}

TEST(FilterTest, OneStarStopsAtADotAndTwoDoNot) {
  EXPECT_FALSE(Compiled(R"(type == "invoice.*")").Matches(kInvoice));
  EXPECT_TRUE(Compiled(R"(type == "invoice.*.*")").Matches(kInvoice));
  EXPECT_TRUE(Compiled(R"(type == "invoice.**")").Matches(kInvoice));
  EXPECT_TRUE(Compiled(R"(type == "**.failed")").Matches(kInvoice));
  EXPECT_FALSE(Compiled(R"(type == "*.failed")").Matches(kInvoice));
}

TEST(FilterTest, AGlobIsTriedAtEveryPlace) {
  EXPECT_TRUE(GlobMatches("", ""));
  EXPECT_FALSE(GlobMatches("", "a"));
  EXPECT_TRUE(GlobMatches("*", ""));
  EXPECT_TRUE(GlobMatches("**", "a.b"));
  EXPECT_FALSE(GlobMatches("*", "a.b"));
  EXPECT_TRUE(GlobMatches("a*c", "abcbc"));
  EXPECT_TRUE(GlobMatches("**b*c", "b.bxc"));
  EXPECT_TRUE(GlobMatches("*a**b*", "a.a.b"));
  EXPECT_FALSE(GlobMatches("*a**b*", "x.a.b"));
  EXPECT_TRUE(GlobMatches("**.*.end", "a.b.c.end"));
  EXPECT_TRUE(GlobMatches("a***b", "a.x.b"));
  EXPECT_FALSE(GlobMatches("a?b", "axb"));
}

// The straightforward definition, slow but plainly right.
bool SlowMatches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.starts_with("**")) {
    return SlowMatches(pattern.substr(2), text) || (!text.empty() && SlowMatches(pattern, text.substr(1)));
  }
  if (pattern[0] == '*') {
    return SlowMatches(pattern.substr(1), text) ||
           (!text.empty() && text[0] != '.' && SlowMatches(pattern, text.substr(1)));
  }
  return !text.empty() && text[0] == pattern[0] && SlowMatches(pattern.substr(1), text.substr(1));
}

TEST(FilterTest, GlobsAgreeWithTheirDefinitionOnAllShortTexts) {
  const auto all = [](std::string_view letters, size_t longest) {
    std::vector<std::string> texts = {""};
    for (size_t from = 0, length = 0; length < longest; ++length) {
      const size_t end = texts.size();
      for (; from < end; ++from) {
        for (const char letter : letters) texts.push_back(texts[from] + letter);
      }
    }
    return texts;
  };
  const auto texts = all("a.", 6);
  for (const std::string& pattern : all("a.*", 6)) {
    for (const std::string& text : texts) {
      ASSERT_EQ(GlobMatches(pattern, text), SlowMatches(pattern, text)) << pattern << " on " << text;
    }
  }
}

TEST(FilterTest, QuotesAndBackslashesCanBeMeant) {
  EXPECT_TRUE(Compiled(R"(type == "a\"b\\c")").Matches({.source = "", .provider = "", .type = R"(a"b\c)"}));
  EXPECT_TRUE(Compiled(R"(type == 'a"b')").Matches({.source = "", .provider = "", .type = R"(a"b)"}));
}

TEST(FilterTest, ErrorsNameTheColumn) {
  EXPECT_EQ(ErrorOf("kind == \"x\""), "column 1: expected source, provider or type");
  EXPECT_EQ(ErrorOf("type = \"x\""), "column 6: expected ==");
  EXPECT_EQ(ErrorOf("type == x"), "column 9: expected a text in quotes");
  EXPECT_EQ(ErrorOf("type == \"x"), "column 9: the quote that begins here is never closed");
  EXPECT_EQ(ErrorOf("type == \"x\" || type == \"y\""), "column 13: expected && or the end");
  EXPECT_EQ(ErrorOf("type == \"x\" && "), "column 16: expected source, provider or type");
  EXPECT_THAT(ErrorOf("type == \"\\n\""), StartsWith("column 11: "));
  EXPECT_THAT(ErrorOf("data.amount > 1"), StartsWith("column 1: "));
}

TEST(FilterTest, LengthAndConditionsAreBounded) {
  EXPECT_THAT(ErrorOf(std::string(kFilterBytesMax + 1, ' ')), StartsWith("column 4097: "));
  std::string many = "type == 'x'";
  for (size_t i = 1; i < kConditionsMax; ++i) many += "&&type == 'x'";
  EXPECT_FALSE(Compiled(many).MatchesAll());
  EXPECT_THAT(ErrorOf(many + "&&type == 'x'"), ::testing::HasSubstr("more than 64 conditions"));
}

}  // namespace
}  // namespace hookstream::filter
