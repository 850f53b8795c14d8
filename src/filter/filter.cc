#include "filter/filter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hookstream::filter {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsWordChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

}  // namespace

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Filter::Condition>> Parse() {
    std::vector<Filter::Condition> conditions;
    SkipSpace();
    if (AtEnd()) return conditions;
    while (true) {
      HS_ASSIGN_OR_RETURN(auto condition, ParseCondition());
      if (conditions.size() == kConditionsMax) return Error(absl::StrCat("more than ", kConditionsMax, " conditions"));
      conditions.push_back(std::move(condition));
      SkipSpace();
      if (AtEnd()) return conditions;
      if (!Take("&&")) return Error("expected && or the end");
      SkipSpace();
    }
  }

 private:
  absl::StatusOr<Filter::Condition> ParseCondition() {
    const size_t start = at_;
    while (!AtEnd() && IsWordChar(text_[at_])) ++at_;
    const std::string_view name = text_.substr(start, at_ - start);
    Filter::Condition condition{};
    if (name == "source") {
      condition.field = Filter::Field::kSource;
    } else if (name == "provider") {
      condition.field = Filter::Field::kProvider;
    } else if (name == "type") {
      condition.field = Filter::Field::kType;
    } else {
      at_ = start;
      return Error("expected source, provider or type");
    }
    SkipSpace();
    if (!Take("==")) return Error("expected ==");
    SkipSpace();
    HS_ASSIGN_OR_RETURN(condition.pattern, ParseText());
    condition.literal = condition.pattern.find('*') == std::string::npos;
    return condition;
  }

  absl::StatusOr<std::string> ParseText() {
    if (AtEnd() || (text_[at_] != '"' && text_[at_] != '\'')) return Error("expected a text in quotes");
    const size_t start = at_;
    const char quote = text_[at_++];
    std::string value;
    while (!AtEnd() && text_[at_] != quote) {
      if (text_[at_] == '\\') {
        ++at_;
        if (AtEnd() || (text_[at_] != '"' && text_[at_] != '\'' && text_[at_] != '\\')) {
          return Error("after \\ only a quote or a backslash may come");
        }
      }
      value.push_back(text_[at_++]);
    }
    if (AtEnd()) {
      at_ = start;
      return Error("the quote that begins here is never closed");
    }
    ++at_;
    return value;
  }

  bool AtEnd() const { return at_ == text_.size(); }
  void SkipSpace() {
    while (!AtEnd() && IsSpace(text_[at_])) ++at_;
  }
  bool Take(std::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("column ", at_ + 1, ": ", absl::string_view(what.data(), what.size())));
  }

  const std::string_view text_;
  size_t at_ = 0;
};

absl::StatusOr<Filter> Filter::Compile(std::string_view text) {
  if (text.size() > kFilterBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("column ", kFilterBytesMax + 1, ": longer than ", kFilterBytesMax, " bytes"));
  }
  HS_ASSIGN_OR_RETURN(auto conditions, Parser(text).Parse());
  Filter filter;
  if (!conditions.empty()) filter.conditions_ = std::make_shared<const std::vector<Condition>>(std::move(conditions));
  return filter;
}

bool Filter::Matches(const Subject& subject) const {
  if (conditions_ == nullptr) return true;
  return std::all_of(conditions_->begin(), conditions_->end(), [&](const Condition& condition) {
    const std::string_view value = condition.field == Field::kSource     ? subject.source
                                   : condition.field == Field::kProvider ? subject.provider
                                                                         : subject.type;
    return condition.literal ? value == condition.pattern : GlobMatches(condition.pattern, value);
  });
}

bool GlobMatches(std::string_view pattern, std::string_view text) {
  // Where to go back to when a later character does not fit: to the last `*`, and from there to the last `**`.
  struct Star {
    size_t pattern = std::string_view::npos;  // after the stars
    size_t text = 0;                          // where the rest was tried last
  };
  Star one, any;
  size_t p = 0, t = 0;
  while (true) {
    if (p < pattern.size() && pattern[p] == '*') {
      size_t stars = 0;
      while (p < pattern.size() && pattern[p] == '*') ++p, ++stars;
      if (stars >= 2) {
        any = {p, t};
        one = {};
      } else {
        one = {p, t};
      }
      continue;
    }
    if (p == pattern.size() && t == text.size()) return true;
    if (p < pattern.size() && t < text.size() && pattern[p] == text[t]) {
      ++p, ++t;
      continue;
    }
    if (one.pattern != std::string_view::npos && one.text < text.size() && text[one.text] != '.') {
      p = one.pattern;
      t = ++one.text;
      continue;
    }
    if (any.pattern == std::string_view::npos || any.text >= text.size()) return false;
    p = any.pattern;
    t = ++any.text;
    one = {};
  }
}

}  // namespace hookstream::filter
