// What the embedded engine writes, byte by byte. docs/storage.md describes the same for people: change both.
//
// Everything is pure. Encoders take valid values; parsers take any bytes and give DATA_LOSS for what they did not
// write.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "store/embedded/settled_pages.h"
#include "store/store.h"

namespace hookstream::store::embedded {

// Grows when an older relay could not read what a newer one wrote.
inline constexpr uint64_t kFormatVersion = 1;

inline constexpr Seq kNoSeq = ~Seq{0};

// Milliseconds on the store's own clock (see AgeClock): only differences mean something.
using AgeMs = int64_t;

// --- keys ---

std::string SeqKey(Seq seq);
Seq SeqOfKey(std::string_view key);

// All keys of a subscription lie between its prefix and the next id's.
std::string SubscriptionPrefix(SubscriptionId id);
std::string SpecKey(SubscriptionId id);
std::string ProgressKey(SubscriptionId id);
std::string PageKey(SubscriptionId id, Generation generation, uint64_t page);
std::string RetryKey(SubscriptionId id, Generation generation, Seq seq);
std::string DeadKey(SubscriptionId id, Seq seq);

enum class SubscriptionKeyKind : char { kProgress = 'f', kPage = 'p', kRetry = 'r', kSpec = 's' };
struct SubscriptionKey {
  SubscriptionId id = 0;
  SubscriptionKeyKind kind = SubscriptionKeyKind::kSpec;
  Generation generation = 0;  // of a page or retry record
  uint64_t number = 0;        // page or sequence
};
absl::StatusOr<SubscriptionKey> ParseSubscriptionKey(std::string_view key);

// --- idx: what is told of the events of one commit ---

struct ChunkHeader {
  uint64_t count = 0;
  AgeMs age = 0;
  // The rest grow from chunk to chunk, so that a place can be found by bisection.
  absl::Time received_max;  // of all events up to this chunk's last
  uint64_t events_end = 0;  // events ever stored, this chunk's included
  uint64_t bytes_end = 0;   // their bytes (StoredBytes)
};

struct ChunkEntry {
  std::string_view source;
  std::string_view provider;
  std::string_view type;
  absl::Time received_at;
  Content content = Content::kOpaque;
  Hash128 dedupe;
  uint64_t dedupe_window_seconds = 0;
  Hash128 ordering_key;
  // Place of its bytes in the log chunk: envelope, raw head and body, one after the other.
  uint64_t offset = 0;
  uint64_t envelope_bytes = 0;
  uint64_t raw_head_bytes = 0;
  uint64_t body_bytes = 0;

  uint64_t Bytes() const { return envelope_bytes + raw_head_bytes + body_bytes; }
};

// What an event counts for in limits: its bytes and a share of what is kept beside it.
inline uint64_t StoredBytes(uint64_t event_bytes) { return event_bytes + 64; }

class ChunkIndexWriter {
 public:
  // `data` must live until Finish.
  void Add(const EventData& data, const Hash128& dedupe, uint64_t dedupe_window_seconds, const Hash128& ordering_key);
  // Clears the writer; the text is valid until the next use.
  std::string_view Finish(const ChunkHeader& header);

 private:
  uint32_t NameIndex(std::string_view name);

  absl::flat_hash_map<std::string_view, uint32_t> name_index_;
  std::string names_;
  std::string entries_;
  std::string out_;
};

struct ChunkIndex {
  Seq first = 0;
  ChunkHeader header;
  std::vector<ChunkEntry> entries;  // views into the parsed bytes

  Seq end() const { return first + entries.size(); }
};

absl::StatusOr<ChunkHeader> ParseChunkHeader(std::string_view bytes);
// `index` is overwritten; its entries' memory is used again.
absl::Status ParseChunkIndex(Seq first, std::string_view bytes, ChunkIndex& index);
// DATA_LOSS when the entry does not lie in the chunk.
absl::StatusOr<EventRef> ReadEvent(Seq seq, const ChunkEntry& entry, std::string_view log_chunk);

// --- dd: dedupe ---

// The lane and the id in one key.
Hash128 DedupeKey(const Hash128& lane, const Hash128& dedupe);

struct DedupeEntry {
  Seq seq = 0;
  AgeMs age = 0;  // of the original
  uint64_t window_seconds = 0;
};
std::string EncodeDedupeEntry(const DedupeEntry& entry);
absl::StatusOr<DedupeEntry> ParseDedupeEntry(std::string_view bytes);

// --- sub and dead ---

struct SpecValue {
  SubscriptionRecord record;
  Seq begin = 1;  // first event of this generation
};
std::string EncodeSpec(const SpecValue& value);
absl::StatusOr<SpecValue> ParseSpec(SubscriptionId id, std::string_view bytes);

struct Progress {
  Generation generation = 0;
  Seq frontier = 1;  // all events below are settled
  uint64_t dead = 0;
};
std::string EncodeProgress(const Progress& progress);
absl::StatusOr<Progress> ParseProgress(std::string_view bytes);

std::string EncodePage(const SettledPage& page);
absl::StatusOr<SettledPage> ParsePage(std::string_view bytes);

struct StoredRetry {
  RetryRecord record;
  AgeMs written = 0;
  absl::Duration delay;
};
std::string EncodeRetry(const StoredRetry& retry);
absl::StatusOr<StoredRetry> ParseRetry(std::string_view bytes);

struct StoredDead {
  RetryRecord record;
  absl::Time dead_at;
};
std::string EncodeDead(const StoredDead& dead);
absl::StatusOr<StoredDead> ParseDead(std::string_view bytes);

// --- meta ---

struct ClockMark {
  AgeMs age = 0;
  absl::Time wall;
};
std::string EncodeClockMark(const ClockMark& mark);
absl::StatusOr<ClockMark> ParseClockMark(std::string_view bytes);

std::string EncodeNumber(uint64_t value);
absl::StatusOr<uint64_t> ParseNumber(std::string_view bytes);

}  // namespace hookstream::store::embedded
