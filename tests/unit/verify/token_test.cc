// Tokens in place of signatures, and signatures by keys that are fetched.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "provider/encoding.h"
#include "tests/support/signing_authority.h"
#include "tests/unit/verify/testing.h"
#include "verify/jwt.h"
#include "verify/key.h"
#include "verify/private_key.h"

namespace hookstream::verify {
namespace {

using provider::EncodeBase64Url;
using provider::FindPreset;
using provider::MustLoad;
using provider::TestRequest;

constexpr char kSecret[] = "a secret of the token's tests";

std::string Token(std::string_view header, std::string_view payload, std::string_view secret = kSecret) {
  const std::string text = absl::StrCat(EncodeBase64Url(header), ".", EncodeBase64Url(payload));
  const std::string_view part = text;
  const Mac mac = MakeMacKey(provider::Scheme::kHmacSha256, secret)->Compute({&part, 1});
  return absl::StrCat(text, ".", EncodeBase64Url(mac.view()));
}

constexpr std::string_view kHs256 = R"({"alg":"HS256","typ":"JWT"})";

std::string Livekit(std::string_view body, std::string_view claims = "") {
  return absl::StrCat(R"({"iss":"key","sha256":")", provider::EncodeBase64(provider::Sha256(body)), R"(","exp":)",
                      kNow + 60, R"(,"nbf":)", kNow, std::string(claims), "}");
}

class TokenTest : public ::testing::Test {
 protected:
  Verdict Send(std::string token, std::string body = "{}", absl::Time now = Now()) {
    TestRequest request;
    request.headers.emplace_back("Authorization", std::move(token));
    request.body = std::move(body);
    return Verify(*verifier_, request, now);
  }

