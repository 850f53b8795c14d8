// Finds the text of a value in a JSON document, for what the parser does not keep: how a number was written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hookstream::typing {

// `json` is a document that a parser has accepted, `path` are keys and indices; the first of two equal keys counts.
// Empty: not found, a key on the way is written with escapes, or `budget` bytes are used up (it is lessened by what was
// walked).
std::string_view FindRawText(std::string_view json, const std::vector<std::string>& path, size_t& budget);

}  // namespace hookstream::typing
