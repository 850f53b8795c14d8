// What the built-in presets are: for `hookstream sources presets` and docs/providers.md, which it writes.
#pragma once

#include <string>
#include <vector>

#include "provider/provider.h"

namespace hookstream::cli {

// The whole page.
std::string PresetsMarkdown();
// One object on a line; with `yaml` its text too.
std::string PresetJson(const provider::Provider& preset, bool yaml);
// A table's rows, the head first.
std::vector<std::vector<std::string>> PresetRows();

}  // namespace hookstream::cli
