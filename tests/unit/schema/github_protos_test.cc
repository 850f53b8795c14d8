// The committed protos of GitHub are what the import makes of the schema that GitHub's users publish, in the version
// that tests/integration/node pins.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "gtest/gtest.h"
#include "schema/import.h"

namespace hookstream::schema {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(GithubProtosTest, AreWhatTheImportMakes) {
  const char* const modules = std::getenv("HOOKSTREAM_NODE_MODULES");
  if (modules == nullptr || *modules == '\0') {
    const char* const ci = std::getenv("CI");
    ASSERT_FALSE(ci != nullptr && std::string_view(ci) == "true") << "HOOKSTREAM_NODE_MODULES is not set";
    GTEST_SKIP() << "needs HOOKSTREAM_NODE_MODULES with @octokit/webhooks-schemas (./dev test installs it)";
  }
  const std::filesystem::path protos = HOOKSTREAM_PROTO_DIR;
  const std::filesystem::path folder = protos / "hookstream" / "github" / "v1";
  ImportOptions options;
  options.provider = "github";
  options.package = "hookstream.github.v1";
  options.schemas = {
      {"schema.json", ReadFile(std::filesystem::path(modules) / "@octokit" / "webhooks-schemas" / "schema.json")}};
  options.settings = {"import.yaml", ReadFile(folder / "import.yaml")};
  options.lock = {"lock.yaml", ReadFile(folder / "lock.yaml")};
  const auto imported = Import(options);
  ASSERT_TRUE(imported.ok()) << imported.status();

  const char* const mend = "; ./dev protos makes the files anew";
  EXPECT_TRUE(imported->lock == options.lock.text) << "lock.yaml differs" << mend;
  std::set<std::string> made;
  for (const TextFile& file : imported->files) {
    made.insert(std::filesystem::path(file.name).filename());
    EXPECT_TRUE(file.text == ReadFile(protos / file.name)) << file.name << " differs" << mend;
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".proto") continue;
    EXPECT_EQ(made.count(entry.path().filename()), 1u) << entry.path() << " is not made" << mend;
  }
}

}  // namespace
}  // namespace hookstream::schema
