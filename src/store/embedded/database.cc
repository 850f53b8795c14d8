#include "store/embedded/database.h"

#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>

#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "store/embedded/wal_check.h"

namespace hookstream::store::embedded {
namespace {

constexpr std::array<const char*, kColumnFamilies> kColumnFamilyNames = {"default", "log", "idx", "dd", "sub", "dead"};

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kBlockCacheBytes = 32 * kMiB;
constexpr size_t kLogBufferBytes = 32 * kMiB;
constexpr size_t kSmallBufferBytes = 4 * kMiB;
constexpr size_t kDedupeBufferBytes = 8 * kMiB;
constexpr uint64_t kWalBytesMax = 128 * kMiB;

class DedupeExpiry : public rocksdb::CompactionFilter {
 public:
  explicit DedupeExpiry(const std::atomic<AgeMs>* age) : age_(age) {}
  const char* Name() const override { return "hookstream.DedupeExpiry"; }
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*, bool*) const override {
    if (age_ == nullptr || key.size() != sizeof(Hash128::bytes)) return false;
    const auto entry = ParseDedupeEntry(View(value));
    return entry.ok() &&
           age_->load(std::memory_order_relaxed) - entry->age > static_cast<AgeMs>(entry->window_seconds) * 1000;
  }

 private:
  const std::atomic<AgeMs>* const age_;
};

// RocksDB's own log goes into ours. Its LOG file would be on the disk that fills up, and Debian's build ends the
// process by an assertion when a write to it follows one that failed (tests/integration/disk_full_test.cc).
class InfoLog final : public rocksdb::Logger {
 public:
  InfoLog() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments);
  }
  void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    const LogLevel ours = level >= rocksdb::InfoLogLevel::ERROR_LEVEL && level <= rocksdb::InfoLogLevel::FATAL_LEVEL
                              ? LogLevel::kWarning
                              : LogLevel::kDebug;
    if (!LogEnabled(ours)) return;
    char line[512];
    const int length = std::vsnprintf(line, sizeof(line), format, arguments);
    if (length > 0) Log(ours, "RocksDB", {{"message", std::string_view(line)}});
  }
};

class BackgroundErrors : public rocksdb::EventListener {
 public:
  explicit BackgroundErrors(std::function<void()> on_error) : on_error_(std::move(on_error)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    if (!status->ok() && on_error_) on_error_();
  }

 private:
  const std::function<void()> on_error_;
};

rocksdb::Options BaseOptions(const DatabaseOptions& options) {
  rocksdb::Options base;
  if (options.env != nullptr) base.env = options.env;
  base.create_if_missing = true;
  base.create_missing_column_families = true;
  base.max_total_wal_size = kWalBytesMax;
  // A failed flush is recovered from by reopening: one way, whatever failed.
  base.max_bgerror_resume_count = 0;
  base.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  base.info_log = std::make_shared<InfoLog>();
  base.max_open_files = 1024;
  base.compression = rocksdb::kNoCompression;
  if (options.on_background_error) {
    base.listeners.push_back(std::make_shared<BackgroundErrors>(options.on_background_error));
  }
  return base;
}

}  // namespace

