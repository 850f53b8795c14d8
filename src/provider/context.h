// A request while its preset's expressions are evaluated: what they read is parsed when it is first asked for, and
// computed texts live as long as the context.
//
// Lifecycle: one per request, on the stack; the request's views outlive it. Texts that it hands out are valid until it
// is destroyed. Not thread-safe, but it may move between threads from call to call.
// Limits: JSON documents up to 64 MiB (what simdjson refuses counts as not parsed), kMaxParameters form or query
// parameters (a request with more has none), the parts of a multipart form as in provider/multipart.h. JSON parsers are
// kept per thread, at most 4 of at most 4 MiB.
#pragma once

#include <cstdint>
#include <forward_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "provider/request.h"

namespace hookstream::provider {

struct Value;
struct ContentRule;
struct JsonState;

using Parameters = std::vector<std::pair<std::string, std::string>>;

inline constexpr size_t kMaxParameters = 10'000;
inline constexpr size_t kMaxItems = 1'000;

enum class SplitResult { kItems, kNoList, kTooMany };

// What the Content-Type says of the body: application/json and everything that ends with /json or +json, or one of the
// two kinds of forms.
enum class Media : uint8_t { kOther, kJson, kForm, kMultipart };

class Context {
 public:
  // What only the caller knows at the moment: the verifier binds the key and the time that it tries.
  struct Bindings {
    // The decoded key, for `key` and the hmac filters. Missing when not bound.
    std::optional<std::string_view> key;
    // The text of the signed time, for `time`.
    std::optional<std::string_view> time;
    // Overrides `url`: another spelling of the same address.
    std::optional<std::string_view> url;
    // The values of `secret.N` by name.
    const std::map<std::string, std::string, std::less<>>* secrets = nullptr;
  };

  // Both outlive the context.
  Context(const Request& request, const ContentRule& content);
  // Over no request at all: for what reads the source's configuration alone.
  static Context OfNothing();
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Request& request() const { return request_; }
  Bindings& bindings() { return bindings_; }

  // The value's text; nullopt when the request does not have it. JSON numbers and booleans are their JSON text, JSON
  // null, objects and arrays are missing.
  std::optional<std::string_view> Find(const Value& value);

  // The name of the one member of the JSON object `value` that is none of `known`; nullopt when there is none or
  // several.
  std::optional<std::string_view> OnlyOtherKey(const Value& value, const std::vector<std::string>& known);

  // The bytes in the document of the JSON value of any kind that `value` (json or item) names; nullopt: it is not
  // there.
  std::optional<std::string_view> JsonBytes(const Value& value);

  // First value of the header, whose name is compared without case.
  std::optional<std::string_view> Header(std::string_view name) const;
  size_t CountHeader(std::string_view name) const;

  // The configured public URL and the target.
  std::string_view Url();

  // Decoded parameters in their order. Of a multipart form: its fields, without files.
  const Parameters& Form();
  const Parameters& Query();

  // True when the body could be read the way the preset's content says: JSON accepted by simdjson, or a form. What is
  // opaque counts as read.
  bool Parsed();

  // The parsed JSON document (of the body, or of a form's field; for JSON Lines the list of them); nullptr when there
  // is none.
  JsonState* Json();

  // Splits the JSON document into the elements at `path` ("*": each element of an array), at most kMaxItems. kNoList:
  // there is no document, or no array where the first "*" belongs. An element without the rest of the path is an item
  // as far as the path leads.
  SplitResult Split(const std::vector<std::string>& path);
  size_t ItemCount();
  // The item's bytes in the document.
  std::string_view ItemBytes(size_t index);
  // What `item` and `item1` read from now on; nullopt: they are missing.
  void SelectItem(std::optional<size_t> index);
  // Makes the whole document the one item, and selects it.
  void SelectWhole();

  // Keeps a computed text until the context is destroyed.
  std::string_view Keep(std::string text);

  Media BodyMedia() const { return media_; }
  // A form of either kind.
  bool IsForm() const { return media_ == Media::kForm || media_ == Media::kMultipart; }

 private:
  // nullptr: the document has to be read in another way, or there is none.
  std::unique_ptr<JsonState> ParseDocument();
  // A form that could be taken apart.
  bool FormParsed();

  const Request& request_;
  const ContentRule& content_;
  Media media_ = Media::kOther;
  Bindings bindings_;
  std::string_view path_;
  std::optional<std::string_view> raw_query_;
  // Absent when it was not read yet; of a multipart form also when it is malformed.
  std::optional<Parameters> form_;
  bool form_tried_ = false;
  std::optional<Parameters> query_;
  std::string_view url_;
  bool json_tried_ = false;
  std::unique_ptr<JsonState> json_;
  // A list, since it costs nothing while it is empty and never moves a text.
  std::forward_list<std::string> kept_;
};

}  // namespace hookstream::provider
