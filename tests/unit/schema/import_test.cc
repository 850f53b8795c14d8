#include "schema/import.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hookstream::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

ImportOptions Acme(std::string schema, std::string settings = "") {
  ImportOptions options;
  options.provider = "acme";
  options.package = "acme.v1";
  options.schemas = {{"acme/order.json", std::move(schema)}};
  options.settings = {"import.yaml", std::move(settings)};
  options.lock = {"lock.yaml", ""};
  return options;
}

// What follows the options of the only file.
std::string Body(const ImportOptions& options) {
  const auto imported = Import(options);
  EXPECT_TRUE(imported.ok()) << imported.status();
  if (!imported.ok()) return "";
  std::string out;
  for (const TextFile& file : imported->files) {
    if (imported->files.size() > 1) absl::StrAppend(&out, "// ", file.name, "\n");
    const size_t begin = std::min(file.text.find("\nmessage"), file.text.find("\n// ", file.text.find("\noption")));
    out += file.text.substr(begin + 1);
  }
  return out;
}

// The fields of the event's message, and further messages, of an event with these properties.
std::string Fields(const std::string& properties, const std::string& settings = "") {
  const std::string body =
      Body(Acme(absl::StrCat(R"({"type": "object", "properties": {)", properties, "}}"), settings));
  const std::string end = "  };\n\n";
  const size_t begin = body.find(end);
  return begin == std::string::npos ? body : body.substr(begin + end.size());
}

std::string Error(const ImportOptions& options) {
  const auto imported = Import(options);
  EXPECT_FALSE(imported.ok());
  return std::string(imported.status().message());
}

TEST(ImportTest, AWholeFile) {
  const auto imported = Import(Acme(R"({
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "description": "An <b>order</b> changed.",
    "type": "object",
    "required": ["type"],
    "properties": {
      "type": {"enum": ["order.paid", "order.sent"]},
      "created": {"type": "string", "format": "date-time"},
      "customer": {"$ref": "#/$defs/customer"}
    },
    "$defs": {"customer": {"type": "object", "description": "Who buys.", "properties": {
      "id": {"type": "string"}, "name": {"type": ["string", "null"], "description": "Full name"}}}}
  })"));
  ASSERT_TRUE(imported.ok()) << imported.status();
  ASSERT_EQ(imported->files.size(), 1u);
  EXPECT_EQ(imported->files[0].name, "acme/v1/order.proto");
  EXPECT_EQ(imported->files[0].text, R"(syntax = "proto3";

// Made by `hookstream schema import` from the provider's schema: a change here would be lost.
package acme.v1;

import "google/protobuf/timestamp.proto";
import "hookstream/v1/mapping.proto";

option java_multiple_files = true;
option java_outer_classname = "OrderProto";
option java_package = "acme.v1";
option (hookstream.v1.provider) = "acme";

// order.paid, order.sent: An order changed.
message OrderEvent {
  option (hookstream.v1.event) = {
    types: [
      "order.paid",
      "order.sent"
    ]
  };

  // "order.paid", "order.sent".
  string type = 1;
  google.protobuf.Timestamp created = 2;
  Customer customer = 3;
}

// Who buys.
message Customer {
  string id = 1;
  // Full name.
  optional string name = 2;
}
)");
  EXPECT_THAT(imported->lock,
              HasSubstr("messages:\n  Customer:\n    id: 1 string\n    name: 2 string\n  OrderEvent:\n"));
  EXPECT_EQ(imported->events, 1u);
  EXPECT_EQ(imported->messages, 2u);
  EXPECT_EQ(imported->fields, 5u);
  // Twice the same.
  EXPECT_EQ(Import(Acme(R"({"properties": {"type": {"const": "a"}}})"))->files[0].text,
            Import(Acme(R"({"properties": {"type": {"const": "a"}}})"))->files[0].text);
}

