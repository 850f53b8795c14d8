#include "ingest/metrics.h"

#include <gtest/gtest.h>

namespace hookstream::ingest {
namespace {

MonoTime At(absl::Duration d) { return {absl::Seconds(100) + d}; }

TEST(RateLimiter, PassesABurstOfASecondAndThenTheRate) {
  RateLimiter limiter;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limiter.Take(5, At(absl::ZeroDuration())), absl::ZeroDuration()) << i;
  EXPECT_EQ(limiter.Take(5, At(absl::ZeroDuration())), absl::Milliseconds(200));
  EXPECT_EQ(limiter.Take(5, At(absl::Milliseconds(150))), absl::Milliseconds(50));
  EXPECT_EQ(limiter.Take(5, At(absl::Milliseconds(200))), absl::ZeroDuration());
  EXPECT_GT(limiter.Take(5, At(absl::Milliseconds(200))), absl::ZeroDuration());
}

TEST(RateLimiter, SavesUpNoMoreThanASecond) {
  RateLimiter limiter;
  limiter.Take(2, At(absl::ZeroDuration()));
  int passed = 0;
  while (limiter.Take(2, At(absl::Hours(1))) == absl::ZeroDuration()) ++passed;
  EXPECT_EQ(passed, 2);
}

TEST(RateLimiter, ASlowRateLetsOnePassAtATime) {
  RateLimiter limiter;
  EXPECT_EQ(limiter.Take(0.1, At(absl::ZeroDuration())), absl::ZeroDuration());
  EXPECT_EQ(limiter.Take(0.1, At(absl::ZeroDuration())), absl::Seconds(10));
  EXPECT_EQ(limiter.Take(0.1, At(absl::Seconds(10))), absl::ZeroDuration());
}

TEST(SkewRecord, ForgetsTheHourBeforeTheLast) {
  SkewRecord record;
  const auto add = [&](absl::Duration skew, absl::Duration at) { record.Add(skew, absl::UnixEpoch() + at, {at}); };
  EXPECT_FALSE(record.Read({absl::Hours(1)}));
  add(absl::Seconds(-7), absl::Minutes(59));
  add(absl::Seconds(3), absl::Minutes(61));
  auto skew = record.Read({absl::Minutes(119)});
  ASSERT_TRUE(skew);
  EXPECT_EQ(skew->lowest, absl::Seconds(-7));
  EXPECT_EQ(skew->highest, absl::Seconds(3));
  skew = record.Read({absl::Minutes(121)});
  EXPECT_EQ(skew->lowest, absl::Seconds(3));
  add(absl::Seconds(4), absl::Minutes(121));
  skew = record.Read({absl::Minutes(121)});
  EXPECT_EQ(skew->lowest, absl::Seconds(3));
  EXPECT_EQ(skew->highest, absl::Seconds(4));
  EXPECT_EQ(skew->last_at, absl::UnixEpoch() + absl::Minutes(121));
}

TEST(LogLimiter, WritesTenLinesASecondAndCountsTheRest) {
  LogLimiter limiter;
  for (int i = 0; i < LogLimiter::kLinesMax; ++i) EXPECT_EQ(limiter.Admit(At(absl::ZeroDuration())), 0);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(limiter.Admit(At(absl::Milliseconds(999))), std::nullopt);
  EXPECT_EQ(limiter.Admit(At(absl::Seconds(1))), 7);
  EXPECT_EQ(limiter.Admit(At(absl::Seconds(1))), 0);
}

}  // namespace
}  // namespace hookstream::ingest
