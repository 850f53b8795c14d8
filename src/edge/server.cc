#include "edge/server.h"

#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <latch>
#include <map>
#include <optional>
#include <thread>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "edge/body_budget.h"
#include "edge/request_reader.h"
#include "provider/encoding.h"

namespace hookstream::edge {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
// The loops' own executor instead of the type-erased one.
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;
using SteadyClock = std::chrono::steady_clock;
using Timer = asio::basic_waitable_timer<SteadyClock, asio::wait_traits<SteadyClock>, Executor>;

// A body that belongs to a refused request is read, so that the connection can go on, when it is not larger.
constexpr uint64_t kSkippedBodyBytesMax = 64 << 10;
// Connections over the cap that are told so at one time; those beyond are just closed.
constexpr int kRefusingMax = 128;
constexpr auto kAcceptRetry = std::chrono::milliseconds(50);

std::string_view StatusText(int status) {
  switch (status) {
    case 200: return "200 OK";
    case 201: return "201 Created";
    case 202: return "202 Accepted";
    case 204: return "204 No Content";
    case 400: return "400 Bad Request";
    case 401: return "401 Unauthorized";
    case 403: return "403 Forbidden";
    case 404: return "404 Not Found";
    case 405: return "405 Method Not Allowed";
    case 408: return "408 Request Timeout";
    case 413: return "413 Content Too Large";
    case 415: return "415 Unsupported Media Type";
    case 417: return "417 Expectation Failed";
    case 429: return "429 Too Many Requests";
    case 431: return "431 Request Header Fields Too Large";
    case 500: return "500 Internal Server Error";
    case 503: return "503 Service Unavailable";
    default: return {};
  }
}

// A preset's reply may hold what a request brought: nothing of it may end the line.
void AppendHeaderText(std::string_view text, std::string& out) {
  for (const char c : text) out.push_back(static_cast<unsigned char>(c) < 0x20 && c != '\t' ? ' ' : c);
}

SteadyClock::duration ToSteady(absl::Duration d) { return absl::ToChronoNanoseconds(d); }

class Metrics {
 public:
  Metrics(metrics::Registry& registry, const ServerOptions& options, std::shared_ptr<const BodyBudget> budget)
      : connections(registry.AddGauge("hookstream_edge_connections", "Open connections", {{"server", options.name}})),
        connections_total(registry.AddCounter("hookstream_edge_connections_total", "Connections that were accepted",
                                              {{"server", options.name}})),
        refused(registry.AddCounter("hookstream_edge_connections_refused_total", "Connections over the cap",
                                    {{"server", options.name}})),
        bodies_refused(registry.AddCounter("hookstream_edge_bodies_refused_total",
                                           "Requests refused for want of room for their bodies",
                                           {{"server", options.name}})),
        received_bytes(registry.AddCounter("hookstream_edge_received_bytes_total", "Bytes of requests",
                                           {{"server", options.name}})),
        seconds(registry.AddHistogram("hookstream_edge_request_seconds",
                                      "From the end of a request's head to its answer", registry.LatencyBuckets(),
                                      {{"server", options.name}})) {
    registry.AddGauge("hookstream_edge_connections_max", "Bound of open connections", {{"server", options.name}})
        .Set(options.connections_max);
    registry
        .AddGauge("hookstream_edge_buffered_bytes_max", "Bound of what the bodies hold that are being read or handled",
                  {{"server", options.name}})
        .Set(static_cast<double>(budget->bytes_max()));
    metrics::Gauge& buffered =
        registry.AddGauge("hookstream_edge_buffered_bytes", "What the bodies hold that are being read or handled",
                          {{"server", options.name}});
    // The budget is shared: the registry may be at this while the server ends.
    refresh_ = registry.AddRefresh(
        [&buffered, budget = std::move(budget)] { buffered.Set(static_cast<double>(budget->bytes())); });
    static constexpr std::array<std::string_view, 4> kPhases = {"head", "body", "handle", "write"};
    for (size_t i = 0; i < kPhases.size(); ++i) {
      timeouts_[i] = &registry.AddCounter("hookstream_edge_timeouts_total", "Connections cut for being slow, by phase",
                                          {{"server", options.name}, {"phase", std::string(kPhases[i])}});
    }
    for (int status = 0; status < 600; ++status) {
      if (StatusText(status).empty()) continue;
      responses_[status] = &AddResponses(registry, options, absl::StrCat(status));
    }
    other_responses_ = &AddResponses(registry, options, "other");
  }

