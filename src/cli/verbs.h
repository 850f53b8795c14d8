// The verbs of the `hookstream` command besides `serve`: what a person or a script does with a relay from outside.
//
// Exit codes: 0 done, 1 it failed or the answer is no, 2 the command line is wrong. Results go to stdout, everything
// else to stderr. Not thread-safe: one verb a process.
#pragma once

#include <CLI/CLI.hpp>

namespace hookstream::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// `exit_code` gets what the verb that was given ends with.
void AddVerbs(CLI::App& app, int& exit_code);

}  // namespace hookstream::cli
