// The relay's metrics, in Prometheus' text format.
//
// Each room that counts something has a struct of references made once from this registry. Names are
// hookstream_<room>_<thing>_<unit>, `_total` for counters; label values come from closed sets or from the
// configuration, never from a request. Thread-safe; the registry outlives what it gave out.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace hookstream::metrics {

using Counter = prometheus::Counter;
using Gauge = prometheus::Gauge;
using Histogram = prometheus::Histogram;
using Labels = std::map<std::string, std::string>;

class Registry {
 public:
  // The same name and labels give the same counter.
  Counter& AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // `buckets`: upper bounds, ascending.
  Histogram& AddHistogram(const std::string& name, const std::string& help, std::vector<double> buckets,
                          const Labels& labels = {});
  // Runs before each Expose, to set gauges from what a room knows; the handle ends it. It must not block.
  [[nodiscard]] std::shared_ptr<void> AddRefresh(std::function<void()> refresh);

  // The text format, version 0.0.4.
  std::string Expose();

  // For durations in seconds, from 50 microseconds to 10 seconds.
  static std::vector<double> LatencyBuckets();

 private:
  prometheus::Registry registry_;
  Mutex mutex_;
  std::vector<std::weak_ptr<std::function<void()>>> refreshes_ HS_GUARDED_BY(mutex_);
};

}  // namespace hookstream::metrics
