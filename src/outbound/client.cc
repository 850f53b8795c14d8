#include "outbound/client.h"

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <deque>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "outbound/answer_reader.h"
#include "outbound/url.h"

namespace hookstream::outbound {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
// The loop's own executor instead of the type-erased one.
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using SteadyClock = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<SteadyClock, asio::wait_traits<SteadyClock>, Executor>;

constexpr uint16_t kPort = 443;
// Of a host that are tried.
constexpr size_t kEndpointsMax = 4;
constexpr size_t kReadBytes = 16 << 10;

// How a request ended, as the metrics have it.
enum class Outcome : uint8_t {
  kOk,
  kBadRequest,
  kOverloaded,
  kRefusedAddress,
  kTimeout,
  kLookup,
  kConnect,
  kTls,
  kBadStatus,
  kBadAnswer,
  kCancelled
};
constexpr std::array<std::string_view, 11> kOutcomes = {"ok",         "bad_request", "overloaded", "refused_address",
                                                        "timeout",    "lookup",      "connect",    "tls",
                                                        "bad_status", "bad_answer",  "cancelled"};

class Metrics {
 public:
  Metrics(metrics::Registry& registry, const Options& options)
      : seconds(registry.AddHistogram("hookstream_outbound_request_seconds",
                                      "From a request's beginning to its end, the wait for its turn included",
                                      registry.LatencyBuckets())),
        requests(registry.AddGauge("hookstream_outbound_requests", "Requests that are under way or wait")) {
    registry.AddGauge("hookstream_outbound_requests_max", "Bound of the requests that are under way or wait")
        .Set(options.requests_max + options.waiting_max);
    for (size_t i = 0; i < kOutcomes.size(); ++i) {
      ended_[i] = &registry.AddCounter("hookstream_outbound_requests_total", "Requests by how they ended",
                                       {{"outcome", std::string(kOutcomes[i])}});
    }
  }

  metrics::Counter& Ended(Outcome outcome) const { return *ended_[static_cast<size_t>(outcome)]; }

  metrics::Histogram& seconds;
  metrics::Gauge& requests;

 private:
  std::array<metrics::Counter*, kOutcomes.size()> ended_;
};

absl::StatusOr<std::unique_ptr<asio::ssl::context>> MakeTls(const std::string& ca_file) {
  std::unique_ptr<asio::ssl::context> tls;
  try {
    tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
  } catch (const boost::system::system_error& error) {
    return absl::InternalError(absl::StrCat("TLS can't be set up: ", error.what()));
  }
  SSL_CTX* const native = tls->native_handle();
  // Whatever the machine's openssl.cnf says.
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_security_level(native, 2);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
  error_code ec;
  if (ca_file.empty()) {
    tls->set_default_verify_paths(ec);
    if (ec) return absl::InternalError(absl::StrCat("the system's certificates: ", ec.message()));
  } else {
    tls->load_verify_file(ca_file, ec);
    if (ec) {
      return absl::InvalidArgumentError(absl::StrCat("'", ca_file, "' is no readable PEM file with certificates"));
    }
  }
  return tls;
}

asio::ip::address ToAsio(const IpAddress& address) {
  if (address.v6) return asio::ip::address_v6(address.bytes);
  asio::ip::address_v4::bytes_type bytes;
  std::copy_n(address.bytes.begin(), bytes.size(), bytes.begin());
  return asio::ip::address_v4(bytes);
}

// SSL_set_tlsext_host_name, which is a macro with a C cast.
long SetServerName(SSL* ssl, std::string name) {
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
}

// The first ones, of both families in turn: where one of them leads nowhere, the other is tried before the time is up.
std::vector<Endpoint> Candidates(const std::vector<IpAddress>& addresses) {
  std::array<std::deque<IpAddress>, 2> families;
  for (const IpAddress& address : addresses) families[address.v6 == addresses.front().v6 ? 0 : 1].push_back(address);
  std::vector<Endpoint> endpoints;
  for (size_t turn = 0; endpoints.size() < std::min(kEndpointsMax, addresses.size()); ++turn) {
    std::deque<IpAddress>& family = families[turn % 2];
    if (family.empty()) continue;
    endpoints.push_back({family.front(), kPort});
    family.pop_front();
  }
  return endpoints;
}

// What all requests share.
struct Engine {
  Engine(Options client_options, metrics::Registry& registry, Lookup lookup)
      : options(std::move(client_options)), metrics(registry, options), resolver(std::move(lookup)) {}

  const Options options;
  const Metrics metrics;
  // Shared with lookups, which may end after the client.
  const std::shared_ptr<asio::io_context> io = std::make_shared<asio::io_context>(1);
  std::unique_ptr<asio::ssl::context> tls;
  Resolver resolver;
};

// One request. Shared by the client, while it waits or is under way, and by the operations that are outstanding. All on
// the client's thread, but for its making.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  using OnEnded = absl::AnyInvocable<void(Outcome) &&>;

