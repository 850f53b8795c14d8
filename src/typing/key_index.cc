#include "typing/key_index.h"

#include <cstring>
#include <utility>

namespace hookstream::typing {
namespace {

uint64_t Load64(const char* p) {
  uint64_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

uint64_t Load32(const char* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

// Both ends of the key and its length; the keys of one message seldom agree in all three. The set is the schema's, so
// nobody outside can choose colliding keys.
inline uint32_t HashKey(std::string_view key) {
  uint64_t head = 0;
  uint64_t tail = 0;
  if (key.size() >= 8) {
    head = Load64(key.data());
    tail = Load64(key.data() + key.size() - 8);
  } else if (key.size() >= 4) {
    head = Load32(key.data());
    tail = Load32(key.data() + key.size() - 4);
  } else {
    for (const char c : key) head = head << 8 | static_cast<unsigned char>(c);
  }
  uint64_t hash = (head + key.size()) * 0x9E3779B97F4A7C15u;
  hash ^= (tail * 0xC2B2AE3D27D4EB4Fu) >> 7;
  hash *= 0x9E3779B97F4A7C15u;
  return static_cast<uint32_t>(hash >> 32);
}

}  // namespace

bool KeyIndex::Add(std::string_view key, int id) {
  if (Find(key) != kNone) return false;
  if (buckets_.size() < (size_ + 1) * 2) Grow();
  const uint32_t hash = HashKey(key);
  size_t at = hash & (buckets_.size() - 1);
  while (buckets_[at].id != kNone) at = (at + 1) & (buckets_.size() - 1);
  buckets_[at] = {std::string(key), hash, id};
  ++size_;
  return true;
}

int KeyIndex::Find(std::string_view key) const {
  if (buckets_.empty()) return kNone;
  const uint32_t hash = HashKey(key);
  for (size_t at = hash & (buckets_.size() - 1);; at = (at + 1) & (buckets_.size() - 1)) {
    const Bucket& bucket = buckets_[at];
    if (bucket.id == kNone) return kNone;
    if (bucket.hash == hash && bucket.key == key) return bucket.id;
  }
}

void KeyIndex::Grow() {
  std::vector<Bucket> old = std::move(buckets_);
  buckets_.assign(old.empty() ? 8 : old.size() * 2, {});
  for (Bucket& bucket : old) {
    if (bucket.id == kNone) continue;
    size_t at = bucket.hash & (buckets_.size() - 1);
    while (buckets_[at].id != kNone) at = (at + 1) & (buckets_.size() - 1);
    buckets_[at] = std::move(bucket);
  }
}

}  // namespace hookstream::typing
