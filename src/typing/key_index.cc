#include "typing/key_index.h"

#include <utility>

namespace hookstream::typing {

bool KeyIndex::Add(std::string_view key, int id) {
  if (Find(key) != kNone) return false;
  if (buckets_.size() < (size() + 1) * 2) {
    const std::vector<Bucket> old = std::move(buckets_);
    buckets_.assign(old.empty() ? 8 : old.size() * 2, {});
    for (const Bucket& bucket : old) {
      if (bucket.id != kNone) Place(bucket);
    }
  }
  Place({EndsOf(key), static_cast<uint32_t>(key.size()), id, static_cast<uint32_t>(size())});
  keys_.emplace_back(key);
  return true;
}

void KeyIndex::Place(const Bucket& bucket) {
  size_t at = HashOf(bucket.ends, bucket.size) & (buckets_.size() - 1);
  while (buckets_[at].id != kNone) at = (at + 1) & (buckets_.size() - 1);
  buckets_[at] = bucket;
}

}  // namespace hookstream::typing