TEST(ImportTest, Scalars) {
  EXPECT_EQ(Fields(R"("a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "number"},
                      "d": {"type": "boolean"}, "e": {"type": ["integer", "number"]}, "f": {"type": ["string", "integer"]},
                      "g": {"type": ["boolean", "integer"]}, "h": {"type": "integer", "nullable": true},
                      "i": {"type": "integer", "format": "unix-time"},
                      "j": {"oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}, {"type": "null"}]},
                      "k": {"type": "string", "format": "date"}, "l": {"const": 7}, "m": {"type": "null"}, "n": {},
                      "o": true, "p": {"anyOf": [{"type": "string"}, {}]})"),
            R"(  string a = 1;
  int64 b = 2;
  double c = 3;
  bool d = 4;
  double e = 5;
  string f = 6 [(hookstream.v1.field).text = true];
  string g = 7 [(hookstream.v1.field).text = true];
  optional int64 h = 8;
  google.protobuf.Timestamp i = 9 [(hookstream.v1.field).time = NUMBER_TIME_SECONDS];
  google.protobuf.Timestamp j = 10 [(hookstream.v1.field).time = NUMBER_TIME_SECONDS];
  string k = 11;
  int64 l = 12;
  google.protobuf.Value m = 13;
  google.protobuf.Value n = 14;
  google.protobuf.Value o = 15;
  google.protobuf.Value p = 16;
}
)");
}

TEST(ImportTest, Names) {
  EXPECT_EQ(Fields(R"("private": {"type": "boolean"}, "from": {"type": "string"}, "fullName": {"type": "string"},
                      "_links": {"type": "string"}, "links": {"type": "string"}, "+1": {"type": "integer"},
                      "full-name": {"type": "string"}, "foo1": {"type": "string"}, "foo_1": {"type": "string"})"),
            R"(  bool is_private = 1 [json_name = "private"];
  string from_value = 2 [json_name = "from"];
  string full_name = 3;
  string links = 4 [json_name = "_links"];
  string links2 = 5 [json_name = "links"];
  int64 plus_1 = 6 [(hookstream.v1.field).from = "/+1"];
  string full_name2 = 7 [(hookstream.v1.field).from = "/full-name"];
  string foo1 = 8;
  string foo_12 = 9 [json_name = "foo_1"];
}
)");
}

TEST(ImportTest, ListsMapsAndTuples) {
  EXPECT_EQ(Fields(R"("a": {"type": "array", "items": {"type": "string"}}, "b": {"type": "array"},
                      "c": {"items": {"properties": {"x": {"type": "string"}}}},
                      "d": {"type": "object"}, "e": {"additionalProperties": {"type": ["integer", "null"]}},
                      "f": {"additionalProperties": {"type": "array", "items": {"type": "integer"}}},
                      "g": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                      "h": {"prefixItems": [{"type": "number"}, {"type": "number"}]},
                      "i": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]},
                      "j": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                      "k": {"patternProperties": {"^x": {"properties": {"y": {"type": "string"}}}}})"),
            R"(  repeated string a = 1;
  repeated google.protobuf.Value b = 2;
  repeated OrderC c = 3;
  google.protobuf.Struct d = 4;
  map<string, int64> e = 5;
  map<string, OrderF> f = 6;
  repeated OrderG g = 7;
  repeated double h = 8;
  OrderI i = 9;
  repeated string j = 10;
  map<string, OrderK> k = 11;
}

message OrderC {
  string x = 1;
}

message OrderF {
  repeated int64 list = 1 [(hookstream.v1.field).from = ""];
}

message OrderG {
  repeated double list = 1 [(hookstream.v1.field).from = ""];
}

message OrderI {
  string item_0 = 1 [(hookstream.v1.field).from = "/0"];
  int64 item_1 = 2 [(hookstream.v1.field).from = "/1"];
}

message OrderK {
  string y = 1;
}
)");
}

TEST(ImportTest, ValuesOfSeveralKinds) {
  EXPECT_EQ(Fields(R"("customer": {"anyOf": [{"type": "string"}, {"$ref": "#/definitions/customer"}]},
                      "reason": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"code": {"type": "integer"}}}]},
                      "tags": {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "string"}}]},
                      "lines": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "array"}]}},
                      "discounts": {"items": {"anyOf": [{"type": "string"}, {"$ref": "#/definitions/customer"}]}},
                      "extra": {"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}},
                      "definitions": {"customer": {"properties": {"id": {"type": "string"}, "name": {"type": "string"}}})"),
            R"(  string customer = 1 [(hookstream.v1.field).id = "/id"];
  string reason = 2;
  google.protobuf.Struct tags = 3;
  repeated OrderLine lines = 4;
  repeated string discounts = 5 [(hookstream.v1.field).id = "/id"];
  OrderExtra extra = 6;
  Customer customer_object = 7 [(hookstream.v1.field).from = "/customer"];
  OrderReason reason_object = 8 [(hookstream.v1.field).from = "/reason"];
  repeated string tags_list = 9 [(hookstream.v1.field).from = "/tags"];
  repeated Customer discounts_object = 10 [(hookstream.v1.field).from = "/discounts"];
}

