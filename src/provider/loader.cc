#include "provider/loader.h"

#include <re2/re2.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "provider/suggest.h"

namespace hookstream::provider {
namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 10;
constexpr int kMaxDepth = 32;

// Thrown and caught in this file only: yaml-cpp throws anyway, and a schema read by nested functions is half as long
// this way.
struct LoadError {
  YAML::Mark mark;
  std::string message;
  // Bytes to the right of the mark.
  size_t offset = 0;
};

[[noreturn]] void Fail(const YAML::Mark& mark, std::string message, size_t offset = 0) {
  throw LoadError{mark, std::move(message), offset};
}

// Looks at the events before the document is built: an alias may make a document that contains itself.
class Precheck final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Check(mark, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Fail(mark, "aliases (*name) are not supported (write it out)");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string&) override {
    Check(mark, anchor);
    CheckTag(mark, tag);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Check(mark, anchor);
    CheckTag(mark, tag);
    Enter(mark);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Check(mark, anchor);
    CheckTag(mark, tag);
    Enter(mark);
  }
  void OnMapEnd() override { --depth_; }

 private:
  static void Check(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) Fail(mark, "anchors (&name) are not supported");
  }
  static void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") Fail(mark, "tags (!name) are not supported");
  }
  void Enter(const YAML::Mark& mark) {
    if (++depth_ > kMaxDepth) Fail(mark, "nested too deeply");
  }
  int depth_ = 0;
};

bool IsQuoted(const YAML::Node& node) { return node.Tag() == "!"; }

// One mapping whose keys are all claimed by name; the rest are errors.
class Fields {
 public:
  struct Entry {
    YAML::Node key;
    YAML::Node value;
    bool claimed;
  };

  // `what` for messages, e.g. "verify".
  Fields(const YAML::Node& node, std::string_view what) : what_(what), mark_(node.Mark()) {
    if (!node.IsMap()) Fail(mark_, absl::StrCat(ToAbsl(what), " has to be a mapping (key: value)"));
    std::set<std::string> seen;
    for (const auto& pair : node) {
      const YAML::Node& key = pair.first;
      if (!key.IsScalar()) {
        Fail(key.Mark(), "a key has to be a word (quote a template: \"{body}\")");
      }
      if (key.Scalar() == "<<") Fail(key.Mark(), "merge keys (<<) are not supported (write it out)");
      if (!seen.insert(key.Scalar()).second) Fail(key.Mark(), absl::StrCat("'", key.Scalar(), "' is given twice"));
      entries_.push_back({key, pair.second, false});
    }
  }

  // Undefined nodes are falsy.
  std::optional<YAML::Node> Take(std::string_view name) {
    known_.push_back(name);
    for (Entry& entry : entries_) {
      if (entry.key.Scalar() != name) continue;
      entry.claimed = true;
      return entry.value;
    }
    return std::nullopt;
  }

  YAML::Node Require(std::string_view name) {
    const std::optional<YAML::Node> node = Take(name);
    if (!node) Fail(mark_, absl::StrCat(ToAbsl(what_), " needs '", ToAbsl(name), "'"));
    return *node;
  }

  void Done() const {
    for (const Entry& entry : entries_) {
      if (entry.claimed) continue;
      const std::string& name = entry.key.Scalar();
      const std::string_view near = Nearest(name, known_);
      Fail(entry.key.Mark(), absl::StrCat("unknown key '", name, "' in ", ToAbsl(what_), " (",
                                          near.empty() ? absl::StrCat("keys are ", absl::StrJoin(known_, ", ", Append))
                                                       : absl::StrCat("did you mean ", ToAbsl(near), "?"),
                                          ")"));
    }
  }

  const YAML::Mark& mark() const { return mark_; }

  // For mappings whose keys are the user's own.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  static void Append(std::string* out, std::string_view text) { out->append(text); }

  std::string what_;
  YAML::Mark mark_;
  std::vector<Entry> entries_;
  std::vector<std::string_view> known_;
};

std::string ReadText(const YAML::Node& node, std::string_view what) {
  if (node.IsMap()) {
    Fail(node.Mark(),
         absl::StrCat(ToAbsl(what), " has to be a text, not a mapping (quote a text with braces: \"{...}\")"));
  }
  if (!node.IsScalar()) Fail(node.Mark(), absl::StrCat(ToAbsl(what), " has to be a text"));
  return node.Scalar();
}

std::string ReadNonEmptyText(const YAML::Node& node, std::string_view what) {
  std::string text = ReadText(node, what);
  if (text.empty()) Fail(node.Mark(), absl::StrCat(ToAbsl(what), " is empty"));
  return text;
}

// A plain decimal number. yaml-cpp reads 010 as 8: leading zeros are refused instead.
uint64_t ReadNumber(const YAML::Node& node, std::string_view what, uint64_t least, uint64_t most) {
  const std::string text = ReadText(node, what);
  if (text.size() > 1 && text[0] == '0') {
    Fail(node.Mark(), absl::StrCat(ToAbsl(what), ": numbers are decimal and have no leading zero, '", text, "' has"));
  }
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
    Fail(node.Mark(), absl::StrCat(ToAbsl(what), " has to be a whole number from ", least, " to ", most));
  }
  return number;
}

bool ReadBool(const YAML::Node& node, std::string_view what) {
  const std::string text = ReadText(node, what);
  if (text != "true" && text != "false") Fail(node.Mark(), absl::StrCat(ToAbsl(what), " has to be true or false"));
  return text == "true";
}

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// A number and a unit, e.g. 5m. The unit is required: nobody knows what 300 is.
uint64_t ReadMeasure(const YAML::Node& node, std::string_view what, std::initializer_list<Unit> units,
                     std::string_view example) {
  const std::string text = ReadText(node, what);
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = std::string_view(text).substr(digits);
  uint64_t number = 0;
  const bool octal = digits > 1 && text[0] == '0';
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
  if (digits > 0 && digits <= 12 && !octal && error == std::errc() && end == text.data() + digits) {
    for (const Unit& known : units) {
      if (unit == known.name) return number * known.factor;
    }
    if (unit.empty()) {
      Fail(node.Mark(), absl::StrCat(ToAbsl(what), " needs a unit (e.g. ", ToAbsl(example), ")"));
    }
  }
  Fail(node.Mark(), absl::StrCat(ToAbsl(what), " has to be a number with a unit, e.g. ", ToAbsl(example)));
}

absl::Duration ReadDuration(const YAML::Node& node, std::string_view what) {
  return absl::Milliseconds(ReadMeasure(
      node, what, {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}, "300s or 5m"));
}

uint64_t ReadSize(const YAML::Node& node, std::string_view what) {
  return ReadMeasure(node, what, {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}}, "64KiB or 1MiB");
}

