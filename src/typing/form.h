// A form (application/x-www-form-urlencoded) as a JSON object, so that one converter serves both.
#pragma once

#include <string>
#include <string_view>

namespace hookstream::typing {

struct FormJson {
  // {"key":"value", ...} in the order of first occurrence; a key that occurs several times has an array of its values.
  std::string json;
  // Some name or value was no UTF-8: it has U+FFFD in its place.
  bool bad_utf8 = false;
};

// WHATWG URL standard, "application/x-www-form-urlencoded parsing": nothing is malformed; a % without two hex digits
// stands for itself. The result is at most about six times as long as the form.
FormJson FormToJson(std::string_view form);

}  // namespace hookstream::typing
