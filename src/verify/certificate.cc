#include "verify/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <re2/re2.h>

#include <ctime>
#include <string>

#include "absl/strings/str_cat.h"

namespace hookstream::verify {
namespace {

using StoreContextPtr = OpensslPtr<X509_STORE_CTX, X509_STORE_CTX_free>;
using NamesPtr = OpensslPtr<GENERAL_NAMES, GENERAL_NAMES_free>;
// Owns the list and not what is in it.
struct StackDeleter {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

std::string Text(const ASN1_STRING& text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(&text)), static_cast<size_t>(ASN1_STRING_length(&text))};
}

std::vector<std::string> Names(const X509& certificate) {
  std::vector<std::string> names;
  const NamesPtr alternatives(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; alternatives && i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_DNS) names.push_back(Text(*name->d.dNSName));
  }
  if (!names.empty()) return names;
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
    names.push_back(Text(*X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  }
  return names;
}

absl::StatusOr<absl::Time> ToTime(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) {
    return absl::InvalidArgumentError("the certificate's dates can't be read");
  }
  return absl::FromTM(parts, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<std::vector<CertificatePtr>> ReadCertificates(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<CertificatePtr> certificates;
  while (bio && certificates.size() < kMaxCertificates) {
    // The callback keeps OpenSSL from asking a terminal for a password.
    CertificatePtr certificate(PEM_read_bio_X509(
        bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
    if (!certificate) break;
    certificates.push_back(std::move(certificate));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty()) return absl::InvalidArgumentError("there is no PEM certificate in it");
  if (!at_end && certificates.size() < kMaxCertificates) {
    return absl::InvalidArgumentError("one of its certificates can't be read");
  }
  return certificates;
}

absl::StatusOr<Validity> ValidityOf(const X509& certificate) {
  auto not_before = ToTime(X509_get0_notBefore(&certificate));
  auto not_after = ToTime(X509_get0_notAfter(&certificate));
  if (!not_before.ok()) return not_before.status();
  if (!not_after.ok()) return not_after.status();
  return Validity{*not_before, *not_after};
}

absl::Status CheckCertificates(const std::vector<CertificatePtr>& certificates, const CertificateRules& rules,
                               X509_STORE* trust, absl::Time now) {
  X509* leaf = certificates.front().get();
  const auto validity = ValidityOf(*leaf);
  if (!validity.ok()) return validity.status();
  if (now < validity->not_before) return absl::FailedPreconditionError("the certificate is not valid yet");
  if (now > validity->not_after) return absl::FailedPreconditionError("the certificate has expired");
  if (rules.name_match != nullptr) {
    bool named = false;
    for (const std::string& name : Names(*leaf)) named |= re2::RE2::FullMatch(name, *rules.name_match);
    if (!named) return absl::FailedPreconditionError("the certificate is made out to another name");
  }

  if (trust == nullptr) {
    return rules.chain_required ? absl::FailedPreconditionError("there are no trusted roots for its chain")
                                : absl::OkStatus();
  }
  const std::unique_ptr<STACK_OF(X509), StackDeleter> others(sk_X509_new_null());
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (!others || !context) return absl::ResourceExhaustedError("no memory for a certificate's chain");
  for (size_t i = 1; i < certificates.size(); ++i) sk_X509_push(others.get(), certificates[i].get());
  if (X509_STORE_CTX_init(context.get(), trust, leaf, others.get()) != 1) {
    ERR_clear_error();
    return absl::InternalError("the certificate's chain can't be checked");
  }
  X509_STORE_CTX_set_time(context.get(), 0, absl::ToTimeT(now));
  const bool ok = X509_verify_cert(context.get()) == 1;
  const int error = X509_STORE_CTX_get_error(context.get());
  const int depth = X509_STORE_CTX_get_error_depth(context.get());
  ERR_clear_error();
  if (ok) return absl::OkStatus();
  const bool issuer_missing =
      depth == 0 && certificates.size() == 1 &&
      (error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY || error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE);
  if (issuer_missing && !rules.chain_required) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the certificate's chain does not hold: ", X509_verify_cert_error_string(error)));
}

}  // namespace hookstream::verify
