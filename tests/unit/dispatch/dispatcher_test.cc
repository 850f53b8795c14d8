#include "dispatch/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/unit/dispatch/harness.h"

namespace hookstream::dispatch {
namespace {

using ::testing::HasSubstr;

std::vector<Seq> Seqs(const std::vector<Delivery>& deliveries) {
  std::vector<Seq> seqs;
  for (const auto& delivery : deliveries) seqs.push_back(delivery.event->event->seq);
  return seqs;
}

class DispatcherTest : public Harness {
 protected:
  double Metric(const std::string& line) {
    const std::string text = metrics_.Expose();
    const size_t at = text.find("\n" + line + " ");
    if (at == std::string::npos) return -1;
    return std::stod(text.substr(at + line.size() + 2));
  }
};

TEST_F(DispatcherTest, AStreamGetsEventsAndItsAcksAreDurable) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  TestStream& stream = Open(OpenOf("billing"));
  EXPECT_EQ(stream.Opened().subscription(), "billing");
  EXPECT_EQ(stream.Opened().max_outstanding_events(), 1'000);
  EXPECT_EQ(stream.Opened().ack_deadline().seconds(), 30);
  Add();
  Add();
  const auto deliveries = stream.Take(2);
  EXPECT_EQ(Seqs(deliveries), (std::vector<Seq>{1, 2}));
  EXPECT_EQ(deliveries[0].attempt, 1);
  EXPECT_EQ(deliveries[0].deadline_in, absl::Seconds(30));
  EXPECT_EQ(deliveries[0].last_failure, nullptr);
  ASSERT_TRUE(Settle(stream, Acks(deliveries)).ok());
  const auto results = stream.TakeResults(2);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].status, SettlementStatus::kOk);
  EXPECT_EQ(results[0].delivery_id, deliveries[0].id.view());
  Quiesce();
  EXPECT_EQ(Get("billing")->leased(), 0);
  EXPECT_EQ(Metric("hookstream_dispatch_deliveries_total{subscription=\"billing\"}"), 2);
  EXPECT_EQ(Metric("hookstream_dispatch_settled_events_total{subscription=\"billing\"}"), 2);
}

TEST_F(DispatcherTest, ANackComesBackAfterItsDelayWithItsReason) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  TestStream& stream = Open(OpenOf("billing"));
  Add();
  const auto first = stream.Take(1);
  ASSERT_TRUE(Settle(stream, NackOf(first[0], "database is away", absl::Seconds(40))).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kOk);
  Advance(absl::Seconds(39));
  Quiesce();
  EXPECT_EQ(stream.Pending(), 0u);
  Advance(absl::Seconds(1));
  const auto second = stream.Take(1);
  EXPECT_EQ(second[0].attempt, 2);
  EXPECT_NE(second[0].id.view(), first[0].id.view());
  ASSERT_NE(second[0].last_failure, nullptr);
  EXPECT_EQ(second[0].last_failure->kind, FailureKind::kNack);
  EXPECT_EQ(second[0].last_failure->reason, "database is away");
  // Only the newest delivery settles.
  ASSERT_TRUE(Settle(stream, Acks(first)).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kLeaseExpired);
  ASSERT_TRUE(Settle(stream, Acks(second)).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kOk);
}

TEST_F(DispatcherTest, AMissedDeadlineIsDeliveredAgain) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  TestStream& stream = Open(OpenOf("billing"));
  Add();
  stream.Take(1);
  Advance(absl::Seconds(30));
  Quiesce();  // the failure is durable first
  Advance(absl::Seconds(1));
  const auto again = stream.Take(1);
  EXPECT_EQ(again[0].attempt, 2);
  EXPECT_EQ(again[0].last_failure->kind, FailureKind::kDeadline);
  EXPECT_EQ(Metric("hookstream_dispatch_failed_attempts_total{kind=\"deadline\",subscription=\"billing\"}"), 1);
}

