#include "base/event_id.h"

#include "absl/status/status.h"

namespace hookstream {
namespace {

constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuv";
constexpr size_t kHalfChars = 13;  // 64 bits at 5 bits a character

void AppendHalf(uint64_t value, std::string& out) {
  for (int shift = 60; shift >= 0; shift -= 5) out.push_back(kAlphabet[(value >> shift) & 31]);
}

bool ParseHalf(std::string_view text, uint64_t& value) {
  value = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t digit = kAlphabet.find(text[i]);
    if (digit == std::string_view::npos || (i == 0 && digit > 15)) return false;
    value = value << 5 | digit;
  }
  return true;
}

}  // namespace

std::string FormatEventId(StoreTag tag, Seq seq) {
  std::string text;
  text.reserve(2 * kHalfChars);
  AppendHalf(seq, text);
  AppendHalf(tag, text);
  return text;
}

absl::StatusOr<EventId> ParseEventId(std::string_view text) {
  EventId id{};
  if (text.size() != 2 * kHalfChars || !ParseHalf(text.substr(0, kHalfChars), id.seq) ||
      !ParseHalf(text.substr(kHalfChars), id.tag)) {
    return absl::InvalidArgumentError("not an event id: 26 characters of [0-9a-v] are expected");
  }
  return id;
}

}  // namespace hookstream
