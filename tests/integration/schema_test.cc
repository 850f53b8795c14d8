// `hookstream schema` as users run it, and what a new schema does to a relay that runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <signal.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "schema/compile.h"
#include "tests/integration/sources.h"
#include "tests/support/process/process.h"
#include "tests/support/process/subscriber.h"

namespace hookstream::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPreset[] = R"(
name: acme
verify: {scheme: hmac-sha256, signature: header.X-Acme-Signature}
event: {type: json/type, id: json/event_id}
)";
constexpr char kAcme[] = R"(
providers: [{path: acme.yaml}]
sources: [{name: acme, provider: acme, keys: [{id: main, inline: not-a-secret}]}]
subscriptions: [{name: all, start: earliest}]
)";
constexpr char kProto[] = R"(syntax = "proto3";
package acme.v1;
import "hookstream/v1/mapping.proto";
option (hookstream.v1.provider) = "acme";
message OrderEvent {
  option (hookstream.v1.event) = { types: ["order.*"] };
  string type = 1;
  int64 total = 2;
}
)";

rapidjson::Document Json(const std::string& line) {
  rapidjson::Document document;
  document.Parse(line.c_str());
  EXPECT_FALSE(document.HasParseError()) << line;
  return document;
}

std::vector<rapidjson::Document> JsonLines(const std::string& text) {
  std::vector<rapidjson::Document> documents;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    documents.push_back(Json(std::string(line)));
  }
  return documents;
}

std::string Compiled(const std::string& text) {
  const auto set = schema::CompileProtos({{"acme/v1/order.proto", text}});
  EXPECT_TRUE(set.ok()) << set.status();
  return set.value_or("");
}

// --- without a relay ---

class SchemaCliTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    WriteFile(path, text);
    return path.string();
  }
  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }

  TempFolder folder_;
};

