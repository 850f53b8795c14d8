#include "schema/import.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "schema/comment.h"
#include "schema/compile.h"
#include "schema/import_settings.h"
#include "schema/lock.h"
#include "schema/naming.h"
#include "schema/proto_file.h"
#include "schema/type_graph.h"

namespace hookstream::schema {
namespace {

constexpr size_t kMaxTypesInComment = 3;

// An event as the schema names it.
struct EventSchema {
  std::string name;
  const Json* schema = nullptr;
};

// A part of the template of Event.type.
struct TypePart {
  enum class Kind { kText, kName, kPointer };
  Kind kind;
  std::string text;
};

absl::StatusOr<std::vector<TypePart>> ParseTemplate(std::string_view text) {
  std::vector<TypePart> parts;
  while (!text.empty()) {
    const size_t open = text.find('{');
    if (open != 0) {
      parts.push_back({TypePart::Kind::kText, std::string(text.substr(0, open))});
      text.remove_prefix(std::min(open, text.size()));
      continue;
    }
    const size_t close = text.find('}');
    if (close == std::string_view::npos) break;
    const std::string inner(text.substr(1, close - 1));
    if (inner == "name") {
      parts.push_back({TypePart::Kind::kName, ""});
    } else if (!inner.empty() && inner[0] == '/') {
      parts.push_back({TypePart::Kind::kPointer, inner});
    } else {
      break;
    }
    text.remove_prefix(close + 1);
  }
  if (!text.empty() || parts.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the event type at '", std::string(text), "' is no text, {name} or {/pointer}"));
  }
  return parts;
}

// "issues_event", "create$event", "OrderPaidEvent" -> "issues", "create", "OrderPaid".
std::string EventName(std::string name) {
  for (const char* suffix : {"_event", "$event", "-event", ".event", "Event"}) {
    if (name.size() > std::string_view(suffix).size() && absl::EndsWith(name, suffix)) {
      name.resize(name.size() - std::string_view(suffix).size());
      break;
    }
  }
  return name;
}

const Json* Text(const Json& schema, std::string_view key) {
  const Json* const value = schema.Find(key);
  return value != nullptr && value->is_string() && !value->text().empty() ? value : nullptr;
}

std::string DescriptionOf(const std::vector<const Json*>& schemas) {
  for (const Json* schema : schemas) {
    const Json* const description = Text(*schema, "description");
    if (description == nullptr) continue;
    std::string comment = CommentOf(description->text());
    if (!comment.empty()) return comment;
  }
  return "";
}

bool IsDeprecated(const Json* schema) {
  const Json* const deprecated = schema->Find("deprecated");
  return deprecated != nullptr && deprecated->is_true();
}

class Importer {
 public:
  Importer(const ImportOptions& options, SchemaSet& schemas, const ImportSettings& settings)
      : options_(options), schemas_(schemas), settings_(settings), graph_(schemas, settings) {}

  absl::StatusOr<Imported> Run() {
    HS_RETURN_IF_ERROR(AddEvents());
    HS_RETURN_IF_ERROR(graph_.Close());
    HS_ASSIGN_OR_RETURN(types_, graph_.Reachable());
    for (const MessageType* type : types_) type_names_.insert(type->name);
    HS_RETURN_IF_ERROR(CheckSettings());
    for (MessageType* type : types_) HS_RETURN_IF_ERROR(MakeMessage(*type));
    HS_RETURN_IF_ERROR(PlaceTypes());
    HS_ASSIGN_OR_RETURN(Lock lock, Lock::Parse(options_.lock.text, options_.lock.name));
    HS_RETURN_IF_ERROR(lock.Apply(files_));
    for (const ProtoFile& file : files_) out_.files.push_back({file.path, WriteProto(file)});
    std::sort(out_.files.begin(), out_.files.end(),
              [](const TextFile& a, const TextFile& b) { return a.name < b.name; });
    out_.lock = lock.Text();
    if (absl::Status checked = CheckProtos(out_.files); !checked.ok()) {
      return absl::Status(checked.code(), absl::StrCat("the imported protos: ", checked.message()));
    }
    return std::move(out_);
  }

 private:
  // --- which events there are ---