  enum Phase { kHead, kBody, kHandle, kWrite };
  metrics::Counter& Timeouts(Phase phase) const { return *timeouts_[phase]; }
  metrics::Counter& Responses(int status) const {
    const auto it = responses_.find(status);
    return it == responses_.end() ? *other_responses_ : *it->second;
  }

  metrics::Gauge& connections;
  metrics::Counter& connections_total;
  metrics::Counter& refused;
  metrics::Counter& bodies_refused;
  metrics::Counter& received_bytes;
  metrics::Histogram& seconds;

 private:
  static metrics::Counter& AddResponses(metrics::Registry& registry, const ServerOptions& options, std::string status) {
    return registry.AddCounter("hookstream_edge_responses_total", "Answers by status",
                               {{"server", options.name}, {"status", std::move(status)}});
  }

  std::array<metrics::Counter*, 4> timeouts_;
  std::map<int, metrics::Counter*> responses_;
  metrics::Counter* other_responses_;
  std::shared_ptr<void> refresh_;
};

class Connection;

// One thread and what belongs to it. Everything without a guard is touched on that thread only, once it runs.
struct Loop {
  explicit Loop(SteadyClock::duration tick_interval) : tick(tick_interval) {}

  // From any thread.
  void Answer(std::shared_ptr<Connection> connection, Response response);
  void Tick();
  void RunAnswers();

  asio::io_context io{1};
  Timer ticker{io};  // always waiting, so that the loop has work until it is stopped
  const SteadyClock::duration tick;
  SteadyClock::time_point now = SteadyClock::now();
  std::string date;
  int64_t date_seconds = 0;
  bool draining = false;
  bool ended = false;
  absl::flat_hash_set<std::shared_ptr<Connection>> connections;
  std::thread thread;
  std::thread::id thread_id;

  struct Pending {
    std::shared_ptr<Connection> connection;
    Response response;
  };
  std::vector<Pending> running;
  Mutex mutex;
  // Answers that came from other threads: one wake-up for as many as there are.
  std::vector<Pending> answers HS_GUARDED_BY(mutex);
  bool stopped HS_GUARDED_BY(mutex) = false;
};

}  // namespace

class Server::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(ServerOptions server_options, Handler& server_handler, metrics::Registry& registry)
      : options(std::move(server_options)),
        handler(server_handler),
        budget(std::make_shared<BodyBudget>(options.buffered_bytes_max)),
        metrics(registry, options, budget) {
    const absl::Duration shortest = std::min({options.idle_timeout, options.head_timeout, options.body_timeout,
                                              options.handle_timeout, options.write_timeout, options.linger_timeout});
    const absl::Duration tick = std::clamp(shortest / 4, absl::Milliseconds(5), absl::Milliseconds(500));
    for (int i = 0; i < std::max(1, options.threads); ++i) loops.push_back(std::make_unique<Loop>(ToSteady(tick)));
  }

  absl::Status Start();
  void Drain(absl::Duration timeout);
  void Stop();

  int Port() const { return port_; }
  int Connections() {
    MutexLock lock(mutex_);
    return connections_;
  }
  void ConnectionClosed();

  const ServerOptions options;
  Handler& handler;
  const std::shared_ptr<BodyBudget> budget;  // shared with the metrics' refresh
  Metrics metrics;
  std::vector<std::unique_ptr<Loop>> loops;

 private:
  void Accept();
  void OnAccepted(Loop& loop, Socket socket);
  void StopAccepting();

  std::optional<Acceptor> acceptor_;  // on the first loop
  std::optional<Timer> accept_retry_;
  size_t next_loop_ = 0;
  int port_ = 0;
  bool running_ = false;
  Mutex mutex_;
  CondVar closed_;
  int connections_ HS_GUARDED_BY(mutex_) = 0;
};

