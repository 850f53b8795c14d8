#include "provider/expression.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/text.h"
#include "provider/encoding.h"
#include "provider/suggest.h"

namespace hookstream::provider {
namespace {

std::string Hmac(const EVP_MD* hash, std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int size = 0;
  HMAC(hash, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

// Names and values in the order of their bytes, each pair once (Twilio's rule; its SDKs do the same).
std::string SortedText(const Parameters& parameters) {
  std::vector<const std::pair<std::string, std::string>*> sorted;
  sorted.reserve(parameters.size());
  for (const auto& parameter : parameters) sorted.push_back(&parameter);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return *a < *b; });
  const auto end = std::unique(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return *a == *b; });
  std::string out;
  for (auto it = sorted.begin(); it != end; ++it) absl::StrAppend(&out, (*it)->first, (*it)->second);
  return out;
}

// Decodes those percent escapes that are listed, by their two hex digits, and leaves the others.
std::string Unescape(std::string_view text, const std::vector<std::string>& listed) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && text.size() - i > 2;
    const auto byte = escape ? DecodeHex(text.substr(i + 1, 2)) : std::nullopt;
    const bool decodes = byte && std::any_of(listed.begin(), listed.end(), [&](const std::string& code) {
                           return absl::EqualsIgnoreCase(code, ToAbsl(text.substr(i + 1, 2)));
                         });
    if (decodes) {
      out += *byte;
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// What is between the first `begin` and the next `end`.
std::optional<std::string> Between(std::string_view text, std::string_view begin, std::string_view end) {
  const size_t from = text.find(begin);
  if (from == std::string_view::npos) return std::nullopt;
  text.remove_prefix(from + begin.size());
  const size_t to = text.find(end);
  return to == std::string_view::npos ? std::nullopt : std::optional<std::string>(text.substr(0, to));
}

// Base64 as it is broken into lines.
std::optional<std::string> Unbase64(std::string_view text) {
  std::string joined(text);
  std::erase_if(joined, [](char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); });
  return DecodeBase64(joined, Padding::kOptional);
}

std::optional<std::string> Apply(const Filter& filter, std::string_view text, Context& context) {
  switch (filter.kind) {
    case FilterKind::kHex: return EncodeHex(text);
    case FilterKind::kBase64: return EncodeBase64(text);
    case FilterKind::kBase64Url: return EncodeBase64Url(text);
    case FilterKind::kSha1: return Sha1(text);
    case FilterKind::kSha256: return Sha256(text);
    case FilterKind::kSha512: return Sha512(text);
    case FilterKind::kCrc32: return absl::StrCat(Crc32(text));
    case FilterKind::kLower: return absl::AsciiStrToLower(ToAbsl(text));
    case FilterKind::kUnbase64: return Unbase64(text);
    case FilterKind::kBetween: return Between(text, filter.arguments[0], filter.arguments[1]);
    case FilterKind::kUnescape: return Unescape(text, filter.arguments);
    case FilterKind::kPercent: return DecodePercent(text);
    case FilterKind::kHmacSha1:
    case FilterKind::kHmacSha256:
    case FilterKind::kHmacSha512: {
      const std::optional<std::string_view> key = context.bindings().key;
      if (!key) return std::nullopt;
      const EVP_MD* hash = filter.kind == FilterKind::kHmacSha1     ? EVP_sha1()
                           : filter.kind == FilterKind::kHmacSha256 ? EVP_sha256()
                                                                    : EVP_sha512();
      return Hmac(hash, *key, text);
    }
    case FilterKind::kSorted:
    case FilterKind::kKeyBesides: break;  // only ever the first filter, which Chain::Text handles
  }
  return std::nullopt;
}

bool EvaluateNodes(const std::vector<TemplateNode>& nodes, Context& context, Pieces& out) {
  const size_t before = out.size();
  for (const TemplateNode& node : nodes) {
    switch (node.kind) {
      case TemplateNode::Kind::kText: out.push_back(node.text); break;
      case TemplateNode::Kind::kGroup: EvaluateNodes(node.group, context, out); break;
      case TemplateNode::Kind::kChain: {
        const std::optional<std::string_view> text = node.chain.Text(context);
        if (!text) {
          out.resize(before);
          return false;
        }
        out.push_back(*text);
        break;
      }
    }
  }
  return true;
}

void VisitNodes(const std::vector<TemplateNode>& nodes, const std::function<void(const Chain&)>& visit) {
  for (const TemplateNode& node : nodes) {
    if (node.kind == TemplateNode::Kind::kChain) visit(node.chain);
    if (node.kind == TemplateNode::Kind::kGroup) VisitNodes(node.group, visit);
  }
}

struct PlainSource {
  std::string_view name;
  Source source;
};
constexpr std::array<PlainSource, 8> kPlainSources = {{{"body", Source::kBody},
                                                       {"method", Source::kMethod},
                                                       {"url", Source::kUrl},
                                                       {"path", Source::kPath},
                                                       {"rawquery", Source::kRawQuery},
                                                       {"target", Source::kTarget},
                                                       {"time", Source::kTime},
                                                       {"key", Source::kKey}}};
constexpr std::array<PlainSource, 4> kNamedSources = {
    {{"header", Source::kHeader}, {"query", Source::kQuery}, {"form", Source::kForm}, {"secret", Source::kSecret}}};
constexpr std::array<PlainSource, 3> kJsonSources = {
    {{"json", Source::kJson}, {"item", Source::kItem}, {"item1", Source::kItem1}}};

struct FilterName {
  std::string_view name;
  FilterKind kind;
};
constexpr std::array<FilterName, 17> kFilters = {{{"hex", FilterKind::kHex},
                                                  {"base64", FilterKind::kBase64},
                                                  {"base64url", FilterKind::kBase64Url},
                                                  {"sha1", FilterKind::kSha1},
                                                  {"sha256", FilterKind::kSha256},
                                                  {"sha512", FilterKind::kSha512},
                                                  {"crc32", FilterKind::kCrc32},
                                                  {"hmac-sha1", FilterKind::kHmacSha1},
                                                  {"hmac-sha256", FilterKind::kHmacSha256},
                                                  {"hmac-sha512", FilterKind::kHmacSha512},
                                                  {"sorted", FilterKind::kSorted},
                                                  {"lower", FilterKind::kLower},
                                                  {"unbase64", FilterKind::kUnbase64},
                                                  {"between", FilterKind::kBetween},
                                                  {"unescape", FilterKind::kUnescape},
                                                  {"percent", FilterKind::kPercent},
                                                  {"key_besides", FilterKind::kKeyBesides}}};

constexpr std::string_view kValueHint =
    "values are body, method, url, path, rawquery, target, time, key, header.NAME, query.NAME, form.NAME, "
    "json/POINTER, "
    "item/POINTER and secret.NAME";

// Reads chains and templates; remembers the first mistake.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::optional<ExpressionError>& error() { return error_; }

