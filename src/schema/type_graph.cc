#include "schema/type_graph.h"

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "schema/naming.h"

namespace hookstream::schema {
namespace {

constexpr size_t kMaxTypes = 20'000;
constexpr size_t kMaxFlattenedDepth = 16;
// Keys that a definition has beyond another one that it is counted to.
constexpr int64_t kAbsorbedKeysMax = 1;
// A union is named after its definitions, "TeamOrUser", unless that is longer.
constexpr size_t kUnionNameMax = 48;
// Inline objects that are as small as that say too little to be the same by being equal.
constexpr size_t kSharedFieldsMin = 2;
constexpr size_t kSharedWithDefinitionFieldsMin = 4;

// The one field that all scalars of a value fill.
Reader ScalarReader(const Shape& shape) {
  Reader out;
  const bool numeric = shape.integer || shape.number;
  if (shape.string && !shape.plain_text && !shape.boolean) {
    out.type = "google.protobuf.Timestamp";
    if (numeric) out.time = v1::NUMBER_TIME_SECONDS;
  } else if (numeric && !shape.plain_number && !shape.string && !shape.boolean) {
    out.type = "google.protobuf.Timestamp";
    out.time = v1::NUMBER_TIME_SECONDS;
  } else if (shape.string || (shape.boolean && numeric)) {
    out.type = "string";
    out.text = shape.boolean || numeric;
    if (!shape.open_text && !out.text) out.texts = shape.texts;
  } else if (shape.boolean) {
    out.type = "bool";
  } else {
    out.type = shape.number ? "double" : "int64";
  }
  return out;
}

Reader TypeReader(std::string type) {
  Reader out;
  out.type = std::move(type);
  return out;
}

Reader MessageReader(MessageType* message) {
  Reader out;
  out.message = message;
  return out;
}

// Of "IssueLabel" in Issue: "Label".
std::string KeyPart(const MessageType& parent, const std::string& name) {
  absl::string_view key = name;
  absl::ConsumePrefix(&key, parent.name);
  return std::string(key);
}

// How many kinds of JSON values, each of which needs a field of its own, there are.
int Kinds(const Shape& shape) {
  return (shape.scalar() ? 1 : 0) + (shape.object() || shape.map() || shape.free_object ? 1 : 0) +
         (shape.array ? 1 : 0);
}

}  // namespace

TypeGraph::TypeGraph(const SchemaSet& schemas, const ImportSettings& settings)
    : schemas_(schemas), settings_(settings) {
  for (const auto& [name, type] : settings.types) {
    for (const std::string& from : type.from) renamed_[from] = name;
  }
}

std::string TypeGraph::InnerName(const MessageType& parent, const std::vector<std::string>& path) {
  std::string key;
  for (const std::string& part : path) key += CamelName(part);
  if (!parent.event) return parent.name + key;
  // The event's own object is no "PushEventPush".
  std::string base = parent.name;
  if (absl::EndsWith(base, "Event")) base.resize(base.size() - 5);
  return absl::StartsWith(key, base) ? TypeName(key) : base + key;
}

// `origin` is what the name was made for: the same origin gets the same message.
MessageType* TypeGraph::Claim(const std::string& generated, const std::string& origin) {
  if (const auto it = by_origin_.find(origin); it != by_origin_.end()) return it->second;
  std::string name = generated;
  auto renamed = renamed_.find(name);
  for (int i = 2; renamed == renamed_.end() && !native_.emplace(name, origin).second; ++i) {
    name = absl::StrCat(generated, i);
    renamed = renamed_.find(name);
  }
  if (renamed != renamed_.end()) name = renamed->second;
  MessageType*& type = by_name_[name];
  if (type == nullptr) {
    types_.push_back(std::make_unique<MessageType>());
    type = types_.back().get();
    type->name = name;
    grew_ = true;
  }
  by_origin_[origin] = type;
  return type;
}

void TypeGraph::AddSources(std::vector<const Json*>& to, const std::vector<const Json*>& sources) {
  const size_t size = to.size();
  for (const Json* source : sources) AddOnce(to, source);
  grew_ |= to.size() != size;
}

absl::StatusOr<MessageType*> TypeGraph::AddEvent(const std::string& name, const Json& schema) {
  std::vector<const Json*> sources;
  HS_RETURN_IF_ERROR(schemas_.AddObjects(schema, sources));
  if (sources.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(schemas_.Where(schema), ": the event is no object with properties"));
  }
  MessageType* const type = Claim(name, "event " + name);
  type->event = true;
  AddOnce(type->described, &schema);
  HS_ASSIGN_OR_RETURN(const Json* const resolved, schemas_.Resolve(schema));
  AddOnce(type->described, resolved);
  AddSources(type->sources, sources);
  return type;
}

