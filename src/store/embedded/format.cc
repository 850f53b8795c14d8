#include "store/embedded/format.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "store/embedded/coding.h"

namespace hookstream::store::embedded {
namespace {

// First byte of each value, so that a later layout can be told apart.
constexpr uint8_t kLayout = 1;

constexpr uint8_t kHasDedupe = 1;
constexpr uint8_t kHasOrderingKey = 2;

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::StrCat("a stored ", absl::string_view(what.data(), what.size()), " is damaged"));
}

void AppendTime(absl::Time time, std::string& out) { AppendSigned(absl::ToUnixMicros(time), out); }

std::string KeyOf(SubscriptionId id, SubscriptionKeyKind kind) {
  std::string key;
  AppendBe64(id, key);
  key.push_back(static_cast<char>(kind));
  return key;
}

void AppendRecord(const RetryRecord& record, std::string& out) {
  AppendVarint(static_cast<uint64_t>(std::max(record.attempts, 0)), out);
  const size_t count = std::min(record.failures.size(), kFailuresKept);
  AppendVarint(count, out);
  for (size_t i = 0; i < count; ++i) {
    const Failure& failure = record.failures[i];
    out.push_back(static_cast<char>(failure.kind));
    AppendVarint(static_cast<uint64_t>(std::max(failure.attempt, 0)), out);
    AppendTime(failure.time, out);
    AppendText(std::string_view(failure.reason).substr(0, kFailureReasonBytesMax), out);
  }
}

bool ReadRecord(ByteReader& reader, RetryRecord& record) {
  constexpr uint64_t kAttemptsMax = 1u << 30;
  const uint64_t attempts = reader.Varint();
  const uint64_t count = reader.Varint();
  if (attempts > kAttemptsMax || count > kFailuresKept) return false;
  record.attempts = static_cast<int>(attempts);
  for (uint64_t i = 0; i < count; ++i) {
    Failure failure;
    const uint8_t kind = reader.Byte();
    const uint64_t attempt = reader.Varint();
    failure.time = reader.Time();
    failure.reason = std::string(reader.Text());
    if (!reader.ok() || kind < 1 || kind > 4 || attempt > kAttemptsMax) return false;
    failure.kind = static_cast<FailureKind>(kind);
    failure.attempt = static_cast<int>(attempt);
    record.failures.push_back(std::move(failure));
  }
  return reader.ok();
}

}  // namespace

std::string SeqKey(Seq seq) {
  std::string key;
  AppendBe64(seq, key);
  return key;
}

Seq SeqOfKey(std::string_view key) { return key.size() == 8 ? ReadBe64(key.data()) : 0; }

std::string SubscriptionPrefix(SubscriptionId id) { return SeqKey(id); }
std::string SpecKey(SubscriptionId id) { return KeyOf(id, SubscriptionKeyKind::kSpec); }
std::string ProgressKey(SubscriptionId id) { return KeyOf(id, SubscriptionKeyKind::kProgress); }

std::string PageKey(SubscriptionId id, Generation generation, uint64_t page) {
  std::string key = KeyOf(id, SubscriptionKeyKind::kPage);
  AppendBe64(generation, key);
  AppendBe64(page, key);
  return key;
}

std::string RetryKey(SubscriptionId id, Generation generation, Seq seq) {
  std::string key = KeyOf(id, SubscriptionKeyKind::kRetry);
  AppendBe64(generation, key);
  AppendBe64(seq, key);
  return key;
}

std::string DeadKey(SubscriptionId id, Seq seq) {
  std::string key;
  AppendBe64(id, key);
  AppendBe64(seq, key);
  return key;
}

