// A store that has no more room: refuse with 503, lose nothing, go on by itself when there is room again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "cli/http_client.h"
#include "tests/support/process/process.h"
#include "tests/support/process/subscriber.h"

namespace hookstream::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kConfiguration[] = R"(
sources: [{name: open, provider: github, verification: none}]
subscriptions: [{name: all, start: earliest}]
)";

// Webhooks of 64 KiB that don't compress.
class Sender {
 public:
  explicit Sender(const RelayProcess& relay) : url_(*cli::ParseHttpUrl(relay.Url("open"))) {}

  cli::HttpResponse Post() {
    cli::HttpRequest request;
    request.url = url_;
    request.headers = {{"Content-Type", "application/octet-stream"},
                       {"X-GitHub-Event", "ping"},
                       {"X-GitHub-Delivery", absl::StrCat("d", ++number_)}};
    request.body.resize(64 << 10);
    for (char& byte : request.body) {
      state_ = state_ * 6364136223846793005U + 1442695040888963407U;
      byte = static_cast<char>(state_ >> 56);
    }
    const auto response = client_.Send(request);
    EXPECT_TRUE(response.ok()) << response.status();
    if (!response.ok()) return {};
    if (response->status == 200) accepted_.insert(response->body.substr(response->body.find("\"id\":\"") + 6, 26));
    return *response;
  }
  // Sends until one is refused; gives that answer.
  cli::HttpResponse PostUntilRefused() {
    for (int i = 0; i < 4'000; ++i) {
      const auto response = Post();
      if (response.status != 200) return response;
    }
    ADD_FAILURE() << "the store never filled up";
    return {};
  }
  const std::set<std::string>& accepted() const { return accepted_; }

 private:
  cli::HttpUrl url_;
  cli::HttpClient client_{absl::Seconds(20)};
  uint64_t number_ = 0;
  uint64_t state_ = 1;
  std::set<std::string> accepted_;
};

// Receives and acknowledges until all of `wanted` came.
void ReceiveAll(const RelayProcess& relay, std::set<std::string> wanted) {
  v1::Open open;
  open.set_subscription("all");
  open.set_view(v1::VIEW_METADATA);
  Subscriber subscriber(relay.GrpcAddress(), open);
  std::string last;
  while (!wanted.empty()) {
    const auto delivery = subscriber.Next();
    ASSERT_TRUE(delivery) << wanted.size() << " accepted events are missing";
    wanted.erase(delivery->event().id());
    last = delivery->delivery_id();
    ASSERT_TRUE(subscriber.Ack(last));
  }
  ASSERT_TRUE(subscriber.Result(last));
}

TEST(DiskFullTest, AtMaxBytesWebhooksGet503UntilSubscribersHaveMadeRoom) {
  RelayProcess relay(kConfiguration, "max_bytes: 8MiB, retention: {bytes: 1MiB}");
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  Sender sender(relay);
  const auto refused = sender.PostUntilRefused();
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_NE(refused.retry_after, "");
  EXPECT_GE(sender.accepted().size(), 32U);
  ReceiveAll(relay, sender.accepted());
  // What is settled beyond the retention is dropped, and there is room again.
  EXPECT_TRUE(WaitUntil([&] { return sender.Post().status == 200; }));
  EXPECT_EQ(relay.Stop(), 0) << relay.Log();
}

// A file system of its own of so many MiB; nothing where mounting is not permitted.
class SmallDisk {
 public:
  explicit SmallDisk(int mebibytes) {
    std::filesystem::create_directories(path());
    mounted_ = mount("tmpfs", path().c_str(), "tmpfs", 0, absl::StrCat("size=", mebibytes, "m").c_str()) == 0;
    if (!mounted_) error_ = std::strerror(errno);
  }
  ~SmallDisk() {
    if (mounted_) umount2(path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& error() const { return error_; }
  std::filesystem::path path() const { return folder_.path() / "disk"; }

 private:
  TempFolder folder_;
  bool mounted_ = false;
  std::string error_;
};

TEST(DiskFullTest, OnAFullDiskItRefusesLosesNothingAndRecoversWithoutARestart) {
  // Much larger than the write-ahead log may grow: reopening writes what is in it to a new file.
  SmallDisk disk(256);
  if (!disk.mounted()) {
    if (std::getenv("CI") != nullptr) FAIL() << "a tmpfs can't be mounted: " << disk.error();
    GTEST_SKIP() << "a tmpfs can't be mounted (" << disk.error() << "): run as root";
  }
  RelayProcess relay(kConfiguration, "", (disk.path() / "data").string());
  ASSERT_TRUE(relay.Start().ok()) << relay.Log();
  Sender sender(relay);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(sender.Post().status, 200);
  // Something else takes what is left of the disk, but for some KiB.
  {
    std::ofstream ballast(disk.path() / "ballast", std::ios::binary);
    const std::string block(64 << 10, 'x');
    struct statvfs free {};
    while (statvfs(disk.path().c_str(), &free) == 0 && free.f_bavail * free.f_bsize > 300'000) {
      ballast << block;
      ballast.flush();
    }
  }
  const auto refused = sender.PostUntilRefused();
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_NE(refused.retry_after, "");
  EXPECT_TRUE(WaitUntil([&] { return HttpGet(relay.admin_port(), "/readyz").first == 503; })) << relay.Log();
  EXPECT_EQ(HttpGet(relay.admin_port(), "/healthz").first, 200) << "it is alive: a restart would not help";
  EXPECT_EQ(sender.Post().status, 503);

  std::filesystem::remove(disk.path() / "ballast");
  EXPECT_TRUE(WaitUntil([&] { return HttpGet(relay.admin_port(), "/readyz").first == 200; })) << relay.Log();
  EXPECT_TRUE(WaitUntil([&] { return sender.Post().status == 200; })) << relay.Log();
  ReceiveAll(relay, sender.accepted());
  EXPECT_EQ(relay.Stop(), 0) << relay.Log();
}

}  // namespace
}  // namespace hookstream::testing