TEST_F(SchemaCliTest, CheckTypesFilesAndSaysOnEachLineHow) {
  const std::string data = HOOKSTREAM_TEST_DATA;
  const CommandResult good = Hookstream({"schema", "check", "--provider", "stripe", "--output", "json",
                                         data + "/stripe/charge.succeeded.json", data + "/stripe/invoice.paid.json"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  const auto lines = JsonLines(good.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["file"].GetString(), data + "/stripe/charge.succeeded.json");
  EXPECT_STREQ(lines[0]["type"].GetString(), "charge.succeeded");
  EXPECT_STREQ(lines[0]["status"].GetString(), "FULL");
  EXPECT_EQ(lines[0]["pointers"].Size(), 0u);
  EXPECT_TRUE(lines[0]["data"].HasMember("charge")) << good.out;

  const std::string push = data + "/github/push.json";
  EXPECT_EQ(Hookstream({"schema", "check", "-p", "github", "--type", "push", push}).exit_code, 0);
  const CommandResult header = Hookstream({"schema", "check", "-p", "github", "-H", "X-GitHub-Event: push", push});
  EXPECT_EQ(header.exit_code, 0) << header.out << header.err;
  EXPECT_THAT(header.out, HasSubstr("1 full, 0 partial, 0 untyped"));
  const CommandResult unknown = Hookstream({"schema", "check", "-p", "github", "--output", "json", push});
  EXPECT_EQ(unknown.exit_code, 1) << "without the header GitHub's bodies have no type";
  EXPECT_STREQ(Json(unknown.out)["status"].GetString(), "UNTYPED");
  EXPECT_TRUE(Json(unknown.out)["data"].IsNull());
  EXPECT_EQ(Hookstream({"schema", "check", "-p", "twilio", data + "/twilio/message.received.form"}).exit_code, 0);
}

TEST_F(SchemaCliTest, CheckNamesWhatDoesNotFit) {
  const std::string set = File("acme.binpb", Compiled(kProto));
  const std::string good = File("good.json", R"({"type": "order.paid", "total": 12})");
  const std::string bad = File("bad.json", R"({"type": "order.paid", "total": "a dozen"})");
  const std::string broken = File("broken.json", R"({"type": )");
  const CommandResult result = Hookstream({"schema", "check", "-p", "acme", "--type", "order.paid", "--schema", set,
                                           "--output", "json", good, bad, broken});
  EXPECT_EQ(result.exit_code, 1);
  const auto lines = JsonLines(result.out);
  ASSERT_EQ(lines.size(), 3u) << result.out << result.err;
  EXPECT_STREQ(lines[0]["data"]["total"].GetString(), "12");
  EXPECT_STREQ(lines[1]["status"].GetString(), "PARTIAL");
  EXPECT_STREQ(lines[1]["pointers"][0].GetString(), "/total");
  EXPECT_STREQ(lines[1]["notes"][0]["reason"].GetString(), "wrong_shape");
  EXPECT_STREQ(lines[1]["data"]["type"].GetString(), "order.paid");
  EXPECT_STREQ(lines[2]["status"].GetString(), "UNTYPED");
  const CommandResult text = Hookstream({"schema", "check", "-p", "acme", "--type", "order.paid", "-s", set, bad});
  EXPECT_THAT(text.out, HasSubstr("/total: wrong_shape: a dozen"));

  EXPECT_EQ(Hookstream({"schema", "check", "-p", "acme", "-s", set, good}).exit_code, 2) << "no type";
  EXPECT_EQ(Hookstream({"schema", "check", "-p", "acmee", "-t", "x", "-s", set, good}).exit_code, 2);
  EXPECT_EQ(Hookstream({"schema", "check", "-p", "stripe"}).exit_code, 2) << "no files";
  EXPECT_EQ(Hookstream({"schema", "check", "-p", "acme", "-t", "x", "-s", good, good}).exit_code, 1) << "no set";
  EXPECT_EQ(Hookstream({"schema", "check", "-p", "stripe", Path("gone.json")}).exit_code, 2);
}

TEST_F(SchemaCliTest, InferWritesAFileThatTypesItsSamples) {
  const std::string one = File("1.json", R"({"type": "order.paid", "total": 12, "note": null})");
  const std::string two = File("2.json", R"({"type": "order.paid", "total": 12.5, "note": "soon"})");
  const CommandResult result = Hookstream({"schema", "infer", one, two, "--package", "acme.v1", "--provider", "acme",
                                           "--type", "order.*", "-o", Path("proto/"), "--lock", Path("lock.yaml")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("2 samples: 2 full, 0 partial, 0 untyped"));
  const std::string proto = ReadFile(Path("proto/acme/v1/order.proto"));
  EXPECT_THAT(proto, HasSubstr("optional string note = 3;"));
  EXPECT_FALSE(Compiled(proto).empty());
  // More samples, the same numbers: the lock keeps them.
  const std::string more = File("0.json", R"({"extra": 1, "note": "first now", "total": 1, "type": "order.x"})");
  const CommandResult again = Hookstream({"schema", "infer", more, one, two, "--package", "acme.v1", "-p", "acme", "-t",
                                          "order.*", "--lock", Path("lock.yaml")});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("optional string note = 3;"));
  EXPECT_THAT(again.out, HasSubstr("optional int64 extra = 4;"));

  const CommandResult json = Hookstream({"schema", "infer", one, "--package", "acme.v1", "-p", "acme", "-t", "order.*",
                                         "--message", "PaidOrder", "--output", "json"});
  EXPECT_STREQ(Json(json.out)["message"].GetString(), "acme.v1.PaidOrder");
  EXPECT_EQ(Json(json.out)["full"].GetInt(), 1);
  EXPECT_THAT(Json(json.out)["proto"].GetString(), HasSubstr("message PaidOrder {"));

  const CommandResult form = Hookstream({"schema", "infer", "--form", File("a.form", "Body=hi+there&NumMedia=0"),
                                         "--package", "acme.v1", "-p", "acme", "-t", "sms"});
  EXPECT_EQ(form.exit_code, 0) << form.err;
  EXPECT_THAT(form.out, HasSubstr("string num_media = 2 [json_name = \"NumMedia\"];"));

  const CommandResult bad = Hookstream(
      {"schema", "infer", File("bad.json", "{\n\"a\": }"), "--package", "acme.v1", "-p", "acme", "-t", "order.*"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.err, HasSubstr("bad.json:2:6: is no JSON"));
  EXPECT_EQ(Hookstream({"schema", "infer", one, "--package", "Acme", "-p", "acme", "-t", "x"}).exit_code, 2);
  EXPECT_EQ(Hookstream({"schema", "infer", "--package", "acme.v1", "-p", "acme", "-t", "x"}).exit_code, 2);
}

TEST_F(SchemaCliTest, ImportWritesProtosThatCheckHoldsTo) {
  const std::string schema = R"({"oneOf": [{"$ref": "#/definitions/order_event"}, {"$ref": "#/definitions/item_event"}],
    "definitions": {"order_event": {"properties": {"total": {"type": "integer"}}},
                    "item_event": {"properties": {"sku": {"type": "string"}}}}})";
  std::vector<std::string> command = {
      "schema",  "import", File("acme.json", schema), "-p",    "acme",       "--package",
      "acme.v1", "--lock", Path("lock.yaml"),         "--out", Path("proto")};
  const CommandResult first = Hookstream(command);
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("2 events, 2 messages, 2 fields in 2 files; 3 changed"));
  EXPECT_THAT(ReadFile(Path("proto/acme/v1/order.proto")), HasSubstr("  int64 total = 1;\n"));

  command.emplace_back("--check");
  EXPECT_EQ(Hookstream(command).exit_code, 0);
  File("proto/acme/v1/order.proto", "// mine\n");
  const CommandResult differs = Hookstream(command);
  EXPECT_EQ(differs.exit_code, 1);
  EXPECT_THAT(differs.err, HasSubstr("differs: " + Path("proto/acme/v1/order.proto")));
  EXPECT_EQ(ReadFile(Path("proto/acme/v1/order.proto")), "// mine\n") << "only looked at";

  // An event goes, and its file with it; another's file stays.
  command.back() = "--event";
  command.emplace_back("order_*");
  File("proto/acme/v1/own.proto", "// mine\n");
  const CommandResult second = Hookstream(command);
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.out, HasSubstr("no longer made: " + Path("proto/acme/v1/item.proto")));
  EXPECT_FALSE(std::filesystem::exists(Path("proto/acme/v1/item.proto")));
  EXPECT_TRUE(std::filesystem::exists(Path("proto/acme/v1/own.proto")));
  EXPECT_THAT(ReadFile(Path("lock.yaml")), HasSubstr("sku: 1 string"));

  const CommandResult json = Hookstream({"schema", "import", Path("acme.json"), "-p", "acme", "--package", "acme.v1",
                                         "--lock", Path("lock.yaml"), "--out", Path("proto"), "--output", "json"});
  EXPECT_EQ(json.exit_code, 0) << json.err;
  EXPECT_EQ(Json(json.out)["events"].GetInt(), 2);

  File("acme.json", R"({"properties": {"a": {"$ref": "#/gone"}}})");
  command.pop_back();
  command.pop_back();
  const CommandResult bad = Hookstream(command);
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.err, HasSubstr("acme.json#/properties/a: the reference #/gone: nothing is there"));
}

