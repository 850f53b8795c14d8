// Any request goes through the extraction of every preset, and through masking, without breaking their promises.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "provider/context.h"
#include "provider/encoding.h"
#include "provider/extract.h"
#include "provider/loader.h"
#include "provider/mask.h"
#include "provider/presets.h"
#include "tests/fuzz/fuzz_request.h"

namespace hookstream::provider {
namespace {

std::vector<const Provider*> Providers() {
  std::vector<const Provider*> providers;
  for (const std::string_view name : PresetNames()) providers.push_back(FindPreset(name));
  // What no preset does: deep splits, hashes, credentials in every place.
  for (const char* yaml :
       {"name: a\nverify: {scheme: equal, signature: [query.code, json/pass/0, form.token]}\n"
        "event: {split: /a/*/b/*, id: hash, type: \"{item/t}[.{item1/u}]\", attributes: {n: json/n | lower}}",
        "name: b\ncontent: form.payload\nverify: {scheme: basic}\nevent: {split: /*, skip: {item/skip: \"*\"}, id: "
        "[item/id, hash]}",
        "name: c\ncontent: form\nverify: {scheme: equal, signature: form.token}\nevent: {type: \"{form | sorted}\"}",
        "name: d\ncontent: lines\nverify: {scheme: equal, signature: item/pass}\nevent: {split: /*, type: item/t, id: "
        "hash}",
        "name: e\ncontent: any\nverify: {scheme: equal, signature: [form.token, json/pass]}\n"
        "event: [{when: {json/0/t: \"*\"}, split: /*, type: item/t}, {when: {header.X-T | percent: \"a*\"}, split: "
        "/a/*, "
        "type: header.X-T | percent}, {type: [json/t, form.t], id: hash}]"}) {
    static std::vector<std::unique_ptr<const Provider>> own;
    own.push_back(LoadProvider(yaml, "fuzz").value());
    providers.push_back(own.back().get());
  }
  return providers;
}

void Check(bool holds) {
  if (!holds) std::abort();
}

void TryProvider(const Provider& provider, const Request& request) {
  Context context(request, provider.content);
  const Extracted extracted = Extract(provider, context);
  Check(extracted.items.size() <= kMaxItems);
  for (const ExtractedItem& item : extracted.items) {
    Check(!item.type.empty() && item.type.size() <= kMaxTypeBytes);
    Check(item.provider_event_id.size() <= kMaxIdBytes);
    Check(item.ordering_key.size() <= kMaxOrderingKeyBytes);
    Check(item.attributes.size() <= kMaxAttributes);
    Check(ValidUtf8(item.type) == item.type && ValidUtf8(item.provider_event_id) == item.provider_event_id);
    Check(item.body.data() != nullptr || item.body.empty());
    // A line's bytes are the body's, and JSON by themselves.
    if (provider.content.kind != ContentRule::Kind::kLines || !extracted.parsed || extracted.too_many_items) continue;
    Check(item.body.data() >= request.body.data() &&
          item.body.data() + item.body.size() <= request.body.data() + request.body.size());
    const ContentRule json;
    Request alone = request;
    alone.body = item.body;
    Check(Context(alone, json).Parsed());
  }
  if (!extracted.parsed) Check(extracted.items.size() <= 1);
  const auto masked = MaskCredentials(provider, context);
  if (!masked) return;
  Check(masked->body.size() == request.body.size() && masked->target.size() == request.target.size());
  Check(masked->headers.size() == request.headers.size());
  Request again = request;
  again.body = masked->body;
  Context masked_context(again, provider.content);
  const bool document =
      provider.content.kind == ContentRule::Kind::kJson || provider.content.kind == ContentRule::Kind::kLines;
  // With a "=" it may be a form's field that was masked in the document's text.
  if (document && request.body.find('=') == std::string_view::npos) {
    Check(masked_context.Parsed() == context.Parsed());
  }
}

}  // namespace
}  // namespace hookstream::provider

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookstream::provider;
  static const std::vector<const Provider*> providers = Providers();
  const hookstream::FuzzRequest fuzz({reinterpret_cast<const char*>(data), size});
  for (const Provider* provider : providers) TryProvider(*provider, fuzz.request);
  return 0;
}