  void WholeChain(Chain& out) {
    ParseChain(out, "");
    if (!error_ && at_ < text_.size()) Fail(absl::StrCat("'", ToAbsl(text_.substr(at_, 1)), "' does not belong here"));
  }

  void Template(std::vector<TemplateNode>& out, bool in_group) {
    std::string literal;
    const auto flush = [&] {
      if (!literal.empty()) out.push_back({TemplateNode::Kind::kText, std::exchange(literal, {}), {}, {}});
    };
    while (!error_ && at_ < text_.size()) {
      const char c = text_[at_];
      if (std::string_view("{}[]").find(c) == std::string_view::npos) {
        literal.push_back(c);
        ++at_;
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == c) {
        literal.push_back(c);
        at_ += 2;
      } else if (c == '{') {
        flush();
        const size_t open = at_++;
        TemplateNode node{TemplateNode::Kind::kChain, {}, {}, {}};
        ParseChain(node.chain, "}");
        if (error_) return;
        if (at_ >= text_.size()) return Fail("'{' without its '}'", open);
        ++at_;
        out.push_back(std::move(node));
      } else if (c == '[') {
        if (in_group) return Fail("a group can't be inside another group");
        flush();
        const size_t open = at_++;
        TemplateNode node{TemplateNode::Kind::kGroup, {}, {}, {}};
        Template(node.group, true);
        if (error_) return;
        if (at_ >= text_.size()) return Fail("'[' without its ']'", open);
        ++at_;
        if (std::none_of(node.group.begin(), node.group.end(),
                         [](const TemplateNode& n) { return n.kind == TemplateNode::Kind::kChain; })) {
          return Fail("a group without a value never vanishes; for a literal bracket write it twice: [[", open);
        }
        out.push_back(std::move(node));
      } else if (c == ']' && in_group) {
        break;
      } else {
        return Fail(absl::StrCat("'", std::string(1, c), "' without its opening; for a literal one write it twice"));
      }
    }
    flush();
  }

