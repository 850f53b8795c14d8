// The relay's requests to the internet: keys and certificates that a webhook names or a provider's API gives out, and
// the confirmation of subscriptions. Every one of them goes through here.
//
//   outbound::Client client(options, registry);
//   HS_RETURN_IF_ERROR(client.Start());
//   client.Fetch({.url = "https://..."}, [](absl::StatusOr<outbound::Response> response) { ... });
//   client.Stop();
//
// What a URL of a stranger can reach: a host of the public DNS, at port 443, by TLS 1.2 or later with a certificate for
// that name from an authority that is trusted. The name is looked up once; all of its addresses have to be public
// (address.h), and the connection goes to one of these, so a second answer of the DNS has no say. `Options::resolve` is
// the only way to any other address. No redirect is followed, no proxy and no cookie used, nothing tried twice, and a
// connection carries one request. Not checked: whether a certificate was revoked, and whether a public address is one
// of our own.
//
// Limits: requests under way, requests that wait for their turn, one time for all of a request, the answer's head
// (16 KiB) and body.
//
// Threads: Start and Stop from the owner's thread, once each; Fetch from any. All runs on one thread, `outbound`, but
// for the lookups (resolver.h).
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "metrics/metrics.h"
#include "outbound/address.h"
#include "outbound/message.h"
#include "outbound/resolver.h"

namespace hookstream::outbound {

// Connections to `host` go to `endpoint`, whatever address that is, and the name is not looked up. All else stays as it
// is: the URL names port 443, and the certificate has to be the host's.
struct Resolve {
  std::string host;  // as ParseHost gives it
  Endpoint endpoint;
};

struct Options {
  // From Fetch to the end of the answer: the wait for a turn, lookup, connection, TLS, request and answer together.
  absl::Duration timeout = absl::Seconds(5);
  int64_t response_bytes_max = 256 << 10;
  int requests_max = 16;  // at one time
  int waiting_max = 256;  // for their turn; over it Fetch fails at once
  // PEM file of the authorities that are trusted. Empty: the system's, as OpenSSL finds them (SSL_CERT_FILE and
  // SSL_CERT_DIR are honoured).
  std::string ca_file;
  std::vector<Resolve> resolve;  // several of a host are tried in their order
  std::string user_agent = "hookstream";
};

// INVALID_ARGUMENT: it can't be read, or there is no certificate in it.
absl::Status CheckCaFile(const std::string& path);
// The same authorities, for what is checked besides connections: certificates that sign webhooks.
absl::StatusOr<std::shared_ptr<X509_STORE>> LoadTrust(const std::string& ca_file);

using Done = absl::AnyInvocable<void(absl::StatusOr<Response>) &&>;

class Client {
 public:
  // `registry` outlives the client. `lookup` is another one in tests.
  Client(Options options, metrics::Registry& registry, Lookup lookup = SystemLookup);
  // Stops.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // As CheckCaFile.
  absl::Status Start();
  // Ends what is under way or waits with CANCELLED, and returns when that has been said to all of them.
  void Stop();

  // `done` is called once: on the client's thread, which it must not block; or within Fetch, when the request is
  // refused at once. It may call Fetch, but not Stop. An error says the host, and nothing else of the URL, the headers
  // or the bodies:
  //   INVALID_ARGUMENT     at once: the URL (url.h) or the request (message.h) is not one that can be sent
  //   RESOURCE_EXHAUSTED   at once: too many wait
  //   PERMISSION_DENIED    the host has an address that is not public
  //   DEADLINE_EXCEEDED    the timeout passed
  //   UNAVAILABLE, NOT_FOUND, FAILED_PRECONDITION   the answer was not 2xx, or unusable: see answer_reader.h;
  //                        UNAVAILABLE also: no address, no connection, or a certificate that was not accepted
  //   CANCELLED            the client is stopped (then at once), or was not started
  void Fetch(Request request, Done done);

 private:
  class Core;
  const std::unique_ptr<Core> core_;
};

}  // namespace hookstream::outbound
