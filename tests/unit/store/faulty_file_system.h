// A file system over the real one that fails when it is told to, and forgets at a crash what was not synced.
//
// A crash in a test: Freeze (from now on nothing reaches the disk), destroy the store, Crash (drops or tears what was
// not synced), and open again. Thread-safe.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace hookstream::store::testing {

class FaultyFileSystem : public rocksdb::FileSystemWrapper {
 public:
  using IOStatus = rocksdb::IOStatus;
  using IOOptions = rocksdb::IOOptions;
  using IODebugContext = rocksdb::IODebugContext;
  using FileOptions = rocksdb::FileOptions;
  using Slice = rocksdb::Slice;

  FaultyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  // Writes to files whose names end with `suffix` fail from now on; nothing: they work again.
  void FailWrites(std::optional<IOStatus> error, std::string suffix = "") {
    MutexLock lock(mutex_);
    write_error_ = std::move(error);
    suffix_ = std::move(suffix);
  }
  // The next `count` syncs of a write-ahead log fail, after everything was written.
  void FailLogSyncs(int count) {
    MutexLock lock(mutex_);
    failing_syncs_ = count;
  }
  int FailedSyncs() {
    MutexLock lock(mutex_);
    return failed_syncs_;
  }
  // Syncs of a write-ahead log wait until they are let go.
  void HoldLogSyncs(bool hold) {
    MutexLock lock(mutex_);
    hold_ = hold;
    changed_.NotifyAll();
  }
  void WaitForHeldSync() {
    MutexLock lock(mutex_);
    while (held_ == 0) changed_.Wait(mutex_);
  }

  void Freeze() {
    MutexLock lock(mutex_);
    frozen_ = true;
    hold_ = false;
    changed_.NotifyAll();
  }
  // The disk works again, and everything that was written before Freeze is there.
  void Thaw() {
    MutexLock lock(mutex_);
    files_.clear();
    frozen_ = false;
  }
  // What was not synced is lost: cut off at a random place, with some of the sectors before it never written.
  void Crash(std::mt19937& random) {
    MutexLock lock(mutex_);
    for (auto& [path, file] : files_) {
      if (!std::filesystem::exists(path)) continue;
      const uint64_t size = std::filesystem::file_size(path);
      const uint64_t synced = std::min(file.synced, size);
      const uint64_t kept = synced + (size > synced ? random() % (size - synced + 1) : 0);
      std::filesystem::resize_file(path, kept);
      if (kept > synced && random() % 2 == 0) {
        constexpr uint64_t kSector = 512;
        std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
        for (uint64_t at = synced; at < kept;) {
          const uint64_t end = std::min(kept, at / kSector * kSector + kSector);
          if (random() % 3 == 0) {
            stream.seekp(static_cast<std::streamoff>(at));
            stream.write(std::string(end - at, '\0').data(), static_cast<std::streamsize>(end - at));
          }
          at = end;
        }
      }
    }
    files_.clear();
    frozen_ = false;
  }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) override {
    if (IOStatus error = Error(name); !error.ok()) return error;
    IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    if (status.ok()) Track(name, 0, file);
    return status;
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* debug) override {
    if (IOStatus error = Error(name); !error.ok()) return error;
    IOStatus status = FileSystemWrapper::ReopenWritableFile(name, options, file, debug);
    if (status.ok()) Track(name, std::filesystem::file_size(name), file);
    return status;
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions& options, IODebugContext* debug) override {
    if (IsFrozen()) return IOStatus::IOError("frozen");
    {
      MutexLock lock(mutex_);
      files_.erase(name);
    }
    return FileSystemWrapper::DeleteFile(name, options, debug);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
    if (IsFrozen()) return IOStatus::IOError("frozen");
    IOStatus status = FileSystemWrapper::RenameFile(from, to, options, debug);
    MutexLock lock(mutex_);
    if (const auto it = files_.find(from); status.ok() && it != files_.end()) {
      files_[to] = it->second;
      files_.erase(from);
    }
    return status;
  }

 private:
  struct File {
    uint64_t written = 0;
    uint64_t synced = 0;
  };

  class Writable : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    Writable(FaultyFileSystem& owner, std::string name, std::unique_ptr<rocksdb::FSWritableFile> file)
        : FSWritableFileOwnerWrapper(std::move(file)), owner_(owner), name_(std::move(name)) {}

    IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
      if (IOStatus error = owner_.Error(name_); !error.ok()) {
        // A full disk takes a part of it.
        if (error.subcode() == IOStatus::SubCode::kNoSpace) {
          const Slice part(data.data(), data.size() / 2);
          if (FSWritableFileOwnerWrapper::Append(part, options, debug).ok()) owner_.Written(name_, part.size());
        }
        return error;
      }
      IOStatus status = FSWritableFileOwnerWrapper::Append(data, options, debug);
      if (status.ok()) owner_.Written(name_, data.size());
      return status;
    }
    IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                    IODebugContext* debug) override {
      return Append(data, options, debug);
    }
    IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
      if (IOStatus error = owner_.BeforeSync(name_); !error.ok()) return error;
      IOStatus status = FSWritableFileOwnerWrapper::Sync(options, debug);
      if (status.ok()) owner_.Synced(name_);
      return status;
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
      if (IOStatus error = owner_.BeforeSync(name_); !error.ok()) return error;
      IOStatus status = FSWritableFileOwnerWrapper::Fsync(options, debug);
      if (status.ok()) owner_.Synced(name_);
      return status;
    }

   private:
    FaultyFileSystem& owner_;
    const std::string name_;
  };

  static bool IsLog(const std::string& name) { return name.ends_with(".log"); }

  bool IsFrozen() {
    MutexLock lock(mutex_);
    return frozen_;
  }
  IOStatus Error(const std::string& name) {
    MutexLock lock(mutex_);
    if (frozen_) return IOStatus::IOError("frozen");
    if (write_error_.has_value() && name.ends_with(suffix_)) return *write_error_;
    return IOStatus::OK();
  }
  IOStatus BeforeSync(const std::string& name) {
    MutexLock lock(mutex_);
    if (IsLog(name)) {
      ++held_;
      changed_.NotifyAll();
      while (hold_) changed_.Wait(mutex_);
      --held_;
    }
    if (frozen_) return IOStatus::IOError("frozen");
    if (IsLog(name) && failing_syncs_ > 0) {
      --failing_syncs_;
      ++failed_syncs_;
      return IOStatus::IOError("sync failed");
    }
    return IOStatus::OK();
  }
  void Track(const std::string& name, uint64_t size, std::unique_ptr<rocksdb::FSWritableFile>* file) {
    {
      MutexLock lock(mutex_);
      files_[name] = {size, size};
    }
    *file = std::make_unique<Writable>(*this, name, std::move(*file));
  }
  void Written(const std::string& name, uint64_t bytes) {
    MutexLock lock(mutex_);
    files_[name].written += bytes;
  }
  void Synced(const std::string& name) {
    MutexLock lock(mutex_);
    files_[name].synced = files_[name].written;
  }

  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, File> files_ HS_GUARDED_BY(mutex_);
  std::optional<IOStatus> write_error_ HS_GUARDED_BY(mutex_);
  std::string suffix_ HS_GUARDED_BY(mutex_);
  int failing_syncs_ HS_GUARDED_BY(mutex_) = 0;
  int failed_syncs_ HS_GUARDED_BY(mutex_) = 0;
  bool hold_ HS_GUARDED_BY(mutex_) = false;
  int held_ HS_GUARDED_BY(mutex_) = 0;
  bool frozen_ HS_GUARDED_BY(mutex_) = false;
};

}  // namespace hookstream::store::testing