 private:
  void Fail(std::string message, std::optional<size_t> at = std::nullopt) {
    if (!error_) error_ = ExpressionError{at.value_or(at_), std::move(message)};
  }

  void SkipSpaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  // Up to a space or a character that ends a word.
  std::string_view Word(std::string_view ends) {
    const size_t begin = at_;
    while (at_ < text_.size() && ends.find(text_[at_]) == std::string_view::npos) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  void ParseChain(Chain& out, std::string_view end) {
    while (!error_) {
      SkipSpaces();
      ParseValue(out);
      SkipSpaces();
      if (text_.substr(at_, 3) != "or ") break;
      at_ += 3;
    }
    while (!error_ && at_ < text_.size() && text_[at_] == '|') {
      ++at_;
      SkipSpaces();
      ParseFilter(out);
      SkipSpaces();
    }
    if (error_) return;
    if (!end.empty() && at_ < text_.size() && text_.substr(at_, 1) != end) {
      return Fail(absl::StrCat("expected 'or', '|' or '", ToAbsl(end), "'"));
    }
    CheckWholes(out);
  }

  void ParseValue(Chain& out) {
    const size_t begin = at_;
    std::string_view word = Word(" |{}[]");
    Value value;
    if (!word.empty() && word.back() == '?') {
      value.empty_if_absent = true;
      word.remove_suffix(1);
    }
    if (word.empty()) return Fail("a value is missing here");
    value_begins_.push_back(begin);
    for (const auto& [name, source] : kPlainSources) {
      if (word == name) {
        value.source = source;
        out.values.push_back(std::move(value));
        return;
      }
    }
    for (const auto& [name, source] : kNamedSources) {
      if (word == name && (source == Source::kQuery || source == Source::kForm)) {
        value.source = source;
        out.values.push_back(std::move(value));
        return;
      }
      if (word.size() > name.size() && word.substr(0, name.size()) == name && word[name.size()] == '.') {
        value.source = source;
        value.name = std::string(word.substr(name.size() + 1));
        if (value.name.empty()) return Fail(absl::StrCat(ToAbsl(name), ". needs a name"), begin);
        out.values.push_back(std::move(value));
        return;
      }
    }
    for (const auto& [name, source] : kJsonSources) {
      if (word.substr(0, word.find('/')) != name) continue;
      value.source = source;
      return ParsePointer(word.substr(name.size()), begin + name.size(), std::move(value), out);
    }
    std::string hint(kValueHint);
    const std::string_view first = word.substr(0, word.find_first_of("./"));
    if (first == "items") {
      hint = "did you mean item?";
    } else if (word.find_first_of("./") == std::string_view::npos && word.find('-') != std::string_view::npos) {
      hint = absl::StrCat("did you mean header.", ToAbsl(word), "?");
    } else if (const std::string_view near =
                   Nearest(first, {"body", "method", "url", "path", "rawquery", "target", "time", "key", "header",
                                   "query", "form", "secret", "json", "item", "item1"});
               !near.empty() && near != first) {
      hint = absl::StrCat("did you mean ", ToAbsl(near), "?");
    }
    Fail(absl::StrCat("'", ToAbsl(word), "' is no value (", hint, ")"), begin);
  }

  void ParsePointer(std::string_view pointer, size_t begin, Value value, Chain& out) {
    while (!pointer.empty()) {
      const std::string_view token = pointer.substr(1, pointer.find('/', 1) - 1);
      std::string unescaped;
      for (size_t i = 0; i < token.size(); ++i) {
        if (token[i] != '~') {
          unescaped.push_back(token[i]);
        } else if (i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
          unescaped.push_back(token[++i] == '0' ? '~' : '/');
        } else {
          return Fail("in a JSON pointer '~' is written ~0, and '/' in a name ~1", begin);
        }
      }
      if (unescaped.empty()) return Fail("a JSON pointer has no empty names", begin);
      value.path.push_back(std::move(unescaped));
      pointer.remove_prefix(1 + token.size());
    }
    out.values.push_back(std::move(value));
  }

  void ParseFilter(Chain& out) {
    const size_t begin = at_;
    const std::string_view name = Word(" |{}[](");
    Filter filter;
    const auto found =
        std::find_if(kFilters.begin(), kFilters.end(), [&](const FilterName& entry) { return entry.name == name; });
    if (found == kFilters.end()) {
      std::vector<std::string_view> names;
      for (const FilterName& entry : kFilters) names.push_back(entry.name);
      const std::string_view near = Nearest(name, names);
      return Fail(absl::StrCat("there is no filter '", ToAbsl(name), "' (",
                               near.empty() ? "filters are hex, base64, base64url, sha1, sha256, sha512, crc32, "
                                              "hmac-sha1, hmac-sha256, hmac-sha512, sorted, lower, percent, unbase64, "
                                              "between(...), unescape(...), key_besides(...)"
                                            : absl::StrCat("did you mean ", ToAbsl(near), "?"),
                               ")"),
                  begin);
    }
    filter.kind = found->kind;
    if (at_ < text_.size() && text_[at_] == '(') {
      ++at_;
      while (true) {
        SkipSpaces();
        const std::string_view argument = Word(" ,)|{}[]");
        SkipSpaces();
        if (argument.empty()) return Fail("an argument is missing here");
        filter.arguments.emplace_back(argument);
        if (at_ >= text_.size() || (text_[at_] != ',' && text_[at_] != ')')) return Fail("expected ',' or ')'");
        if (text_[at_++] == ')') break;
      }
    }
    if (const std::string problem = ArgumentProblem(filter, name); !problem.empty()) return Fail(problem, begin);
    const bool first_only = filter.kind == FilterKind::kKeyBesides || filter.kind == FilterKind::kSorted;
    if (first_only && !out.filters.empty()) {
      return Fail(absl::StrCat("the filter '", ToAbsl(name), "' can only be the first"), begin);
    }
    out.filters.push_back(std::move(filter));
  }

  static std::string ArgumentProblem(const Filter& filter, std::string_view name) {
    const std::vector<std::string>& arguments = filter.arguments;
    const auto is_escape = [](const std::string& code) { return code.size() == 2 && DecodeHex(code); };
    switch (filter.kind) {
      case FilterKind::kKeyBesides: return arguments.empty() ? "key_besides needs names: key_besides(update_id)" : "";
      case FilterKind::kBetween:
        return arguments.size() == 2 ? "" : "between needs two texts: between(<kind>, </kind>)";
      case FilterKind::kUnescape:
        return !arguments.empty() && std::all_of(arguments.begin(), arguments.end(), is_escape)
                   ? ""
                   : "unescape needs the escapes that it decodes, as two hex digits each: unescape(3A, 2F)";
      default: return arguments.empty() ? "" : absl::StrCat("the filter '", ToAbsl(name), "' takes no arguments");
    }
  }

  // `form`, `query`, `json` and `item` as a whole have no text of their own: just one filter each can read them.
  void CheckWholes(const Chain& chain) {
    const bool sorted = !chain.filters.empty() && chain.filters[0].kind == FilterKind::kSorted;
    const bool key_besides = !chain.filters.empty() && chain.filters[0].kind == FilterKind::kKeyBesides;
    for (size_t i = 0; i < chain.values.size(); ++i) {
      const Value& value = chain.values[i];
      const size_t begin = value_begins_[value_begins_.size() - chain.values.size() + i];
      const bool parameters = (value.source == Source::kForm || value.source == Source::kQuery) && value.name.empty();
      const bool json =
          value.source == Source::kJson || value.source == Source::kItem || value.source == Source::kItem1;
      if (sorted && !parameters) {
        return Fail("'sorted' reads all parameters: {form | sorted} or {query | sorted}", begin);
      }
      if (key_besides && !json) {
        return Fail("'key_besides' reads a JSON object: {json | key_besides(...)}", begin);
      }
      if (parameters && !sorted) {
        return Fail(
            "all parameters have no text of their own: name one (form.NAME, query.NAME), or use the filter sorted, "
            "or rawquery for the query as it came",
            begin);
      }
      if (json && value.path.empty() && !key_besides) {
        return Fail("a whole JSON value has no text: name a member (json/NAME)", begin);
      }
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<size_t> value_begins_;
  std::optional<ExpressionError> error_;
};

}  // namespace

std::optional<std::string_view> Chain::Text(Context& context) const {
  std::optional<std::string_view> text;
  const bool whole =
      !filters.empty() && (filters[0].kind == FilterKind::kSorted || filters[0].kind == FilterKind::kKeyBesides);
  for (const Value& value : values) {
    if (whole && filters[0].kind == FilterKind::kSorted) {
      // What signs a form's fields does not cover the files that a multipart form may have besides.
      const bool form = value.source == Source::kForm;
      if (!form || context.BodyMedia() != Media::kMultipart) {
        text = context.Keep(SortedText(form ? context.Form() : context.Query()));
      }
    } else if (whole) {
      text = context.OnlyOtherKey(value, filters[0].arguments);
    } else {
      text = context.Find(value);
    }
    if (!text && value.empty_if_absent) text = std::string_view();
    if (text) break;
  }
  for (size_t i = whole ? 1 : 0; text && i < filters.size(); ++i) {
    std::optional<std::string> filtered = Apply(filters[i], *text, context);
    if (!filtered) return std::nullopt;
    text = context.Keep(*std::move(filtered));
  }
  return text;
}

bool Condition::Holds(Context& context) const {
  return std::all_of(tests.begin(), tests.end(), [&](const Test& test) {
    const std::optional<std::string_view> text = test.value.Text(context);
    return std::any_of(test.any_of.begin(), test.any_of.end(), [&](const Pattern& pattern) {
      switch (pattern.match) {
        case Match::kEquals: return text && *text == pattern.text;
        case Match::kPrefix: return text && text->substr(0, pattern.text.size()) == pattern.text;
        case Match::kPresent: return text.has_value();
        case Match::kAbsent: return !text.has_value();
      }
      return false;
    });
  });
}

bool Expression::Evaluate(Context& context, Pieces& out) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(), [&](const Alternative& alternative) {
    return alternative.when.Holds(context) && EvaluateNodes(alternative.nodes, context, out);
  });
}