absl::StatusOr<SubscriptionKey> ParseSubscriptionKey(std::string_view bytes) {
  ByteReader reader(bytes);
  SubscriptionKey key;
  key.id = reader.Be64();
  key.kind = static_cast<SubscriptionKeyKind>(reader.Byte());
  switch (key.kind) {
    case SubscriptionKeyKind::kPage:
    case SubscriptionKeyKind::kRetry:
      key.generation = reader.Be64();
      key.number = reader.Be64();
      break;
    case SubscriptionKeyKind::kProgress:
    case SubscriptionKeyKind::kSpec: break;
    default: return Damaged("subscription key");
  }
  if (!reader.AtEnd()) return Damaged("subscription key");
  return key;
}

uint32_t ChunkIndexWriter::NameIndex(std::string_view name) {
  const auto [it, added] = name_index_.try_emplace(name, static_cast<uint32_t>(name_index_.size()));
  if (added) AppendText(name, names_);
  return it->second;
}

void ChunkIndexWriter::Add(const EventData& data, const Hash128& dedupe, uint64_t dedupe_window_seconds,
                           const Hash128& ordering_key) {
  AppendVarint(NameIndex(data.source), entries_);
  AppendVarint(NameIndex(data.provider), entries_);
  AppendVarint(NameIndex(data.type), entries_);
  AppendTime(data.received_at, entries_);
  entries_.push_back(static_cast<char>(data.content));
  entries_.push_back(
      static_cast<char>((dedupe.IsZero() ? 0 : kHasDedupe) | (ordering_key.IsZero() ? 0 : kHasOrderingKey)));
  if (!dedupe.IsZero()) {
    entries_.append(dedupe.AsBytes());
    AppendVarint(dedupe_window_seconds, entries_);
  }
  if (!ordering_key.IsZero()) entries_.append(ordering_key.AsBytes());
  AppendVarint(data.envelope.size(), entries_);
  AppendVarint(data.raw_head.size(), entries_);
  AppendVarint(data.body.size(), entries_);
}

std::string_view ChunkIndexWriter::Finish(const ChunkHeader& header) {
  out_.clear();
  out_.push_back(static_cast<char>(kLayout));
  AppendVarint(header.count, out_);
  AppendVarint(static_cast<uint64_t>(header.age), out_);
  AppendTime(header.received_max, out_);
  AppendVarint(header.events_end, out_);
  AppendVarint(header.bytes_end, out_);
  AppendVarint(name_index_.size(), out_);
  out_.append(names_);
  out_.append(entries_);
  name_index_.clear();
  names_.clear();
  entries_.clear();
  return out_;
}

namespace {

bool ReadHeader(ByteReader& reader, ChunkHeader& header) {
  if (reader.Byte() != kLayout) return false;
  header.count = reader.Varint();
  const uint64_t age = reader.Varint();
  header.received_max = reader.Time();
  header.events_end = reader.Varint();
  header.bytes_end = reader.Varint();
  header.age = static_cast<AgeMs>(age);
  // An entry takes ten bytes at least: a count that the bytes can't hold must not reserve memory.
  return reader.ok() && header.age >= 0 && header.count > 0 && header.count <= reader.rest().size() / 8;
}

}  // namespace

absl::StatusOr<ChunkHeader> ParseChunkHeader(std::string_view bytes) {
  ByteReader reader(bytes);
  ChunkHeader header;
  if (!ReadHeader(reader, header)) return Damaged("chunk index");
  return header;
}

