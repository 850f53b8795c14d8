#include "outbound/address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/units.h"

namespace hookstream::outbound {
namespace {

struct Block4 {
  uint32_t first;
  int bits;
};

constexpr uint32_t V4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) { return a << 24 | b << 16 | c << 8 | d; }

constexpr Block4 kRefused4[] = {
    {V4(0, 0, 0, 0), 8},         // "this network", RFC 791
    {V4(10, 0, 0, 0), 8},        // private, RFC 1918
    {V4(100, 64, 0, 0), 10},     // carrier-grade NAT, RFC 6598
    {V4(127, 0, 0, 0), 8},       // loopback, RFC 1122
    {V4(168, 63, 129, 16), 32},  // Azure's platform service
    {V4(169, 254, 0, 0), 16},    // link-local, RFC 3927: the clouds' metadata services
    {V4(172, 16, 0, 0), 12},     // private, RFC 1918
    {V4(192, 0, 0, 0), 24},      // protocol assignments, RFC 6890
    {V4(192, 0, 2, 0), 24},      // documentation, RFC 5737
    {V4(192, 88, 99, 0), 24},    // 6to4 relays, RFC 7526
    {V4(192, 168, 0, 0), 16},    // private, RFC 1918
    {V4(198, 18, 0, 0), 15},     // benchmarks, RFC 2544
    {V4(198, 51, 100, 0), 24},   // documentation, RFC 5737
    {V4(203, 0, 113, 0), 24},    // documentation, RFC 5737
    {V4(224, 0, 0, 0), 3},       // multicast, RFC 1112; reserved, and broadcast
};

// By the upper half of the address, which is all that they differ in.
struct Block6 {
  uint64_t first;
  int bits;
};

constexpr Block6 kGlobal6 = {0x2000'0000'0000'0000, 3};  // RFC 4291: all global unicast that was ever given out
constexpr Block6 kRefused6[] = {
    {0x2001'0000'0000'0000, 23},  // protocol assignments, RFC 2928: Teredo, benchmarks, ORCHID
    {0x2001'0db8'0000'0000, 32},  // documentation, RFC 3849
    {0x2002'0000'0000'0000, 16},  // 6to4, RFC 3056
    {0x3fff'0000'0000'0000, 20},  // documentation, RFC 9637
};

uint64_t BigEndian(const uint8_t* bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

bool In(uint32_t address, const Block4& block) { return (address ^ block.first) >> (32 - block.bits) == 0; }
bool In(uint64_t upper_half, const Block6& block) { return (upper_half ^ block.first) >> (64 - block.bits) == 0; }

// RFC 5214: an interface identifier with an IPv4 address in it, under any prefix.
bool IsIsatap(const IpAddress& address) {
  const uint64_t marker = BigEndian(address.bytes.data() + 8, 4);
  return marker == 0x0000'5efe || marker == 0x0200'5efe;
}

}  // namespace

std::string IpAddress::Text() const {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof(text));
}

std::optional<IpAddress> ParseIpAddress(std::string_view text) {
  // inet_pton reads up to a zero byte.
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  IpAddress address;
  address.v6 = text.find(':') != std::string_view::npos;
  if (inet_pton(address.v6 ? AF_INET6 : AF_INET, terminated.c_str(), address.bytes.data()) != 1) return std::nullopt;
  return address;
}

bool IsPublic(const IpAddress& address) {
  if (!address.v6) {
    const auto value = static_cast<uint32_t>(BigEndian(address.bytes.data(), 4));
    return std::none_of(std::begin(kRefused4), std::end(kRefused4),
                        [value](const Block4& block) { return In(value, block); });
  }
  const uint64_t upper_half = BigEndian(address.bytes.data(), 8);
  return In(upper_half, kGlobal6) && !IsIsatap(address) &&
         std::none_of(std::begin(kRefused6), std::end(kRefused6),
                      [upper_half](const Block6& block) { return In(upper_half, block); });
}

std::string Endpoint::Text() const {
  return address.v6 ? absl::StrCat("[", address.Text(), "]:", port) : absl::StrCat(address.Text(), ":", port);
}

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  const auto invalid = [text] {
    return absl::InvalidArgumentError(absl::StrCat("'", absl::string_view(text.data(), text.size()),
                                                   "' is no IP address and port, e.g. 10.0.0.7:443 or [fd00::7]:443"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid();
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::optional<IpAddress> address = ParseIpAddress(host);
  int64_t port = 0;
  if (!address || address->v6 != bracketed || !ParseWholeNumber(text.substr(colon + 1), port) || port < 1 ||
      port > 65'535) {
    return invalid();
  }
  return Endpoint{*address, static_cast<uint16_t>(port)};
}

}  // namespace hookstream::outbound
