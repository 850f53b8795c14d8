// A configuration with everything that it names found, loaded and checked: what `serve` runs and `serve --check`
// reports.
//
// Making one touches files only; nothing is started. What a reload can change is in here, compiled; the rest of
// the configuration takes effect at the next start.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/yaml.h"
#include "hookstream/v1/admin_service.pb.h"
#include "ingest/ingest.h"
#include "typing/registry.h"

namespace hookstream::app {

struct Plan {
  Config config;
  std::vector<ingest::SourceConfig> sources;
  std::vector<v1::Subscription> subscriptions;
  std::shared_ptr<const typing::Registry> registry;
};

// What is wrong ends up in `problems`; the plan can be run when it has no errors.
Plan MakePlan(Problems& problems);

// Keys outside of sources, subscriptions, schemas and providers whose values differ, e.g. "http": a reload does
// not change them.
std::vector<std::string> NeedsRestart(const Config& running, const Config& wanted);

}  // namespace hookstream::app
