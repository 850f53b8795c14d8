#include "schema/schema_set.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace hookstream::schema {
namespace {

constexpr int kMaxDepth = 64;
constexpr const char* kReferences[] = {"$ref", "$recursiveRef", "$dynamicRef"};

const Json* Reference(const Json& schema) {
  for (const char* key : kReferences) {
    const Json* const reference = schema.Find(key);
    if (reference != nullptr && reference->is_string()) return reference;
  }
  return nullptr;
}

// "%24" -> "$".
std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// "a/b/schema.json" -> "schema".
std::string Stem(std::string_view path) {
  path.remove_prefix(std::min(path.rfind('/') + 1, path.size()));
  for (const std::string_view suffix : {".json", ".yaml", ".yml", ".schema"}) {
    if (path.size() > suffix.size() && path.substr(path.size() - suffix.size()) == suffix) {
      path.remove_suffix(suffix.size());
    }
  }
  return std::string(path);
}

// `path`, relative to the folder of `base`: "../b.json" from "x/a.json" -> "b.json".
std::string Joined(std::string_view base, std::string_view path) {
  if (!path.empty() && path.front() == '/') return std::string(path);
  std::vector<std::string_view> parts;
  const auto add = [&](std::string_view text) {
    while (!text.empty()) {
      const std::string_view part = text.substr(0, text.find('/'));
      text.remove_prefix(std::min(part.size() + 1, text.size()));
      if (part == ".." && !parts.empty() && parts.back() != "..") {
        parts.pop_back();
      } else if (part != "." && !part.empty()) {
        parts.push_back(part);
      }
    }
  };
  const size_t slash = base.rfind('/');
  if (slash != std::string_view::npos) add(base.substr(0, slash));
  add(path);
  std::string out = !base.empty() && base.front() == '/' && slash != std::string_view::npos ? "/" : "";
  for (const std::string_view part : parts) {
    if (!out.empty() && out.back() != '/') out.push_back('/');
    out.append(part);
  }
  return out;
}

bool HasProperties(const Json& schema) {
  const Json* const properties = schema.Find("properties");
  return properties != nullptr && !properties->members().empty();
}

// The names in `type`, or those that the other keywords tell when there is none.
std::vector<std::string> TypesOf(const Json& schema) {
  std::vector<std::string> types;
  if (const Json* const type = schema.Find("type"); type != nullptr) {
    if (type->is_string()) types.push_back(type->text());
    for (const Json& one : type->items()) types.push_back(one.text());
    return types;
  }
  if (HasProperties(schema) || schema.Find("additionalProperties") != nullptr ||
      schema.Find("patternProperties") != nullptr) {
    types.emplace_back("object");
  }
  if (schema.Find("items") != nullptr || schema.Find("prefixItems") != nullptr) types.emplace_back("array");
  std::vector<const Json*> values;
  if (const Json* const value = schema.Find("const"); value != nullptr) values.push_back(value);
  if (const Json* const list = schema.Find("enum"); list != nullptr) {
    for (const Json& value : list->items()) values.push_back(&value);
  }
  for (const Json* value : values) {
    switch (value->type()) {
      case Json::Type::kNull: types.emplace_back("null"); break;
      case Json::Type::kBool: types.emplace_back("boolean"); break;
      case Json::Type::kInteger: types.emplace_back("integer"); break;
      case Json::Type::kNumber: types.emplace_back("number"); break;
      case Json::Type::kString: types.emplace_back("string"); break;
      case Json::Type::kArray: types.emplace_back("array"); break;
      case Json::Type::kObject: types.emplace_back("object"); break;
    }
  }
  const Json* const format = schema.Find("format");
  if (types.empty() && format != nullptr && format->text() == "date-time") types.emplace_back("string");
  return types;
}

void AddObject(const Json& schema, Shape& shape) {
  if (HasProperties(schema)) shape.inlined.push_back(&schema);
  const Json* const rest = schema.Find("additionalProperties");
  // {} is what `true` is.
  if (rest != nullptr && rest->is_object() && !rest->members().empty()) shape.map_values.push_back(rest);
  if (const Json* const patterns = schema.Find("patternProperties"); patterns != nullptr) {
    for (const auto& [pattern, value] : patterns->members()) shape.map_values.push_back(&value);
  }
  if (!shape.object() && !shape.map()) shape.free_object = true;
}

void AddArray(const Json& schema, Shape& shape) {
  shape.array = true;
  const Json* const items = schema.Find("items");
  const Json* const prefix = schema.Find("prefixItems");
  if (prefix != nullptr && !prefix->items().empty()) {
    shape.tuples.push_back(prefix);
  } else if (items != nullptr && items->is_array()) {
    if (!items->items().empty()) shape.tuples.push_back(items);
  } else if (items != nullptr && !items->is_bool()) {
    shape.items.push_back(items);
  }
}

// What the keywords of one schema say by themselves.
void AddOwn(const Json& schema, Shape& shape) {
  const Json* const format = schema.Find("format");
  const Json* const nullable = schema.Find("nullable");
  shape.null = nullable != nullptr && nullable->is_true();
  for (const std::string& type : TypesOf(schema)) {
    if (type == "null") {
      shape.null = true;
    } else if (type == "boolean") {
      shape.boolean = true;
    } else if (type == "integer" || type == "number") {
      (type == "integer" ? shape.integer : shape.number) = true;
      shape.plain_number |= format == nullptr || (format->text() != "unix-time" && format->text() != "unix-timestamp" &&
                                                  format->text() != "timestamp");
    } else if (type == "string") {
      shape.string = true;
      shape.plain_text |= format == nullptr || format->text() != "date-time";
    } else if (type == "array") {
      AddArray(schema, shape);
    } else if (type == "object") {
      AddObject(schema, shape);
    }
  }
  if (!shape.string) return;
  const auto add = [&](const Json& value) {
    if (value.is_string() && std::find(shape.texts.begin(), shape.texts.end(), value.text()) == shape.texts.end()) {
      shape.texts.push_back(value.text());
    }
  };
  if (const Json* const value = schema.Find("const"); value != nullptr) add(*value);
  if (const Json* const list = schema.Find("enum"); list != nullptr) {
    for (const Json& value : list->items()) add(value);
  }
  shape.open_text = shape.texts.empty();
}

bool FindPointer(const Json& from, const Json& node, std::string& pointer) {
  if (&from == &node) return true;
  const size_t size = pointer.size();
  for (const auto& [key, value] : from.members()) {
    pointer += PointerSegment(key);
    if (FindPointer(value, node, pointer)) return true;
    pointer.resize(size);
  }
  for (size_t i = 0; i < from.items().size(); ++i) {
    absl::StrAppend(&pointer, "/", i);
    if (FindPointer(from.items()[i], node, pointer)) return true;
    pointer.resize(size);
  }
  return false;
}

const Json* FindAnchor(const Json& from, std::string_view name) {
  for (const char* key : {"$anchor", "$dynamicAnchor"}) {
    const Json* const anchor = from.Find(key);
    if (anchor != nullptr && anchor->is_string() && anchor->text() == name) return &from;
  }
  for (const auto& [key, value] : from.members()) {
    if (const Json* const found = FindAnchor(value, name); found != nullptr) return found;
  }
  for (const Json& item : from.items()) {
    if (const Json* const found = FindAnchor(item, name); found != nullptr) return found;
  }
  return nullptr;
}

}  // namespace

