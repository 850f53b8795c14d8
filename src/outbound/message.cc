#include "outbound/message.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace hookstream::outbound {
namespace {

constexpr size_t kHeadersMax = 32;
constexpr size_t kHeaderBytesMax = 8 << 10;
constexpr size_t kBodyBytesMax = 64 << 10;

constexpr std::array<std::string_view, 14> kOwnHeaders = {
    "accept-encoding", "connection", "content-encoding", "content-length",    "content-type", "expect",     "host",
    "keep-alive",      "te",         "trailer",          "transfer-encoding", "upgrade",      "user-agent", "cookie"};

// RFC 9110, 5.6.2.
bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

// RFC 9110, 5.5, of ASCII alone: nothing that could end the line.
bool IsFieldValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\t' || (c >= ' ' && c <= '~'); });
}

absl::Status CheckHeaders(const Request& request) {
  if (request.headers.size() > kHeadersMax) return absl::InvalidArgumentError("the request has too many headers");
  size_t bytes = request.content_type.size();
  for (const auto& [name, value] : request.headers) {
    bytes += name.size() + value.size();
    if (!IsToken(name)) return absl::InvalidArgumentError("a header's name has characters that it must not have");
    const std::string lower = absl::AsciiStrToLower(name);
    if (std::find(kOwnHeaders.begin(), kOwnHeaders.end(), lower) != kOwnHeaders.end() ||
        absl::StartsWith(lower, "proxy-")) {
      return absl::InvalidArgumentError(absl::StrCat("the header ", lower, " can't be set"));
    }
    if (!IsFieldValue(value)) {
      return absl::InvalidArgumentError(absl::StrCat("the header ", lower, " has characters that it must not have"));
    }
  }
  if (bytes > kHeaderBytesMax) return absl::InvalidArgumentError("the request's headers are longer than 8KiB");
  if (!IsFieldValue(request.content_type)) {
    return absl::InvalidArgumentError("the content type has characters that it must not have");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RequestText(const Request& request, const Url& url, std::string_view user_agent) {
  HS_RETURN_IF_ERROR(CheckHeaders(request));
  const bool post = request.method == Method::kPost;
  if (!post && !request.body.empty()) return absl::InvalidArgumentError("a GET has no body");
  if (request.body.size() > kBodyBytesMax) return absl::InvalidArgumentError("the request's body is larger than 64KiB");
  std::string text =
      absl::StrCat(post ? "POST " : "GET ", url.target, " HTTP/1.1\r\nHost: ", url.host,
                   "\r\nUser-Agent: ", ToAbsl(user_agent), "\r\nAccept-Encoding: identity\r\nConnection: close\r\n");
  for (const auto& [name, value] : request.headers) absl::StrAppend(&text, name, ": ", value, "\r\n");
  if (!request.content_type.empty()) absl::StrAppend(&text, "Content-Type: ", request.content_type, "\r\n");
  if (post) absl::StrAppend(&text, "Content-Length: ", request.body.size(), "\r\n");
  absl::StrAppend(&text, "\r\n", request.body);
  return text;
}

}  // namespace hookstream::outbound
