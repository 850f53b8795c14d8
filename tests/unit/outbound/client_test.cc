#include "outbound/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "tests/unit/outbound/tls_server.h"

namespace hookstream::outbound {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kHost[] = "hooks.example.test";
constexpr char kUrl[] = "https://hooks.example.test/a?token=s3cret";

using Result = absl::StatusOr<Response>;

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// Answers every request with the same bytes, then TLS's end.
TlsServer::Handle Answer(std::string text) {
  return [text = std::move(text)](Peer& peer) {
    peer.ReadRequest();
    if (peer.Send(text)) peer.EndTls();
  };
}

std::string Ok(std::string_view body) {
  return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n",
                      absl::string_view(body.data(), body.size()));
}

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    std::filesystem::create_directories(folder_);
    options_.ca_file = (folder_ / "ca.pem").string();
    std::ofstream(options_.ca_file) << authority_.CertificatePem();
    options_.timeout = absl::Seconds(30);  // where time is not what is tested
    options_.response_bytes_max = 10'000;
    options_.user_agent = "hookstream/test";
  }
  ~ClientTest() override {
    client_.reset();
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  void StartServer(TlsServer::Handle handle, const TlsServer::Configure& configure = nullptr) {
    StartServer(authority_.Issue(kHost), std::move(handle), configure);
  }
  void StartServer(const Identity& identity, TlsServer::Handle handle,
                   const TlsServer::Configure& configure = nullptr) {
    server_.emplace(identity, std::move(handle), configure);
    ConnectTo(server_->port());
  }
  void ConnectTo(uint16_t port) { options_.resolve.push_back({kHost, {*ParseIpAddress("127.0.0.1"), port}}); }
  void StartClient(Lookup lookup = [](const std::string&) -> absl::StatusOr<std::vector<IpAddress>> {
    return absl::InternalError("no name is looked up in this test");
  }) {
    client_.emplace(options_, registry_, std::move(lookup));
    ASSERT_TRUE(client_->Start().ok());
  }

  std::future<Result> Begin(Request request) {
    std::promise<Result> promise;
    std::future<Result> future = promise.get_future();
    client_->Fetch(std::move(request),
                   [promise = std::move(promise)](Result result) mutable { promise.set_value(std::move(result)); });
    return future;
  }
  std::future<Result> Begin(const std::string& url = kUrl) { return Begin(Request{.url = url}); }
  Result Fetch(const std::string& url = kUrl) {
    if (!client_) StartClient();
    return Begin(url).get();
  }

  int64_t Ended(std::string_view outcome) {
    const std::string text = registry_.Expose();
    const std::string line = absl::StrCat("\nhookstream_outbound_requests_total{outcome=\"",
                                          absl::string_view(outcome.data(), outcome.size()), "\"} ");
    const size_t at = text.find(line);
    EXPECT_NE(at, std::string::npos) << outcome;
    return at == std::string::npos ? -1 : std::atoll(text.c_str() + at + line.size());
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / absl::StrCat("hookstream-outbound-", ::getpid());
  const Authority authority_{"Trusted"};
  metrics::Registry registry_;
  Options options_;
  std::optional<TlsServer> server_;
  std::optional<Client> client_;
};

TEST_F(ClientTest, FetchesByTlsWithTheHostsName) {
  std::string request, server_name;
  StartServer([&](Peer& peer) {
    server_name = peer.ServerName();
    request = peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nCache-Control: max-age=60\r\n\r\nhello");
    peer.AwaitEnd();
  });
  const Result response = Fetch("https://HOOKS.example.test/a?token=s3cret");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->max_age, absl::Minutes(1));
  server_.reset();
  EXPECT_EQ(server_name, kHost);
  EXPECT_EQ(request,
            "GET /a?token=s3cret HTTP/1.1\r\nHost: hooks.example.test\r\nUser-Agent: hookstream/test\r\n"
            "Accept-Encoding: identity\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(Ended("ok"), 1);
  EXPECT_THAT(registry_.Expose(), AllOf(HasSubstr("hookstream_outbound_request_seconds_count 1"),
                                        HasSubstr("hookstream_outbound_requests 0\n"),
                                        HasSubstr("hookstream_outbound_requests_max 272\n")));
}

TEST_F(ClientTest, Posts) {
  std::string request;
  StartServer([&](Peer& peer) {
    request = peer.ReadRequest();
    peer.Send(Ok("{}"));
  });
  StartClient();
  const Result response = Begin({.method = Method::kPost,
                                 .url = "https://hooks.example.test/keys/get",
                                 .headers = {{"Plaid-Version", "2020-09-14"}},
                                 .content_type = "application/json",
                                 .body = "{\"key_id\":\"k\"}"})
                              .get();
  ASSERT_TRUE(response.ok()) << response.status();
  server_.reset();
  EXPECT_THAT(request, AllOf(StartsWith("POST /keys/get HTTP/1.1\r\n"), HasSubstr("\r\nPlaid-Version: 2020-09-14\r\n"),
                             HasSubstr("\r\nContent-Length: 14\r\n\r\n{\"key_id\":\"k\"}")));
}

TEST_F(ClientTest, TakesAChunkedAnswerAndOneUntilTheEndOfTls) {
  std::atomic<int> connection = 0;
  StartServer([&](Peer& peer) {
    peer.ReadRequest();
    if (connection++ == 0) {
      peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
      peer.Send("lo\r\n0\r\n\r\n");
    } else {
      peer.Send("HTTP/1.1 200 OK\r\n\r\nhello");
      peer.EndTls();
    }
  });
  for (int i = 0; i < 2; ++i) {
    const Result response = Fetch();
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->body, "hello");
  }
}