absl::Status ParseChunkIndex(Seq first, std::string_view bytes, ChunkIndex& index) {
  ByteReader reader(bytes);
  index.first = first;
  index.entries.clear();
  if (!ReadHeader(reader, index.header)) return Damaged("chunk index");
  const uint64_t name_count = reader.Varint();
  if (name_count > reader.rest().size()) return Damaged("chunk index");
  std::vector<std::string_view> names;
  names.reserve(name_count);
  for (uint64_t i = 0; i < name_count; ++i) names.push_back(reader.Text());
  const auto name = [&]() -> std::string_view {
    const uint64_t number = reader.Varint();
    if (number < names.size()) return names[number];
    reader.Bytes(~uint64_t{0});
    return {};
  };
  index.entries.reserve(index.header.count);
  uint64_t offset = 0;
  for (uint64_t i = 0; i < index.header.count; ++i) {
    ChunkEntry entry;
    entry.source = name();
    entry.provider = name();
    entry.type = name();
    entry.received_at = reader.Time();
    const uint8_t content = reader.Byte();
    const uint8_t flags = reader.Byte();
    if ((flags & kHasDedupe) != 0) {
      entry.dedupe = reader.Hash();
      entry.dedupe_window_seconds = reader.Varint();
    }
    if ((flags & kHasOrderingKey) != 0) entry.ordering_key = reader.Hash();
    entry.offset = offset;
    entry.envelope_bytes = reader.Varint();
    entry.raw_head_bytes = reader.Varint();
    entry.body_bytes = reader.Varint();
    constexpr uint64_t kPartMax = uint64_t{1} << 40;
    if (!reader.ok() || content > static_cast<uint8_t>(Content::kMultipart) ||
        (flags & ~(kHasDedupe | kHasOrderingKey)) != 0 || entry.envelope_bytes > kPartMax ||
        entry.raw_head_bytes > kPartMax || entry.body_bytes > kPartMax || offset > kPartMax) {
      return Damaged("chunk index");
    }
    entry.content = static_cast<Content>(content);
    offset += entry.Bytes();
    index.entries.push_back(entry);
  }
  if (!reader.AtEnd()) return Damaged("chunk index");
  return absl::OkStatus();
}

absl::StatusOr<EventRef> ReadEvent(Seq seq, const ChunkEntry& entry, std::string_view log_chunk) {
  if (entry.offset > log_chunk.size() || entry.Bytes() > log_chunk.size() - entry.offset) return Damaged("log chunk");
  auto event = std::make_shared<StoredEvent>();
  event->seq = seq;
  EventData& data = event->data;
  data.source = std::string(entry.source);
  data.provider = std::string(entry.provider);
  data.type = std::string(entry.type);
  data.received_at = entry.received_at;
  data.content = entry.content;
  ByteReader reader(log_chunk.substr(entry.offset, entry.Bytes()));
  data.envelope = std::string(reader.Bytes(entry.envelope_bytes));
  data.raw_head = std::string(reader.Bytes(entry.raw_head_bytes));
  data.body = std::string(reader.Bytes(entry.body_bytes));
  return event;
}

Hash128 DedupeKey(const Hash128& lane, const Hash128& dedupe) {
  Hash128 key;
  for (size_t i = 0; i < key.bytes.size(); ++i) key.bytes[i] = lane.bytes[i] ^ dedupe.bytes[i];
  return key;
}

std::string EncodeDedupeEntry(const DedupeEntry& entry) {
  std::string out;
  AppendVarint(entry.seq, out);
  AppendVarint(static_cast<uint64_t>(entry.age), out);
  AppendVarint(entry.window_seconds, out);
  return out;
}

absl::StatusOr<DedupeEntry> ParseDedupeEntry(std::string_view bytes) {
  ByteReader reader(bytes);
  DedupeEntry entry;
  entry.seq = reader.Varint();
  entry.age = static_cast<AgeMs>(reader.Varint());
  entry.window_seconds = reader.Varint();
  if (!reader.AtEnd() || entry.age < 0) return Damaged("dedupe entry");
  return entry;
}

std::string EncodeSpec(const SpecValue& value) {
  std::string out;
  out.push_back(static_cast<char>(kLayout));
  AppendText(value.record.name, out);
  AppendText(value.record.spec, out);
  AppendVarint(value.record.revision, out);
  AppendVarint(value.record.generation, out);
  AppendTime(value.record.created_at, out);
  AppendVarint(value.begin, out);
  return out;
}

absl::StatusOr<SpecValue> ParseSpec(SubscriptionId id, std::string_view bytes) {
  ByteReader reader(bytes);
  SpecValue value;
  if (reader.Byte() != kLayout) return Damaged("subscription");
  value.record.id = id;
  value.record.name = std::string(reader.Text());
  value.record.spec = std::string(reader.Text());
  value.record.revision = reader.Varint();
  value.record.generation = reader.Varint();
  value.record.created_at = reader.Time();
  value.begin = reader.Varint();
  if (!reader.AtEnd()) return Damaged("subscription");
  return value;
}

