#include "verify/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "provider/encoding.h"
#include "tests/unit/verify/testing.h"

namespace hookstream::verify {
namespace {

using provider::FindPreset;
using provider::FormRequest;
using provider::MustLoad;
using provider::TestRequest;
using testing::HasSubstr;

const Key kStripeKey{.id = "live", .secret = "whsec_test"};

TEST(Verifier, TheWindowIsClosedOnBothEnds) {
  const auto verifier = MustCreate(*FindPreset("stripe"), {kStripeKey});
  const TestRequest request = MustSign(*FindPreset("stripe"), kStripeKey, "{}");
  EXPECT_TRUE(Verify(*verifier, request, Now() + absl::Seconds(300)).ok);
  EXPECT_TRUE(Verify(*verifier, request, Now() + absl::Milliseconds(300'999)).ok);
  EXPECT_EQ(Verify(*verifier, request, Now() + absl::Seconds(301)).reason, Reason::kTimestampStale);
  EXPECT_TRUE(Verify(*verifier, request, Now() - absl::Seconds(300)).ok);
  EXPECT_EQ(Verify(*verifier, request, Now() - absl::Seconds(301)).reason, Reason::kTimestampFuture);
  const Verdict verdict = Verify(*verifier, request);
  EXPECT_EQ(verdict.signed_at, Now());
  EXPECT_EQ(Verify(*verifier, request, Now() + absl::Hours(1)).signed_at, Now()) << "genuine, and too old";
  EXPECT_EQ(Verify(*verifier, request, Now() - absl::Hours(1)).signed_at, Now());
  TestRequest forged = request;
  forged.body = "[]";
  EXPECT_EQ(Verify(*verifier, forged).signed_at, std::nullopt);
  EXPECT_EQ(verdict.key_id, "live");
  EXPECT_EQ(verdict.scheme, "hmac-sha256");
}

TEST(Verifier, ASourceMayMoveTheWindow) {
  const TestRequest request = MustSign(*FindPreset("stripe"), kStripeKey, "{}");
  Options options;
  options.max_age = absl::Hours(1);
  const auto longer = MustCreate(*FindPreset("stripe"), {kStripeKey}, {}, options);
  EXPECT_TRUE(Verify(*longer, request, Now() + absl::Hours(1)).ok);
  EXPECT_TRUE(Verify(*longer, request, Now() - absl::Hours(1)).ok);
  EXPECT_EQ(Verify(*longer, request, Now() + absl::Seconds(3601)).reason, Reason::kTimestampStale);
  options.max_future = absl::ZeroDuration();
  const auto past_only = MustCreate(*FindPreset("stripe"), {kStripeKey}, {}, options);
  EXPECT_EQ(Verify(*past_only, request, Now() - absl::Seconds(1)).reason, Reason::kTimestampFuture);
}

TEST(Verifier, MillisecondsAndIsoTimesHaveTheirOwnUnits) {
  const auto millis = MustLoad(
      "name: a\nverify:\n  scheme: hmac-sha256\n  signed: \"{body}{time}\"\n  signature: header.S\n"
      "  time: {from: header.T, unit: ms, max_age: 1500ms, max_future: 0s}\n");
  const Key key{.id = "k", .secret = "s"};
  const auto verifier = MustCreate(*millis, {key});
  const TestRequest request = MustSign(*millis, key, "b");
  EXPECT_TRUE(Verify(*verifier, request, Now() + absl::Milliseconds(1500)).ok);
  EXPECT_FALSE(Verify(*verifier, request, Now() + absl::Milliseconds(1501)).ok);
  EXPECT_FALSE(Verify(*verifier, request, Now() - absl::Milliseconds(1)).ok);
  const auto iso = MustLoad(
      "name: a\nverify:\n  scheme: hmac-sha256\n  signed: \"{body}{time}\"\n  signature: header.S\n"
      "  time: {from: header.T, unit: iso, max_age: 10m}\n");
  const auto iso_verifier = MustCreate(*iso, {key});
  EXPECT_TRUE(Verify(*iso_verifier, MustSign(*iso, key, "b"), Now() + absl::Minutes(10)).ok);
  EXPECT_FALSE(Verify(*iso_verifier, MustSign(*iso, key, "b"), Now() + absl::Seconds(601)).ok);
}

TEST(Verifier, RotatedKeysCountInTheirTimes) {
  const provider::Provider& stripe = *FindPreset("stripe");
  const Key old_key{.id = "old", .secret = "whsec_old", .not_before = absl::InfinitePast(), .not_after = Now()};
  const Key new_key{.id = "new", .secret = "whsec_new", .not_before = Now() - absl::Hours(1)};
  const auto verifier = MustCreate(stripe, {old_key, new_key});
  const TestRequest by_old = MustSign(stripe, old_key, "{}");
  EXPECT_EQ(Verify(*verifier, by_old, Now() - absl::Seconds(1)).key_id, "old");
  const Verdict late = Verify(*verifier, by_old, Now());
  EXPECT_EQ(late.reason, Reason::kKeyNotValidNow);
  EXPECT_EQ(late.key_id, "old");
  EXPECT_FALSE(late.ok);
  EXPECT_EQ(Verify(*verifier, MustSign(stripe, new_key, "{}")).key_id, "new");
}

TEST(Verifier, AnyOfSeveralSignaturesMayMatchButNotOfAnotherVersion) {
  const provider::Provider& stripe = *FindPreset("stripe");
  const auto verifier = MustCreate(stripe, {kStripeKey});
  const TestRequest good = MustSign(stripe, kStripeKey, "{}");
  std::string header = good.headers.back().second;
  const std::string zeros(64, '0');
  TestRequest request = good;
  *FindHeader(request, "Stripe-Signature") = header + ",v1=" + zeros + ",v0=" + zeros;
  EXPECT_TRUE(Verify(*verifier, request).ok);
  *FindHeader(request, "Stripe-Signature") = "t=1750000000, v1=" + zeros + ", " + header.substr(header.find("v1="));
  EXPECT_TRUE(Verify(*verifier, request).ok);
  header.replace(header.find("v1="), 3, "v0=");
  *FindHeader(request, "Stripe-Signature") = header;
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kHeaderMalformed);
  std::string many = "t=1750000000";
  for (size_t i = 0; i < kMaxSignatures; ++i) many += ",v1=" + zeros;
  *FindHeader(request, "Stripe-Signature") = many;
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kHeaderMalformed);
}

TEST(Verifier, SaysWhyItRefuses) {
  const provider::Provider& stripe = *FindPreset("stripe");
  const auto verifier = MustCreate(stripe, {kStripeKey});
  const TestRequest good = MustSign(stripe, kStripeKey, "{}");
  const std::string signature = good.headers.back().second;
  const auto with = [&](std::string value) {
    TestRequest request = good;
    *FindHeader(request, "Stripe-Signature") = std::move(value);
    return Verify(*verifier, request).reason;
  };
  const std::string v1 = signature.substr(signature.find("v1="));
  EXPECT_EQ(with(signature), Reason::kNone);
  EXPECT_EQ(with("t=1750000000,v1=" + std::string(64, '0')), Reason::kSignatureMismatch);
  EXPECT_EQ(with("t=1750000000,v1=xyz"), Reason::kHeaderMalformed);
  EXPECT_EQ(with(""), Reason::kHeaderMalformed);
  EXPECT_EQ(with(v1), Reason::kTimestampMissing);
  EXPECT_EQ(with("t=17500000x0," + v1), Reason::kHeaderMalformed);
  EXPECT_EQ(with("t=1750000000,t=1750000001," + v1), Reason::kHeaderMalformed);
  EXPECT_EQ(with("t=1750000001," + v1), Reason::kSignatureMismatch);
  TestRequest request = good;
  request.headers.pop_back();
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignatureMissing);
  request = good;
  request.headers.emplace_back("stripe-signature", signature);
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kDuplicateHeader);
  request = good;
  request.body = "{ }";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignatureMismatch);
  for (int reason = 1; reason <= static_cast<int>(Reason::kUnknownKey); ++reason) {
    EXPECT_FALSE(ReasonName(static_cast<Reason>(reason)).empty()) << reason;
  }
}

