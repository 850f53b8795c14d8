#include "cli/cloud_event.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

namespace hookstream::cli {
namespace {

using google::protobuf::util::TimeUtil;
using ::testing::HasSubstr;
using ::testing::Not;

rapidjson::Document Json(const v1::Event& event) {
  const std::string line = CloudEventJson(event);
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  rapidjson::Document document;
  document.Parse(line.c_str());
  EXPECT_FALSE(document.HasParseError()) << line;
  return document;
}

v1::Event Event(const std::string& content_type, const std::string& body) {
  v1::Event event;
  event.set_id("0000000000000000000000000a");
  event.set_source("stripe-live");
  event.set_provider("stripe");
  event.set_type("invoice.paid");
  *event.mutable_received_at() = TimeUtil::SecondsToTimestamp(1'700'000'000);
  event.mutable_raw()->set_content_type(content_type);
  event.mutable_raw()->set_body(body);
  event.mutable_verification()->set_result(v1::VERIFICATION_RESULT_VERIFIED);
  return event;
}

TEST(CloudEvent, AJsonBodyIsDataAsItCame) {
  const std::string body = "{\"big\": 12345678901234567890123, \r\n \"a\\n\": \"\\u00e9\", \"a\": 1, \"a\": 2}";
  const std::string line = CloudEventJson(Event("application/json; charset=utf-8", body));
  EXPECT_THAT(line, HasSubstr(R"("datacontenttype":"application/json; charset=utf-8",)"
                              R"("data":{"big": 12345678901234567890123,    "a\n": "\u00e9", "a": 1, "a": 2})"));
  EXPECT_THAT(line, Not(HasSubstr("data_base64")));
}

TEST(CloudEvent, WhatIsNoJsonIsBase64) {
  auto form = Json(Event("application/x-www-form-urlencoded", "a=b"));
  EXPECT_STREQ(form["data_base64"].GetString(), "YT1i");
  EXPECT_STREQ(form["datacontenttype"].GetString(), "application/x-www-form-urlencoded");
  EXPECT_FALSE(form.HasMember("data"));
  // Says it is JSON and is none; says nothing; a number that only a JSON header makes JSON.
  EXPECT_TRUE(Json(Event("application/json", "{\"a\":")).HasMember("data_base64"));
  EXPECT_STREQ(Json(Event("", "\x01\x02"))["datacontenttype"].GetString(), "application/octet-stream");
  EXPECT_TRUE(Json(Event("text/plain", "3")).HasMember("data_base64"));
  EXPECT_EQ(Json(Event("application/vnd.x+json", "3"))["data"].GetInt(), 3);
  EXPECT_TRUE(Json(Event("application/json", "{\"a\":\"\xff\"}")).HasMember("data_base64"));
}

TEST(CloudEvent, AnItemOutOfAFormIsJson) {
  const auto item = Json(Event("application/x-www-form-urlencoded", "{\"event\":\"open\"}"));
  EXPECT_STREQ(item["datacontenttype"].GetString(), "application/json");
  EXPECT_STREQ(item["data"]["event"].GetString(), "open");
}

TEST(CloudEvent, ABodyThatIsMissingHasNoData) {
  const auto empty = Json(Event("application/json", ""));
  for (const char* name : {"data", "data_base64", "datacontenttype", "bodyomitted"})
    EXPECT_FALSE(empty.HasMember(name));
  v1::Event large = Event("application/json", "");
  large.mutable_raw()->set_body_omitted(true);
  EXPECT_TRUE(Json(large)["bodyomitted"].GetBool());
}

TEST(CloudEvent, NamesOfAttributesFitTheSpecification) {
  v1::Event event = Event("", "");
  auto& attributes = *event.mutable_attributes();
  attributes["api_version"] = "1";
  attributes["API-Version"] = "2";
  attributes["apiversion"] = "3";
  attributes["empty"] = "";
  event.set_ordering_key("a\nb");
  const auto json = Json(event);
  EXPECT_STREQ(json["attrapiversion"].GetString(), "2");
  EXPECT_STREQ(json["attrapiversion2"].GetString(), "1");
  EXPECT_STREQ(json["attrapiversion3"].GetString(), "3");
  EXPECT_FALSE(json.HasMember("attrempty"));
  EXPECT_STREQ(json["subject"].GetString(), "a?b");
  EXPECT_FALSE(json.HasMember("time"));
  EXPECT_STREQ(json["receivedtime"].GetString(), "2023-11-14T22:13:20Z");
}

}  // namespace
}  // namespace hookstream::cli
