#include "tests/unit/typing/comparison.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/util/json_util.h"

namespace hookstream::typing {
namespace {

namespace pb = google::protobuf;
using simdjson::dom::element;
using v1::FieldMapping;

std::optional<std::string> Text(element json) {
  std::string_view text;
  if (json.get(text) != simdjson::SUCCESS) return std::nullopt;
  return std::string(text);
}

std::optional<double> Number(element json) {
  double number = 0;
  if (json.is_number()) {
    const auto error = json.get(number);
    return error == simdjson::SUCCESS ? std::optional(number) : std::nullopt;
  }
  const std::optional<std::string> text = Text(json);
  if (text && absl::SimpleAtod(*text, &number)) return number;
  return std::nullopt;
}

std::optional<bool> Bool(element json) {
  bool value = false;
  if (json.get(value) == simdjson::SUCCESS) return value;
  const std::optional<std::string> text = Text(json);
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

// As an integer, exactly.
template <typename T>
std::optional<T> Integer(element json) {
  std::string text = json.is_string() ? *Text(json) : simdjson::minify(json);
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  // 12.0, 1e3
  const std::optional<double> number = Number(json);
  if (number && std::trunc(*number) == *number && std::abs(*number) < 9e18) return static_cast<T>(*number);
  return std::nullopt;
}

std::string Loose(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || (c & 0x80) != 0) {
      out.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

bool Means(const pb::EnumValueDescriptor& value, const std::string& text) {
  const auto& names = value.options().GetExtension(v1::value).names();
  if (std::find(names.begin(), names.end(), text) != names.end()) return true;
  for (const std::string& name : names) {
    if (Loose(name) == Loose(text)) return true;
  }
  const std::string loose = Loose(text);
  return Loose(value.name()) == loose || Loose(value.name()) == Loose(value.type()->name()) + loose;
}

// Since 1970, or a duration.
std::optional<absl::Duration> TimeOf(element json, v1::NumberTime unit) {
  double per_second = 1;
  if (unit == v1::NUMBER_TIME_MILLIS) per_second = 1e3;
  if (unit == v1::NUMBER_TIME_MICROS) per_second = 1e6;
  if (unit != v1::NUMBER_TIME_UNSPECIFIED) {
    if (const std::optional<double> number = Number(json)) return absl::Seconds(*number / per_second);
  }
  const std::optional<std::string> text = Text(json);
  if (!text) return std::nullopt;
  absl::Time time;
  for (const char* format : {"%Y-%m-%d%ET%H:%M:%E*S%Ez", "%Y-%m-%d %H:%M:%E*S%Ez", "%Y-%m-%d %H:%M:%E*S %Ez",
                             "%Y-%m-%d %H:%M:%E*S UTC", "%Y-%m-%d%ET%H:%M:%E*S", "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d"}) {
    if (absl::ParseTime(format, *text, &time, nullptr)) return time - absl::UnixEpoch();
  }
  absl::Duration duration;
  if (absl::ParseDuration(*text, &duration)) return duration;
  return std::nullopt;
}

bool IsValue(const pb::FieldDescriptor& field) {
  return field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Value";
}

// A value of the wrong kind that says "none".
bool IsEmpty(element json) {
  if (json.is_string()) return Text(json)->empty();
  if (json.is_bool()) return !*Bool(json);
  if (json.is_array()) return json.get_array().size() == 0;
  if (json.is_object()) return json.get_object().size() == 0;
  return false;
}

bool At(element root, const std::string& pointer, element& value) {
  if (pointer.empty()) {
    value = root;
    return true;
  }
  return root.at_pointer(pointer).get(value) == simdjson::SUCCESS;
}

std::string Escaped(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// JSON keys that a field without pointers reads.
std::vector<std::string> PointersOf(const pb::FieldDescriptor& field, const FieldMapping& mapping) {
  if (mapping.from_size() > 0) return {mapping.from().begin(), mapping.from().end()};
  return {"/" + Escaped(field.json_name()), "/" + field.name()};
}

bool HasOtherReader(const pb::FieldDescriptor& field, const std::string& pointer) {
  const pb::Descriptor& message = *field.containing_type();
  for (int i = 0; i < message.field_count(); ++i) {
    const pb::FieldDescriptor& other = *message.field(i);
    const auto pointers = PointersOf(other, other.options().GetExtension(v1::field));
    if (&other != &field && std::find(pointers.begin(), pointers.end(), pointer) != pointers.end()) return true;
  }
  return false;
}

bool FitsOne(const pb::FieldDescriptor& field, const FieldMapping& mapping, element json) {
  if (json.is_null() || mapping.json()) return false;
  if (!mapping.id().empty() && json.is_object() && (!At(json, mapping.id(), json) || json.is_null())) return false;
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return json.is_string() || (mapping.text() && !json.is_object() && !json.is_array());
    case pb::FieldDescriptor::CPPTYPE_BOOL: return Bool(json).has_value();
    case pb::FieldDescriptor::CPPTYPE_ENUM: return json.is_string();
    case pb::FieldDescriptor::CPPTYPE_MESSAGE: break;
    default: return Number(json).has_value();
  }
  const pb::Descriptor& message = *field.message_type();
  if (message.full_name() == "google.protobuf.Timestamp" || message.full_name() == "google.protobuf.Duration") {
    return TimeOf(json, mapping.time()).has_value();
  }
  if (message.full_name() == "google.protobuf.Value") return true;
  if (message.full_name() == "google.protobuf.ListValue") return json.is_array();
  for (int i = 0; i < message.field_count(); ++i) {
    for (const std::string& from : message.field(i)->options().GetExtension(v1::field).from()) {
      if (from.empty()) return false;
    }
  }
  return json.is_object();
}

// Whether a value is of the kind that a field (or its elements) takes. Of messages that read the value itself nothing
// is known, so they take none.
bool Fits(const pb::FieldDescriptor& field, const FieldMapping& mapping, element json) {
  if (field.is_map()) return json.is_object();
  if (field.is_repeated() && json.is_array()) {
    for (const element item : json.get_array()) {
      if (!FitsOne(field, mapping, item)) return false;
    }
    return true;
  }
  return FitsOne(field, mapping, json);
}

}  // namespace

void Comparison::Fail(const std::string& path, const std::string& why) { failures_.push_back(path + " " + why); }

void Comparison::Compare(const pb::Message& message, element json, const std::string& path) {
  const pb::Descriptor& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const pb::FieldDescriptor& field = *descriptor.field(i);
    const FieldMapping& mapping = field.options().GetExtension(v1::field);
    if (mapping.rest()) {
      Rest(message, field, json, path);
      continue;
    }
    if (mapping.numbered()) {
      Numbered(message, field, json, path);
      continue;
    }
    bool found = false;
    for (const std::string& pointer : PointersOf(field, mapping)) {
      element value;
      // A google.protobuf.Value keeps null.
      if (!At(json, pointer, value) || (value.is_null() && !IsValue(field))) continue;
      // One value is a list of one only where no other field reads it.
      if (field.is_repeated() && !field.is_map() && !value.is_array() && !mapping.json() &&
          message.GetReflection()->FieldSize(message, &field) == 0 && HasOtherReader(field, pointer)) {
        found = true;
        break;
      }
      Field(message, field, mapping, value, path + pointer);
      found = true;
      break;
    }
    if (!found && (field.is_repeated() ? message.GetReflection()->FieldSize(message, &field) != 0
                                       : message.GetReflection()->HasField(message, &field))) {
      Fail(absl::StrCat(path, " ", field.name()), "is not in the JSON");
    }
  }
}

void Comparison::Field(const pb::Message& message, const pb::FieldDescriptor& field, const FieldMapping& mapping,
                       element json, const std::string& path) {
  const pb::Reflection& reflection = *message.GetReflection();
  if (!(field.is_repeated() ? reflection.FieldSize(message, &field) > 0 : reflection.HasField(message, &field))) {
    if (!Fits(field, mapping, json)) return;
    if (field.is_repeated() || field.has_presence()) {
      if (!IsEmpty(json)) Fail(path, absl::StrCat("is missing in ", field.full_name()));
    } else if (Value(message, field, -1, mapping, json, path)) {
      claimed_->insert(path);
    } else {
      Fail(path, absl::StrCat("is missing in ", field.full_name()));
    }
  } else if (mapping.json()) {
    simdjson::dom::parser parser;
    element inner;
    const std::optional<std::string> text = Text(json);
    if (!text || parser.parse(*text).get(inner) != simdjson::SUCCESS) return Fail(path, "holds no JSON");
    // What is in the text is compared, and counts as the one scalar that the text is.
    Comparison within;
    FieldMapping plain = mapping;
    plain.clear_json();
    within.Field(message, field, plain, inner, path);
    failures_.insert(failures_.end(), within.failures_.begin(), within.failures_.end());
    claimed_->insert(path);
  } else if (field.is_map()) {
    Map(message, field, mapping, json, path);
  } else if (field.is_repeated() && json.is_array()) {
    int index = 0;
    int place = 0;
    for (const element item : json.get_array()) {
      const std::string here = absl::StrCat(path, "/", place++);
      if (item.is_null()) continue;
      if (index == reflection.FieldSize(message, &field)) return Fail(here, "is missing in " + field.full_name());
      Single(message, field, index++, mapping, item, here);
    }
    if (index < reflection.FieldSize(message, &field)) Fail(path, "has fewer elements than " + field.full_name());
  } else {
    // One value for a list is a list of one.
    Single(message, field, field.is_repeated() ? 0 : -1, mapping, json, path);
  }
}

void Comparison::Single(const pb::Message& message, const pb::FieldDescriptor& field, int index,
                        const FieldMapping& mapping, element json, const std::string& path) {
  std::string at = path;
  if (!mapping.id().empty() && json.is_object()) {
    if (!At(json, mapping.id(), json)) return Fail(path, "has no " + mapping.id());
    at += mapping.id();
  }
  if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) {
    if (Value(message, field, index, mapping, json, at)) {
      claimed_->insert(at);
    } else {
      Fail(at, "differs in " + field.full_name());
    }
    return;
  }
  const pb::Reflection& reflection = *message.GetReflection();
  const pb::Message& inner =
      index < 0 ? reflection.GetMessage(message, &field) : reflection.GetRepeatedMessage(message, &field, index);
  Inner(inner, mapping, json, at);
}

void Comparison::Inner(const pb::Message& message, const FieldMapping& mapping, element json, const std::string& path) {
  const std::string& name = message.GetDescriptor()->full_name();
  const pb::Reflection& reflection = *message.GetReflection();
  if (name == "google.protobuf.Timestamp" || name == "google.protobuf.Duration") {
    const absl::Duration is =
        absl::Seconds(reflection.GetInt64(message, message.GetDescriptor()->FindFieldByNumber(1))) +
        absl::Nanoseconds(reflection.GetInt32(message, message.GetDescriptor()->FindFieldByNumber(2)));
    const std::optional<absl::Duration> wanted = TimeOf(json, mapping.time());
    // A number with a fraction is a double here, exact to less than a microsecond.
    if (wanted && absl::AbsDuration(is - *wanted) < absl::Microseconds(1)) {
      claimed_->insert(path);
    } else {
      Fail(path, "is another time");
    }
  } else if (name == "google.protobuf.Struct" || name == "google.protobuf.Value" ||
             name == "google.protobuf.ListValue") {
    std::string written;
    const auto status = pb::util::MessageToJsonString(message, &written);
    simdjson::dom::parser parser;
    element root;
    if (!status.ok() || parser.parse(written).get(root) != simdjson::SUCCESS) return Fail(path, "can't be written");
    SameJson(root, json, path);
  } else {
    Compare(message, json, path);
  }
}

// A scalar's value; the field's default where `message` does not have it.
bool Comparison::Value(const pb::Message& message, const pb::FieldDescriptor& field, int index,
                       const FieldMapping& mapping, element json, const std::string& path) {
  const pb::Reflection& reflection = *message.GetReflection();
  const auto get = [&](auto one, auto element_of) {
    return index < 0 ? (reflection.*one)(message, &field) : (reflection.*element_of)(message, &field, index);
  };
  using R = pb::Reflection;
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_STRING: {
      const std::string is = get(&R::GetString, &R::GetRepeatedString);
      if (field.type() == pb::FieldDescriptor::TYPE_BYTES) {
        std::string bytes;
        return json.is_string() &&
               (absl::Base64Unescape(*Text(json), &bytes) || absl::WebSafeBase64Unescape(*Text(json), &bytes)) &&
               bytes == is;
      }
      if (json.is_string()) return is == *Text(json);
      if (!mapping.text()) return false;
      if (json.is_bool()) return is == (*Bool(json) ? "true" : "false");
      // As it was written, which the parser does not keep: the same number.
      double number = 0;
      return json.is_number() && absl::SimpleAtod(is, &number) && number == *Number(json);
    }
    case pb::FieldDescriptor::CPPTYPE_BOOL: return Bool(json) == get(&R::GetBool, &R::GetRepeatedBool);
    case pb::FieldDescriptor::CPPTYPE_INT32: return Integer<int32_t>(json) == get(&R::GetInt32, &R::GetRepeatedInt32);
    case pb::FieldDescriptor::CPPTYPE_INT64: return Integer<int64_t>(json) == get(&R::GetInt64, &R::GetRepeatedInt64);
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return Integer<uint32_t>(json) == get(&R::GetUInt32, &R::GetRepeatedUInt32);
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return Integer<uint64_t>(json) == get(&R::GetUInt64, &R::GetRepeatedUInt64);
    case pb::FieldDescriptor::CPPTYPE_DOUBLE: return Number(json) == get(&R::GetDouble, &R::GetRepeatedDouble);
    case pb::FieldDescriptor::CPPTYPE_FLOAT: {
      const std::optional<double> number = Number(json);
      return number && static_cast<float>(*number) == get(&R::GetFloat, &R::GetRepeatedFloat);
    }
    case pb::FieldDescriptor::CPPTYPE_ENUM: {
      const pb::EnumValueDescriptor* const is =
          index < 0 ? reflection.GetEnum(message, &field) : reflection.GetRepeatedEnum(message, &field, index);
      if (json.is_string()) return Means(*is, *Text(json));
      return Integer<int32_t>(json) == is->number();
    }
    case pb::FieldDescriptor::CPPTYPE_MESSAGE: Fail(path, "is no scalar"); return false;
  }
  return false;
}

