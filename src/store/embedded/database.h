// One open RocksDB: column families, options, and the rule for what may be opened.
//
// Open, use, destroy (which closes it: what was written without the log is flushed). Thread-safe as RocksDB is; the
// owner sees to it that nobody uses it while it is destroyed.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/embedded/format.h"

namespace hookstream::store::embedded {

// docs/storage.md says what each holds. The numbers are those of kColumnFamilyNames.
enum class Cf { kMeta = 0, kLog, kIdx, kDedupe, kSub, kDead };
inline constexpr size_t kColumnFamilies = 6;

namespace meta_key {
inline constexpr const char* kFormat = "format";
inline constexpr const char* kTag = "tag";
inline constexpr const char* kTrim = "trim";
inline constexpr const char* kClock = "clock";
inline constexpr const char* kNextSubscription = "next_subscription";
// Followed by a record's name.
inline constexpr const char* kRecordPrefix = "record/";
}  // namespace meta_key

struct DatabaseOptions {
  std::string dir;
  rocksdb::Env* env = nullptr;  // nothing: the default one
  // What the store's clock shows; dedupe entries whose window is over are dropped when files are compacted.
  const std::atomic<AgeMs>* age = nullptr;
  // Called on a thread of RocksDB when a flush or compaction failed.
  std::function<void()> on_background_error;
};

inline std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
inline rocksdb::Slice SliceOf(std::string_view view) { return {view.data(), view.size()}; }

// DATA_LOSS for damage; UNAVAILABLE for everything that may pass.
absl::Status ToStatus(const rocksdb::Status& status);

class Database {
 public:
  // Creates the folder and the database when there is none.
  // FAILED_PRECONDITION: in use by another process, or of a newer format. DATA_LOSS: acknowledged data is damaged.
  // UNAVAILABLE: the rest, e.g. no space.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const DatabaseOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* cf(Cf family) const { return handles_[static_cast<size_t>(family)]; }

  // NOT_FOUND when there is none.
  absl::StatusOr<std::string> Get(Cf family, std::string_view key);
  absl::Status WriteSynced(rocksdb::WriteBatch& batch);
  // Removes whole files of log and idx that lie below `trim`.
  absl::Status DropFilesBelow(Seq trim);
  // All files in the folder.
  int64_t DiskBytes() const;

 private:
  Database() = default;

  DatabaseOptions options_;
  std::unique_ptr<rocksdb::CompactionFilter> dedupe_expiry_;
  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kColumnFamilies> handles_{};
};

}  // namespace hookstream::store::embedded
