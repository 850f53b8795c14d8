#include "provider/extract.h"

#include <algorithm>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "provider/encoding.h"
#include "provider/time_text.h"

namespace hookstream::provider {
namespace {

constexpr std::string_view kUnknownType = "unknown";

// Cut at a character's border.
std::string Cut(std::string text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

// Cutting could make two ids one.
std::string HashWhenLong(std::string text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  return absl::StrCat("sha256:", EncodeHex(Sha256(text)));
}

ExtractedItem ReadItem(const EventRule& rule, Context& context, std::string_view bytes, size_t index) {
  ExtractedItem item;
  item.body = bytes;
  item.index = index;
  item.type = Cut(ValidUtf8(rule.type.NonEmptyText(context)), kMaxTypeBytes);
  if (item.type.empty()) item.type = kUnknownType;
  item.provider_event_id = HashWhenLong(ValidUtf8(rule.id.NonEmptyText(context)), kMaxIdBytes);
  if (const std::string_view time = rule.time.NonEmptyText(context); !time.empty()) {
    item.occurred_at = ParseTimeText(time, rule.time_unit, Fractions::kAccepted);
  }
  item.ordering_key = HashWhenLong(ValidUtf8(rule.ordering_key.NonEmptyText(context)), kMaxOrderingKeyBytes);
  for (const auto& [name, value] : rule.attributes) {
    std::string text = Cut(ValidUtf8(value.NonEmptyText(context)), kMaxAttributeBytes);
    if (!text.empty()) item.attributes.emplace_back(name, std::move(text));
  }
  return item;
}

bool Skipped(const EventRule& rule, Context& context) { return !rule.skip.tests.empty() && rule.skip.Holds(context); }

// Hashes of items, and which one of several equal items this is: an index would change when a retry leaves some out.
class ItemHashes {
 public:
  std::string IdOf(std::string_view bytes) {
    std::string id = EncodeHex(Sha256(bytes));
    const size_t ordinal = seen_[id]++;
    if (ordinal > 0) absl::StrAppend(&id, "-", ordinal);
    return id;
  }

 private:
  std::unordered_map<std::string, size_t> seen_;
};

void WholeBody(const EventRule& rule, Context& context, Extracted& out) {
  if (Skipped(rule, context)) return;
  out.items.push_back(ReadItem(rule, context, context.request().body, 0));
  ExtractedItem& item = out.items.back();
  if (item.provider_event_id.empty() && rule.id_is_hash) item.provider_event_id = ItemHashes().IdOf(item.body);
}

}  // namespace

const EventRule* FindEventRule(const Provider& provider, Context& context) {
  const auto found = std::find_if(provider.events.begin(), provider.events.end(),
                                  [&](const EventRule& rule) { return rule.when.Holds(context); });
  return found == provider.events.end() ? nullptr : &*found;
}

Extracted Extract(const Provider& provider, Context& context) {
  Extracted out;
  out.parsed = context.Parsed();
  static const EventRule kUnknown;
  const EventRule* found = FindEventRule(provider, context);
  if (found == nullptr) out.parsed = false;
  const EventRule& rule = found == nullptr ? kUnknown : *found;
  if (rule.split.empty()) {
    WholeBody(rule, context, out);
    return out;
  }
  out.many = true;
  const SplitResult result = context.Split(rule.split);
  if (result != SplitResult::kItems) {
    if (result == SplitResult::kTooMany) {
      out.too_many_items = true;
    } else if (rule.split.size() == 1) {
      // A single event where a list of them is usual (`/*`) is read as the item that it is.
      context.SelectWhole();
    } else {
      out.parsed = false;
    }
    WholeBody(rule, context, out);
    context.SelectItem(std::nullopt);
    return out;
  }
  ItemHashes hashes;
  const size_t count = context.ItemCount();
  out.items.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    context.SelectItem(i);
    if (Skipped(rule, context)) continue;
    out.items.push_back(ReadItem(rule, context, context.ItemBytes(i), i));
    ExtractedItem& item = out.items.back();
    if (item.provider_event_id.empty() && rule.id_is_hash) item.provider_event_id = hashes.IdOf(item.body);
  }
  context.SelectItem(std::nullopt);
  return out;
}

std::optional<FormDocument> DocumentOfForm(const Provider* preset, std::string_view content_type, std::string_view body,
                                           std::string& scratch) {
  const HeaderView header{"content-type", content_type};
  Request request;
  request.headers = {&header, 1};
  request.body = body;
  const ContentRule form{ContentRule::Kind::kForm, {}};
  Context context(request, form);
  const bool multipart = context.BodyMedia() == Media::kMultipart;
  if (!context.IsForm() || (multipart && !context.Parsed())) return std::nullopt;
  // Of a body that was to be taken apart and could not be, the form is all that there is.
  const bool split = preset != nullptr && std::any_of(preset->events.begin(), preset->events.end(),
                                                      [](const EventRule& rule) { return !rule.split.empty(); });
  if (preset != nullptr && preset->content.kind == ContentRule::Kind::kFormField && !split) {
    for (const auto& [name, value] : context.Form()) {
      if (name != preset->content.field) continue;
      if (value.empty()) break;
      scratch = value;
      return FormDocument{true, scratch};
    }
  }
  if (!multipart) return FormDocument{false, body};
  for (const auto& [name, value] : context.Form()) {
    absl::StrAppend(&scratch, scratch.empty() ? "" : "&", EncodeFormText(name), "=", EncodeFormText(value));
  }
  return FormDocument{false, scratch};
}

}  // namespace hookstream::provider
