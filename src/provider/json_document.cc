#include "provider/json_document.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace hookstream::provider {
namespace {

constexpr std::string_view kJsonSpace = " \t\r\n";
constexpr size_t kMaxDocumentBytes = size_t{64} << 20;
constexpr size_t kPooledParsersMax = 4;
constexpr size_t kPooledParserBytesMax = size_t{4} << 20;

std::vector<std::unique_ptr<simdjson::dom::parser>>& Pool() {
  thread_local std::vector<std::unique_ptr<simdjson::dom::parser>> pool;
  return pool;
}

// Steps over the text of a document that simdjson accepted, so brackets and quotes are known to match; it still never
// leaves the text.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  void SkipSpace() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t' ||
                                  text_[at_] == ',' || text_[at_] == ':')) {
      ++at_;
    }
  }

  // Past the opening bracket of the array or object here.
  void Enter() {
    SkipSpace();
    if (at_ < text_.size()) ++at_;
  }

  // The value here, with the cursor past it.
  std::string_view Take() {
    SkipSpace();
    const size_t begin = at_;
    if (at_ >= text_.size()) return {};
    if (text_[at_] == '"') {
      SkipString();
    } else if (text_[at_] == '{' || text_[at_] == '[') {
      SkipNested();
    } else {
      while (at_ < text_.size() && std::string_view(",:]} \n\r\t").find(text_[at_]) == std::string_view::npos) ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

 private:
  void SkipString() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return;
      }
    }
    at_ = text_.size();
  }

  void SkipNested() {
    size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        SkipString();
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return;
    }
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::optional<size_t> ArrayIndex(std::string_view token) {
  size_t index = 0;
  if (token.empty() || (token.size() > 1 && token[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc() || end != token.data() + token.size()) return std::nullopt;
  return index;
}

struct Position {
  simdjson::dom::element element;
  std::string_view bytes;
};

// The member or element, with its bytes.
std::optional<Position> Step(const Position& from, std::string_view token) {
  Cursor cursor(from.bytes);
  cursor.Enter();
  if (simdjson::dom::object object; from.element.get(object) == simdjson::SUCCESS) {
    for (const auto member : object) {
      cursor.Take();
      const std::string_view bytes = cursor.Take();
      if (member.key == token) return Position{member.value, bytes};
    }
    return std::nullopt;
  }
  if (simdjson::dom::array array; from.element.get(array) == simdjson::SUCCESS) {
    const std::optional<size_t> index = ArrayIndex(token);
    if (!index) return std::nullopt;
    size_t at = 0;
    for (const simdjson::dom::element element : array) {
      const std::string_view bytes = cursor.Take();
      if (at++ == *index) return Position{element, bytes};
    }
  }
  return std::nullopt;
}

SplitResult Split(const Position& from, const std::vector<std::string>& path, size_t depth,
                  const simdjson::dom::element* first, size_t items_max, std::vector<JsonItem>& out) {
  Position at = from;
  const auto take = [&] {
    if (out.size() >= items_max) return SplitResult::kTooMany;
    out.push_back({at.element, first == nullptr ? at.element : *first, at.bytes});
    return SplitResult::kItems;
  };
  for (; depth < path.size() && path[depth] != "*"; ++depth) {
    const std::optional<Position> next = Step(at, path[depth]);
    // Before the first "*" the list itself is missing. After it this element is of another kind (Messenger's entries
    // have no "changes"): it is an item of its own, for what is left out would be lost.
    if (!next) return first == nullptr ? SplitResult::kNoList : take();
    at = *next;
  }
  if (depth == path.size()) return take();
  simdjson::dom::array array;
  if (at.element.get(array) != simdjson::SUCCESS) return first == nullptr ? SplitResult::kNoList : take();
  Cursor cursor(at.bytes);
  cursor.Enter();
  for (const simdjson::dom::element element : array) {
    const Position child{element, cursor.Take()};
    const SplitResult result = Split(child, path, depth + 1, first == nullptr ? &element : first, items_max, out);
    if (result != SplitResult::kItems) return result;
  }
  return SplitResult::kItems;
}

std::string_view Trimmed(std::string_view text) {
  Cursor cursor(text);
  return cursor.Take();
}

std::optional<std::string_view> Slice(Position at, const std::vector<std::string>& path) {
  for (const std::string& token : path) {
    const std::optional<Position> next = Step(at, token);
    if (!next) return std::nullopt;
    at = *next;
  }
  return at.bytes;
}

}  // namespace

JsonState::~JsonState() {
  if (parser && parser->capacity() <= kPooledParserBytesMax && Pool().size() < kPooledParsersMax) {
    Pool().push_back(std::move(parser));
  }
}

std::unique_ptr<JsonState> ParseJson(std::string_view text) {
  // simdjson copies from an empty text's null pointer (undefined, found by the fuzzer).
  if (text.empty() || text.size() > kMaxDocumentBytes) return nullptr;
  auto json = std::make_unique<JsonState>();
  json->text = text;
  if (Pool().empty()) {
    json->parser = std::make_unique<simdjson::dom::parser>(kMaxDocumentBytes);
  } else {
    json->parser = std::move(Pool().back());
    Pool().pop_back();
  }
  if (json->parser->parse(text.data(), text.size()).get(json->root) != simdjson::SUCCESS) return nullptr;
  return json;
}

namespace {

// Takes the lines of `text`, their ends and blank ones left out, until `take` is false.
bool ForEachLine(std::string_view text, const std::function<bool(std::string_view)>& take) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t begin = line.find_first_not_of(kJsonSpace);
    if (begin == std::string_view::npos) continue;
    line = line.substr(begin, line.find_last_not_of(kJsonSpace) + 1 - begin);
    if (!take(line)) return false;
  }
  return true;
}

