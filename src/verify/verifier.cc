#include "verify/verifier.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "provider/encoding.h"
#include "provider/time_text.h"
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

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

bool SameSecret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

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

void AddCandidates(const VerifyRule& rule, std::string_view value, Candidates& out) {
  out.any_source = true;
  out.too_many |= !ForEachTaggedPart(rule.part, value, kMaxSignatures, [&](std::string_view part) {
    std::optional<std::string> decoded = DecodeCandidate(rule, part);
    if (decoded && !decoded->empty()) out.decoded.push_back(*std::move(decoded));
  });
  out.too_many |= out.decoded.size() > kMaxSignatures;
}

Candidates FindCandidates(const VerifyRule& rule, Context& context) {
  Candidates out;
  for (const provider::SignatureSource& source : rule.signatures) {
    if (source.numbered_header.empty()) {
      if (const auto text = source.value.Text(context)) AddCandidates(rule, *text, out);
      continue;
    }
    for (size_t i = 1; i <= kMaxSignatures; ++i) {
      const auto text = context.Header(absl::StrCat(source.numbered_header, i));
      if (!text) break;
      AddCandidates(rule, *text, out);
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
  if (rule.unit == TimeUnit::kSeconds) now = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
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
    std::vector<NamedKey> keys;
  };

  const provider::Provider* provider = nullptr;
  Params params;
  Options options;
  std::vector<Rule> rules;

  // The key among `keys` whose signature is there, for the text that the context gives at the moment.
  const NamedKey* FindMatch(const Rule& rule, const KeyList& keys, const Candidates& candidates, Context& context,
                            bool& text_missing) const;
  Verdict Decide(const Rule& rule, Context& context, absl::Time now) const;
};

const Verifier::State::NamedKey* Verifier::State::FindMatch(const Rule& rule, const KeyList& keys,
                                                            const Candidates& candidates, Context& context,
                                                            bool& text_missing) const {
  const VerifyRule& spec = *rule.rule;
  const bool compares = spec.scheme == Scheme::kEqual || spec.scheme == Scheme::kBasic;
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
    }
    Mac mac;
    if (key->key.mac) mac = key->key.mac->Compute(pieces);
    for (const std::string& candidate : candidates.decoded) {
      const bool same = provider::IsPublicKey(spec.scheme) ? CheckPublicKey(spec.scheme, key->key, pieces, candidate)
                        : compares                         ? SameSecret(candidate, key->key.bytes)
                                                           : SameSecret(candidate, mac.view());
      if (same) return key;
    }
  }
  return nullptr;
}

