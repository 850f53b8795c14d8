// The command line against the real relay, and on its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <signal.h>

#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "cli/http_client.h"
#include "tests/integration/sources.h"
#include "tests/support/process/process.h"

namespace hookstream::testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CliTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(relay_.Start().ok()) << relay_.Log(); }

  CommandResult Send(const std::string& provider, const std::string& secret, std::vector<std::string> more = {}) {
    std::vector<std::string> command = {"send",
                                        "--provider",
                                        provider,
                                        "--secret",
                                        secret,
                                        "--url",
                                        relay_.Url(provider),
                                        "--public-url",
                                        absl::StrCat("https://hooks.example.com/webhooks/", provider)};
    command.insert(command.end(), more.begin(), more.end());
    return Hookstream(command);
  }

  RelayProcess relay_{absl::StrCat(kSources, kSubscriptions)};
};

rapidjson::Document Json(const std::string& line) {
  rapidjson::Document document;
  document.Parse(line.c_str());
  EXPECT_FALSE(document.HasParseError()) << line;
  return document;
}

TEST_F(CliTest, SendSaysWhatBecameOfEachRequestAndFailsWhenOneIsRefused) {
  const CommandResult good = Send("stripe", kStripeSecret, {"--count", "3"});
  EXPECT_EQ(good.exit_code, 0) << good.out << good.err;
  EXPECT_EQ(std::count(good.out.begin(), good.out.end(), '\n'), 3);
  EXPECT_THAT(good.out, HasSubstr("200 "));
  const CommandResult same = Send("github", kGitHubSecret, {"--id", "x", "--output", "json"});
  EXPECT_STREQ(Json(same.out)["response"]["status"].GetString(), "accepted");
  EXPECT_STREQ(
      Json(Send("github", kGitHubSecret, {"--id", "x", "--output", "json"}).out)["response"]["status"].GetString(),
      "duplicate");
  const CommandResult bad = Send("stripe", "whsec_guessed");
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.out, HasSubstr("401"));
  EXPECT_EQ(Hookstream({"send", "--provider", "nobody", "--secret", "x"}).exit_code, 2);
}

TEST_F(CliTest, SendSpeaksForEveryBuiltInProvider) {
  EXPECT_EQ(Send("twilio", kTwilioSecret).exit_code, 0);
  EXPECT_EQ(Send("slack", kSlackSecret).exit_code, 0);
  EXPECT_EQ(Send("openai", kStandardSecret).exit_code, 0);
  EXPECT_EQ(Hookstream({"send", "--provider", "standard-webhooks", "--secret", kStandardSecret, "--url",
                        relay_.Url("standard")})
                .exit_code,
            0);
}