// As one array, so that there is one document: "[" and the body, with a comma for the end of each line that has
// another behind it. The lines could have become another document this way ({"a":1 and "b":2} are none, together
// they are), so each element has to be exactly one line.
std::unique_ptr<JsonState> ParseAsList(std::string_view text) {
  std::string list = absl::StrCat("[", ToAbsl(text), "]");
  const char* line_end = nullptr;
  ForEachLine(text, [&](std::string_view line) {
    if (line_end != nullptr) list[static_cast<size_t>(line_end - text.data()) + 1] = ',';
    line_end = line.data() + line.size();
    while (line_end < text.data() + text.size() && *line_end != '\n') ++line_end;
    return true;
  });
  std::unique_ptr<JsonState> json = ParseJson(list);
  simdjson::dom::array array;
  if (json == nullptr || json->root.get(array) != simdjson::SUCCESS) return nullptr;
  Cursor cursor(list);
  cursor.Enter();
  auto element = array.begin();
  const bool same = ForEachLine(text, [&](std::string_view line) {
    if (element == array.end()) return false;
    ++element;
    return cursor.Take() == line;
  });
  if (!same || element != array.end()) return nullptr;
  json->list = std::move(list);
  json->text = json->list;
  json->lines = text;
  return json;
}

}  // namespace

std::unique_ptr<JsonState> ParseJsonLines(std::string_view text) {
  const size_t first = text.find_first_not_of(kJsonSpace);
  if (first == std::string_view::npos || text.size() > kMaxDocumentBytes) return nullptr;
  if (text[first] == '[') {
    if (std::unique_ptr<JsonState> json = ParseJson(text)) return json;
  }
  if (std::unique_ptr<JsonState> json = ParseAsList(text)) return json;
  return text[first] == '[' ? nullptr : ParseJson(text);
}

std::optional<simdjson::dom::element> FindJson(simdjson::dom::element from, const std::vector<std::string>& path) {
  for (const std::string& token : path) {
    if (simdjson::dom::object object; from.get(object) == simdjson::SUCCESS) {
      if (object.at_key(token).get(from) != simdjson::SUCCESS) return std::nullopt;
      continue;
    }
    simdjson::dom::array array;
    const std::optional<size_t> index = ArrayIndex(token);
    if (!index || from.get(array) != simdjson::SUCCESS) return std::nullopt;
    if (array.at(*index).get(from) != simdjson::SUCCESS) return std::nullopt;
  }
  return from;
}

std::optional<std::string_view> JsonText(simdjson::dom::element element, std::string& scratch) {
  using simdjson::dom::element_type;
  std::array<char, 32> buffer{};
  std::to_chars_result written{};
  switch (element.type()) {
    case element_type::STRING: return element.get_string().value_unsafe();
    case element_type::BOOL: return element.get_bool().value_unsafe() ? "true" : "false";
    case element_type::INT64:
      written = std::to_chars(buffer.begin(), buffer.end(), element.get_int64().value_unsafe());
      break;
    case element_type::UINT64:
      written = std::to_chars(buffer.begin(), buffer.end(), element.get_uint64().value_unsafe());
      break;
    case element_type::DOUBLE:
      written = std::to_chars(buffer.begin(), buffer.end(), element.get_double().value_unsafe());
      break;
    default: return std::nullopt;
  }
  scratch.assign(buffer.begin(), written.ptr);
  return scratch;
}

SplitResult SplitJson(JsonState& json, const std::vector<std::string>& path) {
  json.items.clear();
  const SplitResult result = Split({json.root, Trimmed(json.text)}, path, 0, nullptr, kMaxItems, json.items);
  for (JsonItem& item : json.items) item.bytes = json.Origin(item.bytes);
  return result;
}

std::optional<std::string_view> SliceJson(const JsonState& json, const std::vector<std::string>& path) {
  const std::optional<std::string_view> slice = Slice({json.root, Trimmed(json.text)}, path);
  return slice ? std::optional(json.Origin(*slice)) : std::nullopt;
}

std::optional<std::string_view> SliceJson(const JsonItem& item, const std::vector<std::string>& path) {
  return Slice({item.item, item.bytes}, path);
}

void VisitJson(const JsonState& json, const std::vector<std::string>& split, const std::vector<std::string>& path,
               const std::function<void(std::string_view)>& visit) {
  const Position root{json.root, Trimmed(json.text)};
  const auto visit_at = [&](const Position& at) {
    if (const std::optional<std::string_view> slice = Slice(at, path)) visit(json.Origin(*slice));
  };
  std::vector<JsonItem> items;
  // A single one where a list is usual is the item.
  if (split.empty() || Split(root, split, 0, nullptr, SIZE_MAX, items) != SplitResult::kItems) return visit_at(root);
  for (const JsonItem& item : items) visit_at({item.item, item.bytes});
}

}  // namespace hookstream::provider
