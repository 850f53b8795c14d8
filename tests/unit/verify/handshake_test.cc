#include "verify/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/verify/testing.h"

namespace hookstream::verify {
namespace {

using provider::FindPreset;
using provider::MustLoad;
using provider::TestRequest;

std::optional<HandshakeReply> Match(const Verifier& verifier, TestRequest request, HandshakePhase phase,
                                    std::string_view key_id = "") {
  const provider::Request view = request.View();
  provider::Context context(view, verifier.provider().content);
  auto handshake = MatchHandshake(verifier, context, phase, key_id, Now());
  return handshake ? std::optional(std::move(handshake->reply)) : std::nullopt;
}

TEST(Handshake, SlackGetsItsChallengeAfterVerification) {
  const auto verifier = MustCreate(*FindPreset("slack"), {{.id = "k", .secret = "s"}});
  TestRequest request;
  request.body = R"({"token":"t","challenge":"3eZb<b>","type":"url_verification"})";
  EXPECT_EQ(Match(*verifier, request, HandshakePhase::kUnverified), std::nullopt);
  const auto reply = Match(*verifier, request, HandshakePhase::kVerified, "k");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "3eZb<b>");
  EXPECT_EQ(reply->content_type, "text/plain; charset=utf-8");
  EXPECT_THAT(reply->headers, testing::Contains(testing::Pair("X-Content-Type-Options", "nosniff")));
  request.body = R"({"type":"event_callback"})";
  EXPECT_EQ(Match(*verifier, request, HandshakePhase::kVerified, "k"), std::nullopt);
  request.body = R"({"type":"url_verification"})";
  EXPECT_EQ(Match(*verifier, request, HandshakePhase::kVerified, "k")->status, 400);
}

TEST(Handshake, MetasVerifyTokenIsCompared) {
  const auto verifier = MustCreate(*FindPreset("meta"), {{.id = "k", .secret = "s"}}, {{"verify_token", "t0k"}});
  TestRequest request;
  request.method = "GET";
  request.target = "/in?hub.mode=subscribe&hub.verify_token=t0k&hub.challenge=42";
  EXPECT_EQ(Match(*verifier, request, HandshakePhase::kUnverified)->body, "42");
  request.target = "/in?hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=42";
  const auto refused = Match(*verifier, request, HandshakePhase::kUnverified);
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->body, "");
}

TEST(Handshake, DiscordsTwoPingsAreToldApart) {
  const auto verifier = MustCreate(*FindPreset("discord"), {{.id = "k", .secret = std::string(64, '0')}});
  TestRequest request;
  request.body = R"({"version":1,"application_id":"1","type":0})";
  EXPECT_EQ(Match(*verifier, request, HandshakePhase::kVerified, "k")->status, 204);
  request.body = R"({"id":"1","application_id":"1","type":1,"token":"t","version":1})";
  const auto reply = Match(*verifier, request, HandshakePhase::kVerified, "k");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, R"({"type":1})");
  request.body = R"({"version":1,"type":1,"event":{"type":"ENTITLEMENT_CREATE"}})";
  EXPECT_EQ(Match(*verifier, request, HandshakePhase::kVerified, "k"), std::nullopt);
}

TEST(Handshake, ZoomsReplyIsComputed) {
  const auto verifier =
      MustCreate(*FindPreset("zoom"), {{.id = "old", .secret = "x"}, {.id = "k", .secret = "zoom-secret-token"}});
  TestRequest request;
  request.body = R"({"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event":"endpoint.url_validation"})";
  const auto reply = Match(*verifier, request, HandshakePhase::kVerified, "k");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->content_type, "application/json");
  // From the provider's vectors.
  EXPECT_EQ(reply->body, R"({"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":)"
                         R"("d9e0d764a78494688ba3f2d5c0ed4ca311394b4834d959759213424d2df961e3"})");
}

