#include "verify/verifier.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "provider/encoding.h"
#include "provider/time_text.h"
#include "verify/code.h"
#include "verify/compare.h"
#include "verify/jwt.h"
#include "verify/key.h"
#include "verify/tagged.h"

namespace hookstream::verify {
namespace {

using provider::Context;
using provider::Encoding;
using provider::Pieces;
using provider::Scheme;
using provider::TimeUnit;
using provider::VerifyRule;

// A signature as it came, decoded; usually held without an allocation of its own.
struct Candidates {
  absl::InlinedVector<std::string, 2> decoded;
  // A signature's place was there, whatever was in it.
  bool any_source = false;
  bool too_many = false;
};

std::optional<std::string> DecodeCandidate(const VerifyRule& rule, std::string_view text) {
  if (rule.scheme == Scheme::kBasic) {
    constexpr std::string_view kScheme = "basic ";
    if (!absl::StartsWithIgnoreCase(ToAbsl(text), ToAbsl(kScheme))) return std::nullopt;
    return provider::DecodeBase64(text.substr(kScheme.size()), provider::Padding::kRequired);
  }
  switch (rule.encoding) {
    case Encoding::kHex: return provider::DecodeHex(text);
    case Encoding::kBase64: return provider::DecodeBase64(text, provider::Padding::kRequired);
    case Encoding::kBase64Url: return provider::DecodeBase64Url(text);
    case Encoding::kText: return std::string(text);
  }
  return std::nullopt;
}

void AddCandidates(const VerifyRule& rule, const provider::Tagged& part_rule, std::string_view value, Candidates& out) {
  out.any_source = true;
  out.too_many |= !ForEachTaggedPart(part_rule, value, kMaxSignatures, [&](std::string_view part) {
    std::optional<std::string> decoded = DecodeCandidate(rule, part);
    if (decoded && !decoded->empty()) out.decoded.push_back(*std::move(decoded));
  });
  out.too_many |= out.decoded.size() > kMaxSignatures;
}

Candidates FindCandidates(const VerifyRule& rule, const provider::Tagged& part_rule, Context& context) {
  Candidates out;
  for (const provider::SignatureSource& source : rule.signatures) {
    if (source.numbered_header.empty()) {
      if (const auto text = source.value.Text(context)) AddCandidates(rule, part_rule, *text, out);
      continue;
    }
    for (size_t i = 1; i <= kMaxSignatures; ++i) {
      const auto text = context.Header(absl::StrCat(source.numbered_header, i));
      if (!text) break;
      AddCandidates(rule, part_rule, *text, out);
    }
  }
  return out;
}

bool RepeatsHeader(const VerifyRule& rule, const Context& context) {
  const auto repeated = [&](std::string_view name) { return context.CountHeader(name) > 1; };
  if (std::any_of(rule.headers.begin(), rule.headers.end(), repeated)) return true;
  for (const provider::SignatureSource& source : rule.signatures) {
    for (size_t i = 1; !source.numbered_header.empty() && i <= kMaxSignatures; ++i) {
      const std::string name = absl::StrCat(source.numbered_header, i);
      if (repeated(name)) return true;
      if (!context.Header(name)) break;
    }
  }
  return false;
}

// The same address without its port, or with its scheme's usual one: what some SDKs of a provider sign (Twilio's).
std::optional<std::string> OtherPortForm(std::string_view url) {
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  const size_t host = scheme_end + 3;
  const size_t host_end = std::min(url.find_first_of("/?", host), url.size());
  const std::string_view authority = url.substr(host, host_end - host);
  const size_t colon = authority.find(':', authority.find(']') == std::string_view::npos ? 0 : authority.find(']'));
  if (colon != std::string_view::npos) {
    return absl::StrCat(ToAbsl(url.substr(0, host + colon)), ToAbsl(url.substr(host_end)));
  }
  const std::string_view port = url.substr(0, scheme_end) == "http" ? ":80" : ":443";
  return absl::StrCat(ToAbsl(url.substr(0, host_end)), ToAbsl(port), ToAbsl(url.substr(host_end)));
}

struct ReadTime {
  std::string_view text;
  absl::Time time;
};

// nullopt with a reason.
std::optional<ReadTime> FindTime(const provider::TimeRule& rule, Context& context, Reason& reason) {
  const std::optional<std::string_view> value = rule.from.Text(context);
  reason = Reason::kTimestampMissing;
  if (!value) return std::nullopt;
  std::optional<std::string_view> text;
  size_t count = 0;
  const bool complete = ForEachTaggedPart(rule.part, *value, kMaxSignatures, [&](std::string_view part) {
    if (count++ == 0) text = part;
  });
  reason = Reason::kHeaderMalformed;
  // Two times, of which one is signed: nobody should have to guess which. Positional parts have others behind them.
  if (!complete || (count > 1 && !rule.part.prefix.empty())) return std::nullopt;
  reason = Reason::kTimestampMissing;
  if (!text) return std::nullopt;
  const auto time = provider::ParseTimeText(*text, rule.unit, provider::Fractions::kRefused);
  reason = Reason::kHeaderMalformed;
  if (!time) return std::nullopt;
  return ReadTime{*text, *time};
}

Reason CheckWindow(const provider::TimeRule& rule, const Options& options, absl::Time signed_at, absl::Time now) {
  // Whole seconds (or milliseconds) are compared as the providers' SDKs do it, so that an age of exactly the limit is
  // accepted through its last second.
  if (rule.unit == TimeUnit::kSeconds || rule.unit == TimeUnit::kHttp)
    now = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  if (rule.unit == TimeUnit::kMilliseconds) now = absl::FromUnixMillis(absl::ToUnixMillis(now));
  const std::optional<absl::Duration> max_age = options.max_age ? options.max_age : rule.max_age;
  // An own max_age moves the other end too, where the preset does not set that one apart.
  const bool future_follows = rule.max_future == rule.max_age;
  const std::optional<absl::Duration> max_future = options.max_future ? options.max_future
                                                   : future_follows   ? max_age
                                                                      : rule.max_future;
  if (max_age && now - signed_at > *max_age) return Reason::kTimestampStale;
  if (max_future && signed_at - now > *max_future) return Reason::kTimestampFuture;
  return Reason::kNone;
}

}  // namespace

std::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kNone: return "";
    case Reason::kNoRule: return "no_rule_applies";
    case Reason::kSignatureMissing: return "signature_missing";
    case Reason::kSignatureMismatch: return "signature_mismatch";
    case Reason::kHeaderMalformed: return "header_malformed";
    case Reason::kDuplicateHeader: return "duplicate_signature_header";
    case Reason::kTimestampMissing: return "timestamp_missing";
    case Reason::kTimestampStale: return "timestamp_stale";
    case Reason::kTimestampFuture: return "timestamp_future";
    case Reason::kSignedValueMissing: return "signed_value_missing";
    case Reason::kRequirementFailed: return "requirement_failed";
    case Reason::kKeyNotValidNow: return "key_not_valid_now";
    case Reason::kTokenInvalid: return "token_invalid";
    case Reason::kKeyAddressRefused: return "key_address_refused";
    case Reason::kKeyNotFetched: return "key_not_fetched";
    case Reason::kUnknownKey: return "unknown_key";
  }
  return "";
}

