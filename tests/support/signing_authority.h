// An authority that makes certificates with RSA keys, and signs with them: what providers do that publish certificates.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace hookstream::testing {

class SigningAuthority {
 public:
  struct Leaf {
    std::shared_ptr<EVP_PKEY> key;
    std::string pem;

    std::string Sign(std::string_view text, const EVP_MD* hash = EVP_sha256()) const {
      const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
      EVP_DigestSignInit(context.get(), nullptr, hash, nullptr, key.get());
      const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
      size_t size = 0;
      EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size());
      std::string signature(size, '\0');
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, text.size());
      signature.resize(size);
      return signature;
    }
  };

  explicit SigningAuthority(absl::Time now, const std::string& name = "Test Authority") : now_(now), key_(MakeKey()) {
    certificate_ = Make(name, key_.get(), now - absl::Hours(24), now + absl::Hours(24 * 365), true);
  }

  Leaf Issue(const std::string& dns_name) const {
    return Issue(dns_name, now_ - absl::Hours(1), now_ + absl::Hours(24));
  }
  Leaf Issue(const std::string& dns_name, absl::Time from, absl::Time to) const {
    auto key = MakeKey();
    const auto certificate = Make(dns_name, key.get(), from, to, false);
    return {key, Pem(certificate.get())};
  }
  std::string Pem() const { return Pem(certificate_.get()); }

  // A store that trusts this authority alone.
  std::shared_ptr<X509_STORE> Trust() const {
    std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
    X509_STORE_add_cert(store.get(), certificate_.get());
    return store;
  }

 private:
  // One of four, in turn: making one takes a while, and under a sanitizer long.
  static std::shared_ptr<EVP_PKEY> MakeKey() {
    static std::array<std::shared_ptr<EVP_PKEY>, 4> keys;
    static size_t next = 0;
    std::shared_ptr<EVP_PKEY>& key = keys[next++ % keys.size()];
    if (!key) key = {EVP_RSA_gen(2048), EVP_PKEY_free};
    return key;
  }

  static std::string Pem(X509* certificate) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_X509(bio.get(), certificate);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<size_t>(size)};
  }

  std::shared_ptr<X509> Make(const std::string& name, EVP_PKEY* key, absl::Time from, absl::Time to, bool root) const {
    std::shared_ptr<X509> certificate(X509_new(), X509_free);
    X509* const x509 = certificate.get();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), root ? 1 : 2);
    ASN1_TIME_set(X509_getm_notBefore(x509), absl::ToTimeT(from));
    ASN1_TIME_set(X509_getm_notAfter(x509), absl::ToTimeT(to));
    X509_set_pubkey(x509, key);
    X509_NAME* const subject = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                               -1, 0);
    X509_set_issuer_name(x509, root ? subject : X509_get_subject_name(certificate_.get()));
    const std::string alternative = "DNS:" + name;
    Extend(x509, root ? NID_basic_constraints : NID_subject_alt_name, root ? "critical,CA:TRUE" : alternative.c_str());
    X509_sign(x509, key_.get(), EVP_sha256());
    return certificate;
  }

  static void Extend(X509* certificate, int kind, const char* value) {
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, kind, value), X509_EXTENSION_free);
    X509_add_ext(certificate, extension.get(), -1);
  }

  absl::Time now_;
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
};

}  // namespace hookstream::testing
