// Verifiers and requests for tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "provider/loader.h"
#include "provider/presets.h"
#include "tests/unit/provider/testing.h"
#include "verify/sign.h"
#include "verify/verifier.h"

namespace hookstream::verify {

inline constexpr int64_t kNow = 1'750'000'000;
inline absl::Time Now() { return absl::FromUnixSeconds(kNow); }

inline std::unique_ptr<Verifier> MustCreate(const provider::Provider& provider, const std::vector<Key>& keys,
                                            const Params& params = {}, const Options& options = {}) {
  auto verifier = Verifier::Create(provider, keys, params, options);
  if (!verifier.ok()) ADD_FAILURE() << verifier.status();
  return verifier.ok() ? *std::move(verifier) : nullptr;
}

inline Verdict Verify(const Verifier& verifier, provider::TestRequest request, absl::Time now = Now()) {
  const provider::Request view = request.View();
  provider::Context context(view, verifier.provider().content);
  return verifier.Verify(context, now);
}

inline provider::TestRequest AsRequest(const SignedRequest& signed_request) {
  provider::TestRequest request;
  request.method = signed_request.method;
  const auto [origin, target] = SplitUrl(signed_request.url);
  request.public_url = origin;
  request.target = target;
  request.headers = signed_request.headers;
  request.body = signed_request.body;
  return request;
}

inline provider::TestRequest MustSign(const provider::Provider& provider, const Key& key, std::string body,
                                      absl::Time at = Now(), std::string url = "https://hooks.example.com/in/x") {
  SignInput input;
  input.body = std::move(body);
  input.url = std::move(url);
  input.now = at;
  input.id = "msg_1";
  auto signed_request = Sign(provider, key, input);
  if (!signed_request.ok()) {
    ADD_FAILURE() << provider.name << ": " << signed_request.status();
    return {};
  }
  return AsRequest(*signed_request);
}

inline std::string* FindHeader(provider::TestRequest& request, std::string_view name) {
  for (auto& [known, value] : request.headers) {
    if (known == name) return &value;
  }
  ADD_FAILURE() << "no header " << name;
  static std::string none;
  return &none;
}

}  // namespace hookstream::verify
