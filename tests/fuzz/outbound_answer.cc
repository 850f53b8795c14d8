// What a server answers. The first byte says in which pieces it comes. Checked: however it is cut, the same comes out;
// only a 2xx within the limit is an answer.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/support/read_answer.h"

namespace hookstream::outbound {
namespace {

constexpr int64_t kBodyMax = 512;

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace
}  // namespace hookstream::outbound

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hookstream::outbound;
  using hookstream::testing::ReadAnswer;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = ReadAnswer(text, kBodyMax, text.size() + 1);
  const auto pieces = ReadAnswer(text, kBodyMax, size_t{1} + data[0] % 64);
  Check(whole.status().code() == pieces.status().code());
  if (!whole.ok()) return 0;
  Check(whole->status >= 200 && whole->status < 300 && whole->status == pieces->status);
  Check(whole->body.size() <= kBodyMax && whole->body == pieces->body);
  Check(whole->max_age == pieces->max_age && whole->max_age.value_or(absl::ZeroDuration()) >= absl::ZeroDuration());
  return 0;
}