template <typename T>
T ReadChoice(const YAML::Node& node, std::string_view what,
             std::initializer_list<std::pair<std::string_view, T>> choices) {
  const std::string text = ReadText(node, what);
  std::vector<std::string_view> names;
  for (const auto& [name, value] : choices) {
    if (text == name) return value;
    names.push_back(name);
  }
  const std::string_view near = Nearest(text, names);
  std::string list = absl::StrJoin(names, ", ", [](std::string* out, std::string_view name) { out->append(name); });
  Fail(node.Mark(),
       absl::StrCat(ToAbsl(what), " can't be '", text, "' (",
                    near.empty() ? absl::StrCat("one of ", list) : absl::StrCat("did you mean ", ToAbsl(near), "?"),
                    ")"));
}

// Position of a byte of a scalar's text: right of the opening quote, when there is one.
size_t TextOffset(const YAML::Node& node, size_t offset) { return offset + (IsQuoted(node) ? 1 : 0); }

Chain ReadChainText(const YAML::Node& node, const std::string& text) {
  Chain chain;
  if (const auto error = ParseChain(text, chain)) Fail(node.Mark(), error->message, TextOffset(node, error->offset));
  return chain;
}

// A text in which {...} are values and everything else stands for itself.
std::vector<TemplateNode> ReadTemplateNodes(const YAML::Node& node, std::string_view what) {
  const std::string text = ReadText(node, what);
  std::vector<TemplateNode> nodes;
  if (const auto error = ParseTemplate(text, nodes)) Fail(node.Mark(), error->message, TextOffset(node, error->offset));
  return nodes;
}

Expression ReadTemplate(const YAML::Node& node, std::string_view what) {
  std::vector<Expression::Alternative> alternatives;
  alternatives.push_back({{}, ReadTemplateNodes(node, what)});
  return Expression(std::move(alternatives));
}

Condition::Pattern ReadPattern(const YAML::Node& node, std::string_view what) {
  std::string text = ReadText(node, what);
  if (text == "*") return {Condition::Match::kPresent, {}};
  if (!text.empty() && text.back() == '*') {
    text.pop_back();
    return {Condition::Match::kPrefix, std::move(text)};
  }
  return {Condition::Match::kEquals, std::move(text)};
}

Condition ReadCondition(const YAML::Node& node, std::string_view what) {
  const Fields fields(node, what);
  Condition condition;
  for (const auto& [key, value, claimed] : fields.entries()) {
    Condition::Test test;
    test.value = ReadChainText(key, key.Scalar());
    const std::string name = absl::StrCat(ToAbsl(what), " ", key.Scalar());
    if (value.IsNull()) {
      test.any_of.push_back({Condition::Match::kAbsent, {}});
    } else if (value.IsSequence()) {
      for (const YAML::Node& item : value) test.any_of.push_back(ReadPattern(item, name));
      if (test.any_of.empty()) Fail(value.Mark(), absl::StrCat(name, " is an empty list"));
    } else {
      test.any_of.push_back(ReadPattern(value, name));
    }
    condition.tests.push_back(std::move(test));
  }
  if (condition.tests.empty()) Fail(node.Mark(), absl::StrCat(ToAbsl(what), " is empty"));
  return condition;
}

// A bare word is one value, a quoted text with braces a template, a mapping a constant or a value with its condition.
Expression::Alternative ReadAlternative(const YAML::Node& node, std::string_view what) {
  if (node.IsMap()) {
    // {body} without quotes is YAML for a mapping from body to nothing.
    if (node.size() == 1 && node.begin()->second.IsNull()) {
      const std::string key = node.begin()->first.IsScalar() ? node.begin()->first.Scalar() : "...";
      Fail(node.Mark(), absl::StrCat(ToAbsl(what), " has to be a value (quote a template: \"{", key, "}\")"));
    }
    Fields fields(node, what);
    Expression::Alternative alternative;
    if (const auto when = fields.Take("when")) alternative.when = ReadCondition(*when, "when");
    const auto text = fields.Take("text");
    const auto value = fields.Take("value");
    fields.Done();
    if (text.has_value() == value.has_value()) {
      Fail(node.Mark(), absl::StrCat(ToAbsl(what), " needs one of 'text' and 'value'"));
    }
    if (text) {
      alternative.nodes = ReadTemplateNodes(*text, what);
    } else {
      if (value->IsMap()) Fail(value->Mark(), "value can't be a mapping (quote a template: \"{...}\")");
      alternative.nodes = ReadAlternative(*value, what).nodes;
    }
    return alternative;
  }
  const std::string text = ReadNonEmptyText(node, what);
  const bool braces = text.find('{') != std::string::npos;
  if (braces) {
    if (!IsQuoted(node)) Fail(node.Mark(), absl::StrCat(ToAbsl(what), ": a template has to be quoted"));
    return {{}, ReadTemplateNodes(node, what)};
  }
  if (IsQuoted(node)) {
    Fail(node.Mark(), absl::StrCat(ToAbsl(what),
                                   ": a quoted text without {...} (for a value leave out the quotes, for a "
                                   "constant write {text: ...})"));
  }
  Expression::Alternative alternative;
  alternative.nodes.push_back({TemplateNode::Kind::kChain, {}, ReadChainText(node, text), {}});
  return alternative;
}

Expression ReadExpression(const YAML::Node& node, std::string_view what) {
  std::vector<Expression::Alternative> alternatives;
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) alternatives.push_back(ReadAlternative(item, what));
    if (alternatives.empty()) Fail(node.Mark(), absl::StrCat(ToAbsl(what), " is an empty list"));
  } else {
    alternatives.push_back(ReadAlternative(node, what));
  }
  return Expression(std::move(alternatives));
}

std::vector<Requirement> ReadRequirements(const YAML::Node& node) {
  const Fields fields(node, "require");
  std::vector<Requirement> requirements;
  for (const auto& [key, value, claimed] : fields.entries()) {
    Requirement requirement;
    requirement.name = key.Scalar();
    requirement.value = ReadChainText(key, key.Scalar());
    requirement.expected = ReadTemplate(value, absl::StrCat("require ", key.Scalar()));
    requirements.push_back(std::move(requirement));
  }
  return requirements;
}

bool IsHmac(const Filter& filter) {
  return filter.kind == FilterKind::kHmacSha1 || filter.kind == FilterKind::kHmacSha256 ||
         filter.kind == FilterKind::kHmacSha512;
}

bool ReadsOnlySecrets(const Expression& expression) {
  bool only = true;
  expression.ForEachValue([&](const Value& value) { only &= value.source == Source::kSecret; });
  return only;
}

// A regular expression for a whole text.
std::shared_ptr<const re2::RE2> ReadRegex(const YAML::Node& node, std::string_view what) {
  const std::string text = ReadNonEmptyText(node, what);
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(1 << 20);
  auto regex = std::make_shared<const re2::RE2>(text, options);
  if (!regex->ok()) Fail(node.Mark(), absl::StrCat(ToAbsl(what), " is no regular expression: ", regex->error()));
  return regex;
}

