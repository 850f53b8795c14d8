#include "provider/expression.h"

#include <gtest/gtest.h>

#include "tests/unit/provider/testing.h"

namespace hookstream::provider {
namespace {

constexpr std::string_view kBody =
    R"({"type":"order.paid","n":1000,"f":1730000000.125,"yes":true,"nil":null,"empty":"","type":"second","list":[{"id":"a"}],)"
    R"("o":{"a/b":"slash","m~n":"tilde"},"big":18446744073709551615,"text":"gr\u00fc\u00df\n"})";

struct Case {
  const char* text;
  std::optional<std::string> expected;
};

std::optional<std::string> EvaluateTemplate(const char* text, Context& context) {
  std::vector<TemplateNode> nodes;
  const auto error = ParseTemplate(text, nodes);
  EXPECT_FALSE(error) << text << ": " << error->message;
  const Expression expression({{{}, std::move(nodes)}});
  const auto value = expression.Text(context);
  return value ? std::optional<std::string>(*value) : std::nullopt;
}

TEST(Expression, ReadsEveryValueOfARequest) {
  TestRequest request;
  request.headers = {{"X-Sig", "abc"}, {"x-sig", "later"}, {"Empty", ""}};
  request.body = kBody;
  const Request view = request.View();
  const ContentRule content;
  Context context(view, content);
  context.bindings().key = "secret-key";
  context.bindings().time = "1730000000";
  const std::map<std::string, std::string, std::less<>> secrets = {{"token", "t0"}};
  context.bindings().secrets = &secrets;
  const Case cases[] = {
      {"{method} {path} {rawquery}", "POST /in/acme a=1&b=x%20y&a=2"},
      {"{target}", "/in/acme?a=1&b=x%20y&a=2"},
      {"{url}", "https://hooks.example.com/in/acme?a=1&b=x%20y&a=2"},
      {"{header.x-SIG}", "abc"},
      {"{header.none}", std::nullopt},
      {"{header.empty}|", "|"},
      {"{query.a},{query.b}", "1,x y"},
      {"{query.c}", std::nullopt},
      {"{json/type}", "order.paid"},  // the first of two
      {"{json/n} {json/yes} {json/f} {json/big}", "1000 true 1730000000.125 18446744073709551615"},
      {"{json/nil}", std::nullopt},
      {"{json/list}", std::nullopt},
      {"{json/list/0/id}", "a"},
      {"{json/list/1/id}", std::nullopt},
      {"{json/list/00/id}", std::nullopt},
      {"{json/o/a~1b}{json/o/m~0n}", "slashtilde"},
      {"{json/text}", "grüß\n"},
      {"{item/id}", std::nullopt},
      {"{time}.{key}.{secret.token}", "1730000000.secret-key.t0"},
      {"{json/none?}-{json/n}", "-1000"},
      {"{json/none or json/nil or json/type}", "order.paid"},
      {"{json/none or json/nil?}|", "|"},
      {"a[.{json/none}]b[.{json/n}]", "ab.1000"},
      {"{{{json/n}}} [[x]]", "{1000} [x]"},
      {"{json/n | sha256 | hex}", "40510175845988f13f6162ed8526f0b09f73384467fa855e1e79b44a56562a58"},
      {"{json/n | sha1 | base64}", "48u6iIP+dGxuNXg8lAS0vAx+6es="},
      {"{json/n | hmac-sha256 | base64url}", "nahkw3Ou6sajoKm4tB6V89bW__8rnkJsvCVPL5k1EcA"},
      {"{json/n | crc32}", "3022496535"},
      {"{query | sorted}", "a1a2bx y"},
      {"{json/type | lower}", "order.paid"},
      {"{rawquery | percent}", "a=1&b=x y&a=2"},
      {"{json | key_besides(type, n, f, yes, nil, empty, list, o, big)}", "text"},
      {"{json | key_besides(type)}", std::nullopt},
  };
  for (const Case& c : cases) EXPECT_EQ(EvaluateTemplate(c.text, context), c.expected) << c.text;
}

TEST(Expression, FormsAreDecodedAsBrowsersDo) {
  TestRequest request = FormRequest("b=2&a=x+y%2B&a=1&a=1&%C3%BC=%zz%4&empty=&flag&&B=0");
  const Request view = request.View();
  const ContentRule content{ContentRule::Kind::kForm, {}};
  Context context(view, content);
  EXPECT_EQ(EvaluateTemplate("{form.a}|{form.ü}|{form.empty}|{form.flag}", context), "x y+|%zz%4||");
  // By bytes: upper case first; every value of a name once.
  EXPECT_EQ(EvaluateTemplate("{form | sorted}", context), "B0a1ax y+b2emptyflagü%zz%4");
  EXPECT_EQ(EvaluateTemplate("{json/a}", context), std::nullopt);
  EXPECT_TRUE(context.Parsed());
}

TEST(Expression, AMultipartFormHasFieldsAndNoSortedText) {
  TestRequest request = MultipartRequest({{"b", "2"}, {"a", "x+y%2B"}, {"a", "1"}, {"c; filename=f", "3"}});
  const Request view = request.View();
  const ContentRule content{ContentRule::Kind::kForm, {}};
  Context context(view, content);
  EXPECT_EQ(EvaluateTemplate("{form.a}|{form.b}|{form.c?}", context), "x+y%2B|2|");
  EXPECT_EQ(EvaluateTemplate("{form | sorted}", context), std::nullopt);
  EXPECT_TRUE(context.Parsed());
}

TEST(Expression, TooManyParametersCountAsNone) {
  std::string body;
  for (size_t i = 0; i <= kMaxParameters; ++i) body += "a=1&";
  TestRequest request = FormRequest(body);
  const Request view = request.View();
  const ContentRule content{ContentRule::Kind::kForm, {}};
  Context context(view, content);
  EXPECT_EQ(EvaluateTemplate("{form.a}", context), std::nullopt);
  EXPECT_FALSE(context.Parsed());
}

TEST(Expression, JsonComesFromTheFormsFieldWhenThePresetSaysSo) {
  const ContentRule content{ContentRule::Kind::kFormField, "payload"};
  {
    TestRequest request = FormRequest("payload=%7B%22a%22%3A%22b%22%7D");
    const Request view = request.View();
    Context context(view, content);
    EXPECT_EQ(EvaluateTemplate("{json/a}", context), "b");
    EXPECT_TRUE(context.Parsed());
  }
  {
    TestRequest request;
    request.body = R"({"a":"c"})";
    const Request view = request.View();
    Context context(view, content);
    EXPECT_EQ(EvaluateTemplate("{json/a}", context), "c");
  }
  {
    TestRequest request = FormRequest("payload=%7B");
    const Request view = request.View();
    Context context(view, content);
    EXPECT_FALSE(context.Parsed());
  }
}

TEST(Expression, TwoContextsOfOneThreadDoNotShareAParser) {
  TestRequest first;
  first.body = R"({"a":"one"})";
  TestRequest second;
  second.body = R"({"a":"two"})";
  const Request first_view = first.View();
  const Request second_view = second.View();
  const ContentRule content;
  Context a(first_view, content);
  EXPECT_EQ(EvaluateTemplate("{json/a}", a), "one");
  {
    Context b(second_view, content);
    EXPECT_EQ(EvaluateTemplate("{json/a}", b), "two");
  }
  Context c(second_view, content);
  EXPECT_EQ(EvaluateTemplate("{json/a}", c), "two");
  EXPECT_EQ(EvaluateTemplate("{json/a}", a), "one");
}

TEST(Expression, MistakesHaveTheirPlaceAndAHint) {
  struct Mistake {
    const char* text;
    size_t offset;
    const char* part;
  };
  const Mistake mistakes[] = {
      {"X-Sig", 0, "did you mean header.X-Sig?"},
      {"headr.X", 0, "did you mean header?"},
      {"json/a | hexx", 9, "did you mean hex?"},
      {"json/a hex", 7, "does not belong here"},
      {"json/a or", 7, "does not belong here"},
      {"json/a or ", 10, "a value is missing"},
      {"json", 0, "whole JSON value"},
      {"form", 0, "all parameters"},
      {"form.a | sorted", 0, "reads all parameters"},
      {"body | key_besides(a)", 0, "reads a JSON object"},
      {"json | key_besides", 7, "needs names"},
      {"json/a | hex | sorted", 15, "can only be the first"},
      {"json/a | hex(1)", 9, "takes no arguments"},
      {"header.", 0, "needs a name"},
      {"json/a//b", 4, "no empty names"},
      {"json/~2", 4, "~0"},
      {"", 0, "a value is missing"},
  };
  for (const Mistake& mistake : mistakes) {
    Chain chain;
    const auto error = ParseChain(mistake.text, chain);
    ASSERT_TRUE(error) << mistake.text;
    EXPECT_EQ(error->offset, mistake.offset) << mistake.text << ": " << error->message;
    EXPECT_NE(error->message.find(mistake.part), std::string::npos) << mistake.text << ": " << error->message;
  }
  for (const char* text : {"{body", "body}", "[{body}", "[a]", "[{body}[{url}]]", "{}", "a]"}) {
    std::vector<TemplateNode> nodes;
    EXPECT_TRUE(ParseTemplate(text, nodes)) << text;
  }
}

}  // namespace
}  // namespace hookstream::provider
