// Comparisons that take the same time wherever the first difference is. Internal to the room.
#pragma once

#include <openssl/crypto.h>

#include <string_view>

#include "provider/context.h"
#include "provider/provider.h"

namespace hookstream::verify {

inline bool SameSecret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

inline bool Holds(const provider::Requirement& requirement, provider::Context& context) {
  const auto value = requirement.value.Text(context);
  const auto expected = requirement.expected.Text(context);
  return value && expected && SameSecret(*value, *expected);
}

}  // namespace hookstream::verify