TEST_F(SchemaCliTest, DiffFailsWhenAChangeBreaks) {
  const std::string old_set = File("old.binpb", Compiled(kProto));
  const std::string wider = File(
      "wider.binpb", Compiled(absl::StrReplaceAll(kProto, {{"int64 total = 2;", "int64 total = 2; string a = 3;"}})));
  const CommandResult fine = Hookstream({"schema", "diff", old_set, wider});
  EXPECT_EQ(fine.exit_code, 0) << fine.err;
  EXPECT_THAT(fine.out, HasSubstr("field 3 added: string"));
  const CommandResult breaking = Hookstream({"schema", "diff", wider, old_set, "--output", "json"});
  EXPECT_EQ(breaking.exit_code, 1);
  EXPECT_TRUE(Json(breaking.out)["breaking"].GetBool());
  EXPECT_STREQ(Json(breaking.out)["element"].GetString(), "acme.v1.OrderEvent.a");
  EXPECT_THAT(Hookstream({"schema", "diff", "builtin", "builtin"}).out, HasSubstr("no changes"));
  EXPECT_EQ(Hookstream({"schema", "diff", "builtin", File("x", "garbage")}).exit_code, 2);
}

TEST_F(SchemaCliTest, ExportWritesTheProtosAndSparesWhatWasChanged) {
  const CommandResult first = Hookstream({"schema", "export", Path("proto")});
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("hookstream/v1/mapping.proto"));
  EXPECT_THAT(ReadFile(Path("proto/hookstream/v1/mapping.proto")), HasSubstr("// How a provider's JSON or form"));
  EXPECT_THAT(Hookstream({"schema", "export", Path("proto")}).out, Not(HasSubstr("written")));
  File("proto/hookstream/v1/event.proto", "// mine\n");
  std::filesystem::remove(Path("proto/hookstream/v1/mapping.proto"));
  const CommandResult refused = Hookstream({"schema", "export", Path("proto")});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("event.proto"));
  EXPECT_EQ(ReadFile(Path("proto/hookstream/v1/event.proto")), "// mine\n");
  EXPECT_FALSE(std::filesystem::exists(Path("proto/hookstream/v1/mapping.proto"))) << "all or nothing";
  const CommandResult forced = Hookstream({"schema", "export", "--force", Path("proto"), "--output", "json"});
  EXPECT_EQ(forced.exit_code, 0);
  EXPECT_THAT(forced.out, HasSubstr("\"state\":\"replaced\""));
  EXPECT_THAT(ReadFile(Path("proto/hookstream/v1/event.proto")), HasSubstr("message Event {"));

  EXPECT_EQ(Hookstream({"schema", "export", "-p", "stripe", Path("some")}).exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(Path("some/hookstream/stripe/v1")));
  EXPECT_FALSE(std::filesystem::exists(Path("some/hookstream/github")));
  EXPECT_EQ(Hookstream({"schema", "export", "-p", "nobody", Path("none")}).exit_code, 2);
}

