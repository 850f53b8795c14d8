#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/common.h"
#include "cli/http_client.h"
#include "cli/json_text.h"
#include "cli/words.h"

namespace hookstream::cli {
namespace {

namespace asio = boost::asio;
using ::testing::HasSubstr;

TEST(HttpUrlTest, TakesApartWhatIsAUrl) {
  const auto plain = ParseHttpUrl("http://relay.example:8080/webhooks/a?x=1#part");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->host, "relay.example");
  EXPECT_EQ(plain->port, "8080");
  EXPECT_EQ(plain->target, "/webhooks/a?x=1");
  EXPECT_EQ(plain->Authority(), "relay.example:8080");
  const auto shortest = ParseHttpUrl("http://a?q");
  ASSERT_TRUE(shortest.ok());
  EXPECT_EQ(shortest->target, "/?q");
  EXPECT_EQ(shortest->Authority(), "a");
  const auto six = ParseHttpUrl("http://[::1]:9/");
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six->host, "::1");
  EXPECT_EQ(six->Authority(), "[::1]:9");
  const auto secure = ParseHttpUrl("https://a/");
  ASSERT_TRUE(secure.ok());
  EXPECT_TRUE(secure->tls);
  EXPECT_EQ(secure->port, "443");
  EXPECT_EQ(secure->Authority(), "a");
  EXPECT_EQ(ParseHttpUrl("https://a:80/")->Authority(), "a:80");
}

TEST(HttpUrlTest, RefusesWhatIsNone) {
  for (const char* url :
       {"", "relay:8080", "http://", "http://:80/", "http://a:b/", "http://u@h/", "http://a/\r\nX: y", "http://a b/"}) {
    EXPECT_EQ(ParseHttpUrl(url).status().code(), absl::StatusCode::kInvalidArgument) << url;
  }
  EXPECT_EQ(ParseHttpUrl("ftp://a/").status().code(), absl::StatusCode::kInvalidArgument);
}

// Answers each connection with the next of `answers`, then closes it.
class OneAnswerServer {
 public:
  explicit OneAnswerServer(std::vector<std::string> answers)
      : acceptor_(io_, {asio::ip::make_address("127.0.0.1"), 0}), thread_([this, answers = std::move(answers)] {
          for (const std::string& answer : answers) {
            asio::ip::tcp::socket socket(io_);
            acceptor_.accept(socket);
            asio::streambuf head;
            boost::system::error_code error;
            asio::read_until(socket, head, "\r\n\r\n", error);
            asio::write(socket, asio::buffer(answer), error);
          }
        }) {}
  ~OneAnswerServer() { thread_.join(); }
  HttpUrl Url() const { return {"127.0.0.1", absl::StrCat(acceptor_.local_endpoint().port()), "/", false}; }

 private:
  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_;
  std::thread thread_;
};

TEST(HttpClientTest, OpensAConnectionAgainThatTheServerHasClosed) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 3\r\n\r\nok";
  OneAnswerServer server({answer, answer});
  HttpClient client(absl::Seconds(10));
  for (int i = 0; i < 2; ++i) {
    const auto response = client.Send({"POST", server.Url(), {{"X-A", "b"}}, ""});
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "ok");
    EXPECT_EQ(response->retry_after, "3");
  }
}

TEST(HttpClientTest, SaysWhenNobodyListensOrTheAnswerIsNone) {
  HttpUrl nobody;
  {
    OneAnswerServer server({"no HTTP at all\r\n\r\n"});
    HttpClient client(absl::Seconds(10));
    EXPECT_EQ(client.Send({"POST", server.Url(), {}, ""}).status().code(), absl::StatusCode::kUnavailable);
    nobody = server.Url();
  }
  HttpClient client(absl::Seconds(10));
  const auto refused = client.Send({"POST", nobody, {}, ""});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(absl::StrCat("127.0.0.1:", nobody.port)));
}

TEST(HttpClientTest, GivesUpWhenNoAnswerComes) {
  asio::io_context io;
  asio::ip::tcp::acceptor silent(io, {asio::ip::make_address("127.0.0.1"), 0});
  HttpClient client(absl::Milliseconds(50));
  const auto response =
      client.Send({"POST", {"127.0.0.1", absl::StrCat(silent.local_endpoint().port()), "/", false}, {}, ""});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kDeadlineExceeded);
}

