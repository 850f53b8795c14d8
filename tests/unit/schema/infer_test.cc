#include "schema/infer.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/util/json_util.h"
#include "schema/compile.h"
#include "schema/lock.h"
#include "typing/converter.h"
#include "typing/registry.h"

namespace hookstream::schema {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using typing::TypedStatus;

// What was inferred from samples, and how they are typed by it.
struct Inferred {
  std::string proto;
  std::shared_ptr<const typing::Registry> registry;
  std::vector<typing::Typed> typed;

  // The payload of one sample as JSON with the fields' names, spaces left out.
  std::string Json(size_t sample) const {
    const typing::Typed& one = typed.at(sample);
    const auto* const descriptor = registry->FindMessage(one.message);
    if (descriptor == nullptr) return "UNTYPED";
    google::protobuf::DynamicMessageFactory factory;
    const std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(descriptor)->New());
    EXPECT_TRUE(message->ParseFromString(one.wire));
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    std::string json;
    EXPECT_TRUE(google::protobuf::util::MessageToJsonString(*message, &json, options).ok());
    return json;
  }
};

// Every sample has to be FULL.
Inferred Infer(const std::vector<std::string>& samples, InferOptions options = {}) {
  Inferred result;
  if (options.types.empty()) options.types = {"order.*"};
  auto inference = Inference::Create(options);
  EXPECT_TRUE(inference.ok()) << inference.status();
  for (const std::string& sample : samples) {
    const absl::Status status = inference->Add("sample", sample);
    EXPECT_TRUE(status.ok()) << status;
  }
  std::vector<ProtoFile> files;
  files.push_back(std::move(*inference).File());
  auto lock = Lock::Parse("", "lock");
  EXPECT_TRUE(lock.ok() && lock->Apply(files).ok());
  result.proto = WriteProto(files[0]);
  const auto set = CompileProtos({{files[0].path, result.proto}});
  EXPECT_TRUE(set.ok()) << set.status() << "\n" << result.proto;
  if (!set.ok()) return result;
  typing::RegistryOptions registry_options;
  registry_options.user_sets.push_back({"inferred", *set, {}});
  auto registry = typing::Registry::Build(registry_options);
  EXPECT_TRUE(registry.ok()) << registry.status() << "\n" << result.proto;
  if (!registry.ok()) return result;
  result.registry = *registry;
  for (const std::string& sample : samples) {
    result.typed.push_back(
        typing::Convert(**registry, options.provider, "order.paid", typing::ContentKind::kJson, sample));
    const typing::Typed& typed = result.typed.back();
    EXPECT_EQ(typed.status, TypedStatus::kFull)
        << sample << "\n"
        << (typed.notes.empty() ? "" : typed.notes[0].pointer + " " + typed.notes[0].text) << "\n"
        << result.proto;
  }
  return result;
}

