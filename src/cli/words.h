// Numbers and times as people say them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace hookstream::cli {

// "1,204".
std::string CountText(int64_t count);
// The largest unit alone, rounded down: "3 days", "1 hour", "less than a second". Of its amount, whatever its sign.
std::string SpanText(absl::Duration span);
// "3 days ago"; "just now" for less than a second and for times to come (another machine's clock).
std::string AgoText(absl::Time time, absl::Time now);

}  // namespace hookstream::cli
