// HTTP/1.1 requests out of a stream of bytes, without a socket: framing, limits, and nothing of what a request means.
//
//   for (;;) switch (reader.Next()) {
//     case kMore:  read into Space(), then Filled(n)
//     case kHead:  look at head(), then ReadBody(limit)
//     case kDone:  head() and TakeBody(); then NextRequest()
//     case kError: answer error(), close
//   }
//
// Lifecycle: one per connection; its storage is used again for each request. Not thread-safe.
// Limits: one buffer of at most `head_bytes_max` for what has been read and not yet understood (so the read-ahead is
// bounded by it too), the number of header lines, the body's size, and what all bodies of a server hold together. A
// body's memory grows with what has come, not with what was announced: before the first byte it has none.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "edge/body_budget.h"
#include "edge/server.h"

namespace hookstream::edge {

struct ReadLimits {
  size_t head_bytes_max = 16 << 10;
  size_t head_lines_max = 100;
};

class RequestReader {
 public:
  enum class Step : uint8_t { kMore, kHead, kDone, kError };

  struct Error {
    int status = 400;
    std::string_view code;
    std::string_view message;
  };

  // `budget`, when there is one, outlives the reader and what TakeShare gave out.
  explicit RequestReader(ReadLimits limits, BodyBudget* budget = nullptr);
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // Where the next bytes go: never empty after kMore. Valid until the next call.
  std::span<char> Space();
  void Filled(size_t bytes);

  Step Next();

  // Nothing of a request has come yet.
  bool Idle() const { return phase_ == Phase::kIdle && begin_ == end_; }

  // From kHead until NextRequest. The views stay valid as long.
  const RequestHead& head() const { return head_; }
  bool KeepAlive() const { return keep_alive_; }
  bool Http10() const { return http10_; }
  bool ExpectsContinue() const { return expects_continue_; }
  bool HasBody() const { return chunked_ || content_length_ > 0; }
  // Nothing for a chunked body.
  std::optional<uint64_t> ContentLength() const;

  // After kHead. A body of exactly `bytes_max` is read, a larger one is an error 413: at once (false) when its length
  // was announced, else while it is read. One that the budget has no room for is an error 503, in the same way.
  bool ReadBody(uint64_t bytes_max);
  // True when some of the body is here already: the sender does not wait for "100 Continue".
  bool BodyBegun() const { return begin_ != end_; }
  std::string TakeBody() { return std::move(body_); }
  // What the body holds of the budget: for as long as somebody has it.
  BodyShare TakeShare() { return std::move(share_); }

  // After kDone.
  void NextRequest();

  const Error& error() const { return error_; }

  // Drops everything that was read: for a connection that is only read to its end.
  void Discard();

 private:
  enum class Phase : uint8_t {
    kIdle,
    kHead,
    kAdmit,
    kSizedBody,
    kChunkSize,
    kChunkData,
    kChunkEnd,
    kTrailers,
    kDone,
    kFailed
  };

  // Parses heads only; writes what it finds into the reader.
  class Parser final : public boost::beast::http::basic_parser<true> {
   public:
    explicit Parser(RequestReader& reader) : reader_(reader) {}

   private:
    using error_code = boost::beast::error_code;
    using view = boost::beast::string_view;
    void on_request_impl(boost::beast::http::verb verb, view method, view target, int version, error_code& ec) override;
    void on_response_impl(int status, view reason, int version, error_code& ec) override;
    void on_field_impl(boost::beast::http::field field, view name, view value, error_code& ec) override;
    void on_header_impl(error_code& ec) override;
    void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code& ec) override;
    std::size_t on_body_impl(view bytes, error_code& ec) override;
    void on_chunk_header_impl(std::uint64_t size, view extension, error_code& ec) override;
    std::size_t on_chunk_body_impl(std::uint64_t remaining, view bytes, error_code& ec) override;
    void on_finish_impl(error_code& ec) override;

    RequestReader& reader_;
  };

  struct Line {
    uint32_t name_at;
    uint32_t name_bytes;
    uint32_t value_bytes;  // right behind the name
  };

  std::string_view Unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  Step ParseHead();
  bool FinishHead();
  // A body's memory is grown by this alone. False: the request has failed.
  bool GrowBody(size_t bytes);
  // RFC 9112, 7.1. Not the parser's: Beast 1.74 asserts on a last chunk that comes in pieces.
  Step ReadChunks();
  // The next line without its end; nothing when it is not all there (kMore) or can't be (kError).
  std::optional<std::string_view> TakeLine(Step& step);
  Step Fail(int status, std::string_view code, std::string_view message);
  Step FailMalformed();
  Step FailTooLarge();
  Step FailOverloaded();
  void DropBody();

  // A body is read straight into its string, which grows in steps from this. Small, so that as many senders as there
  // may be connections, each with a byte of a body, do not fill a budget.
  static constexpr size_t kFirstBodyBytes = 16 << 10;

  const ReadLimits limits_;
  Phase phase_ = Phase::kIdle;
  std::optional<Parser> parser_;

  // Read and not yet understood: [begin_, end_).
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;

  // The head as text, since the buffer is overwritten while the body is read.
  std::string head_text_;
  size_t head_bytes_ = 0;  // of it on the wire
  size_t method_bytes_ = 0;
  size_t target_bytes_ = 0;
  std::vector<Line> lines_;
  std::vector<Header> headers_;
  RequestHead head_;
  bool keep_alive_ = false;
  bool http10_ = false;
  bool expects_continue_ = false;
  bool chunked_ = false;
  uint64_t content_length_ = 0;

  uint64_t body_bytes_max_ = 0;
  uint64_t chunk_bytes_left_ = 0;
  size_t trailer_bytes_ = 0;

  // In kSizedBody the string is longer than what has come while bytes are read straight into it; before the first
  // byte, that comes into the buffer.
  std::string body_;
  BodyShare share_;
  size_t body_filled_ = 0;
  Error error_;
};

}  // namespace hookstream::edge
