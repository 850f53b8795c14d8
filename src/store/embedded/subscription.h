// What the engine knows of one subscription while it runs: what is settled, what its feed holds, what comes next.
//
// Everything is guarded by `mutex`. Settled pages, retry records and dead letters change only on the commit thread,
// after they have become durable (but for events that the filter skips, which only change in memory). The reading
// position changes on the completion thread, or on the reader thread while `reading`.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "store/embedded/format.h"
#include "store/store.h"

namespace hookstream::store::embedded {

// The way to a feed's sink. Callbacks come from the completion thread alone, one at a time.
class FeedLink {
 public:
  explicit FeedLink(FeedSink& sink) : sink_(&sink) {}

  template <typename F>
  void Call(F&& call) HS_EXCLUDES(mutex_) {
    FeedSink* sink;
    {
      MutexLock lock(mutex_);
      if (sink_ == nullptr) return;
      sink = sink_;
      calling_ = true;
    }
    call(*sink);
    MutexLock lock(mutex_);
    calling_ = false;
    idle_.NotifyAll();
  }

  // No callback begins after it, and unless `from_callback` none is under way when it returns.
  void Close(bool from_callback) HS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    sink_ = nullptr;
    while (calling_ && !from_callback) idle_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar idle_;
  FeedSink* sink_ HS_GUARDED_BY(mutex_);
  bool calling_ HS_GUARDED_BY(mutex_) = false;
};

struct Claim {
  bool committing = false;  // an outcome is on its way to the disk
  bool released = false;    // given back meanwhile: it comes again if the commit fails
};

struct Subscription {
  explicit Subscription(bool is_ephemeral) : ephemeral(is_ephemeral) {}

  const bool ephemeral;  // nothing of it is written
  Mutex mutex;

  // --- durable ---
  SubscriptionRecord record HS_GUARDED_BY(mutex);
  Seq begin HS_GUARDED_BY(mutex) = 1;
  bool dropped HS_GUARDED_BY(mutex) = false;
  SettledPages settled HS_GUARDED_BY(mutex);
  uint64_t first_page_saved HS_GUARDED_BY(mutex) = 0;  // pages from here on may be on disk
  std::set<Seq> retries HS_GUARDED_BY(mutex);          // events with a retry record on disk
  int64_t dead HS_GUARDED_BY(mutex) = 0;
  Seq dead_low HS_GUARDED_BY(mutex) = kNoSeq;  // no dead letter lies below
  uint64_t dead_changes HS_GUARDED_BY(mutex) = 0;
  bool dead_low_stale HS_GUARDED_BY(mutex) = false;

  // --- reading ---
  Seq next_read HS_GUARDED_BY(mutex) = 1;    // all events below have been examined
  std::set<Seq> again HS_GUARDED_BY(mutex);  // to be claimed again before new ones
  std::optional<Position> unresolved
      HS_GUARDED_BY(mutex);  // where an ephemeral one begins, until it has been looked up
  int64_t skipped HS_GUARDED_BY(mutex) = 0;

  // --- the feed, if one is attached ---
  std::shared_ptr<FeedLink> feed HS_GUARDED_BY(mutex);
  std::shared_ptr<const MetaFilter> filter HS_GUARDED_BY(mutex);  // nothing: every event
  absl::flat_hash_map<Seq, Claim> claims HS_GUARDED_BY(mutex);
  int64_t want_events HS_GUARDED_BY(mutex) = 0;
  int64_t want_bytes HS_GUARDED_BY(mutex) = 0;
  bool reading HS_GUARDED_BY(mutex) = false;      // the reader thread is at it
  bool read_failed HS_GUARDED_BY(mutex) = false;  // rests until the next maintenance
  bool wake_posted HS_GUARDED_BY(mutex) = false;  // a look at it is on its way
  uint64_t epoch HS_GUARDED_BY(mutex) = 0;        // grows when what was read before is void: a seek, another feed

  // Appetite may be overdrawn by the last event, so that one that is larger than all of it comes at all.
  bool Hungry() const HS_REQUIRES(mutex) { return feed != nullptr && want_events > 0 && want_bytes > 0; }

  // Is `seq` neither settled nor already on its way?
  bool IsOpen(Seq seq) const HS_REQUIRES(mutex) {
    return !settled.Has(seq) && !claims.contains(seq) && !again.contains(seq);
  }

  // Of a new one, or of a new generation: everything below `first` is settled.
  void StartAt(Seq first) HS_REQUIRES(mutex) {
    begin = next_read = first;
    settled = SettledPages(first);
    first_page_saved = settled.first_page();
    again.clear();
  }

  // Takes the subscription away from its feed, with what that holds.
  std::shared_ptr<FeedLink> TakeClaims(std::vector<Seq>& lost) HS_REQUIRES(mutex) {
    for (const auto& [seq, claim] : claims) lost.push_back(seq);
    std::sort(lost.begin(), lost.end());
    std::shared_ptr<FeedLink> link = feed;
    DropFeed();
    return link;
  }

  // It has been examined and the filter does not match.
  void Skip(Seq seq) HS_REQUIRES(mutex) {
    if (!ephemeral) settled.Add(seq);
    ++skipped;
  }

  // Sequences that were never stored.
  void SkipGap(Seq first, Seq end) HS_REQUIRES(mutex) {
    if (!ephemeral) settled.AddRange(first, end);
    next_read = std::max(next_read, end);
  }

  void AddClaim(const StoredEvent& event) HS_REQUIRES(mutex) {
    claims.emplace(event.seq, Claim{});
    --want_events;
    want_bytes -= static_cast<int64_t>(event.data.Bytes());
  }

  // The feed is gone; what it held comes again.
  void DropFeed() HS_REQUIRES(mutex) {
    for (const auto& [seq, claim] : claims) again.insert(seq);
    claims.clear();
    want_events = want_bytes = 0;
    feed.reset();
    filter.reset();
    ++epoch;
  }

  // The first event that may still be needed, kNoSeq when there is none.
  Seq Pin() const HS_REQUIRES(mutex) {
    if (ephemeral || dropped) return kNoSeq;
    Seq pin = std::min(settled.FirstMissing(), dead_low);
    if (!retries.empty()) pin = std::min(pin, *retries.begin());
    return pin;
  }
};

}  // namespace hookstream::store::embedded