message Customer {
  string id = 1;
  string name = 2;
}

message OrderReason {
  int64 code = 1;
}

message OrderLine {
  int64 content = 1 [(hookstream.v1.field).from = ""];
  repeated google.protobuf.Value list = 2 [(hookstream.v1.field).from = ""];
}

message OrderExtra {
  string a = 1;
  // The keys that have no field here.
  google.protobuf.Struct rest = 2 [(hookstream.v1.field).rest = true];
}
)");
}

// `full_name` without options reads "fullName", and "full_name" only while no other field does.
TEST(ImportTest, ReadersOfOneKeyNameIt) {
  EXPECT_EQ(Fields(R"("full_name": {"oneOf": [{"type": "string"}, {"properties": {"id": {"type": "string"}}}]},
                      "plan_state": {"enum": ["a", "b"]})",
                   "enums: enum\n"),
            R"(  string full_name = 1 [
    (hookstream.v1.field).from = "/full_name",
    (hookstream.v1.field).id = "/id"
  ];
  OrderPlanState plan_state = 2 [(hookstream.v1.field).from = "/plan_state"];
  OrderFullName full_name_object = 3 [(hookstream.v1.field).from = "/full_name"];
  string plan_state_text = 4 [(hookstream.v1.field).from = "/plan_state"];
}

enum OrderPlanState {
  ORDER_PLAN_STATE_UNSPECIFIED = 0;
  ORDER_PLAN_STATE_A = 1;
  ORDER_PLAN_STATE_B = 2;
}

message OrderFullName {
  string id = 1;
}
)");
}

// The variants of an object are one message; what allOf narrows stays as wide as the definition has it.
TEST(ImportTest, UnionsAndNarrowing) {
  const std::string body = Body(
      Acme(R"({
    "oneOf": [{"$ref": "#/definitions/issue$opened"}, {"$ref": "#/definitions/issue$closed"}],
    "definitions": {
      "issue_event": {"oneOf": [{"$ref": "#/definitions/issue$opened"}, {"$ref": "#/definitions/issue$closed"}]},
      "issue$opened": {"properties": {"action": {"enum": ["opened"]}, "issue": {"$ref": "#/definitions/issue"}}},
      "issue$closed": {"properties": {"action": {"enum": ["closed"]}, "by": {"type": "string"},
        "issue": {"allOf": [{"$ref": "#/definitions/issue"},
                            {"properties": {"closed_at": {"type": "string"}, "extra": {"type": "string"}}}]}}},
      "issue": {"properties": {"id": {"type": "integer"}, "closed_at": {"type": ["string", "null"], "format": "date-time"},
        "parent": {"oneOf": [{"$ref": "#/definitions/issue"}, {"type": "null"}]}}}
    }})",
           "event_type: \"issue.{/action}\"\nrename_events: {\"issue$opened\": issue, \"issue$closed\": issue}\n"));
  EXPECT_EQ(body, R"(// issue.opened, issue.closed.
message IssueEvent {
  option (hookstream.v1.event) = {
    types: [
      "issue.opened",
      "issue.closed"
    ]
  };

  // "opened", "closed".
  string action = 1;
  Issue issue = 2;
  string by = 3;
}

message Issue {
  int64 id = 1;
  google.protobuf.Timestamp closed_at = 2;
  Issue parent = 3;
  string extra = 4;
}
)");
}

