// Cuts header values like `t=1,v1=ab,v1=cd` into the parts that a preset means. Internal to the room.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "absl/strings/ascii.h"
#include "provider/provider.h"

namespace hookstream::verify {

// A part without its prefix; nullopt: it has another.
inline std::optional<std::string_view> WithoutPrefix(std::string_view part, std::string_view prefix) {
  if (prefix.starts_with('*')) {
    prefix.remove_prefix(1);
    const size_t at = part.find(prefix);
    if (at == std::string_view::npos) return std::nullopt;
    return part.substr(at + prefix.size());
  }
  if (!part.starts_with(prefix)) return std::nullopt;
  return part.substr(prefix.size());
}

// Calls `visit` with every meant part, its prefix removed: those with the prefix; without a prefix those from the index
// on; without a separator the value itself. Spaces around a part are dropped. False: more than `parts_max` parts.
template <typename Visit>
bool ForEachTaggedPart(const provider::Tagged& tagged, std::string_view value, size_t parts_max, Visit visit) {
  const auto offer = [&](std::string_view part) {
    const absl::string_view trimmed = absl::StripAsciiWhitespace({part.data(), part.size()});
    if (const auto meant = WithoutPrefix({trimmed.data(), trimmed.size()}, tagged.prefix)) visit(*meant);
  };
  if (tagged.separator.empty()) {
    offer(value);
    return true;
  }
  for (size_t index = 0;; ++index) {
    if (index == parts_max) return false;
    const size_t end = value.find(tagged.separator);
    if (index >= tagged.index) offer(value.substr(0, end));
    if (end == std::string_view::npos) return true;
    value.remove_prefix(end + tagged.separator.size());
  }
}

}  // namespace hookstream::verify
