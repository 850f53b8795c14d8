#include "dispatch/delivery_id.h"

#include <openssl/rand.h>

#include <bit>
#include <cstdlib>
#include <cstring>

namespace hookstream::dispatch {
namespace {

constexpr size_t kClearBytes = 24;
constexpr size_t kPlainBytes = kClearBytes + 8;
constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<int8_t, 256> MakeValues() {
  std::array<int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (int i = 0; i < 64; ++i) values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  return values;
}
constexpr std::array<int8_t, 256> kValues = MakeValues();

// The byte order does not matter: no other process reads it.
template <typename T>
char* Put(char* to, T value) {
  std::memcpy(to, &value, sizeof(value));
  return to + sizeof(value);
}
template <typename T>
const char* Get(const char* from, T& value) {
  std::memcpy(&value, from, sizeof(value));
  return from + sizeof(value);
}

}  // namespace

uint64_t SipHash24(const DeliveryIdCodec::Key& key, std::string_view bytes) {
  uint64_t v0 = key[0] ^ 0x736f6d6570736575ULL, v1 = key[1] ^ 0x646f72616e646f6dULL;
  uint64_t v2 = key[0] ^ 0x6c7967656e657261ULL, v3 = key[1] ^ 0x7465646279746573ULL;
  const auto round = [&] {
    v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
    v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
    v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
  };
  const auto word_at = [&](size_t at, size_t count) {
    uint64_t word = 0;
    for (size_t i = 0; i < count; ++i) word |= uint64_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
    return word;
  };
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    const uint64_t word = word_at(at, 8);
    v3 ^= word;
    round(), round();
    v0 ^= word;
  }
  const uint64_t last = uint64_t{bytes.size()} << 56 | word_at(at, bytes.size() - at);
  v3 ^= last;
  round(), round();
  v0 ^= last;
  v2 ^= 0xff;
  round(), round(), round(), round();
  return v0 ^ v1 ^ v2 ^ v3;
}

DeliveryIdCodec::Key DeliveryIdCodec::RandomKey() {
  Key key;
  // Without random numbers ids could be forged: no way to go on.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), sizeof(key)) != 1) std::abort();
  return key;
}

DeliveryIdText DeliveryIdCodec::Encode(uint64_t subscription, const delivery::DeliveryId& id) const {
  std::array<char, kPlainBytes + 1> plain{};  // one more: 33 bytes are 11 groups of three
  char* at = Put(plain.data(), subscription);
  at = Put(at, static_cast<uint32_t>(id.generation));
  at = Put(at, id.seq);
  at = Put(at, id.number);
  Put(at, SipHash24(key_, {plain.data(), kClearBytes}));
  DeliveryIdText text;
  size_t out = 0;
  for (size_t in = 0; in < plain.size(); in += 3) {
    const uint32_t group = uint32_t{static_cast<uint8_t>(plain[in])} << 16 |
                           uint32_t{static_cast<uint8_t>(plain[in + 1])} << 8 | static_cast<uint8_t>(plain[in + 2]);
    for (int shift = 18; shift >= 0 && out < text.chars.size(); shift -= 6) {
      text.chars[out++] = kAlphabet[group >> shift & 63];
    }
  }
  return text;
}

std::optional<DeliveryIdCodec::Decoded> DeliveryIdCodec::Decode(std::string_view text) const {
  if (text.size() != DeliveryIdText::kBytes) return std::nullopt;
  std::array<char, kPlainBytes + 1> plain{};
  for (size_t in = 0, out = 0; out < plain.size(); in += 4, out += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 4; ++i) {
      const int value = in + i < text.size() ? kValues[static_cast<uint8_t>(text[in + i])] : 0;
      if (value < 0) return std::nullopt;
      group = group << 6 | static_cast<uint32_t>(value);
    }
    plain[out] = static_cast<char>(group >> 16);
    plain[out + 1] = static_cast<char>(group >> 8);
    plain[out + 2] = static_cast<char>(group);
  }
  if (plain[kPlainBytes] != 0) return std::nullopt;  // one text per id
  uint64_t tag;
  Get(plain.data() + kClearBytes, tag);
  if (tag != SipHash24(key_, {plain.data(), kClearBytes})) return std::nullopt;
  Decoded decoded{};
  uint32_t generation;
  const char* at = Get(plain.data(), decoded.subscription);
  at = Get(at, generation);
  at = Get(at, decoded.id.seq);
  Get(at, decoded.id.number);
  decoded.id.generation = generation;
  return decoded;
}

}  // namespace hookstream::dispatch