Verdict Verifier::State::Decide(const Rule& rule, Context& context, absl::Time now) const {
  const VerifyRule& spec = *rule.rule;
  Verdict verdict;
  verdict.scheme = provider::SchemeName(spec.scheme);
  const auto refuse = [&](Reason reason) {
    verdict.ok = false;
    verdict.reason = reason;
    return verdict;
  };
  if (RepeatsHeader(spec, context)) return refuse(Reason::kDuplicateHeader);

  std::optional<ReadTime> time;
  if (spec.scheme != Scheme::kNone) {
    KeyList valid;
    KeyList outside;
    const std::string_view wanted = spec.key_by.NonEmptyText(context);
    for (const NamedKey& key : rule.keys) {
      if (!spec.key_by.empty() && key.id != wanted) continue;
      (key.ValidAt(now) ? valid : outside).push_back(&key);
    }

    size_t rounds = 1;
    if (spec.per_item) {
      const provider::SplitResult split = context.Split(provider->event.split);
      // A list without items carries no signature at all.
      if (split != provider::SplitResult::kItems || context.ItemCount() == 0) return refuse(Reason::kSignatureMissing);
      rounds = context.ItemCount();
    }
    for (size_t round = 0; round < rounds; ++round) {
      if (spec.per_item) context.SelectItem(round);
      const Candidates candidates = FindCandidates(spec, context);
      if (!candidates.any_source) return refuse(Reason::kSignatureMissing);
      if (candidates.decoded.empty() || candidates.too_many) return refuse(Reason::kHeaderMalformed);
      if (spec.time && !time) {
        Reason reason = Reason::kNone;
        time = FindTime(*spec.time, context, reason);
        if (!time) return refuse(reason);
        context.bindings().time = time->text;
      }
      if (valid.empty() && outside.empty()) return refuse(Reason::kUnknownKey);

      bool text_missing = false;
      const NamedKey* match = nullptr;
      bool in_time = true;
      for (const KeyList* keys : {&valid, &outside}) {
        in_time = keys == &valid;
        match = FindMatch(rule, *keys, candidates, context, text_missing);
        if (match == nullptr && spec.try_ports) {
          const std::optional<std::string_view> configured = context.bindings().url;
          if (const auto other = OtherPortForm(context.Url())) {
            context.bindings().url = *other;
            match = FindMatch(rule, *keys, candidates, context, text_missing);
            context.bindings().url = configured;
          }
        }
        if (match != nullptr || text_missing) break;
      }
      if (text_missing) return refuse(Reason::kSignedValueMissing);
      if (match == nullptr) return refuse(Reason::kSignatureMismatch);
      verdict.key_id = match->id;
      if (!in_time) return refuse(Reason::kKeyNotValidNow);
    }
  }

  if (time) {
    verdict.signed_at = time->time;
    const Reason reason = CheckWindow(*spec.time, options, time->time, now);
    if (reason != Reason::kNone) return refuse(reason);
  }
  for (const provider::Requirement& requirement : spec.require) {
    const auto value = requirement.value.Text(context);
    const auto expected = requirement.expected.Text(context);
    if (!value || !expected || !SameSecret(*value, *expected)) {
      verdict.signed_at.reset();
      return refuse(Reason::kRequirementFailed);
    }
  }
  verdict.ok = true;
  return verdict;
}

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
    const auto found = params.find(name);
    if (found == params.end() || found->second.empty()) return refuse("the parameter '", name, "' is missing");
  }
  for (const auto& [name, value] : params) {
    if (std::find(provider.secrets.begin(), provider.secrets.end(), name) == provider.secrets.end()) {
      return refuse("there is no parameter '", name, "'");
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
  bool takes_keys = false;
  for (const VerifyRule& spec : provider.verify) {
    State::Rule rule;
    rule.rule = &spec;
    if (spec.scheme != Scheme::kNone) {
      takes_keys = true;
      if (keys.empty()) return refuse("needs a key");
      for (const Key& key : keys) {
        auto decoded = DecodeKey(spec, options.key_form.value_or(spec.key_form), key.secret);
        if (!decoded.ok()) return refuse("key '", key.id, "': the secret ", decoded.status().message());
        rule.keys.push_back({key.id, key.not_before, key.not_after, *std::move(decoded)});
      }
    }
    state->rules.push_back(std::move(rule));
  }
  if (!takes_keys && !keys.empty()) return refuse("verifies nothing, so it takes no keys");
  return std::unique_ptr<Verifier>(new Verifier(std::move(state)));
}

Verdict Verifier::Verify(Context& context, absl::Time now) const {
  const Context::Bindings before = context.bindings();
  context.bindings().secrets = &state_->params;
  Verdict verdict;
  verdict.reason = Reason::kNoRule;
  for (const State::Rule& rule : state_->rules) {
    if (!rule.rule->when.Holds(context)) continue;
    verdict = state_->Decide(rule, context, now);
    if (rule.rule->per_item) context.SelectItem(std::nullopt);
    break;
  }
  context.bindings() = before;
  return verdict;
}

const provider::Provider& Verifier::provider() const { return *state_->provider; }

const Params& Verifier::params() const { return state_->params; }

std::optional<std::string_view> Verifier::DecodedKey(std::string_view key_id, absl::Time now) const {
  for (const State::Rule& rule : state_->rules) {
    for (const State::NamedKey& key : rule.keys) {
      if (key_id.empty() ? key.ValidAt(now) : key.id == key_id) return key.key.bytes;
    }
  }
  return std::nullopt;
}

}  // namespace hookstream::verify
