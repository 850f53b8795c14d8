#include "verify/diagnose.h"

#include <algorithm>
#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "provider/context.h"
#include "verify/sign.h"

namespace hookstream::verify {
namespace {

using provider::KeyForm;
using provider::Provider;
using provider::Request;
using provider::Source;
using provider::VerifyRule;

// One reading of a key or a body, with the words for a person if it is the one that matches.
struct Variant {
  std::string text;
  std::string cause;
};

bool UsesUrl(const Provider& provider) {
  bool uses = false;
  for (const VerifyRule& rule : provider.verify) {
    rule.signed_text.ForEachValue([&](const provider::Value& value) {
      uses |= value.source == Source::kUrl || value.source == Source::kTarget || value.source == Source::kPath;
    });
  }
  return uses;
}

std::string SignatureNames(const Provider& provider) {
  std::vector<std::string> names;
  for (const VerifyRule& rule : provider.verify) {
    for (const provider::SignatureSource& source : rule.signatures) {
      if (!source.numbered_header.empty()) names.push_back(absl::StrCat(source.numbered_header, "1"));
      source.value.ForEachValue([&](const provider::Value& value) {
        if (std::find(names.begin(), names.end(), value.name) == names.end()) names.push_back(value.name);
      });
    }
  }
  return absl::StrJoin(names, ", ");
}

// JSON with the whitespace between its tokens replaced: what remains when a program has parsed and written it again.
std::string Respaced(std::string_view json, std::string_view after_comma, std::string_view after_colon) {
  std::string out;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      out.push_back(c);
      if (c == '\\' && i + 1 < json.size()) out.push_back(json[++i]);
      if (c == '"') in_text = false;
    } else if (!absl::ascii_isspace(static_cast<unsigned char>(c))) {
      out.push_back(c);
      in_text = c == '"';
      if (c == ',') out += after_comma;
      if (c == ':') out += after_colon;
    }
  }
  return out;
}

std::vector<Variant> Bodies(std::string_view body) {
  const std::string text(body);
  std::string trimmed = text;
  absl::StripTrailingAsciiWhitespace(&trimmed);
  std::vector<Variant> variants = {
      {trimmed, "the signature is over the body without the line break at its end: an editor or `echo` has added one"},
      {text + "\n", "the signature is over the body with a line break at its end, which was cut off"},
      {text + "\r\n", "the signature is over the body with CR LF at its end, which was cut off"},
      {absl::StrReplaceAll(text, {{"\r\n", "\n"}}), "the body's line ends were changed from LF to CR LF"},
      {absl::StrReplaceAll(absl::StrReplaceAll(text, {{"\r\n", "\n"}}), {{"\n", "\r\n"}}),
       "the body's line ends were changed from CR LF to LF"},
  };
  if (absl::StartsWith(text, "\xef\xbb\xbf"))
    variants.push_back({text.substr(3), "a byte order mark was put before the body"});
  if (!trimmed.empty() && (trimmed[0] == '{' || trimmed[0] == '[')) {
    constexpr const char* kReencoded =
        "the JSON was parsed and written again on its way: keep the raw bytes of the body, not its parsed form";
    variants.push_back({Respaced(trimmed, "", ""), kReencoded});
    variants.push_back({Respaced(trimmed, " ", " "), kReencoded});
    variants.push_back({Respaced(trimmed, "", " "), kReencoded});
  }
  std::erase_if(variants, [&](const Variant& variant) { return variant.text == body; });
  return variants;
}

