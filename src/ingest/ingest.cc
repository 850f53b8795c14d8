#include "ingest/ingest.h"

#include <algorithm>
#include <future>
#include <numeric>
#include <span>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "hookstream/v1/event.pb.h"
#include "ingest/key_fetcher.h"
#include "ingest/metrics.h"
#include "ingest/trace_context.h"
#include "ingest/wire.h"
#include "provider/context.h"
#include "provider/encoding.h"
#include "provider/extract.h"
#include "provider/mask.h"
#include "verify/handshake.h"

namespace hookstream::ingest {
namespace {

constexpr absl::Duration kDedupeWindowMax = absl::Hours(30 * 24);
// What a sender is told: soon for a queue that empties in moments, later for an engine that recovers.
constexpr absl::Duration kRetryWhenFull = absl::Seconds(2);
constexpr absl::Duration kRetryWhenUnavailable = absl::Seconds(5);
// Under which the hits of all fetched keys are counted.
constexpr std::string_view kFetchedKeyId = "fetched";

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// A string field has to be valid UTF-8, and HTTP promises nothing.
void WriteText(WireWriter& writer, int field, std::string_view text) {
  if (IsAscii(text)) {
    writer.Bytes(field, text);
  } else {
    writer.Bytes(field, provider::ValidUtf8(text));
  }
}

// The only value of the header; empty when it is not there, or more than once.
std::string_view OnlyHeader(std::span<const Header> headers, std::string_view name) {
  std::string_view found;
  for (const Header& header : headers) {
    if (!absl::EqualsIgnoreCase(ToAbsl(header.name), ToAbsl(name))) continue;
    if (found.data() != nullptr) return {};
    found = header.value;
  }
  return found;
}

// How an event's body is to be read, by what was sent: a preset for forms may get JSON too.
store::Content ContentOf(const provider::ContentRule& rule, const provider::Context& context, bool whole_body) {
  using Kind = provider::ContentRule::Kind;
  switch (rule.kind) {
    case Kind::kNone: return store::Content::kOpaque;
    case Kind::kJson:
    case Kind::kLines: return store::Content::kJson;
    case Kind::kFormField:
      // An item is a part of the field's JSON.
      if (!whole_body || !context.IsForm()) return store::Content::kJson;
      break;
    case Kind::kForm:
    case Kind::kAny: break;
  }
  switch (context.BodyMedia()) {
    case provider::Media::kJson: return store::Content::kJson;
    case provider::Media::kForm: return store::Content::kForm;
    case provider::Media::kMultipart: return store::Content::kMultipart;
    case provider::Media::kOther: break;
  }
  return store::Content::kOpaque;
}

// What all events of a request share.
struct Shared {
  std::string envelope;  // without the fields that an item has
  std::string raw_head;  // without index and count
};

struct Verified {
  verify::Verdict verdict;
  bool required = true;
};

Shared WriteShared(const SourceConfig& source, std::string_view method, std::string_view target,
                   std::span<const Header> headers, const Verified& verified, absl::Time received_at,
                   std::string_view request_id) {
  Shared shared;
  std::string verification;
  WireWriter nested(verification);
  nested.Bytes(v1::Verification::kPresetFieldNumber, source.preset->name);
  nested.Bytes(v1::Verification::kSchemeFieldNumber,
               verified.required ? verified.verdict.scheme : std::string_view("none"));
  const bool ok = verified.required && verified.verdict.ok;
  if (ok) {
    nested.Bytes(v1::Verification::kKeyIdFieldNumber, verified.verdict.key_id);
    if (verified.verdict.signed_at)
      nested.Timestamp(v1::Verification::kSignedAtFieldNumber, *verified.verdict.signed_at);
  }
  nested.Varint(v1::Verification::kResultFieldNumber, !verified.required ? v1::VERIFICATION_RESULT_NOT_REQUIRED
                                                      : ok               ? v1::VERIFICATION_RESULT_VERIFIED
                                                                         : v1::VERIFICATION_RESULT_REFUSED);
  if (verified.required && !ok) {
    nested.Bytes(v1::Verification::kReasonFieldNumber, verify::ReasonName(verified.verdict.reason));
  }

  shared.envelope.reserve(320);
  WireWriter envelope(shared.envelope);
  envelope.Bytes(v1::Event::kSourceFieldNumber, source.name);
  envelope.Bytes(v1::Event::kProviderFieldNumber, source.preset->family);
  envelope.Timestamp(v1::Event::kReceivedAtFieldNumber, received_at);
  envelope.Element(v1::Event::kVerificationFieldNumber, verification);
  if (const std::string_view trace = OnlyHeader(headers, "traceparent"); IsTraceparent(trace)) {
    envelope.Bytes(v1::Event::kTraceparentFieldNumber, trace);
  }

  size_t bytes = 64 + target.size() + request_id.size();
  for (const Header& header : headers) bytes += header.name.size() + header.value.size() + 10;
  shared.raw_head.reserve(bytes);
  WireWriter raw(shared.raw_head);
  for (const Header& header : headers) {
    if (absl::EqualsIgnoreCase(ToAbsl(header.name), "content-type")) {
      WriteText(raw, v1::Raw::kContentTypeFieldNumber, header.value);
      break;
    }
  }
  for (const Header& header : headers) raw.Pair(v1::Raw::kHeadersFieldNumber, header.name, header.value);
  WriteText(raw, v1::Raw::kTargetFieldNumber, target);
  raw.Bytes(v1::Raw::kMethodFieldNumber, method);
  raw.Bytes(v1::Raw::kRequestIdFieldNumber, request_id);
  return shared;
}

}  // namespace

std::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kUnknownSource: return "unknown_source";
    case Reason::kMethodNotAllowed: return "method_not_allowed";
    case Reason::kSignatureInvalid: return "signature_invalid";
    case Reason::kBodyTooLarge: return "body_too_large";
    case Reason::kRateLimited: return "rate_limited";
    case Reason::kStoreFull: return "store_full";
    case Reason::kUnavailable: return "unavailable";
    case Reason::kNotFetched: return "not_fetched";
  }
  return "unknown";
}

