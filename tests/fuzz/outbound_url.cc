// URLs of strangers, and addresses. Checked: a URL that is taken is written the same again and then taken for the same;
// its host is never an address, in any spelling that the system knows; nothing of it ends a line of the request. An
// address that is taken is written and read to the same.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "outbound/address.h"
#include "outbound/message.h"
#include "outbound/url.h"

using namespace hookstream::outbound;

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

void CheckUrl(std::string_view text) {
  const auto url = ParseUrl(text);
  if (!url.ok()) return Check(url.status().code() == absl::StatusCode::kInvalidArgument);
  Check(text.size() <= kUrlBytesMax);
  const auto again = ParseUrl(absl::StrCat("https://", url->host, url->target));
  // Only "/" and lower case can make it longer than it was.
  Check(again.ok() ? *again == *url : text.size() == kUrlBytesMax);
  Check(ParseHost(url->host).value_or("") == url->host);
  in_addr v4;
  Check(inet_aton(url->host.c_str(), &v4) == 0);
  Check(!ParseIpAddress(url->host));
  Check(url->target.starts_with('/') && url->path().find('?') == std::string_view::npos);
  const auto request = RequestText({}, *url, "hookstream");
  Check(request.ok());
  size_t lines = 0;
  for (size_t at = 0; (at = request->find('\n', at)) != std::string::npos; ++at) ++lines;
  Check(lines == 6 && request->find(' ', 4) == 4 + url->target.size());
}

void CheckAddress(std::string_view text) {
  if (const auto address = ParseIpAddress(text)) {
    Check(ParseIpAddress(address->Text()) == address);
    IsPublic(*address);
  }
  if (const auto endpoint = ParseEndpoint(text); endpoint.ok()) {
    Check(endpoint->port != 0);
    const auto again = ParseEndpoint(endpoint->Text());
    Check(again.ok() && *again == *endpoint);
  }
}

// The rule again, in other words: an IPv4 address within an IPv6 one is no way around it.
void CheckEmbedded(const uint8_t* data, size_t size) {
  if (size < 4) return;
  IpAddress v4;
  std::copy_n(data, 4, v4.bytes.begin());
  for (const std::string_view prefix : {"::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::", "2606:4700::5efe:0:0"}) {
    IpAddress v6 = *ParseIpAddress(prefix);
    std::copy_n(data, 4, v6.bytes.begin() + 12);
    Check(!IsPublic(v6));
  }
  IpAddress six_to_four = *ParseIpAddress("2002::1");
  std::copy_n(data, 4, six_to_four.bytes.begin() + 2);
  Check(!IsPublic(six_to_four));
  const uint8_t first = v4.bytes[0];
  if (first == 0 || first == 10 || first == 127 || first >= 224) Check(!IsPublic(v4));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckUrl(text);
  // Most inputs are no URL: this way they get further.
  CheckUrl(absl::StrCat("https://", absl::string_view(text.data(), text.size())));
  CheckUrl(absl::StrCat("https://example.com/", absl::string_view(text.data(), text.size())));
  CheckAddress(text);
  CheckEmbedded(data, size);
  return 0;
}