std::vector<Variant> Urls(std::string_view url) {
  const auto [origin, target] = SplitUrl(url);
  const std::string base(origin);
  const std::string rest(target);
  std::vector<Variant> variants;
  const auto add = [&](std::string text) {
    if (text == url) return;
    std::string cause = absl::StrCat("the URL differs: the provider signed ", text, ", not ", ToAbsl(url));
    variants.push_back({std::move(text), std::move(cause)});
  };
  const size_t query = std::min(rest.find('?'), rest.size());
  const std::string path = rest.substr(0, query);
  std::vector<std::string> targets = {rest, path};
  if (path.size() > 1 && path.back() == '/') {
    targets.push_back(path.substr(0, path.size() - 1) + rest.substr(query));
  } else {
    targets.push_back(path + "/" + rest.substr(query));
  }
  if (rest == "/") targets.push_back("");
  std::vector<std::string> origins = {base};
  if (absl::StartsWith(base, "https://")) origins.push_back(absl::StrCat("http://", base.substr(8)));
  if (absl::StartsWith(base, "http://")) origins.push_back(absl::StrCat("https://", base.substr(7)));
  const std::vector<std::string> schemes = origins;
  for (const std::string& scheme : schemes) {
    const size_t colon = scheme.rfind(':');
    if (colon > 5 && scheme.find(']', colon) == std::string::npos) {
      origins.push_back(scheme.substr(0, colon));
    } else {
      origins.push_back(absl::StrCat(scheme, absl::StartsWith(scheme, "https") ? ":443" : ":80"));
    }
  }
  for (const std::string& candidate : origins) {
    for (const std::string& path_form : targets) add(candidate + path_form);
  }
  return variants;
}

struct KeyVariant {
  std::vector<Key> keys;
  Options options;
  std::string cause;
};

std::vector<KeyVariant> KeyVariants(const Provider& provider, const std::vector<Key>& keys, const Options& options) {
  std::vector<KeyVariant> variants;
  const VerifyRule& rule = provider.verify.back();
  if (!provider::IsHmac(rule.scheme)) return variants;
  const KeyForm own = options.key_form.value_or(rule.key_form);
  const auto changed = [&](const std::function<std::string(const std::string&)>& change) {
    std::vector<Key> out = keys;
    for (Key& key : out) key.secret = change(key.secret);
    return out;
  };
  variants.push_back(
      {changed([](const std::string& secret) { return std::string(absl::StripAsciiWhitespace(secret)); }), options,
       "the secret has spaces or a line break around it: remove them"});
  for (const char* prefix : {"whsec_", "whsk_"}) {
    variants.push_back({changed([&](const std::string& secret) {
                          return absl::StartsWith(secret, prefix) ? secret.substr(std::string_view(prefix).size())
                                                                  : secret;
                        }),
                        options, absl::StrCat("the sender's key is the secret without its beginning, ", prefix)});
    variants.push_back(
        {changed([&](const std::string& secret) { return absl::StrCat(prefix, secret); }), options,
         absl::StrCat("the secret lacks its beginning, ", prefix, ": copy it as the provider's page shows it")});
  }
  const std::pair<KeyForm, const char*> forms[] = {
      {KeyForm::kText,
       "the key is the secret's text as it is, but this preset decodes it: use the preset of that provider, "
       "or a key of the form text"},
      {KeyForm::kBase64,
       "the key is the base64-decoded secret, but this preset takes its text: use a preset with key: base64"},
      {KeyForm::kHex,
       "the key is the hex-decoded secret, but this preset takes another form: use a preset with key: hex"}};
  const size_t plain = variants.size();
  for (const auto& [form, cause] : forms) {
    if (form == own) continue;
    Options other = options;
    other.key_form = form;
    variants.push_back({keys, other, cause});
    for (size_t i = 0; i < plain; ++i) variants.push_back({variants[i].keys, other, cause});
  }
  return variants;
}

// The signature itself was right, whatever else was wrong.
bool SignatureRight(const Verdict& verdict) {
  return verdict.ok || verdict.reason == Reason::kTimestampStale || verdict.reason == Reason::kTimestampFuture ||
         verdict.reason == Reason::kRequirementFailed || verdict.reason == Reason::kKeyNotValidNow;
}

bool Matches(const Provider& provider, const std::vector<Key>& keys, const Params& params, const Request& request,
             absl::Time now, const Options& options) {
  const auto verifier = Verifier::Create(provider, keys, params, options);
  if (!verifier.ok()) return false;  // this reading of the secret is not possible
  provider::Context context(request, provider.content);
  return SignatureRight((*verifier)->Verify(context, now));
}

