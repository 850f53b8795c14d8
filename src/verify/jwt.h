// JSON Web Tokens in their compact form (RFC 7515, 7519), taken apart and not yet believed: the caller checks the
// algorithm, the signature and the claims. Internal to the room.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace hookstream::verify {

inline constexpr size_t kMaxTokenBytes = 16 << 10;

class Jwt {
 public:
  // nullopt: not three parts of base64url, header or payload no JSON object, an extension that has to be understood
  // (`crit`), or larger than kMaxTokenBytes. `token` has to outlive the result.
  static std::optional<Jwt> Parse(std::string_view token);
  Jwt(Jwt&&) noexcept;
  ~Jwt();

  // What is signed: header and payload as they came.
  std::string_view signing_input() const { return signing_input_; }
  // Decoded.
  std::string_view signature() const { return signature_; }
  // Of the header; empty when it is not there.
  std::string_view algorithm() const { return algorithm_; }
  std::string_view key_id() const { return key_id_; }

  // A claim as texts: a string itself, a number or boolean as JSON writes it, a list's strings. Empty: not there, or of
  // another kind. Of a name that is there twice the first counts.
  std::vector<std::string> Claim(std::string_view name) const;
  // A NumericDate (seconds, a fraction is allowed). `malformed` is set when it is there and is none.
  std::optional<absl::Time> TimeClaim(std::string_view name, bool& malformed) const;

 private:
  struct Payload;
  Jwt();

  std::string_view signing_input_;
  std::string signature_;
  std::string algorithm_;
  std::string key_id_;
  std::unique_ptr<Payload> payload_;
};

}  // namespace hookstream::verify
