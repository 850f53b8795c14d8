// Realistic bodies of the built-in providers' events, for `hookstream send`, the demo and tests. Names, ids and amounts
// are made up.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "provider/provider.h"

namespace hookstream::verify {

struct Sample {
  // As the preset reads it from the sample: "unknown" or its own where it takes none from the request.
  std::string type;
  std::string body;
  std::string content_type;
  // The provider's id of the event or delivery, for SignInput::id.
  std::string id;
};

// A body of that type. `seed` makes ids: another seed, other ids; the same seed, the same bytes. An empty type is the
// provider's first of SampleTypes. INVALID_ARGUMENT when the type can't be put where the preset reads it.
absl::StatusOr<Sample> SampleBody(const provider::Provider& provider, std::string_view type, std::string_view seed,
                                  absl::Time now);

// Types that have a body of their own; empty for providers that only get a generic one.
std::vector<std::string_view> SampleTypes(const provider::Provider& provider);

}  // namespace hookstream::verify