absl::StatusOr<MessageType*> TypeGraph::TypeOfDefinition(const Json& definition) {
  const std::string origin = absl::StrCat("definition ", reinterpret_cast<uintptr_t>(&definition));
  const bool known = by_origin_.count(origin) != 0;
  MessageType* const type = Claim(known ? "" : TypeName(schemas_.NameOf(definition)), origin);
  if (!known) {
    type->named = true;
    AddOnce(type->described, &definition);
    std::vector<const Json*> sources;
    HS_RETURN_IF_ERROR(schemas_.AddObjects(definition, sources));
    AddSources(type->sources, sources);
  }
  return type;
}

// The one of several definitions that has nearly all keys of the others: {id, deleted: true} beside the whole object is
// no message of its own. Null: there is none.
absl::StatusOr<MessageType*> TypeGraph::Absorbing(const std::vector<MessageType*>& definitions) const {
  std::vector<std::set<std::string_view>> keys;
  for (const MessageType* type : definitions) {
    std::set<std::string_view>& of_type = keys.emplace_back();
    for (const Json* source : type->sources) {
      for (const auto& [key, schema] : source->Find("properties")->members()) of_type.insert(key);
    }
  }
  for (size_t i = 0; i < definitions.size(); ++i) {
    const auto within = [&](const std::set<std::string_view>& others) {
      const auto missing = [&](std::string_view key) { return keys[i].count(key) == 0; };
      return others.size() <= keys[i].size() &&
             std::count_if(others.begin(), others.end(), missing) <= kAbsorbedKeysMax;
    };
    if (std::all_of(keys.begin(), keys.end(), within)) return definitions[i];
  }
  return nullptr;
}

absl::StatusOr<MessageType*> TypeGraph::ObjectType(const MessageType& parent, const std::string& name,
                                                   const Shape& shape) {
  // Definitions that the settings made one message are one here.
  std::vector<MessageType*> definitions;
  for (const Json* definition : shape.named) {
    HS_ASSIGN_OR_RETURN(MessageType* const type, TypeOfDefinition(*definition));
    if (std::find(definitions.begin(), definitions.end(), type) == definitions.end()) definitions.push_back(type);
  }
  std::sort(definitions.begin(), definitions.end(),
            [](const MessageType* a, const MessageType* b) { return a->name < b->name; });
  MessageType* type = nullptr;
  if (definitions.empty()) {
    type = Claim(name, absl::StrCat("inner ", parent.name, " ", name));
    if (!parent.event) type->key = KeyPart(parent, name);
  } else if (definitions.size() == 1) {
    type = definitions[0];
  } else {
    HS_ASSIGN_OR_RETURN(type, Absorbing(definitions));
    if (type == nullptr) {
      // By what it is a union of and not by its place: a definition may be within itself in many ways.
      std::vector<std::string> names;
      for (const MessageType* definition : definitions) names.push_back(definition->name);
      const std::string either = absl::StrJoin(names, "Or");
      std::string origin = "union " + either;
      for (const Json* source : shape.inlined) absl::StrAppend(&origin, " ", reinterpret_cast<uintptr_t>(source));
      type = Claim(either.size() <= kUnionNameMax && shape.inlined.empty() ? either : name, origin);
    }
    for (const Json* definition : shape.named) {
      std::vector<const Json*> sources;
      HS_RETURN_IF_ERROR(schemas_.AddObjects(*definition, sources));
      AddSources(type->sources, sources);
    }
  }
  AddSources(type->sources, shape.inlined);
  AddSources(type->refined, shape.refined);
  if (shape.map()) type->rest = true;
  return type;
}

