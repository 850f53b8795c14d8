#include "cli/preset_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "cli/common.h"
#include "cli/json_text.h"
#include "cli/provider_option.h"
#include "provider/presets.h"

namespace hookstream::cli {
namespace {

using ::testing::HasSubstr;

TEST(PresetList, TheCommittedPageIsWhatTheProgramWrites) {
  std::ifstream file(HOOKSTREAM_DOCS "/providers.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(page == PresetsMarkdown()) << "docs/providers.md is stale; this renews it:\n"
                                            "  build/release/hookstream sources presets --output markdown > "
                                            "docs/providers.md";
}

TEST(PresetList, EveryPresetIsThereInEveryForm) {
  const std::string page = PresetsMarkdown();
  EXPECT_EQ(PresetRows().size(), provider::PresetNames().size() + 1);
  for (const std::string_view name : provider::PresetNames()) {
    const provider::Provider& preset = *provider::FindPreset(name);
    const std::string json = PresetJson(preset, true);
    EXPECT_TRUE(IsJson(json)) << json;
    EXPECT_THAT(json, HasSubstr(JsonString(provider::PresetYaml(name)))) << name;
    EXPECT_THAT(page, HasSubstr("\n| [" + preset.name + "](")) << name;
    EXPECT_THAT(page, HasSubstr("\n| " + preset.name + " | ")) << name;
  }
}

TEST(PresetList, SaysHowAPresetVerifiesInWords) {
  const std::string page = PresetsMarkdown();
  for (const char* words :
       {"HMAC-SHA-256 of `{time}.{body}` in `header.Stripe-Signature`, split at `,`, after `v1=`, hex",
        "HMAC-SHA-256 of the body in `header.X-Hub-Signature-256`, after `sha256=`, hex",
        "`header.Stripe-Signature`, split at `,`, after `t=`, s; at most 5m old",
        "Ed25519 signature of `{time}{body}` in `header.X-Signature-Ed25519`, hex",
        "the public key in hex",
        "base64 after `whsec_`",
        "`user:password`",
        "each item by itself",
        "`verify_token`",
        "if `query.bodySHA256 present`: HMAC-SHA-1 of `url`",
        "`json \\| key_besides(update_id)`",
        "`{header.X-GitHub-Event}[.{json/action}]`",
        "none: no dedupe",
        "`method = GET, query.hub.mode = subscribe`",
        "`header.X-DocuSign-Signature-1, 2, ...`",
        "JSON Web Token (HS256) in `header.Authorization`, after `JWT `; claim `iss` has to be `secret.client_key`",
        "none, it is fetched from `header.PAYPAL-CERT-URL`; or the certificate as PEM",
        "claim `iat`, s; at most 5m old",
        "`audience`, `service_account`",
        "`topic_arn` (optional)",
        R"(Message\n{json/Message}\nMessageId)",
        "after `{secret.public_key}\\|`",
        "unsigned, tells the key in `header.X-Hook-Secret`",
        "confirmed by a GET of `json/SubscribeURL`",
        "SubscriptionConfirmation or UnsubscribeConfirmation"}) {
    EXPECT_THAT(page, HasSubstr(words));
  }
}

std::string FailureOf(const std::string& name) {
  try {
    GetPreset(name);
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.exit_code, 2);
    return failure.message;
  }
  return "";
}

TEST(PresetList, AnUnknownNameIsToldWhatIsNear) {
  EXPECT_THAT(FailureOf("strype"), HasSubstr("did you mean 'stripe'?"));
  EXPECT_THAT(FailureOf("hubspot"), HasSubstr("did you mean 'hubspot-v1' or 'hubspot-v2' or 'hubspot-v3'?"));
  EXPECT_THAT(FailureOf("nothing-like-it"), Not(HasSubstr("did you mean")));
  EXPECT_THAT(FailureOf(""), Not(HasSubstr("did you mean")));
  EXPECT_EQ(FailureOf("stripe"), "");
}

}  // namespace
}  // namespace hookstream::cli