struct Ingest::Source {
  const std::shared_ptr<KeyStats>* FindKey(std::string_view id) const {
    for (size_t i = 0; i < named_keys.size(); ++i) {
      if (named_keys[i].id == id) return &keys[i];
    }
    return nullptr;
  }

  SourceConfig config;
  std::optional<provider::Provider> without_rules;  // the preset of a source with `verification: none`
  std::unique_ptr<verify::Verifier> verifier;
  std::string allow;
  int64_t body_bytes_max = 0;
  bool reads_credentials = false;
  std::optional<Reply> accepted;
  std::optional<Reply> rejected;
  // Shared with the sources of this name before and after a reload.
  std::shared_ptr<SourceStats> stats;
  // All keys that may verify: the configuration's, its further values that are keys, the learnt ones, and the fetched
  // ones as one.
  std::vector<verify::Key> named_keys;
  std::vector<std::shared_ptr<KeyStats>> keys;  // as named_keys
  std::shared_ptr<verify::KeyRing> ring;
};

struct Ingest::Snapshot {
  // absl::flat_hash_map finds std::string_view only through the std hash of std::string keys: given here.
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return absl::HashOf(ToAbsl(text)); }
  };
  const Source* Find(std::string_view name) const {
    const auto it = sources.find(name);
    return it == sources.end() ? nullptr : it->second.get();
  }

  absl::flat_hash_map<std::string, std::unique_ptr<const Source>, Hash, std::equal_to<>> sources;
};

// A request between its Append and what comes of it.
struct Ingest::Pending {
  Ingest* ingest;
  std::shared_ptr<const Snapshot> snapshot;  // keeps the source
  const Source* source;
  bool many = false;  // the request may carry several events
  std::string request_id;
  std::string type;  // of the first event, for the log
  MonoTime started;
  Done done;
};

// A request that waits for a key, with everything that its views need.
struct Ingest::Held {
  std::string source;
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Done done;
};

Ingest::Ingest(Options options, store::Store& store, const Clock& clock, metrics::Registry& registry)
    : options_(std::move(options)),
      store_(store),
      clock_(clock),
      registry_(registry),
      metrics_(std::make_unique<Metrics>(registry, clock.WallNow())),
      key_fetcher_(std::make_unique<KeyFetcher>(options_.fetch, clock)),
      snapshot_(std::make_shared<const Snapshot>()) {}

Ingest::~Ingest() = default;

std::shared_ptr<const Ingest::Snapshot> Ingest::Current() const {
  MutexLock lock(mutex_);
  return snapshot_;
}

