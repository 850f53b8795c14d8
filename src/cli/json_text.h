// A flat JSON object on one line, for results that are no message of the relay.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hookstream::cli {

class JsonObject {
 public:
  JsonObject& Add(std::string_view key, std::string_view value);
  JsonObject& Add(std::string_view key, const char* value) { return Add(key, std::string_view(value)); }
  JsonObject& Add(std::string_view key, bool value);
  JsonObject& Add(std::string_view key, int64_t value);
  JsonObject& Add(std::string_view key, int value) { return Add(key, int64_t{value}); }
  JsonObject& Add(std::string_view key, double value);
  // `json` is JSON already.
  JsonObject& AddJson(std::string_view key, std::string_view json);

  std::string Text() const { return "{" + members_ + "}"; }

 private:
  void Key(std::string_view key);
  std::string members_;
};

// With the quotes. Bytes that are no UTF-8 become U+FFFD.
std::string JsonString(std::string_view text);
bool IsJson(std::string_view text);

}  // namespace hookstream::cli
