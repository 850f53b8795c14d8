// The end-to-end ratio: how many events a second the relay verifies, deduplicates, stores durably, types, delivers and
// gets acknowledged, divided by how many of the same POSTs one nginx worker answers from memory on the same machine in
// the same run. Rounds of the two alternate, so that a machine whose speed drifts slows both; medians are reported.
//
//   e2e_bench --relay build/release/hookstream [--connections 64,256] [--seconds 5] [--rounds 5] [--dir DIR]
#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "hookstream/v1/subscriber_service.grpc.pb.h"
#include "tests/bench/load.h"

namespace hookstream::bench {
namespace {

namespace fs = std::filesystem;
constexpr char kSecret[] = "whsec_bench_secret";

// A child process that is ended, by its id, when this goes.
class Child {
 public:
  Child() = default;
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ~Child() { Stop(); }

  static Child Exec(const std::vector<std::string>& command, const std::string& log) {
    const pid_t pid = fork();
    if (pid == 0) {
      const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      dup2(out, 1);
      dup2(out, 2);
      std::vector<char*> argv;
      for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
      argv.push_back(nullptr);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    return Child(pid);
  }

  void Stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  double CpuSeconds() const {
    std::ifstream stat(absl::StrCat("/proc/", pid_, "/stat"));
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    const size_t at = text.rfind(')');
    if (at == std::string::npos) return 0;
    std::istringstream fields(text.substr(at + 2));
    std::string skip;
    for (int i = 0; i < 11; ++i) fields >> skip;
    double user = 0, system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }

 private:
  pid_t pid_ = -1;
};

uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

bool WaitForPort(uint16_t port) {
  for (int i = 0; i < 200; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool open = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    close(fd);
    if (open) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

Child StartNginx(const fs::path& dir, uint16_t port) {
  const fs::path config = dir / "nginx.conf";
  std::ofstream(config)
      << "worker_processes 1;\ndaemon off;\nerror_log " << (dir / "nginx.err").string() << " error;\npid "
      << (dir / "nginx.pid").string()
      << ";\nevents { worker_connections 1024; }\nhttp {\n  access_log off;\n  keepalive_requests 100000000;\n"
      << "  client_body_temp_path " << (dir / "nginx-body").string() << ";\n  proxy_temp_path "
      << (dir / "nginx-proxy").string() << ";\n  fastcgi_temp_path " << (dir / "nginx-fastcgi").string()
      << ";\n  uwsgi_temp_path " << (dir / "nginx-uwsgi").string() << ";\n  scgi_temp_path "
      << (dir / "nginx-scgi").string() << ";\n  client_body_buffer_size 64k;\n"
      << "  server {\n    listen 127.0.0.1:" << port << ";\n    location / {\n      default_type application/json;\n"
      << "      return 200 '{\"id\":\"0000000000001abcdefghijklmn\",\"status\":\"accepted\"}';\n    }\n  }\n}\n";
  return Child::Exec({"nginx", "-c", config.string(), "-p", dir.string()}, (dir / "nginx.log").string());
}

Child StartRelay(const std::string& binary, const fs::path& dir, uint16_t http, uint16_t grpc, uint16_t admin) {
  const fs::path config = dir / "hookstream.yaml";
  std::ofstream(config) << "http: {listen: \"127.0.0.1:" << http << "\"}\ngrpc: {listen: \"127.0.0.1:" << grpc
                        << "\"}\nadmin: {listen: \"127.0.0.1:" << admin
                        << "\"}\nstore: {engine: embedded, data_dir: " << (dir / "data").string()
                        << "}\nsources:\n  - {name: stripe, provider: stripe, keys: [{id: bench, inline: " << kSecret
                        << "}]}\nsubscriptions:\n  - {name: bench, max_unsettled: 100000}\n";
  return Child::Exec({binary, "serve", "--config", config.string()}, (dir / "relay.log").string());
}

// What the subscriber's process tells this one.
struct Shared {
  std::atomic<int64_t> delivered{0};
  std::atomic<int64_t> acknowledged{0};  // confirmed by the relay
  std::atomic<int64_t> redelivered{0};
  std::atomic<bool> open{false};
};

// Acknowledges whatever comes, batch by batch, and counts the confirmations.
[[noreturn]] void RunSubscriber(uint16_t port, Shared& shared) {
  auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  auto stub = v1::SubscriberService::NewStub(channel);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  auto stream = stub->Subscribe(&context);
  v1::SubscribeRequest request;
  request.mutable_open()->set_subscription("bench");
  request.mutable_open()->set_max_outstanding_events(10'000);
  request.mutable_open()->set_confirm_settlements(true);
  stream->Write(request);
  google::protobuf::ArenaOptions arena_options;
  arena_options.initial_block_size = 1 << 20;
  google::protobuf::Arena arena(arena_options);
  for (;;) {
    auto* response = google::protobuf::Arena::CreateMessage<v1::SubscribeResponse>(&arena);
    if (!stream->Read(response)) break;
    if (response->has_opened()) shared.open = true;
    if (response->has_settled()) {
      int64_t ok = 0;
      for (const auto& result : response->settled().results()) ok += result.status() == v1::SETTLEMENT_STATUS_OK;
      shared.acknowledged += ok;
    }
    if (response->has_deliveries()) {
      auto* settle = google::protobuf::Arena::CreateMessage<v1::SubscribeRequest>(&arena);
      for (const auto& delivery : response->deliveries().deliveries()) {
        if (delivery.attempt() > 1) ++shared.redelivered;
        auto* settlement = settle->mutable_settle()->add_settlements();
        settlement->set_delivery_id(delivery.delivery_id());
        settlement->mutable_ack();
      }
      shared.delivered += response->deliveries().deliveries_size();
      stream->Write(*settle);
    }
    arena.Reset();
  }
  const grpc::Status status = stream->Finish();
  std::fprintf(stderr, "subscriber ended: %s\n", status.error_message().c_str());
  _exit(0);
}

double Percentile(std::vector<uint32_t>& values, double share) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Latency of making 4 KB more of a file durable, as the log does.
std::vector<uint32_t> MeasureSync(const fs::path& dir) {
  const fs::path path = dir / "sync";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const std::string block(4096, 'x');
  std::vector<uint32_t> micros;
  for (int i = 0; i < 400; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size()) || fdatasync(fd) != 0) break;
    micros.push_back(static_cast<uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin).count()));
  }
  close(fd);
  fs::remove(path);
  return micros;
}

struct Round {
  double nginx = 0, relay = 0, relay_cpu = 0;
  double p50_us = 0, p99_us = 0;
};

int Run(const std::string& relay, const std::vector<int>& connections, double seconds, int rounds,
        const fs::path& dir) {
  auto* shared =
      static_cast<Shared*>(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  new (shared) Shared;
  const uint16_t nginx_port = FreePort(), http = FreePort(), grpc = FreePort(), admin = FreePort();
  Child nginx = StartNginx(dir, nginx_port);
  Child server = StartRelay(relay, dir, http, grpc, admin);
  if (!WaitForPort(nginx_port)) return std::fprintf(stderr, "nginx did not start: see %s\n", dir.c_str()), 1;
  if (!WaitForPort(http) || !WaitForPort(grpc)) {
    return std::fprintf(stderr, "the relay did not start: see %s/relay.log\n", dir.c_str()), 1;
  }
  const pid_t subscriber_pid = fork();
  if (subscriber_pid == 0) RunSubscriber(grpc, *shared);
  Child subscriber(subscriber_pid);
  const auto wait_until = [](auto done, std::chrono::seconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return done();
  };
  if (!wait_until([&] { return shared->open.load(); }, std::chrono::seconds(20))) {
    return std::fprintf(stderr, "the subscriber could not open its stream\n"), 1;
  }

  std::printf("cores %ld, body %zu bytes, %g s a round, %d rounds\n", sysconf(_SC_NPROCESSORS_ONLN),
              PaymentIntentBody("x").size(), seconds, rounds);
  std::printf("%11s %12s %12s %7s %9s %9s %12s\n", "connections", "nginx/s", "relay/s", "ratio", "p50 ms", "p99 ms",
              "cpu us/event");
  int failures = 0;
  for (const int count : connections) {
    std::vector<Round> done;
    for (int round = -1; round < rounds; ++round) {  // the first warms both up
      LoadOptions options;
      options.path = "/webhooks/stripe";
      options.secret = kSecret;
      options.connections = count;
      options.duration = absl::Seconds(round < 0 ? std::min(seconds, 1.5) : seconds);
      options.run_id = absl::StrCat(count, "r", round + 1, "t", absl::ToUnixMicros(absl::Now()));
      options.port = nginx_port;
      auto base = RunLoad(options);
      options.port = http;
      const int64_t acknowledged_before = shared->acknowledged;
      const double cpu_before = server.CpuSeconds();
      const auto begin = std::chrono::steady_clock::now();
      auto load = RunLoad(options);
      if (!base.ok() || !load.ok()) {
        std::fprintf(stderr, "%s\n", (base.ok() ? load : base).status().ToString().c_str());
        return 1;
      }
      const bool complete = wait_until([&] { return shared->acknowledged - acknowledged_before >= load->requests; },
                                       std::chrono::seconds(30));
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
      if (!complete || load->refused > 0 || base->refused > 0) {
        std::fprintf(stderr, "accepted %ld, acknowledged %ld, refused by the relay %ld, by nginx %ld\n", load->requests,
                     shared->acknowledged - acknowledged_before, load->refused, base->refused);
        ++failures;
      }
      if (round < 0) continue;
      Round result;
      result.nginx = static_cast<double>(base->requests) / absl::ToDoubleSeconds(base->elapsed);
      result.relay = static_cast<double>(load->requests) / elapsed.count();
      result.relay_cpu = (server.CpuSeconds() - cpu_before) / static_cast<double>(load->requests) * 1e6;
      result.p50_us = Percentile(load->latencies_us, 0.5);
      result.p99_us = Percentile(load->latencies_us, 0.99);
      done.push_back(result);
    }
    const auto median = [&](auto field) {
      std::vector<double> values;
      for (const Round& round : done) values.push_back(field(round));
      return Median(std::move(values));
    };
    std::printf(
        "%11d %12.0f %12.0f %7.3f %9.2f %9.2f %12.1f\n", count, median([](const Round& r) { return r.nginx; }),
        median([](const Round& r) { return r.relay; }), median([](const Round& r) { return r.relay / r.nginx; }),
        median([](const Round& r) { return r.p50_us / 1e3; }), median([](const Round& r) { return r.p99_us / 1e3; }),
        median([](const Round& r) { return r.relay_cpu; }));
    std::fflush(stdout);
  }
  subscriber.Stop();
  server.Stop();
  nginx.Stop();
  std::vector<uint32_t> sync = MeasureSync(dir);
  std::printf("fdatasync of 4 KB in the data folder: p50 %.0f us, p99 %.0f us\n", Percentile(sync, 0.5),
              Percentile(sync, 0.99));
  if (shared->redelivered > 0) std::printf("redelivered: %ld\n", shared->redelivered.load());
  std::printf(
      "relay/s counts events that were verified, deduplicated, stored, typed, delivered and whose ack was confirmed;\n"
      "ratio is the median of the rounds' own ratios.\n");
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace hookstream::bench

int main(int argc, char** argv) {
  CLI::App app("The relay's whole path against one nginx worker answering the same POSTs from memory");
  std::string relay;
  std::vector<int> connections = {64, 256};
  double seconds = 5;
  int rounds = 5;
  std::string parent = "/tmp";
  app.add_option("--relay", relay, "the hookstream binary")->required();
  app.add_option("--connections", connections, "how many at once, e.g. 64,256")->delimiter(',');
  app.add_option("--seconds", seconds, "length of a round")->check(CLI::Range(0.1, 600.0));
  app.add_option("--rounds", rounds, "counted rounds of each")->check(CLI::Range(1, 100));
  app.add_option("--dir", parent, "where the data folder is made: the disk that is measured");
  CLI11_PARSE(app, argc, argv);
  std::string dir = parent + "/hookstream-bench-XXXXXX";
  if (mkdtemp(dir.data()) == nullptr) return std::perror(dir.c_str()), 1;
  // nginx drops root for its worker, which has to reach its folders.
  chmod(dir.c_str(), 0755);
  const int code = hookstream::bench::Run(relay, connections, seconds, rounds, dir);
  if (code == 0) {
    std::filesystem::remove_all(dir);
  } else {
    std::fprintf(stderr, "logs are in %s\n", dir.c_str());
  }
  return code;
}