std::string EncodeProgress(const Progress& progress) {
  std::string out;
  out.push_back(static_cast<char>(kLayout));
  AppendVarint(progress.generation, out);
  AppendVarint(progress.frontier, out);
  AppendVarint(progress.dead, out);
  return out;
}

absl::StatusOr<Progress> ParseProgress(std::string_view bytes) {
  ByteReader reader(bytes);
  Progress progress;
  if (reader.Byte() != kLayout) return Damaged("subscription's progress");
  progress.generation = reader.Varint();
  progress.frontier = reader.Varint();
  progress.dead = reader.Varint();
  if (!reader.AtEnd()) return Damaged("subscription's progress");
  return progress;
}

std::string EncodePage(const SettledPage& page) {
  std::string out;
  for (const uint64_t word : page.bits) AppendBe64(word, out);
  return out;
}

absl::StatusOr<SettledPage> ParsePage(std::string_view bytes) {
  ByteReader reader(bytes);
  SettledPage page;
  for (uint64_t& word : page.bits) word = reader.Be64();
  if (!reader.AtEnd()) return Damaged("settled page");
  return page;
}

std::string EncodeRetry(const StoredRetry& retry) {
  std::string out;
  out.push_back(static_cast<char>(kLayout));
  AppendVarint(static_cast<uint64_t>(retry.written), out);
  AppendVarint(static_cast<uint64_t>(std::max<int64_t>(absl::ToInt64Milliseconds(retry.delay), 0)), out);
  AppendRecord(retry.record, out);
  return out;
}

absl::StatusOr<StoredRetry> ParseRetry(std::string_view bytes) {
  ByteReader reader(bytes);
  StoredRetry retry;
  if (reader.Byte() != kLayout) return Damaged("retry record");
  retry.written = static_cast<AgeMs>(reader.Varint());
  const auto delay = static_cast<int64_t>(reader.Varint());
  retry.delay = absl::Milliseconds(delay);
  if (!ReadRecord(reader, retry.record) || !reader.AtEnd() || retry.written < 0 || delay < 0) {
    return Damaged("retry record");
  }
  return retry;
}

std::string EncodeDead(const StoredDead& dead) {
  std::string out;
  out.push_back(static_cast<char>(kLayout));
  AppendTime(dead.dead_at, out);
  AppendRecord(dead.record, out);
  return out;
}

absl::StatusOr<StoredDead> ParseDead(std::string_view bytes) {
  ByteReader reader(bytes);
  StoredDead dead;
  if (reader.Byte() != kLayout) return Damaged("dead letter");
  dead.dead_at = reader.Time();
  if (!ReadRecord(reader, dead.record) || !reader.AtEnd()) return Damaged("dead letter");
  return dead;
}

std::string EncodeClockMark(const ClockMark& mark) {
  std::string out;
  AppendVarint(static_cast<uint64_t>(mark.age), out);
  AppendTime(mark.wall, out);
  return out;
}

absl::StatusOr<ClockMark> ParseClockMark(std::string_view bytes) {
  ByteReader reader(bytes);
  ClockMark mark;
  mark.age = static_cast<AgeMs>(reader.Varint());
  mark.wall = reader.Time();
  if (!reader.AtEnd() || mark.age < 0) return Damaged("clock mark");
  return mark;
}

std::string EncodeNumber(uint64_t value) {
  std::string out;
  AppendVarint(value, out);
  return out;
}

absl::StatusOr<uint64_t> ParseNumber(std::string_view bytes) {
  ByteReader reader(bytes);
  const uint64_t value = reader.Varint();
  if (!reader.AtEnd()) return Damaged("number");
  return value;
}

}  // namespace hookstream::store::embedded
