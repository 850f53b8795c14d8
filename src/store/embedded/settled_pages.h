// Which events of a subscription are settled: one bit an event in pages of 1,024, from the first page that is not full.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <deque>

#include "base/event_id.h"

namespace hookstream::store::embedded {

inline constexpr uint64_t kPageEvents = 1024;

inline uint64_t PageOf(Seq seq) { return seq / kPageEvents; }

struct SettledPage {
  std::array<uint64_t, kPageEvents / 64> bits{};

  bool Has(Seq seq) const { return (bits[seq % kPageEvents / 64] >> (seq % 64) & 1) != 0; }
  void Add(Seq seq) { bits[seq % kPageEvents / 64] |= uint64_t{1} << (seq % 64); }
  void Add(const SettledPage& other) {
    for (size_t i = 0; i < bits.size(); ++i) bits[i] |= other.bits[i];
  }
  bool Full() const {
    for (const uint64_t word : bits) {
      if (word != ~uint64_t{0}) return false;
    }
    return true;
  }
  // Offset of the first event that is not settled; kPageEvents when full.
  uint64_t FirstMissing() const {
    for (size_t i = 0; i < bits.size(); ++i) {
      if (bits[i] != ~uint64_t{0}) return i * 64 + static_cast<uint64_t>(std::countr_one(bits[i]));
    }
    return kPageEvents;
  }
};

// Not thread-safe. Memory: 128 bytes for each 1,024 events between the first unsettled and the newest settled one.
class SettledPages {
 public:
  // Everything below `begin` is settled.
  explicit SettledPages(Seq begin = 1) : first_page_(PageOf(begin)) { AddRange(first_page_ * kPageEvents, begin); }

  bool Has(Seq seq) const {
    if (PageOf(seq) < first_page_) return true;
    const SettledPage* page = Find(PageOf(seq));
    return page != nullptr && page->Has(seq);
  }

  void Add(Seq seq) {
    if (PageOf(seq) < first_page_) return;
    At(PageOf(seq)).Add(seq);
    DropFull();
  }

  // From `first` to before `end`.
  void AddRange(Seq first, Seq end) {
    if (first < first_page_ * kPageEvents) first = first_page_ * kPageEvents;
    while (first < end) {
      if (first % 64 == 0 && end - first >= 64) {
        At(PageOf(first)).bits[first % kPageEvents / 64] = ~uint64_t{0};
        first += 64;
      } else {
        At(PageOf(first)).Add(first);
        ++first;
      }
      if (first % kPageEvents == 0) DropFull();
    }
    DropFull();
  }

  void AddPage(uint64_t number, const SettledPage& page) {
    if (number < first_page_) return;
    At(number).Add(page);
    DropFull();
  }

  // What is settled here or there.
  void AddAll(const SettledPages& other) {
    AddRange(first_page_ * kPageEvents, other.first_page_ * kPageEvents);
    for (size_t i = 0; i < other.pages_.size(); ++i) AddPage(other.first_page_ + i, other.pages_[i]);
  }

  // Nothing when no event of that page is settled, or all are and it lies below first_page().
  const SettledPage* Find(uint64_t number) const {
    if (number < first_page_ || number - first_page_ >= pages_.size()) return nullptr;
    return &pages_[number - first_page_];
  }

  // All pages below are full.
  uint64_t first_page() const { return first_page_; }

  // The first event that is not settled; perhaps one that is not stored yet.
  Seq FirstMissing() const { return first_page_ * kPageEvents + (pages_.empty() ? 0 : pages_.front().FirstMissing()); }

 private:
  SettledPage& At(uint64_t number) {
    if (number - first_page_ >= pages_.size()) pages_.resize(number - first_page_ + 1);
    return pages_[number - first_page_];
  }

  void DropFull() {
    while (!pages_.empty() && pages_.front().Full()) {
      pages_.pop_front();
      ++first_page_;
    }
  }

  uint64_t first_page_;
  std::deque<SettledPage> pages_;
};

}  // namespace hookstream::store::embedded
