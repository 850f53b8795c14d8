// Any text as a token: it is taken apart or refused, what is taken apart can be read, and none is accepted without the
// key.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "provider/presets.h"
#include "verify/jwt.h"
#include "verify/verifier.h"

using hookstream::verify::Jwt;
using hookstream::verify::Verifier;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto token = Jwt::Parse(text)) {
    if (token->signing_input().size() >= text.size() || token->signature().empty()) std::abort();
    for (const char* name : {"iss", "aud", "exp", "body", ""}) {
      for (const std::string& claim : token->Claim(name)) {
        if (claim.size() > text.size()) std::abort();
      }
      bool malformed = false;
      if (token->TimeClaim(name, malformed) && malformed) std::abort();
    }
  }
  static const auto verifier = Verifier::Create(*hookstream::provider::FindPreset("livekit"),
                                                {{.id = "k", .secret = "not to be guessed, 0x51f2"}})
                                   .value();
  const hookstream::provider::HeaderView header{"Authorization", text};
  hookstream::provider::Request request;
  request.headers = {&header, 1};
  hookstream::provider::Context context(request, verifier->provider().content);
  if (verifier->Verify(context, absl::FromUnixSeconds(1'750'000'000)).ok) std::abort();
  return 0;
}
