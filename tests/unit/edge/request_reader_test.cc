#include "edge/request_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "edge/body_budget.h"

namespace hookstream::edge {
namespace {

using Step = RequestReader::Step;

struct Read {
  std::string method;
  std::string target;
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool keep_alive = false;
};

struct Result {
  std::vector<Read> requests;
  int error_status = 0;  // 0: none
};

// Feeds `bytes` in pieces of at most `piece` bytes.
Result ReadAll(std::string_view bytes, size_t piece, ReadLimits limits = {}, uint64_t body_max = 1 << 20) {
  RequestReader reader(limits);
  Result result;
  for (;;) {
    switch (reader.Next()) {
      case Step::kMore: {
        if (bytes.empty()) return result;
        const auto space = reader.Space();
        EXPECT_FALSE(space.empty());
        const size_t n = std::min({piece, bytes.size(), space.size()});
        std::memcpy(space.data(), bytes.data(), n);
        bytes.remove_prefix(n);
        reader.Filled(n);
        break;
      }
      case Step::kHead: reader.ReadBody(body_max); break;
      case Step::kDone: {
        Read& read = result.requests.emplace_back();
        read.method = reader.head().method;
        read.target = reader.head().target;
        read.path = reader.head().path;
        for (const Header& header : reader.head().headers) read.headers.emplace_back(header.name, header.value);
        read.keep_alive = reader.KeepAlive();
        read.body = reader.TakeBody();
        reader.NextRequest();
        break;
      }
      case Step::kError: result.error_status = reader.error().status; return result;
    }
  }
}

class RequestReaderInPieces : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Pieces, RequestReaderInPieces, ::testing::Values(1, 2, 3, 7, 64, 100'000));

TEST_P(RequestReaderInPieces, ReadsARequestWithALength) {
  const Result result =
      ReadAll("POST /webhooks/a?x=1 HTTP/1.1\r\nHost: h\r\nX-One:  two \r\nContent-Length: 5\r\n\r\nhello", GetParam());
  ASSERT_EQ(result.requests.size(), 1u);
  const Read& read = result.requests[0];
  EXPECT_EQ(read.method, "POST");
  EXPECT_EQ(read.target, "/webhooks/a?x=1");
  EXPECT_EQ(read.path, "/webhooks/a");
  EXPECT_EQ(read.body, "hello");
  EXPECT_TRUE(read.keep_alive);
  ASSERT_EQ(read.headers.size(), 3u);
  EXPECT_EQ(read.headers[1], (std::pair<std::string, std::string>("X-One", "two")));
}

TEST_P(RequestReaderInPieces, ReadsPipelinedRequestsInTheirOrder) {
  const Result result = ReadAll(
      "POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
      "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
      "\r\nPOST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nth\r\n3;x=y\r\nree\r\n0\r\nTrailer: "
      "x\r\n\r\n"
      "POST /4 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
      GetParam());
  ASSERT_EQ(result.requests.size(), 4u);
  EXPECT_EQ(result.requests[0].body, "one");
  EXPECT_EQ(result.requests[1].body, "");
  EXPECT_EQ(result.requests[2].body, "three");
  EXPECT_EQ(result.requests[2].headers.size(), 2u) << "a trailer is no header";
  EXPECT_EQ(result.requests[3].target, "/4");
  EXPECT_FALSE(result.requests[3].keep_alive);
}

TEST_P(RequestReaderInPieces, TakesABodyOfExactlyTheLimit) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(ReadAll(head + "Content-Length: 10\r\n\r\n0123456789", GetParam(), {}, 10).requests.size(), 1u);
  EXPECT_EQ(ReadAll(head + "Content-Length: 11\r\n\r\n", GetParam(), {}, 10).error_status, 413);
  EXPECT_EQ(
      ReadAll(head + "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", GetParam(), {}, 10)
          .requests.size(),
      1u);
  EXPECT_EQ(
      ReadAll(head + "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n", GetParam(), {}, 10)
          .error_status,
      413);
  EXPECT_EQ(ReadAll(head + "Content-Length: 0\r\n\r\n", GetParam(), {}, 0).requests.size(), 1u);
}

TEST_P(RequestReaderInPieces, BoundsTheHead) {
  const ReadLimits limits{.head_bytes_max = 256, .head_lines_max = 4};
  const std::string start = "GET / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(ReadAll(start + "A: " + std::string(150, 'a') + "\r\n\r\n", GetParam(), limits).requests.size(), 1u);
  EXPECT_EQ(ReadAll(start + "A: " + std::string(300, 'a') + "\r\n\r\n", GetParam(), limits).error_status, 431);
  // Lines that fit one by one, and not together.
  const std::string line = "A: " + std::string(100, 'a') + "\r\n";
  EXPECT_EQ(ReadAll(start + line + line + line + "\r\n", GetParam(), limits).error_status, 431);
  EXPECT_EQ(ReadAll(start + "a: 1\r\nb: 1\r\nc: 1\r\n\r\n", GetParam(), limits).requests.size(), 1u);
  EXPECT_EQ(ReadAll(start + "a: 1\r\nb: 1\r\nc: 1\r\nd: 1\r\n\r\n", GetParam(), limits).error_status, 431);
  EXPECT_EQ(ReadAll("GET /" + std::string(300, 'a') + " HTTP/1.1\r\n", GetParam(), limits).error_status, 431);
}

TEST_P(RequestReaderInPieces, TakesAHeadOfExactlyTheLimit) {
  for (const bool long_target : {false, true}) {
    const auto head = [&](size_t bytes) {
      const std::string rest = "GET / HTTP/1.1\r\nHost: h\r\nA: \r\n\r\n";
      const std::string filler(bytes - rest.size(), 'a');
      return long_target ? "GET /" + filler + " HTTP/1.1\r\nHost: h\r\nA: \r\n\r\n"
                         : "GET / HTTP/1.1\r\nHost: h\r\nA: " + filler + "\r\n\r\n";
    };
    EXPECT_EQ(ReadAll(head(256), GetParam(), {.head_bytes_max = 256}).requests.size(), 1u);
    EXPECT_EQ(ReadAll(head(257), GetParam(), {.head_bytes_max = 256}).error_status, 431);
  }
}

TEST_P(RequestReaderInPieces, RefusesWhatIsNotWellFormed) {
  for (const std::string_view bytes : {
           "POST\r\n\r\n",
           "POST / HTTP/2.0\r\nHost: h\r\n\r\n",
           "POST / HTTP/1.1\r\nHost h\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc",
           "POST / HTTP/1.1\r\n\r\n",                                                          // no Host
           "POST / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",                                    // two
           "POST * HTTP/1.1\r\nHost: h\r\n\r\n",                                               // no path
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",  // two lengths
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
           "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1 x\r\na\r\n0\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naa",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
           "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS",
       }) {
    const Result result = ReadAll(bytes, GetParam());
    EXPECT_EQ(result.error_status, 400) << bytes;
    EXPECT_TRUE(result.requests.empty()) << bytes;
  }
}

TEST_P(RequestReaderInPieces, BoundsAChunkLine) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(ReadAll(head + "1;" + std::string(5000, 'x'), GetParam(), {.head_bytes_max = 1024}).error_status, 400);
  EXPECT_EQ(ReadAll(head + "0\r\nA: " + std::string(5000, 'x'), GetParam(), {.head_bytes_max = 1024}).error_status,
            400);
}

TEST_P(RequestReaderInPieces, TakesAnEmptyChunkedBody) {
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n";
  EXPECT_EQ(ReadAll(head + "0\r\n\r\n", GetParam(), {}, 0).requests.size(), 1u);
  EXPECT_EQ(ReadAll(head + "000; a=b\r\nX: y\r\n\r\n", GetParam(), {}, 0).requests.size(), 1u);
}

TEST(RequestReader, UnderstandsTheAbsoluteForm) {
  EXPECT_EQ(ReadAll("GET http://h:80/a?b HTTP/1.1\r\nHost: h\r\n\r\n", 1000).requests.at(0).target, "/a?b");
  EXPECT_EQ(ReadAll("GET HTTPS://h HTTP/1.1\r\nHost: h\r\n\r\n", 1000).requests.at(0).target, "/");
}

TEST(RequestReader, KnowsHttp10) {
  const Result result = ReadAll("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 1000);
  ASSERT_EQ(result.requests.size(), 2u);
  EXPECT_FALSE(result.requests[0].keep_alive);
  EXPECT_TRUE(result.requests[1].keep_alive);
}

TEST(RequestReader, RefusesAnExpectationThatItDoesNotKnow) {
  EXPECT_EQ(ReadAll("POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n", 1000).error_status, 417);
}

void Feed(RequestReader& reader, std::string_view bytes) {
  while (!bytes.empty()) {
    ASSERT_EQ(reader.Next(), Step::kMore);
    const std::span<char> space = reader.Space();
    const size_t taken = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), taken);
    reader.Filled(taken);
    bytes.remove_prefix(taken);
  }
}