std::vector<TextMatch> ReadMatches(const YAML::Node& node) {
  const Fields fields(node, "matches");
  std::vector<TextMatch> matches;
  for (const auto& [key, value, claimed] : fields.entries())
    matches.push_back({ReadChainText(key, key.Scalar()), ReadRegex(value, absl::StrCat("matches ", key.Scalar()))});
  return matches;
}

// `prefix_template`: takes a prefix that has values in it; where it is null there can't be any.
Tagged ReadTagged(Fields& fields, Expression* prefix_template = nullptr) {
  Tagged part;
  const auto split = fields.Take("split");
  if (split) part.separator = ReadNonEmptyText(*split, "split");
  if (const auto prefix = fields.Take("prefix")) {
    part.prefix = ReadNonEmptyText(*prefix, "prefix");
    if (prefix_template != nullptr && IsQuoted(*prefix) && part.prefix.find('{') != std::string::npos) {
      part.prefix.clear();
      *prefix_template = ReadTemplate(*prefix, "prefix");
      if (!ReadsOnlySecrets(*prefix_template)) {
        Fail(prefix->Mark(), "prefix can only read values of the source's configuration ({secret.NAME})");
      }
    }
    if (part.prefix == "*")
      Fail(prefix->Mark(), "prefix * says nothing of where the value begins (e.g. \"*/SHA256/\")");
  }
  if (const auto index = fields.Take("index")) {
    part.index = static_cast<uint32_t>(ReadNumber(*index, "index", 0, 15));
    if (!split) Fail(index->Mark(), "index counts the parts of a 'split', which is not given");
  }
  return part;
}

TimeUnit ReadTimeUnit(Fields& fields, TimeUnit fallback) {
  const auto unit = fields.Take("unit");
  if (!unit) return fallback;
  return ReadChoice<TimeUnit>(
      *unit, "unit",
      {{"s", TimeUnit::kSeconds}, {"ms", TimeUnit::kMilliseconds}, {"iso", TimeUnit::kIso}, {"http", TimeUnit::kHttp}});
}

TimeRule ReadTimeRule(const YAML::Node& node, Scheme scheme) {
  Fields fields(node, "time");
  TimeRule time;
  if (const auto claim = fields.Take("claim")) {
    if (scheme != Scheme::kJwt) Fail(claim->Mark(), "only a token (scheme: jwt) has claims");
    time.claim = ReadNonEmptyText(*claim, "claim");
  } else {
    if (scheme == Scheme::kJwt) Fail(node.Mark(), "the time of a token is one of its claims (time: {claim: iat, ...})");
    time.from = ReadExpression(fields.Require("from"), "from");
    time.part = ReadTagged(fields);
    time.unit = ReadTimeUnit(fields, TimeUnit::kSeconds);
  }
  if (const auto age = fields.Take("max_age")) time.max_age = ReadDuration(*age, "max_age");
  if (const auto future = fields.Take("max_future")) {
    time.max_future = ReadDuration(*future, "max_future");
  } else {
    time.max_future = time.max_age;
  }
  fields.Done();
  return time;
}

Scheme ReadScheme(const YAML::Node& node) {
  return ReadChoice<Scheme>(node, "scheme",
                            {{"hmac-sha1", Scheme::kHmacSha1},
                             {"hmac-sha256", Scheme::kHmacSha256},
                             {"hmac-sha384", Scheme::kHmacSha384},
                             {"hmac-sha512", Scheme::kHmacSha512},
                             {"sha256", Scheme::kSha256},
                             {"ed25519", Scheme::kEd25519},
                             {"ecdsa-p256", Scheme::kEcdsaP256},
                             {"rsa-sha1", Scheme::kRsaSha1},
                             {"rsa-sha256", Scheme::kRsaSha256},
                             {"jwt", Scheme::kJwt},
                             {"equal", Scheme::kEqual},
                             {"basic", Scheme::kBasic},
                             {"none", Scheme::kNone}});
}

// The forms that a key of that kind can have.
std::vector<KeyForm> KeyFormsOf(Scheme scheme) {
  switch (scheme) {
    case Scheme::kEd25519: return {KeyForm::kHex, KeyForm::kBase64, KeyForm::kPem, KeyForm::kSpkiBase64};
    case Scheme::kEcdsaP256: return {KeyForm::kPem, KeyForm::kSpkiBase64};
    case Scheme::kRsaSha1:
    case Scheme::kRsaSha256: return {KeyForm::kPem, KeyForm::kSpkiBase64, KeyForm::kX509Pem};
    case Scheme::kEqual:
    case Scheme::kBasic: return {KeyForm::kText};
    default: return {KeyForm::kText, KeyForm::kHex, KeyForm::kBase64, KeyForm::kSha1};
  }
}

KeyForm ReadKeyForm(const YAML::Node& node, Scheme scheme) {
  const KeyForm form = ReadChoice<KeyForm>(node, "key",
                                           {{"text", KeyForm::kText},
                                            {"hex", KeyForm::kHex},
                                            {"base64", KeyForm::kBase64},
                                            {"sha1", KeyForm::kSha1},
                                            {"pem", KeyForm::kPem},
                                            {"spki-base64", KeyForm::kSpkiBase64},
                                            {"x509-pem", KeyForm::kX509Pem}});
  const std::vector<KeyForm> forms = KeyFormsOf(scheme);
  if (std::find(forms.begin(), forms.end(), form) == forms.end()) {
    const auto append = [](std::string* out, KeyForm each) { absl::StrAppend(out, ToAbsl(KeyFormName(each))); };
    Fail(node.Mark(), absl::StrCat("scheme ", ToAbsl(SchemeName(scheme)), " can't have a key of the form '",
                                   ToAbsl(KeyFormName(form)), "' (", absl::StrJoin(forms, ", ", append), ")"));
  }
  return form;
}

SignatureSource ReadSignature(const YAML::Node& node) {
  constexpr std::string_view kHeader = "header.";
  if (node.IsScalar() && !IsQuoted(node) && absl::StartsWith(node.Scalar(), ToAbsl(kHeader)) &&
      absl::EndsWith(node.Scalar(), "#")) {
    const std::string& text = node.Scalar();
    SignatureSource source;
    source.numbered_header = text.substr(kHeader.size(), text.size() - kHeader.size() - 1);
    if (source.numbered_header.empty()) Fail(node.Mark(), "header.# has no name");
    return source;
  }
  return {ReadExpression(node, "signature"), {}};
}

bool Uses(const Expression& expression, std::initializer_list<Source> sources) {
  bool uses = false;
  expression.ForEachValue(
      [&](const Value& value) { uses |= std::find(sources.begin(), sources.end(), value.source) != sources.end(); });
  return uses;
}

bool Uses(const Chain& chain, std::initializer_list<Source> sources) {
  return std::any_of(chain.values.begin(), chain.values.end(), [&](const Value& value) {
    return std::find(sources.begin(), sources.end(), value.source) != sources.end();
  });
}

