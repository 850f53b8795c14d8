#include "cli/cloud_event.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/common.h"
#include "cli/json_text.h"

namespace hookstream::cli {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kJsonType[] = "application/json";

bool SaysJson(const std::string& content_type) {
  const absl::string_view whole(content_type);
  const std::string media =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(whole.substr(0, std::min(whole.find(';'), whole.size()))));
  return media == kJsonType || media == "text/json" || absl::EndsWith(media, "+json");
}

// By what it is: an item out of a form's field is JSON whatever the request's header says.
bool IsJsonBody(const v1::Raw& raw) {
  const std::string& body = raw.body();
  const size_t first = body.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return false;
  return (SaysJson(raw.content_type()) || body[first] == '{' || body[first] == '[') && IsJson(body);
}

std::string ResultText(v1::VerificationResult result) {
  switch (result) {
    case v1::VERIFICATION_RESULT_VERIFIED: return "verified";
    case v1::VERIFICATION_RESULT_NOT_REQUIRED: return "notrequired";
    case v1::VERIFICATION_RESULT_REFUSED: return "refused";
    default: return "unspecified";
  }
}

// Names of attributes are lower-case letters and digits. Two that become one are told apart by a number.
std::map<std::string, std::string> Extensions(const v1::Event& event) {
  const std::map<std::string, std::string> sorted(event.attributes().begin(), event.attributes().end());
  std::map<std::string, std::string> extensions;
  for (const auto& [name, value] : sorted) {
    std::string extension = "attr";
    for (const char c : absl::AsciiStrToLower(name)) {
      if (absl::ascii_isalnum(static_cast<unsigned char>(c))) extension.push_back(c);
    }
    std::string unique = extension;
    for (int number = 2; extensions.count(unique) > 0; ++number) unique = absl::StrCat(extension, number);
    extensions.emplace(std::move(unique), value);
  }
  return extensions;
}

}  // namespace

std::string CloudEventJson(const v1::Event& event) {
  JsonObject json;
  // Texts of CloudEvents have no control characters, and an attribute without a value is left out.
  const auto add = [&json](std::string_view name, const std::string& value) {
    if (!value.empty()) json.Add(name, Printable(value));
  };
  json.Add("specversion", "1.0").Add("id", event.id()).Add("source", absl::StrCat("/webhooks/", event.source()));
  add("type", absl::StrCat(event.provider(), ".", event.type()));
  add("subject", event.ordering_key());
  if (event.has_occurred_at()) json.Add("time", TimeUtil::ToString(event.occurred_at()));

  json.Add("provider", event.provider());
  add("providereventid", event.provider_event_id());
  add("partitionkey", event.ordering_key());
  json.Add("receivedtime", TimeUtil::ToString(event.received_at()));
  const v1::Verification& verification = event.verification();
  json.Add("verification", ResultText(verification.result()));
  add("verificationreason", verification.reason());
  add("preset", verification.preset());
  add("scheme", verification.scheme());
  add("keyid", verification.key_id());
  if (verification.has_signed_at()) json.Add("signedtime", TimeUtil::ToString(verification.signed_at()));
  const std::string& type_url = event.data().type_url();
  add("messagetype", type_url.substr(type_url.rfind('/') + 1));
  add("traceparent", event.traceparent());
  for (const auto& [name, value] : Extensions(event)) add(name, value);

  const v1::Raw& raw = event.raw();
  if (raw.body_omitted()) {
    json.Add("bodyomitted", true);
  } else if (IsJsonBody(raw)) {
    json.Add("datacontenttype", SaysJson(raw.content_type()) ? raw.content_type() : kJsonType);
    std::string data = raw.body();
    // No text of JSON has one within it.
    std::replace_if(
        data.begin(), data.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    json.AddJson("data", data);
  } else if (!raw.body().empty()) {
    json.Add("datacontenttype", raw.content_type().empty() ? "application/octet-stream" : raw.content_type());
    json.Add("data_base64", absl::Base64Escape(raw.body()));
  }
  return json.Text();
}

}  // namespace hookstream::cli
