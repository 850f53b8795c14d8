#include "schema/diff.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "schema/compile.h"
#include "typing/builtin_set.h"

namespace hookstream::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kProto[] = R"(syntax = "proto3";
package acme.v1;
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "hookstream/v1/mapping.proto";
option (hookstream.v1.provider) = "acme";
message OrderEvent {
  option (hookstream.v1.event) = { types: ["order.*"] };
  string id = 1;
  int64 total = 2 [(hookstream.v1.field).from = "/total"];
  google.protobuf.Timestamp paid_at = 3 [(hookstream.v1.field).time = NUMBER_TIME_SECONDS];
  string customer = 4 [(hookstream.v1.field).id = "/id"];
  State state = 5;
  repeated Line lines = 6;
  string note = 7 [(hookstream.v1.field).text = true];
  google.protobuf.Struct rest = 8 [(hookstream.v1.field).rest = true];
}
message Line { string sku = 1; }
message Unused { string a = 1; }
enum State {
  STATE_UNSPECIFIED = 0;
  STATE_PAID = 1 [(hookstream.v1.value).names = "settled"];
}
)";

std::string Compiled(const std::string& text) {
  const auto set = CompileProtos({{"acme/v1/order.proto", text}});
  EXPECT_TRUE(set.ok()) << set.status() << text;
  return set.value_or("");
}

// Changes from kProto to one where `from` is replaced by `to`: "BREAKING wire Order.total: what".
std::vector<std::string> Changed(const std::vector<std::pair<std::string, std::string>>& replacements) {
  std::string text = kProto;
  for (const auto& [from, to] : replacements) {
    EXPECT_NE(text.find(from), std::string::npos) << from;
    text = absl::StrReplaceAll(text, {{from, to}});
  }
  const std::string before = Compiled(kProto);
  const std::string after = Compiled(text);
  const auto changes = DiffSets({"before", before}, {"after", after});
  EXPECT_TRUE(changes.ok()) << changes.status();
  std::vector<std::string> lines;
  for (const Change& change : *changes) {
    lines.push_back(absl::StrCat(change.breaking ? "BREAKING " : "ok ", std::string(AspectName(change.aspect)), " ",
                                 absl::StrReplaceAll(change.element, {{"acme.v1.", ""}}), ": ", change.what));
  }
  return lines;
}

TEST(DiffTest, EqualSetsHaveNoChanges) {
  EXPECT_THAT(Changed({}), IsEmpty());
  EXPECT_THAT(Changed({{"message Line {", "// A comment.\nmessage Line {"}}), IsEmpty());
}

TEST(DiffTest, FieldsOnTheWire) {
  EXPECT_THAT(Changed({{"  string id = 1;\n", ""}}), ElementsAre("BREAKING wire OrderEvent.id: field 1 removed"));
  EXPECT_THAT(Changed({{"string id = 1", "string id = 11"}}),
              ElementsAre("BREAKING wire OrderEvent.id: number: 1 -> 11"));
  EXPECT_THAT(Changed({{"string sku = 1;", "string sku = 1; int32 qty = 2;"}}),
              ElementsAre("ok wire Line.qty: field 2 added: int32"));
  EXPECT_THAT(Changed({{"string sku = 1", "int64 sku = 1"}}),
              ElementsAre("BREAKING wire Line.sku: type: string -> int64"));
  EXPECT_THAT(Changed({{"string sku = 1", "bytes sku = 1"}}),
              ElementsAre("BREAKING source Line.sku: type: string -> bytes"));
  EXPECT_THAT(Changed({{"string sku = 1", "repeated string sku = 1"}}),
              ElementsAre("BREAKING wire Line.sku: type: string -> repeated string"));
  EXPECT_THAT(Changed({{"string sku = 1", "optional string sku = 1"}}),
              ElementsAre("ok source Line.sku: type: string -> optional string"));
  EXPECT_THAT(Changed({{"message Unused { string a = 1; }", ""}}),
              ElementsAre("BREAKING wire Unused: message removed"));
  EXPECT_THAT(Changed({{"message Unused {", "message More { string a = 1; }\nmessage Unused {"}}),
              ElementsAre("ok wire More: message added"));
}

TEST(DiffTest, NamesInGeneratedCode) {
  EXPECT_THAT(Changed({{"string sku = 1", "string code = 1 [json_name = \"sku\"]"}}),
              ElementsAre("BREAKING source Line.sku: name: sku -> code"));
  EXPECT_THAT(
      Changed({{"string sku = 1", "string sku = 1 [json_name = \"SKU\"]"}}),
      ElementsAre("BREAKING source Line.sku: JSON name: sku -> SKU", "BREAKING mapping Line.sku: from: /sku -> /SKU"));
  EXPECT_THAT(Changed({{"string sku = 1;", "oneof of { string sku = 1; }"}}),
              ElementsAre("BREAKING source Line.sku: oneof: none -> of"));
  EXPECT_THAT(Changed({{"STATE_PAID = 1", "STATE_PAID = 2"}}),
              ElementsAre("BREAKING source STATE_PAID: value 1 removed", "ok source STATE_PAID: value 2 added"));
  EXPECT_THAT(Changed({{"STATE_PAID = 1 [", "STATE_OPEN = 2;\n  STATE_PAID = 1 ["}}),
              ElementsAre("ok source STATE_OPEN: value 2 added"));
}

