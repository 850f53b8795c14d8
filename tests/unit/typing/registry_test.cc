#include "typing/registry.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "gtest/gtest.h"
#include "hookstream/v1/mapping.pb.h"
#include "tests/unit/typing/testing.h"
#include "typing/builtin_set.h"

namespace hookstream::typing {
namespace {

namespace pb = google::protobuf;

// A set of one file with these messages, without imports.
struct SetBuilder {
  pb::FileDescriptorSet set;
  pb::FileDescriptorProto& file;

  explicit SetBuilder(const std::string& name = "acme.proto", const std::string& package = "acme")
      : file(*set.add_file()) {
    file.set_name(name);
    file.set_package(package);
    file.set_syntax("proto3");
    file.mutable_options()->SetExtension(v1::provider, "acme");
  }
  // A message with the string fields a, b, ... and patterns of its events.
  pb::DescriptorProto& Add(const std::string& name, const std::vector<std::string>& types) {
    pb::DescriptorProto& message = *file.add_message_type();
    message.set_name(name);
    pb::FieldDescriptorProto& field = *message.add_field();
    field.set_name("a");
    field.set_number(1);
    field.set_type(pb::FieldDescriptorProto::TYPE_STRING);
    field.set_label(pb::FieldDescriptorProto::LABEL_OPTIONAL);
    if (!types.empty()) {
      v1::EventMapping& event = *message.mutable_options()->AddExtension(v1::event);
      event.mutable_types()->Add(types.begin(), types.end());
    }
    return message;
  }
  UserSet Done(const std::string& name = "acme.binpb") const { return {name, set.SerializeAsString(), {}}; }
};

std::string Error(std::vector<UserSet> sets, bool builtin = true) {
  RegistryOptions options;
  options.builtin = builtin;
  options.user_sets = std::move(sets);
  const auto built = Registry::Build(options);
  return built.ok() ? "OK" : std::string(built.status().message());
}

std::shared_ptr<const Registry> Built(std::vector<UserSet> sets, bool builtin = true) {
  RegistryOptions options;
  options.builtin = builtin;
  options.user_sets = std::move(sets);
  auto built = Registry::Build(options);
  EXPECT_TRUE(built.ok()) << built.status();
  return *built;
}

std::string MessageFor(const Registry& registry, std::string_view provider, std::string_view type) {
  return Convert(registry, provider, type, ContentKind::kJson, "{}").message;
}

TEST(RegistryTest, BuiltInMessagesAreThere) {
  const auto registry = Built({});
  EXPECT_EQ(MessageFor(*registry, "stripe", "payment_intent.succeeded"), "hookstream.stripe.v1.PaymentIntentEvent");
  EXPECT_EQ(MessageFor(*registry, "stripe", "charge.succeeded"), "hookstream.stripe.v1.ChargeEvent");
  EXPECT_EQ(MessageFor(*registry, "stripe", "charge.dispute.created"), "hookstream.stripe.v1.DisputeEvent");
  EXPECT_EQ(MessageFor(*registry, "github", "push"), "hookstream.github.v1.PushEvent");
  EXPECT_EQ(MessageFor(*registry, "twilio", "message.received"), "hookstream.twilio.v1.InboundMessageEvent");
  EXPECT_EQ(MessageFor(*registry, "twilio", "message.delivered"), "hookstream.twilio.v1.MessageStatusEvent");
  EXPECT_EQ(MessageFor(*registry, "slack", "message.channel_join"), "hookstream.slack.v1.MessageEvent");
  EXPECT_EQ(MessageFor(*registry, "openai", "batch.completed"), "hookstream.openai.v1.BatchEvent");
  EXPECT_EQ(MessageFor(*registry, "github", "no_such_event.created"), "");
  EXPECT_EQ(MessageFor(*registry, "slack", "url_verification"), "");
  EXPECT_EQ(MessageFor(*registry, "nobody", "push"), "");
}

TEST(RegistryTest, EventTypesAreListedInOrder) {
  const auto types = Built({})->EventTypes("openai");
  ASSERT_EQ(types.size(), 5u);
  EXPECT_EQ(types[0].pattern, "batch.*");
  EXPECT_EQ(types[4].message, "hookstream.openai.v1.ResponseEvent");
  EXPECT_EQ(types[4].fingerprint.size(), 16u);
  EXPECT_GT(Built({})->EventTypes().size(), 15u);
}

TEST(RegistryTest, AUsersMessageGoesBeforeTheBuiltInOne) {
  SetBuilder set;
  set.Add("Push", {"push"}).mutable_options()->MutableExtension(v1::event, 0)->set_provider("github");
  const auto registry = Built({set.Done()});
  EXPECT_EQ(MessageFor(*registry, "github", "push"), "acme.Push");
  EXPECT_EQ(MessageFor(*registry, "github", "ping"), "hookstream.github.v1.PingEvent");
}

TEST(RegistryTest, MoreLiteralSegmentsAreMoreSpecificAndThenConditions) {
  SetBuilder set;
  set.Add("All", {"**"});
  set.Add("Orders", {"order.*"});
  set.Add("Paid", {"order.paid"});
  v1::Condition& when = *set.Add("Big", {"order.*"}).mutable_options()->MutableExtension(v1::event, 0)->add_when();
  when.set_pointer("/big");
  const auto registry = Built({set.Done()});
  EXPECT_EQ(MessageFor(*registry, "acme", "order.paid"), "acme.Paid");
  EXPECT_EQ(MessageFor(*registry, "acme", "order.new"), "acme.Orders");
  EXPECT_EQ(MessageFor(*registry, "acme", "x/y"), "acme.All");
  EXPECT_EQ(Convert(*registry, "acme", "order.new", ContentKind::kJson, R"({"big": 1})").message, "acme.Big");
}

TEST(RegistryTest, ATieIsAnError) {
  SetBuilder set;
  set.Add("A", {"order.*"});
  set.Add("B", {"*.paid"});
  EXPECT_EQ(
      Error({set.Done()}),
      "both acme.B (acme.binpb, '*.paid') and acme.A (acme.binpb, 'order.*') map the same events of provider acme, "
      "and neither is more specific");
  SetBuilder exclusive;
  for (const char* kind : {"a", "b"}) {
    v1::Condition& when = *exclusive.Add(absl::StrCat("M", kind), {"order.*"})
                               .mutable_options()
                               ->MutableExtension(v1::event, 0)
                               ->add_when();
    when.set_pointer("/kind");
    when.add_equals(kind);
  }
  EXPECT_EQ(Error({exclusive.Done()}), "OK");
}

TEST(RegistryTest, ProtosWithoutOptionsAreMappedFromOutside) {
  SetBuilder set;
  set.Add("Order", {});
  UserSet user = set.Done();
  user.events.push_back({"acme.Order", "shop", {"order.*"}});
  EXPECT_EQ(MessageFor(*Built({user}), "shop", "order.new"), "acme.Order");
  EXPECT_NE(Built({user})->fingerprint(), Built({set.Done()})->fingerprint()) << "other events are typed";
  const auto error = [&](const EventOverride& event) {
    user.events = {event};
    return Error({user});
  };
  EXPECT_EQ(error({"acme.Missing", "shop", {"order.*"}}), "acme.binpb: has no message acme.Missing");
  EXPECT_EQ(error({"acme.Order", "shop", {}}), "acme.binpb: acme.proto: acme.Order: names no event types");
  EXPECT_EQ(error({"acme.Order", "shop", {"a..b"}}),
            "acme.binpb: acme.proto: acme.Order: event type pattern 'a..b': has an empty segment");
}

TEST(RegistryTest, FilesOfEditionsAreTypedAndServedAsTheyCame) {
  const std::string bytes = ReadFile(HOOKSTREAM_TEST_DATA "/editions/order.binpb");
  const auto registry = Built({{"order.binpb", bytes, {}}});
  const auto typed = [&](std::string_view type, std::string_view json) {
    const Typed result = Convert(*registry, "acme", type, ContentKind::kJson, json);
    EXPECT_EQ(result.status, TypedStatus::kFull) << Notes(result);
    return ToJson(*registry, result);
  };
  EXPECT_EQ(
      typed(
          "order.paid",
          R"({"id": "", "must": true, "closed": "paid", "packed": [1, 2], "expanded": [3], "lines": {"a": {"sku": "x"}},
                      "iban": "DE", "at": 1763900000, "plain": {"name": "n", "count": 0, "explicit": 0}})"),
      R"({"id":"","must":true,"closed":"CLOSED_PAID","packed":[1,2],"expanded":[3],"lines":{"a":{"sku":"x"}},"iban":"DE",)"
      R"("at":"2025-11-23T12:13:20Z","plain":{"name":"n","explicit":0}})");
  EXPECT_EQ(typed("plain", R"({"numbers": [1], "colour": "red", "inner": {"count": 2}})"),
            R"({"numbers":["1"],"colour":"COLOUR_RED","inner":{"count":2}})");
  // Field 5 is packed, field 6 is not, as the features say: 2a 02 01 02, and 30 03.
  const Typed lists =
      Convert(*registry, "acme", "order.x", ContentKind::kJson, R"({"packed": [1, 2], "expanded": [3]})");
  EXPECT_EQ(lists.wire, std::string("\x2a\x02\x01\x02\x30\x03"));
  EXPECT_EQ(Notes(Convert(*registry, "acme", "order.x", ContentKind::kJson, R"({"delimited": {"sku": "x"}})")),
            "/delimited: wrong_shape: object");

