#include "provider/context.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "provider/encoding.h"
#include "provider/expression.h"
#include "provider/json_document.h"
#include "provider/multipart.h"
#include "provider/provider.h"

namespace hookstream::provider {
namespace {

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

// A malformed body has no fields.
std::optional<Parameters> MultipartFields(std::string_view content_type, std::string_view body) {
  const std::optional<std::string> boundary = MultipartBoundary(content_type);
  if (!boundary) return std::nullopt;
  auto parts = ParseMultipart(body, *boundary);
  if (!parts) return std::nullopt;
  Parameters fields;
  for (MultipartPart& part : *parts) {
    if (!part.is_file) fields.emplace_back(std::move(part.name), part.value);
  }
  return fields;
}

Media MediaOf(std::string_view content_type) {
  const absl::string_view type = absl::StripAsciiWhitespace(ToAbsl(content_type.substr(0, content_type.find(';'))));
  if (absl::StartsWithIgnoreCase(type, "application/x-www-form-urlencoded")) return Media::kForm;
  if (absl::EqualsIgnoreCase(type, "multipart/form-data")) return Media::kMultipart;
  if (absl::EndsWithIgnoreCase(type, "/json") || absl::EndsWithIgnoreCase(type, "+json")) return Media::kJson;
  return Media::kOther;
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
  if (const auto type = Header("content-type")) media_ = MediaOf(*type);
}

Context Context::OfNothing() {
  static const Request kNothing;
  static const ContentRule kNoContent{ContentRule::Kind::kNone, {}};
  return Context(kNothing, kNoContent);
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
  static const Parameters kNone;
  if (media_ != Media::kMultipart) {
    if (!form_) form_ = ParseParameters(request_.body);
    return *form_;
  }
  if (!form_tried_) form_ = MultipartFields(*Header("content-type"), request_.body);
  form_tried_ = true;
  return form_ ? *form_ : kNone;
}

const Parameters& Context::Query() {
  if (!query_) query_ = ParseParameters(raw_query_.value_or(std::string_view()));
  return *query_;
}

bool Context::FormParsed() {
  const Parameters& fields = Form();
  // Files alone are a form too.
  if (media_ == Media::kMultipart) return form_.has_value();
  return request_.body.empty() || !fields.empty();
}

std::unique_ptr<JsonState> Context::ParseDocument() {
  switch (content_.kind) {
    case ContentRule::Kind::kNone: return nullptr;
    case ContentRule::Kind::kJson: return ParseJson(request_.body);
    case ContentRule::Kind::kLines: return ParseJsonLines(request_.body);
    case ContentRule::Kind::kAny: return media_ == Media::kJson ? ParseJson(request_.body) : nullptr;
    case ContentRule::Kind::kForm: return IsForm() ? nullptr : ParseJson(request_.body);
    case ContentRule::Kind::kFormField: {
      if (!IsForm()) return ParseJson(request_.body);
      // A form is JSON only in the field that the preset names.
      const std::optional<std::string_view> field = FindParameter(Form(), content_.field);
      return field ? ParseJson(*field) : nullptr;
    }
  }
  return nullptr;
}

JsonState* Context::Json() {
  if (!json_tried_) json_ = ParseDocument();
  json_tried_ = true;
  return json_.get();
}

bool Context::Parsed() {
  switch (content_.kind) {
    case ContentRule::Kind::kNone: return true;
    case ContentRule::Kind::kJson:
    case ContentRule::Kind::kLines: return Json() != nullptr;
    case ContentRule::Kind::kAny:
      if (IsForm()) return FormParsed();
      return media_ != Media::kJson || Json() != nullptr;
    case ContentRule::Kind::kForm: return IsForm() ? FormParsed() : Json() != nullptr;
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
