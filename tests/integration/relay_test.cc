// The relay from end to end: webhooks in over HTTP, deliveries out over gRPC, through restarts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "cli/http_client.h"
#include "provider/presets.h"
#include "tests/integration/sources.h"
#include "tests/support/process/process.h"
#include "tests/support/process/subscriber.h"
#include "verify/sample.h"
#include "verify/sign.h"

namespace hookstream::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPublicUrl[] = "https://hooks.example.com";

// A signed request of the provider for a source of kSources; `seed` makes the provider's event id.
verify::SignedRequest Signed(const std::string& source, const std::string& preset_name, const std::string& type,
                             const std::string& seed, const std::string& secret, const std::string& body = "") {
  const provider::Provider* preset = provider::FindPreset(preset_name);
  verify::SignInput input;
  const auto sample = verify::SampleBody(*preset, type, seed, absl::Now());
  EXPECT_TRUE(sample.ok()) << sample.status();
  input.type = sample->type;
  input.body = body.empty() ? sample->body : body;
  input.id = sample->id;
  input.content_type = sample->content_type;
  input.url = absl::StrCat(kPublicUrl, "/webhooks/", source);
  input.now = absl::Now();
  auto request = verify::Sign(*preset, {"test", secret}, input);
  EXPECT_TRUE(request.ok()) << request.status();
  return *std::move(request);
}

class RelayTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(relay_.Start().ok()) << relay_.Log(); }
  void TearDown() override {
    if (HasFailure()) ADD_FAILURE() << relay_.Log();
  }

  cli::HttpResponse Post(const std::string& source, const verify::SignedRequest& signed_request) {
    cli::HttpRequest request;
    request.method = signed_request.method;
    request.url = *cli::ParseHttpUrl(relay_.Url(source));
    request.headers = signed_request.headers;
    request.body = signed_request.body;
    auto response = client_.Send(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.value_or(cli::HttpResponse());
  }

  cli::HttpResponse PostStripe(const std::string& seed, const std::string& secret = kStripeSecret) {
    return Post("stripe", Signed("stripe", "stripe", "payment_intent.succeeded", seed, secret));
  }

  // The event id in {"id":"...","status":"..."}.
  static std::string IdOf(const cli::HttpResponse& response) {
    const size_t at = response.body.find("\"id\":\"");
    return at == std::string::npos ? "" : response.body.substr(at + 6, 26);
  }

  RelayProcess relay_{absl::StrCat(kSources, kSubscriptions)};
  cli::HttpClient client_{absl::Seconds(20)};
};

TEST_F(RelayTest, AnAcceptedWebhookIsDeliveredTypedAndAcknowledgedForGood) {
  const auto response = PostStripe("one");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr("\"status\":\"accepted\""));
  std::string id;
  {
    Subscriber subscriber(relay_.GrpcAddress(), "all");
    const auto delivery = subscriber.Next();
    ASSERT_TRUE(delivery);
    id = delivery->event().id();
    EXPECT_EQ(id, IdOf(response));
    EXPECT_EQ(delivery->attempt(), 1);
    EXPECT_EQ(delivery->event().source(), "stripe");
    EXPECT_EQ(delivery->event().type(), "payment_intent.succeeded");
    EXPECT_EQ(delivery->event().verification().key_id(), "main");
    EXPECT_EQ(delivery->event().data().type_url(), "type.googleapis.com/hookstream.stripe.v1.PaymentIntentEvent");
    EXPECT_EQ(delivery->event().typing().status(), v1::TYPING_STATUS_FULL)
        << delivery->event().typing().ShortDebugString();
    EXPECT_EQ(delivery->event().raw().body().size(), static_cast<size_t>(delivery->event().raw().body_bytes()));
    EXPECT_TRUE(subscriber.AckConfirmed(delivery->delivery_id()));
    subscriber.HalfClose();
    const auto status = subscriber.Finish();
    ASSERT_TRUE(status);
    EXPECT_TRUE(status->ok()) << status->error_message();
  }
  EXPECT_EQ(relay_.Stop(), 0);
  ASSERT_TRUE(relay_.Start().ok()) << relay_.Log();
  // What comes next is the next event, not the first again.
  const std::string second = IdOf(PostStripe("two"));
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  const auto delivery = subscriber.Next();
  ASSERT_TRUE(delivery);
  EXPECT_EQ(delivery->event().id(), second);
  EXPECT_TRUE(subscriber.AckConfirmed(delivery->delivery_id()));
}

