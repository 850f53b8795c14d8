// The messages that events are typed into: descriptor sets (the embedded one and users' own), the mapping options in
// them compiled into tables, and which message an event type goes to.
//
// Lifecycle: Build() makes an immutable Registry; a reload makes another and swaps the shared_ptr, so that whoever
// still converts with the old one keeps it alive. Threads: everything is const and safe from any thread.
// Knows bytes and descriptors only; reading files is the caller's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace google::protobuf {
class Descriptor;
class DescriptorPool;
}  // namespace google::protobuf

namespace hookstream::typing {

// Compiled mapping of one message; private to this room (table.h).
struct MessageTable;
struct Mapping;

// Says, outside of the proto, which events a message is the payload of: for protos that carry no mapping options.
struct EventOverride {
  std::string message;             // full name, e.g. "acme.v1.Order"
  std::string provider;            // family
  std::vector<std::string> types;  // patterns, as EventMapping.types
};

// A user's google.protobuf.FileDescriptorSet, complete with its imports.
struct UserSet {
  std::string name;   // shown in errors: the file's name
  std::string bytes;  // from `buf build -o` or `protoc --include_imports --descriptor_set_out`
  std::vector<EventOverride> events;
};

struct RegistryOptions {
  // The messages of proto/hookstream. False only in tests.
  bool builtin = true;
  // Their mappings go before the built-in ones. Files under hookstream/ and google/protobuf/ in them serve imports
  // only. At most kMaxUserSets, each at most kMaxSetBytes.
  std::vector<UserSet> user_sets;
};

inline constexpr size_t kMaxUserSets = 64;
inline constexpr size_t kMaxSetBytes = 64 << 20;

// One pattern of one message.
struct EventTypeInfo {
  std::string provider;
  std::string pattern;
  std::string message;      // full name
  std::string fingerprint;  // of its set
};

// Files as SchemaService hands them out.
struct DescriptorFiles {
  std::string file_descriptor_set;  // serialized google.protobuf.FileDescriptorSet, imports first, complete
  std::string fingerprint;          // of the set that they come from: 16 hex digits
};

class Registry {
 public:
  // INVALID_ARGUMENT names the set, and the file or message: not a FileDescriptorSet, imports missing, an option that
  // this version does not know, a pointer that is none, patterns that tie, two definitions of one full name.
  static absl::StatusOr<std::shared_ptr<const Registry>> Build(const RegistryOptions& options = {});
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Event types that are mapped, in the order of provider and pattern. `provider` empty: all.
  std::vector<EventTypeInfo> EventTypes(std::string_view provider = {}) const;

  // The files that define a message, by its full name or a type URL; NOT_FOUND.
  absl::StatusOr<DescriptorFiles> DescriptorsOfMessage(std::string_view message) const;
  // A whole set, by its fingerprint; NOT_FOUND.
  absl::StatusOr<DescriptorFiles> DescriptorsOfFingerprint(std::string_view fingerprint) const;

  // For gRPC reflection: serialized FileDescriptorProtos, the file itself first and its imports after; NOT_FOUND.
  // A symbol is a message, enum, enum value, field, service or method by its full name, without leading dot.
  absl::StatusOr<std::vector<std::string>> FilesWithSymbol(std::string_view symbol) const;
  absl::StatusOr<std::vector<std::string>> FilesWithName(std::string_view filename) const;
  absl::StatusOr<std::vector<std::string>> FilesWithExtension(std::string_view extendee, int number) const;
  // Numbers of the extensions of a message that the sets define; NOT_FOUND: no such message.
  absl::StatusOr<std::vector<int>> ExtensionNumbers(std::string_view extendee) const;

  // Null: unknown. Lives as long as the registry.
  const google::protobuf::Descriptor* FindMessage(std::string_view full_name) const;

  // Fingerprint over all sets: changes when anything would be typed differently.
  const std::string& fingerprint() const { return fingerprint_; }

  // Messages that may type this event, best first (the converter tries their `when`). Empty: none is mapped.
  const std::vector<const Mapping*>& Candidates(std::string_view provider, std::string_view type,
                                                std::vector<const Mapping*>& scratch) const;

 private:
  Registry();
  struct Set;
  struct Index;
  template <typename Find>
  absl::StatusOr<std::vector<std::string>> FilesOf(const Find& find, const std::string& what) const;

  std::vector<std::unique_ptr<Set>> sets_;  // the built-in one first
  std::unique_ptr<Index> index_;
  std::string fingerprint_;
};

}  // namespace hookstream::typing
