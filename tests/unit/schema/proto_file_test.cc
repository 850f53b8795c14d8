#include "schema/proto_file.h"

#include "gtest/gtest.h"

namespace hookstream::schema {
namespace {

ProtoFile Order() {
  ProtoFile file;
  file.path = "hookstream/acme_shop/v1/order.proto";
  file.package = "hookstream.acme_shop.v1";
  file.provider = "acme";
  file.comment = "Orders of Acme.";
  file.imports = {"hookstream/acme_shop/v1/common.proto", "hookstream/acme_shop/v1/order.proto"};
  SetLanguagePackages(file);

  ProtoMessage event;
  event.name = "OrderEvent";
  event.comment =
      "order.paid, and a sentence that is long enough to be broken, since a line of these files has one hundred and "
      "twenty columns at most.\n\nAnother paragraph.";
  v1::EventMapping mapping;
  mapping.add_types("order");
  mapping.add_types("order.*");
  mapping.set_root("/data");
  v1::Condition& condition = *mapping.add_when();
  condition.set_pointer("/kind");
  condition.add_equals("a \"b\"\\");
  event.events.push_back(mapping);
  mapping.clear_when();
  mapping.clear_root();
  mapping.mutable_types()->RemoveLast();
  event.events.push_back(mapping);
  ProtoField field;
  field.name = "id";
  field.type = "string";
  field.number = 1;
  event.fields.push_back(field);
  field.name = "is_private";
  field.type = "bool";
  field.cardinality = Cardinality::kOptional;
  field.json_name = "private";
  field.number = 2;
  field.comment = "Seen by nobody else.";
  event.fields.push_back(field);
  field = {};
  field.name = "paid_at";
  field.type = "google.protobuf.Timestamp";
  field.number = 5;
  field.deprecated = true;
  field.mapping.set_time(v1::NUMBER_TIME_SECONDS);
  field.mapping.add_from("/paid");
  field.mapping.add_from("/paid\tat");
  event.fields.push_back(field);
  field = {};
  field.name = "totals";
  field.type = "Total";
  field.cardinality = Cardinality::kMap;
  field.number = 6;
  event.fields.push_back(field);
  field.name = "states";
  field.type = "State";
  field.cardinality = Cardinality::kRepeated;
  field.number = 7;
  event.fields.push_back(field);
  event.reserved = {{3, 4}, {9, 9}};
  event.reserved_names = {"old", "older"};
  file.messages.push_back(event);

  ProtoMessage empty;
  empty.name = "Nothing";
  file.messages.push_back(empty);

  ProtoEnum state;
  state.name = "State";
  state.values = {{"STATE_UNSPECIFIED", 0, {}, ""}, {"STATE_PAID", 1, {"settled", "done"}, "Money came."}};
  state.reserved = {{2, 2}};
  state.reserved_names = {"STATE_LOST"};
  file.enums.push_back(state);
  return file;
}

constexpr char kOrder[] = R"(syntax = "proto3";

// Orders of Acme.
package hookstream.acme_shop.v1;

import "google/protobuf/timestamp.proto";
import "hookstream/acme_shop/v1/common.proto";
import "hookstream/v1/mapping.proto";

option go_package = "github.com/hookstream/hookstream/clients/go/hookstream/acme_shop/v1;acmeshopv1";
option java_multiple_files = true;
option java_outer_classname = "OrderProto";
option java_package = "dev.hookstream.acme_shop.v1";
option (hookstream.v1.provider) = "acme";

// order.paid, and a sentence that is long enough to be broken, since a line of these files has one hundred and twenty
// columns at most.
//
// Another paragraph.
message OrderEvent {
  option (hookstream.v1.event) = {
    types: [
      "order",
      "order.*"
    ]
    root: "/data"
    when: {
      pointer: "/kind"
      equals: ["a \"b\"\\"]
    }
  };
  option (hookstream.v1.event) = {
    types: ["order"]
  };

  reserved 3 to 4, 9;
  reserved "old", "older";

  string id = 1;
  // Seen by nobody else.
  optional bool is_private = 2 [json_name = "private"];
  google.protobuf.Timestamp paid_at = 5 [
    deprecated = true,
    (hookstream.v1.field).from = "/paid",
    (hookstream.v1.field).from = "/paid\011at",
    (hookstream.v1.field).time = NUMBER_TIME_SECONDS
  ];
  map<string, Total> totals = 6;
  repeated State states = 7;
}

enum State {
  reserved 2;
  reserved "STATE_LOST";
  STATE_UNSPECIFIED = 0;
  // Money came.
  STATE_PAID = 1 [
    (hookstream.v1.value).names = "settled",
    (hookstream.v1.value).names = "done"
  ];
}

message Nothing {}
)";

TEST(ProtoFileTest, WritesTheStyleOfTheTree) { EXPECT_EQ(WriteProto(Order()), kOrder); }

TEST(ProtoFileTest, AUsersPackageHasNoGoPackageOfOurs) {
  ProtoFile file;
  file.package = "acme.v1";
  SetLanguagePackages(file);
  EXPECT_EQ(file.go_package, "");
  EXPECT_EQ(file.java_package, "acme.v1");
}

// Names begin at the innermost scope that has their first part.
TEST(ProtoFileTest, NamesThatThePackageHidesBeginAtTheRoot) {
  ProtoFile file;
  file.package = "acme.google.hookstream.v1";
  ProtoMessage message;
  message.name = "M";
  ProtoField field;
  field.name = "at";
  field.type = "google.protobuf.Timestamp";
  field.number = 1;
  field.mapping.add_from("/t");
  message.fields.push_back(field);
  file.messages.push_back(message);
  EXPECT_NE(WriteProto(file).find("  .google.protobuf.Timestamp at = 1 [(.hookstream.v1.field).from = \"/t\"];\n"),
            std::string::npos)
      << WriteProto(file);
}

}  // namespace
}  // namespace hookstream::schema
