// A server's answer as the reader makes it out of pieces, for its unit test and its fuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "outbound/answer_reader.h"

namespace hookstream::testing {

// What the answer is, or why not; `piece` bytes at a time, and then TLS's end.
inline absl::StatusOr<outbound::Response> ReadAnswer(std::string_view text, int64_t body_bytes_max, size_t piece) {
  outbound::AnswerReader reader(body_bytes_max);
  while (!text.empty()) {
    const std::string_view bytes = text.substr(0, piece);
    text.remove_prefix(bytes.size());
    const absl::StatusOr<bool> whole = reader.Take(bytes);
    if (!whole.ok()) return whole.status();
    if (*whole) return reader.TakeResponse();
  }
  if (const absl::Status end = reader.End(); !end.ok()) return end;
  return reader.TakeResponse();
}

}  // namespace hookstream::testing