TEST(ImportTest, EqualObjectsWrittenInPlaceAreOneMessage) {
  const std::string side =
      R"({"properties": {"ref": {"type": "string"}, "repo": {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}}})";
  const std::string fields =
      Fields(absl::StrCat(R"("request": {"properties": {"head": )", side, R"(, "base": )", side, "}}"));
  EXPECT_THAT(fields,
              HasSubstr("message OrderRequest {\n  OrderRequestHead head = 1;\n  OrderRequestBase base = 2;\n}\n"));
  // Of two under one key the shorter name is kept.
  EXPECT_THAT(fields, HasSubstr("OrderRequestBaseRepo repo = 2;"));
  EXPECT_THAT(fields, Not(HasSubstr("OrderRequestHeadRepo repo")));
}

TEST(ImportTest, OpenApiWebhooks) {
  ImportOptions options = Acme(R"(openapi: 3.1.0
webhooks:
  order.paid:
    post:
      requestBody: {$ref: '#/components/requestBodies/order'}
  order.sent:
    post:
      requestBody:
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Order'}
  other:
    get: {}
components:
  requestBodies:
    order:
      content:
        text/plain: {schema: {type: string}}
        application/json: {schema: {$ref: '#/components/schemas/Order'}}
  schemas:
    Order:
      type: object
      deprecated: true
      properties:
        id: {type: string}
        state: {type: string, enum: [open, in-progress], deprecated: true}
)");
  options.schemas[0].name = "openapi.yaml";
  const std::string body = Body(options);
  EXPECT_THAT(
      body,
      HasSubstr(
          "// acme/v1/order_paid.proto\n// order.paid.\nmessage OrderPaidEvent {\n  option deprecated = true;\n"));
  EXPECT_THAT(body, HasSubstr("types: [\"order.sent\"]"));
  EXPECT_THAT(body, HasSubstr("  // \"open\", \"in-progress\".\n  string state = 2 [deprecated = true];\n"));
  options.events = {"*.sent"};
  EXPECT_THAT(Body(options), Not(HasSubstr("OrderPaidEvent")));
}

TEST(ImportTest, SeveralFiles) {
  ImportOptions options = Acme(R"({"properties": {"customer": {"$ref": "types/customer.json"},
      "total": {"$ref": "https://acme.example/money#/$defs/total"}, "id": {"$ref": "types/customer.json#identifier"}}})");
  options.schemas.push_back({"acme/types/customer.json",
                             R"({"title": "Customer", "$defs": {"id": {"$anchor": "identifier", "type": "string"}},
      "allOf": [{"$ref": "#/$defs/named"}], "definitions": {"named": {"properties": {"name": {"type": "string"}}}}})"});
  options.schemas.push_back(
      {"acme/money.json",
       R"({"$id": "https://acme.example/money", "$defs": {"total": {"properties": {"cents": {"type": "integer"}}}}})"});
  // A pointer into definitions that are called $defs elsewhere leads nowhere.
  EXPECT_EQ(Error(options), "acme/types/customer.json#/allOf/0: the reference #/$defs/named: nothing is there");
  options.schemas[1].text.replace(options.schemas[1].text.find("#/$defs/named"), 13, "#/definitions/named");
  options.events = {"order"};
  const std::string body = Body(options);
  EXPECT_THAT(body, HasSubstr("  Named customer = 1;\n  Total total = 2;\n  string id = 3;\n"));
}

TEST(ImportTest, SharedMessagesGoIntoTheCommonFileAndSettingsSayOtherwise) {
  const std::string schema =
      R"({"oneOf": [{"$ref": "#/definitions/a_event"}, {"$ref": "#/definitions/b_event"}], "definitions": {
      "a_event": {"properties": {"user": {"$ref": "#/definitions/user"}, "own": {"properties": {"x": {"type": "string"}}}}},
      "b_event": {"properties": {"user": {"$ref": "#/definitions/user"}}},
      "user": {"properties": {"id": {"type": "string"}, "plan": {"enum": ["free", "paid"]}}}}})";
  auto imported = Import(Acme(schema));
  ASSERT_TRUE(imported.ok()) << imported.status();
  std::vector<std::string> names;
  for (const TextFile& file : imported->files) names.push_back(file.name);
  EXPECT_THAT(names, ElementsAre("acme/v1/a.proto", "acme/v1/b.proto", "acme/v1/common.proto"));
  EXPECT_THAT(imported->files[0].text, HasSubstr("import \"acme/v1/common.proto\";"));
  EXPECT_THAT(imported->files[0].text, HasSubstr("message AOwn {"));

  imported = Import(Acme(schema, "enums: enum\nfiles: {all.proto: [\"*Event\"], user.proto: [User]}\n"));
  ASSERT_TRUE(imported.ok()) << imported.status();
  names.clear();
  for (const TextFile& file : imported->files) names.push_back(file.name);
  EXPECT_THAT(names, ElementsAre("acme/v1/all.proto", "acme/v1/user.proto"));
  EXPECT_THAT(
      imported->files[1].text,
      HasSubstr("enum UserPlan {\n  USER_PLAN_UNSPECIFIED = 0;\n  USER_PLAN_FREE = 1;\n  USER_PLAN_PAID = 2;\n}\n"));
  EXPECT_THAT(imported->files[1].text, HasSubstr("  UserPlan plan = 2;\n"
                                                 "  string plan_text = 3 [(hookstream.v1.field).from = \"/plan\"];\n"));
}

