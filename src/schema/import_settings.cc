#include "schema/import_settings.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hookstream::schema {
namespace {

// One map of the file: each of its keys has to be asked for.
class Section {
 public:
  Section(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  absl::Status Check(std::initializer_list<std::string_view> keys) const {
    if (json_.is_null()) return absl::OkStatus();
    if (!json_.is_object()) return Bad("is no map");
    for (const auto& [key, value] : json_.members()) {
      bool known = false;
      for (const std::string_view name : keys) known |= key == name;
      if (!known) return Bad(absl::StrCat("has the unknown key `", key, "`"));
    }
    return absl::OkStatus();
  }

  absl::Status Text(std::string_view key, std::string& out) const {
    const Json* const value = json_.Find(key);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_string() || value->text().empty()) return Of(key).Bad("is no text");
    out = value->text();
    return absl::OkStatus();
  }

  absl::Status Flag(std::string_view key, bool& out) const {
    const Json* const value = json_.Find(key);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_bool()) return Of(key).Bad("is neither true nor false");
    out = value->is_true();
    return absl::OkStatus();
  }

  absl::Status Texts(std::string_view key, std::vector<std::string>& out) const {
    const Json* const value = json_.Find(key);
    return value == nullptr ? absl::OkStatus() : Of(key).Items(out);
  }
  // This section itself.
  absl::Status Items(std::vector<std::string>& out) const {
    if (!json_.is_array()) return Bad("is no list");
    for (const Json& item : json_.items()) {
      if (!item.is_string()) return Bad("has an item that is no text");
      out.push_back(item.text());
    }
    return absl::OkStatus();
  }

  absl::Status Pairs(std::string_view key, std::vector<std::pair<std::string, std::string>>& out) const {
    const Json* const value = json_.Find(key);
    if (value == nullptr) return absl::OkStatus();
    if (!value->is_object()) return Of(key).Bad("is no map");
    for (const auto& [name, text] : value->members()) {
      if (!text.is_string()) return Of(key).Bad(absl::StrCat(name, " is no text"));
      out.emplace_back(name, text.text());
    }
    return absl::OkStatus();
  }

  Section Of(std::string_view key) const {
    static const Json* const kNone = new Json;
    const Json* const value = json_.Find(key);
    return {value == nullptr ? *kNone : *value, absl::StrCat(where_, ": ", std::string(key))};
  }
  const Json& json() const { return json_; }
  absl::Status Bad(const std::string& why) const { return absl::InvalidArgumentError(absl::StrCat(where_, ": ", why)); }

 private:
  const Json& json_;
  const std::string where_;
};

absl::Status ReadField(const Section& section, FieldSettings& out) {
  HS_RETURN_IF_ERROR(section.Check({"name", "comment", "enum", "schema", "only", "optional", "flatten"}));
  HS_RETURN_IF_ERROR(section.Text("name", out.name));
  HS_RETURN_IF_ERROR(section.Text("comment", out.comment));
  HS_RETURN_IF_ERROR(section.Text("enum", out.enum_name));
  if (section.json().Find("optional") != nullptr) {
    bool optional = false;
    HS_RETURN_IF_ERROR(section.Flag("optional", optional));
    out.optional = optional;
  }
  HS_RETURN_IF_ERROR(section.Flag("flatten", out.flatten));
  for (const auto& [key, schema] : {std::pair{"schema", &out.schema}, std::pair{"only", &out.only}}) {
    const Json* const value = section.json().Find(key);
    if (value == nullptr) continue;
    if (!value->is_object() && !value->is_bool()) return section.Bad(absl::StrCat(key, " is no schema"));
    *schema = *value;
  }
  return absl::OkStatus();
}

absl::Status ReadFields(const Section& fields, TypeSettings& out) {
  if (!fields.json().is_null() && !fields.json().is_object()) return fields.Bad("is no map");
  for (const auto& [key, value] : fields.json().members()) {
    HS_RETURN_IF_ERROR(ReadField(fields.Of(key), out.fields.emplace_back(key, FieldSettings()).second));
  }
  return absl::OkStatus();
}

