// Payloads that others publish (packages of npm and PyPI, read where ./dev put them) are typed whole, and every field
// equals the JSON. Which ones: a manifest for each provider, samples/*.yaml; samples/README.md has the format.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "simdjson.h"
#include "tests/unit/typing/comparison.h"
#include "tests/unit/typing/testing.h"
#include "typing/form.h"
#include "yaml-cpp/yaml.h"

namespace hookstream::typing {
namespace {

namespace fs = std::filesystem;
using simdjson::dom::element;

// The folder of packages of a kind; empty when it is not there.
fs::path PackagesFolder(const std::string& kind) {
  if (kind == "data") return HOOKSTREAM_TEST_DATA;
  if (kind != "npm" && kind != "npm-pack" && kind != "pypi" && kind != "go") {
    ADD_FAILURE() << "no kind of packages: " << kind;
    return {};
  }
  const char* const folder = std::getenv(kind == "npm" ? "HOOKSTREAM_NODE_MODULES" : "HOOKSTREAM_SAMPLES");
  if (folder == nullptr) return {};
  return kind == "npm" ? fs::path(folder) : fs::path(folder) / kind;
}

// What a script has as literals behind a key, as a JSON array.
std::string Literals(const std::string& key, const fs::path& script) {
  const std::string command = absl::StrCat("node '", HOOKSTREAM_LITERALS, "' '", key, "' '", script.string(), "'");
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) {
    ADD_FAILURE() << command;
    return "[]";
  }
  std::string out;
  char buffer[1 << 16];
  for (size_t got; (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) out.append(buffer, got);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return out;
}

// `*` any text without a slash, `**` any text.
bool GlobMatches(std::string_view glob, std::string_view text) {
  if (glob.empty()) return text.empty();
  if (glob[0] != '*') return !text.empty() && glob[0] == text[0] && GlobMatches(glob.substr(1), text.substr(1));
  const bool any = glob.size() > 1 && glob[1] == '*';
  glob.remove_prefix(any ? 2 : 1);
  for (size_t taken = 0;; ++taken) {
    if (GlobMatches(glob, text.substr(taken))) return true;
    if (taken == text.size() || (!any && text[taken] == '/')) return false;
  }
}

std::vector<std::string> Strings(const YAML::Node& node) {
  std::vector<std::string> out;
  if (node.IsScalar()) out.push_back(node.as<std::string>());
  for (const auto& item : node) out.push_back(item.as<std::string>());
  return out;
}

// Every value that a pointer with * for "each element" leads to.
void Collect(element value, const std::vector<std::string>& segments, size_t at, std::vector<element>& out) {
  if (at == segments.size()) return out.push_back(value);
  simdjson::dom::object object;
  simdjson::dom::array array;
  if (value.get(object) == simdjson::SUCCESS) {
    for (auto field : object) {
      if (segments[at] == "*" || segments[at] == field.key) Collect(field.value, segments, at + 1, out);
    }
  } else if (value.get(array) == simdjson::SUCCESS) {
    size_t index = 0;
    for (const element item : array) {
      if (segments[at] == "*" || segments[at] == absl::StrCat(index)) Collect(item, segments, at + 1, out);
      ++index;
    }
  }
}

std::string TextAt(element root, const std::string& pointer) {
  element value;
  if (root.at_pointer(pointer).get(value) != simdjson::SUCCESS || value.is_null()) return "";
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS ? std::string(text) : simdjson::minify(value);
}

// A manifest's template: {json/a/b} is a text in the file, {item/a/b} one in the payload, {stem} the file's name
// without extension, {name} the same without what follows "--", {folder} its folder's name. [...] goes away when a
// value in it is missing.
std::string Expand(const std::string& text, element file, element item, const fs::path& path) {
  std::string out;
  size_t group = std::string::npos;
  bool missing = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') {
      group = out.size();
      missing = false;
    } else if (text[i] == ']' && group != std::string::npos) {
      if (missing) out.resize(group);
      group = std::string::npos;
    } else if (text[i] != '{') {
      out.push_back(text[i]);
    } else {
      const size_t end = text.find('}', i);
      const std::string name = text.substr(i + 1, end - i - 1);
      std::string value;
      if (name == "stem") {
        value = path.stem().string();
      } else if (name == "name") {
        value = path.stem().string();
        value.resize(std::min(value.size(), value.find("--")));
      } else if (name == "folder") {
        value = path.parent_path().filename().string();
      } else if (absl::StartsWith(name, "json/")) {
        value = TextAt(file, name.substr(4));
      } else if (absl::StartsWith(name, "item/")) {
        value = TextAt(item, name.substr(4));
      } else {
        ADD_FAILURE() << "unknown in a template: " << name;
      }
      missing |= value.empty();
      out += value;
      i = end;
    }
  }
  return out;
}

