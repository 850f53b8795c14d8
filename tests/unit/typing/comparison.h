// Compares a typed message with the JSON that it came from, by the mapping options in its descriptor and in its own
// way: nothing of the converter is used.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "google/protobuf/message.h"
#include "hookstream/v1/mapping.pb.h"
#include "simdjson.h"

namespace hookstream::typing {

class Comparison {
 public:
  // `json` is the value that the message maps. Pointers in the results begin with `path`.
  void Compare(const google::protobuf::Message& message, simdjson::dom::element json, const std::string& path = "");

  // Scalars of a document that are not null; JSON pointers of them with `pointers`.
  static size_t CountScalars(simdjson::dom::element json);

  // Pointers of the scalars whose value is in a field of its own (or in a Struct that one key fills).
  const std::set<std::string>& typed() const { return typed_; }
  // ... that only a `rest` field keeps.
  const std::set<std::string>& kept() const { return kept_; }
  // "/a/b differs": what is not as it has to be.
  const std::vector<std::string>& failures() const { return failures_; }
  // Adds the scalars that have no field of their own to `out`, array indices as *, " (rest)" behind those that are
  // kept.
  void AddUntyped(simdjson::dom::element json, std::map<std::string, int>& out) const;

 private:
  using Element = simdjson::dom::element;
  using Message = google::protobuf::Message;
  using FieldDescriptor = google::protobuf::FieldDescriptor;

  void Fail(const std::string& path, const std::string& why);
  void Field(const Message& message, const FieldDescriptor& field, const v1::FieldMapping& mapping, Element json,
             const std::string& path);
  // `index` < 0: the field is no repeated one.
  void Single(const Message& message, const FieldDescriptor& field, int index, const v1::FieldMapping& mapping,
              Element json, const std::string& path);
  void Inner(const Message& message, const v1::FieldMapping& mapping, Element json, const std::string& path);
  bool Value(const Message& message, const FieldDescriptor& field, int index, const v1::FieldMapping& mapping,
             Element json, const std::string& path);
  void Map(const Message& message, const FieldDescriptor& field, const v1::FieldMapping& mapping, Element json,
           const std::string& path);
  void Rest(const Message& message, const FieldDescriptor& field, Element json, const std::string& path);
  void Numbered(const Message& message, const FieldDescriptor& field, Element json, const std::string& path);
  void SameJson(Element written, Element json, const std::string& path);
  void AddUntypedAt(Element json, const std::string& path, const std::string& shown,
                    std::map<std::string, int>& out) const;

  std::set<std::string>* claimed_ = &typed_;
  std::set<std::string> typed_;
  std::set<std::string> kept_;
  std::vector<std::string> failures_;
};

}  // namespace hookstream::typing
