#include "app/plan.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "dispatch/dispatcher.h"
#include "provider/loader.h"
#include "provider/presets.h"
#include "verify/verifier.h"

namespace hookstream::app {
namespace {

namespace fs = std::filesystem;
using PresetRef = std::shared_ptr<const provider::Provider>;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  if (file) bytes << file.rdbuf();
  if (!file || file.bad()) return absl::NotFoundError(absl::StrCat("can't read '", path, "': ", std::strerror(errno)));
  return std::move(bytes).str();
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

// The user's own presets, by name.
std::map<std::string, PresetRef> LoadOwnPresets(const Config& config, Problems& problems) {
  std::map<std::string, PresetRef> presets;
  for (const FileConfig& entry : config.providers) {
    std::vector<std::string> files;
    std::error_code error;
    if (fs::is_directory(entry.path, error)) {
      for (const fs::directory_entry& file : fs::directory_iterator(entry.path, error)) {
        const std::string extension = file.path().extension().string();
        if (extension == ".yaml" || extension == ".yml") files.push_back(file.path().string());
      }
      std::sort(files.begin(), files.end());
      if (files.empty())
        problems.Error(entry.mark, absl::StrCat("providers: there is no *.yaml in '", entry.path, "'"));
    } else {
      files.push_back(entry.path);
    }
    for (const std::string& file : files) {
      const auto yaml = ReadFile(file);
      if (!yaml.ok()) {
        problems.Error(entry.mark, absl::StrCat("providers: ", Message(yaml.status())));
        continue;
      }
      auto preset = provider::LoadProvider(*yaml, file);
      if (!preset.ok()) {
        // The message begins with the place in the preset's own file.
        problems.Error(entry.mark, absl::StrCat("providers: ", Message(preset.status())));
        continue;
      }
      const std::string name = (*preset)->name;
      if (!presets.emplace(name, PresetRef(*std::move(preset))).second) {
        problems.Error(entry.mark, absl::StrCat("providers: '", file, "' has the name of another preset: ", name));
      } else if (provider::FindPreset(name) != nullptr) {
        problems.Warning(entry.mark,
                         absl::StrCat("providers: '", file, "' is used instead of the built-in preset ", name));
      }
    }
  }
  return presets;
}

PresetRef FindPreset(const std::map<std::string, PresetRef>& own, const std::string& name) {
  if (const auto found = own.find(name); found != own.end()) return found->second;
  // Built-in presets live as long as the process: nothing is owned.
  return {std::shared_ptr<const void>(), provider::FindPreset(name)};
}

void AddSource(const SourceConfig& source, const Config& config, const std::map<std::string, PresetRef>& own,
               Problems& problems, Plan& plan) {
  const PresetRef preset = FindPreset(own, source.provider);
  if (preset == nullptr) {
    std::vector<std::string> names;
    for (const std::string_view name : provider::PresetNames()) names.emplace_back(name);
    for (const auto& [name, unused] : own) names.push_back(name);
    const std::string meant = Closest(source.provider, names);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    problems.Error(source.mark,
                   absl::StrCat("source '", source.name, "': there is no provider '", source.provider, "'; ",
                                meant.empty() ? absl::StrCat("there are: ", absl::StrJoin(names, ", "))
                                              : absl::StrCat("did you mean '", meant, "'?")));
    return;
  }
  ingest::SourceConfig made;
  made.name = source.name;
  made.preset = preset;
  std::vector<verify::Key> keys;
  for (const KeyConfig& key : source.keys) {
    keys.push_back({key.id, key.secret, key.not_before.value_or(absl::InfinitePast()),
                    key.not_after.value_or(absl::InfiniteFuture())});
    made.keys.push_back({keys.back().id, keys.back().secret, keys.back().not_before, keys.back().not_after});
  }
  verify::Params params;
  for (const auto& [name, value] : source.secrets) {
    made.params[name] = value;
    params[name] = value;
  }
  made.verification_none = source.unverified;
  made.enforce = source.enforce;
  made.dedupe_window = source.dedupe_window;
  made.max_age = source.max_age;
  made.learn_keys_until = source.learn_keys_until.value_or(absl::InfinitePast());
  made.requests_per_second_max = source.rate_limit.value_or(0);
  made.body_bytes_max = source.max_body > 0 ? source.max_body : config.http.max_body;
  if (!source.unverified) {
    verify::Options options;
    options.max_age = source.max_age;
    options.keys_are_learnt = source.learn_keys_until.has_value();
    // Its keys are checked by making what will use them.
    if (const auto verifier = verify::Verifier::Create(*preset, keys, params, options); !verifier.ok()) {
      problems.Error(source.mark, absl::StrCat("source '", source.name, "': ", Message(verifier.status())));
    }
  }
  if (preset->body_bytes_max && static_cast<int64_t>(*preset->body_bytes_max) > config.http.max_body) {
    problems.Warning(source.mark,
                     absl::StrCat("source '", source.name, "': the preset allows larger bodies than http.max_body"));
  }
  plan.sources.push_back(std::move(made));
}

std::shared_ptr<const typing::Registry> LoadRegistry(const Config& config, Problems& problems) {
  typing::RegistryOptions options;
  for (const SchemaConfig& schema : config.schemas) {
    auto bytes = ReadFile(schema.path);
    if (!bytes.ok()) {
      problems.Error(schema.mark, absl::StrCat("schemas: ", Message(bytes.status())));
      continue;
    }
    typing::UserSet& set = options.user_sets.emplace_back(typing::UserSet{schema.path, *std::move(bytes), {}});
    for (const SchemaConfig::Event& event : schema.events) {
      set.events.push_back({event.message, event.provider, event.types});
    }
  }
  auto registry = typing::Registry::Build(options);
  if (registry.ok()) return *std::move(registry);
  // The message names the set that is wrong, mostly as its first word.
  const std::string message = Message(registry.status());
  YAML::Mark mark = config.schemas.empty() ? YAML::Mark::null_mark() : config.schemas.front().mark;
  for (const SchemaConfig& schema : config.schemas) {
    if (absl::StartsWith(message, absl::StrCat(schema.path, ":"))) mark = schema.mark;
  }
  problems.Error(mark, absl::StrCat("schemas: ", message));
  return nullptr;
}

}  // namespace

Plan MakePlan(Problems& problems) {
  Plan plan;
  LoadConfig(problems, plan.config);
  const auto own = LoadOwnPresets(plan.config, problems);
  for (const SourceConfig& source : plan.config.sources) AddSource(source, plan.config, own, problems, plan);
  for (const SubscriptionConfig& subscription : plan.config.subscriptions) {
    if (const absl::Status status = dispatch::Dispatcher::ValidateSubscriptions({subscription.spec}); !status.ok()) {
      problems.Error(subscription.mark, Message(status));
    }
    plan.subscriptions.push_back(subscription.spec);
  }
  plan.registry = LoadRegistry(plan.config, problems);
  return plan;
}

std::vector<std::string> NeedsRestart(const Config& running, const Config& wanted) {
  std::vector<std::string> keys;
  const auto compare = [&](const char* key, bool same) {
    if (!same) keys.emplace_back(key);
  };
  compare("http", running.http == wanted.http);
  compare("grpc", running.grpc == wanted.grpc);
  compare("admin", running.admin == wanted.admin);
  compare("store", running.store == wanted.store);
  compare("outbound", running.outbound == wanted.outbound);
  compare("log", running.log == wanted.log);
  compare("shutdown", running.shutdown_grace == wanted.shutdown_grace);
  return keys;
}

}  // namespace hookstream::app
