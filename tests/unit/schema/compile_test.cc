#include "schema/compile.h"

#include <google/protobuf/descriptor.pb.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hookstream::schema {
namespace {

using ::testing::HasSubstr;

const TextFile kCommon = {"acme/v1/common.proto",
                          "syntax = \"proto3\";\npackage acme.v1;\nmessage Total { int64 cents = 1; }\n"};
const TextFile kOrder = {"acme/v1/order.proto", R"(syntax = "proto3";
package acme.v1;
import "acme/v1/common.proto";
import "google/protobuf/timestamp.proto";
import "hookstream/v1/mapping.proto";
option (hookstream.v1.provider) = "acme";
message OrderEvent {
  option (hookstream.v1.event) = { types: ["order.*"] };
  Total total = 1;
  google.protobuf.Timestamp paid_at = 2 [(hookstream.v1.field).time = NUMBER_TIME_SECONDS];
}
)"};

TEST(CompileTest, FilesWithTheirImports) {
  const auto set = CompileProtos({kOrder, kCommon});
  ASSERT_TRUE(set.ok()) << set.status();
  google::protobuf::FileDescriptorSet files;
  ASSERT_TRUE(files.ParseFromString(*set));
  std::vector<std::string> names;
  for (const auto& file : files.file()) names.push_back(file.name());
  EXPECT_EQ(names.back(), "acme/v1/order.proto");
  EXPECT_THAT(names, testing::Contains("hookstream/v1/mapping.proto"));
  EXPECT_EQ(files.file(files.file_size() - 1).message_type(0).field(1).json_name(), "paidAt");
  EXPECT_TRUE(CheckProtos({kOrder, kCommon}).ok()) << CheckProtos({kOrder, kCommon});
}

// The registry takes nothing of hookstream/ from a user, but what is checked here may be ours.
TEST(CompileTest, OurOwnFilesAreLoadedToo) {
  TextFile file = kOrder;
  file.name = "hookstream/acme/v1/order.proto";
  EXPECT_TRUE(CheckProtos({file, kCommon}).ok()) << CheckProtos({file, kCommon});
  file.text.replace(file.text.find("order.*"), 7, "");
  EXPECT_FALSE(CheckProtos({file, kCommon}).ok());
}

TEST(CompileTest, SaysWhereItIsWrong) {
  EXPECT_THAT(
      std::string(
          CompileProtos({{"a.proto", "syntax = \"proto3\";\nmessage A {\n  int64 = 1;\n}\n"}}).status().message()),
      HasSubstr("a.proto:3:9: "));
  EXPECT_THAT(std::string(CompileProtos({kOrder}).status().message()),
              HasSubstr("imports acme/v1/common.proto, which is not there"));
  EXPECT_THAT(
      std::string(CompileProtos({{"a.proto", "syntax = \"proto3\";\nmessage A { B b = 1; }\n"}}).status().message()),
      HasSubstr("a.proto: A.b: \"B\" is not defined"));
  const TextFile a = {"a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\n"};
  const TextFile b = {"b.proto", "syntax = \"proto3\";\nimport \"a.proto\";\n"};
  EXPECT_THAT(std::string(CompileProtos({a, b}).status().message()),
              HasSubstr("b.proto: imports a.proto, which imports it"));
}

}  // namespace
}  // namespace hookstream::schema
