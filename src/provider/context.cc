#include "provider/context.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "provider/encoding.h"
#include "provider/expression.h"
#include "provider/json_document.h"
#include "provider/provider.h"

namespace hookstream::provider {
namespace {

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

Parameters ParseParameters(std::string_view text) {
  Parameters parameters;
  while (!text.empty()) {
    const size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    if (parameters.size() == kMaxParameters) return {};
    const size_t equals = pair.find('=');
    parameters.emplace_back(DecodeFormText(pair.substr(0, equals)),
                            equals == std::string_view::npos ? "" : DecodeFormText(pair.substr(equals + 1)));
  }
  return parameters;
}

std::optional<std::string_view> FindParameter(const Parameters& parameters, std::string_view name) {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::optional<simdjson::dom::element> FindElement(const JsonState* json, const Value& value) {
  if (json == nullptr) return std::nullopt;
  if (value.source == Source::kJson) return FindJson(json->root, value.path);
  if (json->selected == nullptr) return std::nullopt;
  return FindJson(value.source == Source::kItem ? json->selected->item : json->selected->item1, value.path);
}

}  // namespace

Context::Context(const Request& request, const ContentRule& content) : request_(request), content_(content) {
  const size_t question = request.target.find('?');
  path_ = request.target.substr(0, question);
  if (question != std::string_view::npos) raw_query_ = request.target.substr(question + 1);
}

Context::~Context() = default;

std::optional<std::string_view> Context::Header(std::string_view name) const {
  for (const HeaderView& header : request_.headers) {
    if (header.name.size() == name.size() && absl::EqualsIgnoreCase(ToAbsl(header.name), ToAbsl(name))) {
      return header.value;
    }
  }
  return std::nullopt;
}

size_t Context::CountHeader(std::string_view name) const {
  size_t count = 0;
  for (const HeaderView& header : request_.headers) {
    if (header.name.size() == name.size() && absl::EqualsIgnoreCase(ToAbsl(header.name), ToAbsl(name))) ++count;
  }
  return count;
}

std::string_view Context::Url() {
  if (bindings_.url) return *bindings_.url;
  if (url_.empty()) url_ = Keep(absl::StrCat(ToAbsl(request_.public_url), ToAbsl(request_.target)));
  return url_;
}

const Parameters& Context::Form() {
  if (!form_) form_ = ParseParameters(request_.body);
  return *form_;
}

const Parameters& Context::Query() {
  if (!query_) query_ = ParseParameters(raw_query_.value_or(std::string_view()));
  return *query_;
}

bool Context::IsForm() const {
  const std::optional<std::string_view> type = Header("content-type");
  return type && absl::StartsWithIgnoreCase(ToAbsl(*type), "application/x-www-form-urlencoded");
}

JsonState* Context::Json() {
  if (json_tried_) return json_.get();
  json_tried_ = true;
  std::string_view text = request_.body;
  if (content_.kind == ContentRule::Kind::kNone) return nullptr;
  if (content_.kind != ContentRule::Kind::kJson && IsForm()) {
    // A form is JSON only in the field that the preset names.
    if (content_.kind != ContentRule::Kind::kFormField) return nullptr;
    const std::optional<std::string_view> field = FindParameter(Form(), content_.field);
    if (!field) return nullptr;
    text = *field;
  }
  json_ = ParseJson(text);
  return json_.get();
}

bool Context::Parsed() {
  switch (content_.kind) {
    case ContentRule::Kind::kNone: return true;
    case ContentRule::Kind::kJson: return Json() != nullptr;
    case ContentRule::Kind::kForm: return IsForm() ? request_.body.empty() || !Form().empty() : Json() != nullptr;
    case ContentRule::Kind::kFormField:
      // A form without the field is read by its fields (Slack's commands); a field that is no JSON is unreadable.
      return Json() != nullptr || (IsForm() && !Form().empty() && !FindParameter(Form(), content_.field));
  }
  return false;
}

SplitResult Context::Split(const std::vector<std::string>& path) {
  if (Json() == nullptr) return SplitResult::kNoList;
  json_->selected = nullptr;
  return SplitJson(*json_, path);
}

size_t Context::ItemCount() { return Json() == nullptr ? 0 : json_->items.size(); }

std::string_view Context::ItemBytes(size_t index) { return json_->items[index].bytes; }

void Context::SelectItem(std::optional<size_t> index) {
  if (Json() != nullptr) json_->selected = index ? &json_->items[*index] : nullptr;
}

void Context::SelectWhole() {
  if (Json() == nullptr) return;
  json_->items.assign(1, {json_->root, json_->root, json_->text});
  SelectItem(0);
}

std::string_view Context::Keep(std::string text) { return kept_.emplace_front(std::move(text)); }

std::optional<std::string_view> Context::Find(const Value& value) {
  switch (value.source) {
    case Source::kBody: return request_.body;
    case Source::kMethod: return request_.method;
    case Source::kUrl: return Url();
    case Source::kPath: return path_;
    case Source::kRawQuery: return raw_query_;
    case Source::kTarget: return request_.target;
    case Source::kTime: return bindings_.time;
    case Source::kKey: return bindings_.key;
    case Source::kHeader: return Header(value.name);
    case Source::kQuery: return FindParameter(Query(), value.name);
    case Source::kForm: return FindParameter(Form(), value.name);
    case Source::kSecret: {
      if (bindings_.secrets == nullptr) return std::nullopt;
      const auto found = bindings_.secrets->find(value.name);
      if (found == bindings_.secrets->end()) return std::nullopt;
      return found->second;
    }
    case Source::kJson:
    case Source::kItem:
    case Source::kItem1: break;
  }
  const std::optional<simdjson::dom::element> element = FindElement(Json(), value);
  if (!element) return std::nullopt;
  std::string scratch;
  const std::optional<std::string_view> text = JsonText(*element, scratch);
  if (!text || text->data() != scratch.data()) return text;
  return Keep(std::move(scratch));
}

std::optional<std::string_view> Context::OnlyOtherKey(const Value& value, const std::vector<std::string>& known) {
  const std::optional<simdjson::dom::element> element = FindElement(Json(), value);
  simdjson::dom::object object;
  if (!element || element->get(object) != simdjson::SUCCESS) return std::nullopt;
  std::optional<std::string_view> other;
  for (const auto member : object) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    if (other) return std::nullopt;
    other = member.key;
  }
  return other;
}

std::optional<std::string_view> Context::JsonBytes(const Value& value) {
  const JsonState* json = Json();
  if (json == nullptr) return std::nullopt;
  if (value.source == Source::kJson) return SliceJson(*json, value.path);
  if (value.source == Source::kItem && json->selected != nullptr) return SliceJson(*json->selected, value.path);
  return std::nullopt;
}

}  // namespace hookstream::provider