  absl::Status AddWebhooks(const Json& webhooks, std::vector<EventSchema>& out) const {
    for (const auto& [name, item] : webhooks.members()) {
      HS_ASSIGN_OR_RETURN(const Json* const path, schemas_.Resolve(item));
      for (const char* method : {"post", "put", "patch"}) {
        const Json* const operation = path->Find(method);
        if (operation == nullptr) continue;
        const Json* const reference = operation->Find("requestBody");
        if (reference == nullptr) continue;
        HS_ASSIGN_OR_RETURN(const Json* const body, schemas_.Resolve(*reference));
        const Json* const content = body->Find("content");
        if (content == nullptr) continue;
        for (const auto& [media, of_media] : content->members()) {
          const Json* const schema = of_media.Find("schema");
          if (!absl::StrContains(media, "json") || schema == nullptr) continue;
          out.push_back({name, schema});
          break;
        }
        break;
      }
    }
    return absl::OkStatus();
  }

  bool Wanted(const std::string& name) const {
    return options_.events.empty() || std::any_of(options_.events.begin(), options_.events.end(),
                                                  [&](const std::string& one) { return Matches(one, name); });
  }

  // The events of one file.
  absl::Status AddListed(const SchemaSet::Document& document, std::vector<EventSchema>& out) const {
    std::vector<EventSchema> listed;
    for (const char* key : {"webhooks", "x-webhooks"}) {
      const Json* const webhooks = document.root.Find(key);
      if (webhooks != nullptr) HS_RETURN_IF_ERROR(AddWebhooks(*webhooks, listed));
    }
    for (const char* key : {"oneOf", "anyOf"}) {
      const Json* const variants = document.root.Find(key);
      if (variants == nullptr) continue;
      for (const Json& variant : variants->items()) {
        HS_ASSIGN_OR_RETURN(const Json* const target, schemas_.Target(variant));
        if (target != nullptr) listed.push_back({schemas_.NameOf(*target), target});
      }
    }
    if (listed.empty() && !options_.events.empty()) {
      // No list: what was asked for by name.
      std::vector<std::pair<std::string, const Json*>> definitions = schemas_.Definitions();
      for (const auto& [name, definition] : definitions) {
        std::string pointer = schemas_.Where(*definition);
        if (Wanted(name) && absl::StartsWith(pointer, document.name + "#"))
          out.push_back({EventName(name), definition});
      }
    }
    if (listed.empty()) {
      std::vector<const Json*> objects;
      HS_RETURN_IF_ERROR(schemas_.AddObjects(document.root, objects));
      if (!objects.empty()) {
        std::string name = document.name.substr(document.name.rfind('/') + 1);
        for (const char* suffix : {".json", ".yaml", ".yml", ".schema"}) {
          if (absl::EndsWith(name, suffix)) name.resize(name.size() - std::string_view(suffix).size());
        }
        listed.push_back({name, &document.root});
      }
    }
    for (EventSchema& event : listed) {
      if (!Wanted(event.name)) continue;
      event.name = EventName(std::move(event.name));
      out.push_back(std::move(event));
    }
    return absl::OkStatus();
  }

  absl::Status AddEvents() {
    std::vector<EventSchema> events;
    for (const auto& document : schemas_.documents()) HS_RETURN_IF_ERROR(AddListed(*document, events));
    for (EventSchema& event : events) {
      const auto renamed = settings_.rename_events.find(event.name);
      if (renamed != settings_.rename_events.end()) event.name = renamed->second;
    }
    if (events.empty() && settings_.events.empty()) {
      std::vector<std::string> names;
      for (const auto& [name, definition] : schemas_.Definitions()) names.push_back(name);
      const size_t count = names.size();
      if (count > 20) names.resize(20);
      return absl::InvalidArgumentError(absl::StrCat(
          schemas_.documents()[0]->name,
          "#: has no list of events; say which definitions are events, by pattern or in the settings' `events`",
          count == 0 ? "" : ". It has: ", absl::StrJoin(names, ", "), count > 20 ? ", ..." : ""));
    }
    std::string text = options_.event_type.empty() ? settings_.event_type : options_.event_type;
    if (text.empty()) {
      bool all = true;
      for (const EventSchema& event : events) {
        HS_ASSIGN_OR_RETURN(const std::optional<Shape> shape, ShapeAt(*event.schema, "/type"));
        all &= shape.has_value() && !shape->texts.empty() && !shape->open_text;
      }
      text = all ? "{/type}" : "{name}";
    }
    HS_ASSIGN_OR_RETURN(const std::vector<TypePart> parts, ParseTemplate(text));
    for (const EventSchema& event : events) {
      std::string message = TypeName(event.name);
      if (!absl::EndsWith(message, "Event")) message += "Event";
      HS_ASSIGN_OR_RETURN(MessageType* const type, graph_.AddEvent(message, *event.schema));
      HS_RETURN_IF_ERROR(AddTypes(*type, event, parts));
    }
    return AddSettledEvents();
  }

