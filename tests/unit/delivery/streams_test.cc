// Streams: credit, fairness, resumption, suspects.
#include "gmock/gmock.h"
#include "tests/unit/delivery/harness.h"

namespace hookstream::delivery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

std::vector<Seq> Range(Seq from, Seq to) {
  std::vector<Seq> seqs;
  for (Seq seq = from; seq <= to; ++seq) seqs.push_back(seq);
  return seqs;
}

std::map<StreamId, uint32_t> Shares(const Actions& actions) {
  std::map<StreamId, uint32_t> shares;
  for (const SendRun& run : actions.sends) shares[run.stream] += run.count;
  return shares;
}

// ---- Want.

TEST(Want, IsTheFreeCreditOnceAndGrowsAsItIsFreed) {
  Harness h;
  h.Open(kStream, {10, 5000});
  h.Step();
  EXPECT_EQ(h.actions.want_events, 10);
  EXPECT_EQ(h.actions.want_bytes, 5000);
  h.Step();
  EXPECT_EQ(h.actions.want_events, 0);
  h.Claim(Range(1, 4), 100);
  h.Step();
  EXPECT_EQ(h.actions.want_events, 0) << "6 are still wanted, 4 leased";
  EXPECT_EQ(h.tracker.Wanted().events, 6);
  h.Ack(1);
  h.Ack(2);
  h.Step();
  EXPECT_EQ(h.actions.want_events, 2);
  EXPECT_EQ(h.actions.want_bytes, 200);
}

TEST(Want, IsBoundedByMaxUnsettledSkippedOnesIncluded) {
  Settings settings = Harness::NoJitter();
  settings.max_unsettled = 5;
  Harness h(settings);
  h.Open();
  EXPECT_EQ(h.Step().want_events, 5);
  h.Claim({1, 2, 3});
  h.tracker.Skip(std::vector<Seq>{4, 5}, 20);
  EXPECT_EQ(h.Step().want_events, 0);
  h.Commit();
  EXPECT_EQ(h.actions.want_events, 2);
  h.Nack(1, absl::Hours(1));
  h.Step();
  h.Commit();
  EXPECT_EQ(h.actions.want_events, 0) << "a waiting one is unsettled";
}

TEST(Want, NothingWithoutAStream) {
  Harness h;
  EXPECT_EQ(h.Step().want_events, 0);
  h.Open(kStream, {0, 1000});
  EXPECT_EQ(h.Step().want_events, 0);
}

TEST(Want, AClaimLargerThanItsCreditIsPaidBackAndNoMoreIsWantedUntilItIsSettled) {
  Harness h;
  h.Open(kStream, {10, 1000});
  h.Step();
  h.Claim({1}, 5000);
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(1)) << "alone";
  EXPECT_EQ(h.actions.want_bytes, 4000);
  EXPECT_EQ(h.tracker.Wanted().bytes, 0) << "the overdraft is paid, no more";
  h.Ack(1);
  h.Step();
  EXPECT_EQ(h.actions.want_bytes, 1000);
}

// ---- Credit.

TEST(Credit, BoundsWhatIsOutstanding) {
  Harness h;
  h.Open(kStream, {3, 1'000'000});
  h.Claim(Range(1, 5));
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(1, 2, 3));
  h.Ack(2);
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(4)) << "free when the client is done, not when it is written";
}

TEST(Credit, InBytes) {
  Harness h;
  h.Open(kStream, {100, 250});
  h.Claim(Range(1, 3), 100);
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(1, 2));
  EXPECT_EQ(h.tracker.Outstanding(kStream).bytes, 200);
}

TEST(Credit, AnOversizedEventWaitsForTheStreamToBeEmptyAndIsNotOvertaken) {
  Harness h;
  h.Open(kStream, {100, 250});
  h.Claim({1}, 100);
  h.Claim({2}, 999);
  h.Claim({3}, 100);
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(1));
  h.Ack(1);
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(2));
  h.Ack(2);
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(3));
}

