// `hookstream sources learnt-keys` and `forget-key`: keys that a provider told in a handshake.
#pragma once

#include "cli/common.h"

namespace hookstream::cli {

// Adds the verbs to the group `sources`.
void AddLearntKeys(CLI::App& group, int& exit_code);

}  // namespace hookstream::cli
