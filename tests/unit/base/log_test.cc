#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hookstream {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Logged(LogFormat format, std::string_view value) {
  ConfigureLog(format, LogLevel::kInfo);
  ::testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "event accepted", {{"value", value}, {"bytes", 12}, {"ok", true}});
  Log(LogLevel::kDebug, "not shown");
  return ::testing::internal::GetCapturedStderr();
}

TEST(LogTest, JsonHasTheFieldsWithTheirTypes) {
  const std::string line = Logged(LogFormat::kJson, "a \"quoted\"\nvalue");
  EXPECT_THAT(
      line,
      HasSubstr(R"("level":"info","message":"event accepted","value":"a \"quoted\"\nvalue","bytes":12,"ok":true})"));
  EXPECT_THAT(line, Not(HasSubstr("not shown")));
}

// Lines with a surrogate or an overlong form were no JSON: only lead bytes and tails were looked at.
TEST(LogTest, ALineStaysUtf8WhateverComesFromTheOutside) {
  EXPECT_THAT(Logged(LogFormat::kJson, "x\xED\xA0\x80y\xE0\x80\x80z\xFF"), HasSubstr(R"("value":"x???y???z?")"));
  EXPECT_THAT(Logged(LogFormat::kJson, "caf\xC3\xA9"), HasSubstr("\"value\":\"caf\xC3\xA9\""));
}

}  // namespace
}  // namespace hookstream
