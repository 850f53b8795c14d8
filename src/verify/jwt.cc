#include "verify/jwt.h"

#include <simdjson.h>

#include <cmath>

#include "provider/encoding.h"

namespace hookstream::verify {
namespace {

using simdjson::dom::element;

std::optional<std::string_view> Text(element object, std::string_view name) {
  std::string_view text;
  return object.at_key(name).get(text) == simdjson::SUCCESS ? std::optional(text) : std::nullopt;
}

}  // namespace

// The document lives in the parser.
struct Jwt::Payload {
  simdjson::dom::parser parser{kMaxTokenBytes};
  element root;
};

Jwt::Jwt() = default;
Jwt::Jwt(Jwt&&) noexcept = default;
Jwt::~Jwt() = default;

std::optional<Jwt> Jwt::Parse(std::string_view token) {
  if (token.size() > kMaxTokenBytes) return std::nullopt;
  const size_t first = token.find('.');
  const size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  const std::string_view signature_part = token.substr(second + 1);
  // A signature without a signature (`alg: none`) is no signature.
  if (first == 0 || signature_part.empty() || token.find('=') != std::string_view::npos) return std::nullopt;
  const auto header = provider::DecodeBase64Url(token.substr(0, first));
  const auto payload = provider::DecodeBase64Url(token.substr(first + 1, second - first - 1));
  auto signature = provider::DecodeBase64Url(signature_part);
  if (!header || !payload || !signature || signature->empty()) return std::nullopt;

  Jwt jwt;
  jwt.signing_input_ = token.substr(0, second);
  jwt.signature_ = *std::move(signature);
  jwt.payload_ = std::make_unique<Payload>();
  element root;
  simdjson::dom::object object;
  // The header is read first: the parser keeps one document.
  if (jwt.payload_->parser.parse(*header).get(root) != simdjson::SUCCESS || root.get(object) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  if (object.at_key("crit").error() == simdjson::SUCCESS) return std::nullopt;
  jwt.algorithm_ = Text(root, "alg").value_or("");
  jwt.key_id_ = Text(root, "kid").value_or("");
  if (jwt.payload_->parser.parse(*payload).get(jwt.payload_->root) != simdjson::SUCCESS ||
      jwt.payload_->root.get(object) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return jwt;
}

std::vector<std::string> Jwt::Claim(std::string_view name) const {
  std::vector<std::string> texts;
  element value;
  if (payload_->root.at_key(name).get(value) != simdjson::SUCCESS) return texts;
  simdjson::dom::array list;
  if (value.get(list) == simdjson::SUCCESS) {
    for (const element item : list) {
      std::string_view text;
      if (item.get(text) == simdjson::SUCCESS) texts.emplace_back(text);
    }
  } else if (value.is_string()) {
    texts.emplace_back(std::string_view(value));
  } else if (value.is_number() || value.is_bool()) {
    texts.push_back(simdjson::minify(value));
  }
  return texts;
}

std::optional<absl::Time> Jwt::TimeClaim(std::string_view name, bool& malformed) const {
  malformed = false;
  element value;
  if (payload_->root.at_key(name).get(value) != simdjson::SUCCESS) return std::nullopt;
  double seconds = 0;
  // Until the year 9999.
  malformed =
      !value.is_number() || value.get(seconds) != simdjson::SUCCESS || !(seconds >= 0) || seconds > 253402300799.0;
  if (malformed) return std::nullopt;
  return absl::FromUnixMillis(static_cast<int64_t>(std::floor(seconds * 1000)));
}

}  // namespace hookstream::verify
