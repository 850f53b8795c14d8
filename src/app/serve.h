// `hookstream serve`: runs the relay until a signal ends it.
//
// SIGTERM and SIGINT drain within `shutdown.grace`; a second one ends the process at once (what was acknowledged is
// durable). SIGHUP reads the configuration again; a bad one leaves the old one running.
#pragma once

#include <CLI/CLI.hpp>

namespace hookstream::app {

void AddServe(CLI::App& app, int& exit_code);

}  // namespace hookstream::app