TEST_F(DispatcherTest, AnEventThatFailsTooOftenIsADeadLetter) {
  v1::Subscription message = Plain("billing");
  message.set_max_attempts(1);
  ASSERT_TRUE(Create(message).ok());
  TestStream& stream = Open(OpenOf("billing"));
  Add();
  ASSERT_TRUE(Settle(stream, NackOf(stream.Take(1)[0], "no")).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kOk);
  Quiesce();
  EXPECT_EQ(Get("billing")->dead(), 1);
}

TEST_F(DispatcherTest, AFailedCommitIsAnsweredRetryAndTheEventLives) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  TestStream& stream = Open(OpenOf("billing"));
  Add();
  const auto first = stream.Take(1);
  store_.FailCommits(absl::UnavailableError("the disk is full"));
  ASSERT_TRUE(Settle(stream, Acks(first)).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kRetry);
  store_.FailCommits(absl::OkStatus());
  Quiesce();
  Advance(absl::Seconds(2));
  const auto again = stream.Take(1);
  EXPECT_EQ(again[0].attempt, 1);
  ASSERT_TRUE(Settle(stream, Acks(again)).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kOk);
}

TEST_F(DispatcherTest, AClientThatComesBackKeepsWhatItHolds) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  v1::Open open = OpenOf("billing");
  open.set_client_id("worker-1");
  TestStream& first = Open(open);
  const std::string token = first.Opened().resume_token();
  Add();
  Add();
  const auto deliveries = first.Take(2);
  first.stream->Lost();
  open.set_resume_token(token);
  open.add_held_delivery_ids(std::string(deliveries[0].id.view()));
  TestStream& second = Open(open);
  // What it no longer holds comes again, at no cost of an attempt.
  const auto again = second.Take(1);
  EXPECT_EQ(Seqs(again), (std::vector<Seq>{2}));
  EXPECT_EQ(again[0].attempt, 1);
  ASSERT_TRUE(Settle(second, Acks({deliveries[0]})).ok());
  EXPECT_EQ(second.TakeResults(1)[0].status, SettlementStatus::kOk);
}

TEST_F(DispatcherTest, ALostConnectionCostsAnAttemptAfterTheGrace) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  v1::Open open = OpenOf("billing");
  open.set_client_id("worker-1");
  TestStream& first = Open(open);
  Add();
  first.Take(1);
  first.stream->Lost();
  TestStream& other = Open(OpenOf("billing"));
  Quiesce();
  EXPECT_EQ(other.Pending(), 0u);
  Advance(absl::Seconds(15));
  Quiesce();
  Advance(absl::Seconds(1));
  const auto again = other.Take(1);
  EXPECT_EQ(again[0].attempt, 2);
  EXPECT_EQ(again[0].last_failure->kind, FailureKind::kLostConnection);
}

TEST_F(DispatcherTest, AHalfCloseGivesLeasesBackAtNoCostAndWaitsForItsSettlements) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  TestStream& first = Open(OpenOf("billing"));
  Add();
  Add();
  const auto deliveries = first.Take(2);
  store_.Hold();
  ASSERT_TRUE(Settle(first, Acks({deliveries[0]})).ok());
  first.stream->HalfClose();
  dispatcher_.WaitIdle();
  EXPECT_FALSE(first.IsClosed());
  store_.Release();
  EXPECT_TRUE(first.Closed().ok());
  EXPECT_EQ(first.TakeResults(1)[0].status, SettlementStatus::kOk);
  TestStream& second = Open(OpenOf("billing"));
  const auto again = second.Take(1);
  EXPECT_EQ(Seqs(again), (std::vector<Seq>{2}));
  EXPECT_EQ(again[0].attempt, 1);
}

