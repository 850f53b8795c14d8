// Appends Protobuf wire format to a buffer that is kept between messages. Lengths are written after their content:
// a place of the likely size is left open, and the content moved when the guess was wrong (at most by four bytes).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace hookstream::typing {

class WireWriter {
 public:
  WireWriter() { Reserve(16 << 10); }

  void Clear() { pos_ = buffer_.get(); }
  size_t size() const { return static_cast<size_t>(pos_ - buffer_.get()); }
  size_t capacity() const { return static_cast<size_t>(end_ - buffer_.get()); }
  std::string_view bytes() const { return {buffer_.get(), size()}; }
  // Forgets what was written after `size` was `mark`.
  void Truncate(size_t mark) { pos_ = buffer_.get() + mark; }
  // Gives a large buffer back.
  void Shrink(size_t max_bytes) {
    if (capacity() > max_bytes) *this = WireWriter();
  }

  void Varint(uint64_t value) {
    Ensure(10);
    pos_ = PutVarint(pos_, value);
  }
  void Tag(uint32_t tag) {
    Ensure(5);
    pos_ = PutVarint(pos_, tag);
  }
  void Fixed32(uint32_t value) { Raw(&value, sizeof(value)); }
  void Fixed64(uint64_t value) { Raw(&value, sizeof(value)); }
  void Double(double value) { Raw(&value, sizeof(value)); }
  void Float(float value) { Raw(&value, sizeof(value)); }

  // Length and content.
  void Bytes(std::string_view text) {
    Ensure(text.size() + 10);
    pos_ = PutVarint(pos_, text.size());
    std::memcpy(pos_, text.data(), text.size());
    pos_ += text.size();
  }
  void TaggedBytes(uint32_t tag, std::string_view text) {
    Ensure(text.size() + 15);
    pos_ = PutVarint(pos_, tag);
    pos_ = PutVarint(pos_, text.size());
    std::memcpy(pos_, text.data(), text.size());
    pos_ += text.size();
  }

  // A length-delimited value of unknown length: Open, write, Close.
  struct Mark {
    size_t at;
    uint8_t guess;
  };
  Mark Open(uint32_t tag, bool large) {
    Tag(tag);
    const Mark mark = {size(), static_cast<uint8_t>(large ? 2 : 1)};
    Ensure(2);
    pos_ += mark.guess;
    return mark;
  }
  void Close(Mark mark) {
    const size_t length = size() - mark.at - mark.guess;
    char bytes[10];
    const size_t need = static_cast<size_t>(PutVarint(bytes, length) - bytes);
    if (need != mark.guess) {
      Ensure(10);
      char* const start = buffer_.get() + mark.at;
      std::memmove(start + need, start + mark.guess, length);
      pos_ = start + need + length;
    }
    std::memcpy(buffer_.get() + mark.at, bytes, need);
  }

 private:
  static char* PutVarint(char* at, uint64_t value) {
    while (value >= 0x80) {
      *at++ = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    *at++ = static_cast<char>(value);
    return at;
  }
  void Raw(const void* data, size_t size) {
    Ensure(size);
    std::memcpy(pos_, data, size);
    pos_ += size;
  }
  void Ensure(size_t more) {
    if (static_cast<size_t>(end_ - pos_) < more) [[unlikely]]
      Reserve(size() + more);
  }
  void Reserve(size_t need) {
    const size_t used = buffer_ ? size() : 0;
    const size_t grown = std::max(need, 2 * (buffer_ ? capacity() : 0));
    std::unique_ptr<char[]> bigger(new char[grown]);
    if (used != 0) std::memcpy(bigger.get(), buffer_.get(), used);
    buffer_ = std::move(bigger);
    pos_ = buffer_.get() + used;
    end_ = buffer_.get() + grown;
  }

  std::unique_ptr<char[]> buffer_;
  char* pos_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace hookstream::typing