TEST(RequestReader, TakesMemoryForWhatCameAndNotForWhatWasAnnounced) {
  BodyBudget budget(25'000'000);
  {
    RequestReader reader({}, &budget);
    Feed(reader, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\n");
    ASSERT_EQ(reader.Next(), Step::kHead);
    ASSERT_TRUE(reader.ReadBody(25'000'000));
    ASSERT_EQ(reader.Next(), Step::kMore);
    EXPECT_LE(reader.Space().size(), 16u << 10);
    EXPECT_EQ(budget.bytes(), 0);
    int64_t came = 0;
    for (const size_t piece : {1, 4'000, 16'000, 100'000}) {
      Feed(reader, std::string(piece, 'x'));
      came += static_cast<int64_t>(piece);
      ASSERT_EQ(reader.Next(), Step::kMore);
      EXPECT_GE(budget.bytes(), came);
      EXPECT_LE(budget.bytes(), std::max<int64_t>(16 << 10, 2 * came));
    }
  }
  EXPECT_EQ(budget.bytes(), 0);
}

TEST(RequestReader, ABodyHoldsAsMuchOfTheBudgetAsItHasMemory) {
  BodyBudget budget(100'000);
  for (const char* framing : {"Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n186a0\r\n"}) {
    RequestReader reader({}, &budget);
    Feed(reader, absl::StrCat("POST / HTTP/1.1\r\nHost: h\r\n", framing));
    ASSERT_EQ(reader.Next(), Step::kHead);
    ASSERT_TRUE(reader.ReadBody(100'000));
    Feed(reader, std::string(100'000, 'x'));
    if (reader.Next() == Step::kMore) Feed(reader, "\r\n0\r\n\r\n");
    ASSERT_EQ(reader.Next(), Step::kDone);
    EXPECT_EQ(budget.bytes(), 100'000);
    BodyShare share = reader.TakeShare();
    const std::string body = reader.TakeBody();
    EXPECT_EQ(body.capacity(), 100'000u);
    reader.NextRequest();
    EXPECT_EQ(budget.bytes(), 100'000);
    share.Release();
    EXPECT_EQ(budget.bytes(), 0);
  }
}

TEST(RequestReader, ReadsALargeBodyStraightIntoItsString) {
  std::string body(3'000'000, 'x');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31);
  const Result result = ReadAll(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n" + body + "GET /next HTTP/1.1\r\nHost: h\r\n\r\n",
      100'000, {}, 3'000'000);
  ASSERT_EQ(result.requests.size(), 2u);
  EXPECT_EQ(result.requests[0].body, body);
  EXPECT_EQ(result.requests[1].target, "/next");
}

}  // namespace
}  // namespace hookstream::edge
