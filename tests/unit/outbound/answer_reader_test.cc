#include "outbound/answer_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/support/read_answer.h"

namespace hookstream::outbound {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kBodyMax = 1'000;

absl::StatusOr<Response> Read(std::string_view text, size_t piece = 1'000'000) {
  return testing::ReadAnswer(text, kBodyMax, piece);
}

std::string Body(std::string_view text) {
  std::string body;
  for (size_t piece : {1'000'000, 1, 2, 3, 5, 7}) {
    const auto response = Read(text, piece);
    EXPECT_TRUE(response.ok()) << response.status() << ", in pieces of " << piece;
    if (!response.ok()) return "";
    EXPECT_TRUE(body.empty() || response->body == body) << "in pieces of " << piece;
    body = response->body;
  }
  return body;
}

absl::Status Error(std::string_view text) {
  const absl::Status whole = Read(text).status();
  EXPECT_EQ(Read(text, 1).status(), whole) << text;
  return whole;
}

TEST(AnswerReaderTest, ReadsABodyOfEachFraming) {
  EXPECT_EQ(Body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "hello");
  EXPECT_EQ(Body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "");
  EXPECT_EQ(Body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more"), "hello");
  EXPECT_EQ(Body("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"), "hello");
  EXPECT_EQ(Body("HTTP/1.1 200 \r\n\r\nuntil the end"), "until the end");
  EXPECT_EQ(Body("HTTP/1.0 200 OK\r\n\r\nold"), "old");
  EXPECT_EQ(Body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), "hello");
  EXPECT_EQ(Body("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
                 "3;a=b\r\nabc\r\n00a ; c=\"d\"\r\ndefghijklm\r\n0;e\r\nTrailer: f\r\n\r\n"),
            "abcdefghijklm");
  EXPECT_EQ(Body("HTTP/1.1 204 No Content\r\n\r\n"), "");
  EXPECT_EQ(Body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 201 Created\r\n"
                 "Content-Length: 2\r\n\r\nok"),
            "ok");
  EXPECT_EQ(Body("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n\r\nok"), "ok");
}

TEST(AnswerReaderTest, SaysTheStatus) {
  EXPECT_EQ(Read("HTTP/1.1 206 Partial\r\nContent-Length: 0\r\n\r\n")->status, 206);
  struct Case {
    int status;
    absl::StatusCode code;
  };
  for (const Case& c : {Case{300, absl::StatusCode::kFailedPrecondition},
                        {301, absl::StatusCode::kFailedPrecondition},
                        {302, absl::StatusCode::kFailedPrecondition},
                        {304, absl::StatusCode::kFailedPrecondition},
                        {307, absl::StatusCode::kFailedPrecondition},
                        {400, absl::StatusCode::kFailedPrecondition},
                        {401, absl::StatusCode::kFailedPrecondition},
                        {404, absl::StatusCode::kNotFound},
                        {408, absl::StatusCode::kUnavailable},
                        {410, absl::StatusCode::kNotFound},
                        {425, absl::StatusCode::kUnavailable},
                        {429, absl::StatusCode::kUnavailable},
                        {500, absl::StatusCode::kUnavailable},
                        {503, absl::StatusCode::kUnavailable},
                        {999, absl::StatusCode::kUnavailable}}) {
    const absl::Status error =
        Error(absl::StrCat("HTTP/1.1 ", c.status, " Text\r\nLocation: https://other.example/s3cret\r\n\r\n"));
    EXPECT_EQ(error.code(), c.code) << c.status;
    EXPECT_THAT(std::string(error.message()), StartsWith(absl::StrCat("answered with status ", c.status)));
    EXPECT_EQ(error.message().find("s3cret"), std::string::npos);
  }
  EXPECT_THAT(std::string(Error("HTTP/1.1 302 Found\r\nLocation: https://a.example/\r\n\r\n").message()),
              HasSubstr("redirects are not followed"));
}

TEST(AnswerReaderTest, RefusesWhatIsNoHttp) {
  for (const std::string_view text :
       {"SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 000 Zero\r\n\r\n",
        "\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\na\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"}) {
    const absl::Status error = Error(text);
    EXPECT_EQ(error.code(), absl::StatusCode::kUnavailable) << text;
    EXPECT_EQ(error.message(), "the answer is not well-formed HTTP/1.1") << text;
  }
  EXPECT_THAT(std::string(Error("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na").message()),
              HasSubstr("compressed"));
}

