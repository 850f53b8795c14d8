// JSON Schema or OpenAPI -> .proto files with the mapping options of hookstream/v1/mapping.proto.
//
// Pure and deterministic: equal input gives equal text. The result is compiled and loaded into a typing::Registry
// before it is returned.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "schema/schema_set.h"

namespace hookstream::schema {

struct ImportOptions {
  std::string provider;  // family, e.g. "github"
  std::string package;   // e.g. "hookstream.github.v1"
  // The schemas; the names are paths, by which they refer to each other. The first one's `webhooks`, `x-webhooks`,
  // root oneOf or anyOf are its events; else each file whose root is an object is one, named as the file.
  std::vector<TextFile> schemas;
  // Names of events (`*` is any text) that are taken. In a schema without a list of events: of its definitions.
  // Empty: all of the list.
  std::vector<std::string> events;
  // What Event.type is: "{name}" (the event's name), "{/type}" (a const or enum at that JSON pointer), or texts with
  // them, "{name}.{/action}". Empty: the settings' `event_type`; none there: "{/type}" when every event has it, else
  // "{name}".
  std::string event_type;
  // import_settings.h; the text may be empty.
  TextFile settings;
  // lock.h; an empty text is the first import.
  TextFile lock;
};

struct Imported {
  std::vector<TextFile> files;  // by path, e.g. "hookstream/github/v1/push.proto"
  std::string lock;
  size_t events = 0;  // messages that are an event's payload
  size_t messages = 0;
  size_t fields = 0;
  // What was read as anything (google.protobuf.Value), one line each, with file and JSON pointer.
  std::vector<std::string> notes;
};

// INVALID_ARGUMENT names the file and the JSON pointer, or the key of the settings or the lock.
absl::StatusOr<Imported> Import(const ImportOptions& options);

// The first line of every file that Import makes (after `syntax`): how files that are no longer made are found.
inline constexpr char kImportMark[] = "// Made by `hookstream schema import`";

}  // namespace hookstream::schema
