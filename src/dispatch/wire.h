// Writes Protobuf wire format into memory whose size was computed before.
// https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hookstream::dispatch::wire {

constexpr size_t VarintBytes(uint64_t value) { return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7; }

constexpr uint8_t VarintTag(int field) { return static_cast<uint8_t>(field << 3); }
constexpr uint8_t LengthTag(int field) { return static_cast<uint8_t>(field << 3 | 2); }

// Of a field up to 15 with its tag.
constexpr size_t VarintFieldBytes(uint64_t value) { return value == 0 ? 0 : 1 + VarintBytes(value); }
constexpr size_t LengthFieldBytes(size_t content) { return 1 + VarintBytes(content) + content; }

inline char* PutVarint(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

inline char* PutRaw(char* to, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

// Nothing for 0, as proto3 does.
inline char* PutVarintField(char* to, int field, uint64_t value) {
  if (value == 0) return to;
  *to++ = static_cast<char>(VarintTag(field));
  return PutVarint(to, value);
}

// Tag and length; the content follows.
inline char* PutLengthHead(char* to, int field, size_t content_bytes) {
  *to++ = static_cast<char>(LengthTag(field));
  return PutVarint(to, content_bytes);
}

inline char* PutLengthField(char* to, int field, std::string_view content) {
  return PutRaw(PutLengthHead(to, field, content.size()), content);
}

}  // namespace hookstream::dispatch::wire
