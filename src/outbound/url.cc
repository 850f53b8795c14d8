#include "outbound/url.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace hookstream::outbound {
namespace {

constexpr std::string_view kScheme = "https://";
constexpr size_t kHostBytesMax = 253;
constexpr size_t kLabelBytesMax = 63;

bool IsLetter(char c) { return c >= 'a' && c <= 'z'; }

bool IsLabel(std::string_view label) {
  return !label.empty() && label.size() <= kLabelBytesMax && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) { return IsLetter(c) || IsDigit(c) || c == '-'; });
}

// RFC 3986: pchar, "/" and "?". A "%" has its two digits.
bool IsTarget(std::string_view target) {
  for (size_t i = 0; i < target.size(); ++i) {
    const char c = target[i];
    if (c == '%') {
      if (i + 2 >= target.size() || HexDigit(target[i + 1]) < 0 || HexDigit(target[i + 2]) < 0) return false;
      i += 2;
    } else if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) &&
               std::string_view("-._~!$&'()*+,;=:@/?").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}

bool IsDotSegment(std::string_view segment) {
  int dots = 0;
  while (!segment.empty()) {
    const size_t bytes = segment.front() == '.' ? 1 : absl::StartsWithIgnoreCase(ToAbsl(segment), "%2e") ? 3 : 0;
    if (bytes == 0) return false;
    segment.remove_prefix(bytes);
    ++dots;
  }
  return dots == 1 || dots == 2;
}

bool HasDotSegment(std::string_view path) {
  for (;;) {
    const size_t slash = path.find('/');
    if (IsDotSegment(path.substr(0, slash))) return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

absl::StatusOr<std::string> ParseHost(std::string_view host) {
  if (host.empty()) return absl::InvalidArgumentError("the host is missing");
  if (host.size() > kHostBytesMax) return absl::InvalidArgumentError("the host is longer than 253 characters");
  std::string name = absl::AsciiStrToLower(ToAbsl(host));
  std::string_view rest = name;
  for (int labels = 1;; ++labels) {
    const size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (!IsLabel(label)) {
      return absl::InvalidArgumentError("the host is no DNS name: labels of a-z, 0-9 and -, with dots between them");
    }
    if (dot != std::string_view::npos) {
      rest.remove_prefix(dot + 1);
      continue;
    }
    if (labels == 1) return absl::InvalidArgumentError("the host is a name of one label; a full DNS name is needed");
    if (!label.starts_with("xn--") && !std::all_of(label.begin(), label.end(), IsLetter)) {
      return absl::InvalidArgumentError("the host is no DNS name: its last label has to be letters");
    }
    return name;
  }
}

absl::StatusOr<Url> ParseUrl(std::string_view url) {
  if (url.size() > kUrlBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("the URL is longer than ", kUrlBytesMax, " bytes"));
  }
  if (!absl::StartsWithIgnoreCase(ToAbsl(url), ToAbsl(kScheme))) {
    return absl::InvalidArgumentError("the URL does not begin with https://");
  }
  url.remove_prefix(kScheme.size());
  std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  url.remove_prefix(authority.size());
  if (authority.find('@') != std::string_view::npos) return absl::InvalidArgumentError("the URL names a user");
  if (const size_t colon = authority.find(':'); colon != std::string_view::npos && authority.front() != '[') {
    if (authority.substr(colon) != ":443") return absl::InvalidArgumentError("the URL's port is not 443");
    authority = authority.substr(0, colon);
  }
  Url parsed;
  HS_ASSIGN_OR_RETURN(parsed.host, ParseHost(authority));
  if (url.find('#') != std::string_view::npos) return absl::InvalidArgumentError("the URL has a fragment");
  if (!IsTarget(url)) return absl::InvalidArgumentError("the URL has characters that RFC 3986 does not have");
  parsed.target = absl::StrCat(url.starts_with('/') ? "" : "/", ToAbsl(url));
  if (HasDotSegment(parsed.path())) return absl::InvalidArgumentError("the URL's path has . or .. in it");
  return parsed;
}

}  // namespace hookstream::outbound
