#include "verify/sign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "provider/encoding.h"
#include "provider/extract.h"
#include "tests/unit/verify/testing.h"
#include "verify/sample.h"

namespace hookstream::verify {
namespace {

using provider::FindPreset;
using provider::TestRequest;

// Both ends of a preset: the source's key, and what the provider signs with.
struct Pair {
  Key key;
  std::optional<PrivateKey> private_key;

  const PrivateKey* signer() const { return private_key ? &*private_key : nullptr; }
};

Pair PairFor(const provider::Provider& preset) {
  Pair pair{.key = {.id = "k", .secret = "0123456789abcdef"}, .private_key = std::nullopt};
  if (const provider::VerifyRule* rule = PublicKeyRule(preset)) {
    pair.private_key = PrivateKey::Generate(provider::KeyScheme(*rule)).value();
    pair.key.secret = pair.private_key->PublicKey(*rule).value();
    return pair;
  }
  const provider::VerifyRule& rule = preset.verify.back();
  std::string& secret = pair.key.secret;
  if (rule.key_form == provider::KeyForm::kBase64) secret = provider::EncodeBase64(secret);
  if (rule.key_form == provider::KeyForm::kHex) secret = provider::EncodeHex(secret);
  if (rule.scheme == provider::Scheme::kBasic) secret = "user:" + secret;
  secret = rule.key_prefix + secret;
  return pair;
}

const provider::VerifyRule& AppliedRule(const provider::Provider& preset, provider::Context& context) {
  for (const provider::VerifyRule& rule : preset.verify) {
    if (rule.when.Holds(context)) return rule;
  }
  ADD_FAILURE() << "no rule applies";
  return preset.verify.front();
}

// Another character, that hex and base64 have too.
void Change(char& c) { c = c == '0' ? '1' : '0'; }

// The request with one byte of its signature or credential changed, wherever that stands.
TestRequest WithAnotherProof(const provider::Provider& preset, TestRequest request) {
  std::string proof;
  {
    const provider::Request view = request.View();
    provider::Context context(view, preset.content);
    const provider::VerifyRule& rule = AppliedRule(preset, context);
    const provider::SignatureSource& source = rule.signatures.front();
    if (rule.per_item && context.Split(preset.events.front().split) == provider::SplitResult::kItems)
      context.SelectItem(0);
    const auto text =
        source.numbered_header.empty() ? source.value.Text(context) : context.Header(source.numbered_header + "1");
    if (text) proof = *text;
  }
  EXPECT_FALSE(proof.empty());
  // What a form has escaped before it (Braintree's public key).
  proof = proof.substr(proof.rfind('|') + 1);
  std::vector<std::string*> texts = {&request.body, &request.target};
  for (auto& [name, value] : request.headers) texts.push_back(&value);
  for (std::string* text : texts) {
    const size_t found = text->find(proof);
    if (found == std::string::npos) continue;
    Change((*text)[found + proof.size() * 3 / 4]);
    return request;
  }
  ADD_FAILURE() << proof << " is not in the request";
  return request;
}

// What is signed has the whole body in it.
bool SignsTheBody(const provider::Provider& preset, TestRequest request) {
  const provider::Request view = request.View();
  provider::Context context(view, preset.content);
  const provider::VerifyRule& rule = AppliedRule(preset, context);
  bool signs = rule.code == provider::Code::kContentful;
  const auto look = [&](const provider::Value& value) {
    signs |= value.source == provider::Source::kBody;
    signs |= value.source == provider::Source::kForm && value.name.empty();
  };
  rule.signed_text.ForEachValue(look);
  for (const provider::ClaimRule& claim : rule.claims) {
    for (const provider::Expression& wanted : claim.any_of) wanted.ForEachValue(look);
  }
  return signs;
}

TEST(Sign, WhatItMakesIsVerifiedForEveryPreset) {
  size_t presets = 0;
  for (const std::string_view name : provider::PresetNames()) {
    SCOPED_TRACE(name);
    const provider::Provider& preset = *FindPreset(name);
    Params params;
    for (const std::string& secret : preset.secrets) params[secret] = "p";
    for (const std::string& secret : preset.optional_secrets) params.erase(secret);
    const Pair pair = PairFor(preset);
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
      input.private_key = pair.signer();
      const auto made = Sign(preset, pair.key, input, params);
      ASSERT_TRUE(made.ok()) << made.status();
      const auto verifier = MustCreate(preset, {pair.key}, params);
      TestRequest request = AsRequest(*made);
      const Verdict verdict = Verify(*verifier, request);
      ASSERT_TRUE(verdict.ok) << ReasonName(verdict.reason) << "\n" << request.body;
      const provider::Request view = request.View();
      provider::Context context(view, preset.content);
      const provider::Extracted extracted = provider::Extract(preset, context);
      EXPECT_TRUE(extracted.parsed);
      ASSERT_EQ(extracted.items.size(), 1u);
      EXPECT_EQ(extracted.items[0].type, sample->type);
      // One byte.
      EXPECT_FALSE(Verify(*verifier, WithAnotherProof(preset, request)).ok);
      if (SignsTheBody(preset, request)) {
        request.body[request.body.size() / 2] ^= 1;
        EXPECT_FALSE(Verify(*verifier, request).ok);
      }
    }
    ++presets;
  }
  EXPECT_EQ(presets, provider::PresetNames().size());
}

SignInput InputOf(std::string body) {
  SignInput input;
  input.body = std::move(body);
  input.url = "https://hooks.example.com/webhooks/x";
  input.now = Now();
  input.id = "id-1";
  return input;
}

TEST(Sign, PutsASignedTimeIntoABodyOfOnesOwn) {
  const provider::Provider& linear = *FindPreset("linear");
  const Key key{.id = "k", .secret = "s"};
  const auto verifier = MustCreate(linear, {key});
  for (const auto& [body, expected] : std::vector<std::pair<std::string, std::string>>{
           {"{}", R"({"webhookTimestamp":1750000000000})"},
           {"{ \n}", "{\"webhookTimestamp\":1750000000000 \n}"},
           {R"({"a": 1})", R"({"webhookTimestamp":1750000000000,"a": 1})"},
           {R"({"webhookTimestamp": 5, "a" : "\u00e9"})", R"({"webhookTimestamp": 1750000000000, "a" : "\u00e9"})"},
           {R"({"webhookTimestamp": "5"})", R"({"webhookTimestamp": "1750000000000"})"}}) {
    const auto made = Sign(linear, key, InputOf(body));
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ(made->body, expected);
    EXPECT_TRUE(Verify(*verifier, AsRequest(*made)).ok) << expected;
  }
  for (const char* body : {"", "[]", "3", "text", "{\"a\":"}) {
    const auto made = Sign(linear, key, InputOf(body));
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << body;
    EXPECT_THAT(std::string(made.status().message()), testing::HasSubstr("webhookTimestamp"));
  }
}

TEST(Sign, PutsTokensAndSignaturesWhereAnObjectIsMissingOrHasOthers) {
  const Key key{.id = "k", .secret = "s"};
  const provider::Provider& mailgun = *FindPreset("mailgun");
  const auto verifier = MustCreate(mailgun, {key});
  const auto whole = Sign(mailgun, key, InputOf(R"({"event-data":{}})"));
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_THAT(whole->body, testing::HasSubstr(R"("token":"id-1")"));
  EXPECT_TRUE(Verify(*verifier, AsRequest(*whole)).ok) << whole->body;
  const auto partly =
      Sign(mailgun, key, InputOf(R"({"signature":{"token":"t","timestamp":"1","signature":"0"},"event-data":{}})"));
  ASSERT_TRUE(partly.ok()) << partly.status();
  EXPECT_THAT(partly->body, testing::HasSubstr(R"("token":"t","timestamp":"1750000000","signature":")"));
  EXPECT_TRUE(Verify(*verifier, AsRequest(*partly)).ok) << partly->body;
  EXPECT_EQ(Sign(mailgun, key, InputOf(R"({"signature":"none"})")).status().code(), absl::StatusCode::kInvalidArgument);

  const provider::Provider& form = *FindPreset("mailgun-form");
  const auto fields = Sign(form, key, InputOf("event=opened&%74oken=t&timestamp=1"));
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_THAT(fields->body, testing::StartsWith("event=opened&%74oken=t&timestamp=1750000000&signature="));
  EXPECT_TRUE(Verify(*MustCreate(form, {key}), AsRequest(*fields)).ok) << fields->body;
  EXPECT_EQ(Sign(form, key, InputOf(R"({"event":"opened"})")).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Sign, SignsEveryItemOfABodyWhoseItemsAreSigned) {
  const provider::Provider& adyen = *FindPreset("adyen-payments");
  const Key key{.id = "k", .secret = "00ff"};
  const auto verifier = MustCreate(adyen, {key});
  const auto made = Sign(adyen, key, InputOf(R"({"live":"false","notificationItems":[
    {"NotificationRequestItem":{"pspReference":"p1","eventCode":"AUTHORISATION","success":"true"}},
    {"NotificationRequestItem":{"pspReference":"p2","eventCode":"REFUND","success":"true","additionalData":{"x":"y"}}}]})"));
  ASSERT_TRUE(made.ok()) << made.status();
  TestRequest request = AsRequest(*made);
  EXPECT_TRUE(Verify(*verifier, request).ok) << request.body;
  for (const char* text : {"p1", "p2"}) {
    TestRequest changed = request;
    changed.body[changed.body.find(text)] = 'q';
    EXPECT_EQ(Verify(*verifier, changed).reason, Reason::kSignatureMismatch) << text;
  }
  for (const char* body : {"{}", R"({"notificationItems":[]})", R"({"notificationItems":[3]})"}) {
    EXPECT_EQ(Sign(adyen, key, InputOf(body)).status().code(), absl::StatusCode::kInvalidArgument) << body;
  }
}

TEST(Sign, NamesTheKeyWhereTheProviderDoes) {
  const auto preset = provider::LoadProvider(
      "name: a\nverify: {scheme: hmac-sha256, signature: header.X-S, key_by: header.X-Key}\nevent: {}\n", "a.yaml");
  ASSERT_TRUE(preset.ok()) << preset.status();
  const Key key{.id = "second", .secret = "s"};
  const auto verifier = MustCreate(**preset, {{.id = "first", .secret = "f"}, key});
  const auto made = Sign(**preset, key, InputOf("{}"));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Verify(*verifier, AsRequest(*made)).key_id, "second");
}

// Every form that a public key is configured in.
struct Form {
  const char* scheme;
  const char* key;
};
class PrivateKeyTest : public testing::TestWithParam<Form> {};

TEST_P(PrivateKeyTest, ItsPublicKeyIsWhatTheSourceTakes) {
  const auto preset = provider::LoadProvider(
      absl::StrCat("name: a\nverify: {scheme: ", GetParam().scheme, ", signature: header.X-S, key: ", GetParam().key,
                   ", key_prefix: pub_}\nevent: {}\n"),
      "a.yaml");
  ASSERT_TRUE(preset.ok()) << preset.status();
  const provider::VerifyRule* rule = PublicKeyRule(**preset);
  ASSERT_NE(rule, nullptr);
  const auto made = PrivateKey::Generate(provider::KeyScheme(*rule));
  ASSERT_TRUE(made.ok()) << made.status();
  // As the command line does it: through a file.
  const auto read = PrivateKey::FromPem(made->Pem());
  ASSERT_TRUE(read.ok()) << read.status();
  const auto public_key = read->PublicKey(*rule);
  ASSERT_TRUE(public_key.ok()) << public_key.status();
  EXPECT_THAT(*public_key, testing::StartsWith("pub_"));
  const Key key{.id = "k", .secret = *public_key};
  SignInput input = InputOf("{}");
  EXPECT_EQ(Sign(**preset, key, input).status().code(), absl::StatusCode::kInvalidArgument) << "nothing to sign with";
  input.private_key = &*read;
  const auto signed_request = Sign(**preset, key, input);
  ASSERT_TRUE(signed_request.ok()) << signed_request.status();
  EXPECT_TRUE(Verify(*MustCreate(**preset, {key}), AsRequest(*signed_request)).ok);
  const auto other = PrivateKey::Generate(provider::KeyScheme(*rule));
  input.private_key = &*other;
  EXPECT_FALSE(Verify(*MustCreate(**preset, {key}), AsRequest(Sign(**preset, key, input).value())).ok);
}

INSTANTIATE_TEST_SUITE_P(Forms, PrivateKeyTest,
                         testing::Values(Form{"ed25519", "hex"}, Form{"ed25519", "base64"}, Form{"ed25519", "pem"},
                                         Form{"ed25519", "spki-base64"}, Form{"ecdsa-p256", "pem"},
                                         Form{"ecdsa-p256", "spki-base64"}));

TEST(PrivateKey, RefusesWhatDoesNotFit) {
  EXPECT_EQ(PrivateKey::FromPem("no key").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PrivateKey::Generate(provider::Scheme::kHmacSha256).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PublicKeyRule(*FindPreset("stripe")), nullptr);
  const auto ecdsa = PrivateKey::Generate(provider::Scheme::kEcdsaP256);
  ASSERT_TRUE(ecdsa.ok());
  const provider::Provider& discord = *FindPreset("discord");
  EXPECT_EQ(ecdsa->PublicKey(*PublicKeyRule(discord)).status().code(), absl::StatusCode::kInvalidArgument);
  SignInput input = InputOf("{}");
  input.private_key = &*ecdsa;
  const auto made = Sign(discord, {.id = "k", .secret = ""}, input);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(made.status().message()), testing::HasSubstr("ed25519"));
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
  EXPECT_EQ(Sign(*FindPreset("discord"), {.id = "k", .secret = "00"}, InputOf("{}")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Sign(*FindPreset("openai"), {.id = "k", .secret = "!"}, InputOf("{}")).status().code(),
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
