// Requests that wait for what has to be fetched or kept first: providers' keys, confirmations, keys that are learnt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/hmac.h>

#include <deque>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ingest/ingest.h"
#include "provider/encoding.h"
#include "provider/presets.h"
#include "tests/support/fake_store.h"
#include "tests/support/signing_authority.h"

namespace hookstream::ingest {
namespace {

using hookstream::testing::FakeStore;
using hookstream::testing::SigningAuthority;
using ::testing::ElementsAre;
using ::testing::SizeIs;

std::shared_ptr<const provider::Provider> Preset(std::string_view name) {
  return {provider::FindPreset(name), [](const provider::Provider*) {}};
}

class FetchTest : public ::testing::Test {
 protected:
  struct Asked {
    FetchRequest request;
    absl::AnyInvocable<void(absl::StatusOr<Fetched>) &&> done;
  };
  struct Sent {
    std::string source;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
  };

  Options MakeOptions() {
    Options options;
    options.public_url = "https://hooks.example.com";
    options.fetch = [this](FetchRequest request, auto done) {
      asked_.push_back({std::move(request), std::move(done)});
    };
    options.trust = authority_.Trust();
    return options;
  }

  void Use(std::string name, absl::Time learn_until = absl::InfinitePast()) {
    SourceConfig source;
    source.name = name;
    source.preset = Preset(name);
    source.learn_keys_until = learn_until;
    const absl::Status status = ingest_.ReplaceSources({source});
    ASSERT_TRUE(status.ok()) << status;
  }

  std::future<Outcome> Start(Sent sent, std::string method = "POST") {
    std::vector<Header> headers;
    for (const auto& [name, value] : sent.headers) headers.push_back({name, value});
    std::promise<Outcome> promise;
    std::future<Outcome> future = promise.get_future();
    const std::string target = "/webhooks/" + sent.source;
    ingest_.Handle({sent.source, method, target, headers, std::move(sent.body)},
                   [promise = std::move(promise)](Outcome outcome) mutable { promise.set_value(std::move(outcome)); });
    return future;
  }

  // Gives the oldest request that was asked for its answer.
  void Answer(absl::StatusOr<Fetched> fetched) {
    ASSERT_FALSE(asked_.empty());
    Asked asked = std::move(asked_.front());
    asked_.pop_front();
    std::move(asked.done)(std::move(fetched));
  }
  void AnswerWith(std::string body) { Answer(Fetched{std::move(body), std::nullopt}); }

  Sent Sns(std::string_view id, const SigningAuthority::Leaf& leaf) {
    const std::string text = absl::StrCat("Message\nhi\nMessageId\n", std::string(id),
                                          "\nTimestamp\nt\nTopicArn\narn\nType\nNotification\n");
    return {"aws-sns",
            {{"Content-Type", "text/plain"}},
            absl::StrCat(R"({"Type":"Notification","MessageId":")", std::string(id),
                         R"(","TopicArn":"arn","Message":"hi","Timestamp":"t","SignatureVersion":"2","Signature":")",
                         provider::EncodeBase64(leaf.Sign(text)),
                         R"(","SigningCertURL":"https://sns.eu-central-1.amazonaws.com/a.pem"})")};
  }
  Sent SnsConfirmation(std::string_view url, const SigningAuthority::Leaf& leaf) {
    const std::string text =
        absl::StrCat("Message\nhi\nMessageId\nm\nSubscribeURL\n", std::string(url),
                     "\nTimestamp\nt\nToken\ntok\nTopicArn\narn\nType\nSubscriptionConfirmation\n");
    return {"aws-sns",
            {},
            absl::StrCat(R"({"Type":"SubscriptionConfirmation","MessageId":"m","TopicArn":"arn","Message":"hi",)",
                         R"("Timestamp":"t","Token":"tok","SignatureVersion":"2","SubscribeURL":")", std::string(url),
                         R"(","Signature":")", provider::EncodeBase64(leaf.Sign(text)),
                         R"(","SigningCertURL":"https://sns.eu-central-1.amazonaws.com/a.pem"})")};
  }

  static Reason RefusedFor(const Outcome& outcome) {
    const auto* refused = std::get_if<Refused>(&outcome);
    EXPECT_NE(refused, nullptr);
    return refused == nullptr ? Reason::kUnknownSource : refused->reason;
  }
  static int StatusOf(const Outcome& outcome) {
    const auto* reply = std::get_if<Reply>(&outcome);
    EXPECT_NE(reply, nullptr);
    return reply == nullptr ? 0 : reply->status;
  }

