#include "app/config.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "google/protobuf/util/time_util.h"
#include "outbound/client.h"
#include "outbound/url.h"

namespace hookstream::app {
namespace {

constexpr int64_t kKiB = 1 << 10;
constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kGiB = 1 << 30;
constexpr int64_t kTiB = kGiB << 10;
// A secret file that is larger is no secret.
constexpr std::streamsize kSecretBytesMax = 64 << 10;

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("can't read '", path, "': ", std::strerror(errno)));
  std::string text(kSecretBytesMax + 1, '\0');
  file.read(text.data(), kSecretBytesMax + 1);
  if (file.bad()) return absl::UnavailableError(absl::StrCat("can't read '", path, "'"));
  if (file.gcount() > kSecretBytesMax)
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is larger than 64KiB"));
  text.resize(static_cast<size_t>(file.gcount()));
  // One line break, as an editor or `echo` leaves it; anything more may belong to the secret.
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (!text.empty() && text.back() == '\r') text.pop_back();
  if (text.empty()) return absl::InvalidArgumentError(absl::StrCat("'", path, "' is empty"));
  return text;
}

absl::StatusOr<Listen> ParseListen(const std::string& text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is no address: write host:port, e.g. 127.0.0.1:8080 or [::]:8080"));
  }
  std::string host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) return absl::InvalidArgumentError(absl::StrCat("'", text, "' has no host"));
  return Listen{host, port};
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class Loader {
 public:
  Loader(Problems& problems, std::filesystem::path folder, Config& config)
      : problems_(problems), folder_(std::move(folder)), config_(config) {}

  void Read(const YAML::Node& root, std::vector<KnownKey>* known) {
    {
      MapReader file(problems_, root, "", known);
      file.Map("http", [&](MapReader& map) { Http(map); });
      file.Map("grpc", [&](MapReader& map) { Grpc(map); });
      file.Map("admin", [&](MapReader& map) { ReadListen(map, config_.admin.listen); });
      file.Map("store", [&](MapReader& map) { Store(map); });
      file.Map("outbound", [&](MapReader& map) { Outbound(map); });
      file.List("sources", [&](MapReader& map) { Source(map); });
      file.List("subscriptions", [&](MapReader& map) { Subscription(map); });
      file.List("schemas", [&](MapReader& map) { Schema(map); });
      file.List("providers", [&](MapReader& map) { Providers(map); });
      file.Map("log", [&](MapReader& map) { Log(map); });
      file.Map("shutdown", [&](MapReader& map) {
        map.Duration("grace", config_.shutdown_grace, absl::ZeroDuration(), absl::Hours(1));
      });
    }
    if (known == nullptr) Cross();
  }

 private:
  std::string Path(const std::string& path) const { return (folder_ / path).lexically_normal().string(); }

  void ReadListen(MapReader& map, Listen& listen) {
    std::string text = listen.Text();
    if (!map.String("listen", text, "host:port") || text.empty()) return;
    const auto parsed = ParseListen(text);
    if (!parsed.ok()) {
      map.Error("listen", Message(parsed.status()));
    } else {
      listen = *parsed;
    }
  }

  // Known, so that the message says what is the matter instead of "unknown key".
  void NotYet(MapReader& map, std::string_view key, std::string_view instead) {
    if (map.describing()) return;
    if (!map.Has(key)) return;
    map.Skip(key);
    map.Error(key,
              absl::StrCat("is not supported by this version; ", absl::string_view(instead.data(), instead.size())));
  }

  void PublicUrl(MapReader& map, std::string& url) {
    if (!map.String("public_url", url, "URL") || url.empty()) return;
    if (!absl::StartsWith(url, "https://") && !absl::StartsWith(url, "http://")) {
      map.Error("public_url", "must begin with https:// or http://");
    } else if (url.find_first_of("?#") != std::string::npos) {
      map.Error("public_url", "must have no query and no fragment: it is what comes before /webhooks/<source>");
    }
    while (!url.empty() && url.back() == '/') url.pop_back();
  }

  void Http(MapReader& map) {
    Config::Http& http = config_.http;
    ReadListen(map, http.listen);
    PublicUrl(map, http.public_url);
    map.Bytes("max_body", http.max_body, kKiB, 256 * kMiB);
    map.Bytes("max_head", http.max_head, 4 * kKiB, kMiB);
    map.Int("max_head_lines", http.max_head_lines, 10, 10'000);
    map.Int("max_connections", http.max_connections, 1, 1'000'000);
    map.Bytes("max_buffered_bytes", http.max_buffered_bytes, kKiB, 64 * kGiB);
    if (http.max_buffered_bytes < http.max_body) {
      map.Error("max_buffered_bytes", "is smaller than http.max_body: the largest body could never be read");
    }
    map.Int("threads", http.threads, 1, 256);
    map.Map("timeouts", [&](MapReader& timeouts) {
      const absl::Duration least = absl::Milliseconds(100), most = absl::Hours(1);
      timeouts.Duration("idle", http.idle_timeout, least, most);
      timeouts.Duration("head", http.head_timeout, least, most);
      timeouts.Duration("body", http.body_timeout, least, most);
      timeouts.Duration("handle", http.handle_timeout, least, most);
      timeouts.Duration("write", http.write_timeout, least, most);
    });
    NotYet(map, "tls", "end TLS in front of the relay");
  }

  void Grpc(MapReader& map) {
    Config::Grpc& grpc = config_.grpc;
    ReadListen(map, grpc.listen);
    map.Int("max_streams", grpc.max_streams, 1, 1'000'000);
    map.Bytes("max_message", grpc.max_message, 64 * kKiB, 256 * kMiB);
    map.Duration("heartbeat", grpc.heartbeat, absl::Seconds(1), absl::Hours(1));
    map.Bytes("cache", grpc.cache, kMiB, 64 * kGiB);
    map.Duration("resume_grace", grpc.resume_grace, absl::ZeroDuration(), absl::Minutes(10));
    NotYet(map, "tls", "listen on loopback or within a trusted network");
    NotYet(map, "auth", "listen on loopback or within a trusted network");
  }

  void Store(MapReader& map) {
    Config::Store& store = config_.store;
    std::string engine = "embedded";
    if (map.String("engine", engine, "embedded") && engine != "embedded") {
      map.Error("engine", engine == "jetstream" ? "jetstream is not supported by this version" : "must be embedded");
    }
    map.String("data_dir", store.data_dir, "folder");
    if (!store.data_dir.empty()) store.data_dir = Path(store.data_dir);
    map.Map("retention", [&](MapReader& retention) {
      retention.Duration("age", store.retention_age, absl::Minutes(1), absl::Hours(24 * 3650));
      retention.Bytes("bytes", store.retention_bytes, kMiB, 1024 * kTiB);
    });
    map.Bytes("max_bytes", store.max_bytes, kMiB, 1024 * kTiB);
    map.Bytes("max_queue_bytes", store.max_queue_bytes, kMiB, 64 * kGiB);
    map.Bytes("cache", store.cache, kMiB, 64 * kGiB);
    if (!map.describing() && store.data_dir.empty())
      map.Error("data_dir", "is missing: the folder that events are kept in");
  }

  void Outbound(MapReader& map) {
    Config::Outbound& outbound = config_.outbound;
    map.Duration("timeout", outbound.timeout, absl::Milliseconds(100), absl::Minutes(1));
    map.Bytes("max_response", outbound.max_response, kKiB, 16 * kMiB);
    if (map.String("ca_file", outbound.ca_file, "path of a PEM file") && !outbound.ca_file.empty()) {
      outbound.ca_file = Path(outbound.ca_file);
      if (const absl::Status status = outbound::CheckCaFile(outbound.ca_file); !status.ok()) {
        map.Error("ca_file", Message(status));
      }
    }
    map.Map("resolve", [&](MapReader& hosts) {
      if (hosts.describing()) {
        std::string none;
        hosts.String("<host>", none, "address:port");
      }
      for (const std::string& key : hosts.Keys()) Resolve(hosts, key);
    });
  }

  void Resolve(MapReader& hosts, const std::string& key) {
    std::string text;
    hosts.String(key, text, "address:port");
    if (text.empty()) return;
    const auto host = outbound::ParseHost(key);
    const auto endpoint = outbound::ParseEndpoint(text);
    if (!host.ok()) {
      hosts.Error(key, Message(host.status()));
    } else if (!endpoint.ok()) {
      hosts.Error(key, Message(endpoint.status()));
    } else if (!config_.outbound.resolve.emplace(*host, *endpoint).second) {
      hosts.Error(key, "is given twice, in upper and in lower case");
    }
  }

  // The secret that `map` names by exactly one of env, file and inline; empty after a problem.
  std::string Secret(MapReader& map) {
    std::string env, file, inline_text;
    const int given = static_cast<int>(map.String("env", env, "name of an environment variable")) +
                      static_cast<int>(map.String("file", file, "path")) +
                      static_cast<int>(map.String("inline", inline_text, "the secret itself"));
    if (map.describing()) return "";
    if (given != 1) {
      map.Error("", given == 0 ? "has no secret: give env, file or (for trying out) inline"
                               : "has several secrets: give one of env, file, inline");
    } else if (!env.empty()) {
      const char* value = std::getenv(env.c_str());
      if (value != nullptr && *value != '\0') return value;
      map.Error("env", absl::StrCat("the environment variable ", env, " is ", value == nullptr ? "not set" : "empty"));
    } else if (!file.empty()) {
      auto secret = ReadSecretFile(Path(file));
      if (secret.ok()) return *std::move(secret);
      map.Error("file", Message(secret.status()));
    } else if (!inline_text.empty() && !config_.http.listen.loopback()) {
      map.Warning("inline", "the secret is in the configuration itself; use env: or file:");
    }
    return inline_text;
  }

  void Key(MapReader& map, SourceConfig& source) {
    KeyConfig key;
    map.String("id", key.id, "text, 1 to 64 characters");
    key.secret = Secret(map);
    map.Time("not_before", key.not_before);
    map.Time("not_after", key.not_after);
    if (map.describing()) return;
    if (key.not_before && key.not_after && *key.not_after <= *key.not_before)
      map.Error("not_after", "is not after not_before");
    if (key.id.size() > 64) map.Error("id", "is longer than 64 characters");
    if (key.id.empty()) key.id = absl::StrCat("key-", source.keys.size() + 1);
    for (const KeyConfig& other : source.keys) {
      if (other.id == key.id) map.Error("id", absl::StrCat("'", key.id, "' is the id of another key of this source"));
    }
    source.keys.push_back(std::move(key));
  }

  void NamedSecret(MapReader& map, SourceConfig& source) {
    std::string name;
    map.String("name", name, "as the preset has it");
    std::string secret = Secret(map);
    if (map.describing()) return;
    if (name.empty()) map.Error("name", "is missing");
    if (!source.secrets.emplace(name, std::move(secret)).second)
      map.Error("name", absl::StrCat("'", name, "' is given twice"));
  }

  void Source(MapReader& map) {
    SourceConfig source;
    source.mark = map.MarkOf("name");
    map.String("name", source.name, "1 to 63 of a-z, 0-9 and -");
    map.String("provider", source.provider, "name of a preset");
    map.List("keys", [&](MapReader& key) { Key(key, source); });
    map.List("secrets", [&](MapReader& secret) { NamedSecret(secret, source); });
    std::string verification;
    if (map.String("verification", verification, "none") && verification != "none") {
      map.Error("verification", "must be none, or left out: then the preset says how");
    }
    source.unverified = verification == "none";
    map.Bool("enforce", source.enforce);
    map.Duration("dedupe_window", source.dedupe_window, absl::ZeroDuration(), absl::Hours(30 * 24));
    absl::Duration max_age;
    if (map.Duration("max_age", max_age, absl::Seconds(1), absl::Hours(24 * 365))) source.max_age = max_age;
    map.Bytes("max_body", source.max_body, kKiB, 256 * kMiB);
    map.Rate("rate_limit", source.rate_limit);
    map.Time("learn_keys_until", source.learn_keys_until);
    if (map.describing()) return;
    if (!IsName(source.name))
      map.Error("name", source.name.empty() ? "is missing" : "must be 1 to 63 characters of a-z, 0-9 and -");
    if (source.provider.empty()) map.Error("provider", "is missing: the name of a preset, e.g. stripe");
    for (const SourceConfig& other : config_.sources) {
      if (other.name == source.name)
        map.Error("name", absl::StrCat("'", source.name, "' is the name of another source"));
    }
    if (source.unverified && !source.keys.empty()) map.Error("keys", "are of no use with verification: none");
    config_.sources.push_back(std::move(source));
  }

  void Subscription(MapReader& map) {
    SubscriptionConfig subscription;
    v1::Subscription& spec = subscription.spec;
    subscription.mark = map.MarkOf("name");
    const auto set_duration = [](absl::Duration from, google::protobuf::Duration* to) {
      *to = google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(from));
    };
    map.String("name", *spec.mutable_name(), "1 to 63 of a-z, 0-9 and -");
    map.String("filter", *spec.mutable_filter(), "filter");
    absl::Duration ack_deadline = absl::Seconds(30);
    map.Duration("ack_deadline", ack_deadline, absl::Seconds(1), absl::Minutes(10));
    set_duration(ack_deadline, spec.mutable_ack_deadline());
    int64_t max_attempts = 10;
    map.Int("max_attempts", max_attempts, 0, 1'000);
    spec.set_max_attempts(static_cast<int32_t>(max_attempts));
    map.Map("retry", [&](MapReader& retry) {
      absl::Duration min_backoff = absl::Seconds(1), max_backoff = absl::Minutes(10);
      double multiplier = 2, jitter = 0.2;
      retry.Duration("min_backoff", min_backoff, absl::ZeroDuration(), absl::Hours(1));
      retry.Duration("max_backoff", max_backoff, absl::ZeroDuration(), absl::Hours(24));
      retry.Double("multiplier", multiplier, 1, 10);
      retry.Double("jitter", jitter, 0, 1);
      if (!retry.describing() && max_backoff < min_backoff) retry.Error("max_backoff", "is shorter than min_backoff");
      set_duration(min_backoff, spec.mutable_retry()->mutable_min_backoff());
      set_duration(max_backoff, spec.mutable_retry()->mutable_max_backoff());
      spec.mutable_retry()->set_multiplier(multiplier);
      spec.mutable_retry()->set_jitter(jitter);
    });
    size_t ordering = 0;
    if (map.Choice("ordering", ordering, {"none", "key"})) {
      spec.set_ordering(ordering == 0 ? v1::ORDERING_NONE : v1::ORDERING_KEY);
    }
    size_t on_key_failure = 0;
    if (map.Choice("on_key_failure", on_key_failure, {"skip", "block", "park"})) {
      spec.set_on_key_failure(
          static_cast<v1::OnKeyFailure>(v1::ON_KEY_FAILURE_SKIP + static_cast<int>(on_key_failure)));
    }
    int64_t max_unsettled = 10'000;
    map.Int("max_unsettled", max_unsettled, 1, 1'000'000);
    spec.set_max_unsettled(static_cast<int32_t>(max_unsettled));
    std::string start = "latest";
    map.String("start", start, "earliest, latest, or a time in RFC 3339");
    absl::Time time;
    std::string time_error;
    if (start == "earliest") {
      spec.mutable_start()->set_earliest(true);
    } else if (start == "latest") {
      spec.mutable_start()->set_latest(true);
    } else if (absl::ParseTime(absl::RFC3339_full, start, &time, &time_error)) {
      *spec.mutable_start()->mutable_time() =
          google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
    } else {
      map.Error("start", "must be earliest, latest, or a time as 2026-12-01T00:00:00Z");
    }
    absl::Duration max_lease = absl::Hours(1);
    map.Duration("max_lease", max_lease, absl::Seconds(1), absl::Hours(12));
    set_duration(max_lease, spec.mutable_max_lease());
    if (map.describing()) return;
    if (!IsName(spec.name()))
      map.Error("name", spec.name().empty() ? "is missing" : "must be 1 to 63 characters of a-z, 0-9 and -");
    for (const SubscriptionConfig& other : config_.subscriptions) {
      if (other.spec.name() == spec.name()) {
        map.Error("name", absl::StrCat("'", spec.name(), "' is the name of another subscription"));
      }
    }
    config_.subscriptions.push_back(std::move(subscription));
  }

  // False: there is none, which is an error.
  bool PathOf(MapReader& map, std::string_view key, std::string_view kind, std::string& path, YAML::Mark& mark) {
    map.String(key, path, kind);
    if (map.describing()) return false;
    mark = map.MarkOf(key);
    if (path.empty()) {
      map.Error(key, "is missing");
      return false;
    }
    path = Path(path);
    return true;
  }

  void Schema(MapReader& map) {
    SchemaConfig schema;
    const bool named = PathOf(map, "file", "path of a FileDescriptorSet", schema.path, schema.mark);
    map.List("events", [&](MapReader& item) {
      SchemaConfig::Event event;
      item.String("message", event.message, "full name of a message");
      item.String("provider", event.provider, "family");
      item.Strings("types", event.types, "list of event type patterns");
      if (item.describing()) return;
      event.mark = item.MarkOf("message");
      if (event.message.empty()) item.Error("message", "is missing");
      if (event.provider.empty()) item.Error("provider", "is missing");
      if (event.types.empty()) item.Error("types", "is missing: patterns of event types, e.g. \"order.*\"");
      schema.events.push_back(std::move(event));
    });
    if (named) config_.schemas.push_back(std::move(schema));
  }

  void Providers(MapReader& map) {
    FileConfig file;
    if (PathOf(map, "path", "path of a preset or of a folder of presets", file.path, file.mark)) {
      config_.providers.push_back(std::move(file));
    }
  }

  void Log(MapReader& map) {
    size_t format = static_cast<size_t>(config_.log.format);
    size_t level = static_cast<size_t>(config_.log.level);
    map.Choice("format", format, {"text", "json"});
    map.Choice("level", level, {"debug", "info", "warning", "error"});
    config_.log.format = static_cast<LogFormat>(format);
    config_.log.level = static_cast<LogLevel>(level);
  }

  // Limits that have to fit each other.
  void Cross() {
    const auto error = [&](std::string_view message) { problems_.Error(YAML::Mark::null_mark(), message); };
    if (config_.store.max_queue_bytes < config_.http.max_body + config_.http.max_head) {
      error(
          "store.max_queue_bytes is smaller than http.max_body and http.max_head together: the largest request could "
          "never be stored");
    }
    if (config_.store.max_bytes < config_.store.retention_bytes) {
      error("store.max_bytes is smaller than store.retention.bytes: the store would be full before retention begins");
    }
    for (const SourceConfig& source : config_.sources) {
      if (source.max_body > config_.http.max_body) {
        problems_.Error(source.mark, absl::StrCat("source '", source.name, "': max_body is larger than http.max_body"));
      }
    }
  }

  Problems& problems_;
  std::filesystem::path folder_;
  Config& config_;
};

}  // namespace

