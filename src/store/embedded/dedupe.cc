#include "store/embedded/dedupe.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace hookstream::store::embedded {
namespace {

// Key in dd of the last event whose id is there. Shorter than any id.
constexpr std::string_view kDerivedKey = "u";
constexpr size_t kLanesMax = 4096;
// Keys written at once: the commit thread's write waits behind it.
constexpr size_t kDeriveBatchKeys = 256;

}  // namespace

const Hash128& DedupeIndex::Lane(std::string_view source) {
  const auto it = lanes_.find(absl::string_view(source.data(), source.size()));
  if (it != lanes_.end()) return it->second;
  if (lanes_.size() >= kLanesMax) lanes_.clear();
  return lanes_.emplace(std::string(source), HashOf(source)).first->second;
}

absl::StatusOr<Seq> DedupeIndex::Reset(Database& database) {
  database_ = &database;
  ++epoch_;
  recent_.clear();
  sealed_.reset();
  sealed_last_ = 0;
  durable_ = 0;
  deriving_ = false;
  derived_ = false;
  const auto derived = database.Get(Cf::kDedupe, kDerivedKey);
  if (absl::IsNotFound(derived.status())) return 1;
  HS_RETURN_IF_ERROR(derived.status());
  HS_ASSIGN_OR_RETURN(sealed_last_, ParseNumber(*derived));
  durable_ = sealed_last_;
  return sealed_last_ + 1;
}

absl::Status DedupeIndex::Find(const std::vector<Hash128>& keys, std::vector<DedupeEntry>& entries) {
  if (derived_.exchange(false)) sealed_.reset();
  entries.assign(keys.size(), DedupeEntry{});
  std::vector<size_t> unknown;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (const auto it = recent_.find(keys[i]); it != recent_.end()) {
      entries[i] = it->second;
    } else if (sealed_ != nullptr && sealed_->contains(keys[i])) {
      entries[i] = sealed_->at(keys[i]);
    } else {
      unknown.push_back(i);
    }
  }
  if (unknown.empty()) return absl::OkStatus();

  std::sort(unknown.begin(), unknown.end(), [&](size_t a, size_t b) { return keys[a] < keys[b]; });
  std::vector<rocksdb::Slice> slices;
  slices.reserve(unknown.size());
  for (const size_t i : unknown) slices.push_back(SliceOf(keys[i].AsBytes()));
  std::vector<rocksdb::PinnableSlice> values(unknown.size());
  std::vector<rocksdb::Status> statuses(unknown.size());
  database_->db().MultiGet(rocksdb::ReadOptions(), database_->cf(Cf::kDedupe), slices.size(), slices.data(),
                           values.data(), statuses.data(), /*sorted_input=*/true);
  for (size_t i = 0; i < unknown.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    HS_RETURN_IF_ERROR(ToStatus(statuses[i]));
    HS_ASSIGN_OR_RETURN(entries[unknown[i]], ParseDedupeEntry(View(values[i])));
  }
  return absl::OkStatus();
}

void DedupeIndex::Add(const Hash128& key, const DedupeEntry& entry) { recent_.insert_or_assign(key, entry); }

std::optional<SealedIds> DedupeIndex::Seal(Seq last, bool now) {
  if (derived_.exchange(false)) sealed_.reset();
  if (deriving_) return std::nullopt;
  if (sealed_ == nullptr) {
    // Also when most events have no id: what a restart has to look through is bounded by this.
    if (!now && recent_.size() < recent_max_ && last - sealed_last_ < 8 * recent_max_) return std::nullopt;
    sealed_ = std::make_shared<const Map>(std::exchange(recent_, Map()));
    sealed_last_ = last;
    recent_.reserve(recent_max_);
  }
  deriving_ = true;
  return SealedIds{sealed_, sealed_last_, epoch_};
}

absl::Status DedupeIndex::Derive(Database& database, const SealedIds& sealed, bool flush) {
  if (sealed.epoch != epoch_) return absl::OkStatus();
  std::vector<const Map::value_type*> entries;
  entries.reserve(sealed.entries->size());
  for (const auto& entry : *sealed.entries) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return a->first < b->first; });

  rocksdb::WriteOptions options;
  options.disableWAL = true;
  absl::Status status;
  for (size_t i = 0; i < entries.size() && status.ok(); i += kDeriveBatchKeys) {
    rocksdb::WriteBatch batch;
    for (size_t j = i; j < std::min(i + kDeriveBatchKeys, entries.size()) && status.ok(); ++j) {
      status = ToStatus(batch.Put(database.cf(Cf::kDedupe), SliceOf(entries[j]->first.AsBytes()),
                                  EncodeDedupeEntry(entries[j]->second)));
    }
    if (status.ok()) status = ToStatus(database.db().Write(options, &batch));
  }
  // Last: a crash before it derives the same keys again.
  if (status.ok()) {
    status =
        ToStatus(database.db().Put(options, database.cf(Cf::kDedupe), SliceOf(kDerivedKey), EncodeNumber(sealed.last)));
  }
  if (status.ok() && flush) {
    status = ToStatus(database.db().Flush(rocksdb::FlushOptions(), database.cf(Cf::kDedupe)));
    if (status.ok()) durable_ = sealed.last;
  }
  if (status.ok()) derived_ = true;
  deriving_ = false;
  return status;
}

}  // namespace hookstream::store::embedded