std::string Times(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(InferTest, ADocumentBecomesAFileInTheHousesStyle) {
  const Inferred inferred = Infer({R"({"id": "ord_1", "total": 12.5, "lines": [{"sku": "A", "qty": 2}], "paid": true,
                                      "customer": {"name": "Jo"}, "at": "2026-01-02T03:04:05Z"})"});
  EXPECT_EQ(inferred.proto, R"(syntax = "proto3";

package acme.v1;

import "google/protobuf/timestamp.proto";
import "hookstream/v1/mapping.proto";

option java_multiple_files = true;
option java_outer_classname = "OrderProto";
option java_package = "acme.v1";
option (hookstream.v1.provider) = "acme";

// Payload of order.* as 1 sample has it.
message OrderEvent {
  option (hookstream.v1.event) = {
    types: ["order.*"]
  };

  // In the one sample.
  string id = 1;
  // In the one sample.
  double total = 2;
  // In the one sample.
  repeated Line lines = 3;
  // In the one sample.
  bool paid = 4;
  // In the one sample.
  Customer customer = 5;
  // In the one sample.
  google.protobuf.Timestamp at = 6;
}

message Line {
  // In the only one.
  string sku = 1;
  // In the only one.
  int64 qty = 2;
}

message Customer {
  // In the only one.
  string name = 1;
}
)");
}

TEST(InferTest, WhatIsNotAlwaysThereIsOptionalAndTheShareIsSaid) {
  const Inferred inferred =
      Infer({R"({"a": "x", "b": 1, "c": null})", R"({"a": "y", "b": null, "c": 2})", R"({"a": "z"})"});
  EXPECT_THAT(inferred.proto, HasSubstr("  // In all 3 samples.\n  string a = 1;"));
  EXPECT_THAT(inferred.proto, HasSubstr("  // In 1 of 3 samples.\n  optional int64 b = 2;"));
  EXPECT_THAT(inferred.proto, HasSubstr("optional int64 c = 3;"));
  EXPECT_EQ(inferred.Json(0), R"({"a":"x","b":"1"})");
}

TEST(InferTest, NumbersAreAsWideAsTheyHaveToBe) {
  const Inferred inferred = Infer(
      {R"({"whole": 1, "half": 1, "huge": 18446744073709551615, "mixed": -1, "beyond": 1})",
       R"({"whole": -9223372036854775808, "half": 0.5, "huge": 0, "mixed": 18446744073709551615, "beyond": 1e300})"});
  EXPECT_THAT(inferred.proto, HasSubstr("int64 whole = 1;"));
  EXPECT_THAT(inferred.proto, HasSubstr("double half = 2;"));
  EXPECT_THAT(inferred.proto, HasSubstr("uint64 huge = 3;"));
  EXPECT_THAT(inferred.proto, HasSubstr("double mixed = 4;"));
  EXPECT_THAT(inferred.proto, HasSubstr("double beyond = 5;"));
}

TEST(InferTest, AKeyThatIsBothTextAndNumberIsText) {
  const Inferred inferred = Infer({R"({"n": "12", "b": "no"})", R"({"n": 12.50, "b": true})"});
  EXPECT_THAT(inferred.proto, HasSubstr("string n = 1 [(hookstream.v1.field).text = true];"));
  EXPECT_THAT(inferred.proto, HasSubstr("string b = 2 [(hookstream.v1.field).text = true];"));
  EXPECT_EQ(inferred.Json(1), R"({"n":"12.50","b":"true"})");
}

TEST(InferTest, TimesNeedAForm) {
  const Inferred inferred =
      Infer({R"({"created_at": "2026-01-02T03:04:05.678+02:00", "day": "2026-01-02", "local": "2026-01-02T03:04:05",
                 "paid": 1763900000, "paidAt": 1763900000, "sent_time": 1763900000123, "micros_ts": 1763900000123456,
                 "at": 1763900000.25, "small_at": 17, "either_at": 1763900000})",
             R"({"created_at": "2026-01-02 03:04:05Z", "day": "2026-01-03", "local": "2026-01-02T03:04:06",
                 "paid": 1763900001, "paidAt": 1763900001, "sent_time": 1763900000124, "micros_ts": 1763900000123457,
                 "at": 1763900001, "small_at": 1763900000, "either_at": "2026-01-02T03:04:05Z"})"});
  EXPECT_THAT(inferred.proto, HasSubstr("google.protobuf.Timestamp created_at = 1;"));
  EXPECT_THAT(inferred.proto, HasSubstr("string day = 2;"));
  EXPECT_THAT(inferred.proto, HasSubstr("string local = 3;"));
  EXPECT_THAT(inferred.proto, HasSubstr("int64 paid = 4;")) << "the name does not say that it is a time";
  EXPECT_THAT(inferred.proto, HasSubstr("Timestamp paid_at = 5 [(hookstream.v1.field).time = NUMBER_TIME_SECONDS];"));
  EXPECT_THAT(inferred.proto, HasSubstr("Timestamp sent_time = 6 [(hookstream.v1.field).time = NUMBER_TIME_MILLIS];"));
  EXPECT_THAT(inferred.proto, HasSubstr("Timestamp micros_ts = 7 [(hookstream.v1.field).time = NUMBER_TIME_MICROS];"));
  EXPECT_THAT(inferred.proto, HasSubstr("Timestamp at = 8 [(hookstream.v1.field).time = NUMBER_TIME_SECONDS];"));
  EXPECT_THAT(inferred.proto, HasSubstr("int64 small_at = 9;")) << "17 is no time";
  EXPECT_THAT(inferred.proto,
              HasSubstr("Timestamp either_at = 10 [(hookstream.v1.field).time = NUMBER_TIME_SECONDS];"));
  EXPECT_THAT(inferred.Json(1), HasSubstr(R"("created_at":"2026-01-02T03:04:05Z")"));
  EXPECT_THAT(inferred.Json(0), HasSubstr(R"("at":"2025-11-23T12:13:20.250Z")"));
}