  // Events that the settings make out of definitions.
  absl::Status AddSettledEvents() {
    for (const EventSettings& event : settings_.events) {
      const Json* schema = schemas_.FindDefinition(event.schema);
      if (schema == nullptr) {
        return absl::InvalidArgumentError(
            absl::StrCat(options_.settings.name, ": ", event.message, ": no definition is called ", event.schema));
      }
      if (!event.at.empty()) {
        Json replaced = *schema;
        for (const auto& [pointer, definition] : event.at) {
          if (schemas_.FindDefinition(definition) == nullptr) {
            return absl::InvalidArgumentError(
                absl::StrCat(options_.settings.name, ": ", event.message, ": no definition is called ", definition));
          }
          std::vector<std::string> keys =
              absl::StrSplit(absl::string_view(pointer).substr(pointer.empty() ? 0 : 1), '/');
          HS_ASSIGN_OR_RETURN(replaced, Replaced(replaced, keys, 0, *schemas_.FindDefinition(definition)));
        }
        made_.push_back(std::make_unique<Json>(std::move(replaced)));
        schema = made_.back().get();
        schemas_.Adopt(*schema, absl::StrCat(options_.settings.name, ": ", event.message, "#"));
      }
      HS_ASSIGN_OR_RETURN(MessageType* const type, graph_.AddEvent(event.message, *schema));
      std::vector<std::string>& patterns = patterns_[type];
      patterns.insert(patterns.end(), event.types.begin(), event.types.end());
      if (file_stems_[type].empty()) file_stems_[type] = SnakeName(EventName(event.message));
    }
    return absl::OkStatus();
  }

  // The object with another schema at the end of the keys: what was open in an envelope is said.
  absl::StatusOr<Json> Replaced(const Json& schema, const std::vector<std::string>& keys, size_t at,
                                const Json& definition) const {
    if (at == keys.size()) {
      Json reference;
      reference.Set("$ref", Json::String(schemas_.Where(definition)));
      return reference;
    }
    std::vector<const Json*> objects;
    HS_RETURN_IF_ERROR(schemas_.AddObjects(schema, objects));
    Json out;
    out.Set("type", Json::String("object"));
    if (const Json* const description = Text(schema, "description")) out.Set("description", *description);
    Json properties = Json::Object();
    for (const Json* object : objects) {
      for (const auto& [key, value] : object->Find("properties")->members()) {
        if (properties.Find(key) == nullptr) properties.Set(key, value);
      }
    }
    const Json* const inner = properties.Find(keys[at]);
    HS_ASSIGN_OR_RETURN(Json replaced, Replaced(inner == nullptr ? Json::Object() : *inner, keys, at + 1, definition));
    properties.Set(keys[at], std::move(replaced));
    out.Set("properties", std::move(properties));
    return out;
  }

  // What is at a pointer of an event's document; nullopt: no schema says.
  absl::StatusOr<std::optional<Shape>> ShapeAt(const Json& event, std::string_view pointer) const {
    std::vector<const Json*> schemas = {&event};
    for (const absl::string_view key :
         absl::StrSplit(absl::string_view(pointer.data(), pointer.size()).substr(1), '/')) {
      std::vector<const Json*> next;
      for (const Json* schema : schemas) {
        std::vector<const Json*> objects;
        HS_RETURN_IF_ERROR(schemas_.AddObjects(*schema, objects));
        for (const Json* object : objects) {
          const Json* const value = object->Find("properties")->Find(std::string_view(key.data(), key.size()));
          if (value != nullptr) next.push_back(value);
        }
      }
      schemas = std::move(next);
    }
    if (schemas.empty()) return std::nullopt;
    HS_ASSIGN_OR_RETURN(Shape shape, schemas_.ShapeOf(schemas));
    return shape;
  }

