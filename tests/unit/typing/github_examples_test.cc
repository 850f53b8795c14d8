// Real payloads: @octokit/webhooks-examples, which GitHub's users keep. Every example must arrive typed in full, with
// every field equal to the JSON's, and next to nothing of the JSON may be missing in the fields.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "hookstream/v1/mapping.pb.h"
#include "simdjson.h"
#include "tests/unit/typing/testing.h"

namespace hookstream::typing {
namespace {

namespace pb = google::protobuf;
using simdjson::dom::element;

// Compares a message with the JSON that it came from, by the descriptor's options and in its own way. Counts the
// scalars that are in both.
class Comparison {
 public:
  void Message(const pb::Message& message, element json, const std::string& path) {
    if (!json.is_object()) return Fail(path, "is no object");
    const pb::Descriptor& descriptor = *message.GetDescriptor();
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const pb::FieldDescriptor& field = *descriptor.field(i);
      const v1::FieldMapping& mapping = field.options().GetExtension(v1::field);
      std::string pointer = mapping.from_size() > 0 ? mapping.from(0) : "/" + field.json_name();
      element value;
      if (json.at_pointer(pointer).get(value) != simdjson::SUCCESS && mapping.from_size() == 0) {
        pointer = "/" + field.name();
      }
      const bool present = json.at_pointer(pointer).get(value) == simdjson::SUCCESS && !value.is_null();
      if (present && !Has(message, field) && Shared(message, field)) continue;
      if (present) {
        Field(message, field, value, path + pointer);
      } else if (field.message_type() != nullptr && field.message_type()->full_name() == "google.protobuf.Value") {
        continue;  // keeps null
      } else if (Has(message, field)) {
        Fail(path + pointer, "is not in the JSON");
      }
    }
  }

  static size_t CountScalars(element json) {
    size_t count = 0;
    simdjson::dom::object object;
    simdjson::dom::array array;
    if (json.get(object) == simdjson::SUCCESS) {
      for (auto field : object) count += CountScalars(field.value);
    } else if (json.get(array) == simdjson::SUCCESS) {
      for (const element item : array) count += CountScalars(item);
    } else if (!json.is_null()) {
      ++count;
    }
    return count;
  }

  std::set<std::string> claimed;  // pointers of scalars that were compared
  std::vector<std::string> failures;

 private:
  void Fail(const std::string& path, const std::string& why) { failures.push_back(path + " " + why); }
  static bool Has(const pb::Message& message, const pb::FieldDescriptor& field) {
    const pb::Reflection& reflection = *message.GetReflection();
    return field.is_repeated() ? reflection.FieldSize(message, &field) != 0 : reflection.HasField(message, &field);
  }
  // Another field that reads the same value has it.
  static bool Shared(const pb::Message& message, const pb::FieldDescriptor& field) {
    const auto pointer = [](const pb::FieldDescriptor& of) {
      const v1::FieldMapping& mapping = of.options().GetExtension(v1::field);
      return mapping.from_size() > 0 ? mapping.from(0) : "/" + of.json_name();
    };
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const pb::FieldDescriptor& other = *message.GetDescriptor()->field(i);
      if (&other != &field && pointer(other) == pointer(field) && Has(message, other)) return true;
    }
    return false;
  }
  void Equal(bool equal, const std::string& path) {
    claimed.insert(path);
    if (!equal) Fail(path, "differs");
  }

