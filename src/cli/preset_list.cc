#include "cli/preset_list.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/units.h"
#include "cli/json_text.h"
#include "provider/expression.h"
#include "provider/presets.h"

namespace hookstream::cli {
namespace {

using provider::Encoding;
using provider::EventRule;
using provider::Expression;
using provider::KeyForm;
using provider::Provider;
using provider::Scheme;
using provider::TimeUnit;
using provider::VerifyRule;

std::string Text(std::string_view text) { return std::string(text); }

// As code of Markdown, on one line; nothing stays nothing.
std::string Code(const std::string& text) {
  return text.empty() ? "" : absl::StrCat("`", absl::StrReplaceAll(text, {{"\n", "\\n"}}), "`");
}

std::string Alternatives(const Expression& expression) {
  std::string text;
  for (const Expression::Alternative& alternative : expression.alternatives()) {
    const std::string when = ToText(alternative.when);
    absl::StrAppend(&text, text.empty() ? "" : ", else ", Code(ToText(alternative.nodes)),
                    when.empty() ? "" : absl::StrCat(" (if ", Code(when), ")"));
  }
  return text;
}

std::string SchemeWords(const VerifyRule& rule) {
  switch (rule.scheme) {
    case Scheme::kSha256: return "SHA-256";
    case Scheme::kEd25519: return "Ed25519 signature";
    case Scheme::kEcdsaP256: return "ECDSA P-256 signature";
    case Scheme::kRsaSha1: return "RSA signature with SHA-1";
    case Scheme::kRsaSha256: return "RSA signature with SHA-256";
    case Scheme::kJwt: return absl::StrCat("JSON Web Token (", Text(provider::JwtAlgorithmName(rule.algorithm)), ")");
    case Scheme::kEqual: return "token";
    case Scheme::kBasic: return "Basic credentials";
    case Scheme::kNone: return "nothing";
    default: break;
  }
  // hmac-sha256: HMAC-SHA-256.
  return absl::StrReplaceAll(absl::AsciiStrToUpper(Text(provider::SchemeName(rule.scheme))), {{"-SHA", "-SHA-"}});
}

std::string EncodingWords(Encoding encoding) {
  switch (encoding) {
    case Encoding::kHex: return ", hex";
    case Encoding::kBase64: return ", base64";
    case Encoding::kBase64Url: return ", base64url";
    case Encoding::kText: return "";
  }
  return "";
}

// Which part of a value is meant.
std::string PartWords(const provider::Tagged& part, bool has_prefix = false) {
  std::string words;
  if (!part.separator.empty()) {
    absl::StrAppend(&words, ", split at ", part.separator == " " ? "spaces" : Code(part.separator));
    if (part.prefix.empty() && !has_prefix) absl::StrAppend(&words, ", part ", part.index + 1);
  }
  if (!part.prefix.empty()) absl::StrAppend(&words, ", after ", Code(part.prefix));
  return words;
}

bool IsBody(const Expression& expression) {
  const auto& alternatives = expression.alternatives();
  return alternatives.size() == 1 && ToText(alternatives.front().nodes) == "body";
}

std::string RuleWords(const VerifyRule& rule) {
  std::string words;
  if (const std::string when = ToText(rule.when); !when.empty()) absl::StrAppend(&words, "if ", Code(when), ": ");
  absl::StrAppend(&words, SchemeWords(rule));
  if (rule.code != provider::Code::kNone) {
    absl::StrAppend(&words, " of what a rule of its own makes of the request");
  } else if (!rule.signed_text.empty() && rule.scheme != Scheme::kJwt) {
    absl::StrAppend(&words, " of ", IsBody(rule.signed_text) ? "the body" : Alternatives(rule.signed_text));
  }
  std::vector<std::string> places;
  for (const provider::SignatureSource& signature : rule.signatures) {
    places.push_back(signature.numbered_header.empty()
                         ? Alternatives(signature.value)
                         : Code(absl::StrCat("header.", signature.numbered_header, "1, 2, ...")));
  }
  if (!places.empty()) absl::StrAppend(&words, " in ", absl::StrJoin(places, " or "));
  absl::StrAppend(&words, PartWords(rule.part, !rule.prefix.empty()));
  if (!rule.prefix.empty()) absl::StrAppend(&words, ", after ", Alternatives(rule.prefix));
  if (rule.scheme != Scheme::kJwt) absl::StrAppend(&words, EncodingWords(rule.encoding));
  for (const provider::ClaimRule& claim : rule.claims) {
    std::vector<std::string> wanted;
    for (const Expression& expression : claim.any_of) wanted.push_back(Alternatives(expression));
    absl::StrAppend(&words, "; claim ", Code(claim.name), " has to be ", absl::StrJoin(wanted, " or "));
  }
  if (rule.per_item) words += ", each item by itself";
  if (rule.try_ports) words += ", the URL with and without its port";
  for (const provider::Requirement& requirement : rule.require) {
    const std::string expected =
        requirement.expected.alternatives().empty() ? "" : ToText(requirement.expected.alternatives().front().nodes);
    absl::StrAppend(&words, "; ", Code(requirement.name), " has to be ", Code(expected));
  }
  return words;
}

std::string VerificationWords(const Provider& preset) {
  std::vector<std::string> rules;
  for (const VerifyRule& rule : preset.verify) rules.push_back(RuleWords(rule));
  return absl::StrJoin(rules, "; otherwise ");
}

std::string KeyWords(const VerifyRule& rule) {
  if (rule.scheme == Scheme::kNone) return "none";
  if (rule.scheme == Scheme::kBasic) return "`user:password`";
  std::string words;
  const bool is_public = provider::IsPublicKey(provider::KeyScheme(rule));
  switch (rule.key_form) {
    case KeyForm::kText: words = rule.scheme == Scheme::kEqual ? "the token itself" : "the secret as text"; break;
    case KeyForm::kSha1: words = "the secret as text (its SHA-1 is the key)"; break;
    case KeyForm::kHex: words = is_public ? "the public key in hex" : "hex"; break;
    case KeyForm::kBase64: words = is_public ? "the public key in base64" : "base64"; break;
    case KeyForm::kPem: words = "the public key as PEM"; break;
    case KeyForm::kSpkiBase64: words = "the public key in base64 (SubjectPublicKeyInfo)"; break;
    case KeyForm::kX509Pem: words = "the certificate as PEM"; break;
  }
  if (!rule.key_prefix.empty()) absl::StrAppend(&words, " after ", Code(rule.key_prefix));
  if (!rule.key_by.empty()) absl::StrAppend(&words, "; its id is in ", Alternatives(rule.key_by));
  if (!rule.more_keys.empty()) absl::StrAppend(&words, "; also ", Code(absl::StrJoin(rule.more_keys, ", ")));
  // A source that has keys of its own is verified by them alone.
  if (rule.fetch) return absl::StrCat("none, it is fetched from ", Alternatives(rule.fetch->url), "; or ", words);
  return words;
}

// Of the rules in their order, each thing once.
std::string EachOnce(const Provider& preset, const std::function<std::string(const VerifyRule&)>& words) {
  std::vector<std::string> once;
  for (const VerifyRule& rule : preset.verify) {
    std::string text = words(rule);
    if (!text.empty() && std::find(once.begin(), once.end(), text) == once.end()) once.push_back(std::move(text));
  }
  return absl::StrJoin(once, "; ");
}

std::string UnitWords(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kSeconds: return "s";
    case TimeUnit::kMilliseconds: return "ms";
    case TimeUnit::kIso: return "ISO 8601";
    case TimeUnit::kHttp: return "an HTTP date";
  }
  return "";
}

std::string SignedTimeWords(const VerifyRule& rule) {
  if (!rule.time) return "";
  const std::string place =
      rule.time->claim.empty() ? Alternatives(rule.time->from) : absl::StrCat("claim ", Code(rule.time->claim));
  std::string words = absl::StrCat(place, PartWords(rule.time->part), ", ", UnitWords(rule.time->unit), "; ");
  const auto& [age, future] = std::pair(rule.time->max_age, rule.time->max_future);
  if (!age && !future) return words + "any age";
  absl::StrAppend(&words, age ? absl::StrCat("at most ", DurationText(*age), " old") : "any age");
  if (future && future != age) absl::StrAppend(&words, ", ", DurationText(*future), " ahead");
  return words;
}

// Of the event rules in their order, each with its condition; once, where it is the same for all.
std::string EachEvent(const Provider& preset, const std::function<std::string(const EventRule&)>& words) {
  std::vector<std::string> rules;
  bool same = true;
  for (const EventRule& rule : preset.events) {
    same &= words(rule) == words(preset.events.front());
    const std::string when = ToText(rule.when);
    rules.push_back(absl::StrCat(when.empty() ? "" : absl::StrCat("if ", Code(when), ": "), words(rule)));
  }
  return same ? words(preset.events.front()) : absl::StrJoin(rules, "; otherwise ");
}

std::string IdWords(const Provider& preset) {
  return EachEvent(preset, [](const EventRule& rule) {
    const std::string places = Alternatives(rule.id);
    if (!rule.id_is_hash) return places.empty() ? "none: no dedupe" : places;
    return absl::StrCat(places, places.empty() ? "" : ", else ", "hash of its bytes");
  });
}

std::string EventTimeWords(const Provider& preset) {
  return EachEvent(preset, [](const EventRule& rule) {
    const std::string places = Alternatives(rule.time);
    return places.empty() || rule.time_unit == TimeUnit::kIso ? places
                                                              : absl::StrCat(places, ", ", UnitWords(rule.time_unit));
  });
}

std::string TypeWords(const Provider& preset) {
  return EachEvent(preset, [](const EventRule& rule) {
    const std::string places = Alternatives(rule.type);
    return places.empty() ? "`unknown`" : places;
  });
}

std::string HandshakeWords(const Provider& preset) {
  std::vector<std::string> words;
  for (const provider::HandshakeRule& handshake : preset.handshakes) {
    words.push_back(absl::StrCat(
        Code(ToText(handshake.when)), handshake.verified ? "" : ", unsigned",
        handshake.learn.empty() ? "" : absl::StrCat(", tells the key in ", Alternatives(handshake.learn)),
        handshake.fetch.empty() ? "" : absl::StrCat(", confirmed by a GET of ", Alternatives(handshake.fetch))));
  }
  return absl::StrJoin(words, "; ");
}

bool IsOptional(const Provider& preset, const std::string& param) {
  const auto& optional = preset.optional_secrets;
  return std::find(optional.begin(), optional.end(), param) != optional.end();
}

// The values besides keys; those that may be left out are marked.
std::string ParamWords(const Provider& preset) {
  std::vector<std::string> words;
  for (const std::string& param : preset.secrets) {
    words.push_back(absl::StrCat(Code(param), IsOptional(preset, param) ? " (optional)" : ""));
  }
  return absl::StrJoin(words, ", ");
}

std::string Schemes(const Provider& preset) {
  return EachOnce(preset, [](const VerifyRule& rule) { return Text(provider::SchemeName(rule.scheme)); });
}

// A cell of a Markdown table.
std::string Cell(const std::string& text) { return absl::StrReplaceAll(text, {{"|", "\\|"}, {"\n", " "}}); }

void AppendRow(std::string& page, const std::vector<std::string>& cells) {
  page += "|";
  for (const std::string& cell : cells) absl::StrAppend(&page, " ", Cell(cell), cell.empty() ? "|" : " |");
  page += "\n";
}

void AppendHead(std::string& page, const std::vector<std::string>& names) {
  AppendRow(page, names);
  page += "|";
  for (size_t i = 0; i < names.size(); ++i) page += "---|";
  page += "\n";
}

std::vector<const Provider*> Presets() {
  std::vector<const Provider*> presets;
  for (const std::string_view name : provider::PresetNames()) presets.push_back(provider::FindPreset(name));
  return presets;
}

// Without the marks of Markdown.
std::string Plain(const std::string& words) { return absl::StrReplaceAll(words, {{"`", ""}}); }

}  // namespace

