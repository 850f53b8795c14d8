#include "cli/interrupt.h"

#include <pthread.h>

#include <utility>

namespace hookstream::cli {
namespace {

// Wakes the thread so that it ends: a signal that nobody else uses.
constexpr int kWake = SIGUSR2;

}  // namespace

Interrupt::Interrupt(std::function<void()> on_signal) {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, kWake);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  thread_ = std::thread([this, on_signal = std::move(on_signal)] {
    int signal = 0;
    if (sigwait(&signals_, &signal) != 0 || signal == kWake) return;
    // From here on a signal has its usual effect, on this thread.
    sigset_t usual = signals_;
    sigdelset(&usual, kWake);
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &usual, nullptr);
    on_signal();
    while (sigwait(&signals_, &signal) == 0 && signal != kWake) {
    }
  });
}

Interrupt::~Interrupt() {
  pthread_kill(thread_.native_handle(), kWake);
  thread_.join();
}

}  // namespace hookstream::cli