  // A client gets the file in its own syntax.
  const auto files = registry->FilesWithSymbol("acme.v1.OrderEvent");
  ASSERT_TRUE(files.ok());
  pb::FileDescriptorProto file;
  ASSERT_TRUE(file.ParseFromString(files->front()));
  EXPECT_EQ(file.syntax(), "editions");
  EXPECT_EQ(file.GetReflection()->GetUnknownFields(file).field(0).number(), 14);
  const auto set = registry->DescriptorsOfMessage("acme.v1.OrderEvent");
  ASSERT_TRUE(set.ok());
  EXPECT_NE(set->file_descriptor_set.find("editions"), std::string::npos);
}

TEST(RegistryTest, AnUnknownOptionOfAnEventNamesFileAndMessage) {
  SetBuilder set;
  v1::EventMapping& event = *set.Add("M", {"m"}).mutable_options()->MutableExtension(v1::event, 0);
  event.GetReflection()->MutableUnknownFields(&event)->AddVarint(99, 1);
  EXPECT_EQ(
      Error({set.Done()}),
      "acme.binpb: acme.proto: acme.M: has the mapping option number 99 of hookstream.v1.EventMapping, which this "
      "version does not know");
}

TEST(RegistryTest, BrokenSetsAreNamed) {
  EXPECT_NE(Error({{"x.binpb", "garbage", {}}}).find("x.binpb: no FileDescriptorSet"), std::string::npos);
  EXPECT_NE(Error({{"x.binpb", "", {}}}).find("x.binpb: no FileDescriptorSet"), std::string::npos);

  SetBuilder missing;
  missing.file.add_dependency("other.proto");
  EXPECT_NE(Error({missing.Done()})
                .find("acme.proto imports other.proto, which is not in the set: write it with `protoc "
                      "--include_imports`"),
            std::string::npos);

  SetBuilder circle;
  circle.file.add_dependency("acme.proto");
  EXPECT_NE(Error({circle.Done()}).find("circle"), std::string::npos);

  SetBuilder invalid;
  invalid.Add("M", {}).mutable_field(0)->set_number(0);
  EXPECT_NE(Error({invalid.Done()}).find("acme.binpb: acme.proto: acme.M"), std::string::npos);

  SetBuilder twice;
  *twice.set.add_file() = twice.file;
  EXPECT_NE(Error({twice.Done()}).find("acme.proto is in it twice"), std::string::npos);

  SetBuilder editions;
  editions.file.set_syntax("editions");
  editions.file.GetReflection()->MutableUnknownFields(&editions.file)->AddVarint(14, 2000);
  EXPECT_EQ(Error({editions.Done()}),
            "acme.binpb: acme.proto: has edition number 2000; this version knows the editions 2023 and 2024");
}

TEST(RegistryTest, TwoDefinitionsOfOneNameAreAnErrorThatNamesBoth) {
  SetBuilder one;
  one.Add("Order", {"order.*"});
  SetBuilder two("other.proto");
  two.Add("Order", {"order.x"}).mutable_field(0)->set_name("b");
  EXPECT_EQ(Error({one.Done("one.binpb"), two.Done("two.binpb")}),
            "acme.Order is defined twice: in one.binpb (acme.proto) and in two.binpb (other.proto)");
  // The same file in two sets is one definition.
  EXPECT_EQ(Error({one.Done("one.binpb"), one.Done("two.binpb")}), "OK");
  SetBuilder builtin("mine.proto", "hookstream.github.v1");
  builtin.Add("PushEvent", {});
  EXPECT_EQ(Error({builtin.Done()}),
            "hookstream.github.v1.PushEvent is defined twice: in built-in (hookstream/github/v1/push.proto) and in "
            "acme.binpb (mine.proto)");
}

TEST(RegistryTest, FilesUnderHookstreamInAUsersSetServeImportsOnly) {
  SetBuilder set("hookstream/github/v1/push.proto", "hookstream.github.v1");
  set.Add("PushEvent", {"push"});
  const auto registry = Built({set.Done()});
  EXPECT_EQ(MessageFor(*registry, "acme", "push"), "");
  EXPECT_NE(MessageFor(*registry, "github", "push"), "");
}

TEST(RegistryTest, OptionsThatMakeNoSenseAreErrors) {
  const auto error = [](const std::function<void(pb::FieldDescriptorProto&, v1::FieldMapping&)>& change) {
    SetBuilder set;
    pb::FieldDescriptorProto& field = *set.Add("M", {"m"}).mutable_field(0);
    change(field, *field.mutable_options()->MutableExtension(v1::field));
    return Error({set.Done()});
  };
  EXPECT_EQ(error([](auto&, auto& m) { m.add_from("a"); }),
            "acme.binpb: acme.proto: acme.M.a: JSON pointer 'a': does not begin with /");
  EXPECT_NE(error([](auto&, auto& m) { m.add_from("/a~2"); }).find("has a ~ that is not"), std::string::npos);
  EXPECT_NE(error([](auto&, auto& m) { m.set_id("id"); }).find("does not begin with /"), std::string::npos);
  EXPECT_NE(error([](auto&, auto& m) { m.set_time(v1::NUMBER_TIME_SECONDS); }).find("`time` is only"),
            std::string::npos);
  EXPECT_NE(error([](auto&, auto& m) { m.set_rest(true); }).find("`rest` is only"), std::string::npos);
  EXPECT_NE(error([](auto&, auto& m) { m.set_numbered(true); }).find("`numbered` is only"), std::string::npos);
  EXPECT_NE(error([](auto& f, auto& m) {
              f.set_type(pb::FieldDescriptorProto::TYPE_INT32);
              m.set_text(true);
            }).find("`text` is only"),
            std::string::npos);
  EXPECT_NE(error([](auto& f, auto& m) {
              f.set_label(pb::FieldDescriptorProto::LABEL_REPEATED);
              m.set_numbered(true);
              m.add_from("/a");
              m.add_from("/b");
            }).find("one pointer"),
            std::string::npos);
  EXPECT_EQ(
      error([](auto&, auto& m) { m.GetReflection()->MutableUnknownFields(&m)->AddVarint(99, 1); }),
      "acme.binpb: acme.proto: acme.M.a: has the mapping option number 99 of hookstream.v1.FieldMapping, which this "
      "version does not know");
}

TEST(RegistryTest, MappingsThatMakeNoSenseAreErrors) {
  SetBuilder nobody;
  nobody.file.mutable_options()->ClearExtension(v1::provider);
  nobody.Add("M", {"m"});
  EXPECT_NE(Error({nobody.Done()}).find("names no provider"), std::string::npos);
  SetBuilder nothing;
  nothing.Add("M", {"m"}).mutable_options()->MutableExtension(v1::event, 0)->clear_types();
  EXPECT_NE(Error({nothing.Done()}).find("names no event types"), std::string::npos);
  SetBuilder star;
  star.Add("M", {"m*"});
  EXPECT_NE(Error({star.Done()}).find("event type pattern 'm*'"), std::string::npos);
  SetBuilder root;
  root.Add("M", {"m"}).mutable_options()->MutableExtension(v1::event, 0)->set_root("x");
  EXPECT_NE(Error({root.Done()}).find("JSON pointer 'x'"), std::string::npos);
}

TEST(RegistryTest, DescriptorsAreCompleteAndInOrder) {
  const auto registry = Built({});
  const auto files = registry->DescriptorsOfMessage("type.googleapis.com/hookstream.github.v1.PushEvent");
  ASSERT_TRUE(files.ok()) << files.status();
  pb::FileDescriptorSet set;
  ASSERT_TRUE(set.ParseFromString(files->file_descriptor_set));
  pb::DescriptorPool pool;
  for (const pb::FileDescriptorProto& file : set.file()) ASSERT_NE(pool.BuildFile(file), nullptr) << file.name();
  EXPECT_NE(pool.FindMessageTypeByName("hookstream.github.v1.PushEvent"), nullptr);
  EXPECT_EQ(pool.FindMessageTypeByName("hookstream.stripe.v1.Charge"), nullptr);
  EXPECT_EQ(files->fingerprint, registry->EventTypes("github")[0].fingerprint);

  const auto whole = registry->DescriptorsOfFingerprint(files->fingerprint);
  ASSERT_TRUE(whole.ok());
  EXPECT_GT(whole->file_descriptor_set.size(), files->file_descriptor_set.size());
  EXPECT_TRUE(absl::IsNotFound(registry->DescriptorsOfMessage("no.Such").status()));
  EXPECT_TRUE(absl::IsNotFound(registry->DescriptorsOfFingerprint("0").status()));
}

TEST(RegistryTest, ReflectionFindsFilesBySymbolNameAndExtension) {
  const auto registry = Built({});
  const auto first_name = [](const absl::StatusOr<std::vector<std::string>>& files) {
    if (!files.ok()) return std::string(files.status().ToString());
    pb::FileDescriptorProto file;
    EXPECT_TRUE(file.ParseFromString(files->front()));
    return file.name();
  };
  EXPECT_EQ(first_name(registry->FilesWithSymbol("hookstream.github.v1.PushEvent")), "hookstream/github/v1/push.proto");
  EXPECT_EQ(first_name(registry->FilesWithSymbol("hookstream.github.v1.PushEvent.commits")),
            "hookstream/github/v1/push.proto");
  EXPECT_EQ(first_name(registry->FilesWithSymbol("hookstream.v1.SubscriberService")),
            "hookstream/v1/subscriber_service.proto");
  EXPECT_EQ(first_name(registry->FilesWithName("hookstream/v1/event.proto")), "hookstream/v1/event.proto");
  EXPECT_EQ(first_name(registry->FilesWithExtension("google.protobuf.FieldOptions", 418206731)),
            "hookstream/v1/mapping.proto");
  EXPECT_EQ(registry->ExtensionNumbers("google.protobuf.MessageOptions").value(), std::vector<int>{418206731});
  EXPECT_TRUE(absl::IsNotFound(registry->FilesWithSymbol("no.Such").status()));
  EXPECT_TRUE(absl::IsNotFound(registry->FilesWithName("no.proto").status()));
  EXPECT_TRUE(absl::IsNotFound(registry->FilesWithExtension("google.protobuf.FieldOptions", 1).status()));
  EXPECT_TRUE(absl::IsNotFound(registry->ExtensionNumbers("no.Such").status()));
}

TEST(RegistryTest, TheFingerprintDependsOnTheSchemaOnly) {
  pb::FileDescriptorSet set;
  ASSERT_TRUE(set.ParseFromString(TestSet()));
  std::reverse(set.mutable_file()->begin(), set.mutable_file()->end());
  set.mutable_file(0)->mutable_source_code_info()->add_location();
  const auto first = Built({{"a.binpb", TestSet(), {}}});
  const auto second = Built({{"b.binpb", set.SerializeAsString(), {}}});
  EXPECT_EQ(first->fingerprint(), second->fingerprint());
  EXPECT_NE(first->fingerprint(), Built({})->fingerprint());
  EXPECT_EQ(first->EventTypes("github")[0].fingerprint, Built({})->EventTypes("github")[0].fingerprint);
}

// Every mapped field can be reached: the messages compile, and the set has all files of proto/.
TEST(RegistryTest, TheEmbeddedSetHasEveryProto) {
  pb::FileDescriptorSet set;
  ASSERT_TRUE(set.ParseFromArray(BuiltinDescriptorSet().data(), static_cast<int>(BuiltinDescriptorSet().size())));
  std::vector<std::string> names;
  for (const pb::FileDescriptorProto& file : set.file()) names.push_back(file.name());
  size_t found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(HOOKSTREAM_PROTO_DIR)) {
    if (entry.path().extension() != ".proto") continue;
    const std::string name = std::filesystem::relative(entry.path(), HOOKSTREAM_PROTO_DIR).string();
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
    ++found;
  }
  EXPECT_GT(found, 10u);
}

}  // namespace
}  // namespace hookstream::typing
