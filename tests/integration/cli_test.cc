// The command line against the real relay, and on its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/sources.h"
#include "tests/support/process/process.h"

namespace hookstream::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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
  for (const char* verb :
       {"serve", "send", "listen", "verify", "status", "sources list", "subscriptions create", "subscriptions update",
        "subscriptions seek", "events list", "events show", "deadletters list", "deadletters redrive", "schema show"}) {
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
