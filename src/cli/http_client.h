// A small HTTP/1.1 client over one kept-alive connection, for `send` and `listen --forward`.
//
// With https:// the server's certificate has to be valid for the URL's host, by the authorities that the system trusts
// (SSL_CERT_FILE and SSL_CERT_DIR name others); TLS 1.2 or later.
// Not thread-safe. Limits: a time for connecting, for the TLS handshake and for each request, 1 MiB of answer.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace hookstream::cli {

struct HttpUrl {
  std::string host;
  std::string port;
  std::string target;  // path and query, at least "/"
  bool tls = false;    // https

  // As the Host header has it.
  std::string Authority() const;
};

// INVALID_ARGUMENT: no http:// or https:// URL.
absl::StatusOr<HttpUrl> ParseHttpUrl(std::string_view url);

struct HttpRequest {
  std::string method = "POST";
  HttpUrl url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct HttpResponse {
  int status = 0;
  std::string retry_after;
  std::string body;
};

class HttpClient {
 public:
  explicit HttpClient(absl::Duration timeout);
  ~HttpClient();

  // UNAVAILABLE: no connection, or it broke. FAILED_PRECONDITION: a certificate that is not to be trusted.
  // DEADLINE_EXCEEDED. A kept connection that the server has closed meanwhile
  // is opened again, once.
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace hookstream::cli