absl::StatusOr<bool> TypeGraph::HasId(const MessageType& type) const {
  std::vector<const Json*> schemas;
  for (const Json* source : type.sources) {
    const Json* const properties = source->Find("properties");
    const Json* const id = properties == nullptr ? nullptr : properties->Find("id");
    if (id != nullptr) schemas.push_back(id);
  }
  HS_ASSIGN_OR_RETURN(const Shape shape, schemas_.ShapeOf(schemas));
  return !schemas.empty() && shape.scalar() && Kinds(shape) == 1 && !shape.any;
}

// Fields of elements of a list or map: they can't have two readers for one element, but for ids.
absl::StatusOr<std::vector<Reader>> TypeGraph::Elements(const MessageType& parent, const std::string& name,
                                                        const std::vector<const Json*>& schemas,
                                                        Cardinality cardinality) {
  HS_ASSIGN_OR_RETURN(const Shape shape, schemas_.ShapeOf(schemas));
  std::vector<Reader> out;
  const bool mixed = Kinds(shape) > 1;
  if (shape.any || shape.none()) {
    out.push_back(TypeReader("google.protobuf.Value"));
  } else if ((mixed && !(shape.scalar() && shape.object() && !shape.array)) || shape.array ||
             (shape.map() && !shape.object())) {
    MessageType* const type = Claim(name, absl::StrCat("value ", parent.name, " ", name));
    type->kind = MessageType::Kind::kValue;
    AddSources(type->sources, schemas);
    out.push_back(MessageReader(type));
  } else {
    HS_ASSIGN_OR_RETURN(out, Readers(parent, name, shape));
    if (out.size() > 1 && out[0].id.empty()) {
      // Text or an object without an id: one message that takes both.
      MessageType* const type = Claim(name + "Value", absl::StrCat("value ", parent.name, " ", name));
      type->kind = MessageType::Kind::kValue;
      AddSources(type->sources, schemas);
      out = {MessageReader(type)};
    }
  }
  for (Reader& reader : out) reader.cardinality = cardinality;
  return out;
}

absl::StatusOr<std::vector<Reader>> TypeGraph::Arrays(const MessageType& parent, const std::string& name,
                                                      const Shape& shape) {
  if (shape.tuples.empty()) return Elements(parent, Singular(name), shape.items, Cardinality::kRepeated);
  if (!shape.items.empty()) {
    Reader reader = TypeReader("google.protobuf.Value");
    reader.cardinality = Cardinality::kRepeated;
    return std::vector<Reader>{reader};
  }
  // A tuple of one kind of scalar is a list of them.
  std::vector<const Json*> places;
  for (const Json* tuple : shape.tuples) {
    for (const Json& place : tuple->items()) places.push_back(&place);
  }
  HS_ASSIGN_OR_RETURN(const Shape all, schemas_.ShapeOf(places));
  if (all.scalar() && Kinds(all) == 1 && !all.any) {
    const Reader scalar = ScalarReader(all);
    if (!scalar.text) return Elements(parent, Singular(name), places, Cardinality::kRepeated);
  }
  MessageType* const type = Claim(name, absl::StrCat("tuple ", parent.name, " ", name));
  type->kind = MessageType::Kind::kTuple;
  AddSources(type->sources, shape.tuples);
  return std::vector<Reader>{MessageReader(type)};
}