std::string PresetsMarkdown() {
  const std::vector<const Provider*> presets = Presets();
  std::string page = absl::StrCat(
      "# Providers\n\n"
      "The ",
      presets.size(),
      " built-in presets, as the program has them. This page is written by the program itself:\n"
      "`hookstream sources presets --output markdown > docs/providers.md`. `hookstream sources presets NAME` prints a "
      "preset's file,\nto be copied and changed ([provider-language.md](provider-language.md)).\n\n"
      "A source names a preset under `provider`; several presets may share a family, which is what events have as "
      "`provider`\n(here in brackets where it is not the preset's name). Places are written in the provider language: "
      "`json/data/id` is a value of\nthe body, `item/id` of an item of a body that holds many.\n\n"
      "## How a request is verified\n\n"
      "The key is what stands under `keys` in the source's configuration and what `--secret` takes. With a public key, "
      "`hookstream\nsend --generate-key FILE` makes a pair to try it out. Further values stand under `secrets` "
      "(`--param NAME=VALUE`). A signed time\nthat is too old is refused as a replay.\n\n");
  AppendHead(page, {"preset", "verified by", "key", "further values", "signed time"});
  for (const Provider* preset : presets) {
    const std::string name =
        preset->docs.empty() ? preset->name : absl::StrCat("[", preset->name, "](", preset->docs, ")");
    AppendRow(page, {preset->family == preset->name ? name : absl::StrCat(name, " (", preset->family, ")"),
                     VerificationWords(*preset), EachOnce(*preset, KeyWords), ParamWords(*preset),
                     EachOnce(*preset, SignedTimeWords)});
  }
  page +=
      "\n## What is read from it\n\n"
      "A handshake is a request that is answered and makes no event. How sure the facts are says where they were read: "
      "what is \"from\nmemory\" wants a look at the provider's page before it is relied on.\n\n";
  AppendHead(page, {"preset", "type", "provider's id", "time", "handshakes", "how sure"});
  for (const Provider* preset : presets) {
    AppendRow(page, {preset->name, TypeWords(*preset), IdWords(*preset), EventTimeWords(*preset),
                     HandshakeWords(*preset), preset->sure});
  }
  return page;
}

