// The HTTP/1.1 server of the relay: sockets, limits, timeouts. What a request means is its handler's.
//
//   edge::WebhookHandler webhooks(ingest);            // or edge::AdminHandler
//   edge::Server server(options, webhooks, registry);
//   HS_RETURN_IF_ERROR(server.Start());  ...  server.Drain(deadline);  server.Stop();
//
// One loop (io_context and thread) per `threads`; a connection stays on the loop that it was given to, and all of its
// state is touched there only. Requests of a connection are answered one after the other, in their order.
//
// Bounds: connections, bytes of a head, header lines, bytes of a body (the handler's word), bytes of all bodies that
// are being read or handled, bytes read ahead (one read buffer), and a time for each phase: idle, head, body, handling,
// writing. Timeouts are looked at in ticks of a quarter of the shortest, at most half a second, so one comes up to two
// ticks late.
//
// Threads: Start, Drain and Stop from the owner's thread, in this order; the others from any.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "metrics/metrics.h"
#include "provider/request.h"

namespace hookstream::edge {

using Header = provider::HeaderView;

struct ServerOptions {
  std::string name = "http";            // the label `server` of the metrics, and in log lines
  std::string listen = "0.0.0.0:8080";  // address:port; port 0: any free one; [::]:port for IPv6
  int threads = 2;
  int connections_max = 10'000;  // over it: 503 and close
  int head_bytes_max = 16 << 10;
  int head_lines_max = 100;
  // Memory of all bodies that are being read or handled; over it: 503 and close. Counted until the handler has answered
  // or dropped its Respond, also when the sender has gone before.
  int64_t buffered_bytes_max = 256 << 20;
  absl::Duration idle_timeout = absl::Seconds(75);    // between requests
  absl::Duration head_timeout = absl::Seconds(10);    // for a head, from its first byte; the first from the connection
  absl::Duration body_timeout = absl::Seconds(30);    // from the end of the head to the end of the body
  absl::Duration handle_timeout = absl::Seconds(30);  // until the handler has answered; then 503
  absl::Duration write_timeout = absl::Seconds(10);   // until the peer has taken the answer
  absl::Duration linger_timeout =
      absl::Seconds(2);  // reading what a refused sender still sends, so that it gets the answer
};

// Views live until Handler::Admit or Handler::Handle returns.
struct RequestHead {
  std::string_view method;
  std::string_view target;  // origin form: path and query, as sent
  std::string_view path;
  std::span<const Header> headers;
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: no such header
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;  // after this answer
};

// An error of the design: {"error":{"code":"...","message":"..."}}.
Response ErrorResponse(int status, std::string_view code, std::string_view message);

// Answers one request: called once, from any thread. A later answer, or one to a connection that is gone, is ignored.
using Respond = absl::AnyInvocable<void(Response) &&>;

// Called on the loops, on several at once; must not block.
class Handler {
 public:
  struct Wanted {
    int64_t body_bytes_max = 0;
  };

  virtual ~Handler() = default;
  // With the whole head there and nothing read of the body: an answer at once, or how large the body may be.
  virtual std::variant<Wanted, Response> Admit(const RequestHead& head) = 0;
  virtual void Handle(const RequestHead& head, std::string body, Respond respond) = 0;
};

class Server {
 public:
  // All three outlive the server; `handler` also every Respond that is outstanding.
  Server(ServerOptions options, Handler& handler, metrics::Registry& registry);
  // Stops.
  ~Server();

  // INVALID_ARGUMENT: no such address. UNAVAILABLE: the port is taken.
  absl::Status Start();
  // The port that is listened on, after Start.
  int Port() const;

  // Takes no new connection, closes idle ones, answers requests that have begun with `Connection: close`; returns when
  // all are closed or `timeout` has passed.
  void Drain(absl::Duration timeout);
  // Cuts what is left and joins the threads. Outstanding Responds may still be called, and do nothing.
  void Stop();

  int Connections() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;  // shared with connections: an answer may come after Stop
};

}  // namespace hookstream::edge
