// The messages that a set of schemas needs: which objects are one message, what they are called, and which fields read
// their values.
//
// A message is the union of all objects that it stands for: the variants of a oneOf, the narrowed copies that allOf
// makes of a definition, the places that refer to it. Objects are found from the events downwards, again and again
// until no message grows any more. Deterministic: names depend on the schemas and their order alone.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "schema/import_settings.h"
#include "schema/proto_file.h"
#include "schema/schema_set.h"

namespace hookstream::schema {

struct MessageType {
  enum class Kind {
    kObject,
    kValue,  // a value of several kinds, where a field can't say so: a list's element, a map's value
    kTuple,  // an array whose places have kinds of their own
  };
  std::string name;
  std::string key;  // what it is called within its parent, of an object that was written in place
  Kind kind = Kind::kObject;
  bool event = false;
  bool named = false;                  // stands for a definition
  bool rest = false;                   // has other keys than those that are named
  std::vector<const Json*> sources;    // kObject: objects with `properties`; kValue: schemas; kTuple: lists of schemas
  std::vector<const Json*> refined;    // kObject: as Shape::refined
  std::vector<const Json*> described;  // schemas whose description may be the message's, best first
};

// A value within a message's object, reached by keys: more than one where objects between are flattened.
struct Property {
  std::vector<std::string> path;
  std::vector<const Json*> schemas;
  const FieldSettings* settings = nullptr;  // may be null
  Shape shape;
};

// One field that reads a value.
struct Reader {
  std::string suffix;  // of the field's name, for a second reader of the same value
  std::string type;    // when `message` is null
  MessageType* message = nullptr;
  Cardinality cardinality = Cardinality::kSingle;
  bool text = false;
  v1::NumberTime time = v1::NUMBER_TIME_UNSPECIFIED;
  std::string id;
  std::vector<std::string> texts;  // that a string is limited to
};

class TypeGraph {
 public:
  // Both outlive this.
  TypeGraph(const SchemaSet& schemas, const ImportSettings& settings);

  // The message of an event; again with the same name: the union. `schema` is the event's document.
  absl::StatusOr<MessageType*> AddEvent(const std::string& name, const Json& schema);
  // Finds everything below the events. Then the types are complete, and equal small ones are one.
  absl::Status Close();

  // Those that the events need: each event, and after it what it is the first to need.
  absl::StatusOr<std::vector<MessageType*>> Reachable();
  absl::StatusOr<std::vector<Property>> PropertiesOf(const MessageType& type) const;
  // At least one. Also for kValue and kTuple, whose properties have the pointers "" and "/0", "/1", ...
  absl::StatusOr<std::vector<Reader>> ReadersOf(MessageType& type, const Property& property);

  // "Issue" and "state" -> "IssueState".
  static std::string InnerName(const MessageType& parent, const std::vector<std::string>& path);

 private:
  MessageType* Claim(const std::string& generated, const std::string& origin);
  void AddSources(std::vector<const Json*>& to, const std::vector<const Json*>& sources);
  absl::StatusOr<MessageType*> TypeOfDefinition(const Json& definition);
  absl::StatusOr<MessageType*> Absorbing(const std::vector<MessageType*>& definitions) const;
  absl::StatusOr<MessageType*> ObjectType(const MessageType& parent, const std::string& name, const Shape& shape);
  absl::StatusOr<std::vector<Reader>> Readers(const MessageType& parent, const std::string& name, const Shape& shape);
  absl::StatusOr<std::vector<Reader>> Elements(const MessageType& parent, const std::string& name,
                                               const std::vector<const Json*>& schemas, Cardinality cardinality);
  absl::StatusOr<std::vector<Reader>> Arrays(const MessageType& parent, const std::string& name, const Shape& shape);
  absl::StatusOr<bool> HasId(const MessageType& type) const;
  absl::Status AddProperties(const std::vector<const Json*>& sources, const std::vector<const Json*>& refined,
                             const TypeSettings* settings, bool flatten, const std::vector<std::string>& path,
                             std::vector<Property>& out) const;
  absl::Status AddEveryEvents(std::vector<Property>& out) const;
  absl::Status ShareEqual();
  MessageType* Shared(MessageType* type) const;

  const SchemaSet& schemas_;
  const ImportSettings& settings_;
  std::map<std::string, std::string> renamed_;  // a generated name -> the one that the settings give
  std::vector<std::unique_ptr<MessageType>> types_;
  std::map<std::string, MessageType*> by_name_;
  std::map<std::string, MessageType*> by_origin_;
  std::map<std::string, std::string> native_;  // a name -> the origin that it was generated for
  std::map<const MessageType*, MessageType*> shared_;
  bool grew_ = false;
};

}  // namespace hookstream::schema
