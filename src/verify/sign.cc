#include "verify/sign.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "provider/context.h"
#include "provider/encoding.h"
#include "provider/time_text.h"
#include "verify/key.h"

namespace hookstream::verify {
namespace {

using provider::Condition;
using provider::ContentRule;
using provider::Context;
using provider::Encoding;
using provider::Expression;
using provider::Provider;
using provider::Scheme;
using provider::Source;
using provider::VerifyRule;

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

constexpr std::string_view kForm = "application/x-www-form-urlencoded";

bool LooksLikeJson(std::string_view body) {
  const size_t first = body.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (body[first] == '{' || body[first] == '[');
}

std::string ContentType(const Provider& provider, std::string_view body) {
  const bool form =
      provider.content.kind == ContentRule::Kind::kForm || provider.content.kind == ContentRule::Kind::kFormField;
  return form && !LooksLikeJson(body) ? std::string(kForm) : "application/json";
}

// The request while it grows; contexts are made anew over it whenever something is evaluated.
class Draft {
 public:
  Draft(const Provider& provider, const SignInput& input, const Params& params)
      : provider_(provider), params_(params), id_(input.id) {
    request_.method = provider.methods.front();
    request_.url = input.url;
    request_.body = input.body;
    SetHeader("Content-Type", input.content_type.empty() ? ContentType(provider, input.body) : input.content_type);
  }

  void SetHeader(std::string_view name, std::string_view value) {
    for (auto& [known, text] : request_.headers) {
      if (absl::EqualsIgnoreCase(known, ToAbsl(name))) {
        text = std::string(value);
        return;
      }
    }
    request_.headers.emplace_back(name, value);
  }

  bool HasHeader(std::string_view name) const {
    return std::any_of(request_.headers.begin(), request_.headers.end(),
                       [&](const auto& header) { return absl::EqualsIgnoreCase(header.first, ToAbsl(name)); });
  }

  void AddQuery(std::string_view name, std::string_view value) {
    absl::StrAppend(&request_.url, request_.url.find('?') == std::string::npos ? "?" : "&", ToAbsl(name), "=",
                    ToAbsl(value));
  }

  // Calls `use` with a context over the request as it is now.
  template <typename Use>
  auto With(Use use) const {
    std::vector<provider::HeaderView> headers;
    for (const auto& [name, value] : request_.headers) headers.push_back({name, value});
    provider::Request view;
    view.method = request_.method;
    std::tie(view.public_url, view.target) = SplitUrl(request_.url);
    view.headers = headers;
    view.body = request_.body;
    Context context(view, provider_.content);
    context.bindings().secrets = &params_;
    return use(context);
  }

  std::optional<std::string> Text(const Expression& expression) const {
    return With([&](Context& context) -> std::optional<std::string> {
      const auto text = expression.Text(context);
      return text ? std::optional<std::string>(*text) : std::nullopt;
    });
  }

  bool Holds(const Condition& condition) const {
    return With([&](Context& context) { return condition.Holds(context); });
  }

  // Brings what `when` and `require` of the rule ask for into the request.
  absl::Status Satisfy(const VerifyRule& rule) {
    for (const provider::Requirement& requirement : rule.require) {
      const provider::Value& value = requirement.value.values.front();
      const std::optional<std::string> expected = Text(requirement.expected);
      if (!expected) return absl::InvalidArgumentError(absl::StrCat("can't make ", requirement.name));
      if (value.source == Source::kHeader) SetHeader(value.name, *expected);
      if (value.source == Source::kQuery) AddQuery(value.name, *expected);
    }
    for (const Condition::Test& test : rule.when.tests) {
      const provider::Value& value = test.value.values.front();
      const Condition::Pattern& pattern = test.any_of.front();
      if (value.source == Source::kHeader && !HasHeader(value.name) &&
          (pattern.match == Condition::Match::kEquals || pattern.match == Condition::Match::kPrefix)) {
        SetHeader(value.name, pattern.text);
      }
    }
    if (!Holds(rule.when)) return absl::InvalidArgumentError("no rule of the preset is for such a request");
    // What else is signed, and not the time: the delivery's id.
    rule.signed_text.ForEachChain([&](const provider::Chain& chain) {
      const bool header = chain.values.front().source == Source::kHeader;
      if (!header || With([&](Context& context) { return chain.Text(context).has_value(); })) return;
      SetHeader(chain.values.front().name, id_);
    });
    return absl::OkStatus();
  }

  SignedRequest& request() { return request_; }

