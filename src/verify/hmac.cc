#define OPENSSL_SUPPRESS_DEPRECATED
#include "verify/hmac.h"

#include <openssl/sha.h>

#include <cstring>

namespace hookstream::verify {
namespace {

using provider::Scheme;

struct Sha1Hash {
  using State = SHA_CTX;
  static constexpr size_t kBlockBytes = SHA_CBLOCK;
  static constexpr size_t kBytes = SHA_DIGEST_LENGTH;
  static void Init(State* state) { SHA1_Init(state); }
  static void Update(State* state, const void* data, size_t size) { SHA1_Update(state, data, size); }
  static void Final(State* state, unsigned char* out) { SHA1_Final(out, state); }
};

struct Sha256Hash {
  using State = SHA256_CTX;
  static constexpr size_t kBlockBytes = SHA256_CBLOCK;
  static constexpr size_t kBytes = SHA256_DIGEST_LENGTH;
  static void Init(State* state) { SHA256_Init(state); }
  static void Update(State* state, const void* data, size_t size) { SHA256_Update(state, data, size); }
  static void Final(State* state, unsigned char* out) { SHA256_Final(out, state); }
};

struct Sha384Hash {
  using State = SHA512_CTX;
  static constexpr size_t kBlockBytes = SHA512_CBLOCK;
  static constexpr size_t kBytes = SHA384_DIGEST_LENGTH;
  static void Init(State* state) { SHA384_Init(state); }
  static void Update(State* state, const void* data, size_t size) { SHA384_Update(state, data, size); }
  static void Final(State* state, unsigned char* out) { SHA384_Final(out, state); }
};

struct Sha512Hash : Sha384Hash {
  static constexpr size_t kBytes = SHA512_DIGEST_LENGTH;
  static void Init(State* state) { SHA512_Init(state); }
  static void Update(State* state, const void* data, size_t size) { SHA512_Update(state, data, size); }
  static void Final(State* state, unsigned char* out) { SHA512_Final(out, state); }
};

unsigned char* Bytes(Mac& mac) { return reinterpret_cast<unsigned char*>(mac.bytes.data()); }

// RFC 2104.
template <typename Hash>
class HmacKey final : public MacKey {
 public:
  explicit HmacKey(std::string_view key) {
    std::array<unsigned char, Hash::kBlockBytes> block{};
    if (key.size() > block.size()) {
      typename Hash::State state;
      Hash::Init(&state);
      Hash::Update(&state, key.data(), key.size());
      Hash::Final(&state, block.data());
    } else {
      std::memcpy(block.data(), key.data(), key.size());
    }
    Start(block, 0x36, &inner_);
    Start(block, 0x5c, &outer_);
  }

  Mac Compute(std::span<const std::string_view> parts) const override {
    Mac mac;
    mac.size = Hash::kBytes;
    typename Hash::State state = inner_;
    for (const std::string_view part : parts) Hash::Update(&state, part.data(), part.size());
    Hash::Final(&state, Bytes(mac));
    state = outer_;
    Hash::Update(&state, mac.bytes.data(), mac.size);
    Hash::Final(&state, Bytes(mac));
    return mac;
  }

 private:
  static void Start(std::array<unsigned char, Hash::kBlockBytes> block, unsigned char pad, typename Hash::State* out) {
    for (unsigned char& byte : block) byte ^= pad;
    Hash::Init(out);
    Hash::Update(out, block.data(), block.size());
  }

  typename Hash::State inner_;
  typename Hash::State outer_;
};

class PlainSha256 final : public MacKey {
 public:
  Mac Compute(std::span<const std::string_view> parts) const override {
    Mac mac;
    mac.size = Sha256Hash::kBytes;
    Sha256Hash::State state;
    Sha256Hash::Init(&state);
    for (const std::string_view part : parts) Sha256Hash::Update(&state, part.data(), part.size());
    Sha256Hash::Final(&state, Bytes(mac));
    return mac;
  }
};

}  // namespace

std::unique_ptr<const MacKey> MakeMacKey(Scheme scheme, std::string_view key) {
  switch (scheme) {
    case Scheme::kHmacSha1: return std::make_unique<HmacKey<Sha1Hash>>(key);
    case Scheme::kHmacSha256: return std::make_unique<HmacKey<Sha256Hash>>(key);
    case Scheme::kHmacSha384: return std::make_unique<HmacKey<Sha384Hash>>(key);
    case Scheme::kHmacSha512: return std::make_unique<HmacKey<Sha512Hash>>(key);
    case Scheme::kSha256: return std::make_unique<PlainSha256>();
    default: return nullptr;
  }
}

}  // namespace hookstream::verify
