// Writes Protobuf's wire format straight into a string: an event's envelope is written once per webhook and read by
// clients, never by the relay's hot path, so no message object is made for it.
// https://protobuf.dev/programming-guides/encoding/
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace hookstream::ingest {

// proto3's rule: a field that has its default is not written.
class WireWriter {
 public:
  explicit WireWriter(std::string& out) : out_(out) {}

  // A string (the text is valid UTF-8), bytes, or a message that is already in wire format.
  void Bytes(int field, std::string_view bytes);
  // As Bytes, also when it is empty: a message that is present, an element of a repeated field.
  void Element(int field, std::string_view bytes);
  void Varint(int field, uint64_t value);
  // google.protobuf.Timestamp. Times outside of what it can hold (years 1 to 9999) are left out.
  void Timestamp(int field, absl::Time time);
  // A message of two texts, as Header and the entries of map<string, string> are.
  void Pair(int field, std::string_view first, std::string_view second);

 private:
  void PutTag(int field, int type);
  void PutVarint(uint64_t value);

  std::string& out_;
};

}  // namespace hookstream::ingest