struct Verifier::State {
  struct NamedKey {
    std::string id;
    absl::Time not_before;
    absl::Time not_after;
    DecodedSecret key;

    bool ValidAt(absl::Time now) const { return not_before <= now && now < not_after; }
  };
  using KeyList = absl::InlinedVector<const NamedKey*, 4>;
  struct Rule {
    const VerifyRule* rule = nullptr;
    // With the prefix of this source.
    provider::Tagged part;
    // Without those that depend on what the source leaves out.
    std::vector<const provider::Requirement*> require;
    std::vector<const provider::ClaimRule*> claims;
    std::vector<NamedKey> keys;

    // Its key comes from the ring.
    bool Fetches() const { return rule->fetch && keys.empty(); }
  };
  // The keys that may be tried, by whether they are valid at the time.
  struct KeyChoice {
    KeyList valid;
    KeyList outside;
  };
  // A signature that fits: by a key of the source, or by a fetched one.
  struct Match {
    const NamedKey* key = nullptr;
    std::shared_ptr<const FetchedKey> fetched;
    bool in_time = true;

    explicit operator bool() const { return key != nullptr || fetched != nullptr; }
  };

  const provider::Provider* provider = nullptr;
  Params params;
  Options options;
  std::vector<Rule> rules;
  // What the preset signs for anyone who asks (a challenge): never an event.
  std::vector<std::shared_ptr<const re2::RE2>> challenges;