 private:
  const Provider& provider_;
  const Params& params_;
  std::string id_;
  SignedRequest request_;
};

// The header or query parameter that an expression reads first; nullptr when it reads something else.
const provider::Value* Place(const Expression& expression) {
  if (expression.empty() || expression.alternatives().front().nodes.empty()) return nullptr;
  const provider::TemplateNode& node = expression.alternatives().front().nodes.front();
  if (node.kind != provider::TemplateNode::Kind::kChain || !node.chain.filters.empty()) return nullptr;
  const provider::Value& value = node.chain.values.front();
  return value.source == Source::kHeader || value.source == Source::kQuery ? &value : nullptr;
}

// The rule for such a body: a rule whose condition the body's kind asks for (Twilio's for bodies that are no form),
// otherwise the first whose condition holds, otherwise the first.
const VerifyRule& ChooseRule(const Provider& provider, const Draft& draft, std::string_view body) {
  if (provider.content.kind == ContentRule::Kind::kForm && LooksLikeJson(body)) {
    for (const VerifyRule& rule : provider.verify) {
      const auto asks = [](const Condition::Test& test) { return test.value.values.front().source == Source::kQuery; };
      if (std::any_of(rule.when.tests.begin(), rule.when.tests.end(), asks)) return rule;
    }
  }
  for (const VerifyRule& rule : provider.verify) {
    if (draft.Holds(rule.when)) return rule;
  }
  return provider.verify.front();
}

std::string Encode(std::string_view bytes, Encoding encoding) {
  switch (encoding) {
    case Encoding::kHex: return provider::EncodeHex(bytes);
    case Encoding::kBase64: return provider::EncodeBase64(bytes);
    case Encoding::kBase64Url: return provider::EncodeBase64Url(bytes);
    case Encoding::kText: return std::string(bytes);
  }
  return {};
}

// The type goes into a header where the preset reads it from one: all of it, or, where the template goes on with
// something else (GitHub's action), what is before the first dot.
void SetTypeHeader(const Provider& provider, std::string_view type, Draft& draft) {
  const provider::Value* place = Place(provider.event.type);
  if (place == nullptr || place->source != Source::kHeader || type.empty()) return;
  const bool has_more = provider.event.type.alternatives().front().nodes.size() > 1;
  draft.SetHeader(place->name, has_more ? type.substr(0, type.find('.')) : type);
}

absl::StatusOr<std::string> MakeSignature(const VerifyRule& rule, const Key& key, std::string_view time,
                                          const Draft& draft) {
  HS_ASSIGN_OR_RETURN(const DecodedSecret decoded, DecodeKey(rule, rule.key_form, key.secret));
  if (rule.scheme == Scheme::kEqual) return decoded.bytes;
  if (rule.scheme == Scheme::kBasic) return absl::StrCat("Basic ", provider::EncodeBase64(decoded.bytes));
  return draft.With([&](Context& context) -> absl::StatusOr<std::string> {
    if (rule.time) context.bindings().time = time;
    context.bindings().key = decoded.bytes;
    provider::Pieces pieces;
    if (!rule.signed_text.Evaluate(context, pieces)) {
      return absl::InvalidArgumentError("the body does not have what is signed");
    }
    return Encode(decoded.mac->Compute(pieces).view(), rule.encoding);
  });
}

}  // namespace

std::pair<std::string_view, std::string_view> SplitUrl(std::string_view url) {
  const size_t scheme = url.find("://");
  const size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t target = std::min(url.find_first_of("/?", begin), url.size());
  if (target == url.size()) return {url, "/"};
  return {url.substr(0, target), url.substr(target)};
}

absl::StatusOr<SignedRequest> Sign(const Provider& provider, const Key& key, const SignInput& input,
                                   const Params& params) {
  Draft draft(provider, input, params);
  SetTypeHeader(provider, input.type, draft);
  if (const provider::Value* place = Place(provider.event.id);
      place != nullptr && place->source == Source::kHeader && !input.id.empty()) {
    draft.SetHeader(place->name, input.id);
  }
  const VerifyRule& rule = ChooseRule(provider, draft, input.body);
  if (provider::IsPublicKey(rule.scheme)) {
    return absl::UnimplementedError(absl::StrCat("only ", provider.name, " itself has the private key"));
  }
  if (rule.per_item) return absl::UnimplementedError("signatures inside the body can't be made");
  const provider::Value* time_place = rule.time ? Place(rule.time->from) : nullptr;
  if (rule.time && time_place == nullptr)
    return absl::UnimplementedError("a signed time inside the body can't be made");
  const std::string time = rule.time ? provider::FormatTimeText(input.now, rule.time->unit) : std::string();
  if (time_place != nullptr) draft.SetHeader(time_place->name, absl::StrCat(rule.time->part.prefix, time));
  HS_RETURN_IF_ERROR(draft.Satisfy(rule));
  if (rule.scheme == Scheme::kNone) return std::move(draft.request());

  HS_ASSIGN_OR_RETURN(const std::string signature, MakeSignature(rule, key, time, draft));
  std::string value = absl::StrCat(rule.part.prefix, signature);
  const provider::SignatureSource& source = rule.signatures.front();
  if (!source.numbered_header.empty()) {
    draft.SetHeader(absl::StrCat(source.numbered_header, 1), value);
    return std::move(draft.request());
  }
  const provider::Value* place = Place(source.value);
  if (place == nullptr) return absl::UnimplementedError("a signature inside the body can't be made");
  if (time_place != nullptr && absl::EqualsIgnoreCase(time_place->name, place->name)) {
    value = absl::StrCat(rule.time->part.prefix, time, rule.part.separator, value);
  }
  if (place->source == Source::kQuery) {
    draft.AddQuery(place->name, value);
  } else {
    draft.SetHeader(place->name, value);
  }
  return std::move(draft.request());
}

}  // namespace hookstream::verify
