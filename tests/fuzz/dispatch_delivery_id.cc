// Texts that clients send as delivery ids. Checked: no text is an id but the one that was given out for it.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dispatch/delivery_id.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const hookstream::dispatch::DeliveryIdCodec codec({0x0123456789abcdefULL, 0xfedcba9876543210ULL});
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto decoded = codec.Decode(text); decoded.has_value()) {
    if (codec.Encode(decoded->subscription, decoded->id).view() != text) std::abort();
  }
  return 0;
}