absl::StatusOr<std::shared_ptr<const Ingest::Snapshot>> Ingest::Build(const std::vector<SourceConfig>& sources) const {
  const auto before = Current();
  const absl::Time now = clock_.WallNow();
  auto after = std::make_shared<Snapshot>();
  for (const SourceConfig& config : sources) {
    const auto invalid = [name = config.name](std::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("source \"", name, "\": ", ToAbsl(what)));
    };
    if (!IsName(config.name)) return invalid("a name has 1 to 63 characters of [a-z0-9-]");
    if (after->Find(config.name) != nullptr) return invalid("is there twice");
    if (config.preset == nullptr) return invalid("has no provider");
    const provider::Provider& preset = *config.preset;
    const bool unverifiable =
        preset.verify.empty() || std::any_of(preset.verify.begin(), preset.verify.end(),
                                             [](const auto& rule) { return rule.scheme == provider::Scheme::kNone; });
    if (config.verification_none && !config.keys.empty()) return invalid("\"verification: none\" takes no keys");
    if (!config.verification_none && unverifiable) {
      return invalid("its provider signs nothing, which needs \"verification: none\" in so many words");
    }
    const bool learns = std::any_of(preset.handshakes.begin(), preset.handshakes.end(),
                                    [](const provider::HandshakeRule& rule) { return !rule.learn.empty(); });
    if (config.learn_keys_until != absl::InfinitePast() && !learns) {
      return invalid("learn_keys_until: its provider tells no keys");
    }
    std::vector<verify::Key> keys = config.keys;
    if (const auto known = learnt_.find(config.name); learns && known != learnt_.end()) {
      for (const LearntKey& key : known->second) keys.push_back({.id = key.id, .secret = key.secret});
    }
    if (config.dedupe_window < absl::ZeroDuration() || config.dedupe_window > kDedupeWindowMax) {
      return invalid("dedupe_window is 0 to 30 days");
    }
    if (!(config.requests_per_second_max >= 0 && config.requests_per_second_max <= 1e6)) {
      return invalid("rate_limit is 0 to 1,000,000 a second");
    }
    if (config.body_bytes_max <= 0) return invalid("max_body has to be positive");

    auto source = std::make_unique<Source>();
    verify::Options verify_options;
    verify_options.max_age = config.max_age;
    verify_options.keys_are_learnt = config.learn_keys_until != absl::InfinitePast();
    if (config.verification_none) {
      // Its rules would ask for keys; handshakes are still answered.
      source->without_rules = preset;
      source->without_rules->verify.clear();
    }
    auto verifier = verify::Verifier::Create(source->without_rules ? *source->without_rules : preset, keys,
                                             config.params, verify_options);
    if (!verifier.ok()) return invalid(std::string(verifier.status().message()));
    source->verifier = *std::move(verifier);
    source->allow = absl::StrJoin(preset.methods, ", ");
    source->body_bytes_max = config.body_bytes_max;
    if (preset.body_bytes_max) {
      source->body_bytes_max = std::min(source->body_bytes_max, static_cast<int64_t>(*preset.body_bytes_max));
    }
    source->reads_credentials = provider::ReadsCredentials(preset);
    if (preset.accepted) source->accepted = verify::RenderReply(*preset.accepted);
    if (preset.rejected) source->rejected = verify::RenderReply(*preset.rejected);
    const Source* old = before->Find(config.name);
    source->stats = old != nullptr ? old->stats : std::make_shared<SourceStats>(registry_, config.name, now);
    for (const std::string_view id : source->verifier->KeyIds()) {
      const auto configured =
          std::find_if(keys.begin(), keys.end(), [&](const verify::Key& key) { return key.id == id; });
      source->named_keys.push_back(configured != keys.end() ? *configured
                                                            : verify::Key{.id = std::string(id), .secret = {}});
    }
    if (source->verifier->FetchesKeys()) source->named_keys.push_back({.id = std::string(kFetchedKeyId), .secret = {}});
    const bool same_keys = old != nullptr && old->config.preset == config.preset && old->config.params == config.params;
    source->ring = same_keys ? old->ring : std::make_shared<verify::KeyRing>(options_.trust);
    for (const verify::Key& key : source->named_keys) {
      const auto* stats = old != nullptr ? old->FindKey(key.id) : nullptr;
      source->keys.push_back(stats != nullptr ? *stats
                                              : std::make_shared<KeyStats>(registry_, config.name, key.id, now));
    }
    source->config = config;
    std::string name = source->config.name;
    after->sources.emplace(std::move(name), std::move(source));
  }
  return after;
}

