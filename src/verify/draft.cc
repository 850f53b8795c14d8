#include "verify/draft.h"

#include <algorithm>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "provider/encoding.h"

namespace hookstream::verify {
namespace {

using provider::ContentRule;
using provider::Context;
using provider::Provider;
using provider::Source;
using provider::Value;

constexpr std::string_view kForm = "application/x-www-form-urlencoded";

std::string ContentType(const Provider& provider, std::string_view body) {
  const bool form =
      provider.content.kind == ContentRule::Kind::kForm || provider.content.kind == ContentRule::Kind::kFormField;
  const size_t first = body.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && (body[first] == '{' || body[first] == '[');
  return form && !json ? std::string(kForm) : "application/json";
}

// `text` is a form or a query: replaces the parameter's value, or appends the parameter.
void PutParameter(std::string_view name, std::string_view value, std::string& text, size_t begin) {
  for (size_t at = begin; at < text.size();) {
    const size_t end = std::min(text.find('&', at), text.size());
    // Read with the code that finds it again: its name may be spelled in several ways.
    provider::Request request;
    request.body = std::string_view(text).substr(at, end - at);
    const ContentRule form{ContentRule::Kind::kForm, {}};
    Context pair(request, form);
    if (!pair.Form().empty() && pair.Form()[0].first == name) {
      const std::string both = absl::StrCat(EncodeFormText(name), "=", EncodeFormText(value));
      text.replace(at, end - at, both);
      return;
    }
    at = end + 1;
  }
  absl::StrAppend(&text, text.size() > begin ? "&" : "", EncodeFormText(name), "=", EncodeFormText(value));
}

}  // namespace

bool IsPlace(const Value& value) {
  switch (value.source) {
    case Source::kHeader: return true;
    case Source::kQuery:
    case Source::kForm: return !value.name.empty();
    case Source::kJson:
    case Source::kItem: return !value.path.empty();
    default: return false;
  }
}

const Value* Place(const provider::Expression& expression) {
  if (expression.empty() || expression.alternatives().front().nodes.empty()) return nullptr;
  const provider::TemplateNode& node = expression.alternatives().front().nodes.front();
  if (node.kind != provider::TemplateNode::Kind::kChain || !node.chain.filters.empty()) return nullptr;
  const Value& value = node.chain.values.front();
  return IsPlace(value) ? &value : nullptr;
}

Draft::Draft(const Provider& provider, const SignInput& input, const Params& params)
    : provider_(provider), params_(params) {
  request_.method = provider.methods.front();
  request_.url = input.url;
  request_.body = input.body;
  SetHeader("Content-Type", input.content_type.empty() ? ContentType(provider, input.body) : input.content_type);
}

void Draft::SetHeader(std::string_view name, std::string_view value) {
  for (auto& [known, text] : request_.headers) {
    if (absl::EqualsIgnoreCase(known, ToAbsl(name))) {
      text = std::string(value);
      return;
    }
  }
  request_.headers.emplace_back(name, value);
}

bool Draft::HasHeader(std::string_view name) const {
  return std::any_of(request_.headers.begin(), request_.headers.end(),
                     [&](const auto& header) { return absl::EqualsIgnoreCase(header.first, ToAbsl(name)); });
}

absl::Status Draft::Put(const Value& place, std::string_view text, bool number, std::optional<size_t> item) {
  switch (place.source) {
    case Source::kHeader: SetHeader(place.name, text); return absl::OkStatus();
    case Source::kQuery: {
      const size_t question = request_.url.find('?');
      if (question == std::string::npos) request_.url += '?';
      PutParameter(place.name, text, request_.url,
                   (question == std::string::npos ? request_.url.size() : question + 1));
      return absl::OkStatus();
    }
    case Source::kForm:
      if (With([](Context& context) { return context.BodyMedia(); }) != provider::Media::kForm) {
        return absl::InvalidArgumentError(
            absl::StrCat("the body is no urlencoded form, so that it has no place for the field ", place.name));
      }
      PutParameter(place.name, text, request_.body, 0);
      return absl::OkStatus();
    default: return PutJson(place, text, number, item);
  }
}

absl::Status Draft::PutJson(const Value& place, std::string_view text, bool number, std::optional<size_t> item) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body has no place for ", absl::StrJoin(place.path, "/"), ": ", ToAbsl(why)));
  };
  // The value itself, or else the innermost object on the way to it that is there.
  Value found = place;
  struct Range {
    size_t begin, size;
  };
  const std::optional<Range> range = With(
      [&](Context& context) -> std::optional<Range> {
        std::optional<std::string_view> bytes;
        while (!(bytes = context.JsonBytes(found))) {
          if (found.path.empty()) return std::nullopt;
          found.path.pop_back();
        }
        // A document in a form's field has no bytes in the body.
        const std::string& body = request_.body;
        const bool inside = std::less_equal<>()(body.data(), bytes->data()) &&
                            std::less_equal<>()(bytes->data() + bytes->size(), body.data() + body.size());
        if (!inside) return std::nullopt;
        return Range{static_cast<size_t>(bytes->data() - body.data()), bytes->size()};
      },
      item);
  if (!range) return refuse("it is no JSON of the provider's shape");
  const std::string_view there = std::string_view(request_.body).substr(range->begin, range->size);
  const bool whole = found.path.size() == place.path.size();
  // A value that is there already says how it is written.
  const bool bare = number && !(whole && there.front() == '"');
  std::string json = bare ? std::string(text) : provider::JsonQuoted(text);
  if (whole) {
    request_.body.replace(range->begin, range->size, json);
    return absl::OkStatus();
  }
  if (there.front() != '{') return refuse(absl::StrCat("there is no object at ", absl::StrJoin(found.path, "/")));
  for (size_t i = place.path.size(); i > found.path.size() + 1; --i) {
    json = absl::StrCat("{", provider::JsonQuoted(place.path[i - 1]), ":", json, "}");
  }
  const bool empty = there.find_first_not_of(" \t\r\n", 1) == there.size() - 1;
  request_.body.insert(range->begin + 1,
                       absl::StrCat(provider::JsonQuoted(place.path[found.path.size()]), ":", json, empty ? "" : ","));
  return absl::OkStatus();
}

std::optional<std::string> Draft::Text(const provider::Expression& expression) const {
  return With([&](Context& context) -> std::optional<std::string> {
    const auto text = expression.Text(context);
    return text ? std::optional<std::string>(*text) : std::nullopt;
  });
}

bool Draft::Holds(const provider::Condition& condition) const {
  return With([&](Context& context) { return condition.Holds(context); });
}

absl::StatusOr<size_t> Draft::CountItems() const {
  const std::vector<std::string>& split = provider_.events.front().split;
  return With([&](Context& context) -> absl::StatusOr<size_t> {
    if (context.Split(split) == provider::SplitResult::kItems && context.ItemCount() > 0) {
      return context.ItemCount();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("the body has no items at /", absl::StrJoin(split, "/"), " to sign"));
  });
}

}  // namespace hookstream::verify