  absl::Status AddTypes(MessageType& type, const EventSchema& event, const std::vector<TypePart>& parts) {
    std::vector<std::string> patterns = {""};
    std::vector<std::string> shown = {""};
    bool begun = false;  // something stands before the pointer that tells events apart
    for (const TypePart& part : parts) {
      if (part.kind == TypePart::Kind::kText || part.kind == TypePart::Kind::kName) {
        const std::string& text = part.kind == TypePart::Kind::kName ? event.name : part.text;
        for (std::string& pattern : patterns) pattern += text;
        for (std::string& one : shown) one += text;
        begun |= part.kind == TypePart::Kind::kName;
        continue;
      }
      HS_ASSIGN_OR_RETURN(const std::optional<Shape> shape, ShapeAt(*event.schema, part.text));
      const bool closed = shape.has_value() && !shape->texts.empty() && !shape->open_text;
      if (!begun && !closed) {
        return absl::InvalidArgumentError(absl::StrCat(schemas_.Where(*event.schema),
                                                       ": what Event.type is can't be told: ", part.text,
                                                       " has neither a const nor an enum"));
      }
      std::vector<std::string> next;
      std::vector<std::string> next_shown;
      const auto bare = [](std::string text) {
        while (!text.empty() && (text.back() == '.' || text.back() == '/' || text.back() == ':')) text.pop_back();
        return text;
      };
      // With a name before it, a text that is new to the schema is typed too; so is an event without it.
      if (begun) {
        for (const std::string& pattern : patterns) {
          next.push_back(bare(pattern));
          if (shape.has_value()) next.push_back(pattern + "*");
        }
      }
      if (closed) {
        for (const std::string& pattern : shown) {
          for (const std::string& text : shape->texts) next_shown.push_back(pattern + text);
        }
      } else {
        for (const std::string& pattern : shown)
          next_shown.push_back(shape.has_value() ? pattern + "*" : bare(pattern));
      }
      if (!begun) next = next_shown;
      patterns = std::move(next);
      shown = std::move(next_shown);
      begun = true;
    }
    const auto add = [](const std::vector<std::string>& from, std::vector<std::string>& to) {
      for (const std::string& one : from) {
        if (std::find(to.begin(), to.end(), one) == to.end()) to.push_back(one);
      }
    };
    add(patterns, patterns_[&type]);
    add(shown, shown_types_[&type]);
    if (file_stems_[&type].empty()) file_stems_[&type] = SnakeName(event.name);
    return absl::OkStatus();
  }

  // A name in the settings that nothing has is a mistake.
  absl::Status CheckSettings() const {
    for (const auto& [name, type] : settings_.types) {
      if (type_names_.count(name) == 0) {
        return absl::InvalidArgumentError(
            absl::StrCat(options_.settings.name, ": types: ", name, ": no message is called so"));
      }
    }
    return absl::OkStatus();
  }

  // --- messages ---

  absl::Status MakeMessage(MessageType& type) {
    ProtoMessage message;
    message.name = type.name;
    const TypeSettings* const settings = settings_.FindType(type.name);
    message.comment = MessageComment(type, settings);
    message.deprecated = std::any_of(type.described.begin(), type.described.end(), IsDeprecated);
    if (type.event) {
      v1::EventMapping& event = message.events.emplace_back();
      for (const std::string& pattern : patterns_[&type]) event.add_types(pattern);
    }
    HS_ASSIGN_OR_RETURN(const std::vector<Property> properties, graph_.PropertiesOf(type));
    std::set<std::string> names;
    std::vector<ProtoField> second;  // further readers of a value, named after all first ones
    std::set<std::string> used;
    for (const Property& property : properties) {
      HS_ASSIGN_OR_RETURN(const std::vector<Reader> readers, graph_.ReadersOf(type, property));
      used.insert(absl::StrJoin(property.path, "/"));
      for (size_t i = 0; i < readers.size(); ++i) {
        ProtoField field = MakeField(type, property, readers[i], i == 0, names);
        const bool alone = property.settings != nullptr && !property.settings->enum_name.empty();
        if (enums_.count(field.type) != 0 && !alone) {
          // A text that is newer than the schema is not lost.
          ProtoField& text = second.emplace_back();
          text.name = field.name + "_text";
          text.type = "string";
          text.cardinality = field.cardinality;
          text.mapping.add_from(PointerOf(property));
          ReadsItsKey(property, field);
        }
        if (i == 0 && readers.size() > 1) ReadsItsKey(property, field);
        if (i == 0) {
          message.fields.push_back(std::move(field));
        } else {
          second.push_back(std::move(field));
        }
      }
    }
    for (ProtoField& field : second) {
      field.name = Named(std::move(field.name), names);
      message.fields.push_back(std::move(field));
    }
    if (type.rest) {
      ProtoField field;
      field.name = Named("rest", names);
      field.type = "google.protobuf.Struct";
      field.mapping.set_rest(true);
      field.comment = "The keys that have no field here.";
      message.fields.push_back(std::move(field));
    }
    if (settings != nullptr) {
      for (const auto& [key, field] : settings->fields) {
        if (used.count(key) == 0 && !FlattenedAway(key, used)) {
          return absl::InvalidArgumentError(absl::StrCat(options_.settings.name, ": types: ", type.name,
                                                         ": fields: ", key, ": the message has no such key"));
        }
      }
    }
    out_.fields += message.fields.size();
    ++out_.messages;
    if (type.event) ++out_.events;
    messages_[type.name] = std::move(message);
    return absl::OkStatus();
  }

