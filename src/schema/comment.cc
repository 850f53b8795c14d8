#include "schema/comment.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/text.h"

namespace hookstream::schema {
namespace {

constexpr size_t kMaxBytes = 280;
constexpr size_t kMaxTexts = 8;

// Whether what stands after a < is a tag of HTML, or a comment: "<branch name>" is text.
bool IsTag(std::string_view text) {
  static constexpr std::array kSorted = std::to_array<std::string_view>(
      {"a",     "abbr",  "b",  "blockquote", "br",    "code", "dd",    "del",  "details", "div", "dl",      "dt",
       "em",    "h1",    "h2", "h3",         "h4",    "h5",   "h6",    "hr",   "i",       "img", "ins",     "kbd",
       "li",    "ol",    "p",  "pre",        "s",     "samp", "small", "span", "strong",  "sub", "summary", "sup",
       "table", "tbody", "td", "th",         "thead", "tr",   "tt",    "u",    "ul",      "var"});
  static_assert(std::is_sorted(kSorted.begin(), kSorted.end()));
  if (text.substr(0, 3) == "!--") return true;
  if (!text.empty() && text.front() == '/') text.remove_prefix(1);
  size_t end = 0;
  while (end < text.size() && absl::ascii_isalnum(static_cast<unsigned char>(text[end]))) ++end;
  const std::string name = absl::AsciiStrToLower(absl::string_view(text.data(), end));
  return std::binary_search(kSorted.begin(), kSorted.end(), std::string_view(name));
}

// "<b>bold</b> <a href=x>y</a>" -> "bold y".
std::string WithoutTags(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<' && IsTag(text.substr(i + 1))) {
      const size_t end = text.find('>', i);
      if (end != std::string_view::npos) {
        out.push_back(' ');
        i = end;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

// "[text](url)" and "![text](url)" -> "text"; "**" and "__" around words go.
std::string WithoutMarkdown(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[' || (text[i] == '!' && i + 1 < text.size() && text[i + 1] == '[')) {
      const size_t begin = text.find('[', i) + 1;
      const size_t middle = text.find("](", begin);
      const size_t end = middle == std::string_view::npos ? middle : text.find(')', middle);
      if (end != std::string_view::npos && text.substr(begin, middle - begin).find('[') == std::string_view::npos) {
        out.append(text.substr(begin, middle - begin));
        i = end;
        continue;
      }
    }
    if (text.substr(i, 2) == "**") {
      ++i;
      continue;
    }
    out.push_back(text[i]);
  }
  return out;
}

std::string SingleSpaced(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool space =
        absl::ascii_isspace(static_cast<unsigned char>(c)) || absl::ascii_iscntrl(static_cast<unsigned char>(c));
    if (!space) {
      // A tag's place before a full stop is no space.
      if (!out.empty() && out.back() == ' ' && (c == '.' || c == ',')) out.pop_back();
      out.push_back(c);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// Where the sentence that begins at `from` ends: after a full stop that a space and no small letter follow.
size_t SentenceEnd(std::string_view text, size_t from) {
  for (size_t i = from; i < text.size(); ++i) {
    if (text[i] != '.' && text[i] != '!' && text[i] != '?') continue;
    if (i + 1 == text.size()) return text.size();
    if (text[i + 1] != ' ') continue;
    const char next = i + 2 < text.size() ? text[i + 2] : 'A';
    const std::string_view before = text.substr(from, i - from);
    const bool abbreviation =
        before.size() >= 3 && (before.substr(before.size() - 3) == "e.g" || before.substr(before.size() - 3) == "i.e");
    if (!absl::ascii_islower(static_cast<unsigned char>(next)) && !abbreviation) return i + 1;
  }
  return text.size();
}

}  // namespace

std::string CommentOf(std::string_view description) {
  std::string text = ReplaceBadUtf8(description, "?");
  text = WithoutMarkdown(WithoutTags(text));
  text = absl::StrReplaceAll(
      text, {{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&nbsp;", " "}, {"&amp;", "&"}});
  text = SingleSpaced(text);
  if (text.empty()) return text;
  size_t end = SentenceEnd(text, 0);
  if (end > kMaxBytes) {
    size_t cut = text.rfind(' ', kMaxBytes);
    if (cut == std::string::npos) {
      cut = kMaxBytes;
      // Not within a character.
      while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
    }
    return text.substr(0, cut) + " ...";
  }
  while (end < text.size()) {
    const size_t next = SentenceEnd(text, end + 1);
    if (next > kMaxBytes) break;
    end = next;
  }
  text.resize(end);
  if (std::string_view(".!?:;").find(text.back()) == std::string_view::npos) text.push_back('.');
  return text;
}

void AddTexts(std::string& comment, const std::vector<std::string>& texts) {
  const auto there = [&](const std::string& text) {
    return absl::StrContains(comment, absl::StrCat("`", text, "`")) ||
           absl::StrContains(comment, absl::StrCat("\"", text, "\""));
  };
  std::vector<std::string> missing;
  std::remove_copy_if(texts.begin(), texts.end(), std::back_inserter(missing), there);
  if (missing.empty()) return;
  const bool some = missing.size() < texts.size();
  const bool more = missing.size() > kMaxTexts;
  if (more) missing.resize(kMaxTexts);
  for (std::string& text : missing) text = absl::StrCat("\"", ReplaceBadUtf8(text, "?"), "\"");
  absl::StrAppend(&comment, comment.empty() ? "" : " ", some ? "Also " : "", absl::StrJoin(missing, ", "),
                  more ? ", ..." : ".");
}

}  // namespace hookstream::schema
