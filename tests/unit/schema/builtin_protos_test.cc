#include "schema/builtin_protos.h"

#include <google/protobuf/descriptor.pb.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "schema/naming.h"
#include "typing/builtin_set.h"

namespace hookstream::schema {
namespace {

TEST(BuiltinProtosTest, TheyAreTheFilesOfTheSourceTreeByteForByte) {
  size_t found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(HOOKSTREAM_PROTO_DIR)) {
    if (entry.path().extension() != ".proto") continue;
    const std::string name = std::filesystem::relative(entry.path(), HOOKSTREAM_PROTO_DIR).generic_string();
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    ASSERT_EQ(BuiltinProtos().count(name), 1u) << name;
    EXPECT_EQ(BuiltinProtos().at(name), text) << name;
    ++found;
  }
  EXPECT_EQ(BuiltinProtos().size(), found);
  EXPECT_GT(found, 10u);
}

google::protobuf::FileDescriptorSet BuiltinFiles() {
  google::protobuf::FileDescriptorSet set;
  const std::string_view bytes = typing::BuiltinDescriptorSet();
  EXPECT_TRUE(set.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  EXPECT_GT(set.file_size(), 10);
  return set;
}

// C++ has has_x() of a field x, and x_size() of a repeated one: a field of such a name beside it does not compile.
void ExpectNoAccessorTwice(const google::protobuf::DescriptorProto& message, const std::string& scope) {
  const std::string name = absl::StrCat(scope, ".", message.name());
  std::set<std::string> fields;
  for (const auto& field : message.field()) fields.insert(field.name());
  for (const auto& field : message.field()) {
    const bool repeated = field.label() == google::protobuf::FieldDescriptorProto::LABEL_REPEATED;
    const std::string accessor = repeated ? field.name() + "_size" : "has_" + field.name();
    EXPECT_EQ(fields.count(accessor), 0u) << name << ": " << accessor;
  }
  for (const auto& nested : message.nested_type()) ExpectNoAccessorTwice(nested, name);
}

TEST(BuiltinProtosTest, NoFieldIsCalledAsAnAccessorOfAnother) {
  const google::protobuf::FileDescriptorSet set = BuiltinFiles();
  for (const auto& file : set.file()) {
    for (const auto& message : file.message_type()) ExpectNoAccessorTwice(message, file.package());
  }
}

// Java has a class for each file beside those of its messages, enums and services. protoc calls it as the file, and
// makes way only for what is in the file itself: of another file's message with that name it writes the class twice.
TEST(BuiltinProtosTest, NoFilesJavaClassIsThatOfAMessageOfItsPackage) {
  const google::protobuf::FileDescriptorSet set = BuiltinFiles();
  const auto types_of = [](const google::protobuf::FileDescriptorProto& file) {
    std::set<std::string> names;
    for (const auto& message : file.message_type()) names.insert(message.name());
    for (const auto& type : file.enum_type()) names.insert(type.name());
    for (const auto& service : file.service()) names.insert(service.name());
    return names;
  };
  std::map<std::string, std::set<std::string>> packages;
  for (const auto& file : set.file()) packages[file.options().java_package()].merge(types_of(file));
  for (const auto& file : set.file()) {
    std::string outer = file.options().java_outer_classname();
    if (outer.empty()) {
      outer = CamelName(std::filesystem::path(file.name()).stem().string());
      if (types_of(file).count(outer) != 0) outer += "OuterClass";
    }
    EXPECT_EQ(packages[file.options().java_package()].count(outer), 0u) << file.name() << ": " << outer;
  }
}

}  // namespace
}  // namespace hookstream::schema