void Comparison::Map(const pb::Message& message, const pb::FieldDescriptor& field, const FieldMapping& mapping,
                     element json, const std::string& path) {
  const pb::Reflection& reflection = *message.GetReflection();
  const pb::FieldDescriptor& key_field = *field.message_type()->map_key();
  simdjson::dom::object object;
  if (json.get(object) != simdjson::SUCCESS) return Fail(path, "is no object, but " + field.full_name() + " is set");
  std::map<std::string, const pb::Message*> entries;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const pb::Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    // Other kinds of keys are compared by their text.
    const pb::Reflection& of_entry = *entry.GetReflection();
    std::string key;
    switch (key_field.cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_STRING: key = of_entry.GetString(entry, &key_field); break;
      case pb::FieldDescriptor::CPPTYPE_INT64: key = absl::StrCat(of_entry.GetInt64(entry, &key_field)); break;
      case pb::FieldDescriptor::CPPTYPE_INT32: key = absl::StrCat(of_entry.GetInt32(entry, &key_field)); break;
      default: return Fail(path, "has keys that this test does not compare");
    }
    entries[key] = &entry;
  }
  for (auto item : object) {
    const std::string here = absl::StrCat(path, "/", Escaped(item.key));
    if (item.value.is_null()) continue;
    const auto it = entries.find(std::string(item.key));
    if (it == entries.end()) {
      Fail(here, "is missing in " + field.full_name());
    } else {
      Single(*it->second, *field.message_type()->map_value(), -1, mapping, item.value, here);
    }
  }
}

