#include "cli/key_advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/common.h"

namespace hookstream::cli {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr absl::Duration kQuiet = absl::Hours(72);

absl::Time Ago(absl::Duration d) { return kNow - d; }
constexpr absl::Duration Days(int days) { return absl::Hours(24 * days); }

// A relay that has run for 30 days.
class KeyAdviceTest : public ::testing::Test {
 protected:
  v1::SourceKey& Add(const std::string& id, int64_t hits = 0, absl::Time last = absl::InfinitePast()) {
    v1::SourceKey& key = *source_.add_keys();
    key.set_id(id);
    key.set_hits(hits);
    if (hits > 0) *key.mutable_last_hit_at() = ToProto(last);
    *key.mutable_counting_since() = ToProto(Ago(Days(30)));
    return key;
  }
  KeyAdvice Advise(int index) { return AdviseOnKey(source_, index, kNow, kQuiet); }
  void ExpectUnsafe(int index, const char* because) {
    const KeyAdvice advice = Advise(index);
    EXPECT_FALSE(advice.safe_to_retire) << advice.reason;
    EXPECT_THAT(advice.reason, HasSubstr(because));
  }
  void ExpectSafe(int index, const char* because) {
    const KeyAdvice advice = Advise(index);
    EXPECT_TRUE(advice.safe_to_retire) << advice.reason;
    EXPECT_THAT(advice.reason, HasSubstr(because));
  }

  v1::Source source_;
};

TEST_F(KeyAdviceTest, AKeyThatAnotherHasReplacedForLongEnoughIsSafe) {
  Add("new", 1204, Ago(absl::Minutes(2)));
  Add("old", 9, Ago(Days(4)));
  ExpectSafe(
      1, "it was last used 4 days ago, more than 72h, while 'new' verified 1,204 request(s), the last 2 minutes ago");
  ExpectUnsafe(0, "last used 2 minutes ago");
}

TEST_F(KeyAdviceTest, TheOnlyKeyIsNot) {
  Add("only", 3, Ago(Days(20)));
  ExpectUnsafe(0, "only key");
}

TEST_F(KeyAdviceTest, ARecentUseSaysWhenToLookAgain) {
  Add("new", 5, Ago(absl::Minutes(1)));
  Add("old", 5, Ago(Days(2)));
  ExpectUnsafe(1, "last used 2 days ago, and 72h without it are wanted: look again after 2027-01-16 08:00 UTC");
}

TEST_F(KeyAdviceTest, NoUseSinceAStartThatIsTooRecentProvesNothing) {
  Add("new", 5, Ago(absl::Minutes(1)));
  *Add("old").mutable_counting_since() = ToProto(Ago(Days(1)));
  ExpectUnsafe(1, "has not been used since counting began 1 day ago");
  *source_.mutable_keys(1)->mutable_counting_since() = ToProto(Ago(Days(4)));
  ExpectSafe(1, "has not been used since counting began 4 days ago");
}

TEST_F(KeyAdviceTest, AKeyThatNoOtherHasReplacedIsNot) {
  Add("new");
  Add("old", 7, Ago(Days(10)));
  ExpectUnsafe(1, "no other key has verified anything");
  // Another key's hits count only while it is valid.
  source_.mutable_keys(0)->set_hits(3);
  *source_.mutable_keys(0)->mutable_last_hit_at() = ToProto(Ago(Days(1)));
  *source_.mutable_keys(0)->mutable_not_after() = ToProto(Ago(absl::Hours(1)));
  ExpectUnsafe(1, "no other key has verified anything");
}

TEST_F(KeyAdviceTest, ANewKeyThatIsNotUsedYetIsNot) {
  Add("new");
  Add("old", 7, Ago(absl::Minutes(1)));
  ExpectUnsafe(0, "it stands before 'old': it may be the new key");
}

TEST_F(KeyAdviceTest, ASourceThatIsSilentProvesNothing) {
  Add("new", 2, Ago(Days(9)));
  Add("old", 7, Ago(Days(10)));
  ExpectUnsafe(1, "too few requests came afterwards");
  *source_.mutable_keys(0)->mutable_last_hit_at() = ToProto(Ago(Days(7)));
  ExpectSafe(1, "last used 10 days ago");
}

TEST_F(KeyAdviceTest, AReplacementThatEndsSoonIsNone) {
  *Add("new", 2, Ago(absl::Hours(1))).mutable_not_after() = ToProto(kNow + Days(1));
  Add("old", 7, Ago(Days(10)));
  ExpectUnsafe(1, "'new', which replaces it, ends itself on");
}

TEST_F(KeyAdviceTest, TheNewKeyBehindTheOldOneIsNamed) {
  Add("old", 7, Ago(absl::Minutes(3)));
  Add("new");
  ExpectUnsafe(0, "'new' stands after it in the configuration and has no hits: put the new key first");
}

TEST_F(KeyAdviceTest, AKeyThatHasEndedCanGoUnlessSomebodySignsWithIt) {
  Add("new", 2, Ago(absl::Hours(1)));
  *Add("old", 7, Ago(Days(1))).mutable_not_after() = ToProto(Ago(absl::Hours(2)));
  ExpectSafe(1, "ended 2 hours ago and verifies nothing any more");
  v1::ReasonCount& refused = *source_.add_refused_by();
  refused.set_reason("key_not_valid_now");
  refused.set_count(12);
  ExpectUnsafe(1, "12 request(s) were signed with a key outside its time");
}

TEST_F(KeyAdviceTest, AKeyOfTheFutureIsNot) {
  Add("new", 2, Ago(absl::Hours(1)));
  *Add("next").mutable_not_before() = ToProto(kNow + Days(1));
  ExpectUnsafe(1, "not valid before");
}

}  // namespace
}  // namespace hookstream::cli
