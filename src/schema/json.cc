#include "schema/json.h"

#include <rapidjson/encodedstream.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <simdjson.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace hookstream::schema {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr size_t kMaxDepth = 256;
constexpr size_t kMaxNodes = 1'000'000;

absl::Status Bad(std::string_view name, std::string_view where, std::string_view why) {
  std::string text(name);
  text.append(where).append(": ").append(why);
  return absl::InvalidArgumentError(text);
}

// simdjson does not say where it stopped: a second parser reads what it refused. `fallback` is for what only simdjson
// minds, such as a number beyond 64 bits.
absl::Status NoJson(std::string_view text, std::string_view name, const char* fallback) {
  rapidjson::Reader reader;
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::BaseReaderHandler<> handler;
  const rapidjson::ParseResult result =
      reader.Parse<rapidjson::kParseValidateEncodingFlag | rapidjson::kParseIterativeFlag>(stream, handler);
  if (!result.IsError()) return Bad(name, "", absl::StrCat("is no JSON: ", fallback));
  const std::string_view before = text.substr(0, std::min(result.Offset(), text.size()));
  const size_t line_start = before.rfind('\n') + 1;  // 0 where there is none
  return Bad(name,
             absl::StrCat(":", std::count(before.begin(), before.end(), '\n') + 1, ":", before.size() - line_start + 1),
             absl::StrCat("is no JSON: ", rapidjson::GetParseError_En(result.Code())));
}

absl::StatusOr<Json> FromDom(simdjson::dom::element element) {
  using simdjson::dom::element_type;
  switch (element.type()) {
    case element_type::NULL_VALUE: return Json();
    case element_type::BOOL: return Json::Bool(bool(element));
    case element_type::STRING: return Json::String(std::string(std::string_view(element)));
    case element_type::INT64:
    case element_type::UINT64:
    case element_type::DOUBLE: return Json::Number(simdjson::to_string(element));
    case element_type::ARRAY: {
      Json out = Json::Array();
      for (const simdjson::dom::element item : simdjson::dom::array(element)) {
        HS_ASSIGN_OR_RETURN(out.items().emplace_back(), FromDom(item));
      }
      return out;
    }
    case element_type::OBJECT: {
      Json out = Json::Object();
      for (const auto field : simdjson::dom::object(element)) {
        HS_ASSIGN_OR_RETURN(Json value, FromDom(field.value));
        out.members().emplace_back(std::string(field.key), std::move(value));
      }
      return out;
    }
  }
  return absl::InternalError("a JSON value of no type");
}

// By the grammar of JSON, which is what YAML's core schema calls a number but for octal and hexadecimal.
bool IsNumber(std::string_view text) {
  size_t at = 0;
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at > begin;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const size_t first = at;
  if (!digits() || (text[first] == '0' && at > first + 1)) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

class YamlReader {
 public:
  explicit YamlReader(std::string_view name) : name_(name) {}

  absl::StatusOr<Json> Read(const YAML::Node& node, size_t depth) {
    if (depth > kMaxDepth) return Fail(node, "nests deeper than 256");
    if (++nodes_ > kMaxNodes) return Fail(node, "has more than 1 million nodes");
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null: return Json();
      case YAML::NodeType::Scalar: return Scalar(node);
      case YAML::NodeType::Sequence: {
        Json out = Json::Array();
        for (const YAML::Node& item : node) {
          HS_ASSIGN_OR_RETURN(out.items().emplace_back(), Read(item, depth + 1));
        }
        return out;
      }
      case YAML::NodeType::Map: {
        Json out = Json::Object();
        for (const auto& member : node) {
          if (!member.first.IsScalar()) return Fail(member.first, "a key that is no text");
          HS_ASSIGN_OR_RETURN(Json value, Read(member.second, depth + 1));
          out.members().emplace_back(member.first.Scalar(), std::move(value));
        }
        return out;
      }
    }
    return Fail(node, "a node of no type");
  }

 private:
  absl::Status Fail(const YAML::Node& node, std::string_view why) const {
    return Bad(name_, absl::StrCat(":", node.Mark().line + 1), why);
  }

  static Json Scalar(const YAML::Node& node) {
    const std::string& text = node.Scalar();
    // A quoted scalar has the tag "!".
    if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return Json::String(text);
    if (text == "true" || text == "True" || text == "TRUE") return Json::Bool(true);
    if (text == "false" || text == "False" || text == "FALSE") return Json::Bool(false);
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return Json();
    return IsNumber(text) ? Json::Number(text) : Json::String(text);
  }

  const std::string_view name_;
  size_t nodes_ = 0;
};

}  // namespace

