// Protobuf's own JSON reader is the reference: what it takes, the converter takes, with the same message.
#include <cmath>
#include <limits>
#include <random>

#include "absl/strings/str_cat.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/unit/typing/testing.h"

namespace hookstream::typing {
namespace {

namespace pb = google::protobuf;

// Random documents for typing.test.Kinds. With `wild`, some values are of any JSON shape.
class Generator {
 public:
  Generator(uint32_t seed, bool wild) : random_(seed), wild_(wild) {}

  std::string Message(const pb::Descriptor& descriptor, int depth) {
    std::string out = "{";
    const pb::OneofDescriptor* chosen = nullptr;
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const pb::FieldDescriptor& field = *descriptor.field(i);
      if (!OneIn(depth == 0 ? 3 : 8)) continue;
      if (field.real_containing_oneof() != nullptr) {
        if (chosen == field.real_containing_oneof()) continue;
        chosen = field.real_containing_oneof();
      }
      Comma(out);
      absl::StrAppend(&out, Quote(OneIn(2) ? field.json_name() : field.name()), ":", Space(), Value(field, depth));
    }
    if (OneIn(4)) {
      Comma(out);
      absl::StrAppend(&out, "\"unclaimed\":", Any(0));
    }
    return out + Space() + "}";
  }

 private:
  bool OneIn(uint32_t n) { return random_() % n == 0; }
  template <typename T>
  std::string Pick(std::initializer_list<T> items) {
    return *(items.begin() + random_() % items.size());
  }
  std::string Space() { return OneIn(5) ? Pick({" ", "\n", "\t ", "\r\n"}) : ""; }
  static void Comma(std::string& out) {
    if (out.size() > 1) out.push_back(',');
  }
  static std::string Quote(const std::string& text) { return "\"" + text + "\""; }

  std::string Text() {
    std::string out;
    for (uint32_t n = random_() % 12; n > 0; --n) {
      out += Pick({"a", "Zz", "0", " ", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\xC3\xA9", "\\ud83d\\ude00",
                   "\xF0\x9F\x98\x80", "\\u0000", "\x7F", "_", "some longer text "});
    }
    return Quote(out);
  }

  std::string Any(int depth) {
    switch (random_() % (depth > 3 ? 5 : 7)) {
      case 0: return "null";
      case 1: return OneIn(2) ? "true" : "false";
      case 2: return Integer(-1000, 1000);
      case 3: return Real();
      case 4: return Text();
      case 5: {
        std::string out = "[";
        for (uint32_t n = random_() % 4; n > 0; --n) {
          Comma(out);
          out += Any(depth + 1);
        }
        return out + "]";
      }
      default: {
        std::string out = "{";
        for (uint32_t n = random_() % 4; n > 0; --n) {
          Comma(out);
          absl::StrAppend(&out, Quote(absl::StrCat("k", n)), ":", Any(depth + 1));
        }
        return out + "}";
      }
    }
  }

  std::string Integer(int64_t min, int64_t max) {
    int64_t value = std::uniform_int_distribution<int64_t>(min, max)(random_);
    if (OneIn(4)) value = OneIn(2) ? min : max;
    if (OneIn(4)) value = 0;
    const std::string text = absl::StrCat(value);
    if (OneIn(4)) return Quote(text);
    if (std::abs(value) < 1000000 && OneIn(6)) return text + ".0";
    if (std::abs(value) < 1000 && OneIn(6)) return text + "e2";
    return text;
  }
  std::string Unsigned(uint64_t max) {
    uint64_t value = std::uniform_int_distribution<uint64_t>(0, max)(random_);
    if (OneIn(4)) value = OneIn(2) ? 0 : max;
    return OneIn(4) ? Quote(absl::StrCat(value)) : absl::StrCat(value);
  }
  std::string Real() {
    return Pick({"0", "-0.0", "1.5", "-2.25e3", "1e-7", "3.14159265358979", "100", "1E2", "0.1", "123456789012"});
  }

  std::string Value(const pb::FieldDescriptor& field, int depth) {
    // What the reference takes and the converter does not: null for a repeated google.protobuf.Value as a list of one
    // null, an empty value for a list as a list of one empty value, an object for a well-known type that is none as an
    // empty one, null as a map's value. Odd paths of a FieldMask are written in another way.
    if (wild_ && OneIn(6) && field.name() != "mask") {
      std::string any = Any(0);
      const bool empty = any == "null" || any == "false" || any == "\"\"" || any == "[]" || any == "{}";
      const bool object = any.front() == '{' || any.front() == '[';
      if (!(field.is_repeated() && empty) && !(object && (IsWellKnown(field) || field.is_map()))) return any;
    }
    if (OneIn(12) && !(field.is_repeated() && IsNullable(field))) return "null";
    if (field.is_map()) {
      std::string out = "{";
      const pb::FieldDescriptor& key = *field.message_type()->map_key();
      std::vector<std::string> keys;
      if (key.cpp_type() == pb::FieldDescriptor::CPPTYPE_BOOL) {
        keys = {"true", "false"};
      } else if (key.cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING) {
        keys = {"a", "", "key with \\\" quote", "\\u00e9"};
      } else {
        keys = {"0", "7", "2147483647"};
      }
      for (const std::string& text : keys) {
        if (OneIn(2)) continue;
        Comma(out);
        absl::StrAppend(&out, Quote(text), ":", Single(*field.message_type()->map_value(), depth));
      }
      return out + "}";
    }
    if (!field.is_repeated()) return Single(field, depth);
    std::string out = "[";
    for (uint32_t n = random_() % 4; n > 0; --n) {
      Comma(out);
      absl::StrAppend(&out, Single(field, depth), Space());
    }
    return out + "]";
  }

