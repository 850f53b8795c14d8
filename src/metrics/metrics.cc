#include "metrics/metrics.h"

#include <prometheus/text_serializer.h>

#include <utility>

namespace hookstream::metrics {

Counter& Registry::AddCounter(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels);
}

Gauge& Registry::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels);
}

Histogram& Registry::AddHistogram(const std::string& name, const std::string& help, std::vector<double> buckets,
                                  const Labels& labels) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels, std::move(buckets));
}

std::shared_ptr<void> Registry::AddRefresh(std::function<void()> refresh) {
  auto handle = std::make_shared<std::function<void()>>(std::move(refresh));
  MutexLock lock(mutex_);
  std::erase_if(refreshes_, [](const auto& weak) { return weak.expired(); });
  refreshes_.push_back(handle);
  return handle;
}

std::string Registry::Expose() {
  std::vector<std::shared_ptr<std::function<void()>>> live;
  {
    MutexLock lock(mutex_);
    for (const auto& weak : refreshes_) {
      if (auto refresh = weak.lock()) live.push_back(std::move(refresh));
    }
  }
  for (const auto& refresh : live) (*refresh)();
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

std::vector<double> Registry::LatencyBuckets() {
  return {0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10};
}

}  // namespace hookstream::metrics