// The keys that no other field's pointer begins with.
void Comparison::Rest(const pb::Message& message, const pb::FieldDescriptor& field, element json,
                      const std::string& path) {
  simdjson::dom::object object;
  if (json.get(object) != simdjson::SUCCESS) return;
  std::string written;
  const auto status = pb::util::MessageToJsonString(message.GetReflection()->GetMessage(message, &field), &written);
  simdjson::dom::parser parser;
  element root;
  if (!status.ok() || parser.parse(written).get(root) != simdjson::SUCCESS) return Fail(path, "has an unreadable rest");
  for (auto item : root.get_object()) {
    element value;
    const std::string here = absl::StrCat(path, "/", Escaped(item.key));
    if (object.at_key(item.key).get(value) != simdjson::SUCCESS) {
      Fail(here, "is in the rest, but not in the JSON");
      continue;
    }
    claimed_ = &kept_;
    SameJson(item.value, value, here);
    claimed_ = &typed_;
  }
}

// Name0, Name1, ... in the order of their numbers.
void Comparison::Numbered(const pb::Message& message, const pb::FieldDescriptor& field, element json,
                          const std::string& path) {
  const FieldMapping& mapping = field.options().GetExtension(v1::field);
  const std::string prefix = mapping.from_size() > 0 ? mapping.from(0).substr(1) : field.json_name();
  std::map<uint64_t, std::pair<std::string, element>> found;
  for (auto item : json.get_object()) {
    const std::string key(item.key);
    uint64_t number = 0;
    if (key.starts_with(prefix) && absl::SimpleAtoi(key.substr(prefix.size()), &number)) {
      found[number] = {key, item.value};
    }
  }
  int index = 0;
  for (const auto& [number, item] : found) {
    const std::string here = absl::StrCat(path, "/", item.first);
    if (index == message.GetReflection()->FieldSize(message, &field)) return Fail(here, "is missing");
    Single(message, field, index++, mapping, item.second, here);
  }
}

