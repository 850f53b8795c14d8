// Every transition of the table in docs/delivery.md, and what is visible of it.
#include "gmock/gmock.h"
#include "tests/unit/delivery/harness.h"

namespace hookstream::delivery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// ---- The table: from a state, an input, to a state.

enum class From { kReady, kLeased, kSettling, kFailing, kWaiting, kDyingByReject, kDyingByMaximum };

// Brings event 1 there.
void Bring(Harness& h, From from) {
  switch (from) {
    case From::kReady:
      h.Deliver();
      h.tracker.Pause();
      h.Close(kStream, CloseHow::kHalfClose);
      h.Step();
      return;
    case From::kLeased: h.Deliver(); return;
    case From::kSettling:
      h.Deliver();
      h.Ack(1);
      h.Step();
      return;
    case From::kFailing:
      h.Deliver();
      h.Nack(1);
      h.Step();
      return;
    case From::kWaiting:
      h.Deliver();
      h.Nack(1);
      h.Step();
      h.Commit();
      return;
    case From::kDyingByReject:
      h.Deliver();
      h.Reject(1);
      h.Step();
      return;
    case From::kDyingByMaximum:
      h.Open();
      h.ClaimWith(1, Failed(2));
      h.Step();
      h.Nack(1);
      h.Step();
      return;
  }
}

constexpr int kGone = -1;
constexpr int kBusy = -2;  // leased, or in a commit

