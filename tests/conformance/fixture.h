// The fixture of the suite: a store of the engine under test, which a test may stop and open again.
#pragma once

#include "tests/conformance/harness.h"
#include "tests/conformance/suite.h"

namespace hookstream::store::testing {

class StoreTest : public ::testing::TestWithParam<EngineCase> {
 protected:
  void SetUp() override { Open(); }
  void TearDown() override { Close(); }

  void Open();
  void Close();
  void Restart() {
    Close();
    Open();
  }

  Client& client() { return *client_; }
  Store& store() { return *store_; }

  EngineLimits limits_;
  ManualClock clock_;
  RecordingSubscriptions subscriptions_;
  RecordingHealth health_;

 private:
  std::unique_ptr<Engine> engine_ = GetParam().make();
  std::unique_ptr<Store> store_;
  std::unique_ptr<Client> client_;
};

#define HS_STORE_SUITE(Suite)                                              \
  INSTANTIATE_TEST_SUITE_P(Engines, Suite, ::testing::ValuesIn(Engines()), \
                           [](const ::testing::TestParamInfo<EngineCase>& param) { return param.param.name; })

#define HS_ASSERT_OK(expr)                                \
  do {                                                    \
    const auto& hs_result = (expr);                       \
    ASSERT_TRUE(hs_result.ok()) << StatusText(hs_result); \
  } while (false)
#define HS_EXPECT_OK(expr)                                \
  do {                                                    \
    const auto& hs_result = (expr);                       \
    EXPECT_TRUE(hs_result.ok()) << StatusText(hs_result); \
  } while (false)

inline std::string StatusText(const absl::Status& status) { return status.ToString(); }
template <typename T>
std::string StatusText(const absl::StatusOr<T>& result) {
  return result.status().ToString();
}
inline absl::StatusCode Code(const absl::Status& status) { return status.code(); }
template <typename T>
absl::StatusCode Code(const absl::StatusOr<T>& result) {
  return result.status().code();
}

}  // namespace hookstream::store::testing
