#include "typing/converter.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "hookstream/v1/event.pb.h"
#include "tests/unit/typing/testing.h"

namespace hookstream::typing {
namespace {

TypedStatus Status(std::string_view type, std::string_view json) { return ConvertTest(type, json).status; }
std::string NotesOf(std::string_view type, std::string_view json) { return Notes(ConvertTest(type, json)); }

// --- from ---

TEST(ConverterTest, PointersReachIntoObjectsAndArrays) {
  EXPECT_EQ(Converted("from", R"({"a": {"b/c": ["x", "y"]}, "~": "t"})"), R"({"deep":"x","tilde":"t"})");
  EXPECT_EQ(Converted("from", R"({"a": {"b/c": []}})"), "{}");
  EXPECT_EQ(Converted("from", R"({"a": "text"})"), "{}");
}

TEST(ConverterTest, TheFirstPointerThatIsPresentWinsInAnyOrderOfTheDocument) {
  EXPECT_EQ(Converted("from", R"({"new": "n", "old": {"name": "o"}})"), R"({"first":"n"})");
  EXPECT_EQ(Converted("from", R"({"old": {"name": "o"}, "new": "n"})"), R"({"first":"n"})");
  EXPECT_EQ(Converted("from", R"({"old": {"name": "o"}, "new": null})"), R"({"first":"o"})");
  EXPECT_EQ(Converted("from", R"({"old": "o"})"), R"({"first":"o"})");
}

TEST(ConverterTest, AFieldIsReadByItsJsonNameAndByItsOwnName) {
  EXPECT_EQ(Converted("from", R"({"plain_name": "a"})"), R"({"plain_name":"a"})");
  EXPECT_EQ(Converted("from", R"({"plainName": "a"})"), R"({"plain_name":"a"})");
  const Typed both = ConvertTest("from", R"({"plainName": "a", "plain_name": "b"})");
  EXPECT_EQ(ToJson(TestRegistry(), both), R"({"plain_name":"a"})");
  EXPECT_EQ(Notes(both), "/plain_name: duplicate_key: ");
}

TEST(ConverterTest, AFieldsOwnNameMayBeginAnotherFieldsPointer) {
  EXPECT_EQ(Converted("from", R"({"whole_part": {"id": "1", "name": "a"}})"),
            R"({"whole_part":{"id":"1","name":"a"},"whole_part_name":"a"})");
  EXPECT_EQ(Converted("from", R"({"wholePart": {"id": "1", "name": "a"}})"), R"({"whole_part":{"id":"1","name":"a"}})");
  EXPECT_EQ(Converted("from", R"({"whole_part": {"id": "2", "name": "b"}, "wholePart": {"id": "1"}})"),
            R"({"whole_part":{"id":"1"},"whole_part_name":"b"})");
  EXPECT_EQ(Converted("from", R"({"taken_name": "a"})"), R"({"taker":"a"})");
  EXPECT_EQ(Converted("from", R"({"takenName": "a"})"), R"({"taken_name":"a"})");
}

TEST(ConverterTest, ATupleFillsAMessage) {
  EXPECT_EQ(Converted("from", R"({"point": [1.5, 2], "points": [[1, 2], [3], []]})"),
            R"({"point":{"x":1.5,"y":2},"points":[{"x":1,"y":2},{"x":3},{}]})");
  EXPECT_EQ(NotesOf("from", R"({"point": "x"})"), "/point: wrong_shape: x");
}

TEST(ConverterTest, TheValueItselfMayHaveSeveralShapes) {
  EXPECT_EQ(Converted("from", R"({"several": "a"})"), R"({"several":{"text":"a"}})");
  EXPECT_EQ(Converted("from", R"({"several": ["a", "b"]})"), R"({"several":{"texts":["a","b"]}})");
  EXPECT_EQ(Converted("from", R"({"several": {"name": "a"}})"), R"({"several":{"object":{"name":"a"}}})");
  EXPECT_EQ(NotesOf("from", R"({"several": 7})"), "/several: wrong_shape: 7");
}

// --- id, several readers ---

TEST(ConverterTest, AnObjectStandsForItsId) {
  EXPECT_EQ(Converted("id", R"({"customer": "cus_1"})"), R"({"customer":"cus_1"})");
  EXPECT_EQ(Converted("id", R"({"customer": {"id": "cus_1", "name": "Jo"}})"),
            R"({"customer":"cus_1","customer_object":{"id":"cus_1","name":"Jo"}})");
  EXPECT_EQ(Converted("id", R"({"tags": ["a", {"id": "b"}], "owners": {"x": {"id": "c"}, "y": "d"}})"),
            R"({"tags":["a","b"],"owners":{"x":"c","y":"d"}})");
}

TEST(ConverterTest, AValueIsRefusedOnlyWhenNoReaderTakesIt) {
  EXPECT_EQ(Status("id", R"({"customer": "cus_1"})"), TypedStatus::kFull);
  EXPECT_EQ(NotesOf("id", R"({"customer": 7})"), "/customer: wrong_shape: 7");
  const Typed typed = ConvertTest("id", R"({"mixed": ["a", {"name": "b"}, 7, null, "c"]})");
  EXPECT_EQ(ToJson(TestRegistry(), typed), R"({"mixed_texts":["a","c"],"mixed_objects":[{"name":"b"}]})");
  EXPECT_EQ(Notes(typed), "/mixed/2: wrong_shape: 7");
  EXPECT_EQ(Status("id", R"({"mixed": ["a", "b"]})"), TypedStatus::kFull);
}

TEST(ConverterTest, AnUnknownEnumTextIsNoLossWhenAStringReadsItToo) {
  EXPECT_EQ(Converted("id", R"({"status": "in-progress"})"),
            R"({"status":"STATUS_IN_PROGRESS","status_text":"in-progress"})");
  const Typed unknown = ConvertTest("id", R"({"status": "new"})");
  EXPECT_EQ(unknown.status, TypedStatus::kFull);
  EXPECT_EQ(ToJson(TestRegistry(), unknown), R"({"status_text":"new"})");
}

// --- enums ---

TEST(ConverterTest, EnumTextsAreMatchedWithoutCaseAndPunctuation) {
  for (const char* text : {"IN_PROGRESS", "in progress", "InProgress", "STATUS_IN_PROGRESS", "status-in-progress"}) {
    EXPECT_EQ(Converted("texts", absl::StrCat(R"({"status": ")", text, R"("})")), R"({"status":"STATUS_IN_PROGRESS"})")
        << text;
  }
  EXPECT_EQ(Converted("texts", R"({"status": "finished"})"), R"({"status":"STATUS_DONE"})");
  EXPECT_EQ(Converted("texts", R"({"status": 2})"), R"({"status":"STATUS_DONE"})");
  EXPECT_EQ(Converted("texts", R"({"statuses": ["+1", "-1"]})"), R"({"statuses":["STATUS_DONE","STATUS_OPPOSITE"]})");
}

TEST(ConverterTest, AnUnknownEnumTextIsNoted) {
  const Typed typed = ConvertTest("texts", R"({"status": "brand_new", "strict": "s"})");
  EXPECT_EQ(typed.status, TypedStatus::kPartial);
  EXPECT_EQ(Notes(typed), "/status: unknown_enum: brand_new");
  EXPECT_EQ(ToJson(TestRegistry(), typed), R"({"strict":"s"})");
  EXPECT_EQ(Status("texts", R"({"status": ""})"), TypedStatus::kFull);
}

// --- times ---

TEST(ConverterTest, NumbersAndTextsFillTimes) {
  EXPECT_EQ(Converted("times", R"({"seconds": 1700000000, "millis": 1700000000123, "micros": "1700000000123456",
                                   "iso": "2024-01-02 03:04:05", "span": 1500})"),
            R"({"seconds":"2023-11-14T22:13:20Z","millis":"2023-11-14T22:13:20.123Z",)"
            R"("micros":"2023-11-14T22:13:20.123456Z","iso":"2024-01-02T03:04:05Z","span":"1.500s"})");
  EXPECT_EQ(Converted("times", R"({"seconds": "2024-01-02T03:04:05Z", "span": "2s"})"),
            R"({"seconds":"2024-01-02T03:04:05Z","span":"2s"})");
  EXPECT_EQ(Converted("times", R"({"seconds": 1700000000.123})"), R"({"seconds":"2023-11-14T22:13:20.123Z"})");
  EXPECT_EQ(Converted("times", R"({"list": [0, "1970-01-01T00:00:01Z"], "by_name": {"a": 2}})"),
            R"({"list":["1970-01-01T00:00:00Z","1970-01-01T00:00:01Z"],"by_name":{"a":"1970-01-01T00:00:02Z"}})");
}

TEST(ConverterTest, WhatIsNoTimeIsNoted) {
  EXPECT_EQ(NotesOf("times", R"({"iso": 1700000000})"), "/iso: wrong_shape: 1700000000");
  EXPECT_EQ(NotesOf("times", R"({"iso": "tomorrow"})"), "/iso: bad_time: tomorrow");
  EXPECT_EQ(NotesOf("times", R"({"seconds": 1e300})"), "/seconds: bad_time: 1e+300");
  EXPECT_EQ(NotesOf("times", R"({"list": [0, true]})"), "/list/1: wrong_shape: true");
  EXPECT_EQ(NotesOf("times", R"({"by_name": {"a": "x"}})"), "/by_name/a: bad_time: x");
}

// --- text ---

TEST(ConverterTest, NumbersFillStringsAsTheyAreWritten) {
  EXPECT_EQ(
      Converted("texts", R"({"amount": 12.50, "amounts": [1, "2", true, 1E2], "labels": {"a": 0.10}, "wrapped": 5})"),
      R"({"amount":"12.50","amounts":["1","2","true","1E2"],"labels":{"a":"0.10"},"wrapped":"5"})");
  EXPECT_EQ(Converted("texts", R"({"amount": 18446744073709551616})"), R"({"amount":"18446744073709551616"})");
  EXPECT_EQ(NotesOf("texts", R"({"strict": 5})"), "/strict: wrong_shape: 5");
}

TEST(ConverterTest, LookingForNumbersAsWrittenHasABound) {
  std::string json = R"({"amounts": [)";
  for (int i = 0; i < 20000; ++i) json += "1.50,";
  json += "2.50]}";
  const Typed typed = ConvertTest("texts", json);
  EXPECT_EQ(typed.status, TypedStatus::kFull);
  EXPECT_NE(typed.wire.find("1.50"), std::string::npos);
  EXPECT_NE(typed.wire.find("2.5"), std::string::npos);
}

// --- json in strings ---

TEST(ConverterTest, JsonInAStringFillsItsField) {
  EXPECT_EQ(Converted("json", R"({"named": "{\"name\": \"a\"}", "numbers": "[1, 2]", "value": "[true]"})"),
            R"({"named":{"name":"a"},"numbers":[1,2],"value":[true]})");
  EXPECT_EQ(Converted("json", R"({"again": "{\"again\": \"{\\\"amount\\\": 1.50}\"}"})"),
            R"({"again":{"again":{"amount":"1.50"}}})");
  EXPECT_EQ(Status("json", R"({"named": ""})"), TypedStatus::kFull);
  EXPECT_EQ(NotesOf("json", R"({"named": "{"})"), "/named: bad_json: {");
  EXPECT_EQ(NotesOf("json", R"({"named": {"name": "a"}})"), "/named: wrong_shape: object");
  EXPECT_EQ(NotesOf("json", R"({"numbers": "[1, \"x\"]"})"), "/numbers/1: wrong_shape: x");
  EXPECT_EQ(NotesOf("json", R"({"numbers": "true"})"), "/numbers: wrong_shape: true");
}

// --- rest, numbered ---

TEST(ConverterTest, UnclaimedKeysGoToRest) {
  EXPECT_EQ(Converted("rest", R"({"id": "1", "x": {"y": [1, null, "z"]}, "data": {"inner": "i", "lost": 1}})"),
            R"({"id":"1","inner":"i","others":{"x":{"y":[1,null,"z"]}}})");
  EXPECT_EQ(Converted("rest", R"({"n": null})"), R"({"others":{"n":null}})");
  EXPECT_EQ(Converted("rest", R"({"id": "1"})"), R"({"id":"1"})");
  EXPECT_EQ(NotesOf("rest", R"({"x": 1, "x": 2})"), "/x: duplicate_key: ");
}

TEST(ConverterTest, NumberedKeysAreListedInTheOrderOfTheirNumbers) {
  EXPECT_EQ(Converted("rest", R"({"MediaUrl10": "k", "MediaUrl2": "c", "MediaUrl0": "a", "MediaUrlX": "x"})"),
            R"({"urls":["a","c","k"],"others":{"MediaUrlX":"x"}})");
  EXPECT_EQ(NotesOf("rest", R"({"MediaUrl1": "a", "MediaUrl01": "b"})"), "/MediaUrl01: duplicate_key: ");
}

// --- forms ---

TEST(ConverterTest, AFormFillsAMessage) {
  EXPECT_EQ(
      Converted("form", "From=%2B1555&Count=3&Flag=1&Tag=a&Tag=b&MediaUrl1=y&MediaUrl0=x&ErrorCode=&Extra=e",
                ContentKind::kForm),
      R"({"from_number":"+1555","count":3,"flag":true,"tags":["a","b"],"media_url":["x","y"],"others":{"Extra":"e"}})");
  EXPECT_EQ(Converted("form", "Tag=only&payload=%7B%22name%22%3A%22n%22%7D", ContentKind::kForm),
            R"({"tags":["only"],"payload":{"name":"n"}})");
  const Typed twice = ConvertTest("form", "From=a&From=b", ContentKind::kForm);
  EXPECT_EQ(ToJson(TestRegistry(), twice), R"({"from_number":"a"})");
  EXPECT_EQ(Notes(twice), "/From: duplicate_key: ");
  const Typed bad = ConvertTest("form", "From=%FF", ContentKind::kForm);
  EXPECT_EQ(bad.status, TypedStatus::kPartial);
  EXPECT_EQ(Notes(bad), ": bad_utf8: ");
}

// --- shapes ---

TEST(ConverterTest, AnEmptyOfTheWrongKindIsAbsent) {
  const Typed typed =
      ConvertTest("kinds", R"({"small": "", "child": [], "texts": {}, "textByText": [], "time": false, "object": ""})");
  EXPECT_EQ(typed.status, TypedStatus::kFull);
  EXPECT_EQ(typed.empties, 6u);
  EXPECT_EQ(typed.wire, "");
}

TEST(ConverterTest, OneValueForARepeatedFieldIsAListOfOne) {
  EXPECT_EQ(Converted("kinds", R"({"texts": "a", "smalls": 7, "children": {"small": 1}})"),
            R"({"smalls":[7],"texts":["a"],"children":[{"small":1}]})");
  EXPECT_EQ(Converted("kinds", R"({"texts": "", "children": {}})"), "{}");
  EXPECT_EQ(Converted("id", R"({"mixed": "a"})"), "{}");
  EXPECT_EQ(NotesOf("id", R"({"mixed": "a"})"), "/mixed: wrong_shape: a");
}

TEST(ConverterTest, NullIsAbsent) {
  EXPECT_EQ(Converted("kinds", R"({"small": null, "child": null, "texts": [null, "a"], "textByText": {"k": null}})"),
            R"({"texts":["a"]})");
  EXPECT_EQ(Status("kinds", R"({"small": null})"), TypedStatus::kFull);
}

TEST(ConverterTest, AValueOfTheWrongShapeIsNotedAndTheRestIsTyped) {
  const Typed typed = ConvertTest(
      "kinds",
      R"({"small": "abc", "text": "t", "children": [{"flag": 3}, 5], "largeBySmall": {"x": 1, "07": 1, "1": "y"}})");
  EXPECT_EQ(typed.status, TypedStatus::kPartial);
  EXPECT_EQ(ToJson(TestRegistry(), typed), R"({"text":"t","children":[{}]})");
  EXPECT_EQ(Notes(typed),
            "[/small: wrong_shape: abc, /children/0/flag: wrong_shape: 3, /children/1: wrong_shape: 5, "
            "/largeBySmall/x: wrong_shape: x, /largeBySmall/07: wrong_shape: 07, /largeBySmall/1: wrong_shape: y]");
}

TEST(ConverterTest, NumbersBeyondTheirTypeAreNoted) {
  EXPECT_EQ(NotesOf("kinds", R"({"small": 2147483648})"), "/small: out_of_range: 2147483648");
  EXPECT_EQ(NotesOf("kinds", R"({"large": 9223372036854775808})"), "/large: out_of_range: 9223372036854775808");
  EXPECT_EQ(NotesOf("kinds", R"({"unsignedSmall": -1})"), "/unsignedSmall: out_of_range: -1");
  EXPECT_EQ(NotesOf("kinds", R"({"single": 1e39})"), "/single: out_of_range: 1e+39");
  EXPECT_EQ(NotesOf("kinds", R"({"small": 1.5})"), "/small: wrong_shape: 1.5");
  EXPECT_EQ(NotesOf("kinds", R"({"blob": "!"})"), "/blob: bad_base64: !");
}

TEST(ConverterTest, TheFirstOfTwoEqualKeysCountsAndTheSecondIsNoted) {
  const Typed typed =
      ConvertTest("kinds", R"({"text": "a", "text": "b", "child": {"text": "c"}, "child": {"small": 1}})");
  EXPECT_EQ(ToJson(TestRegistry(), typed), R"({"text":"a","child":{"text":"c"}})");
  EXPECT_EQ(Notes(typed), "[/text: duplicate_key: , /child: duplicate_key: ]");
  EXPECT_EQ(typed.status, TypedStatus::kPartial);
  EXPECT_EQ(Converted("kinds", R"({"object": {"a": 1, "a": 2}, "textByText": {"b": "1", "b": "2"}})"),
            R"({"text_by_text":{"b":"1"},"object":{"a":1}})");
  std::string many = R"({"textByText": {)";
  for (int i = 0; i < 40; ++i) absl::StrAppend(&many, "\"k", i, "\": \"v\",");
  EXPECT_EQ(NotesOf("kinds", many + R"("k7": "w"}})"), "/textByText/k7: duplicate_key: ");
}

TEST(ConverterTest, NotesAreBounded) {
  std::string json = R"({"smalls": [)";
  for (int i = 0; i < 30; ++i) json += "\"" + std::string(200, 'x') + "\",";
  json += "1]}";
  const Typed typed = ConvertTest("kinds", json);
  EXPECT_EQ(typed.notes.size(), kMaxNotes);
  EXPECT_EQ(typed.notes_dropped, 30 - kMaxNotes);
  EXPECT_EQ(typed.notes[0].text, std::string(kMaxNoteTextBytes, 'x'));
  EXPECT_EQ(ToJson(TestRegistry(), typed), R"({"smalls":[1]})");
}

// --- depth ---

std::string Repeat(std::string_view open, int times, std::string_view inner, std::string_view close) {
  std::string out;
  for (int i = 0; i < times; ++i) out += open;
  out += inner;
  for (int i = 0; i < times; ++i) out += close;
  return out;
}

TEST(ConverterTest, TypedMessagesNestAtMost64Deep) {
  EXPECT_EQ(Status("deep", Repeat(R"({"next":)", 64, R"({"number":1})", "}")), TypedStatus::kFull);
  const Typed typed = ConvertTest("deep", Repeat(R"({"next":)", 65, R"({"number":1})", "}"));
  EXPECT_EQ(typed.status, TypedStatus::kPartial);
  ASSERT_EQ(typed.notes.size(), 1u);
  EXPECT_EQ(typed.notes[0].reason, "too_deep");
  Parse(TestRegistry(), typed);
}

TEST(ConverterTest, StructsNestAtMost33DeepAndAlwaysParse) {
  const std::string fits = R"({"object":)" + Repeat(R"({"a":)", 32, R"({"a":1})", "}") + "}";
  const Typed deepest = ConvertTest("deep", fits);
  EXPECT_EQ(deepest.status, TypedStatus::kFull) << Notes(deepest);
  Parse(TestRegistry(), deepest);
  const Typed deeper = ConvertTest("deep", R"({"object":)" + Repeat(R"({"a":)", 33, R"({"a":1})", "}") + "}");
  EXPECT_EQ(deeper.status, TypedStatus::kPartial);
  EXPECT_EQ(deeper.notes[0].reason, "too_deep");
  Parse(TestRegistry(), deeper);
  // Together no deeper than a decoder takes.
  for (const int outer : {1, 10, 30, 50, 64}) {
    for (const char* inner : {R"({"object":)", R"({"value":)"}) {
      for (const char* open : {R"({"a":)", "["}) {
        const std::string close = open[0] == '[' ? "]" : "}";
        const Typed typed =
            ConvertTest("deep", Repeat(R"({"next":)", outer, inner + Repeat(open, 80, "1", close) + "}", "}"));
        ASSERT_NE(typed.status, TypedStatus::kUntyped);
        Parse(TestRegistry(), typed);
      }
    }
  }
}

TEST(ConverterTest, ADocumentThatIsTooDeepForTheParserIsUntyped) {
  const Typed typed = ConvertTest("deep", Repeat("[", 100000, "", "]"));
  EXPECT_EQ(typed.status, TypedStatus::kUntyped);
  EXPECT_EQ(Notes(typed), ": too_deep: ");
}

// --- odd documents ---

TEST(ConverterTest, OddDocumentsAreRepaired) {
  const Typed bom = ConvertTest("kinds", "\xEF\xBB\xBF{\"text\": \"a\tb\"}");
  EXPECT_EQ(bom.status, TypedStatus::kFull);
  EXPECT_EQ(Notes(bom), ": repaired: byte order mark, control character");
  EXPECT_EQ(ToJson(TestRegistry(), bom), R"({"text":"a\tb"})");

  const Typed utf8 = ConvertTest("kinds", "{\"text\": \"\xFF\"}");
  EXPECT_EQ(utf8.status, TypedStatus::kPartial);
  EXPECT_EQ(Notes(utf8), ": bad_utf8: bad UTF-8");
  EXPECT_EQ(ToJson(TestRegistry(), utf8), "{\"text\":\"\xEF\xBF\xBD\"}");

  EXPECT_EQ(Converted("kinds", R"({"real": 18446744073709551616, "text": "x"})"),
            R"({"real":1.8446744073709552e+19,"text":"x"})");
  const Typed huge = ConvertTest("kinds", R"({"real": 1e999, "text": "x"})");
  EXPECT_EQ(huge.status, TypedStatus::kPartial);
  EXPECT_EQ(Notes(huge), "[: repaired: large number, /real: out_of_range: 1e999]");
  EXPECT_EQ(ToJson(TestRegistry(), huge), R"({"text":"x"})");
}

TEST(ConverterTest, BrokenDocumentsAreUntyped) {
  for (const char* bad : {"", "{", "{\"a\":}", "[1,]", "nonsense", "{} {}", "\xFF"}) {
    const Typed typed = ConvertTest("kinds", bad);
    EXPECT_EQ(typed.status, TypedStatus::kUntyped) << bad;
    ASSERT_EQ(typed.notes.size(), 1u);
    EXPECT_EQ(typed.notes[0].reason, "malformed") << bad;
  }
  for (const char* shape : {"[]", "7", "\"a\""}) {
    const Typed typed = ConvertTest("kinds", shape);
    EXPECT_EQ(typed.status, TypedStatus::kUntyped) << shape;
    EXPECT_EQ(typed.notes.at(0).reason, "wrong_shape") << shape;
  }
}

TEST(ConverterTest, AnEventWithoutAMessageIsUntyped) {
  const Typed typed = ConvertTest("nobody.knows", "{}");
  EXPECT_EQ(typed.status, TypedStatus::kUntyped);
  EXPECT_EQ(Notes(typed), ": no_mapping: nobody.knows");
  EXPECT_EQ(typed.fingerprint, "");
}

TEST(ConverterTest, SizesAreLimited) {
  Converter small({.max_body_bytes = 10, .max_wire_bytes = 1000});
  EXPECT_EQ(Notes(small.Convert(TestRegistry(), "test", "kinds", ContentKind::kJson, R"({"text": "abc"})")),
            ": too_large: 15 bytes");
  Converter narrow({.max_body_bytes = 10000, .max_wire_bytes = 20});
  EXPECT_EQ(Notes(narrow.Convert(TestRegistry(), "test", "kinds", ContentKind::kJson,
                                 R"({"text": "abcdefghijklmnopqrstuvwxyz", "small": 1})")),
            ": too_large: as a message");
  // A large body is converted, and the converter goes on afterwards.
  Converter converter;
  const std::string large = R"({"text": ")" + std::string(3 << 20, 'x') + R"("})";
  EXPECT_EQ(converter.Convert(TestRegistry(), "test", "kinds", ContentKind::kJson, large).status, TypedStatus::kFull);
  EXPECT_EQ(converter.Convert(TestRegistry(), "test", "kinds", ContentKind::kJson, R"({"small": 1})").wire, "\x10\x01");
}

// --- which message ---

TEST(ConverterTest, ConditionsAndRootChooseTheMessage) {
  const auto message = [](std::string_view json) { return ConvertTest("when.x", json).message; };
  EXPECT_EQ(message(R"({"kind": "big", "data": {"size": 3}})"), "typing.test.WhenBig");
  EXPECT_EQ(message(R"({"kind": 7, "data": {"size": 3}})"), "typing.test.WhenBig");
  EXPECT_EQ(message(R"({"kind": true, "data": {"size": 3}})"), "typing.test.WhenBig");
  EXPECT_EQ(message(R"({"kind": "small", "data": {"size": 3}})"), "typing.test.WhenElse");
  EXPECT_EQ(message(R"({"kind": "big", "data": {"size": null}})"), "typing.test.WhenElse");
  EXPECT_EQ(Converted("when.x", R"({"kind": "big", "data": {"size": 3}})"), R"({"size":3})");
  EXPECT_EQ(NotesOf("when.x", R"({"kind": "big", "data": {"size": "x"}})"), "/data/size: wrong_shape: x");
}

TEST(ConverterTest, TheEventGetsDataAndTyping) {
  v1::Event event;
  SetTyped(ConvertTest("kinds", R"({"small": 1, "flag": 7})"), event);
  EXPECT_EQ(event.data().type_url(), "type.googleapis.com/typing.test.Kinds");
  EXPECT_EQ(event.data().value(), "\x10\x01");
  EXPECT_EQ(event.typing().status(), v1::TYPING_STATUS_PARTIAL);
  EXPECT_EQ(event.typing().schema_fingerprint().size(), 16u);
  EXPECT_EQ(event.typing().notes(0).pointer(), "/flag");
  SetTyped(ConvertTest("none", "{}"), event);
  EXPECT_FALSE(event.has_data());
  EXPECT_EQ(event.typing().status(), v1::TYPING_STATUS_UNTYPED);
  EXPECT_EQ(event.typing().notes(0).reason(), "no_mapping");
}

TEST(ConverterTest, ManyThreadsShareARegistry) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      const std::string large(i % 2 == 0 ? 2 << 20 : 10, 'x');
      for (int round = 0; round < 20; ++round) {
        const std::string number = std::to_string(i * 1000 + round + 1);
        EXPECT_EQ(Converted("kinds", R"({"small": )" + number + "}"), R"({"small":)" + number + "}");
        EXPECT_EQ(Status("kinds", R"({"text": ")" + large + R"("})"), TypedStatus::kFull);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace hookstream::typing
