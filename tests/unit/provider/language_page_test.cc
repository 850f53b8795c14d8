// docs/provider-language.md is tested by its own examples: every yaml block is a provider that loads, every block after
// a line "<!-- refused: part of the message -->" one that does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "provider/loader.h"

namespace hookstream::provider {
namespace {

TEST(LanguagePage, EveryExampleIsTrue) {
  std::ifstream page(HOOKSTREAM_DOCS "/provider-language.md");
  ASSERT_TRUE(page.is_open());
  constexpr std::string_view kMark = "<!-- refused: ";
  std::string refused;
  std::string line;
  size_t loaded = 0;
  size_t refusals = 0;
  for (int number = 1; std::getline(page, line); ++number) {
    if (line.starts_with(kMark)) refused = line.substr(kMark.size(), line.size() - kMark.size() - 4);
    if (line != "```yaml") continue;
    std::string yaml;
    const int first = number + 1;
    while (std::getline(page, line) && line != "```") {
      yaml += line + "\n";
      ++number;
    }
    ++number;
    SCOPED_TRACE(first);
    const auto provider = LoadProvider(yaml, "provider-language.md");
    if (refused.empty()) {
      EXPECT_TRUE(provider.ok()) << provider.status() << "\n" << yaml;
      ++loaded;
    } else {
      EXPECT_THAT(std::string(provider.status().message()), testing::HasSubstr(refused));
      ++refusals;
    }
    refused.clear();
  }
  EXPECT_GE(loaded, 5u);
  EXPECT_GE(refusals, 1u);
}

}  // namespace
}  // namespace hookstream::provider