std::string PresetJson(const Provider& preset, bool yaml) {
  const auto list = [](const std::vector<std::string>& texts) {
    const auto quoted = [](std::string* out, const std::string& text) { out->append(JsonString(text)); };
    return absl::StrCat("[", absl::StrJoin(texts, ",", quoted), "]");
  };
  std::vector<std::string> schemes;
  for (const VerifyRule& rule : preset.verify) schemes.emplace_back(provider::SchemeName(rule.scheme));
  JsonObject json;
  json.Add("name", preset.name).Add("family", preset.family).AddJson("schemes", list(schemes));
  json.Add("verified_by", Plain(VerificationWords(preset))).Add("key", Plain(EachOnce(preset, KeyWords)));
  json.AddJson("params", list(preset.secrets)).AddJson("optional_params", list(preset.optional_secrets));
  json.Add("signed_time", Plain(EachOnce(preset, SignedTimeWords)));
  json.Add("type", Plain(TypeWords(preset))).Add("id", Plain(IdWords(preset)));
  json.Add("time", Plain(EventTimeWords(preset))).Add("handshakes", Plain(HandshakeWords(preset)));
  json.Add("sure", preset.sure).Add("docs", preset.docs);
  if (yaml) json.Add("yaml", provider::PresetYaml(preset.name));
  return json.Text();
}

std::vector<std::vector<std::string>> PresetRows() {
  std::vector<std::vector<std::string>> rows = {{"NAME", "FAMILY", "SCHEME", "KEY", "PARAMS", "DOCS"}};
  for (const Provider* preset : Presets()) {
    rows.push_back({preset->name, preset->family, Schemes(*preset), Plain(EachOnce(*preset, KeyWords)),
                    preset->secrets.empty() ? "-" : Plain(ParamWords(*preset)), preset->docs});
  }
  return rows;
}

}  // namespace hookstream::cli
