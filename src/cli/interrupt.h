// Ctrl-C and SIGTERM as a call: the first ends a verb gracefully, a second one kills the process as usual.
//
// The signals are blocked in the thread that makes an Interrupt and in those that it starts afterwards, so make it
// first. `on_signal` runs on a thread of its own.
#pragma once

#include <csignal>
#include <functional>
#include <thread>

namespace hookstream::cli {

class Interrupt {
 public:
  explicit Interrupt(std::function<void()> on_signal);
  // `on_signal` does not run any more once this returns.
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

 private:
  sigset_t signals_;
  std::thread thread_;
};

}  // namespace hookstream::cli
