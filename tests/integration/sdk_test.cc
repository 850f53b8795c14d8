// The providers' own SDKs sign, and say what they think of the same requests as the relay.
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "tests/support/process/process.h"

namespace hookstream::testing {
namespace {

namespace fs = std::filesystem;

// `script sources` prints the sources, `script PORT` compares the verdicts. `installed`: there when the SDKs are.
void CompareVerdicts(const std::string& interpreter, const fs::path& script, const fs::path& installed) {
  if (!fs::exists(installed)) {
    if (std::getenv("CI") != nullptr) FAIL() << "the SDKs are not installed: no " << installed;
    GTEST_SKIP() << "the SDKs are not installed; ./dev test does it";
  }
  const TempFolder folder;
  const fs::path sources = folder.path() / "sources";
  const fs::path out = folder.path() / "out";
  Child print({interpreter, script.string(), "sources"}, sources, out);
  ASSERT_EQ(print.Wait(absl::Seconds(60)), 0) << ReadFile(out);
  RelayProcess relay(ReadFile(sources));
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  Child compare({interpreter, script.string(), absl::StrCat(relay.http_port())}, out, out);
  EXPECT_EQ(compare.Wait(absl::Seconds(120)), 0) << ReadFile(out) << relay.Log();
  EXPECT_EQ(relay.Stop(), 0) << relay.Log();
}

TEST(SdkTest, TheSdksForNodeAgreeWithTheRelay) {
  const fs::path folder = fs::path(HOOKSTREAM_INTEGRATION) / "node";
  CompareVerdicts("node", folder / "sdk_check.mjs", folder / "node_modules" / "stripe");
}

TEST(SdkTest, TheSdksForPythonAgreeWithTheRelay) {
  CompareVerdicts(HOOKSTREAM_SDK_PYTHON, fs::path(HOOKSTREAM_INTEGRATION) / "python" / "sdk_check.py",
                  HOOKSTREAM_SDK_PYTHON);
}

}  // namespace
}  // namespace hookstream::testing