TEST_F(RelayTest, AnEventThatWasNotSettledComesAgainAfterAKill) {
  const std::string id = IdOf(PostStripe("one"));
  {
    Subscriber subscriber(relay_.GrpcAddress(), "all");
    ASSERT_TRUE(subscriber.Next());
    relay_.Kill();
  }
  ASSERT_TRUE(relay_.Start().ok()) << relay_.Log();
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  const auto delivery = subscriber.Next();
  ASSERT_TRUE(delivery);
  EXPECT_EQ(delivery->event().id(), id);
  EXPECT_EQ(delivery->attempt(), 1) << "a crash of the relay costs the subscriber no attempt";
}

TEST_F(RelayTest, AMissedAckIsRedeliveredWithItsReason) {
  PostStripe("one");
  Subscriber subscriber(relay_.GrpcAddress(), "hasty");
  const auto first = subscriber.Next();
  ASSERT_TRUE(first);
  const auto second = subscriber.Next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->event().id(), first->event().id());
  EXPECT_EQ(second->attempt(), 2);
  EXPECT_EQ(second->last_failure().kind(), v1::FAILURE_KIND_DEADLINE);
  EXPECT_NE(second->delivery_id(), first->delivery_id());
  ASSERT_TRUE(subscriber.Ack(first->delivery_id()));
  EXPECT_EQ(subscriber.Result(first->delivery_id()), v1::SETTLEMENT_STATUS_LEASE_EXPIRED);
  EXPECT_TRUE(subscriber.AckConfirmed(second->delivery_id()));
}

TEST_F(RelayTest, AttemptsSurviveARestart) {
  PostStripe("one");
  {
    Subscriber subscriber(relay_.GrpcAddress(), "all");
    const auto delivery = subscriber.Next();
    ASSERT_TRUE(delivery);
    ASSERT_TRUE(subscriber.Nack(delivery->delivery_id(), "not now", absl::ZeroDuration()));
    ASSERT_EQ(subscriber.Result(delivery->delivery_id()), v1::SETTLEMENT_STATUS_OK);
  }
  relay_.Kill();
  ASSERT_TRUE(relay_.Start().ok()) << relay_.Log();
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  const auto delivery = subscriber.Next();
  ASSERT_TRUE(delivery);
  EXPECT_GE(delivery->attempt(), 2);
  EXPECT_EQ(delivery->last_failure().reason(), delivery->attempt() == 2 ? "not now" : "");
}

TEST_F(RelayTest, ADeadLetterIsListedRedrivenAndDeliveredWithAttemptOne) {
  const std::string id = IdOf(PostStripe("one"));
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto delivery = subscriber.Next();
    ASSERT_TRUE(delivery);
    EXPECT_EQ(delivery->attempt(), attempt);
    ASSERT_TRUE(subscriber.Nack(delivery->delivery_id(), absl::StrCat("failure ", attempt)));
    ASSERT_EQ(subscriber.Result(delivery->delivery_id()), v1::SETTLEMENT_STATUS_OK);
  }
  const CommandResult list = relay_.Run({"deadletters", "list", "all"});
  EXPECT_EQ(list.exit_code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr(id));
  EXPECT_THAT(list.out, HasSubstr("failure 3"));
  const CommandResult show = relay_.Run({"deadletters", "show", "all", id});
  EXPECT_EQ(show.exit_code, 0) << show.err;
  EXPECT_THAT(show.out, HasSubstr("failure 1"));
  const CommandResult dry = relay_.Run({"deadletters", "redrive", "all", "--all", "--dry-run"});
  EXPECT_THAT(dry.out, HasSubstr("1 would be redriven")) << dry.err;
  const CommandResult redrive = relay_.Run({"deadletters", "redrive", "all", id});
  EXPECT_EQ(redrive.exit_code, 0) << redrive.err;
  EXPECT_THAT(redrive.out, HasSubstr("1 redriven"));
  const auto delivery = subscriber.Next();
  ASSERT_TRUE(delivery);
  EXPECT_EQ(delivery->event().id(), id);
  EXPECT_EQ(delivery->attempt(), 1);
  EXPECT_TRUE(subscriber.AckConfirmed(delivery->delivery_id()));
  EXPECT_THAT(relay_.Run({"deadletters", "list", "all"}).out, Not(HasSubstr(id)));
}

