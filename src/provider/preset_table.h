// The texts of the embedded presets; the table is generated at build. Internal to the room.
#pragma once

#include <string_view>
#include <vector>

namespace hookstream::provider {

struct PresetText {
  std::string_view name;
  std::string_view yaml;
};

// Sorted by name.
const std::vector<PresetText>& PresetTable();

}  // namespace hookstream::provider
