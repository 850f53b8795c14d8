#include "verify/private_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "provider/encoding.h"
#include "verify/key.h"

namespace hookstream::verify {
namespace {

using provider::KeyForm;
using provider::Scheme;

std::string Contents(const BioPtr& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

// OpenSSL fails here for want of memory or of randomness alone.
void Require(bool ok) {
  if (!ok) std::abort();
}

// For a file with a passphrase: none, instead of a question on the terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

std::string SpkiDer(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  Require(size > 0);
  std::string bytes(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

absl::StatusOr<std::string> RawPublicKey(EVP_PKEY* key) {
  size_t size = 0;
  if (EVP_PKEY_get_raw_public_key(key, nullptr, &size) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("keys of this kind have no raw form (use key: pem or spki-base64)");
  }
  std::string bytes(size, '\0');
  Require(EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(bytes.data()), &size) == 1);
  return bytes;
}

// A certificate that says nothing but the key, in PEM, valid for ten years.
std::string SelfSigned(EVP_PKEY* key) {
  const CertificatePtr certificate(X509_new());
  X509* const x509 = certificate.get();
  Require(x509 != nullptr && X509_set_version(x509, X509_VERSION_3) == 1 &&
          ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) == 1 &&
          X509_gmtime_adj(X509_getm_notBefore(x509), 0) != nullptr &&
          X509_gmtime_adj(X509_getm_notAfter(x509), 10L * 365 * 86'400) != nullptr && X509_set_pubkey(x509, key) == 1);
  X509_NAME* const name = X509_get_subject_name(x509);
  const auto* const text = reinterpret_cast<const unsigned char*>("hookstream send");
  Require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1 &&
          X509_set_issuer_name(x509, name) == 1 && X509_sign(x509, key, EVP_sha256()) > 0);
  const BioPtr bio(BIO_new(BIO_s_mem()));
  Require(bio && PEM_write_bio_X509(bio.get(), x509) == 1);
  return Contents(bio);
}

absl::Status WrongKind(Scheme scheme) {
  const std::string_view name = provider::SchemeName(scheme);
  return absl::InvalidArgumentError(
      absl::StrCat("the private key is of another kind than ", std::string(name), " works with"));
}

}  // namespace

const provider::VerifyRule* PublicKeyRule(const provider::Provider& provider) {
  const auto rule = std::find_if(provider.verify.begin(), provider.verify.end(), [](const provider::VerifyRule& r) {
    return provider::IsPublicKey(provider::KeyScheme(r));
  });
  return rule == provider.verify.end() ? nullptr : &*rule;
}

absl::StatusOr<PrivateKey> PrivateKey::FromPem(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EVP_PKEY* key = bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr) : nullptr;
  ERR_clear_error();
  if (key == nullptr) {
    return absl::InvalidArgumentError("is no private key in PEM without a passphrase (-----BEGIN PRIVATE KEY-----)");
  }
  return PrivateKey(key);
}

absl::StatusOr<PrivateKey> PrivateKey::Generate(Scheme scheme) {
  EVP_PKEY* key = nullptr;
  switch (scheme) {
    case Scheme::kEd25519: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); break;
    case Scheme::kEcdsaP256: key = EVP_EC_gen("P-256"); break;
    case Scheme::kRsaSha1:
    case Scheme::kRsaSha256: key = EVP_RSA_gen(2048); break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("scheme ", std::string(provider::SchemeName(scheme)), " has no private keys"));
  }
  Require(key != nullptr);
  return PrivateKey(key);
}

std::string PrivateKey::Pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  Require(bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return Contents(bio);
}

absl::StatusOr<std::string> PrivateKey::PublicKey(const provider::VerifyRule& rule) const {
  const Scheme scheme = provider::KeyScheme(rule);
  if (!FitsScheme(scheme, key_.get())) return WrongKind(scheme);
  std::string text;
  switch (rule.key_form) {
    case KeyForm::kPem: {
      const BioPtr bio(BIO_new(BIO_s_mem()));
      Require(bio && PEM_write_bio_PUBKEY(bio.get(), key_.get()) == 1);
      text = Contents(bio);
      break;
    }
    case KeyForm::kX509Pem: text = SelfSigned(key_.get()); break;
    case KeyForm::kSpkiBase64: text = provider::EncodeBase64(SpkiDer(key_.get())); break;
    case KeyForm::kHex:
    case KeyForm::kBase64: {
      auto raw = RawPublicKey(key_.get());
      if (!raw.ok()) return raw;
      text = rule.key_form == KeyForm::kHex ? provider::EncodeHex(*raw) : provider::EncodeBase64(*raw);
      break;
    }
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("a public key has no form '", std::string(provider::KeyFormName(rule.key_form)), "'"));
  }
  return rule.key_prefix + text;
}

absl::StatusOr<std::string> PrivateKey::Sign(Scheme scheme, std::span<const std::string_view> parts) const {
  if (!FitsScheme(scheme, key_.get())) return WrongKind(scheme);
  std::string text;
  for (const std::string_view part : parts) text += part;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const DigestPtr context(EVP_MD_CTX_new());
  const EVP_MD* hash = SchemeHash(scheme);
  size_t size = 0;
  Require(context && EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key_.get()) == 1 &&
          EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) == 1);
  std::string signature(size, '\0');
  Require(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes,
                         text.size()) == 1);
  // An ECDSA signature in DER may be shorter than what was announced.
  signature.resize(size);
  return signature;
}

}  // namespace hookstream::verify
