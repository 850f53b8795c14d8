#include "outbound/resolver.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"

namespace hookstream::outbound {
namespace {

std::optional<IpAddress> FromSocketAddress(const sockaddr& socket_address) {
  IpAddress address;
  if (socket_address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &socket_address, sizeof(v4));
    std::memcpy(address.bytes.data(), &v4.sin_addr, sizeof(v4.sin_addr));
    return address;
  }
  if (socket_address.sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &socket_address, sizeof(v6));
    std::memcpy(address.bytes.data(), &v6.sin6_addr, sizeof(v6.sin6_addr));
    address.v6 = true;
    return address;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::vector<IpAddress>> SystemLookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  // The dot makes it absolute.
  const int error = getaddrinfo(absl::StrCat(host, ".").c_str(), nullptr, &hints, &found);
  if (error == EAI_SYSTEM) return absl::UnavailableError(absl::StrCat("the lookup failed: ", std::strerror(errno)));
  if (error != 0) return absl::UnavailableError(absl::StrCat("the lookup failed: ", gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    if (const auto address = FromSocketAddress(*info->ai_addr)) addresses.push_back(*address);
  }
  return addresses;
}

struct Resolver::State {
  struct Job {
    uint64_t id;
    std::string host;
    Done done;
  };
  struct Worker {
    std::thread thread;
    // The job whose lookup runs; 0: none, or it was forgotten.
    uint64_t job_id = 0;
    bool looking_up = false;
  };

  Lookup lookup;
  Mutex mutex;
  CondVar changed;
  bool stopped HS_GUARDED_BY(mutex) = false;
  uint64_t last_id HS_GUARDED_BY(mutex) = 0;
  std::deque<Job> waiting HS_GUARDED_BY(mutex);
  std::vector<Worker> workers HS_GUARDED_BY(mutex);
};

Resolver::Resolver(Lookup lookup) : state_(std::make_shared<State>()) { state_->lookup = std::move(lookup); }

Resolver::~Resolver() { Stop(); }

void Resolver::Start() {
  MutexLock lock(state_->mutex);
  state_->workers.resize(kLookupsMax);
  for (size_t i = 0; i < state_->workers.size(); ++i) {
    state_->workers[i].thread = std::thread([state = state_, i] {
      pthread_setname_np(pthread_self(), "outbound-dns");
      Run(*state, i);
    });
  }
}

void Resolver::Stop() {
  std::vector<std::thread> idle;
  {
    MutexLock lock(state_->mutex);
    if (std::exchange(state_->stopped, true)) return;
    state_->waiting.clear();
    for (State::Worker& worker : state_->workers) {
      worker.job_id = 0;
      if (worker.looking_up) {
        worker.thread.detach();
      } else {
        idle.push_back(std::move(worker.thread));
      }
    }
    state_->changed.NotifyAll();
  }
  for (std::thread& thread : idle) thread.join();
}

uint64_t Resolver::Resolve(std::string host, Done done) {
  MutexLock lock(state_->mutex);
  const uint64_t id = ++state_->last_id;
  if (state_->stopped) return id;
  state_->waiting.push_back({id, std::move(host), std::move(done)});
  state_->changed.NotifyOne();
  return id;
}

void Resolver::Forget(uint64_t id) {
  std::optional<State::Job> forgotten;  // what it holds goes when the mutex is free
  MutexLock lock(state_->mutex);
  const auto job = std::find_if(state_->waiting.begin(), state_->waiting.end(),
                                [id](const State::Job& waiting) { return waiting.id == id; });
  if (job != state_->waiting.end()) {
    forgotten = std::move(*job);
    state_->waiting.erase(job);
  }
  for (State::Worker& worker : state_->workers) {
    if (worker.job_id == id) worker.job_id = 0;
  }
}

void Resolver::Run(State& state, size_t worker) {
  for (;;) {
    std::optional<State::Job> job;
    {
      MutexLock lock(state.mutex);
      while (state.waiting.empty() && !state.stopped) state.changed.Wait(state.mutex);
      if (state.stopped) return;
      job = std::move(state.waiting.front());
      state.waiting.pop_front();
      state.workers[worker].job_id = job->id;
      state.workers[worker].looking_up = true;
    }
    auto addresses = state.lookup(job->host);
    bool wanted;
    {
      MutexLock lock(state.mutex);
      wanted = state.workers[worker].job_id == job->id;
      state.workers[worker].job_id = 0;
      state.workers[worker].looking_up = false;
    }
    if (wanted) std::move(job->done)(std::move(addresses));
  }
}

}  // namespace hookstream::outbound