struct Row {
  const char* name;
  From from;
  void (*input)(Harness&);
  int64_t Counts::*to;
  // What the next delivery says, if there can be one soon.
  int attempts_failed = kGone;
  std::vector<ResultStatus> results = {};
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class LifeTable : public testing::TestWithParam<Row> {};

TEST_P(LifeTable, Transition) {
  const Row& row = GetParam();
  Harness h;
  Bring(h, row.from);
  // The table's inputs end with a Step; its results count, whichever Step they came out of.
  h.actions.results.clear();
  row.input(h);
  EXPECT_EQ(h.tracker.counts().*row.to, 1);
  EXPECT_THAT(h.Results(), testing::ElementsAreArray(row.results));
  const Counts& c = h.tracker.counts();
  EXPECT_EQ(c.claimed, c.Unsettled() + c.settled + c.dead + c.skipped + c.released + c.claims_lost);
  EXPECT_EQ(c.Unsettled(), row.attempts_failed == kGone ? 0 : 1);
  if (row.attempts_failed < 0) return;
  h.tracker.Resume();
  h.newest.clear();
  h.Open(99);
  h.After(absl::Minutes(1));
  ASSERT_TRUE(h.newest.contains(1));
  EXPECT_EQ(h.actions.deliveries.at(0).attempt, row.attempts_failed + 1);
}

constexpr auto kOk = ResultStatus::kOk;
constexpr auto kRetry = ResultStatus::kRetry;
constexpr auto kExpired = ResultStatus::kLeaseExpired;

INSTANTIATE_TEST_SUITE_P(
    Life, LifeTable,
    testing::Values(
        Row{"ReadyWithCreditIsLeased", From::kReady,
            [](Harness& h) {
              h.tracker.Resume();
              h.Open(2);
              h.Step();
            },
            &Counts::leased, kBusy},
        Row{"ReadyAckedLateIsSettling",
            From::kReady,
            [](Harness& h) {
              h.Ack(1, 50);
              h.Step();
              EXPECT_EQ(h.tracker.counts().settling, 1);
              h.Commit();
            },
            &Counts::settled,
            -1,
            {kOk}},
        Row{"ReadyNackedLateIsReady",
            From::kReady,
            [](Harness& h) {
              h.Nack(1);
              h.Step();
            },
            &Counts::ready,
            0,
            {kExpired}},
        Row{"ReadyClaimLostIsGone", From::kReady,
            [](Harness& h) {
              h.tracker.ClaimLost(std::vector<Seq>{1});
              h.Step();
            },
            &Counts::claims_lost},
        Row{"LeasedAckIsSettling", From::kLeased,
            [](Harness& h) {
              h.Ack(1);
              h.Step();
              EXPECT_TRUE(h.actions.confirm);
              EXPECT_THAT(h.Results(), IsEmpty()) << "before the commit";
            },
            &Counts::settling, kBusy},
        Row{"LeasedNackIsFailing", From::kLeased,
            [](Harness& h) {
              h.Nack(1);
              h.Step();
            },
            &Counts::failing, kBusy},
        Row{"LeasedMissedDeadlineIsFailing", From::kLeased, [](Harness& h) { h.After(absl::Seconds(30)); },
            &Counts::failing, kBusy},
        Row{"LeasedRejectIsDying", From::kLeased,
            [](Harness& h) {
              h.Reject(1);
              h.Step();
            },
            &Counts::dying, kBusy},
        Row{"LeasedHalfCloseIsReady", From::kLeased,
            [](Harness& h) {
              h.Close(kStream, CloseHow::kHalfClose);
              h.Step();
            },
            &Counts::ready, 0},
        Row{"LeasedDrainIsReady", From::kLeased,
            [](Harness& h) {
              h.Close(kStream, CloseHow::kDrain);
              h.Step();
            },
            &Counts::ready, 0},
        Row{"LeasedLostWithoutClientIdIsFailing", From::kLeased,
            [](Harness& h) {
              h.Close(kStream, CloseHow::kLost);
              h.Step();
            },
            &Counts::failing, kBusy},
        Row{"LeasedDetachedStaysLeased", From::kLeased,
            [](Harness& h) {
              h.Close(kStream, CloseHow::kDetach);
              h.Step();
            },
            &Counts::leased, kBusy},
        Row{"LeasedExtendStaysLeased",
            From::kLeased,
            [](Harness& h) {
              h.Extend(1);
              h.Step();
            },
            &Counts::leased,
            kBusy,
            {kOk}},
        Row{"LeasedClaimLostIsGone", From::kLeased,
            [](Harness& h) {
              h.tracker.ClaimLost(std::vector<Seq>{1});
              h.Step();
            },
            &Counts::claims_lost},
        Row{"SettlingCommittedIsSettled", From::kSettling, [](Harness& h) { h.Commit(); }, &Counts::settled, -1, {kOk}},
        Row{"SettlingFailedCommitIsReadyAndRetry",
            From::kSettling,
            [](Harness& h) { h.Commit(false); },
            &Counts::ready,
            0,
            {kRetry}},
        Row{"SettlingAckedAgainIsSettling",
            From::kSettling,
            [](Harness& h) {
              h.Ack(1);
              h.Step();
            },
            &Counts::settling,
            kBusy,
            {kExpired}},
        Row{"SettlingClaimLostIsStillAnswered",
            From::kSettling,
            [](Harness& h) {
              const CommitToken token = h.actions.commit;
              h.tracker.ClaimLost(std::vector<Seq>{1});
              h.Step();
              EXPECT_EQ(h.tracker.counts().settling, 1);
              h.tracker.Committed(token, true, h.now());
              h.Step();
            },
            &Counts::settled,
            -1,
            {kOk}},
        Row{"SettlingClaimLostAndFailedIsGone",
            From::kSettling,
            [](Harness& h) {
              h.tracker.ClaimLost(std::vector<Seq>{1});
              h.Commit(false);
            },
            &Counts::claims_lost,
            -1,
            {kRetry}},
        Row{"FailingCommittedIsWaiting", From::kFailing, [](Harness& h) { h.Commit(); }, &Counts::waiting, 1, {kOk}},
        Row{"FailingFailedCommitIsReadyWithTheSameAttempt",
            From::kFailing,
            [](Harness& h) { h.Commit(false); },
            &Counts::ready,
            0,
            {kRetry}},
        Row{"FailingAckedLateIsSettlingAfterItsCommit",
            From::kFailing,
            [](Harness& h) {
              const CommitToken token = h.actions.commit;
              h.Ack(1);
              h.Step();
              EXPECT_EQ(h.tracker.counts().failing, 1);
              EXPECT_EQ(h.actions.commit, 0u);
              h.tracker.Committed(token, true, h.now());
              h.Step();
            },
            &Counts::settling,
            kBusy,
            {kOk}},
        Row{"FailingClaimLostIsGoneAfterItsCommit",
            From::kFailing,
            [](Harness& h) {
              h.tracker.ClaimLost(std::vector<Seq>{1});
              h.Commit();
            },
            &Counts::claims_lost,
            -1,
            {kOk}},
        Row{"WaitingDueIsLeasedAgain", From::kWaiting, [](Harness& h) { h.After(absl::Seconds(1)); }, &Counts::leased,
            kBusy},
        Row{"WaitingNotDueIsWaiting", From::kWaiting, [](Harness& h) { h.After(absl::Milliseconds(999)); },
            &Counts::waiting, 1},
        Row{"WaitingAckedLateIsSettled",
            From::kWaiting,
            [](Harness& h) {
              h.Ack(1);
              h.Step();
              EXPECT_EQ(h.tracker.counts().settling, 1);
              h.Commit();
            },
            &Counts::settled,
            -1,
            {kOk}},
        Row{"WaitingAckedLateWithAFailedCommitWaitsOn",
            From::kWaiting,
            [](Harness& h) {
              h.Ack(1);
              h.Step();
              h.Commit(false);
            },
            &Counts::waiting,
            1,
            {kRetry}},
        Row{"WaitingClaimLostIsGone", From::kWaiting,
            [](Harness& h) {
              h.tracker.ClaimLost(std::vector<Seq>{1});
              h.Step();
            },
            &Counts::claims_lost},
        Row{"RejectedCommittedIsDead", From::kDyingByReject, [](Harness& h) { h.Commit(); }, &Counts::dead, -1, {kOk}},
        Row{"RejectedFailedCommitIsReadyWithTheSameAttempt",
            From::kDyingByReject,
            [](Harness& h) { h.Commit(false); },
            &Counts::ready,
            0,
            {kRetry}},
        Row{"UsedUpCommittedIsDead", From::kDyingByMaximum, [](Harness& h) { h.Commit(); }, &Counts::dead, -1, {kOk}},
        Row{"UsedUpFailedCommitIsReadyWithTheSameAttempt",
            From::kDyingByMaximum,
            [](Harness& h) { h.Commit(false); },
            &Counts::ready,
            2,
            {kRetry}},
        Row{"UsedUpAckedLateIsDeadAllTheSame",
            From::kDyingByMaximum,
            [](Harness& h) {
              const CommitToken token = h.actions.commit;
              h.Ack(1);
              h.Step();
              h.tracker.Committed(token, true, h.now());
              h.Step();
            },
            &Counts::dead,
            -1,
            {kOk, kExpired}},
        Row{"UsedUpAckedLateIsSettlingIfTheDeadLetterFails",
            From::kDyingByMaximum,
            [](Harness& h) {
              h.Ack(1);
              h.Commit(false);
              h.Commit();
            },
            &Counts::settled,
            -1,
            {kOk}}),
    [](const auto& test) { return test.param.name; });

// ---- Settlements.

TEST(Settle, AnotherGenerationIsUnknown) {
  Harness h;
  h.Deliver();
  DeliveryId id = h.newest[1];
  --id.generation;
  h.Settle({.id = id});
  h.Step();
  EXPECT_THAT(h.Results(), ElementsAre(ResultStatus::kUnknown));
  EXPECT_EQ(h.tracker.counts().leased, 1);
}

TEST(Settle, AnOlderDeliveryDoesNot) {
  Harness h;
  h.Deliver();
  const DeliveryId old = h.newest[1];
  h.Close(kStream, CloseHow::kHalfClose);
  h.Open(2);
  h.Step();
  ASSERT_NE(h.newest[1], old);
  for (const auto kind : {SettleKind::kAck, SettleKind::kNack, SettleKind::kExtend, SettleKind::kReject}) {
    h.Settle({.id = old, .kind = kind});
    h.Step();
    EXPECT_THAT(h.Results(), ElementsAre(ResultStatus::kLeaseExpired));
    EXPECT_EQ(h.actions.commit, 0u);
    EXPECT_EQ(h.tracker.counts().leased, 1);
  }
}

TEST(Settle, AnIdFromBeforeAReclaimDoesNot) {
  Harness h;
  h.Deliver();
  h.tracker.ClaimLost(std::vector<Seq>{1});
  h.tracker.Pause();
  h.Claim({1});
  h.Ack(1);
  h.Step();
  EXPECT_THAT(h.Results(), ElementsAre(ResultStatus::kLeaseExpired));
  EXPECT_EQ(h.tracker.counts().ready, 1);
}

TEST(Settle, AnUnclaimedEventIsExpired) {
  Harness h;
  h.Open();
  h.Settle({.id = {7, 12345, 1}});
  h.Step();
  EXPECT_THAT(h.Results(), ElementsAre(ResultStatus::kLeaseExpired));
}

TEST(Settle, AnotherStreamMayAndGetsTheResultWhileTheCreditIsTheHolders) {
  Harness h;
  h.Deliver();
  h.Open(2, {1, 1000}, true);
  h.Ack(1, 2);
  h.Step();
  EXPECT_EQ(h.tracker.Outstanding(kStream).events, 0);
  h.Commit();
  ASSERT_THAT(h.actions.results, SizeIs(1));
  EXPECT_EQ(h.actions.results[0].stream, 2u);
}

TEST(Settle, WithoutConfirmOnlyWhatIsNotOkHasAResultAndAcksNeedNoSync) {
  Harness h;
  h.Open(kStream, {100, 100'000}, /*confirm=*/false);
  h.Claim({1, 2, 3});
  h.Step();
  h.Ack(1);
  h.Step();
  EXPECT_FALSE(h.actions.confirm);
  h.Commit();
  EXPECT_THAT(h.Results(), IsEmpty());
  h.Extend(2);
  h.Ack(2);
  h.Step();
  h.Commit(false);
  EXPECT_THAT(h.Results(), ElementsAre(ResultStatus::kRetry));
  h.Nack(3);
  h.Step();
  EXPECT_TRUE(h.actions.confirm) << "a failure record is durable before the next attempt";
}

TEST(Settle, AUnaryCallIsConfirmed) {
  Harness h;
  h.Open(kStream, {100, 100'000}, /*confirm=*/false);
  h.Claim({1});
  h.Step();
  h.Ack(1, /*stream=*/500);
  h.Step();
  EXPECT_TRUE(h.actions.confirm);
  h.Commit();
  EXPECT_THAT(h.Results(), ElementsAre(ResultStatus::kOk));
}

TEST(Settle, ManyAreOneCommit) {
  Harness h;
  h.Open();
  h.Claim({1, 2, 3, 4});
  h.Step();
  h.Ack(3);
  h.Ack(1);
  h.Nack(2, absl::Seconds(5), "later");
  h.Reject(4);
  h.Step();
  ASSERT_THAT(h.actions.outcomes, SizeIs(4));
  const auto& o = h.actions.outcomes;
  EXPECT_EQ(o[0].seq, 3u);
  EXPECT_EQ(o[0].kind, OutcomeKind::kAck);
  EXPECT_EQ(o[1].seq, 1u);
  EXPECT_EQ(o[2].kind, OutcomeKind::kRetry);
  EXPECT_EQ(o[2].delay, absl::Seconds(5));
  EXPECT_EQ(o[2].record.attempts, 1);
  ASSERT_THAT(o[2].record.failures, SizeIs(1));
  EXPECT_EQ(o[2].record.failures[0],
            (Failure{.kind = FailureKind::kNack, .reason = "later", .time = h.now().wall, .attempt = 1}));
  EXPECT_EQ(o[3].kind, OutcomeKind::kDead);
  EXPECT_EQ(o[3].record.failures.at(0).kind, FailureKind::kReject);
  h.Commit();
  EXPECT_THAT(h.Results(), ElementsAre(kOk, kOk, kOk, kOk));
}

TEST(Settle, CommitsAreAnsweredInAnyOrderAndUnknownTokensDoNothing) {
  Harness h;
  h.Open();
  h.Claim({1, 2});
  h.Step();
  h.Ack(1);
  const CommitToken first = h.Step().commit;
  h.Ack(2);
  const CommitToken second = h.Step().commit;
  h.tracker.Committed(999, true, h.now());
  h.tracker.Committed(second, true, h.now());
  h.Step();
  ASSERT_THAT(h.actions.results, SizeIs(1));
  EXPECT_EQ(h.actions.results[0].id.seq, 2u);
  h.tracker.Committed(first, true, h.now());
  h.tracker.Committed(first, true, h.now());
  EXPECT_EQ(h.tracker.counts().settled, 2);
}

TEST(Settle, NothingIsDeliveredAgainWhileItsCommitIsOut) {
  Harness h;
  h.Deliver();
  h.Ack(1);
  h.Step();
  h.Close(kStream, CloseHow::kLost);
  h.Open(2);
  EXPECT_THAT(h.After(absl::Hours(1)).deliveries, IsEmpty());
}

TEST(Settle, AReasonIsCutAtACharacter) {
  Harness h;
  h.Deliver();
  const std::string reason = "x" + [] {
    std::string umlauts;
    for (int i = 0; i < 400; ++i) umlauts += "\xC3\xA4";
    return umlauts;
  }();
  h.Nack(1, std::nullopt, reason);
  h.Step();
  const std::string& kept = h.actions.outcomes.at(0).record.failures.at(0).reason;
  EXPECT_EQ(kept, reason.substr(0, 511));
}

TEST(Settle, TheLastEightFailuresAreKeptNewestFirst) {
  Settings settings = Harness::NoJitter();
  settings.max_attempts = 0;
  Harness h(settings);
  h.Open();
  h.ClaimWith(1, Failed(11));
  h.Step();
  EXPECT_EQ(h.actions.deliveries.at(0).attempt, 12);
  EXPECT_EQ(h.actions.deliveries.at(0).last_failure->attempt, 11);
  h.Nack(1, absl::ZeroDuration());
  h.Step();
  const RetryRecord& record = h.actions.outcomes.at(0).record;
  EXPECT_EQ(record.attempts, 12);
  ASSERT_THAT(record.failures, SizeIs(kFailuresKept));
  EXPECT_EQ(record.failures.front().attempt, 12);
  EXPECT_EQ(record.failures.back().attempt, 5);
}

TEST(Settle, AFailedFailureRecordLeavesTheHistoryAsItWas) {
  Harness h;
  h.Open();
  h.ClaimWith(1, Failed(1));
  h.Step();
  h.Nack(1);
  h.Step();
  h.Commit(false);
  h.After(absl::Seconds(1));
  ASSERT_THAT(h.actions.deliveries, SizeIs(1));
  EXPECT_EQ(h.actions.deliveries[0].attempt, 2);
  EXPECT_EQ(h.actions.deliveries[0].last_failure->attempt, 1);
}

TEST(Settle, AFailedCommitHoldsDeliveriesBackForAWhile) {
  Harness h;
  h.Deliver();
  h.Ack(1);
  h.Step();
  h.Claim({2});
  h.Commit(false);
  EXPECT_THAT(h.actions.deliveries, IsEmpty());
  EXPECT_EQ(h.actions.want_events, 0);
  EXPECT_EQ(h.actions.wake_at, h.now().mono + absl::Seconds(1));
  h.After(absl::Seconds(1));
  EXPECT_THAT(h.Delivered(), ElementsAre(1, 2));
}

// ---- Skips.

TEST(Skip, IsSettledByTheNextCommitWithoutSync) {
  Harness h;
  h.Open();
  h.tracker.Skip(std::vector<Seq>{5, 6}, 200);
  h.Step();
  ASSERT_THAT(h.actions.outcomes, SizeIs(2));
  EXPECT_EQ(h.actions.outcomes[0].kind, OutcomeKind::kAck);
  EXPECT_FALSE(h.actions.confirm);
  EXPECT_EQ(h.tracker.counts().skipping, 2);
  h.Commit();
  EXPECT_EQ(h.tracker.counts().skipped, 2);
  EXPECT_EQ(h.tracker.counts().settled, 0);
}

TEST(Skip, IsTriedAgainAfterAFailedCommit) {
  Harness h;
  h.Open();
  h.tracker.Skip(std::vector<Seq>{5}, 100);
  h.Step();
  h.Commit(false);
  EXPECT_EQ(h.actions.commit, 0u) << "not at once";
  h.After(absl::Seconds(1));
  EXPECT_THAT(h.actions.outcomes, SizeIs(1));
}

// ---- Time.

TEST(Lease, DeadlineIsTheAckDeadlineAndWakesTheOwner) {
  Harness h;
  h.Deliver();
  EXPECT_EQ(h.actions.deliveries[0].deadline, h.now().mono + absl::Seconds(30));
  EXPECT_EQ(h.actions.wake_at, h.now().mono + absl::Seconds(30));
  h.After(absl::Milliseconds(29'999));
  EXPECT_EQ(h.tracker.counts().leased, 1);
}

struct ExtendRow {
  const char* name;
  absl::Duration at;
  std::optional<absl::Duration> to;
  absl::Duration ends;  // after sending
  ResultStatus result;
};

void PrintTo(const ExtendRow& row, std::ostream* out) { *out << row.name; }

class ExtendTable : public testing::TestWithParam<ExtendRow> {};

TEST_P(ExtendTable, MovesTheDeadline) {
  Settings settings = Harness::NoJitter();
  settings.max_lease = absl::Minutes(2);
  Harness h(settings);
  h.Deliver();
  const MonoTime sent = h.now().mono;
  h.After(absl::Seconds(20));
  h.Extend(1, absl::Minutes(1));
  h.After(GetParam().at - absl::Seconds(20));
  h.Extend(1, GetParam().to);
  h.Step();
  EXPECT_THAT(h.Results(), ElementsAre(GetParam().result));
  EXPECT_EQ(h.actions.wake_at, sent + GetParam().ends);
}

INSTANTIATE_TEST_SUITE_P(
    Lease, ExtendTable,
    testing::Values(ExtendRow{"ByTheAckDeadline", absl::Seconds(60), std::nullopt, absl::Seconds(90), kOk},
                    ExtendRow{"AsAsked", absl::Seconds(60), absl::Seconds(7), absl::Seconds(67), kOk},
                    ExtendRow{"AtLeastASecond", absl::Seconds(60), absl::ZeroDuration(), absl::Seconds(61), kOk},
                    ExtendRow{"AtMostMaxLease", absl::Seconds(60), absl::Hours(9), absl::Seconds(120), kOk}),
    [](const auto& test) { return test.param.name; });

TEST(Lease, PastMaxLeaseItCantBeExtended) {
  Settings settings = Harness::NoJitter();
  settings.max_lease = absl::Seconds(30);
  Harness h(settings);
  h.Deliver();
  h.After(absl::Seconds(29));
  h.Extend(1, absl::Seconds(5));
  h.After(absl::Seconds(1));
  EXPECT_EQ(h.tracker.counts().failing, 1);
}

TEST(Lease, ALowerAckDeadlineCountsForNewLeasesAndTheyEndFirst) {
  Harness h;
  h.Deliver(1);
  Settings settings = Harness::NoJitter();
  settings.ack_deadline = absl::Seconds(2);
  h.tracker.UpdateSettings(settings, h.now());
  h.Claim({2});
  h.Step();
  EXPECT_EQ(h.actions.wake_at, h.now().mono + absl::Seconds(2));
  h.After(absl::Seconds(2));
  ASSERT_THAT(h.actions.outcomes, SizeIs(1));
  EXPECT_EQ(h.actions.outcomes[0].seq, 2u);
  EXPECT_EQ(h.tracker.counts().leased, 1);
}

TEST(Attempts, ALoweredMaximumSendsWhatIsUsedUpToTheDeadLetters) {
  Harness h;
  h.ClaimWith(1, Failed(2));
  h.ClaimWith(2, Failed(1));
  h.ClaimWith(3, Failed(2), absl::Minutes(1));
  h.Step();
  Settings settings = Harness::NoJitter();
  settings.max_attempts = 2;
  h.tracker.UpdateSettings(settings, h.now());
  h.Step();
  ASSERT_THAT(h.actions.outcomes, SizeIs(2));
  EXPECT_EQ(h.actions.outcomes[0].kind, OutcomeKind::kDead);
  EXPECT_EQ(h.actions.outcomes[0].record.attempts, 2) << "no attempt was made";
  EXPECT_EQ(h.tracker.counts().ready, 1);
  h.Commit(false);
  EXPECT_EQ(h.tracker.counts().waiting, 2) << "tried again, not at once";
  h.After(absl::Seconds(1));
  h.Commit();
  EXPECT_EQ(h.tracker.counts().dead, 1);
  h.After(absl::Minutes(1));
  h.Commit();
  EXPECT_EQ(h.tracker.counts().dead, 2);
}

TEST(Attempts, ARecordFromTheStoreGoesOn) {
  Harness h;
  h.Open();
  h.ClaimWith(1, Failed(2), absl::Seconds(9));
  h.Step();
  EXPECT_THAT(h.actions.deliveries, IsEmpty());
  EXPECT_EQ(h.actions.wake_at, h.now().mono + absl::Seconds(9));
  h.After(absl::Seconds(9));
  ASSERT_THAT(h.actions.deliveries, SizeIs(1));
  EXPECT_EQ(h.actions.deliveries[0].attempt, 3);
}

TEST(Attempts, UnlimitedNeverDies) {
  Settings settings = Harness::NoJitter();
  settings.max_attempts = 0;
  Harness h(settings);
  h.Deliver();
  for (int i = 0; i < 50; ++i) {
    h.Nack(1, absl::ZeroDuration());
    h.Step();
    h.Commit();
    ASSERT_THAT(h.actions.deliveries, SizeIs(1));
    EXPECT_EQ(h.actions.deliveries[0].attempt, i + 2);
  }
}

// ---- The law of backoff.

TEST(Backoff, GrowsByTheMultiplierUpToTheMaximum) {
  const RetryLaw law{absl::Seconds(1), absl::Minutes(10), 2, 0};
  EXPECT_EQ(Backoff(law, 1, 0.5), absl::Seconds(1));
  EXPECT_EQ(Backoff(law, 2, 0.5), absl::Seconds(2));
  EXPECT_EQ(Backoff(law, 5, 0.5), absl::Seconds(16));
  EXPECT_EQ(Backoff(law, 11, 0.5), absl::Minutes(10));
  EXPECT_EQ(Backoff(law, 1'000'000, 0.5), absl::Minutes(10));
}

TEST(Backoff, JitterIsAppliedToTheCappedDelay) {
  const RetryLaw law{absl::Seconds(1), absl::Seconds(10), 2, 0.2};
  EXPECT_EQ(Backoff(law, 10, 0), absl::Seconds(8));
  EXPECT_EQ(Backoff(law, 10, 0.5), absl::Seconds(10));
  EXPECT_LT(Backoff(law, 10, 0.999999), absl::Seconds(12));
  EXPECT_EQ(Backoff({absl::ZeroDuration(), absl::Seconds(10), 2, 1}, 3, 0.9), absl::ZeroDuration());
  EXPECT_EQ(Backoff({absl::Seconds(3), absl::Seconds(10), 2, 1}, 1, 0), absl::ZeroDuration());
}

TEST(Backoff, ANacksOwnDelayWinsWithinItsBounds) {
  for (const auto& [asked, given] :
       std::vector<std::pair<absl::Duration, absl::Duration>>{{absl::Seconds(77), absl::Seconds(77)},
                                                              {-absl::Seconds(1), absl::ZeroDuration()},
                                                              {absl::Hours(1000), absl::Hours(168)}}) {
    Harness h;
    h.Deliver();
    h.Nack(1, asked);
    h.Step();
    EXPECT_EQ(h.actions.outcomes.at(0).delay, given);
  }
}

// ---- Administration.

TEST(Admin, PauseStopsDeliveriesAndClaimsAndLeasesRunOn) {
  Harness h;
  h.Deliver();
  h.tracker.Pause();
  h.Claim({2});
  h.Step();
  EXPECT_THAT(h.actions.deliveries, IsEmpty());
  EXPECT_EQ(h.actions.want_events, 0);
  h.Ack(1);
  h.Step();
  h.Commit();
  EXPECT_THAT(h.Results(), ElementsAre(kOk));
  h.tracker.Resume();
  EXPECT_THAT(h.Step().deliveries, SizeIs(1));
}

TEST(Admin, DrainReleasesAllThatIsNotLeasedAndTakesSettlementsUntilIdle) {
  Harness h;
  h.Open(kStream, {2, 10'000});
  h.Claim({1, 2, 3});
  h.ClaimWith(4, Failed(1), absl::Minutes(1));
  h.Step();
  h.tracker.Drain();
  h.Step();
  EXPECT_THAT(h.actions.releases, ElementsAre(3, 4));
  EXPECT_FALSE(h.tracker.IsIdle());
  h.Nack(1);
  h.Step();
  h.Commit();
  EXPECT_THAT(h.actions.releases, ElementsAre(1)) << "the store has its record and delay";
  h.Close(kStream, CloseHow::kDrain);
  h.Step();
  EXPECT_THAT(h.actions.releases, ElementsAre(2));
  EXPECT_TRUE(h.tracker.IsIdle());
  EXPECT_EQ(h.tracker.counts().Unsettled(), 0);
}

TEST(Admin, AResetForgetsTheEventsKeepsTheStreamsAndAnswersUnknown) {
  Harness h;
  h.Open(kStream, {3, 1000});
  h.Claim({1, 2, 3, 4}, 300);
  h.Step();
  h.Ack(1);
  const CommitToken old = h.Step().commit;
  h.Nack(2);
  h.Open(2, {5, 500}, true, "gone");
  h.Close(2, CloseHow::kLost);
  h.tracker.Reset(8);
  h.Step();
  EXPECT_THAT(h.Results(), ElementsAre(ResultStatus::kUnknown, ResultStatus::kUnknown));
  EXPECT_EQ(h.tracker.counts().Unsettled(), 0);
  EXPECT_EQ(h.tracker.Outstanding(kStream).events, 0);
  EXPECT_EQ(h.actions.want_events, 3) << "the whole credit";
  EXPECT_EQ(h.actions.want_bytes, 1000);
  h.tracker.Committed(old, true, h.now());
  h.Ack(3);
  h.Step();
  EXPECT_THAT(h.Results(), ElementsAre(ResultStatus::kUnknown));
  h.Claim({1});
  h.Step();
  EXPECT_EQ(h.newest[1].generation, 8u);
}

TEST(Admin, AClaimOfWhatIsHereIsTheSameEvent) {
  Harness h;
  h.Deliver();
  h.Claim({1});
  h.Step();
  EXPECT_THAT(h.actions.deliveries, IsEmpty());
  EXPECT_EQ(h.tracker.counts().claimed, 1);
  h.Ack(1);
  h.Step();
  const CommitToken token = h.actions.commit;
  h.tracker.ClaimLost(std::vector<Seq>{1});
  h.Claim({1});
  h.tracker.Committed(token, false, h.now());
  h.After(absl::Seconds(1));
  EXPECT_EQ(h.tracker.counts().leased, 1) << "claimed anew, so it lives";
}

}  // namespace
}  // namespace hookstream::delivery