// A server whose certificate is signed by itself, for the address 127.0.0.1; answers every request of one connection.
class TlsServer {
 public:
  TlsServer() : acceptor_(io_, {asio::ip::make_address("127.0.0.1"), 0}) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
    X509_set_version(certificate.get(), X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_EXTENSION* extension = X509V3_EXT_nconf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_X509(bio.get(), certificate.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    pem_.assign(text, static_cast<size_t>(size));
    SSL_CTX_use_certificate(tls_.native_handle(), certificate.get());
    SSL_CTX_use_PrivateKey(tls_.native_handle(), key.get());
    thread_ = std::thread([this] { Serve(); });
  }
  ~TlsServer() { thread_.join(); }

  const std::string& certificate() const { return pem_; }
  HttpUrl Url(const std::string& host = "127.0.0.1") const {
    return {host, absl::StrCat(acceptor_.local_endpoint().port()), "/", true};
  }

 private:
  void Serve() {
    asio::ssl::stream<asio::ip::tcp::socket> stream(io_, tls_);
    acceptor_.accept(stream.next_layer());
    boost::system::error_code error;
    stream.handshake(asio::ssl::stream_base::server, error);
    asio::streambuf head;
    while (!error) {
      const size_t size = asio::read_until(stream, head, "\r\n\r\n", error);
      if (error) break;
      head.consume(size);
      asio::write(stream, asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")), error);
    }
  }

  asio::io_context io_;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
  asio::ip::tcp::acceptor acceptor_;
  std::string pem_;
  std::thread thread_;
};

// The authorities that OpenSSL trusts in this process.
class TrustedTest : public ::testing::Test {
 protected:
  void Trust(const std::string& pem) {
    std::ofstream(file_) << pem;
    setenv("SSL_CERT_FILE", file_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("SSL_CERT_FILE");
    std::filesystem::remove(file_);
  }

 private:
  const std::string file_ = ::testing::TempDir() + absl::StrCat("hookstream-ca-", getpid(), ".pem");
};

TEST_F(TrustedTest, HttpsIsSpokenWithAServerWhoseCertificateIsTrusted) {
  TlsServer server;
  Trust(server.certificate());
  HttpClient client(absl::Seconds(10));
  for (int i = 0; i < 2; ++i) {
    const auto response = client.Send({"POST", server.Url(), {}, ""});
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->body, "ok");
  }
}

TEST_F(TrustedTest, HttpsRefusesACertificateOfNobodyOrForAnotherHost) {
  {
    TlsServer server;
    Trust("");
    const auto response = HttpClient(absl::Seconds(10)).Send({"POST", server.Url(), {}, ""});
    EXPECT_EQ(response.status().code(), absl::StatusCode::kFailedPrecondition) << response.status();
    EXPECT_THAT(std::string(response.status().message()), HasSubstr("is not to be trusted: self"));
  }
  TlsServer server;
  Trust(server.certificate());
  const auto response = HttpClient(absl::Seconds(10)).Send({"POST", server.Url("localhost"), {}, ""});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kFailedPrecondition) << response.status();
  EXPECT_THAT(std::string(response.status().message()), HasSubstr("hostname mismatch"));
}

TEST_F(TrustedTest, HttpsSaysWhenTheServerSpeaksNoTls) {
  OneAnswerServer server({"HTTP/1.1 400 Bad Request\r\n\r\n"});
  HttpUrl url = server.Url();
  url.tls = true;
  // The plain server waits for a head that a ClientHello never is, until the client gives up.
  EXPECT_FALSE(HttpClient(absl::Milliseconds(100)).Send({"POST", url, {}, ""}).ok());
}

TEST(WordsTest, AreAsPeopleSayThem) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999), "999");
  EXPECT_EQ(CountText(1204), "1,204");
  EXPECT_EQ(CountText(-1234567), "-1,234,567");
  EXPECT_EQ(CountText(-123), "-123");
  EXPECT_EQ(SpanText(absl::Hours(73)), "3 days");
  EXPECT_EQ(SpanText(absl::Minutes(-61)), "1 hour");
  EXPECT_EQ(SpanText(absl::Milliseconds(3)), "less than a second");
  EXPECT_EQ(AgoText(absl::UnixEpoch(), absl::UnixEpoch() + absl::Minutes(2)), "2 minutes ago");
  EXPECT_EQ(AgoText(absl::UnixEpoch() + absl::Minutes(2), absl::UnixEpoch()), "just now");
}

TEST(JsonTextTest, IsValidWhateverTheText) {
  JsonObject object;
  object.Add("text", "a\"\n\x01\xff\xed\xa0\x80é").Add("yes", true).Add("n", 3).Add("x", 0.5).AddJson("o", "{}");
  EXPECT_TRUE(IsJson(object.Text())) << object.Text();
  EXPECT_THAT(object.Text(), HasSubstr("é"));
  EXPECT_FALSE(IsJson("{\"a\": \"\xff\"}"));
  EXPECT_FALSE(IsJson("200 OK"));
}

TEST(CommonTest, ShowsNoControlCharactersOfStrangers) {
  EXPECT_EQ(Printable("a\x1b[31mb\n"), "a?[31mb?");
  EXPECT_EQ(Printable("grün"), "grün");
}

TEST(CommonTest, ReadsTimesAsPeopleWriteThem) {
  EXPECT_EQ(ParseWhen("--since", "2026-12-01T00:00:00Z"), absl::FromUnixSeconds(1796083200));
  const absl::Time before = ParseWhen("--since", "2h");
  EXPECT_LT(absl::Now() - before, absl::Hours(2) + absl::Minutes(1));
  EXPECT_GE(absl::Now() - before, absl::Hours(2));
  EXPECT_THROW(ParseWhen("--since", "yesterday"), Failure);
}

}  // namespace
}  // namespace hookstream::cli
