#include "schema/comment.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/text.h"

namespace hookstream::schema {
namespace {

constexpr size_t kMaxBytes = 280;
constexpr size_t kMaxTexts = 8;

// "<b>bold</b> <a href=x>y</a>" -> "bold y". A < that begins no tag stays.
std::string WithoutTags(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] == '<' && (absl::ascii_isalpha(static_cast<unsigned char>(next)) || next == '/' || next == '!')) {
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
  if (absl::ascii_isalnum(static_cast<unsigned char>(text.back())) || text.back() == ')' || text.back() == '`')
    text.push_back('.');
  return text;
}

void AddTexts(std::string& comment, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  const auto there = [&](const std::string& text) {
    return absl::StrContains(comment, absl::StrCat("`", text, "`")) ||
           absl::StrContains(comment, absl::StrCat("\"", text, "\""));
  };
  if (std::all_of(texts.begin(), texts.end(), there)) return;
  std::string list;
  for (size_t i = 0; i < std::min(texts.size(), kMaxTexts); ++i) {
    absl::StrAppend(&list, i == 0 ? "" : ", ", "\"", ReplaceBadUtf8(texts[i], "?"), "\"");
  }
  absl::StrAppend(&comment, comment.empty() ? "" : " ", list, texts.size() > kMaxTexts ? ", ..." : ".");
}

}  // namespace hookstream::schema