void Comparison::SameJson(element written, element json, const std::string& path) {
  simdjson::dom::object object;
  simdjson::dom::array array;
  if (json.get(object) == simdjson::SUCCESS) {
    for (auto field : object) {
      const std::string here = absl::StrCat(path, "/", Escaped(field.key));
      element other;
      if (written.is_object() && written.at_key(field.key).get(other) == simdjson::SUCCESS) {
        SameJson(other, field.value, here);
      } else {
        Fail(here, "is not in the Struct");
      }
    }
  } else if (json.get(array) == simdjson::SUCCESS) {
    size_t index = 0;
    for (const element item : array) {
      const std::string here = absl::StrCat(path, "/", index);
      element other;
      if (written.is_array() && written.get_array().at(index++).get(other) == simdjson::SUCCESS) {
        SameJson(other, item, here);
      } else {
        Fail(here, "is not in the Struct");
      }
    }
  } else {
    const bool equal = json.is_number() && written.is_number() ? Number(json) == Number(written)
                                                               : simdjson::minify(json) == simdjson::minify(written);
    if (!equal) {
      Fail(path, "differs in the Struct");
    } else if (!json.is_null()) {
      claimed_->insert(path);
    }
  }
}

size_t Comparison::CountScalars(element json) {
  size_t count = 0;
  simdjson::dom::object object;
  simdjson::dom::array array;
  if (json.get(object) == simdjson::SUCCESS) {
    for (auto field : object) count += CountScalars(field.value);
  } else if (json.get(array) == simdjson::SUCCESS) {
    for (const element item : array) count += CountScalars(item);
  } else if (!json.is_null()) {
    ++count;
  }
  return count;
}

void Comparison::AddUntyped(element json, std::map<std::string, int>& out) const { AddUntypedAt(json, "", "", out); }

void Comparison::AddUntypedAt(element json, const std::string& path, const std::string& shown,
                              std::map<std::string, int>& out) const {
  simdjson::dom::object object;
  simdjson::dom::array array;
  if (json.get(object) == simdjson::SUCCESS) {
    for (auto field : object) {
      const std::string key = "/" + Escaped(field.key);
      AddUntypedAt(field.value, path + key, shown + key, out);
    }
  } else if (json.get(array) == simdjson::SUCCESS) {
    size_t index = 0;
    for (const element item : array) AddUntypedAt(item, absl::StrCat(path, "/", index++), shown + "/*", out);
  } else if (!json.is_null() && typed_.count(path) == 0) {
    ++out[shown + (kept_.count(path) != 0 ? " (rest)" : "")];
  }
}

}  // namespace hookstream::typing
