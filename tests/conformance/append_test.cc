#include <thread>

#include "tests/conformance/fixture.h"

namespace hookstream::store::testing {
namespace {

using ::testing::ElementsAre;

class AppendTest : public StoreTest {};
HS_STORE_SUITE(AppendTest);

TEST_P(AppendTest, GivesAscendingSequencesInTheOrderOfTheEvents) {
  const std::vector<Seq> first = client().Fill(3);
  const std::vector<Seq> second = client().Fill(2);
  EXPECT_THAT(first, ElementsAre(1, 2, 3));
  EXPECT_THAT(second, ElementsAre(4, 5));
  EXPECT_EQ(store().GetStats().head, 5u);
  EXPECT_EQ(store().GetStats().events, 5);
}

TEST_P(AppendTest, GivesBackWhatWasAppendedAlsoAfterARestart) {
  NewEvent event = MakeEvent(std::string("body\0with\xff zero", 15), "id-1", "stripe-live", "invoice.paid");
  event.data.content = Content::kForm;
  event.data.received_at = absl::FromUnixMicros(1'700'000'000'123'456);
  event.data.envelope = "";
  const EventData sent = event.data;
  HS_ASSERT_OK(client().Append(std::move(event)));
  const StoreTag tag = store().Tag();
  EXPECT_NE(tag, 0u);
  for (int round = 0; round < 2; ++round) {
    const auto read = client().ReadOne(1);
    HS_ASSERT_OK(read);
    EXPECT_EQ((*read)->seq, 1u);
    const EventData& got = (*read)->data;
    EXPECT_EQ(got.source, sent.source);
    EXPECT_EQ(got.provider, sent.provider);
    EXPECT_EQ(got.type, sent.type);
    EXPECT_EQ(got.received_at, sent.received_at);
    EXPECT_EQ(got.content, sent.content);
    EXPECT_EQ(got.envelope, sent.envelope);
    EXPECT_EQ(got.raw_head, sent.raw_head);
    EXPECT_EQ(got.body, sent.body);
    Restart();
    EXPECT_EQ(store().Tag(), tag);
  }
}

TEST_P(AppendTest, GoesOnWithTheNextSequenceAfterARestart) {
  client().Fill(3);
  Restart();
  EXPECT_EQ(store().GetStats().head, 3u);
  EXPECT_THAT(client().Fill(1), ElementsAre(4));
}

TEST_P(AppendTest, RefusesWhatCanNeverBeStored) {
  EXPECT_EQ(Code(client().AppendAll({})), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(client().Append(MakeEvent("b", "", ""))), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(client().Append(MakeEvent("b", "", std::string(64, 's')))), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(client().Append(MakeEvent("b", "", "s", std::string(257, 't')))), absl::StatusCode::kInvalidArgument);
  NewEvent huge = MakeEvent("");
  huge.data.body.resize(static_cast<size_t>(store().GetCapabilities().event_bytes_max) + 1);
  EXPECT_EQ(Code(client().Append(std::move(huge))), absl::StatusCode::kInvalidArgument);
  NewEvent window = MakeEvent("b");
  window.dedupe_window = absl::Hours(24 * 31);
  EXPECT_EQ(Code(client().Append(std::move(window))), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store().GetStats().events, 0);
}

TEST_P(AppendTest, ADuplicateNamesItsOriginalAlsoAfterARestart) {
  const auto original = client().Append(MakeEvent("first", "id-1"));
  HS_ASSERT_OK(original);
  EXPECT_FALSE(original->duplicate);
  client().Fill(20);
  for (int round = 0; round < 2; ++round) {
    const auto again = client().Append(MakeEvent("second", "id-1"));
    HS_ASSERT_OK(again);
    EXPECT_TRUE(again->duplicate);
    EXPECT_EQ(again->seq, original->seq);
    Restart();
  }
  EXPECT_EQ(store().GetStats().events, 21);
}

TEST_P(AppendTest, ADuplicateWithinOneRequestIsStoredOnce) {
  std::vector<NewEvent> events;
  events.push_back(MakeEvent("a", "id-1"));
  events.push_back(MakeEvent("b", "id-2"));
  events.push_back(MakeEvent("c", "id-1"));
  const auto appended = client().AppendAll(std::move(events));
  HS_ASSERT_OK(appended);
  ASSERT_EQ(appended->size(), 3u);
  EXPECT_FALSE((*appended)[0].duplicate);
  EXPECT_FALSE((*appended)[1].duplicate);
  EXPECT_TRUE((*appended)[2].duplicate);
  EXPECT_EQ((*appended)[2].seq, (*appended)[0].seq);
}

TEST_P(AppendTest, SourcesDoNotShareIdsAndNoIdIsNoDuplicate) {
  EXPECT_FALSE(client().Append(MakeEvent("a", "id-1", "one"))->duplicate);
  EXPECT_FALSE(client().Append(MakeEvent("a", "id-1", "two"))->duplicate);
  EXPECT_FALSE(client().Append(MakeEvent("a"))->duplicate);
  EXPECT_FALSE(client().Append(MakeEvent("a"))->duplicate);
}

TEST_P(AppendTest, TheWindowEndsWithTimeThatPassedNotWithAStepOfTheClock) {
  NewEvent event = MakeEvent("a", "id-1");
  event.dedupe_window = absl::Hours(1);
  HS_ASSERT_OK(client().Append(event));
  clock_.StepWall(absl::Hours(500));
  EXPECT_TRUE(client().Append(event)->duplicate);
  clock_.Advance(absl::Minutes(59));
  EXPECT_TRUE(client().Append(event)->duplicate);
  Restart();
  EXPECT_TRUE(client().Append(event)->duplicate);
  clock_.Advance(absl::Minutes(2));
  const auto again = client().Append(event);
  HS_ASSERT_OK(again);
  EXPECT_FALSE(again->duplicate);
  EXPECT_EQ(again->seq, 2u);
  // The window begins anew.
  EXPECT_EQ(client().Append(event)->seq, 2u);
}

// Each duplicate's answer comes after its original is stored, also when both were on their way together.
TEST_P(AppendTest, RacingDuplicatesShareOneStoredOriginal) {
  constexpr int kThreads = 4;
  constexpr int kIds = 50;
  std::vector<std::vector<Appended>> results(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::vector<Answer<absl::StatusOr<std::vector<Appended>>>> answers(kIds);
      for (int i = 0; i < kIds; ++i) {
        std::vector<NewEvent> events;
        events.push_back(MakeEvent("x", absl::StrCat("id-", i)));
        ASSERT_TRUE(store().Append(std::move(events), answers[static_cast<size_t>(i)].Callback()).ok());
      }
      for (auto& answer : answers) {
        auto appended = answer.Get();
        ASSERT_TRUE(appended.ok());
        EXPECT_LE(appended->front().seq, store().GetStats().head);
        results[static_cast<size_t>(t)].push_back(appended->front());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < kIds; ++i) {
    int originals = 0;
    for (const auto& result : results) {
      originals += result[i].duplicate ? 0 : 1;
      EXPECT_EQ(result[i].seq, results[0][i].seq);
    }
    EXPECT_EQ(originals, 1);
  }
  EXPECT_EQ(store().GetStats().events, kIds);
}

TEST_P(AppendTest, StopFinishesWhatWasTakenAndRefusesTheRest) {
  Answer<absl::StatusOr<std::vector<Appended>>> answer;
  std::vector<NewEvent> events;
  events.push_back(MakeEvent("a"));
  HS_ASSERT_OK(store().Append(std::move(events), answer.Callback()));
  store().Stop();
  HS_EXPECT_OK(answer.Get());
  EXPECT_EQ(Code(client().Append(MakeEvent("b"))), absl::StatusCode::kUnavailable);
  Restart();
  EXPECT_EQ(store().GetStats().events, 1);
}

TEST_P(AppendTest, TellsHealthOnceStarted) {
  const std::vector<absl::Status> told = health_.All();
  ASSERT_EQ(told.size(), 1u);
  HS_EXPECT_OK(told[0]);
}

}  // namespace
}  // namespace hookstream::store::testing
