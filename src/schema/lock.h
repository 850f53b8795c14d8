// The numbers of fields and enum values, for ever: a text file beside generated protos that is only ever added to.
//
//     # Numbers of fields and enum values. Written by `hookstream schema`; nothing is removed from it.
//     messages:
//       User:
//         login: 1 string
//         emails: 2 repeated string
//         _retired: 3, 9
//     enums:
//       IssueState:
//         ISSUE_STATE_OPEN: 1
//
// In the order of the numbers, the names of messages in alphabetical order, so that a change is a small diff. A field
// that a new version of the source leaves out stays here, and becomes `reserved` in the proto; when it comes back it
// has its number again. A field whose type changes so that old bytes would be misread gets a new number; the old one is
// retired. Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "schema/proto_file.h"

namespace hookstream::schema {

class Lock {
 public:
  // An empty text is an empty lock. INVALID_ARGUMENT with `name` (the file's) and the entry: what is no lock, a number
  // out of range or used twice.
  static absl::StatusOr<Lock> Parse(std::string_view text, std::string_view name);

  // Numbers all fields and enum values of the files, which are of one package: those that the lock knows as it says,
  // new ones after all that ever were, in their order; then sorts them by number and fills in what is reserved.
  // RESOURCE_EXHAUSTED: no numbers are left.
  absl::Status Apply(std::vector<ProtoFile>& files);

  std::string Text() const;

 private:
  struct Entry {
    int number = 0;
    std::string type;  // as in the proto, without `optional`; empty for enum values
  };
  struct Numbers {
    std::map<std::string, Entry> names;
    std::vector<int> retired;
    int highest = 0;
  };

  static absl::Status Read(std::string_view name, std::string_view what, const class Json& section,
                           std::map<std::string, Numbers>& out);
  static void Write(const std::map<std::string, Numbers>& section, std::string& out);
  absl::Status ApplyMessage(ProtoMessage& message, const std::string& scope);
  absl::Status ApplyEnum(ProtoEnum& type, const std::string& scope);

  std::map<std::string, Numbers> messages_;  // by the name within the package, "Outer.Inner"
  std::map<std::string, Numbers> enums_;
};

}  // namespace hookstream::schema
