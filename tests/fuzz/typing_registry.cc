// Any bytes as a user's descriptor set: built or refused, and what is built converts.
#include <cstdint>
#include <string>

#include "typing/converter.h"
#include "typing/registry.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookstream::typing;
  RegistryOptions options;
  options.builtin = false;
  options.user_sets.push_back({"fuzz.binpb", std::string(reinterpret_cast<const char*>(data), size), {}});
  const auto registry = Registry::Build(options);
  if (!registry.ok()) return 0;
  for (const EventTypeInfo& type : (*registry)->EventTypes()) {
    Convert(**registry, type.provider, type.pattern, ContentKind::kJson, R"({"a": [1, {"b": null}], "id": "x"})");
    (void)(*registry)->DescriptorsOfMessage(type.message);
  }
  return 0;
}
