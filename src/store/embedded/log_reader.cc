#include "store/embedded/log_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hookstream::store::embedded {
namespace {

constexpr size_t kReadaheadBytes = size_t{1} << 20;

}  // namespace

LogReader::LogReader(Database& database, Seq begin, Seq end, bool scan)
    : database_(database),
      begin_key_(SeqKey(begin)),
      end_key_(SeqKey(end)),
      begin_slice_(begin_key_),
      end_slice_(end_key_) {
  options_.iterate_lower_bound = &begin_slice_;
  options_.iterate_upper_bound = &end_slice_;
  if (scan) {
    options_.fill_cache = false;
    options_.readahead_size = kReadaheadBytes;
  }
  index_.reset(database_.db().NewIterator(options_, database_.cf(Cf::kIdx)));
}

LogReader::~LogReader() = default;

bool LogReader::Seek(Seq seq) {
  const std::string key = SeqKey(seq);
  index_->SeekForPrev(key);
  if (index_->Valid()) {
    if (!Load()) return false;
    if (seq < chunk_.end()) return true;
    index_->Next();
  } else if (index_->status().ok()) {
    index_->Seek(key);
  }
  return Load();
}

bool LogReader::SeekBackwards(Seq seq) {
  index_->SeekForPrev(SeqKey(seq));
  return Load();
}

bool LogReader::Next() {
  index_->Next();
  return Load();
}

bool LogReader::Previous() {
  index_->Prev();
  return Load();
}

bool LogReader::Load() {
  bodies_loaded_ = false;
  bodies_.Reset();
  if (!index_->Valid()) {
    status_ = ToStatus(index_->status());
    chunk_ = ChunkIndex();
    return false;
  }
  const Seq first = SeqOfKey(View(index_->key()));
  status_ = ParseChunkIndex(first, View(index_->value()), chunk_);
  if (!status_.ok()) {
    chunk_ = ChunkIndex();
    status_ = absl::DataLossError(absl::StrCat("the index of the events from ", first, " on is damaged"));
  }
  return status_.ok();
}

absl::StatusOr<EventRef> LogReader::Event(Seq seq) {
  if (!bodies_loaded_) {
    rocksdb::ReadOptions options;
    options.fill_cache = options_.fill_cache;
    HS_RETURN_IF_ERROR(
        ToStatus(database_.db().Get(options, database_.cf(Cf::kLog), SliceOf(SeqKey(chunk_.first)), &bodies_)));
    bodies_loaded_ = true;
  }
  auto event = ReadEvent(seq, chunk_.entries[seq - chunk_.first], View(bodies_));
  if (!event.ok()) return absl::DataLossError(absl::StrCat("the stored bytes of event ", seq, " are damaged"));
  return event;
}

absl::StatusOr<std::optional<ChunkPlace>> LastChunkWhere(Database& database, Seq begin, Seq end,
                                                         const ChunkPredicate& before) {
  const std::string begin_key = SeqKey(begin);
  const std::string end_key = SeqKey(end);
  const rocksdb::Slice begin_slice(begin_key);
  const rocksdb::Slice end_slice(end_key);
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &begin_slice;
  options.iterate_upper_bound = &end_slice;
  std::unique_ptr<rocksdb::Iterator> index(database.db().NewIterator(options, database.cf(Cf::kIdx)));
  std::optional<ChunkPlace> found;
  // A chunk that begins in [low, high) may still be a later one that fits.
  Seq low = begin;
  Seq high = end;
  while (low < high) {
    const Seq middle = low + (high - low) / 2;
    index->SeekForPrev(SeqKey(middle));
    if (!index->Valid()) {
      HS_RETURN_IF_ERROR(ToStatus(index->status()));
      low = middle + 1;
      continue;
    }
    ChunkPlace place;
    place.first = SeqOfKey(View(index->key()));
    HS_ASSIGN_OR_RETURN(place.header, ParseChunkHeader(View(index->value())));
    if (before(place)) {
      found = place;
      low = middle + 1;
    } else {
      high = place.first;
    }
  }
  return found;
}

absl::StatusOr<Seq> FirstReceivedAt(Database& database, Seq begin, Seq end, absl::Time time) {
  HS_ASSIGN_OR_RETURN(
      const std::optional<ChunkPlace> before,
      LastChunkWhere(database, begin, end, [&](const ChunkPlace& place) { return place.header.received_max < time; }));
  LogReader reader(database, begin, end, /*scan=*/false);
  if (!reader.Seek(before.has_value() ? before->first + before->header.count : begin)) {
    HS_RETURN_IF_ERROR(reader.status());
    return end;
  }
  for (size_t i = 0; i < reader.chunk().entries.size(); ++i) {
    if (reader.chunk().entries[i].received_at >= time) return reader.chunk().first + i;
  }
  return end;
}

}  // namespace hookstream::store::embedded
