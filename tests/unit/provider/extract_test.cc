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

TEST(Extract, TellsTwiliosOtherCallbacksByTheirParameters) {
  const Provider& twilio = *FindPreset("twilio");
  struct Case {
    const char* form;
    const char* type;
    const char* id;
    const char* ordering_key;
  };
  // Each also has parameters that a message's or a call's callback is known by.
  for (const Case& c :
       {Case{"CallSid=CA1&RecordingSid=RE1&RecordingStatus=completed", "recording.completed", "RE1:completed", "CA1"},
        {"ConferenceSid=CF1&RecordingSid=RE2&RecordingStatus=absent", "recording.absent", "RE2:absent", "CF1"},
        {"CallSid=CA1&CallStatus=completed&RecordingSid=RE1&TranscriptionSid=TR1&TranscriptionStatus=failed",
         "transcription.failed", "TR1:failed", "CA1"},
        {"CallSid=CA1&TranscriptionSid=GT1&TranscriptionEvent=transcription-content&SequenceId=3",
         "transcription.transcription-content", "GT1:transcription-content:3", "CA1"},
        {"EventType=onMessageAdded&ConversationSid=CH1&MessageSid=IM1&RetryCount=1", "conversation.onMessageAdded", "",
         "CH1"},
        {"EventType=onUserAdded&ChatServiceSid=IS1", "conversation.onUserAdded", "", "IS1"},
        {"EventType=READ&MessageSid=SM1&MessageStatus=read", "message.read", "SM1:read", "SM1"},
        {"CallSid=CA1&CallStatus=completed&RecordingSid=RE1&RecordingUrl=https%3A%2F%2Fx", "call.completed",
         "CA1:completed", "CA1"}}) {
    TestRequest request = FormRequest(c.form);
    const ExtractedItem item = One(twilio, request);
    EXPECT_EQ(item.type, c.type) << c.form;
    EXPECT_EQ(item.provider_event_id, c.id) << c.form;
    EXPECT_EQ(item.ordering_key, c.ordering_key) << c.form;
  }
}

