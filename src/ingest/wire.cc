#include "ingest/wire.h"

namespace hookstream::ingest {
namespace {

constexpr int kVarintType = 0;
constexpr int kBytesType = 2;
constexpr int64_t kTimestampSecondsMin = -62'135'596'800;  // 0001-01-01
constexpr int64_t kTimestampSecondsMax = 253'402'300'799;  // 9999-12-31, end

size_t VarintBytes(uint64_t value) {
  size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

}  // namespace

void WireWriter::PutVarint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<char>(value | 0x80));
  out_.push_back(static_cast<char>(value));
}

void WireWriter::PutTag(int field, int type) {
  PutVarint(static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(type));
}

void WireWriter::Element(int field, std::string_view bytes) {
  PutTag(field, kBytesType);
  PutVarint(bytes.size());
  out_.append(bytes);
}

void WireWriter::Bytes(int field, std::string_view bytes) {
  if (!bytes.empty()) Element(field, bytes);
}

void WireWriter::Varint(int field, uint64_t value) {
  if (value == 0) return;
  PutTag(field, kVarintType);
  PutVarint(value);
}

void WireWriter::Timestamp(int field, absl::Time time) {
  const int64_t seconds = absl::ToUnixSeconds(time);  // rounds down, as Timestamp wants it
  if (seconds < kTimestampSecondsMin || seconds > kTimestampSecondsMax) return;
  const int64_t nanos = absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds));
  std::string message;
  WireWriter writer(message);
  writer.Varint(1, static_cast<uint64_t>(seconds));
  writer.Varint(2, static_cast<uint64_t>(nanos));
  Element(field, message);
}

void WireWriter::Pair(int field, std::string_view first, std::string_view second) {
  const auto bytes = [](std::string_view text) {
    return text.empty() ? 0 : 1 + VarintBytes(text.size()) + text.size();
  };
  PutTag(field, kBytesType);
  PutVarint(bytes(first) + bytes(second));
  Bytes(1, first);
  Bytes(2, second);
}

}  // namespace hookstream::ingest