absl::Status Ingest::Install(const std::vector<SourceConfig>& sources) {
  HS_ASSIGN_OR_RETURN(auto after, Build(sources));
  MutexLock lock(mutex_);
  snapshot_ = std::move(after);
  return absl::OkStatus();
}

absl::Status Ingest::ReplaceSources(std::vector<SourceConfig> sources) {
  MutexLock lock(build_mutex_);
  HS_RETURN_IF_ERROR(Install(sources));
  configured_ = std::move(sources);
  return absl::OkStatus();
}

absl::Status Ingest::RestoreLearntKeys() {
  std::promise<absl::StatusOr<std::vector<store::Record>>> listed;
  store_.ListRecords(std::string(kLearntKeysPrefix), [&listed](auto records) { listed.set_value(std::move(records)); });
  HS_ASSIGN_OR_RETURN(const std::vector<store::Record> records, listed.get_future().get());
  MutexLock lock(build_mutex_);
  for (const store::Record& record : records) {
    HS_ASSIGN_OR_RETURN(learnt_[std::string(LearntKeysSource(record.name))], ParseLearntKeys(record.value));
  }
  return absl::OkStatus();
}

void Ingest::LearnKey(const std::string& source, std::string secret, absl::Time now,
                      absl::AnyInvocable<void(absl::Status) &&> done) {
  absl::Status status;
  store::Record record;
  LearntKey key;
  {
    MutexLock lock(build_mutex_);
    std::vector<LearntKey>& keys = learnt_[source];
    const auto same = [&](const LearntKey& other) { return other.secret == secret; };
    const auto configured = std::find_if(configured_.begin(), configured_.end(),
                                         [&](const SourceConfig& config) { return config.name == source; });
    const size_t count = keys.size() + (configured == configured_.end() ? 0 : configured->keys.size());
    // Where the provider asks again it is known, or will be when the first request is answered: then `key` has no id.
    const bool known = std::any_of(keys.begin(), keys.end(), same);
    if (!known && count >= verify::kMaxKeys) {
      status = absl::ResourceExhaustedError("the source has as many keys as one can have");
    } else if (!known) {
      key = {LearntKeyId(now, keys), std::move(secret), absl::FromUnixMillis(absl::ToUnixMillis(now))};
      keys.push_back(key);
      // A secret that the preset can't use must not stand in the way of the others.
      status = Install(configured_);
      if (!status.ok()) keys.pop_back();
    }
    record = {LearntKeysRecord(source), EncodeLearntKeys(keys)};
  }
  if (!status.ok()) return std::move(done)(status);
  store_.PutRecord(std::move(record), [this, source, id = key.id, done = std::move(done)](absl::Status stored) mutable {
    if (!stored.ok() && !id.empty()) {
      MutexLock lock(build_mutex_);
      std::erase_if(learnt_[source], [&](const LearntKey& known) { return known.id == id; });
      stored.Update(Install(configured_));
    }
    if (stored.ok() && !id.empty()) Log(LogLevel::kWarning, "key learnt", {{"source", source}, {"key", id}});
    std::move(done)(stored);
  });
}

absl::StatusOr<std::vector<LearntKey>> Ingest::ListLearntKeys(std::string_view source) const {
  MutexLock lock(build_mutex_);
  const auto found = learnt_.find(source);
  if (found != learnt_.end()) return found->second;
  if (Current()->Find(source) == nullptr) return absl::NotFoundError("there is no such source");
  return std::vector<LearntKey>();
}

void Ingest::ForgetLearntKey(std::string_view source, std::string_view key_id,
                             absl::AnyInvocable<void(absl::Status) &&> done) {
  absl::Status status;
  store::Record record;
  {
    MutexLock lock(build_mutex_);
    const auto found = learnt_.find(source);
    const size_t erased = found == learnt_.end()
                              ? 0
                              : std::erase_if(found->second, [&](const LearntKey& key) { return key.id == key_id; });
    if (erased == 0) {
      status = absl::NotFoundError("the source has no such learnt key");
    } else {
      record = {LearntKeysRecord(source), EncodeLearntKeys(found->second)};
      status = Install(configured_);
    }
  }
  if (!status.ok()) return std::move(done)(status);
  store_.PutRecord(std::move(record), std::move(done));
}

void Ingest::SetHealth(const absl::Status& health) {
  const bool was = available_.exchange(health.ok());
  if (was && !health.ok()) {
    Log(LogLevel::kError, "webhooks are refused", {{"reason", health.message()}});
  } else if (!was && health.ok()) {
    Log(LogLevel::kInfo, "webhooks are accepted again");
  }
}

