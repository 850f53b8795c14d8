#include "typing/raw_text.h"

#include <algorithm>
#include <charconv>

namespace hookstream::typing {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

class Cursor {
 public:
  explicit Cursor(std::string_view json) : rest_(json) { Space(); }

  size_t left() const { return rest_.size(); }
  char front() const { return rest_.empty() ? '\0' : rest_.front(); }
  void Take(size_t count) {
    rest_.remove_prefix(std::min(count, rest_.size()));
    Space();
  }

  // The value at the front, with its quotes.
  std::string_view Value() {
    const std::string_view start = rest_;
    size_t length = 0;
    if (front() == '"') {
      length = StringLength(rest_);
    } else if (front() == '{' || front() == '[') {
      int depth = 0;
      do {
        const char c = rest_[length];
        if (c == '"') {
          length += StringLength(rest_.substr(length));
          continue;
        }
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        ++length;
      } while (depth > 0 && length < rest_.size());
    } else {
      length = std::min(rest_.find_first_of(",]} \t\r\n"), rest_.size());
    }
    Take(length);
    return start.substr(0, length);
  }

 private:
  static size_t StringLength(std::string_view text) {
    size_t length = 1;
    while (length < text.size() && text[length] != '"') length += text[length] == '\\' ? 2 : 1;
    return std::min(length + 1, text.size());
  }
  void Space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(kSpace), rest_.size())); }

  std::string_view rest_;
};

}  // namespace

std::string_view FindRawText(std::string_view json, const std::vector<std::string>& path, size_t& budget) {
  Cursor cursor(json);
  const auto spent = [&] { return json.size() - cursor.left(); };
  const auto give_up = [&] {
    budget -= std::min(budget, spent());
    return std::string_view();
  };
  for (const std::string& segment : path) {
    const char open = cursor.front();
    if (open != '{' && open != '[') return give_up();
    size_t wanted = 0;
    if (open == '[' && std::from_chars(segment.data(), segment.data() + segment.size(), wanted).ec != std::errc()) {
      return give_up();
    }
    cursor.Take(1);
    for (size_t index = 0;; ++index) {
      if (cursor.front() == '}' || cursor.front() == ']' || spent() >= budget) return give_up();
      if (open == '{') {
        std::string_view key = cursor.Value();
        if (key.size() < 2) return give_up();
        key = key.substr(1, key.size() - 2);
        cursor.Take(1);  // the colon
        if (key == segment) break;
      } else if (index == wanted) {
        break;
      }
      cursor.Value();
      if (cursor.front() == ',') cursor.Take(1);
    }
  }
  const std::string_view text = cursor.Value();
  budget -= std::min(budget, spent());
  return text;
}

}  // namespace hookstream::typing
