#include "app/serve.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "app/plan.h"
#include "app/relay.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/units.h"

namespace hookstream::app {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;

struct ServeOptions {
  std::string config;
  std::string ports_file;
  bool check = false;
};

// What the owner's thread is woken for.
enum class Wake { kStop, kReload, kHealth };

class WakeQueue {
 public:
  void Post(Wake wake) {
    MutexLock lock(mutex_);
    // One of a kind is enough: each is handled by looking at how things are then.
    for (const Wake queued : queue_) {
      if (queued == wake) return;
    }
    queue_.push_back(wake);
    cond_.NotifyOne();
  }
  Wake Wait() {
    MutexLock lock(mutex_);
    while (queue_.empty()) cond_.Wait(mutex_);
    const Wake wake = queue_.front();
    queue_.pop_front();
    return wake;
  }

 private:
  Mutex mutex_;
  CondVar cond_;
  std::deque<Wake> queue_ HS_GUARDED_BY(mutex_);
};

sigset_t WatchedSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

// Turns signals into wake-ups. Detached from the relay's life: it only ends with the process.
void WatchSignals(const std::shared_ptr<WakeQueue>& queue) {
  std::thread([queue, signals = WatchedSignals()] {
    bool stopping = false;
    while (true) {
      int signal = 0;
      if (sigwait(&signals, &signal) != 0) continue;
      if (signal == SIGHUP) {
        queue->Post(Wake::kReload);
      } else if (stopping) {
        Log(LogLevel::kWarning, "a second signal: ending at once");
        std::_Exit(kExitFailed);
      } else {
        stopping = true;
        queue->Post(Wake::kStop);
      }
    }
  }).detach();
}

// Each connection and stream is a file.
void RaiseFileLimit(const Config& config) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  const auto wanted = static_cast<rlim_t>(config.http.max_connections + config.grpc.max_streams + 1'000);
  if (limit.rlim_cur < wanted) {
    Log(LogLevel::kWarning, "the limit of open files is lower than the limits of the configuration need",
        {{"limit", static_cast<int64_t>(limit.rlim_cur)}, {"wanted", static_cast<int64_t>(wanted)}});
  }
}

// Whole or not at all, so that who waits for the file never reads half of it.
absl::Status WritePorts(const std::string& path, const Ports& ports) {
  const std::string draft = absl::StrCat(path, ".tmp");
  std::ofstream file(draft);
  file << "{\"http\": " << ports.http << ", \"grpc\": " << ports.grpc << ", \"admin\": " << ports.admin << "}\n";
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(draft, path, error);
  if (!file || error) return absl::UnavailableError(absl::StrCat("can't write --ports-file ", path));
  return absl::OkStatus();
}

void PrintProblems(const Problems& problems) {
  for (const std::string& warning : problems.Warnings()) std::cerr << "warning: " << warning << '\n';
  for (const std::string& error : problems.Errors()) std::cerr << "error: " << error << '\n';
  if (!problems.ok()) std::cerr << problems.Errors().size() << " error(s) in " << problems.file() << std::endl;
}

void PrintSummary(const Plan& plan) {
  const Config& config = plan.config;
  std::cout << "the configuration is right\n";
  std::cout << "  http   " << config.http.listen.Text() << (config.http.public_url.empty() ? "" : ", public URL ")
            << config.http.public_url << '\n';
  std::cout << "  grpc   " << config.grpc.listen.Text() << '\n';
  std::cout << "  admin  " << config.admin.listen.Text() << '\n';
  std::cout << "  store  embedded, " << config.store.data_dir << ", retention "
            << DurationText(config.store.retention_age) << " or " << BytesText(config.store.retention_bytes)
            << ", at most " << BytesText(config.store.max_bytes) << '\n';
  for (const ingest::SourceConfig& source : plan.sources) {
    std::cout << "  source " << source.name << ": ";
    if (source.verification_none) {
      std::cout << "NOT VERIFIED\n";
    } else {
      std::cout << source.preset->name << ", " << source.keys.size() << " key(s)"
                << (source.enforce ? "" : ", audit mode") << '\n';
    }
  }
  for (const v1::Subscription& subscription : plan.subscriptions) {
    std::cout << "  subscription " << subscription.name() << ": "
              << (subscription.filter().empty() ? "all events" : subscription.filter()) << '\n';
  }
  std::cout << "  " << plan.registry->EventTypes().size() << " event types have a message\n";
}

void Reload(const std::string& file, const Config& running, Relay& relay) {
  Problems problems(file);
  Plan plan = MakePlan(problems);
  for (const std::string& warning : problems.Warnings())
    Log(LogLevel::kWarning, "configuration", {{"warning", warning}});
  if (!problems.ok()) {
    for (const std::string& error : problems.Errors()) Log(LogLevel::kError, "configuration", {{"error", error}});
    Log(LogLevel::kError, "not reloaded: the configuration that was running goes on");
    return;
  }
  for (const std::string& key : NeedsRestart(running, plan.config)) {
    Log(LogLevel::kWarning, "this change takes effect at the next start", {{"key", key}});
  }
  const size_t sources = plan.sources.size(), subscriptions = plan.subscriptions.size();
  if (const absl::Status status = relay.Reload(std::move(plan)); !status.ok()) {
    Log(LogLevel::kError, "not reloaded: the configuration that was running goes on", {{"error", status.message()}});
    return;
  }
  Log(LogLevel::kInfo, "reloaded", {{"sources", sources}, {"subscriptions", subscriptions}});
}

int Serve(const ServeOptions& options) {
  Problems problems(options.config);
  Plan plan = MakePlan(problems);
  PrintProblems(problems);
  if (!problems.ok()) return kExitFailed;
  if (options.check) {
    PrintSummary(plan);
    return kExitOk;
  }
  const Config config = plan.config;
  ConfigureLog(config.log.format, config.log.level);

  // Before any thread is made: they all inherit the mask, and only the watcher takes the signals.
  const sigset_t signals = WatchedSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  const auto queue = std::make_shared<WakeQueue>();
  WatchSignals(queue);
  RaiseFileLimit(config);

  Log(LogLevel::kInfo, "starting", {{"version", HOOKSTREAM_VERSION}, {"config", options.config}});
  Relay relay(std::move(plan), [queue] { queue->Post(Wake::kHealth); });
  absl::Status status = relay.Start();
  if (status.ok()) {
    const Ports ports = relay.GetPorts();
    Log(LogLevel::kInfo, "listening", {{"http", ports.http}, {"grpc", ports.grpc}, {"admin", ports.admin}});
    if (!options.ports_file.empty()) status = WritePorts(options.ports_file, ports);
  }
  if (!status.ok()) {
    Log(LogLevel::kError, "can't start", {{"error", status.message()}});
    return kExitFailed;
  }
  while (true) {
    switch (queue->Wait()) {
      case Wake::kHealth: relay.ApplyHealth(); break;
      case Wake::kReload: Reload(options.config, config, relay); break;
      case Wake::kStop:
        Log(LogLevel::kInfo, "stopping", {{"grace", DurationText(config.shutdown_grace)}});
        relay.Drain(config.shutdown_grace);
        Log(LogLevel::kInfo, "stopped");
        return kExitOk;
    }
  }
}

}  // namespace

void AddServe(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* verb = app.add_subcommand("serve", "Run the relay");
  verb->add_option("--config,-c", options->config, "the configuration (docs/configuration.md)")
      ->required()
      ->type_name("FILE")
      ->envname("HOOKSTREAM_CONFIG");
  verb->add_flag("--check", options->check, "load everything, say all that is wrong, and end");
  verb->add_option("--ports-file", options->ports_file,
                   "written once the relay is ready: {\"http\": N, \"grpc\": N, \"admin\": N}")
      ->type_name("FILE");
  verb->footer(
      "Examples:\n"
      "  hookstream serve --config /etc/hookstream/hookstream.yaml\n"
      "  hookstream serve --config hookstream.yaml --check\n"
      "\nSIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads the configuration.\n"
      "Exit codes: 0 done, 1 failed (with --check: something is wrong), 2 wrong command line.");
  verb->callback([options, &exit_code] { exit_code = Serve(*options); });
}

}  // namespace hookstream::app