const Ingest::Source* Ingest::Check(const Snapshot& snapshot, std::string_view name, std::string_view method,
                                    std::optional<Refused>& refused) {
  const Source* source = snapshot.Find(name);
  if (source == nullptr) {
    metrics_->unknown.refused[static_cast<size_t>(Reason::kUnknownSource)].Increment();
    LogRefused(metrics_->unknown, name, Reason::kUnknownSource, {});
    refused.emplace(Refused{.reason = Reason::kUnknownSource, .allow = {}, .reply = {}});
    return nullptr;
  }
  const auto& methods = source->config.preset->methods;
  if (std::find(methods.begin(), methods.end(), method) == methods.end()) {
    refused = Refuse(*source, Reason::kMethodNotAllowed);
  } else if (!available_.load(std::memory_order_relaxed)) {
    refused = Refuse(*source, Reason::kUnavailable, kRetryWhenUnavailable);
  }
  return source;
}

Refused Ingest::Refuse(const Source& source, Reason reason, absl::Duration retry_after, std::string_view error) {
  source.stats->refused[static_cast<size_t>(reason)].Increment();
  // A signature's line was written where it failed.
  if (reason != Reason::kSignatureInvalid) LogRefused(*source.stats, source.config.name, reason, error);
  Refused refused{.reason = reason, .retry_after = retry_after, .allow = {}, .reply = {}};
  if (reason == Reason::kMethodNotAllowed) refused.allow = source.allow;
  if (reason == Reason::kSignatureInvalid) refused.reply = source.rejected;
  return refused;
}

void Ingest::LogRefused(SourceStats& stats, std::string_view source, Reason reason, std::string_view error) {
  const auto suppressed = stats.log.Admit(clock_.MonoNow());
  if (!suppressed) return;
  Log(LogLevel::kWarning, "webhook refused",
      {{"source", source}, {"reason", ReasonName(reason)}, {"error", error}, {"suppressed", *suppressed}});
}

Ingest::Admission Ingest::Admit(std::string_view name, std::string_view method) {
  Admission admission;
  // Keeps the source while it is read: a reload may replace the set at any moment.
  const auto snapshot = Current();
  const Source* source = Check(*snapshot, name, method, admission.refused);
  if (source != nullptr) admission.body_bytes_max = source->body_bytes_max;
  return admission;
}

void Ingest::Handle(HttpRequest request, Done done) { Process(std::move(request), std::move(done), /*again=*/false); }

void Ingest::WaitForKey(const Source& source, const verify::Verdict& verdict, HttpRequest request, Done done) {
  auto held = std::make_shared<Held>();
  held->source = request.source;
  held->method = request.method;
  held->target = request.target;
  for (const Header& header : request.headers) held->headers.emplace_back(header.name, header.value);
  held->body = std::move(request.body);
  held->done = std::move(done);
  key_fetcher_->Want(source.ring, verdict.fetch, [this, held] {
    std::vector<Header> headers;
    for (const auto& [name, value] : held->headers) headers.push_back({name, value});
    Process({held->source, held->method, held->target, headers, std::move(held->body)}, std::move(held->done),
            /*again=*/true);
  });
}

void Ingest::AnswerHandshake(std::shared_ptr<const Snapshot> snapshot, const Source& source,
                             verify::Handshake handshake, absl::Time now, Done done) {
  SourceStats& stats = *source.stats;
  const std::string& name = source.config.name;
  // What has to be done before the answer, and how it went.
  auto finish = [this, snapshot = std::move(snapshot), &source, done = std::move(done),
                 reply = std::move(handshake.reply)](absl::Status status) mutable {
    if (!status.ok())
      return std::move(done)(Refuse(source, Reason::kNotFetched, kRetryWhenUnavailable, std::string(status.message())));
    source.stats->handshakes.Increment();
    // Anyone can send one that needs no signature.
    if (const auto suppressed = source.stats->log.Admit(clock_.MonoNow())) {
      Log(LogLevel::kInfo, "handshake answered",
          {{"source", source.config.name}, {"status", reply.status}, {"suppressed", *suppressed}});
    }
    std::move(done)(std::move(reply));
  };
  if (!handshake.fetch_url.empty()) {
    if (!options_.fetch) return finish(absl::UnavailableError("nothing can be fetched"));
    return options_.fetch(
        {handshake.fetch_url, {}},
        [finish = std::move(finish)](absl::StatusOr<Fetched> fetched) mutable { finish(fetched.status()); });
  }
  if (!handshake.learnt_key.empty()) {
    if (now < source.config.learn_keys_until) {
      return LearnKey(name, std::move(handshake.learnt_key), now, std::move(finish));
    }
    if (const auto suppressed = stats.log.Admit(clock_.MonoNow())) {
      Log(LogLevel::kWarning, "a provider told a key, and the source does not learn keys now (learn_keys_until)",
          {{"source", name}, {"suppressed", *suppressed}});
    }
  }
  finish(absl::OkStatus());
}

