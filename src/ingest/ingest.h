// One webhook request, from its bytes to its outcome: the order of the steps, and nothing of sockets or disks.
//
//   find the source -> rate limit -> method -> handshakes that come before verification -> verification over the raw
//   bytes -> handshakes that come after it -> extraction -> masking of credentials -> append -> outcome
//
// A 2xx outcome is given only after the store has confirmed that the events are durable. What was verified and can't be
// parsed is accepted raw: some providers drop an event for good on a 4xx.
//
// Threads: every method from any thread. `Handle` does its work on the caller's thread and never blocks; the outcome is
// given either before it returns, on the same thread, or later on the store's completion thread, where it must only be
// posted elsewhere.
// Lifecycle: outlives every outcome that is outstanding: stop the edge first, then the store, then destroy this.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "ingest/learnt_keys.h"
#include "metrics/metrics.h"
#include "provider/provider.h"
#include "provider/request.h"
#include "store/store.h"
#include "verify/handshake.h"
#include "verify/key_ring.h"
#include "verify/verifier.h"

namespace hookstream::ingest {

// --- configuration ---

// One `sources:` entry.
struct SourceConfig {
  std::string name;  // 1 to 63 characters of [a-z0-9-]; the path is /webhooks/<name>
  std::shared_ptr<const provider::Provider> preset;
  std::vector<verify::Key> keys;   // secrets resolved
  verify::Params params;           // what the preset lists under `secrets`, read as secret.N
  bool verification_none = false;  // `verification: none`: nothing is verified
  bool enforce = true;             // false: audit mode: accept, mark, count
  absl::Duration dedupe_window = absl::Hours(72);
  std::optional<absl::Duration> max_age;  // instead of the preset's
  double requests_per_second_max = 0;     // 0: no limit; a burst of one second's worth passes
  int64_t body_bytes_max = 25 << 20;      // the preset's own limit applies too
  // Until then a key that the provider tells in a handshake is kept; InfinitePast: none is. Who posts first in that
  // time has his key taken, so it should be short. Learnt keys count in addition to `keys`, also afterwards.
  absl::Time learn_keys_until = absl::InfinitePast();
};

// An HTTPS request to the world outside: GET, or POST of JSON where there is some.
struct FetchRequest {
  std::string url;
  std::string json;
};
struct Fetched {
  std::string body;
  std::optional<absl::Duration> max_age;  // as Cache-Control says
};
// Never blocks; calls back exactly once, on a thread of its own, with the answer of a 2xx or with why there is none.
// Sees to limits and to which addresses may be reached.
using Fetch = std::function<void(FetchRequest, absl::AnyInvocable<void(absl::StatusOr<Fetched>) &&>)>;

struct Options {
  // Scheme and authority that providers post to, e.g. "https://hooks.example.com": what a signed URL is built from.
  // Empty: presets that sign the URL refuse.
  std::string public_url;
  // Tells this process's requests from those of another: the first half of a request id.
  uint64_t instance = 0;
  // For keys that providers publish, and confirmations. Empty: requests that need one are refused with kNotFetched. Its
  // owner is stopped after the edge and before this is destroyed.
  Fetch fetch{};
  // Roots for the certificates of signatures.
  verify::TrustStore trust{};
};

// --- a request ---

using Header = provider::HeaderView;

// Views have to live until Handle returns; the body is taken over.
struct HttpRequest {
  std::string_view source;  // from the path, percent-decoding not applied
  std::string_view method;
  std::string_view target;  // path and query, as sent
  std::span<const Header> headers;
  std::string body;
};

// --- an outcome ---

// Why a request was refused: a closed set, the label of the metrics. The edge has the table of status codes.
enum class Reason : uint8_t {
  kUnknownSource,     // 404
  kMethodNotAllowed,  // 405, `allow` is set
  kSignatureInvalid,  // 401; missing, wrong, stale: which one is in the log and the metrics only
  kBodyTooLarge,      // 413
  kRateLimited,       // 429, `retry_after` is set
  kStoreFull,         // 503, `retry_after` is set: too much in the queue, or the disk limit is reached
  kUnavailable,       // 503, `retry_after` is set: not ready, or stopped accepting after a failure
  kNotFetched,        // 503, `retry_after` is set: a provider's key or confirmation could not be had
};
inline constexpr size_t kReasonCount = 8;
std::string_view ReasonName(Reason reason);  // "unknown_source", ...

// An answer that the provider's preset prescribes: to a handshake, or instead of the usual one.
using Reply = verify::HandshakeReply;

struct Refused {
  Reason reason;
  absl::Duration retry_after = absl::ZeroDuration();  // whole seconds; zero: none
  std::string allow;                                  // for kMethodNotAllowed: "POST, GET"
  std::optional<Reply> reply;                         // the preset's own answer to a refused signature
};

struct Accepted {
  std::vector<store::Appended> events;  // in the order of the body; empty when it held none
  StoreTag tag = 0;                     // for FormatEventId
  bool many = false;                    // the preset splits bodies: answer with a list
  std::optional<Reply> reply;           // the preset's own answer
};

using Outcome = std::variant<Accepted, Reply, Refused>;
using Done = absl::AnyInvocable<void(Outcome) &&>;

// --- for ListSources ---

struct KeyInfo {
  std::string id;
  absl::Time not_before;
  absl::Time not_after;
  int64_t hits = 0;                               // requests that it verified
  absl::Time last_hit_at = absl::InfinitePast();  // InfinitePast: never
  absl::Time counting_since;                      // when the key was first there in this process
};

struct ReasonCount {
  std::string_view reason;  // a ReasonName of this room or of verify's
  int64_t count = 0;
};

// Received minus signed time; negative: the provider's clock is ahead. Of requests whose signature was right, also of
// those that are too old or from the future.
struct SignedTimeSkew {
  absl::Duration last;
  absl::Time last_at;
  // Of the last one to two hours; absent: nothing came.
  std::optional<absl::Duration> lowest;
  std::optional<absl::Duration> highest;
};

struct SourceInfo {
  std::string name;
  std::string preset;
  std::string provider;  // family
  std::string url;       // with public_url, else the path
  bool enforce = true;
  std::vector<KeyInfo> keys;
  absl::Time counting_since;  // when the source was first there in this process
  int64_t accepted = 0;
  int64_t refused = 0;
  int64_t verified = 0;      // requests whose signature was looked at
  int64_t would_refuse = 0;  // failed, and let pass in audit mode
  // The most frequent first, none with 0.
  std::vector<ReasonCount> refused_by;
  std::vector<ReasonCount> would_refuse_by;
  std::optional<SignedTimeSkew> skew;
};

class KeyFetcher;
class Metrics;
struct SourceStats;

class Ingest {
 public:
  // What is known of a request once its head is there.
  struct Admission {
    std::optional<Refused> refused;  // no need to read the body
    int64_t body_bytes_max = 0;
  };

