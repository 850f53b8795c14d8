#include "store/embedded/format.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "store/embedded/coding.h"
#include "store/embedded/tail.h"
#include "tests/conformance/harness.h"

namespace hookstream::store::embedded {
namespace {

using testing::Attempts;
using testing::MakeEvent;

// Every parser takes the whole value, and none of its beginnings.
template <typename Parse>
void ExpectOnlyWholeParses(const std::string& bytes, Parse parse) {
  EXPECT_TRUE(parse(bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(parse(bytes.substr(0, size)).ok()) << size;
  EXPECT_FALSE(parse(bytes + '\0').ok());
}

TEST(FormatTest, NumbersReadBack) {
  for (const uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{1} << 63, ~uint64_t{0}}) {
    std::string out;
    AppendVarint(value, out);
    AppendSigned(static_cast<int64_t>(value), out);
    AppendBe64(value, out);
    ByteReader reader(out);
    EXPECT_EQ(reader.Varint(), value);
    EXPECT_EQ(reader.Signed(), static_cast<int64_t>(value));
    EXPECT_EQ(reader.Be64(), value);
    EXPECT_TRUE(reader.AtEnd());
  }
  ByteReader too_long(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10));
  too_long.Varint();
  EXPECT_FALSE(too_long.ok());
}

TEST(FormatTest, AChunkReadsBack) {
  ChunkIndexWriter writer;
  std::vector<NewEvent> events;
  for (int i = 0; i < 20; ++i) {
    events.push_back(MakeEvent(std::string(static_cast<size_t>(i * 10), 'b'), i % 3 == 0 ? "" : absl::StrCat(i), "shop",
                               absl::StrCat("type-", i % 4)));
    if (i % 2 == 0) events.back().ordering_key = HashOf(absl::StrCat("key", i));
  }
  std::string log;
  for (const NewEvent& event : events) {
    writer.Add(event.data, event.dedupe, 7200, event.ordering_key);
    log += event.data.envelope + event.data.raw_head + event.data.body;
  }
  const ChunkHeader header{20, 1234, absl::FromUnixSeconds(99), 120, 5000};
  const std::string bytes(writer.Finish(header));
  ChunkIndex index;
  ASSERT_TRUE(ParseChunkIndex(101, bytes, index).ok());
  EXPECT_EQ(index.header.age, 1234);
  EXPECT_EQ(index.header.received_max, absl::FromUnixSeconds(99));
  EXPECT_EQ(index.header.events_end, 120u);
  EXPECT_EQ(index.header.bytes_end, 5000u);
  ASSERT_EQ(index.end(), 121u);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(index.entries[i].dedupe, events[i].dedupe);
    EXPECT_EQ(index.entries[i].ordering_key, events[i].ordering_key);
    const auto event = ReadEvent(101 + i, index.entries[i], log);
    ASSERT_TRUE(event.ok());
    EXPECT_EQ((*event)->data.type, events[i].data.type);
    EXPECT_EQ((*event)->data.envelope, events[i].data.envelope);
    EXPECT_EQ((*event)->data.raw_head, events[i].data.raw_head);
    EXPECT_EQ((*event)->data.body, events[i].data.body);
  }
  EXPECT_EQ(ReadEvent(120, index.entries[19], std::string_view(log).substr(0, log.size() - 1)).status().code(),
            absl::StatusCode::kDataLoss);
  ExpectOnlyWholeParses(bytes, [](std::string_view text) {
    ChunkIndex other;
    return ParseChunkIndex(1, text, other);
  });
}

TEST(FormatTest, RecordsReadBack) {
  SpecValue spec;
  spec.record = {7, "billing", "spec", 3, 2, absl::FromUnixMicros(1'700'000'000'000'001)};
  spec.begin = 99;
  ExpectOnlyWholeParses(EncodeSpec(spec), [](std::string_view text) { return ParseSpec(7, text); });
  const auto spec_back = ParseSpec(7, EncodeSpec(spec));
  EXPECT_EQ(spec_back->record.name, "billing");
  EXPECT_EQ(spec_back->record.created_at, spec.record.created_at);
  EXPECT_EQ(spec_back->begin, 99u);

  RetryRecord record = Attempts(12, std::string(2000, 'r'));
  for (int i = 0; i < 20; ++i) record.failures.push_back(record.failures.front());
  const StoredRetry retry{record, 555, absl::Minutes(10)};
  ExpectOnlyWholeParses(EncodeRetry(retry), [](std::string_view text) { return ParseRetry(text); });
  const auto retry_back = ParseRetry(EncodeRetry(retry));
  EXPECT_EQ(retry_back->written, 555);
  EXPECT_EQ(retry_back->delay, absl::Minutes(10));
  EXPECT_EQ(retry_back->record.attempts, 12);
  EXPECT_EQ(retry_back->record.failures.size(), kFailuresKept);
  EXPECT_EQ(retry_back->record.failures[0].reason.size(), kFailureReasonBytesMax);

  const StoredDead dead{Attempts(3), absl::FromUnixSeconds(5)};
  ExpectOnlyWholeParses(EncodeDead(dead), [](std::string_view text) { return ParseDead(text); });
  EXPECT_EQ(ParseDead(EncodeDead(dead))->record, Attempts(3));

  ExpectOnlyWholeParses(EncodeProgress({2, 2048, 7}), [](std::string_view text) { return ParseProgress(text); });
  ExpectOnlyWholeParses(EncodeDedupeEntry({1, 2, 3}), [](std::string_view text) { return ParseDedupeEntry(text); });
  ExpectOnlyWholeParses(EncodeClockMark({1, absl::UnixEpoch()}),
                        [](std::string_view text) { return ParseClockMark(text); });
}

TEST(FormatTest, KeysOfASubscriptionLieTogetherSpecLast) {
  const std::vector<std::string> keys = {ProgressKey(5),       PageKey(5, 1, 3),      PageKey(5, 2, 0),
                                         RetryKey(5, 1, 9),    RetryKey(5, ~0u, ~0u), SpecKey(5),
                                         SubscriptionPrefix(6)};
  for (size_t i = 1; i < keys.size(); ++i) EXPECT_LT(keys[i - 1], keys[i]);
  const auto parsed = ParseSubscriptionKey(RetryKey(5, 7, 9));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->id, 5u);
  EXPECT_EQ(parsed->kind, SubscriptionKeyKind::kRetry);
  EXPECT_EQ(parsed->generation, 7u);
  EXPECT_EQ(parsed->number, 9u);
}

TEST(SettledPagesTest, AgreesWithASet) {
  std::mt19937 random(11);
  for (int round = 0; round < 20; ++round) {
    const Seq begin = 1 + random() % 5000;
    SettledPages pages(begin);
    std::set<Seq> model;
    for (int step = 0; step < 400; ++step) {
      const Seq seq = begin + random() % 6000;
      if (random() % 4 == 0) {
        const Seq end = seq + random() % 1500;
        pages.AddRange(seq, end);
        for (Seq one = seq; one < end; ++one) model.insert(one);
      } else {
        pages.Add(seq);
        model.insert(seq);
      }
      Seq missing = begin;
      while (model.contains(missing)) ++missing;
      ASSERT_EQ(pages.FirstMissing(), missing);
      ASSERT_EQ(pages.first_page(), PageOf(missing));
    }
    for (Seq seq = begin > 100 ? begin - 100 : 1; seq < begin + 8000; ++seq) {
      ASSERT_EQ(pages.Has(seq), seq < begin || model.contains(seq)) << seq;
    }
    // Through the disk and back.
    SettledPages back(pages.first_page() * kPageEvents);
    for (uint64_t number = pages.first_page(); number < pages.first_page() + 20; ++number) {
      if (const SettledPage* page = pages.Find(number); page != nullptr)
        back.AddPage(number, *ParsePage(EncodePage(*page)));
    }
    ASSERT_EQ(back.FirstMissing(), pages.FirstMissing());
    SettledPages merged(begin);
    merged.AddAll(back);
    for (Seq seq = begin; seq < begin + 8000; ++seq) ASSERT_EQ(merged.Has(seq), pages.Has(seq));
  }
}

TEST(TailTest, KeepsTheNewestWithinItsBound) {
  Tail tail(10'000);
  tail.Reset(5);
  EXPECT_EQ(tail.Find(5), nullptr);
  std::vector<EventRef> out;
  EXPECT_TRUE(tail.Get(5, 10, out));
  EXPECT_FALSE(tail.Get(4, 10, out));
  for (Seq seq = 5; seq < 105; ++seq) {
    auto event = std::make_shared<StoredEvent>();
    event->seq = seq;
    event->data.body = std::string(1000, 'x');
    tail.Push({event});
    EXPECT_LE(tail.bytes(), 10'000u);
  }
  EXPECT_GT(tail.first(), 90u);
  EXPECT_FALSE(tail.Get(tail.first() - 1, 10, out));
  EXPECT_TRUE(tail.Get(103, 10, out));
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0]->seq, 103u);
  EXPECT_EQ(tail.Find(104)->seq, 104u);
  EXPECT_EQ(tail.Find(105), nullptr);
}

}  // namespace
}  // namespace hookstream::store::embedded
