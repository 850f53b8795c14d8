// A real TLS server on loopback, and an authority that makes its certificates, within the test's process.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace hookstream::outbound {

// PEM of both.
struct Identity {
  std::string certificate;
  std::string key;
};

struct Validity {
  absl::Time from = absl::Now() - absl::Hours(1);
  absl::Time to = absl::Now() + absl::Hours(1);
};

class Authority {
 public:
  explicit Authority(const std::string& name);

  // A certificate for one DNS name, "*.example.test" among them.
  Identity Issue(const std::string& dns_name, Validity validity = {}) const {
    return Issue("leaf", absl::StrCat("DNS:", dns_name), validity);
  }
  // One that has the name where it does not count.
  Identity IssueForCommonName(const std::string& common_name) const { return Issue(common_name, "", {}); }
  std::string CertificatePem() const;

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
  static Key MakeKey();
  Identity Issue(const std::string& common_name, const std::string& alternative_name, Validity validity) const;
  static Certificate MakeCertificate(const std::string& name, EVP_PKEY* key, Validity validity);

  Key key_;
  Certificate certificate_;
};

// One connection, in the server's hands.
class Peer {
 public:
  using Stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;

  explicit Peer(Stream& stream) : stream_(stream) {}

  // Head and body, as far as Content-Length says; less when the client has gone.
  std::string ReadRequest();
  // False: the client has gone.
  bool Send(std::string_view text);
  // Until the client has closed.
  void AwaitEnd();
  // TLS's own end; otherwise the connection is just closed.
  void EndTls();
  std::string ServerName() const;

 private:
  Stream& stream_;
};

class TlsServer {
 public:
  // Called for each connection whose handshake is done, on a thread of its own; the connection ends with it.
  using Handle = std::function<void(Peer&)>;
  using Configure = std::function<void(SSL_CTX*)>;

  TlsServer(const Identity& identity, Handle handle, const Configure& configure = nullptr);
  ~TlsServer();

  uint16_t port() const { return port_; }
  int connections() const;  // that were accepted

 private:
  struct Connection {
    explicit Connection(Peer::Stream the_stream) : stream(std::move(the_stream)) {}
    Peer::Stream stream;
    std::thread thread;
  };

  void Accept();

  const Handle handle_;
  boost::asio::io_context io_;
  boost::asio::ssl::context tls_{boost::asio::ssl::context::tls_server};
  boost::asio::ip::tcp::acceptor acceptor_;
  uint16_t port_;
  std::thread thread_;
  mutable Mutex mutex_;
  std::list<Connection> connections_ HS_GUARDED_BY(mutex_);
};

}  // namespace hookstream::outbound
