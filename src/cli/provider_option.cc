#include "cli/provider_option.h"

#include "absl/strings/ascii.h"
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

std::unique_ptr<const provider::Provider> LoadPresetFile(const std::string& name) {
  if (!absl::EndsWith(name, ".yaml") && !absl::EndsWith(name, ".yml")) return nullptr;
  auto loaded = provider::LoadProvider(ReadInput(name), name);
  if (!loaded.ok()) FailUsage(std::string(loaded.status().message()));
  return *std::move(loaded);
}

provider::HeaderView ParseHeaderOption(const std::string& header) {
  const absl::string_view text = header;
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon == 0) {
    FailUsage(absl::StrCat("--header: '", header, "' is not of the form 'Name: value'"));
  }
  const absl::string_view value = absl::StripAsciiWhitespace(text.substr(colon + 1));
  return {{text.data(), colon}, {value.data(), value.size()}};
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
  own_ = LoadPresetFile(name_);
  return own_ != nullptr ? *own_ : GetPreset(name_);
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