  void Field(const pb::Message& message, const pb::FieldDescriptor& field, element json, const std::string& path) {
    const pb::Reflection& reflection = *message.GetReflection();
    if (field.is_map()) {
      std::map<std::string, const pb::Message*> entries;
      for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
        const pb::Message& entry = reflection.GetRepeatedMessage(message, &field, i);
        entries[entry.GetReflection()->GetString(entry, field.message_type()->map_key())] = &entry;
      }
      for (auto item : json.get_object()) {
        const auto it = entries.find(std::string(item.key));
        const std::string here = absl::StrCat(path, "/", std::string(item.key));
        if (it == entries.end()) {
          Fail(here, "is not in the map");
        } else {
          Single(*it->second, *field.message_type()->map_value(), -1, item.value, here);
        }
      }
    } else if (field.is_repeated()) {
      int index = 0;
      for (const element item : json.get_array()) {
        const std::string here = absl::StrCat(path, "/", index);
        if (index >= reflection.FieldSize(message, &field)) return Fail(here, "is missing");
        Single(message, field, index++, item, here);
      }
    } else {
      Single(message, field, -1, json, path);
    }
  }

  void Single(const pb::Message& message, const pb::FieldDescriptor& field, int index, element json,
              const std::string& path) {
    const pb::Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_MESSAGE: {
        const pb::Message& inner =
            index < 0 ? reflection.GetMessage(message, &field) : reflection.GetRepeatedMessage(message, &field, index);
        const std::string& name = field.message_type()->full_name();
        if (name == "google.protobuf.Timestamp") return Time(inner, json, path);
        if (name == "google.protobuf.Struct" || name == "google.protobuf.Value") return Dynamic(inner, json, path);
        return Message(inner, json, path);
      }
      case pb::FieldDescriptor::CPPTYPE_STRING: {
        const std::string text =
            index < 0 ? reflection.GetString(message, &field) : reflection.GetRepeatedString(message, &field, index);
        return Equal(text == (json.is_string() ? std::string(json.get_c_str().value()) : simdjson::to_string(json)),
                     path);
      }
      case pb::FieldDescriptor::CPPTYPE_BOOL:
        return Equal(json.is_bool() && reflection.GetBool(message, &field) == json.get_bool().value(), path);
      case pb::FieldDescriptor::CPPTYPE_DOUBLE:
        return Equal(json.is_number() && reflection.GetDouble(message, &field) == json.get_double().value(), path);
      case pb::FieldDescriptor::CPPTYPE_INT64:
        return Equal(json.is_int64() && reflection.GetInt64(message, &field) == json.get_int64().value(), path);
      case pb::FieldDescriptor::CPPTYPE_ENUM: {
        const std::string prefix = absl::AsciiStrToUpper(std::string(json.get_c_str().value()));
        const std::string& name = reflection.GetEnum(message, &field)->name();
        return Equal(
            name.size() > prefix.size() && name.compare(name.size() - prefix.size(), prefix.size(), prefix) == 0, path);
      }
      default: Fail(path, "is of a type that this test does not compare");
    }
  }

  void Time(const pb::Message& message, element json, const std::string& path) {
    const pb::Reflection& reflection = *message.GetReflection();
    const int64_t seconds = reflection.GetInt64(message, message.GetDescriptor()->FindFieldByNumber(1));
    const int32_t nanos = reflection.GetInt32(message, message.GetDescriptor()->FindFieldByNumber(2));
    absl::Time expected;
    std::string error;
    if (json.is_string()) {
      const std::string text = json.get_c_str().value();
      if (!absl::ParseTime(absl::RFC3339_full, text, &expected, &error) &&
          !absl::ParseTime("%Y-%m-%d %H:%M:%S", text, &expected, &error)) {
        return Fail(path, "is no time: " + error);
      }
    } else {
      expected = absl::FromUnixSeconds(json.get_int64().value());
    }
    Equal(absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanos) == expected, path);
  }

  // A Struct or a Value: by Protobuf's own writer, compared as documents.
  void Dynamic(const pb::Message& message, element json, const std::string& path) {
    std::string written;
    ASSERT_TRUE(pb::util::MessageToJsonString(message, &written).ok());
    simdjson::dom::parser parser;
    SameJson(parser.parse(written).value(), json, path);
  }
  void SameJson(element a, element b, const std::string& path) {
    simdjson::dom::object object;
    simdjson::dom::array array;
    if (b.get(array) == simdjson::SUCCESS) {
      simdjson::dom::array other;
      if (a.get(other) != simdjson::SUCCESS || other.size() != array.size()) return Fail(path, "differs");
      for (size_t i = 0; i < array.size(); ++i)
        SameJson(other.at(i).value(), array.at(i).value(), absl::StrCat(path, "/", i));
      return;
    }
    if (b.get(object) != simdjson::SUCCESS) {
      double x = 0;
      double y = 0;
      const bool numbers = a.get(x) == simdjson::SUCCESS && b.get(y) == simdjson::SUCCESS;
      if (b.is_null()) return;
      return Equal(numbers ? x == y : simdjson::to_string(a) == simdjson::to_string(b), path);
    }
    for (auto field : object) {
      element other;
      const std::string here = absl::StrCat(path, "/", std::string(field.key));
      if (a.at_key(field.key).get(other) != simdjson::SUCCESS) {
        Fail(here, "is not in the Struct");
      } else {
        SameJson(other, field.value, here);
      }
    }
  }
};

void AddUnclaimed(element json, const std::string& path, const std::set<std::string>& claimed,
                  std::map<std::string, int>& out) {
  simdjson::dom::object object;
  simdjson::dom::array array;
  if (json.get(object) == simdjson::SUCCESS) {
    for (auto field : object) {
      AddUnclaimed(field.value, absl::StrCat(path, "/", std::string(field.key)), claimed, out);
    }
  } else if (json.get(array) == simdjson::SUCCESS) {
    int index = 0;
    for (const element item : array) AddUnclaimed(item, absl::StrCat(path, "/", index++), claimed, out);
  } else if (!json.is_null() && claimed.count(path) == 0) {
    ++out[path];
  }
}

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
        comparison.Message(*Parse(TestRegistry(), typed), example, "");
        // What is noted did not fit, and is allowed to differ.
        for (const std::string& failure : comparison.failures) {
          const bool noted = std::any_of(typed.notes.begin(), typed.notes.end(),
                                         [&](const Note& note) { return failure.rfind(note.pointer, 0) == 0; });
          EXPECT_TRUE(noted) << failure;
        }
        claimed += comparison.claimed.size();
        AddUnclaimed(example, "", comparison.claimed, unclaimed);
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