TEST(AnswerReaderTest, KnowsAnAnswerThatWasCutShort) {
  for (const std::string_view text :
       {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"}) {
    EXPECT_EQ(Error(text), absl::UnavailableError("the answer was cut short")) << text;
  }
}

TEST(AnswerReaderTest, BoundsTheBodyWhicheverWayItsLengthIsSaid) {
  const std::string most(kBodyMax, 'a');
  EXPECT_EQ(Body(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", most)), most);
  EXPECT_EQ(Body(absl::StrCat("HTTP/1.1 200 OK\r\n\r\n", most)), most);
  EXPECT_EQ(Body(absl::StrCat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n", most, "\r\n0\r\n\r\n")),
            most);
  const absl::Status too_large = absl::UnavailableError("the answer is larger than 1000 bytes");
  // Before any of it has come.
  EXPECT_EQ(Error("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"), too_large);
  EXPECT_EQ(Error("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n"), too_large);
  EXPECT_EQ(Error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"), too_large);
  EXPECT_EQ(Error("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), too_large);
  EXPECT_EQ(
      Error(absl::StrCat("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e7\r\n", most.substr(1), "\r\n2\r\n")),
      too_large);
  EXPECT_EQ(Error(absl::StrCat("HTTP/1.1 200 OK\r\n\r\n", most, "a")), too_large);
}

TEST(AnswerReaderTest, BoundsTheHead) {
  const absl::Status too_large = absl::UnavailableError("the answer's head is larger than 16KiB");
  const std::string start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: ";
  const auto head = [&](size_t bytes) { return start + std::string(bytes - start.size() - 4, 'a') + "\r\n\r\n"; };
  EXPECT_EQ(Body(head(16 << 10)), "");
  EXPECT_EQ(Error(head((16 << 10) + 1)), too_large);
  EXPECT_EQ(Error(start + std::string(16 << 10, 'a')), too_large) << "without an end";
  std::string interim;
  while (interim.size() <= 16 << 10) interim += "HTTP/1.1 103 Early Hints\r\n\r\n";
  EXPECT_EQ(Error(interim), too_large);
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string trailers = chunked + "0\r\n";
  while (trailers.size() <= 17 << 10) trailers += "A: b\r\n";
  EXPECT_EQ(Error(trailers), too_large);
  for (const std::string end : {"", "\r\na\r\n0\r\n\r\n"}) {
    EXPECT_EQ(Error(chunked + "1;" + std::string(17 << 10, 'a') + end).message(),
              "the answer is not well-formed HTTP/1.1");
  }
}

TEST(AnswerReaderTest, SaysHowLongAnAnswerMayBeKept) {
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")->max_age, std::nullopt);
  EXPECT_EQ(
      Read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: public, max-age=60\r\nAge: 20\r\n\r\n")->max_age,
      absl::Seconds(40));
  EXPECT_EQ(Read("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: public\r\ncache-control: max-age=9\r\n\r\n")
                ->max_age,
            absl::Seconds(9));
}

TEST(MaxAgeTest, ReadsCacheControl) {
  struct Case {
    const char* cache_control;
    const char* age;
    std::optional<absl::Duration> max_age;
  };
  for (const Case& c : std::vector<Case>{
           {"", "", std::nullopt},
           {"public", "10", std::nullopt},
           {"max-age=0", "", absl::ZeroDuration()},
           {"max-age=3600", "", absl::Hours(1)},
           {"public, max-age=22303, must-revalidate, no-transform", "3", absl::Seconds(22300)},
           {"Max-Age = 5", "", absl::Seconds(5)},
           {"max-age=\"5\"", "", absl::Seconds(5)},
           {"max-age=5", "10", absl::ZeroDuration()},
           {"max-age=5", "x", absl::Seconds(5)},
           {"max-age=5", "-3", absl::Seconds(5)},
           {"max-age=5, max-age=3", "", absl::Seconds(3)},
           {"max-age=5, no-cache", "", absl::ZeroDuration()},
           {"no-store", "", absl::ZeroDuration()},
           {"NO-STORE, max-age=9", "", absl::ZeroDuration()},
           {"s-maxage=5", "", std::nullopt},
           {"max-age", "", std::nullopt},
           {"max-age=", "", std::nullopt},
           {"max-age=-1", "", std::nullopt},
           {"max-age=1.5", "", std::nullopt},
           {"max-age=+5", "", std::nullopt},
           {"max-age=99999999999999999999999", "", absl::Hours(100 * 365 * 24)},
           {"max-age=9223372036854775807", "9223372036854775807", absl::ZeroDuration()},
       }) {
    EXPECT_EQ(MaxAge(c.cache_control, c.age), c.max_age) << c.cache_control;
  }
}

}  // namespace
}  // namespace hookstream::outbound
