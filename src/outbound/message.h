// What is asked and what is answered. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "outbound/url.h"

namespace hookstream::outbound {

enum class Method : uint8_t { kGet, kPost };

struct Request {
  Method method = Method::kGet;
  std::string url = {};  // see url.h
  // At most 32, of at most 8 KiB together. Not those that the client writes itself or that say how long a message is
  // and where it goes: Host, User-Agent, Accept-Encoding, Content-Type, Content-Length, Connection and the like.
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string content_type = {};  // of the body; empty: no such header
  std::string body = {};          // at most 64 KiB; a GET has none
};

// An answer of status 2xx that came whole.
struct Response {
  int status = 200;
  std::string body = {};
  // How long it may be kept: max-age of Cache-Control less Age, zero when it says no-store or no-cache. Nothing: it
  // does not say. As long as the server likes; the caller has a bound of its own.
  std::optional<absl::Duration> max_age = {};
};

// The bytes of an HTTP/1.1 request to `url` that ends its connection and asks for no compression. INVALID_ARGUMENT: a
// header that must not be, or something beyond its limit; the message names no value.
absl::StatusOr<std::string> RequestText(const Request& request, const Url& url, std::string_view user_agent);

}  // namespace hookstream::outbound
