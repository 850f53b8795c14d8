// Events as they are sent: the store's wire bytes plus what is derived from them once for all subscriptions.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "store/store.h"
#include "typing/converter.h"
#include "typing/registry.h"

namespace hookstream::dispatch {

enum class TypingStatus : uint8_t { kFull, kPartial, kUntyped };

// Wire bytes of fields of hookstream.v1.Event that the store does not keep.
struct TypedWire {
  std::string data;    // field `data`; empty when the event is UNTYPED
  std::string typing;  // field `typing`
  TypingStatus status = TypingStatus::kUntyped;
};

// The fields from what the converter said.
TypedWire MakeTypedWire(typing::Typed typed);

// Gives the present registry of schemas; called from any thread.
using RegistrySource = std::function<std::shared_ptr<const typing::Registry>()>;

// An event ready to be composed. Immutable and shared by subscriptions and streams.
struct Prepared {
  store::EventRef event;
  TypedWire typed;

  int64_t Bytes() const {
    return static_cast<int64_t>(event->data.Bytes() + typed.data.size() + typed.typing.size());
  }
};
using PreparedRef = std::shared_ptr<const Prepared>;

// Types an event. Thread-safe.
PreparedRef Prepare(store::EventRef event, const typing::Registry& registry);

// What TailCache tells its owner of each conversion.
struct TypingObserver {
  std::function<void(TypingStatus status, absl::Duration took)> converted;
};

// Recent events, typed once by the first subscription that sends them. Thread-safe; bounded by bytes, oldest entry out
// first. An entry that was dropped lives on while someone holds it, and is typed again when it is asked for again.
class TailCache {
 public:
  TailCache(int64_t bytes_max, RegistrySource registry, const Clock& clock, TypingObserver observer);

  // The same order as `events`. Appends to `out`.
  void Get(std::span<const store::EventRef> events, std::vector<PreparedRef>& out);
  // After the registry has changed: events are typed anew.
  void Clear();
  int64_t Bytes() const;

 private:
  // Two subscriptions that ask for an event at once share one conversion.
  struct Entry {
    std::once_flag once;
    PreparedRef prepared;
  };

  const int64_t bytes_max_;
  const RegistrySource registry_;
  const Clock& clock_;
  const TypingObserver observer_;
  mutable Mutex mutex_;
  absl::flat_hash_map<Seq, std::shared_ptr<Entry>> entries_ HS_GUARDED_BY(mutex_);
  struct Order {
    Seq seq;
    int64_t bytes;
  };
  std::deque<Order> order_ HS_GUARDED_BY(mutex_);
  int64_t bytes_ HS_GUARDED_BY(mutex_) = 0;
};

}  // namespace hookstream::dispatch
