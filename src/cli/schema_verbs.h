// The verbs of `hookstream schema`, one function each.
#pragma once

#include <CLI/CLI.hpp>

namespace hookstream::cli {

void AddSchemaList(CLI::App& group, int& exit_code);
void AddSchemaShow(CLI::App& group, int& exit_code);
void AddSchemaCheck(CLI::App& group, int& exit_code);
void AddSchemaInfer(CLI::App& group, int& exit_code);
void AddSchemaDiff(CLI::App& group, int& exit_code);
void AddSchemaExport(CLI::App& group, int& exit_code);

}  // namespace hookstream::cli