void CollectHeaders(const Expression& expression, std::set<std::string>& headers) {
  expression.ForEachValue([&](const Value& value) {
    if (value.source == Source::kHeader) headers.insert(value.name);
  });
}

void CollectHeaders(const Chain& chain, std::set<std::string>& headers) {
  for (const Value& value : chain.values) {
    if (value.source == Source::kHeader) headers.insert(value.name);
  }
}

Expression OneValue(Value value) {
  Chain chain;
  chain.values.push_back(std::move(value));
  return Expression({{{}, {{TemplateNode::Kind::kChain, {}, std::move(chain), {}}}}});
}

std::vector<ClaimRule> ReadClaims(const YAML::Node& node) {
  const Fields fields(node, "claims");
  std::vector<ClaimRule> claims;
  for (const auto& [key, value, claimed] : fields.entries()) {
    ClaimRule claim;
    claim.name = key.Scalar();
    for (const absl::string_view name : absl::StrSplit(claim.name, " or ")) claim.names.emplace_back(name);
    const std::string what = absl::StrCat("claims ", claim.name);
    if (value.IsSequence()) {
      for (const YAML::Node& item : value) claim.any_of.push_back(ReadTemplate(item, what));
    } else {
      claim.any_of.push_back(ReadTemplate(value, what));
    }
    if (claim.any_of.empty()) Fail(value.Mark(), absl::StrCat(what, " is an empty list"));
    claims.push_back(std::move(claim));
  }
  return claims;
}

// What of `verify` says how a key is fetched.
struct KeyFetchNodes {
  std::optional<YAML::Node> url;
  std::optional<YAML::Node> match;
  std::optional<YAML::Node> certificate;
};

std::optional<KeyFetch> ReadKeyFetch(const KeyFetchNodes& nodes, const VerifyRule& rule, bool plaid) {
  if (!nodes.url) {
    for (const auto& [given, name] : {std::pair(nodes.match, "key_url_match"), {nodes.certificate, "certificate"}}) {
      if (given) Fail(given->Mark(), absl::StrCat("'", name, "' has no meaning without 'key_url'"));
    }
    return std::nullopt;
  }
  KeyFetch fetch;
  if (rule.scheme == Scheme::kJwt && rule.algorithm != JwtAlgorithm::kHs256) {
    fetch.kind = plaid ? KeyFetch::Kind::kPlaid : KeyFetch::Kind::kJwks;
  } else if (rule.key_form == KeyForm::kX509Pem) {
    fetch.kind = KeyFetch::Kind::kCertificate;
  } else {
    Fail(nodes.url->Mark(),
         "a key can be fetched as a certificate (key: x509-pem) or for a token (scheme: jwt with ES256 or RS256)");
  }
  fetch.url = ReadExpression(*nodes.url, "key_url");
  if (nodes.match) {
    fetch.url_match = ReadRegex(*nodes.match, "key_url_match");
    // A pattern that begins otherwise could be met by an address on the sender's own host.
    if (!absl::StartsWith(nodes.match->Scalar(), "https://")) {
      Fail(nodes.match->Mark(), "key_url_match has to begin with https://");
    }
  } else if (!ReadsOnlySecrets(fetch.url)) {
    Fail(nodes.url->Mark(),
         "an address out of the request needs 'key_url_match': otherwise the sender chooses where the key comes from");
  }
  if (nodes.certificate) {
    if (fetch.kind != KeyFetch::Kind::kCertificate) Fail(nodes.certificate->Mark(), "the key is no certificate");
    Fields fields(*nodes.certificate, "certificate");
    if (const auto name = fields.Take("name_match")) fetch.name_match = ReadRegex(*name, "name_match");
    if (const auto chain = fields.Take("chain")) {
      fetch.chain_required = ReadChoice<bool>(*chain, "chain", {{"required", true}, {"if_sent", false}});
    }
    fields.Done();
  }
  return fetch;
}

