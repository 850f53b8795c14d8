// Names to addresses, on threads of its own: the system's lookup blocks, and can't be interrupted.
//
// Lifecycle: Start, Stop, once each. Thread-safe. A lookup takes as long as the system lets it (by resolv.conf; tens of
// seconds when no server answers): who asked sets its own deadline and calls Forget. Stop waits for no lookup: a thread
// in one ends by itself afterwards, and owns what it touches.
// Limits: kLookupsMax lookups at one time; the others wait in the order in which they came, as many as there are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "outbound/address.h"

namespace hookstream::outbound {

// Every address of a host, in the order of preference; blocks. Called on several threads at once. An error's message
// does not name the host.
using Lookup = std::function<absl::StatusOr<std::vector<IpAddress>>(const std::string& host)>;

// By getaddrinfo, of the name as it stands: no search domains, so that it can't come to mean a name of this network.
// UNAVAILABLE: there is no such name, or nobody answers.
absl::StatusOr<std::vector<IpAddress>> SystemLookup(const std::string& host);

class Resolver {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::vector<IpAddress>>) &&>;

  static constexpr int kLookupsMax = 4;

  explicit Resolver(Lookup lookup);
  // Stops.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  void Start();
  void Stop();

  // `done` is called on a thread of the resolver, which it must not block, unless Forget or Stop came first; it may
  // also be called while one of these runs. The result is for Forget, and never 0.
  uint64_t Resolve(std::string host, Done done);
  void Forget(uint64_t id);

 private:
  struct State;
  static void Run(State& state, size_t worker);

  const std::shared_ptr<State> state_;  // shared with threads that outlive this
};

}  // namespace hookstream::outbound