// --- whom it speaks to ---

TEST_F(ClientTest, RefusesACertificateOfAnotherName) {
  StartServer(authority_.Issue("other.example.test"), Answer(Ok("")));
  const Result response = Fetch();
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Text(response.status()), AllOf(StartsWith("hooks.example.test: its certificate is not accepted: "),
                                             HasSubstr("ostname mismatch")));
  EXPECT_EQ(Ended("tls"), 1);
}

TEST_F(ClientTest, RefusesANameThatIsNoAlternativeName) {
  StartServer(authority_.IssueForCommonName(kHost), Answer(Ok("")));
  EXPECT_THAT(Text(Fetch().status()), HasSubstr("ostname mismatch"));
}

TEST_F(ClientTest, TakesAWildcardOfOneLabelOnly) {
  StartServer(authority_.Issue("*.example.test"), Answer(Ok("")));
  options_.resolve.push_back({"a.hooks.example.test", {*ParseIpAddress("127.0.0.1"), server_->port()}});
  EXPECT_TRUE(Fetch().ok());
  EXPECT_THAT(Text(Fetch("https://a.hooks.example.test/").status()), HasSubstr("ostname mismatch"));
}

TEST_F(ClientTest, RefusesACertificateOfAnUnknownAuthority) {
  StartServer(Authority("Other").Issue(kHost), Answer(Ok("")));
  const Result response = Fetch();
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Text(response.status()), AllOf(HasSubstr("its certificate is not accepted: "), HasSubstr("issuer")));
  EXPECT_EQ(Ended("tls"), 1);
}

// The system's authorities know nothing of the test's.
TEST_F(ClientTest, TrustsTheSystemsAuthoritiesWhenNoneAreNamed) {
  StartServer(Answer(Ok("")));
  options_.ca_file.clear();
  EXPECT_THAT(Text(Fetch().status()), HasSubstr("its certificate is not accepted: "));
}

