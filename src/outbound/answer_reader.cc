#include "outbound/answer_reader.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>
#include <limits>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace hookstream::outbound {
namespace {

namespace http = boost::beast::http;

constexpr size_t kHeadBytesMax = 16 << 10;
constexpr int64_t kLifetimeSecondsMax = int64_t{100} * 365 * 24 * 3600;

absl::string_view Absl(boost::beast::string_view text) { return {text.data(), text.size()}; }

absl::Status Malformed() { return absl::UnavailableError("the answer is not well-formed HTTP/1.1"); }
absl::Status HeadTooLarge() { return absl::UnavailableError("the answer's head is larger than 16KiB"); }

absl::Status CheckStatus(int status) {
  if (status >= 200 && status < 300) return absl::OkStatus();
  const std::string message = absl::StrCat("answered with status ", status);
  if (status >= 300 && status < 400) {
    return absl::FailedPreconditionError(absl::StrCat(message, "; redirects are not followed"));
  }
  if (status == 404 || status == 410) return absl::NotFoundError(message);
  if (status >= 400 && status < 500 && status != 408 && status != 425 && status != 429) {
    return absl::FailedPreconditionError(message);
  }
  return absl::UnavailableError(message);
}

// The values of all lines of that name.
std::string Joined(const http::fields& fields, http::field name) {
  std::vector<absl::string_view> values;
  const auto range = fields.equal_range(name);
  for (auto it = range.first; it != range.second; ++it) values.push_back(Absl(it->value()));
  return absl::StrJoin(values, ",");
}

bool ParseSeconds(absl::string_view text, int64_t& seconds) {
  text = absl::StripAsciiWhitespace(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  if (text.empty() || !std::all_of(text.begin(), text.end(), absl::ascii_isdigit)) return false;
  // RFC 9111, 1.2.2: a number too large to be held is taken for the largest.
  if (!absl::SimpleAtoi(text, &seconds)) seconds = kLifetimeSecondsMax;
  seconds = std::min(seconds, kLifetimeSecondsMax);
  return true;
}

}  // namespace

std::optional<absl::Duration> MaxAge(std::string_view cache_control, std::string_view age) {
  std::optional<int64_t> lifetime;
  for (absl::string_view directive :
       absl::StrSplit(absl::string_view(cache_control.data(), cache_control.size()), ',')) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(directive, absl::MaxSplits('=', 1));
    const absl::string_view name = absl::StripAsciiWhitespace(parts.first);
    if (absl::EqualsIgnoreCase(name, "no-store") || absl::EqualsIgnoreCase(name, "no-cache")) {
      return absl::ZeroDuration();
    }
    int64_t seconds = 0;
    if (absl::EqualsIgnoreCase(name, "max-age") && ParseSeconds(parts.second, seconds)) {
      lifetime = std::min(lifetime.value_or(seconds), seconds);
    }
  }
  if (!lifetime) return std::nullopt;
  int64_t passed = 0;
  ParseSeconds(absl::string_view(age.data(), age.size()), passed);
  return absl::Seconds(std::max<int64_t>(0, *lifetime - passed));
}

absl::StatusOr<bool> AnswerReader::Take(std::string_view bytes) {
  buffer_.append(bytes);
  HS_RETURN_IF_ERROR(Advance());
  buffer_.erase(0, begin_);
  begin_ = 0;
  return phase_ == Phase::kDone;
}

absl::Status AnswerReader::End() {
  if (phase_ == Phase::kUntilEnd) phase_ = Phase::kDone;
  return phase_ == Phase::kDone ? absl::OkStatus() : absl::UnavailableError("the answer was cut short");
}