namespace {

std::string_view Join(const Pieces& pieces, Context& context) {
  if (pieces.empty()) return {};
  if (pieces.size() == 1) return pieces[0];
  size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  std::string text;
  text.reserve(size);
  for (const std::string_view piece : pieces) text += piece;
  return context.Keep(std::move(text));
}

}  // namespace

std::optional<std::string_view> Expression::Text(Context& context) const {
  Pieces pieces;
  if (!Evaluate(context, pieces)) return std::nullopt;
  return Join(pieces, context);
}

std::string_view Expression::NonEmptyText(Context& context) const {
  for (const Alternative& alternative : alternatives_) {
    Pieces pieces;
    if (!alternative.when.Holds(context) || !EvaluateNodes(alternative.nodes, context, pieces)) continue;
    const std::string_view text = Join(pieces, context);
    if (!text.empty()) return text;
  }
  return {};
}

void Expression::ForEachChain(const std::function<void(const Chain&)>& visit) const {
  for (const Alternative& alternative : alternatives_) {
    for (const Condition::Test& test : alternative.when.tests) visit(test.value);
    VisitNodes(alternative.nodes, visit);
  }
}

void Expression::ForEachValue(const std::function<void(const Value&)>& visit) const {
  ForEachChain([&](const Chain& chain) { std::for_each(chain.values.begin(), chain.values.end(), visit); });
}