TEST_F(ClientTest, RefusesACertificateOutsideOfItsTime) {
  const absl::Time now = absl::Now();
  StartServer(authority_.Issue(kHost, {now - absl::Hours(2), now - absl::Hours(1)}), Answer(Ok("")));
  EXPECT_THAT(Text(Fetch().status()), HasSubstr("certificate has expired"));
  client_.reset();
  options_.resolve.clear();
  server_.reset();
  StartServer(authority_.Issue(kHost, {now + absl::Hours(1), now + absl::Hours(2)}), Answer(Ok("")));
  EXPECT_THAT(Text(Fetch().status()), HasSubstr("certificate is not yet valid"));
}

TEST_F(ClientTest, SpeaksNoTlsBelow12) {
  StartServer(Answer(Ok("")), [](SSL_CTX* tls) {
    SSL_CTX_set_security_level(tls, 0);
    SSL_CTX_set_min_proto_version(tls, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(tls, TLS1_1_VERSION);
  });
  const Result response = Fetch();
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Text(response.status()), HasSubstr("no TLS connection"));
  EXPECT_EQ(Ended("tls"), 1);
}

TEST_F(ClientTest, SpeaksTls12) {
  StartServer(Answer(Ok("")), [](SSL_CTX* tls) { SSL_CTX_set_max_proto_version(tls, TLS1_2_VERSION); });
  EXPECT_TRUE(Fetch().ok());
}

TEST_F(ClientTest, RefusesANameOfWhichOneAddressIsNotPublic) {
  StartServer(Answer(Ok("")));
  options_.resolve.clear();
  std::vector<IpAddress> addresses;
  StartClient([&](const std::string& host) {
    EXPECT_EQ(host, kHost);
    return addresses;
  });
  int refused = 0;
  for (const std::vector<const char*>& texts :
       std::vector<std::vector<const char*>>{{"127.0.0.1"},
                                             {"8.8.8.8", "10.0.0.1"},
                                             {"::1"},
                                             {"169.254.169.254"},
                                             {"2606:4700:4700::1111", "8.8.8.8", "::ffff:127.0.0.1"}}) {
    addresses.clear();
    for (const char* text : texts) addresses.push_back(*ParseIpAddress(text));
    EXPECT_EQ(Fetch().status(),
              absl::PermissionDeniedError("hooks.example.test: the name has an address that is not public"));
    EXPECT_EQ(Ended("refused_address"), ++refused);
  }
  EXPECT_EQ(server_->connections(), 0);
}

TEST_F(ClientTest, SaysThatANameHasNoAddress) {
  absl::StatusOr<std::vector<IpAddress>> addresses = absl::UnavailableError("the lookup failed: nobody answers");
  StartClient([&](const std::string&) { return addresses; });
  EXPECT_EQ(Fetch().status(), absl::UnavailableError("hooks.example.test: the lookup failed: nobody answers"));
  addresses = std::vector<IpAddress>();
  EXPECT_EQ(Fetch().status(), absl::UnavailableError("hooks.example.test: the name has no address"));
  EXPECT_EQ(Ended("lookup"), 2);
}

TEST_F(ClientTest, RefusesUrlsAndRequestsAtOnce) {
  StartClient();
  for (const char* url :
       {"http://hooks.example.test/?s3cret", "https://127.0.0.1/s3cret", "https://[::1]/", "https://localhost/",
        "https://hooks.example.test:8443/", "https://s3cret@hooks.example.test"}) {
    std::future<Result> response = Begin(url);
    ASSERT_EQ(response.wait_for(std::chrono::seconds(0)), std::future_status::ready) << url;
    const absl::Status status = response.get().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << url;
    EXPECT_THAT(Text(status), Not(HasSubstr("s3cret")));
  }
  EXPECT_EQ(Begin({.url = kUrl, .headers = {{"Host", "other"}}}).get().status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Ended("bad_request"), 7);
}

// --- answers that are not taken ---

TEST_F(ClientTest, FollowsNoRedirect) {
  StartServer(
      Answer("HTTP/1.1 302 Found\r\nLocation: https://hooks.example.test/b?s3cret\r\nContent-Length: 0\r\n\r\n"));
  const Result response = Fetch();
  EXPECT_EQ(response.status(),
            absl::FailedPreconditionError("hooks.example.test: answered with status 302; redirects are not followed"));
  EXPECT_EQ(server_->connections(), 1);
  EXPECT_EQ(Ended("bad_status"), 1);
}

