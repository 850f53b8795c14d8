// Every known-answer request gives its verdict.
#include <gtest/gtest.h>

#include "tests/support/vectors.h"
#include "tests/unit/verify/testing.h"

namespace hookstream::verify {
namespace {

TEST(Vectors, EveryOneGivesItsVerdict) {
  for (const hookstream::testing::RequestVector& vector : hookstream::testing::LoadVectors()) {
    SCOPED_TRACE(vector.id);
    const provider::Provider* preset = provider::FindPreset(vector.preset);
    ASSERT_NE(preset, nullptr) << vector.preset;
    const auto verifier = MustCreate(*preset, {{.id = "k", .secret = vector.secret}}, vector.ParamsOf(preset->secrets));
    ASSERT_NE(verifier, nullptr);
    provider::TestRequest request;
    request.method = vector.method;
    std::tie(request.public_url, request.target) = SplitUrl(vector.url);
    request.headers = vector.headers;
    request.body = vector.body;
    const Verdict verdict = Verify(*verifier, request, absl::FromUnixSeconds(vector.now.value_or(kNow)));
    EXPECT_EQ(verdict.ok, vector.valid) << ReasonName(verdict.reason);
    EXPECT_EQ(verdict.ok, verdict.reason == Reason::kNone);
    if (verdict.ok) {
      EXPECT_EQ(verdict.key_id, "k");
    }
  }
}

}  // namespace
}  // namespace hookstream::verify