  static std::string PointerOf(const Property& property) {
    std::string pointer;
    for (const std::string& key : property.path) pointer += PointerSegment(key);
    return pointer;
  }

  // A field without options reads its json_name, "fullName", and its name only as long as no other field reads that.
  static void ReadsItsKey(const Property& property, ProtoField& field) {
    if (field.mapping.from_size() != 0 || !field.json_name.empty() || field.name == DefaultJsonName(field.name)) return;
    field.mapping.add_from(PointerOf(property));
  }

  // Of a key whose object's own keys are fields in its place.
  static bool FlattenedAway(const std::string& key, const std::set<std::string>& used) {
    return std::any_of(used.begin(), used.end(),
                       [&](const std::string& path) { return absl::StartsWith(path, key + "/"); });
  }

  // New by itself and by the json_name that follows from it.
  static std::string Named(std::string name, std::set<std::string>& names) {
    std::string candidate = name;
    for (int i = 2; names.count(DefaultJsonName(candidate)) != 0; ++i) candidate = absl::StrCat(name, i);
    names.insert(DefaultJsonName(candidate));
    return candidate;
  }

  std::string MessageComment(const MessageType& type, const TypeSettings* settings) {
    std::string comment;
    if (type.event) {
      std::vector<std::string> shown = shown_types_[&type];
      if (shown.empty()) shown = patterns_[&type];
      const bool more = shown.size() > kMaxTypesInComment;
      if (more) shown.resize(kMaxTypesInComment);
      comment = absl::StrCat(absl::StrJoin(shown, ", "), more ? ", ..." : "");
    }
    std::string description =
        settings != nullptr && !settings->comment.empty() ? settings->comment : DescriptionOf(type.described);
    if (description.empty()) return comment.empty() || absl::EndsWith(comment, "...") ? comment : comment + ".";
    return comment.empty() ? description : absl::StrCat(comment, ": ", description);
  }