TEST(Verifier, SignedHeadersMustNotRepeat) {
  const provider::Provider& standard = *FindPreset("standard-webhooks");
  const Key key{.id = "k", .secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
  const auto verifier = MustCreate(standard, {key});
  TestRequest request = MustSign(standard, key, "{}");
  EXPECT_TRUE(Verify(*verifier, request).ok);
  request.headers.emplace_back("Webhook-Id", "other");
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kDuplicateHeader);
  request = MustSign(standard, key, "{}");
  std::erase_if(request.headers, [](const auto& header) { return header.first == "webhook-id"; });
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignedValueMissing);
}

TEST(Verifier, KeysAreDecodedOnceAndNeverGuessed) {
  const provider::Provider& standard = *FindPreset("standard-webhooks");
  const auto error = [&](const std::vector<Key>& keys, const Params& params = {}) {
    const auto verifier = Verifier::Create(standard, keys, params);
    EXPECT_EQ(verifier.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(verifier.status().message());
  };
  EXPECT_THAT(error({}), HasSubstr("needs a key"));
  const std::string bad = error({{.id = "2026-11", .secret = "whsec_not base64!"}});
  EXPECT_THAT(bad, HasSubstr("key '2026-11'"));
  EXPECT_THAT(bad, HasSubstr("base64, usually after whsec_"));
  EXPECT_THAT(bad, testing::Not(HasSubstr("not base64!")));
  EXPECT_THAT(error({{.id = "k", .secret = ""}}), HasSubstr("key 'k'"));
  EXPECT_THAT(error({{.id = "k", .secret = "whsec_"}}), HasSubstr("key 'k'"));
  EXPECT_THAT(error({{.id = "k", .secret = "YWJj"}, {.id = "k", .secret = "YWJj"}}), HasSubstr("two keys"));
  EXPECT_THAT(error({{.id = "k", .secret = "YWJj"}}, {{"x", "y"}}), HasSubstr("no parameter 'x'"));
  EXPECT_THAT(error(std::vector<Key>(kMaxKeys + 1)), HasSubstr("at most"));
  EXPECT_THAT(std::string(Verifier::Create(*FindPreset("meta"), {{.id = "k", .secret = "s"}}).status().message()),
              HasSubstr("parameter 'verify_token' is missing"));
  EXPECT_THAT(
      std::string(Verifier::Create(*FindPreset("adyen-platform"), {{.id = "k", .secret = "abc"}}).status().message()),
      HasSubstr("hex"));
  EXPECT_THAT(std::string(Verifier::Create(*FindPreset("discord"), {{.id = "k", .secret = "abcd"}}).status().message()),
              HasSubstr("Ed25519"));
  Options options;
  options.key_form = provider::KeyForm::kText;
  EXPECT_TRUE(Verifier::Create(standard, {{.id = "k", .secret = "any text"}}, {}, options).ok());
}

TEST(Verifier, TwilioTriesBothPortForms) {
  const provider::Provider& twilio = *FindPreset("twilio");
  const Key key{.id = "k", .secret = "token"};
  const auto verifier = MustCreate(twilio, {key});
  const TestRequest plain = MustSign(twilio, key, "b=2&a=1&a=1&a=0", Now(), "https://h.example.com/in?x=1");
  TestRequest request = plain;
  EXPECT_TRUE(Verify(*verifier, request).ok);
  request.public_url = "https://h.example.com:8443";
  EXPECT_TRUE(Verify(*verifier, request).ok);
  request.public_url = "http://h.example.com";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignatureMismatch);
  const TestRequest with_port = MustSign(twilio, key, "a=1", Now(), "https://h.example.com:443/in");
  request = with_port;
  request.public_url = "https://h.example.com";
  EXPECT_TRUE(Verify(*verifier, request).ok);
  const TestRequest six = MustSign(twilio, key, "a=1", Now(), "https://[::1]:443/in");
  request = six;
  request.public_url = "https://[::1]";
  EXPECT_TRUE(Verify(*verifier, request).ok);
}

