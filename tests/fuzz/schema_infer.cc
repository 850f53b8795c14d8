// JSON documents, one a line, as samples: whatever they are, the inferred file compiles and loads.
// (That it types them all is infer_test's to say; the command says its figures.)
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "schema/compile.h"
#include "schema/infer.h"
#include "schema/lock.h"
#include "typing/converter.h"
#include "typing/registry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookstream;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  schema::InferOptions options;
  options.types = {"a.*"};
  options.rest = size % 2 == 1;
  options.examples = size % 3 == 1;
  auto inference = schema::Inference::Create(options);
  if (!inference.ok()) std::abort();
  std::vector<std::string_view> samples;
  while (!rest.empty() && samples.size() < 64) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() == rest.size() ? line.size() : line.size() + 1);
    if (inference->Add("line", line).ok()) samples.push_back(line);
  }
  if (samples.empty()) return 0;
  std::vector<schema::ProtoFile> files;
  files.push_back(std::move(*inference).File());
  auto lock = schema::Lock::Parse("", "lock");
  if (!lock.ok() || !lock->Apply(files).ok()) std::abort();
  const auto set = schema::CompileProtos({{files[0].path, schema::WriteProto(files[0])}});
  if (!set.ok()) std::abort();
  typing::RegistryOptions registry_options;
  registry_options.builtin = false;
  registry_options.user_sets.push_back({"inferred", *set, {}});
  const auto registry = typing::Registry::Build(registry_options);
  if (!registry.ok()) std::abort();
  for (const std::string_view sample : samples) {
    typing::Convert(**registry, "acme", "a.x", typing::ContentKind::kJson, sample);
  }
  return 0;
}