std::optional<ExpressionError> ParseChain(std::string_view text, Chain& out) {
  Parser parser(text);
  parser.WholeChain(out);
  return std::move(parser.error());
}

std::optional<ExpressionError> ParseTemplate(std::string_view text, std::vector<TemplateNode>& out) {
  Parser parser(text);
  parser.Template(out, false);
  return std::move(parser.error());
}

namespace {

std::string ToText(const Value& value) {
  std::string text;
  const auto find = [&](const auto& sources) {
    for (const PlainSource& entry : sources) {
      if (entry.source == value.source) text = entry.name;
    }
  };
  find(kPlainSources);
  find(kNamedSources);
  find(kJsonSources);
  if (!value.name.empty()) absl::StrAppend(&text, ".", value.name);
  for (const std::string& token : value.path) {
    text += PointerSegment(token);
  }
  return value.empty_if_absent ? text + "?" : text;
}

// A brace or bracket of a literal text is written twice.
std::string Escaped(std::string_view literal) {
  return absl::StrReplaceAll(ToAbsl(literal), {{"{", "{{"}, {"}", "}}"}, {"[", "[["}, {"]", "]]"}});
}

}  // namespace

std::string ToText(const Chain& chain) {
  std::string text;
  for (const Value& value : chain.values) absl::StrAppend(&text, text.empty() ? "" : " or ", ToText(value));
  for (const Filter& filter : chain.filters) {
    const auto entry = std::find_if(kFilters.begin(), kFilters.end(),
                                    [&](const FilterName& candidate) { return candidate.kind == filter.kind; });
    absl::StrAppend(&text, " | ", entry == kFilters.end() ? absl::string_view() : ToAbsl(entry->name));
    if (!filter.arguments.empty()) absl::StrAppend(&text, "(", absl::StrJoin(filter.arguments, ", "), ")");
  }
  return text;
}