struct Counts {
  size_t samples = 0;
  size_t scalars = 0;
  size_t typed = 0;
  size_t kept = 0;
  std::set<std::string> types;
  std::set<std::string> messages;
  std::map<std::string, int> untyped;
};

void Check(const std::string& provider, const std::string& type, ContentKind kind, const std::string& payload,
           Counts& counts) {
  const Typed typed = Convert(TestRegistry(), provider, type, kind, payload);
  ASSERT_EQ(typed.status, TypedStatus::kFull) << Notes(typed) << "\n" << payload.substr(0, 4000);
  simdjson::dom::parser parser;
  element root;
  ASSERT_EQ(parser.parse(kind == ContentKind::kForm ? FormToJson(payload).json : payload).get(root), simdjson::SUCCESS);
  const std::unique_ptr<google::protobuf::Message> message = Parse(TestRegistry(), typed);
  // The mapping's root: built-in messages of these providers map the whole document.
  Comparison comparison;
  comparison.Compare(*message, root);
  for (const std::string& failure : comparison.failures()) ADD_FAILURE() << failure;
  ++counts.samples;
  counts.scalars += Comparison::CountScalars(root);
  counts.typed += comparison.typed().size();
  for (const std::string& pointer : comparison.kept()) counts.kept += 1 - comparison.typed().count(pointer);
  counts.types.insert(type);
  counts.messages.insert(typed.message);
  comparison.AddUntyped(root, counts.untyped);
}

void CheckFile(const YAML::Node& source, const std::string& provider, const fs::path& path, Counts& counts) {
  const ContentKind kind =
      source["content"] && source["content"].as<std::string>() == "form" ? ContentKind::kForm : ContentKind::kJson;
  if (kind == ContentKind::kForm) {
    return Check(provider, Expand(source["type"].as<std::string>(), {}, {}, path), kind, ReadFile(path.string()),
                 counts);
  }
  simdjson::dom::parser parser;
  element file;
  const bool script = static_cast<bool>(source["literals"]);
  const std::string text_of_file =
      script ? Literals(source["literals"].as<std::string>(), path) : ReadFile(path.string());
  ASSERT_EQ(parser.parse(text_of_file).get(file), simdjson::SUCCESS);
  std::vector<std::string> segments;
  if (script) segments.push_back("*");
  if (source["payload"]) {
    const std::vector<std::string> pointer = absl::StrSplit(source["payload"].as<std::string>(), '/');
    segments.insert(segments.end(), pointer.begin() + 1, pointer.end());
  }
  std::vector<element> items;
  Collect(file, segments, 0, items);
  ASSERT_FALSE(items.empty() && !source["sparse"]) << "nothing at the payload's pointer";
  for (size_t i = 0; i < items.size(); ++i) {
    SCOPED_TRACE(absl::StrCat("payload ", i));
    std::string_view text;
    simdjson::dom::parser inner;
    element item = items[i];
    std::string payload = simdjson::minify(item);
    // JSON in a string: the body as it was recorded.
    if (item.get(text) == simdjson::SUCCESS) {
      payload = std::string(text);
      ASSERT_EQ(inner.parse(payload).get(item), simdjson::SUCCESS);
    }
    if (!item.is_object() && source["sparse"]) continue;
    const std::string type = Expand(source["type"].as<std::string>(), file, item, path);
    if (source["only"]) {
      const auto globs = Strings(source["only"]);
      if (std::none_of(globs.begin(), globs.end(), [&](auto& glob) { return GlobMatches(glob, type); })) continue;
    }
    if (source["wrap"])
      payload = absl::StrReplaceAll(source["wrap"].as<std::string>(), {{"$item", payload}, {"$type", type}});
    SCOPED_TRACE(type);
    Check(provider, type, kind, payload, counts);
  }
}