TEST_F(DispatcherTest, StreamsShareASubscriptionAndSubscriptionsGetEverything) {
  ASSERT_TRUE(Create(Plain("one")).ok());
  ASSERT_TRUE(Create(Plain("two")).ok());
  v1::Open small = OpenOf("one");
  small.set_max_outstanding_events(5);
  TestStream& a = Open(small);
  TestStream& b = Open(small);
  TestStream& all = Open(OpenOf("two"));
  for (int i = 0; i < 10; ++i) Add();
  std::set<Seq> seen;
  for (TestStream* stream : {&a, &b}) {
    const auto deliveries = stream->Take(5);
    EXPECT_EQ(deliveries.size(), 5u);
    for (const Seq seq : Seqs(deliveries)) EXPECT_TRUE(seen.insert(seq).second) << seq;
  }
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(all.Take(10).size(), 10u);
  // Typed once for both.
  EXPECT_EQ(Metric("hookstream_dispatch_typed_events_total{status=\"full\"}") +
                Metric("hookstream_dispatch_typed_events_total{status=\"partial\"}") +
                Metric("hookstream_dispatch_typed_events_total{status=\"untyped\"}"),
            10);
}

TEST_F(DispatcherTest, CreditHoldsDeliveriesBackUntilItGrows) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  v1::Open open = OpenOf("billing");
  open.set_max_outstanding_events(2);
  TestStream& stream = Open(open);
  for (int i = 0; i < 5; ++i) Add();
  EXPECT_EQ(stream.Take(2).size(), 2u);
  Quiesce();
  EXPECT_EQ(stream.Pending(), 0u);
  v1::Flow flow;
  flow.set_max_outstanding_events(4);
  ASSERT_TRUE(stream.stream->Flow(flow).ok());
  EXPECT_EQ(stream.Take(2).size(), 2u);
  flow.set_max_outstanding_events(-1);
  EXPECT_EQ(stream.stream->Flow(flow).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DispatcherTest, AFilterChoosesAndAChangeOfItApplies) {
  v1::Subscription message = Plain("billing");
  message.set_filter("type == \"push\"");
  const auto info = Create(message);
  ASSERT_TRUE(info.ok());
  TestStream& stream = Open(OpenOf("billing"));
  Add({.type = "issues.opened"});
  Add({.type = "push"});
  const auto deliveries = stream.Take(1);
  EXPECT_EQ(Seqs(deliveries), (std::vector<Seq>{2}));
  ASSERT_TRUE(Settle(stream, Acks(deliveries)).ok());
  stream.TakeResults(1);
  message.set_filter("type == \"issues.*\"");
  Waiter<absl::StatusOr<v1::SubscriptionInfo>> updated;
  dispatcher_.UpdateSubscription(message, info->revision(), updated.Callback());
  ASSERT_TRUE(updated.Get().ok());
  Add({.type = "push"});
  Add({.type = "issues.closed"});
  EXPECT_EQ(Seqs(stream.Take(1)), (std::vector<Seq>{4}));
  Waiter<absl::StatusOr<v1::SubscriptionInfo>> stale;
  dispatcher_.UpdateSubscription(message, info->revision(), stale.Callback());
  EXPECT_EQ(stale.Get().status().code(), absl::StatusCode::kAborted);
}

TEST_F(DispatcherTest, UnknownIdsAreAnsweredAndBadBatchesRefusedWhole) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  ASSERT_TRUE(Create(Plain("other")).ok());
  TestStream& stream = Open(OpenOf("billing"));
  TestStream& other = Open(OpenOf("other"));
  Add();
  const auto mine = stream.Take(1);
  const auto theirs = other.Take(1);
  ASSERT_TRUE(Settle(stream, Acks(theirs)).ok());
  auto results = stream.TakeResults(1);
  EXPECT_EQ(results[0].status, SettlementStatus::kUnknown);
  EXPECT_EQ(results[0].delivery_id, theirs[0].id.view());

  v1::SettleBatch bad = Acks(mine);
  bad.add_settlements()->set_delivery_id("x");
  const absl::Status status = Settle(stream, bad);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("settlements[1].outcome"));
  EXPECT_EQ(Settle(stream, NackOf(mine[0], "", absl::Hours(24 * 8))).code(), absl::StatusCode::kInvalidArgument);

  v1::SettleBatch huge;
  for (int i = 0; i <= kSettlementsMax; ++i) *huge.add_settlements() = Acks(mine).settlements(0);
  const absl::Status refused = Settle(stream, huge);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("10000"));
  // Nothing of them was applied.
  ASSERT_TRUE(Settle(stream, Acks(mine)).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kOk);
}

