#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/common.h"
#include "cli/http_client.h"
#include "cli/json_text.h"

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
}

TEST(HttpUrlTest, RefusesWhatIsNone) {
  for (const char* url :
       {"", "relay:8080", "http://", "http://:80/", "http://a:b/", "http://u@h/", "http://a/\r\nX: y", "http://a b/"}) {
    EXPECT_EQ(ParseHttpUrl(url).status().code(), absl::StatusCode::kInvalidArgument) << url;
  }
  EXPECT_EQ(ParseHttpUrl("https://a/").status().code(), absl::StatusCode::kUnimplemented);
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
  HttpUrl Url() const { return {"127.0.0.1", absl::StrCat(acceptor_.local_endpoint().port()), "/"}; }

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
  const auto response = client.Send({"POST", {"127.0.0.1", absl::StrCat(silent.local_endpoint().port()), "/"}, {}, ""});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kDeadlineExceeded);
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