Json Json::Bool(bool value) {
  Json out;
  out.type_ = Type::kBool;
  out.text_ = value ? "true" : "false";
  return out;
}

Json Json::Number(std::string text) {
  Json out;
  out.type_ = text.find_first_of(".eE") == std::string::npos ? Type::kInteger : Type::kNumber;
  out.text_ = std::move(text);
  return out;
}

Json Json::String(std::string text) {
  Json out;
  out.type_ = Type::kString;
  out.text_ = std::move(text);
  return out;
}

Json Json::Array(std::vector<Json> items) {
  Json out;
  out.type_ = Type::kArray;
  out.items_ = std::move(items);
  return out;
}

Json Json::Object(std::vector<Member> members) {
  Json out;
  out.type_ = Type::kObject;
  out.members_ = std::move(members);
  return out;
}

const Json* Json::Find(std::string_view key) const {
  for (const Member& member : members_) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

Json* Json::Find(std::string_view key) {
  return const_cast<Json*>(static_cast<const Json*>(this)->Find(key));  // NOLINT: the object is not const
}

void Json::Set(std::string_view key, Json value) {
  if (!is_object()) *this = Object();
  if (Json* const member = Find(key); member != nullptr) {
    *member = std::move(value);
  } else {
    members_.emplace_back(std::string(key), std::move(value));
  }
}

const Json* Json::At(std::string_view pointer) const {
  const Json* at = this;
  while (!pointer.empty()) {
    if (pointer.front() != '/') return nullptr;
    pointer.remove_prefix(1);
    const std::string_view raw = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(raw.size());
    std::string key;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '~') {
        key.push_back(raw[i]);
        continue;
      }
      if (++i == raw.size() || (raw[i] != '0' && raw[i] != '1')) return nullptr;
      key.push_back(raw[i] == '0' ? '~' : '/');
    }
    if (at->is_array()) {
      size_t index = 0;
      if (key.empty() || key.size() > 9 || (key.size() > 1 && key[0] == '0')) return nullptr;
      for (const char c : key) {
        if (!IsDigit(c)) return nullptr;
        index = index * 10 + static_cast<size_t>(c - '0');
      }
      at = index < at->items_.size() ? &at->items_[index] : nullptr;
    } else {
      at = at->Find(key);
    }
    if (at == nullptr) return nullptr;
  }
  return at;
}

absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view name) {
  if (text.size() > kMaxBytes) return Bad(name, "", "is larger than 64 MiB");
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::error_code error = parser.allocate(text.size(), kMaxDepth);
  if (error == simdjson::SUCCESS) error = parser.parse(text.data(), text.size(), true).get(root);
  if (error != simdjson::SUCCESS) return NoJson(text, name, simdjson::error_message(error));
  return FromDom(root);
}

absl::StatusOr<Json> ParseYaml(std::string_view text, std::string_view name) {
  if (text.size() > kMaxBytes) return Bad(name, "", "is larger than 64 MiB");
  try {
    return YamlReader(name).Read(YAML::Load(std::string(text)), 1);
  } catch (const YAML::Exception& error) {
    return Bad(name, error.mark.is_null() ? "" : absl::StrCat(":", error.mark.line + 1), error.msg);
  }
}

absl::StatusOr<Json> ParseDocument(std::string_view text, std::string_view name) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
  return json ? ParseJson(text, name) : ParseYaml(text, name);
}

}  // namespace hookstream::schema
