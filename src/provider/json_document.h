// A parsed JSON document together with the text that it came from, so that parts of it can be cut out byte for byte.
// Internal to the room.
#pragma once

#include <simdjson.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "provider/context.h"

namespace hookstream::provider {

struct JsonItem {
  simdjson::dom::element item;
  // The element at the path's first "*".
  simdjson::dom::element item1;
  // Its bytes in the document.
  std::string_view bytes;
};

// The parser is borrowed from the thread's pool and goes back to the pool of the thread that destroys this.
struct JsonState {
  JsonState() = default;
  ~JsonState();
  JsonState(const JsonState&) = delete;
  JsonState& operator=(const JsonState&) = delete;

  // As long-lived as what it was parsed from; of JSON Lines: `list`.
  std::string_view text;
  // Of JSON Lines: the lines as one array, where each byte of the body has its place one further on.
  std::string list;
  std::string_view lines;
  std::unique_ptr<simdjson::dom::parser> parser;
  simdjson::dom::element root;
  // What the document was split into, and the one that `item` and `item1` stand for at the moment.
  std::vector<JsonItem> items;
  const JsonItem* selected = nullptr;

  // The bytes in the body (or the form's field) of a part of `text`.
  std::string_view Origin(std::string_view part) const {
    if (list.empty() || part.empty()) return part;
    if (part.data() == list.data()) return lines;
    return lines.substr(static_cast<size_t>(part.data() - list.data()) - 1, part.size());
  }
};

// nullptr: simdjson refuses it, or it is too large.
std::unique_ptr<JsonState> ParseJson(std::string_view text);

// JSON Lines as the list of their documents: lines end with LF or CRLF, and blank ones count for nothing. An array, or
// one document over several lines, is taken as it is. nullptr: neither, or too large.
std::unique_ptr<JsonState> ParseJsonLines(std::string_view text);

// First member of that name, or the array's element; nullopt when there is none.
std::optional<simdjson::dom::element> FindJson(simdjson::dom::element from, const std::vector<std::string>& path);

// A scalar's text: strings decoded (as long-lived as the parser), numbers and booleans written into `scratch`. nullopt
// for null, objects and arrays.
std::optional<std::string_view> JsonText(simdjson::dom::element element, std::string& scratch);

// Fills `json.items`: every element at `path` ("*": each element of an array). kNoList: there is no array where the
// first "*" belongs. An element without the rest of the path is an item as far as the path leads.
SplitResult SplitJson(JsonState& json, const std::vector<std::string>& path);

// The bytes in the body (or the form's field) of the value at the path.
std::optional<std::string_view> SliceJson(const JsonState& json, const std::vector<std::string>& path);
std::optional<std::string_view> SliceJson(const JsonItem& item, const std::vector<std::string>& path);

// The bytes of each value at `path` in each element at `split` (as in SplitJson, but without its limit; empty: the
// document itself).
void VisitJson(const JsonState& json, const std::vector<std::string>& split, const std::vector<std::string>& path,
               const std::function<void(std::string_view)>& visit);

}  // namespace hookstream::provider
