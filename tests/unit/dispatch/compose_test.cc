#include "dispatch/compose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "hookstream/v1/subscriber_service.pb.h"
#include "tests/support/make_event.h"
#include "typing/registry.h"

namespace hookstream::dispatch {
namespace {

using testing::EventShape;
using testing::MakeEventData;

constexpr StoreTag kTag = 42;

PreparedRef MakePrepared(Seq seq, TypedStatus status, const EventShape& shape = {}, std::string payload = "\x0a\x01x") {
  auto event = std::make_shared<store::StoredEvent>();
  event->seq = seq;
  event->data = MakeEventData(shape);
  // What Prepare makes, with a payload of the test's own.
  v1::Event id_and_typing, data;
  id_and_typing.set_id(FormatEventId(kTag, seq));
  id_and_typing.mutable_typing()->set_status(static_cast<v1::TypingStatus>(static_cast<int>(status) + 1));
  auto prepared = std::make_shared<Prepared>();
  prepared->status = status;
  prepared->head = id_and_typing.SerializeAsString();
  prepared->data_at = prepared->head.size();
  if (status != TypedStatus::kUntyped) {
    data.mutable_data()->set_type_url("type.googleapis.com/test.v1.Thing");
    data.mutable_data()->set_value(payload);
    const std::string bytes = data.SerializeAsString();
    prepared->head += bytes.substr(0, bytes.size() - payload.size());
    prepared->payload = std::move(payload);
  }
  prepared->event = std::move(event);
  return prepared;
}

Delivery MakeDelivery(PreparedRef event, int attempt = 1) {
  const DeliveryIdCodec codec({1, 2});
  Delivery delivery;
  delivery.id = codec.Encode(5, {.generation = 1, .seq = event->event->seq, .number = 9});
  delivery.event = std::move(event);
  delivery.attempt = attempt;
  delivery.deadline = absl::FromUnixMillis(1'700'000'030'250);
  delivery.deadline_in = absl::Milliseconds(29'500);
  return delivery;
}

struct Composed {
  std::string bytes;
  size_t referenced = 0;
};

Composed Compose(const BatchPlan& plan) {
  std::string block(plan.copied_bytes(), '?');
  Composed composed;
  plan.Write(block.data(), [&](const Piece& piece) {
    composed.bytes.append(piece.bytes);
    if (piece.owner != nullptr) composed.referenced += piece.bytes.size();
  });
  EXPECT_EQ(composed.bytes.size(), plan.message_bytes());
  return composed;
}

v1::SubscribeResponse Parsed(const BatchPlan& plan) {
  v1::SubscribeResponse response;
  EXPECT_TRUE(response.ParseFromString(Compose(plan).bytes));
  return response;
}

v1::Event EventIn(v1::View view, TypedStatus status) {
  const std::vector<Delivery> queue = {MakeDelivery(MakePrepared(1, status))};
  const auto response = Parsed(BatchPlan(queue, {.view = view}));
  EXPECT_EQ(response.deliveries().deliveries_size(), 1);
  return response.deliveries().deliveries(0).event();
}

TEST(ComposeTest, TheWholeEventIsInTheFullView) {
  const v1::Event event = EventIn(v1::VIEW_FULL, TypedStatus::kFull);
  EXPECT_EQ(event.id(), FormatEventId(kTag, 1));
  EXPECT_EQ(event.source(), "github-main");
  EXPECT_EQ(event.attributes().at("account"), "acct_1");
  EXPECT_EQ(event.received_at().seconds(), 1'700'000'000);
  EXPECT_EQ(event.raw().body(), R"({"action":"opened"})");
  EXPECT_EQ(event.raw().body_bytes(), 19);
  EXPECT_EQ(event.raw().content_type(), "application/json");
  EXPECT_FALSE(event.raw().body_omitted());
  EXPECT_EQ(event.data().type_url(), "type.googleapis.com/test.v1.Thing");
  EXPECT_EQ(event.data().value(), "\x0a\x01x");
  EXPECT_EQ(event.typing().status(), v1::TYPING_STATUS_FULL);
}

TEST(ComposeTest, TheOtherViewsLeaveOutWhatTheySay) {
  EXPECT_FALSE(EventIn(v1::VIEW_TYPED, TypedStatus::kFull).has_raw());
  EXPECT_TRUE(EventIn(v1::VIEW_TYPED, TypedStatus::kFull).has_data());
  EXPECT_TRUE(EventIn(v1::VIEW_TYPED, TypedStatus::kPartial).has_raw());
  EXPECT_TRUE(EventIn(v1::VIEW_TYPED, TypedStatus::kPartial).has_data());
  EXPECT_TRUE(EventIn(v1::VIEW_TYPED, TypedStatus::kUntyped).has_raw());
  EXPECT_FALSE(EventIn(v1::VIEW_TYPED, TypedStatus::kUntyped).has_data());
  EXPECT_TRUE(EventIn(v1::VIEW_RAW, TypedStatus::kFull).has_raw());
  EXPECT_FALSE(EventIn(v1::VIEW_RAW, TypedStatus::kFull).has_data());
  EXPECT_FALSE(EventIn(v1::VIEW_METADATA, TypedStatus::kFull).has_raw());
  EXPECT_FALSE(EventIn(v1::VIEW_METADATA, TypedStatus::kFull).has_data());
  for (const auto view : {v1::VIEW_FULL, v1::VIEW_TYPED, v1::VIEW_RAW, v1::VIEW_METADATA}) {
    EXPECT_EQ(EventIn(view, TypedStatus::kPartial).typing().status(), v1::TYPING_STATUS_PARTIAL);
    EXPECT_EQ(EventIn(view, TypedStatus::kPartial).id(), FormatEventId(kTag, 1));
  }
}

TEST(ComposeTest, ADeliverySaysAttemptDeadlineAndTheLastFailure) {
  Delivery delivery = MakeDelivery(MakePrepared(7, TypedStatus::kUntyped), 3);
  delivery.last_failure = std::make_shared<Failure>(Failure{
      .kind = FailureKind::kNack, .reason = "busy", .time = absl::FromUnixMillis(1'700'000'001'500), .attempt = 2});
  const std::vector<Delivery> queue = {delivery};
  const auto response = Parsed(BatchPlan(queue, {}));
  const v1::Delivery& got = response.deliveries().deliveries(0);
  EXPECT_EQ(got.delivery_id(), delivery.id.view());
  EXPECT_EQ(got.attempt(), 3);
  EXPECT_EQ(got.deadline().seconds(), 1'700'000'030);
  EXPECT_EQ(got.deadline().nanos(), 250'000'000);
  EXPECT_EQ(got.deadline_in().seconds(), 29);
  EXPECT_EQ(got.deadline_in().nanos(), 500'000'000);
  EXPECT_EQ(got.last_failure().kind(), v1::FAILURE_KIND_NACK);
  EXPECT_EQ(got.last_failure().reason(), "busy");
  EXPECT_EQ(got.last_failure().time().nanos(), 500'000'000);
  EXPECT_EQ(got.last_failure().attempt(), 2);
}

TEST(ComposeTest, ABatchEndsAtTheNumberOfEvents) {
  std::vector<Delivery> queue;
  for (Seq seq = 1; seq <= 5; ++seq) queue.push_back(MakeDelivery(MakePrepared(seq, TypedStatus::kFull)));
  const BatchPlan plan(queue, {.events_max = 3});
  EXPECT_EQ(plan.count(), 3u);
  const auto response = Parsed(plan);
  ASSERT_EQ(response.deliveries().deliveries_size(), 3);
  EXPECT_EQ(response.deliveries().deliveries(2).event().id(), FormatEventId(kTag, 3));
}

TEST(ComposeTest, AMessageIsNeverLargerThanAllowed) {
  std::vector<Delivery> queue;
  for (Seq seq = 1; seq <= 20; ++seq) {
    queue.push_back(MakeDelivery(MakePrepared(seq, TypedStatus::kFull, {.body = std::string(1000 * seq, 'b')})));
  }
  size_t at = 0;
  while (at < queue.size()) {
    const BatchPlan plan(std::span<const Delivery>(queue).subspan(at), {.message_bytes_max = 30'000});
    ASSERT_GE(plan.count(), 1u);
    EXPECT_LE(plan.message_bytes(), 30'000u);
    EXPECT_EQ(plan.bodies_omitted(), 0u);
    EXPECT_EQ(Parsed(plan).deliveries().deliveries_size(), static_cast<int>(plan.count()));
    at += plan.count();
  }
}

TEST(ComposeTest, ABatchThatJustFitsIsNotSplit) {
  const std::vector<Delivery> queue = {MakeDelivery(MakePrepared(1, TypedStatus::kFull)),
                                       MakeDelivery(MakePrepared(2, TypedStatus::kFull))};
  const auto bytes = static_cast<int64_t>(BatchPlan(queue, {}).message_bytes());
  EXPECT_EQ(BatchPlan(queue, {.message_bytes_max = bytes}).count(), 2u);
  EXPECT_EQ(BatchPlan(queue, {.message_bytes_max = bytes - 1}).count(), 1u);
}

TEST(ComposeTest, AnEventThatDoesNotFitGoesWithoutItsBody) {
  const std::vector<Delivery> queue = {
      MakeDelivery(MakePrepared(1, TypedStatus::kFull, {.body = std::string(100'000, 'b')}, std::string(90'000, 'p'))),
      MakeDelivery(MakePrepared(2, TypedStatus::kFull))};
  const BatchPlan plan(queue, {.message_bytes_max = 65'536});
  EXPECT_EQ(plan.bodies_omitted(), 1u);
  EXPECT_LE(plan.message_bytes(), 65'536u);
  const auto response = Parsed(plan);
  const v1::Event& event = response.deliveries().deliveries(0).event();
  EXPECT_TRUE(event.raw().body_omitted());
  EXPECT_EQ(event.raw().body_bytes(), 100'000);
  EXPECT_EQ(event.raw().body(), "");
  EXPECT_FALSE(event.has_data());
  EXPECT_EQ(event.source(), "github-main");
}

TEST(ComposeTest, AnAnswerWithoutASecondMessageHasAllEvents) {
  std::vector<Delivery> queue;
  for (Seq seq = 1; seq <= 3; ++seq) {
    queue.push_back(MakeDelivery(MakePrepared(seq, TypedStatus::kFull, {.body = std::string(3'000, 'b')})));
  }
  const BatchPlan plan(queue, {.wrapper = Wrapper::kNone, .message_bytes_max = 5'000, .all = true});
  EXPECT_EQ(plan.count(), 3u);
  EXPECT_EQ(plan.bodies_omitted(), 2u);
  v1::FetchResponse response;
  ASSERT_TRUE(response.ParseFromString(Compose(plan).bytes));
  EXPECT_FALSE(response.deliveries(0).event().raw().body_omitted());
  EXPECT_TRUE(response.deliveries(2).event().raw().body_omitted());
}

TEST(ComposeTest, LargePartsAreReferencedAndSmallOnesCopied) {
  const std::string body(kReferencedBytesMin, 'b'), payload(kReferencedBytesMin + 1, 'p');
  const std::vector<Delivery> queue = {MakeDelivery(MakePrepared(1, TypedStatus::kFull)),
                                       MakeDelivery(MakePrepared(2, TypedStatus::kFull, {.body = body}, payload)),
                                       MakeDelivery(MakePrepared(3, TypedStatus::kFull))};
  const BatchPlan plan(queue, {});
  const Composed composed = Compose(plan);
  EXPECT_EQ(composed.referenced, body.size() + payload.size());
  EXPECT_EQ(plan.copied_bytes() + composed.referenced, plan.message_bytes());
  v1::SubscribeResponse response;
  ASSERT_TRUE(response.ParseFromString(composed.bytes));
  EXPECT_EQ(response.deliveries().deliveries(1).event().raw().body(), body);
  EXPECT_EQ(response.deliveries().deliveries(1).event().data().value(), payload);
}

TEST(ComposeTest, AnEventAloneIsTheSameAsInADelivery) {
  for (const auto view : {v1::VIEW_FULL, v1::VIEW_TYPED, v1::VIEW_RAW, v1::VIEW_METADATA}) {
    for (const auto status : {TypedStatus::kFull, TypedStatus::kPartial, TypedStatus::kUntyped}) {
      v1::Event alone;
      ASSERT_TRUE(alone.ParseFromString(ComposeEvent(*MakePrepared(1, status), view)));
      EXPECT_EQ(alone.ShortDebugString(), EventIn(view, status).ShortDebugString());
    }
  }
}

TEST(PrepareTest, AnEventIsTypedOrSaysWhyNot) {
  const auto registry = typing::Registry::Build();
  ASSERT_TRUE(registry.ok()) << registry.status().ToString();
  const auto prepare = [&](const EventShape& shape) {
    auto event = std::make_shared<store::StoredEvent>();
    event->seq = 3;
    event->data = MakeEventData(shape);
    v1::Event composed;
    EXPECT_TRUE(composed.ParseFromString(ComposeEvent(*Prepare(event, kTag, **registry), v1::VIEW_FULL)));
    return composed;
  };
  const v1::Event untyped = prepare({.provider = "nobody", .type = "x"});
  EXPECT_EQ(untyped.typing().status(), v1::TYPING_STATUS_UNTYPED);
  ASSERT_GE(untyped.typing().notes_size(), 1);
  EXPECT_EQ(untyped.typing().notes(0).reason(), "no_mapping");
  EXPECT_FALSE(untyped.has_data());
  EXPECT_EQ(untyped.id(), FormatEventId(kTag, 3));

  const auto types = (*registry)->EventTypes("github");
  if (types.empty()) GTEST_SKIP() << "no message is mapped for github";
  const v1::Event typed = prepare({.type = "issues.opened", .body = R"({"action":"opened","issue":{"number":7}})"});
  EXPECT_NE(typed.typing().status(), v1::TYPING_STATUS_UNTYPED) << typed.typing().ShortDebugString();
  EXPECT_THAT(typed.data().type_url(), ::testing::StartsWith("type.googleapis.com/hookstream.github.v1."));
  EXPECT_EQ(typed.typing().schema_fingerprint().size(), 16u);
}

v1::Event PreparedEvent(const typing::Registry& registry, const EventShape& shape) {
  auto event = std::make_shared<store::StoredEvent>();
  event->data = MakeEventData(shape);
  v1::Event composed;
  EXPECT_TRUE(composed.ParseFromString(ComposeEvent(*Prepare(event, kTag, registry), v1::VIEW_FULL)));
  return composed;
}

TEST(PrepareTest, JsonInAFieldIsTypedAsSuchInFormsOfBothKinds) {
  const auto registry = typing::Registry::Build();
  ASSERT_TRUE(registry.ok()) << registry.status().ToString();
  const std::string json = R"({"action":"opened","issue":{"number":7}})";
  const v1::Event plain = PreparedEvent(**registry, {.body = json});
  ASSERT_TRUE(plain.has_data());
  const v1::Event form = PreparedEvent(**registry, {.body = "x=y&payload=" + EncodeFormText(json),
                                                    .content = store::Content::kForm,
                                                    .content_type = "application/x-www-form-urlencoded"});
  EXPECT_EQ(form.data().value(), plain.data().value());
  const v1::Event multipart = PreparedEvent(
      **registry, {.body = "--b\r\nContent-Disposition: form-data; name=payload\r\n\r\n" + json + "\r\n--b--\r\n",
                   .content = store::Content::kMultipart,
                   .content_type = "multipart/form-data; boundary=b"});
  EXPECT_EQ(multipart.data().value(), plain.data().value());
}

TEST(PrepareTest, AMultipartFormIsTypedLikeAForm) {
  const auto registry = typing::Registry::Build();
  ASSERT_TRUE(registry.ok()) << registry.status().ToString();
  const auto prepare = [&](const EventShape& shape) { return PreparedEvent(**registry, shape); };
  const v1::Event form = prepare({.provider = "twilio",
                                  .type = "message.received",
                                  .body = "MessageSid=SM1&From=%2B1501&Body=a+%26+b%0D%0Ac",
                                  .content = store::Content::kForm,
                                  .content_type = "application/x-www-form-urlencoded"});
  EXPECT_TRUE(form.has_data());
  EventShape shape = {.provider = "twilio",
                      .type = "message.received",
                      .body =
                          "--b\r\nContent-Disposition: form-data; name=\"MessageSid\"\r\n\r\nSM1\r\n"
                          "--b\r\nContent-Disposition: form-data; name=\"From\"\r\n\r\n+1501\r\n"
                          "--b\r\nContent-Disposition: form-data; name=\"To\"; filename=\"f\"\r\n\r\nno field\r\n"
                          "--b\r\nContent-Disposition: form-data; name=\"Body\"\r\n\r\na & b\r\nc\r\n--b--\r\n",
                      .content = store::Content::kMultipart,
                      .content_type = "multipart/form-data; boundary=b"};
  const v1::Event multipart = prepare(shape);
  EXPECT_EQ(multipart.data().type_url(), form.data().type_url());
  EXPECT_EQ(multipart.data().value(), form.data().value());
  EXPECT_EQ(multipart.typing().ShortDebugString(), form.typing().ShortDebugString());
  EXPECT_EQ(multipart.raw().body(), shape.body);
  shape.body.resize(shape.body.size() - 9);
  const v1::Event cut = prepare(shape);
  EXPECT_EQ(cut.typing().status(), v1::TYPING_STATUS_UNTYPED);
  EXPECT_EQ(cut.typing().notes(0).reason(), "malformed");
  EXPECT_EQ(cut.raw().body(), shape.body);
}

}  // namespace
}  // namespace hookstream::dispatch
