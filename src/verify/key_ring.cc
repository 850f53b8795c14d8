#include "verify/key_ring.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "provider/encoding.h"
#include "verify/certificate.h"

namespace hookstream::verify {
namespace {

using Kind = provider::KeyFetch::Kind;
using KeyMap = std::map<std::string, std::shared_ptr<const FetchedKey>, std::less<>>;
using simdjson::dom::element;

constexpr absl::Duration kUsualAge = absl::Hours(1);
constexpr absl::Duration kShortestAge = absl::Minutes(5);
constexpr absl::Duration kLongestAge = absl::Hours(24);
constexpr absl::Duration kRetryAfterFailure = absl::Seconds(10);
// A set is not asked for again for a key that it did not have so shortly before.
constexpr absl::Duration kFresh = absl::Seconds(10);
// Longer than any fetch takes: one that nobody reported about is over then.
constexpr absl::Duration kFetchLasts = absl::Seconds(60);

using ContextPtr = OpensslPtr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using BuilderPtr = OpensslPtr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using ParamsPtr = OpensslPtr<OSSL_PARAM, OSSL_PARAM_free>;
using NumberPtr = OpensslPtr<BIGNUM, BN_free>;

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

KeyPtr FromParams(const char* type, OSSL_PARAM_BLD* builder) {
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder));
  const ContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params && context && EVP_PKEY_fromdata_init(context.get()) == 1) {
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get());
  }
  ERR_clear_error();
  return KeyPtr(key);
}

std::optional<std::string> Binary(element jwk, std::string_view name) {
  std::string_view text;
  if (jwk.at_key(name).get(text) != simdjson::SUCCESS) return std::nullopt;
  return provider::DecodeBase64Url(text);
}

KeyPtr RsaKey(element jwk) {
  const auto modulus = Binary(jwk, "n");
  const auto exponent = Binary(jwk, "e");
  // 2048 to 8192 bits: shorter is no security, longer is slow.
  if (!modulus || !exponent || modulus->size() < 256 || modulus->size() > 1024 || exponent->size() > 8) return nullptr;
  const NumberPtr n(BN_bin2bn(Bytes(*modulus), static_cast<int>(modulus->size()), nullptr));
  const NumberPtr e(BN_bin2bn(Bytes(*exponent), static_cast<int>(exponent->size()), nullptr));
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return FromParams("RSA", builder.get());
}

KeyPtr P256Key(element jwk) {
  std::string_view curve;
  const auto x = Binary(jwk, "x");
  const auto y = Binary(jwk, "y");
  if (jwk.at_key("crv").get(curve) != simdjson::SUCCESS || curve != "P-256" || !x || !y || x->size() != 32 ||
      y->size() != 32) {
    return nullptr;
  }
  const std::string point = absl::StrCat("\x04", *x, *y);
  const BuilderPtr builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
    return nullptr;
  }
  return FromParams("EC", builder.get());
}

// A key that is of another kind, or for encryption, is passed over.
void AddJwk(element jwk, KeyMap& keys) {
  std::string_view kind, id, use;
  if (jwk.at_key("kty").get(kind) != simdjson::SUCCESS || jwk.at_key("kid").get(id) != simdjson::SUCCESS) return;
  if (jwk.at_key("use").get(use) == simdjson::SUCCESS && use != "sig") return;
  auto key = std::make_shared<FetchedKey>();
  if (kind == "RSA") key->key = RsaKey(jwk);
  if (kind == "EC") key->key = P256Key(jwk);
  if (!key->key) return;
  key->id = id;
  keys.emplace(id, std::move(key));
}

absl::StatusOr<KeyMap> ReadKeySet(std::string_view document) {
  simdjson::dom::parser parser;
  element root;
  simdjson::dom::array list;
  if (parser.parse(document.data(), document.size()).get(root) != simdjson::SUCCESS ||
      root.at_key("keys").get(list) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("it is no JSON Web Key Set");
  }
  KeyMap keys;
  for (const element jwk : list) {
    if (keys.size() < KeyRing::kMaxKeys) AddJwk(jwk, keys);
  }
  if (keys.empty()) return absl::InvalidArgumentError("the key set has no RSA or P-256 key for signatures");
  return keys;
}

// {"key": {a JWK with created_at and expired_at in seconds, the latter null while it is in use}}
absl::StatusOr<KeyMap> ReadPlaidKey(std::string_view document, const std::string& key_id, absl::Time now) {
  simdjson::dom::parser parser;
  element root, jwk;
  if (parser.parse(document.data(), document.size()).get(root) != simdjson::SUCCESS ||
      root.at_key("key").get(jwk) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("it is no answer of Plaid's /webhook_verification_key/get");
  }
  KeyMap keys;
  int64_t expired = 0;
  // An expired key is one that the provider does not know any more.
  if (jwk.at_key("expired_at").get(expired) == simdjson::SUCCESS && absl::FromUnixSeconds(expired) <= now) return keys;
  AddJwk(jwk, keys);
  if (keys.find(key_id) == keys.end()) return absl::InvalidArgumentError("Plaid's answer has another key");
  return keys;
}

}  // namespace

