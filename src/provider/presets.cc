#include "provider/presets.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "provider/loader.h"
#include "provider/preset_table.h"
#include "provider/suggest.h"

namespace hookstream::provider {
namespace {

using Presets = std::map<std::string_view, std::unique_ptr<const Provider>>;

// All at once: some milliseconds, and a broken one is found at the first use of any.
const Presets& Compiled() {
  static const Presets kPresets = [] {
    Presets presets;
    for (const PresetText& text : PresetTable()) {
      auto provider = LoadProvider(text.yaml, absl::StrCat(std::string(text.name), ".yaml"));
      if (!provider.ok()) {
        Log(LogLevel::kError, "embedded preset is broken", {{"error", std::string(provider.status().message())}});
        std::abort();  // the binary was built wrong; a test loads every preset
      }
      presets.emplace(text.name, *std::move(provider));
    }
    return presets;
  }();
  return kPresets;
}

}  // namespace

const Provider* FindPreset(std::string_view name) {
  const auto found = Compiled().find(name);
  return found == Compiled().end() ? nullptr : found->second.get();
}

std::vector<std::string_view> PresetNames() {
  std::vector<std::string_view> names;
  for (const PresetText& text : PresetTable()) names.push_back(text.name);
  return names;
}

std::string_view PresetYaml(std::string_view name) {
  for (const PresetText& text : PresetTable()) {
    if (text.name == name) return text.yaml;
  }
  return {};
}

std::vector<std::string_view> NearPresets(std::string_view name) {
  constexpr size_t kNearMax = 5;
  std::vector<std::string_view> near;
  if (name.empty()) return near;
  const std::string_view mistyped = Nearest(name, PresetNames());
  for (const auto& [known, preset] : Compiled()) {
    if (near.size() < kNearMax && (preset->family == name || known.starts_with(name) || known == mistyped)) {
      near.push_back(known);
    }
  }
  return near;
}

}  // namespace hookstream::provider