class SamplesTest : public testing::TestWithParam<std::string> {};

TEST_P(SamplesTest, EverySampleIsTypedWholeAndEqualsItsJson) {
  const YAML::Node manifest = YAML::LoadFile(absl::StrCat(HOOKSTREAM_MANIFESTS, "/", GetParam(), ".yaml"));
  const std::string provider = manifest["provider"].as<std::string>();
  Counts counts;
  bool missing = false;
  for (const YAML::Node& source : manifest["sources"]) {
    const std::string package = source["package"].as<std::string>();
    SCOPED_TRACE(package);
    const std::pair<std::string, std::string> names = absl::StrSplit(package, absl::MaxSplits('/', 1));
    const fs::path packages = PackagesFolder(names.first);
    const fs::path root = packages / names.second;
    if (packages.empty() || !fs::is_directory(root)) {
      const char* const ci = std::getenv("CI");
      ASSERT_FALSE(ci != nullptr && std::string_view(ci) == "true") << package << " is not installed";
      std::printf("%s is not installed (./dev test does it)\n", package.c_str());
      missing = true;
      continue;
    }
    const std::vector<std::string> globs = Strings(source["files"]);
    std::vector<std::string> skipped;
    for (const auto& skip : source["skip"]) skipped.push_back(skip.first.as<std::string>());
    std::set<std::string> used;
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& path : files) {
      const std::string name = fs::relative(path, root).string();
      const auto glob = std::find_if(globs.begin(), globs.end(), [&](auto& text) { return GlobMatches(text, name); });
      if (glob == globs.end()) continue;
      used.insert(*glob);
      const auto skip =
          std::find_if(skipped.begin(), skipped.end(), [&](auto& text) { return GlobMatches(text, name); });
      if (skip != skipped.end()) {
        used.insert(*skip);
        continue;
      }
      SCOPED_TRACE(name);
      CheckFile(source, provider, path, counts);
    }
    for (const std::string& glob : globs) EXPECT_EQ(used.count(glob), 1u) << "no file is " << glob;
    for (const std::string& glob : skipped) EXPECT_EQ(used.count(glob), 1u) << "nothing to skip: " << glob;
  }
  if (missing) GTEST_SKIP() << "packages are missing";
  const double all = static_cast<double>(counts.scalars) / 100;
  const double typed = static_cast<double>(counts.typed) / all;
  const double kept = static_cast<double>(counts.kept) / all;
  std::printf(
      "%s: %zu samples of %zu types in %zu messages, all FULL; of %zu scalars %.2f %% in fields, %.2f %% in rest\n",
      GetParam().c_str(), counts.samples, counts.types.size(), counts.messages.size(), counts.scalars, typed, kept);
  if (std::getenv("HOOKSTREAM_SHOW_UNTYPED") != nullptr) {
    for (const auto& [path, count] : counts.untyped) std::printf("  %5d %s\n", count, path.c_str());
  }
  EXPECT_GE(counts.samples, manifest["min_samples"].as<size_t>());
  EXPECT_GE(typed, manifest["min_typed_percent"].as<double>());
}

std::vector<std::string> Manifests() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(HOOKSTREAM_MANIFESTS)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Providers, SamplesTest, testing::ValuesIn(Manifests()), [](const auto& manifest) {
  return absl::StrReplaceAll(manifest.param, {{"-", "_"}});
});

}  // namespace
}  // namespace hookstream::typing