TEST(InferTest, FewTextsInManySamplesAreAnEnumThatLosesNoNewText) {
  std::vector<std::string> samples;
  for (int i = 0; i < 30; ++i) {
    samples.push_back(absl::StrCat(R"({"state": ")",
                                   i % 3 == 0   ? "in-progress"
                                   : i % 3 == 1 ? "paid"
                                                : "Open",
                                   R"(", "currency": ")", i % 2 == 0 ? "usd" : "eur", R"(", "sku": "A)", i, "\"}"));
  }
  const Inferred inferred = Infer(samples);
  EXPECT_THAT(inferred.proto, HasSubstr("  State state = 1 [(hookstream.v1.field).from = \"/state\"];"));
  EXPECT_THAT(inferred.proto, HasSubstr("string state_text = 2 [(hookstream.v1.field).from = \"/state\"];"));
  EXPECT_THAT(inferred.proto, HasSubstr("string currency = 3;")) << "an open set, however few were seen";
  EXPECT_THAT(inferred.proto, HasSubstr("string sku = 4;"));
  EXPECT_THAT(inferred.proto, HasSubstr("enum State {\n  STATE_UNSPECIFIED = 0;\n"));
  EXPECT_THAT(inferred.proto, HasSubstr("STATE_IN_PROGRESS = "));
  EXPECT_THAT(inferred.Json(0), HasSubstr(R"("state":"STATE_IN_PROGRESS","state_text":"in-progress")"));
  const typing::Typed later = typing::Convert(*inferred.registry, "acme", "order.x", typing::ContentKind::kJson,
                                              R"({"state": "refunded", "currency": "usd", "sku": "A"})");
  EXPECT_EQ(later.status, TypedStatus::kFull);
  InferOptions options;
  options.enums = false;
  EXPECT_THAT(Infer(samples, options).proto, HasSubstr("string state = 1;"));
  samples.resize(10);
  EXPECT_THAT(Infer(samples).proto, HasSubstr("string state = 1;")) << "too few samples";
}

TEST(InferTest, KeysThatLookLikeIdsMakeAMap) {
  const Inferred inferred = Infer(
      {R"({"prices": {"price_1Abc9876Zx": {"amount": 1, "currency": "usd"}, "price_2Abc9876Zx": {"amount": 2}},
           "days": {"2026-01-01": 3, "2026-01-02": 4}, "named": {"first": 1, "second": 2}})",
       R"({"prices": {"price_3Abc9876Zx": {"amount": 1, "currency": "usd"}}, "days": {}, "named": {"first": 1}})"});
  EXPECT_THAT(inferred.proto, HasSubstr("map<string, Price> prices = 1;"));
  EXPECT_THAT(inferred.proto, HasSubstr("map<string, int64> days = 2;"));
  EXPECT_THAT(inferred.proto, HasSubstr("Named named = 3;"));
  EXPECT_THAT(inferred.Json(0), HasSubstr(R"("days":{"2026-01-01":"3","2026-01-02":"4"})"));
}

TEST(InferTest, ManyKeysThatChangeMakeAMapAndOnesThatStayDoNot) {
  std::vector<std::string> changing;
  std::vector<std::string> staying;
  for (int i = 0; i < 8; ++i) {
    std::string change;
    std::string stay;
    for (int k = 0; k < 4; ++k) {
      absl::StrAppend(&change, k > 0 ? "," : "", "\"word", std::string(1, static_cast<char>('a' + i)),
                      std::string(1, static_cast<char>('a' + k)), "\":1");
    }
    for (int k = 0; k < 20; ++k) {
      absl::StrAppend(&stay, k > 0 ? "," : "", "\"word", std::string(1, static_cast<char>('a' + k)), "\":1");
    }
    changing.push_back(absl::StrCat("{\"counts\":{", change, "}}"));
    staying.push_back(absl::StrCat("{\"counts\":{", stay, "}}"));
  }
  EXPECT_THAT(Infer(changing).proto, HasSubstr("map<string, int64> counts = 1;"));
  EXPECT_THAT(Infer(staying).proto, HasSubstr("Counts counts = 1;"));
}

