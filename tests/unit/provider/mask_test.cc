#include "provider/mask.h"

#include <gtest/gtest.h>

#include "provider/presets.h"
#include "tests/unit/provider/testing.h"

namespace hookstream::provider {
namespace {

std::optional<MaskedRequest> Mask(const Provider& provider, TestRequest& request) {
  const Request view = request.View();
  Context context(view, provider.content);
  return MaskCredentials(provider, context);
}

TEST(Mask, SignedRequestsStayAsTheyAre) {
  TestRequest request;
  EXPECT_FALSE(ReadsCredentials(*FindPreset("stripe")));
  EXPECT_EQ(Mask(*FindPreset("stripe"), request), std::nullopt);
}

TEST(Mask, HeadersKeepTheirLength) {
  TestRequest request;
  request.headers = {
      {"x-telegram-bot-api-secret-token", "s3cret"}, {"Other", "s3cret"}, {"X-Telegram-Bot-Api-Secret-Token", "again"}};
  const auto masked = Mask(*FindPreset("telegram"), request);
  ASSERT_TRUE(masked);
  EXPECT_EQ(masked->headers[0].value, "******");
  EXPECT_EQ(masked->headers[1].value, "s3cret");
  EXPECT_EQ(masked->headers[2].value, "*****");
  TestRequest basic;
  basic.headers = {{"Authorization", "Basic YTpi"}};
  EXPECT_EQ(Mask(*FindPreset("chargebee"), basic)->headers[0].value, "**********");
}

TEST(Mask, QueryParametersInAnySpelling) {
  const auto provider = MustLoad("name: a\nverify: {scheme: equal, signature: query.code}");
  TestRequest request;
  request.target = "/in?x=1&code=s3cret&c%6fde=other&codes=2&code";
  const auto masked = Mask(*provider, request);
  ASSERT_TRUE(masked);
  EXPECT_EQ(masked->target, "/in?x=1&code=******&c%6fde=*****&codes=2&code");
}

TEST(Mask, BodiesKeepTheirShape) {
  const auto json = MustLoad("name: a\nverify: {scheme: equal, signature: [json/pass, json/n]}");
  TestRequest request;
  request.body = R"({"a":"s3","pass" : "s3\"cr", "n":-120.5, "pass":"x"})";
  const auto masked = Mask(*json, request);
  ASSERT_TRUE(masked);
  EXPECT_EQ(masked->body, R"({"a":"s3","pass" : "******", "n":-111.1, "pass":"x"})");
  const auto form = MustLoad("name: a\ncontent: form\nverify: {scheme: equal, signature: form.token}");
  TestRequest posted = FormRequest("a=1&token=s3cret&b=2");
  EXPECT_EQ(Mask(*form, posted)->body, "a=1&token=******&b=2");
  const auto field = MustLoad("name: a\ncontent: form.payload\nverify: {scheme: equal, signature: json/pass}");
  TestRequest wrapped = FormRequest("payload=%7B%22pass%22%3A%22x%22%7D&b=2");
  EXPECT_EQ(Mask(*field, wrapped)->body, "payload=**************************&b=2");
}

TEST(Mask, ItemsHaveNoCredentialsLeft) {
  const Provider& preset = *FindPreset("microsoft-graph");
  TestRequest request;
  request.body = R"({"value":[{"clientState":"s3","id":"1"},{"id":"2"},{"id":"3","clientState" : "abc"}]})";
  EXPECT_EQ(Mask(preset, request)->body,
            R"({"value":[{"clientState":"**","id":"1"},{"id":"2"},{"id":"3","clientState" : "***"}]})");
  // More than are taken apart: an unverified source stores them as one event.
  request.body = R"({"value":[{"clientState":"s3"})";
  for (size_t i = 0; i < kMaxItems; ++i) request.body += R"(,{"clientState":"s3"})";
  request.body += "]}";
  EXPECT_EQ(Mask(preset, request)->body.find("s3"), std::string::npos);
  const auto outer =
      MustLoad("name: a\nverify: {scheme: equal, signature: item1/pass}\nevent: {split: /*/list/*, type: item/t}");
  request.body = R"([{"pass":"s3","list":[{"pass":"kept"}]},{"pass":"s3"}])";
  EXPECT_EQ(Mask(*outer, request)->body, R"([{"pass":"**","list":[{"pass":"kept"}]},{"pass":"**"}])");
}

TEST(Mask, LinesAndMultipartFieldsKeepTheirPlaces) {
  const auto lines = MustLoad(
      "name: a\ncontent: lines\nverify: {scheme: equal, signature: item/pass}\nevent: {split: /*, type: item/t}");
  TestRequest request;
  request.body = "\n{\"pass\":\"s3\"}\r\n\n{\"pass\":12}\n";
  EXPECT_EQ(Mask(*lines, request)->body, "\n{\"pass\":\"**\"}\r\n\n{\"pass\":11}\n");
  const auto form = MustLoad("name: a\ncontent: form\nverify: {scheme: equal, signature: form.token}");
  TestRequest posted =
      MultipartRequest({{"a", "1"}, {"token", "s3cret"}, {"token; filename=x", "file"}, {"\"token\"", "x"}});
  TestRequest expected =
      MultipartRequest({{"a", "1"}, {"token", "******"}, {"token; filename=x", "file"}, {"\"token\"", "*"}});
  EXPECT_EQ(Mask(*form, posted)->body, expected.body);
  const auto field = MustLoad("name: a\ncontent: form.payload\nverify: {scheme: equal, signature: json/pass}");
  TestRequest wrapped = MultipartRequest({{"payload", R"({"pass":"x"})"}});
  EXPECT_EQ(Mask(*field, wrapped)->body, MultipartRequest({{"payload", "************"}}).body);
}

}  // namespace
}  // namespace hookstream::provider