  bool CouldBeChallenge(const Pieces& pieces) const;
  KeyChoice ChooseKeys(const Rule& rule, Context& context, absl::Time now) const;
  // The key among `keys` whose signature is there, for the text that the context gives at the moment.
  const NamedKey* FindMatch(const Rule& rule, const KeyList& keys, const Candidates& candidates, Context& context,
                            bool& text_missing) const;
  // The same for a key that was fetched.
  bool Fits(const VerifyRule& rule, const FetchedKey& key, const Candidates& candidates, Context& context,
            bool& text_missing) const;
  // The key of that id from the ring. Null with a reason in the verdict.
  std::shared_ptr<const FetchedKey> Fetch(const provider::KeyFetch& fetch, std::string url, std::string_view key_id,
                                          KeyRing* ring, absl::Time now, Verdict& verdict) const;
  // Where the rule's key is fetched from. kNone: not at all, or `url` is it.
  static Reason FindKeyUrl(const Rule& rule, Context& context, std::string& url);

  Verdict Decide(const Rule& rule, Context& context, absl::Time now, KeyRing* ring) const;
  // kNone: some signature fits.
  Reason CheckSignature(const Rule& rule, Context& context, absl::Time now, KeyRing* ring,
                        std::optional<ReadTime>& time, Verdict& verdict) const;
  Reason CheckToken(const Rule& rule, Context& context, absl::Time now, KeyRing* ring, Verdict& verdict) const;
};

Verifier::State::KeyChoice Verifier::State::ChooseKeys(const Rule& rule, Context& context, absl::Time now) const {
  KeyChoice choice;
  const VerifyRule& spec = *rule.rule;
  const std::string_view wanted = spec.key_by.NonEmptyText(context);
  for (const NamedKey& key : rule.keys) {
    if (!spec.key_by.empty() && key.id != wanted) continue;
    (key.ValidAt(now) ? choice.valid : choice.outside).push_back(&key);
  }
  return choice;
}

bool Verifier::State::CouldBeChallenge(const Pieces& pieces) const {
  if (challenges.empty()) return false;
  std::string text;
  for (const std::string_view piece : pieces) text += piece;
  return std::any_of(challenges.begin(), challenges.end(),
                     [&](const auto& pattern) { return re2::RE2::FullMatch(text, *pattern); });
}

const Verifier::State::NamedKey* Verifier::State::FindMatch(const Rule& rule, const KeyList& keys,
                                                            const Candidates& candidates, Context& context,
                                                            bool& text_missing) const {
  const VerifyRule& spec = *rule.rule;
  const bool compares = spec.scheme == Scheme::kEqual || spec.scheme == Scheme::kBasic;
  if (spec.code != provider::Code::kNone) {
    const std::vector<std::string> texts = CodeTexts(spec.code, context);
    text_missing = texts.empty();
    for (const NamedKey* key : keys) {
      for (const std::string& text : texts) {
        const std::string_view part = text;
        if (CouldBeChallenge({part})) continue;
        const Mac mac = key->key.mac->Compute({&part, 1});
        for (const std::string& candidate : candidates.decoded) {
          if (SameSecret(candidate, mac.view())) return key;
        }
      }
    }
    return nullptr;
  }
  Pieces pieces;
  bool evaluated = false;
  for (const NamedKey* key : keys) {
    if (!compares && (!evaluated || spec.key_in_text)) {
      context.bindings().key = key->key.bytes;
      pieces.clear();
      evaluated = spec.signed_text.Evaluate(context, pieces);
      if (!evaluated) {
        text_missing = true;
        return nullptr;
      }
      if (CouldBeChallenge(pieces)) return nullptr;
    }
    Mac mac;
    if (key->key.mac) mac = key->key.mac->Compute(pieces);
    for (const std::string& candidate : candidates.decoded) {
      const bool same = provider::IsPublicKey(spec.scheme)
                            ? CheckPublicKey(spec.scheme, key->key.public_key.get(), pieces, candidate)
                        : compares ? SameSecret(candidate, key->key.bytes)
                                   : SameSecret(candidate, mac.view());
      if (same) return key;
    }
  }
  return nullptr;
}

