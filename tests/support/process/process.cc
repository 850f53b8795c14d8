#include "tests/support/process/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <regex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "cli/http_client.h"

extern char** environ;

namespace hookstream::testing {
namespace {

int ExitCode(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status); }

}  // namespace

void SleepALittle() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

TempFolder::TempFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "hookstream-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Child::Child(const std::vector<std::string>& command, const std::filesystem::path& out,
             const std::filesystem::path& err, const std::map<std::string, std::string>& environment) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (environment.count(text.substr(0, text.find('='))) == 0) variables.push_back(text);
  }
  for (const auto& [name, value] : environment) variables.push_back(absl::StrCat(name, "=", value));
  std::vector<char*> environment_words;
  for (std::string& variable : variables) environment_words.push_back(variable.data());
  environment_words.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  // gRPC's threads in the test may have signals blocked; the child starts with none.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  if (posix_spawnp(&pid_, arguments[0], &actions, &attributes, arguments.data(), environment_words.data()) != 0)
    pid_ = -1;
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (pid_ < 0) ended_ = 127;
}

Child::~Child() {
  if (!Running()) return;
  kill(pid_, SIGKILL);
  Wait(absl::InfiniteDuration());
}

void Child::Signal(int signal) const {
  if (!ended_) kill(pid_, signal);
}

bool Child::Running() {
  if (ended_) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) ended_ = ExitCode(status);
  return !ended_.has_value();
}

std::optional<int> Child::Wait(absl::Duration timeout) {
  WaitUntil([this] { return !Running(); }, timeout);
  return ended_;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

CommandResult Hookstream(const std::vector<std::string>& arguments, const std::string& input) {
  const TempFolder folder;
  std::vector<std::string> command = {HOOKSTREAM_BINARY};
  for (const std::string& argument : arguments) {
    // Input is given as a file: what reads "-" reads a file just so.
    command.push_back(argument == "-" && !input.empty() ? (folder.path() / "input").string() : argument);
  }
  WriteFile(folder.path() / "input", input);
  CommandResult result;
  Child child(command, folder.path() / "out", folder.path() / "err");
  const auto code = child.Wait(absl::Seconds(60));
  result.exit_code = code.value_or(-1);
  result.out = ReadFile(folder.path() / "out");
  result.err = ReadFile(folder.path() / "err");
  if (!code) result.err += "(it did not end within 60 s)";
  return result;
}

RelayProcess::RelayProcess(std::string configuration, std::string store, std::string data_dir)
    : configuration_(std::move(configuration)),
      store_(std::move(store)),
      data_dir_(data_dir.empty() ? (folder_.path() / "data").string() : std::move(data_dir)) {}

void RelayProcess::WriteConfiguration(const std::string& configuration) {
  configuration_ = configuration;
  const auto listen = [](int port) { return absl::StrCat("listen: \"127.0.0.1:", port, "\""); };
  WriteFile(config_file(),
            absl::StrCat("http: {", listen(ports_[0]), ", public_url: \"https://hooks.example.com\"}\n", "grpc: {",
                         listen(ports_[1]), "}\n", "admin: {", listen(ports_[2]), "}\n",
                         "store: {data_dir: ", data_dir_, store_.empty() ? "" : ", ", store_, "}\n", configuration));
}

absl::Status RelayProcess::Start() {
  WriteConfiguration(configuration_);
  const std::filesystem::path ports_file = folder() / "ports";
  std::filesystem::remove(ports_file);
  process_ = std::make_unique<Child>(std::vector<std::string>{HOOKSTREAM_BINARY, "serve", "--config", config_file(),
                                                              "--ports-file", ports_file.string()},
                                     folder() / "relay.log", folder() / "relay.log");
  const bool ready =
      WaitUntil([&] { return std::filesystem::exists(ports_file) || !process_->Running(); }, absl::Seconds(60));
  std::smatch match;
  const std::string text = ReadFile(ports_file);
  static const std::regex kPorts("\\{\"http\": (\\d+), \"grpc\": (\\d+), \"admin\": (\\d+)\\}\\n");
  if (!ready || !std::regex_match(text, match, kPorts)) {
    return absl::UnavailableError(absl::StrCat("the relay did not start:\n", Log()));
  }
  for (size_t i = 0; i < 3; ++i) ports_[i] = std::stoi(match[i + 1]);
  return absl::OkStatus();
}

void RelayProcess::Kill() {
  process_->Signal(SIGKILL);
  process_->Wait(absl::InfiniteDuration());
}

std::optional<int> RelayProcess::Stop(absl::Duration timeout) {
  process_->Signal(SIGTERM);
  return process_->Wait(timeout);
}

std::string RelayProcess::Url(const std::string& source) const {
  return absl::StrCat("http://127.0.0.1:", http_port(), "/webhooks/", source);
}

std::string RelayProcess::GrpcAddress() const { return absl::StrCat("127.0.0.1:", grpc_port()); }

CommandResult RelayProcess::Run(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--server", GrpcAddress()});
  return Hookstream(arguments);
}

std::pair<int, std::string> HttpGet(int port, const std::string& path) {
  cli::HttpClient client(absl::Seconds(10));
  cli::HttpRequest request;
  request.method = "GET";
  request.url = {"127.0.0.1", absl::StrCat(port), path};
  auto response = client.Send(request);
  if (!response.ok()) return {0, std::string(response.status().message())};
  return {response->status, std::move(response->body)};
}

}  // namespace hookstream::testing