  static bool IsWellKnown(const pb::FieldDescriptor& field) {
    return field.message_type() != nullptr && field.message_type()->file()->package() == "google.protobuf" &&
           !IsNullable(field);
  }
  static bool IsNullable(const pb::FieldDescriptor& field) {
    return field.message_type() != nullptr && field.message_type()->full_name() == "google.protobuf.Value";
  }

  std::string Single(const pb::FieldDescriptor& field, int depth) {
    switch (field.cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_INT32:
        return Integer(std::numeric_limits<int32_t>::min() / 100, std::numeric_limits<int32_t>::max() / 100);
      case pb::FieldDescriptor::CPPTYPE_INT64:
        return Integer(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
      case pb::FieldDescriptor::CPPTYPE_UINT32: return Unsigned(std::numeric_limits<uint32_t>::max());
      case pb::FieldDescriptor::CPPTYPE_UINT64: return Unsigned(std::numeric_limits<uint64_t>::max());
      case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      case pb::FieldDescriptor::CPPTYPE_FLOAT:
        return OneIn(8) ? Pick({"\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "\"1.5\""}) : Real();
      case pb::FieldDescriptor::CPPTYPE_BOOL: return OneIn(2) ? "true" : "false";
      case pb::FieldDescriptor::CPPTYPE_ENUM:
        if (field.enum_type()->full_name() == "google.protobuf.NullValue") return "null";
        return Pick({"\"COLOR_RED\"", "\"COLOR_DARK_GREEN\"", "\"COLOR_UNSPECIFIED\"", "1", "-5", "77"});
      case pb::FieldDescriptor::CPPTYPE_STRING:
        if (field.type() == pb::FieldDescriptor::TYPE_BYTES)
          return Pick({"\"\"", "\"aGVsbG8=\"", "\"aGVsbG8\"", "\"-_-_\""});
        return Text();
      case pb::FieldDescriptor::CPPTYPE_MESSAGE: break;
    }
    const std::string& name = field.message_type()->full_name();
    if (name == "google.protobuf.Timestamp") {
      return Pick({"\"1970-01-01T00:00:00Z\"", "\"2024-02-29T12:34:56.789Z\"", "\"9999-12-31T23:59:59.999999999Z\"",
                   "\"2024-02-29T12:34:56+05:30\"", "\"0001-01-01T00:00:00Z\""});
    }
    if (name == "google.protobuf.Duration")
      return Pick({"\"0s\"", "\"1.5s\"", "\"-1.5s\"", "\"315576000000s\"", "\"0.000000001s\""});
    if (name == "google.protobuf.FieldMask") return Pick({"\"a,bC.dE\"", "\"\"", "\"one\""});
    if (name == "google.protobuf.Value") return Any(0);
    if (name == "google.protobuf.Struct") {
      return absl::StrCat("{\"x\":", Any(0), ",\"y\":", Any(1), "}");
    }
    if (name == "google.protobuf.ListValue") return absl::StrCat("[", Any(0), ",", Any(1), "]");
    if (name.rfind("google.protobuf.", 0) == 0) return Single(*field.message_type()->FindFieldByNumber(1), depth);
    return depth > 3 ? "{}" : Message(*field.message_type(), depth + 1);
  }

  std::mt19937 random_;
  bool wild_;
};

// Compares one document; returns whether the reference took it.
bool Compare(const std::string& json, bool must_be_full) {
  static auto* const factory = new pb::DynamicMessageFactory;
  const pb::Descriptor* const descriptor = TestRegistry().FindMessage("typing.test.Kinds");
  const std::unique_ptr<pb::Message> expected(factory->GetPrototype(descriptor)->New());
  pb::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const Typed typed = ConvertTest("kinds", json);
  const auto status = pb::util::JsonStringToMessage(json, expected.get(), options);
  if (typed.status != TypedStatus::kUntyped) Parse(TestRegistry(), typed);
  if (!status.ok()) return false;
  EXPECT_NE(typed.status, TypedStatus::kUntyped) << json;
  if (must_be_full) {
    EXPECT_EQ(typed.status, TypedStatus::kFull) << Notes(typed) << "\n" << json;
  }
  pb::util::MessageDifferencer differencer;
  differencer.set_message_field_comparison(pb::util::MessageDifferencer::EQUAL);
  std::string difference;
  differencer.ReportDifferencesToString(&difference);
  pb::util::DefaultFieldComparator comparator;
  comparator.set_treat_nan_as_equal(true);
  differencer.set_field_comparator(&comparator);
  const std::unique_ptr<pb::Message> actual(factory->GetPrototype(descriptor)->New());
  EXPECT_TRUE(actual->ParseFromString(typed.wire));
  EXPECT_TRUE(differencer.Compare(*expected, *actual)) << difference << Notes(typed) << "\n" << json;
  return true;
}

TEST(DifferentialTest, ValidDocumentsGiveTheSameMessage) {
  int taken = 0;
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Generator generator(seed, false);
    taken += Compare(generator.Message(*TestRegistry().FindMessage("typing.test.Kinds"), 0), true) ? 1 : 0;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(taken, 2000);
}

TEST(DifferentialTest, WhatTheReferenceTakesOfWildDocumentsIsTheSame) {
  int taken = 0;
  for (uint32_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Generator generator(seed, true);
    taken += Compare(generator.Message(*TestRegistry().FindMessage("typing.test.Kinds"), 1), false) ? 1 : 0;
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(taken, 500);
}

}  // namespace
}  // namespace hookstream::typing
