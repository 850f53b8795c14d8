#include "cli/http_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace hookstream::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr uint64_t kAnswerBytesMax = 1 << 20;

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

std::string HttpUrl::Authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : absl::StrCat("[", host, "]");
  return port == "80" ? name : absl::StrCat(name, ":", port);
}

absl::StatusOr<HttpUrl> ParseHttpUrl(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (absl::StartsWith(Absl(url), "https://")) {
    return absl::UnimplementedError("https:// is not supported here: give the relay's plain http:// address");
  }
  if (url.substr(0, kScheme.size()) != kScheme) {
    return absl::InvalidArgumentError(absl::StrCat("'", Absl(url), "' is no URL: it must begin with http://"));
  }
  std::string_view rest = url.substr(kScheme.size());
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  rest.remove_prefix(authority.size());
  rest = rest.substr(0, rest.find('#'));
  HttpUrl parsed;
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  std::string_view host = has_port ? authority.substr(0, colon) : authority;
  parsed.port = has_port ? authority.substr(colon + 1) : "80";
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  parsed.host = host;
  parsed.target = rest.empty() || rest.front() != '/' ? absl::StrCat("/", Absl(rest)) : std::string(rest);
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
      return absl::InvalidArgumentError("a URL has no spaces and no control characters");
  }
  if (parsed.host.empty() || parsed.port.empty() || host.find('@') != std::string_view::npos ||
      parsed.port.find_first_not_of("0123456789") != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("'", Absl(url), "' is no URL of the form http://host:port/path"));
  }
  return parsed;
}

struct HttpClient::State {
  absl::Duration timeout;
  asio::io_context io;
  std::optional<beast::tcp_stream> stream;
  std::string peer;
  beast::flat_buffer buffer;

  // Runs what has been started until it is done; the stream's timer bounds it.
  void Run() {
    io.restart();
    io.run();
  }
  void ArmTimer() { stream->expires_after(std::chrono::nanoseconds(absl::ToInt64Nanoseconds(timeout))); }

  boost::system::error_code Connect(const HttpUrl& url) {
    stream.reset();
    buffer.clear();
    boost::system::error_code error;
    asio::ip::tcp::resolver resolver(io);
    const auto endpoints = resolver.resolve(url.host, url.port, error);
    if (error) return error;
    stream.emplace(io);
    ArmTimer();
    stream->async_connect(endpoints, [&](boost::system::error_code ec, const asio::ip::tcp::endpoint&) { error = ec; });
    Run();
    if (error) {
      stream.reset();
    } else {
      stream->socket().set_option(asio::ip::tcp::no_delay(true), error);
      error.clear();
    }
    return error;
  }

  boost::system::error_code Exchange(http::request<http::string_body>& request, HttpResponse& response) {
    boost::system::error_code error;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kAnswerBytesMax);
    ArmTimer();
    http::async_write(*stream, request, [&](boost::system::error_code write_error, size_t) {
      // A server that refuses a body may answer before it has read it all: read the answer in either case.
      http::async_read(*stream, buffer, parser, [&, write_error](boost::system::error_code read_error, size_t) {
        error = read_error && write_error ? write_error : read_error;
      });
    });
    Run();
    if (error) {
      stream.reset();
      return error;
    }
    auto answer = parser.release();
    response.status = static_cast<int>(answer.result_int());
    const auto retry_after = answer[http::field::retry_after];
    response.retry_after.assign(retry_after.data(), retry_after.size());
    response.body = std::move(answer.body());
    if (!answer.keep_alive()) stream.reset();
    return {};
  }
};

HttpClient::HttpClient(absl::Duration timeout) : state_(new State) { state_->timeout = timeout; }
HttpClient::~HttpClient() = default;

absl::StatusOr<HttpResponse> HttpClient::Send(const HttpRequest& request) {
  http::request<http::string_body> message;
  message.method_string(request.method);
  message.target(request.url.target);
  message.version(11);
  message.set(http::field::host, request.url.Authority());
  for (const auto& [name, value] : request.headers) message.insert(name, value);
  message.body() = request.body;
  message.prepare_payload();

  const std::string peer = absl::StrCat(request.url.host, ":", request.url.port);
  if (state_->peer != peer) state_->stream.reset();
  state_->peer = peer;
  const bool reused = state_->stream.has_value();
  HttpResponse response;
  boost::system::error_code error;
  if (!reused) error = state_->Connect(request.url);
  if (!error) error = state_->Exchange(message, response);
  const bool was_closed = error == http::error::end_of_stream || error == asio::error::connection_reset ||
                          error == asio::error::broken_pipe;
  if (reused && was_closed) {
    error = state_->Connect(request.url);
    if (!error) error = state_->Exchange(message, response);
  }
  if (!error) return response;
  if (error == beast::error::timeout) {
    return absl::DeadlineExceededError(
        absl::StrCat("no answer from ", peer, " within ", absl::FormatDuration(state_->timeout)));
  }
  return absl::UnavailableError(absl::StrCat("can't reach ", peer, ": ", error.message()));
}

}  // namespace hookstream::cli
