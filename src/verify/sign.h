// Makes a request as the provider would send it, from the same rules that verify it: credentials, signatures and signed
// times go where the preset reads them, in headers, the query or the body (each item of a body whose items are signed).
// For `hookstream send`, tests and load generators.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "provider/provider.h"
#include "verify/private_key.h"
#include "verify/verifier.h"

namespace hookstream::verify {

struct SignInput {
  // Goes into the header that names the type, where the provider has one.
  std::string type;
  std::string body;
  // The whole public URL, e.g. "https://hooks.example.com/webhooks/twilio?x=1".
  std::string url;
  absl::Time now;
  // Goes into the header that names the delivery, where the provider has one.
  std::string id;
  // Empty: what the provider sends with such a body.
  std::string content_type;
  // Signs where the preset checks with a public key, whose owner the provider is; outlives the call.
  const PrivateKey* private_key = nullptr;
};

struct SignedRequest {
  std::string method = "POST";
  // The input's, with the query parameters that the rule asks for.
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  // The input's bytes, but for what stands in the body itself: a token, a signature, a signed time or id. What is there
  // already is replaced, what is missing is added where the preset reads it.
  std::string body;
};

// `key.secret` is the shared secret, written as in the source's configuration; with a public-key scheme it is not read,
// and `input.private_key` signs. `key.id` goes where a preset reads which key it was.
// INVALID_ARGUMENT: a key that does not fit, no private key where one is needed, or a body that has no place for what
// the preset reads in it. UNIMPLEMENTED: the preset reads its signature or time from something computed; no built-in
// one does.
absl::StatusOr<SignedRequest> Sign(const provider::Provider& provider, const Key& key, const SignInput& input,
                                   const Params& params = {});

// "https://host/path?x" -> {"https://host", "/path?x"}; the second is "/" when there is no path.
std::pair<std::string_view, std::string_view> SplitUrl(std::string_view url);

}  // namespace hookstream::verify
