// The relay's configuration: one YAML file, read strictly (see app/yaml.h), and checked as a whole before anything
// starts.
//
// Everything that is wrong is reported, not only the first. Each key, with its kind and default, is described in
// docs/configuration.md; a test compares that page with what the loader knows. Relative paths in the file are relative
// to the file's folder. Secrets come from the environment (`env:`) or a file (`file:`, one trailing line break
// removed); `inline:` is for trying things out and is warned of.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "app/yaml.h"
#include "base/log.h"
#include "hookstream/v1/admin_service.pb.h"
#include "outbound/address.h"

namespace hookstream::app {

// "host:port"; port 0 lets the system choose.
struct Listen {
  std::string host;
  int port = 0;

  std::string Text() const;
  bool loopback() const;
  friend bool operator==(const Listen&, const Listen&) = default;
};

struct KeyConfig {
  std::string id;
  std::string secret;
  std::optional<absl::Time> not_before;
  std::optional<absl::Time> not_after;
};

struct SourceConfig {
  std::string name;
  std::string provider;
  std::vector<KeyConfig> keys;
  std::map<std::string, std::string> secrets;  // what the preset lists under `secrets`, by name
  bool unverified = false;                     // `verification: none`
  bool enforce = true;
  absl::Duration dedupe_window = absl::Hours(72);
  std::optional<absl::Duration> max_age;  // of a signed time; absent: the preset's
  int64_t max_body = 0;                   // 0: http.max_body
  std::optional<double> rate_limit;       // requests a second
  std::optional<absl::Time> learn_keys_until;
  YAML::Mark mark;
};

struct SubscriptionConfig {
  v1::Subscription spec;
  YAML::Mark mark;
};

struct FileConfig {
  std::string path;
  YAML::Mark mark;
};

// A descriptor set of the user's own; `events` says what a set without mapping options can't say itself.
struct SchemaConfig {
  struct Event {
    std::string message;  // full name
    std::string provider;
    std::vector<std::string> types;
    YAML::Mark mark;
  };
  std::string path;
  std::vector<Event> events;
  YAML::Mark mark;
};

struct Config {
  struct Http {
    Listen listen{"0.0.0.0", 8080};
    std::string public_url;
    int64_t max_body = 25 << 20;
    int64_t max_head = 16 << 10;
    int64_t max_head_lines = 100;
    int64_t max_connections = 10'000;
    int64_t max_buffered_bytes = 256 << 20;  // of all bodies that are being read or stored
    int64_t threads = 2;
    absl::Duration idle_timeout = absl::Seconds(75);
    absl::Duration head_timeout = absl::Seconds(10);
    absl::Duration body_timeout = absl::Seconds(30);
    absl::Duration handle_timeout = absl::Seconds(30);
    absl::Duration write_timeout = absl::Seconds(10);
    friend bool operator==(const Http&, const Http&) = default;
  } http;

  struct Grpc {
    Listen listen{"127.0.0.1", 9090};
    int64_t max_streams = 1'000;
    int64_t max_message = 4 << 20;
    absl::Duration heartbeat = absl::Seconds(15);
    absl::Duration resume_grace = absl::Seconds(15);
    int64_t cache = 64 << 20;  // of recent events, typed
    friend bool operator==(const Grpc&, const Grpc&) = default;
  } grpc;

  struct Admin {
    Listen listen{"127.0.0.1", 9091};
    friend bool operator==(const Admin&, const Admin&) = default;
  } admin;

  struct Store {
    std::string data_dir;
    absl::Duration retention_age = absl::Hours(7 * 24);
    int64_t retention_bytes = 20LL << 30;
    int64_t max_bytes = 50LL << 30;
    int64_t max_queue_bytes = 64 << 20;
    int64_t cache = 64 << 20;  // of recent events, as they are stored
    friend bool operator==(const Store&, const Store&) = default;
  } store;

  struct Outbound {
    absl::Duration timeout = absl::Seconds(5);
    int64_t max_response = 256 << 10;
    std::string ca_file;                                // empty: the system's authorities
    std::map<std::string, outbound::Endpoint> resolve;  // by host: where its connections go instead
    friend bool operator==(const Outbound&, const Outbound&) = default;
  } outbound;

  struct Log {
    LogFormat format = LogFormat::kText;
    LogLevel level = LogLevel::kInfo;
    friend bool operator==(const Log&, const Log&) = default;
  } log;

  absl::Duration shutdown_grace = absl::Seconds(25);

  std::vector<SourceConfig> sources;
  std::vector<SubscriptionConfig> subscriptions;
  std::vector<SchemaConfig> schemas;
  std::vector<FileConfig> providers;  // files and folders of the user's own presets
};

// Reads `file` into `config`. Problems end up in `problems`; the configuration is usable when it has no errors.
void LoadConfig(Problems& problems, Config& config);

// The same from text, relative to `folder`.
void ParseConfig(const std::string& text, const std::string& folder, Problems& problems, Config& config);

// Every key that a configuration can have.
std::vector<KnownKey> KnownConfigKeys();

}  // namespace hookstream::app
