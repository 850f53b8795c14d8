// Reads stored events: a cursor over the chunks of idx, whose bytes in log are read only when asked for.
//
// Not thread-safe; belongs to one thread while it lives. It shows the store as it was when it was made.
#pragma once

#include <memory>
#include <optional>

#include "store/embedded/database.h"
#include "store/embedded/format.h"

namespace hookstream::store::embedded {

class LogReader {
 public:
  // Shows the chunks that begin at `begin` or later, which must be the first event of a chunk (the trim sequence), and
  // before `end`. `scan`: many chunks in order will be read.
  LogReader(Database& database, Seq begin, Seq end, bool scan);
  ~LogReader();

  // The chunk that holds `seq`, or else the next one. False: there is none, or status() is not OK.
  bool Seek(Seq seq);
  // The chunk that holds `seq`, or else the one before.
  bool SeekBackwards(Seq seq);
  bool Next();
  bool Previous();
  const absl::Status& status() const { return status_; }

  // Does the chunk at the cursor hold it?
  bool Holds(Seq seq) const { return seq >= chunk_.first && seq < chunk_.end(); }
  // Of the chunk at the cursor; valid until it moves.
  const ChunkIndex& chunk() const { return chunk_; }
  // `seq` must be in the chunk. NOT_FOUND: trimmed in the meantime. DATA_LOSS: damaged.
  absl::StatusOr<EventRef> Event(Seq seq);

 private:
  bool Load();

  Database& database_;
  const std::string begin_key_;
  const std::string end_key_;
  const rocksdb::Slice begin_slice_;
  const rocksdb::Slice end_slice_;
  rocksdb::ReadOptions options_;
  std::unique_ptr<rocksdb::Iterator> index_;
  ChunkIndex chunk_;
  absl::Status status_;
  // Of the chunk at the cursor, once one of its events was asked for.
  bool bodies_loaded_ = false;
  rocksdb::PinnableSlice bodies_;
};

// The last chunk before `end` for which `before` holds; `before` holds for the first chunks and not for the later ones.
// Nothing: for none. Reads O(log) chunk headers.
struct ChunkPlace {
  Seq first = 0;
  ChunkHeader header;
};
using ChunkPredicate = std::function<bool(const ChunkPlace&)>;
absl::StatusOr<std::optional<ChunkPlace>> LastChunkWhere(Database& database, Seq begin, Seq end,
                                                         const ChunkPredicate& before);

// First event received at or after `time`, or `end`.
absl::StatusOr<Seq> FirstReceivedAt(Database& database, Seq begin, Seq end, absl::Time time);

}  // namespace hookstream::store::embedded
