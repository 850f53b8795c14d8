// Keyed MACs with the key's share of the work done in advance. Internal to the room.
//
// OpenSSL 3 fetches and allocates for every EVP_MAC computation; copying a prepared digest state costs nothing, so the
// low-level SHA functions are used (deprecated, but there through OpenSSL 3).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "provider/provider.h"

namespace hookstream::verify {

struct Mac {
  std::array<char, 64> bytes{};
  size_t size = 0;
  std::string_view view() const { return {bytes.data(), size}; }
};

// Immutable; computing is thread-safe.
class MacKey {
 public:
  virtual ~MacKey() = default;
  virtual Mac Compute(std::span<const std::string_view> parts) const = 0;
};

// For the schemes of provider::IsHmac. `sha256` takes no key of its own: the key is among the parts.
std::unique_ptr<const MacKey> MakeMacKey(provider::Scheme scheme, std::string_view key);

}  // namespace hookstream::verify