TEST_F(ClientTest, AnErrorNamesTheStatusAndNothingElse) {
  StartServer(Answer("HTTP/1.1 503 Secret s3cret\r\nX: s3cret\r\nContent-Length: 6\r\n\r\ns3cret"));
  EXPECT_EQ(Fetch().status(), absl::UnavailableError("hooks.example.test: answered with status 503"));
  EXPECT_EQ(Ended("bad_status"), 1);
}

TEST_F(ClientTest, RefusesAnAnswerThatIsTooLarge) {
  std::atomic<int> connection = 0;
  StartServer([&](Peer& peer) {
    peer.ReadRequest();
    // Neither ends: the client has to.
    if (connection++ == 0) {
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n");
    } else {
      peer.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      while (peer.Send(absl::StrCat("100\r\n", std::string(256, 'a'), "\r\n"))) continue;
    }
    peer.AwaitEnd();
  });
  for (int i = 1; i <= 2; ++i) {
    EXPECT_EQ(Fetch().status(), absl::UnavailableError("hooks.example.test: the answer is larger than 10000 bytes"));
    EXPECT_EQ(Ended("bad_answer"), i);
  }
}

TEST_F(ClientTest, TakesAnAnswerOfExactlyTheLimit) {
  const std::string body(10'000, 'a');
  StartServer(Answer(Ok(body)));
  const Result response = Fetch();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, body);
}

TEST_F(ClientTest, RefusesAnAnswerThatIsCut) {
  std::vector<std::string> answers = {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                                      // Without a length only the end of TLS says that it was whole.
                                      "HTTP/1.1 200 OK\r\n\r\nhell"};
  std::atomic<size_t> connection = 0;
  StartServer([&](Peer& peer) {
    peer.ReadRequest();
    peer.Send(answers[connection++]);
  });
  for (size_t i = 0; i < answers.size(); ++i) {
    const Result response = Fetch();
    EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable) << answers[i];
    EXPECT_THAT(Text(response.status()), StartsWith("hooks.example.test: the answer was cut: "));
  }
  EXPECT_EQ(Ended("bad_answer"), 4);
}

TEST_F(ClientTest, RefusesAnAnswerThatTlsEndsTooEarly) {
  StartServer(Answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"));
  EXPECT_EQ(Fetch().status(), absl::UnavailableError("hooks.example.test: the answer was cut short"));
}

// --- time ---

class ClientTimeTest : public ClientTest {
 protected:
  ClientTimeTest() { options_.timeout = absl::Milliseconds(200); }

  void ExpectTimeout() {
    EXPECT_EQ(Fetch().status(), absl::DeadlineExceededError("hooks.example.test: no whole answer within 200ms"));
    EXPECT_EQ(Ended("timeout"), 1);
  }
};

TEST_F(ClientTimeTest, GivesUpOnASlowHead) {
  StartServer([](Peer& peer) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-");
    peer.AwaitEnd();
  });
  ExpectTimeout();
}

// One time for all: bytes that keep coming do not lengthen it.
TEST_F(ClientTimeTest, GivesUpOnASlowBody) {
  options_.response_bytes_max = int64_t{1} << 40;
  StartServer([](Peer& peer) {
    peer.ReadRequest();
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    while (peer.Send("a")) continue;
  });
  ExpectTimeout();
}

TEST_F(ClientTimeTest, GivesUpOnAServerThatSpeaksNoTls) {
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  ConnectTo(acceptor.local_endpoint().port());
  ExpectTimeout();
}

