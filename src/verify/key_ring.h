// Keys that a provider publishes and a source does not have: certificates and key sets, kept by their address once the
// caller has fetched them. The ring itself fetches nothing: it says what is missing, and is given the document.
//
// Lifecycle: one per source, so that sources don't share credentials or failures; thread-safe. Bounded: kMaxDocuments
// documents, the one that was used longest ago goes first.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "provider/provider.h"
#include "verify/key.h"

namespace hookstream::verify {

// What has to be fetched, as GET, or as POST of JSON where there is a body.
struct KeyRequest {
  provider::KeyFetch::Kind kind = provider::KeyFetch::Kind::kCertificate;
  std::string url;
  // Has credentials in it: never logged.
  std::string post_body;
  // Of the token; empty for certificates.
  std::string key_id;
  // Of certificates.
  std::shared_ptr<const re2::RE2> name_match;
  bool chain_required = true;

  // Tells one document from another.
  std::string DocumentName() const;
};

struct FetchedKey {
  KeyPtr key;
  std::string id;
};

using TrustStore = std::shared_ptr<X509_STORE>;

class KeyRing {
 public:
  static constexpr size_t kMaxDocuments = 64;
  static constexpr size_t kMaxKeys = 64;  // of one set
  static constexpr size_t kMaxDocumentBytes = 256 << 10;

  // `trust`: roots for certificates; null: chains that have to end at one are refused.
  explicit KeyRing(TrustStore trust) : trust_(std::move(trust)) {}

  enum class State {
    kFound,
    kUnknown,  // the document was had a moment ago, and has no such key: the provider does not know it
    kMissing,  // has to be fetched
    kFailed,   // was tried a moment ago and failed, or too many are wanted: not yet again
  };
  struct Found {
    State state;
    std::shared_ptr<const FetchedKey> key;
  };

  // With kMissing the caller is expected to fetch, once for all that ask meanwhile, and to say how it went. The ring
  // asks for at most kFetchesPerMinute documents a minute, and says kFailed beyond that: a sender makes up names of
  // keys at no cost.
  static constexpr int kFetchesPerMinute = 30;
  Found Find(const KeyRequest& request, absl::Time now);

  // What the fetch brought. Not OK: it is no such document, or a certificate that can't be trusted; counts as a
  // failure. `max_age`: what its sender said, kept between 5 minutes and a day; none: an hour.
  absl::Status Put(const KeyRequest& request, std::string_view document, std::optional<absl::Duration> max_age,
                   absl::Time now);
  // The fetch failed: not again for 10 seconds.
  void PutFailure(const KeyRequest& request, absl::Time now);

 private:
  struct Document {
    std::map<std::string, std::shared_ptr<const FetchedKey>, std::less<>> keys;
    absl::Time fetched_at = absl::InfinitePast();
    absl::Time expires_at = absl::InfinitePast();
    absl::Time failed_at = absl::InfinitePast();
    absl::Time used_at = absl::InfinitePast();
    absl::Time asked_at = absl::InfinitePast();  // a fetch is under way since; InfinitePast: none
  };

  Document& At(const std::string& name, absl::Time now) HS_REQUIRES(mutex_);

  const TrustStore trust_;
  Mutex mutex_;
  std::map<std::string, Document, std::less<>> documents_ HS_GUARDED_BY(mutex_);
  absl::Time minute_ HS_GUARDED_BY(mutex_) = absl::InfinitePast();
  int fetches_ HS_GUARDED_BY(mutex_) = 0;
};

}  // namespace hookstream::verify
