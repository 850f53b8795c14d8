// The provider language's expressions, compiled: values, templates with groups, alternatives and filters.
// docs/provider-language.md describes the language. Immutable after parsing, so free to share between threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "provider/context.h"

namespace hookstream::provider {

enum class Source : uint8_t {
  kBody,
  kMethod,
  kUrl,
  kPath,
  kRawQuery,
  kTarget,
  kTime,
  kKey,
  kHeader,
  kQuery,
  kForm,
  kJson,
  kItem,
  kItem1,
  kSecret,
};

// One thing that a request (or the configuration) has.
struct Value {
  Source source = Source::kBody;
  // Header (compared without case), parameter or secret. Empty for kQuery and kForm: all parameters, which only
  // `sorted` reads.
  std::string name;
  // Unescaped reference tokens of a JSON pointer (RFC 6901). Empty for kJson, kItem, kItem1: the whole value, which
  // only `key_besides` reads.
  std::vector<std::string> path;
  // `?`: an absent value is an empty text.
  bool empty_if_absent = false;
};

enum class FilterKind : uint8_t {
  kHex,
  kBase64,
  kBase64Url,
  kSha1,
  kSha256,
  kSha512,
  kCrc32,
  kHmacSha1,
  kHmacSha256,
  kHmacSha512,
  kSorted,
  kLower,
  kUnbase64,
  kBetween,
  kUnescape,
  kPercent,
  kKeyBesides,
};

struct Filter {
  FilterKind kind = FilterKind::kHex;
  std::vector<std::string> arguments;
};

// `a or b | filter`.
struct Chain {
  std::vector<Value> values;
  std::vector<Filter> filters;

  // nullopt: none of the values is there. The text lives as long as the context.
  std::optional<std::string_view> Text(Context& context) const;
};

// Tests that have all to hold; none always holds.
struct Condition {
  enum class Match : uint8_t { kEquals, kPrefix, kPresent, kAbsent };
  struct Pattern {
    Match match = Match::kEquals;
    std::string text;
  };
  struct Test {
    Chain value;
    std::vector<Pattern> any_of;
  };
  std::vector<Test> tests;

  bool Holds(Context& context) const;
};

// Parts of a text in their order; views into the request, the context or the expression.
using Pieces = absl::InlinedVector<std::string_view, 8>;

struct TemplateNode {
  enum class Kind : uint8_t { kText, kChain, kGroup };
  Kind kind = Kind::kText;
  std::string text;
  Chain chain;
  std::vector<TemplateNode> group;
};

class Expression {
 public:
  struct Alternative {
    Condition when;
    std::vector<TemplateNode> nodes;
  };

  Expression() = default;
  explicit Expression(std::vector<Alternative> alternatives) : alternatives_(std::move(alternatives)) {}

  bool empty() const { return alternatives_.empty(); }
  const std::vector<Alternative>& alternatives() const { return alternatives_; }

  // Appends the parts of the first alternative that is there; false, and nothing appended, when none is. Bodies are not
  // copied.
  bool Evaluate(Context& context, Pieces& out) const;

  // The whole text. nullopt: missing.
  std::optional<std::string_view> Text(Context& context) const;

  // The first alternative that is there and not empty; empty when there is none.
  std::string_view NonEmptyText(Context& context) const;

  // Every value that the expression may read, the tests' included.
  void ForEachValue(const std::function<void(const Value&)>& visit) const;
  void ForEachChain(const std::function<void(const Chain&)>& visit) const;

 private:
  std::vector<Alternative> alternatives_;
};

// As the language writes them, for people: a template without its quotes; a condition in words ("method = GET,
// header.X present"), empty when it always holds.
std::string ToText(const Chain& chain);
std::string ToText(const std::vector<TemplateNode>& nodes);
std::string ToText(const Condition& condition);

// A mistake in an expression: `offset` bytes from its beginning.
struct ExpressionError {
  size_t offset = 0;
  std::string message;
};

// `header.X or json/a | filter`: one value.
std::optional<ExpressionError> ParseChain(std::string_view text, Chain& out);

// `v0:{time}[.{json/a}]`: a text with values in it.
std::optional<ExpressionError> ParseTemplate(std::string_view text, std::vector<TemplateNode>& out);

}  // namespace hookstream::provider