TEST(Verifier, TwilioReadsFormsByBytesNotByContentType) {
  const provider::Provider& twilio = *FindPreset("twilio");
  const Key key{.id = "k", .secret = "token"};
  const auto verifier = MustCreate(twilio, {key});
  // Signed without parameters: with another content type the body must not go unchecked.
  TestRequest request = MustSign(twilio, key, "");
  EXPECT_TRUE(Verify(*verifier, request).ok);
  *FindHeader(request, "Content-Type") = "application/json";
  request.body = R"({"forged":true})";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignatureMismatch);
}

TEST(Verifier, TwiliosJsonIsBoundByTheQuerysHash) {
  const provider::Provider& twilio = *FindPreset("twilio");
  const Key key{.id = "k", .secret = "token"};
  const auto verifier = MustCreate(twilio, {key});
  TestRequest request = MustSign(twilio, key, R"({"a":1})");
  EXPECT_THAT(request.target, HasSubstr("bodySHA256="));
  EXPECT_TRUE(Verify(*verifier, request).ok);
  request.body = R"({"a":2})";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kRequirementFailed);
}

TEST(Verifier, ComparedSecrets) {
  const auto equal = MustLoad("name: a\nverify: {scheme: equal, signature: header.Authorization, prefix: \"Bearer \"}");
  const Key key{.id = "k", .secret = "s3cret"};
  const auto verifier = MustCreate(*equal, {key});
  TestRequest request;
  request.headers = {{"Authorization", "Bearer s3cret"}};
  EXPECT_TRUE(Verify(*verifier, request).ok);
  for (const char* value : {"Bearer s3cre", "Bearer s3cret2", "s3cret", "Bearer ", ""}) {
    request.headers[0].second = value;
    EXPECT_FALSE(Verify(*verifier, request).ok) << value;
  }
  const auto basic = MustCreate(*FindPreset("chargebee"), {{.id = "k", .secret = "user:pa:ss"}});
  request.headers[0].second = "basic " + provider::EncodeBase64("user:pa:ss");
  EXPECT_TRUE(Verify(*basic, request).ok);
  request.headers[0].second = "Basic " + provider::EncodeBase64("user:pa");
  EXPECT_EQ(Verify(*basic, request).reason, Reason::kSignatureMismatch);
  request.headers[0].second = "Bearer x";
  EXPECT_EQ(Verify(*basic, request).reason, Reason::kHeaderMalformed);
}