absl::StatusOr<std::vector<Reader>> TypeGraph::Readers(const MessageType& parent, const std::string& name,
                                                       const Shape& shape) {
  std::vector<Reader> out;
  if (shape.any || shape.none()) {
    out.push_back(TypeReader("google.protobuf.Value"));
    return out;
  }
  if (shape.array && Kinds(shape) == 2 && shape.tuples.empty() && !shape.items.empty()) {
    // One value where a list is wanted is a list of one, when both are of one kind.
    Shape single = shape;
    single.array = false;
    single.items.clear();
    HS_ASSIGN_OR_RETURN(Shape merged, schemas_.ShapeOf(shape.items));
    merged.Merge(single);
    if (Kinds(merged) == 1 && !merged.any && !merged.map() && !merged.free_object) {
      HS_ASSIGN_OR_RETURN(out, Readers(parent, Singular(name), merged));
      for (Reader& reader : out) reader.cardinality = Cardinality::kRepeated;
      return out;
    }
  }
  if (shape.scalar()) out.push_back(ScalarReader(shape));
  if (shape.object()) {
    HS_ASSIGN_OR_RETURN(MessageType* const type, ObjectType(parent, name, shape));
    if (!out.empty()) {
      HS_ASSIGN_OR_RETURN(const bool has_id, HasId(*type));
      if (has_id) out[0].id = "/id";
    }
    out.push_back(MessageReader(type));
    out.back().suffix = "object";
  } else if (shape.free_object) {
    out.push_back(TypeReader("google.protobuf.Struct"));
    out.back().suffix = "object";
  } else if (shape.map()) {
    HS_ASSIGN_OR_RETURN(std::vector<Reader> values,
                        Elements(parent, Singular(name), shape.map_values, Cardinality::kMap));
    const bool alone = out.empty() && !shape.array;
    for (Reader& value : values) {
      if (!alone) value.suffix = value.suffix.empty() ? "map" : "map_" + value.suffix;
      out.push_back(std::move(value));
    }
  }
  if (shape.array) {
    HS_ASSIGN_OR_RETURN(std::vector<Reader> items, Arrays(parent, name, shape));
    const bool alone = out.empty();
    for (Reader& item : items) {
      if (!alone) item.suffix = item.suffix.empty() ? "list" : "list_" + item.suffix;
      out.push_back(std::move(item));
    }
  }
  out[0].suffix.clear();
  return out;
}

absl::Status TypeGraph::AddProperties(const std::vector<const Json*>& sources, const std::vector<const Json*>& refined,
                                      const TypeSettings* settings, bool flatten, const std::vector<std::string>& path,
                                      std::vector<Property>& out) const {
  std::vector<Property> found;
  const auto property = [&](const std::string& key) -> Property& {
    for (Property& one : found) {
      if (one.path.back() == key) return one;
    }
    Property& added = found.emplace_back();
    added.path = path;
    added.path.push_back(key);
    if (settings != nullptr) added.settings = settings->Find(absl::StrJoin(added.path, "/"));
    return added;
  };
  for (const Json* source : sources) {
    const Json* const properties = source->Find("properties");
    if (properties == nullptr) continue;
    for (const auto& [key, schema] : properties->members()) AddOnce(property(key).schemas, &schema);
  }
  for (const Json* source : refined) {
    for (const auto& [key, schema] : source->Find("properties")->members()) {
      Property& one = property(key);
      HS_ASSIGN_OR_RETURN(const Shape shape, schemas_.ShapeOf({&schema}));
      // A known key is narrowed, but an object may have got keys of its own.
      if (one.schemas.empty() || (!shape.inlined.empty() && !shape.scalar())) AddOnce(one.schemas, &schema);
    }
  }
  if (settings != nullptr && path.empty()) {
    for (const auto& [key, field] : settings->fields) {
      if (absl::StrContains(key, "/") || (!field.schema.has_value() && !field.only.has_value())) continue;
      Property& one = property(key);
      if (field.only.has_value()) one.schemas.clear();
      if (field.schema.has_value()) one.schemas.push_back(&*field.schema);
      if (field.only.has_value()) one.schemas.push_back(&*field.only);
    }
  }
  for (Property& one : found) {
    HS_ASSIGN_OR_RETURN(one.shape, schemas_.ShapeOf(one.schemas));
    const Shape& shape = one.shape;
    const bool object = shape.object() && Kinds(shape) == 1 && !shape.any;
    const bool asked = one.settings != nullptr && one.settings->flatten;
    if (object && (asked || (flatten && shape.named.empty()))) {
      std::vector<const Json*> inner = shape.inlined;
      for (const Json* definition : shape.named) HS_RETURN_IF_ERROR(schemas_.AddObjects(*definition, inner));
      if (path.size() >= kMaxFlattenedDepth) {
        return absl::InvalidArgumentError(
            absl::StrCat(schemas_.Where(*one.schemas[0]), ": can't be flattened: it is within itself"));
      }
      HS_RETURN_IF_ERROR(AddProperties(inner, shape.refined, settings, flatten, one.path, out));
    } else {
      out.push_back(std::move(one));
    }
  }
  return absl::OkStatus();
}

