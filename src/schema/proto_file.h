// What a .proto file says, as far as the files of proto/hookstream say things: a model that tools fill, number by a
// lock (lock.h) and write as text.
//
// Plain data; `WriteProto` is pure and gives equal text for equal files. The text is in the style of proto/hookstream,
// is what `buf format` leaves as it is, and passes buf's STANDARD rules when the names are those of naming.h.
#pragma once

#include <string>
#include <vector>

#include "hookstream/v1/mapping.pb.h"

namespace hookstream::schema {

enum class Cardinality {
  kSingle,
  kOptional,  // of scalars and enums: absent is not the default
  kRepeated,
  kMap,  // from string to the type
};

struct ProtoField {
  std::string name;
  // Of the proto language ("int64"), or of a message or enum: in the same package relative to it ("User",
  // "Outer.Inner"), else in full ("google.protobuf.Timestamp").
  std::string type;
  Cardinality cardinality = Cardinality::kSingle;
  int number = 0;
  // Empty: none is written, so that it is DefaultJsonName(name).
  std::string json_name;
  v1::FieldMapping mapping;
  bool deprecated = false;
  // Sentences, without slashes; the writer breaks the lines. A line break begins another line. So everywhere here.
  std::string comment;
};

struct ProtoEnumValue {
  std::string name;  // with the enum's prefix
  int number = 0;
  std::vector<std::string> texts;  // EnumValueMapping.names
  std::string comment;
};

// Inclusive.
struct ReservedRange {
  int first = 0;
  int last = 0;
};

struct ProtoEnum {
  std::string name;
  std::vector<ProtoEnumValue> values;
  std::vector<ReservedRange> reserved;
  std::vector<std::string> reserved_names;
  bool deprecated = false;
  std::string comment;
};

struct ProtoMessage {
  std::string name;
  std::vector<v1::EventMapping> events;
  std::vector<ProtoField> fields;
  std::vector<ProtoMessage> messages;  // nested
  std::vector<ProtoEnum> enums;        // nested
  std::vector<ReservedRange> reserved;
  std::vector<std::string> reserved_names;
  bool deprecated = false;
  std::string comment;
};

struct ProtoFile {
  std::string path;     // "hookstream/github/v1/push.proto"
  std::string package;  // "hookstream.github.v1"
  // Paths of other files whose types are used. Those of google.protobuf and mapping.proto are seen to by the writer.
  std::vector<std::string> imports;
  std::string provider;    // the file's option; empty: none
  std::string go_package;  // empty: not written; so with java_package
  std::string java_package;
  std::vector<ProtoMessage> messages;
  // Each is written after the first message that uses it, those that none uses at the end.
  std::vector<ProtoEnum> enums;
  std::string comment;  // above `package`
};

// How proto/hookstream names the packages of the languages: "hookstream.github.v1" ->
// "github.com/hookstream/hookstream/clients/go/hookstream/github/v1;githubv1" and "dev.hookstream.github.v1". Another
// package gets no go_package (its import path is its owner's to say) and its own name in Java.
void SetLanguagePackages(ProtoFile& file);

std::string WriteProto(const ProtoFile& file);

}  // namespace hookstream::schema
