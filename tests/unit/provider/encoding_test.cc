#include "provider/encoding.h"

#include <gtest/gtest.h>

namespace hookstream::provider {
namespace {

TEST(Encoding, Base64RoundTripsAndRefusesOtherSpellings) {
  EXPECT_EQ(EncodeBase64("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
  EXPECT_EQ(DecodeBase64("YW55IGNhcm5hbCBwbGVhcw==", Padding::kRequired), "any carnal pleas");
  EXPECT_EQ(DecodeBase64("YW55IGNhcm5hbCBwbGVhcw", Padding::kOptional), "any carnal pleas");
  EXPECT_EQ(DecodeBase64("", Padding::kRequired), "");
  for (const char* text : {"YW55IGNhcm5hbCBwbGVhcw", "YW55IGNhcm5hbCBwbGVhcw=", "YW5 ", "YW55\n", "YW5-", "YQ=a", "=",
                           "YQ===", "YR==", "YWJ=", "A"}) {
    EXPECT_EQ(DecodeBase64(text, Padding::kRequired), std::nullopt) << text;
  }
  EXPECT_EQ(DecodeBase64("YW55IGNhcm5hbCBwbGVhcw=", Padding::kOptional), std::nullopt);
  EXPECT_EQ(EncodeBase64Url("\xfb\xff"), "-_8");
  EXPECT_EQ(DecodeBase64Url("-_8"), "\xfb\xff");
  EXPECT_EQ(DecodeBase64Url("-_8="), "\xfb\xff");
  EXPECT_EQ(DecodeBase64Url("+/8"), std::nullopt);
}

TEST(Encoding, HexTakesBothCases) {
  EXPECT_EQ(EncodeHex("\x01\xab"), "01ab");
  EXPECT_EQ(DecodeHex("01Ab"), "\x01\xab");
  EXPECT_EQ(DecodeHex("01a"), std::nullopt);
  EXPECT_EQ(DecodeHex("0x"), std::nullopt);
}

TEST(Encoding, DigestsAreTheKnownOnes) {
  EXPECT_EQ(EncodeHex(Sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(EncodeHex(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha512("").size(), 64u);
  EXPECT_EQ(Crc32("123456789"), 0xCBF43926u);
}

TEST(Encoding, InvalidUtf8IsEscaped) {
  EXPECT_EQ(ValidUtf8("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(ValidUtf8("a\xff"), "a\\xff");
}

}  // namespace
}  // namespace hookstream::provider