TEST(Verifier, NoneTakesNoKeys) {
  const auto none = MustLoad("name: a\nverify: {scheme: none}");
  EXPECT_FALSE(Verifier::Create(*none, {{.id = "k", .secret = "s"}}).ok());
  const Verdict verdict = Verify(*MustCreate(*none, {}), {});
  EXPECT_TRUE(verdict.ok);
  EXPECT_EQ(verdict.scheme, "none");
}

TEST(Verifier, EverySchemeMatchesItsReference) {
  // By Python's hmac over "abc", with a key of one byte and one longer than a block.
  struct Reference {
    const char* scheme;
    const char* short_key;
    const char* long_key;
  };
  const Reference references[] = {
      {"hmac-sha1", "f9bef091fe00d9f5128593836dba99e193f08174", "71d5006fe1cd8b7ef1777aec7667442b20e59150"},
      {"hmac-sha256", "342e519ce0ad6c03a36b98eeb3f1d130db4813b9df4d1160eda488d712dc78ee",
       "b3a38d46719789dfefed34be1021ac39431c5163a6858e1a63eb7413278d9435"},
      {"hmac-sha384",
       "d9a50eb061a93559f2f6be2b1ad341829beae2cc8ee6984e652f0433c40864c8a2fbed044bcbbb98d4b43e4925ece2b5",
       "f7a67b33d4eefb3ce4345b6439ff3fcc71bae67c4c479350df4bfa9f477dc2be96790708a5186d90b8091e6f02644375"},
      {"hmac-sha512",
       "bb9ec7701f7de8a362d775b9bfcb61a474bf8bf69d5dbee0689a4b284bc59a54ffd1cfdc05151759afd97ffd1a255b3849ce775ea4be799"
       "a65e6a19ac97e2ade",
       "0fe6894a494ac6dd46fd6df746b09750438090a1fe7fc6b964700730c8b443bd57bca0038139e6726fce906383471d7cf2313669a5efdc2"
       "abe10010ae7173eb2"},
  };
  for (const Reference& reference : references) {
    SCOPED_TRACE(reference.scheme);
    const auto preset =
        MustLoad(std::string("name: a\nverify: {scheme: ") + reference.scheme + ", signature: header.S}");
    for (const auto& [secret, mac] :
         {std::pair(std::string("k"), reference.short_key), std::pair(std::string(300, 'k'), reference.long_key)}) {
      TestRequest request;
      request.body = "abc";
      request.headers = {{"S", mac}};
      EXPECT_TRUE(Verify(*MustCreate(*preset, {{.id = "k", .secret = secret}}), request).ok);
      EXPECT_FALSE(Verify(*MustCreate(*preset, {{.id = "k", .secret = secret + "x"}}), request).ok);
    }
  }
}

TEST(Verifier, ChoosesTheKeyThatTheRequestNames) {
  const auto preset = MustLoad("name: a\nverify: {scheme: hmac-sha256, signature: header.S, key_by: header.K}");
  const Key first{.id = "one", .secret = "1"};
  const Key second{.id = "two", .secret = "2"};
  const auto verifier = MustCreate(*preset, {first, second});
  TestRequest request = MustSign(*preset, second, "b");
  EXPECT_EQ(Verify(*verifier, request).key_id, "two");
  *FindHeader(request, "K") = "one";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignatureMismatch);
  *FindHeader(request, "K") = "three";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kUnknownKey);
}

