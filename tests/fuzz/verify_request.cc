// Nobody without the key gets in: any request is refused by every preset, whatever is in it, and handshakes answer or
// don't without breaking.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "provider/context.h"
#include "provider/encoding.h"
#include "provider/presets.h"
#include "tests/fuzz/fuzz_request.h"
#include "verify/handshake.h"
#include "verify/verifier.h"

namespace hookstream::verify {
namespace {

// Not in any corpus, and not to be guessed by a fuzzer.
std::string SecretFor(const provider::Provider& preset) {
  const std::string bytes = provider::Sha256("a key of the fuzz target " + preset.name);
  switch (preset.verify.front().key_form) {
    case provider::KeyForm::kHex: return provider::EncodeHex(bytes);
    case provider::KeyForm::kSpkiBase64:
      // Nobody has its private key.
      return "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkL"
             "W6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==";
    default: return provider::EncodeBase64(bytes);
  }
}

std::vector<std::unique_ptr<Verifier>> Verifiers() {
  std::vector<std::unique_ptr<Verifier>> verifiers;
  for (const std::string_view name : provider::PresetNames()) {
    const provider::Provider& preset = *provider::FindPreset(name);
    Params params;
    for (const std::string& secret : preset.secrets) params[secret] = "a parameter of the fuzz target";
    std::vector<Key> keys = {{.id = "k", .secret = SecretFor(preset)}};
    // Their keys are fetched, and here nothing is.
    if (preset.verify.front().fetch) keys.clear();
    verifiers.push_back(Verifier::Create(preset, keys, params).value());
  }
  return verifiers;
}

}  // namespace
}  // namespace hookstream::verify

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookstream::verify;
  static const std::vector<std::unique_ptr<Verifier>> verifiers = Verifiers();
  const absl::Time now = absl::FromUnixSeconds(1'750'000'000);
  const hookstream::FuzzRequest fuzz({reinterpret_cast<const char*>(data), size});
  for (const std::unique_ptr<Verifier>& verifier : verifiers) {
    hookstream::provider::Context context(fuzz.request, verifier->provider().content);
    const Verdict verdict = verifier->Verify(context, now);
    if (verdict.ok || verdict.reason == Reason::kNone || verdict.signed_at) std::abort();
    for (const HandshakePhase phase : {HandshakePhase::kUnverified, HandshakePhase::kVerified}) {
      const auto handshake = MatchHandshake(*verifier, context, phase, "", now);
      if (handshake && (handshake->reply.status < 200 || handshake->reply.status > 599)) std::abort();
    }
  }
  return 0;
}
