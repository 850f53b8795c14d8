#include "store/embedded/worker.h"

#include <pthread.h>

#include <utility>

namespace hookstream::store::embedded {

Worker::~Worker() { Stop(); }

void Worker::Start() {
  {
    MutexLock lock(mutex_);
    running_ = true;
  }
  thread_ = std::thread([this] { Run(); });
}

void Worker::Post(Task task) {
  MutexLock lock(mutex_);
  if (!running_) return;
  tasks_.push_back(std::move(task));
  if (tasks_.size() == 1) wake_.NotifyOne();
}

void Worker::Stop() {
  {
    MutexLock lock(mutex_);
    running_ = false;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

size_t Worker::Pending() const {
  MutexLock lock(mutex_);
  return tasks_.size();
}

void Worker::Run() {
  pthread_setname_np(pthread_self(), name_);
  std::vector<Task> batch;
  for (;;) {
    {
      MutexLock lock(mutex_);
      while (running_ && tasks_.empty()) wake_.Wait(mutex_);
      if (tasks_.empty()) return;
      std::swap(batch, tasks_);
    }
    for (Task& task : batch) std::move(task)();
    batch.clear();
  }
}

}  // namespace hookstream::store::embedded
