// A fixed set of short texts -> small numbers: the lookup that runs once for each key of a payload.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace hookstream::typing {

class KeyIndex {
 public:
  static constexpr int kNone = -1;

  // False, and nothing is changed, when the text is there already. Ids are 0..2^31-1.
  bool Add(std::string_view key, int id);
  // kNone: not there.
  int Find(std::string_view key) const {
    if (buckets_.empty()) return kNone;
    const Ends ends = EndsOf(key);
    for (size_t at = HashOf(ends, key.size()) & (buckets_.size() - 1);; at = (at + 1) & (buckets_.size() - 1)) {
      const Bucket& bucket = buckets_[at];
      if (bucket.id == kNone) return kNone;
      // Up to 16 bytes the two ends are the whole key.
      if (bucket.ends.head == ends.head && bucket.ends.tail == ends.tail && bucket.size == key.size() &&
          (key.size() <= 16 || std::memcmp(keys_[bucket.key].data() + 8, key.data() + 8, key.size() - 16) == 0)) {
        return bucket.id;
      }
    }
  }
  size_t size() const { return keys_.size(); }

 private:
  struct Ends {
    uint64_t head = 0;
    uint64_t tail = 0;
  };
  struct Bucket {
    Ends ends;
    uint32_t size = 0;
    int id = kNone;
    uint32_t key = 0;  // index of `keys_`
  };

  template <typename Word>
  static uint64_t Load(const char* p) {
    Word word;
    std::memcpy(&word, p, sizeof(word));
    return word;
  }
  static Ends EndsOf(std::string_view key) {
    const char* const p = key.data();
    const size_t n = key.size();
    if (n >= 8) return {Load<uint64_t>(p), Load<uint64_t>(p + n - 8)};
    if (n >= 4) return {Load<uint32_t>(p), Load<uint32_t>(p + n - 4)};
    if (n >= 2) return {Load<uint16_t>(p), Load<uint16_t>(p + n - 2)};
    return {n == 1 ? Load<uint8_t>(p) : 0, 0};
  }
  // The set is the schema's, so nobody outside chooses keys that collide.
  static size_t HashOf(const Ends& ends, size_t size) {
    uint64_t hash = (ends.head + size) * 0x9E3779B97F4A7C15u;
    hash ^= (ends.tail * 0xC2B2AE3D27D4EB4Fu) >> 7;
    hash *= 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(hash >> 32);
  }
  void Place(const Bucket& bucket);

  std::vector<Bucket> buckets_;  // open addressing, a power of two, at most half full
  std::vector<std::string> keys_;
};

}  // namespace hookstream::typing