  ProtoField MakeField(const MessageType& type, const Property& property, const Reader& reader, bool first,
                       std::set<std::string>& names) {
    static const FieldSettings* const kNone = new FieldSettings;
    const FieldSettings& settings = property.settings == nullptr ? *kNone : *property.settings;
    ProtoField field;
    field.type = reader.message == nullptr ? reader.type : reader.message->name;
    field.cardinality = reader.cardinality;
    const bool scalar = reader.message == nullptr && !absl::StartsWith(reader.type, "google.");
    const bool optional = settings.optional.value_or(property.shape.null || property.path.size() > 1);
    if (scalar && field.cardinality == Cardinality::kSingle && optional) field.cardinality = Cardinality::kOptional;
    field.mapping.set_text(reader.text);
    field.mapping.set_time(reader.time);
    field.mapping.set_id(reader.id);
    if (reader.time == v1::NUMBER_TIME_UNSPECIFIED) field.mapping.clear_time();
    if (!reader.text) field.mapping.clear_text();
    if (reader.id.empty()) field.mapping.clear_id();
    field.deprecated =
        !property.schemas.empty() && std::all_of(property.schemas.begin(), property.schemas.end(), IsDeprecated);

    NameField(type, property, reader, first, settings, names, field);

    field.comment = settings.comment;
    const auto plain = [&](const std::string& pattern) { return Matches(pattern, property.path.back()); };
    const bool silent = !property.path.empty() && std::any_of(settings_.plain.begin(), settings_.plain.end(), plain);
    if (field.comment.empty() && first && !silent) field.comment = DescriptionOf(property.schemas);
    if (field.comment.empty() && first && !property.path.empty()) {
      const auto it = settings_.comments.find(property.path.back());
      if (it != settings_.comments.end()) field.comment = it->second;
    }
    if (!reader.texts.empty()) {
      const bool alone = !settings.enum_name.empty();
      if (alone || (settings_.enums && reader.texts.size() > 1)) {
        const std::string name = alone ? settings.enum_name : TypeGraph::InnerName(type, property.path);
        const std::optional<std::string> made = AddEnum(name, reader.texts);
        if (made.has_value()) field.type = *made;
      }
      if (settings.comment.empty() && field.type == "string") AddTexts(field.comment, reader.texts);
    }
    if (reader.message == nullptr && reader.type == "google.protobuf.Value" && first && !property.schemas.empty() &&
        property.settings == nullptr) {
      out_.notes.push_back(absl::StrCat(schemas_.Where(*property.schemas[0]), ": may be anything; ", type.name, ".",
                                        field.name, " is a google.protobuf.Value"));
    }
    return field;
  }

  // The field's name, and where it reads from when that does not follow from the name.
  void NameField(const MessageType& type, const Property& property, const Reader& reader, bool first,
                 const FieldSettings& settings, std::set<std::string>& names, ProtoField& field) {
    const std::string pointer = PointerOf(property);
    if (type.kind == MessageType::Kind::kValue) {
      std::string name = reader.suffix;
      if (name.empty()) {
        name = reader.message != nullptr                      ? "object"
               : reader.cardinality == Cardinality::kRepeated ? "list"
               : reader.cardinality == Cardinality::kMap      ? "values"
               : reader.type == "string"                      ? "text"
                                                              : "content";
      }
      field.name = first ? Named(name, names) : name;
      field.mapping.add_from("");
      return;
    }
    std::string key = absl::StrJoin(property.path, "_");
    if (type.kind == MessageType::Kind::kTuple) key = "item_" + key;
    std::string name = !settings.name.empty() ? settings.name : FieldName(key, field.type == "bool");
    if (!reader.suffix.empty()) absl::StrAppend(&name, "_", reader.suffix);
    if (!first) {
      // Named by the caller.
      field.name = std::move(name);
      field.mapping.add_from(pointer);
      return;
    }
    field.name = Named(std::move(name), names);
    if (property.path.size() > 1 || type.kind == MessageType::Kind::kTuple) {
      field.mapping.add_from(pointer);
    } else if (key != field.name && key != DefaultJsonName(field.name)) {
      const bool plain = std::all_of(key.begin(), key.end(), [](char c) {
        return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
      });
      if (plain && !key.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(key[0]))) {
        field.json_name = key;
      } else {
        field.mapping.add_from(pointer);
      }
    }
  }

  // The enum's name; nullopt: the texts can't be told apart as names, or the name is a message's.
  std::optional<std::string> AddEnum(const std::string& name, const std::vector<std::string>& texts) {
    if (type_names_.count(name) != 0) return std::nullopt;
    ProtoEnum type;
    type.name = name;
    const std::string prefix = UpperName(name) + "_";
    type.values.push_back({prefix + "UNSPECIFIED", 0, {}, ""});
    for (const std::string& text : texts) {
      const std::string bare = UpperName(text);
      const auto same = [&](const ProtoEnumValue& value) { return value.name == prefix + bare; };
      if (std::any_of(type.values.begin(), type.values.end(), same)) return std::nullopt;
      // A text is matched without case and punctuation, so few need to be written down.
      std::string plain;
      for (const char c : text) {
        if (absl::ascii_isalnum(static_cast<unsigned char>(c)))
          plain.push_back(absl::ascii_toupper(static_cast<unsigned char>(c)));
      }
      const bool follows = plain == absl::StrReplaceAll(bare, {{"_", ""}});
      type.values.push_back(
          {prefix + bare, 0, follows ? std::vector<std::string>() : std::vector<std::string>{text}, ""});
    }
    const auto [it, added] = enums_.emplace(name, type);
    if (!added) {
      for (const ProtoEnumValue& value : type.values) {
        const auto same = [&](const ProtoEnumValue& other) { return other.name == value.name; };
        if (std::none_of(it->second.values.begin(), it->second.values.end(), same)) it->second.values.push_back(value);
      }
    }
    return name;
  }

