#include "store/embedded/embedded_store.h"
#include "tests/conformance/harness.h"
#include "tests/conformance/suite.h"

namespace hookstream::store::testing {
namespace {

class Embedded : public Engine {
 public:
  explicit Embedded(bool cold) : cold_(cold) {}

  std::unique_ptr<Store> Open(const Clock& clock, const EngineLimits& limits) override {
    EmbeddedOptions options;
    options.data_dir = dir_.path();
    options.bytes_max = limits.bytes_max;
    options.retention.bytes = 0;
    options.retention.age =
        limits.retention_age == absl::InfiniteDuration() ? absl::ZeroDuration() : limits.retention_age;
    options.maintenance_interval = absl::Milliseconds(2);
    options.clock = &clock;
    if (cold_) {
      options.tail_bytes_max = 0;
      options.dedupe_recent_max = 2;
    }
    return std::make_unique<EmbeddedStore>(std::move(options));
  }

 private:
  const TempDir dir_;
  const bool cold_;
};

}  // namespace

std::vector<EngineCase> Engines() {
  return {
      {"Embedded", [] { return std::unique_ptr<Engine>(std::make_unique<Embedded>(false)); }},
      // Everything is read from disk.
      {"EmbeddedWithoutCaches", [] { return std::unique_ptr<Engine>(std::make_unique<Embedded>(true)); }},
  };
}

}  // namespace hookstream::store::testing
