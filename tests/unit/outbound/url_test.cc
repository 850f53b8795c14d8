#include "outbound/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace hookstream::outbound {
namespace {

using ::testing::HasSubstr;

TEST(UrlTest, TakesHttpsUrlsOfDnsNames) {
  struct Case {
    std::string_view text;
    Url url;
  };
  const Case cases[] = {
      {"https://example.com", {"example.com", "/"}},
      {"https://example.com/", {"example.com", "/"}},
      {"https://example.com:443", {"example.com", "/"}},
      {"https://example.com:443/a", {"example.com", "/a"}},
      {"HTTPS://Example.COM/Path", {"example.com", "/Path"}},
      {"https://example.com?a=b", {"example.com", "/?a=b"}},
      {"https://example.com//a//", {"example.com", "//a//"}},
      {"https://example.com/a?b=/../c", {"example.com", "/a?b=/../c"}},
      {"https://example.com/a?b=http://user@127.0.0.1:80/", {"example.com", "/a?b=http://user@127.0.0.1:80/"}},
      {"https://example.com/.well-known/..jwks/...", {"example.com", "/.well-known/..jwks/..."}},
      {"https://example.com/%7Ea;b=c,d/(e)!$&'*+:@", {"example.com", "/%7Ea;b=c,d/(e)!$&'*+:@"}},
      {"https://xn--bcher-kva.xn--p1ai/", {"xn--bcher-kva.xn--p1ai", "/"}},
      {"https://1.2.3.4.example/", {"1.2.3.4.example", "/"}},
      {"https://0x7f.1.com/", {"0x7f.1.com", "/"}},
      {"https://a-b--c.9z.io/", {"a-b--c.9z.io", "/"}},
      {"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
       {"sns.us-east-1.amazonaws.com", "/SimpleNotificationService-0123456789abcdef.pem"}},
      {"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:1:T&Token=ab12",
       {"sns.us-east-1.amazonaws.com", "/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:1:T&Token=ab12"}},
      {"https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270",
       {"api.paypal.com", "/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270"}},
      {"https://www.googleapis.com/oauth2/v3/certs", {"www.googleapis.com", "/oauth2/v3/certs"}},
  };
  for (const Case& c : cases) {
    const auto url = ParseUrl(c.text);
    ASSERT_TRUE(url.ok()) << c.text << ": " << url.status();
    EXPECT_EQ(url->host, c.url.host) << c.text;
    EXPECT_EQ(url->target, c.url.target) << c.text;
  }
}

TEST(UrlTest, ThePathIsWithoutTheQuery) {
  EXPECT_EQ(ParseUrl("https://example.com/a/b.pem?c=/d.pem")->path(), "/a/b.pem");
  EXPECT_EQ(ParseUrl("https://example.com?c")->path(), "/");
}

TEST(UrlTest, RefusesWhatIsNotHttpsAtPort443OfADnsName) {
  struct Case {
    std::string_view text;
    const char* message;
  };
  const Case cases[] = {
      {"", "https://"},
      {"https", "https://"},
      {"https:", "https://"},
      {"https:/example.com", "https://"},
      {"https:example.com", "https://"},
      {"http://example.com/", "https://"},
      {" https://example.com/", "https://"},
      {"//example.com/", "https://"},
      {"example.com", "https://"},
      {"ftp://example.com/", "https://"},
      {"file:///etc/passwd", "https://"},
      {"gopher://example.com/", "https://"},
      {"https\\://example.com", "https://"},
      {"https://", "host is missing"},
      {"https:///example.com", "host is missing"},
      {"https://?a", "host is missing"},
      {"https://#a", "host is missing"},
      {"https://:443/", "host is missing"},
      // Users.
      {"https://user@example.com/", "names a user"},
      {"https://user:password@example.com/", "names a user"},
      {"https://@example.com/", "names a user"},
      {"https://example.com@127.0.0.1/", "names a user"},
      {"https://example.com:443@127.0.0.1/", "names a user"},
      {"https://example.com%40127.0.0.1/", "no DNS name"},
      {"https://example.com\\@127.0.0.1/", "names a user"},
      {"https://example.com\\.127.0.0.1/", "no DNS name"},
      // Ports.
      {"https://example.com:/", "port is not 443"},
      {"https://example.com:80/", "port is not 443"},
      {"https://example.com:8443/", "port is not 443"},
      {"https://example.com:0443/", "port is not 443"},
      {"https://example.com:443:443/", "port is not 443"},
      {"https://example.com:+443/", "port is not 443"},
      {"https://example.com: 443/", "port is not 443"},
      {"https://example.com:4 43/", "port is not 443"},
      {"https://example.com:65979/", "port is not 443"},
      // IP addresses, as spelt by anybody.
      {"https://127.0.0.1/", "last label"},
      {"https://8.8.8.8/", "last label"},
      {"https://127.1/", "last label"},
      {"https://127.0.1/", "last label"},
      {"https://2130706433/", "one label"},
      {"https://0x7f000001/", "one label"},
      {"https://0x7f.1/", "last label"},
      {"https://0x7f.0.0.0x1/", "last label"},
      {"https://0177.0.0.01/", "last label"},
      {"https://0/", "one label"},
      {"https://127.0.0.1./", "no DNS name"},
      {"https://127.0.0.1:443/", "last label"},
      {"https://%31%32%37.0.0.1/", "no DNS name"},
      {"https://[::1]/", "no DNS name"},
      {"https://[::1]:443/", "no DNS name"},
      {"https://[::ffff:127.0.0.1]/", "no DNS name"},
      {"https://[fe80::1%25eth0]/", "no DNS name"},
      {"https://[v1.a]/", "no DNS name"},
      {"https://::1/", "port is not 443"},
      {"https://\xE2\x91\xA0\xE2\x91\xA1\xE2\x91\xA6.0.0.1/", "no DNS name"},  // digits in circles
      {"https://\xEF\xBC\x91\xEF\xBC\x92\xEF\xBC\x97.0.0.1/", "no DNS name"},  // fullwidth digits
      // Names that are no full DNS names, or mean others than they seem to.
      {"https://localhost/", "one label"},
      {"https://metadata/", "one label"},
      {"https://example.com./", "no DNS name"},
      {"https://localhost./", "no DNS name"},
      {"https://./", "no DNS name"},
      {"https://.example.com/", "no DNS name"},
      {"https://example..com/", "no DNS name"},
      {"https://-example.com/", "no DNS name"},
      {"https://example-.com/", "no DNS name"},
      {"https://example.com-/", "no DNS name"},
      {"https://exa_mple.com/", "no DNS name"},
      {"https://*.example.com/", "no DNS name"},
      {"https://exam%70le.com/", "no DNS name"},
      {"https://example.com,evil.example/", "no DNS name"},
      {"https://example.com;evil.example/", "no DNS name"},
      {"https://b\xC3\xBC"
       "cher.example/",
       "no DNS name"},
      {"https://example\xE3\x80\x82"
       "com/",
       "no DNS name"},  // the ideographic full stop
      {"https://example.c0m/", "last label"},
      {"https://example.9/", "last label"},
      {"https://example.com/#fragment", "fragment"},
      {"https://example.com#@127.0.0.1/", "fragment"},
      // Characters that no URL has, and paths that are read in more ways than one.
      {"https://example.com /", "no DNS name"},
      {"https://example.com/a b", "characters"},
      {"https://example.com/a\tb", "characters"},
      {"https://example.com/a\r\nHost: b", "characters"},
      {"https://exam\nple.com/", "no DNS name"},
      {"https://example.com/a\x7f", "characters"},
      {"https://example.com/\xC3\xBC", "characters"},
      {"https://example.com/a\\b", "characters"},
      {"https://example.com/<a>", "characters"},
      {"https://example.com/\"", "characters"},
      {"https://example.com/{a}", "characters"},
      {"https://example.com/a|b", "characters"},
      {"https://example.com/a^b", "characters"},
      {"https://example.com/a`b", "characters"},
      {"https://example.com/?a[b]=c", "characters"},
      {"https://example.com/%", "characters"},
      {"https://example.com/%4", "characters"},
      {"https://example.com/%zz", "characters"},
      {"https://example.com/%%41", "characters"},
      {"https://example.com/.", ". or .."},
      {"https://example.com/..", ". or .."},
      {"https://example.com/a/../b", ". or .."},
      {"https://example.com/a/./b", ". or .."},
      {"https://example.com/a/%2e%2e/b", ". or .."},
      {"https://example.com/a/%2E./b", ". or .."},
      {"https://example.com/a/.%2e?b", ". or .."},
      {"https://example.com/%2e", ". or .."},
  };
  for (const Case& c : cases) {
    const auto url = ParseUrl(c.text);
    ASSERT_FALSE(url.ok()) << c.text;
    EXPECT_EQ(url.status().code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(url.status().message()), HasSubstr(c.message)) << c.text;
  }
  EXPECT_FALSE(ParseUrl(std::string_view("https://example.com/\0", 21)).ok());
  EXPECT_FALSE(ParseUrl(std::string_view("https://example.com\0.evil.example/", 34)).ok());
}

TEST(UrlTest, BoundsLengths) {
  const std::string start = "https://example.com/";
  EXPECT_TRUE(ParseUrl(start + std::string(kUrlBytesMax - start.size(), 'a')).ok());
  EXPECT_FALSE(ParseUrl(start + std::string(kUrlBytesMax - start.size() + 1, 'a')).ok());
  const std::string label(63, 'a');
  EXPECT_TRUE(ParseHost(label + ".com").ok());
  EXPECT_FALSE(ParseHost(label + "a.com").ok());
  const std::string longest = absl::StrCat(label, ".", label, ".", label, ".", label.substr(0, 61));
  ASSERT_EQ(longest.size(), 253U);
  EXPECT_TRUE(ParseHost(longest).ok());
  EXPECT_FALSE(ParseHost(longest + "a").ok());
}

// A SubscribeURL has a token in its query.
TEST(UrlTest, AnErrorQuotesNothingOfTheUrl) {
  for (const char* text : {"http://h.example/?Token=s3cret", "https://s3cret@h.example/", "https://h.example:1/?s3cret",
                           "https://h.example/s3cret#", "https://h.example/s3cret ", "https://s3cret/"}) {
    EXPECT_THAT(std::string(ParseUrl(text).status().message()), ::testing::Not(HasSubstr("s3cret"))) << text;
  }
}

}  // namespace
}  // namespace hookstream::outbound
