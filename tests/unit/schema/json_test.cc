#include "schema/json.h"

#include "base/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hookstream::schema {
namespace {

using ::testing::HasSubstr;

TEST(JsonTest, KeepsOrderAndKinds) {
  const auto json = ParseJson(R"({"b": 1, "a": [null, true, 1.5, "x", {"/~": 18446744073709551615}]})", "a.json");
  ASSERT_TRUE(json.ok()) << json.status();
  ASSERT_EQ(json->members().size(), 2u);
  EXPECT_EQ(json->members()[0].first, "b");
  EXPECT_EQ(json->Find("b")->type(), Json::Type::kInteger);
  const auto& items = json->Find("a")->items();
  EXPECT_TRUE(items[0].is_null());
  EXPECT_TRUE(items[1].is_true());
  EXPECT_EQ(items[2].type(), Json::Type::kNumber);
  EXPECT_EQ(items[3].text(), "x");
  EXPECT_EQ(json->At("/a/4" + PointerSegment("/~"))->text(), "18446744073709551615");
  EXPECT_EQ(json->At(""), &*json);
  for (const char* nowhere : {"/c", "/a/5", "/a/01", "/a/x", "/a/3/y", "a", "/a/4/~2"}) {
    EXPECT_EQ(json->At(nowhere), nullptr) << nowhere;
  }
}

TEST(JsonTest, ReadsYamlAsTheJsonThatItStandsFor) {
  const auto json =
      ParseDocument("a: &x {type: string, '200': yes, n: 0x1F}\nb: *x\nc: '1'\nd: 1e3\ne: ~\nf: no\n", "a");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->At("/b/type")->text(), "string");
  EXPECT_TRUE(json->At("/b/200")->is_string());
  EXPECT_TRUE(json->At("/b/n")->is_string());
  EXPECT_TRUE(json->Find("c")->is_string());
  EXPECT_EQ(json->Find("d")->type(), Json::Type::kNumber);
  EXPECT_TRUE(json->Find("e")->is_null());
  EXPECT_TRUE(json->Find("f")->is_string());
}

TEST(JsonTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(std::string(ParseDocument("{\"a\": ", "a.json").status().message()), HasSubstr("a.json:1:7: is no JSON"));
  EXPECT_THAT(std::string(ParseDocument("a: 1\nb: [", "a.yaml").status().message()), HasSubstr("a.yaml:"));
  EXPECT_THAT(std::string(ParseDocument("a: 1\n? [x]\n: 1\n", "a.yaml").status().message()),
              HasSubstr("a.yaml:2: a key that is no text"));
  EXPECT_FALSE(ParseDocument(std::string(300, '[') + std::string(300, ']'), "a").ok());
  EXPECT_FALSE(ParseYaml(std::string(300, '[') + std::string(300, ']'), "a").ok());
}

// Nine levels of ten aliases each stand for a thousand million nodes.
TEST(JsonTest, AliasesAreCountedAsWhatTheyStandFor) {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 1; j < 10; ++j) yaml += ", " + last;
    yaml += "]\n";
  }
  EXPECT_THAT(std::string(ParseYaml(yaml, "a").status().message()), HasSubstr("1 million"));
}

TEST(JsonTest, SetReplacesOrAdds) {
  Json json;
  json.Set("a", Json::Bool(true));
  json.Set("b", Json::Number("1"));
  json.Set("a", Json::String("x"));
  ASSERT_EQ(json.members().size(), 2u);
  EXPECT_EQ(json.Find("a")->text(), "x");
}

}  // namespace
}  // namespace hookstream::schema
