#include "verify/diagnose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "provider/encoding.h"
#include "tests/unit/verify/testing.h"

namespace hookstream::verify {
namespace {

using provider::FindPreset;
using provider::TestRequest;
using testing::HasSubstr;

const Key kKey{.id = "k", .secret = "secret"};

std::string CauseOf(const provider::Provider& preset, const Key& key, TestRequest request, absl::Time now = Now()) {
  const provider::Request view = request.View();
  const auto diagnosis = Diagnose(preset, {key}, {}, view, now);
  EXPECT_TRUE(diagnosis.ok()) << diagnosis.status();
  EXPECT_EQ(diagnosis->verdict.ok, diagnosis->cause.empty());
  return diagnosis->cause;
}

TEST(Diagnose, SaysNothingAboutWhatIsRight) {
  const provider::Provider& github = *FindPreset("github");
  EXPECT_EQ(CauseOf(github, kKey, MustSign(github, kKey, "{}")), "");
}

TEST(Diagnose, FindsChangedBodies) {
  const provider::Provider& github = *FindPreset("github");
  const std::string json = "{\"a\": [1, 2],\n \"b\": \"x, y: z\"}";
  const TestRequest good = MustSign(github, kKey, json);
  TestRequest request = good;
  request.body += "\n";
  EXPECT_THAT(CauseOf(github, kKey, request), HasSubstr("without the line break"));
  request = MustSign(github, kKey, json + "\n");
  request.body = json;
  EXPECT_THAT(CauseOf(github, kKey, request), HasSubstr("which was cut off"));
  request = good;
  request.body.replace(request.body.find('\n'), 1, "\r\n");
  EXPECT_THAT(CauseOf(github, kKey, request), HasSubstr("line ends"));
  request = MustSign(github, kKey, R"({"a":[1,2],"b":"x, y: z"})");
  request.body = json;
  EXPECT_THAT(CauseOf(github, kKey, request), HasSubstr("parsed and written again"));
}

TEST(Diagnose, FindsOtherReadingsOfTheSecret) {
  const provider::Provider& openai = *FindPreset("openai");
  const provider::Provider& github = *FindPreset("github");
  const std::string text = "whsec_c2VjcmV0";
  // Signed with the secret's text where the preset decodes it.
  const auto as_text = provider::MustLoad(
      "name: a\nverify:\n  scheme: hmac-sha256\n  signed: \"{header.webhook-id}.{time}.{body}\"\n"
      "  signature: header.webhook-signature\n  split: \" \"\n  prefix: \"v1,\"\n  encoding: base64\n"
      "  time: {from: header.webhook-timestamp}\n");
  EXPECT_THAT(CauseOf(openai, {.id = "k", .secret = text}, MustSign(*as_text, {.id = "k", .secret = text}, "{}")),
              HasSubstr("secret"));
  // The decoded secret where the preset takes its text.
  EXPECT_THAT(CauseOf(github, {.id = "k", .secret = "c2VjcmV0"}, MustSign(github, kKey, "{}")),
              HasSubstr("base64-decoded"));
  EXPECT_THAT(CauseOf(github, {.id = "k", .secret = "secret\n"}, MustSign(github, kKey, "{}")),
              HasSubstr("line break"));
  EXPECT_THAT(CauseOf(*FindPreset("stripe"), {.id = "k", .secret = "abc"},
                      MustSign(*FindPreset("stripe"), {.id = "k", .secret = "whsec_abc"}, "{}")),
              HasSubstr("lacks its beginning, whsec_"));
}

TEST(Diagnose, FindsTheUrlThatWasSigned) {
  const provider::Provider& twilio = *FindPreset("twilio");
  const TestRequest good = MustSign(twilio, kKey, "a=1", Now(), "https://h.example.com/in/?x=1");
  TestRequest request = good;
  request.public_url = "http://h.example.com";
  EXPECT_THAT(CauseOf(twilio, kKey, request), HasSubstr("signed https://h.example.com/in/?x=1"));
  request = good;
  request.target = "/in?x=1";
  EXPECT_THAT(CauseOf(twilio, kKey, request), HasSubstr("signed https://h.example.com/in/?x=1"));
}

TEST(Diagnose, TellsTimeFromSignature) {
  const provider::Provider& slack = *FindPreset("slack");
  EXPECT_THAT(CauseOf(slack, kKey, MustSign(slack, kKey, "{}"), Now() + absl::Hours(1)), HasSubstr("too old"));
  EXPECT_THAT(CauseOf(slack, kKey, MustSign(slack, {.id = "k", .secret = "other"}, "{}")),
              HasSubstr("secret is another one"));
  EXPECT_THAT(CauseOf(slack, kKey, TestRequest()), HasSubstr("X-Slack-Signature"));
}

}  // namespace
}  // namespace hookstream::verify