  // --- files ---

  // Each message goes where the settings say; else into the file of the one event that needs it, or the common one.
  absl::Status PlaceTypes() {
    std::map<std::string, std::set<std::string>> events_of;  // message -> events that need it
    std::map<std::string, std::string> stem_of;
    for (const MessageType* type : types_) {
      if (!type->event) continue;
      stem_of[type->name] = file_stems_.at(type);
      std::vector<std::string> open = {type->name};
      std::set<std::string> seen;
      while (!open.empty()) {
        const std::string name = open.back();
        open.pop_back();
        if (!seen.insert(name).second) continue;
        events_of[name].insert(type->name);
        for (const ProtoField& field : messages_.at(name).fields) {
          if (messages_.count(field.type) != 0) open.push_back(field.type);
          if (enums_.count(field.type) != 0) events_of[field.type].insert(type->name);
        }
      }
    }
    const auto file_of = [&](const std::string& name) -> std::string {
      for (const auto& [file, patterns] : settings_.files) {
        for (const std::string& pattern : patterns) {
          if (Matches(pattern, name)) return file;
        }
      }
      const std::set<std::string>& events = events_of.at(name);
      if (events.size() > 1) {
        // Events that share a file share its messages.
        std::set<std::string> files;
        for (const std::string& event : events) files.insert(place_.count(event) != 0 ? place_.at(event) : "");
        return files.size() == 1 && !files.begin()->empty() ? *files.begin() : "common.proto";
      }
      const std::string& event = *events.begin();
      return place_.count(event) != 0 ? place_.at(event) : stem_of.at(event) + ".proto";
    };
    for (const MessageType* type : types_) {
      if (!type->event) continue;
      std::string file = stem_of.at(type->name) + ".proto";
      for (const auto& [name, patterns] : settings_.files) {
        const auto matches = [&](const std::string& pattern) { return Matches(pattern, type->name); };
        if (std::any_of(patterns.begin(), patterns.end(), matches)) {
          file = name;
          break;
        }
      }
      place_[type->name] = file;
    }
    for (const MessageType* type : types_) place_.emplace(type->name, file_of(type->name));
    for (const auto& [name, type] : enums_) {
      // With the messages that use it.
      std::set<std::string> users;
      for (const auto& [message, proto] : messages_) {
        for (const ProtoField& field : proto.fields) {
          if (field.type == name) users.insert(place_.at(message));
        }
      }
      place_[name] = users.size() == 1 ? *users.begin() : "common.proto";
    }

    const std::string folder = absl::StrReplaceAll(options_.package, {{".", "/"}}) + "/";
    std::map<std::string, ProtoFile> files;
    const auto file_at = [&](const std::string& name) -> ProtoFile& {
      ProtoFile& file = files[name];
      if (file.path.empty()) {
        file.path = folder + name;
        file.package = options_.package;
        file.comment =
            absl::StrCat(kImportMark + 3, " from the provider's schema",
                         options_.settings.text.empty()
                             ? ""
                             : " and " + options_.settings.name.substr(options_.settings.name.rfind('/') + 1),
                         ": a change here would be lost.");
        SetLanguagePackages(file);
      }
      return file;
    };
    // File -> the files that it needs, and the field that needs it.
    std::map<std::string, std::map<std::string, std::string>> imports;
    for (const MessageType* type : types_) {
      ProtoMessage& message = messages_.at(type->name);
      const std::string& place = place_.at(type->name);
      ProtoFile& file = file_at(place);
      if (type->event) file.provider = options_.provider;
      for (const ProtoField& field : message.fields) {
        const auto it = place_.find(field.type);
        if (it != place_.end() && it->second != place) {
          imports[place].emplace(it->second, absl::StrCat(message.name, ".", field.name));
        }
      }
      file.messages.push_back(message);
    }
    for (const auto& [name, type] : enums_) file_at(place_.at(name)).enums.push_back(type);
    std::set<std::string> done;
    for (const auto& [name, file] : files) {
      std::vector<std::string> open;
      HS_RETURN_IF_ERROR(CheckCircle(name, imports, open, done));
    }
    for (auto& [name, file] : files) {
      for (const auto& [import, field] : imports[name]) file.imports.push_back(folder + import);
      files_.push_back(std::move(file));
    }
    return absl::OkStatus();
  }