bool Verifier::State::Fits(const VerifyRule& rule, const FetchedKey& key, const Candidates& candidates,
                           Context& context, bool& text_missing) const {
  Pieces pieces;
  text_missing = !rule.signed_text.Evaluate(context, pieces);
  if (text_missing) return false;
  return std::any_of(candidates.decoded.begin(), candidates.decoded.end(), [&](const std::string& candidate) {
    return CheckPublicKey(rule.scheme, key.key.get(), pieces, candidate);
  });
}

Reason Verifier::State::FindKeyUrl(const Rule& rule, Context& context, std::string& url) {
  const std::optional<provider::KeyFetch>& fetch = rule.rule->fetch;
  if (!fetch) return Reason::kNone;
  const auto text = fetch->url.Text(context);
  // A source with a key of its own does not need the address; one that is there has to be right all the same.
  if (!text) return rule.keys.empty() ? Reason::kSignedValueMissing : Reason::kNone;
  url = *text;
  const bool refused = fetch->url_match && !re2::RE2::FullMatch(url, *fetch->url_match);
  return refused ? Reason::kKeyAddressRefused : Reason::kNone;
}

std::shared_ptr<const FetchedKey> Verifier::State::Fetch(const provider::KeyFetch& fetch, std::string url,
                                                         std::string_view key_id, KeyRing* ring, absl::Time now,
                                                         Verdict& verdict) const {
  verdict.reason = Reason::kKeyNotFetched;
  if (ring == nullptr) return nullptr;
  auto request = std::make_shared<KeyRequest>();
  request->kind = fetch.kind;
  request->url = std::move(url);
  request->key_id = key_id;
  request->name_match = fetch.name_match;
  request->chain_required = fetch.chain_required;
  if (fetch.kind == provider::KeyFetch::Kind::kPlaid) {
    const auto value = [&](std::string_view name) {
      const auto found = params.find(name);
      return found == params.end() ? std::string("\"\"") : provider::JsonQuoted(found->second);
    };
    request->post_body = absl::StrCat("{\"client_id\":", value("client_id"), ",\"secret\":", value("secret"),
                                      ",\"key_id\":", provider::JsonQuoted(key_id), "}");
  }
  KeyRing::Found found = ring->Find(*request, now);
  if (found.state == KeyRing::State::kUnknown) verdict.reason = Reason::kUnknownKey;
  if (found.state == KeyRing::State::kMissing) verdict.fetch = std::move(request);
  return std::move(found.key);
}

Reason Verifier::State::CheckSignature(const Rule& rule, Context& context, absl::Time now, KeyRing* ring,
                                       std::optional<ReadTime>& time, Verdict& verdict) const {
  const VerifyRule& spec = *rule.rule;
  const KeyChoice choice = ChooseKeys(rule, context, now);
  size_t rounds = 1;
  if (spec.per_item) {
    const provider::SplitResult split = context.Split(provider->events.front().split);
    // A list without items carries no signature at all.
    if (split != provider::SplitResult::kItems || context.ItemCount() == 0) return Reason::kSignatureMissing;
    rounds = context.ItemCount();
  }
  for (size_t round = 0; round < rounds; ++round) {
    if (spec.per_item) context.SelectItem(round);
    const Candidates candidates = FindCandidates(spec, rule.part, context);
    if (!candidates.any_source) return Reason::kSignatureMissing;
    if (candidates.decoded.empty() || candidates.too_many) return Reason::kHeaderMalformed;
    if (spec.time && !time) {
      Reason reason = Reason::kNone;
      time = FindTime(*spec.time, context, reason);
      if (!time) return reason;
      context.bindings().time = time->text;
    }
    std::string key_url;
    if (const Reason reason = FindKeyUrl(rule, context, key_url); reason != Reason::kNone) return reason;

    bool text_missing = false;
    Match match;
    if (rule.Fetches()) {
      const auto fetched = Fetch(*spec.fetch, std::move(key_url), {}, ring, now, verdict);
      if (!fetched) return verdict.reason;
      if (Fits(spec, *fetched, candidates, context, text_missing)) match.fetched = fetched;
    } else if (choice.valid.empty() && choice.outside.empty()) {
      return Reason::kUnknownKey;
    } else {
      for (const KeyList* keys : {&choice.valid, &choice.outside}) {
        match.in_time = keys == &choice.valid;
        match.key = FindMatch(rule, *keys, candidates, context, text_missing);
        if (match.key == nullptr && spec.try_ports) {
          const std::optional<std::string_view> configured = context.bindings().url;
          if (const auto other = OtherPortForm(context.Url())) {
            context.bindings().url = *other;
            match.key = FindMatch(rule, *keys, candidates, context, text_missing);
            context.bindings().url = configured;
          }
        }
        if (match.key != nullptr || text_missing) break;
      }
    }
    if (text_missing) return Reason::kSignedValueMissing;
    if (!match) return Reason::kSignatureMismatch;
    verdict.key_id = match.key != nullptr ? match.key->id : match.fetched->id;
    verdict.fetched = std::move(match.fetched);
    if (!match.in_time) return Reason::kKeyNotValidNow;
  }
  return Reason::kNone;
}

