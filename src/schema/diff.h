// What changed between two sets of descriptors, for those who read the messages: on the wire, in generated code, and in
// the mapping, which no tool for protos looks at.
//
// Pure. A change is breaking when a subscriber that was built with the old set may fail, misread, or miss what it got
// before from the same webhooks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace hookstream::schema {

enum class Aspect {
  kWire,     // bytes are read otherwise
  kSource,   // generated code or canonical JSON is another
  kMapping,  // the same webhook fills the message otherwise
};
// "wire", "source", "mapping".
std::string_view AspectName(Aspect aspect);

struct Change {
  bool breaking = false;
  Aspect aspect = Aspect::kWire;
  std::string element;  // full name of a message, field, enum or value
  std::string what;     // e.g. "from: /total -> /amount"
};

// A set as an argument: `bytes` is a serialized google.protobuf.FileDescriptorSet with its imports, `name` is for
// errors.
struct NamedSet {
  std::string name;
  std::string_view bytes;
};

// In the order of the elements' names. Files of google/protobuf are left out, and those of hookstream/ where the sets
// have others: a set brings them along for its imports. INVALID_ARGUMENT names the set: it can't be read, or a pattern
// is none.
absl::StatusOr<std::vector<Change>> DiffSets(const NamedSet& before, const NamedSet& after);

}  // namespace hookstream::schema
