// Brings the documents that key rings miss, each once however many requests wait for it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "ingest/ingest.h"
#include "verify/key_ring.h"

namespace hookstream::ingest {

// Thread-safe. Outlives what it has asked for: the owner of `fetch` is stopped first.
class KeyFetcher {
 public:
  // `fetch` may be empty: then everything fails.
  KeyFetcher(Fetch fetch, const Clock& clock) : fetch_(std::move(fetch)), clock_(clock) {}

  // `done` runs when the ring knows how it went, on the fetch's thread or, when nothing can be fetched, on this one.
  void Want(std::shared_ptr<verify::KeyRing> ring, std::shared_ptr<const verify::KeyRequest> request,
            absl::AnyInvocable<void() &&> done);

 private:
  using Wanted = std::pair<const verify::KeyRing*, std::string>;

  void Finish(verify::KeyRing& ring, const verify::KeyRequest& request, absl::StatusOr<Fetched> fetched);

  const Fetch fetch_;
  const Clock& clock_;
  Mutex mutex_;
  std::map<Wanted, std::vector<absl::AnyInvocable<void() &&>>> waiting_ HS_GUARDED_BY(mutex_);
};

}  // namespace hookstream::ingest