  Exchange(Engine& engine, std::string host, std::string text, Done done)
      : engine_(engine),
        host_(std::move(host)),
        text_(std::move(text)),
        done_(std::move(done)),
        deadline_(begun_ + absl::ToChronoNanoseconds(engine.options.timeout)),
        timer_(*engine.io),
        connect_timer_(*engine.io),
        reader_(engine.options.response_bytes_max) {}

  // The time runs from its making. `on_ended` is called once, just before the answer is given.
  void Admit(OnEnded on_ended);
  // It has its turn.
  void Begin();
  void Cancel() { Fail(Outcome::kCancelled, absl::CancelledError("the client is stopped")); }

  SteadyClock::duration Took() const { return SteadyClock::now() - begun_; }

 private:
  Socket& Transport() { return stream_->next_layer(); }

  void OnAddresses(const absl::StatusOr<std::vector<IpAddress>>& addresses);
  void Connect();
  void OnConnected(const error_code& ec);
  void OnSecured(const error_code& ec);
  void Read();
  void OnRead(const error_code& ec, size_t bytes);
  void OnAnswer(const absl::Status& status);

  // The host comes before the message.
  void Fail(Outcome outcome, const absl::Status& status);
  void End(Outcome outcome, absl::StatusOr<Response> result);

  Engine& engine_;
  const std::string host_;
  const std::string text_;
  Done done_;  // null: it has ended, and what completes now was cut by that
  OnEnded on_ended_;
  const SteadyClock::time_point begun_ = SteadyClock::now();
  const SteadyClock::time_point deadline_;
  Timer timer_;

  uint64_t lookup_ = 0;
  std::vector<Endpoint> endpoints_;  // that are still to be tried, the next one last
  Timer connect_timer_;
  bool connecting_ = false;
  std::optional<asio::ssl::stream<Socket>> stream_;
  std::array<char, kReadBytes> piece_;
  AnswerReader reader_;
};

void Exchange::Admit(OnEnded on_ended) {
  on_ended_ = std::move(on_ended);
  timer_.expires_at(deadline_);
  timer_.async_wait([self = shared_from_this()](const error_code& ec) {
    if (ec) return;
    self->Fail(Outcome::kTimeout, absl::DeadlineExceededError(absl::StrCat(
                                      "no whole answer within ", absl::FormatDuration(self->engine_.options.timeout))));
  });
}

void Exchange::Begin() {
  if (!done_) return;
  for (const Resolve& resolve : engine_.options.resolve) {
    if (resolve.host == host_) endpoints_.push_back(resolve.endpoint);
  }
  if (!endpoints_.empty()) {
    std::reverse(endpoints_.begin(), endpoints_.end());
    return Connect();
  }
  lookup_ = engine_.resolver.Resolve(
      host_, [io = engine_.io, weak = weak_from_this()](absl::StatusOr<std::vector<IpAddress>> addresses) {
        asio::post(*io, [weak, addresses = std::move(addresses)] {
          if (const auto self = weak.lock()) self->OnAddresses(addresses);
        });
      });
}

void Exchange::OnAddresses(const absl::StatusOr<std::vector<IpAddress>>& addresses) {
  if (!done_) return;
  if (!addresses.ok()) return Fail(Outcome::kLookup, addresses.status());
  if (addresses->empty()) return Fail(Outcome::kLookup, absl::UnavailableError("the name has no address"));
  // One is enough: who answers for the name may have the public ones there for show.
  if (!std::all_of(addresses->begin(), addresses->end(), IsPublic)) {
    return Fail(Outcome::kRefusedAddress, absl::PermissionDeniedError("the name has an address that is not public"));
  }
  endpoints_ = Candidates(*addresses);
  std::reverse(endpoints_.begin(), endpoints_.end());
  Connect();
}

void Exchange::Connect() {
  const SteadyClock::duration left = deadline_ - SteadyClock::now();
  connect_timer_.expires_after(left / static_cast<int>(endpoints_.size()));
  const Endpoint endpoint = endpoints_.back();
  endpoints_.pop_back();
  stream_.emplace(*engine_.io, *engine_.tls);
  connecting_ = true;
  Transport().async_connect(tcp::endpoint(ToAsio(endpoint.address), endpoint.port),
                            [self = shared_from_this()](const error_code& ec) { self->OnConnected(ec); });
  // The last one has all the time that is left.
  if (endpoints_.empty()) return;
  connect_timer_.async_wait([self = shared_from_this()](const error_code& ec) {
    error_code ignored;
    // It may have run out for the attempt before, when this one had already begun.
    const bool late = !ec && SteadyClock::now() >= self->connect_timer_.expiry();
    if (late && self->connecting_) self->Transport().close(ignored);
  });
}

