// JSON Schemas and OpenAPI descriptions as they were read: the documents, where their references lead, what definitions
// are called, and a property's schemas taken apart into the kinds of values that they let through.
//
// Understood: drafts 4 to 2020-12 as far as they say what is in a document (types, properties, items, references,
// allOf / anyOf / oneOf, if / then / else), and OpenAPI 3.0's `nullable`. What only says which documents are refused
// (lengths, ranges, patterns, `required`, `not`) is passed over: an event that a provider sends is taken as it is.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "schema/json.h"

namespace hookstream::schema {

struct TextFile {
  std::string name;
  std::string text;
};

// What the values of a property may be: the union over all schemas that it has.
struct Shape {
  bool null = false;
  bool boolean = false;
  bool integer = false;
  bool number = false;
  bool string = false;
  bool any = false;          // nothing is said
  bool free_object = false;  // an object of unknown keys
  // A string that is no RFC 3339 time; a number that is no count of seconds since 1970.
  bool plain_text = false;
  bool plain_number = false;
  // The texts that strings are limited to, in their order, and whether some string is not limited.
  std::vector<std::string> texts;
  bool open_text = false;
  // Objects with properties: definitions that were referred to, and those written in place.
  std::vector<const Json*> named;
  std::vector<const Json*> inlined;
  // Objects that go with a definition by allOf: what they add to it counts, what they narrow does not.
  std::vector<const Json*> refined;
  // Schemas of map values, of array elements, and lists of schemas of tuples.
  std::vector<const Json*> map_values;
  std::vector<const Json*> items;
  std::vector<const Json*> tuples;
  bool array = false;

  bool scalar() const { return boolean || integer || number || string; }
  bool object() const { return !named.empty() || !inlined.empty(); }
  bool map() const { return !map_values.empty(); }
  bool none() const { return !scalar() && !object() && !map() && !array && !free_object && !any; }
  // The union with another.
  void Merge(const Shape& other);
};

// Unless it is there.
void AddOnce(std::vector<const Json*>& list, const Json* node);

class SchemaSet {
 public:
  // INVALID_ARGUMENT: a file that is no JSON or YAML, or no schema.
  static absl::StatusOr<std::unique_ptr<SchemaSet>> Parse(const std::vector<TextFile>& files);

  struct Document {
    std::string name;
    Json root;
  };
  const std::vector<std::unique_ptr<Document>>& documents() const { return documents_; }

  // Takes a schema in that belongs to none of the files; its references are read as in the first one, then among
  // further definitions. `where` is what errors call it. It outlives this.
  void Adopt(const Json& schema, std::string where);
  // Further definitions by their names, an object; likewise.
  void AdoptDefinitions(const Json& definitions, std::string where);

  // The schema behind `$ref`s; `schema` itself when it has none. INVALID_ARGUMENT: a reference that leads nowhere or in
  // a circle.
  absl::StatusOr<const Json*> Resolve(const Json& schema) const;
  // Where one `$ref` leads; null when `schema` has none.
  absl::StatusOr<const Json*> Target(const Json& schema) const;

  // What a definition is called: its key, or the title or the file's name of a whole document.
  std::string NameOf(const Json& definition) const;
  // Definitions by their names, in the order of the files.
  std::vector<std::pair<std::string, const Json*>> Definitions() const;
  // The schema that a name (or a reference, with #) stands for; null: none.
  const Json* FindDefinition(std::string_view name) const;

  // "file#/pointer".
  std::string Where(const Json& node) const;

  absl::StatusOr<Shape> ShapeOf(const std::vector<const Json*>& schemas) const;
  // Adds the objects with `properties` that make up a definition, through its references and combinations.
  absl::Status AddObjects(const Json& schema, std::vector<const Json*>& out) const;

 private:
  SchemaSet() = default;
  void Index(const Json& node, size_t document, bool definitions);
  absl::StatusOr<const Json*> Lookup(std::string_view reference, size_t document) const;
  absl::StatusOr<Shape> ShapeOfOne(const Json& schema, int depth) const;
  absl::Status CollectObjects(const Json& schema, std::set<const Json*>& seen, std::vector<const Json*>& out) const;

  std::vector<std::unique_ptr<Document>> documents_;
  std::unordered_map<const Json*, size_t> document_of_;  // of schemas with a reference
  std::unordered_map<const Json*, std::string> definition_names_;
  std::vector<const Json*> definitions_;
  std::vector<std::pair<const Json*, std::string>> adopted_;
  const Json* further_ = nullptr;
};

}  // namespace hookstream::schema
