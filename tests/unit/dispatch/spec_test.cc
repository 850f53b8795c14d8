#include "dispatch/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace hookstream::dispatch {
namespace {

using ::testing::StartsWith;

v1::Subscription Named() {
  v1::Subscription message;
  message.set_name("billing");
  return message;
}

TEST(SpecTest, DefaultsAreThoseOfTheProto) {
  const auto spec = CompileSpec(Named(), absl::Seconds(15));
  ASSERT_TRUE(spec.ok()) << spec.status().ToString();
  EXPECT_EQ(spec->settings.ack_deadline, absl::Seconds(30));
  EXPECT_EQ(spec->settings.max_attempts, 10);
  EXPECT_EQ(spec->settings.retry.min_backoff, absl::Seconds(1));
  EXPECT_EQ(spec->settings.retry.max_backoff, absl::Minutes(10));
  EXPECT_EQ(spec->settings.retry.multiplier, 2);
  EXPECT_EQ(spec->settings.retry.jitter, 0.2);
  EXPECT_EQ(spec->settings.max_unsettled, 10'000);
  EXPECT_EQ(spec->settings.max_lease, absl::Hours(1));
  EXPECT_EQ(spec->settings.resume_grace, absl::Seconds(15));
  EXPECT_EQ(spec->expire_after, absl::InfiniteDuration());
  EXPECT_TRUE(spec->filter.MatchesAll());
}

TEST(SpecTest, AValueOutOfItsRangeNamesTheField) {
  const auto error = [](const std::function<void(v1::Subscription&)>& change) {
    v1::Subscription message = Named();
    change(message);
    const auto spec = CompileSpec(message, absl::Seconds(15));
    EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument) << message.ShortDebugString();
    return std::string(spec.status().message());
  };
  EXPECT_THAT(error([](auto& m) { m.set_name(""); }), StartsWith("name: "));
  EXPECT_THAT(error([](auto& m) { m.set_name("Billing"); }), StartsWith("name: "));
  EXPECT_THAT(error([](auto& m) { m.set_name(std::string(64, 'a')); }), StartsWith("name: "));
  EXPECT_EQ(error([](auto& m) { m.set_filter("typ == 'x'"); }), "filter: column 1: expected source, provider or type");
  EXPECT_EQ(error([](auto& m) { m.mutable_ack_deadline()->set_seconds(601); }), "ack_deadline: must be 1s to 10m");
  EXPECT_THAT(error([](auto& m) { m.mutable_ack_deadline()->set_nanos(1); }), StartsWith("ack_deadline: "));
  EXPECT_THAT(error([](auto& m) { m.set_max_attempts(1'001); }), StartsWith("max_attempts: "));
  EXPECT_THAT(error([](auto& m) { m.set_max_attempts(-1); }), StartsWith("max_attempts: "));
  EXPECT_THAT(error([](auto& m) { m.mutable_retry()->mutable_min_backoff()->set_seconds(3'601); }),
              StartsWith("retry.min_backoff: "));
  EXPECT_THAT(error([](auto& m) {
                m.mutable_retry()->mutable_min_backoff()->set_seconds(10);
                m.mutable_retry()->mutable_max_backoff()->set_seconds(9);
              }),
              StartsWith("retry.max_backoff: "));
  EXPECT_THAT(error([](auto& m) { m.mutable_retry()->set_multiplier(0.5); }), StartsWith("retry.multiplier: "));
  EXPECT_THAT(error([](auto& m) { m.mutable_retry()->set_jitter(1.5); }), StartsWith("retry.jitter: "));
  EXPECT_THAT(error([](auto& m) { m.set_ordering(v1::ORDERING_KEY); }), StartsWith("ordering: "));
  EXPECT_THAT(error([](auto& m) { m.set_max_unsettled(1'000'001); }), StartsWith("max_unsettled: "));
  EXPECT_THAT(error([](auto& m) { m.mutable_start()->set_event_id("x"); }), StartsWith("start.event_id: "));
  EXPECT_THAT(error([](auto& m) { m.mutable_max_lease()->set_seconds(12 * 3600 + 1); }), StartsWith("max_lease: "));
  EXPECT_THAT(error([](auto& m) { m.mutable_expire_after()->set_nanos(5); }), StartsWith("expire_after: "));
}

TEST(SpecTest, WhatIsStoredIsReadAgain) {
  StoredSpec spec{.message = Named(), .declared = true, .paused = true};
  spec.message.set_max_attempts(0);
  const auto read = DecodeStoredSpec(EncodeStoredSpec(spec));
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->declared);
  EXPECT_TRUE(read->paused);
  EXPECT_TRUE(SameSubscription(read->message, spec.message));
  EXPECT_TRUE(read->message.has_max_attempts());
  EXPECT_EQ(DecodeStoredSpec("").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecodeStoredSpec("\x02xx").status().code(), absl::StatusCode::kDataLoss);
}

TEST(SpecTest, AStartIsAPosition) {
  v1::Start start;
  EXPECT_TRUE(std::holds_alternative<store::Latest>(*ResolveStart(start, 9)));
  start.set_earliest(true);
  EXPECT_TRUE(std::holds_alternative<store::Earliest>(*ResolveStart(start, 9)));
  start.mutable_time()->set_seconds(100);
  EXPECT_EQ(std::get<store::AtTime>(*ResolveStart(start, 9)).received_at, absl::FromUnixSeconds(100));
  start.set_event_id(FormatEventId(9, 77));
  EXPECT_EQ(std::get<store::AtSeq>(*ResolveStart(start, 9)).seq, 77u);
  EXPECT_EQ(ResolveStart(start, 8).status().code(), absl::StatusCode::kInvalidArgument);
  start.mutable_time()->set_nanos(-1);
  EXPECT_EQ(ResolveStart(start, 9).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SpecTest, AnOpenHasDefaultsAndRanges) {
  v1::Open open;
  auto settings = CompileOpen(open);
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->credit.events, 1'000);
  EXPECT_EQ(settings->credit.bytes, 64 << 20);
  EXPECT_EQ(settings->message_bytes_max, 4 << 20);
  EXPECT_EQ(settings->batch_events_max, 100);
  EXPECT_EQ(settings->view, v1::VIEW_FULL);
  const auto error = [](const std::function<void(v1::Open&)>& change) {
    v1::Open message;
    change(message);
    return std::string(CompileOpen(message).status().message());
  };
  EXPECT_THAT(error([](auto& m) { m.set_max_outstanding_events(100'001); }), StartsWith("max_outstanding_events: "));
  EXPECT_THAT(error([](auto& m) { m.set_max_outstanding_bytes(1'023); }), StartsWith("max_outstanding_bytes: "));
  EXPECT_THAT(error([](auto& m) { m.set_max_message_bytes(1); }), StartsWith("max_message_bytes: "));
  EXPECT_THAT(error([](auto& m) { m.set_max_batch_events(1'001); }), StartsWith("max_batch_events: "));
  EXPECT_THAT(error([](auto& m) { m.set_tier("second"); }), StartsWith("tier: "));
  EXPECT_THAT(error([](auto& m) { m.set_client_id(std::string(129, 'c')); }), StartsWith("client_id: "));
  EXPECT_THAT(error([](auto& m) { m.set_view(static_cast<v1::View>(17)); }), StartsWith("view: "));
}

}  // namespace
}  // namespace hookstream::dispatch
