// The presets that are built into the binary, from src/provider/presets/*.yaml. Thread-safe; they are compiled at the
// first call and live until the process ends.
#pragma once

#include <string_view>
#include <vector>

#include "provider/provider.h"

namespace hookstream::provider {

// nullptr when there is none of that name.
const Provider* FindPreset(std::string_view name);

// In alphabetical order.
std::vector<std::string_view> PresetNames();

// The file's text; empty when there is none of that name.
std::string_view PresetYaml(std::string_view name);

// For a name that is none: presets of that family, with that beginning, and the one that is mistyped by at most two
// letters; at most five.
std::vector<std::string_view> NearPresets(std::string_view name);

}  // namespace hookstream::provider
