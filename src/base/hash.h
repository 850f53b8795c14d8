// A 128-bit content hash for dedupe ids and ordering keys.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hookstream {

struct Hash128 {
  std::array<uint8_t, 16> bytes{};

  // All zero stands for "none"; HashOf never returns it.
  bool IsZero() const { return *this == Hash128{}; }
  std::string_view AsBytes() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  friend bool operator==(const Hash128&, const Hash128&) = default;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;

  template <typename H>
  friend H AbslHashValue(H h, const Hash128& value) {
    uint64_t low;
    std::memcpy(&low, value.bytes.data(), sizeof(low));
    return H::combine(std::move(h), low);
  }
};

// The first 16 bytes of SHA-256, so that a sender can't make two ids collide.
Hash128 HashOf(std::string_view text);

}  // namespace hookstream
