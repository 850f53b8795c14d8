#include "provider/mask.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "base/text.h"
#include "provider/json_document.h"
#include "provider/multipart.h"

namespace hookstream::provider {
namespace {

// Who reads it can send requests of his own: what is compared, and a token that does not say which body it is for.
bool IsCredential(const VerifyRule& rule) {
  if (rule.scheme == Scheme::kEqual || rule.scheme == Scheme::kBasic) return true;
  if (rule.scheme != Scheme::kJwt) return false;
  bool binds_body = false;
  for (const ClaimRule& claim : rule.claims) {
    for (const Expression& wanted : claim.any_of) {
      wanted.ForEachValue([&](const Value& value) { binds_body |= value.source == Source::kBody; });
    }
  }
  return !binds_body;
}

// Overwrites the raw values of the parameters of that (decoded) name in `text`.
void MaskParameters(std::string_view name, std::string& text, size_t begin) {
  while (begin < text.size()) {
    const size_t end = std::min(text.find('&', begin), text.size());
    const size_t equals = text.find('=', begin);
    if (equals < end) {
      // Decoded with the same code that found the value: a parameter by another spelling of its name is masked too.
      Request request;
      request.body = std::string_view(text).substr(begin, end - begin);
      const ContentRule form{ContentRule::Kind::kForm, {}};
      Context pair(request, form);
      if (!pair.Form().empty() && pair.Form()[0].first == name) {
        std::fill(text.begin() + static_cast<std::ptrdiff_t>(equals) + 1,
                  text.begin() + static_cast<std::ptrdiff_t>(end), '*');
      }
    }
    begin = end + 1;
  }
}

// Of a form of either kind, in the body.
void MaskField(std::string_view name, const Context& context, std::string& body) {
  if (context.BodyMedia() != Media::kMultipart) return MaskParameters(name, body, 0);
  const std::string_view original = context.request().body;
  const auto boundary = MultipartBoundary(context.Header("content-type").value_or(std::string_view()));
  const auto parts = boundary ? ParseMultipart(original, *boundary) : std::nullopt;
  // Fields of a malformed body were never read.
  if (!parts) return;
  for (const MultipartPart& part : *parts) {
    if (part.is_file || part.name != name) continue;
    std::fill_n(body.begin() + (part.value.data() - original.data()), part.value.size(), '*');
  }
}

void MaskJson(const std::vector<std::string>& split, const std::vector<std::string>& path, Context& context,
              std::string& body) {
  const JsonState* json = context.Json();
  if (json == nullptr) return;
  const std::string_view original = context.request().body;
  VisitJson(*json, split, path, [&](std::string_view slice) {
    if (slice.empty()) return;
    const auto begin = body.begin() + (slice.data() - original.data());
    const auto end = begin + static_cast<std::ptrdiff_t>(slice.size());
    if (slice.front() == '"') {
      std::fill(begin + 1, end - 1, '*');
    } else {
      // A number stays one.
      std::replace_if(begin, end, IsDigit, '1');
    }
  });
}

// Where the elements are that `item` or `item1` reads; a rule that reads items is the only one of its preset.
std::vector<std::string> SplitOf(const Value& value, const Provider& provider) {
  if (value.source == Source::kJson) return {};
  const std::vector<std::string>& split = provider.events.front().split;
  const auto star = std::find(split.begin(), split.end(), "*");
  return {split.begin(), value.source == Source::kItem ? split.end() : std::next(star)};
}

void MaskValue(const Value& value, const Provider& provider, Context& context, MaskedRequest& masked) {
  switch (value.source) {
    case Source::kHeader:
      for (MaskedRequest::Header& header : masked.headers) {
        if (absl::EqualsIgnoreCase(header.name, value.name)) header.value.assign(header.value.size(), '*');
      }
      break;
    case Source::kQuery:
      if (const size_t question = masked.target.find('?'); question != std::string::npos) {
        MaskParameters(value.name, masked.target, question + 1);
      }
      break;
    case Source::kForm: MaskField(value.name, context, masked.body); break;
    case Source::kJson:
    case Source::kItem:
    case Source::kItem1:
      // A document inside a form's field has no bytes of its own in the body.
      if (provider.content.kind == ContentRule::Kind::kFormField && context.IsForm()) {
        MaskField(provider.content.field, context, masked.body);
      } else {
        MaskJson(SplitOf(value, provider), value.path, context, masked.body);
      }
      break;
    case Source::kRawQuery:
    case Source::kTarget:
      if (const size_t question = masked.target.find('?'); question != std::string::npos) {
        std::fill(masked.target.begin() + static_cast<std::ptrdiff_t>(question) + 1, masked.target.end(), '*');
      }
      break;
    default: break;
  }
}

}  // namespace

bool ReadsCredentials(const Provider& provider) {
  return std::any_of(provider.verify.begin(), provider.verify.end(), IsCredential);
}

std::optional<MaskedRequest> MaskCredentials(const Provider& provider, Context& context) {
  if (!ReadsCredentials(provider)) return std::nullopt;
  const Request& request = context.request();
  MaskedRequest masked;
  for (const HeaderView& header : request.headers) {
    masked.headers.push_back({std::string(header.name), std::string(header.value)});
  }
  masked.target = request.target;
  masked.body = request.body;
  // All rules that compare, also those that were not applied: a credential may come without its rule's condition.
  for (const VerifyRule& rule : provider.verify) {
    if (!IsCredential(rule)) continue;
    for (const SignatureSource& signature : rule.signatures) {
      signature.value.ForEachValue([&](const Value& value) { MaskValue(value, provider, context, masked); });
      if (signature.numbered_header.empty()) continue;
      for (MaskedRequest::Header& header : masked.headers) {
        if (absl::StartsWithIgnoreCase(header.name, ToAbsl(signature.numbered_header))) {
          header.value.assign(header.value.size(), '*');
        }
      }
    }
  }
  return masked;
}

}  // namespace hookstream::provider
