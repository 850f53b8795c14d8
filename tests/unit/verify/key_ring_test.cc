#include "verify/key_ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <re2/re2.h>

#include "absl/strings/str_cat.h"
#include "provider/encoding.h"
#include "tests/support/signing_authority.h"
#include "tests/unit/verify/testing.h"

namespace hookstream::verify {
namespace {

using hookstream::testing::SigningAuthority;
using ::testing::HasSubstr;
using Kind = provider::KeyFetch::Kind;
using State = KeyRing::State;

KeyRequest SnsRequest() {
  KeyRequest request;
  request.url = "https://sns.eu-central-1.amazonaws.com/a.pem";
  request.name_match = std::make_shared<const re2::RE2>(R"(sns(\.[a-z0-9-]+)?\.amazonaws\.com)");
  request.chain_required = true;
  return request;
}

KeyRequest SetRequest(std::string key_id) {
  KeyRequest request;
  request.kind = Kind::kJwks;
  request.url = "https://keys.example/jwks";
  request.key_id = std::move(key_id);
  return request;
}

std::string Number(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, name, &number);
  std::string bytes(static_cast<size_t>(BN_num_bytes(number)), '\0');
  BN_bn2bin(number, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(number);
  return provider::EncodeBase64Url(bytes);
}

std::string RsaJwk(const EVP_PKEY* key, std::string_view id, std::string_view more = "") {
  return absl::StrCat(R"({"kty":"RSA","kid":")", std::string(id), R"(","n":")", Number(key, OSSL_PKEY_PARAM_RSA_N),
                      R"(","e":")", Number(key, OSSL_PKEY_PARAM_RSA_E), "\"", std::string(more), "}");
}

class KeyRingTest : public ::testing::Test {
 protected:
  SigningAuthority authority_{Now()};
  KeyRing ring_{authority_.Trust()};
};

TEST_F(KeyRingTest, ACertificateIsAskedForOnceAndKeptForADay) {
  const KeyRequest request = SnsRequest();
  EXPECT_EQ(ring_.Find(request, Now()).state, State::kMissing);
  EXPECT_EQ(ring_.Find(request, Now()).state, State::kMissing) << "the fetch is under way";
  ASSERT_TRUE(ring_
                  .Put(request,
                       authority_.Issue("sns.amazonaws.com", Now() - absl::Hours(1), Now() + absl::Hours(99)).pem,
                       std::nullopt, Now())
                  .ok());
  const auto found = ring_.Find(request, Now() + absl::Hours(23));
  ASSERT_EQ(found.state, State::kFound);
  EXPECT_EQ(found.key->id, "a.pem");
  EXPECT_EQ(ring_.Find(request, Now() + absl::Hours(25)).state, State::kMissing);
}

TEST_F(KeyRingTest, ACertificateIsForgottenWhenItExpires) {
  const KeyRequest request = SnsRequest();
  ASSERT_TRUE(ring_
                  .Put(request,
                       authority_.Issue("sns.amazonaws.com", Now() - absl::Hours(1), Now() + absl::Hours(2)).pem,
                       std::nullopt, Now())
                  .ok());
  EXPECT_EQ(ring_.Find(request, Now() + absl::Minutes(119)).state, State::kFound);
  EXPECT_EQ(ring_.Find(request, Now() + absl::Minutes(121)).state, State::kMissing);
}

TEST_F(KeyRingTest, WhatIsNoGoodCertificateIsRefused) {
  KeyRequest request = SnsRequest();
  const auto put = [&](const std::string& pem) {
    return std::string(ring_.Put(request, pem, std::nullopt, Now()).message());
  };
  const auto at = [&](absl::Duration from, absl::Duration to) {
    return authority_.Issue("sns.amazonaws.com", Now() + from, Now() + to).pem;
  };
  EXPECT_THAT(put("hello"), HasSubstr("no PEM certificate"));
  EXPECT_THAT(put(at(absl::Hours(1), absl::Hours(2))), HasSubstr("not valid yet"));
  EXPECT_THAT(put(at(-absl::Hours(2), -absl::Hours(1))), HasSubstr("has expired"));
  EXPECT_THAT(put(authority_.Issue("sns.amazonaws.com.evil.example").pem), HasSubstr("another name"));
  EXPECT_THAT(put(authority_.Issue("evil.example").pem), HasSubstr("another name"));
  EXPECT_THAT(put(SigningAuthority(Now(), "Stranger").Issue("sns.amazonaws.com").pem),
              HasSubstr("chain does not hold"));
  EXPECT_THAT(
      put(authority_.Issue("sns.amazonaws.com").pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
      HasSubstr("can't be read"));
  EXPECT_THAT(put(std::string(300'000, 'x')), HasSubstr("larger than"));
  // Not again at once: the sender's requests must not become requests to the provider.
  EXPECT_EQ(ring_.Find(request, Now() + absl::Seconds(9)).state, State::kFailed);
  EXPECT_EQ(ring_.Find(request, Now() + absl::Seconds(10)).state, State::kMissing);
}

TEST_F(KeyRingTest, ALeafWithoutItsIssuerPassesOnlyWhereThatIsSaid) {
  KeyRequest request = SnsRequest();
  const SigningAuthority stranger(Now(), "Stranger");
  const std::string leaf = stranger.Issue("sns.amazonaws.com").pem;
  EXPECT_FALSE(ring_.Put(request, leaf, std::nullopt, Now()).ok());
  request.chain_required = false;
  EXPECT_TRUE(ring_.Put(request, leaf, std::nullopt, Now()).ok());
  EXPECT_THAT(std::string(ring_.Put(request, leaf + stranger.Pem(), std::nullopt, Now()).message()),
              HasSubstr("chain does not hold"))
      << "a chain that is there has to hold";
  KeyRing without_roots(nullptr);
  EXPECT_TRUE(without_roots.Put(request, leaf, std::nullopt, Now()).ok());
  request.chain_required = true;
  EXPECT_FALSE(without_roots.Put(request, leaf, std::nullopt, Now()).ok());
}

TEST_F(KeyRingTest, AKeySetHasItsKeysByNameAndIsAskedAgainForANewOne) {
  const auto one = authority_.Issue("one");
  const auto two = authority_.Issue("two");
  const std::string set =
      absl::StrCat(R"({"keys":[)", RsaJwk(one.key.get(), "one"), ",", RsaJwk(two.key.get(), "two", R"(,"use":"enc")"),
                   R"(,{"kty":"oct","kid":"x"},7]})");
  ASSERT_TRUE(ring_.Put(SetRequest("one"), set, absl::Hours(6), Now()).ok());
  const auto found = ring_.Find(SetRequest("one"), Now());
  ASSERT_EQ(found.state, State::kFound);
  EXPECT_EQ(EVP_PKEY_eq(found.key->key.get(), one.key.get()), 1);
  EXPECT_EQ(ring_.Find(SetRequest("two"), Now()).state, State::kUnknown) << "for encryption; just fetched";
  EXPECT_EQ(ring_.Find(SetRequest("two"), Now() + absl::Seconds(11)).state, State::kMissing);
  EXPECT_EQ(ring_.Find(SetRequest("one"), Now() + absl::Seconds(11)).state, State::kFound) << "meanwhile";
  EXPECT_EQ(ring_.Find(SetRequest("one"), Now() + absl::Hours(7)).state, State::kMissing);
}

TEST_F(KeyRingTest, HowLongASetIsKeptHasBounds) {
  const auto leaf = authority_.Issue("one");
  const std::string set = absl::StrCat(R"({"keys":[)", RsaJwk(leaf.key.get(), "one"), "]}");
  ASSERT_TRUE(ring_.Put(SetRequest("one"), set, absl::ZeroDuration(), Now()).ok());
  EXPECT_EQ(ring_.Find(SetRequest("one"), Now() + absl::Minutes(4)).state, State::kFound);
  ASSERT_TRUE(ring_.Put(SetRequest("one"), set, absl::Hours(999), Now()).ok());
  EXPECT_EQ(ring_.Find(SetRequest("one"), Now() + absl::Hours(25)).state, State::kMissing);
}

TEST_F(KeyRingTest, WhatIsNoKeySetIsRefused) {
  const auto put = [&](const std::string& text) {
    return ring_.Put(SetRequest("one"), text, std::nullopt, Now()).ok();
  };
  EXPECT_FALSE(put(""));
  EXPECT_FALSE(put("[]"));
  EXPECT_FALSE(put(R"({"keys":{}})"));
  EXPECT_FALSE(put(R"({"keys":[]})"));
  EXPECT_FALSE(put(R"({"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]})")) << "far too short";
  EXPECT_FALSE(put(R"({"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"AA","y":"AA"}]})"));
  EXPECT_FALSE(put(absl::StrCat(R"({"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":")",
                                provider::EncodeBase64Url(std::string(32, 'x')), R"(","y":")",
                                provider::EncodeBase64Url(std::string(32, 'y')), R"("}]})")))
      << "not on the curve";
}

