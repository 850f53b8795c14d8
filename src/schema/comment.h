// Descriptions as schemas have them -> comments of a .proto. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hookstream::schema {

// One paragraph of plain text: no HTML, no Markdown but for backticks, white space as single spaces; the sentences that
// fit into 280 bytes, at least one (a longer one is cut at a word, and ends with "..."). Empty when nothing is left.
std::string CommentOf(std::string_view description);

// Adds the texts that a string is one of and that the comment does not have: `"open", "closed".`; the first eight of
// more.
void AddTexts(std::string& comment, const std::vector<std::string>& texts);

}  // namespace hookstream::schema
