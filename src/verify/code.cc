#include "verify/code.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/text.h"

namespace hookstream::verify {
namespace {

// Letters, digits and `kept` stand for themselves, of the rest each byte is escaped.
std::string EscapeBytes(std::string_view text, std::string_view kept) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || kept.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

// ECMAScript's functions of these names.
std::string EncodeUri(std::string_view text) { return EscapeBytes(text, "-_.!~*'();/?:@&=+$,#"); }
std::string EncodeUriComponent(std::string_view text) { return EscapeBytes(text, "-_.!~*'()"); }

// Contentful's canonical request, as @contentful/node-apps-toolkit makes it: method, path, the headers that
// x-contentful-signed-headers lists (itself among them), body; the query is escaped twice.
std::vector<std::string> ContentfulTexts(provider::Context& context) {
  const auto listed = context.Header("x-contentful-signed-headers");
  if (!listed) return {};
  std::vector<std::pair<std::string, std::string>> headers;
  for (const absl::string_view part : absl::StrSplit(ToAbsl(*listed), ',')) {
    std::string name = absl::AsciiStrToLower(absl::StripAsciiWhitespace(part));
    const auto value = context.Header(name);
    // A header that comes twice: which one was meant is unknown.
    if (!value || context.CountHeader(name) != 1) return {};
    headers.emplace_back(std::move(name), std::string(absl::StripAsciiWhitespace(ToAbsl(*value))));
  }
  // The time is only protected when it is among them.
  const auto lists = [&](std::string_view name) {
    return std::any_of(headers.begin(), headers.end(), [&](const auto& header) { return header.first == name; });
  };
  if (!lists("x-contentful-timestamp") || !lists("x-contentful-signed-headers")) return {};
  std::sort(headers.begin(), headers.end());

  // Of the whole URL: a path that the public URL has is a part of it.
  const std::string_view url = context.Url();
  const size_t scheme_end = url.find("://");
  const size_t host = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
  const size_t path_begin = std::min(url.find_first_of("/?", host), url.size());
  const std::string_view target = url.substr(path_begin);
  const size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);
  std::string canonical_path = path.empty() ? "/" : EncodeUri(path);
  if (question != std::string_view::npos && question + 1 < target.size()) {
    absl::StrAppend(&canonical_path, "?", EncodeUri(EncodeUriComponent(target.substr(question + 1))));
  }
  const std::string canonical_headers = absl::StrJoin(
      headers, ";", [](std::string* out, const auto& h) { absl::StrAppend(out, h.first, ":", h.second); });
  const std::string_view body = context.request().body;
  return {absl::StrCat(ToAbsl(context.request().method), "\n", canonical_path, "\n", canonical_headers, "\n",
                       ToAbsl(body))};
}

// The line break at the payload's end is signed and easily lost on the way through a form; Braintree's own libraries
// try both.
std::vector<std::string> BraintreeTexts(provider::Context& context) {
  for (const auto& [name, value] : context.Form()) {
    if (name == "bt_payload") return {value, absl::StrCat(value, "\n")};
  }
  return {};
}

}  // namespace

std::vector<std::string> CodeTexts(provider::Code code, provider::Context& context) {
  switch (code) {
    case provider::Code::kNone: return {};
    case provider::Code::kContentful: return ContentfulTexts(context);
    case provider::Code::kBraintree: return BraintreeTexts(context);
  }
  return {};
}

}  // namespace hookstream::verify
