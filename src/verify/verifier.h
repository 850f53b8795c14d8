// Decides whether a request comes from whom it says: a preset's rules with a source's keys.
//
// Lifecycle: made once per source and configuration; keys are decoded and their MAC states computed then. `Verify` is
// const and thread-safe. Comparisons take the same time wherever the first difference is.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "provider/context.h"
#include "provider/provider.h"
#include "verify/key_ring.h"

namespace hookstream::verify {

inline constexpr size_t kMaxKeys = 16;
// Signatures of one request that are looked at; a request with more is malformed.
inline constexpr size_t kMaxSignatures = 16;

struct Key {
  // Names the key in verdicts; never secret.
  std::string id;
  // Exactly as the provider's page shows it; the preset knows how it is decoded. For `basic`: "user:password".
  std::string secret;
  // Valid from `not_before` until just before `not_after`.
  absl::Time not_before = absl::InfinitePast();
  absl::Time not_after = absl::InfiniteFuture();
};

// Values of `secret.N` by name.
using Params = std::map<std::string, std::string, std::less<>>;

// A source's own settings over the preset's.
struct Options {
  std::optional<absl::Duration> max_age;
  std::optional<absl::Duration> max_future;
  // How keys are written, for a provider that is known to differ from its family.
  std::optional<provider::KeyForm> key_form;
  // No key at first is no error: the source learns them. Until then everything is refused.
  bool keys_are_learnt = false;
};

enum class Reason {
  kNone,
  kNoRule,  // no rule of the preset is for such a request
  kSignatureMissing,
  kSignatureMismatch,
  kHeaderMalformed,  // the signature or its time can't be read
  kDuplicateHeader,  // a header that is signed or holds the signature came twice
  kTimestampMissing,
  kTimestampStale,
  kTimestampFuture,
  kSignedValueMissing,  // something that is signed is not in the request
  kRequirementFailed,   // e.g. the body's hash
  kKeyNotValidNow,      // the right key, outside its time
  kTokenInvalid,        // a claim of the token is not what it has to be, or it is signed another way
  kKeyAddressRefused,   // the key is said to lie at an address where the provider has none
  kKeyNotFetched,       // whether it is genuine is unknown: the provider's key could not be had, or not yet
  kUnknownKey,          // the request names a key that is not configured, or that its provider does not know
};
inline constexpr size_t kReasonCount = static_cast<size_t>(Reason::kUnknownKey) + 1;

// Stable text for logs, metrics and Verification.reason, e.g. "signature_mismatch". Empty for kNone.
std::string_view ReasonName(Reason reason);

struct Verdict {
  bool ok = false;
  Reason reason = Reason::kNone;
  // Of the rule that was applied, e.g. "hmac-sha256"; empty when none applies.
  std::string_view scheme;
  // The key that matched (also with kKeyNotValidNow); lives as long as the verifier and the verdict.
  std::string_view key_id;
  // The time that the provider signed, once the signature is right: also with kTimestampStale and kTimestampFuture, so
  // that a clock that is wrong can be told from a replay.
  std::optional<absl::Time> signed_at;
  // With kKeyNotFetched: what to fetch and put into the ring before the request is verified again. Null: not now.
  std::shared_ptr<const KeyRequest> fetch;
  // The key that matched, where it was fetched.
  std::shared_ptr<const FetchedKey> fetched;
};

class Verifier {
 public:
  // `provider` outlives the verifier. INVALID_ARGUMENT names the key and the form that its secret has to have, never
  // the secret; also for a missing or unknown parameter, a repeated key id, or keys where the scheme takes none.
  static absl::StatusOr<std::unique_ptr<Verifier>> Create(const provider::Provider& provider,
                                                          const std::vector<Key>& keys, const Params& params = {},
                                                          const Options& options = {});
  ~Verifier();
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  // `context` was made over the same provider's content. Leaves its bindings as it found them. `ring` has the keys that
  // a rule with `key_url` takes where the source has none of its own; null: such requests are refused.
  Verdict Verify(provider::Context& context, absl::Time now, KeyRing* ring = nullptr) const;

  // True when a request may need a key that has to be fetched.
  bool FetchesKeys() const;
  // Ids of all keys, `more_keys` too, each once; in the order of the configuration.
  std::vector<std::string_view> KeyIds() const;

  const provider::Provider& provider() const;
  const Params& params() const;

  // The decoded key for computed handshakes: the named one, or the first that is valid now. nullopt: there is none.
  std::optional<std::string_view> DecodedKey(std::string_view key_id, absl::Time now) const;

 private:
  struct State;
  explicit Verifier(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hookstream::verify
