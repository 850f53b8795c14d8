#include "verify/sign.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "provider/context.h"
#include "provider/encoding.h"
#include "provider/extract.h"
#include "provider/time_text.h"
#include "verify/code.h"
#include "verify/draft.h"
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
using provider::Value;
using provider::VerifyRule;

// The rule for such a body: a rule whose condition the body's kind asks for (Twilio's for bodies that are no form),
// otherwise the first whose condition holds, otherwise the first.
const VerifyRule& ChooseRule(const Provider& provider, const Draft& draft) {
  if (provider.content.kind == ContentRule::Kind::kForm && !draft.With([](Context& c) { return c.IsForm(); })) {
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
// something else (GitHub's action), what is before the first dot. Likewise the id, as a whole.
void SetEventHeaders(const Provider& provider, std::string_view type, std::string_view id, Draft& draft) {
  const provider::EventRule* rule =
      draft.With([&](Context& context) { return provider::FindEventRule(provider, context); });
  if (rule == nullptr) return;
  const Value* place = Place(rule->type);
  if (place != nullptr && place->source == Source::kHeader && !type.empty()) {
    const bool has_more = rule->type.alternatives().front().nodes.size() > 1;
    draft.SetHeader(place->name, has_more ? type.substr(0, type.find('.')) : type);
  }
  place = Place(rule->id);
  if (place != nullptr && place->source == Source::kHeader && !id.empty()) draft.SetHeader(place->name, id);
}

// What stands before a signature: the key's name in a prefix that begins with one is made up.
std::string Before(const provider::Tagged& part) {
  return part.prefix.starts_with('*') ? absl::StrCat("1", part.prefix.substr(1)) : part.prefix;
}

// What the rule's conditions and requirements ask for.
absl::Status Satisfy(const Provider& provider, const VerifyRule& rule, const Params& params, Draft& draft) {
  for (const provider::Requirement& requirement : rule.require) {
    if (provider::ReadsLeftOut(provider, requirement.expected, params)) continue;
    const Value& value = requirement.value.values.front();
    const std::optional<std::string> expected = draft.Text(requirement.expected);
    if (!expected) return absl::InvalidArgumentError(absl::StrCat("can't make ", requirement.name));
    if (IsPlace(value)) HS_RETURN_IF_ERROR(draft.Put(value, *expected));
  }
  for (const Condition::Test& test : rule.when.tests) {
    const Value& value = test.value.values.front();
    const Condition::Pattern& pattern = test.any_of.front();
    const bool missing = value.source == Source::kHeader ? !draft.HasHeader(value.name) : value.source == Source::kJson;
    if (missing && (pattern.match == Condition::Match::kEquals || pattern.match == Condition::Match::kPrefix)) {
      HS_RETURN_IF_ERROR(draft.Put(value, pattern.text));
    }
  }
  if (!draft.Holds(rule.when)) return absl::InvalidArgumentError("no rule of the preset is for such a request");
  return absl::OkStatus();
}

// What is signed besides the body and the time, and is not there: the delivery's id, or a token of its kind.
absl::Status AddSignedIds(const VerifyRule& rule, std::string_view id, size_t items, Draft& draft) {
  std::vector<provider::Chain> chains;
  for (const Expression::Alternative& alternative : rule.signed_text.alternatives()) {
    if (!draft.Holds(alternative.when)) continue;
    for (const provider::TemplateNode& node : alternative.nodes) {
      if (node.kind == provider::TemplateNode::Kind::kChain && IsPlace(node.chain.values.front())) {
        chains.push_back(node.chain);
      }
    }
    break;
  }
  for (const provider::Chain& chain : chains) {
    const Value& place = chain.values.front();
    for (size_t item = 0; item < (place.source == Source::kItem ? items : 1); ++item) {
      const bool there = draft.With([&](Context& context) { return chain.Text(context).has_value(); }, item);
      if (!there) HS_RETURN_IF_ERROR(draft.Put(place, id, /*number=*/false, item));
    }
  }
  return absl::OkStatus();
}

// Calls `make` with the parts of what is signed.
template <typename Make>
absl::StatusOr<std::string> OverSignedText(const VerifyRule& rule, std::string_view key, std::string_view time,
                                           const Draft& draft, size_t item, Make make) {
  return draft.With(
      [&](Context& context) -> absl::StatusOr<std::string> {
        context.bindings().key = key;
        if (rule.time) context.bindings().time = time;
        provider::Pieces pieces;
        if (!rule.signed_text.Evaluate(context, pieces)) {
          return absl::InvalidArgumentError("the request does not have what is signed");
        }
        return make(pieces);
      },
      item);
}

// What a rule that is written in code signs, and brings into the request for it.
absl::StatusOr<std::string> CodeText(const VerifyRule& rule, Draft& draft) {
  if (rule.code == provider::Code::kContentful) {
    draft.SetHeader("x-contentful-signed-headers", "content-type,x-contentful-signed-headers,x-contentful-timestamp");
  }
  std::vector<std::string> texts = draft.With([&](Context& context) { return CodeTexts(rule.code, context); });
  if (texts.empty()) return absl::InvalidArgumentError("the request does not have what is signed");
  return std::move(texts.front());
}

// A token with the claims that the rule asks for, valid for five minutes.
absl::StatusOr<std::string> MakeToken(const Provider& provider, const VerifyRule& rule, const Key& key,
                                      const SignInput& input, const Params& params, const Draft& draft) {
  const Scheme scheme = provider::KeyScheme(rule);
  const int64_t now = absl::ToUnixSeconds(input.now);
  std::string payload = absl::StrCat("{\"iat\":", now, ",\"nbf\":", now, ",\"exp\":", now + 300);
  for (const provider::ClaimRule& claim : rule.claims) {
    const Expression& wanted = claim.any_of.front();
    if (provider::ReadsLeftOut(provider, wanted, params)) continue;
    const std::optional<std::string> text = draft.Text(wanted);
    if (!text) return absl::InvalidArgumentError(absl::StrCat("can't make the claim ", claim.name));
    absl::StrAppend(&payload, ",", provider::JsonQuoted(claim.names.front()), ":", provider::JsonQuoted(*text));
  }
  payload += '}';
  const std::string header = absl::StrCat("{\"alg\":\"", ToAbsl(provider::JwtAlgorithmName(rule.algorithm)),
                                          "\",\"typ\":\"JWT\",\"kid\":", provider::JsonQuoted(key.id), "}");
  const std::string text = absl::StrCat(provider::EncodeBase64Url(header), ".", provider::EncodeBase64Url(payload));
  const std::string_view part = text;
  std::string signature;
  if (provider::IsPublicKey(scheme)) {
    HS_ASSIGN_OR_RETURN(signature, input.private_key->Sign(scheme, {&part, 1}));
    if (scheme == Scheme::kEcdsaP256) signature = EcdsaFromDer(signature).value_or("");
  } else {
    HS_ASSIGN_OR_RETURN(const DecodedSecret decoded, DecodeKey(rule, rule.key_form, key.secret));
    signature = decoded.mac->Compute({&part, 1}).view();
  }
  return absl::StrCat(text, ".", provider::EncodeBase64Url(signature));
}

// What stands where the preset reads the signature, without its prefix. A new scheme is one more case.
absl::StatusOr<std::string> MakeProof(const Provider& provider, const VerifyRule& rule, const Key& key,
                                      const SignInput& input, const Params& params, std::string_view time, Draft& draft,
                                      size_t item) {
  const PrivateKey* private_key = input.private_key;
  if (provider::IsPublicKey(provider::KeyScheme(rule)) && private_key == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("scheme ", ToAbsl(provider::SchemeName(rule.scheme)),
                                                   " is signed with a private key, of which the source has the public "
                                                   "one"));
  }
  if (rule.scheme == Scheme::kJwt) return MakeToken(provider, rule, key, input, params, draft);
  if (provider::IsPublicKey(rule.scheme)) {
    return OverSignedText(rule, {}, time, draft, item, [&](const provider::Pieces& pieces) {
      auto signature = private_key->Sign(rule.scheme, pieces);
      return signature.ok() ? absl::StatusOr<std::string>(Encode(*signature, rule.encoding)) : signature;
    });
  }
  HS_ASSIGN_OR_RETURN(const DecodedSecret decoded, DecodeKey(rule, rule.key_form, key.secret));
  if (rule.scheme == Scheme::kEqual) return decoded.bytes;
  if (rule.scheme == Scheme::kBasic) return absl::StrCat("Basic ", provider::EncodeBase64(decoded.bytes));
  if (rule.code != provider::Code::kNone) {
    HS_ASSIGN_OR_RETURN(const std::string text, CodeText(rule, draft));
    const std::string_view part = text;
    return Encode(decoded.mac->Compute({&part, 1}).view(), rule.encoding);
  }
  return OverSignedText(rule, decoded.bytes, time, draft, item,
                        [&](const provider::Pieces& pieces) -> absl::StatusOr<std::string> {
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
  SetEventHeaders(provider, input.type, input.id, draft);
  const VerifyRule& rule = ChooseRule(provider, draft);
  const bool timed = rule.time && rule.time->claim.empty();
  const Value* time_place = timed ? Place(rule.time->from) : nullptr;
  if (timed && time_place == nullptr) return absl::UnimplementedError("a computed time can't be put into a request");
  const std::string time = timed ? provider::FormatTimeText(input.now, rule.time->unit) : std::string();
  if (time_place != nullptr) {
    HS_RETURN_IF_ERROR(
        draft.Put(*time_place, absl::StrCat(rule.time->part.prefix, time), provider::IsNumber(rule.time->unit)));
  }
  if (const Value* place = Place(rule.key_by)) HS_RETURN_IF_ERROR(draft.Put(*place, key.id));
  HS_RETURN_IF_ERROR(Satisfy(provider, rule, params, draft));
  if (rule.scheme == Scheme::kNone) return std::move(draft).Take();

  size_t items = 1;
  if (rule.per_item) {
    HS_ASSIGN_OR_RETURN(items, draft.CountItems());
  }
  HS_RETURN_IF_ERROR(AddSignedIds(rule, input.id, items, draft));
  const provider::SignatureSource& source = rule.signatures.front();
  Value numbered;
  numbered.source = Source::kHeader;
  numbered.name = absl::StrCat(source.numbered_header, 1);
  const Value* place = source.numbered_header.empty() ? Place(source.value) : &numbered;
  if (place == nullptr) return absl::UnimplementedError("a computed signature can't be put into a request");
  const bool shares_header = time_place != nullptr && time_place->source == Source::kHeader &&
                             place->source == Source::kHeader && absl::EqualsIgnoreCase(time_place->name, place->name);
  for (size_t item = 0; item < items; ++item) {
    HS_ASSIGN_OR_RETURN(const std::string proof, MakeProof(provider, rule, key, input, params, time, draft, item));
    const std::string prefix = rule.prefix.empty() ? Before(rule.part) : draft.Text(rule.prefix).value_or("");
    std::string value = absl::StrCat(prefix, proof);
    if (shares_header) value = absl::StrCat(rule.time->part.prefix, time, rule.part.separator, value);
    HS_RETURN_IF_ERROR(draft.Put(*place, value, /*number=*/false, item));
  }
  return std::move(draft).Take();
}

}  // namespace hookstream::verify
