// Patterns over Event.type: segments bounded by . / or :, each a text, `*` (one segment) or `**` (any number).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace hookstream::typing {

class TypePattern {
 public:
  // INVALID_ARGUMENT: empty, longer than 256 bytes or 32 segments, an empty segment, a star within a segment, two
  // neighbouring `**`.
  static absl::StatusOr<TypePattern> Parse(std::string_view text);

  // A boundary in the pattern is matched by the same character only.
  bool Matches(std::string_view type) const;
  // True when some type matches both.
  bool Overlaps(const TypePattern& other) const;

  const std::string& text() const { return text_; }
  // How many segments are texts; more is more specific.
  int literals() const { return literals_; }
  int double_stars() const { return double_stars_; }
  // The first segment, when it is a text; "" otherwise.
  std::string_view head() const;

 private:
  struct Segment {
    enum Kind { kText, kOne, kAny } kind;
    std::string text;
    char boundary;  // before it; 0 for the first
  };
  bool MatchesFrom(size_t segment, std::string_view rest, bool first) const;

  std::string text_;
  std::vector<Segment> segments_;
  int literals_ = 0;
  int double_stars_ = 0;
};

}  // namespace hookstream::typing