TEST(InferTest, AnIdOrItsObjectIsReadAsBoth) {
  const Inferred inferred = Infer({R"({"customer": "cus_1", "plan": "gold"})",
                                   R"({"customer": {"id": "cus_2", "name": "Jo"}, "plan": {"title": "Gold"}})"});
  EXPECT_THAT(inferred.proto, HasSubstr("optional string customer = 1 [\n    (hookstream.v1.field).from = "
                                        "\"/customer\",\n    (hookstream.v1.field).id = \"/id\"\n  ];"));
  EXPECT_THAT(inferred.proto, HasSubstr("Customer customer_object = 2 [(hookstream.v1.field).from = \"/customer\"];"));
  EXPECT_THAT(inferred.proto, HasSubstr("optional string plan = 3 [(hookstream.v1.field).from = \"/plan\"];"));
  EXPECT_EQ(inferred.Json(1),
            R"({"customer":"cus_2","customer_object":{"id":"cus_2","name":"Jo"},"plan_object":{"title":"Gold"}})");
}

TEST(InferTest, AListOrOneOfItsElementsIsAList) {
  const Inferred inferred = Infer({R"({"tags": "a", "to": {"x": 1}, "odd": 1})",
                                   R"({"tags": ["b", "c"], "to": [{"x": 2}, {"y": 3}], "odd": [{"z": 1}]})"});
  EXPECT_THAT(inferred.proto, HasSubstr("repeated string tags = 1;"));
  EXPECT_THAT(inferred.proto, HasSubstr("repeated To to = 2;"));
  EXPECT_THAT(inferred.proto, HasSubstr("repeated Odd odd_list = 4 [(hookstream.v1.field).from = \"/odd\"];"));
  EXPECT_EQ(inferred.Json(0), R"({"tags":["a"],"to":[{"x":"1"}],"odd":"1"})");
}

TEST(InferTest, MixedListsKeepTheirOrder) {
  const Inferred inferred = Infer({R"({"parts": ["text", {"kind": "link"}, 3, ["deep"], null]})"});
  EXPECT_EQ(inferred.Json(0),
            R"({"parts":[{"value":"text"},{"object":{"kind":"link"}},{"value":"3"},{"values":["deep"]}]})");
}

TEST(InferTest, ListsOfListsAndTuples) {
  const Inferred inferred = Infer({R"({"grid": [[1, 2], [3]], "pairs": [["a", 1], ["b", 2]], "at": [1.5, 2.5]})",
                                   R"({"grid": [], "pairs": [["c", 3]], "at": [3.5, 4.5]})"});
  EXPECT_EQ(inferred.Json(0), R"({"grid":[{"values":["1","2"]},{"values":["3"]}],)"
                              R"("pairs":[{"item_0":"a","item_1":"1"},{"item_0":"b","item_1":"2"}],"at":[1.5,2.5]})");
  EXPECT_THAT(inferred.proto, HasSubstr("int64 item_1 = 2 [(hookstream.v1.field).from = \"/1\"];"));
}

TEST(InferTest, WhereNothingIsKnownNothingIsClaimed) {
  const Inferred inferred = Infer({R"({"null": null, "list": [], "object": {}, "deep": [[]], "text": ""})"});
  EXPECT_THAT(inferred.proto, HasSubstr("google.protobuf.Value null"));
  EXPECT_THAT(inferred.proto, HasSubstr("repeated google.protobuf.Value list = 2;"));
  EXPECT_THAT(inferred.proto, HasSubstr("google.protobuf.Struct object = 3;"));
  EXPECT_THAT(inferred.proto, HasSubstr("string text = 5;"));
}

TEST(InferTest, EmptiesOfAnotherKindStandForNone) {
  const Inferred inferred = Infer({R"({"a": 1, "b": {"x": 1}, "c": "2026-01-02T03:04:05Z", "d": [1], "e": "x"})",
                                   R"({"a": "", "b": [], "c": "", "d": {}, "e": false})"});
  EXPECT_THAT(inferred.proto, HasSubstr("optional int64 a = 1;"));
  EXPECT_THAT(inferred.proto, HasSubstr("  B b = 2;"));
  EXPECT_THAT(inferred.proto, HasSubstr("Timestamp c = 3;"));
  EXPECT_THAT(inferred.proto, HasSubstr("repeated int64 d = 4;"));
  EXPECT_THAT(inferred.proto, HasSubstr("optional string e = 5;"));
  EXPECT_EQ(inferred.typed[1].empties, 5u);
}

