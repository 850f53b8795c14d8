// What a schema can't say, or says wrong, and a person adds: which of its definitions are events and what Event.type
// is, names, comments, types of single fields, which message goes into which file. A YAML file beside the schema:
//
//     event_type: "{name}.{/action}"      # what Event.type is; {name} is the event's name, {/pointer} a text in it
//     enums: text                         # or `enum`: a closed set of texts becomes an enum, beside it the text
//     rename_events: {old: new}
//     events:                             # further ones, made out of definitions
//       - {message: ChargeEvent, types: ["charge.*"], schema: event, at: {/data/object: charge}}
//     flatten: ["*Changes"]               # {title: {from: x}} in these becomes the field title_from
//     comments: {node_id: "Id in the GraphQL API."}       # of fields that have none, in all messages
//     plain: ["*_url"]                    # keys whose names say all: the schema's descriptions of them are left out
//     every_event: {enterprise: {schema: {$ref: "#/definitions/enterprise"}}}   # as `fields` below
//     definitions: {enterprise: {type: object, ...}}      # schemas that the schema lacks
//     types:
//       Repository:                       # a message's name in the proto
//         from: [RepositoryLite]          # others that are this one; also a rename
//         comment: "..."
//         fields:
//           pushed_at:                    # the JSON key
//             name: last_push
//             comment: "..."
//             schema: {type: integer}     # also lets this through
//             only: {type: string}        # lets this through and nothing else
//             enum: PushState             # its texts are a closed set: an enum alone, of this name
//             optional: true          # or false; not given: where the value may be null
//             flatten: true
//     files:
//       repository.proto: [Repository, "License*"]
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "schema/json.h"

namespace hookstream::schema {

struct FieldSettings {
  std::string name;
  std::string comment;
  std::string enum_name;
  std::optional<Json> schema;
  std::optional<Json> only;
  std::optional<bool> optional;  // none: where the value may be null
  bool flatten = false;
};

struct TypeSettings {
  std::vector<std::string> from;
  std::string comment;
  // In the file's order, which is that of the fields that a schema does not have.
  std::vector<std::pair<std::string, FieldSettings>> fields;

  const FieldSettings* Find(std::string_view key) const;
};

struct EventSettings {
  std::string message;
  std::vector<std::string> types;
  std::string schema;                                   // a definition's name, or a reference (with #)
  std::vector<std::pair<std::string, std::string>> at;  // JSON pointer -> definition
};

struct ImportSettings {
  std::string event_type;
  bool enums = false;
  std::map<std::string, std::string, std::less<>> rename_events;
  std::vector<EventSettings> events;
  std::vector<std::string> flatten;
  std::vector<std::string> plain;
  std::map<std::string, std::string, std::less<>> comments;
  std::map<std::string, TypeSettings, std::less<>> types;
  TypeSettings every_event;
  Json definitions;
  std::vector<std::pair<std::string, std::vector<std::string>>> files;

  const TypeSettings* FindType(std::string_view name) const;
};

// INVALID_ARGUMENT names the file and the key. An empty text is no settings.
absl::StatusOr<ImportSettings> ParseImportSettings(std::string_view text, std::string_view name);

// Whether `*` (any text) and the rest of the pattern are the whole name.
bool Matches(std::string_view pattern, std::string_view name);

}  // namespace hookstream::schema
