#include "provider/extract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "provider/presets.h"
#include "tests/unit/provider/testing.h"

namespace hookstream::provider {
namespace {

// Items own their texts but for the body, which the request of the test keeps.
Extracted ExtractFrom(const Provider& provider, TestRequest& request) {
  const Request view = request.View();
  Context context(view, provider.content);
  return Extract(provider, context);
}

ExtractedItem One(const Provider& provider, TestRequest& request) {
  Extracted extracted = ExtractFrom(provider, request);
  EXPECT_EQ(extracted.items.size(), 1u);
  return extracted.items.empty() ? ExtractedItem() : extracted.items[0];
}

constexpr std::string_view kVerify = "name: a\nverify: {scheme: none}\n";

std::unique_ptr<const Provider> WithEvent(std::string_view event) {
  return MustLoad(std::string(kVerify) + std::string(event));
}

TEST(Extract, ReadsStripe) {
  TestRequest request;
  request.body =
      R"({"id":"evt_1","type":"invoice.paid","created":1730000000,"livemode":false,"account":null,"api_version":"2025-09-30",)"
      R"("data":{"object":{"id":"in_1"}}})";
  const ExtractedItem item = One(*FindPreset("stripe"), request);
  EXPECT_EQ(item.type, "invoice.paid");
  EXPECT_EQ(item.provider_event_id, "evt_1");
  EXPECT_EQ(item.ordering_key, "in_1");
  EXPECT_EQ(item.occurred_at, absl::FromUnixSeconds(1'730'000'000));
  EXPECT_EQ(item.body, request.body);
  EXPECT_THAT(item.attributes,
              testing::ElementsAre(testing::Pair("livemode", "false"), testing::Pair("api_version", "2025-09-30")));
}

TEST(Extract, JoinsGithubsHeaderAndActionAlsoFromAForm) {
  TestRequest request;
  request.headers.emplace_back("X-GitHub-Event", "pull_request");
  request.headers.emplace_back("X-GitHub-Delivery", "d-1");
  request.body = R"({"action":"opened","repository":{"full_name":"o/r"}})";
  const ExtractedItem item = One(*FindPreset("github"), request);
  EXPECT_EQ(item.type, "pull_request.opened");
  EXPECT_EQ(item.provider_event_id, "d-1");
  EXPECT_EQ(item.ordering_key, "o/r");

  TestRequest form = FormRequest("payload=%7B%22zen%22%3A%22Keep+it+logically+awesome.%22%7D");
  form.headers.emplace_back("X-GitHub-Event", "ping");
  EXPECT_EQ(One(*FindPreset("github"), form).type, "ping");
  std::string scratch;
  EXPECT_EQ(TypedDocument(*FindPreset("github"), "application/x-www-form-urlencoded", form.body, scratch),
            R"({"zen":"Keep it logically awesome."})");
  EXPECT_EQ(TypedDocument(*FindPreset("github"), "application/json", request.body, scratch), request.body);
}

TEST(Extract, NamesTwiliosTypesByThingAndStatus) {
  TestRequest status = FormRequest("MessageSid=SM1&MessageStatus=delivered&AccountSid=AC1");
  ExtractedItem item = One(*FindPreset("twilio"), status);
  EXPECT_EQ(item.type, "message.delivered");
  EXPECT_EQ(item.provider_event_id, "SM1:delivered");
  EXPECT_EQ(item.ordering_key, "SM1");
  TestRequest received = FormRequest("MessageSid=SM2&Body=hi");
  received.headers.emplace_back("I-Twilio-Idempotency-Token", "tok");
  item = One(*FindPreset("twilio"), received);
  EXPECT_EQ(item.type, "message.received");
  EXPECT_EQ(item.provider_event_id, "tok");
}

TEST(Extract, ReadsSlacksThreeKindsOfBodies) {
  TestRequest event;
  event.body = R"({"type":"event_callback","event_id":"Ev1","event_time":1730000000,"team_id":"T1",)"
               R"("event":{"type":"message","subtype":"channel_join","channel":"C1"}})";
  ExtractedItem item = One(*FindPreset("slack"), event);
  EXPECT_EQ(item.type, "message.channel_join");
  EXPECT_EQ(item.provider_event_id, "Ev1");
  EXPECT_EQ(item.ordering_key, "C1");
  TestRequest command = FormRequest("command=%2Fweather&team_id=T1");
  item = One(*FindPreset("slack"), command);
  EXPECT_EQ(item.type, "slash_command");
  EXPECT_EQ(item.ordering_key, "T1");
  TestRequest action = FormRequest("payload=%7B%22type%22%3A%22block_actions%22%7D");
  EXPECT_EQ(One(*FindPreset("slack"), action).type, "block_actions");
}

TEST(Extract, WhatCanNotBeParsedIsOneUnknownEventWithTheRawBody) {
  for (const char* body : {"", "not json", "{\"type\":\"a\"", "\xff\xfe", "[1,2"}) {
    TestRequest request;
    request.body = body;
    const Extracted extracted = ExtractFrom(*FindPreset("stripe"), request);
    EXPECT_FALSE(extracted.parsed) << body;
    ASSERT_EQ(extracted.items.size(), 1u);
    EXPECT_EQ(extracted.items[0].type, "unknown");
    EXPECT_EQ(extracted.items[0].provider_event_id, "");
    EXPECT_EQ(extracted.items[0].body, request.body);
  }
}

TEST(Extract, ItemsAreTheirOwnBytes) {
  const auto provider = WithEvent("event: {split: /events/*, type: item/t, id: item/id, ordering_key: json/account}");
  TestRequest request;
  request.body = R"({ "x": [1, {"events": 0}], "account":"ac", "events" : [ {"t":"a","id":"1","s":"}]\"" },)"
                 "\n"
                 R"( {"t":"b","id":2}, "text", 7 ], "events": [] })";
  const Extracted extracted = ExtractFrom(*provider, request);
  EXPECT_TRUE(extracted.parsed);
  ASSERT_EQ(extracted.items.size(), 4u);
  EXPECT_EQ(extracted.items[0].body, R"({"t":"a","id":"1","s":"}]\"" })");
  EXPECT_EQ(extracted.items[1].body, R"({"t":"b","id":2})");
  EXPECT_EQ(extracted.items[1].provider_event_id, "2");
  EXPECT_EQ(extracted.items[1].index, 1u);
  EXPECT_EQ(extracted.items[2].body, "\"text\"");
  EXPECT_EQ(extracted.items[2].type, "unknown");
  EXPECT_EQ(extracted.items[3].body, "7");
  EXPECT_EQ(extracted.items[3].ordering_key, "ac");
}