  ManualClock clock_;
  SigningAuthority authority_{clock_.WallNow()};
  SigningAuthority::Leaf leaf_ = authority_.Issue("sns.amazonaws.com");
  std::deque<Asked> asked_;
  metrics::Registry registry_;
  FakeStore store_;
  Ingest ingest_{MakeOptions(), store_, clock_, registry_};
};

TEST_F(FetchTest, RequestsWaitForOneFetchOfTheirKey) {
  Use("aws-sns");
  auto first = Start(Sns("1", leaf_));
  auto second = Start(Sns("2", leaf_));
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_.front().request.url, "https://sns.eu-central-1.amazonaws.com/a.pem");
  EXPECT_EQ(store_.Appends(), 0);
  AnswerWith(leaf_.pem);
  EXPECT_THAT(std::get<Accepted>(first.get()).events, SizeIs(1));
  EXPECT_THAT(std::get<Accepted>(second.get()).events, SizeIs(1));
  EXPECT_THAT(std::get<Accepted>(Start(Sns("3", leaf_)).get()).events, SizeIs(1)) << "the key is there";
  EXPECT_TRUE(asked_.empty());
  const auto sources = ingest_.ListSources();
  ASSERT_THAT(sources[0].keys, SizeIs(1));
  EXPECT_EQ(sources[0].keys[0].id, "fetched");
  EXPECT_EQ(sources[0].keys[0].hits, 3);
}

TEST_F(FetchTest, WhatCanNotBeFetchedIsNeitherRefusedNorAccepted) {
  Use("aws-sns");
  auto waiting = Start(Sns("1", leaf_));
  Answer(absl::UnavailableError("no route"));
  EXPECT_EQ(RefusedFor(waiting.get()), Reason::kNotFetched);
  EXPECT_EQ(RefusedFor(Start(Sns("1", leaf_)).get()), Reason::kNotFetched) << "not tried again at once";
  EXPECT_TRUE(asked_.empty());
  clock_.Advance(absl::Seconds(11));
  waiting = Start(Sns("1", leaf_));
  AnswerWith("an error page");
  EXPECT_EQ(RefusedFor(waiting.get()), Reason::kNotFetched);
  clock_.Advance(absl::Seconds(11));
  waiting = Start(Sns("1", leaf_));
  AnswerWith(SigningAuthority(clock_.WallNow(), "Stranger").Issue("evil.example").pem);
  EXPECT_EQ(RefusedFor(waiting.get()), Reason::kNotFetched) << "a certificate of somebody else";
  clock_.Advance(absl::Seconds(11));
  waiting = Start(Sns("1", leaf_));
  AnswerWith(leaf_.pem);
  EXPECT_TRUE(std::holds_alternative<Accepted>(waiting.get()));
}

TEST_F(FetchTest, AForgeryIsRefusedOnceTheKeyIsThere) {
  Use("aws-sns");
  Sent forged = Sns("1", leaf_);
  forged.body.replace(forged.body.find("\"hi\""), 4, "\"ho\"");
  auto waiting = Start(forged);
  AnswerWith(leaf_.pem);
  EXPECT_EQ(RefusedFor(waiting.get()), Reason::kSignatureInvalid);
  Sent elsewhere = Sns("1", leaf_);
  elsewhere.body.replace(elsewhere.body.find("amazonaws.com/a.pem"), 13, "evil.example");
  EXPECT_EQ(RefusedFor(Start(elsewhere).get()), Reason::kSignatureInvalid);
  EXPECT_TRUE(asked_.empty()) << "nothing is fetched from there";
}

TEST_F(FetchTest, ASubscriptionIsConfirmedBeforeItIsAnswered) {
  Use("aws-sns");
  const std::string url = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=tok";
  auto waiting = Start(SnsConfirmation(url, leaf_));
  AnswerWith(leaf_.pem);
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_.front().request.url, url);
  AnswerWith("<ConfirmSubscriptionResponse/>");
  EXPECT_EQ(StatusOf(waiting.get()), 200);
  EXPECT_EQ(store_.Appends(), 0);
  waiting = Start(SnsConfirmation(url, leaf_));
  Answer(absl::DeadlineExceededError("too slow"));
  EXPECT_EQ(RefusedFor(waiting.get()), Reason::kNotFetched) << "SNS asks again";
  for (const char* bad :
       {"https://evil.example/?Action=ConfirmSubscription", "http://sns.eu-central-1.amazonaws.com/?a=1",
        "https://sns.eu-central-1.amazonaws.com/other"}) {
    EXPECT_EQ(StatusOf(Start(SnsConfirmation(bad, leaf_)).get()), 400) << bad;
  }
  EXPECT_TRUE(asked_.empty());
}

