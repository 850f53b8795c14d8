// A JSON document as a tree that keeps the order of its keys; read from JSON, or from YAML that stands for it.
//
// Plain values, copied and moved like them. Reading never throws; what is written wrong is INVALID_ARGUMENT with the
// file's name and the place in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace hookstream::schema {

class Json {
 public:
  enum class Type { kNull, kBool, kInteger, kNumber, kString, kArray, kObject };
  using Member = std::pair<std::string, Json>;

  Json() = default;
  static Json Bool(bool value);
  // `text` is a number as JSON writes it; kInteger when it has neither a fraction nor an exponent.
  static Json Number(std::string text);
  static Json String(std::string text);
  static Json Array(std::vector<Json> items = {});
  static Json Object(std::vector<Member> members = {});

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  bool is_bool() const { return type_ == Type::kBool; }
  bool is_string() const { return type_ == Type::kString; }
  bool is_array() const { return type_ == Type::kArray; }
  bool is_object() const { return type_ == Type::kObject; }
  // true; false also for what is no bool.
  bool is_true() const { return type_ == Type::kBool && text_ == "true"; }

  // A string's text; a number or bool as JSON writes it; empty for the rest.
  const std::string& text() const { return text_; }
  // Empty for what is no array, no object.
  const std::vector<Json>& items() const { return items_; }
  const std::vector<Member>& members() const { return members_; }
  std::vector<Json>& items() { return items_; }
  std::vector<Member>& members() { return members_; }

  // The first member of that name; null: there is none, or this is no object.
  const Json* Find(std::string_view key) const;
  Json* Find(std::string_view key);
  // Replaces the member, or adds it as the last one. Makes an object of what is none.
  void Set(std::string_view key, Json value);
  // Where the JSON pointer (RFC 6901, without the leading #) leads; null: nowhere.
  const Json* At(std::string_view pointer) const;

 private:
  Type type_ = Type::kNull;
  std::string text_;
  std::vector<Json> items_;
  std::vector<Member> members_;
};

// At most 64 MiB, nested at most 256 deep. `name` is the file's, for errors.
absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view name);
// YAML's core schema: plain scalars are null, bools and numbers where they look like them. At most 1 million nodes, an
// alias counted as what it stands for.
absl::StatusOr<Json> ParseYaml(std::string_view text, std::string_view name);
// JSON when the first character is { or [, else YAML.
absl::StatusOr<Json> ParseDocument(std::string_view text, std::string_view name);

}  // namespace hookstream::schema
