// The filter language: which events a subscription gets.
//
// What is understood now are conditions on source, provider and type, joined by `&&`:
//
//   provider == "stripe" && type == "invoice.**" && source == "stripe-live"
//
// A condition is `field == "text"`; in the text `*` stands for any characters but a dot (also none) and `**` for any
// characters. Text is in single or double quotes, with `\` before a quote or a backslash that is meant. The syntax is a
// subset of CEL's, so that conditions on payloads can join it without changing what is stored.
//
// Pure; a compiled filter is immutable, cheap to copy and thread-safe. Limits: kFilterBytesMax, kConditionsMax.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace hookstream::filter {

inline constexpr size_t kFilterBytesMax = 4096;
inline constexpr size_t kConditionsMax = 64;

// What a filter may look at.
struct Subject {
  std::string_view source;
  std::string_view provider;
  std::string_view type;
};

class Filter {
 public:
  // Matches everything.
  Filter() = default;

  // INVALID_ARGUMENT; the message begins with "column N: ", counted in bytes from 1. A text of spaces matches
  // everything.
  static absl::StatusOr<Filter> Compile(std::string_view text);

  bool Matches(const Subject& subject) const;
  bool MatchesAll() const { return conditions_ == nullptr; }

 private:
  enum class Field { kSource, kProvider, kType };
  struct Condition {
    Field field;
    std::string pattern;
    bool literal;  // no star in it
  };
  friend class Parser;

  std::shared_ptr<const std::vector<Condition>> conditions_;
};

// `*` matches any characters but a dot, `**` any characters; every other character itself. In the worst case the time
// is the product of both lengths.
bool GlobMatches(std::string_view pattern, std::string_view text);

}  // namespace hookstream::filter