absl::Status ReadType(const Section& section, TypeSettings& out) {
  HS_RETURN_IF_ERROR(section.Check({"from", "comment", "fields"}));
  HS_RETURN_IF_ERROR(section.Texts("from", out.from));
  HS_RETURN_IF_ERROR(section.Text("comment", out.comment));
  return ReadFields(section.Of("fields"), out);
}

}  // namespace

const FieldSettings* TypeSettings::Find(std::string_view key) const {
  for (const auto& [name, field] : fields) {
    if (name == key) return &field;
  }
  return nullptr;
}

const TypeSettings* ImportSettings::FindType(std::string_view name) const {
  const auto it = types.find(name);
  return it == types.end() ? nullptr : &it->second;
}

absl::StatusOr<ImportSettings> ParseImportSettings(std::string_view text, std::string_view name) {
  ImportSettings out;
  HS_ASSIGN_OR_RETURN(const Json root, ParseDocument(text, name));
  const Section section(root, std::string(name));
  HS_RETURN_IF_ERROR(section.Check({"event_type", "enums", "rename_events", "events", "flatten", "plain", "every_event",
                                    "definitions", "comments", "types", "files"}));
  HS_RETURN_IF_ERROR(section.Text("event_type", out.event_type));
  std::string enums = "text";
  HS_RETURN_IF_ERROR(section.Text("enums", enums));
  if (enums != "text" && enums != "enum") return section.Of("enums").Bad("is neither `text` nor `enum`");
  out.enums = enums == "enum";
  std::vector<std::pair<std::string, std::string>> pairs;
  HS_RETURN_IF_ERROR(section.Pairs("rename_events", pairs));
  out.rename_events.insert(pairs.begin(), pairs.end());
  pairs.clear();
  HS_RETURN_IF_ERROR(section.Pairs("comments", pairs));
  out.comments.insert(pairs.begin(), pairs.end());
  HS_RETURN_IF_ERROR(section.Texts("flatten", out.flatten));
  HS_RETURN_IF_ERROR(section.Texts("plain", out.plain));
  for (const Json& item : section.Of("events").json().items()) {
    const Section event(item, absl::StrCat(std::string(name), ": events[", out.events.size(), "]"));
    HS_RETURN_IF_ERROR(event.Check({"message", "types", "schema", "at"}));
    EventSettings& settings = out.events.emplace_back();
    HS_RETURN_IF_ERROR(event.Text("message", settings.message));
    HS_RETURN_IF_ERROR(event.Texts("types", settings.types));
    HS_RETURN_IF_ERROR(event.Text("schema", settings.schema));
    HS_RETURN_IF_ERROR(event.Pairs("at", settings.at));
    if (settings.message.empty() || settings.types.empty() || settings.schema.empty()) {
      return event.Bad("wants `message`, `types` and `schema`");
    }
  }
  HS_RETURN_IF_ERROR(ReadFields(section.Of("every_event"), out.every_event));
  const Section definitions = section.Of("definitions");
  if (!definitions.json().is_null() && !definitions.json().is_object()) return definitions.Bad("is no map");
  out.definitions = definitions.json();
  const Section types = section.Of("types");
  for (const auto& [key, value] : types.json().members()) {
    HS_RETURN_IF_ERROR(ReadType(types.Of(key), out.types[key]));
  }
  const Section files = section.Of("files");
  for (const auto& [key, value] : files.json().members()) {
    HS_RETURN_IF_ERROR(files.Of(key).Items(out.files.emplace_back(key, std::vector<std::string>()).second));
  }
  return out;
}

bool Matches(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (name.substr(0, star) != pattern.substr(0, star)) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (size_t i = star; i <= name.size(); ++i) {
    if (Matches(rest, name.substr(i))) return true;
  }
  return false;
}

}  // namespace hookstream::schema