TEST(DiffTest, Mappings) {
  EXPECT_THAT(Changed({{"from = \"/total\"", "from = \"/amount\""}}),
              ElementsAre("BREAKING mapping OrderEvent.total: from: /total -> /amount"));
  EXPECT_THAT(Changed({{"from = \"/total\"", "from = \"/total\", (hookstream.v1.field).from = \"/old\""}}),
              ElementsAre("ok mapping OrderEvent.total: from: /total -> /total or /old"));
  EXPECT_THAT(Changed({{"from = \"/total\"", "from = \"/new\", (hookstream.v1.field).from = \"/total\""}}),
              ElementsAre("BREAKING mapping OrderEvent.total: from: /total -> /new or /total"));
  // What a field reads without `from` is the same place.
  EXPECT_THAT(Changed({{" [(hookstream.v1.field).from = \"/total\"]", ""}}), IsEmpty());
  EXPECT_THAT(Changed({{"NUMBER_TIME_SECONDS", "NUMBER_TIME_MILLIS"}}),
              ElementsAre("BREAKING mapping OrderEvent.paid_at: time: NUMBER_TIME_SECONDS -> NUMBER_TIME_MILLIS"));
  EXPECT_THAT(Changed({{" [(hookstream.v1.field).id = \"/id\"]", ""}}),
              ElementsAre("BREAKING mapping OrderEvent.customer: id: /id -> none"));
  EXPECT_THAT(Changed({{" [(hookstream.v1.field).text = true]", ""}}),
              ElementsAre("BREAKING mapping OrderEvent.note: text: removed"));
  EXPECT_THAT(
      Changed({{"names = \"settled\"", "names = \"done\""}}),
      ElementsAre("BREAKING mapping STATE_PAID: text 'settled' removed", "ok mapping STATE_PAID: text 'done' added"));
  EXPECT_THAT(Changed({{"  string id = 1;", "  string id = 1;\n  string region = 9;"}}),
              ElementsAre("ok wire OrderEvent.region: field 9 added: string",
                          "BREAKING mapping OrderEvent.region: its key (/region) leaves the message's `rest`"));
}

TEST(DiffTest, EventsOfAMessage) {
  EXPECT_THAT(Changed({{"\"order.*\"", "\"order.*\", \"refund.*\""}}),
              ElementsAre("ok mapping OrderEvent: events acme 'refund.*' added"));
  EXPECT_THAT(Changed({{"\"order.*\"", "\"order.paid\""}}),
              ElementsAre("BREAKING mapping OrderEvent: events acme 'order.*' removed",
                          "ok mapping OrderEvent: events acme 'order.paid' added"));
  EXPECT_THAT(Changed({{"types: [\"order.*\"]", "types: [\"order.*\"] root: \"/data\""}}),
              ElementsAre("BREAKING mapping OrderEvent: events acme 'order.*': root: '' -> '/data'"));
  EXPECT_THAT(Changed({{"types: [\"order.*\"]", "types: [\"order.*\"] when: {pointer: \"/a\" equals: [\"b\"]}"}}),
              ElementsAre("BREAKING mapping OrderEvent: events acme 'order.*': when: always -> /a in b"));
  // A narrower pattern takes events away from another message.
  EXPECT_THAT(
      Changed({{"message Unused {", "message Unused { option (hookstream.v1.event) = { types: [\"order.paid\"] };"}}),
      ElementsAre("BREAKING mapping Unused: events acme 'order.paid' added, of which some were "
                  "acme.v1.OrderEvent ('order.*')"));
  EXPECT_THAT(Changed({{"message Unused {", "message Unused { option (hookstream.v1.event) = { types: [\"**\"] };"}}),
              ElementsAre("ok mapping Unused: events acme '**' added"));
}

TEST(DiffTest, ABuiltInSetIsComparedInWhole) {
  const auto same = DiffSets({"a", typing::BuiltinDescriptorSet()}, {"b", typing::BuiltinDescriptorSet()});
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_THAT(*same, IsEmpty());
  const std::string nothing = Compiled("syntax = \"proto3\"; package acme.v1; message M {}");
  const auto gone = DiffSets({"a", typing::BuiltinDescriptorSet()}, {"b", nothing});
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(gone->size(), 1u) << "beside files of one's own, those of hookstream/ are imports";
}

TEST(DiffTest, WhatIsNoSetIsNamed) {
  const auto bad = DiffSets({"old.binpb", "garbage"}, {"new.binpb", typing::BuiltinDescriptorSet()});
  EXPECT_TRUE(absl::IsInvalidArgument(bad.status()));
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("old.binpb: no FileDescriptorSet"));
}

}  // namespace
}  // namespace hookstream::schema
