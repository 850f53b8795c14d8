// `hookstream schema diff`: what changed between two descriptor sets, mappings included, and whom it breaks.
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/json_text.h"
#include "cli/schema_common.h"
#include "cli/schema_verbs.h"
#include "schema/diff.h"
#include "typing/builtin_set.h"

namespace hookstream::cli {
namespace {

struct Diff {
  Common common;
  std::string before;
  std::string after;

  void Run() {
    const auto read = [](const std::string& name) {
      return name == "builtin" ? std::string(typing::BuiltinDescriptorSet()) : ReadInput(name);
    };
    const std::string old_set = read(before);
    const std::string new_set = read(after);
    const auto changes = schema::DiffSets({before, old_set}, {after, new_set});
    if (!changes.ok()) FailUsage(std::string(changes.status().message()));
    int64_t breaking = 0;
    std::vector<std::vector<std::string>> rows;
    for (const schema::Change& change : *changes) {
      breaking += change.breaking ? 1 : 0;
      if (common.json()) {
        JsonObject line;
        line.Add("breaking", change.breaking).Add("aspect", schema::AspectName(change.aspect));
        std::cout << line.Add("element", change.element).Add("change", change.what).Text() << '\n';
      }
      rows.push_back({change.breaking ? "BREAKING" : "ok", std::string(schema::AspectName(change.aspect)),
                      Printable(change.element), Printable(change.what)});
    }
    if (!common.json()) {
      PrintTable(rows);
      std::cout << (rows.empty() ? "no changes\n" : absl::StrCat(rows.size(), " changes, ", breaking, " breaking\n"));
    }
    if (breaking > 0) Fail("");
  }
};

}  // namespace

void AddSchemaDiff(CLI::App& group, int& exit_code) {
  auto diff = std::make_shared<Diff>();
  CLI::App* verb = AddVerb(group, exit_code, "diff", "What changed between two descriptor sets",
                           "  hookstream schema diff old.binpb new.binpb\n"
                           "  hookstream schema diff old-release.binpb builtin\n\n"
                           "`buf breaking` does not look at options; this compares the mappings too: event patterns,\n"
                           "from, id, time, text, json, rest, numbered, enum texts. Needs no relay.\n"
                           "Exits 1 when a change is breaking.",
                           [diff] { diff->Run(); });
  verb->add_option("old", diff->before, "a FileDescriptorSet with its imports, or `builtin`")->required();
  verb->add_option("new", diff->after, "the same")->required();
  AddOutput(*verb, diff->common);
}

}  // namespace hookstream::cli