TEST(Extract, TwoLevelsGiveTheOuterElementToo) {
  TestRequest request;
  request.body =
      R"({"object":"page","entry":[{"id":"p1","time":1730000000,"changes":[{"field":"feed"},{"field":"likes"}]},)"
      R"({"id":"p2","messaging":[{"m":1}]},{"id":"p3","changes":[]}]})";
  const Extracted extracted = ExtractFrom(*FindPreset("meta"), request);
  ASSERT_EQ(extracted.items.size(), 3u);
  EXPECT_EQ(extracted.items[1].type, "page.likes");
  EXPECT_EQ(extracted.items[1].ordering_key, "p1");
  EXPECT_EQ(extracted.items[1].occurred_at, absl::FromUnixSeconds(1'730'000'000));
  // An entry of another kind is kept whole.
  EXPECT_EQ(extracted.items[2].type, "unknown");
  EXPECT_EQ(extracted.items[2].body, R"({"id":"p2","messaging":[{"m":1}]})");
}

TEST(Extract, EmptyListsAreNoEventsAndMissingListsOne) {
  const auto provider = WithEvent("event: {split: /events/*, type: item/t}");
  TestRequest request;
  request.body = R"({"events":[]})";
  EXPECT_TRUE(ExtractFrom(*provider, request).items.empty());
  request.body = R"({"other":[]})";
  const Extracted extracted = ExtractFrom(*provider, request);
  EXPECT_FALSE(extracted.parsed);
  EXPECT_EQ(extracted.items.size(), 1u);
  // A single event where a list is usual.
  const auto root = WithEvent("event: {split: /*, type: item/t}");
  request.body = R"({"t":"one"})";
  EXPECT_EQ(One(*root, request).type, "one");
}

TEST(Extract, SkippedItemsAreNoEvents) {
  const auto provider = WithEvent("event: {split: /*, skip: {item/t: heartbeat}, type: item/t}");
  TestRequest request;
  request.body = R"([{"t":"heartbeat"},{"t":"a"}])";
  const ExtractedItem item = One(*provider, request);
  EXPECT_EQ(item.type, "a");
  EXPECT_EQ(item.index, 1u);
}

TEST(Extract, HashedIdsCountEqualItems) {
  const auto provider = WithEvent("event: {split: /*, id: [item/id, hash]}");
  TestRequest request;
  request.body = R"([{"a":1},{"a":2},{"a":1},{"id":"x"}])";
  const Extracted first = ExtractFrom(*provider, request);
  ASSERT_EQ(first.items.size(), 4u);
  EXPECT_EQ(first.items[0].provider_event_id.size(), 64u);
  EXPECT_EQ(first.items[2].provider_event_id, first.items[0].provider_event_id + "-1");
  EXPECT_EQ(first.items[3].provider_event_id, "x");
  // A retry that leaves one out gives the others the ids they had.
  const std::string id = first.items[0].provider_event_id;
  request.body = R"([{"a":1},{"a":1}])";
  const Extracted second = ExtractFrom(*provider, request);
  EXPECT_EQ(second.items[0].provider_event_id, id);
  EXPECT_EQ(second.items[1].provider_event_id, id + "-1");
  const auto whole = WithEvent("event: {id: hash}");
  request.body = "abc";
  EXPECT_EQ(One(*whole, request).provider_event_id, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Extract, KeepsTheLimits) {
  const auto provider =
      WithEvent("event: {split: /*, type: item/t, id: item/i, ordering_key: item/k, attributes: {x: item/x}}");
  TestRequest request;
  request.body = R"([{"t":")" + std::string(255, 'a') + R"(ü","i":")" + std::string(513, 'i') + R"(","k":")" +
                 std::string(512, 'k') + R"(","x":")" + std::string(2000, 'x') + R"("}])";
  const ExtractedItem item = One(*provider, request);
  EXPECT_EQ(item.type, std::string(255, 'a'));  // not half a letter
  EXPECT_EQ(item.provider_event_id.size(), 7 + 64u);
  EXPECT_THAT(item.provider_event_id, testing::StartsWith("sha256:"));
  EXPECT_EQ(item.ordering_key, std::string(512, 'k'));
  EXPECT_EQ(item.attributes[0].second.size(), kMaxAttributeBytes);

  std::string list = "[0";
  for (size_t i = 1; i < kMaxItems; ++i) list += ",0";
  request.body = list + "]";
  EXPECT_EQ(ExtractFrom(*provider, request).items.size(), kMaxItems);
  request.body = list + ",0]";
  const Extracted too_many = ExtractFrom(*provider, request);
  EXPECT_TRUE(too_many.too_many_items);
  ASSERT_EQ(too_many.items.size(), 1u);
  EXPECT_EQ(too_many.items[0].body, request.body);
}

TEST(Extract, TextsAreValidUtf8) {
  TestRequest request;
  request.body = "{}";
  request.headers.emplace_back("X-GitHub-Event", "p\xffsh");
  EXPECT_EQ(One(*FindPreset("github"), request).type, "p\\xffsh");
}

}  // namespace
}  // namespace hookstream::provider
