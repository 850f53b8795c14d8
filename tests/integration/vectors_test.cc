// Requests with known verdicts (tests/data/provider-vectors*.json) through the command line, and through HTTP where the
// verdict does not hang on the time or on a URL that is not the relay's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cli/http_client.h"
#include "cli/json_text.h"
#include "provider/presets.h"
#include "tests/support/process/process.h"

namespace hookstream::testing {
namespace {

struct Vector {
  std::string id, provider, secret, method, url, body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::map<std::string, std::string> params;
  std::optional<int64_t> now;
  bool valid = false;
};

void LoadFile(const std::filesystem::path& path, std::vector<Vector>& vectors) {
  const std::string text = ReadFile(path);
  rapidjson::Document document;
  document.Parse(text.c_str());
  for (const auto& entry : document.GetArray()) {
    Vector vector;
    vector.id = entry["id"].GetString();
    vector.provider = entry["provider"].GetString();
    if (provider::FindPreset(vector.provider) == nullptr) continue;
    const auto& request = entry["request"];
    vector.secret = entry["secret"].GetString();
    vector.method = request["method"].GetString();
    vector.url = request["url"].GetString();
    if (!absl::Base64Unescape(request["body_base64"].GetString(), &vector.body)) ADD_FAILURE() << vector.id;
    for (const auto& header : request["headers"].GetObject())
      vector.headers.emplace_back(header.name.GetString(), header.value.GetString());
    if (entry.HasMember("params")) {
      for (const auto& param : entry["params"].GetObject()) {
        // The others say what a handshake is answered with.
        if (param.value.IsString()) vector.params[param.name.GetString()] = param.value.GetString();
      }
    }
    if (entry.HasMember("now")) vector.now = entry["now"].GetInt64();
    vector.valid = std::string(entry["expect"].GetString()) == "valid";
    vectors.push_back(std::move(vector));
  }
}

// Those of the presets that are built in.
std::vector<Vector> LoadVectors() {
  std::vector<Vector> vectors;
  for (const auto& entry : std::filesystem::directory_iterator(HOOKSTREAM_TEST_DATA)) {
    if (entry.path().filename().string().starts_with("provider-vectors")) LoadFile(entry.path(), vectors);
  }
  return vectors;
}

TEST(VectorsTest, VerifyGivesTheExpectedVerdictOnEveryVector) {
  const auto vectors = LoadVectors();
  EXPECT_GE(vectors.size(), 40U);
  const TempFolder folder;
  for (const Vector& vector : vectors) {
    WriteFile(folder.path() / "body", vector.body);
    std::vector<std::string> command = {"verify",
                                        "--provider",
                                        vector.provider,
                                        "--secret",
                                        vector.secret,
                                        "--method",
                                        vector.method,
                                        "--url",
                                        vector.url,
                                        "--body",
                                        (folder.path() / "body").string()};
    for (const auto& [name, value] : vector.headers)
      command.insert(command.end(), {"--header", absl::StrCat(name, ": ", value)});
    for (const auto& [name, value] : vector.params) {
      if (name == "key_id") {
        command.insert(command.end(), {"--key-id", value});
      } else {
        command.insert(command.end(), {"--param", absl::StrCat(name, "=", value)});
      }
    }
    if (vector.now) command.insert(command.end(), {"--now", absl::StrCat(*vector.now)});
    const CommandResult result = Hookstream(command);
    EXPECT_EQ(result.exit_code, vector.valid ? 0 : 1) << vector.id << ": " << result.out << result.err;
    if (!vector.valid) {
      EXPECT_THAT(result.out, ::testing::HasSubstr("likeliest cause: ")) << vector.id;
    }
  }
}

// The vectors are signed for other URLs than a relay's.
bool SignsTheUrl(const provider::Provider& preset) {
  const std::string yaml(provider::PresetYaml(preset.name));
  return yaml.find("url") != std::string::npos || yaml.find("target") != std::string::npos;
}

TEST(VectorsTest, TheRelayGivesTheSameVerdictOverHttp) {
  std::string sources = "sources:\n";
  std::vector<Vector> usable;
  for (const Vector& vector : LoadVectors()) {
    if (vector.now || SignsTheUrl(*provider::FindPreset(vector.provider))) continue;
    const auto key_id = vector.params.find("key_id");
    absl::StrAppend(&sources, "  - {name: ", vector.id, ", provider: ", vector.provider,
                    ", keys: [{inline: ", cli::JsonString(vector.secret),
                    key_id == vector.params.end() ? "" : ", id: \"",
                    key_id == vector.params.end() ? "" : key_id->second + "\"", "}]");
    if (!provider::FindPreset(vector.provider)->secrets.empty()) {
      absl::StrAppend(&sources, ", secrets: [");
      for (const auto& [name, value] : vector.params)
        absl::StrAppend(&sources, "{name: ", name, ", inline: ", value, "}");
      absl::StrAppend(&sources, "]");
    }
    absl::StrAppend(&sources, "}\n");
    usable.push_back(vector);
  }
  ASSERT_GE(usable.size(), 6U);
  RelayProcess relay(sources);
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  cli::HttpClient client(absl::Seconds(10));
  for (const Vector& vector : usable) {
    cli::HttpRequest request;
    request.method = vector.method;
    // The query as it was: a secret may be in it.
    request.url =
        *cli::ParseHttpUrl(relay.Url(vector.id) + vector.url.substr(std::min(vector.url.find('?'), vector.url.size())));
    request.headers = vector.headers;
    request.body = vector.body;
    const auto response = client.Send(request);
    ASSERT_TRUE(response.ok()) << vector.id << ": " << response.status();
    EXPECT_EQ(response->status, vector.valid ? 200 : 401) << vector.id << ": " << response->body;
    // A refusal does not say which part was wrong.
    if (!vector.valid) {
      EXPECT_THAT(response->body, ::testing::HasSubstr("signature_invalid")) << vector.id;
    }
  }
  EXPECT_EQ(relay.Stop(), 0) << relay.Log();
}

}  // namespace
}  // namespace hookstream::testing