absl::Status ToStatus(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsNotFound()) return absl::NotFoundError("not stored");
  if (status.IsCorruption()) return absl::DataLossError(status.ToString());
  return absl::UnavailableError(status.ToString());
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const DatabaseOptions& options) {
  rocksdb::Options base = BaseOptions(options);
  const std::shared_ptr<rocksdb::FileSystem>& fs = base.env->GetFileSystem();

  std::error_code error;
  std::filesystem::create_directories(options.dir, error);
  if (error)
    return absl::UnavailableError(absl::StrCat("the folder ", options.dir, " can't be made: ", error.message()));

  std::unique_ptr<Database> database(new Database());
  database->options_ = options;
  database->dedupe_expiry_ = std::make_unique<DedupeExpiry>(options.age);

  const auto cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (size_t i = 0; i < kColumnFamilies; ++i) {
    rocksdb::ColumnFamilyOptions family(base);
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    table.format_version = 5;
    family.write_buffer_size = kSmallBufferBytes;
    switch (static_cast<Cf>(i)) {
      case Cf::kLog:
        // Keys only grow: files never overlap, and compaction moves them without rewriting.
        family.write_buffer_size = kLogBufferBytes;
        family.target_file_size_base = kLogBufferBytes;
        family.max_write_buffer_number = 4;
        break;
      case Cf::kDedupe:
        // Point look-ups of random keys, most of them absent.
        family.write_buffer_size = kDedupeBufferBytes;
        family.memtable_prefix_bloom_size_ratio = 0.05;
        family.memtable_whole_key_filtering = true;
        family.compaction_filter = database->dedupe_expiry_.get();
        table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
        table.cache_index_and_filter_blocks = true;
        table.pin_l0_filter_and_index_blocks_in_cache = true;
        break;
      default: break;
    }
    family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    families.emplace_back(kColumnFamilyNames[i], family);
  }

  // Lengths first: RocksDB takes a length that points past the end for a torn tail, even when records follow.
  HS_RETURN_IF_ERROR(CheckWals(*fs, options.dir, /*check_sums=*/false).status());

  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(base, options.dir, families, &handles, &db);
  if (status.IsCorruption()) {
    HS_ASSIGN_OR_RETURN(const bool torn, CheckWals(*fs, options.dir, /*check_sums=*/true));
    if (!torn) {
      return absl::DataLossError(absl::StrCat("the store in ", options.dir, " is damaged: ", status.ToString()));
    }
    // Nothing begins behind the break: it is the commit that was being written, which nobody was told of.
    Log(LogLevel::kWarning, "the log ends in a torn commit that was never acknowledged; it is dropped",
        {{"data_dir", options.dir}, {"error", status.ToString()}});
    base.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    status = rocksdb::DB::Open(base, options.dir, families, &handles, &db);
  }
  if (!status.ok()) {
    const std::string text = status.ToString();
    if (absl::StrContains(text, "lock") && status.IsIOError()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the data folder ", options.dir, " is in use by another relay: ", text));
    }
    if (status.IsInvalidArgument()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the store in ", options.dir, " was written by a newer hookstream: ", text));
    }
    if (status.IsCorruption()) {
      return absl::DataLossError(absl::StrCat("the store in ", options.dir, " is damaged: ", text));
    }
    return absl::UnavailableError(absl::StrCat("the store in ", options.dir, " can't be opened: ", text));
  }
  database->db_.reset(db);
  for (size_t i = 0; i < kColumnFamilies; ++i) database->handles_[i] = handles[i];

  const auto format = database->Get(Cf::kMeta, meta_key::kFormat);
  if (format.ok()) {
    HS_ASSIGN_OR_RETURN(const uint64_t version, ParseNumber(*format));
    if (version > kFormatVersion) {
      return absl::FailedPreconditionError(absl::StrCat("the store in ", options.dir, " has format ", version,
                                                        ", written by a newer hookstream; this one reads up to ",
                                                        kFormatVersion));
    }
  } else if (!absl::IsNotFound(format.status())) {
    return format.status();
  }
  return database;
}

Database::~Database() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    if (handle != nullptr) db_->DestroyColumnFamilyHandle(handle);
  }
  if (const rocksdb::Status status = db_->Close(); !status.ok()) {
    // Nothing acknowledged depends on it: the log has been synced.
    Log(LogLevel::kWarning, "the store did not close cleanly",
        {{"data_dir", options_.dir}, {"error", status.ToString()}});
  }
}

absl::StatusOr<std::string> Database::Get(Cf family, std::string_view key) {
  std::string value;
  HS_RETURN_IF_ERROR(ToStatus(db_->Get(rocksdb::ReadOptions(), cf(family), SliceOf(key), &value)));
  return value;
}

absl::Status Database::WriteSynced(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions options;
  options.sync = true;
  return ToStatus(db_->Write(options, &batch));
}

absl::Status Database::DropFilesBelow(Seq trim) {
  const std::string end = SeqKey(trim - 1);
  const rocksdb::Slice end_slice(end);
  for (const Cf family : {Cf::kLog, Cf::kIdx}) {
    HS_RETURN_IF_ERROR(ToStatus(rocksdb::DeleteFilesInRange(db_.get(), cf(family), nullptr, &end_slice)));
  }
  return absl::OkStatus();
}

int64_t Database::DiskBytes() const {
  int64_t bytes = 0;
  std::error_code error;
  // Files come and go while we look: one that is gone counts for nothing.
  for (std::filesystem::directory_iterator it(options_.dir, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;
    const auto size = it->file_size(gone);
    if (!gone) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

}  // namespace hookstream::store::embedded
