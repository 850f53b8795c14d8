#include "provider/provider.h"

#include <algorithm>

namespace hookstream::provider {

std::string_view SchemeName(Scheme scheme) {
  switch (scheme) {
    case Scheme::kHmacSha1: return "hmac-sha1";
    case Scheme::kHmacSha256: return "hmac-sha256";
    case Scheme::kHmacSha384: return "hmac-sha384";
    case Scheme::kHmacSha512: return "hmac-sha512";
    case Scheme::kSha256: return "sha256";
    case Scheme::kEd25519: return "ed25519";
    case Scheme::kEcdsaP256: return "ecdsa-p256";
    case Scheme::kRsaSha1: return "rsa-sha1";
    case Scheme::kRsaSha256: return "rsa-sha256";
    case Scheme::kJwt: return "jwt";
    case Scheme::kEqual: return "equal";
    case Scheme::kBasic: return "basic";
    case Scheme::kNone: return "none";
  }
  return "";
}

bool IsHmac(Scheme scheme) {
  return scheme == Scheme::kHmacSha1 || scheme == Scheme::kHmacSha256 || scheme == Scheme::kHmacSha384 ||
         scheme == Scheme::kHmacSha512 || scheme == Scheme::kSha256;
}

bool IsPublicKey(Scheme scheme) {
  return scheme == Scheme::kEd25519 || scheme == Scheme::kEcdsaP256 || scheme == Scheme::kRsaSha1 ||
         scheme == Scheme::kRsaSha256;
}

std::string_view JwtAlgorithmName(JwtAlgorithm algorithm) {
  switch (algorithm) {
    case JwtAlgorithm::kHs256: return "HS256";
    case JwtAlgorithm::kEs256: return "ES256";
    case JwtAlgorithm::kRs256: return "RS256";
  }
  return "";
}

Scheme KeyScheme(const VerifyRule& rule) {
  if (rule.scheme != Scheme::kJwt) return rule.scheme;
  switch (rule.algorithm) {
    case JwtAlgorithm::kHs256: return Scheme::kHmacSha256;
    case JwtAlgorithm::kEs256: return Scheme::kEcdsaP256;
    case JwtAlgorithm::kRs256: return Scheme::kRsaSha256;
  }
  return rule.scheme;
}

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kNone: return "";
    case Code::kContentful: return "contentful";
    case Code::kBraintree: return "braintree";
  }
  return "";
}

bool IsNumber(TimeUnit unit) { return unit == TimeUnit::kSeconds || unit == TimeUnit::kMilliseconds; }

std::string_view KeyFormName(KeyForm form) {
  switch (form) {
    case KeyForm::kText: return "text";
    case KeyForm::kHex: return "hex";
    case KeyForm::kBase64: return "base64";
    case KeyForm::kSha1: return "sha1";
    case KeyForm::kPem: return "pem";
    case KeyForm::kSpkiBase64: return "spki-base64";
    case KeyForm::kX509Pem: return "x509-pem";
  }
  return "";
}

bool ReadsLeftOut(const Provider& provider, const Expression& expression,
                  const std::map<std::string, std::string, std::less<>>& configured) {
  bool left_out = false;
  expression.ForEachValue([&](const Value& value) {
    left_out |= value.source == Source::kSecret && !value.empty_if_absent &&
                configured.find(value.name) == configured.end() &&
                std::find(provider.optional_secrets.begin(), provider.optional_secrets.end(), value.name) !=
                    provider.optional_secrets.end();
  });
  return left_out;
}

}  // namespace hookstream::provider
