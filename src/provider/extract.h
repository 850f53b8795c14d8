// From a verified request to its events: type, the provider's id, time, ordering key and attributes, by the preset's
// event section. Never fails: what can't be read becomes an event of type "unknown" with the raw body, since a provider
// may drop an event for good when it is answered 4xx.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "provider/context.h"
#include "provider/provider.h"

namespace hookstream::provider {

inline constexpr size_t kMaxTypeBytes = 256;
inline constexpr size_t kMaxIdBytes = 512;
inline constexpr size_t kMaxOrderingKeyBytes = 512;
inline constexpr size_t kMaxAttributes = 64;
inline constexpr size_t kMaxAttributeBytes = 1'024;

// All texts are valid UTF-8. Types and attributes that are too long are cut; ids and ordering keys that are too long
// are replaced by "sha256:" and their hash, so that equal ones stay equal.
struct ExtractedItem {
  // Never empty: "unknown" when the provider gives none.
  std::string type;
  // Empty: no deduplication.
  std::string provider_event_id;
  std::optional<absl::Time> occurred_at;
  // Empty: no order.
  std::string ordering_key;
  std::vector<std::pair<std::string, std::string>> attributes;
  // The item's own bytes: the request's body, or a part of it (or of a form's JSON field). As long-lived as the
  // context.
  std::string_view body;
  // Position in the request, from 0; items that the preset skips are counted.
  size_t index = 0;
};

struct Extracted {
  // The rule takes the body apart: it may carry any number of events.
  bool many = false;
  // Empty when the provider sent an empty list, or only items that the preset skips.
  std::vector<ExtractedItem> items;
  // False: the body is not what the preset expects, or none of its rules is for the request; there is one item with the
  // whole body.
  bool parsed = true;
  // More than kMaxItems: there is one item with the whole body.
  bool too_many_items = false;
};

// The rule for this request; nullptr: none is. Values of items are not asked for.
const EventRule* FindEventRule(const Provider& provider, Context& context);

Extracted Extract(const Provider& provider, Context& context);

// What is typed of a form.
struct FormDocument {
  // The JSON in the field that the preset names; otherwise the fields as application/x-www-form-urlencoded.
  bool is_json = false;
  // The body itself, or kept in the `scratch` of DocumentOfForm.
  std::string_view text;
};

// Of a whole body, not of an item of it. `content_type` says which kind of form it is; of a multipart form the fields
// are written as the other kind has them, without files. `preset` null: not known. nullopt: no form, or a malformed
// multipart one.
std::optional<FormDocument> DocumentOfForm(const Provider* preset, std::string_view content_type, std::string_view body,
                                           std::string& scratch);

}  // namespace hookstream::provider