std::string ToText(const std::vector<TemplateNode>& nodes) {
  if (nodes.size() == 1 && nodes.front().kind == TemplateNode::Kind::kChain) return ToText(nodes.front().chain);
  std::string text;
  for (const TemplateNode& node : nodes) {
    switch (node.kind) {
      case TemplateNode::Kind::kText: text += Escaped(node.text); break;
      case TemplateNode::Kind::kChain: absl::StrAppend(&text, "{", ToText(node.chain), "}"); break;
      case TemplateNode::Kind::kGroup:
        // A group of one value is not that value alone.
        text += "[";
        for (const TemplateNode& inner : node.group) {
          const bool value = inner.kind == TemplateNode::Kind::kChain;
          text += value ? absl::StrCat("{", ToText(inner.chain), "}") : Escaped(inner.text);
        }
        text += "]";
        break;
    }
  }
  return text;
}

std::string ToText(const Condition& condition) {
  std::string text;
  for (const Condition::Test& test : condition.tests) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", ToText(test.value));
    bool first = true;
    for (const Condition::Pattern& pattern : test.any_of) {
      const char* const is = std::exchange(first, false) ? " = " : " or ";
      switch (pattern.match) {
        case Condition::Match::kEquals: absl::StrAppend(&text, is, pattern.text); break;
        case Condition::Match::kPrefix: absl::StrAppend(&text, is, pattern.text, "*"); break;
        case Condition::Match::kPresent: text += " present"; break;
        case Condition::Match::kAbsent: text += " absent"; break;
      }
    }
  }
  return text;
}

}  // namespace hookstream::provider