class LearnTest : public FetchTest {
 protected:
  static Sent Hello(std::string secret) { return {"asana", {{"X-Hook-Secret", std::move(secret)}}, ""}; }
  static Sent Signed(std::string_view key) {
    const std::string body = R"({"events":[{"action":"added","resource":{"gid":"1","resource_type":"task"}}]})";
    unsigned char mac[32];
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(body.data()),
         body.size(), mac, nullptr);
    return {
        "asana", {{"X-Hook-Signature", provider::EncodeHex({reinterpret_cast<const char*>(mac), sizeof(mac)})}}, body};
  }
  bool Accepts(std::string_view key) { return std::holds_alternative<Accepted>(Start(Signed(key)).get()); }
};

TEST_F(LearnTest, AKeyIsKeptWhileTheSourceLearns) {
  Use("asana", clock_.WallNow() + absl::Minutes(10));
  EXPECT_EQ(RefusedFor(Start(Signed("one")).get()), Reason::kSignatureInvalid);
  const Outcome hello = Start(Hello("one")).get();
  EXPECT_EQ(StatusOf(hello), 200);
  EXPECT_THAT(std::get<Reply>(hello).headers,
              ::testing::Contains(std::pair<std::string, std::string>("X-Hook-Secret", "one")));
  EXPECT_TRUE(Accepts("one"));
  EXPECT_EQ(StatusOf(Start(Hello("two")).get()), 200);
  EXPECT_TRUE(Accepts("one")) << "each webhook has its own";
  EXPECT_TRUE(Accepts("two"));
  EXPECT_EQ(StatusOf(Start(Hello("two")).get()), 200);
  EXPECT_THAT(*ingest_.ListLearntKeys("asana"), SizeIs(2)) << "the same once";
  clock_.Advance(absl::Minutes(11));
  EXPECT_EQ(StatusOf(Start(Hello("three")).get()), 200);
  EXPECT_FALSE(Accepts("three")) << "the time is over";
  EXPECT_TRUE(Accepts("one"));
}

TEST_F(LearnTest, LearntKeysOutliveTheProcessAndAReload) {
  Use("asana", clock_.WallNow() + absl::Minutes(10));
  EXPECT_EQ(StatusOf(Start(Hello("one")).get()), 200);
  Use("asana", clock_.WallNow() + absl::Minutes(10));
  EXPECT_TRUE(Accepts("one"));
  Ingest again(MakeOptions(), store_, clock_, registry_);
  ASSERT_TRUE(again.RestoreLearntKeys().ok());
  const auto keys = again.ListLearntKeys("asana");
  ASSERT_TRUE(keys.ok());
  ASSERT_THAT(*keys, SizeIs(1));
  EXPECT_EQ(keys->front().secret, "one");
  EXPECT_EQ(again.ListLearntKeys("none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(LearnTest, AKeyThatCouldNotBeKeptIsNotAnswered) {
  Use("asana", clock_.WallNow() + absl::Minutes(10));
  store_.FailAppends(absl::UnavailableError("the disk is full"));
  EXPECT_EQ(RefusedFor(Start(Hello("one")).get()), Reason::kNotFetched);
  EXPECT_THAT(*ingest_.ListLearntKeys("asana"), SizeIs(0));
  store_.FailAppends(absl::OkStatus());
  EXPECT_FALSE(Accepts("one"));
  EXPECT_EQ(StatusOf(Start(Hello("one")).get()), 200);
  EXPECT_TRUE(Accepts("one"));
}

TEST_F(LearnTest, AForgottenKeyDoesNotCount) {
  Use("asana", clock_.WallNow() + absl::Minutes(10));
  EXPECT_EQ(StatusOf(Start(Hello("one")).get()), 200);
  const std::string id = ingest_.ListLearntKeys("asana")->front().id;
  const auto forget = [&](std::string_view source, std::string_view key) {
    std::promise<absl::Status> done;
    ingest_.ForgetLearntKey(source, key, [&done](absl::Status status) { done.set_value(status); });
    return done.get_future().get();
  };
  EXPECT_EQ(forget("asana", "other").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(forget("other", id).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(forget("asana", id).ok());
  EXPECT_FALSE(Accepts("one"));
}

TEST_F(LearnTest, OnlyASourceWhoseProviderTellsKeysLearns) {
  SourceConfig source;
  source.name = "stripe";
  source.preset = Preset("stripe");
  source.learn_keys_until = clock_.WallNow() + absl::Hours(1);
  EXPECT_EQ(ingest_.ReplaceSources({source}).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace hookstream::ingest