void AddOnce(std::vector<const Json*>& list, const Json* node) {
  if (std::find(list.begin(), list.end(), node) == list.end()) list.push_back(node);
}

absl::StatusOr<std::unique_ptr<SchemaSet>> SchemaSet::Parse(const std::vector<TextFile>& files) {
  std::unique_ptr<SchemaSet> set(new SchemaSet);
  for (const TextFile& file : files) {
    HS_ASSIGN_OR_RETURN(Json root, ParseDocument(file.text, file.name));
    if (!root.is_object()) return absl::InvalidArgumentError(absl::StrCat(file.name, "#: is no schema: not an object"));
    set->documents_.push_back(std::make_unique<Document>(Document{file.name, std::move(root)}));
  }
  for (size_t i = 0; i < set->documents_.size(); ++i) set->Index(set->documents_[i]->root, i, false);
  return set;
}

void SchemaSet::Index(const Json& node, size_t document, bool definitions) {
  if (node.is_object() && Reference(node) != nullptr) document_of_[&node] = document;
  for (const auto& [key, value] : node.members()) {
    if (definitions && (value.is_object() || value.is_bool())) {
      definition_names_[&value] = key;
      definitions_.push_back(&value);
    }
    // `schemas` is where OpenAPI has them. A property of such a name is no schema of schemas.
    const bool inner = !definitions && value.is_object() && value.Find("type") == nullptr &&
                       (key == "definitions" || key == "$defs" || (key == "schemas" && Reference(value) == nullptr));
    Index(value, document, inner);
  }
  for (const Json& item : node.items()) Index(item, document, false);
}

