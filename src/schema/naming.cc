#include "schema/naming.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace hookstream::schema {
namespace {

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }

// The code point of the character that `text` begins with; `length` is from Utf8Length.
uint32_t CodePoint(std::string_view text, size_t length) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  uint32_t point = byte(0) & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) point = point << 6 | (byte(i) & 0x3f);
  return point;
}

// Lower-case words of letters and digits.
std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  bool open = false;  // the last word goes on
  const auto add = [&](char c) {
    if (!open) words.emplace_back();
    words.back().push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    open = true;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (IsUpper(c)) {
      // A capital begins a word after anything small, and where it is the last of several: "fullName", "HTMLUrl".
      const char previous = i > 0 ? text[i - 1] : '\0';
      if (IsLower(previous) || IsDigit(previous) || (IsUpper(previous) && IsLower(next))) open = false;
      add(c);
    } else if (IsLower(c) || IsDigit(c)) {
      add(c);
    } else if ((c == '+' || c == '-') && words.empty() && IsDigit(next)) {
      words.emplace_back(c == '+' ? "plus" : "minus");
      open = false;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      const size_t length = Utf8Length(text.substr(i));
      std::array<char, 16> hex;
      const uint32_t point = length == 0 ? static_cast<unsigned char>(c) : CodePoint(text.substr(i), length);
      std::snprintf(hex.data(), hex.size(), "u%04x", point);
      words.emplace_back(hex.data());
      open = false;
      if (length > 1) i += length - 1;
    } else {
      open = false;
    }
  }
  if (words.empty()) words.emplace_back("empty");
  return words;
}

std::string Join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out.push_back('_');
    out += word;
  }
  return out;
}

template <size_t N>
bool Has(const std::array<std::string_view, N>& sorted, std::string_view name) {
  return std::binary_search(sorted.begin(), sorted.end(), name);
}

}  // namespace

std::string SnakeName(std::string_view text) {
  std::string out = Join(Words(text));
  return IsDigit(out[0]) ? "n" + out : out;
}

std::string CamelName(std::string_view text) {
  std::string out;
  for (std::string& word : Words(text)) {
    // buf splits before every capital, and two words of one letter would read as an abbreviation: "AB" -> "ab".
    word[0] = absl::ascii_toupper(static_cast<unsigned char>(word[0]));
    out += word;
  }
  return IsDigit(out[0]) ? "N" + out : out;
}

std::string UpperName(std::string_view text) { return absl::AsciiStrToUpper(Join(Words(text))); }

bool IsKeyword(std::string_view name) {
  static constexpr std::array kSorted = std::to_array<std::string_view>({
      "abstract",
      "alignas",
      "alignof",
      "and",
      "and_eq",
      "as",
      "asm",
      "assert",
      "async",
      "auto",
      "await",
      "bitand",
      "bitor",
      "bool",
      "boolean",
      "break",
      "byte",
      "case",
      "catch",
      "chan",
      "char",
      "class",
      "co_await",
      "co_return",
      "co_yield",
      "compl",
      "concept",
      "const",
      "const_cast",
      "consteval",
      "constexpr",
      "constinit",
      "continue",
      "debugger",
      "decltype",
      "def",
      "default",
      "defer",
      "del",
      "delete",
      "do",
      "double",
      "dynamic_cast",
      "elif",
      "else",
      "enum",
      "except",
      "explicit",
      "export",
      "extends",
      "extern",
      "fallthrough",
      "false",
      "final",
      "finally",
      "float",
      "for",
      "friend",
      "from",
      "func",
      "function",
      "global",
      "go",
      "goto",
      "if",
      "implements",
      "import",
      "in",
      "inline",
      "instanceof",
      "int",
      "interface",
      "is",
      "lambda",
      "let",
      "long",
      "map",
      "mutable",
      "namespace",
      "native",
      "new",
      "noexcept",
      "nonlocal",
      "not",
      "not_eq",
      "null",
      "nullptr",
      "operator",
      "or",
      "or_eq",
      "package",
      "pass",
      "private",
      "protected",
      "public",
      "raise",
      "range",
      "register",
      "reinterpret_cast",
      "requires",
      "return",
      "select",
      "short",
      "signed",
      "sizeof",
      "static",
      "static_assert",
      "static_cast",
      "strictfp",
      "struct",
      "super",
      "switch",
      "synchronized",
      "template",
      "this",
      "thread_local",
      "throw",
      "throws",
      "transient",
      "true",
      "try",
      "typedef",
      "typeid",
      "typename",
      "typeof",
      "union",
      "unsigned",
      "using",
      "var",
      "virtual",
      "void",
      "volatile",
      "wchar_t",
      "while",
      "with",
      "xor",
      "xor_eq",
      "yield",
  });
  static_assert(std::is_sorted(kSorted.begin(), kSorted.end()));
  return Has(kSorted, name);
}

bool IsTakenType(std::string_view name) {
  static constexpr std::array kSorted = std::to_array<std::string_view>({
      "Any",    "Array",     "Boolean", "Byte",      "Character", "Class",     "Date",    "Double",   "Duration",
      "Enum",   "Exception", "False",   "FieldMask", "Float",     "Function",  "Integer", "Iterable", "ListValue",
      "Long",   "Map",       "None",    "Number",    "Object",    "Override",  "Promise", "Set",      "Short",
      "String", "Struct",    "Symbol",  "System",    "Thread",    "Timestamp", "True",    "Value",    "Void",
  });
  static_assert(std::is_sorted(kSorted.begin(), kSorted.end()));
  return Has(kSorted, name);
}

std::string FieldName(std::string_view key, bool is_bool) {
  std::string name = SnakeName(key);
  if (!IsKeyword(name)) return name;
  return is_bool ? "is_" + name : name + "_value";
}

std::string TypeName(std::string_view text) {
  std::string name = CamelName(text);
  return IsTakenType(name) ? name + "Value" : name;
}

std::string Unique(std::string name, std::set<std::string>& taken) {
  std::string candidate = name;
  for (int i = 2; !taken.insert(candidate).second; ++i) candidate = absl::StrCat(name, i);
  return candidate;
}

std::string DefaultJsonName(std::string_view field) {
  std::string out;
  bool capital = false;
  for (const char c : field) {
    if (c == '_') {
      capital = true;
    } else {
      out.push_back(capital ? absl::ascii_toupper(static_cast<unsigned char>(c)) : c);
      capital = false;
    }
  }
  return out;
}

std::string Singular(std::string_view name) {
  const auto ends = [&](std::string_view suffix) {
    return name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix;
  };
  const auto cut = [&](size_t bytes, std::string_view instead) {
    return std::string(name.substr(0, name.size() - bytes)).append(instead);
  };
  if (ends("series") || ends("Series") || ends("species") || ends("ss") || ends("us") || ends("is")) {
    return std::string(name);
  }
  if (ends("ies")) return cut(3, "y");
  if (ends("sses") || ends("shes") || ends("ches") || ends("xes") || ends("uses")) return cut(2, "");
  if (ends("s")) return cut(1, "");
  return std::string(name);
}

}  // namespace hookstream::schema
