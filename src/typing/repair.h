// Saves a JSON document that the parser refuses as a whole for one odd spot.
#pragma once

#include <string>
#include <string_view>

namespace hookstream::typing {

struct Repaired {
  std::string json;
  // What was done, e.g. "byte order mark, control character"; empty: nothing was, the document is broken otherwise.
  std::string what;
  // A value is not what it was: bad UTF-8 or a lone surrogate became U+FFFD. Otherwise nothing is lost.
  bool lossy = false;
  bool bad_utf8 = false;
};

// Drops a byte order mark; escapes raw control characters in strings; puts U+FFFD for bytes that are no UTF-8 and for
// lone surrogates; writes an integer beyond 64 bits as a float, and a float beyond a double as a string. Syntax errors
// stay. One pass; the result is at most about six times as long.
Repaired RepairJson(std::string_view json);

}  // namespace hookstream::typing
