// "Did you mean ...?": the known name that is closest to a mistyped one. Internal to the room.
#pragma once

#include <string_view>
#include <vector>

namespace hookstream::provider {

// The one of `known` at the smallest edit distance of at most 2 (and less than the word's length); empty: none.
std::string_view Nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace hookstream::provider
