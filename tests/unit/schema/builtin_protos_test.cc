#include "schema/builtin_protos.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "gmock/gmock.h"

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

}  // namespace
}  // namespace hookstream::schema
