// X.509 certificates as providers publish the keys of their signatures. Internal to the room.
#pragma once

#include <openssl/x509.h>

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "provider/provider.h"
#include "verify/openssl_ptr.h"

namespace hookstream::verify {

inline constexpr size_t kMaxCertificates = 8;

// The certificates of a PEM file, the leaf first; at most kMaxCertificates. INVALID_ARGUMENT: there is none, or one
// that can't be read.
absl::StatusOr<std::vector<CertificatePtr>> ReadCertificates(std::string_view pem);

struct Validity {
  absl::Time not_before;
  absl::Time not_after;
};
absl::StatusOr<Validity> ValidityOf(const X509& certificate);

struct CertificateRules {
  // The whole of one of the DNS names, or of the common name where there are none. Null: any.
  const re2::RE2* name_match = nullptr;
  bool chain_required = true;
};

// OK: the leaf is valid at the time, is made out to a name that matches, and its chain ends at a root in `trust`.
// Without `chain_required` a leaf whose issuer was not sent along passes; one whose chain is there and wrong does not.
absl::Status CheckCertificates(const std::vector<CertificatePtr>& certificates, const CertificateRules& rules,
                               X509_STORE* trust, absl::Time now);

}  // namespace hookstream::verify
