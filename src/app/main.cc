// The one binary: `serve` runs the relay, the other verbs talk to one.
#include <CLI/CLI.hpp>

#include "app/serve.h"
#include "cli/verbs.h"

int main(int argc, char** argv) {
  CLI::App app("hookstream receives webhooks, keeps them, and streams them as typed events");
  app.set_version_flag("--version", HOOKSTREAM_VERSION);
  app.require_subcommand(1);
  int exit_code = hookstream::cli::kExitOk;
  hookstream::app::AddServe(app, exit_code);
  hookstream::cli::AddVerbs(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? hookstream::cli::kExitOk : hookstream::cli::kExitUsage;
  }
  return exit_code;
}