TEST_F(ClientTimeTest, GivesUpOnALookup) {
  // Shared with the thread of the lookup, which ends after the client.
  const auto let_go = std::make_shared<std::latch>(1);
  StartClient([let_go](const std::string&) -> absl::StatusOr<std::vector<IpAddress>> {
    let_go->wait();
    return std::vector<IpAddress>{*ParseIpAddress("127.0.0.1")};
  });
  ExpectTimeout();
  client_.reset();
  let_go->count_down();
}

TEST_F(ClientTimeTest, CountsTheWaitForATurn) {
  options_.requests_max = 1;
  StartServer([](Peer& peer) { peer.AwaitEnd(); });
  StartClient();
  std::vector<std::future<Result>> responses;
  for (int i = 0; i < 5; ++i) responses.push_back(Begin());
  for (auto& response : responses) EXPECT_EQ(response.get().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_LE(server_->connections(), 2) << "those that waited had no time left for more";
}

// --- connections ---

uint16_t ClosedPort() {
  boost::asio::io_context io;
  return boost::asio::ip::tcp::acceptor(io, {boost::asio::ip::address_v4::loopback(), 0}).local_endpoint().port();
}

TEST_F(ClientTest, SaysThatThereIsNoConnection) {
  ConnectTo(ClosedPort());
  const Result response = Fetch();
  EXPECT_EQ(response.status(), absl::UnavailableError("hooks.example.test: no connection: Connection refused"));
  EXPECT_EQ(Ended("connect"), 1);
}

TEST_F(ClientTest, TriesTheNextAddressWhenOneRefuses) {
  ConnectTo(ClosedPort());
  StartServer(Answer(Ok("hello")));
  const Result response = Fetch();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "hello");
}

TEST_F(ClientTest, TriesTheNextAddressWhenOneDoesNotAnswer) {
  namespace asio = boost::asio;
  // A listener whose queue is full takes part in no handshake.
  asio::io_context io;
  asio::ip::tcp::acceptor full(io);
  full.open(asio::ip::tcp::v4());
  full.bind({asio::ip::address_v4::loopback(), 0});
  full.listen(0);
  std::vector<asio::ip::tcp::socket> queue;
  for (int i = 0; i < 2; ++i) {
    asio::ip::tcp::socket& socket = queue.emplace_back(io, asio::ip::tcp::v4());
    socket.non_blocking(true);
    const asio::ip::tcp::endpoint endpoint = full.local_endpoint();
    ::connect(socket.native_handle(), endpoint.data(), static_cast<socklen_t>(endpoint.size()));
  }
  ConnectTo(full.local_endpoint().port());
  options_.timeout = absl::Seconds(2);
  StartServer(Answer(Ok("hello")));
  const Result response = Fetch();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "hello");
}

TEST_F(ClientTest, AResolveEntryIsForItsHostOnly) {
  StartServer(Answer(Ok("")));
  StartClient([](const std::string& host) -> absl::StatusOr<std::vector<IpAddress>> {
    EXPECT_EQ(host, "other.example.test");
    return std::vector<IpAddress>{*ParseIpAddress("127.0.0.1")};
  });
  EXPECT_TRUE(Fetch().ok());
  EXPECT_EQ(Fetch("https://other.example.test/").status().code(), absl::StatusCode::kPermissionDenied);
}

// --- bounds ---