void Exchange::OnConnected(const error_code& ec) {
  if (!done_) return;
  connecting_ = false;
  connect_timer_.cancel();
  // It may have been connected and then closed by its timer, before this was called.
  if (ec || !Transport().is_open()) {
    if (!endpoints_.empty()) return Connect();
    return Fail(Outcome::kConnect, absl::UnavailableError(absl::StrCat("no connection: ", ec.message())));
  }
  error_code ignored;
  Transport().set_option(tcp::no_delay(true), ignored);
  SSL* const ssl = stream_->native_handle();
  // Only alternative names count (RFC 9525), and a wildcard is a whole label.
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (SSL_set1_host(ssl, host_.c_str()) != 1 || SetServerName(ssl, host_) != 1) {
    return Fail(Outcome::kTls, absl::InternalError("TLS does not take the name"));
  }
  stream_->async_handshake(asio::ssl::stream_base::client,
                           [self = shared_from_this()](const error_code& error) { self->OnSecured(error); });
}

void Exchange::OnSecured(const error_code& ec) {
  if (!done_) return;
  if (ec) {
    const long verified = SSL_get_verify_result(stream_->native_handle());
    return Fail(Outcome::kTls,
                absl::UnavailableError(verified == X509_V_OK ? absl::StrCat("no TLS connection: ", ec.message())
                                                             : absl::StrCat("its certificate is not accepted: ",
                                                                            X509_verify_cert_error_string(verified))));
  }
  asio::async_write(*stream_, asio::buffer(text_), [self = shared_from_this()](const error_code& error, size_t) {
    if (!self->done_) return;
    if (!error) return self->Read();
    self->Fail(Outcome::kBadAnswer, absl::UnavailableError(absl::StrCat("the request was cut: ", error.message())));
  });
}

void Exchange::Read() {
  stream_->async_read_some(asio::buffer(piece_), [self = shared_from_this()](const error_code& ec, size_t bytes) {
    self->OnRead(ec, bytes);
  });
}

void Exchange::OnRead(const error_code& ec, size_t bytes) {
  if (!done_) return;
  // What ends without TLS's own end may have been ended by anybody: only a length tells then that it was whole.
  if (ec == asio::error::eof) return OnAnswer(reader_.End());
  if (ec) {
    return Fail(Outcome::kBadAnswer, absl::UnavailableError(absl::StrCat("the answer was cut: ", ec.message())));
  }
  const absl::StatusOr<bool> whole = reader_.Take({piece_.data(), bytes});
  if (whole.ok() && !*whole) return Read();
  OnAnswer(whole.status());
}

void Exchange::OnAnswer(const absl::Status& status) {
  if (status.ok()) return End(Outcome::kOk, reader_.TakeResponse());
  const int http_status = reader_.status();
  const bool refused = http_status != 0 && (http_status < 200 || http_status > 299);
  Fail(refused ? Outcome::kBadStatus : Outcome::kBadAnswer, status);
}

void Exchange::Fail(Outcome outcome, const absl::Status& status) {
  End(outcome, absl::Status(status.code(), absl::StrCat(host_, ": ", status.message())));
}

void Exchange::End(Outcome outcome, absl::StatusOr<Response> result) {
  if (!done_) return;
  const auto self = shared_from_this();
  Done done = std::exchange(done_, nullptr);
  timer_.cancel();
  connect_timer_.cancel();
  if (lookup_ != 0) engine_.resolver.Forget(lookup_);
  if (stream_) {
    // The answer is whole or of no use: the peer's end of TLS is not waited for.
    error_code ignored;
    Transport().close(ignored);
  }
  std::move(on_ended_)(outcome);
  std::move(done)(std::move(result));
}

}  // namespace

// Everything without a guard is touched on its thread only, once that runs.
class Client::Core {
 public:
  Core(Options options, metrics::Registry& registry, Lookup lookup)
      : engine_(std::move(options), registry, std::move(lookup)) {}

  absl::Status Start();
  void Stop();
  void Fetch(Request request, Done done);

 private:
  void Admit(const std::shared_ptr<Exchange>& exchange);
  void OnEnded(const std::shared_ptr<Exchange>& exchange, Outcome outcome);
  // A request that never came to the thread.
  void Refuse(Outcome outcome, absl::Status status, Done done) const {
    engine_.metrics.Ended(outcome).Increment();
    std::move(done)(std::move(status));
  }

