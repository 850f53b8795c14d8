#include "provider/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "provider/presets.h"
#include "tests/unit/provider/testing.h"

namespace hookstream::provider {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string ReadFile(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string ErrorOf(std::string_view yaml) {
  const auto provider = LoadProvider(yaml, "a.yaml");
  EXPECT_FALSE(provider.ok()) << yaml;
  return std::string(provider.status().message());
}

TEST(Loader, RefusesEveryBrokenFileWithItsPlace) {
  const std::map<std::string, std::pair<std::string, std::string>> expected = {
      {"contra.yaml", {"2:54", "'signed' has no meaning with scheme equal"}},
      {"dup.yaml", {"5:3", "'signature' is given twice"}},
      {"dur.yaml", {"2:84", "max_age needs a unit"}},
      {"filt.yaml", {"2:55", "did you mean hex?"}},
      {"key.yaml", {"5:8", "scheme ed25519 can't have a key of the form 'text'"}},
      {"nosource.yaml", {"4:14", "did you mean header.X-Sig?"}},
      {"notime.yaml", {"5:11", "there is no 'time'"}},
      {"noverify.yaml", {"1:1", "needs 'verify'"}},
      {"secret.yaml", {"1:1", "secrets: [t]"}},
      {"split.yaml", {"3:16", "did you mean /events/*?"}},
      {"tab.yaml", {"3:", ""}},
      {"unknown.yaml", {"5:3", "did you mean encoding?"}},
      {"unquoted.yaml", {"5:11", "quote a template: \"{body}\""}},
      {"unquoted2.yaml", {"5:", "quote"}},
  };
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(HOOKSTREAM_TEST_DATA "/presets-refused")) {
    const std::string name = entry.path().filename();
    const auto provider = LoadProvider(ReadFile(entry.path()), name);
    ASSERT_FALSE(provider.ok()) << name;
    ASSERT_TRUE(expected.contains(name)) << name << ": " << provider.status();
    const auto& [place, part] = expected.at(name);
    EXPECT_THAT(std::string(provider.status().message()), StartsWith(name + ":" + place));
    EXPECT_THAT(std::string(provider.status().message()), HasSubstr(part));
    ++files;
  }
  EXPECT_EQ(files, expected.size());
}

TEST(Loader, SaysWhatIsWrong) {
  const std::string top = "name: a\nverify: {scheme: hmac-sha256, signature: header.X}\n";
  const std::pair<std::string, std::string> cases[] = {
      {"", "has to be a mapping"},
      {"[1]", "has to be a mapping"},
      {"name: A\nverify: {scheme: none}", "1:7: name has to be"},
      {"nam: a\nverify: {scheme: none}", "needs 'name'"},
      {top + "events: {}", "did you mean event?"},
      {top + "name: b", "3:1: 'name' is given twice"},
      {top + "event: &x {type: json/a}", "anchors"},
      {"a: &x 1\nb: *x", "anchors"},
      {top + "event: {<<: {type: json/a}}", "merge keys"},
      {top + "event: {type: !!str json/a}", "tags"},
      {top + "---\nname: b", "one provider"},
      {top + "handshakes: [{when: {method: GET}, reply: {status: 0200}}]", "no leading zero"},
      {top + "handshakes: [{when: {method: GET}, reply: {status: 20}}]", "from 200 to 599"},
      {top + "handshakes: [{when: {}, reply: {}}]", "when is empty"},
      {top + "handshakes: [{when: {method: GET}, reply: {text: \"{key}\"}}]", "can't reveal the key"},
      {top + "secrets: [t]\nhandshakes: [{when: {method: GET}, reply: {text: \"{secret.t}\"}}]",
       "can't reveal a secret"},
      {top + "max_body: 1000", "needs a unit"},
      {top + "max_body: 010KiB", "number with a unit"},
      {top + "content: xml", "one of json, form, lines, any, none"},
      {top + "methods: [post]", "upper case"},
      {top + "event: {type: \"json/type\"}", "leave out the quotes"},
      {top + "event:\n  type: a{json/type}b", "has to be quoted"},
      {top + "event: {type: item/type}", "the body is not split"},
      {top + "event: {type: key}", "can't read time, key or a secret"},
      {top + "event: {type: \"{body | hmac-sha256 | hex}\"}", "can't use the key"},
      {top + "event: {split: /a/*/b/*/c/*}", "at most two *"},
      {top + "event: []", "event is an empty list"},
      {top + "event: {when: {json/a: b}, type: json/a}", "one event rule needs no 'when'"},
      {top + "event: [{type: json/a}, {type: json/b}]", "3:25: this rule is never reached"},
      {top + "event: [{when: {item/a: b}, split: /*}]", "before the body is split"},
      {top + "event: [{when: {key: b}}]", "event.when can't read time, key or a secret"},
      {top + "event: [{when: {json/a | hmac-sha1 | hex: b}}]", "event.when can't use the key"},
      {top + "event: [{when: {}, type: json/a}]", "when is empty"},
      {top + "event: [json/a]", "event has to be a mapping"},
      {top + "event: {time: {from: json/t, unit: https}}", "did you mean http?"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, prefix: \"*\"}", "prefix * says nothing"},
      {"name: a\nverify: {scheme: equal, signature: item/a}\nevent: [{when: {json/a: b}, split: /*}, {split: /b/*}]",
       "one event rule only"},
      {top + "respond: {accepted: {text: \"{body}\"}}", "can't read the request"},
      {"name: a\nverify: {scheme: jwt, signature: header.X}", "2:9: scheme jwt needs 'alg'"},
      {"name: a\nverify: {scheme: jwt, signature: header.X, alg: none}", "alg can't be 'none'"},
      {"name: a\nverify: {scheme: jwt, signature: header.X, alg: HS256, signed: body}", "no meaning with scheme jwt"},
      {"name: a\nverify: {scheme: jwt, signature: header.X, alg: HS256, time: {from: header.T}}", "one of its claims"},
      {"name: a\nverify: {scheme: jwt, signature: header.X, alg: HS256, key: pem}",
       "can't have a key of the form 'pem'"},
      {"name: a\nverify: {scheme: jwt, signature: header.X, alg: HS256, key_url: {text: https://a.example/k}}",
       "a key can be fetched as a certificate"},
      {"name: a\nverify: {scheme: jwt, signature: header.X, alg: ES256, key_url: header.Key}", "'key_url_match'"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, claims: {a: b}}", "no meaning with scheme"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, code: paypal}", "code can't be 'paypal'"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, code: contentful, signed: body}",
       "leave out 'signed'"},
      {"name: a\nverify: {scheme: jwt, signature: header.X, alg: ES256, code: plaid}", "code: plaid needs 'key_url'"},
      {"name: a\nverify: {scheme: rsa-sha256, signature: header.X}", "needs 'key'"},
      {"name: a\nverify: {scheme: rsa-sha256, signature: header.X, key: x509-pem, key_url: header.U, key_url_match: "
       "'.*'}",
       "has to begin with https://"},
      {"name: a\nverify: {scheme: rsa-sha256, signature: header.X, key: x509-pem, key_url: header.U, key_url_match: "
       "'https://('}",
       "is no regular expression"},
      {"name: a\nverify: {scheme: rsa-sha256, signature: header.X, key: x509-pem, key_url_match: 'https://a'}",
       "no meaning without 'key_url'"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, prefix: \"{header.Y}=\"}", "{secret.NAME}"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, prefix: \"{secret.y}=\"}", "is not declared"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, more_keys: [y]}", "is not declared"},
      {top +
           "handshakes: [{when: {method: GET}, verified: false, fetch: query.u, fetch_match: 'https://a', reply: {}}]",
       "only a verified request"},
      {top + "handshakes: [{when: {method: GET}, fetch: query.u, reply: {}}]", "needs 'fetch_match'"},
      {top + "handshakes: [{when: {method: GET}, learn: query.u, reply: {}}]", "verified: false"},
      {top + "secrets: [s]\nhandshakes: [{when: {method: GET}, reply: {text: \"{secret.s}\"}}]", "reveals: [s]"},
      {top + "handshakes: [{when: {method: GET}, verified: false, reply: {text: \"{query.c | hmac-sha256 | hex}\"}}]",
       "would sign any text"},
      {top + "handshakes: [{when: {method: GET}, matches: {query.c: '('}, reply: {}}]", "is no regular expression"},
      {"name: a\nverify: {scheme: hmac-sha265, signature: header.X}", "did you mean hmac-sha256?"},
      {"name: a\nverify: {scheme: hmac-sha256}", "needs 'signature'"},
      {"name: a\nverify: {scheme: sha256, signature: header.X}", "without {key}"},
      {"name: a\nverify: {scheme: none, signature: header.X}", "has no meaning with scheme none"},
      {"name: a\nverify: {scheme: ed25519, signature: header.X}", "needs 'key'"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, url_forms: ports}", "does not read the url"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, index: 1}", "index counts the parts"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.X, signed: \"{item/a}\"}", "event.split"},
      {"name: a\nverify: [{scheme: none}, {scheme: none}]", "never reached"},
      {"name: a\nverify: {scheme: hmac-sha256, signature: header.#}", "has no name"},
  };
  for (const auto& [yaml, part] : cases) EXPECT_THAT(ErrorOf(yaml), HasSubstr(part)) << yaml;
}

