// Programs under test: the real relay on a folder and ports of its own, and the command line's other verbs.
//
// Not thread-safe, but that Post and the ports may be used from several threads while the relay is not started or
// ended.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace hookstream::testing {

// Removed with everything in it at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A child process whose output goes to files. Killed at the end if it still runs.
class Child {
 public:
  Child(const std::vector<std::string>& command, const std::filesystem::path& out, const std::filesystem::path& err,
        const std::map<std::string, std::string>& environment = {});
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  bool Running();
  // The exit code, or minus the signal that ended it; nullopt when it still runs after `timeout`.
  std::optional<int> Wait(absl::Duration timeout);

 private:
  pid_t pid_ = -1;
  std::optional<int> ended_;
};

struct CommandResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Runs `hookstream ARGS...` to its end, for at most 60 s.
CommandResult Hookstream(const std::vector<std::string>& arguments, const std::string& input = "");

std::string ReadFile(const std::filesystem::path& path);
void WriteFile(const std::filesystem::path& path, const std::string& text);

// Polls until `condition` holds; false when it does not within `timeout`.
template <typename Condition>
bool WaitUntil(const Condition& condition, absl::Duration timeout = absl::Seconds(30));

class RelayProcess {
 public:
  // `configuration`: YAML besides http, grpc, admin and store, which are made here; `store`: further keys of store;
  // `data_dir`: where the store is, empty: in the folder.
  explicit RelayProcess(std::string configuration, std::string store = "", std::string data_dir = "");

  // Starts it and waits until it is ready. The second start uses the ports of the first, so that clients come back.
  // An error has the relay's log.
  absl::Status Start();
  // SIGKILL.
  void Kill();
  // SIGTERM; gives the exit code.
  std::optional<int> Stop(absl::Duration timeout = absl::Seconds(60));
  Child& process() { return *process_; }

  void WriteConfiguration(const std::string& configuration);
  const std::filesystem::path& folder() const { return folder_.path(); }
  std::string config_file() const { return (folder() / "relay.yaml").string(); }
  std::string Log() const { return ReadFile(folder() / "relay.log"); }

  int http_port() const { return ports_[0]; }
  int grpc_port() const { return ports_[1]; }
  int admin_port() const { return ports_[2]; }
  std::string Url(const std::string& source) const;
  std::string GrpcAddress() const;
  // The verb against this relay's gRPC port.
  CommandResult Run(std::vector<std::string> arguments) const;

 private:
  TempFolder folder_;
  std::string configuration_;
  const std::string store_;
  const std::string data_dir_;
  int ports_[3] = {0, 0, 0};
  std::unique_ptr<Child> process_;
};

// The status code and body of GET http://127.0.0.1:PORT/PATH; code 0: no answer.
std::pair<int, std::string> HttpGet(int port, const std::string& path);

// The pause between two looks of WaitUntil: 2 ms.
void SleepALittle();

template <typename Condition>
bool WaitUntil(const Condition& condition, absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() > end) return false;
    SleepALittle();
  }
  return true;
}

}  // namespace hookstream::testing
