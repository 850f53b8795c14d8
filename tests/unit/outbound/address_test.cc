#include "outbound/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hookstream::outbound {
namespace {

using ::testing::HasSubstr;

TEST(AddressTest, ReadsTheUsualSpellingsAndWritesThemBack) {
  for (const char* text : {"8.8.8.8", "0.0.0.0", "255.255.255.255", "::", "::1", "2606:4700::1111", "fe80::1"}) {
    const auto address = ParseIpAddress(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->Text(), text);
    EXPECT_EQ(address->v6, std::string_view(text).find(':') != std::string_view::npos) << text;
  }
  EXPECT_EQ(ParseIpAddress("2606:4700:0:0:0:0:0:1111"), ParseIpAddress("2606:4700::1111"));
  EXPECT_EQ(ParseIpAddress("::FFFF:7F00:1"), ParseIpAddress("::ffff:127.0.0.1"));
}

TEST(AddressTest, RefusesOtherSpellings) {
  for (const std::string_view text : {"",           "127.1",        "127.0.1",       "2130706433",
                                      "0x7f.0.0.1", "0x7f000001",   "0177.0.0.1",    "127.0.0.01",
                                      "127.0.0.1.", ".127.0.0.1",   "127.0.0.256",   "127.0.0.1.1",
                                      "127.0.0.-1", " 127.0.0.1",   "127.0.0.1 ",    "+127.0.0.1",
                                      "1.2.3",      "::1%lo",       "fe80::1%eth0",  "[::1]",
                                      ":::",        "1::2::3",      "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
                                      "12345::",    "::ffff:127.1", "localhost",     "::1/128"}) {
    EXPECT_FALSE(ParseIpAddress(text)) << text;
  }
  EXPECT_FALSE(ParseIpAddress(std::string_view("8.8.8.8\0", 8)));
  EXPECT_FALSE(ParseIpAddress(std::string(100, '1')));
}

// The first and the last address of each block, and their neighbours.
TEST(AddressTest, OnlyPublicAddressesArePublic) {
  for (const char* text : {
           "1.0.0.0",
           "1.1.1.1",
           "8.8.8.8",
           "9.255.255.255",
           "11.0.0.0",
           "100.63.255.255",
           "100.128.0.0",
           "126.255.255.255",
           "128.0.0.0",
           "168.63.129.15",
           "168.63.129.17",
           "169.253.255.255",
           "169.255.0.0",
           "172.15.255.255",
           "172.32.0.0",
           "191.255.255.255",
           "192.0.1.0",
           "192.0.1.255",
           "192.0.3.0",
           "192.88.98.255",
           "192.88.100.0",
           "192.167.255.255",
           "192.169.0.0",
           "198.17.255.255",
           "198.20.0.0",
           "198.51.99.255",
           "198.51.101.0",
           "203.0.112.255",
           "203.0.114.0",
           "223.255.255.255",
           "2000::",
           "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
           "2001:200::",
           "2001:db7:ffff::1",
           "2001:db9::1",
           "2001:4860:4860::8888",
           "2003::1",
           "2606:4700:4700::1111",
           "2a00:1450:4001:80b::200e",
           "2c00::1",
           "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
           "3fff:1000::",
       }) {
    const auto address = ParseIpAddress(text);
    ASSERT_TRUE(address) << text;
    EXPECT_TRUE(IsPublic(*address)) << text;
  }
  for (const char* text : {
           "0.0.0.0",
           "0.0.0.1",
           "0.255.255.255",
           "10.0.0.0",
           "10.0.0.1",
           "10.255.255.255",
           "100.64.0.0",
           "100.100.100.200",
           "100.127.255.255",
           "127.0.0.0",
           "127.0.0.1",
           "127.0.0.53",
           "127.255.255.255",
           "168.63.129.16",
           "169.254.0.0",
           "169.254.169.254",
           "169.254.170.2",
           "169.254.255.255",
           "172.16.0.0",
           "172.17.0.1",
           "172.31.255.255",
           "192.0.0.0",
           "192.0.0.192",
           "192.0.0.255",
           "192.0.2.0",
           "192.0.2.255",
           "192.88.99.0",
           "192.88.99.255",
           "192.168.0.0",
           "192.168.1.1",
           "192.168.255.255",
           "198.18.0.0",
           "198.19.255.255",
           "198.51.100.0",
           "198.51.100.255",
           "203.0.113.0",
           "203.0.113.255",
           "224.0.0.0",
           "224.0.0.251",
           "239.255.255.255",
           "240.0.0.0",
           "255.255.255.254",
           "255.255.255.255",
           // Unspecified, loopback, and IPv4 in it: compatible, mapped, translated.
           "::",
           "::1",
           "::2",
           "::7f00:1",
           "::127.0.0.1",
           "::8.8.8.8",
           "::ffff:0.0.0.0",
           "::ffff:127.0.0.1",
           "::ffff:10.0.0.1",
           "::ffff:169.254.169.254",
           "::ffff:8.8.8.8",
           "::ffff:0:8.8.8.8",
           "64:ff9b::",
           "64:ff9b::7f00:1",
           "64:ff9b::8.8.8.8",
           "64:ff9b:1::",
           "64:ff9b:1::10.0.0.1",
           // Discard-only, dummy, SRv6, and what was never given out.
           "100::",
           "100::1",
           "100:0:0:1::1",
           "200::1",
           "400::1",
           "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
           "4000::",
           "5f00::1",
           "8000::1",
           "c000::1",
           "e000::1",
           "f000::1",
           // Protocol assignments: Teredo, benchmarks, ORCHID, drones.
           "2001::",
           "2001::1",
           "2001:0:4136:e378:8000:63bf:3fff:fdd2",
           "2001:2::1",
           "2001:10::1",
           "2001:20::1",
           "2001:30::1",
           "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
           // Documentation, 6to4.
           "2001:db8::",
           "2001:db8::1",
           "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
           "2002::",
           "2002:7f00:1::",
           "2002:a00:1::1",
           "2002:808:808::1",
           "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
           "3fff::",
           "3fff::1",
           "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
           // ISATAP under a global prefix.
           "2606:4700::5efe:10.0.0.1",
           "2606:4700::200:5efe:10.0.0.1",
           // Local, link-local, site-local, multicast.
           "fc00::",
           "fc00::1",
           "fd00:ec2::254",
           "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
           "fe00::1",
           "fe80::",
           "fe80::1",
           "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
           "fec0::",
           "fec0::1",
           "feff::1",
           "ff00::",
           "ff02::1",
           "ff0e::1",
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
       }) {
    const auto address = ParseIpAddress(text);
    ASSERT_TRUE(address) << text;
    EXPECT_FALSE(IsPublic(*address)) << text;
  }
}

TEST(AddressTest, ReadsEndpoints) {
  const auto v4 = ParseEndpoint("127.0.0.1:8443");
  ASSERT_TRUE(v4.ok());
  EXPECT_EQ(v4->address.Text(), "127.0.0.1");
  EXPECT_EQ(v4->port, 8443);
  EXPECT_EQ(v4->Text(), "127.0.0.1:8443");
  const auto v6 = ParseEndpoint("[fd00::7]:65535");
  ASSERT_TRUE(v6.ok());
  EXPECT_EQ(v6->address.Text(), "fd00::7");
  EXPECT_EQ(v6->Text(), "[fd00::7]:65535");
}

TEST(AddressTest, RefusesOtherEndpoints) {
  for (const char* text : {"",
                           ":",
                           ":443",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:0",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1:+1",
                           "127.0.0.1:0443",
                           "127.0.0.1:443 ",
                           "127.1:443",
                           "localhost:443",
                           "proxy.example:443",
                           "::1:443",
                           "[::1]",
                           "[::1]443",
                           "[127.0.0.1]:443",
                           "[]:443",
                           "[::1:443",
                           "[fe80::1%eth0]:443",
                           "https://127.0.0.1:443"}) {
    const auto endpoint = ParseEndpoint(text);
    ASSERT_FALSE(endpoint.ok()) << text;
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(endpoint.status().message()), HasSubstr("is no IP address and port"));
  }
}

}  // namespace
}  // namespace hookstream::outbound
