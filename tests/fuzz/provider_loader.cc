// Any text is a provider or an error with its place; a provider that loads can read a request.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "absl/strings/match.h"
#include "provider/context.h"
#include "provider/extract.h"
#include "provider/loader.h"
#include "provider/mask.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookstream::provider;
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  const auto provider = LoadProvider(yaml, "fuzz.yaml");
  if (!provider.ok()) {
    if (!absl::StartsWith(provider.status().message(), "fuzz.yaml:")) std::abort();
    return 0;
  }
  const HeaderView headers[] = {{"Content-Type", "application/json"}, {"X", "1"}, {"Authorization", "Basic YTpi"}};
  Request request;
  request.target = "/in?a=1&code=x";
  request.headers = headers;
  request.body = R"({"type":"a","id":1,"events":[{"id":"x","b":[1,2]},7],"data":{"id":"y"}})";
  Context context(request, (*provider)->content);
  if (Extract(**provider, context).items.size() > kMaxItems) std::abort();
  const auto masked = MaskCredentials(**provider, context);
  if (masked && masked->body.size() != request.body.size()) std::abort();
  return 0;
}