TEST(ImportTest, TheSettingsHaveTheLastWord) {
  const std::string body = Body(Acme(R"({"type": "object", "properties": {
      "state": {"enum": ["in-progress", "a/b"]}, "user": {"$ref": "#/definitions/account"},
      "old_user": {"$ref": "#/definitions/account_lite"}, "at": {"type": "string"}, "count": {"type": "string"},
      "changes": {"properties": {"title": {"properties": {"from": {"type": "string"}}},
                                 "ref": {"properties": {"name": {"properties": {"from": {"type": "string"}}}}}}}},
      "definitions": {"account": {"properties": {"node_id": {"type": "string"}, "site_url": {"type": "string", "description": "The site's URL."}}},
                      "account_lite": {"properties": {"node_id": {"type": "string"}}}}})",
                                     R"(
event_type: "order.*"
flatten: ["*Changes"]
plain: ["*_url"]
comments: {node_id: "Id in the API."}
definitions: {plan: {properties: {name: {type: string}}}}
every_event: {sender: {schema: {$ref: "#/definitions/account"}, comment: Who.}}
types:
  User:
    from: [Account, AccountLite]
    comment: A person.
    fields:
      plan: {schema: {$ref: "#/definitions/plan"}}
  OrderEvent:
    fields:
      state: {enum: State, comment: How far it is.}
      at: {only: {type: string, format: date-time}, name: paid_at}
      count: {schema: {type: integer}, optional: true}
  OrderChanges:
    fields:
      title/from: {name: old_title, optional: false}
)"));
  EXPECT_EQ(body, R"(// order.*.
message OrderEvent {
  option (hookstream.v1.event) = {
    types: ["order.*"]
  };

  // How far it is.
  State state = 1;
  User user = 2;
  User old_user = 3;
  google.protobuf.Timestamp paid_at = 4 [json_name = "at"];
  optional string count = 5 [(hookstream.v1.field).text = true];
  OrderChanges changes = 6;
  // Who.
  User sender = 7;
}

enum State {
  STATE_UNSPECIFIED = 0;
  STATE_IN_PROGRESS = 1;
  STATE_A_B = 2;
}

// A person.
message User {
  // Id in the API.
  string node_id = 1;
  string site_url = 2;
  Plan plan = 3;
}

message Plan {
  string name = 1;
}

message OrderChanges {
  string old_title = 1 [(hookstream.v1.field).from = "/title/from"];
  optional string ref_name_from = 2 [(hookstream.v1.field).from = "/ref/name/from"];
}
)");
}

// An envelope that says nothing of its object: one message for each kind of object.
TEST(ImportTest, EventsOutOfAnEnvelope) {
  const std::string body = Body(Acme(R"({"definitions": {
      "event": {"properties": {"id": {"type": "string"}, "data": {"$ref": "#/definitions/event_data"}}},
      "event_data": {"properties": {"object": {"type": "object"}, "previous": {"type": "object"}}},
      "charge": {"properties": {"amount": {"type": "integer"}}},
      "invoice": {"properties": {"total": {"type": "integer"}}}}})",
                                     R"(
