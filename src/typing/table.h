// Tables that the converter walks: for each message, which JSON keys fill which fields and how. Made once from
// descriptors and their mapping options; const afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "hookstream/v1/mapping.pb.h"
#include "typing/key_index.h"
#include "typing/pattern.h"

namespace hookstream::typing {

// Unescaped segments of a JSON pointer (RFC 6901).
using Pointer = std::vector<std::string>;
// INVALID_ARGUMENT: not empty and without a leading slash, or a ~ that is not ~0 or ~1. At most 32 segments.
absl::StatusOr<Pointer> ParsePointer(std::string_view text);

enum class Kind : uint8_t {
  kBool,
  kInt32,
  kInt64,
  kUint32,
  kUint64,
  kSint32,
  kSint64,
  kFixed32,
  kFixed64,
  kSfixed32,
  kSfixed64,
  kFloat,
  kDouble,
  kString,
  kBytes,
  kEnum,
  kMessage,
  kMap,
  // Well-known types of google.protobuf.
  kTimestamp,
  kDuration,
  kFieldMask,
  kStruct,
  kValue,
  kListValue,
  kNullValue,
  // google.protobuf.Int64Value and the like: Field::value is the value inside.
  kWrapper,
  // Groups and google.protobuf.Any: no JSON fits.
  kUnsupported,
};

// An enum's texts.
struct EnumTable {
  KeyIndex exact;       // to an index of `numbers`
  KeyIndex normalised;  // without case and punctuation; texts of two values are in neither
  std::vector<int32_t> numbers;

  // False: unknown.
  bool Find(std::string_view text, int32_t& number) const;
};

struct MessageTable;

// How one field is written, and from which shapes.
struct Field {
  const google::protobuf::FieldDescriptor* descriptor = nullptr;
  Kind kind = Kind::kUnsupported;
  bool repeated = false;
  bool packed = false;
  // A default value is written too: explicit presence, an element, a map's key or value.
  bool presence = false;
  bool text = false;
  bool json = false;
  bool numbered = false;
  int64_t units_per_second = 0;  // 0: a number is no time
  uint32_t tag = 0;              // of a value (with packed: of one element)
  uint32_t packed_tag = 0;
  bool has_id = false;
  Pointer id;
  const MessageTable* message = nullptr;  // kMessage
  const EnumTable* enums = nullptr;       // kEnum, kNullValue
  std::unique_ptr<Field> key;             // kMap: key and value of its entry
  std::unique_ptr<Field> value;           // also kWrapper
};

// A place in the JSON that fields read, reached by a key or an index from its parent.
struct Node;
struct Slot {
  static constexpr uint32_t kSelf = ~uint32_t{0};
  // The most frequent case in one look: one field reads this place, and a JSON string fills it as it is.
  const Field* plain_string = nullptr;
  uint32_t id = 0;                    // within the message: marks it as seen
  std::vector<const Field*> readers;  // fields that read this place and no other
  struct Candidate {
    uint32_t choice;
    uint32_t rank;
  };
  std::vector<Candidate> candidates;  // fields that read this place or another, or share it with such
  std::unique_ptr<Node> child;        // pointers go deeper
  bool takes_null = false;            // a reader is a google.protobuf.Value
};

struct Node {
  KeyIndex keys;                                     // to an index of `slots`
  KeyIndex numbered;                                 // prefix of numbered keys, to an index of `slots`
  std::vector<std::pair<uint32_t, uint32_t>> items;  // array index, index of `slots`; in the array's order
  std::vector<Slot> slots;
};

// A field that has several places.
struct Choice {
  const Field* field = nullptr;
  std::vector<std::string> pointers;  // by rank, as written, for notes
};

struct MessageTable {
  const google::protobuf::Descriptor* descriptor = nullptr;
  std::vector<std::unique_ptr<Field>> fields;
  Node root;
  std::vector<Slot::Candidate> self;  // readers of ""
  std::vector<Choice> choices;
  const Field* rest = nullptr;
  uint32_t slot_count = 0;
};

struct WhenCondition {
  Pointer pointer;
  std::vector<std::string> equals;  // empty: exists and is not null
};

// One pattern of one message.
struct Mapping {
  std::string provider;
  TypePattern pattern;
  Pointer root;
  std::string root_text;
  std::vector<WhenCondition> when;
  const MessageTable* table = nullptr;
  const std::string* fingerprint = nullptr;  // of its set
  size_t set = 0;
};

// Makes the tables of one set; keeps them.
class TableCompiler {
 public:
  // INVALID_ARGUMENT names the field and what is wrong with its options.
  absl::StatusOr<const MessageTable*> Compile(const google::protobuf::Descriptor& message);

 private:
  MessageTable* TableOf(const google::protobuf::Descriptor& message);
  absl::Status Fill(MessageTable& table);
  absl::Status CompileField(const google::protobuf::FieldDescriptor& descriptor, const v1::FieldMapping& mapping,
                            Field& field);
  const EnumTable* EnumOf(const google::protobuf::EnumDescriptor& descriptor);

  absl::flat_hash_map<const google::protobuf::Descriptor*, std::unique_ptr<MessageTable>> messages_;
  absl::flat_hash_map<const google::protobuf::EnumDescriptor*, std::unique_ptr<EnumTable>> enums_;
  std::vector<MessageTable*> todo_;
};

// An option of ours that a newer mapping.proto has and this version would ignore is an error.
absl::Status CheckKnown(const google::protobuf::Message& option, const std::string& where);

// Lower case letters, digits and what is beyond ASCII.
std::string Normalised(std::string_view text);

}  // namespace hookstream::typing