Reason Verifier::State::CheckToken(const Rule& rule, Context& context, absl::Time now, KeyRing* ring,
                                   Verdict& verdict) const {
  const VerifyRule& spec = *rule.rule;
  const Scheme scheme = provider::KeyScheme(spec);
  const Candidates candidates = FindCandidates(spec, rule.part, context);
  if (!candidates.any_source) return Reason::kSignatureMissing;
  // Several tokens: which one is meant is unknown.
  if (candidates.decoded.size() != 1 || candidates.too_many) return Reason::kHeaderMalformed;
  const std::optional<Jwt> token = Jwt::Parse(candidates.decoded.front());
  if (!token) return Reason::kHeaderMalformed;
  // The token does not choose how it is verified.
  if (token->algorithm() != provider::JwtAlgorithmName(spec.algorithm)) return Reason::kTokenInvalid;

  const std::string_view input = token->signing_input();
  std::string signature(token->signature());
  if (scheme == Scheme::kEcdsaP256) {
    auto der = EcdsaToDer(signature);
    if (!der) return Reason::kSignatureMismatch;
    signature = *std::move(der);
  }
  const auto fits = [&](const NamedKey& key) {
    if (provider::IsPublicKey(scheme)) return CheckPublicKey(scheme, key.key.public_key.get(), {&input, 1}, signature);
    return SameSecret(signature, key.key.mac->Compute({&input, 1}).view());
  };
  Match match;
  if (rule.Fetches()) {
    std::string key_url;
    if (const Reason reason = FindKeyUrl(rule, context, key_url); reason != Reason::kNone) return reason;
    if (token->key_id().empty()) return Reason::kTokenInvalid;
    const auto fetched = Fetch(*spec.fetch, std::move(key_url), token->key_id(), ring, now, verdict);
    if (!fetched) return verdict.reason;
    if (CheckPublicKey(scheme, fetched->key.get(), {&input, 1}, signature)) match.fetched = fetched;
  } else {
    const KeyChoice choice = ChooseKeys(rule, context, now);
    if (choice.valid.empty() && choice.outside.empty()) return Reason::kUnknownKey;
    for (const KeyList* keys : {&choice.valid, &choice.outside}) {
      const auto found = std::find_if(keys->begin(), keys->end(), [&](const NamedKey* key) { return fits(*key); });
      if (found == keys->end()) continue;
      match.key = *found;
      match.in_time = keys == &choice.valid;
      break;
    }
  }
  if (!match) return Reason::kSignatureMismatch;
  verdict.key_id = match.key != nullptr ? match.key->id : match.fetched->id;
  verdict.fetched = std::move(match.fetched);
  if (!match.in_time) return Reason::kKeyNotValidNow;

  bool malformed = false;
  // RFC 7519: on or after exp it is over, before nbf it has not begun.
  if (const auto expires = token->TimeClaim("exp", malformed); expires && now >= *expires + spec.leeway) {
    return Reason::kTimestampStale;
  }
  if (malformed) return Reason::kTokenInvalid;
  if (const auto begins = token->TimeClaim("nbf", malformed); begins && now + spec.leeway < *begins) {
    return Reason::kTimestampFuture;
  }
  if (malformed) return Reason::kTokenInvalid;
  if (spec.time) {
    const auto time = token->TimeClaim(spec.time->claim, malformed);
    if (!time) return malformed ? Reason::kTokenInvalid : Reason::kTimestampMissing;
    verdict.signed_at = time;
    const Reason reason = CheckWindow(*spec.time, options, *time, now);
    if (reason != Reason::kNone) return reason;
  } else {
    verdict.signed_at = token->TimeClaim("iat", malformed);
  }
  for (const provider::ClaimRule* claim : rule.claims) {
    std::vector<std::string> values;
    for (const std::string& name : claim->names) {
      values = token->Claim(name);
      if (!values.empty()) break;
    }
    const bool holds = std::any_of(claim->any_of.begin(), claim->any_of.end(), [&](const provider::Expression& wanted) {
      const auto text = wanted.Text(context);
      return text && std::any_of(values.begin(), values.end(),
                                 [&](const std::string& value) { return SameSecret(value, *text); });
    });
    if (!holds) return Reason::kTokenInvalid;
  }
  return Reason::kNone;
}

