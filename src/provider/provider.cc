#include "provider/provider.h"

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

bool IsPublicKey(Scheme scheme) { return scheme == Scheme::kEd25519 || scheme == Scheme::kEcdsaP256; }

std::string_view KeyFormName(KeyForm form) {
  switch (form) {
    case KeyForm::kText: return "text";
    case KeyForm::kHex: return "hex";
    case KeyForm::kBase64: return "base64";
    case KeyForm::kSha1: return "sha1";
    case KeyForm::kPem: return "pem";
    case KeyForm::kSpkiBase64: return "spki-base64";
  }
  return "";
}

}  // namespace hookstream::provider
