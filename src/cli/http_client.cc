#include "cli/http_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace hookstream::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr uint64_t kAnswerBytesMax = 1 << 20;

}  // namespace

std::string HttpUrl::Authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : absl::StrCat("[", host, "]");
  return port == (tls ? "443" : "80") ? name : absl::StrCat(name, ":", port);
}

absl::StatusOr<HttpUrl> ParseHttpUrl(std::string_view url) {
  HttpUrl parsed;
  std::string_view rest = url;
  if (absl::StartsWith(ToAbsl(url), "https://")) {
    parsed.tls = true;
    rest.remove_prefix(8);
  } else if (absl::StartsWith(ToAbsl(url), "http://")) {
    rest.remove_prefix(7);
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("'", ToAbsl(url), "' is no URL: it must begin with http:// or https://"));
  }
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  rest.remove_prefix(authority.size());
  rest = rest.substr(0, rest.find('#'));
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  std::string_view host = has_port ? authority.substr(0, colon) : authority;
  parsed.port = has_port ? authority.substr(colon + 1) : parsed.tls ? "443" : "80";
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  parsed.host = host;
  parsed.target = rest.empty() || rest.front() != '/' ? absl::StrCat("/", ToAbsl(rest)) : std::string(rest);
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
      return absl::InvalidArgumentError("a URL has no spaces and no control characters");
  }
  if (parsed.host.empty() || parsed.port.empty() || host.find('@') != std::string_view::npos ||
      parsed.port.find_first_not_of("0123456789") != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("'", ToAbsl(url), "' is no URL of the form http://host:port/path"));
  }
  return parsed;
}

struct HttpClient::State {
  using Plain = beast::tcp_stream;
  using Secure = beast::ssl_stream<beast::tcp_stream>;

  absl::Duration timeout;
  asio::io_context io;
  asio::ssl::context tls{asio::ssl::context::tls_client};
  // At most one of them is connected.
  std::optional<Plain> plain;
  std::optional<Secure> secure;
  std::string peer;
  beast::flat_buffer buffer;

  bool Connected() const { return plain || secure; }
  void Close() {
    plain.reset();
    secure.reset();
    buffer.clear();
  }

  // Runs what has been started until it is done; the stream's timer bounds it.
  void Run() {
    io.restart();
    io.run();
  }
  void ArmTimer() {
    (secure ? secure->next_layer() : *plain).expires_after(std::chrono::nanoseconds(absl::ToInt64Nanoseconds(timeout)));
  }

  absl::Status Failed(const boost::system::error_code& error) {
    Close();
    if (error == beast::error::timeout) {
      return absl::DeadlineExceededError(
          absl::StrCat("no answer from ", peer, " within ", absl::FormatDuration(timeout)));
    }
    return absl::UnavailableError(absl::StrCat("can't reach ", peer, ": ", error.message()));
  }

  absl::Status Connect(const HttpUrl& url) {
    Close();
    boost::system::error_code error;
    asio::ip::tcp::resolver resolver(io);
    const auto endpoints = resolver.resolve(url.host, url.port, error);
    if (error) return Failed(error);
    if (url.tls) {
      tls.set_default_verify_paths(error);
      if (error) return Failed(error);
      secure.emplace(io, tls);
    } else {
      plain.emplace(io);
    }
    beast::tcp_stream& stream = secure ? secure->next_layer() : *plain;
    ArmTimer();
    stream.async_connect(endpoints, [&](boost::system::error_code ec, const asio::ip::tcp::endpoint&) { error = ec; });
    Run();
    if (error) return Failed(error);
    boost::system::error_code ignored;  // an option that makes it faster
    stream.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    return url.tls ? Handshake(url) : absl::OkStatus();
  }

  absl::Status Handshake(const HttpUrl& url) {
    SSL* const ssl = secure->native_handle();
    boost::system::error_code error;
    asio::ip::make_address(url.host, error);
    const bool address = !error;
    // The certificate is checked for the address, or for the name, which the server is told as well (what the macro
    // SSL_set_tlsext_host_name does, by a cast of old style).
    std::string name = url.host;
    const bool set = address
                         ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1
                         : SSL_set1_host(ssl, name.c_str()) == 1 &&
                               SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
    if (!set || SSL_set_min_proto_version(ssl, TLS1_2_VERSION) != 1) {
      Close();
      return absl::InvalidArgumentError(absl::StrCat("'", url.host, "' can't be the name of a TLS server"));
    }
    SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
    error.clear();
    ArmTimer();
    secure->async_handshake(asio::ssl::stream_base::client, [&](boost::system::error_code ec) { error = ec; });
    Run();
    if (!error) return absl::OkStatus();
    const long verdict = SSL_get_verify_result(ssl);
    if (verdict == X509_V_OK) return Failed(error);
    Close();
    return absl::FailedPreconditionError(
        absl::StrCat("the certificate of ", peer, " is not to be trusted: ", X509_verify_cert_error_string(verdict)));
  }

  template <typename Stream>
  boost::system::error_code Exchange(Stream& stream, http::request<http::string_body>& request,
                                     HttpResponse& response) {
    boost::system::error_code error;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kAnswerBytesMax);
    ArmTimer();
    http::async_write(stream, request, [&](boost::system::error_code write_error, size_t) {
      // A server that refuses a body may answer before it has read it all: read the answer in either case.
      http::async_read(stream, buffer, parser, [&, write_error](boost::system::error_code read_error, size_t) {
        error = read_error && write_error ? write_error : read_error;
      });
    });
    Run();
    if (error) return error;
    auto answer = parser.release();
    response.status = static_cast<int>(answer.result_int());
    const auto retry_after = answer[http::field::retry_after];
    response.retry_after.assign(retry_after.data(), retry_after.size());
    response.body = std::move(answer.body());
    if (!answer.keep_alive()) Close();
    return {};
  }

  boost::system::error_code Exchange(http::request<http::string_body>& request, HttpResponse& response) {
    return secure ? Exchange(*secure, request, response) : Exchange(*plain, request, response);
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
  const bool same = state_->peer == peer && state_->secure.has_value() == request.url.tls;
  if (!same) state_->Close();
  state_->peer = peer;
  const bool reused = state_->Connected();
  if (!reused) HS_RETURN_IF_ERROR(state_->Connect(request.url));
  HttpResponse response;
  boost::system::error_code error = state_->Exchange(message, response);
  const bool was_closed = error == http::error::end_of_stream || error == asio::error::connection_reset ||
                          error == asio::error::broken_pipe || error == asio::ssl::error::stream_truncated;
  if (reused && was_closed) {
    HS_RETURN_IF_ERROR(state_->Connect(request.url));
    error = state_->Exchange(message, response);
  }
  if (error) return state_->Failed(error);
  return response;
}

}  // namespace hookstream::cli