void Ingest::Process(HttpRequest request, Done done, bool again) {
  const auto snapshot = Current();
  std::optional<Refused> refused;
  const Source* source = Check(*snapshot, request.source, request.method, refused);
  if (refused) return std::move(done)(*std::move(refused));
  const SourceConfig& config = source->config;
  const provider::Provider& preset = *config.preset;
  SourceStats& stats = *source->stats;
  const MonoTime started = clock_.MonoNow();

  if (config.requests_per_second_max > 0 && !again) {
    const absl::Duration wait = stats.rate.Take(config.requests_per_second_max, started);
    if (wait > absl::ZeroDuration()) {
      return std::move(done)(Refuse(*source, Reason::kRateLimited, absl::Ceil(wait, absl::Seconds(1))));
    }
  }
  if (static_cast<int64_t>(request.body.size()) > source->body_bytes_max) {
    return std::move(done)(Refuse(*source, Reason::kBodyTooLarge));
  }

  const absl::Time received_at = clock_.WallNow();
  const provider::Request view{.method = request.method,
                               .target = request.target,
                               .public_url = options_.public_url,
                               .headers = request.headers,
                               .body = request.body,
                               .received = received_at};
  provider::Context context(view, preset.content);
  context.bindings().secrets = &config.params;

  const auto answer_handshake = [&](verify::HandshakePhase phase, std::string_view key_id) {
    if (preset.handshakes.empty()) return false;
    auto handshake = verify::MatchHandshake(*source->verifier, context, phase, key_id, received_at);
    if (!handshake) return false;
    AnswerHandshake(snapshot, *source, *std::move(handshake), received_at, std::move(done));
    return true;
  };

  if (answer_handshake(verify::HandshakePhase::kUnverified, {})) return;

  Verified verified{.verdict = {}, .required = !config.verification_none};
  if (verified.required) {
    verified.verdict = source->verifier->Verify(context, received_at, source->ring.get());
    // Whether it is genuine is unknown: never a 401, and never accepted.
    if (verified.verdict.reason == verify::Reason::kKeyNotFetched) {
      if (verified.verdict.fetch != nullptr && !again) {
        return WaitForKey(*source, verified.verdict, std::move(request), std::move(done));
      }
      return std::move(done)(Refuse(*source, Reason::kNotFetched, kRetryWhenUnavailable));
    }
    stats.verified.fetch_add(1, std::memory_order_relaxed);
    if (verified.verdict.signed_at) stats.SignedAt(*verified.verdict.signed_at, received_at, started);
    const auto reason = static_cast<size_t>(verified.verdict.reason);
    if (verified.verdict.ok) {
      const bool fetched = verified.verdict.fetched != nullptr;
      if (const auto* key = source->FindKey(fetched ? kFetchedKeyId : verified.verdict.key_id))
        (*key)->Hit(received_at);
    } else {
      (config.enforce ? stats.failed : stats.audited)[reason].Increment();
      if (const auto suppressed = stats.log.Admit(started)) {
        Log(LogLevel::kWarning, config.enforce ? "webhook refused" : "webhook accepted unverified: audit mode",
            {{"source", config.name},
             {"reason", verify::ReasonName(verified.verdict.reason)},
             {"key", verified.verdict.key_id},
             {"body_bytes", request.body.size()},
             {"suppressed", *suppressed}});
      }
      if (config.enforce) return std::move(done)(Refuse(*source, Reason::kSignatureInvalid));
    }
  }
  // Never for a request that only audit mode lets pass: a computed reply would sign texts of a stranger's choice.
  const bool trusted = !verified.required || verified.verdict.ok;
  if (trusted && answer_handshake(verify::HandshakePhase::kVerified, verified.verdict.key_id)) return;

  // From here on nothing that was a credential.
  std::optional<provider::MaskedRequest> masked;
  std::vector<Header> masked_headers;
  if (source->reads_credentials) masked = provider::MaskCredentials(preset, context);
  provider::Request clean = view;
  std::optional<provider::Context> clean_context;
  if (masked) {
    for (const auto& header : masked->headers) masked_headers.push_back({header.name, header.value});
    clean.headers = masked_headers;
    clean.target = masked->target;
    clean.body = masked->body;
    clean_context.emplace(clean, preset.content);
    clean_context->bindings().secrets = &config.params;
  }
  provider::Context& readable = masked ? *clean_context : context;
  std::string& body = masked ? masked->body : request.body;

  provider::Extracted extracted = provider::Extract(preset, readable);
  if (!extracted.parsed) stats.unparsed.Increment();
  const bool many = extracted.many;
  if (extracted.items.empty()) {
    stats.accepted.Increment();
    Log(LogLevel::kDebug, "webhook without events", {{"source", config.name}});
    return std::move(done)(Accepted{.events = {}, .tag = 0, .many = many, .reply = source->accepted});
  }

  auto pending = std::make_shared<Pending>();
  pending->request_id = absl::StrCat(absl::Hex(options_.instance, absl::kZeroPad16), "-",
                                     absl::Hex(next_request_.fetch_add(1, std::memory_order_relaxed)));
  const Shared shared =
      WriteShared(config, request.method, clean.target, clean.headers, verified, received_at, pending->request_id);
  metrics_->body_bytes.Observe(static_cast<double>(body.size()));

  std::vector<store::NewEvent> events;
  events.reserve(extracted.items.size());
  bool takes_body = false;
  for (provider::ExtractedItem& item : extracted.items) {
    store::NewEvent& event = events.emplace_back();
    if (!item.provider_event_id.empty()) {
      // What only audit mode lets pass must not stand in the way of the genuine event with the same id.
      event.dedupe = trusted ? HashOf(item.provider_event_id)
                             : HashOf(absl::StrCat(absl::string_view("refused\0", 8), item.provider_event_id));
    }
    event.dedupe_window = config.dedupe_window;
    if (!item.ordering_key.empty()) event.ordering_key = HashOf(item.ordering_key);

    store::EventData& data = event.data;
    const bool whole_body = item.body.data() == body.data() && item.body.size() == body.size();
    data.source = config.name;
    data.provider = preset.family;
    data.received_at = received_at;
    data.content = ContentOf(preset.content, readable, whole_body);
    data.envelope = shared.envelope;
    WireWriter envelope(data.envelope);
    envelope.Bytes(v1::Event::kTypeFieldNumber, item.type);
    envelope.Bytes(v1::Event::kProviderEventIdFieldNumber, item.provider_event_id);
    envelope.Bytes(v1::Event::kOrderingKeyFieldNumber, item.ordering_key);
    if (item.occurred_at) envelope.Timestamp(v1::Event::kOccurredAtFieldNumber, *item.occurred_at);
    for (const auto& [name, value] : item.attributes) envelope.Pair(v1::Event::kAttributesFieldNumber, name, value);
    data.raw_head = shared.raw_head;
    WireWriter raw(data.raw_head);
    raw.Varint(v1::Raw::kIndexFieldNumber, item.index);
    raw.Varint(v1::Raw::kCountFieldNumber, extracted.items.size());
    data.type = std::move(item.type);
    if (whole_body && extracted.items.size() == 1) {
      takes_body = true;
    } else {
      data.body = item.body;
    }
  }
  pending->ingest = this;
  pending->snapshot = snapshot;
  pending->source = source;
  pending->many = many;
  pending->type = events.front().data.type;
  pending->done = std::move(done);
  // Last: the views into it end here.
  if (takes_body) events.front().data.body = std::move(body);

  pending->started = clock_.MonoNow();
  metrics_->process_seconds.Observe(absl::ToDoubleSeconds(pending->started - started));
  metrics_->appending.Increment();
  const absl::Status status = store_.Append(
      std::move(events),
      [pending](absl::StatusOr<std::vector<store::Appended>> appended) { Complete(*pending, std::move(appended)); });
  // The store then never calls back.
  if (!status.ok()) Complete(*pending, status);
}