VerifyRule ReadVerifyRule(const YAML::Node& node) {
  Fields fields(node, "verify");
  VerifyRule rule;
  if (const auto when = fields.Take("when")) rule.when = ReadCondition(*when, "when");
  const YAML::Node scheme_node = fields.Require("scheme");
  rule.scheme = ReadScheme(scheme_node);
  const bool compares = rule.scheme == Scheme::kEqual || rule.scheme == Scheme::kBasic;
  const bool token = rule.scheme == Scheme::kJwt;
  const auto refuse = [&](const std::optional<YAML::Node>& given, std::string_view name) {
    if (given) {
      Fail(given->Mark(),
           absl::StrCat("'", ToAbsl(name), "' has no meaning with scheme ", ToAbsl(SchemeName(rule.scheme)),
                        compares ? " (it compares a value with the key)" : ""));
    }
  };

  const auto signed_node = fields.Take("signed");
  const auto signature_node = fields.Take("signature");
  const auto encoding_node = fields.Take("encoding");
  const auto key_node = fields.Take("key");
  const auto key_prefix_node = fields.Take("key_prefix");
  const auto key_by_node = fields.Take("key_by");
  const auto more_keys_node = fields.Take("more_keys");
  const auto time_node = fields.Take("time");
  const auto url_forms_node = fields.Take("url_forms");
  const auto require_node = fields.Take("require");
  const auto alg_node = fields.Take("alg");
  const auto claims_node = fields.Take("claims");
  const auto leeway_node = fields.Take("leeway");
  const auto code_node = fields.Take("code");
  const KeyFetchNodes fetch_nodes = {fields.Take("key_url"), fields.Take("key_url_match"), fields.Take("certificate")};
  rule.part = ReadTagged(fields, &rule.prefix);
  fields.Done();

  if (!token) {
    refuse(alg_node, "alg");
    refuse(claims_node, "claims");
    refuse(leeway_node, "leeway");
  }
  if (rule.scheme == Scheme::kNone) {
    refuse(signed_node, "signed");
    refuse(signature_node, "signature");
    refuse(encoding_node, "encoding");
    refuse(key_node, "key");
    refuse(key_prefix_node, "key_prefix");
    refuse(key_by_node, "key_by");
    refuse(more_keys_node, "more_keys");
    refuse(time_node, "time");
    refuse(url_forms_node, "url_forms");
    refuse(code_node, "code");
    refuse(fetch_nodes.url, "key_url");
    if (require_node) rule.require = ReadRequirements(*require_node);
    return rule;
  }
  if (compares) {
    refuse(time_node, "time");
    refuse(code_node, "code");
    refuse(url_forms_node, "url_forms");
  }
  if (compares || token) {
    refuse(signed_node, "signed");
    refuse(encoding_node, "encoding");
  }
  if (token) {
    if (!alg_node) Fail(fields.mark(), "scheme jwt needs 'alg': a token must not choose its own (HS256, ES256, RS256)");
    rule.algorithm = ReadChoice<JwtAlgorithm>(
        *alg_node, "alg",
        {{"HS256", JwtAlgorithm::kHs256}, {"ES256", JwtAlgorithm::kEs256}, {"RS256", JwtAlgorithm::kRs256}});
    if (claims_node) rule.claims = ReadClaims(*claims_node);
    if (leeway_node) rule.leeway = ReadDuration(*leeway_node, "leeway");
  }
  bool plaid = false;
  if (code_node) {
    plaid = ReadText(*code_node, "code") == "plaid";
    if (plaid && !token) Fail(code_node->Mark(), "code: plaid fetches the key of a token (scheme: jwt)");
    if (token && !plaid) Fail(code_node->Mark(), "with scheme jwt there is only code: plaid");
    if (!plaid) {
      rule.code =
          ReadChoice<Code>(*code_node, "code", {{"contentful", Code::kContentful}, {"braintree", Code::kBraintree}});
      if (signed_node) Fail(code_node->Mark(), "'code' makes what is signed: leave out 'signed'");
    }
  }

  if (!signature_node) {
    if (rule.scheme != Scheme::kBasic)
      Fail(fields.mark(), "verify needs 'signature' (where it is, e.g. header.X-Signature)");
    rule.signatures.push_back({OneValue({Source::kHeader, "Authorization", {}, false}), {}});
  } else if (signature_node->IsSequence()) {
    for (const YAML::Node& item : *signature_node) rule.signatures.push_back(ReadSignature(item));
    if (rule.signatures.empty()) Fail(signature_node->Mark(), "signature is an empty list");
  } else {
    rule.signatures.push_back(ReadSignature(*signature_node));
  }

  if (signed_node) {
    rule.signed_text = ReadExpression(*signed_node, "signed");
  } else if (!compares && !token && rule.code == Code::kNone) {
    rule.signed_text = OneValue({});
  }
  rule.encoding = compares || token ? Encoding::kText : IsPublicKey(rule.scheme) ? Encoding::kBase64 : Encoding::kHex;
  if (encoding_node) {
    rule.encoding = ReadChoice<Encoding>(
        *encoding_node, "encoding",
        {{"hex", Encoding::kHex}, {"base64", Encoding::kBase64}, {"base64url", Encoding::kBase64Url}});
  }
  if (key_node) {
    rule.key_form = ReadKeyForm(*key_node, KeyScheme(rule));
  } else if (token && IsPublicKey(KeyScheme(rule))) {
    rule.key_form = KeyForm::kPem;
  } else if (IsPublicKey(rule.scheme)) {
    Fail(fields.mark(),
         absl::StrCat("scheme ", ToAbsl(SchemeName(rule.scheme)), " needs 'key' (the form of the public key)"));
  }
  if (key_prefix_node) rule.key_prefix = ReadNonEmptyText(*key_prefix_node, "key_prefix");
  if (key_by_node) rule.key_by = ReadExpression(*key_by_node, "key_by");
  if (more_keys_node) {
    if (!more_keys_node->IsSequence()) Fail(more_keys_node->Mark(), "more_keys has to be a list of names of 'secrets'");
    for (const YAML::Node& item : *more_keys_node) rule.more_keys.push_back(ReadNonEmptyText(item, "more_keys"));
  }
  rule.fetch = ReadKeyFetch(fetch_nodes, rule, plaid);
  if (plaid && !rule.fetch) Fail(code_node->Mark(), "code: plaid needs 'key_url' (where the API is asked)");
  if (time_node) rule.time = ReadTimeRule(*time_node, rule.scheme);
  if (require_node) rule.require = ReadRequirements(*require_node);
  if (url_forms_node) {
    rule.try_ports = ReadChoice<bool>(*url_forms_node, "url_forms", {{"exact", false}, {"ports", true}});
    if (rule.try_ports && !Uses(rule.signed_text, {Source::kUrl})) {
      Fail(url_forms_node->Mark(), "url_forms has no meaning: 'signed' does not read the url");
    }
  }

  rule.key_in_text = Uses(rule.signed_text, {Source::kKey});
  if (rule.scheme == Scheme::kSha256 && !rule.key_in_text) {
    Fail(scheme_node.Mark(),
         "scheme sha256 without {key} in 'signed' could be made by anyone (for a keyed hash of the "
         "body use hmac-sha256)");
  }
  if (!rule.time && Uses(rule.signed_text, {Source::kTime})) {
    Fail(signed_node->Mark(), "'signed' reads {time}, but there is no 'time' that says where it is");
  }

  const std::initializer_list<Source> kItems = {Source::kItem, Source::kItem1};
  const std::initializer_list<Source> kJson = {Source::kJson, Source::kItem, Source::kItem1};
  rule.per_item = Uses(rule.signed_text, kItems);
  std::set<std::string> headers;
  const auto reads = [&](const Expression& expression) {
    rule.reads_body_first |= Uses(expression, kJson);
    CollectHeaders(expression, headers);
  };
  reads(rule.signed_text);
  CollectHeaders(rule.key_by, headers);
  if (rule.time) reads(rule.time->from);
  if (rule.fetch) reads(rule.fetch->url);
  for (const SignatureSource& signature : rule.signatures) {
    rule.per_item |= Uses(signature.value, kItems);
    reads(signature.value);
  }
  if (rule.per_item && rule.time) Fail(node.Mark(), "signed items can't have a 'time'");
  if (rule.per_item && rule.code != Code::kNone) Fail(code_node->Mark(), "'code' does not sign items");
  for (const Requirement& requirement : rule.require) {
    rule.reads_body_first |= Uses(requirement.value, kJson);
    CollectHeaders(requirement.value, headers);
  }
  for (const Condition::Test& test : rule.when.tests) {
    rule.reads_body_first |= Uses(test.value, kJson);
    CollectHeaders(test.value, headers);
  }
  rule.headers.assign(headers.begin(), headers.end());
  return rule;
}

JsonTemplate ReadJsonTemplate(const YAML::Node& node) {
  JsonTemplate json;
  if (node.IsMap()) {
    const Fields fields(node, "json");
    json.kind = JsonTemplate::Kind::kObject;
    for (const auto& [key, value, claimed] : fields.entries()) {
      json.names.push_back(key.Scalar());
      json.items.push_back(ReadJsonTemplate(value));
    }
  } else if (node.IsSequence()) {
    json.kind = JsonTemplate::Kind::kArray;
    for (const YAML::Node& item : node) json.items.push_back(ReadJsonTemplate(item));
  } else if (node.IsNull()) {
    json.kind = JsonTemplate::Kind::kLiteral;
    json.literal = "null";
  } else {
    const std::string text = ReadText(node, "json");
    const bool whole = !text.empty() && text.size() <= 15 &&
                       text.find_first_not_of("0123456789") == std::string::npos &&
                       (text.size() == 1 || text[0] != '0');
    if (!IsQuoted(node) && (text == "true" || text == "false" || whole)) {
      json.kind = JsonTemplate::Kind::kLiteral;
      json.literal = text;
    } else {
      json.text = ReadTemplate(node, "json");
    }
  }
  return json;
}

