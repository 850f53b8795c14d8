// Reads a preset written in the provider language (docs/provider-language.md) and compiles it. Strict: unknown and
// repeated keys, merge keys, aliases, octal-looking numbers and unquoted templates are errors.
// Limits: 256 KiB of YAML.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "provider/provider.h"

namespace hookstream::provider {

// INVALID_ARGUMENT with "file_name:line:column: what is wrong (hint)"; lines and columns count from 1. `file_name` is
// only for messages.
absl::StatusOr<std::unique_ptr<const Provider>> LoadProvider(std::string_view yaml, std::string_view file_name);

}  // namespace hookstream::provider
