#include "outbound/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <memory>

#include "absl/status/status.h"
#include "base/mutex.h"

namespace hookstream::outbound {
namespace {

// A name's lookup hangs until it is let go. Shared with threads that the resolver has left alone.
class HangingDns {
 public:
  absl::StatusOr<std::vector<IpAddress>> LookUp(const std::string& host) {
    MutexLock lock(mutex_);
    begun_.push_back(host);
    changed_.NotifyAll();
    while (!open_) changed_.Wait(mutex_);
    ++ended_;
    changed_.NotifyAll();
    return std::vector<IpAddress>{*ParseIpAddress("8.8.8.8")};
  }
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }
  std::vector<std::string> AwaitBegun(size_t count) {
    MutexLock lock(mutex_);
    while (begun_.size() < count) changed_.Wait(mutex_);
    return begun_;
  }
  void AwaitEnded(int count) {
    MutexLock lock(mutex_);
    while (ended_ < count) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ HS_GUARDED_BY(mutex_) = false;
  int ended_ HS_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> begun_ HS_GUARDED_BY(mutex_);
};

class ResolverTest : public ::testing::Test {
 protected:
  ResolverTest() { resolver_.Start(); }

  const std::shared_ptr<HangingDns> dns_ = std::make_shared<HangingDns>();
  Resolver resolver_{[dns = dns_](const std::string& host) { return dns->LookUp(host); }};
};

TEST_F(ResolverTest, GivesTheAddresses) {
  dns_->Open();
  std::latch done(1);
  resolver_.Resolve("a.example", [&](absl::StatusOr<std::vector<IpAddress>> addresses) {
    EXPECT_EQ(*addresses, std::vector{*ParseIpAddress("8.8.8.8")});
    done.count_down();
  });
  done.wait();
}

TEST_F(ResolverTest, LooksUpAsManyAtOneTimeAsItHasThreadsAndForgetsWhatWaits) {
  std::latch done(Resolver::kLookupsMax + 1);
  const auto on_done = [&](absl::StatusOr<std::vector<IpAddress>>) { done.count_down(); };
  for (int i = 0; i < Resolver::kLookupsMax; ++i) resolver_.Resolve("hangs.example", on_done);
  dns_->AwaitBegun(Resolver::kLookupsMax);
  const uint64_t forgotten = resolver_.Resolve("forgotten.example", [](auto) { ADD_FAILURE(); });
  resolver_.Resolve("last.example", on_done);
  resolver_.Forget(forgotten);
  dns_->Open();
  done.wait();
  std::vector<std::string> expected(Resolver::kLookupsMax, "hangs.example");
  expected.emplace_back("last.example");
  EXPECT_EQ(dns_->AwaitBegun(expected.size()), expected);
}

TEST_F(ResolverTest, SaysNothingOfALookupThatWasForgottenMeanwhile) {
  const uint64_t id = resolver_.Resolve("a.example", [](auto) { ADD_FAILURE(); });
  dns_->AwaitBegun(1);
  resolver_.Forget(id);
  dns_->Open();
  std::latch done(1);
  resolver_.Resolve("b.example", [&](auto) { done.count_down(); });
  done.wait();
  dns_->AwaitEnded(2);
}

TEST_F(ResolverTest, StopsWhileALookupHangs) {
  resolver_.Resolve("a.example", [](auto) { ADD_FAILURE(); });
  dns_->AwaitBegun(1);
  resolver_.Stop();
  resolver_.Resolve("b.example", [](auto) { ADD_FAILURE(); });
  dns_->Open();
  dns_->AwaitEnded(1);
}

// No query goes out for a name that the DNS can't have.
TEST(SystemLookupTest, SaysWhyThereIsNoAddress) {
  const auto addresses = SystemLookup(std::string(64, 'a') + ".example");
  EXPECT_EQ(addresses.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(addresses.status().message()), ::testing::StartsWith("the lookup failed: "));
}

}  // namespace
}  // namespace hookstream::outbound