ReplyRule ReadReply(const YAML::Node& node, std::string_view what) {
  Fields fields(node, what);
  ReplyRule reply;
  if (const auto status = fields.Take("status")) {
    reply.status = static_cast<int>(ReadNumber(*status, "status", 200, 599));
  }
  const auto type = fields.Take("type");
  const auto text = fields.Take("text");
  const auto json = fields.Take("json");
  const auto headers = fields.Take("headers");
  fields.Done();
  if (text && json) Fail(json->Mark(), absl::StrCat(ToAbsl(what), " can't have both 'text' and 'json'"));
  if (text) reply.text = ReadTemplate(*text, "text");
  if (json) reply.json = ReadJsonTemplate(*json);
  if (type) {
    reply.content_type = ReadNonEmptyText(*type, "type");
  } else if (json) {
    reply.content_type = "application/json";
  } else if (text && !text->Scalar().empty()) {
    reply.content_type = "text/plain; charset=utf-8";
  }
  if (headers) {
    const Fields names(*headers, "headers");
    for (const auto& [key, value, claimed] : names.entries()) {
      constexpr std::string_view kToken =
          "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
      if (key.Scalar().empty() || key.Scalar().find_first_not_of(kToken) != std::string::npos) {
        Fail(key.Mark(), absl::StrCat("'", key.Scalar(), "' can't be a header's name"));
      }
      reply.headers.emplace_back(key.Scalar(), ReadTemplate(value, key.Scalar()));
    }
  }
  return reply;
}

void ForEachExpression(const JsonTemplate& json, const std::function<void(const Expression&)>& visit) {
  visit(json.text);
  for (const JsonTemplate& item : json.items) ForEachExpression(item, visit);
}

void ForEachExpression(const ReplyRule& reply, const std::function<void(const Expression&)>& visit) {
  if (reply.text) visit(*reply.text);
  if (reply.json) ForEachExpression(*reply.json, visit);
  for (const auto& [name, value] : reply.headers) visit(value);
}

HandshakeRule ReadHandshake(const YAML::Node& node) {
  Fields fields(node, "a handshake");
  HandshakeRule handshake;
  handshake.when = ReadCondition(fields.Require("when"), "when");
  if (const auto verified = fields.Take("verified")) handshake.verified = ReadBool(*verified, "verified");
  if (const auto require = fields.Take("require")) handshake.require = ReadRequirements(*require);
  if (const auto matches = fields.Take("matches")) handshake.matches = ReadMatches(*matches);
  const auto fetch = fields.Take("fetch");
  const auto fetch_match = fields.Take("fetch_match");
  const auto learn = fields.Take("learn");
  std::vector<std::string> reveals;
  if (const auto names = fields.Take("reveals")) {
    if (!names->IsSequence()) Fail(names->Mark(), "reveals has to be a list of names of 'secrets' that are none");
    for (const YAML::Node& item : *names) reveals.push_back(ReadNonEmptyText(item, "reveals"));
  }
  const YAML::Node reply = fields.Require("reply");
  handshake.reply = ReadReply(reply, "reply");
  fields.Done();
  if (fetch) {
    if (!handshake.verified) Fail(fetch->Mark(), "only a verified request can have something fetched");
    if (!fetch_match) Fail(fetch->Mark(), "an address out of the request needs 'fetch_match'");
    handshake.fetch = ReadExpression(*fetch, "fetch");
  }
  if (fetch_match) {
    if (!fetch) Fail(fetch_match->Mark(), "'fetch_match' has no meaning without 'fetch'");
    handshake.fetch_match = ReadRegex(*fetch_match, "fetch_match");
    if (!absl::StartsWith(fetch_match->Scalar(), "https://"))
      Fail(fetch_match->Mark(), "fetch_match has to begin with https://");
  }
  if (learn) {
    if (handshake.verified) Fail(learn->Mark(), "a key is learnt from a request that no key verifies: verified: false");
    handshake.learn = ReadExpression(*learn, "learn");
  }
  const std::initializer_list<Source> kVerifyOnly = {Source::kItem, Source::kItem1, Source::kTime};
  const auto check = [&](const Expression& expression) {
    if (Uses(expression, kVerifyOnly)) Fail(node.Mark(), "a handshake has no time and no items");
    if (Uses(expression, {Source::kKey}))
      Fail(node.Mark(), "a handshake can't reveal the key (use a filter: hmac-sha256)");
  };
  ForEachExpression(handshake.reply, check);
  ForEachExpression(handshake.reply, [&](const Expression& expression) {
    expression.ForEachValue([&](const Value& value) {
      if (value.source != Source::kSecret || std::find(reveals.begin(), reveals.end(), value.name) != reveals.end())
        return;
      Fail(reply.Mark(), absl::StrCat("a reply can't reveal a secret (one that is none: reveals: [", value.name, "])"));
    });
  });
  // Whoever may have any text signed has what he needs for a forged webhook.
  if (!handshake.verified && handshake.matches.empty()) {
    ForEachExpression(handshake.reply, [&](const Expression& expression) {
      expression.ForEachChain([&](const Chain& chain) {
        if (std::any_of(chain.filters.begin(), chain.filters.end(), IsHmac))
          Fail(reply.Mark(),
               "a reply to a request that nobody signed would sign any text: say with 'matches' what it may be");
      });
    });
  }
  for (const Requirement& requirement : handshake.require) check(requirement.expected);
  check(handshake.fetch);
  check(handshake.learn);
  return handshake;
}

std::vector<std::string> ReadSplit(const YAML::Node& node) {
  const std::string text = ReadNonEmptyText(node, "split");
  std::vector<std::string> path;
  if (text[0] != '/')
    Fail(node.Mark(), "split has to be a JSON pointer with * for the elements of a list (e.g. /events/*)");
  // The expression parser knows JSON pointers.
  Chain chain = ReadChainText(node, absl::StrCat("json", text));
  if (chain.values.size() != 1 || !chain.filters.empty() || chain.values[0].empty_if_absent) {
    Fail(node.Mark(), "split has to be one JSON pointer");
  }
  path = std::move(chain.values[0].path);
  const auto stars = std::count(path.begin(), path.end(), "*");
  if (stars == 0) {
    Fail(node.Mark(), absl::StrCat("split needs a * for the elements of the list (did you mean ", text, "/*?)"));
  }
  if (stars > 2) Fail(node.Mark(), "split can have at most two *");
  return path;
}

