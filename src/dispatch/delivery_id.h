// Delivery ids as clients see them: opaque text that can't be made up.
//
// 43 characters of base64url over: subscription (8 bytes), generation (4), seq (8), delivery number (4), and a
// SipHash-2-4 of these (8). The key is random and lives as long as the process: an id of an earlier run is answered
// UNKNOWN, and its event comes again. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/event_id.h"
#include "delivery/tracker.h"

namespace hookstream::dispatch {

// The text, without an allocation.
struct DeliveryIdText {
  static constexpr size_t kBytes = 43;
  std::array<char, kBytes> chars;

  std::string_view view() const { return {chars.data(), chars.size()}; }
};

class DeliveryIdCodec {
 public:
  using Key = std::array<uint64_t, 2>;

  // `key` must not be guessable: see RandomKey.
  explicit DeliveryIdCodec(Key key) : key_(key) {}

  // From the operating system's random numbers.
  static Key RandomKey();

  DeliveryIdText Encode(uint64_t subscription, const delivery::DeliveryId& id) const;

  struct Decoded {
    uint64_t subscription;
    delivery::DeliveryId id;
  };
  // Nothing: not an id that this process gave out.
  std::optional<Decoded> Decode(std::string_view text) const;

 private:
  const Key key_;
};

// SipHash-2-4 with 64 bits of result, by Aumasson and Bernstein (https://www.aumasson.jp/siphash/siphash.pdf).
uint64_t SipHash24(const DeliveryIdCodec::Key& key, std::string_view bytes);

}  // namespace hookstream::dispatch
