// A blocking HTTP client on a raw socket: tests decide each byte.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace hookstream::edge {

struct ClientResponse {
  int status = 0;                              // 0: the connection ended without one
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class Client {
 public:
  explicit Client(int port, int receive_buffer_bytes = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer_bytes > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
    }
    const timeval timeout{.tv_sec = 20, .tv_usec = 0};  // a hang is a failure, not a stuck test
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }

  // False: the peer has gone.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  void EndSending() { shutdown(fd_, SHUT_WR); }

  // The next response; interim ones (1xx) count.
  ClientResponse Receive(bool has_body = true) {
    ClientResponse response;
    size_t end;
    while ((end = unread_.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore()) return response;
    }
    const std::string head = unread_.substr(0, end);
    unread_.erase(0, end + 4);
    response.status = std::atoi(head.c_str() + std::string_view("HTTP/1.1 ").size());
    for (size_t line = head.find("\r\n"); line != std::string::npos; line = head.find("\r\n", line + 2)) {
      const size_t colon = head.find(':', line);
      const size_t line_end = std::min(head.find("\r\n", line + 2), head.size());
      response.headers[absl::AsciiStrToLower(head.substr(line + 2, colon - line - 2))] =
          head.substr(colon + 2, line_end - colon - 2);
    }
    if (!has_body || !response.headers.contains("content-length")) return response;
    const size_t length = std::strtoul(response.headers["content-length"].c_str(), nullptr, 10);
    while (unread_.size() < length) {
      if (!ReadMore()) return {};
    }
    response.body = unread_.substr(0, length);
    unread_.erase(0, length);
    return response;
  }

  // True: the peer has closed, and nothing more came.
  bool Ended() { return unread_.empty() && !ReadMore(); }

 private:
  bool ReadMore() {
    char buffer[16384];
    const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
    if (got <= 0) return false;
    unread_.append(buffer, static_cast<size_t>(got));
    return true;
  }

  int fd_;
  bool connected_ = false;
  std::string unread_;
};

inline std::string Post(std::string_view path, std::string_view body, std::string_view headers = "") {
  return absl::StrCat(
      "POST ", absl::string_view(path.data(), path.size()), " HTTP/1.1\r\nHost: test\r\nContent-Length: ", body.size(),
      "\r\n", absl::string_view(headers.data(), headers.size()), "\r\n", absl::string_view(body.data(), body.size()));
}

}  // namespace hookstream::edge