// What the settings say that every event has, where the schema has it not.
absl::Status TypeGraph::AddEveryEvents(std::vector<Property>& out) const {
  for (const auto& [key, field] : settings_.every_event.fields) {
    const auto same = [&](const Property& property) { return property.path.size() == 1 && property.path[0] == key; };
    if (auto it = std::find_if(out.begin(), out.end(), same); it != out.end()) {
      if (it->settings == nullptr) it->settings = &field;
      continue;
    }
    if (!field.schema.has_value()) continue;
    Property& added = out.emplace_back();
    added.path = {key};
    added.schemas = {&*field.schema};
    added.settings = &field;
    HS_ASSIGN_OR_RETURN(added.shape, schemas_.ShapeOf(added.schemas));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Property>> TypeGraph::PropertiesOf(const MessageType& type) const {
  std::vector<Property> out;
  const TypeSettings* const settings = settings_.FindType(type.name);
  switch (type.kind) {
    case MessageType::Kind::kObject: {
      const bool flatten = std::any_of(settings_.flatten.begin(), settings_.flatten.end(),
                                       [&](const std::string& pattern) { return Matches(pattern, type.name); });
      HS_RETURN_IF_ERROR(AddProperties(type.sources, type.refined, settings, flatten, {}, out));
      if (type.event) HS_RETURN_IF_ERROR(AddEveryEvents(out));
      break;
    }
    case MessageType::Kind::kValue: {
      Property& property = out.emplace_back();
      property.schemas = type.sources;
      HS_ASSIGN_OR_RETURN(property.shape, schemas_.ShapeOf(property.schemas));
      break;
    }
    case MessageType::Kind::kTuple: {
      for (const Json* tuple : type.sources) {
        for (size_t i = 0; i < tuple->items().size(); ++i) {
          if (out.size() <= i) {
            out.emplace_back().path = {absl::StrCat(i)};
          }
          out[i].schemas.push_back(&tuple->items()[i]);
        }
      }
      for (Property& property : out) {
        HS_ASSIGN_OR_RETURN(property.shape, schemas_.ShapeOf(property.schemas));
        if (settings != nullptr) property.settings = settings->Find(property.path[0]);
      }
      break;
    }
  }
  return out;
}

absl::StatusOr<std::vector<Reader>> TypeGraph::ReadersOf(MessageType& type, const Property& property) {
  std::string name;
  switch (type.kind) {
    case MessageType::Kind::kObject: name = InnerName(type, property.path); break;
    case MessageType::Kind::kValue: name = type.name + "Content"; break;
    case MessageType::Kind::kTuple: name = absl::StrCat(type.name, "Item", property.path[0]); break;
  }
  HS_ASSIGN_OR_RETURN(std::vector<Reader> readers, Readers(type, name, property.shape));
  for (Reader& reader : readers) {
    if (reader.message != nullptr) reader.message = Shared(reader.message);
  }
  return readers;
}

absl::Status TypeGraph::Close() {
  do {
    grew_ = false;
    for (size_t i = 0; i < types_.size(); ++i) {
      if (types_.size() > kMaxTypes) return absl::ResourceExhaustedError("the schemas make more than 20,000 messages");
      HS_ASSIGN_OR_RETURN(const std::vector<Property> properties, PropertiesOf(*types_[i]));
      for (const Property& property : properties) HS_RETURN_IF_ERROR(ReadersOf(*types_[i], property).status());
    }
  } while (grew_);
  return ShareEqual();
}

MessageType* TypeGraph::Shared(MessageType* type) const {
  for (auto it = shared_.find(type); it != shared_.end(); it = shared_.find(type)) type = it->second;
  return type;
}

absl::StatusOr<std::vector<MessageType*>> TypeGraph::Reachable() {
  std::vector<MessageType*> out;
  std::set<MessageType*> seen;
  for (const auto& event : types_) {
    if (!event->event) continue;
    // Depth first, so that a message is followed by those that it alone needs.
    std::vector<MessageType*> open = {event.get()};
    while (!open.empty()) {
      MessageType* const type = open.back();
      open.pop_back();
      if (!seen.insert(type).second) continue;
      out.push_back(type);
      std::vector<MessageType*> inner;
      HS_ASSIGN_OR_RETURN(const std::vector<Property> properties, PropertiesOf(*type));
      for (const Property& property : properties) {
        HS_ASSIGN_OR_RETURN(const std::vector<Reader> readers, ReadersOf(*type, property));
        for (const Reader& reader : readers) {
          if (reader.message != nullptr) inner.push_back(reader.message);
        }
      }
      open.insert(open.end(), inner.rbegin(), inner.rend());
    }
  }
  return out;
}

// Objects that were written in place, under one key, and are equal become one message: the one with the shortest name.
// One that equals a definition becomes that.
absl::Status TypeGraph::ShareEqual() {
  for (bool merged = true; merged;) {
    merged = false;
    std::map<std::string, MessageType*> first;
    HS_ASSIGN_OR_RETURN(std::vector<MessageType*> types, Reachable());
    const auto order = [](const MessageType* type) {
      return std::tuple(!type->named, type->name.size(), std::string_view(type->name));
    };
    std::sort(types.begin(), types.end(),
              [&](const MessageType* a, const MessageType* b) { return order(a) < order(b); });
    for (MessageType* type : types) {
      if (type->event || type->kind != MessageType::Kind::kObject) continue;
      std::vector<std::string> lines;
      HS_ASSIGN_OR_RETURN(const std::vector<Property> properties, PropertiesOf(*type));
      for (const Property& property : properties) {
        HS_ASSIGN_OR_RETURN(const std::vector<Reader> readers, ReadersOf(*type, property));
        for (const Reader& reader : readers) {
          lines.push_back(absl::StrCat(absl::StrJoin(property.path, "/"), " ", static_cast<int>(reader.cardinality),
                                       " ", reader.message == nullptr ? reader.type : reader.message->name, " ",
                                       reader.id, reader.text, reader.time, " ", absl::StrJoin(reader.texts, "|")));
        }
      }
      std::sort(lines.begin(), lines.end());
      const std::string fields = absl::StrCat(type->rest, absl::StrJoin(lines, "\n"));
      if (type->named) {
        if (lines.size() >= kSharedWithDefinitionFieldsMin) first.emplace(fields, type);
        continue;
      }
      // A message that the settings speak of stays, and so does one that belongs to its event.
      if (settings_.FindType(type->name) != nullptr || type->key.empty() || lines.size() < kSharedFieldsMin) continue;
      auto it = first.find(fields);
      if (it == first.end()) it = first.emplace(absl::StrCat(type->key, "\n", fields), type).first;
      if (it->second == type) continue;
      shared_[type] = it->second;
      merged = true;
    }
  }
  return absl::OkStatus();
}

}  // namespace hookstream::schema
