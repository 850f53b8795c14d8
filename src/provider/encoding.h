// Hex and base64, strict: nothing is skipped, padding has to be right, and no bits are left over (RFC 4648), so that a
// value has one spelling (hex: in either case).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hookstream::provider {

std::string EncodeHex(std::string_view bytes);
std::string EncodeBase64(std::string_view bytes);
// Without padding.
std::string EncodeBase64Url(std::string_view bytes);

std::optional<std::string> DecodeHex(std::string_view text);
enum class Padding { kRequired, kOptional };
std::optional<std::string> DecodeBase64(std::string_view text, Padding padding);
// Padding is optional.
std::optional<std::string> DecodeBase64Url(std::string_view text);

// The text when it is valid UTF-8; otherwise with every byte outside printable ASCII as \xHH. Protobuf's texts have to
// be valid.
std::string ValidUtf8(std::string_view text);

// A JSON text with its quotes; what is not UTF-8 is escaped as by ValidUtf8.
std::string JsonQuoted(std::string_view text);

std::string Sha1(std::string_view bytes);
std::string Sha256(std::string_view bytes);
std::string Sha512(std::string_view bytes);
// CRC-32 of ISO 3309 (as in zip).
uint32_t Crc32(std::string_view bytes);

}  // namespace hookstream::provider
