#include "provider/encoding.h"

#include <openssl/sha.h>

#include <simdjson.h>
#include <array>
#include <boost/crc.hpp>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace hookstream::provider {
namespace {

constexpr std::array<int8_t, 256> Base64Table(char char62, char char63) {
  std::array<int8_t, 256> table{};
  table.fill(-1);
  int8_t value = 0;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<uint8_t>(c)] = value++;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<uint8_t>(c)] = value++;
  for (char c = '0'; c <= '9'; ++c) table[static_cast<uint8_t>(c)] = value++;
  table[static_cast<uint8_t>(char62)] = value++;
  table[static_cast<uint8_t>(char63)] = value;
  return table;
}

constexpr auto kBase64 = Base64Table('+', '/');
constexpr auto kBase64Url = Base64Table('-', '_');

// absl's and OpenSSL's decoders skip spaces and accept left-over bits: two texts for one signature.
std::optional<std::string> Decode64(std::string_view text, const std::array<int8_t, 256>& table, Padding padding) {
  size_t pads = 0;
  while (pads < 2 && text.size() > pads && text[text.size() - 1 - pads] == '=') ++pads;
  if (pads > 0 || padding == Padding::kRequired) {
    if (text.size() % 4 != 0) return std::nullopt;
  }
  text.remove_suffix(pads);
  if (text.size() % 4 == 1) return std::nullopt;
  if (pads > 0 && (text.size() + pads) % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int bit_count = 0;
  for (const char c : text) {
    const int8_t value = table[static_cast<uint8_t>(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      out.push_back(static_cast<char>((bits >> bit_count) & 0xff));
    }
  }
  if ((bits & ((1u << bit_count) - 1)) != 0) return std::nullopt;
  return out;
}

template <size_t kBytes, unsigned char* (*kHash)(const unsigned char*, size_t, unsigned char*)>
std::string Digest(std::string_view bytes) {
  std::string out(kBytes, '\0');
  kHash(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
        reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

}  // namespace

std::string EncodeHex(std::string_view bytes) { return absl::BytesToHexString(ToAbsl(bytes)); }

std::string EncodeBase64(std::string_view bytes) { return absl::Base64Escape(ToAbsl(bytes)); }

std::string EncodeBase64Url(std::string_view bytes) { return absl::WebSafeBase64Escape(ToAbsl(bytes)); }

std::optional<std::string> DecodeHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high << 4 | low));
  }
  return out;
}

std::optional<std::string> DecodeBase64(std::string_view text, Padding padding) {
  return Decode64(text, kBase64, padding);
}

std::optional<std::string> DecodeBase64Url(std::string_view text) {
  return Decode64(text, kBase64Url, Padding::kOptional);
}

std::string ValidUtf8(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::string(text);
  return absl::CHexEscape(ToAbsl(text));
}

std::string JsonQuoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : ValidUtf8(text)) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppend(&out, "\\u00", absl::Hex(c, absl::kZeroPad2));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
  return out;
}

std::string Sha1(std::string_view bytes) { return Digest<SHA_DIGEST_LENGTH, &SHA1>(bytes); }
std::string Sha256(std::string_view bytes) { return Digest<SHA256_DIGEST_LENGTH, &SHA256>(bytes); }
std::string Sha512(std::string_view bytes) { return Digest<SHA512_DIGEST_LENGTH, &SHA512>(bytes); }

uint32_t Crc32(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

}  // namespace hookstream::provider
