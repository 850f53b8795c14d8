// A std::mutex with thread-safety annotations. Not absl::Mutex: Debian's abseil is built without ThreadSanitizer's
// annotations, so TSan reports races that are none.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"
#include "base/thread_annotations.h"

namespace hookstream {

class HS_CAPABILITY("mutex") Mutex {
 public:
  void Lock() HS_ACQUIRE() { mutex_.lock(); }
  void Unlock() HS_RELEASE() { mutex_.unlock(); }
  bool TryLock() HS_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class HS_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) HS_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() HS_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits spuriously, as std::condition_variable does: call it in a loop over the condition.
class CondVar {
 public:
  void Wait(Mutex& mutex) HS_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    cond_.wait(lock);
    lock.release();
  }
  // False when `timeout` passed first. The clock is the monotonic one.
  bool WaitFor(Mutex& mutex, absl::Duration timeout) HS_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const auto result = cond_.wait_for(lock, absl::ToChronoNanoseconds(timeout));
    lock.release();
    return result == std::cv_status::no_timeout;
  }
  void NotifyOne() { cond_.notify_one(); }
  void NotifyAll() { cond_.notify_all(); }

 private:
  std::condition_variable cond_;
};

}  // namespace hookstream
