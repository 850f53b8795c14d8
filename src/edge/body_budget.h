// How many bytes of bodies a server holds, of all of its connections together.
//
// A body's memory is taken before it is allocated, so the bound holds at every moment; what was only announced takes
// nothing. While a body grows, its old memory is there beside the new for as long as a copy takes, at most one a loop;
// that is not counted.
//
// Thread-safe. Small bodies cost one relaxed addition and one subtraction.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace hookstream::edge {

class BodyBudget {
 public:
  explicit BodyBudget(int64_t bytes_max) : bytes_max_(bytes_max) {}
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;

  // False: there is no room for them, and nothing was taken. A neighbour that asks for too much at the same moment may
  // cause that a little below the bound; never above it.
  bool Take(int64_t bytes) {
    if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= bytes_max_) return true;
    Give(bytes);
    return false;
  }
  void Give(int64_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  // Whether they would fit now. Takes nothing.
  bool HasRoom(int64_t bytes) const { return bytes <= bytes_max_ - bytes_.load(std::memory_order_relaxed); }

  // May be above the bound for the moment in which somebody is refused.
  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  int64_t bytes_max() const { return bytes_max_; }

 private:
  std::atomic<int64_t> bytes_ = 0;
  const int64_t bytes_max_;
};

// One body's part of a budget; gives it back at its end. Not thread-safe.
class BodyShare {
 public:
  // Of no budget: nothing is bounded. Otherwise `budget` outlives it.
  explicit BodyShare(BodyBudget* budget = nullptr) : budget_(budget) {}
  ~BodyShare() { Release(); }
  BodyShare(BodyShare&& other) noexcept : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
  BodyShare& operator=(BodyShare&& other) noexcept {
    if (this != &other) {
      Release();
      budget_ = other.budget_;
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }

  // To `bytes` in all. False: there is no room, and it is as large as before.
  bool GrowTo(int64_t bytes) {
    if (bytes <= bytes_) return true;
    if (budget_ != nullptr && !budget_->Take(bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }
  bool HasRoomFor(int64_t bytes) const { return budget_ == nullptr || budget_->HasRoom(bytes - bytes_); }
  void Release() {
    if (const int64_t bytes = std::exchange(bytes_, 0); bytes > 0 && budget_ != nullptr) budget_->Give(bytes);
  }

  int64_t bytes() const { return bytes_; }

 private:
  BodyBudget* budget_;
  int64_t bytes_ = 0;
};

}  // namespace hookstream::edge