void Ingest::Complete(Pending& pending, absl::StatusOr<std::vector<store::Appended>> appended) {
  const Source& source = *pending.source;
  SourceStats& stats = *source.stats;
  Ingest& ingest = *pending.ingest;
  ingest.metrics_->appending.Decrement();
  if (!appended.ok()) {
    Reason reason = Reason::kUnavailable;
    absl::Duration retry_after = kRetryWhenUnavailable;
    if (absl::IsResourceExhausted(appended.status())) {
      reason = Reason::kStoreFull;
      retry_after = kRetryWhenFull;
    } else if (absl::IsInvalidArgument(appended.status())) {
      // Larger than the engine can hold: trying again does not help.
      reason = Reason::kBodyTooLarge;
      retry_after = absl::ZeroDuration();
    }
    const std::string error(appended.status().message());
    std::move(pending.done)(ingest.Refuse(source, reason, retry_after, error));
    return;
  }
  ingest.metrics_->append_seconds.Observe(absl::ToDoubleSeconds(ingest.clock_.MonoNow() - pending.started));
  const auto duplicates = std::count_if(appended->begin(), appended->end(), [](const auto& a) { return a.duplicate; });
  const auto fresh = static_cast<int64_t>(appended->size()) - duplicates;
  stats.accepted.Increment();
  if (fresh > 0) stats.events.Increment(static_cast<double>(fresh));
  if (duplicates > 0) stats.duplicates.Increment(static_cast<double>(duplicates));
  Accepted accepted{
      .events = *std::move(appended), .tag = ingest.store_.Tag(), .many = pending.many, .reply = source.accepted};
  if (LogEnabled(LogLevel::kDebug)) {
    for (const store::Appended& event : accepted.events) {
      Log(LogLevel::kDebug, event.duplicate ? "event is a duplicate" : "event accepted",
          {{"event_id", FormatEventId(accepted.tag, event.seq)},
           {"source", source.config.name},
           {"type", pending.type},
           {"request_id", pending.request_id}});
    }
  }
  std::move(pending.done)(std::move(accepted));
}

