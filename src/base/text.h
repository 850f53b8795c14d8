// Text from the outside that several rooms read alike. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace hookstream {

// Debian's abseil has a string_view of its own.
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

// In any locale.
inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What a source or a subscription may be called: 1 to 63 characters of [a-z0-9-].
bool IsName(std::string_view text);

// Length of the well-formed UTF-8 character (RFC 3629) at the front of `text`, 0 when there is none. `text` is not
// empty.
size_t Utf8Length(std::string_view text);

// `text` with `replacement` in the place of each byte that is no UTF-8.
std::string ReplaceBadUtf8(std::string_view text, std::string_view replacement);

// The value of a hex digit in either case, -1 for another character.
int HexDigit(char c);

// A name or value of application/x-www-form-urlencoded, by the parser of the URL standard
// (https://url.spec.whatwg.org/#urlencoded-parsing) but for its replacement of invalid UTF-8: what is signed are the
// bytes. Nothing is malformed: a % without two hex digits stands for itself.
std::string DecodeFormText(std::string_view text);

// The other way (https://url.spec.whatwg.org/#urlencoded-serializing).
std::string EncodeFormText(std::string_view text);

// Percent escapes alone (RFC 3986); a % without two hex digits stands for itself.
std::string DecodePercent(std::string_view text);

// A key as a segment of a JSON pointer (RFC 6901), with the slash before it.
std::string PointerSegment(std::string_view key);

}  // namespace hookstream
