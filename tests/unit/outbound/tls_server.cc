#include "tests/unit/outbound/tls_server.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>

namespace hookstream::outbound {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// What the tests stand on.
void Require(bool holds) {
  if (!holds) std::abort();
}

template <typename Write>
std::string Pem(const Write& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), &BIO_free);
  Require(write(bio.get()) == 1);
  std::string text(BIO_ctrl_pending(bio.get()), '\0');
  Require(BIO_read(bio.get(), text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size()));
  return text;
}

void AddExtension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

}  // namespace

Authority::Key Authority::MakeKey() {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free);
  Require(key != nullptr);
  return key;
}

Authority::Certificate Authority::MakeCertificate(const std::string& name, EVP_PKEY* key, Validity validity) {
  static std::atomic<int64_t> serial{1};
  Certificate certificate(X509_new(), &X509_free);
  X509* const x509 = certificate.get();
  Require(X509_set_version(x509, X509_VERSION_3) == 1);
  Require(ASN1_INTEGER_set_int64(X509_get_serialNumber(x509), serial++) == 1);
  Require(ASN1_TIME_set(X509_getm_notBefore(x509), absl::ToTimeT(validity.from)) != nullptr);
  Require(ASN1_TIME_set(X509_getm_notAfter(x509), absl::ToTimeT(validity.to)) != nullptr);
  Require(X509_set_pubkey(x509, key) == 1);
  Require(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0) == 1);
  return certificate;
}

Authority::Authority(const std::string& name) : key_(MakeKey()), certificate_(MakeCertificate(name, key_.get(), {})) {
  X509* const x509 = certificate_.get();
  Require(X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1);
  AddExtension(x509, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(x509, NID_key_usage, "critical,keyCertSign");
  Require(X509_sign(x509, key_.get(), EVP_sha256()) > 0);
}

Identity Authority::Issue(const std::string& common_name, const std::string& alternative_name,
                          Validity validity) const {
  const Key key = MakeKey();
  const Certificate certificate = MakeCertificate(common_name, key.get(), validity);
  X509* const x509 = certificate.get();
  Require(X509_set_issuer_name(x509, X509_get_subject_name(certificate_.get())) == 1);
  if (!alternative_name.empty()) AddExtension(x509, NID_subject_alt_name, alternative_name);
  AddExtension(x509, NID_ext_key_usage, "serverAuth");
  Require(X509_sign(x509, key_.get(), EVP_sha256()) > 0);
  return {Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, x509); }), Pem([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

std::string Authority::CertificatePem() const {
  return Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate_.get()); });
}

std::string Peer::ReadRequest() {
  std::string request;
  std::array<char, 4096> piece;
  for (;;) {
    if (const size_t head = request.find("\r\n\r\n"); head != std::string::npos) {
      static constexpr std::string_view kLength = "Content-Length: ";
      const size_t at = request.find(kLength);
      const size_t body = at < head ? std::strtoul(request.c_str() + at + kLength.size(), nullptr, 10) : 0;
      if (request.size() >= head + 4 + body) return request;
    }
    error_code ec;
    request.append(piece.data(), stream_.read_some(asio::buffer(piece), ec));
    if (ec) return request;
  }
}

bool Peer::Send(std::string_view text) {
  error_code ec;
  asio::write(stream_, asio::buffer(text.data(), text.size()), ec);
  return !ec;
}

void Peer::AwaitEnd() {
  std::array<char, 4096> piece;
  error_code ec;
  while (!ec) stream_.read_some(asio::buffer(piece), ec);
}

void Peer::EndTls() {
  error_code ec;
  stream_.shutdown(ec);
}

std::string Peer::ServerName() const {
  const char* const name = SSL_get_servername(const_cast<Stream&>(stream_).native_handle(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

TlsServer::TlsServer(const Identity& identity, Handle handle, const Configure& configure)
    : handle_(std::move(handle)),
      acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
      port_(acceptor_.local_endpoint().port()) {
  tls_.use_certificate_chain(asio::buffer(identity.certificate));
  tls_.use_private_key(asio::buffer(identity.key), asio::ssl::context::pem);
  if (configure) configure(tls_.native_handle());
  Accept();
  thread_ = std::thread([this] { io_.run(); });
}

TlsServer::~TlsServer() {
  io_.stop();
  thread_.join();
  MutexLock lock(mutex_);
  for (Connection& connection : connections_) {
    // Wakes what blocks on it.
    ::shutdown(connection.stream.next_layer().native_handle(), SHUT_RDWR);
    connection.thread.join();
  }
}

int TlsServer::connections() const {
  MutexLock lock(mutex_);
  return static_cast<int>(connections_.size());
}

void TlsServer::Accept() {
  acceptor_.async_accept([this](const error_code& ec, tcp::socket socket) {
    if (ec) return;
    {
      MutexLock lock(mutex_);
      Connection& connection = connections_.emplace_back(Peer::Stream(std::move(socket), tls_));
      connection.thread = std::thread([this, &stream = connection.stream] {
        error_code failed;
        stream.handshake(asio::ssl::stream_base::server, failed);
        if (!failed) {
          Peer peer(stream);
          handle_(peer);
        }
        // Not closed: the descriptor stays this one's until the server ends.
        stream.next_layer().shutdown(tcp::socket::shutdown_both, failed);
      });
    }
    Accept();
  });
}

}  // namespace hookstream::outbound