TEST(InferTest, AnObjectThatHoldsItsLikeIsOneMessage) {
  const Inferred inferred = Infer(
      {R"({"comment": {"id": 1, "text": "a", "comment": {"id": 2, "text": "b", "comment": {"id": 3, "text": "c"}}},
           "tree": {"name": "root", "size": 1, "children": [{"name": "x", "size": 2, "children":
             [{"name": "y", "size": 3, "extra": true, "children": []}]}]}})"});
  EXPECT_THAT(inferred.proto, HasSubstr("message Comment {"));
  EXPECT_THAT(inferred.proto, HasSubstr("Comment comment = 3;"));
  EXPECT_THAT(inferred.proto, HasSubstr("repeated Children children = "));
  EXPECT_THAT(inferred.proto, Not(HasSubstr("Children2")));
  EXPECT_THAT(inferred.Json(0), HasSubstr(R"("comment":{"id":"3","text":"c"})"));
  EXPECT_THAT(inferred.Json(0), HasSubstr(R"("name":"y","size":"3","extra":true)"));
}

TEST(InferTest, EqualObjectsShareAMessage) {
  const Inferred inferred =
      Infer({R"({"billing_address": {"line1": "a", "line2": null, "city": "b", "zip": "1", "country": "c"},
           "shipping_address": {"line1": "d", "line2": "e", "city": "f", "zip": "2", "country": "g"},
           "left": {"x": 1}, "right": {"x": "other"}})"});
  EXPECT_THAT(inferred.proto, HasSubstr("BillingAddress billing_address = 1;"));
  EXPECT_THAT(inferred.proto, HasSubstr("BillingAddress shipping_address = 2;"));
  EXPECT_THAT(inferred.proto, HasSubstr("// In 1 of 2.\n  optional string line2 = 2;"));
  EXPECT_THAT(inferred.proto, HasSubstr("Left left = 3;"));
  EXPECT_THAT(inferred.proto, HasSubstr("Right right = 4;"));
}

TEST(InferTest, KeysThatAreNoNamesAreStillRead) {
  const std::string sample =
      R"({"private": true, "+1": 1, "-1": 2, "a/b~c": 3, "x y": 4, "": 5, "fooBar": 6, "foo_bar": 7,
      "FOO-BAR": 8, "ключ": 9, "class": "k", "Total Amount": 10, "@id": 11, "$ref": 12, "9lives": 13, "a\"b\\c": 14,
      "__typename": "T", "0": 15, "tab\there": 16})";
  const Inferred inferred = Infer({sample});
  EXPECT_THAT(inferred.proto, HasSubstr("bool is_private = 1 [json_name = \"private\"];"));
  EXPECT_THAT(inferred.proto, HasSubstr("(hookstream.v1.field).from = \"/a~1b~0c\""));
  for (int i = 1; i <= 16; ++i) EXPECT_THAT(inferred.Json(0), HasSubstr(absl::StrCat(":\"", i, "\"")));
}

TEST(InferTest, ARootThatIsNoObjectIsRead) {
  EXPECT_EQ(Infer({R"([{"a": 1}, {"a": 2}])", "[]"}).Json(0), R"({"values":[{"a":"1"},{"a":"2"}]})");
  EXPECT_EQ(Infer({"\"text\"", "[1]"}).Json(1), R"({"values":["1"]})");
  EXPECT_EQ(Infer({"{}"}).Json(0), R"({"value":{}})");
}

TEST(InferTest, TheRestIsKeptWhenAskedFor) {
  InferOptions options;
  options.rest = true;
  const Inferred inferred = Infer({R"({"a": 1, "rest": 2})"}, options);
  const typing::Typed later = typing::Convert(*inferred.registry, "acme", "order.x", typing::ContentKind::kJson,
                                              R"({"a": 1, "rest": 2, "new": {"x": "kept"}})");
  EXPECT_NE(later.wire.find("kept"), std::string::npos);
}

