// A source's secret in the form that a rule works with. Internal to the room.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "provider/provider.h"
#include "verify/hmac.h"
#include "verify/openssl_ptr.h"

namespace hookstream::verify {

struct DecodedSecret {
  // What MACs and comparisons use; for public keys their encoded form.
  std::string bytes;
  // For the schemes of provider::IsHmac.
  std::unique_ptr<const MacKey> mac;
  // For the schemes of provider::IsPublicKey.
  KeyPtr public_key;
};

// INVALID_ARGUMENT says which form the secret has to have; never the secret.
absl::StatusOr<DecodedSecret> DecodeKey(const provider::VerifyRule& rule, provider::KeyForm form,
                                        std::string_view secret);

// Whether the key, public or private, is of the kind that a scheme of provider::IsPublicKey works with.
bool FitsScheme(provider::Scheme scheme, const EVP_PKEY* key);
// What such a scheme hashes the text with; nullptr: the signature does that itself.
const EVP_MD* SchemeHash(provider::Scheme scheme);

// True when `signature` is the key's over the joined parts; ECDSA's in DER. False as well for a key of another kind.
bool CheckPublicKey(provider::Scheme scheme, EVP_PKEY* key, std::span<const std::string_view> parts,
                    std::string_view signature);

// ECDSA's two numbers one after the other, as tokens have them (RFC 7518), in DER. nullopt: not 64 bytes.
std::optional<std::string> EcdsaToDer(std::string_view numbers);
// The other way. nullopt: no such signature of P-256.
std::optional<std::string> EcdsaFromDer(std::string_view der);

}  // namespace hookstream::verify