namespace {

// One TCP connection. Shared by its loop, by the operation that is outstanding and by an answer that is awaited.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<void> core, Loop& loop, Socket socket, const ServerOptions& options, Handler& handler,
             Metrics& metrics, BodyBudget& budget, absl::AnyInvocable<void() const> on_closed)
      : core_(std::move(core)),
        loop_(loop),
        socket_(std::move(socket)),
        options_(options),
        handler_(handler),
        metrics_(metrics),
        on_closed_(std::move(on_closed)),
        reader_({static_cast<size_t>(options.head_bytes_max), static_cast<size_t>(options.head_lines_max)}, &budget) {}

  // On the loop, as everything below. `refuse`: only to say that there are too many.
  void Start(bool refuse);
  void OnAnswer(Response response);
  bool Late(SteadyClock::time_point now) const { return now >= deadline_; }
  void OnTimeout();
  void DrainIfIdle() {
    if (phase_ == Phase::kIdle && reader_.Idle()) Close();
  }
  void Close();

 private:
  enum class Phase : uint8_t { kIdle, kHead, kBody, kHandling, kWriting, kLingering, kClosed };

  void Enter(Phase phase, absl::Duration timeout) {
    phase_ = phase;
    // `now` is up to a tick old.
    deadline_ = loop_.now + ToSteady(timeout) + loop_.tick;
  }
  void Answer(Response response);  // from any thread

  void Process();
  // These return whether the connection goes on with its next step at once.
  bool OnHead();
  bool OnRequest();
  bool Write(Response response);
  bool Flush();
  bool Written();

  void StartRead();
  void OnRead(const error_code& ec, size_t bytes);
  void Linger();
  void Render(const Response& response);

  const std::shared_ptr<void> core_;  // before the socket, which belongs to a loop of it
  Loop& loop_;
  Socket socket_;
  const ServerOptions& options_;
  Handler& handler_;
  Metrics& metrics_;
  const absl::AnyInvocable<void() const> on_closed_;

  RequestReader reader_;
  // Of the request that the handler has. Its Respond keeps this connection, and so this, until it is called or dropped;
  // whoever calls it releases this, on any thread, and the loop comes to it again only after that.
  BodyShare handled_;
  Phase phase_ = Phase::kIdle;
  SteadyClock::time_point deadline_ = SteadyClock::time_point::max();
  SteadyClock::time_point head_done_;
  bool reading_ = false;
  bool in_handle_ = false;
  bool close_after_ = false;
  bool in_request_ = false;         // between the head and its answer
  std::optional<Response> answer_;  // given before Handle returned, or decided before the body was read
  std::string out_;
  size_t sent_ = 0;
};

void Connection::Start(bool refuse) {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  error_code ec;
  socket_.non_blocking(true, ec);
  if (ec || loop_.draining) return Close();
  if (refuse) {
    Response response = ErrorResponse(503, "too_many_connections", "the server has no room for another connection");
    response.headers.emplace_back("Retry-After", "1");
    response.close = true;
    Write(std::move(response));
    return;
  }
  Enter(Phase::kIdle, options_.head_timeout);
  Process();
}

void Connection::Process() {
  for (;;) {
    switch (reader_.Next()) {
      case RequestReader::Step::kMore:
        if (phase_ == Phase::kIdle && !reader_.Idle()) Enter(Phase::kHead, options_.head_timeout);
        return StartRead();
      case RequestReader::Step::kHead:
        if (!OnHead()) return;
        break;
      case RequestReader::Step::kDone:
        if (!OnRequest()) return;
        break;
      case RequestReader::Step::kError: {
        const RequestReader::Error& error = reader_.error();
        Response response = ErrorResponse(error.status, error.code, error.message);
        if (error.status == 503) {
          metrics_.bodies_refused.Increment();
          response.headers.emplace_back("Retry-After", "1");
        }
        response.close = true;
        Write(std::move(response));
        return;
      }
    }
  }
}

bool Connection::OnHead() {
  head_done_ = SteadyClock::now();
  in_request_ = true;
  Enter(Phase::kBody, options_.body_timeout);
  auto admitted = handler_.Admit(reader_.head());
  if (auto* response = std::get_if<Response>(&admitted)) {
    const std::optional<uint64_t> length = reader_.ContentLength();
    const bool small = !reader_.HasBody() || (length && *length <= kSkippedBodyBytesMax && !reader_.ExpectsContinue());
    if (small && reader_.ReadBody(kSkippedBodyBytesMax)) {
      answer_ = std::move(*response);
      return true;
    }
    response->close = true;
    return Write(std::move(*response));
  }
  const auto& wanted = std::get<Handler::Wanted>(admitted);
  if (!reader_.ReadBody(static_cast<uint64_t>(std::max<int64_t>(0, wanted.body_bytes_max)))) return true;
  if (reader_.HasBody() && reader_.ExpectsContinue() && !reader_.Http10() && !reader_.BodyBegun()) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    error_code ec;
    const size_t sent = socket_.write_some(asio::buffer(kContinue.data(), kContinue.size()), ec);
    // A peer that has not even room for this does not read its answers.
    if (ec || sent != kContinue.size()) {
      Close();
      return false;
    }
  }
  return true;
}

