// The newest events in memory, so that a feed that keeps up never reads the disk. Thread-safe; bounded by bytes (the
// newest commit is kept whatever it weighs).
#pragma once

#include <deque>
#include <vector>

#include "base/mutex.h"
#include "store/store.h"

namespace hookstream::store::embedded {

class Tail {
 public:
  explicit Tail(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // Forgets everything; the next event pushed is `next`, or one above it.
  void Reset(Seq next) {
    MutexLock lock(mutex_);
    events_.clear();
    bytes_ = 0;
    first_ = next;
  }

  // Events of one commit, without a gap between them and to those before.
  void Push(const std::vector<EventRef>& events) {
    // Freed outside the lock.
    std::vector<EventRef> dropped;
    MutexLock lock(mutex_);
    const size_t keep = events.size();
    for (const EventRef& event : events) {
      bytes_ += Weight(*event);
      events_.push_back(event);
    }
    while (bytes_ > bytes_max_ && events_.size() > keep) {
      bytes_ -= Weight(*events_.front());
      dropped.push_back(std::move(events_.front()));
      events_.pop_front();
      ++first_;
    }
  }

  // Appends up to `count` events from `seq` on to `out`. False when `seq` lies before the tail: it may be on disk.
  bool Get(Seq seq, size_t count, std::vector<EventRef>& out) const {
    MutexLock lock(mutex_);
    if (seq < first_) return false;
    for (uint64_t i = seq - first_; i < events_.size() && count > 0; ++i, --count) out.push_back(events_[i]);
    return true;
  }

  // Nothing: it is not in the tail.
  EventRef Find(Seq seq) const {
    MutexLock lock(mutex_);
    if (seq < first_ || seq - first_ >= events_.size()) return nullptr;
    return events_[seq - first_];
  }

  // Everything from here on, and nothing before, is in the tail.
  Seq first() const {
    MutexLock lock(mutex_);
    return first_;
  }

  uint64_t bytes() const {
    MutexLock lock(mutex_);
    return bytes_;
  }

 private:
  static uint64_t Weight(const StoredEvent& event) { return event.data.Bytes() + 256; }

  const uint64_t bytes_max_;
  mutable Mutex mutex_;
  std::deque<EventRef> events_ HS_GUARDED_BY(mutex_);
  uint64_t bytes_ HS_GUARDED_BY(mutex_) = 0;
  Seq first_ HS_GUARDED_BY(mutex_) = 1;
};

}  // namespace hookstream::store::embedded
