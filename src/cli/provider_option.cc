#include "cli/provider_option.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "provider/loader.h"
#include "provider/presets.h"

namespace hookstream::cli {

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
  const provider::Provider* preset = provider::FindPreset(name_);
  if (preset == nullptr) {
    const auto append = [](std::string* out, std::string_view name) { out->append(name); };
    FailUsage(absl::StrCat("there is no preset '", name_,
                           "'; there are: ", absl::StrJoin(provider::PresetNames(), ", ", append)));
  }
  return *preset;
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
