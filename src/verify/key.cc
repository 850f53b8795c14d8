#include "verify/key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "provider/encoding.h"
#include "verify/certificate.h"

namespace hookstream::verify {
namespace {

using provider::KeyForm;
using provider::Scheme;

constexpr size_t kEd25519Bytes = 32;

using SignaturePtr = OpensslPtr<ECDSA_SIG, ECDSA_SIG_free>;

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

EVP_PKEY* ReadPublicKey(Scheme scheme, KeyForm form, std::string_view text, const std::string& decoded) {
  if (form == KeyForm::kPem) {
    const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    return bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr;
  }
  if (form == KeyForm::kSpkiBase64) {
    const unsigned char* at = Bytes(decoded);
    return d2i_PUBKEY(nullptr, &at, static_cast<long>(decoded.size()));
  }
  if (scheme == Scheme::kEd25519 && decoded.size() == kEd25519Bytes) {
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(decoded), decoded.size());
  }
  return nullptr;
}

std::string ExpectedForm(const provider::VerifyRule& rule, KeyForm form) {
  std::string expected;
  switch (form) {
    case KeyForm::kText: return "has to be the text that the provider shows, not empty";
    case KeyForm::kSha1: return "has to be the text that the provider shows, not empty";
    case KeyForm::kHex: expected = "hex (0-9, a-f, two for each byte)"; break;
    case KeyForm::kBase64: expected = "base64"; break;
    case KeyForm::kPem: expected = "a PEM public key (-----BEGIN PUBLIC KEY-----)"; break;
    case KeyForm::kSpkiBase64:
      expected = "a public key in base64 (SubjectPublicKeyInfo, the inside of a PEM file)";
      break;
    case KeyForm::kX509Pem: expected = "a PEM certificate (-----BEGIN CERTIFICATE-----)"; break;
  }
  const Scheme scheme = provider::KeyScheme(rule);
  if (scheme == Scheme::kEd25519) absl::StrAppend(&expected, " of an Ed25519 public key");
  if (scheme == Scheme::kEcdsaP256) absl::StrAppend(&expected, " of an ECDSA P-256 key");
  if (scheme == Scheme::kRsaSha1 || scheme == Scheme::kRsaSha256) {
    absl::StrAppend(&expected, " of an RSA key of at least 2048 bits");
  }
  if (!rule.key_prefix.empty()) absl::StrAppend(&expected, ", usually after ", rule.key_prefix);
  return absl::StrCat("has to be ", expected);
}

}  // namespace

bool FitsScheme(Scheme scheme, const EVP_PKEY* key) {
  if (scheme == Scheme::kEd25519) return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
  if (scheme == Scheme::kRsaSha1 || scheme == Scheme::kRsaSha256) {
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 2048;
  }
  char group[64];
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, group, sizeof(group), nullptr) == 1 &&
         std::string_view(group) == "prime256v1";
}

const EVP_MD* SchemeHash(Scheme scheme) {
  if (scheme == Scheme::kEd25519) return nullptr;
  return scheme == Scheme::kRsaSha1 ? EVP_sha1() : EVP_sha256();
}

absl::StatusOr<DecodedSecret> DecodeKey(const provider::VerifyRule& rule, KeyForm form, std::string_view secret) {
  const auto refuse = [&] { return absl::InvalidArgumentError(ExpectedForm(rule, form)); };
  if (!rule.key_prefix.empty() && secret.substr(0, rule.key_prefix.size()) == rule.key_prefix) {
    secret.remove_prefix(rule.key_prefix.size());
  }
  if (secret.empty()) return refuse();
  std::optional<std::string> bytes;
  switch (form) {
    case KeyForm::kText:
    case KeyForm::kPem:
    case KeyForm::kX509Pem: bytes = std::string(secret); break;
    case KeyForm::kSha1: bytes = provider::Sha1(secret); break;
    case KeyForm::kHex: bytes = provider::DecodeHex(secret); break;
    case KeyForm::kBase64:
    case KeyForm::kSpkiBase64: bytes = provider::DecodeBase64(secret, provider::Padding::kOptional); break;
  }
  if (!bytes || bytes->empty()) return refuse();
  DecodedSecret key;
  const Scheme scheme = provider::KeyScheme(rule);
  if (provider::IsPublicKey(scheme)) {
    if (form == KeyForm::kX509Pem) {
      const auto certificates = ReadCertificates(secret);
      if (!certificates.ok()) return refuse();
      // Its dates are not looked at: whoever configures a certificate says himself how long its key is good.
      key.public_key.reset(X509_get_pubkey(certificates->front().get()));
    } else {
      key.public_key.reset(ReadPublicKey(scheme, form, secret, *bytes));
    }
    ERR_clear_error();
    if (!key.public_key || !FitsScheme(scheme, key.public_key.get())) return refuse();
  } else {
    key.mac = MakeMacKey(scheme, *bytes);
  }
  key.bytes = *std::move(bytes);
  return key;
}

bool CheckPublicKey(Scheme scheme, EVP_PKEY* key, std::span<const std::string_view> parts, std::string_view signature) {
  if (!FitsScheme(scheme, key)) return false;
  std::string text;
  for (const std::string_view part : parts) text += part;
  const DigestPtr context(EVP_MD_CTX_new());
  const EVP_MD* hash = SchemeHash(scheme);
  const bool ok = context && EVP_DigestVerifyInit(context.get(), nullptr, hash, nullptr, key) == 1 &&
                  EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(text), text.size()) == 1;
  // A wrong signature leaves entries in the thread's error queue.
  ERR_clear_error();
  return ok;
}

std::optional<std::string> EcdsaToDer(std::string_view numbers) {
  if (numbers.size() != 64) return std::nullopt;
  const SignaturePtr signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(Bytes(numbers), 32, nullptr);
  BIGNUM* s = BN_bin2bn(Bytes(numbers.substr(32)), 32, nullptr);
  if (!signature || r == nullptr || s == nullptr || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return std::nullopt;
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) return std::nullopt;
  std::string out(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::optional<std::string> EcdsaFromDer(std::string_view der) {
  const unsigned char* at = Bytes(der);
  const SignaturePtr signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!signature) return std::nullopt;
  std::string numbers(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(numbers.data());
  if (BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, 32) != 32 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + 32, 32) != 32) {
    return std::nullopt;
  }
  return numbers;
}

}  // namespace hookstream::verify
