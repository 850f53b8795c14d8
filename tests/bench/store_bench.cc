// What the store's stage costs an event: batches of 1, 16 and 64 with bodies of 2 KB, each event with an id for dedupe.
//
// Closed loop: a batch is handed over once the one before is durable, so its time is its latency. `commit_us` and
// `complete_us` are the CPU time of those two threads for one event, by the kernel's account. On tmpfs a sync costs
// next to nothing, so that it shows the stage itself.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "store/embedded/embedded_store.h"

namespace hookstream::store {
namespace {

class NoSubscriptions : public SubscriptionSink {
 public:
  void OnSubscription(const SubscriptionRecord&) override {}
  void OnSubscriptionDropped(SubscriptionId) override {}
};

// Of the threads of this process with that name.
double ThreadCpuSeconds(const std::string& wanted) {
  double seconds = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    double nanoseconds = 0;
    if (name == wanted && std::ifstream(task.path() / "schedstat") >> nanoseconds) seconds += nanoseconds * 1e-9;
  }
  return seconds;
}

void Append(benchmark::State& state, const char* parent) {
  ConfigureLog(LogFormat::kText, LogLevel::kWarning);
  std::string dir = absl::StrCat(parent, "/hookstream-bench-XXXXXX");
  if (mkdtemp(dir.data()) == nullptr) {
    state.SkipWithError("no folder to write to");
    return;
  }
  const auto batch = static_cast<size_t>(state.range(0));
  {
    EmbeddedOptions options;
    options.data_dir = dir;
    EmbeddedStore store(options);
    NoSubscriptions subscriptions;
    if (const absl::Status status = store.Start(subscriptions, nullptr); !status.ok()) {
      state.SkipWithError(std::string(status.message()).c_str());
      return;
    }
    const std::string body(2048, 'b');
    const std::string head(400, 'h');
    uint64_t id = 0;
    const double commit = ThreadCpuSeconds("store-commit");
    const double complete = ThreadCpuSeconds("store-complete");
    for (auto _ : state) {
      state.PauseTiming();
      std::vector<NewEvent> events(batch);
      for (NewEvent& event : events) {
        event.data.source = "stripe-live";
        event.data.provider = "stripe";
        event.data.type = "payment_intent.succeeded";
        event.data.received_at = absl::FromUnixMicros(static_cast<int64_t>(id));
        event.data.content = Content::kJson;
        event.data.envelope.assign(120, 'e');
        event.data.raw_head = head;
        event.data.body = body;
        event.dedupe = HashOf(absl::StrCat("evt_", ++id));
      }
      state.ResumeTiming();
      // Each event is a request of its own, as webhooks come.
      std::promise<void> durable;
      size_t left = batch;
      for (NewEvent& event : events) {
        std::vector<NewEvent> request;
        request.push_back(std::move(event));
        const absl::Status status =
            store.Append(std::move(request), [&](absl::StatusOr<std::vector<Appended>> appended) {
              if (!appended.ok()) std::abort();
              if (--left == 0) durable.set_value();
            });
        if (!status.ok()) std::abort();
      }
      durable.get_future().wait();
    }
    const auto events = static_cast<double>(state.iterations()) * static_cast<double>(batch);
    state.counters["events"] = benchmark::Counter(events, benchmark::Counter::kIsRate);
    state.counters["commit_us"] = (ThreadCpuSeconds("store-commit") - commit) / events * 1e6;
    state.counters["complete_us"] = (ThreadCpuSeconds("store-complete") - complete) / events * 1e6;
  }
  std::filesystem::remove_all(dir);
}

// Until Start returns, over what a killed relay left behind: that many small events, each with an id.
void OpenAfterKill(benchmark::State& state) {
  ConfigureLog(LogFormat::kText, LogLevel::kWarning);
  namespace fs = std::filesystem;
  std::string dir = "/dev/shm/hookstream-bench-XXXXXX";
  if (mkdtemp(dir.data()) == nullptr) {
    state.SkipWithError("no folder to write to");
    return;
  }
  EmbeddedOptions options;
  options.data_dir = dir + "/live";
  NoSubscriptions subscriptions;
  {
    EmbeddedStore store(options);
    if (!store.Start(subscriptions, nullptr).ok()) std::abort();
    int64_t id = 0;
    while (id < state.range(0)) {
      std::vector<NewEvent> events(1000);
      for (NewEvent& event : events) {
        event.data.source = "stripe-live";
        event.data.body.assign(64, 'b');
        event.dedupe = HashOf(absl::StrCat("evt_", ++id));
      }
      std::promise<void> durable;
      if (!store.Append(std::move(events), [&](auto) { durable.set_value(); }).ok()) std::abort();
      durable.get_future().wait();
    }
    // What is on disk while it runs is what a kill leaves.
    fs::copy(options.data_dir, dir + "/killed", fs::copy_options::recursive);
  }
  fs::remove_all(options.data_dir);
  options.data_dir = dir + "/opened";
  for (auto _ : state) {
    state.PauseTiming();
    fs::remove_all(options.data_dir);
    fs::copy(dir + "/killed", options.data_dir, fs::copy_options::recursive);
    EmbeddedStore store(options);
    state.ResumeTiming();
    if (!store.Start(subscriptions, nullptr).ok()) std::abort();
    state.PauseTiming();
    if (store.GetStats().events != state.range(0)) std::abort();
    store.Stop();
    state.ResumeTiming();
  }
  fs::remove_all(dir);
}

void AppendOnDisk(benchmark::State& state) { Append(state, std::filesystem::temp_directory_path().c_str()); }
void AppendInMemory(benchmark::State& state) { Append(state, "/dev/shm"); }

BENCHMARK(AppendInMemory)->Arg(1)->Arg(16)->Arg(64)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(AppendOnDisk)->Arg(1)->Arg(16)->Arg(64)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(OpenAfterKill)->Arg(1'000'000)->Iterations(3)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace hookstream::store

BENCHMARK_MAIN();
