// Makes a request as the provider would send it, from the same rules that verify it. For `hookstream send`, tests and
// load generators.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "provider/provider.h"
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
};

struct SignedRequest {
  std::string method = "POST";
  // The input's, with the query parameters that the rule asks for.
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// UNIMPLEMENTED for what only the provider can make (public-key schemes, signatures inside the body);
// INVALID_ARGUMENT for a key or body that does not fit.
absl::StatusOr<SignedRequest> Sign(const provider::Provider& provider, const Key& key, const SignInput& input,
                                   const Params& params = {});

// "https://host/path?x" -> {"https://host", "/path?x"}; the second is "/" when there is no path.
std::pair<std::string_view, std::string_view> SplitUrl(std::string_view url);

}  // namespace hookstream::verify