void ReadEventId(const YAML::Node& node, EventRule& event) {
  const auto is_hash = [](const YAML::Node& value) {
    return value.IsScalar() && !IsQuoted(value) && value.Scalar() == "hash";
  };
  if (is_hash(node)) {
    event.id_is_hash = true;
    return;
  }
  if (node.IsSequence() && node.size() > 1 && is_hash(node[node.size() - 1])) {
    event.id_is_hash = true;
    std::vector<Expression::Alternative> alternatives;
    for (size_t i = 0; i + 1 < node.size(); ++i) alternatives.push_back(ReadAlternative(node[i], "id"));
    event.id = Expression(std::move(alternatives));
    return;
  }
  event.id = ReadExpression(node, "id");
}

EventRule ReadEvent(const YAML::Node& node) {
  Fields fields(node, "event");
  EventRule event;
  if (const auto when = fields.Take("when")) event.when = ReadCondition(*when, "when");
  if (const auto split = fields.Take("split")) event.split = ReadSplit(*split);
  if (const auto skip = fields.Take("skip")) event.skip = ReadCondition(*skip, "skip");
  const auto expression = [&](std::string_view name) {
    const auto given = fields.Take(name);
    return given ? ReadExpression(*given, name) : Expression();
  };
  event.type = expression("type");
  if (const auto id = fields.Take("id")) ReadEventId(*id, event);
  if (const auto time = fields.Take("time")) {
    bool has_from = false;
    if (time->IsMap()) {
      for (const auto& entry : *time) has_from |= entry.first.IsScalar() && entry.first.Scalar() == "from";
    }
    if (has_from) {
      Fields parts(*time, "time");
      event.time = ReadExpression(parts.Require("from"), "from");
      event.time_unit = ReadTimeUnit(parts, TimeUnit::kIso);
      parts.Done();
    } else {
      event.time = ReadExpression(*time, "time");
    }
  }
  event.ordering_key = expression("ordering_key");
  if (const auto attributes = fields.Take("attributes")) {
    const Fields names(*attributes, "attributes");
    for (const auto& [key, value, claimed] : names.entries()) {
      event.attributes.emplace_back(key.Scalar(), ReadExpression(value, key.Scalar()));
    }
    if (event.attributes.size() > 64) Fail(attributes->Mark(), "at most 64 attributes");
  }
  fields.Done();

  const auto check_filters = [&](const Chain& chain, std::string_view name) {
    for (const Filter& filter : chain.filters) {
      if (IsHmac(filter)) {
        Fail(node.Mark(), absl::StrCat("event.", ToAbsl(name), " can't use the key"));
      }
    }
  };
  const auto check = [&](const Expression& given, std::string_view name) {
    if (event.split.empty() && Uses(given, {Source::kItem, Source::kItem1})) {
      Fail(node.Mark(), absl::StrCat("event.", ToAbsl(name), " reads an item, but the body is not split"));
    }
    if (Uses(given, {Source::kTime, Source::kKey, Source::kSecret})) {
      Fail(node.Mark(), absl::StrCat("event.", ToAbsl(name), " can't read time, key or a secret"));
    }
    given.ForEachChain([&](const Chain& chain) { check_filters(chain, name); });
  };
  check(event.type, "type");
  check(event.id, "id");
  check(event.time, "time");
  check(event.ordering_key, "ordering_key");
  for (const auto& [name, value] : event.attributes) check(value, name);
  for (const Condition::Test& test : event.skip.tests) {
    if (event.split.empty() && Uses(test.value, {Source::kItem, Source::kItem1})) {
      Fail(node.Mark(), "event.skip reads an item, but the body is not split");
    }
  }
  for (const Condition::Test& test : event.when.tests) {
    if (Uses(test.value, {Source::kItem, Source::kItem1})) {
      Fail(node.Mark(), "event.when reads an item: it is asked before the body is split (read json/0/... instead)");
    }
    if (Uses(test.value, {Source::kTime, Source::kKey, Source::kSecret})) {
      Fail(node.Mark(), "event.when can't read time, key or a secret");
    }
    check_filters(test.value, "when");
  }
  return event;
}

// One rule, or a list of them.
std::vector<EventRule> ReadEvents(const YAML::Node& node) {
  if (!node.IsSequence()) {
    EventRule event = ReadEvent(node);
    if (!event.when.tests.empty()) {
      Fail(node.Mark(), "one event rule needs no 'when' (several are a list: - when: ...)");
    }
    return {std::move(event)};
  }
  std::vector<EventRule> events;
  for (const YAML::Node& item : node) {
    if (!events.empty() && events.back().when.tests.empty()) {
      Fail(item.Mark(), "this rule is never reached: the one before has no 'when'");
    }
    events.push_back(ReadEvent(item));
  }
  if (events.empty()) Fail(node.Mark(), "event is an empty list");
  return events;
}

ContentRule ReadContent(const YAML::Node& node) {
  const std::string text = ReadText(node, "content");
  constexpr std::string_view kField = "form.";
  if (absl::StartsWith(text, ToAbsl(kField)) && text.size() > kField.size()) {
    return {ContentRule::Kind::kFormField, text.substr(kField.size())};
  }
  const auto kind = ReadChoice<ContentRule::Kind>(node, "content",
                                                  {{"json", ContentRule::Kind::kJson},
                                                   {"form", ContentRule::Kind::kForm},
                                                   {"lines", ContentRule::Kind::kLines},
                                                   {"any", ContentRule::Kind::kAny},
                                                   {"none", ContentRule::Kind::kNone}});
  return {kind, {}};
}

std::string ReadName(const YAML::Node& node, std::string_view what) {
  const std::string name = ReadNonEmptyText(node, what);
  const bool fits = name.size() <= 63 &&
                    name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos &&
                    name.front() != '-' && name.back() != '-';
  if (!fits) {
    Fail(node.Mark(),
         absl::StrCat(ToAbsl(what), " has to be 1 to 63 characters of a-z, 0-9 and - (not first or last)"));
  }
  return name;
}

std::vector<std::string> ReadMethods(const std::optional<YAML::Node>& node) {
  if (!node) return {"POST"};
  std::vector<std::string> methods;
  if (!node->IsSequence() || node->size() == 0) Fail(node->Mark(), "methods has to be a list, e.g. [POST, GET]");
  for (const YAML::Node& item : *node) {
    methods.push_back(ReadNonEmptyText(item, "methods"));
    if (methods.back().find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos) {
      Fail(item.Mark(), "methods are in upper case, e.g. POST");
    }
  }
  return methods;
}

// Methods that only a handshake's condition asks for are accepted as well.
void AddHandshakeMethods(const std::vector<HandshakeRule>& handshakes, std::vector<std::string>& methods) {
  for (const HandshakeRule& handshake : handshakes) {
    for (const Condition::Test& test : handshake.when.tests) {
      if (!Uses(test.value, {Source::kMethod})) continue;
      for (const Condition::Pattern& pattern : test.any_of) {
        if (pattern.match == Condition::Match::kEquals &&
            std::find(methods.begin(), methods.end(), pattern.text) == methods.end()) {
          methods.push_back(pattern.text);
        }
      }
    }
  }
}

