// The https URLs that the relay may be told to fetch. Pure.
//
// A URL comes from a webhook, so from anybody: what two programs could read in two ways is refused rather than mended.
// What the caller checks of a Url (its host, its path) is what is connected to and sent.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace hookstream::outbound {

inline constexpr size_t kUrlBytesMax = 2'048;

struct Url {
  std::string host;    // lower case
  std::string target;  // path, at least "/", and query; as it was written

  // Without the query.
  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  friend bool operator==(const Url&, const Url&) = default;
};

// INVALID_ARGUMENT, with a message that quotes nothing of the URL, unless it is https://HOST[:443][/PATH][?QUERY] with
// only the characters that RFC 3986 has for that, at most kUrlBytesMax bytes, no user, no fragment, and no "." or ".."
// as a segment of the path.
absl::StatusOr<Url> ParseUrl(std::string_view url);

// A name of the DNS in lower case: RFC 1123's labels, at least two, the last one letters or an A-label ("xn--...").
// INVALID_ARGUMENT for all else: IP addresses in any spelling, a name of one label (it would be looked up in the search
// domains of the machine), a dot at the end, letters beyond ASCII (write the A-label).
absl::StatusOr<std::string> ParseHost(std::string_view host);

}  // namespace hookstream::outbound