TEST_F(RelayTest, ARejectedEventIsDeadAtOnceAndCanBePurged) {
  const std::string id = IdOf(PostStripe("one"));
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  const auto delivery = subscriber.Next();
  ASSERT_TRUE(delivery);
  ASSERT_TRUE(subscriber.Reject(delivery->delivery_id(), "cannot read it"));
  ASSERT_EQ(subscriber.Result(delivery->delivery_id()), v1::SETTLEMENT_STATUS_OK);
  EXPECT_THAT(relay_.Run({"deadletters", "list", "all"}).out, HasSubstr("cannot read it"));
  EXPECT_THAT(relay_.Run({"deadletters", "purge", "all", id}).out, HasSubstr("1 purged"));
  EXPECT_THAT(relay_.Run({"deadletters", "list", "all"}).out, Not(HasSubstr(id)));
}

TEST_F(RelayTest, ADuplicateIsAnsweredWithTheOriginalAndDeliveredOnce) {
  const auto first = PostStripe("same");
  const auto second = PostStripe("same");
  EXPECT_EQ(second.status, 200);
  EXPECT_THAT(second.body, HasSubstr("\"status\":\"duplicate\""));
  EXPECT_EQ(IdOf(second), IdOf(first));
  // Over a crash too.
  relay_.Kill();
  ASSERT_TRUE(relay_.Start().ok()) << relay_.Log();
  EXPECT_THAT(PostStripe("same").body, HasSubstr("\"status\":\"duplicate\""));
  const std::string other = IdOf(PostStripe("other"));
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  const auto one = subscriber.Next(), two = subscriber.Next();
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->event().id(), IdOf(first));
  EXPECT_EQ(two->event().id(), other);
}

TEST_F(RelayTest, AForgeryIsRefusedAndNothingOfItIsStored) {
  const auto response = PostStripe("forged", "whsec_guessed");
  EXPECT_EQ(response.status, 401);
  EXPECT_THAT(response.body, HasSubstr("\"code\":\"signature_invalid\""));
  const CommandResult events = relay_.Run({"events", "list", "--output", "json"});
  EXPECT_EQ(events.exit_code, 0) << events.err;
  EXPECT_EQ(events.out, "");
  EXPECT_EQ(Post("nobody", Signed("stripe", "stripe", "", "x", kStripeSecret)).status, 404);
}