TEST_F(ClientTest, HasAsManyRequestsUnderWayAsAreAllowedAndTheOthersWait) {
  options_.requests_max = 3;
  options_.waiting_max = 5;
  Mutex mutex;
  CondVar changed;
  int open = 0, most = 0;
  bool go = false;
  StartServer([&](Peer& peer) {
    peer.ReadRequest();
    {
      MutexLock lock(mutex);
      most = std::max(most, ++open);
      changed.NotifyAll();
      while (!go) changed.Wait(mutex);
      --open;
    }
    peer.Send(Ok(""));
  });
  StartClient();
  std::vector<std::future<Result>> responses;
  for (int i = 0; i < 8; ++i) responses.push_back(Begin());
  {
    MutexLock lock(mutex);
    while (open < 3) changed.Wait(mutex);
  }
  EXPECT_THAT(registry_.Expose(),
              AllOf(HasSubstr("hookstream_outbound_requests 8\n"), HasSubstr("hookstream_outbound_requests_max 8\n")));
  std::future<Result> ninth = Begin();
  ASSERT_EQ(ninth.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(ninth.get().status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Ended("overloaded"), 1);
  {
    MutexLock lock(mutex);
    go = true;
    changed.NotifyAll();
  }
  for (auto& response : responses) EXPECT_TRUE(response.get().ok());
  EXPECT_TRUE(Begin().get().ok()) << "there is room again";
  server_.reset();
  EXPECT_EQ(most, 3);
  EXPECT_EQ(Ended("ok"), 9);
}

TEST_F(ClientTest, AnAnswerMayLeadToTheNextRequest) {
  StartServer(Answer(Ok("hello")));
  StartClient();
  std::promise<Result> promise;
  client_->Fetch({.url = kUrl}, [&](Result first) {
    EXPECT_TRUE(first.ok());
    client_->Fetch({.url = kUrl}, [&](Result second) { promise.set_value(std::move(second)); });
  });
  EXPECT_TRUE(promise.get_future().get().ok());
}

TEST_F(ClientTest, TakesRequestsFromManyThreads) {
  options_.requests_max = 8;
  StartServer(Answer(Ok("hello")));
  StartClient();
  std::atomic<int> ok = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      std::vector<std::future<Result>> responses;
      for (int j = 0; j < 25; ++j) responses.push_back(Begin());
      for (auto& response : responses) ok += response.get().ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ok, 100);
}

// --- lifecycle ---

TEST_F(ClientTest, AStopCancelsWhatIsUnderWayAndWhatWaits) {
  options_.requests_max = 2;
  std::latch connected(2);
  StartServer([&](Peer& peer) {
    peer.ReadRequest();
    connected.count_down();
    peer.AwaitEnd();
  });
  StartClient();
  std::vector<std::future<Result>> responses;
  for (int i = 0; i < 6; ++i) responses.push_back(Begin());
  connected.wait();
  client_->Stop();
  for (auto& response : responses) {
    ASSERT_EQ(response.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    EXPECT_EQ(response.get().status().code(), absl::StatusCode::kCancelled);
  }
  EXPECT_EQ(server_->connections(), 2);
  EXPECT_EQ(Ended("cancelled"), 6);
  EXPECT_EQ(Begin().get().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientTest, AStopWaitsForNoLookup) {
  const auto begun = std::make_shared<std::latch>(1);
  const auto let_go = std::make_shared<std::latch>(1);
  StartClient([begun, let_go](const std::string&) -> absl::StatusOr<std::vector<IpAddress>> {
    begun->count_down();
    let_go->wait();
    return std::vector<IpAddress>{*ParseIpAddress("8.8.8.8")};
  });
  std::future<Result> response = Begin();
  begun->wait();
  client_.reset();
  EXPECT_EQ(response.get().status().code(), absl::StatusCode::kCancelled);
  let_go->count_down();
}

TEST_F(ClientTest, SaysCancelledBeforeItIsStarted) {
  client_.emplace(options_, registry_);
  EXPECT_EQ(Begin().get().status().code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientTest, DoesNotStartWithAFileThatHasNoCertificate) {
  EXPECT_TRUE(CheckCaFile(options_.ca_file).ok());
  EXPECT_TRUE(CheckCaFile("").ok()) << "the system's";
  const std::string text = (folder_ / "text").string();
  std::ofstream(text) << "no certificate\n";
  for (const std::string& path : {text, (folder_ / "gone").string(), folder_.string()}) {
    EXPECT_EQ(CheckCaFile(path).code(), absl::StatusCode::kInvalidArgument) << path;
    options_.ca_file = path;
    Client client(options_, registry_);
    EXPECT_EQ(client.Start().code(), absl::StatusCode::kInvalidArgument) << path;
  }
}

}  // namespace
}  // namespace hookstream::outbound
