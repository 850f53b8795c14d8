// An HTTP/1.1 answer out of the bytes of a connection, without a socket.
//
//   AnswerReader reader(body_bytes_max);
//   while (!*whole) whole = reader.Take(next bytes);    // an error ends it
//   ... or, when the peer has ended the connection in order, reader.End();
//   reader.TakeResponse();
//
// Lifecycle: one for each answer; after an error it is of no more use. Not thread-safe.
// Limits: 16 KiB for the head (interim answers and a chunked body's trailers count), `body_bytes_max` for the body,
// whichever way its length is said. A length that is announced and too large is an error before the body comes.
//
// Errors, whose messages say nothing of what the answer holds:
//   UNAVAILABLE          no HTTP, cut short, too large, compressed, or a status that may be another the next time (408,
//                        425, 429 and 5xx)
//   NOT_FOUND            404 and 410
//   FAILED_PRECONDITION  another 4xx, which the same request would get again, and 3xx: redirects are not followed
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "outbound/message.h"

namespace hookstream::outbound {

class AnswerReader {
 public:
  explicit AnswerReader(int64_t body_bytes_max) : body_bytes_max_(static_cast<size_t>(body_bytes_max)) {}

  // True: the answer is whole. What comes behind it is ignored.
  absl::StatusOr<bool> Take(std::string_view bytes);
  // The peer has ended its side of TLS: OK when the answer is whole by that.
  absl::Status End();

  // Of the final answer; 0 before its head is there.
  int status() const { return response_.status; }
  // Once, when the answer is whole.
  Response TakeResponse() { return std::move(response_); }

 private:
  enum class Phase : uint8_t { kHead, kSized, kUntilEnd, kChunkSize, kChunkData, kChunkEnd, kTrailers, kDone };

  std::string_view Unread() const { return std::string_view(buffer_).substr(begin_); }
  absl::Status Advance();
  // These say in `more` that what has come is not enough to go on.
  absl::Status ReadHead(bool& more);
  absl::Status ReadBytes(bool& more);
  absl::Status ReadChunkSize(bool& more);
  absl::Status ReadTrailer(bool& more);
  absl::Status OnHead(std::string_view head);
  // The next line without its end.
  absl::StatusOr<std::optional<std::string_view>> TakeLine();
  absl::Status BodyTooLarge() const;

  const size_t body_bytes_max_;
  Phase phase_ = Phase::kHead;
  std::string buffer_;  // what has come and is not understood: from begin_ on
  size_t begin_ = 0;
  size_t head_bytes_ = 0;         // that were understood
  uint64_t body_bytes_left_ = 0;  // of the body, or of the chunk
  Response response_{.status = 0};
};

// RFC 9111: max-age of the Cache-Control lines, joined by commas, less the Age line's seconds; zero for no-store and
// no-cache. Nothing when no lifetime is said or it can't be read. At most 100 years.
std::optional<absl::Duration> MaxAge(std::string_view cache_control, std::string_view age);

}  // namespace hookstream::outbound