void SchemaSet::Adopt(const Json& schema, std::string where) {
  Index(schema, 0, false);
  adopted_.emplace_back(&schema, std::move(where));
}

void SchemaSet::AdoptDefinitions(const Json& definitions, std::string where) {
  Index(definitions, 0, true);
  adopted_.emplace_back(&definitions, std::move(where));
  further_ = &definitions;
}

std::string SchemaSet::Where(const Json& node) const {
  std::string pointer;
  for (const auto& document : documents_) {
    pointer.clear();
    if (FindPointer(document->root, node, pointer)) return absl::StrCat(document->name, "#", pointer);
  }
  for (const auto& [schema, where] : adopted_) {
    pointer.clear();
    if (FindPointer(*schema, node, pointer)) return absl::StrCat(where, pointer);
  }
  return "#";
}

absl::StatusOr<const Json*> SchemaSet::Lookup(std::string_view reference, size_t document) const {
  const size_t hash = reference.find('#');
  const std::string_view file = reference.substr(0, hash);
  const std::string fragment = hash == std::string_view::npos ? "" : PercentDecoded(reference.substr(hash + 1));
  const Json* root = &documents_[document]->root;
  if (!file.empty()) {
    root = nullptr;
    const std::string path = Joined(documents_[document]->name, PercentDecoded(file));
    for (const auto& other : documents_) {
      const Json* id = other->root.Find("$id");
      if (id == nullptr) id = other->root.Find("id");
      if (other->name == path || other->name == file ||
          (id != nullptr && id->is_string() &&
           (id->text() == file || id->text() == absl::StrCat(std::string(file), "#")))) {
        root = &other->root;
        break;
      }
    }
    if (root == nullptr) return absl::NotFoundError(absl::StrCat("no file of the import is ", path));
  }
  const Json* found = fragment.empty() || fragment.front() == '/' ? root->At(fragment) : FindAnchor(*root, fragment);
  constexpr std::string_view kDefinitions = "/definitions";
  if (found == nullptr && further_ != nullptr && file.empty() && absl::StartsWith(fragment, "/definitions/")) {
    found = further_->At(std::string_view(fragment).substr(kDefinitions.size()));
  }
  if (found == nullptr) return absl::NotFoundError("nothing is there");
  return found;
}

absl::StatusOr<const Json*> SchemaSet::Target(const Json& schema) const {
  const Json* const reference = Reference(schema);
  if (reference == nullptr) return nullptr;
  const auto it = document_of_.find(&schema);
  auto found = Lookup(reference->text(), it == document_of_.end() ? 0 : it->second);
  if (!found.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Where(schema), ": the reference ", reference->text(), ": ", found.status().message()));
  }
  return found;
}

absl::StatusOr<const Json*> SchemaSet::Resolve(const Json& schema) const {
  const Json* at = &schema;
  for (int i = 0; i < kMaxDepth; ++i) {
    HS_ASSIGN_OR_RETURN(const Json* const target, Target(*at));
    if (target == nullptr) return at;
    at = target;
  }
  return absl::InvalidArgumentError(absl::StrCat(Where(schema), ": its reference leads in a circle"));
}

std::string SchemaSet::NameOf(const Json& definition) const {
  const auto it = definition_names_.find(&definition);
  if (it != definition_names_.end()) return it->second;
  for (const auto& document : documents_) {
    if (&document->root != &definition) continue;
    const Json* const title = definition.Find("title");
    return title != nullptr && title->is_string() && !title->text().empty() ? title->text() : Stem(document->name);
  }
  const std::string where = Where(definition);
  return where.substr(where.rfind('/') + 1);
}

std::vector<std::pair<std::string, const Json*>> SchemaSet::Definitions() const {
  std::vector<std::pair<std::string, const Json*>> out;
  for (const Json* definition : definitions_) out.emplace_back(definition_names_.at(definition), definition);
  return out;
}

const Json* SchemaSet::FindDefinition(std::string_view name) const {
  if (name.find('#') != std::string_view::npos) {
    const auto found = documents_.empty() ? absl::NotFoundError("") : Lookup(name, 0);
    return found.ok() ? *found : nullptr;
  }
  for (const Json* definition : definitions_) {
    if (definition_names_.at(definition) == name) return definition;
  }
  return nullptr;
}

