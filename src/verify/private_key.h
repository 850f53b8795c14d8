// The sender's half of a public-key preset: what the provider has and a receiver does not. For `hookstream send`, tests
// and load generators.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "provider/provider.h"
#include "verify/openssl_ptr.h"

namespace hookstream::verify {

// The first rule that is checked with a public key; nullptr: the preset's keys are shared secrets, or it has none.
const provider::VerifyRule* PublicKeyRule(const provider::Provider& provider);

// Movable; const methods are thread-safe.
class PrivateKey {
 public:
  // An unencrypted private key, PKCS#8 or the traditional forms. INVALID_ARGUMENT; the message never has the key.
  static absl::StatusOr<PrivateKey> FromPem(std::string_view pem);
  // A new one of the kind that the scheme works with. INVALID_ARGUMENT: the scheme has no private keys.
  static absl::StatusOr<PrivateKey> Generate(provider::Scheme scheme);

  // PKCS#8.
  std::string Pem() const;

  // The public key exactly as the source's configuration takes it: with the rule's prefix, in the rule's form.
  // INVALID_ARGUMENT: a key of another kind than the scheme's, or a form that only shared secrets have.
  absl::StatusOr<std::string> PublicKey(const provider::VerifyRule& rule) const;

  // The signature's bytes over the joined parts. INVALID_ARGUMENT: a key of another kind than the scheme's.
  absl::StatusOr<std::string> Sign(provider::Scheme scheme, std::span<const std::string_view> parts) const;

 private:
  explicit PrivateKey(EVP_PKEY* key) : key_(key) {}

  KeyPtr key_;
};

}  // namespace hookstream::verify
