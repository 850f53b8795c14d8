#include "typing/pattern.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"

namespace hookstream::typing {
namespace {

constexpr std::string_view kBoundaries = "./:";
constexpr size_t kMaxSegments = 32;
constexpr size_t kMaxPatternBytes = 256;

absl::Status Bad(std::string_view text, const char* why) {
  return absl::InvalidArgumentError("event type pattern '" + std::string(text) + "': " + why);
}

}  // namespace

absl::StatusOr<TypePattern> TypePattern::Parse(std::string_view text) {
  if (text.empty()) return Bad(text, "is empty");
  if (text.size() > kMaxPatternBytes) return Bad(text.substr(0, 64), "is longer than 256 bytes");
  TypePattern pattern;
  pattern.text_ = std::string(text);
  char boundary = 0;
  for (size_t at = 0;;) {
    const size_t end = std::min(text.find_first_of(kBoundaries, at), text.size());
    const std::string_view segment = text.substr(at, end - at);
    if (segment.empty()) return Bad(text, "has an empty segment");
    if (segment == "**") {
      if (!pattern.segments_.empty() && pattern.segments_.back().kind == Segment::kAny) {
        return Bad(text, "has two ** in a row");
      }
      pattern.segments_.push_back({Segment::kAny, "", boundary});
      ++pattern.double_stars_;
    } else if (segment == "*") {
      pattern.segments_.push_back({Segment::kOne, "", boundary});
    } else if (segment.find('*') != std::string_view::npos) {
      return Bad(text, "a segment is a text, * or **");
    } else {
      pattern.segments_.push_back({Segment::kText, std::string(segment), boundary});
      ++pattern.literals_;
    }
    if (pattern.segments_.size() > kMaxSegments) return Bad(text, "has more than 32 segments");
    if (end == text.size()) return pattern;
    boundary = text[end];
    at = end + 1;
  }
}

std::string_view TypePattern::head() const {
  return segments_.front().kind == Segment::kText ? std::string_view(segments_.front().text) : std::string_view();
}

bool TypePattern::Matches(std::string_view type) const { return !type.empty() && MatchesFrom(0, type, true); }

// `rest` begins at a boundary, but for `first`, where it begins at a segment. With at most a few `**` in a pattern the
// recursion is short; segments are bounded by Parse and by the type's length.
bool TypePattern::MatchesFrom(size_t segment, std::string_view rest, bool first) const {
  if (segment == segments_.size()) return rest.empty();
  const Segment& want = segments_[segment];
  if (want.kind == Segment::kAny) {
    // None: what follows must begin at its own boundary, or at the start.
    if (MatchesFrom(segment + 1, rest, first)) return true;
    // One more segment, and go on with this pattern.
    if (rest.empty()) return false;
    if (!first) {
      if (rest.front() != want.boundary) return false;
      rest.remove_prefix(1);
    }
    for (;;) {
      const size_t end = std::min(rest.find_first_of(kBoundaries), rest.size());
      rest.remove_prefix(end);
      if (MatchesFrom(segment + 1, rest, false)) return true;
      if (rest.empty()) return false;
      rest.remove_prefix(1);
    }
  }
  if (first) {
    if (rest.empty()) return false;
  } else {
    if (rest.empty() || rest.front() != want.boundary) return false;
    rest.remove_prefix(1);
  }
  const size_t end = std::min(rest.find_first_of(kBoundaries), rest.size());
  if (end == 0) return false;
  if (want.kind == Segment::kText && rest.substr(0, end) != want.text) return false;
  return MatchesFrom(segment + 1, rest.substr(end), false);
}

bool TypePattern::Overlaps(const TypePattern& other) const {
  // States are positions in both; a step takes one segment of a type that both could match. Boundaries are taken as
  // equal: an overlap too many is only a load error that names both patterns.
  std::set<std::pair<size_t, size_t>> seen;
  std::vector<std::pair<size_t, size_t>> todo = {{0, 0}};
  while (!todo.empty()) {
    const auto [a, b] = todo.back();
    todo.pop_back();
    if (!seen.insert({a, b}).second) continue;
    const bool a_end = a == segments_.size();
    const bool b_end = b == other.segments_.size();
    if (a_end && b_end) return true;
    const bool a_any = !a_end && segments_[a].kind == Segment::kAny;
    const bool b_any = !b_end && other.segments_[b].kind == Segment::kAny;
    if (a_any) todo.push_back({a + 1, b});
    if (b_any) todo.push_back({a, b + 1});
    if (a_end || b_end) continue;
    const Segment& x = segments_[a];
    const Segment& y = other.segments_[b];
    if (x.kind == Segment::kText && y.kind == Segment::kText && x.text != y.text) continue;
    todo.push_back({a_any ? a : a + 1, b_any ? b : b + 1});
  }
  return false;
}

}  // namespace hookstream::typing