TEST_F(KeyRingTest, PlaidsKeysComeOneByOne) {
  KeyRequest request;
  request.kind = Kind::kPlaid;
  request.url = "https://production.plaid.com/webhook_verification_key/get";
  request.key_id = "one";
  const auto leaf = authority_.Issue("one");
  const auto answer = [&](std::string_view id, std::string_view expired) {
    return absl::StrCat(R"({"key":)",
                        RsaJwk(leaf.key.get(), id, absl::StrCat(",\"expired_at\":", std::string(expired))), "}");
  };
  EXPECT_FALSE(ring_.Put(request, answer("two", "null"), std::nullopt, Now()).ok());
  ASSERT_TRUE(ring_.Put(request, answer("one", "null"), std::nullopt, Now()).ok());
  EXPECT_EQ(ring_.Find(request, Now()).state, State::kFound);
  ASSERT_TRUE(ring_.Put(request, answer("one", absl::StrCat(kNow - 1)), std::nullopt, Now()).ok());
  EXPECT_EQ(ring_.Find(request, Now()).state, State::kUnknown) << "expired";
  request.key_id = "other";
  EXPECT_EQ(ring_.Find(request, Now()).state, State::kMissing) << "another key is another document";
}

TEST_F(KeyRingTest, MadeUpNamesCostAFewFetchesAMinute) {
  KeyRequest request = SnsRequest();
  ASSERT_TRUE(ring_.Put(request, authority_.Issue("sns.amazonaws.com").pem, std::nullopt, Now()).ok());
  int missing = 0;
  for (int i = 0; i < 1000; ++i) {
    KeyRequest made_up = request;
    made_up.url = absl::StrCat("https://sns.eu-central-1.amazonaws.com/", i, ".pem");
    missing += ring_.Find(made_up, Now()).state == State::kMissing ? 1 : 0;
  }
  EXPECT_EQ(missing, KeyRing::kFetchesPerMinute);
  EXPECT_EQ(ring_.Find(request, Now()).state, State::kFound) << "the real one stays";
}

}  // namespace
}  // namespace hookstream::verify
