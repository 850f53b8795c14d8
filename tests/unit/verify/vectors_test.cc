// Known-answer requests: of providers' documentation and libraries (tests/data/provider-vectors.json), and signed by
// the documented rule, independently of this code (provider-vectors-*.json).
#include <gtest/gtest.h>
#include <simdjson.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "provider/context.h"
#include "provider/encoding.h"
#include "provider/presets.h"
#include "verify/handshake.h"
#include "verify/sign.h"
#include "verify/verifier.h"

namespace hookstream::verify {
namespace {

struct Vector {
  std::string id;
  std::string preset;
  std::string secret;
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool valid = false;
  std::optional<int64_t> now;
  Params params;
};

std::string Text(simdjson::dom::element element) { return std::string(element.get_string().value()); }

void LoadFile(const std::string& path, std::vector<Vector>& vectors) {
  simdjson::dom::parser parser;
  for (const simdjson::dom::element element : parser.load(path).get_array()) {
    Vector vector;
    vector.id = Text(element["id"].value());
    vector.preset = Text(element["provider"].value());
    vector.secret = Text(element["secret"].value());
    const simdjson::dom::element request = element["request"].value();
    vector.method = Text(request["method"].value());
    vector.url = Text(request["url"].value());
    for (const auto header : request["headers"].get_object()) {
      vector.headers.emplace_back(std::string(header.key), Text(header.value));
    }
    vector.body = provider::DecodeBase64(Text(request["body_base64"].value()), provider::Padding::kRequired).value();
    vector.valid = Text(element["expect"].value()) == "valid";
    if (int64_t now = 0; element["now"].get(now) == simdjson::SUCCESS) vector.now = now;
    if (simdjson::dom::object params; element["params"].get(params) == simdjson::SUCCESS) {
      for (const auto param : params) {
        if (param.value.is_string()) vector.params[std::string(param.key)] = Text(param.value);
      }
    }
    vectors.push_back(std::move(vector));
  }
}

std::vector<Vector> LoadVectors() {
  std::vector<Vector> vectors;
  for (const auto& entry : std::filesystem::directory_iterator(HOOKSTREAM_TEST_DATA)) {
    if (entry.path().filename().string().starts_with("provider-vectors")) LoadFile(entry.path().string(), vectors);
  }
  return vectors;
}

TEST(Vectors, EveryOneOfAnEmbeddedPresetGivesItsVerdict) {
  size_t checked = 0;
  for (const Vector& vector : LoadVectors()) {
    const provider::Provider* preset = provider::FindPreset(vector.preset);
    SCOPED_TRACE(vector.id);
    ASSERT_NE(preset, nullptr) << vector.preset;
    ++checked;
    Params params;
    for (const std::string& name : preset->secrets) {
      if (vector.params.contains(name)) params[name] = vector.params.at(name);
    }
    const auto verifier = Verifier::Create(*preset, {{.id = "k", .secret = vector.secret}}, params);
    ASSERT_TRUE(verifier.ok()) << verifier.status();
    std::vector<provider::HeaderView> headers;
    for (const auto& [name, value] : vector.headers) headers.push_back({name, value});
    provider::Request request;
    request.method = vector.method;
    std::tie(request.public_url, request.target) = SplitUrl(vector.url);
    request.headers = headers;
    request.body = vector.body;
    provider::Context context(request, preset->content);
    const Verdict verdict = (*verifier)->Verify(context, absl::FromUnixSeconds(vector.now.value_or(1'750'000'000)));
    EXPECT_EQ(verdict.ok, vector.valid) << ReasonName(verdict.reason);
    EXPECT_EQ(verdict.ok, verdict.reason == Reason::kNone);
    if (verdict.ok) {
      EXPECT_EQ(verdict.key_id, "k");
    }
  }
  EXPECT_GE(checked, 441u);
  RecordProperty("checked", static_cast<int>(checked));
}

}  // namespace
}  // namespace hookstream::verify
