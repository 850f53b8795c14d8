#include "typing/form.h"

#include "gtest/gtest.h"

namespace hookstream::typing {
namespace {

TEST(FormTest, FieldsBecomeStrings) {
  EXPECT_EQ(FormToJson("a=1&b=x+y%21&c").json, R"({"a":"1","b":"x y!","c":""})");
  EXPECT_EQ(FormToJson("").json, "{}");
  EXPECT_EQ(FormToJson("&&=&").json, R"({"":""})");
  EXPECT_EQ(FormToJson("a=b=c").json, R"({"a":"b=c"})");
}

TEST(FormTest, AFieldThatComesSeveralTimesBecomesAnArrayAtItsFirstPlace) {
  EXPECT_EQ(FormToJson("a=1&b=2&a=3").json, R"({"a":["1","3"],"b":"2"})");
}

TEST(FormTest, NamesAndValuesAreEscaped) { EXPECT_EQ(FormToJson("%22=%5C%0A%00").json, R"({"\"":"\\\u000a\u0000"})"); }

TEST(FormTest, BrokenEscapesStandForThemselves) {
  EXPECT_EQ(FormToJson("a=%&b=%2&c=%zz").json, R"({"a":"%","b":"%2","c":"%zz"})");
}

TEST(FormTest, BadUtf8IsReplacedAndTold) {
  const FormJson form = FormToJson("a=%FF%C3%A9");
  EXPECT_EQ(form.json, "{\"a\":\"\xEF\xBF\xBD\xC3\xA9\"}");
  EXPECT_TRUE(form.bad_utf8);
  EXPECT_FALSE(FormToJson("a=%C3%A9").bad_utf8);
}

}  // namespace
}  // namespace hookstream::typing
