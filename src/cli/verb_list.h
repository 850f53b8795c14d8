// The verbs, one function each; a file has one verb or one group of verbs.
#pragma once

#include <CLI/CLI.hpp>

namespace hookstream::cli {

void AddSend(CLI::App& app, int& exit_code);
void AddListen(CLI::App& app, int& exit_code);
void AddVerify(CLI::App& app, int& exit_code);
void AddStatus(CLI::App& app, int& exit_code);
void AddSources(CLI::App& app, int& exit_code);
void AddSubscriptions(CLI::App& app, int& exit_code);
void AddEvents(CLI::App& app, int& exit_code);
void AddDeadLetters(CLI::App& app, int& exit_code);
void AddSchema(CLI::App& app, int& exit_code);
// To the group of `schema`.
void AddSchemaImport(CLI::App& group, int& exit_code);

}  // namespace hookstream::cli
