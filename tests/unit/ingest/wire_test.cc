#include "ingest/wire.h"

#include <gtest/gtest.h>

#include "hookstream/v1/event.pb.h"

namespace hookstream::ingest {
namespace {

v1::Event Parse(const std::string& bytes) {
  v1::Event event;
  EXPECT_TRUE(event.ParseFromString(bytes));
  return event;
}

TEST(WireWriter, WritesWhatProtobufReads) {
  std::string bytes;
  WireWriter writer(bytes);
  writer.Bytes(v1::Event::kSourceFieldNumber, "stripe-live");
  writer.Bytes(v1::Event::kTypeFieldNumber, std::string(300, 't'));
  writer.Pair(v1::Event::kAttributesFieldNumber, "account", "acct_1");
  writer.Pair(v1::Event::kAttributesFieldNumber, "empty", "");
  writer.Pair(v1::Event::kAttributesFieldNumber, "long", std::string(70'000, 'v'));
  writer.Bytes(v1::Event::kOrderingKeyFieldNumber, "");
  const v1::Event event = Parse(bytes);
  EXPECT_EQ(event.source(), "stripe-live");
  EXPECT_EQ(event.type(), std::string(300, 't'));
  EXPECT_EQ(event.attributes().at("account"), "acct_1");
  EXPECT_EQ(event.attributes().at("empty"), "");
  EXPECT_EQ(event.attributes().at("long").size(), 70'000u);
  EXPECT_EQ(event.GetReflection()->GetUnknownFields(event).field_count(), 0);
}

TEST(WireWriter, ADefaultTakesNoByteButAnElementDoes) {
  std::string bytes;
  WireWriter writer(bytes);
  writer.Bytes(1, "");
  writer.Varint(1, 0);
  EXPECT_TRUE(bytes.empty());
  writer.Element(v1::Event::kVerificationFieldNumber, "");
  EXPECT_TRUE(Parse(bytes).has_verification());
}

TEST(WireWriter, WritesVarintsOfEverySize) {
  for (const uint64_t value : {uint64_t{1}, uint64_t{127}, uint64_t{128}, uint64_t{16'384}, uint64_t{0x7fff'ffff}}) {
    std::string bytes;
    WireWriter(bytes).Varint(v1::Raw::kIndexFieldNumber, value);
    v1::Raw raw;
    ASSERT_TRUE(raw.ParseFromString(bytes));
    EXPECT_EQ(static_cast<uint64_t>(raw.index()), value);
  }
}

TEST(WireWriter, WritesTimesThatATimestampCanHold) {
  const auto written = [](absl::Time time) {
    std::string bytes;
    WireWriter(bytes).Timestamp(v1::Event::kOccurredAtFieldNumber, time);
    return Parse(bytes);
  };
  const v1::Event now = written(absl::FromUnixNanos(1'700'000'000'123'456'789));
  EXPECT_EQ(now.occurred_at().seconds(), 1'700'000'000);
  EXPECT_EQ(now.occurred_at().nanos(), 123'456'789);
  const v1::Event before_1970 = written(absl::FromUnixMillis(-1'500));
  EXPECT_EQ(before_1970.occurred_at().seconds(), -2);
  EXPECT_EQ(before_1970.occurred_at().nanos(), 500'000'000);
  EXPECT_TRUE(written(absl::UnixEpoch()).has_occurred_at());
  for (const absl::Time time : {absl::InfiniteFuture(), absl::InfinitePast(), absl::FromUnixSeconds(253'402'300'800),
                                absl::FromUnixSeconds(-62'135'596'801)}) {
    EXPECT_FALSE(written(time).has_occurred_at());
  }
}

}  // namespace
}  // namespace hookstream::ingest