bool Connection::OnRequest() {
  Enter(Phase::kHandling, options_.handle_timeout);
  if (!answer_) {
    in_handle_ = true;
    handled_ = reader_.TakeShare();
    handler_.Handle(reader_.head(), reader_.TakeBody(),
                    [self = shared_from_this()](Response response) { self->Answer(std::move(response)); });
    in_handle_ = false;
  }
  if (!answer_) return false;
  Response response = *std::move(answer_);
  answer_.reset();
  return Write(std::move(response));
}

void Connection::Answer(Response response) {
  handled_.Release();
  if (std::this_thread::get_id() == loop_.thread_id && in_handle_) {
    answer_ = std::move(response);
  } else {
    loop_.Answer(shared_from_this(), std::move(response));
  }
}

void Connection::OnAnswer(Response response) {
  // After a timeout the sender has had its answer, and the connection ends.
  if (phase_ != Phase::kHandling) return;
  if (Write(std::move(response))) Process();
}

bool Connection::Write(Response response) {
  close_after_ = response.close || loop_.draining || !in_request_ || !reader_.KeepAlive();
  Render(response);
  metrics_.Responses(response.status).Increment();
  sent_ = 0;
  Enter(Phase::kWriting, options_.write_timeout);
  return Flush();
}

void Connection::Render(const Response& response) {
  out_.assign("HTTP/1.1 ");
  const std::string_view text = StatusText(response.status);
  if (text.empty()) {
    absl::StrAppend(&out_, response.status, " Unknown");
  } else {
    out_.append(text);
  }
  out_.append("\r\nDate: ").append(loop_.date);
  if (!response.content_type.empty()) {
    out_.append("\r\nContent-Type: ");
    AppendHeaderText(response.content_type, out_);
  }
  for (const auto& [name, value] : response.headers) {
    out_.append("\r\n");
    AppendHeaderText(name, out_);
    out_.append(": ");
    AppendHeaderText(value, out_);
  }
  if (close_after_) {
    out_.append("\r\nConnection: close");
  } else if (reader_.Http10()) {
    out_.append("\r\nConnection: keep-alive");
  }
  if (response.status == 204) {
    out_.append("\r\n\r\n");
    return;
  }
  absl::StrAppend(&out_, "\r\nContent-Length: ", response.body.size(), "\r\n\r\n");
  if (!in_request_ || reader_.head().method != "HEAD") out_.append(response.body);
}

bool Connection::Flush() {
  while (sent_ < out_.size()) {
    error_code ec;
    sent_ += socket_.write_some(asio::buffer(out_.data() + sent_, out_.size() - sent_), ec);
    if (ec == asio::error::would_block || ec == asio::error::try_again) {
      socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const error_code&) {
        if (self->phase_ == Phase::kWriting && self->Flush()) self->Process();
      });
      return false;
    }
    if (ec) {
      Close();
      return false;
    }
  }
  return Written();
}

bool Connection::Written() {
  if (in_request_) {
    metrics_.seconds.Observe(std::chrono::duration<double>(SteadyClock::now() - head_done_).count());
    in_request_ = false;
  }
  if (!close_after_) {
    reader_.NextRequest();
    // A drain that began while the answer was being written took the connection for busy, and will not look again. A
    // request that has come meanwhile is answered, and ends it.
    close_after_ = loop_.draining && reader_.Idle();
  }
  if (close_after_) {
    Linger();
    return false;
  }
  Enter(Phase::kIdle, options_.idle_timeout);
  return true;
}

void Connection::StartRead() {
  if (reading_) return;
  reading_ = true;
  const std::span<char> space = reader_.Space();
  socket_.async_read_some(asio::buffer(space.data(), space.size()),
                          [self = shared_from_this()](const error_code& ec, size_t bytes) { self->OnRead(ec, bytes); });
}

void Connection::OnRead(const error_code& ec, size_t bytes) {
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  metrics_.received_bytes.Increment(static_cast<double>(bytes));
  if (ec) return Close();
  if (phase_ == Phase::kLingering) {
    reader_.Discard();
    return StartRead();
  }
  reader_.Filled(bytes);
  // Otherwise a timeout's answer is being written.
  if (phase_ != Phase::kWriting) Process();
}

// Closing a socket with unread bytes resets the connection, and the peer may lose the answer: end our half, and read
// until the peer ends its own.
void Connection::Linger() {
  error_code ec;
  socket_.shutdown(Socket::shutdown_send, ec);
  if (ec) return Close();
  Enter(Phase::kLingering, options_.linger_timeout);
  if (reading_) return;
  reader_.Discard();
  StartRead();
}

