// `hookstream schema import`: a provider's JSON Schema or OpenAPI becomes .proto files.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/common.h"
#include "cli/json_text.h"
#include "cli/verb_list.h"
#include "schema/import.h"

namespace hookstream::cli {
namespace {

// Empty where there is no such file.
std::string ReadIfThere(const std::string& path) { return std::filesystem::exists(path) ? ReadInput(path) : ""; }

void WriteFile(const std::string& path, const std::string& text) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text << std::flush;
  if (!out) Fail(absl::StrCat("can't write ", path));
}

struct SchemaImport {
  Common common;
  std::vector<std::string> schemas;
  std::string settings, lock, out;
  schema::ImportOptions options;
  bool check = false;

  void Run() {
    for (const std::string& path : schemas) options.schemas.push_back({path, ReadInput(path)});
    if (!settings.empty()) options.settings = {settings, ReadInput(settings)};
    options.lock = {lock, ReadIfThere(lock)};
    const auto imported = schema::Import(options);
    if (!imported.ok()) Fail(std::string(imported.status().message()));

    std::vector<schema::TextFile> files = {{lock, imported->lock}};
    for (const schema::TextFile& file : imported->files)
      files.push_back({absl::StrCat(out, "/", file.name), file.text});
    size_t changed = 0;
    for (const schema::TextFile& file : files) {
      if (ReadIfThere(file.name) == file.text) continue;
      ++changed;
      if (!common.json()) (check ? std::cerr : std::cout) << (check ? "differs: " : "") << file.name << '\n';
      if (!check) WriteFile(file.name, file.text);
    }
    for (const std::string& path : Outdated(files)) {
      ++changed;
      if (!common.json()) (check ? std::cerr : std::cout) << "no longer made: " << path << '\n';
      if (!check) std::filesystem::remove(path);
    }
    for (const std::string& note : imported->notes) std::cerr << note << '\n';
    const auto count = [](size_t value) { return static_cast<int64_t>(value); };
    if (common.json()) {
      JsonObject line;
      line.Add("events", count(imported->events)).Add("messages", count(imported->messages));
      line.Add("fields", count(imported->fields)).Add("files", count(imported->files.size()));
      line.Add("changed", count(changed));
      std::cout << line.Text() << '\n';
    } else {
      std::cout << imported->events << " events, " << imported->messages << " messages, " << imported->fields
                << " fields in " << imported->files.size() << " files; " << changed << " changed\n";
    }
    if (check && changed != 0) Fail("the files are not what the schema gives; run it without --check");
  }

  // Files of an earlier import that this one does not make.
  std::vector<std::string> Outdated(const std::vector<schema::TextFile>& files) const {
    std::vector<std::string> outdated;
    const std::string folder = absl::StrCat(out, "/", absl::StrReplaceAll(options.package, {{".", "/"}}));
    if (!std::filesystem::is_directory(folder)) return outdated;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string path = absl::StrCat(folder, "/", entry.path().filename().string());
      const bool made =
          std::any_of(files.begin(), files.end(), [&](const schema::TextFile& file) { return file.name == path; });
      if (!made && entry.path().extension() == ".proto" && absl::StrContains(ReadInput(path), schema::kImportMark)) {
        outdated.push_back(path);
      }
    }
    std::sort(outdated.begin(), outdated.end());
    return outdated;
  }
};

}  // namespace

void AddSchemaImport(CLI::App& group, int& exit_code) {
  auto state = std::make_shared<SchemaImport>();
  CLI::App* verb = AddVerb(
      group, exit_code, "import", "Write .proto files for a provider's JSON Schema or OpenAPI description",
      "  hookstream schema import webhooks.json --provider acme --package acme.v1 --lock acme.lock.yaml --out proto\n"
      "  hookstream schema import openapi.yaml -p acme --package acme.v1 --event 'order.*' --event-type '{name}' ...\n"
      "\nThe lock keeps the fields' numbers over all later imports: it belongs beside the protos, in version control.\n"
      "docs/typing.md describes the settings file.",
      [state] { state->Run(); });
  verb->add_option("schemas", state->schemas, "JSON Schema or OpenAPI 3 files, JSON or YAML; with those they refer to")
      ->required()
      ->type_name("FILE");
  verb->add_option("--provider,-p", state->options.provider, "the family of the events, as Event.provider")->required();
  verb->add_option("--package", state->options.package, "the protos' package, e.g. acme.v1")->required();
  verb->add_option("--lock", state->lock, "the file that keeps the fields' numbers; made by the first import")
      ->required()
      ->type_name("FILE");
  verb->add_option("--out", state->out, "the folder of the protos' import paths: acme.v1 goes to OUT/acme/v1")
      ->required()
      ->type_name("FOLDER");
  verb->add_option("--settings", state->settings, "what the schema can't say: names, comments, other types")
      ->type_name("FILE");
  verb->add_option("--event", state->options.events,
                   "take only the events of this name; * is any text; may be repeated")
      ->type_name("PATTERN")
      ->allow_extra_args(false);
  verb->add_option("--event-type", state->options.event_type,
                   "what Event.type is: {name} is the event's name in the schema, {/pointer} a text in the event")
      ->type_name("TEMPLATE");
  verb->add_flag("--check", state->check, "write nothing; exit 1 when a file is not what would be written");
  AddOutput(*verb, state->common);
}

}  // namespace hookstream::cli