  // Protobuf's imports go in no circle. `open` are the files that lead here.
  absl::Status CheckCircle(const std::string& file,
                           const std::map<std::string, std::map<std::string, std::string>>& imports,
                           std::vector<std::string>& open, std::set<std::string>& done) const {
    const auto begin = std::find(open.begin(), open.end(), file);
    if (begin != open.end()) {
      open.push_back(file);
      std::string circle;
      for (auto it = std::find(open.begin(), open.end(), file); it + 1 != open.end(); ++it) {
        absl::StrAppend(&circle, circle.empty() ? "" : ", ", *it, " needs ", *(it + 1), " (",
                        imports.at(*it).at(*(it + 1)), ")");
      }
      return absl::InvalidArgumentError(
          absl::StrCat(options_.settings.name, ": files: they need each other: ", circle));
    }
    if (!done.insert(file).second) return absl::OkStatus();
    open.push_back(file);
    if (const auto it = imports.find(file); it != imports.end()) {
      for (const auto& [import, field] : it->second) HS_RETURN_IF_ERROR(CheckCircle(import, imports, open, done));
    }
    open.pop_back();
    return absl::OkStatus();
  }

  const ImportOptions& options_;
  SchemaSet& schemas_;
  const ImportSettings& settings_;
  TypeGraph graph_;
  Imported out_;
  std::vector<std::unique_ptr<Json>> made_;  // schemas that `at` made
  std::map<const MessageType*, std::vector<std::string>> patterns_;
  std::map<const MessageType*, std::vector<std::string>> shown_types_;  // for comments
  std::map<const MessageType*, std::string> file_stems_;
  std::vector<MessageType*> types_;
  std::set<std::string> type_names_;
  std::map<std::string, ProtoMessage> messages_;
  std::map<std::string, ProtoEnum> enums_;
  std::map<std::string, std::string> place_;  // message or enum -> file
  std::vector<ProtoFile> files_;
};

bool IsPackage(std::string_view text) {
  for (const absl::string_view part : absl::StrSplit(absl::string_view(text.data(), text.size()), '.')) {
    if (part.empty() || !absl::ascii_islower(static_cast<unsigned char>(part[0]))) return false;
    for (const char c : part) {
      if (!absl::ascii_islower(static_cast<unsigned char>(c)) && !absl::ascii_isdigit(static_cast<unsigned char>(c)) &&
          c != '_')
        return false;
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<Imported> Import(const ImportOptions& options) {
  if (options.schemas.empty()) return absl::InvalidArgumentError("no schema is given");
  if (options.provider.empty()) return absl::InvalidArgumentError("no provider is given");
  if (!IsPackage(options.package)) {
    return absl::InvalidArgumentError(absl::StrCat("'", options.package, "' is no package of lower-case names"));
  }
  HS_ASSIGN_OR_RETURN(const ImportSettings settings, ParseImportSettings(options.settings.text, options.settings.name));
  HS_ASSIGN_OR_RETURN(const std::unique_ptr<SchemaSet> schemas, SchemaSet::Parse(options.schemas));
  for (const auto& [name, type] : settings.types) {
    for (const auto& [key, field] : type.fields) {
      const std::string where = absl::StrCat(options.settings.name, ": types: ", name, ": fields: ", key, "#");
      if (field.schema.has_value()) schemas->Adopt(*field.schema, where);
      if (field.only.has_value()) schemas->Adopt(*field.only, where);
    }
  }
  for (const auto& [key, field] : settings.every_event.fields) {
    if (field.schema.has_value()) {
      schemas->Adopt(*field.schema, absl::StrCat(options.settings.name, ": every_event: ", key, "#"));
    }
  }
  schemas->AdoptDefinitions(settings.definitions, absl::StrCat(options.settings.name, ": definitions#"));
  Importer importer(options, *schemas, settings);
  return importer.Run();
}

}  // namespace hookstream::schema