void CheckSecrets(const YAML::Node& root, const Provider& provider) {
  const auto check_value = [&](const Value& value) {
    if (value.source != Source::kSecret) return;
    if (std::find(provider.secrets.begin(), provider.secrets.end(), value.name) == provider.secrets.end()) {
      Fail(root.Mark(),
           absl::StrCat("secret.", value.name, " is not declared (add to the top: secrets: [", value.name, "])"));
    }
  };
  const auto check = [&](const Expression& expression) { expression.ForEachValue(check_value); };
  const auto check_condition = [&](const Condition& condition) {
    for (const Condition::Test& test : condition.tests) {
      for (const Value& value : test.value.values) check_value(value);
    }
  };
  const auto check_requirements = [&](const std::vector<Requirement>& requirements) {
    for (const Requirement& requirement : requirements) {
      check(requirement.expected);
      for (const Value& value : requirement.value.values) check_value(value);
    }
  };
  for (const VerifyRule& rule : provider.verify) {
    check_condition(rule.when);
    check(rule.signed_text);
    check(rule.prefix);
    check(rule.key_by);
    if (rule.fetch) check(rule.fetch->url);
    for (const ClaimRule& claim : rule.claims) {
      for (const Expression& expected : claim.any_of) check(expected);
    }
    for (const std::string& name : rule.more_keys) {
      Value value;
      value.source = Source::kSecret;
      value.name = name;
      check_value(value);
    }
    for (const SignatureSource& signature : rule.signatures) check(signature.value);
    check_requirements(rule.require);
  }
  for (const HandshakeRule& handshake : provider.handshakes) {
    check_requirements(handshake.require);
    ForEachExpression(handshake.reply, check);
  }
}

ReplyRule ReadConstantReply(const YAML::Node& node, std::string_view what) {
  ReplyRule reply = ReadReply(node, what);
  ForEachExpression(reply, [&](const Expression& expression) {
    expression.ForEachValue([&](const Value&) {
      Fail(node.Mark(), absl::StrCat(ToAbsl(what), " can't read the request (double the braces for literal ones)"));
    });
  });
  return reply;
}

Provider ReadProvider(const YAML::Node& root) {
  Fields fields(root, "a provider");
  Provider provider;
  provider.name = ReadName(fields.Require("name"), "name");
  const auto family = fields.Take("family");
  provider.family = family ? ReadName(*family, "family") : provider.name;
  if (const auto docs = fields.Take("docs")) provider.docs = ReadText(*docs, "docs");
  if (const auto sure = fields.Take("sure")) provider.sure = ReadText(*sure, "sure");
  const auto methods = fields.Take("methods");
  if (const auto content = fields.Take("content")) provider.content = ReadContent(*content);
  if (const auto size = fields.Take("max_body")) provider.body_bytes_max = ReadSize(*size, "max_body");
  if (const auto secrets = fields.Take("secrets")) {
    if (!secrets->IsSequence()) Fail(secrets->Mark(), "secrets has to be a list of names");
    for (const YAML::Node& item : *secrets) provider.secrets.push_back(ReadNonEmptyText(item, "secrets"));
  }
  if (const auto secrets = fields.Take("optional_secrets")) {
    if (!secrets->IsSequence()) Fail(secrets->Mark(), "optional_secrets has to be a list of names");
    for (const YAML::Node& item : *secrets) {
      provider.optional_secrets.push_back(ReadNonEmptyText(item, "optional_secrets"));
      provider.secrets.push_back(provider.optional_secrets.back());
    }
  }
  const auto verify = fields.Take("verify");
  const auto handshakes = fields.Take("handshakes");
  const auto event = fields.Take("event");
  const auto respond = fields.Take("respond");
  fields.Done();

  if (!verify) {
    Fail(fields.mark(), "a provider needs 'verify' (a provider that proves nothing says so: verify: {scheme: none})");
  }
  if (verify->IsSequence()) {
    for (const YAML::Node& item : *verify) provider.verify.push_back(ReadVerifyRule(item));
    if (provider.verify.empty()) Fail(verify->Mark(), "verify is an empty list");
    for (size_t i = 0; i + 1 < provider.verify.size(); ++i) {
      if (provider.verify[i].when.tests.empty()) {
        Fail((*verify)[i + 1].Mark(), "this rule is never reached: the one before has no 'when'");
      }
    }
  } else {
    provider.verify.push_back(ReadVerifyRule(*verify));
  }
  if (handshakes) {
    if (!handshakes->IsSequence()) Fail(handshakes->Mark(), "handshakes has to be a list (- when: ...)");
    for (const YAML::Node& item : *handshakes) provider.handshakes.push_back(ReadHandshake(item));
  }
  if (event) provider.events = ReadEvents(*event);
  if (respond) {
    Fields parts(*respond, "respond");
    if (const auto accepted = parts.Take("accepted")) provider.accepted = ReadConstantReply(*accepted, "accepted");
    if (const auto rejected = parts.Take("rejected")) provider.rejected = ReadConstantReply(*rejected, "rejected");
    parts.Done();
  }
  for (const VerifyRule& rule : provider.verify) {
    if (rule.per_item && provider.events.front().split.empty()) {
      Fail(verify->Mark(), "verify reads an item, but event.split does not say what the items are");
    }
    // What is verified and what is stored have to be the same items.
    if (rule.per_item && provider.events.size() > 1) {
      Fail(verify->Mark(), "verify reads an item, so there can be one event rule only");
    }
  }
  provider.methods = ReadMethods(methods);
  AddHandshakeMethods(provider.handshakes, provider.methods);
  CheckSecrets(root, provider);
  return provider;
}

YAML::Node Parse(std::string_view yaml) {
  std::istringstream events{std::string(yaml)};
  YAML::Parser parser(events);
  Precheck precheck;
  parser.HandleNextDocument(precheck);
  Precheck second;
  if (parser.HandleNextDocument(second))
    Fail(YAML::Mark::null_mark(), "one file holds one provider, not several documents");
  return YAML::Load(std::string(yaml));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Provider>> LoadProvider(std::string_view yaml, std::string_view file_name) {
  const auto at = [&](const YAML::Mark& mark, size_t offset, std::string_view message) {
    const bool known = !mark.is_null();
    return absl::StrCat(ToAbsl(file_name), ":", known ? mark.line + 1 : 1, ":",
                        known ? static_cast<size_t>(mark.column) + 1 + offset : 1, ": ", ToAbsl(message));
  };
  if (yaml.size() > kMaxFileBytes) {
    return absl::InvalidArgumentError(at(YAML::Mark::null_mark(), 0, "larger than 256 KiB"));
  }
  try {
    return std::make_unique<const Provider>(ReadProvider(Parse(yaml)));
  } catch (const LoadError& error) {
    return absl::InvalidArgumentError(at(error.mark, error.offset, error.message));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        at(error.mark, 0, absl::StrCat(error.msg, " (quote texts with braces: \"{...}\")")));
  }
}

}  // namespace hookstream::provider