std::string KeyRequest::DocumentName() const { return kind == Kind::kPlaid ? absl::StrCat(url, " ", key_id) : url; }

KeyRing::Document& KeyRing::At(const std::string& name, absl::Time now) {
  if (documents_.find(name) == documents_.end() && documents_.size() >= kMaxDocuments) {
    documents_.erase(std::min_element(documents_.begin(), documents_.end(), [](const auto& a, const auto& b) {
      return a.second.used_at < b.second.used_at;
    }));
  }
  Document& document = documents_[name];
  document.used_at = now;
  return document;
}

KeyRing::Found KeyRing::Find(const KeyRequest& request, absl::Time now) {
  MutexLock lock(mutex_);
  const std::string name = request.DocumentName();
  if (const auto known = documents_.find(name); known != documents_.end()) {
    Document& document = known->second;
    document.used_at = now;
    if (now < document.expires_at) {
      const auto found = document.keys.find(request.key_id);
      if (found != document.keys.end()) return {State::kFound, found->second};
      // Known to be without it, a moment ago: a provider that publishes a new key does so before it signs with it.
      if (now - document.fetched_at < kFresh) return {State::kUnknown, nullptr};
    }
    if (now - document.failed_at < kRetryAfterFailure) return {State::kFailed, nullptr};
    if (now - document.asked_at < kFetchLasts) return {State::kMissing, nullptr};
  }
  if (now - minute_ >= absl::Minutes(1)) {
    minute_ = now;
    fetches_ = 0;
  }
  if (fetches_ == kFetchesPerMinute) return {State::kFailed, nullptr};
  ++fetches_;
  At(name, now).asked_at = now;
  return {State::kMissing, nullptr};
}

absl::Status KeyRing::Put(const KeyRequest& request, std::string_view document, std::optional<absl::Duration> max_age,
                          absl::Time now) {
  const auto read = [&]() -> absl::StatusOr<std::pair<KeyMap, absl::Time>> {
    const absl::Duration age = std::clamp(max_age.value_or(kUsualAge), kShortestAge, kLongestAge);
    absl::Time expires_at = now + age;
    if (document.size() > kMaxDocumentBytes) return absl::InvalidArgumentError("it is larger than 256 KiB");
    switch (request.kind) {
      case Kind::kJwks: {
        HS_ASSIGN_OR_RETURN(KeyMap keys, ReadKeySet(document));
        return std::pair(std::move(keys), expires_at);
      }
      case Kind::kPlaid: {
        HS_ASSIGN_OR_RETURN(KeyMap keys, ReadPlaidKey(document, request.key_id, now));
        return std::pair(std::move(keys), expires_at);
      }
      case Kind::kCertificate: break;
    }
    HS_ASSIGN_OR_RETURN(const std::vector<CertificatePtr> certificates, ReadCertificates(document));
    HS_RETURN_IF_ERROR(
        CheckCertificates(certificates, {request.name_match.get(), request.chain_required}, trust_.get(), now));
    auto key = std::make_shared<FetchedKey>();
    key->key.reset(X509_get_pubkey(certificates.front().get()));
    ERR_clear_error();
    if (!key->key || EVP_PKEY_get_base_id(key->key.get()) != EVP_PKEY_RSA) {
      return absl::InvalidArgumentError("the certificate's key is not RSA");
    }
    HS_ASSIGN_OR_RETURN(const Validity validity, ValidityOf(*certificates.front()));
    // Documents at such addresses are not replaced, others get their own: a day, whatever the server says.
    expires_at = std::min(now + kLongestAge, validity.not_after);
    // Named after its file: what an event says about the key that verified it.
    key->id = request.url.substr(request.url.rfind('/') + 1);
    KeyMap keys;
    keys.emplace("", std::move(key));
    return std::pair(std::move(keys), expires_at);
  };
  auto result = read();
  MutexLock lock(mutex_);
  Document& entry = At(request.DocumentName(), now);
  entry.asked_at = absl::InfinitePast();
  if (!result.ok()) {
    entry.failed_at = now;
    return result.status();
  }
  entry.keys = std::move(result->first);
  entry.expires_at = result->second;
  entry.fetched_at = now;
  entry.failed_at = absl::InfinitePast();
  return absl::OkStatus();
}

void KeyRing::PutFailure(const KeyRequest& request, absl::Time now) {
  MutexLock lock(mutex_);
  Document& entry = At(request.DocumentName(), now);
  entry.asked_at = absl::InfinitePast();
  entry.failed_at = now;
}

}  // namespace hookstream::verify
