// Requests with known verdicts (tests/data/provider-vectors*.json) through the command line, and through HTTP where the
// verdict does not hang on the time or on a URL that is not the relay's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cli/http_client.h"
#include "cli/json_text.h"
#include "provider/presets.h"
#include "tests/support/process/process.h"
#include "tests/support/vectors.h"

namespace hookstream::testing {
namespace {

TEST(VectorsTest, VerifyGivesTheExpectedVerdictOnEveryVector) {
  const TempFolder folder;
  for (const RequestVector& vector : LoadVectors()) {
    WriteFile(folder.path() / "body", vector.body);
    std::vector<std::string> command = {"verify",
                                        "--provider",
                                        vector.preset,
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
    for (const auto& [name, value] : vector.ParamsOf(provider::FindPreset(vector.preset)->secrets)) {
      command.insert(command.end(), {"--param", absl::StrCat(name, "=", value)});
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
  bool signs = false;
  const auto look = [&](const provider::Value& value) {
    signs |= value.source == provider::Source::kUrl || value.source == provider::Source::kTarget;
  };
  for (const provider::VerifyRule& rule : preset.verify) {
    rule.signed_text.ForEachValue(look);
    signs |= rule.code == provider::Code::kContentful;
    for (const provider::ClaimRule& claim : rule.claims) {
      for (const provider::Expression& wanted : claim.any_of) wanted.ForEachValue(look);
    }
  }
  return signs;
}

TEST(VectorsTest, TheRelayGivesTheSameVerdictOverHttp) {
  std::string sources = "sources:\n";
  std::vector<RequestVector> usable;
  for (const RequestVector& vector : LoadVectors()) {
    // A confirmation is fetched before it is answered, from a host that is not the test's.
    if (vector.id == "aws-sns-valid-subscription") continue;
    if (vector.now || SignsTheUrl(*provider::FindPreset(vector.preset))) continue;
    absl::StrAppend(&sources, "  - {name: ", vector.id, ", provider: ", vector.preset,
                    ", keys: [{inline: ", cli::JsonString(vector.secret), "}], secrets: [");
    for (const auto& [name, value] : vector.ParamsOf(provider::FindPreset(vector.preset)->secrets)) {
      absl::StrAppend(&sources, "{name: ", name, ", inline: ", cli::JsonString(value), "}");
    }
    absl::StrAppend(&sources, "]");
    absl::StrAppend(&sources, "}\n");
    usable.push_back(vector);
  }
  ASSERT_GE(usable.size(), 6U);
  RelayProcess relay(sources);
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  cli::HttpClient client(absl::Seconds(10));
  for (const RequestVector& vector : usable) {
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