TEST_F(SchemaCliTest, ListAndShowNeedNoRelayForWhatIsBuiltInOrInAFile) {
  EXPECT_THAT(Hookstream({"schema", "list", "--builtin", "-p", "github"}).out,
              HasSubstr("hookstream.github.v1.PushEvent"));
  EXPECT_THAT(Hookstream({"schema", "show", "--builtin", "hookstream.github.v1.PushEvent"}).out,
              HasSubstr("import \"hookstream/github/v1/common.proto\";"));
  const std::string set = File("acme.binpb", Compiled(kProto));
  EXPECT_THAT(Hookstream({"schema", "list", "--schema", set, "-p", "acme", "--output", "json"}).out,
              HasSubstr("\"message\":\"acme.v1.OrderEvent\""));
  EXPECT_THAT(Hookstream({"schema", "show", "--schema", set, "acme.v1.OrderEvent"}).out,
              HasSubstr("message OrderEvent {"));
  EXPECT_EQ(Hookstream({"schema", "show", "--builtin", "acme.v1.OrderEvent"}).exit_code, 1);
}

// --- with one ---

class SchemaReloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteFile(relay_.folder() / "acme.yaml", kPreset);
    ASSERT_TRUE(relay_.Start().ok()) << relay_.Log();
  }
  void TearDown() override {
    if (HasFailure()) ADD_FAILURE() << relay_.Log();
  }

  void Send(const std::string& body) {
    WriteFile(relay_.folder() / "body.json", body);
    const CommandResult result =
        Hookstream({"send", "-p", (relay_.folder() / "acme.yaml").string(), "--secret", "not-a-secret", "--url",
                    relay_.Url("acme"), "--body", (relay_.folder() / "body.json").string()});
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  }

  // Writes the configuration with these `schemas:` and has it read; waits until the log says that it was.
  void Reload(const std::string& schemas) {
    const std::string before = relay_.Log();
    relay_.WriteConfiguration(absl::StrCat(kAcme, schemas, "\n"));
    relay_.process().Signal(SIGHUP);
    ASSERT_TRUE(WaitUntil([&] { return relay_.Log().find("reloaded", before.size()) != std::string::npos; }))
        << relay_.Log();
  }

  v1::Event Next(Subscriber& subscriber) {
    const auto delivery = subscriber.Next();
    EXPECT_TRUE(delivery.has_value());
    if (!delivery) return {};
    EXPECT_TRUE(subscriber.AckConfirmed(delivery->delivery_id()));
    return delivery->event();
  }

  RelayProcess relay_{kAcme};
};

TEST_F(SchemaReloadTest, AReplayIsTypedByTheSchemaOfTheDay) {
  Send(R"({"type": "order.paid", "event_id": "e1", "total": 7})");
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  const v1::Event untyped = Next(subscriber);
  EXPECT_EQ(untyped.typing().status(), v1::TYPING_STATUS_UNTYPED);
  EXPECT_EQ(untyped.typing().schema_fingerprint(), "");

  WriteFile(relay_.folder() / "acme.binpb", Compiled(kProto));
  Reload("schemas: [{file: acme.binpb}]");
  ASSERT_EQ(relay_.Run({"subscriptions", "seek", "all", "earliest"}).exit_code, 0);
  const v1::Event first = Next(subscriber);
  EXPECT_EQ(first.id(), untyped.id());
  EXPECT_EQ(first.typing().status(), v1::TYPING_STATUS_FULL);
  EXPECT_EQ(first.data().type_url(), "type.googleapis.com/acme.v1.OrderEvent");
  const auto listed = Json(relay_.Run({"schema", "list", "-p", "acme", "--output", "json"}).out);
  EXPECT_EQ(first.typing().schema_fingerprint(), listed["schemaFingerprint"].GetString());

  // A new version, and again: the same stored event by another fingerprint.
  WriteFile(relay_.folder() / "acme.binpb",
            Compiled(absl::StrReplaceAll(kProto, {{"string type = 1;", "string type = 1; string event_id = 3;"}})));
  Reload("schemas: [{file: acme.binpb}]");
  ASSERT_EQ(relay_.Run({"subscriptions", "seek", "all", "earliest"}).exit_code, 0);
  const v1::Event second = Next(subscriber);
  EXPECT_EQ(second.id(), untyped.id());
  EXPECT_NE(second.typing().schema_fingerprint(), first.typing().schema_fingerprint());
  EXPECT_NE(second.data().value().find("e1"), std::string::npos);

  // A set that can't be loaded leaves the old one.
  WriteFile(relay_.folder() / "acme.binpb", "garbage");
  relay_.process().Signal(SIGHUP);
  ASSERT_TRUE(WaitUntil([&] { return relay_.Log().find("no FileDescriptorSet") != std::string::npos; }));
  EXPECT_THAT(relay_.Run({"schema", "list", "-p", "acme"}).out, HasSubstr("acme.v1.OrderEvent"));
}

