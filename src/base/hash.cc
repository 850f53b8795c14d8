#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace hookstream {
namespace {

// SHA256() looks its algorithm up at each call, which takes longer than to hash an id.
void Sha256Into(std::string_view text, std::array<uint8_t, SHA256_DIGEST_LENGTH>& digest) {
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                                     &EVP_MD_CTX_free);
  if (context == nullptr || EVP_DigestInit_ex2(context.get(), kAlgorithm, nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), text.data(), text.size()) != 1 ||
      EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
    std::abort();  // OpenSSL without SHA-256, or no memory: there is no id to go on with
  }
}

}  // namespace

Hash128 HashOf(std::string_view text) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  Sha256Into(text, digest);
  Hash128 hash;
  std::copy_n(digest.begin(), hash.bytes.size(), hash.bytes.begin());
  if (hash.IsZero()) hash.bytes[0] = 1;
  return hash;
}

}  // namespace hookstream
