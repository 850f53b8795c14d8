#include "base/hash.h"

#include <openssl/sha.h>

#include <algorithm>

namespace hookstream {

Hash128 HashOf(std::string_view text) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest.data());
  Hash128 hash;
  std::copy_n(digest.begin(), hash.bytes.size(), hash.bytes.begin());
  if (hash.IsZero()) hash.bytes[0] = 1;
  return hash;
}

}  // namespace hookstream
