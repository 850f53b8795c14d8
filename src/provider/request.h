// One HTTP request as verification and extraction see it: a view, owned by the caller for as long as the Context that
// wraps it lives.
#pragma once

#include <span>
#include <string_view>

#include "absl/time/time.h"

namespace hookstream::provider {

struct HeaderView {
  std::string_view name;
  // Raw bytes; HTTP does not promise UTF-8.
  std::string_view value;
};

struct Request {
  std::string_view method = "POST";
  // Path and query as received, e.g. "/webhooks/stripe?x=1".
  std::string_view target;
  // What the provider was told, without the target: "https://hooks.example.com" (a port or a path prefix may follow).
  // It comes from the configuration and never from Host or X-Forwarded-*, which the sender of a forgery chooses.
  std::string_view public_url;
  // In their order; repeated names are kept.
  std::span<const HeaderView> headers;
  std::string_view body;
  absl::Time received;
};

}  // namespace hookstream::provider
