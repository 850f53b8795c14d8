#include "verify/sign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "provider/encoding.h"
#include "provider/extract.h"
#include "tests/unit/verify/testing.h"
#include "verify/sample.h"

namespace hookstream::verify {
namespace {

using provider::FindPreset;
using provider::TestRequest;

// A secret of the form that the preset asks for.
std::string SecretFor(const provider::Provider& preset) {
  const provider::VerifyRule& rule = preset.verify.front();
  std::string secret = "0123456789abcdef";
  if (rule.key_form == provider::KeyForm::kBase64) secret = provider::EncodeBase64(secret);
  if (rule.key_form == provider::KeyForm::kHex) secret = provider::EncodeHex(secret);
  if (rule.scheme == provider::Scheme::kBasic) secret = "user:" + secret;
  return rule.key_prefix + secret;
}

// What is signed is a part of the body that a sample has no place for.
bool SignsInsideTheBody(std::string_view preset) {
  static const std::set<std::string_view> kPresets = {"adyen-payments", "figma", "linear", "mailgun", "mailgun-form"};
  return kPresets.contains(preset);
}

TEST(Sign, WhatItMakesIsVerifiedForEveryPresetThatCanBeSigned) {
  size_t signed_presets = 0;
  for (const std::string_view name : provider::PresetNames()) {
    SCOPED_TRACE(name);
    const provider::Provider& preset = *FindPreset(name);
    Params params;
    for (const std::string& secret : preset.secrets) params[secret] = "p";
    const Key key{.id = "k", .secret = SecretFor(preset)};
    std::vector<std::string_view> types = SampleTypes(preset);
    if (types.empty()) types = {"thing.created"};
    for (const std::string_view type : types) {
      SCOPED_TRACE(type);
      const auto sample = SampleBody(preset, type, "seed", Now());
      ASSERT_TRUE(sample.ok()) << sample.status();
      SignInput input;
      input.type = sample->type;
      input.body = sample->body;
      input.id = sample->id;
      input.content_type = sample->content_type;
      input.url = "https://hooks.example.com/webhooks/x";
      input.now = Now();
      const auto made = Sign(preset, key, input, params);
      if (made.status().code() == absl::StatusCode::kUnimplemented) {
        EXPECT_TRUE(provider::IsPublicKey(preset.verify.front().scheme) || SignsInsideTheBody(name)) << made.status();
        continue;
      }
      ASSERT_TRUE(made.ok()) << made.status();
      ++signed_presets;
      const auto verifier = MustCreate(preset, {key}, params);
      TestRequest request = AsRequest(*made);
      const Verdict verdict = Verify(*verifier, request);
      EXPECT_TRUE(verdict.ok) << ReasonName(verdict.reason);
      const provider::Request view = request.View();
      provider::Context context(view, preset.content);
      const provider::Extracted extracted = provider::Extract(preset, context);
      EXPECT_TRUE(extracted.parsed);
      ASSERT_EQ(extracted.items.size(), 1u);
      EXPECT_EQ(extracted.items[0].type, sample->type);
      // One byte of the body.
      if (verdict.scheme != "equal" && verdict.scheme != "basic") {
        request.body[request.body.size() / 2] ^= 1;
        EXPECT_FALSE(Verify(*verifier, request).ok);
      }
    }
  }
  EXPECT_GE(signed_presets, 45u);
}

TEST(Sign, StripesHeaderLooksLikeStripes) {
  SignInput input;
  input.body = "{}";
  input.url = "https://h/x";
  input.now = Now();
  const auto made = Sign(*FindPreset("stripe"), {.id = "k", .secret = "s"}, input);
  ASSERT_TRUE(made.ok());
  EXPECT_THAT(made->headers,
              testing::Contains(testing::Pair("Stripe-Signature", testing::StartsWith("t=1750000000,v1="))));
  EXPECT_THAT(made->headers, testing::Contains(testing::Pair("Content-Type", "application/json")));
}

TEST(Sign, SaysWhatItCanNotMake) {
  SignInput input;
  input.url = "https://h/x";
  EXPECT_EQ(Sign(*FindPreset("discord"), {.id = "k", .secret = "00"}, input).status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(Sign(*FindPreset("openai"), {.id = "k", .secret = "!"}, input).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Sign, SplitsUrls) {
  EXPECT_EQ(SplitUrl("https://h:1/p?q"), (std::pair<std::string_view, std::string_view>("https://h:1", "/p?q")));
  EXPECT_EQ(SplitUrl("https://h?q"), (std::pair<std::string_view, std::string_view>("https://h", "?q")));
  EXPECT_EQ(SplitUrl("https://h"), (std::pair<std::string_view, std::string_view>("https://h", "/")));
}

TEST(Sample, IdsComeFromTheSeed) {
  for (const char* name : {"stripe", "github", "twilio", "slack", "openai", "shopify"}) {
    const provider::Provider& preset = *FindPreset(name);
    const auto a = SampleBody(preset, "", "1", Now());
    const auto b = SampleBody(preset, "", "2", Now());
    const auto again = SampleBody(preset, "", "1", Now());
    ASSERT_TRUE(a.ok() && b.ok() && again.ok()) << name;
    EXPECT_NE(a->id, b->id) << name;
    EXPECT_EQ(a->body, again->body) << name;
    EXPECT_EQ(a->body.find('$'), std::string::npos) << a->body;
  }
}

TEST(Sample, OtherTypesOfTheFiveGetABodyToo) {
  EXPECT_TRUE(SampleBody(*FindPreset("stripe"), "payout.paid", "s", Now()).ok());
  EXPECT_TRUE(SampleBody(*FindPreset("github"), "star.created", "s", Now()).ok());
  EXPECT_TRUE(SampleBody(*FindPreset("github"), "pull_request_review.submitted", "s", Now()).ok());
  EXPECT_FALSE(SampleBody(*FindPreset("github"), "pull_request", "s", Now()).ok());
  EXPECT_FALSE(SampleBody(*FindPreset("github"), "push.now", "s", Now()).ok());
  EXPECT_FALSE(SampleBody(*FindPreset("twilio"), "invoice", "s", Now()).ok());
}

}  // namespace
}  // namespace hookstream::verify