// Its reply is made with the key that signs events: an attacker could ask for one to the event that he wants to forge.
TEST(Handshake, NoTextThatCouldBeAnEventIsSignedForAStranger) {
  const auto x = MustCreate(*FindPreset("twitter-x"), {{.id = "k", .secret = "s"}});
  const auto braintree = MustCreate(*FindPreset("braintree"), {{.id = "k", .secret = "s"}}, {{"public_key", "p"}});
  TestRequest request;
  request.method = "GET";
  request.target = "/in?crc_token=NWU2ZDcwMTctOWY2Mi00ZDE4";
  EXPECT_EQ(Match(*x, request, HandshakePhase::kUnverified)->status, 200);
  request.target = "/in?bt_challenge=20f9f8ed05f77439fe955c977e4c8a53";
  EXPECT_EQ(Match(*braintree, request, HandshakePhase::kUnverified)->status, 200);

  request.target = "/in?crc_token=%7B%22for_user_id%22:%221%22%7D";
  auto refused = Match(*x, request, HandshakePhase::kUnverified);
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->body, "");
  request.target = "/in?bt_challenge=PG5vdGlmaWNhdGlvbj48L25vdGlmaWNhdGlvbj4K";
  refused = Match(*braintree, request, HandshakePhase::kUnverified);
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->body, "");
}

// The other way round: the reply to a challenge is no signature of a webhook.
TEST(Handshake, WhatWasSignedAsAChallengeIsNoEvent) {
  const auto x = MustCreate(*FindPreset("twitter-x"), {{.id = "k", .secret = "s"}});
  TestRequest request;
  request.method = "GET";
  request.target = "/in?crc_token=abc";
  const auto reply = Match(*x, request, HandshakePhase::kUnverified);
  ASSERT_TRUE(reply);
  const size_t begin = reply->body.find("sha256=");
  request.method = "POST";
  request.target = "/in";
  request.body = "abc";
  request.headers.emplace_back("x-twitter-webhooks-signature",
                               reply->body.substr(begin, reply->body.find('"', begin) - begin));
  EXPECT_EQ(Verify(*x, request).reason, Reason::kSignatureMismatch);
}

TEST(Handshake, HeadersCanNotBeInjected) {
  const auto preset = MustLoad(
      "name: a\nverify: {scheme: none}\nhandshakes: [{when: {method: GET}, verified: false, reply: {headers: {X-Echo: "
      "\"{query.c}\"}}}]");
  const auto verifier = MustCreate(*preset, {});
  TestRequest request;
  request.method = "GET";
  request.target = "/in?c=a%0d%0aSet-Cookie:%20x";
  EXPECT_EQ(Match(*verifier, request, HandshakePhase::kUnverified)->status, 400);
  request.target = "/in?c=ok";
  EXPECT_THAT(Match(*verifier, request, HandshakePhase::kUnverified)->headers,
              testing::Contains(testing::Pair("X-Echo", "ok")));
}

TEST(Handshake, JsonRepliesOfEveryShape) {
  const auto preset = MustLoad(
      "name: a\nverify: {scheme: none}\nhandshakes:\n  - when: {query.c: \"*\"}\n    verified: false\n    reply:\n"
      "      status: 202\n      json: {text: \"a{query.c}\\n\", list: [1, true, null, \"1\", word], deep: {\"{{x}}\": "
      "\"[[y]]\"}}\n");
  TestRequest request;
  request.target = "/in?c=%22q%22";
  const auto reply = Match(*MustCreate(*preset, {}), request, HandshakePhase::kUnverified);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 202);
  EXPECT_EQ(reply->body, R"({"text":"a\"q\"\u000a","list":[1,true,null,"1","word"],"deep":{"{{x}}":"[y]"}})");
}

TEST(Handshake, RespondIsConstant) {
  EXPECT_EQ(RenderReply(*FindPreset("discord")->accepted).status, 204);
  const auto preset = MustLoad("name: a\nverify: {scheme: none}\nrespond: {accepted: {text: \"[[accepted]]\"}}");
  EXPECT_EQ(RenderReply(*preset->accepted).body, "[accepted]");
}

}  // namespace
}  // namespace hookstream::verify