Verdict Verifier::State::Decide(const Rule& rule, Context& context, absl::Time now, KeyRing* ring) const {
  const VerifyRule& spec = *rule.rule;
  Verdict verdict;
  verdict.scheme = provider::SchemeName(spec.scheme);
  const auto refuse = [&](Reason reason) {
    verdict.reason = reason;
    return std::move(verdict);
  };
  if (RepeatsHeader(spec, context)) return refuse(Reason::kDuplicateHeader);

  std::optional<ReadTime> time;
  if (spec.scheme != Scheme::kNone) {
    const Reason reason = spec.scheme == Scheme::kJwt ? CheckToken(rule, context, now, ring, verdict)
                                                      : CheckSignature(rule, context, now, ring, time, verdict);
    if (reason != Reason::kNone) return refuse(reason);
  }
  if (time) {
    verdict.signed_at = time->time;
    const Reason reason = CheckWindow(*spec.time, options, time->time, now);
    if (reason != Reason::kNone) return refuse(reason);
  }
  for (const provider::Requirement* requirement : rule.require) {
    if (!Holds(*requirement, context)) return refuse(Reason::kRequirementFailed);
  }
  verdict.ok = true;
  verdict.reason = Reason::kNone;
  return verdict;
}

namespace {

// False: the source's configuration alone says that the rule is never meant.
bool MayApply(const provider::Condition& when, const Params& params) {
  Context context = Context::OfNothing();
  context.bindings().secrets = &params;
  for (const provider::Condition::Test& test : when.tests) {
    const bool secret =
        std::all_of(test.value.values.begin(), test.value.values.end(),
                    [](const provider::Value& value) { return value.source == provider::Source::kSecret; });
    if (secret && !provider::Condition{{test}}.Holds(context)) return false;
  }
  return true;
}

}  // namespace

Verifier::Verifier(std::unique_ptr<State> state) : state_(std::move(state)) {}
Verifier::~Verifier() = default;

