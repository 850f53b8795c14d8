// Events as they are sent: the store's wire bytes plus what is derived from them once for all subscriptions.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "store/store.h"
#include "typing/converter.h"
#include "typing/registry.h"

namespace hookstream::dispatch {

using typing::TypedStatus;

// Gives the present registry of schemas; called from any thread.
using RegistrySource = std::function<std::shared_ptr<const typing::Registry>()>;

// An event ready to be composed (compose.h). Immutable and shared by subscriptions and streams.
struct Prepared {
  store::EventRef event;
  TypedStatus status = TypedStatus::kUntyped;
  // Wire bytes of fields of hookstream.v1.Event: `id` and `typing`, then, if the event is typed, `data` up to the
  // typed message, whose bytes are `payload`.
  std::string head;
  size_t data_at = 0;  // where `data` begins in `head`
  std::string payload;

  std::string_view IdAndTyping() const { return std::string_view(head).substr(0, data_at); }
  bool HasData() const { return data_at < head.size(); }
  int64_t Bytes() const { return static_cast<int64_t>(event->data.Bytes() + head.size() + payload.size()); }
};
using PreparedRef = std::shared_ptr<const Prepared>;

// Types an event. Thread-safe.
PreparedRef Prepare(store::EventRef event, StoreTag tag, const typing::Registry& registry);

// Told of each conversion.
using TypingObserver = std::function<void(TypedStatus status, absl::Duration took)>;

// Recent events, typed once by the first subscription that sends them. Thread-safe; bounded by bytes, the entry that
// came first goes first. One that was dropped lives on while someone holds it, and is typed again when it is wanted
// again.
class TailCache {
 public:
  TailCache(int64_t bytes_max, const store::Store& store, RegistrySource registry, const Clock& clock,
            TypingObserver observer);

  // Appends to `out`, in the order of `events`.
  void Get(std::span<const store::EventRef> events, std::vector<PreparedRef>& out);
  // After the registry has changed: events are typed anew.
  void Clear();
  int64_t Bytes() const;

 private:
  // Two subscriptions that want an event at once share one conversion.
  struct Entry {
    std::once_flag once;
    PreparedRef prepared;
  };
  struct Place {
    Seq seq;
    int64_t bytes;
  };

  const int64_t bytes_max_;
  const store::Store& store_;
  const RegistrySource registry_;
  const Clock& clock_;
  const TypingObserver observer_;
  mutable Mutex mutex_;
  absl::flat_hash_map<Seq, std::shared_ptr<Entry>> entries_ HS_GUARDED_BY(mutex_);
  std::deque<Place> order_ HS_GUARDED_BY(mutex_);
  int64_t bytes_ HS_GUARDED_BY(mutex_) = 0;
};

}  // namespace hookstream::dispatch
