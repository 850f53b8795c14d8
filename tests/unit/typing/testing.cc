#include "tests/unit/typing/testing.h"

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

namespace hookstream::typing {

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

const std::string& TestSet() {
  static const auto* const set = new std::string(ReadFile(TYPING_TEST_SET));
  return *set;
}

const Registry& TestRegistry() {
  static const auto* const registry = [] {
    RegistryOptions options;
    options.user_sets.push_back({"test.binpb", TestSet(), {{"typing.test.Kinds", "test", {"kinds"}}}});
    auto built = Registry::Build(options);
    EXPECT_TRUE(built.ok()) << built.status();
    return new std::shared_ptr<const Registry>(*built);
  }();
  return **registry;
}

std::unique_ptr<google::protobuf::Message> Parse(const Registry& registry, const Typed& typed) {
  static auto* const factory = new google::protobuf::DynamicMessageFactory;
  const google::protobuf::Descriptor* const descriptor = registry.FindMessage(typed.message);
  EXPECT_NE(descriptor, nullptr) << typed.message;
  std::unique_ptr<google::protobuf::Message> message(factory->GetPrototype(descriptor)->New());
  EXPECT_TRUE(message->ParseFromString(typed.wire)) << typed.message;
  return message;
}

std::string ToJson(const Registry& registry, const Typed& typed) {
  if (typed.status == TypedStatus::kUntyped) return "UNTYPED";
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(*Parse(registry, typed), &json, options);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return json;
}

Typed ConvertTest(std::string_view type, std::string_view json, ContentKind kind) {
  return Convert(TestRegistry(), "test", type, kind, json);
}

std::string Converted(std::string_view type, std::string_view json, ContentKind kind) {
  return ToJson(TestRegistry(), ConvertTest(type, json, kind));
}

std::string Describe(const Note& note) {
  return absl::StrCat(note.pointer, ": ", absl::string_view(note.reason.data(), note.reason.size()), ": ", note.text);
}

std::string Notes(const Typed& typed) {
  if (typed.notes.size() == 1) return Describe(typed.notes[0]);
  std::string out = "[";
  for (const Note& note : typed.notes) absl::StrAppend(&out, out.size() > 1 ? ", " : "", Describe(note));
  return out + "]";
}

std::ostream& operator<<(std::ostream& out, TypedStatus status) {
  constexpr const char* kNames[] = {"FULL", "PARTIAL", "UNTYPED"};
  return out << kNames[static_cast<int>(status)];
}

}  // namespace hookstream::typing
