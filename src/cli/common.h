// What the verbs share: options, errors, time on the command line, calls to the relay.
#pragma once

#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "hookstream/v1/admin_service.grpc.pb.h"

namespace hookstream::cli {

// Ends a verb: Run prints the message and exits with the code.
struct Failure {
  int exit_code;
  std::string message;
};
[[noreturn]] void Fail(std::string message);
[[noreturn]] void FailUsage(std::string message);

enum class Output { kText, kJson, kMarkdown, kCloudEvents };

// Options that most verbs have.
struct Common {
  std::string server = "127.0.0.1:9090";
  Output output = Output::kText;

  bool json() const { return output == Output::kJson; }
};

// A verb: its options are added by the caller; `examples` are shown under --help. `run` throws Failure.
CLI::App* AddVerb(CLI::App& parent, int& exit_code, const std::string& name, const std::string& description,
                  const std::string& examples, std::function<void()> run);
// A group of verbs ("events list").
CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& description);
// --output: text, json, and what else the verb has.
void AddOutput(CLI::App& verb, Common& common, const std::vector<Output>& more = {});
// --server and --output.
void AddCommon(CLI::App& verb, Common& common, const std::vector<Output>& more = {});

// Of the relay at `common.server`.
std::shared_ptr<grpc::Channel> Connect(const Common& common);
// Fails with a message that tells a relay that isn't there from one that refuses.
void Check(const Common& common, const grpc::Status& status);

// One unary call: Call(common, *stub, &Stub::ListSources, request).
template <typename Stub, typename Request, typename Response>
Response Call(const Common& common, Stub& stub,
              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  Response response;
  Check(common, (stub.*method)(&context, request, &response));
  return response;
}

// "2h" (before now), or RFC 3339.
absl::Time ParseWhen(std::string_view option, const std::string& text);
absl::Duration ParseDurationOption(std::string_view option, const std::string& text);
google::protobuf::Timestamp ToProto(absl::Time time);
absl::Time FromProto(const google::protobuf::Timestamp& time);
// "2026-11-23T17:02:03.456Z"
std::string TimeText(const google::protobuf::Timestamp& time);

// A whole file, "-" standing for stdin.
std::string ReadInput(const std::string& path);

// Columns as wide as their widest cell.
void PrintTable(const std::vector<std::vector<std::string>>& rows);
// Text for a terminal: control characters of what came from outside are shown as '?'.
std::string Printable(std::string_view text);

}  // namespace hookstream::cli
