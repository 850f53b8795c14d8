// --provider and what belongs to it: a built-in preset by name, or a file of one's own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/common.h"
#include "provider/provider.h"
#include "provider/request.h"
#include "verify/verifier.h"

namespace hookstream::cli {

// The built-in preset; fails with the names that are near when there is none.
const provider::Provider& GetPreset(const std::string& name);

// The preset of a file of one's own; nullptr when the name is no *.yaml. Fails when the file is none.
std::unique_ptr<const provider::Provider> LoadPresetFile(const std::string& name);

// 'Name: value' of a --header option, which outlives the result; fails for another form.
provider::HeaderView ParseHeaderOption(const std::string& header);

class ProviderOption {
 public:
  void Add(CLI::App& verb);
  // Fails when there is no such preset, or the file is none.
  const provider::Provider& Get();
  // Of --param K=V.
  verify::Params Params() const;

 private:
  std::string name_;
  std::vector<std::string> params_;
  std::unique_ptr<const provider::Provider> own_;
};

}  // namespace hookstream::cli
