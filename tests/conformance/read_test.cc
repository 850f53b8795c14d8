#include "tests/conformance/fixture.h"

namespace hookstream::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReadTest : public StoreTest {
 protected:
  // Ten events, one a second, in commits of two; every third is "wanted".
  void FillTen() {
    for (int i = 0; i < 10; i += 2) {
      std::vector<NewEvent> events;
      for (int j = i; j < i + 2; ++j) {
        events.push_back(MakeEvent(std::string(1000, 'x'), "", "shop", j % 3 == 0 ? "wanted" : "other"));
        events.back().data.received_at = absl::FromUnixSeconds(1'700'000'000 + j);
      }
      HS_ASSERT_OK(client().AppendAll(std::move(events)));
    }
  }
};
HS_STORE_SUITE(ReadTest);

TEST_P(ReadTest, GoesForwardFromAnyPosition) {
  FillTen();
  EXPECT_THAT(SeqsOf(client().Read(Earliest{})->events), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  EXPECT_THAT(SeqsOf(client().Read(AtSeq{8})->events), ElementsAre(8, 9, 10));
  EXPECT_THAT(SeqsOf(client().Read(AtSeq{11})->events), IsEmpty());
  EXPECT_THAT(SeqsOf(client().Read(Latest{})->events), IsEmpty());
  EXPECT_THAT(SeqsOf(client().Read(AtTime{absl::FromUnixSeconds(1'700'000'007)})->events), ElementsAre(8, 9, 10));
  EXPECT_THAT(SeqsOf(client().Read(AtTime{absl::FromUnixMillis(1'700'000'007'500)})->events), ElementsAre(9, 10));
  EXPECT_THAT(SeqsOf(client().Read(AtTime{absl::FromUnixSeconds(1'800'000'000)})->events), IsEmpty());
  EXPECT_FALSE(client().Read(Earliest{})->next.has_value());
}

TEST_P(ReadTest, GoesBackwards) {
  FillTen();
  EXPECT_THAT(SeqsOf(client().ReadBackwards(Latest{}, OfType("wanted"))->events), ElementsAre(10, 7, 4, 1));
  EXPECT_THAT(SeqsOf(client().ReadBackwards(AtSeq{3})->events), ElementsAre(3, 2, 1));
  PageLimit limit;
  limit.events_max = 4;
  auto page = client().ReadBackwards(Latest{}, nullptr, limit);
  EXPECT_THAT(SeqsOf(page->events), ElementsAre(10, 9, 8, 7));
  ASSERT_EQ(page->next, Seq{6});
  page = client().ReadBackwards(AtSeq{*page->next}, nullptr, limit);
  EXPECT_THAT(SeqsOf(page->events), ElementsAre(6, 5, 4, 3));
  page = client().ReadBackwards(AtSeq{*page->next}, nullptr, limit);
  EXPECT_THAT(SeqsOf(page->events), ElementsAre(2, 1));
  EXPECT_FALSE(page->next.has_value());
}

TEST_P(ReadTest, PagesKeepTheirLimits) {
  FillTen();
  PageLimit limit;
  limit.events_max = 3;
  auto page = client().Read(Earliest{}, OfType("wanted"), limit);
  EXPECT_THAT(SeqsOf(page->events), ElementsAre(1, 4, 7));
  ASSERT_TRUE(page->next.has_value());
  page = client().Read(AtSeq{*page->next}, OfType("wanted"), limit);
  EXPECT_THAT(SeqsOf(page->events), ElementsAre(10));

  limit = PageLimit{};
  limit.bytes_max = 2500;
  page = client().Read(Earliest{}, nullptr, limit);
  EXPECT_THAT(SeqsOf(page->events), ElementsAre(1, 2));
  EXPECT_EQ(page->next, Seq{3});
  limit.bytes_max = 1;
  page = client().Read(AtSeq{5}, nullptr, limit);
  EXPECT_THAT(SeqsOf(page->events), ElementsAre(5));

  limit = PageLimit{};
  limit.examined_max = 4;
  page = client().Read(Earliest{}, OfType("none"), limit);
  EXPECT_THAT(page->events, IsEmpty());
  EXPECT_EQ(page->next, Seq{5});
}

TEST_P(ReadTest, AnEventThatIsNotThereIsNotFound) {
  EXPECT_EQ(Code(client().ReadOne(1)), absl::StatusCode::kNotFound);
  FillTen();
  HS_EXPECT_OK(client().ReadOne(10));
  EXPECT_EQ(Code(client().ReadOne(0)), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code(client().ReadOne(11)), absl::StatusCode::kNotFound);
}

// Received times are the sender's side of the relay's clock, which may be set back: the first event at or after a time
// is meant.
TEST_P(ReadTest, FindsATimeAlsoWhenTheClockWasSetBack) {
  for (const int second : {10, 20, 5, 6, 30}) {
    NewEvent event = MakeEvent("x");
    event.data.received_at = absl::FromUnixSeconds(1'700'000'000 + second);
    HS_ASSERT_OK(client().Append(std::move(event)));
  }
  const auto first_at = [&](int second) {
    return client().Read(AtTime{absl::FromUnixSeconds(1'700'000'000 + second)})->events.front()->seq;
  };
  EXPECT_EQ(first_at(0), 1u);
  EXPECT_EQ(first_at(11), 2u);
  EXPECT_EQ(first_at(20), 2u);
  EXPECT_EQ(first_at(21), 5u);
}

}  // namespace
}  // namespace hookstream::store::testing