TEST(Verifier, NumberedHeadersAreAllTried) {
  const auto preset = MustLoad("name: a\nverify: {scheme: hmac-sha256, signature: header.Sig-#}");
  const Key key{.id = "k", .secret = "s"};
  const auto verifier = MustCreate(*preset, {key});
  TestRequest request = MustSign(*preset, key, "b");
  const std::string good = *FindHeader(request, "Sig-1");
  EXPECT_TRUE(Verify(*verifier, request).ok);
  *FindHeader(request, "Sig-1") = std::string(64, '0');
  request.headers.emplace_back("sig-2", good);
  EXPECT_TRUE(Verify(*verifier, request).ok);
  request.headers.emplace_back("Sig-2", good);
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kDuplicateHeader);
}

TEST(Verifier, APrefixMayStandBehindTheNameOfAKey) {
  const provider::Provider& preset = *FindPreset("worldpay");
  const auto verifier = MustCreate(preset, {{.id = "k", .secret = "s"}});
  TestRequest request = MustSign(preset, {.id = "k", .secret = "s"}, "{}");
  std::string& header = *FindHeader(request, "Event-Signature");
  const std::string mac = header.substr(header.rfind('/') + 1);
  for (const std::string& good : {"1/SHA256/" + mac, "7/SHA256/00, 12/SHA256/" + mac, "/SHA256/" + mac}) {
    header = good;
    EXPECT_TRUE(Verify(*verifier, request).ok) << good;
  }
  for (const std::string& bad :
       {mac, "1/SHA512/" + mac, "SHA256/" + mac, "1/SHA256/2/SHA256/" + mac, std::string("1/SHA256/")}) {
    header = bad;
    EXPECT_FALSE(Verify(*verifier, request).ok) << bad;
  }
}

TEST(Verifier, AMultipartFormIsNeverCoveredByASignatureOfFields) {
  const provider::Provider& preset = *FindPreset("plivo");
  const Key key{.id = "k", .secret = "s"};
  const auto verifier = MustCreate(preset, {key});
  TestRequest request = MustSign(preset, key, "a=1");
  ASSERT_TRUE(Verify(*verifier, request).ok);
  const TestRequest multipart = provider::MultipartRequest({{"a", "1"}, {"b; filename=f", "not signed"}});
  *FindHeader(request, "Content-Type") = multipart.headers[0].second;
  request.body = multipart.body;
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignedValueMissing);
}

TEST(Verifier, EverySignedItemHasToBeRight) {
  const auto preset = MustLoad(
      "name: a\nverify: {scheme: sha256, signed: \"{key}{item/v}\", signature: item/sig}\nevent: {split: /items/*}");
  const auto verifier = MustCreate(*preset, {{.id = "k", .secret = "key"}});
  const auto item = [](std::string_view value, std::string_view signed_value) {
    return "{\"v\":\"" + std::string(value) + "\",\"sig\":\"" +
           provider::EncodeHex(provider::Sha256("key" + std::string(signed_value))) + "\"}";
  };
  TestRequest request;
  request.body = "{\"items\":[" + item("a", "a") + "," + item("b", "b") + "]}";
  EXPECT_TRUE(Verify(*verifier, request).ok);
  request.body = "{\"items\":[" + item("a", "a") + "," + item("b", "c") + "]}";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignatureMismatch);
  request.body = "{\"items\":[]}";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignatureMissing);
  request.body = "{\"items\":[{\"v\":\"a\"}]}";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kSignatureMissing);
}

TEST(Verifier, OneRuleIsTheRule) {
  const auto preset = MustLoad(
      "name: a\nverify:\n"
      "  - {when: {header.V: \"2\"}, scheme: hmac-sha256, signature: header.S}\n"
      "  - {when: {header.V: null}, scheme: hmac-sha1, signature: header.S}\n");
  const Key key{.id = "k", .secret = "s"};
  const auto verifier = MustCreate(*preset, {key});
  TestRequest request = MustSign(*preset, key, "b");
  EXPECT_EQ(Verify(*verifier, request).scheme, "hmac-sha1");
  EXPECT_TRUE(Verify(*verifier, request).ok);
  // No falling through to the weaker rule, or past all of them.
  request.headers.emplace_back("V", "2");
  EXPECT_FALSE(Verify(*verifier, request).ok);
  request.headers.back().second = "3";
  EXPECT_EQ(Verify(*verifier, request).reason, Reason::kNoRule);
}

TEST(Verifier, IsSharedByThreads) {
  const provider::Provider& stripe = *FindPreset("stripe");
  const auto verifier = MustCreate(stripe, {kStripeKey});
  const TestRequest good = MustSign(stripe, kStripeKey, "{}");
  std::vector<std::thread> threads;
  std::array<int, 4> accepted{};
  for (int& count : accepted) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += Verify(*verifier, good).ok ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(accepted, testing::Each(200));
}

}  // namespace
}  // namespace hookstream::verify