TEST_F(RelayTest, SlacksUrlVerificationIsAnsweredAndNotStored) {
  const auto response =
      Post("slack",
           Signed("slack", "slack", "", "x", kSlackSecret,
                  R"({"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"})"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P");
  EXPECT_EQ(relay_.Run({"events", "list", "--output", "json"}).out, "");
}

TEST_F(RelayTest, EventsOfFiveProvidersArriveTyped) {
  struct Case {
    const char *source, *preset, *type, *secret, *message;
  };
  const Case cases[] = {
      {"stripe", "stripe", "invoice.paid", kStripeSecret, "hookstream.stripe.v1.InvoiceEvent"},
      {"github", "github", "pull_request.opened", kGitHubSecret, "hookstream.github.v1.PullRequestEvent"},
      {"twilio", "twilio", "", kTwilioSecret, "hookstream.twilio.v1."},
      {"slack", "slack", "message", kSlackSecret, "hookstream.slack.v1."},
      {"openai", "openai", "response.completed", kStandardSecret, "hookstream.openai.v1."},
  };
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  for (const Case& c : cases) {
    const auto response = Post(c.source, Signed(c.source, c.preset, c.type, c.source, c.secret));
    EXPECT_EQ(response.status, 200) << c.source << ": " << response.body;
    const auto delivery = subscriber.Next();
    ASSERT_TRUE(delivery) << c.source;
    EXPECT_EQ(delivery->event().provider(), c.preset);
    EXPECT_THAT(delivery->event().data().type_url(), HasSubstr(c.message))
        << delivery->event().typing().ShortDebugString();
    EXPECT_EQ(delivery->event().typing().status(), v1::TYPING_STATUS_FULL)
        << c.source << ": " << delivery->event().typing().ShortDebugString();
    EXPECT_TRUE(subscriber.AckConfirmed(delivery->delivery_id()));
  }
}

TEST_F(RelayTest, EachSubscriptionGetsWhatItsFilterSaysAndStreamsOfOneShareIt) {
  std::set<std::string> stripe_ids, all_ids;
  for (int i = 0; i < 20; ++i) {
    const std::string seed = absl::StrCat("n", i);
    const std::string stripe = IdOf(PostStripe(seed));
    stripe_ids.insert(stripe);
    all_ids.insert(stripe);
    all_ids.insert(IdOf(Post("github", Signed("github", "github", "push", seed, kGitHubSecret))));
  }
  Subscriber filtered(relay_.GrpcAddress(), "stripe-only");
  std::set<std::string> got;
  while (got.size() < stripe_ids.size()) {
    const auto delivery = filtered.Next();
    ASSERT_TRUE(delivery);
    EXPECT_TRUE(got.insert(delivery->event().id()).second);
    EXPECT_TRUE(filtered.Ack(delivery->delivery_id()));
  }
  EXPECT_EQ(got, stripe_ids);

  v1::Open small;
  small.set_subscription("all");
  small.set_max_outstanding_events(1);
  Subscriber one(relay_.GrpcAddress(), small), two(relay_.GrpcAddress(), small);
  got.clear();
  size_t by_one = 0;
  while (got.size() < all_ids.size()) {
    for (Subscriber* subscriber : {&one, &two}) {
      // One may have had the last.
      const auto delivery =
          subscriber->Next(got.size() + 1 < all_ids.size() ? absl::Seconds(20) : absl::Milliseconds(200));
      if (!delivery) continue;
      EXPECT_TRUE(got.insert(delivery->event().id()).second) << "delivered twice";
      by_one += subscriber == &one ? 1 : 0;
      EXPECT_TRUE(subscriber->AckConfirmed(delivery->delivery_id()));
    }
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_EQ(got, all_ids);
  EXPECT_GT(by_one, 0U);
  EXPECT_LT(by_one, all_ids.size());
}

TEST_F(RelayTest, APrivateSubscriptionSeesThePastAndTakesNothing) {
  const std::string id = IdOf(PostStripe("one"));
  v1::Open open;
  open.mutable_ephemeral()->set_filter("provider == \"stripe\"");
  open.mutable_ephemeral()->mutable_start()->set_earliest(true);
  {
    Subscriber subscriber(relay_.GrpcAddress(), open);
    const auto delivery = subscriber.Next();
    ASSERT_TRUE(delivery);
    EXPECT_EQ(delivery->event().id(), id);
    EXPECT_TRUE(subscriber.AckConfirmed(delivery->delivery_id()));
  }
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  const auto delivery = subscriber.Next();
  ASSERT_TRUE(delivery);
  EXPECT_EQ(delivery->event().id(), id);
}

TEST_F(RelayTest, SigtermDrainsAndWaitsForSettlements) {
  const std::string id = IdOf(PostStripe("one"));
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  const auto delivery = subscriber.Next();
  ASSERT_TRUE(delivery);
  relay_.process().Signal(SIGTERM);
  const auto drain = subscriber.WaitDrain();
  ASSERT_TRUE(drain);
  EXPECT_GT(drain->grace().seconds(), 0);
  EXPECT_TRUE(relay_.process().Running()) << "it waits for what is not settled";
  EXPECT_EQ(HttpGet(relay_.admin_port(), "/readyz").first, 503);
  EXPECT_TRUE(subscriber.AckConfirmed(delivery->delivery_id()));
  const auto status = subscriber.Finish();
  ASSERT_TRUE(status);
  EXPECT_EQ(relay_.process().Wait(absl::Seconds(20)), 0);
  ASSERT_TRUE(relay_.Start().ok()) << relay_.Log();
  const std::string next = IdOf(PostStripe("two"));
  Subscriber again(relay_.GrpcAddress(), "all");
  const auto second = again.Next();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->event().id(), next) << "what was settled during the drain is settled";
}

TEST_F(RelayTest, ASecondSignalEndsItAtOnce) {
  PostStripe("one");
  Subscriber subscriber(relay_.GrpcAddress(), "all");
  ASSERT_TRUE(subscriber.Next());
  relay_.process().Signal(SIGTERM);
  ASSERT_TRUE(subscriber.WaitDrain());
  relay_.process().Signal(SIGTERM);
  EXPECT_EQ(relay_.process().Wait(absl::Seconds(5)), 1);
}

TEST_F(RelayTest, SighupExchangesSourcesAndABadFileChangesNothing) {
  EXPECT_EQ(PostStripe("a", "whsec_next").status, 401);
  const std::string next =
      std::string(kSources).replace(std::string(kSources).find(kStripeSecret), sizeof(kStripeSecret) - 1, "whsec_next");
  relay_.WriteConfiguration(absl::StrCat(next, kSubscriptions, "  - {name: late, start: earliest}\n"));
  relay_.process().Signal(SIGHUP);
  ASSERT_TRUE(WaitUntil([&] { return relay_.Log().find("reloaded") != std::string::npos; }));
  EXPECT_EQ(PostStripe("b", "whsec_next").status, 200);
  EXPECT_EQ(PostStripe("c").status, 401);
  EXPECT_EQ(relay_.Run({"subscriptions", "show", "late"}).exit_code, 0);
  relay_.WriteConfiguration("sources: [{name: stripe, provider: strype}]\n");
  relay_.process().Signal(SIGHUP);
  ASSERT_TRUE(WaitUntil([&] { return relay_.Log().find("not reloaded") != std::string::npos; }));
  EXPECT_THAT(relay_.Log(), HasSubstr("did you mean 'stripe'?"));
  EXPECT_EQ(PostStripe("d", "whsec_next").status, 200);
}

TEST_F(RelayTest, HealthAndMetricsAreServed) {
  PostStripe("one");
  EXPECT_EQ(HttpGet(relay_.admin_port(), "/healthz").first, 200);
  EXPECT_EQ(HttpGet(relay_.admin_port(), "/readyz").first, 200);
  const auto [status, metrics] = HttpGet(relay_.admin_port(), "/metrics");
  EXPECT_EQ(status, 200);
  for (const char* room : {"hookstream_ingest_", "hookstream_edge_", "hookstream_store_", "hookstream_dispatch_"})
    EXPECT_THAT(metrics, HasSubstr(room));
}

TEST_F(RelayTest, AnotherRelayOnTheSameFolderOrPortSaysWhatIsWrong) {
  RelayProcess other("", "", (relay_.folder() / "data").string());
  const absl::Status status = other.Start();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("store.data_dir"));
  const TempFolder folder;
  WriteFile(folder.path() / "relay.yaml",
            absl::StrCat("http: {listen: \"127.0.0.1:", relay_.http_port(), "\"}\ngrpc: {listen: \"127.0.0.1:0\"}\n",
                         "admin: {listen: \"127.0.0.1:0\"}\nstore: {data_dir: data}\n"));
  const CommandResult taken = Hookstream({"serve", "--config", (folder.path() / "relay.yaml").string()});
  EXPECT_EQ(taken.exit_code, 1);
  EXPECT_THAT(taken.err, HasSubstr(absl::StrCat("http.listen 127.0.0.1:", relay_.http_port())));
}

}  // namespace
}  // namespace hookstream::testing