TEST_F(SchemaReloadTest, ProtosWithoutOptionsAreMappedByTheConfiguration) {
  Send(R"({"type": "order.paid", "event_id": "e1", "total": 7})");
  WriteFile(relay_.folder() / "plain.binpb", Compiled("syntax = \"proto3\"; package acme.v1;\n"
                                                      "message Order { string type = 1; int64 total = 2; }"));
  Reload("schemas: [{file: plain.binpb, events: [{message: acme.v1.Order, provider: acme, types: ['order.*']}]}]");
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  const v1::Event event = Next(subscriber);
  EXPECT_EQ(event.data().type_url(), "type.googleapis.com/acme.v1.Order");
  EXPECT_EQ(event.typing().status(), v1::TYPING_STATUS_FULL);

  relay_.WriteConfiguration(absl::StrCat(
      kAcme,
      "schemas: [{file: plain.binpb, events: [{message: acme.v1.Ordre, provider: acme, types: ['order.*']}]}]\n"));
  const CommandResult check = Hookstream({"serve", "--check", "--config", relay_.config_file()});
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_THAT(check.err, HasSubstr("plain.binpb: has no message acme.v1.Ordre"));
}

TEST_F(SchemaReloadTest, StoredEventsAreSamplesAndAreCheckedAgainstASet) {
  Send(R"({"type": "order.paid", "event_id": "e1", "total": 7})");
  Send(R"({"type": "order.refunded", "event_id": "e2", "total": "7.50"})");
  Send(R"({"type": "ping", "event_id": "e3"})");
  const std::string folder = relay_.folder().string();
  const CommandResult untyped = relay_.Run({"schema", "check", "--events", "--last", "1h", "--output", "json"});
  EXPECT_EQ(untyped.exit_code, 1);
  EXPECT_EQ(JsonLines(untyped.out).size(), 3u) << untyped.out;
  const CommandResult infer = relay_.Run({"schema", "infer", "--events", "--last", "1h", "--package", "acme.v1", "-p",
                                          "acme", "--type", "order.*", "-o", folder + "/proto/"});
  ASSERT_EQ(infer.exit_code, 0) << infer.err;
  EXPECT_THAT(infer.err, HasSubstr("2 samples: 2 full"));
  WriteFile(relay_.folder() / "acme.binpb", Compiled(ReadFile(relay_.folder() / "proto/acme/v1/order.proto")));
  const CommandResult typed = relay_.Run({"schema", "check", "--events", "--last", "1h", "--schema",
                                          folder + "/acme.binpb", "--type", "order.paid", "--output", "json"});
  EXPECT_EQ(typed.exit_code, 0) << typed.out << typed.err;
  EXPECT_EQ(Json(typed.out)["full"].GetInt(), 1);
  EXPECT_STREQ(Json(typed.out)["messages"][0].GetString(), "acme.v1.OrderEvent");
  const CommandResult all = relay_.Run({"schema", "check", "--events", "--schema", folder + "/acme.binpb"});
  EXPECT_EQ(all.exit_code, 1);
  EXPECT_THAT(all.out, HasSubstr("2 full, 0 partial, 1 untyped"));
  EXPECT_THAT(all.out, HasSubstr("no_mapping, 1x"));

  WriteFile(relay_.folder() / "narrow.binpb", Compiled(kProto));
  const CommandResult partial = relay_.Run({"schema", "check", "--events", "--schema", folder + "/narrow.binpb", "-p",
                                            "acme", "-t", "order.refunded", "--output", "json"});
  EXPECT_EQ(Json(partial.out)["partial"].GetInt(), 1);
  EXPECT_STREQ(Json(partial.out)["pointers"][0]["pointer"].GetString(), "/total");
}

}  // namespace
}  // namespace hookstream::testing
