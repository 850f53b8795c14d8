#include "ingest/key_fetcher.h"

#include "base/log.h"

namespace hookstream::ingest {

void KeyFetcher::Want(std::shared_ptr<verify::KeyRing> ring, std::shared_ptr<const verify::KeyRequest> request,
                      absl::AnyInvocable<void() &&> done) {
  {
    MutexLock lock(mutex_);
    auto& waiting = waiting_[{ring.get(), request->DocumentName()}];
    waiting.push_back(std::move(done));
    if (waiting.size() > 1) return;
  }
  if (!fetch_) return Finish(*ring, *request, absl::UnavailableError("nothing can be fetched"));
  FetchRequest out;
  out.url = request->url;
  out.json = request->post_body;
  fetch_(std::move(out),
         [this, ring, request](absl::StatusOr<Fetched> fetched) { Finish(*ring, *request, std::move(fetched)); });
}

void KeyFetcher::Finish(verify::KeyRing& ring, const verify::KeyRequest& request, absl::StatusOr<Fetched> fetched) {
  absl::Status status = fetched.status();
  const absl::Time now = clock_.WallNow();
  if (fetched.ok()) {
    status = ring.Put(request, fetched->body, fetched->max_age, now);
  } else {
    ring.PutFailure(request, now);
  }
  if (status.ok()) {
    Log(LogLevel::kInfo, "key fetched", {{"url", request.url}});
  } else {
    Log(LogLevel::kWarning, "a key could not be fetched", {{"url", request.url}, {"error", status.message()}});
  }
  std::vector<absl::AnyInvocable<void() &&>> waiting;
  {
    MutexLock lock(mutex_);
    waiting = std::move(waiting_.extract({&ring, request.DocumentName()}).mapped());
  }
  for (auto& done : waiting) std::move(done)();
}

}  // namespace hookstream::ingest
