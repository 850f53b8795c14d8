#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace hookstream::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::string Sign(const std::string& secret, int64_t unix_seconds, const std::string& body) {
  std::string signed_text = absl::StrCat(unix_seconds, ".");
  signed_text.append(body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac;
  unsigned int mac_bytes = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(), mac.data(), &mac_bytes);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < mac_bytes; ++i) {
    hex.push_back(kHex[mac[i] >> 4]);
    hex.push_back(kHex[mac[i] & 15]);
  }
  return hex;
}

class Connection {
 public:
  Connection() = default;
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool Connect(uint16_t port) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return false;
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return true;
  }

  // A request of a few KB fits into an idle connection's socket buffer, so the blocking send does not wait.
  bool Send(const std::string& request) {
    sent_at_ = SteadyClock::now();
    for (size_t at = 0; at < request.size();) {
      const ssize_t sent = send(fd_, request.data() + at, request.size() - at, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      at += static_cast<size_t>(sent);
    }
    return true;
  }

  enum class Read { kMore, kDone, kBroken };

  // Reads what is there; kDone once the whole response is.
  Read Receive() {
    char chunk[8192];
    const ssize_t got = recv(fd_, chunk, sizeof(chunk), 0);
    if (got <= 0) return Read::kBroken;
    response_.append(chunk, static_cast<size_t>(got));
    const size_t head = response_.find("\r\n\r\n");
    if (head == std::string::npos) return Read::kMore;
    size_t length = 0;
    for (const char* name : {"Content-Length: ", "content-length: "}) {
      const size_t at = response_.find(name);
      if (at != std::string::npos && at < head) {
        const char* digits = response_.data() + at + strlen(name);
        std::from_chars(digits, response_.data() + head, length);
      }
    }
    if (response_.size() < head + 4 + length) return Read::kMore;
    success_ = response_.size() > 9 && response_[9] == '2';
    response_.clear();
    return Read::kDone;
  }

  int fd() const { return fd_; }
  bool success() const { return success_; }
  SteadyClock::time_point sent_at() const { return sent_at_; }

 private:
  int fd_ = -1;
  bool success_ = false;
  std::string response_;
  SteadyClock::time_point sent_at_;
};

}  // namespace

std::string PaymentIntentBody(std::string_view id) {
  const std::string payment = absl::StrCat("pi_", absl::string_view(id.data(), id.size()));
  return absl::StrCat(
      R"({"id":"evt_)", absl::string_view(id.data(), id.size()),
      R"(","object":"event","api_version":"2024-06-20","created":1730000000,"data":{"object":{"id":")", payment,
      R"(","object":"payment_intent","amount":2000,"amount_capturable":0,"amount_details":{"tip":{}},"amount_received":2000,)"
      R"("application":null,"application_fee_amount":null,"automatic_payment_methods":{"allow_redirects":"always","enabled":true},)"
      R"("canceled_at":null,"cancellation_reason":null,"capture_method":"automatic","client_secret":")",
      payment,
      R"(_secret_YrKJUKribcBjcG8HVhfZluoGH","confirmation_method":"automatic","created":1729999990,"currency":"usd",)"
      R"("customer":"cus_QXg1o8vlGmoR32","description":"Subscription creation for the annual plan, second half of the year",)"
      R"("invoice":"in_1PgafMB7WZ01zgkWMlNPkQpT","last_payment_error":null,"latest_charge":"ch_3PgafMB7WZ01zgkW1bZJ8Y7v",)"
      R"("livemode":false,"metadata":{"order_id":"6735","campaign":"autumn","cart":"b7c9e1f2-6a35-4f0e-9a59-4c0e1f6d2b11"},)"
      R"("next_action":null,"on_behalf_of":null,"payment_method":"pm_1PgafKB7WZ01zgkWvP4bX5gR",)"
      R"("payment_method_configuration_details":{"id":"pmc_1OFbB7B7WZ01zgkWbTT5S3bD","parent":null},)"
      R"("payment_method_options":{"card":{"installments":null,"mandate_options":null,"network":null,"request_three_d_secure":"automatic"},)"
      R"("link":{"persistent_token":null}},"payment_method_types":["card","link"],"processing":null,)"
      R"("receipt_email":"jenny.rosen@example.com","review":null,"setup_future_usage":"off_session",)"
      R"("shipping":{"address":{"city":"San Francisco","country":"US","line1":"510 Townsend Street","line2":null,"postal_code":"94103","state":"CA"},)"
      R"("carrier":null,"name":"Jenny Rosen","phone":"+14155550123","tracking_number":null},"source":null,)"
      R"("statement_descriptor":null,"statement_descriptor_suffix":null,"status":"succeeded","transfer_data":null,"transfer_group":null}},)"
      R"("livemode":false,"pending_webhooks":1,"request":{"id":"req_Kd8Q1Vd4YpHb2h","idempotency_key":"5b6d9f3e-7f0c-4a55-b5a5-8c1d3a1c9b02"},)"
      R"("type":"payment_intent.succeeded"})");
}

absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options) {
  const int epoll = epoll_create1(0);
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < options.connections; ++i) {
    auto connection = std::make_unique<Connection>();
    if (!connection->Connect(options.port)) {
      close(epoll);
      return absl::UnavailableError(absl::StrCat("connection ", i, " to port ", options.port, ": ", strerror(errno)));
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(i);
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd(), &event);
    connections.push_back(std::move(connection));
  }

  int64_t number = 0;
  const auto send_next = [&](Connection& connection) {
    const std::string body = PaymentIntentBody(absl::StrCat(options.run_id, "x", number++));
    const int64_t now = absl::ToUnixSeconds(absl::Now());
    std::string request =
        absl::StrCat("POST ", options.path, " HTTP/1.1\r\nHost: hooks.example.com\r\n",
                     "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nAccept: */*\r\n",
                     "Content-Type: application/json; charset=utf-8\r\nContent-Length: ", body.size(),
                     "\r\nStripe-Signature: t=", now, ",v1=", Sign(options.secret, now, body), "\r\n\r\n");
    request.append(body);
    return connection.Send(request);
  };

  LoadResult result;
  const auto begin = SteadyClock::now();
  const auto end = begin + absl::ToChronoNanoseconds(options.duration);
  int under_way = 0;
  for (auto& connection : connections) {
    if (send_next(*connection)) {
      ++under_way;
    } else {
      ++result.refused;
    }
  }
  std::array<epoll_event, 256> events;
  while (under_way > 0) {
    const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 10'000);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      result.refused += under_way;
      break;
    }
    for (int i = 0; i < count; ++i) {
      Connection& connection = *connections[events[static_cast<size_t>(i)].data.u32];
      const Connection::Read read = connection.Receive();
      if (read == Connection::Read::kMore) continue;
      --under_way;
      const auto now = SteadyClock::now();
      if (read == Connection::Read::kBroken) {
        ++result.refused;
        epoll_ctl(epoll, EPOLL_CTL_DEL, connection.fd(), nullptr);
        continue;
      }
      if (connection.success()) {
        ++result.requests;
        result.latencies_us.push_back(static_cast<uint32_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(now - connection.sent_at()).count()));
      } else {
        ++result.refused;
      }
      if (now < end) {
        if (send_next(connection)) {
          ++under_way;
        } else {
          ++result.refused;
        }
      }
    }
  }
  result.elapsed = absl::FromChrono(SteadyClock::now() - begin);
  close(epoll);
  return result;
}

}  // namespace hookstream::bench