TEST_F(DispatcherTest, OpeningSaysWhatIsWrong) {
  const auto error = [&](const v1::Open& open) {
    TestStream stream;
    return dispatcher_.OpenStream(open, stream.Callbacks()).status();
  };
  EXPECT_EQ(error(OpenOf("nobody")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(error(v1::Open()).code(), absl::StatusCode::kInvalidArgument);
  v1::Open open;
  open.mutable_ephemeral()->set_filter("kind == 'x'");
  EXPECT_THAT(std::string(error(open).message()), HasSubstr("ephemeral.filter: column 1"));
  open.mutable_ephemeral()->clear_filter();
  open.mutable_ephemeral()->mutable_start()->set_event_id(FormatEventId(99, 1));
  EXPECT_EQ(error(open).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DispatcherTest, APrivateSubscriptionLivesAsLongAsItsStream) {
  Add();
  v1::Open open;
  open.set_confirm_settlements(true);
  open.mutable_ephemeral()->mutable_start()->set_earliest(true);
  TestStream& stream = Open(open);
  const auto deliveries = stream.Take(1);
  ASSERT_TRUE(Settle(stream, Acks(deliveries)).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kOk);
  stream.stream->HalfClose();
  EXPECT_TRUE(stream.Closed().ok());
  Quiesce();
  Waiter<absl::StatusOr<v1::ListSubscriptionsResponse>> list;
  dispatcher_.ListSubscriptions({}, list.Callback());
  EXPECT_EQ(list.Get()->subscriptions_size(), 0);
}

TEST_F(DispatcherTest, AnIdleStreamGetsHeartbeatsWithTheLag) {
  v1::Subscription message = Plain("billing");
  message.set_max_unsettled(1);
  ASSERT_TRUE(Create(message).ok());
  TestStream& stream = Open(OpenOf("billing"));
  for (int i = 0; i < 3; ++i) Add();
  stream.Take(1);
  Advance(absl::Seconds(15));
  EXPECT_EQ(stream.Heartbeat(), 2);
}

TEST_F(DispatcherTest, AFetchLeasesWithoutAStreamAndSettleAnswersInOrder) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  for (int i = 0; i < 3; ++i) Add();
  v1::FetchRequest request;
  request.set_subscription("billing");
  request.set_max_events(2);
  Waiter<absl::StatusOr<std::vector<Delivery>>> fetched;
  const auto handle = dispatcher_.Fetch(request, fetched.Callback());
  ASSERT_TRUE(handle.ok());
  const auto deliveries = fetched.Get();
  ASSERT_TRUE(deliveries.ok());
  ASSERT_EQ(deliveries->size(), 2u);
  Quiesce();
  EXPECT_EQ(Get("billing")->leased(), 2);

  v1::SettleRequest settle;
  settle.set_subscription("billing");
  *settle.add_settlements() = Acks({deliveries->at(1)}).settlements(0);
  settle.add_settlements()->set_delivery_id("nonsense");
  settle.mutable_settlements(1)->mutable_ack();
  *settle.add_settlements() = Acks({deliveries->at(0)}).settlements(0);
  Waiter<absl::StatusOr<std::vector<SettlementResult>>> settled;
  dispatcher_.Settle(settle, settled.Callback());
  const auto results = settled.Get();
  ASSERT_TRUE(results.ok());
  ASSERT_EQ(results->size(), 3u);
  EXPECT_EQ(results->at(0).delivery_id, deliveries->at(1).id.view());
  EXPECT_EQ(results->at(0).status, SettlementStatus::kOk);
  EXPECT_EQ(results->at(1).delivery_id, "nonsense");
  EXPECT_EQ(results->at(1).status, SettlementStatus::kUnknown);
  EXPECT_EQ(results->at(2).status, SettlementStatus::kOk);
}

TEST_F(DispatcherTest, AFetchThatFindsNothingEndsWithItsWait) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  v1::FetchRequest request;
  request.set_subscription("billing");
  request.mutable_wait()->set_seconds(5);
  Waiter<absl::StatusOr<std::vector<Delivery>>> fetched;
  const auto handle = dispatcher_.Fetch(request, fetched.Callback());
  ASSERT_TRUE(handle.ok());
  Quiesce();
  Advance(absl::Seconds(5));
  const auto deliveries = fetched.Get();
  ASSERT_TRUE(deliveries.ok());
  EXPECT_TRUE(deliveries->empty());
  request.mutable_wait()->set_seconds(31);
  Waiter<absl::StatusOr<std::vector<Delivery>>> refused;
  EXPECT_EQ(dispatcher_.Fetch(request, refused.Callback()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DispatcherTest, APausedSubscriptionDeliversNothingUntilItIsResumed) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  TestStream& stream = Open(OpenOf("billing"));
  Waiter<absl::StatusOr<v1::SubscriptionInfo>> paused, resumed;
  dispatcher_.PauseSubscription("billing", true, paused.Callback());
  EXPECT_TRUE(paused.Get()->paused());
  dispatcher_.WaitIdle();
  Add();
  Quiesce();
  EXPECT_EQ(stream.Pending(), 0u);
  dispatcher_.PauseSubscription("billing", false, resumed.Callback());
  EXPECT_FALSE(resumed.Get()->paused());
  EXPECT_EQ(stream.Take(1).size(), 1u);
}

TEST_F(DispatcherTest, ASeekBeginsAnewAndOldIdsNoLongerSettle) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  TestStream& stream = Open(OpenOf("billing"));
  Add();
  Add();
  const auto before = stream.Take(2);
  v1::Start start;
  start.set_event_id(IdOf(2));
  Waiter<absl::StatusOr<v1::SubscriptionInfo>> sought;
  dispatcher_.SeekSubscription("billing", start, sought.Callback());
  EXPECT_EQ(sought.Get()->generation(), 2);
  const auto after = stream.Take(1);
  EXPECT_EQ(Seqs(after), (std::vector<Seq>{2}));
  ASSERT_TRUE(Settle(stream, Acks(before)).ok());
  for (const auto& result : stream.TakeResults(2)) EXPECT_EQ(result.status, SettlementStatus::kUnknown);
  ASSERT_TRUE(Settle(stream, Acks(after)).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kOk);
}

TEST_F(DispatcherTest, ADeletedSubscriptionEndsItsStreams) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  TestStream& stream = Open(OpenOf("billing"));
  Waiter<absl::Status> deleted;
  dispatcher_.DeleteSubscription("billing", deleted.Callback());
  EXPECT_TRUE(deleted.Get().ok());
  EXPECT_EQ(stream.Closed().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Get("billing").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Create(Plain("billing")).ok());
}