TEST_F(CliTest, ListenPrintsDeliveriesAsCanonicalJsonWithThePayloadExpanded) {
  ASSERT_EQ(Send("stripe", kStripeSecret, {"--type", "payment_intent.succeeded"}).exit_code, 0);
  const CommandResult result = relay_.Run({"listen", "all", "--count", "1", "--output", "json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto delivery = Json(result.out);
  EXPECT_EQ(delivery["attempt"].GetInt(), 1);
  const auto& data = delivery["event"]["data"];
  EXPECT_STREQ(data["@type"].GetString(), "type.googleapis.com/hookstream.stripe.v1.PaymentIntentEvent");
  EXPECT_GT(data.MemberCount(), 2U);
  // It was acknowledged: nothing is left.
  const auto info = Json(relay_.Run({"subscriptions", "show", "all", "--output", "json"}).out);
  EXPECT_FALSE(info.HasMember("ready"));
  EXPECT_FALSE(info.HasMember("leased"));
}

TEST_F(CliTest, ListenShowsAMissedDeliveryComeAgain) {
  ASSERT_EQ(Send("github", kGitHubSecret).exit_code, 0);
  const CommandResult result = relay_.Run({"listen", "hasty", "--count", "1", "--miss", "1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("attempt 1"));
  EXPECT_THAT(result.out, HasSubstr("attempt 2 (deadline missed)"));
}

TEST_F(CliTest, ListenWithoutASubscriptionSeesThePastAndTakesNothing) {
  ASSERT_EQ(Send("stripe", kStripeSecret).exit_code, 0);
  ASSERT_EQ(Send("github", kGitHubSecret).exit_code, 0);
  const CommandResult result =
      relay_.Run({"listen", "--filter", "provider == \"github\"", "--since", "1h", "--count", "1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("  github  "));
  EXPECT_EQ(relay_.Run({"listen", "all", "--count", "2"}).exit_code, 0);
  EXPECT_EQ(relay_.Run({"listen", "--filter", "provider = 1", "--count", "1"}).exit_code, 1);
  EXPECT_EQ(relay_.Run({"listen", "nothing-of-that-name"}).exit_code, 1);
}

TEST_F(CliTest, ListenForwardsTheOriginalRequestAndSettlesByTheAnswer) {
  // A second relay is the local server: the forwarded request still has its signature, so it is verified there again.
  RelayProcess second(kSources);
  ASSERT_TRUE(second.Start().ok()) << second.Log();
  ASSERT_EQ(Send("stripe", kStripeSecret).exit_code, 0);
  const CommandResult good = relay_.Run({"listen", "all", "--count", "1", "--forward", second.Url("stripe")});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_EQ(Json(second.Run({"events", "list", "--output", "json"}).out)["type"].GetString(),
            std::string(Json(relay_.Run({"events", "list", "--output", "json"}).out)["type"].GetString()));
  ASSERT_EQ(Send("stripe", kStripeSecret).exit_code, 0);
  const CommandResult refused = relay_.Run({"listen", "all", "--count", "3", "--forward", second.Url("nobody")});
  EXPECT_THAT(refused.err, HasSubstr("answered 404"));
  EXPECT_THAT(relay_.Run({"deadletters", "list", "all"}).out, HasSubstr("forward: answered 404"));
}

TEST_F(CliTest, ListenEndsGracefullyOnCtrlC) {
  Child listen({HOOKSTREAM_BINARY, "listen", "all", "--server", relay_.GrpcAddress()}, relay_.folder() / "listen.out",
               relay_.folder() / "listen.err");
  ASSERT_TRUE(WaitUntil(
      [&] { return ReadFile(relay_.folder() / "listen.err").find("listening to all") != std::string::npos; }));
  ASSERT_EQ(Send("stripe", kStripeSecret).exit_code, 0);
  ASSERT_TRUE(WaitUntil([&] { return !ReadFile(relay_.folder() / "listen.out").empty(); }));
  listen.Signal(SIGINT);
  EXPECT_EQ(listen.Wait(absl::Seconds(10)), 0) << ReadFile(relay_.folder() / "listen.err");
}

TEST_F(CliTest, SubscriptionsAreCreatedChangedPausedSoughtAndDeleted) {
  EXPECT_EQ(relay_
                .Run({"subscriptions", "create", "mine", "--filter", "type == \"push\"", "--ack-deadline", "1m",
                      "--start", "earliest"})
                .exit_code,
            0);
  EXPECT_EQ(relay_.Run({"subscriptions", "create", "mine"}).exit_code, 1);
  EXPECT_THAT(relay_.Run({"subscriptions", "list"}).out, HasSubstr("mine"));
  EXPECT_EQ(relay_.Run({"subscriptions", "update", "mine", "--max-attempts", "4"}).exit_code, 0);
  const auto info = Json(relay_.Run({"subscriptions", "show", "mine", "--output", "json"}).out);
  EXPECT_EQ(info["subscription"]["maxAttempts"].GetInt(), 4);
  EXPECT_STREQ(info["subscription"]["ackDeadline"].GetString(), "60s");
  EXPECT_THAT(relay_.Run({"subscriptions", "pause", "mine"}).out, HasSubstr("paused"));
  EXPECT_THAT(relay_.Run({"subscriptions", "resume", "mine"}).out, HasSubstr("active"));
  EXPECT_EQ(relay_.Run({"subscriptions", "seek", "mine", "latest"}).exit_code, 0);
  EXPECT_EQ(relay_.Run({"subscriptions", "delete", "mine"}).exit_code, 0);
  const CommandResult gone = relay_.Run({"subscriptions", "show", "mine"});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_THAT(gone.err, HasSubstr("mine"));
  EXPECT_EQ(relay_.Run({"subscriptions", "delete", "all"}).exit_code, 1) << "the configuration declares it";
}

TEST_F(CliTest, EventsAreListedShownAndGivenByteForByte) {
  const TempFolder folder;
  const std::string body = "{\"zen\": \"bytes  as they\\u0020are\",\n \"hook_id\": 1}";
  WriteFile(folder.path() / "body.json", body);
  ASSERT_EQ(
      Send("github", kGitHubSecret, {"--type", "ping", "--body", (folder.path() / "body.json").string()}).exit_code, 0);
  const auto event = Json(relay_.Run({"events", "list", "--output", "json"}).out);
  const std::string id = event["id"].GetString();
  EXPECT_THAT(relay_.Run({"events", "list", "--filter", "type == \"ping\""}).out, HasSubstr(id));
  EXPECT_THAT(relay_.Run({"events", "list", "--filter", "type == \"push\""}).out, Not(HasSubstr(id)));
  EXPECT_THAT(relay_.Run({"events", "show", id}).out, HasSubstr("key main"));
  EXPECT_EQ(relay_.Run({"events", "show", id, "--body"}).out, body);
  EXPECT_EQ(relay_.Run({"events", "show", "00000000000000000000000000"}).exit_code, 1);
}

TEST_F(CliTest, SourcesStatusAndSchemasAreShown) {
  ASSERT_EQ(Send("stripe", kStripeSecret).exit_code, 0);
  const CommandResult sources = relay_.Run({"sources", "list"});
  EXPECT_THAT(sources.out, HasSubstr("https://hooks.example.com/webhooks/stripe"));
  EXPECT_THAT(sources.out, Not(HasSubstr("whsec")));
  EXPECT_THAT(relay_.Run({"status"}).out, HasSubstr("ready    "));
  EXPECT_THAT(relay_.Run({"schema", "list", "--provider", "stripe"}).out,
              HasSubstr("hookstream.stripe.v1.PaymentIntentEvent"));
  EXPECT_THAT(relay_.Run({"schema", "show", "hookstream.stripe.v1.PaymentIntentEvent"}).out,
              HasSubstr("message PaymentIntentEvent"));
  EXPECT_EQ(relay_.Run({"schema", "show", "no.such.Message"}).exit_code, 1);
}

// The attributes of the table in docs/cloudevents.md: true for those that every event has.
std::map<std::string, bool> DocumentedAttributes() {
  std::map<std::string, bool> attributes;
  const std::string page = ReadFile(HOOKSTREAM_DOCS "/cloudevents.md");
  const std::vector<std::string> lines = absl::StrSplit(page, '\n');
  for (const std::string& line : lines) {
    if (!absl::StartsWith(line, "| `")) continue;
    attributes[line.substr(3, line.find('`', 3) - 3)] = absl::EndsWith(line, "| M |");
  }
  return attributes;
}

TEST(CliCloudEventsTest, EveryEventIsOneAsTheTableSays) {
  RelayProcess relay(
      absl::StrCat(kSources,
                   "  - {name: mailgun, provider: mailgun-form, enforce: false, keys: [{id: main, inline: m}]}\n"
                   "  - {name: open, provider: cloudevents, verification: none}\n"));
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  const auto send = [&](const std::string& source, const std::string& provider, const std::string& secret,
                        const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {"send",
                                        "--provider",
                                        provider,
                                        "--secret",
                                        secret,
                                        "--url",
                                        relay.Url(source),
                                        "--public-url",
                                        absl::StrCat("https://hooks.example.com/webhooks/", source)};
    command.insert(command.end(), more.begin(), more.end());
    const CommandResult result = Hookstream(command);
    EXPECT_EQ(result.exit_code, 0) << source << ": " << result.out << result.err;
  };
  send("stripe", "stripe", kStripeSecret, {"--type", "payment_intent.succeeded", "--id", "x"});
  send("github", "github", kGitHubSecret, {"--type", "push"});
  send("twilio", "twilio", kTwilioSecret);
  send("mailgun", "mailgun-form", "guessed");
  cli::HttpClient client(absl::Seconds(30));
  cli::HttpRequest traced;
  traced.url = cli::ParseHttpUrl(relay.Url("open")).value();
  traced.headers = {{"Content-Type", "application/cloudevents+json"},
                    {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
  traced.body = "{\"specversion\":\"1.0\",\n\"type\":\"com.example.thing\",\"source\":\"/s\",\"id\":\"1\"}";
  ASSERT_EQ(client.Send(traced)->status, 200);

  const CommandResult result = relay.Run({"listen", "--since", "1h", "--count", "5", "--output", "cloudevents"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(relay.Run({"events", "list", "--output", "cloudevents"}).out, result.out) << "the same of what is stored";
  const std::map<std::string, bool> documented = DocumentedAttributes();
  ASSERT_GE(documented.size(), 20U);
  std::set<std::string> seen;
  std::map<std::string, std::string> by_source;
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    const auto event = Json(line);
    by_source[event["source"].GetString()] = line;
    std::set<std::string> attributes;
    for (const auto& member : event.GetObject()) {
      std::string name = member.name.GetString();
      EXPECT_TRUE(name == "data_base64" ||
                  name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos)
          << name;
      if (absl::StartsWith(name, "attr")) name = "attr*";
      EXPECT_TRUE(documented.count(name) > 0) << name << " is not in docs/cloudevents.md";
      attributes.insert(name);
    }
    for (const auto& [name, always] : documented) {
      EXPECT_TRUE(!always || attributes.count(name) > 0) << name << " is missing: " << line;
    }
    seen.insert(attributes.begin(), attributes.end());
  }
  // Needs a body of hundreds of megabytes.
  seen.insert("bodyomitted");
  for (const auto& [name, always] : documented) {
    EXPECT_TRUE(seen.count(name) > 0) << name << " is in docs/cloudevents.md, and no event has it";
  }

  ASSERT_EQ(by_source.size(), 5U);
  const auto stripe = Json(by_source["/webhooks/stripe"]);
  EXPECT_STREQ(stripe["specversion"].GetString(), "1.0");
  EXPECT_STREQ(stripe["type"].GetString(), "stripe.payment_intent.succeeded");
  EXPECT_STREQ(stripe["subject"].GetString(), stripe["data"]["data"]["object"]["id"].GetString());
  EXPECT_STREQ(stripe["partitionkey"].GetString(), stripe["subject"].GetString());
  EXPECT_STREQ(stripe["providereventid"].GetString(), stripe["data"]["id"].GetString());
  EXPECT_STREQ(stripe["verification"].GetString(), "verified");
  EXPECT_STREQ(stripe["keyid"].GetString(), "main");
  EXPECT_STREQ(stripe["scheme"].GetString(), "hmac-sha256");
  EXPECT_STREQ(stripe["messagetype"].GetString(), "hookstream.stripe.v1.PaymentIntentEvent");
  EXPECT_STREQ(stripe["attrlivemode"].GetString(), "false");
  EXPECT_EQ(std::string(stripe["id"].GetString()).size(), 26U);
  EXPECT_EQ(Json(relay.Run({"events", "show", stripe["id"].GetString(), "--output", "cloudevents"}).out), stripe);
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, stripe["time"].GetString(), &time, &error)) << error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, stripe["receivedtime"].GetString(), &time, &error)) << error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, stripe["signedtime"].GetString(), &time, &error)) << error;
  const auto twilio = Json(by_source["/webhooks/twilio"]);
  EXPECT_THAT(twilio["datacontenttype"].GetString(), HasSubstr("application/x-www-form-urlencoded"));
  EXPECT_FALSE(twilio.HasMember("data"));
  const auto mailgun = Json(by_source["/webhooks/mailgun"]);
  EXPECT_STREQ(mailgun["verification"].GetString(), "refused");
  EXPECT_STREQ(mailgun["verificationreason"].GetString(), "signature_mismatch");
  EXPECT_STREQ(mailgun["preset"].GetString(), "mailgun-form");
  EXPECT_STREQ(mailgun["provider"].GetString(), "mailgun");
  const auto open = Json(by_source["/webhooks/open"]);
  EXPECT_STREQ(open["type"].GetString(), "cloudevents.com.example.thing");
  EXPECT_STREQ(open["verification"].GetString(), "notrequired");
  EXPECT_STREQ(open["data"]["id"].GetString(), "1");
  EXPECT_STREQ(open["traceparent"].GetString(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
}

TEST(CliTrustTest, ASourceSaysWhatItRefusedAndWhetherAKeyCanGo) {
  RelayProcess relay(
      "sources:\n"
      "  - {name: pay, provider: stripe, keys: [{id: new, inline: n}, {id: old, inline: o}]}\n"
      "  - {name: trial, provider: stripe, enforce: false, keys: [{id: only, inline: t}]}\n");
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  const auto send = [&](const std::string& source, const std::string& secret) {
    return Hookstream({"send", "-p", "stripe", "--secret", secret, "--url", relay.Url(source)}).exit_code;
  };
  EXPECT_EQ(send("pay", "n"), 0);
  EXPECT_EQ(send("pay", "o"), 0);
  EXPECT_EQ(send("pay", "guessed"), 1);
  EXPECT_EQ(send("trial", "t"), 0);
  EXPECT_EQ(send("trial", "guessed"), 0);
  const CommandResult pay = relay.Run({"sources", "show", "pay"});
  EXPECT_EQ(pay.exit_code, 0) << pay.err;
  EXPECT_THAT(pay.out, ContainsRegex("refused +1: signature_mismatch 1"));
  EXPECT_THAT(pay.out, ContainsRegex("accepted +2"));
  EXPECT_THAT(pay.out, ContainsRegex("signed times +the last .* late"));
  EXPECT_THAT(pay.out, ContainsRegex("key old +1 hit, last used "));
  EXPECT_THAT(pay.out, HasSubstr("not safe to retire: it was last used"));
  EXPECT_THAT(pay.out, Not(HasSubstr("audit mode")));
  const auto json = Json(relay.Run({"sources", "show", "pay", "--output", "json"}).out);
  EXPECT_STREQ(json["source"]["refusedBy"][0]["reason"].GetString(), "signature_mismatch");
  EXPECT_TRUE(json["source"]["signedTimeSkew"].HasMember("lowest"));
  EXPECT_FALSE(json["advice"][1]["safeToRetire"].GetBool());
  // With no time to wait for, what other keys have verified since is enough.
  EXPECT_EQ(send("pay", "n"), 0);
  EXPECT_THAT(relay.Run({"sources", "show", "pay", "--quiet", "0s"}).out,
              HasSubstr("  safe to retire: it was last used"));
  EXPECT_THAT(relay.Run({"sources", "show", "trial"}).out,
              ContainsRegex("audit mode +1 of 2 would have been refused: signature_mismatch 1"));
  const CommandResult none = relay.Run({"sources", "show", "nothing"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("no source 'nothing'"));
}

TEST(CliSendTest, APrivateKeyOfOnesOwnStandsInForTheProviders) {
  const TempFolder folder;
  const std::string key = (folder.path() / "key.pem").string();
  for (const char* provider : {"discord", "sendgrid", "telnyx"}) {
    SCOPED_TRACE(provider);
    const CommandResult made = Hookstream({"send", "-p", provider, "--generate-key", key});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const std::string kept = ReadFile(key);
    EXPECT_EQ(std::filesystem::status(key).permissions(), std::filesystem::perms(0600));
    EXPECT_EQ(Hookstream({"send", "-p", provider, "--generate-key", key}).exit_code, 1) << "a file is there";
    EXPECT_EQ(ReadFile(key), kept);
    // What it printed is what the configuration takes.
    WriteFile(folder.path() / "public", made.out);
    RelayProcess relay(absl::StrCat("sources:\n  - {name: ", provider, ", provider: ", provider,
                                    ", keys: [{file: ", (folder.path() / "public").string(), "}]}\n"));
    ASSERT_TRUE(relay.Start().ok()) << relay.Log();
    const CommandResult sent = Hookstream({"send", "-p", provider, "--private-key", key, "--url", relay.Url(provider)});
    EXPECT_EQ(sent.exit_code, 0) << sent.out << sent.err;
    const CommandResult without = Hookstream({"send", "-p", provider, "--url", relay.Url(provider)});
    EXPECT_EQ(without.exit_code, 2);
    EXPECT_THAT(without.err, HasSubstr("--generate-key"));
    std::filesystem::remove(key);
  }
  EXPECT_EQ(Hookstream({"send", "-p", "stripe", "--generate-key", key}).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(key));
  WriteFile(folder.path() / "none.pem", "no key");
  EXPECT_EQ(Hookstream({"send", "-p", "discord", "--private-key", (folder.path() / "none.pem").string()}).exit_code, 2);
}

TEST(CliSendTest, WhatStandsInTheBodyIsPutThere) {
  RelayProcess relay(
      "sources:\n"
      "  - {name: figma, provider: figma, keys: [{inline: passcode-1}]}\n"
      "  - {name: linear, provider: linear, keys: [{inline: s}]}\n"
      "  - {name: mailgun, provider: mailgun, keys: [{inline: s}]}\n"
      "  - {name: mailgun-form, provider: mailgun-form, keys: [{inline: s}]}\n"
      "  - {name: adyen-payments, provider: adyen-payments, keys: [{inline: 00ff}]}\n");
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  for (const auto& [provider, secret] : std::vector<std::pair<std::string, std::string>>{{"figma", "passcode-1"},
                                                                                         {"linear", "s"},
                                                                                         {"mailgun", "s"},
                                                                                         {"mailgun-form", "s"},
                                                                                         {"adyen-payments", "00ff"}}) {
    const CommandResult good = Hookstream({"send", "-p", provider, "-s", secret, "--url", relay.Url(provider)});
    EXPECT_EQ(good.exit_code, 0) << provider << good.out << good.err;
    const std::string wrong = provider == "adyen-payments" ? "11ff" : "wrong";
    const CommandResult bad = Hookstream({"send", "-p", provider, "-s", wrong, "--url", relay.Url(provider)});
    EXPECT_EQ(bad.exit_code, 1) << provider;
    EXPECT_THAT(bad.out, HasSubstr("401")) << provider;
  }
}

TEST(CliAloneTest, PresetsAreListedAndPrintedWithoutARelay) {
  const CommandResult all = Hookstream({"sources", "presets"});
  EXPECT_EQ(all.exit_code, 0) << all.err;
  EXPECT_THAT(all.out, ContainsRegex("stripe +stripe +hmac-sha256 +the secret as text +-"));
  const CommandResult lines = Hookstream({"sources", "presets", "--output", "json"});
  EXPECT_STREQ(Json(lines.out.substr(0, lines.out.find('\n')))["name"].GetString(), "adyen-payments");
  const CommandResult one = Hookstream({"sources", "presets", "stripe"});
  EXPECT_THAT(one.out, HasSubstr("\nname: stripe\n"));
  // The copy can be used as it is.
  const TempFolder folder;
  const std::string file = (folder.path() / "mine.yaml").string();
  WriteFile(file, one.out);
  EXPECT_EQ(Hookstream({"send", "-p", file, "--types"}).exit_code, 0);
  EXPECT_EQ(Json(Hookstream({"sources", "presets", "stripe", "-o", "json"}).out)["yaml"].GetString(), one.out);
  const CommandResult unknown = Hookstream({"sources", "presets", "strype"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, StartsWith("hookstream sources presets: "));
  EXPECT_THAT(unknown.err, HasSubstr("did you mean 'stripe'?"));
}

TEST(CliAloneTest, ARelayThatIsNotThereIsNamed) {
  const CommandResult result = Hookstream({"sources", "list", "--server", "127.0.0.1:1"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("can't reach the relay at 127.0.0.1:1"));
  EXPECT_EQ(Hookstream({"listen", "--server", "127.0.0.1:1"}).exit_code, 1);
}

TEST(CliAloneTest, AWrongCommandLineIsExitTwo) {
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{},
                                             {"nonsense"},
                                             {"verify"},
                                             {"serve"},
                                             {"subscriptions"},
                                             {"listen", "--count", "zero"},
                                             {"deadletters", "purge", "a"},
                                             {"events", "list", "--since", "yesterday"},
                                             {"send", "-p", "stripe", "-s", "x", "--url", "ftp://a"}}) {
    const CommandResult result = Hookstream(command);
    EXPECT_EQ(result.exit_code, 2) << (command.empty() ? "" : command[0]) << result.out << result.err;
  }
}

TEST(CliAloneTest, EveryVerbHasHelpWithExamples) {
  for (const char* verb : {"serve",
                           "send",
                           "listen",
                           "verify",
                           "status",
                           "sources list",
                           "sources show",
                           "sources presets",
                           "subscriptions create",
                           "subscriptions update",
                           "subscriptions seek",
                           "events list",
                           "events show",
                           "deadletters list",
                           "deadletters redrive",
                           "schema show",
                           "schema check",
                           "schema infer",
                           "schema import",
                           "schema diff",
                           "schema export"}) {
    std::vector<std::string> command = absl::StrSplit(verb, ' ');
    command.emplace_back("--help");
    const CommandResult result = Hookstream(command);
    EXPECT_EQ(result.exit_code, 0) << verb;
    EXPECT_THAT(result.out, HasSubstr("Examples:")) << verb;
    EXPECT_THAT(result.out, HasSubstr("Exit codes:")) << verb;
  }
}

TEST(CliAloneTest, CheckSaysAllThatIsWrongOrWhatWouldRun) {
  const TempFolder folder;
  const std::string file = (folder.path() / "relay.yaml").string();
  WriteFile(file,
            "store: {data_dir: data}\nsources:\n  - {name: a, provider: strype, keys: [{inline: x}]}\n"
            "  - {name: b, provider: standard-webhooks, keys: [{inline: not base64 at all}]}\n"
            "subscriptions: [{name: s, filter: 'provider = x'}]\nschemas: [{file: gone.binpb}]\n");
  const CommandResult bad = Hookstream({"serve", "--config", file, "--check"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.err, HasSubstr("relay.yaml:3:12: source 'a': there is no provider 'strype'"));
  EXPECT_THAT(bad.err, HasSubstr("source 'b'"));
  EXPECT_THAT(bad.err, HasSubstr("relay.yaml:5:24: subscription \"s\": filter: column"));
  EXPECT_THAT(bad.err, HasSubstr("gone.binpb"));
  EXPECT_THAT(bad.err, Not(HasSubstr("not base64 at all"))) << "a secret is not shown";
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "data")) << "nothing is started";
  const CommandResult good = Hookstream({"serve", "--config", HOOKSTREAM_CONFIG "/quickstart.yaml", "--check"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_EQ(good.err, "") << "no warnings";
  EXPECT_THAT(good.out, HasSubstr("source stripe: stripe, 1 key(s)"));
}

}  // namespace
}  // namespace hookstream::testing
