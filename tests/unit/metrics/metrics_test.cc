#include "metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hookstream::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Registry, TheSameNameAndLabelsAreTheSameCounter) {
  Registry registry;
  registry.AddCounter("hookstream_test_things_total", "Things", {{"kind", "a"}}).Increment();
  registry.AddCounter("hookstream_test_things_total", "Things", {{"kind", "a"}}).Increment();
  registry.AddCounter("hookstream_test_things_total", "Things", {{"kind", "b"}}).Increment();
  const std::string text = registry.Expose();
  EXPECT_THAT(text, HasSubstr("hookstream_test_things_total{kind=\"a\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("hookstream_test_things_total{kind=\"b\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE hookstream_test_things_total counter\n"));
}

TEST(Registry, AHistogramCountsIntoItsBuckets) {
  Registry registry;
  Histogram& histogram = registry.AddHistogram("hookstream_test_wait_seconds", "Wait", {0.1, 1});
  histogram.Observe(0.05);
  histogram.Observe(0.5);
  histogram.Observe(5);
  const std::string text = registry.Expose();
  EXPECT_THAT(text, HasSubstr("hookstream_test_wait_seconds_bucket{le=\"0.1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hookstream_test_wait_seconds_bucket{le=\"1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("hookstream_test_wait_seconds_bucket{le=\"+Inf\"} 3\n"));
}

TEST(Registry, LabelsMayHoldAnyText) {
  Registry registry;
  registry.AddGauge("hookstream_test_depth", "Depth", {{"name", "a\"b\\c\nd"}}).Set(3);
  EXPECT_THAT(registry.Expose(), HasSubstr("hookstream_test_depth{name=\"a\\\"b\\\\c\\nd\"} 3\n"));
}

TEST(Registry, ARefreshRunsBeforeEachExposeUntilItsHandleIsGone) {
  Registry registry;
  Gauge& gauge = registry.AddGauge("hookstream_test_depth", "Depth");
  int runs = 0;
  auto handle = registry.AddRefresh([&] { gauge.Set(++runs); });
  EXPECT_THAT(registry.Expose(), HasSubstr("hookstream_test_depth 1\n"));
  EXPECT_THAT(registry.Expose(), HasSubstr("hookstream_test_depth 2\n"));
  handle.reset();
  EXPECT_THAT(registry.Expose(), HasSubstr("hookstream_test_depth 2\n"));
  EXPECT_EQ(runs, 2);
}

TEST(Registry, ARefreshMayAddAnother) {
  Registry registry;
  std::shared_ptr<void> inner;
  auto outer = registry.AddRefresh([&] {
    if (!inner) inner = registry.AddRefresh([] {});
  });
  registry.Expose();
  EXPECT_NE(inner, nullptr);
}

TEST(Registry, LatencyBucketsAscend) {
  const auto buckets = Registry::LatencyBuckets();
  EXPECT_TRUE(std::is_sorted(buckets.begin(), buckets.end()));
  EXPECT_DOUBLE_EQ(buckets.front(), 0.00005);
  EXPECT_DOUBLE_EQ(buckets.back(), 10);
}

}  // namespace
}  // namespace hookstream::metrics