absl::Status AnswerReader::Advance() {
  for (bool more = false; !more;) {
    switch (phase_) {
      case Phase::kHead: HS_RETURN_IF_ERROR(ReadHead(more)); break;
      case Phase::kSized:
      case Phase::kUntilEnd:
      case Phase::kChunkData: HS_RETURN_IF_ERROR(ReadBytes(more)); break;
      case Phase::kChunkSize: HS_RETURN_IF_ERROR(ReadChunkSize(more)); break;
      case Phase::kChunkEnd: {
        static constexpr std::string_view kEnd = "\r\n";
        const std::string_view got = Unread().substr(0, kEnd.size());
        if (got != kEnd.substr(0, got.size())) return Malformed();
        more = got.size() < kEnd.size();
        if (more) break;
        begin_ += kEnd.size();
        phase_ = Phase::kChunkSize;
        break;
      }
      case Phase::kTrailers: HS_RETURN_IF_ERROR(ReadTrailer(more)); break;
      case Phase::kDone: begin_ = buffer_.size(); return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

absl::Status AnswerReader::ReadHead(bool& more) {
  static constexpr std::string_view kEnd = "\r\n\r\n";
  const size_t end = Unread().find(kEnd);
  more = end == std::string_view::npos;
  const size_t bytes = more ? Unread().size() : end + kEnd.size();
  if (head_bytes_ + bytes > kHeadBytesMax) return HeadTooLarge();
  if (more) return absl::OkStatus();
  const std::string_view head = Unread().substr(0, bytes);
  begin_ += bytes;
  head_bytes_ += bytes;
  return OnHead(head);
}

absl::Status AnswerReader::OnHead(std::string_view head) {
  http::response_parser<http::empty_body> parser;
  parser.header_limit(kHeadBytesMax);
  // Only the head is the parser's: Beast 1.74 asserts on a last chunk that comes in pieces.
  parser.skip(true);
  parser.body_limit(std::numeric_limits<uint64_t>::max());
  boost::beast::error_code error;
  parser.put(boost::asio::buffer(head.data(), head.size()), error);
  if (error || !parser.is_header_done()) return Malformed();
  const auto& answer = parser.get();
  const auto status = static_cast<int>(answer.result_int());
  if (answer.version() != 10 && answer.version() != 11) return Malformed();
  // Interim answers come before the final one; to change the protocol was not asked for.
  if (status < 200) return status >= 100 && status != 101 ? absl::OkStatus() : Malformed();
  response_.status = status;
  HS_RETURN_IF_ERROR(CheckStatus(status));

  const std::string coding = Joined(answer, http::field::content_encoding);
  if (!coding.empty() && !absl::EqualsIgnoreCase(coding, "identity")) {
    return absl::UnavailableError("the answer is compressed, which was not asked for");
  }
  response_.max_age = MaxAge(Joined(answer, http::field::cache_control), Joined(answer, http::field::age));
  const std::string transfer_coding = Joined(answer, http::field::transfer_encoding);
  const boost::optional<uint64_t> length = parser.content_length();
  if (status == 204) {
    phase_ = Phase::kDone;
  } else if (!transfer_coding.empty()) {
    // The parser ignores codings that it does not know, and HTTP/1.0 has none.
    if (!absl::EqualsIgnoreCase(transfer_coding, "chunked") || length || answer.version() == 10) return Malformed();
    phase_ = Phase::kChunkSize;
  } else if (length) {
    if (*length > body_bytes_max_) return BodyTooLarge();
    body_bytes_left_ = *length;
    phase_ = Phase::kSized;
  } else {
    phase_ = Phase::kUntilEnd;
  }
  return absl::OkStatus();
}

absl::Status AnswerReader::ReadBytes(bool& more) {
  std::string_view bytes = Unread();
  if (phase_ != Phase::kUntilEnd) bytes = bytes.substr(0, std::min<uint64_t>(body_bytes_left_, bytes.size()));
  if (bytes.size() > body_bytes_max_ - response_.body.size()) return BodyTooLarge();
  response_.body.append(bytes);
  begin_ += bytes.size();
  more = true;
  if (phase_ == Phase::kUntilEnd) return absl::OkStatus();
  body_bytes_left_ -= bytes.size();
  if (body_bytes_left_ > 0) return absl::OkStatus();
  more = false;
  phase_ = phase_ == Phase::kSized ? Phase::kDone : Phase::kChunkEnd;
  return absl::OkStatus();
}

// RFC 9112, 7.1.
absl::Status AnswerReader::ReadChunkSize(bool& more) {
  HS_ASSIGN_OR_RETURN(const std::optional<std::string_view> line, TakeLine());
  more = !line;
  if (more) return absl::OkStatus();
  const char* const last = line->data() + line->size();
  const auto [digits_end, error] = std::from_chars(line->data(), last, body_bytes_left_, 16);
  if (error != std::errc()) return Malformed();
  // Extensions mean nothing to us, but have to look like some.
  const std::string_view rest(digits_end, static_cast<size_t>(last - digits_end));
  const size_t extension = rest.find_first_not_of(" \t");
  if (extension != std::string_view::npos && rest[extension] != ';') return Malformed();
  if (body_bytes_left_ > body_bytes_max_ - response_.body.size()) return BodyTooLarge();
  phase_ = body_bytes_left_ == 0 ? Phase::kTrailers : Phase::kChunkData;
  return absl::OkStatus();
}

// Nothing that we ask for is in one: left out.
absl::Status AnswerReader::ReadTrailer(bool& more) {
  HS_ASSIGN_OR_RETURN(const std::optional<std::string_view> line, TakeLine());
  more = !line;
  if (more) return absl::OkStatus();
  head_bytes_ += line->size() + 2;
  if (head_bytes_ > kHeadBytesMax) return HeadTooLarge();
  if (line->empty()) phase_ = Phase::kDone;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string_view>> AnswerReader::TakeLine() {
  const std::string_view unread = Unread();
  const size_t end = unread.find('\n');
  if (std::min(end, unread.size()) > kHeadBytesMax) return Malformed();
  if (end == std::string_view::npos) return std::nullopt;
  if (end == 0 || unread[end - 1] != '\r') return Malformed();
  begin_ += end + 1;
  return unread.substr(0, end - 1);
}

absl::Status AnswerReader::BodyTooLarge() const {
  return absl::UnavailableError(absl::StrCat("the answer is larger than ", body_bytes_max_, " bytes"));
}

}  // namespace hookstream::outbound