TEST(InferTest, NoValueOfASampleIsWrittenUnlessAskedFor) {
  const std::vector<std::string> samples = {R"({"token": "sk_secret", "n": 4711, "list": ["other_secret"]})"};
  EXPECT_THAT(Infer(samples).proto, Not(HasSubstr("secret")));
  EXPECT_THAT(Infer(samples).proto, Not(HasSubstr("4711")));
  InferOptions options;
  options.examples = true;
  EXPECT_THAT(Infer(samples, options).proto, HasSubstr("E.g. \"sk_secret\"."));
}

// Each once made an event PARTIAL: found by the fuzz target.
TEST(InferTest, OddMixturesAreTypedToo) {
  Infer({R"({"value": [1]})", R"({"value": {"0": {}}})"});
  Infer({R"([{"0": 1}, ["x"]])"});
  Infer({R"({"a": [{}]})", R"({"a": [[]]})", R"({"a": 1})"});
  Infer({R"({"a": [[1]]})", R"({"a": [false]})", R"({"a": 1})", R"({"a": [true]})"});
  Infer({R"([[{"created_at": {"0": "x"}}], {"created_at": [1]}])"});
  Infer({R"({"a": {"1": 1}})", R"({"a": [{}, [], {"b": 1}]})", R"({"a": [[], ["x"], {}]})"});
  Infer({R"({"a": ["x", 1]})", R"({"a": 1})", R"({"a": {}})", R"({"a": [null, 1]})"});
  Infer({R"([[{}, [], 1], [{}, 1, []], {}, 1])"});
  Infer({R"({"a": {"": {"b": [1], "type": true}}})", R"({"0": 1})", "[[]]", R"({"c": {"b": {"0": {}}}})",
         R"({"d": {"type": {}}})"});
  Infer({R"({"a": [[{}], {"values": 1}]})", R"({"a": [{}]})", R"({"a": 1})"});
}

TEST(InferTest, DeepDocumentsAreTypedAsFarAsMessagesMayNest) {
  Infer({Times("{\"a\":", 20) + "1" + Times("}", 20)});
  Infer({Times("{\"a\":[", 20) + "1" + Times("]}", 20)});
  Infer({"{\"a\":" + Times("[", 25) + "1" + Times("]", 25) + "}"});
}

TEST(InferTest, BadInputIsNamedWithItsPlace) {
  InferOptions options;
  options.types = {"order.*"};
  auto inference = Inference::Create(options);
  ASSERT_TRUE(inference.ok());
  const absl::Status status = inference->Add("captured/3.json", "{\"a\": 1,\n \"b\": }");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(std::string(status.message()), "captured/3.json:2:7: is no JSON: Invalid value.");
  EXPECT_TRUE(inference->Add("bom", "\xef\xbb\xbf{\"a\": \"tab\there\"}").ok()) << "read as the relay reads it";
}

TEST(InferTest, BadOptionsAreRefused) {
  const auto error = [](void (*change)(InferOptions&)) {
    InferOptions options;
    options.types = {"order.*"};
    change(options);
    const auto made = Inference::Create(options);
    return made.ok() ? "OK" : std::string(made.status().message());
  };
  EXPECT_EQ(error([](InferOptions&) {}), "OK");
  EXPECT_THAT(error([](InferOptions& o) { o.package = "Acme"; }), HasSubstr("package 'Acme'"));
  EXPECT_THAT(error([](InferOptions& o) { o.package = "hookstream.acme.v1"; }), HasSubstr("can't be in hookstream"));
  EXPECT_THAT(error([](InferOptions& o) { o.types = {"a*"}; }), HasSubstr("pattern 'a*'"));
  EXPECT_THAT(error([](InferOptions& o) { o.message = "order event"; }), HasSubstr("message 'order event'"));
}

// The providers' real payloads, whatever is in them.
TEST(InferTest, RealPayloadsAreAllTyped) {
  for (const char* provider : {"stripe", "github", "openai", "slack"}) {
    std::vector<std::string> samples;
    for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat(HOOKSTREAM_TEST_DATA, "/", provider))) {
      if (entry.path().extension() != ".json") continue;
      std::ifstream in(entry.path(), std::ios::binary);
      samples.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    ASSERT_FALSE(samples.empty()) << provider;
    Infer(samples);
    for (const std::string& sample : samples) Infer({sample});
  }
}

}  // namespace
}  // namespace hookstream::schema
