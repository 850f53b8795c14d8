#include "edge/request_reader.h"

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <charconv>
#include <cstring>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "base/text.h"

namespace hookstream::edge {
namespace {

namespace http = boost::beast::http;

constexpr size_t kFirstBufferBytes = 4 << 10;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

// "http://host/path" -> "/path" (RFC 9112, 3.2.2). Empty: neither that nor the origin form.
std::string_view OriginForm(std::string_view target) {
  if (target.starts_with('/')) return target;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!absl::StartsWithIgnoreCase(ToAbsl(target), ToAbsl(scheme))) continue;
    const size_t path = target.find('/', scheme.size());
    return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  return {};
}

}  // namespace

void RequestReader::Parser::on_request_impl(http::verb, view method, view target, int version, error_code&) {
  reader_.http10_ = version == 10;
  reader_.method_bytes_ = method.size();
  reader_.target_bytes_ = target.size();
  reader_.head_text_.append(method.data(), method.size()).append(target.data(), target.size());
}

void RequestReader::Parser::on_field_impl(http::field field, view name, view value, error_code& ec) {
  std::string& text = reader_.head_text_;
  reader_.lines_.push_back(
      {static_cast<uint32_t>(text.size()), static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size())});
  text.append(name.data(), name.size()).append(value.data(), value.size());
  if (reader_.lines_.size() > reader_.limits_.head_lines_max) ec = http::error::header_limit;
  // The parser ignores codings that it does not know, and would take the body for the next request.
  if (field == http::field::transfer_encoding && !absl::EqualsIgnoreCase(ToAbsl(View(value)), "chunked")) {
    ec = http::error::bad_transfer_encoding;
  }
}

void RequestReader::Parser::on_response_impl(int, view, int, error_code&) {}
void RequestReader::Parser::on_header_impl(error_code&) {}
void RequestReader::Parser::on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) {}
std::size_t RequestReader::Parser::on_body_impl(view bytes, error_code&) { return bytes.size(); }
void RequestReader::Parser::on_chunk_header_impl(std::uint64_t, view, error_code&) {}
std::size_t RequestReader::Parser::on_chunk_body_impl(std::uint64_t, view bytes, error_code&) { return bytes.size(); }
void RequestReader::Parser::on_finish_impl(error_code&) {}

RequestReader::RequestReader(ReadLimits limits, BodyBudget* budget)
    : limits_(limits), buffer_(std::min(kFirstBufferBytes, limits.head_bytes_max)), share_(budget) {}

