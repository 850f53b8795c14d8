// One thread that runs tasks in the order in which they were posted.
//
// Start, then Post from any thread, then Stop: it runs what was posted before it, and joins. A task that is posted
// after Stop is dropped unrun. The queue has no bound of its own: whoever posts is bounded by what it posts about.
#pragma once

#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/mutex.h"

namespace hookstream::store::embedded {

class Worker {
 public:
  using Task = absl::AnyInvocable<void() &&>;

  // `name`: of the thread, for top and gdb; at most 15 characters.
  explicit Worker(const char* name) : name_(name) {}
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  void Post(Task task);
  void Stop();
  bool IsCurrent() const { return std::this_thread::get_id() == thread_.get_id(); }
  size_t Pending() const;

 private:
  void Run();

  const char* const name_;
  mutable Mutex mutex_;
  CondVar wake_;
  std::vector<Task> tasks_ HS_GUARDED_BY(mutex_);
  bool running_ HS_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace hookstream::store::embedded