  Engine engine_;
  Timer work_{*engine_.io};  // always waiting, so that the thread has work until it is stopped
  std::thread thread_;
  absl::flat_hash_set<std::shared_ptr<Exchange>> under_way_;
  std::deque<std::shared_ptr<Exchange>> waiting_;
  bool stopping_ = false;

  Mutex mutex_;
  bool running_ HS_GUARDED_BY(mutex_) = false;
  int requests_ HS_GUARDED_BY(mutex_) = 0;  // under way, waiting, or on their way to the thread
};

absl::Status Client::Core::Start() {
  HS_ASSIGN_OR_RETURN(engine_.tls, MakeTls(engine_.options.ca_file));
  engine_.resolver.Start();
  work_.expires_at(SteadyClock::time_point::max());
  work_.async_wait([](const error_code&) {});
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "outbound");
    engine_.io->run();
  });
  MutexLock lock(mutex_);
  running_ = true;
  return absl::OkStatus();
}

void Client::Core::Stop() {
  {
    MutexLock lock(mutex_);
    if (!std::exchange(running_, false)) return;
  }
  // Behind every request that was taken.
  asio::post(*engine_.io, [this] {
    stopping_ = true;
    while (!waiting_.empty()) std::shared_ptr(waiting_.front())->Cancel();
    while (!under_way_.empty()) std::shared_ptr(*under_way_.begin())->Cancel();
    work_.cancel();
  });
  thread_.join();
  engine_.resolver.Stop();
}

void Client::Core::Fetch(Request request, Done done) {
  absl::StatusOr<Url> url = ParseUrl(request.url);
  if (!url.ok()) return Refuse(Outcome::kBadRequest, url.status(), std::move(done));
  absl::StatusOr<std::string> text = RequestText(request, *url, engine_.options.user_agent);
  if (!text.ok()) return Refuse(Outcome::kBadRequest, text.status(), std::move(done));
  bool running;
  {
    MutexLock lock(mutex_);
    running = running_;
    if (running && requests_ < engine_.options.requests_max + engine_.options.waiting_max) {
      engine_.metrics.requests.Set(++requests_);
      auto exchange = std::make_shared<Exchange>(engine_, std::move(url->host), *std::move(text), std::move(done));
      asio::post(*engine_.io, [this, exchange = std::move(exchange)] { Admit(exchange); });
      return;
    }
  }
  if (!running) return Refuse(Outcome::kCancelled, absl::CancelledError("the client is stopped"), std::move(done));
  Refuse(Outcome::kOverloaded, absl::ResourceExhaustedError("too many requests wait to be sent"), std::move(done));
}

void Client::Core::Admit(const std::shared_ptr<Exchange>& exchange) {
  // Weak, not to own itself.
  exchange->Admit([this, weak = std::weak_ptr(exchange)](Outcome outcome) { OnEnded(weak.lock(), outcome); });
  if (under_way_.size() < static_cast<size_t>(engine_.options.requests_max)) {
    under_way_.insert(exchange);
    exchange->Begin();
  } else {
    waiting_.push_back(exchange);
  }
}

void Client::Core::OnEnded(const std::shared_ptr<Exchange>& exchange, Outcome outcome) {
  engine_.metrics.Ended(outcome).Increment();
  engine_.metrics.seconds.Observe(std::chrono::duration<double>(exchange->Took()).count());
  {
    MutexLock lock(mutex_);
    engine_.metrics.requests.Set(--requests_);
  }
  if (under_way_.erase(exchange) == 0) {
    waiting_.erase(std::find(waiting_.begin(), waiting_.end(), exchange));
  } else if (!waiting_.empty() && !stopping_) {
    const std::shared_ptr<Exchange> next = std::move(waiting_.front());
    waiting_.pop_front();
    under_way_.insert(next);
    // Posted, since it may end at once, and so on.
    asio::post(*engine_.io, [next] { next->Begin(); });
  }
}

absl::Status CheckCaFile(const std::string& path) { return MakeTls(path).status(); }

absl::StatusOr<std::shared_ptr<X509_STORE>> LoadTrust(const std::string& ca_file) {
  const auto tls = MakeTls(ca_file);
  if (!tls.ok()) return tls.status();
  X509_STORE* const store = SSL_CTX_get_cert_store((*tls)->native_handle());
  X509_STORE_up_ref(store);
  return std::shared_ptr<X509_STORE>(store, X509_STORE_free);
}

Client::Client(Options options, metrics::Registry& registry, Lookup lookup)
    : core_(std::make_unique<Core>(std::move(options), registry, std::move(lookup))) {}
Client::~Client() { Stop(); }
absl::Status Client::Start() { return core_->Start(); }
void Client::Stop() { core_->Stop(); }
void Client::Fetch(Request request, Done done) { core_->Fetch(std::move(request), std::move(done)); }

}  // namespace hookstream::outbound