std::string MismatchCause(const Provider& provider, const std::vector<Key>& keys, const Params& params,
                          const Request& request, absl::Time now, const Options& options) {
  const auto with_body = [&](std::string_view body) {
    Request changed = request;
    changed.body = body;
    return changed;
  };
  const std::vector<Variant> bodies = Bodies(request.body);
  for (const Variant& body : bodies) {
    if (Matches(provider, keys, params, with_body(body.text), now, options)) return body.cause;
  }
  if (UsesUrl(provider)) {
    for (const Variant& url : Urls(absl::StrCat(ToAbsl(request.public_url), ToAbsl(request.target)))) {
      Request changed = request;
      std::tie(changed.public_url, changed.target) = SplitUrl(url.text);
      if (SplitUrl(url.text).first.size() == url.text.size()) changed.target = "";
      if (Matches(provider, keys, params, changed, now, options)) return url.cause;
    }
  }
  const std::vector<KeyVariant> key_variants = KeyVariants(provider, keys, options);
  for (const KeyVariant& key : key_variants) {
    if (Matches(provider, key.keys, params, request, now, key.options)) return key.cause;
  }
  for (const KeyVariant& key : key_variants) {
    for (const Variant& body : bodies) {
      if (Matches(provider, key.keys, params, with_body(body.text), now, key.options)) {
        return absl::StrCat(key.cause, "; and ", body.cause);
      }
    }
  }
  return absl::StrCat("the secret is another one, or the body", UsesUrl(provider) ? " or the URL" : "",
                      " was changed: no other reading of them matches either");
}

std::string Cause(const Provider& provider, const std::vector<Key>& keys, const Params& params, const Request& request,
                  absl::Time now, const Options& options, Reason reason) {
  switch (reason) {
    case Reason::kNone: return {};
    case Reason::kNoRule: return "the request has none of the marks by which this preset knows what to check";
    case Reason::kSignatureMissing:
      return absl::StrCat("the request carries no signature (", SignatureNames(provider),
                          "): has the webhook a secret at the provider, and does a proxy drop the header?");
    case Reason::kHeaderMalformed:
      return absl::StrCat("the signature can't be read (", SignatureNames(provider),
                          "): was it cut, quoted, or is it another scheme's?");
    case Reason::kDuplicateHeader:
      return "a header that counts for the signature came twice: which one is right is unknown";
    case Reason::kTimestampMissing:
      return "the time that is signed is not in the request: does a proxy drop its header?";
    case Reason::kTimestampStale:
      return "the signature is right, but the request is too old: a replay, a delayed delivery, or a clock that is "
             "ahead";
    case Reason::kTimestampFuture:
      return "the signature is right, but its time lies in the future: a clock that is behind";
    case Reason::kSignedValueMissing:
      return "something that is signed is not in the request: does a proxy drop a header?";
    case Reason::kRequirementFailed:
      return "the signature is right, but not what it stands for: the body does not fit to its hash, or a header that "
             "has "
             "to have a certain value has another";
    case Reason::kKeyNotValidNow: return "the signature is right, but its key is not valid at this time";
    case Reason::kTokenInvalid:
      return "the token is not for this: its algorithm or one of its claims (issuer, audience, the body's hash) is "
             "another";
    case Reason::kKeyAddressRefused:
      return "the request says that its key lies where this provider has none: a forgery, or a provider that has moved";
    case Reason::kKeyNotFetched:
      return "the provider's key has to be fetched, which this command does not do: give it with --secret";
    case Reason::kUnknownKey: return "the request names a key whose id is not configured";
    case Reason::kSignatureMismatch: return MismatchCause(provider, keys, params, request, now, options);
  }
  return {};
}

}  // namespace

absl::StatusOr<Diagnosis> Diagnose(const Provider& provider, const std::vector<Key>& keys, const Params& params,
                                   const Request& request, absl::Time now, const Options& options) {
  HS_ASSIGN_OR_RETURN(const std::unique_ptr<Verifier> verifier, Verifier::Create(provider, keys, params, options));
  provider::Context context(request, provider.content);
  Diagnosis diagnosis;
  diagnosis.verdict = verifier->Verify(context, now);
  diagnosis.key_id = diagnosis.verdict.key_id;
  diagnosis.verdict.key_id = {};
  diagnosis.cause = Cause(provider, keys, params, request, now, options, diagnosis.verdict.reason);
  return diagnosis;
}

}  // namespace hookstream::verify