  std::unique_ptr<Verifier> verifier_ =
      MustCreate(*FindPreset("livekit"), {{.id = "k", .secret = kSecret}}, {{"api_key", "key"}});
};

TEST_F(TokenTest, WithTheBodysHashIsAccepted) {
  const Verdict verdict = Send(Token(kHs256, Livekit("{}", absl::StrCat(",\"iat\":", kNow - 1))));
  EXPECT_TRUE(verdict.ok) << ReasonName(verdict.reason);
  EXPECT_EQ(verdict.scheme, "jwt");
  EXPECT_EQ(verdict.key_id, "k");
  EXPECT_EQ(verdict.signed_at, Now() - absl::Seconds(1));
}

TEST_F(TokenTest, IsRefusedForWhatItIsNot) {
  EXPECT_EQ(Send(Token(kHs256, Livekit("{}")), "[]").reason, Reason::kTokenInvalid);
  EXPECT_EQ(Send(Token(kHs256, Livekit("{}"), "another")).reason, Reason::kSignatureMismatch);
  EXPECT_EQ(Send(Token(kHs256, absl::StrReplaceAll(Livekit("{}"), {{"\"key\"", "\"other\""}}))).reason,
            Reason::kTokenInvalid);
  // Every algorithm but the rule's, the one that signs nothing first.
  EXPECT_EQ(Send(Token(R"({"alg":"none"})", Livekit("{}"))).reason, Reason::kTokenInvalid);
  EXPECT_EQ(Send(Token(R"({"alg":"HS512"})", Livekit("{}"))).reason, Reason::kTokenInvalid);
  EXPECT_EQ(Send(Token(R"({"alg":"hs256"})", Livekit("{}"))).reason, Reason::kTokenInvalid);
  EXPECT_EQ(Send(Token(R"({"typ":"JWT"})", Livekit("{}"))).reason, Reason::kTokenInvalid);
  EXPECT_EQ(Send(Token(R"({"alg":"HS256","crit":["exp"]})", Livekit("{}"))).reason, Reason::kHeaderMalformed);
  EXPECT_EQ(Send("").reason, Reason::kHeaderMalformed);
  EXPECT_EQ(Send("a.b.c").reason, Reason::kHeaderMalformed);
  EXPECT_EQ(Send("Bearer " + Token(kHs256, Livekit("{}"))).reason, Reason::kHeaderMalformed) << "LiveKit sends it bare";
  TestRequest none;
  EXPECT_EQ(Verify(*verifier_, none).reason, Reason::kSignatureMissing);
}

TEST_F(TokenTest, HoldsFromItsBeginningToItsEnd) {
  const std::string token = Token(kHs256, Livekit("{}"));
  // LiveKit's own leeway is 10 s.
  EXPECT_TRUE(Send(token, "{}", Now() + absl::Seconds(69)).ok);
  EXPECT_EQ(Send(token, "{}", Now() + absl::Seconds(70)).reason, Reason::kTimestampStale);
  EXPECT_TRUE(Send(token, "{}", Now() - absl::Seconds(10)).ok);
  EXPECT_EQ(Send(token, "{}", Now() - absl::Seconds(11)).reason, Reason::kTimestampFuture);
  const std::string payload = Livekit("{}");
  EXPECT_EQ(Send(Token(kHs256, absl::StrReplaceAll(payload, {{"\"exp\":", "\"exp\":-"}}))).reason,
            Reason::kTokenInvalid);
  EXPECT_EQ(Send(Token(kHs256, absl::StrReplaceAll(payload, {{"\"nbf\":", "\"nbf\":\"x\",\"a\":"}}))).reason,
            Reason::kTokenInvalid);
}

TEST(Token, WithoutTheOptionalValueItsClaimIsNotAskedFor) {
  const auto verifier = MustCreate(*FindPreset("livekit"), {{.id = "k", .secret = kSecret}});
  TestRequest request;
  request.body = "{}";
  request.headers.emplace_back("Authorization", Token(kHs256, Livekit("{}")));
  EXPECT_TRUE(Verify(*verifier, request).ok);
}

TEST(Token, BothOfQstashsKeysSign) {
  const provider::Provider& preset = *FindPreset("upstash-qstash");
  const auto verifier = MustCreate(preset, {{.id = "now", .secret = "current"}}, {{"next_signing_key", "next"}});
  const std::string payload = absl::StrCat(R"({"iss":"Upstash","sub":"https://hooks.example.com/in/x","body":")",
                                           EncodeBase64Url(provider::Sha256("{}")), R"(=","exp":)", kNow + 60, "}");
  for (const auto& [secret, id] : {std::pair("current", "now"), {"next", "next_signing_key"}}) {
    TestRequest request;
    request.public_url = "https://hooks.example.com";
    request.target = "/in/x";
    request.body = "{}";
    request.headers.emplace_back("Upstash-Signature", Token(kHs256, payload, secret));
    const Verdict verdict = Verify(*verifier, request);
    EXPECT_TRUE(verdict.ok) << ReasonName(verdict.reason);
    EXPECT_EQ(verdict.key_id, id);
  }
}

TEST(Token, AnEmptyClaimIsNoAudience) {
  const auto preset = MustLoad(
      "name: a\nverify: {scheme: jwt, alg: HS256, signature: header.A, prefix: \"Bearer \", claims: {aud or azp: me}}");
  const auto verifier = MustCreate(*preset, {{.id = "k", .secret = kSecret}});
  const auto send = [&](std::string_view payload) {
    TestRequest request;
    request.headers.emplace_back("A", absl::StrCat("Bearer ", Token(kHs256, payload)));
    return Verify(*verifier, request).ok;
  };
  EXPECT_TRUE(send(R"({"aud":"me"})"));
  EXPECT_TRUE(send(R"({"aud":["you","me"]})"));
  EXPECT_TRUE(send(R"({"azp":"me"})"));
  EXPECT_FALSE(send(R"({"aud":["you"]})"));
  EXPECT_FALSE(send(R"({"aud":"you","azp":"me"})")) << "the first that is there counts";
  EXPECT_FALSE(send(R"({})"));
  EXPECT_FALSE(send(R"({"aud":{"me":"me"}})"));
}

TEST(Token, EcdsaIsOverTwoNumbers) {
  const provider::Provider& preset = *FindPreset("plaid");
  const PrivateKey key = PrivateKey::Generate(provider::Scheme::kEcdsaP256).value();
  const std::string pem = key.PublicKey(preset.verify.front()).value();
  const auto verifier = MustCreate(preset, {{.id = "k", .secret = pem}});
  SignInput input;
  input.body = R"({"webhook_type":"ITEM","webhook_code":"ERROR"})";
  input.url = "https://hooks.example.com/in/x";
  input.now = Now();
  input.private_key = &key;
  TestRequest request = AsRequest(Sign(preset, {.id = "k", .secret = pem}, input).value());
  EXPECT_TRUE(Verify(*verifier, request).ok);
  EXPECT_EQ(Verify(*verifier, request, Now() + absl::Minutes(6)).reason, Reason::kTimestampStale);
  const PrivateKey other = PrivateKey::Generate(provider::Scheme::kEcdsaP256).value();
  const auto stranger = MustCreate(preset, {{.id = "k", .secret = other.PublicKey(preset.verify.front()).value()}});
  EXPECT_EQ(Verify(*stranger, request).reason, Reason::kSignatureMismatch);
}

TEST(FetchedKey, IsAskedForAndThenVerifies) {
  const hookstream::testing::SigningAuthority authority(Now());
  const auto leaf = authority.Issue("sns.amazonaws.com");
  KeyRing ring(authority.Trust());
  const provider::Provider& preset = *FindPreset("aws-sns");
  const auto verifier = MustCreate(preset, {});
  EXPECT_TRUE(verifier->FetchesKeys());
  const auto message = [&](std::string_view url) {
    const std::string text = "Message\nhi\nMessageId\nm\nTimestamp\nt\nTopicArn\narn\nType\nNotification\n";
    TestRequest request;
    request.body = absl::StrCat(
        R"({"Type":"Notification","MessageId":"m","TopicArn":"arn","Message":"hi","Timestamp":"t","SignatureVersion":"2",)",
        R"("Signature":")", provider::EncodeBase64(leaf.Sign(text)), R"(","SigningCertURL":")", std::string(url),
        "\"}");
    return request;
  };
  const auto verify = [&](TestRequest request) {
    const provider::Request view = request.View();
    provider::Context context(view, preset.content);
    return verifier->Verify(context, Now(), &ring);
  };
  const TestRequest good = message("https://sns.eu-central-1.amazonaws.com/a.pem");
  Verdict verdict = verify(good);
  EXPECT_EQ(verdict.reason, Reason::kKeyNotFetched);
  ASSERT_NE(verdict.fetch, nullptr);
  EXPECT_EQ(verdict.fetch->url, "https://sns.eu-central-1.amazonaws.com/a.pem");
  ASSERT_TRUE(ring.Put(*verdict.fetch, leaf.pem, std::nullopt, Now()).ok());
  verdict = verify(good);
  EXPECT_TRUE(verdict.ok) << ReasonName(verdict.reason);
  EXPECT_EQ(verdict.key_id, "a.pem");
  TestRequest changed = good;
  changed.body = absl::StrReplaceAll(good.body, {{"\"hi\"", "\"ho\""}});
  EXPECT_EQ(verify(changed).reason, Reason::kSignatureMismatch);
  for (const char* url :
       {"http://sns.eu-central-1.amazonaws.com/a.pem", "https://sns.eu-central-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/a.pem", "https://sns.x@evil.example/a.pem",
        "https://sns.eu-central-1.amazonaws.com:444/a.pem", "https://snsXeu.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com/a.pem?x=1", "https://127.0.0.1/a.pem", ""}) {
    verdict = verify(message(url));
    EXPECT_EQ(verdict.reason, Reason::kKeyAddressRefused) << url;
    EXPECT_EQ(verdict.fetch, nullptr) << url;
  }
}