void Connection::OnTimeout() {
  Response response;
  switch (phase_) {
    case Phase::kHead:
      metrics_.Timeouts(Metrics::kHead).Increment();
      response = ErrorResponse(408, "request_timeout", "the request's head took too long");
      break;
    case Phase::kBody:
      metrics_.Timeouts(Metrics::kBody).Increment();
      response = ErrorResponse(408, "request_timeout", "the request's body took too long");
      break;
    case Phase::kHandling:
      metrics_.Timeouts(Metrics::kHandle).Increment();
      response = ErrorResponse(503, "unavailable", "the request could not be completed in time");
      response.headers.emplace_back("Retry-After", "5");
      break;
    case Phase::kWriting: metrics_.Timeouts(Metrics::kWrite).Increment(); return Close();
    case Phase::kIdle:
    case Phase::kLingering: return Close();
    case Phase::kClosed: return;
  }
  response.close = true;
  Write(std::move(response));
}

void Connection::Close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  error_code ignored;
  socket_.close(ignored);
  answer_.reset();
  const auto self = shared_from_this();
  loop_.connections.erase(self);
  on_closed_();
}

void Loop::Answer(std::shared_ptr<Connection> connection, Response response) {
  bool wake;
  {
    MutexLock lock(mutex);
    if (stopped) return;
    wake = answers.empty();
    // A copy: the last one keeps this loop alive until the wake-up is posted.
    answers.push_back({connection, std::move(response)});
  }
  if (wake) {
    asio::post(io, [this] { RunAnswers(); });
  }
}

void Loop::RunAnswers() {
  {
    MutexLock lock(mutex);
    running.swap(answers);
  }
  for (Pending& pending : running) pending.connection->OnAnswer(std::move(pending.response));
  running.clear();
}

void Loop::Tick() {
  now = SteadyClock::now();
  const absl::Time wall = absl::Now();
  if (const int64_t seconds = absl::ToUnixSeconds(wall); seconds != date_seconds) {
    date_seconds = seconds;
    date = absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", wall, absl::UTCTimeZone());
  }
  std::vector<std::shared_ptr<Connection>> late;  // a timeout may take its connection out of the set
  for (const auto& connection : connections) {
    if (connection->Late(now)) late.push_back(connection);
  }
  for (const auto& connection : late) connection->OnTimeout();
  ticker.expires_after(tick);
  ticker.async_wait([this](const error_code& ec) {
    if (!ec && !ended) Tick();
  });
}

