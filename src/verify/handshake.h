// The requests by which a provider tests an endpoint: answered from the preset, never stored.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "provider/context.h"
#include "verify/verifier.h"

namespace hookstream::verify {

struct HandshakeReply {
  int status = 200;
  // Empty: no Content-Type.
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct Handshake {
  HandshakeReply reply;
  // To GET before the reply is given; empty: nothing. Has a token in its query: never logged.
  std::string fetch_url;
  // To keep as a key of the source before the reply is given; empty: nothing.
  std::string learnt_key;
};

enum class HandshakePhase {
  // Before verification: only handshakes that the provider sends unsigned (`verified: false`).
  kUnverified,
  // After verification succeeded.
  kVerified,
};

// nullopt: the request is no handshake of that phase. A handshake whose requirements fail gives status 403 (401 for a
// verified one), and one that needs what the request lacks, or an address that does not match, gives 400; both with an
// empty body.
// `key_id`: the key that verified the request; empty before verification.
std::optional<Handshake> MatchHandshake(const Verifier& verifier, provider::Context& context, HandshakePhase phase,
                                        std::string_view key_id, absl::Time now);

// A preset's `respond` entry as a reply.
HandshakeReply RenderReply(const provider::ReplyRule& rule);

}  // namespace hookstream::verify