TEST_F(DispatcherTest, AnUnusedSubscriptionExpires) {
  v1::Subscription message = Plain("billing");
  message.mutable_expire_after()->set_seconds(60);
  ASSERT_TRUE(Create(message).ok());
  {
    TestStream& stream = Open(OpenOf("billing"));
    Quiesce();
    Advance(absl::Seconds(100));
    Quiesce();
    EXPECT_FALSE(stream.IsClosed());
    stream.stream->HalfClose();
    EXPECT_TRUE(stream.Closed().ok());
  }
  Advance(absl::Seconds(59));
  Quiesce();
  EXPECT_TRUE(Get("billing").ok());
  Advance(absl::Seconds(1));
  Quiesce();
  EXPECT_EQ(Get("billing").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DispatcherTest, DeclaredSubscriptionsAreReadOnlyAndDetachedWhenTheyGo) {
  ASSERT_TRUE(Create(Plain("old")).ok());
  v1::Subscription changed = Plain("old");
  changed.set_max_attempts(3);
  Waiter<absl::Status> first, second, bad;
  dispatcher_.DeclareSubscriptions({changed, Plain("new")}, first.Callback());
  EXPECT_TRUE(first.Get().ok());
  EXPECT_TRUE(Get("old")->declared());
  EXPECT_EQ(Get("old")->subscription().max_attempts(), 3);
  EXPECT_TRUE(Get("new")->declared());
  Waiter<absl::StatusOr<v1::SubscriptionInfo>> updated;
  dispatcher_.UpdateSubscription(Plain("old"), "", updated.Callback());
  EXPECT_EQ(updated.Get().status().code(), absl::StatusCode::kFailedPrecondition);
  Waiter<absl::Status> deleted;
  dispatcher_.DeleteSubscription("old", deleted.Callback());
  EXPECT_EQ(deleted.Get().code(), absl::StatusCode::kFailedPrecondition);

  dispatcher_.DeclareSubscriptions({Plain("new")}, second.Callback());
  EXPECT_TRUE(second.Get().ok());
  EXPECT_FALSE(Get("old")->declared());
  dispatcher_.DeclareSubscriptions({Plain("new"), Plain("new")}, bad.Callback());
  EXPECT_EQ(bad.Get().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DispatcherTest, SubscriptionsAreListedInPages) {
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(Create(Plain(name)).ok());
  EXPECT_EQ(Create(Plain("a")).status().code(), absl::StatusCode::kAlreadyExists);
  v1::ListSubscriptionsRequest request;
  request.set_page_size(2);
  Waiter<absl::StatusOr<v1::ListSubscriptionsResponse>> first, second;
  dispatcher_.ListSubscriptions(request, first.Callback());
  const auto page = first.Get();
  ASSERT_EQ(page->subscriptions_size(), 2);
  EXPECT_EQ(page->subscriptions(0).subscription().name(), "a");
  EXPECT_EQ(page->subscriptions(1).subscription().name(), "b");
  request.set_page_token(page->next_page_token());
  dispatcher_.ListSubscriptions(request, second.Callback());
  const auto rest = second.Get();
  ASSERT_EQ(rest->subscriptions_size(), 1);
  EXPECT_EQ(rest->next_page_token(), "");
}

TEST_F(DispatcherTest, ADrainLetsSettlementsInAndThenEndsTheStreams) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  TestStream& stream = Open(OpenOf("billing"));
  Add();
  const auto deliveries = stream.Take(1);
  dispatcher_.StopDeliveries();
  Add();
  dispatcher_.SendDrain(absl::Seconds(5), "the relay is updated");
  EXPECT_EQ(stream.Drain(), "the relay is updated");
  EXPECT_FALSE(dispatcher_.WaitSettled(absl::Milliseconds(1)));
  TestStream late;
  EXPECT_EQ(dispatcher_.OpenStream(OpenOf("billing"), late.Callbacks()).status().code(),
            absl::StatusCode::kUnavailable);
  ASSERT_TRUE(Settle(stream, Acks(deliveries)).ok());
  EXPECT_EQ(stream.TakeResults(1)[0].status, SettlementStatus::kOk);
  EXPECT_TRUE(dispatcher_.WaitSettled(kPatience));
  EXPECT_EQ(stream.Pending(), 0u);
  dispatcher_.CloseStreams();
  EXPECT_EQ(stream.Closed().code(), absl::StatusCode::kUnavailable);
}

class SmallDispatcherTest : public Harness {
 protected:
  SmallDispatcherTest() : Harness({.streams_max = 2, .subscriptions_max = 1}) {}
};

TEST_F(SmallDispatcherTest, StreamsAndSubscriptionsAreBounded) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  EXPECT_EQ(Create(Plain("other")).status().code(), absl::StatusCode::kResourceExhausted);
  Open(OpenOf("billing"));
  TestStream& second = Open(OpenOf("billing"));
  TestStream third;
  EXPECT_EQ(dispatcher_.OpenStream(OpenOf("billing"), third.Callbacks()).status().code(),
            absl::StatusCode::kResourceExhausted);
  second.stream->HalfClose();
  EXPECT_TRUE(second.Closed().ok());
  EXPECT_TRUE(dispatcher_.OpenStream(OpenOf("billing"), third.Callbacks()).ok());
  dispatcher_.WaitIdle();
}

}  // namespace
}  // namespace hookstream::dispatch