TEST(Loader, RefusesHugeAndDeepFiles) {
  EXPECT_THAT(ErrorOf(std::string(300'000, ' ')), HasSubstr("larger than"));
  std::string deep = "name: a\nverify: ";
  for (int i = 0; i < 100; ++i) deep += "[";
  for (int i = 0; i < 100; ++i) deep += "]";
  EXPECT_THAT(ErrorOf(deep), HasSubstr("nested too deeply"));
}

TEST(Loader, TheCommonCaseIsSevenLines) {
  const auto provider = MustLoad(
      "name: acme\nverify:\n  scheme: hmac-sha256\n  signature: header.X-Acme-Signature\nevent:\n  type: json/type\n"
      "  id: header.X-Acme-Delivery\n");
  EXPECT_EQ(provider->family, "acme");
  EXPECT_EQ(provider->methods, std::vector<std::string>{"POST"});
  ASSERT_EQ(provider->verify.size(), 1u);
  EXPECT_EQ(provider->verify[0].encoding, Encoding::kHex);
  EXPECT_EQ(provider->verify[0].key_form, KeyForm::kText);
  EXPECT_EQ(provider->verify[0].headers, std::vector<std::string>{"X-Acme-Signature"});
}

TEST(Presets, AllLoadUnderTheirNames) {
  const std::vector<std::string_view> names = PresetNames();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const std::string_view name : names) {
    const Provider* preset = FindPreset(name);
    ASSERT_NE(preset, nullptr) << name;
    EXPECT_EQ(preset->name, name);
    EXPECT_FALSE(preset->docs.empty()) << name;
    EXPECT_FALSE(preset->sure.empty()) << name;
    EXPECT_THAT(std::string(PresetYaml(name)), StartsWith("# Docs: ")) << name;
  }
  for (const char* name : {"stripe", "github", "twilio", "slack", "standard-webhooks", "openai"}) {
    EXPECT_NE(FindPreset(name), nullptr) << name;
  }
  EXPECT_EQ(FindPreset("acme"), nullptr);
  EXPECT_EQ(PresetYaml("acme"), "");
}

TEST(Presets, HandshakesAddTheirMethods) {
  EXPECT_EQ(FindPreset("meta")->methods, (std::vector<std::string>{"POST", "GET"}));
}

TEST(Presets, OnlyThoseThatMustReadTheBodyBeforeTheyVerifyAndThenASmallOne) {
  // The signature, a signed time or a secret is in the body itself.
  const std::set<std::string_view> must = {"adyen-payments", "aws-sns", "figma",
                                           "linear",         "mailgun", "microsoft-graph"};
  for (const std::string_view name : PresetNames()) {
    const Provider& preset = *FindPreset(name);
    for (const VerifyRule& rule : preset.verify) EXPECT_EQ(rule.reads_body_first, must.contains(name)) << name;
    if (must.contains(name)) {
      EXPECT_LE(preset.body_bytes_max.value_or(SIZE_MAX), size_t{5} << 20) << name;
    }
  }
}

}  // namespace
}  // namespace hookstream::provider