TEST(FetchedKey, ASourceMayPinItsTopic) {
  const hookstream::testing::SigningAuthority authority(Now());
  const auto leaf = authority.Issue("sns.amazonaws.com");
  const provider::Provider& preset = *FindPreset("aws-sns");
  const std::string text = "Message\nhi\nMessageId\nm\nTimestamp\nt\nTopicArn\narn\nType\nNotification\n";
  TestRequest request;
  request.body = absl::StrCat(
      R"({"Type":"Notification","MessageId":"m","TopicArn":"arn","Message":"hi","Timestamp":"t","SignatureVersion":"1",)",
      R"("Signature":")", provider::EncodeBase64(leaf.Sign(text, EVP_sha1())), R"("})");
  const Key key{.id = "k", .secret = leaf.pem};
  EXPECT_TRUE(Verify(*MustCreate(preset, {key}), request).ok);
  EXPECT_TRUE(Verify(*MustCreate(preset, {key}, {{"topic_arn", "arn"}}), request).ok);
  EXPECT_EQ(Verify(*MustCreate(preset, {key}, {{"topic_arn", "other"}}), request).reason, Reason::kRequirementFailed);
  EXPECT_EQ(Verify(*MustCreate(preset, {key}, {{"min_signature_version", "2"}}), request).reason, Reason::kNoRule)
      << "SHA-1 is switched off";
}

}  // namespace
}  // namespace hookstream::verify