// "127.0.0.1:80", "[::1]:80".
absl::StatusOr<tcp::endpoint> ParseEndpoint(std::string_view text) {
  const auto invalid = [text] {
    return absl::InvalidArgumentError(absl::StrCat("\"", absl::string_view(text.data(), text.size()),
                                                   "\" is not an address and port, e.g. 127.0.0.1:8080 or [::]:8080"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return invalid();
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  error_code ec;
  const auto address = asio::ip::make_address(std::string(host), ec);
  uint32_t port = 0;
  if (ec || !absl::SimpleAtoi(absl::string_view(port_text.data(), port_text.size()), &port) || port > 65'535) {
    return invalid();
  }
  return tcp::endpoint(address, static_cast<uint16_t>(port));
}

}  // namespace

absl::Status Server::Core::Start() {
  const absl::StatusOr<tcp::endpoint> endpoint = ParseEndpoint(options.listen);
  if (!endpoint.ok()) return endpoint.status();
  acceptor_.emplace(loops[0]->io);
  accept_retry_.emplace(loops[0]->io);
  error_code ec;
  const auto step = [&ec](auto&& f) {
    if (!ec) f();
  };
  step([&] { acceptor_->open(endpoint->protocol(), ec); });
  step([&] { acceptor_->set_option(tcp::acceptor::reuse_address(true), ec); });
  step([&] { acceptor_->bind(*endpoint, ec); });
  step([&] { acceptor_->listen(SOMAXCONN, ec); });
  if (ec) {
    acceptor_.reset();
    return absl::UnavailableError(absl::StrCat("can't listen on ", options.listen, ": ", ec.message()));
  }
  port_ = acceptor_->local_endpoint(ec).port();
  running_ = true;
  for (auto& loop : loops) {
    // The first tick runs before the first connection, and makes the date.
    asio::post(loop->io, [l = loop.get(), name = options.name] {
      l->thread_id = std::this_thread::get_id();
      pthread_setname_np(pthread_self(), absl::StrCat("edge-", name).substr(0, 15).c_str());
      l->Tick();
    });
  }
  asio::post(loops[0]->io, [this] { Accept(); });
  for (auto& loop : loops) loop->thread = std::thread([l = loop.get()] { l->io.run(); });
  return absl::OkStatus();
}

void Server::Core::Accept() {
  if (!acceptor_->is_open()) return;
  Loop& loop = *loops[next_loop_++ % loops.size()];
  acceptor_->async_accept(loop.io.get_executor(), [this, &loop](const error_code& ec, Socket socket) {
    if (ec == asio::error::operation_aborted || !acceptor_->is_open()) return;
    if (!ec) {
      OnAccepted(loop, std::move(socket));
      return Accept();
    }
    // Out of descriptors, mostly: later there may be some.
    Log(LogLevel::kWarning, "a connection could not be accepted", {{"server", options.name}, {"error", ec.message()}});
    accept_retry_->expires_after(kAcceptRetry);
    accept_retry_->async_wait([this](const error_code& cancelled) {
      if (!cancelled) Accept();
    });
  });
}

void Server::Core::OnAccepted(Loop& loop, Socket socket) {
  metrics.connections_total.Increment();
  bool refuse;
  {
    MutexLock lock(mutex_);
    refuse = connections_ >= options.connections_max;
    if (refuse) metrics.refused.Increment();
    if (connections_ >= options.connections_max + kRefusingMax) return;
    ++connections_;
    metrics.connections.Set(connections_);
  }
  auto connection = std::make_shared<Connection>(shared_from_this(), loop, std::move(socket), options, handler, metrics,
                                                 *budget, [this] { ConnectionClosed(); });
  asio::post(loop.io, [&loop, refuse, connection = std::move(connection)] {
    loop.connections.insert(connection);
    connection->Start(refuse);
  });
}

void Server::Core::ConnectionClosed() {
  MutexLock lock(mutex_);
  --connections_;
  metrics.connections.Set(connections_);
  if (connections_ == 0) closed_.NotifyAll();
}

// Afterwards no connection is on its way to a loop but through its queue.
void Server::Core::StopAccepting() {
  std::latch done(1);
  asio::post(loops[0]->io, [&] {
    error_code ignored;
    acceptor_->close(ignored);
    accept_retry_->cancel();
    done.count_down();
  });
  done.wait();
}

void Server::Core::Drain(absl::Duration timeout) {
  if (!running_) return;
  const absl::Time deadline = absl::Now() + timeout;
  StopAccepting();
  for (auto& loop : loops) {
    asio::post(loop->io, [l = loop.get()] {
      l->draining = true;
      const std::vector<std::shared_ptr<Connection>> all(l->connections.begin(), l->connections.end());
      for (const auto& connection : all) connection->DrainIfIdle();
    });
  }
  MutexLock lock(mutex_);
  while (connections_ > 0) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) break;
    closed_.WaitFor(mutex_, left);
  }
}

void Server::Core::Stop() {
  if (!running_) return;
  running_ = false;
  StopAccepting();
  for (auto& loop : loops) {
    asio::post(loop->io, [l = loop.get()] {
      l->draining = true;
      {
        MutexLock lock(l->mutex);
        l->stopped = true;
        l->answers.clear();
      }
      const std::vector<std::shared_ptr<Connection>> all(l->connections.begin(), l->connections.end());
      for (const auto& connection : all) connection->Close();
      l->ended = true;
      l->ticker.cancel();
    });
  }
  for (auto& loop : loops) loop->thread.join();
}

Server::Server(ServerOptions options, Handler& handler, metrics::Registry& registry)
    : core_(std::make_shared<Core>(std::move(options), handler, registry)) {}
Server::~Server() { Stop(); }
absl::Status Server::Start() { return core_->Start(); }
int Server::Port() const { return core_->Port(); }
void Server::Drain(absl::Duration timeout) { core_->Drain(timeout); }
void Server::Stop() { core_->Stop(); }
int Server::Connections() const { return core_->Connections(); }

Response ErrorResponse(int status, std::string_view code, std::string_view message) {
  Response response;
  response.status = status;
  response.content_type = "application/json";
  response.body = absl::StrCat("{\"error\":{\"code\":", provider::JsonQuoted(code),
                               ",\"message\":", provider::JsonQuoted(message), "}}");
  return response;
}

}  // namespace hookstream::edge
