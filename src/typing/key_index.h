// A fixed set of short texts -> small numbers: the lookup that runs once for each key of a payload.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hookstream::typing {

class KeyIndex {
 public:
  static constexpr int kNone = -1;

  // Later adds of a text that is there already are ignored and return false. Ids are 0..2^31-1.
  bool Add(std::string_view key, int id);
  // kNone: not there.
  int Find(std::string_view key) const;
  size_t size() const { return size_; }

 private:
  struct Bucket {
    std::string key;
    uint32_t hash = 0;
    int id = kNone;
  };
  void Grow();

  std::vector<Bucket> buckets_;  // open addressing, a power of two, at most half full
  size_t size_ = 0;
};

}  // namespace hookstream::typing