absl::StatusOr<std::unique_ptr<Verifier>> Verifier::Create(const provider::Provider& provider,
                                                           const std::vector<Key>& keys, const Params& params,
                                                           const Options& options) {
  const auto refuse = [&](auto&&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("provider ", provider.name, ": ", parts...));
  };
  auto state = std::make_unique<State>();
  state->provider = &provider;
  state->options = options;
  for (const std::string& name : provider.secrets) {
    const bool optional = std::find(provider.optional_secrets.begin(), provider.optional_secrets.end(), name) !=
                          provider.optional_secrets.end();
    const auto found = params.find(name);
    if (found == params.end() ? !optional : found->second.empty()) {
      return refuse("the parameter '", name, "' is ", found == params.end() ? "missing" : "empty");
    }
  }
  for (const auto& [name, value] : params) {
    if (std::find(provider.secrets.begin(), provider.secrets.end(), name) == provider.secrets.end()) {
      return refuse(
          "there is no parameter '", name, "'",
          provider.secrets.empty() ? "" : absl::StrCat("; there are: ", absl::StrJoin(provider.secrets, ", ")));
    }
  }
  state->params = params;

  if (keys.size() > kMaxKeys) return refuse("at most ", kMaxKeys, " keys");
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto same = [&](const Key& other) { return other.id == keys[i].id; };
    if (std::any_of(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(i), same)) {
      return refuse("two keys have the id '", keys[i].id, "'");
    }
  }
  for (const provider::HandshakeRule& handshake : provider.handshakes) {
    if (handshake.verified) continue;
    for (const provider::TextMatch& match : handshake.matches) state->challenges.push_back(match.pattern);
  }
  bool takes_keys = false;
  for (const VerifyRule& spec : provider.verify) {
    if (!MayApply(spec.when, params)) continue;
    State::Rule rule;
    rule.rule = &spec;
    rule.part = spec.part;
    if (!spec.prefix.empty()) {
      Context context = Context::OfNothing();
      context.bindings().secrets = &state->params;
      rule.part.prefix = spec.prefix.Text(context).value_or("");
    }
    for (const provider::Requirement& requirement : spec.require) {
      if (!provider::ReadsLeftOut(provider, requirement.expected, params)) rule.require.push_back(&requirement);
    }
    for (const provider::ClaimRule& claim : spec.claims) {
      const bool left_out = std::all_of(
          claim.any_of.begin(), claim.any_of.end(),
          [&](const provider::Expression& wanted) { return provider::ReadsLeftOut(provider, wanted, params); });
      if (!left_out) rule.claims.push_back(&claim);
    }
    if (spec.scheme != Scheme::kNone) {
      takes_keys = true;
      const auto add = [&](const Key& key) {
        auto decoded = DecodeKey(spec, options.key_form.value_or(spec.key_form), key.secret);
        if (!decoded.ok()) return absl::Status(decoded.status());
        rule.keys.push_back({key.id, key.not_before, key.not_after, *std::move(decoded)});
        return absl::OkStatus();
      };
      for (const Key& key : keys) {
        if (const absl::Status status = add(key); !status.ok()) {
          return refuse("key '", key.id, "': the secret ", status.message());
        }
      }
      for (const std::string& name : spec.more_keys) {
        const auto found = params.find(name);
        if (found == params.end()) continue;
        if (const absl::Status status = add({name, found->second}); !status.ok()) {
          return refuse("the parameter '", name, "' ", status.message());
        }
      }
      if (rule.keys.empty() && !spec.fetch && !options.keys_are_learnt) return refuse("needs a key");
    }
    state->rules.push_back(std::move(rule));
  }
  if (!takes_keys && !keys.empty()) return refuse("verifies nothing, so it takes no keys");
  return std::unique_ptr<Verifier>(new Verifier(std::move(state)));
}

Verdict Verifier::Verify(Context& context, absl::Time now, KeyRing* ring) const {
  const Context::Bindings before = context.bindings();
  context.bindings().secrets = &state_->params;
  Verdict verdict;
  verdict.reason = Reason::kNoRule;
  for (const State::Rule& rule : state_->rules) {
    if (!rule.rule->when.Holds(context)) continue;
    verdict = state_->Decide(rule, context, now, ring);
    if (rule.rule->per_item) context.SelectItem(std::nullopt);
    break;
  }
  context.bindings() = before;
  return verdict;
}

const provider::Provider& Verifier::provider() const { return *state_->provider; }

const Params& Verifier::params() const { return state_->params; }

bool Verifier::FetchesKeys() const {
  return std::any_of(state_->rules.begin(), state_->rules.end(),
                     [](const State::Rule& rule) { return rule.Fetches(); });
}

std::vector<std::string_view> Verifier::KeyIds() const {
  std::vector<std::string_view> ids;
  for (const State::Rule& rule : state_->rules) {
    for (const State::NamedKey& key : rule.keys) {
      if (std::find(ids.begin(), ids.end(), key.id) == ids.end()) ids.push_back(key.id);
    }
  }
  return ids;
}

std::optional<std::string_view> Verifier::DecodedKey(std::string_view key_id, absl::Time now) const {
  for (const State::Rule& rule : state_->rules) {
    for (const State::NamedKey& key : rule.keys) {
      if (key_id.empty() ? key.ValidAt(now) : key.id == key_id) return key.key.bytes;
    }
  }
  return std::nullopt;
}

}  // namespace hookstream::verify