std::string Listen::Text() const {
  return host.find(':') == std::string::npos ? absl::StrCat(host, ":", port) : absl::StrCat("[", host, "]:", port);
}

bool Listen::loopback() const { return host == "localhost" || host == "::1" || absl::StartsWith(host, "127."); }

void ParseConfig(const std::string& text, const std::string& folder, Problems& problems, Config& config) {
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() != 1) {
      problems.Error(YAML::Mark::null_mark(),
                     documents.empty() ? "is empty" : "has several documents (separated by ---)");
      return;
    }
    Loader(problems, folder, config).Read(documents.front(), nullptr);
  } catch (const YAML::Exception& e) {
    problems.Error(e.mark, e.msg);
  }
}

void LoadConfig(Problems& problems, Config& config) {
  std::ifstream file(problems.file(), std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (!file || text.bad()) {
    problems.Error(YAML::Mark::null_mark(), absl::StrCat("can't be read: ", std::strerror(errno)));
    return;
  }
  ParseConfig(text.str(), std::filesystem::path(problems.file()).parent_path().string(), problems, config);
}

std::vector<KnownKey> KnownConfigKeys() {
  Problems problems("");
  Config config;
  std::vector<KnownKey> known;
  Loader(problems, "", config).Read(YAML::Node(YAML::NodeType::Undefined), &known);
  return known;
}

}  // namespace hookstream::app
