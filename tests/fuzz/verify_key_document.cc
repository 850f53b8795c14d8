// Any bytes as what a provider publishes: a certificate, a key set, an answer of Plaid's API. What is taken can verify
// nothing that was not signed, and what is not leaves a failure behind.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "verify/certificate.h"
#include "verify/key_ring.h"

using hookstream::verify::KeyRequest;
using hookstream::verify::KeyRing;
using Kind = hookstream::provider::KeyFetch::Kind;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view document(reinterpret_cast<const char*>(data) + 1, size - 1);
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  KeyRequest request;
  request.url = "https://keys.example/k";
  request.key_id = "a";
  request.kind = data[0] % 3 == 0 ? Kind::kCertificate : data[0] % 3 == 1 ? Kind::kJwks : Kind::kPlaid;
  request.chain_required = data[0] < 128;
  if (request.kind == Kind::kCertificate) request.key_id.clear();
  static const hookstream::verify::TrustStore trust(X509_STORE_new(), X509_STORE_free);
  KeyRing ring(trust);
  const bool taken = ring.Put(request, document, std::nullopt, now).ok();
  const auto found = ring.Find(request, now);
  if (!taken && found.state != KeyRing::State::kFailed) std::abort();
  if (taken && found.state != KeyRing::State::kFound && found.state != KeyRing::State::kUnknown) std::abort();
  if (found.key != nullptr &&
      hookstream::verify::CheckPublicKey(hookstream::provider::Scheme::kRsaSha256, found.key->key.get(), {}, "x")) {
    std::abort();
  }
  // Nobody is trusted, so a chain that has to end at a root can't.
  if (taken && request.kind == Kind::kCertificate && request.chain_required) std::abort();
  return 0;
}
