// An embedded store over a file system that can fail.
#pragma once

#include <memory>
#include <utility>

#include "store/embedded/embedded_store.h"
#include "tests/conformance/fixture.h"
#include "tests/unit/store/faulty_file_system.h"

namespace hookstream::store::testing {

class EmbeddedTest : public ::testing::Test {
 protected:
  EmbeddedTest() {
    options_.data_dir = dir_.path() + "/data";
    options_.retention.age = absl::ZeroDuration();
    options_.maintenance_interval = absl::Milliseconds(2);
    options_.reopen_delay_min = absl::Milliseconds(1);
    options_.reopen_delay_max = absl::Milliseconds(4);
    options_.clock = &clock_;
    options_.env = env_.get();
  }
  ~EmbeddedTest() override { Close(); }

  absl::Status TryOpen() {
    store_ = std::make_unique<EmbeddedStore>(options_);
    client_ = std::make_unique<Client>(*store_);
    return store_->Start(subscriptions_, health_.Sink());
  }
  void Open() { HS_ASSERT_OK(TryOpen()); }
  void Close() {
    client_.reset();
    store_.reset();
  }
  // As kill -9 and a power loss in one: what was not synced is lost or torn.
  void Crash(std::mt19937& random) {
    fs_->Freeze();
    Close();
    fs_->Crash(random);
  }
  // As kill -9 alone: what was written is there.
  void Kill() {
    fs_->Freeze();
    Close();
    fs_->Thaw();
  }

  Client& client() { return *client_; }
  Store& store() { return *store_; }

  const TempDir dir_;
  std::shared_ptr<FaultyFileSystem> fs_ = std::make_shared<FaultyFileSystem>();
  std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(fs_);
  ManualClock clock_;
  EmbeddedOptions options_;
  RecordingSubscriptions subscriptions_;
  RecordingHealth health_;

 private:
  std::unique_ptr<Store> store_;
  std::unique_ptr<Client> client_;
};

}  // namespace hookstream::store::testing
