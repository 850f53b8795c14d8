#include "cli/common.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/units.h"
#include "cli/verbs.h"

namespace hookstream::cli {

void Fail(std::string message) { throw Failure{kExitFailed, std::move(message)}; }
void FailUsage(std::string message) { throw Failure{kExitUsage, std::move(message)}; }

CLI::App* AddVerb(CLI::App& parent, int& exit_code, const std::string& name, const std::string& description,
                  const std::string& examples, std::function<void()> run) {
  CLI::App* verb = parent.add_subcommand(name, description);
  verb->footer(absl::StrCat("Examples:\n", examples, "\n\nExit codes: 0 done, 1 failed, 2 wrong command line."));
  const std::string words = parent.get_parent() == nullptr ? name : absl::StrCat(parent.get_name(), " ", name);
  verb->callback([&exit_code, words, run = std::move(run)] {
    try {
      run();
      std::cout.flush();
    } catch (const Failure& failure) {
      std::cout.flush();
      if (!failure.message.empty()) std::cerr << "hookstream " << words << ": " << failure.message << std::endl;
      exit_code = failure.exit_code;
    }
  });
  return verb;
}

CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& description) {
  CLI::App* group = parent.add_subcommand(name, description);
  group->require_subcommand(1);
  return group;
}

void AddOutput(CLI::App& verb, Common& common, const std::vector<Output>& more) {
  std::map<std::string, Output> outputs = {{"text", Output::kText}, {"json", Output::kJson}};
  std::string names = "text|json";
  std::string description = "text, or json: one object a line";
  for (const Output output : more) {
    const bool markdown = output == Output::kMarkdown;
    const char* name = markdown ? "markdown" : "cloudevents";
    outputs.emplace(name, output);
    absl::StrAppend(&names, "|", name);
    description += markdown ? "; or markdown: the page docs/providers.md"
                            : "; or cloudevents: CloudEvents 1.0 as JSON, one a line (docs/cloudevents.md)";
  }
  verb.add_option("--output,-o", common.output, description)
      ->transform(CLI::CheckedTransformer(outputs).description(""))
      ->type_name(names);
}

void AddCommon(CLI::App& verb, Common& common, const std::vector<Output>& more) {
  verb.add_option("--server", common.server, "where the relay's gRPC port is")
      ->envname("HOOKSTREAM_SERVER")
      ->capture_default_str()
      ->type_name("HOST:PORT");
  AddOutput(verb, common, more);
}

std::shared_ptr<grpc::Channel> Connect(const Common& common) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(256 << 20);
  return grpc::CreateCustomChannel(common.server, grpc::InsecureChannelCredentials(), arguments);
}

void Check(const Common& common, const grpc::Status& status) {
  if (status.ok()) return;
  const std::string text = Printable(status.error_message());
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    Fail(absl::StrCat("can't reach the relay at ", common.server, ": ", text,
                      "\nIs it running? --server or HOOKSTREAM_SERVER says where its gRPC port is."));
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    Fail(absl::StrCat("the relay at ", common.server, " did not answer in time"));
  }
  Fail(text.empty() ? absl::StrCat("the relay failed with gRPC code ", static_cast<int>(status.error_code())) : text);
}

absl::Duration ParseDurationOption(std::string_view option, const std::string& text) {
  const auto duration = ParseDurationText(text);
  if (!duration.ok()) FailUsage(absl::StrCat(std::string(option), ": ", std::string(duration.status().message())));
  return *duration;
}

absl::Time ParseWhen(std::string_view option, const std::string& text) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return time;
  if (const auto before = ParseDurationText(text); before.ok()) return absl::Now() - *before;
  FailUsage(
      absl::StrCat(std::string(option), ": '", text, "' is neither a duration (2h) nor a time (2026-12-01T00:00:00Z)"));
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixNanos(google::protobuf::util::TimeUtil::TimestampToNanoseconds(time));
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", FromProto(time), absl::UTCTimeZone());
}

std::string ReadInput(const std::string& path) {
  if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream file(path, std::ios::binary);
  if (!file) FailUsage(absl::StrCat("can't read '", path, "': ", std::strerror(errno)));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) FailUsage(absl::StrCat("can't read '", path, "'"));
  return text;
}

void PrintTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << line << '\n';
  }
}

std::string Printable(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

}  // namespace hookstream::cli