std::span<char> RequestReader::Space() {
  // All that was read ahead is in the body by now.
  if (phase_ == Phase::kSizedBody && body_filled_ > 0) {
    return {body_.data() + body_filled_, body_.size() - body_filled_};
  }
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (end_ == buffer_.size()) {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    } else if (buffer_.size() < limits_.head_bytes_max) {
      buffer_.resize(std::min(2 * buffer_.size(), limits_.head_bytes_max));
    }
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

void RequestReader::Filled(size_t bytes) {
  if (phase_ == Phase::kSizedBody && body_filled_ > 0) {
    body_filled_ += bytes;
  } else {
    end_ += bytes;
  }
}

RequestReader::Step RequestReader::Next() {
  switch (phase_) {
    case Phase::kIdle:
      // An empty line before a request is to be ignored (RFC 9112, 2.2).
      while (Unread().starts_with("\r\n")) begin_ += 2;
      if (Unread().empty() || Unread() == "\r") return Step::kMore;
      phase_ = Phase::kHead;
      parser_.emplace(*this);
      parser_->header_limit(static_cast<uint32_t>(limits_.head_bytes_max));
      // Not boost::none: this version of Beast compares an announced length with it and finds it larger.
      parser_->body_limit(std::numeric_limits<uint64_t>::max());
      parser_->eager(false);
      [[fallthrough]];
    case Phase::kHead: return ParseHead();
    case Phase::kAdmit: return Step::kHead;
    case Phase::kSizedBody: {
      if (body_filled_ == 0) {
        const size_t bytes = std::min<size_t>(content_length_, end_ - begin_);
        if (bytes > 0) {
          if (!GrowBody(std::max(bytes, std::min<size_t>(content_length_, kFirstBodyBytes)))) return Step::kError;
          body_.assign(buffer_.data() + begin_, bytes);
          begin_ += bytes;
          body_filled_ = bytes;
        }
      }
      if (body_filled_ == content_length_) {
        phase_ = Phase::kDone;
        return Step::kDone;
      }
      if (body_filled_ > 0 && body_filled_ == body_.size()) {
        if (body_filled_ == body_.capacity() &&
            !GrowBody(std::min<size_t>(content_length_, std::max(kFirstBodyBytes, 2 * body_filled_)))) {
          return Step::kError;
        }
        body_.resize(std::min<size_t>(content_length_, body_.capacity()));
      }
      return Step::kMore;
    }
    case Phase::kChunkSize:
    case Phase::kChunkData:
    case Phase::kChunkEnd:
    case Phase::kTrailers: return ReadChunks();
    case Phase::kDone: return Step::kDone;
    case Phase::kFailed: return Step::kError;
  }
  return Step::kError;
}

bool RequestReader::GrowBody(size_t bytes) {
  if (!share_.GrowTo(static_cast<int64_t>(bytes))) {
    FailOverloaded();
    return false;
  }
  // Not reserve() on what is there: that takes at least twice as much as before, whatever is asked for.
  std::string grown;
  grown.reserve(bytes);
  grown.append(body_);
  body_ = std::move(grown);
  return true;
}

RequestReader::Step RequestReader::ParseHead() {
  while (!parser_->is_header_done()) {
    if (Unread().empty()) return Step::kMore;
    boost::beast::error_code ec;
    const size_t taken = parser_->put({buffer_.data() + begin_, end_ - begin_}, ec);
    begin_ += taken;
    head_bytes_ += taken;
    const bool more = ec == http::error::need_more;
    // The parser's own limit is for each call.
    if (head_bytes_ + (more ? Unread().size() : 0) > limits_.head_bytes_max) ec = http::error::header_limit;
    if (ec == http::error::need_more) {
      if (Unread().size() < limits_.head_bytes_max) return Step::kMore;
      ec = http::error::header_limit;
    }
    if (ec == http::error::header_limit) {
      return Fail(431, "head_too_large", "the request line and headers are larger than this server takes");
    }
    if (ec) return FailMalformed();
  }
  return FinishHead() ? Step::kHead : Step::kError;
}

std::optional<std::string_view> RequestReader::TakeLine(Step& step) {
  const std::string_view unread = Unread();
  const size_t end = unread.find('\n');
  if (end == std::string_view::npos) {
    step = unread.size() < limits_.head_bytes_max ? Step::kMore : FailMalformed();
    return std::nullopt;
  }
  if (end == 0 || unread[end - 1] != '\r') {
    step = FailMalformed();
    return std::nullopt;
  }
  begin_ += end + 1;
  return unread.substr(0, end - 1);
}

RequestReader::Step RequestReader::ReadChunks() {
  Step step = Step::kMore;
  for (;;) {
    switch (phase_) {
      case Phase::kChunkSize: {
        const auto line = TakeLine(step);
        if (!line) return step;
        const auto* const last = line->data() + line->size();
        const auto [digits_end, error] = std::from_chars(line->data(), last, chunk_bytes_left_, 16);
        if (error != std::errc()) return FailMalformed();
        // Extensions mean nothing to us, but have to look like some.
        const std::string_view rest(digits_end, static_cast<size_t>(last - digits_end));
        const size_t extension = rest.find_first_not_of(" \t");
        if (extension != std::string_view::npos && rest[extension] != ';') return FailMalformed();
        if (chunk_bytes_left_ > body_bytes_max_ - body_.size()) return FailTooLarge();
        phase_ = chunk_bytes_left_ == 0 ? Phase::kTrailers : Phase::kChunkData;
        break;
      }
      case Phase::kChunkData: {
        const std::string_view bytes = Unread().substr(0, std::min<uint64_t>(chunk_bytes_left_, Unread().size()));
        if (const size_t needed = body_.size() + bytes.size(); needed > body_.capacity()) {
          if (!GrowBody(std::max(needed, std::min<size_t>(body_bytes_max_, 2 * body_.size())))) return Step::kError;
        }
        body_.append(bytes);
        begin_ += bytes.size();
        chunk_bytes_left_ -= bytes.size();
        if (chunk_bytes_left_ > 0) return Step::kMore;
        phase_ = Phase::kChunkEnd;
        break;
      }
      case Phase::kChunkEnd: {
        static constexpr std::string_view kEnd = "\r\n";
        const std::string_view got = Unread().substr(0, kEnd.size());
        if (got != kEnd.substr(0, got.size())) return FailMalformed();
        if (got.size() < kEnd.size()) return Step::kMore;
        begin_ += kEnd.size();
        phase_ = Phase::kChunkSize;
        break;
      }
      case Phase::kTrailers: {
        // No part of what was signed or routed by: left out.
        const auto line = TakeLine(step);
        if (!line) return step;
        trailer_bytes_ += line->size();
        if (trailer_bytes_ > limits_.head_bytes_max) return FailMalformed();
        if (!line->empty()) break;
        phase_ = Phase::kDone;
        return Step::kDone;
      }
      default: return Step::kError;
    }
  }
}

bool RequestReader::FinishHead() {
  size_t at = method_bytes_ + target_bytes_;
  headers_.clear();
  headers_.reserve(lines_.size());
  const std::string_view text = head_text_;
  int hosts = 0;
  bool expects_other = false;
  for (const Line& line : lines_) {
    at = line.name_at;
    const Header header{text.substr(at, line.name_bytes), text.substr(at + line.name_bytes, line.value_bytes)};
    headers_.push_back(header);
    if (absl::EqualsIgnoreCase(ToAbsl(header.name), "host")) {
      ++hosts;
    } else if (absl::EqualsIgnoreCase(ToAbsl(header.name), "expect")) {
      const bool known = absl::EqualsIgnoreCase(ToAbsl(header.value), "100-continue");
      expects_continue_ = expects_continue_ || known;
      expects_other = expects_other || !known;
    }
  }
  keep_alive_ = parser_->keep_alive();
  chunked_ = parser_->chunked();
  content_length_ = parser_->content_length().value_or(0);
  head_.method = text.substr(0, method_bytes_);
  head_.target = OriginForm(text.substr(method_bytes_, target_bytes_));
  head_.path = head_.target.substr(0, head_.target.find_first_of("?#"));
  head_.headers = headers_;
  if (head_.target.empty()) {
    Fail(400, "bad_request", "the request target is neither a path nor an http URL");
  } else if (hosts > 1 || (hosts == 0 && !http10_)) {
    Fail(400, "bad_request", "exactly one Host header is needed");
  } else if (http10_ && chunked_) {
    Fail(400, "bad_request", "HTTP/1.0 has no Transfer-Encoding");
  } else if (expects_other) {
    Fail(417, "expectation_failed", "no other expectation than 100-continue is known");
  } else {
    phase_ = Phase::kAdmit;
    return true;
  }
  return false;
}

std::optional<uint64_t> RequestReader::ContentLength() const {
  if (chunked_) return std::nullopt;
  return content_length_;
}

bool RequestReader::ReadBody(uint64_t bytes_max) {
  if (chunked_) {
    body_bytes_max_ = bytes_max;
    trailer_bytes_ = 0;
    phase_ = Phase::kChunkSize;
    return true;
  }
  if (content_length_ > bytes_max) {
    FailTooLarge();
    return false;
  }
  // A large one takes nothing before it comes, but one that would not fit is better told so before it is sent.
  if (content_length_ > kFirstBodyBytes && !share_.HasRoomFor(static_cast<int64_t>(content_length_))) {
    FailOverloaded();
    return false;
  }
  phase_ = Phase::kSizedBody;
  return true;
}

void RequestReader::NextRequest() {
  phase_ = Phase::kIdle;
  parser_.reset();
  head_text_.clear();
  head_bytes_ = 0;
  lines_.clear();
  headers_.clear();
  head_ = {};
  expects_continue_ = false;
  chunked_ = false;
  content_length_ = 0;
  DropBody();
}

void RequestReader::DropBody() {
  body_ = std::string();
  body_filled_ = 0;
  share_.Release();
}

void RequestReader::Discard() {
  phase_ = Phase::kFailed;
  begin_ = end_ = 0;
  DropBody();
}

RequestReader::Step RequestReader::Fail(int status, std::string_view code, std::string_view message) {
  phase_ = Phase::kFailed;
  keep_alive_ = false;
  error_ = {status, code, message};
  return Step::kError;
}

RequestReader::Step RequestReader::FailMalformed() {
  return Fail(400, "bad_request", "the request is not well-formed HTTP/1.1");
}

RequestReader::Step RequestReader::FailTooLarge() {
  return Fail(413, "body_too_large", "the body is larger than this source takes");
}

RequestReader::Step RequestReader::FailOverloaded() {
  return Fail(503, "overloaded", "the server holds as many bytes of bodies as it may");
}

}  // namespace hookstream::edge