namespace {

int64_t Sum(const std::vector<ReasonCount>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0},
                         [](int64_t sum, const ReasonCount& entry) { return sum + entry.count; });
}

void AddCount(std::vector<ReasonCount>& counts, std::string_view reason, const Tally& tally) {
  if (const int64_t count = tally.Value(); count > 0) counts.push_back({reason, count});
}

// Why a signature was refused stands for the refusal itself.
void ReadCounts(const SourceStats& stats, SourceInfo& info) {
  info.counting_since = stats.counting_since;
  info.accepted = stats.accepted.Value();
  info.verified = stats.verified.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    if (reason != Reason::kSignatureInvalid) AddCount(info.refused_by, ReasonName(reason), stats.refused[i]);
  }
  for (size_t i = 0; i < SourceStats::kVerifyReasons; ++i) {
    const std::string_view name = verify::ReasonName(static_cast<verify::Reason>(i));
    AddCount(info.refused_by, name, stats.failed[i]);
    AddCount(info.would_refuse_by, name, stats.audited[i]);
  }
  for (std::vector<ReasonCount>* counts : {&info.refused_by, &info.would_refuse_by}) {
    std::stable_sort(counts->begin(), counts->end(), [](const auto& a, const auto& b) { return a.count > b.count; });
  }
  info.refused = Sum(info.refused_by);
  info.would_refuse = Sum(info.would_refuse_by);
}

}  // namespace

std::vector<SourceInfo> Ingest::ListSources() const {
  const auto snapshot = Current();
  const MonoTime now = clock_.MonoNow();
  std::vector<SourceInfo> list;
  for (const auto& [name, source] : snapshot->sources) {
    SourceInfo& info = list.emplace_back();
    info.name = name;
    info.preset = source->config.preset->name;
    info.provider = source->config.preset->family;
    info.url = absl::StrCat(options_.public_url, "/webhooks/", name);
    info.enforce = source->config.enforce;
    ReadCounts(*source->stats, info);
    info.skew = source->stats->skew.Read(now);
    for (size_t i = 0; i < source->keys.size(); ++i) {
      const verify::Key& key = source->named_keys[i];
      const int64_t last = source->keys[i]->last_hit_nanos.load(std::memory_order_relaxed);
      info.keys.push_back({.id = key.id,
                           .not_before = key.not_before,
                           .not_after = key.not_after,
                           .hits = source->keys[i]->hits.Value(),
                           .last_hit_at = last < 0 ? absl::InfinitePast() : absl::FromUnixNanos(last),
                           .counting_since = source->keys[i]->counting_since});
    }
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return list;
}

}  // namespace hookstream::ingest