TEST(Credit, AnotherStreamWithEnoughTakesTheOversizedOne) {
  Harness h;
  h.Open(1, {100, 250});
  h.Claim({1}, 100);
  h.Step();
  h.Claim({2}, 999);
  h.Open(2, {100, 10'000});
  h.Step();
  EXPECT_EQ(h.sent_to[2], 2u);
}

TEST(Credit, LoweredCountsAsDeliveriesAreSettled) {
  Harness h;
  h.Open(kStream, {3, 10'000});
  h.Claim(Range(1, 5));
  h.Step();
  h.tracker.SetCredit(kStream, {1, 10'000});
  h.Ack(1);
  h.Ack(2);
  h.Step();
  EXPECT_THAT(h.Delivered(), IsEmpty());
  h.Ack(3);
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(4));
  h.tracker.SetCredit(kStream, {2, 10'000});
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(5));
  h.tracker.SetCredit(12345, {2, 10'000});
}

TEST(Credit, IsWholeAgainHoweverALeaseEnds) {
  Harness h;
  h.Open(kStream, {100, 100'000}, true, "c");
  h.Claim(Range(1, 6));
  h.Step();
  h.Ack(1);
  h.Nack(2, absl::Hours(2));
  h.Reject(3);
  h.tracker.ClaimLost(std::vector<Seq>{4});
  h.Extend(5, absl::Minutes(1));
  h.After(absl::Seconds(30));
  EXPECT_EQ(h.tracker.Outstanding(kStream).events, 1);
  h.After(absl::Seconds(30));
  EXPECT_EQ(h.tracker.Outstanding(kStream).events, 0);
  EXPECT_EQ(h.tracker.Outstanding(kStream).bytes, 0);
}

// ---- Order and fairness.

TEST(Order, RedeliveriesGoBeforeNewOnes) {
  Harness h;
  h.Claim({1, 2});
  h.ClaimWith(3, Failed(1));
  h.Open();
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(3, 1, 2));
}

TEST(Fairness, StreamsShareByFreeCredit) {
  Harness h;
  h.Open(1, {300, 1'000'000});
  h.Open(2, {100, 1'000'000});
  h.Claim(Range(1, 40));
  h.Step();
  EXPECT_EQ(Shares(h.actions), (std::map<StreamId, uint32_t>{{1, 30}, {2, 10}}));
}

TEST(Fairness, RunsGoToOneStreamAtATimeUpToAHundred) {
  Harness h;
  h.Open(1, {1000, 1'000'000});
  h.Open(2, {1000, 1'000'000});
  h.Claim(Range(1, 400));
  h.Step();
  std::vector<uint32_t> runs;
  for (const SendRun& run : h.actions.sends) runs.push_back(run.count);
  EXPECT_THAT(runs, ElementsAre(100, 100, 100, 100));
  EXPECT_EQ(Shares(h.actions), (std::map<StreamId, uint32_t>{{1, 200}, {2, 200}}));
}

TEST(Fairness, SingleEventsGoInTurn) {
  Harness h;
  h.Open(1);
  h.Open(2);
  h.Open(3);
  std::map<StreamId, int> got;
  for (Seq seq = 1; seq <= 9; ++seq) {
    h.Claim({seq});
    h.Step();
    ++got[h.sent_to[seq]];
  }
  EXPECT_EQ(got, (std::map<StreamId, int>{{1, 3}, {2, 3}, {3, 3}}));
}

TEST(Fairness, AStreamThatDoesNotSettleDoesNotHoldTheOthers) {
  Harness h;
  h.Open(1, {5, 1'000'000});
  h.Open(2, {5, 1'000'000});
  h.Claim(Range(1, 10));
  h.Step();
  for (Seq seq = 11; seq <= 30; ++seq) {
    for (Seq done = 1; done < seq; ++done) {
      if (h.newest.contains(done) && h.sent_to[done] == 2) h.Ack(done, 2);
    }
    h.Claim({seq});
    h.Step();
    EXPECT_EQ(h.sent_to[seq], 2u);
  }
}

// ---- Lost connections.

TEST(Lost, LeasesLiveOnForTheGraceAndThenCostAnAttempt) {
  Harness h;
  h.Open(1, {100, 10'000}, true, "c");
  h.Claim({1});
  h.Step();
  h.Close(1, CloseHow::kLost);
  h.Step();
  EXPECT_EQ(h.tracker.counts().leased, 1);
  EXPECT_EQ(h.actions.wake_at, h.now().mono + absl::Seconds(15));
  h.After(absl::Seconds(15));
  ASSERT_THAT(h.actions.outcomes, SizeIs(1));
  EXPECT_EQ(h.actions.outcomes[0].record.failures.at(0).kind, FailureKind::kLostConnection);
  EXPECT_EQ(h.actions.outcomes[0].delay, absl::Seconds(1)) << "by the one law";
}

TEST(Lost, ADeadlineWithinTheGraceIsADeadline) {
  Settings settings = Harness::NoJitter();
  settings.resume_grace = absl::Minutes(5);
  Harness h(settings);
  h.Open(1, {100, 10'000}, true, "c");
  h.Claim({1});
  h.Step();
  h.Close(1, CloseHow::kLost);
  h.After(absl::Seconds(30));
  ASSERT_THAT(h.actions.outcomes, SizeIs(1));
  EXPECT_EQ(h.actions.outcomes[0].record.failures.at(0).kind, FailureKind::kDeadline);
}

TEST(Lost, WithinTheGraceAnybodyWithTheIdSettles) {
  Harness h;
  h.Open(1, {100, 10'000}, true, "c");
  h.Claim({1});
  h.Step();
  h.Close(1, CloseHow::kLost);
  h.Ack(1, 900);
  h.Step();
  h.Commit();
  EXPECT_EQ(h.tracker.counts().settled, 1);
  EXPECT_EQ(h.After(absl::Minutes(1)).commit, 0u);
}

TEST(Resume, TakesUpWhatItHoldsAndGivesTheRestBackAtNoCost) {
  Harness h;
  h.Open(1, {100, 10'000}, true, "c");
  const StreamId session = h.tracker.SessionOf(1);
  h.Claim({1, 2, 3});
  h.Step();
  h.Close(1, CloseHow::kLost);
  const DeliveryId held = h.newest[2];
  h.Resume(2, "c", session, {held, {7, 999, 1}});
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(1, 3));
  EXPECT_EQ(h.actions.deliveries[0].attempt, 1);
  EXPECT_EQ(h.newest[2], held);
  EXPECT_EQ(h.tracker.Outstanding(2).events, 3);
  h.After(absl::Seconds(16));
  EXPECT_EQ(h.tracker.counts().leased, 3) << "the grace is over, and nothing was lost";
  h.Ack(2, 2);
  h.Step();
  h.Commit();
  EXPECT_EQ(h.tracker.counts().settled, 1);
}

TEST(Resume, GoesOnOverSeveralConnections) {
  Harness h;
  h.Open(1, {100, 10'000}, true, "c");
  const StreamId session = h.tracker.SessionOf(1);
  h.Claim({1});
  h.Step();
  for (StreamId stream = 2; stream < 6; ++stream) {
    h.Close(stream - 1, CloseHow::kLost);
    h.Resume(stream, "c", session, {h.newest[1]});
    EXPECT_EQ(h.tracker.SessionOf(stream), session);
    h.Step();
    EXPECT_THAT(h.Delivered(), IsEmpty());
    EXPECT_EQ(h.tracker.Outstanding(stream).events, 1);
  }
}

struct NoSteal {
  const char* name;
  std::string client;
  bool live;
  StreamId session;
};

void PrintTo(const NoSteal& row, std::ostream* out) { *out << row.name; }

class ResumeTakesNothing : public testing::TestWithParam<NoSteal> {};

TEST_P(ResumeTakesNothing, FromAnother) {
  Harness h;
  h.Open(1, {100, 10'000}, true, "c");
  h.Claim({1});
  h.Step();
  if (!GetParam().live) h.Close(1, CloseHow::kLost);
  h.Resume(2, GetParam().client, GetParam().session, {h.newest[1]});
  h.Step();
  EXPECT_EQ(h.tracker.Outstanding(2).events, 0);
  EXPECT_EQ(h.tracker.counts().leased, 1) << "neither taken nor given back";
}

INSTANTIATE_TEST_SUITE_P(Resume, ResumeTakesNothing,
                         testing::Values(NoSteal{"ALiveStreamOfTheSameClient", "c", true, 1},
                                         NoSteal{"AnotherClient", "d", false, 1},
                                         NoSteal{"AnotherSession", "c", false, 77}, NoSteal{"NoSession", "c", false, 0},
                                         NoSteal{"NoClient", "", false, 1}),
                         [](const auto& test) { return test.param.name; });

TEST(Suspects, OnePerStreamAtFirstAndMoreWithEachAck) {
  Harness h;
  h.Open(1, {100, 100'000}, true, "");
  h.Claim(Range(1, 8));
  h.Step();
  h.Close(1, CloseHow::kLost);
  h.Step();
  h.Commit();
  h.After(absl::Seconds(1));
  EXPECT_EQ(h.tracker.counts().ready, 8);
  h.newest.clear();
  h.Open(2);
  h.Open(3);
  h.Claim({9, 10});
  h.Step();
  EXPECT_THAT(h.Delivered(), UnorderedElementsAre(1, 2, 9, 10)) << "others go on";
  EXPECT_NE(h.sent_to[1], h.sent_to[2]);
  h.Ack(1, h.sent_to[1]);
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(3, 4)) << "two after one was acknowledged";
}

TEST(Suspects, ANackEndsTheSuspicion) {
  Harness h;
  h.Open();
  h.ClaimWith(1, Failed(1, FailureKind::kLostConnection));
  h.ClaimWith(2, Failed(1, FailureKind::kLostConnection));
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(1));
  h.Nack(1, absl::ZeroDuration());
  h.Step();
  EXPECT_THAT(h.Delivered(), ElementsAre(2));
  h.Commit();
  EXPECT_THAT(h.Delivered(), ElementsAre(1)) << "beside a suspect";
}

TEST(Suspects, APoisonousEventDiesWithoutItsNeighbours) {
  Settings settings = Harness::NoJitter();
  settings.max_attempts = 5;
  Harness h(settings);
  StreamId stream = 1;
  h.Open(stream);
  h.Claim(Range(1, 20));
  h.Step();
  for (int turn = 0; turn < 1000 && h.tracker.counts().Unsettled() > 0; ++turn) {
    // The client dies of event 7 before it settles anything, otherwise it acknowledges what it got.
    if (h.newest.contains(7)) {
      h.Close(stream, CloseHow::kLost);
      h.Open(++stream);
    } else {
      for (const auto& [seq, id] : h.newest) h.Settle({.id = id}, stream);
    }
    h.newest.clear();
    h.Step();
    while (h.actions.commit != 0) h.Commit();
    if (h.newest.empty()) h.After(absl::Milliseconds(500));
    while (h.actions.commit != 0) h.Commit();
  }
  EXPECT_EQ(h.tracker.counts().dead, 1);
  EXPECT_EQ(h.tracker.counts().settled, 19);
}

TEST(Detach, LeasesAreSettledByUnaryCallsOrMissTheirDeadline) {
  Harness h;
  h.Open(1, {2, 10'000});
  h.Claim({1, 2});
  h.Step();
  h.Close(1, CloseHow::kDetach);
  h.Ack(1, 70);
  h.Step();
  h.Commit();
  ASSERT_THAT(h.actions.results, SizeIs(1));
  EXPECT_EQ(h.actions.results[0].stream, 70u);
  h.After(absl::Seconds(30));
  EXPECT_EQ(h.tracker.counts().failing, 1);
}

TEST(Streams, AreReusedWithoutTrace) {
  Harness h;
  for (StreamId stream = 1; stream <= 1000; ++stream) {
    h.Open(stream, {10, 10'000}, true, "c");
    h.Claim({stream});
    h.Step();
    h.Close(stream, stream % 2 == 0 ? CloseHow::kHalfClose : CloseHow::kLost);
    h.After(absl::Seconds(1));
    if (h.actions.commit != 0) h.Commit();
  }
  EXPECT_EQ(h.tracker.OpenStreams(), 0u);
  h.Open(5000, {10'000, 10'000'000}, true);
  for (int i = 0; i < 3000 && h.tracker.counts().Unsettled() > 0; ++i) {
    for (const auto& [seq, id] : h.newest) {
      if (h.sent_to[seq] == 5000) h.Ack(seq, 5000);
    }
    h.newest.clear();
    h.After(absl::Seconds(1));
    while (h.actions.commit != 0) h.Commit();
  }
  EXPECT_EQ(h.tracker.counts().Unsettled(), 0);
  EXPECT_EQ(h.tracker.Outstanding(5000).events, 0);
}

}  // namespace
}  // namespace hookstream::delivery
