// What every engine promises, tested against store.h alone. An engine takes part by adding itself to Engines().
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/store.h"

namespace hookstream::store::testing {

// What a test asks of an engine; everything else is the engine's own business.
struct EngineLimits {
  int64_t bytes_max = 0;                                    // 0: none
  absl::Duration retention_age = absl::InfiniteDuration();  // of what is settled
};

// One store's data, over any number of openings.
class Engine {
 public:
  virtual ~Engine() = default;
  // The one before is gone.
  virtual std::unique_ptr<Store> Open(const Clock& clock, const EngineLimits& limits) = 0;
};

struct EngineCase {
  std::string name;
  std::unique_ptr<Engine> (*make)();

  friend void PrintTo(const EngineCase& engine, std::ostream* out) { *out << engine.name; }
};

std::vector<EngineCase> Engines();

}  // namespace hookstream::store::testing