void Shape::Merge(const Shape& other) {
  null |= other.null;
  boolean |= other.boolean;
  integer |= other.integer;
  number |= other.number;
  string |= other.string;
  any |= other.any;
  free_object |= other.free_object;
  plain_text |= other.plain_text;
  plain_number |= other.plain_number;
  open_text |= other.open_text;
  array |= other.array;
  for (const std::string& text : other.texts) {
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  }
  for (const Json* node : other.named) AddOnce(named, node);
  for (const Json* node : other.inlined) AddOnce(inlined, node);
  for (const Json* node : other.refined) AddOnce(refined, node);
  for (const Json* node : other.map_values) AddOnce(map_values, node);
  for (const Json* node : other.items) AddOnce(items, node);
  for (const Json* node : other.tuples) AddOnce(tuples, node);
}

absl::StatusOr<Shape> SchemaSet::ShapeOf(const std::vector<const Json*>& schemas) const {
  Shape shape;
  for (const Json* schema : schemas) {
    HS_ASSIGN_OR_RETURN(const Shape one, ShapeOfOne(*schema, 0));
    shape.Merge(one);
  }
  return shape;
}

absl::StatusOr<Shape> SchemaSet::ShapeOfOne(const Json& schema, int depth) const {
  Shape shape;
  if (schema.is_bool()) {
    shape.any = schema.is_true();
    return shape;
  }
  if (!schema.is_object()) return absl::InvalidArgumentError(absl::StrCat(Where(schema), ": is no schema"));
  if (depth > kMaxDepth) {
    return absl::InvalidArgumentError(absl::StrCat(Where(schema), ": its references lead in a circle"));
  }

  AddOwn(schema, shape);
  HS_ASSIGN_OR_RETURN(const Json* const target, Target(schema));
  if (target != nullptr) {
    HS_ASSIGN_OR_RETURN(Shape referred, ShapeOfOne(*target, depth + 1));
    if (referred.object()) {
      // Another name for a message, or for "that or null", is no message of its own.
      const bool alias = referred.inlined.empty() && referred.named.size() == 1;
      const bool refines = !referred.refined.empty();
      if (!alias || refines) referred.named = {target};
      referred.inlined.clear();
      referred.refined.clear();
    }
    shape.Merge(referred);
  }
  bool any = false;
  for (const char* key : {"allOf", "anyOf", "oneOf"}) {
    const Json* const parts = schema.Find(key);
    if (parts == nullptr) continue;
    if (!parts->is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(Where(schema), "/", key, ": is no list of schemas"));
    }
    Shape together;
    for (const Json& part : parts->items()) {
      HS_ASSIGN_OR_RETURN(Shape one, ShapeOfOne(part, depth + 1));
      // A part that only refuses ({required: [...]}) says nothing of what is in the document.
      any |= std::string_view(key) != "allOf" && (part.is_true() || (part.is_object() && part.members().empty()));
      one.any = false;
      together.Merge(one);
    }
    if (std::string_view(key) == "allOf" && !together.named.empty()) {
      for (const Json* node : together.inlined) AddOnce(together.refined, node);
      together.inlined.clear();
    }
    shape.Merge(together);
  }
  for (const char* key : {"then", "else"}) {
    const Json* const part = schema.Find(key);
    if (part == nullptr || schema.Find("if") == nullptr) continue;
    HS_ASSIGN_OR_RETURN(Shape one, ShapeOfOne(*part, depth + 1));
    one.any = false;
    shape.Merge(one);
  }
  shape.any = any || (shape.none() && !shape.null);
  return shape;
}

absl::Status SchemaSet::CollectObjects(const Json& schema, std::set<const Json*>& seen,
                                       std::vector<const Json*>& out) const {
  if (!schema.is_object() || !seen.insert(&schema).second) return absl::OkStatus();
  if (HasProperties(schema)) AddOnce(out, &schema);
  HS_ASSIGN_OR_RETURN(const Json* const target, Target(schema));
  if (target != nullptr) HS_RETURN_IF_ERROR(CollectObjects(*target, seen, out));
  for (const char* key : {"allOf", "anyOf", "oneOf"}) {
    const Json* const parts = schema.Find(key);
    if (parts == nullptr) continue;
    for (const Json& part : parts->items()) HS_RETURN_IF_ERROR(CollectObjects(part, seen, out));
  }
  for (const char* key : {"then", "else"}) {
    const Json* const part = schema.Find(key);
    if (part != nullptr && schema.Find("if") != nullptr) HS_RETURN_IF_ERROR(CollectObjects(*part, seen, out));
  }
  return absl::OkStatus();
}

absl::Status SchemaSet::AddObjects(const Json& schema, std::vector<const Json*>& out) const {
  std::set<const Json*> seen;
  return CollectObjects(schema, seen, out);
}

}  // namespace hookstream::schema
