#include "typing/repair.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace hookstream::typing {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The code unit of "\uXXXX" at the front of `text`; -1: not well-formed.
int EscapedUnit(std::string_view text) {
  if (text.size() < 6 || text[0] != '\\' || text[1] != 'u') return -1;
  unsigned unit = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + 6, unit, 16);
  return error == std::errc() && end == text.data() + 6 ? static_cast<int>(unit) : -1;
}

class Repair {
 public:
  explicit Repair(std::string_view json) : rest_(json) { result_.json.reserve(json.size() + 64); }

  Repaired Run() {
    if (rest_.substr(0, 3) == "\xEF\xBB\xBF") {
      rest_.remove_prefix(3);
      Did("byte order mark");
    }
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (c == '"') {
        String();
      } else if (c == '-' || IsDigit(c)) {
        Number();
      } else {
        Copy(1);
      }
    }
    return std::move(result_);
  }

 private:
  void Copy(size_t count) {
    result_.json.append(rest_.substr(0, count));
    rest_.remove_prefix(count);
  }
  void Did(const char* what) {
    if (result_.what.find(what) != std::string::npos) return;
    absl::StrAppend(&result_.what, result_.what.empty() ? "" : ", ", what);
  }

  void String() {
    Copy(1);
    while (!rest_.empty()) {
      const unsigned char c = static_cast<unsigned char>(rest_.front());
      if (c == '"') {
        Copy(1);
        return;
      }
      if (c == '\\') {
        Escape();
      } else if (c < 0x20) {
        Did("control character");
        constexpr char kHex[] = "0123456789abcdef";
        absl::StrAppend(&result_.json, "\\u00");
        result_.json.push_back(kHex[c >> 4]);
        result_.json.push_back(kHex[c & 15]);
        rest_.remove_prefix(1);
      } else if (c < 0x80) {
        Copy(1);
      } else if (const size_t length = Utf8Length(rest_); length != 0) {
        Copy(length);
      } else {
        Did("bad UTF-8");
        result_.lossy = result_.bad_utf8 = true;
        result_.json.append(kReplacement);
        rest_.remove_prefix(1);
      }
    }
  }

  void Escape() {
    const int unit = EscapedUnit(rest_);
    if (unit < 0xD800 || unit > 0xDFFF) {  // also -1: the parser judges it
      Copy(std::min<size_t>(rest_.size(), 2));
      return;
    }
    if (unit < 0xDC00) {
      const int low = EscapedUnit(rest_.substr(6));
      if (low >= 0xDC00 && low <= 0xDFFF) {
        Copy(12);
        return;
      }
    }
    Did("lone surrogate");
    result_.lossy = true;
    result_.json.append(kReplacement);
    rest_.remove_prefix(6);
  }

  void Number() {
    size_t length = 1;
    bool whole = true;
    while (length < rest_.size()) {
      const char c = rest_[length];
      if (c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-') {
        whole = false;
      } else if (!IsDigit(c)) {
        break;
      }
      ++length;
    }
    const absl::string_view text(rest_.data(), length);
    double value = 0;
    if (!absl::SimpleAtod(text, &value)) {
      Copy(length);  // no number: the parser says so
    } else if (std::isinf(value)) {
      Did("large number");
      result_.json.push_back('"');
      Copy(length);
      result_.json.push_back('"');
    } else if (int64_t i; whole && !absl::SimpleAtoi(text, &i)) {
      if (uint64_t u; absl::SimpleAtoi(text, &u)) {
        Copy(length);
        return;
      }
      Did("large integer");
      Copy(length);
      result_.json.append("e0");
    } else {
      Copy(length);
    }
  }

  std::string_view rest_;
  Repaired result_;
};

}  // namespace

Repaired RepairJson(std::string_view json) { return Repair(json).Run(); }

}  // namespace hookstream::typing