  Ingest(Options options, store::Store& store, const Clock& clock, metrics::Registry& registry);
  ~Ingest();

  // Reads what earlier runs have learnt; blocks. Called once, before the first ReplaceSources and after the store's
  // start. DATA_LOSS: what is there can't be read.
  absl::Status RestoreLearntKeys();

  // Makes this the set of sources, atomically: a request sees the old one or the new one. Counters of a source and key
  // that stay go on. INVALID_ARGUMENT names the source and what is wrong; the old set then stays.
  absl::Status ReplaceSources(std::vector<SourceConfig> sources);

  // Not OK: every request is refused with kUnavailable before any work is done for it. OK at first.
  void SetHealth(const absl::Status& health);

  // Before the body is read. A request that is refused here is not given to Handle.
  Admission Admit(std::string_view source, std::string_view method);
  void Handle(HttpRequest request, Done done);

  // In the order of their names.
  std::vector<SourceInfo> ListSources() const;

  // With their secrets, for the one who has to enter them at the provider (Notion). NOT_FOUND: no such source.
  absl::StatusOr<std::vector<LearntKey>> ListLearntKeys(std::string_view source) const;
  // Durable when `done` runs. NOT_FOUND: no such source or key.
  void ForgetLearntKey(std::string_view source, std::string_view key_id,
                       absl::AnyInvocable<void(absl::Status) &&> done);

 private:
  struct Source;
  struct Snapshot;
  struct Pending;
  struct Held;
  using LearntKeys = std::map<std::string, std::vector<LearntKey>, std::less<>>;

  std::shared_ptr<const Snapshot> Current() const;
  // `again`: the request was here before, and waited for a key.
  void Process(HttpRequest request, Done done, bool again);
  // Makes a copy of the request wait until the key is there, or known not to be.
  void WaitForKey(const Source& source, const verify::Verdict& verdict, HttpRequest request, Done done);
  void AnswerHandshake(std::shared_ptr<const Snapshot> snapshot, const Source& source, verify::Handshake handshake,
                       absl::Time now, Done done);
  // Keeps the key, and makes it count, before `done`.
  void LearnKey(const std::string& source, std::string secret, absl::Time now,
                absl::AnyInvocable<void(absl::Status) &&> done);
  absl::StatusOr<std::shared_ptr<const Snapshot>> Build(const std::vector<SourceConfig>& sources) const
      HS_REQUIRES(build_mutex_);
  // Makes this the set of sources, with the keys that are known now.
  absl::Status Install(const std::vector<SourceConfig>& sources) HS_REQUIRES(build_mutex_);
  // What needs no body: nullptr for an unknown source; `refused` is set when the request goes no further.
  const Source* Check(const Snapshot& snapshot, std::string_view name, std::string_view method,
                      std::optional<Refused>& refused);
  Refused Refuse(const Source& source, Reason reason, absl::Duration retry_after = absl::ZeroDuration(),
                 std::string_view error = {});
  void LogRefused(SourceStats& stats, std::string_view source, Reason reason, std::string_view error);
  static void Complete(Pending& pending, absl::StatusOr<std::vector<store::Appended>> appended);

  const Options options_;
  store::Store& store_;
  const Clock& clock_;
  metrics::Registry& registry_;
  const std::unique_ptr<Metrics> metrics_;
  std::atomic<bool> available_{true};
  std::atomic<uint64_t> next_request_{1};
  std::unique_ptr<KeyFetcher> key_fetcher_;
  // Held while a set of sources is made; mutex_ may be taken under it.
  mutable Mutex build_mutex_;
  std::vector<SourceConfig> configured_ HS_GUARDED_BY(build_mutex_);
  LearntKeys learnt_ HS_GUARDED_BY(build_mutex_);
  mutable Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ HS_GUARDED_BY(mutex_);
};

}  // namespace hookstream::ingest
