// IP addresses, and which of them a request to the internet may go to. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace hookstream::outbound {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // in network order; of an IPv4 address the first four, the rest zero
  bool v6 = false;

  std::string Text() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// Four decimal numbers without leading zeros, or RFC 4291's text without a zone. Nothing for all else: the shorter,
// octal and hexadecimal spellings of IPv4 that inet_aton takes mean other addresses to other programs.
std::optional<IpAddress> ParseIpAddress(std::string_view text);

// Whether an address belongs to the public internet: in doubt not. What is refused of IPv4 are the blocks of the IANA's
// registry of special-purpose addresses that are not globally reachable (https://www.iana.org/assignments/
// iana-ipv4-special-registry), multicast, the reserved blocks, the relays of 6to4, and 168.63.129.16, which is the
// platform's own service on each Azure machine. Of IPv6 only 2000::/3 is taken, without the blocks of it that are
// special and those in which an IPv4 address is hidden (6to4, Teredo, ISATAP), since it could be any.
bool IsPublic(const IpAddress& address);

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;

  std::string Text() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// "127.0.0.1:8443", "[::1]:8443". INVALID_ARGUMENT: something else, a name among them, or port 0.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text);

}  // namespace hookstream::outbound
