#include "outbound/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hookstream::outbound {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const Url kUrl{"example.com", "/a?b"};

TEST(MessageTest, WritesAGet) {
  Request request;
  request.headers = {{"Accept", "application/json"}};
  EXPECT_EQ(*RequestText(request, kUrl, "hookstream/1"),
            "GET /a?b HTTP/1.1\r\nHost: example.com\r\nUser-Agent: hookstream/1\r\nAccept-Encoding: identity\r\n"
            "Connection: close\r\nAccept: application/json\r\n\r\n");
}

TEST(MessageTest, WritesAPost) {
  Request request;
  request.method = Method::kPost;
  request.content_type = "application/json";
  request.body = "{}";
  EXPECT_EQ(*RequestText(request, kUrl, "hookstream/1"),
            "POST /a?b HTTP/1.1\r\nHost: example.com\r\nUser-Agent: hookstream/1\r\nAccept-Encoding: identity\r\n"
            "Connection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  request.body.clear();
  EXPECT_THAT(*RequestText(request, kUrl, "hookstream/1"), HasSubstr("\r\nContent-Length: 0\r\n"));
}

TEST(MessageTest, RefusesHeadersThatBreakTheMessageOrAreTheClients) {
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"", "s3cret"},
                                                        {"A B", "s3cret"},
                                                        {"A:", "s3cret"},
                                                        {"A\r\nB", "s3cret"},
                                                        {"A", "s3cret\r\nB: c"},
                                                        {"A", "s3cret\n"},
                                                        {"A", std::string("s3cret\0", 7)},
                                                        {"A", "s3cret\x7f"},
                                                        {"A", "s3cret\xff"},
                                                        {"Host", "s3cret"},
                                                        {"HOST", "s3cret"},
                                                        {"content-length", "s3cret"},
                                                        {"Transfer-Encoding", "s3cret"},
                                                        {"Connection", "s3cret"},
                                                        {"Accept-Encoding", "s3cret"},
                                                        {"User-Agent", "s3cret"},
                                                        {"Cookie", "s3cret"},
                                                        {"Proxy-Authorization", "s3cret"}}) {
    Request request;
    request.headers = {{name, value}};
    const auto text = RequestText(request, kUrl, "hookstream/1");
    ASSERT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(text.status().message()), AllOf(HasSubstr("header"), Not(HasSubstr("s3cret"))));
  }
  Request request;
  request.content_type = "a\r\nB: c";
  EXPECT_FALSE(RequestText(request, kUrl, "hookstream/1").ok());
}

TEST(MessageTest, BoundsWhatIsSent) {
  Request request;
  for (int i = 0; i < 32; ++i) request.headers.emplace_back("A", "b");
  EXPECT_TRUE(RequestText(request, kUrl, "hookstream/1").ok());
  request.headers.emplace_back("A", "b");
  EXPECT_FALSE(RequestText(request, kUrl, "hookstream/1").ok());
  request.headers = {{"A", std::string(8191, 'a')}};
  EXPECT_TRUE(RequestText(request, kUrl, "hookstream/1").ok());
  request.headers = {{"A", std::string(8192, 'a')}};
  EXPECT_FALSE(RequestText(request, kUrl, "hookstream/1").ok());
  request.headers.clear();
  request.body = "a";
  EXPECT_FALSE(RequestText(request, kUrl, "hookstream/1").ok()) << "a GET has no body";
  request.method = Method::kPost;
  request.body = std::string(64 << 10, 'a');
  EXPECT_TRUE(RequestText(request, kUrl, "hookstream/1").ok());
  request.body.push_back('a');
  EXPECT_FALSE(RequestText(request, kUrl, "hookstream/1").ok());
}

}  // namespace
}  // namespace hookstream::outbound