TEST(Extract, TakesTwiliosEventStreamsApart) {
  const std::string one =
      R"({"specversion":"1.0","type":"com.twilio.messaging.message.sent","source":"/Accounts/AC1/Messages/SM1.json",)"
      R"("id":"EZ1","time":"2025-11-27T11:09:05.000Z","data":{"messageSid":"SM1"}})";
  TestRequest request;
  request.body = "[" + one + R"(,{"specversion":"1.0","type":"com.twilio.voice.status","source":"/b","id":"EZ2"}])";
  const Extracted extracted = ExtractFrom(*FindPreset("twilio"), request);
  ASSERT_EQ(extracted.items.size(), 2u);
  EXPECT_EQ(extracted.items[0].body, one);
  EXPECT_EQ(extracted.items[1].type, "com.twilio.voice.status");
  // With batches off.
  request.body = one;
  const ExtractedItem item = One(*FindPreset("twilio"), request);
  EXPECT_EQ(item.type, "com.twilio.messaging.message.sent");
  EXPECT_EQ(item.provider_event_id, "/Accounts/AC1/Messages/SM1.json EZ1");
  EXPECT_EQ(item.ordering_key, "/Accounts/AC1/Messages/SM1.json");
  EXPECT_EQ(item.occurred_at, absl::FromUnixSeconds(1'764'241'745));
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

TEST(Extract, GivesMetasMessagingEventsTheirTypes) {
  const Provider& meta = *FindPreset("meta");
  constexpr std::string_view kParties = R"("sender":{"id":"u1"},"recipient":{"id":"p1"},"timestamp":1730000000123)";
  const auto event = [&](std::string_view rest) { return "{" + std::string(kParties) + "," + std::string(rest) + "}"; };
  TestRequest request;
  request.body = R"({"object":"page","entry":[{"id":"p1","time":1730000000999,"messaging":[)" +
                 event(R"("message":{"mid":"m_1","text":"hi"})") + "," + event(R"("delivery":{"mids":["m_0"]})") +
                 "]}," + R"({"id":"p2","messaging":[)" + event(R"("message":{"mid":"m_2"},"prior_message":{})") + "," +
                 event(R"("postback":{"mid":"m_3","payload":"GO"},"new":1)") + "," + event(R"("new":1,"newer":2)") +
                 R"(]},{"id":"p3","changes":[{"field":"feed"}]}]})";
  Extracted extracted = ExtractFrom(meta, request);
  EXPECT_TRUE(extracted.parsed);
  ASSERT_EQ(extracted.items.size(), 6u);
  EXPECT_EQ(extracted.items[0].type, "page.messaging.message");
  EXPECT_EQ(extracted.items[0].provider_event_id, "p1:m_1");
  EXPECT_EQ(extracted.items[0].ordering_key, "p1");
  EXPECT_EQ(extracted.items[0].occurred_at, absl::FromUnixMillis(1'730'000'000'123));
  EXPECT_EQ(extracted.items[1].type, "page.messaging.delivery");
  EXPECT_EQ(extracted.items[1].provider_event_id, "");
  EXPECT_EQ(extracted.items[2].type, "page.messaging.message");
  EXPECT_EQ(extracted.items[3].type, "page.messaging.postback");
  EXPECT_EQ(extracted.items[3].provider_event_id, "p2:m_3");
  EXPECT_EQ(extracted.items[4].type, "page.messaging");
  EXPECT_EQ(extracted.items[5].type, "unknown");
  EXPECT_EQ(extracted.items[5].body, R"({"id":"p3","changes":[{"field":"feed"}]})");

  // Taken back: another event than the message.
  request.body = R"({"object":"instagram","entry":[{"id":"p1","messaging":[)" +
                 event(R"("message":{"mid":"m_1","is_deleted":true})") + "]}]}";
  EXPECT_EQ(One(meta, request).provider_event_id, "p1:m_1:true");
  request.body = R"({"object":"page","entry":[{"id":"p1","standby":[)" + event(R"("read":{"watermark":1})") + "]}]}";
  EXPECT_EQ(One(meta, request).type, "page.standby.read");
  // Behind an entry of changes it stays with its entry.
  request.body =
      R"({"object":"page","entry":[{"id":"p1","time":1,"changes":[{"field":"feed"}]},{"id":"p1","time":1730000000999,"messaging":[)" +
      event(R"("read":{"watermark":1})") + "]}]}";
  extracted = ExtractFrom(meta, request);
  ASSERT_EQ(extracted.items.size(), 2u);
  EXPECT_EQ(extracted.items[0].type, "page.feed");
  EXPECT_EQ(extracted.items[0].occurred_at, absl::FromUnixSeconds(1));
  EXPECT_EQ(extracted.items[1].type, "page.messaging");
  EXPECT_EQ(extracted.items[1].occurred_at, std::nullopt) << "milliseconds, not seconds";
}

TEST(Extract, TellsDiscordsInteractionsFromItsEvents) {
  const Provider& discord = *FindPreset("discord");
  TestRequest request;
  for (const auto& [number, name] : {std::pair{"2", "APPLICATION_COMMAND"},
                                     {"3", "MESSAGE_COMPONENT"},
                                     {"4", "APPLICATION_COMMAND_AUTOCOMPLETE"},
                                     {"5", "MODAL_SUBMIT"},
                                     {"6", "INTERACTION_6"}}) {
    request.body = R"({"id":"i1","token":"t","channel_id":"c1","type":)" + std::string(number) + "}";
    const ExtractedItem item = One(discord, request);
    EXPECT_EQ(item.type, name);
    EXPECT_EQ(item.provider_event_id, "i1");
    EXPECT_EQ(item.ordering_key, "c1");
  }
  request.body =
      R"({"version":1,"type":1,"event":{"type":"ENTITLEMENT_CREATE","timestamp":"2024-10-18T14:42:53.064834"}})";
  const ExtractedItem item = One(discord, request);
  EXPECT_EQ(item.type, "ENTITLEMENT_CREATE");
  EXPECT_TRUE(item.occurred_at.has_value());
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

// --- JSON Lines ---

std::vector<std::string> Bodies(const Extracted& extracted) {
  std::vector<std::string> bodies;
  for (const ExtractedItem& item : extracted.items) bodies.emplace_back(item.body);
  return bodies;
}

constexpr std::string_view kLines = "content: lines\nevent: {split: /*, type: item/t, id: [item/id, hash]}";

TEST(Extract, EachLineIsAnEventWithItsOwnBytes) {
  const auto provider = WithEvent(kLines);
  TestRequest request;
  request.body = "\n{\"t\":\"a\", \"s\":\"\\n,\"}\r\n \r\n\t{ \"t\" : \"b\" } \n[1,2]\n\n\"text\"\n7";
  const Extracted extracted = ExtractFrom(*provider, request);
  EXPECT_TRUE(extracted.parsed);
  EXPECT_TRUE(extracted.many);
  EXPECT_THAT(Bodies(extracted),
              testing::ElementsAre(R"({"t":"a", "s":"\n,"})", R"({ "t" : "b" })", "[1,2]", "\"text\"", "7"));
  EXPECT_EQ(extracted.items[1].type, "b");
  EXPECT_EQ(extracted.items[1].index, 1u);
  for (const ExtractedItem& item : extracted.items) {
    EXPECT_TRUE(item.body.data() >= request.body.data() &&
                item.body.data() + item.body.size() <= request.body.data() + request.body.size());
  }
}

TEST(Extract, ALineHasTheSameIdAloneAndAmongOthers) {
  const auto provider = WithEvent(kLines);
  TestRequest both;
  both.body = "{\"a\":1}\n{\"a\":2}\n";
  TestRequest alone;
  alone.body = "{\"a\":2}\r\n";
  EXPECT_EQ(ExtractFrom(*provider, both).items.at(1).provider_event_id, One(*provider, alone).provider_event_id);
}

TEST(Extract, WhereLinesAreUsualAnArrayOrOneObjectIsTakenAsItIs) {
  const auto provider = WithEvent(kLines);
  TestRequest request;
  request.body = "[{\"t\":\"a\"},\n {\"t\":\"b\"}]\n";
  EXPECT_THAT(Bodies(ExtractFrom(*provider, request)), testing::ElementsAre("{\"t\":\"a\"}", "{\"t\":\"b\"}"));
  request.body = "{\n \"t\": \"one\"\n}\n";
  EXPECT_EQ(One(*provider, request).type, "one");
  // Two lists in two lines are no list.
  request.body = "[1]\n[2]";
  EXPECT_THAT(Bodies(ExtractFrom(*provider, request)), testing::ElementsAre("[1]", "[2]"));
}

TEST(Extract, OneLineThatIsNoJsonLeavesTheRequestUnparsed) {
  const auto provider = WithEvent(kLines);
  TestRequest request;
  for (const char* body :
       {"", " \n\r\n", "{\"t\":1}\nnot json\n{\"t\":2}", "{\"t\":1}\n{\"t\":", "{\"t\":1},\n{\"t\":2}",
        // Only together these are JSON.
        "{\"t\":1\n\"u\":2}\n{}", "1,2\n3", "[1\n2]\n[3]", "\"a\nb\"", "1\r2", "]\n["}) {
    request.body = body;
    const Extracted extracted = ExtractFrom(*provider, request);
    EXPECT_FALSE(extracted.parsed) << body;
    ASSERT_EQ(extracted.items.size(), 1u) << body;
    EXPECT_EQ(extracted.items[0].type, "unknown");
    EXPECT_EQ(extracted.items[0].body, request.body);
  }
}

TEST(Extract, LinesHaveTheLimitOfLists) {
  const auto provider = WithEvent(kLines);
  TestRequest request;
  for (size_t i = 0; i < kMaxItems; ++i) request.body += "0\n";
  EXPECT_EQ(ExtractFrom(*provider, request).items.size(), kMaxItems);
  request.body += "0\n";
  const Extracted too_many = ExtractFrom(*provider, request);
  EXPECT_TRUE(too_many.too_many_items);
  EXPECT_THAT(Bodies(too_many), testing::ElementsAre(request.body));
}

TEST(Extract, Auth0sThreeFormatsGiveTheSameEvents) {
  const std::string a = R"({"log_id":"900","data":{"type":"s","date":"2025-06-15T15:06:40.000Z"}})";
  const std::string b = R"({"log_id":"901","data":{"type":"f"}})";
  TestRequest request;
  for (const std::string& body : {a + "\n" + b + "\n", "[" + a + "," + b + "]"}) {
    request.body = body;
    const Extracted extracted = ExtractFrom(*FindPreset("auth0"), request);
    EXPECT_THAT(Bodies(extracted), testing::ElementsAre(a, b));
    EXPECT_EQ(extracted.items[1].type, "f");
    EXPECT_EQ(extracted.items[1].provider_event_id, "901");
  }
  request.body = a;
  EXPECT_EQ(One(*FindPreset("auth0"), request).type, "s");
}

// --- multipart forms ---

TEST(Extract, FieldsOfAMultipartFormAreAForms) {
  const auto provider = WithEvent("content: form\nevent: {type: form.type, id: form.id, attributes: {f: form.file}}");
  TestRequest request =
      MultipartRequest({{"type", "a"}, {"file; filename=x", "bytes"}, {"\"id\"", "1\r\n2"}, {"type", "again"}});
  const ExtractedItem item = One(*provider, request);
  EXPECT_EQ(item.type, "a");
  EXPECT_EQ(item.provider_event_id, "1\r\n2");
  EXPECT_THAT(item.attributes, testing::IsEmpty());
  EXPECT_EQ(item.body, request.body);
  // Files alone are a form; half a form is none.
  TestRequest files = MultipartRequest({{"file; filename=x", "bytes"}});
  EXPECT_TRUE(ExtractFrom(*provider, files).parsed);
  request.body.resize(request.body.size() - 9);
  const Extracted cut = ExtractFrom(*provider, request);
  EXPECT_FALSE(cut.parsed);
  EXPECT_EQ(cut.items.at(0).type, "unknown");
}

TEST(Extract, AMultipartFormsFieldMayHoldTheJson) {
  const auto provider = WithEvent("content: form.payload\nevent: {split: /*, type: item/t}");
  TestRequest request = MultipartRequest({{"x", "y"}, {"payload", R"([{"t":"a"},{"t":"b"}])"}});
  const Request view = request.View();
  Context context(view, provider->content);  // has the field's text
  const Extracted extracted = Extract(*provider, context);
  EXPECT_TRUE(extracted.parsed);
  ASSERT_EQ(extracted.items.size(), 2u);
  EXPECT_EQ(extracted.items[1].type, "b");
  EXPECT_EQ(extracted.items[1].body, R"({"t":"b"})");
}

TEST(Extract, SendgridsMailsAreMultipart) {
  TestRequest request = MultipartRequest({{"\"from\"", "Ada <ada@example.com>"},
                                          {"\"subject\"", "Hello"},
                                          {"\"attachment1\"; filename=\"a.txt\"", "file"}});
  const ExtractedItem item = One(*FindPreset("sendgrid-inbound"), request);
  EXPECT_EQ(item.type, "inbound");
  EXPECT_EQ(item.provider_event_id, "");
  EXPECT_THAT(item.attributes,
              testing::ElementsAre(testing::Pair("from", "Ada <ada@example.com>"), testing::Pair("subject", "Hello")));
}

// --- bodies that are not looked into ---

TEST(Extract, AnOpaqueBodyIsAnEventAndNoMistake) {
  TestRequest request;
  request.headers = {{"Content-Type", "application/xml"}, {"recurly-notification-id", "n1"}};
  request.body = "<new_account_notification/>";
  const Extracted extracted = ExtractFrom(*FindPreset("recurly-xml"), request);
  EXPECT_TRUE(extracted.parsed);
  EXPECT_FALSE(extracted.many);
  ASSERT_EQ(extracted.items.size(), 1u);
  EXPECT_EQ(extracted.items[0].type, "unknown");
  EXPECT_EQ(extracted.items[0].provider_event_id, "n1");
  EXPECT_EQ(extracted.items[0].body, request.body);
}

TEST(Extract, AnyContentIsReadByItsType) {
  const auto provider = WithEvent("content: any\nevent: {type: [json/t, form.t]}");
  TestRequest request;
  const auto read = [&](std::string type, std::string body) {
    request.headers = {{"Content-Type", std::move(type)}};
    request.body = std::move(body);
    const Extracted extracted = ExtractFrom(*provider, request);
    return std::pair(extracted.items.at(0).type, extracted.parsed);
  };
  EXPECT_EQ(read("application/json", R"({"t":"a"})"), std::pair(std::string("a"), true));
  EXPECT_EQ(read("Application/Vnd.X+JSON; charset=utf-8", R"({"t":"a"})"), std::pair(std::string("a"), true));
  EXPECT_EQ(read("application/json", "{"), std::pair(std::string("unknown"), false));
  EXPECT_EQ(read("application/x-www-form-urlencoded", "t=b"), std::pair(std::string("b"), true));
  EXPECT_EQ(read("text/xml", R"({"t":"a"})"), std::pair(std::string("unknown"), true));
  EXPECT_EQ(read("application/jsonish", R"({"t":"a"})"), std::pair(std::string("unknown"), true));
}

// --- several event rules ---

TEST(Extract, TheFirstRuleThatHoldsIsTheRule) {
  const auto provider = WithEvent(
      "event:\n  - {when: {header.X-Kind: \"a*\"}, type: json/a, id: hash}\n"
      "  - {when: {json/list/0/t: \"*\"}, split: /list/*, type: item/t}\n  - {when: {json/b: \"*\"}, type: json/b}");
  TestRequest request;
  request.body = R"({"a":"one","list":[{"t":"x"},{"t":"y"}],"b":"two"})";
  Extracted extracted = ExtractFrom(*provider, request);
  EXPECT_TRUE(extracted.many);
  ASSERT_EQ(extracted.items.size(), 2u);
  EXPECT_EQ(extracted.items[1].type, "y");
  request.headers.emplace_back("X-Kind", "ab");
  extracted = ExtractFrom(*provider, request);
  EXPECT_FALSE(extracted.many);
  ASSERT_EQ(extracted.items.size(), 1u);
  EXPECT_EQ(extracted.items[0].type, "one");
  EXPECT_EQ(extracted.items[0].provider_event_id.size(), 64u);
  request.headers.pop_back();
  request.body = R"({"b":"two","list":[]})";
  EXPECT_EQ(One(*provider, request).type, "two");
}

TEST(Extract, WithoutARuleARequestIsOneUnknownEvent) {
  const auto provider = WithEvent("event: [{when: {json/b: \"*\"}, split: /*, type: json/b, id: hash}]");
  TestRequest request;
  request.body = R"({"a":1})";
  const Extracted extracted = ExtractFrom(*provider, request);
  EXPECT_FALSE(extracted.parsed);
  EXPECT_FALSE(extracted.many);
  ASSERT_EQ(extracted.items.size(), 1u);
  EXPECT_EQ(extracted.items[0].type, "unknown");
  EXPECT_EQ(extracted.items[0].provider_event_id, "");
  EXPECT_EQ(extracted.items[0].body, request.body);
}

TEST(Extract, CloudEventsComeInThreeModes) {
  const Provider& preset = *FindPreset("cloudevents");
  TestRequest structured;
  structured.headers = {{"Content-Type", "application/cloudevents+json; charset=UTF-8"}};
  structured.body =
      R"({"specversion":"1.0","type":"order made","source":"/orders","id":"1","time":"2025-06-15T15:06:40Z","subject":"o1","partitionkey":"p"})";
  TestRequest binary;
  binary.headers = {{"Content-Type", "application/json"},
                    {"ce-specversion", "1.0"},
                    {"ce-type", "order%20made"},
                    {"ce-source", "/orders"},
                    {"ce-id", "1"},
                    {"ce-time", "2025-06-15T15:06:40Z"},
                    {"ce-subject", "o1"},
                    {"ce-partitionkey", "%70"}};
  binary.body = R"([{"specversion":"1.0","type":"data","id":"2"}])";
  TestRequest batch;
  batch.headers = {{"Content-Type", "Application/CloudEvents-Batch+JSON"}};
  batch.body = "[" + structured.body + "," + structured.body + "]";
  for (TestRequest* request : {&structured, &binary, &batch}) {
    const Extracted extracted = ExtractFrom(preset, *request);
    EXPECT_TRUE(extracted.parsed);
    EXPECT_EQ(extracted.many, request == &batch);
    ASSERT_EQ(extracted.items.size(), request == &batch ? 2u : 1u) << request->body;
    for (const ExtractedItem& item : extracted.items) {
      EXPECT_EQ(item.type, "order made");
      EXPECT_EQ(item.provider_event_id, "/orders 1");
      EXPECT_EQ(item.occurred_at, absl::FromUnixSeconds(1'750'000'000));
      EXPECT_EQ(item.ordering_key, "p");
      EXPECT_THAT(item.attributes,
                  testing::ElementsAre(testing::Pair("source", "/orders"), testing::Pair("subject", "o1")));
      EXPECT_EQ(item.body, request == &binary ? binary.body : structured.body);
    }
  }
  // The data may be anything.
  binary.headers[0].second = "application/xml";
  binary.body = "<order/>";
  EXPECT_TRUE(ExtractFrom(preset, binary).parsed);
  binary.headers[0].second = "application/json";
  const Extracted broken = ExtractFrom(preset, binary);
  EXPECT_FALSE(broken.parsed);
  EXPECT_EQ(broken.items.at(0).type, "order made");
  // No mode at all.
  TestRequest other;
  other.headers = {{"Content-Type", "text/plain"}};
  other.body = "hello";
  EXPECT_FALSE(ExtractFrom(preset, other).parsed);
  structured.body = "{";
  EXPECT_FALSE(ExtractFrom(preset, structured).parsed);
}

TEST(Extract, AzuresTwoSchemasAndQuickbooksTwoListsAreToldApart) {
  TestRequest request;
  request.body = R"([{"id":"1","topic":"/t","eventType":"A","eventTime":"2025-06-15T15:06:40Z","subject":"s"}])";
  ExtractedItem item = One(*FindPreset("azure-event-grid"), request);
  EXPECT_EQ(item.type, "A");
  EXPECT_EQ(item.provider_event_id, "/t:1");
  const std::string event = R"({"specversion":"1.0","id":"1","source":"/s","type":"qbo.invoice.created.v1","time":)"
                            R"("2025-06-15T15:06:40Z","intuitentityid":"95","intuitaccountid":"310687"})";
  for (const std::string& body : {event, "[" + event + "]"}) {
    request.body = body;
    item = One(*FindPreset("azure-event-grid"), request);
    EXPECT_EQ(item.type, "qbo.invoice.created.v1");
    EXPECT_EQ(item.provider_event_id, "/s 1");
  }
  item = One(*FindPreset("quickbooks"), request);
  EXPECT_EQ(item.provider_event_id, "/s 1");
  EXPECT_EQ(item.ordering_key, "310687:qbo.invoice.created.v1:95");
  request.body = R"({"eventNotifications":[{"realmId":"r","dataChangeEvent":{"entities":[)"
                 R"({"name":"Invoice","id":"9","operation":"Create","lastUpdated":"2025-06-15T15:06:40Z"}]}}]})";
  item = One(*FindPreset("quickbooks"), request);
  EXPECT_EQ(item.type, "Invoice.Create");
  EXPECT_EQ(item.ordering_key, "r:Invoice:9");
}

TEST(Extract, TextsAreValidUtf8) {
  TestRequest request;
  request.body = "{}";
  request.headers.emplace_back("X-GitHub-Event", "p\xffsh");
  EXPECT_EQ(One(*FindPreset("github"), request).type, "p\\xffsh");
}

}  // namespace
}  // namespace hookstream::provider
