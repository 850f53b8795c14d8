#include "cli/provider_option.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "provider/loader.h"
#include "provider/presets.h"

namespace hookstream::cli {

const provider::Provider& GetPreset(const std::string& name) {
  const provider::Provider* preset = provider::FindPreset(name);
  if (preset != nullptr) return *preset;
  const std::vector<std::string_view> near = provider::NearPresets(name);
  const auto append = [](std::string* out, std::string_view text) {
    absl::StrAppend(out, "'", std::string(text), "'");
  };
  FailUsage(absl::StrCat("there is no preset '", name, "'; ",
                         near.empty() ? "" : absl::StrCat("did you mean ", absl::StrJoin(near, " or ", append), "? "),
                         "`hookstream sources presets` lists them"));
}

void ProviderOption::Add(CLI::App& verb) {
  verb.add_option("--provider,-p", name_, "a built-in preset, or a preset file (*.yaml)")
      ->required()
      ->type_name("NAME|FILE");
  verb.add_option("--param", params_, "a further value that the preset asks for (its `secrets`); may be repeated")
      ->type_name("K=V")
      ->allow_extra_args(false);
}

const provider::Provider& ProviderOption::Get() {
  if (absl::EndsWith(name_, ".yaml") || absl::EndsWith(name_, ".yml")) {
    auto loaded = provider::LoadProvider(ReadInput(name_), name_);
    if (!loaded.ok()) FailUsage(std::string(loaded.status().message()));
    own_ = *std::move(loaded);
    return *own_;
  }
  return GetPreset(name_);
}

verify::Params ProviderOption::Params() const {
  verify::Params params;
  for (const std::string& text : params_) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      FailUsage(absl::StrCat("--param: '", text, "' is not of the form K=V"));
    params[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return params;
}

}  // namespace hookstream::cli