events:
  - {message: ChargeEvent, types: ["charge.*"], schema: event, at: {/data/object: charge}}
  - {message: InvoiceEvent, types: ["invoice.*"], schema: event, at: {/data/object: invoice}}
types:
  ChargeEvent:
    fields: {data: {flatten: true}, data/object: {name: charge}, data/previous: {name: previous_attributes}}
)"));
  EXPECT_THAT(body, HasSubstr(R"(  string id = 1;
  Charge charge = 2 [(hookstream.v1.field).from = "/data/object"];
  google.protobuf.Struct previous_attributes = 3 [(hookstream.v1.field).from = "/data/previous"];
}
)"));
  EXPECT_THAT(body,
              HasSubstr("message InvoiceData {\n  Invoice object = 1;\n  google.protobuf.Struct previous = 2;\n}\n"));
}

TEST(ImportTest, TheLockKeepsNumbers) {
  ImportOptions options = Acme(R"({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}})");
  const auto first = Import(options);
  ASSERT_TRUE(first.ok()) << first.status();
  options.lock.text = first->lock;
  options.schemas[0].text = R"({"properties": {"c": {"type": "string"}, "b": {"type": "string"}}})";
  EXPECT_THAT(Body(options), HasSubstr("  reserved 1;\n  reserved \"a\";\n\n  string b = 2;\n  string c = 3;\n"));
}

TEST(ImportTest, ErrorsNameThePlace) {
  EXPECT_THAT(Error(Acme("{")), HasSubstr("acme/order.json:1:2: is no JSON: "));
  EXPECT_EQ(Error(Acme("[]")), "acme/order.json#: is no schema: not an object");
  EXPECT_EQ(Error(Acme(R"({"properties": {"a/b": {"$ref": "#/definitions/x"}}})")),
            "acme/order.json#/properties/a~1b: the reference #/definitions/x: nothing is there");
  EXPECT_EQ(Error(Acme(R"({"properties": {"a": {"$ref": "other.json"}}})")),
            "acme/order.json#/properties/a: the reference other.json: no file of the import is acme/other.json");
  EXPECT_THAT(Error(Acme(R"({"properties": {"a": {"$ref": "#/properties/a"}}})")), HasSubstr("lead in a circle"));
  EXPECT_EQ(Error(Acme(R"({"properties": {"a": 1}})")), "acme/order.json#/properties/a: is no schema");
  EXPECT_EQ(Error(Acme(R"({"properties": {"a": {"allOf": {}}}})")),
            "acme/order.json#/properties/a/allOf: is no list of schemas");
  EXPECT_THAT(Error(Acme(R"({"definitions": {"order": {"type": "object"}}})")),
              HasSubstr("acme/order.json#: has no list of events"));
  EXPECT_THAT(Error(Acme(R"({"properties": {"a": {"type": "string"}}})", "event_type: \"{/a}\"")),
              HasSubstr("what Event.type is can't be told: /a"));
  EXPECT_THAT(Error(Acme(R"({"properties": {"a": {"type": "string"}}})", "event_type: \"{a}\"")),
              HasSubstr("the event type at '{a}'"));
  EXPECT_THAT(Error(Acme(R"({"properties": {"a": {"type": "string"}}})", "types: {Order: {}}")),
              HasSubstr("import.yaml: types: Order: no message is called so"));
  EXPECT_THAT(
      Error(Acme(R"({"properties": {"a": {"type": "string"}}})", "types: {OrderEvent: {fields: {b: {name: c}}}}")),
      HasSubstr("import.yaml: types: OrderEvent: fields: b: the message has no such key"));
  EXPECT_THAT(Error(Acme(R"({"properties": {"a": {"type": "string"}}})", "type: {}")),
              HasSubstr("import.yaml: has the unknown key `type`"));
  ImportOptions options = Acme(R"({"properties": {"a": {"type": "string"}}})");
  options.package = "Acme";
  EXPECT_THAT(Error(options), HasSubstr("'Acme' is no package"));
  options = Acme(R"({"properties": {"a": {"type": "string"}}})");
  options.lock.text = "x: 1";
  EXPECT_THAT(Error(options), HasSubstr("lock.yaml: x"));
}

}  // namespace
}  // namespace hookstream::schema
