// Which provider's event ids have been stored, and when.
//
// The newest ids are in memory; older ones in the `dd` column family, which is derived from idx in the background and
// written without the log: after a crash it is derived again from where it ends. So the commit that stores an event
// writes no dedupe key of its own, and looks up only what memory does not know.
//
// Threads: everything on the commit thread, but Derive, which may run on another, not at the same time as Reset.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "store/embedded/database.h"
#include "store/embedded/format.h"

namespace hookstream::store::embedded {

struct SealedIds {
  using Map = absl::flat_hash_map<Hash128, DedupeEntry>;
  std::shared_ptr<const Map> entries;
  Seq last = 0;  // all ids up to this event are in `entries` or on disk
  uint64_t epoch = 0;
};

class DedupeIndex {
 public:
  // Memory: about twice `recent_max` ids of 64 bytes.
  explicit DedupeIndex(size_t recent_max) : recent_max_(recent_max) {}

  // The hash of a source's name, which keeps the ids of sources apart.
  const Hash128& Lane(std::string_view source);

  // Forgets memory and goes on with what is on disk. The ids of events from the returned sequence on must be given
  // to Add again, in order.
  absl::StatusOr<Seq> Reset(Database& database);

  // For each key its entry, seq 0 when there is none. UNAVAILABLE or DATA_LOSS when the disk can't be read.
  absl::Status Find(const std::vector<Hash128>& keys, std::vector<DedupeEntry>& entries);

  // The event `entry.seq` is durable, and so are all before it.
  void Add(const Hash128& key, const DedupeEntry& entry);

  // Call after a commit whose last event is `last`. What is returned is to be given to Derive. `now`: even if there is
  // little of it.
  std::optional<SealedIds> Seal(Seq last, bool now = false);
  // Writes it to disk. If that fails, the ids stay in memory, and Seal gives them again. `flush`: a crash does not
  // undo it.
  absl::Status Derive(Database& database, const SealedIds& sealed, bool flush = false);

  // Ids up to this event are on disk for good: what is told of it in idx is not needed for dedupe. Any thread.
  Seq durable() const { return durable_; }

  // Has so much gathered in memory that the commit thread should derive by itself before it goes on?
  bool Overfull() const { return recent_.size() > 4 * recent_max_; }
  size_t size() const { return recent_.size() + (sealed_ == nullptr ? 0 : sealed_->size()); }

 private:
  using Map = SealedIds::Map;

  const size_t recent_max_;
  Database* database_ = nullptr;
  absl::flat_hash_map<std::string, Hash128> lanes_;
  Map recent_;
  // Not changed any more, and on its way to the disk.
  std::shared_ptr<const Map> sealed_;
  // The last event whose id is in sealed_ or on disk.
  Seq sealed_last_ = 0;
  // Grows with each Reset, so that what was sealed before is not written after it.
  std::atomic<uint64_t> epoch_ = 0;
  std::atomic<Seq> durable_ = 0;
  std::atomic<bool> deriving_ = false;
  std::atomic<bool> derived_ = false;
};

}  // namespace hookstream::store::embedded
