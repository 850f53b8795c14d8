#include "typing/editions.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/unknown_field_set.h"

namespace hookstream::typing {
namespace {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptorProto;

enum class OldSyntax { kProto2, kProto3 };

// Of descriptor.proto as it is since protobuf 27; to this library they are unknown fields.
constexpr int kFileEdition = 14;
constexpr uint64_t kEdition2023 = 1000;
constexpr uint64_t kEdition2024 = 1001;
constexpr int kFileFeatures = 50;
constexpr int kMessageFeatures = 12;
constexpr int kFieldFeatures = 21;
constexpr int kOneofFeatures = 1;
constexpr int kEnumFeatures = 7;

// google.protobuf.FeatureSet, as far as the wire format depends on it, with the values of both editions' defaults.
struct Features {
  enum : uint64_t { kExplicit = 1, kImplicit = 2, kLegacyRequired = 3 };
  enum : uint64_t { kOpen = 1, kClosed = 2 };
  enum : uint64_t { kPacked = 1, kExpanded = 2 };
  enum : uint64_t { kLengthPrefixed = 1, kDelimited = 2 };
  enum : uint64_t { kAllow = 1, kLegacyBestEffort = 2 };
  uint64_t presence = kExplicit;         // 1
  uint64_t enum_type = kOpen;            // 2
  uint64_t repeated_encoding = kPacked;  // 3
  uint64_t message = kLengthPrefixed;    // 5
  uint64_t json = kAllow;                // 6
};

// What `options` say themselves, over what they inherit.
Features With(Features features, const pb::Message& options, int number) {
  const pb::UnknownFieldSet& unknown = options.GetReflection()->GetUnknownFields(options);
  for (int i = 0; i < unknown.field_count(); ++i) {
    const pb::UnknownField& field = unknown.field(i);
    if (field.number() != number || field.type() != pb::UnknownField::TYPE_LENGTH_DELIMITED) continue;
    pb::UnknownFieldSet set;
    if (!set.ParseFromString(field.length_delimited())) continue;
    for (int j = 0; j < set.field_count(); ++j) {
      const pb::UnknownField& feature = set.field(j);
      if (feature.type() != pb::UnknownField::TYPE_VARINT) continue;
      switch (feature.number()) {
        case 1: features.presence = feature.varint(); break;
        case 2: features.enum_type = feature.varint(); break;
        case 3: features.repeated_encoding = feature.varint(); break;
        case 5: features.message = feature.varint(); break;
        case 6: features.json = feature.varint(); break;
        default: break;
      }
    }
  }
  return features;
}

Features OfFile(const pb::FileDescriptorProto& file) { return With({}, file.options(), kFileFeatures); }

Features OfField(const Field& field, const pb::DescriptorProto* message, Features features) {
  if (message != nullptr && field.has_oneof_index() && field.oneof_index() < message->oneof_decl_size()) {
    features = With(features, message->oneof_decl(field.oneof_index()).options(), kOneofFeatures);
  }
  return With(features, field.options(), kFieldFeatures);
}

bool IsRepeated(const Field& field) { return field.label() == Field::LABEL_REPEATED; }
bool IsPackable(const Field& field) {
  switch (field.type()) {
    case Field::TYPE_STRING:
    case Field::TYPE_BYTES:
    case Field::TYPE_MESSAGE:
    case Field::TYPE_GROUP: return false;
    default: return true;
  }
}

bool EnumFits(const pb::EnumDescriptorProto& type, const Features& features) {
  const Features own = With(features, type.options(), kEnumFeatures);
  return own.enum_type != Features::kClosed && own.json != Features::kLegacyBestEffort;
}

bool FieldFits(const Field& field, const pb::DescriptorProto* message, const Features& features) {
  const Features own = OfField(field, message, features);
  return own.presence != Features::kLegacyRequired && !field.has_default_value() &&
         !(field.type() == Field::TYPE_MESSAGE && own.message == Features::kDelimited);
}

bool ExtensionFits(const Field& field, const Features& features) {
  return FieldFits(field, nullptr, features) && absl::StartsWith(field.extendee(), ".google.protobuf.");
}

bool MessageFits(const pb::DescriptorProto& message, const Features& inherited) {
  if (message.options().map_entry()) return true;
  const Features features = With(inherited, message.options(), kMessageFeatures);
  return message.extension_range().empty() && !message.options().message_set_wire_format() &&
         features.json != Features::kLegacyBestEffort &&
         std::all_of(message.field().begin(), message.field().end(),
                     [&](const Field& field) { return FieldFits(field, &message, features); }) &&
         std::all_of(message.extension().begin(), message.extension().end(),
                     [&](const Field& field) { return ExtensionFits(field, features); }) &&
         std::all_of(message.enum_type().begin(), message.enum_type().end(),
                     [&](const pb::EnumDescriptorProto& type) { return EnumFits(type, features); }) &&
         std::all_of(message.nested_type().begin(), message.nested_type().end(),
                     [&](const pb::DescriptorProto& nested) { return MessageFits(nested, features); });
}

void RewriteField(OldSyntax syntax, const Features& features, Field& field) {
  if (IsRepeated(field)) {
    // proto2 and proto3 have different defaults.
    if (IsPackable(field)) field.mutable_options()->set_packed(features.repeated_encoding == Features::kPacked);
  } else if (syntax == OldSyntax::kProto2 && features.presence == Features::kLegacyRequired) {
    field.set_label(Field::LABEL_REQUIRED);
  }
  if (field.type() == Field::TYPE_MESSAGE && features.message == Features::kDelimited)
    field.set_type(Field::TYPE_GROUP);
}

void RewriteMessage(OldSyntax syntax, const Features& inherited, pb::DescriptorProto& message) {
  if (message.options().map_entry()) return;
  const Features features = With(inherited, message.options(), kMessageFeatures);
  for (Field& field : *message.mutable_field()) {
    const Features own = OfField(field, &message, features);
    const bool map =
        field.type() == Field::TYPE_MESSAGE && IsRepeated(field) &&
        std::any_of(message.nested_type().begin(), message.nested_type().end(), [&](const pb::DescriptorProto& nested) {
          return nested.options().map_entry() && absl::EndsWith(field.type_name(), absl::StrCat(".", nested.name()));
        });
    if (map) continue;
    RewriteField(syntax, own, field);
    // proto3 says explicit presence by a oneof of one, after the real ones.
    if (syntax != OldSyntax::kProto3 || IsRepeated(field) || field.has_oneof_index() ||
        field.type() == Field::TYPE_MESSAGE || own.presence == Features::kImplicit) {
      continue;
    }
    std::string name = absl::StrCat("_", field.name());
    const auto taken = [&] {
      return std::any_of(message.field().begin(), message.field().end(),
                         [&](const Field& other) { return other.name() == name; }) ||
             std::any_of(message.oneof_decl().begin(), message.oneof_decl().end(),
                         [&](const auto& other) { return other.name() == name; });
    };
    while (taken()) name = absl::StrCat("X", name);
    field.set_proto3_optional(true);
    field.set_oneof_index(message.oneof_decl_size());
    message.add_oneof_decl()->set_name(name);
  }
  for (Field& field : *message.mutable_extension()) RewriteField(syntax, OfField(field, nullptr, features), field);
  for (pb::DescriptorProto& nested : *message.mutable_nested_type()) RewriteMessage(syntax, features, nested);
}

// Whether nothing in the file itself needs proto2; a file that it imports may still.
bool FitsProto3(const pb::FileDescriptorProto& file) {
  const Features features = OfFile(file);
  return std::all_of(file.message_type().begin(), file.message_type().end(),
                     [&](const pb::DescriptorProto& message) { return MessageFits(message, features); }) &&
         std::all_of(file.enum_type().begin(), file.enum_type().end(),
                     [&](const pb::EnumDescriptorProto& type) { return EnumFits(type, features); }) &&
         std::all_of(file.extension().begin(), file.extension().end(),
                     [&](const Field& field) { return ExtensionFits(field, features); });
}

uint64_t EditionOf(const pb::FileDescriptorProto& file) {
  uint64_t edition = 0;
  const pb::UnknownFieldSet& unknown = file.GetReflection()->GetUnknownFields(file);
  for (int i = 0; i < unknown.field_count(); ++i) {
    if (unknown.field(i).number() == kFileEdition && unknown.field(i).type() == pb::UnknownField::TYPE_VARINT) {
      edition = unknown.field(i).varint();
    }
  }
  return edition;
}

void Rewrite(OldSyntax syntax, pb::FileDescriptorProto& file) {
  const Features features = OfFile(file);
  file.set_syntax(syntax == OldSyntax::kProto3 ? "proto3" : "proto2");
  for (pb::DescriptorProto& message : *file.mutable_message_type()) RewriteMessage(syntax, features, message);
  for (Field& field : *file.mutable_extension()) RewriteField(syntax, OfField(field, nullptr, features), field);
}

class FirstError final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& filename, const std::string& element, const pb::Message* /*descriptor*/,
                ErrorLocation /*location*/, const std::string& message) override {
    if (text_.empty()) text_ = absl::StrCat(filename, ": ", element, ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

absl::StatusOr<const pb::FileDescriptor*> Build(const pb::FileDescriptorProto& file, pb::DescriptorPool& pool) {
  FirstError error;
  const pb::FileDescriptor* const built = pool.BuildFileCollectingErrors(file, &error);
  if (built == nullptr) return absl::InvalidArgumentError(error.text());
  return built;
}

}  // namespace

absl::StatusOr<const pb::FileDescriptor*> AddToPool(const pb::FileDescriptorProto& file, pb::DescriptorPool& pool) {
  if (file.syntax() != "editions") return Build(file, pool);
  const uint64_t edition = EditionOf(file);
  if (edition != kEdition2023 && edition != kEdition2024) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.name(), ": has edition number ", edition, "; this version knows the editions 2023 and 2024"));
  }
  if (FitsProto3(file)) {
    pb::FileDescriptorProto copy = file;
    Rewrite(OldSyntax::kProto3, copy);
    // proto3 may not use an enum of a file that had to become proto2: only the pool knows.
    if (const auto built = Build(copy, pool); built.ok()) return built;
  }
  pb::FileDescriptorProto copy = file;
  Rewrite(OldSyntax::kProto2, copy);
  return Build(copy, pool);
}

}  // namespace hookstream::typing
