// Real payloads: @octokit/webhooks-examples, which GitHub's users keep. Every example must arrive typed in full, with
// every field equal to the JSON's, and next to nothing of the JSON may be missing in the fields.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "simdjson.h"
#include "tests/unit/typing/comparison.h"
#include "tests/unit/typing/testing.h"

namespace hookstream::typing {
namespace {

using simdjson::dom::element;

TEST(GithubExamplesTest, EveryExampleIsTypedAndEqualsItsJson) {
  const char* const modules = std::getenv("HOOKSTREAM_NODE_MODULES");
  if (modules == nullptr || *modules == '\0') {
    const char* const ci = std::getenv("CI");
    ASSERT_FALSE(ci != nullptr && std::string_view(ci) == "true") << "HOOKSTREAM_NODE_MODULES is not set";
    GTEST_SKIP() << "needs HOOKSTREAM_NODE_MODULES with @octokit/webhooks-examples (./dev test installs it)";
  }
  std::set<std::string> events;
  size_t examples = 0;
  size_t full = 0;
  size_t scalars = 0;
  size_t claimed = 0;
  std::map<std::string, int> unclaimed;
  const std::filesystem::path root = std::filesystem::path(modules) / "@octokit" / "webhooks-examples";
  for (const auto& folder : std::filesystem::directory_iterator(root)) {
    if (!std::filesystem::exists(folder.path() / "index.json")) continue;
    simdjson::dom::parser parser;
    element index;
    ASSERT_EQ(parser.load((folder.path() / "index.json").string()).get(index), simdjson::SUCCESS) << folder.path();
    for (const element event : index.get_array()) {
      const std::string name = event["name"].get_c_str().value();
      events.insert(name);
      int number = 0;
      for (const element example : event["examples"].get_array()) {
        const std::string json = simdjson::minify(example);
        std::string_view action;
        const bool has_action = example["action"].get(action) == simdjson::SUCCESS;
        const std::string type = has_action ? absl::StrCat(name, ".", std::string(action)) : name;
        SCOPED_TRACE(absl::StrCat(folder.path().filename().string(), " ", type, " #", number++));
        const Typed typed = Convert(TestRegistry(), "github", type, ContentKind::kJson, json);
        ++examples;
        scalars += Comparison::CountScalars(example);
        if (typed.status == TypedStatus::kUntyped) {
          ADD_FAILURE() << Notes(typed);
          continue;
        }
        if (typed.status == TypedStatus::kFull) {
          ++full;
        } else {
          std::printf("  %s: %s\n", type.c_str(), Notes(typed).c_str());
        }
        Comparison comparison;
        comparison.Compare(*Parse(TestRegistry(), typed), example);
        // What is noted did not fit, and is allowed to differ.
        for (const std::string& failure : comparison.failures()) {
          const bool noted = std::any_of(typed.notes.begin(), typed.notes.end(),
                                         [&](const Note& note) { return failure.rfind(note.pointer, 0) == 0; });
          EXPECT_TRUE(noted) << failure;
        }
        claimed += comparison.typed().size();
        comparison.AddUntyped(example, unclaimed);
      }
    }
  }
  EXPECT_EQ(examples, 726u);  // 329 of api.github.com, the others of GitHub Enterprise Server
  const double share = 100.0 * static_cast<double>(claimed) / static_cast<double>(scalars);
  std::printf("GitHub: %zu examples of %zu events, %zu of them typed in full; %zu of %zu scalars (%.2f %%)\n", examples,
              events.size(), full, claimed, scalars, share);
  if (std::getenv("HOOKSTREAM_SHOW_UNTYPED") != nullptr) {
    for (const auto& [path, count] : unclaimed) std::printf("  %5d %s\n", count, path.c_str());
  }
  EXPECT_EQ(full, examples);
  EXPECT_GE(share, 99.5);
}

}  // namespace
}  // namespace hookstream::typing
