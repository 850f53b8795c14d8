#include "schema/lock.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hookstream::schema {
namespace {

using ::testing::HasSubstr;

ProtoField Field(std::string name, std::string type = "string") {
  ProtoField field;
  field.name = std::move(name);
  field.type = std::move(type);
  return field;
}

std::vector<ProtoFile> Files(std::vector<ProtoField> fields, std::vector<std::string> values = {}) {
  ProtoFile file;
  ProtoMessage message;
  message.name = "User";
  message.fields = std::move(fields);
  file.messages.push_back(message);
  if (!values.empty()) {
    ProtoEnum type;
    type.name = "State";
    type.values.push_back({"STATE_UNSPECIFIED", 0, {}, ""});
    for (std::string& value : values) type.values.push_back({std::move(value), 0, {}, ""});
    file.enums.push_back(type);
  }
  return {file};
}

// The lock after these files, and the files with their numbers.
std::string Next(const std::string& lock, std::vector<ProtoFile>& files) {
  auto parsed = Lock::Parse(lock, "lock.yaml");
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  const absl::Status applied = parsed->Apply(files);
  EXPECT_TRUE(applied.ok()) << applied;
  return parsed->Text();
}

std::string Proto(const std::vector<ProtoFile>& files) {
  const std::string text = WriteProto(files[0]);
  return text.substr(text.find("message"));
}

TEST(LockTest, NumbersAreForEver) {
  auto files = Files({Field("b"), Field("a", "int64")}, {"STATE_OPEN"});
  const std::string first = Next("", files);
  EXPECT_EQ(first,
            "# Numbers of fields and enum values. Written by `hookstream schema`; nothing is removed from it.\n"
            "messages:\n  User:\n    b: 1 string\n    a: 2 int64\nenums:\n  State:\n    STATE_OPEN: 1\n");
  EXPECT_EQ(Proto(files),
            "message User {\n  string b = 1;\n  int64 a = 2;\n}\n\n"
            "enum State {\n  STATE_UNSPECIFIED = 0;\n  STATE_OPEN = 1;\n}\n");

  // One goes, one comes: the free number stays free.
  files = Files({Field("c"), Field("a", "int64")}, {"STATE_CLOSED"});
  const std::string second = Next(first, files);
  EXPECT_EQ(Proto(files),
            "message User {\n  reserved 1;\n  reserved \"b\";\n\n  int64 a = 2;\n  string c = 3;\n}\n\n"
            "enum State {\n  reserved 1;\n  reserved \"STATE_OPEN\";\n  STATE_UNSPECIFIED = 0;\n"
            "  STATE_CLOSED = 2;\n}\n");

  // It comes back with its number; a whole message that goes is remembered too.
  files = Files({Field("b")});
  files[0].messages[0].name = "Other";
  const std::string third = Next(second, files);
  files = Files({Field("b"), Field("a", "int64"), Field("c")}, {"STATE_OPEN"});
  const std::string fourth = Next(third, files);
  EXPECT_EQ(fourth, third);
  EXPECT_EQ(files[0].messages[0].fields[0].number, 1);
  EXPECT_EQ(files[0].enums[0].values[1].number, 1);
}

TEST(LockTest, AnotherTypeIsAnotherNumber) {
  auto files = Files({Field("a"), Field("b")});
  const std::string first = Next("", files);
  files[0].messages[0].fields[0].cardinality = Cardinality::kOptional;  // the same bytes
  files[0].messages[0].fields[1].cardinality = Cardinality::kRepeated;
  const std::string second = Next(first, files);
  EXPECT_EQ(Proto(files), "message User {\n  reserved 2;\n\n  optional string a = 1;\n  repeated string b = 3;\n}\n");
  EXPECT_THAT(second, HasSubstr("    a: 1 string\n    b: 3 repeated string\n    _retired: 2\n"));
  // Also when that is read again.
  auto again = Files({Field("d")});
  EXPECT_THAT(Next(second, again), HasSubstr("    d: 4 string\n    _retired: 2\n"));
  EXPECT_THAT(Proto(again), HasSubstr("reserved 1 to 3;\n  reserved \"a\", \"b\";\n"));
}

TEST(LockTest, ProtobufsOwnNumbersAreLeftOut) {
  auto files = Files({Field("a"), Field("b")});
  EXPECT_THAT(Next("messages:\n  User:\n    a: 18999 string\n", files), HasSubstr("b: 20000 string"));
}

TEST(LockTest, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "lock.yaml: the file: is no lock"},
      {"message: {}", "message: is neither"},
      {"messages: {A: {b: 1 string, c: 1 string}}", "A.c: has a number that is out of range or given twice"},
      {"messages: {A: {b: 1 string, _retired: 1}}", "A._retired: is no list of free numbers"},
      {"messages: {A: {b: 536870912 string}}", "A.b: has a number that is out of range"},
      {"messages: {A: {b: 1}}", "A.b: is not `NUMBER TYPE`"},
      {"messages: {A: {b: 0 string}}", "A.b: is not"},
      {"messages: {A: {b: 1 string, b: 2 string}}", "A.b: is there twice"},
      {"messages: {A: {}, A: {}}", "A: is there twice"},
      {"enums: {A: {B: 1 string}}", "A.B: is no number"},
      {"messages: 1", "messages: is no map"},
  };
  for (const auto& [text, message] : cases) {
    const auto lock = Lock::Parse(text, "lock.yaml");
    EXPECT_EQ(lock.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(lock.status().message()), HasSubstr(message)) << text;
  }
  auto files = Files({Field("a"), Field("b")});
  auto full = Lock::Parse("messages: {User: {a: 536870911 string}}", "lock.yaml");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ(full->Apply(files).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace hookstream::schema
