// The providers' own SDKs sign, the relay verifies.
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "tests/integration/sources.h"
#include "tests/support/process/process.h"

namespace hookstream::testing {
namespace {

TEST(SdkTest, RequestsOfTheProvidersOwnSdksAreAcceptedAndChangedOnesRefused) {
  const std::filesystem::path node = HOOKSTREAM_NODE_FOLDER;
  if (!std::filesystem::exists(node / "node_modules" / "stripe")) {
    if (std::getenv("CI") != nullptr) FAIL() << "the SDKs are not installed in " << node;
    GTEST_SKIP() << "the SDKs are not installed: npm --prefix tests/integration/node ci";
  }
  RelayProcess relay(kSources);
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  Child script({"node", (node / "sdk_signers.mjs").string(), absl::StrCat(relay.http_port())}, relay.folder() / "out",
               relay.folder() / "out");
  EXPECT_EQ(script.Wait(absl::Seconds(60)), 0) << ReadFile(relay.folder() / "out") << relay.Log();
  EXPECT_EQ(relay.Stop(), 0) << relay.Log();
}

}  // namespace
}  // namespace hookstream::testing
