#include "cli/json_text.h"

#include <rapidjson/encodedstream.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace hookstream::cli {
std::string JsonString(std::string_view text) {
  const std::string valid = ReplaceBadUtf8(text, "\xef\xbf\xbd");
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.String(valid.data(), static_cast<rapidjson::SizeType>(valid.size()));
  return {buffer.GetString(), buffer.GetSize()};
}

bool IsJson(std::string_view text) {
  rapidjson::Reader reader;
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::BaseReaderHandler<> handler;
  return !reader.Parse<rapidjson::kParseValidateEncodingFlag | rapidjson::kParseIterativeFlag>(stream, handler)
              .IsError();
}

void JsonObject::Key(std::string_view key) {
  if (!members_.empty()) members_ += ",";
  members_ += JsonString(key) + ":";
}

JsonObject& JsonObject::Add(std::string_view key, std::string_view value) {
  Key(key);
  members_ += JsonString(value);
  return *this;
}

JsonObject& JsonObject::Add(std::string_view key, bool value) { return AddJson(key, value ? "true" : "false"); }
JsonObject& JsonObject::Add(std::string_view key, int64_t value) { return AddJson(key, std::to_string(value)); }
JsonObject& JsonObject::Add(std::string_view key, double value) {
  return AddJson(key, std::isfinite(value) ? absl::StrCat(value) : "null");
}

JsonObject& JsonObject::AddJson(std::string_view key, std::string_view json) {
  Key(key);
  members_ += json;
  return *this;
}

}  // namespace hookstream::cli
