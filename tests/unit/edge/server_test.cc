#include "edge/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <optional>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "base/mutex.h"
#include "tests/unit/edge/client.h"

namespace hookstream::edge {
namespace {

using ::testing::HasSubstr;

// Answers with what it got; /wait only when the test says so, /huge with more than a socket holds.
class EchoHandler final : public Handler {
 public:
  std::variant<Wanted, Response> Admit(const RequestHead& head) override {
    if (head.path == "/nothing") return ErrorResponse(404, "not_found", "nothing");
    return Wanted{body_bytes_max};
  }

  void Handle(const RequestHead& head, std::string body, Respond respond) override {
    if (head.path == "/wait") {
      MutexLock lock(mutex_);
      waiting_.push_back(std::move(respond));
      changed_.NotifyAll();
      return;
    }
    Response response;
    response.content_type = "text/plain";
    response.body = head.path == "/huge" ? std::string(64 << 20, 'x') : std::string(head.target) + " " + body;
    std::move(respond)(std::move(response));
  }

  // The oldest request to /wait: waits until there is one.
  Respond NextWaiting() {
    MutexLock lock(mutex_);
    while (waiting_.empty()) changed_.Wait(mutex_);
    Respond respond = std::move(waiting_.front());
    waiting_.pop_front();
    return respond;
  }

  int64_t body_bytes_max = 1 << 20;

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<Respond> waiting_ HS_GUARDED_BY(mutex_);
};

Response Text(std::string body) {
  Response response;
  response.body = std::move(body);
  return response;
}

class ServerTest : public ::testing::Test {
 protected:
  void StartServer() {
    options_.listen = "127.0.0.1:0";
    server_.emplace(options_, handler_, registry_);
    ASSERT_TRUE(server_->Start().ok());
    port_ = server_->Port();
  }
  // Connections end on the server a moment after the client sees it.
  void WaitForConnections(int count) {
    while (server_->Connections() != count) std::this_thread::yield();
  }

  // A metric of the server without labels of its own.
  int64_t Value(std::string_view name) {
    const std::string text = registry_.Expose();
    const std::string line = absl::StrCat("\n", absl::string_view(name.data(), name.size()), "{server=\"http\"} ");
    const size_t at = text.find(line);
    EXPECT_NE(at, std::string::npos) << name;
    return std::atoll(text.c_str() + at + line.size());
  }
  int64_t Buffered() { return Value("hookstream_edge_buffered_bytes"); }
  void WaitForBuffered(int64_t bytes) {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (Buffered() != bytes && absl::Now() < end) std::this_thread::yield();
    ASSERT_EQ(Buffered(), bytes);
  }

  metrics::Registry registry_;
  EchoHandler handler_;
  ServerOptions options_;
  std::optional<Server> server_;
  int port_ = 0;
};

TEST_F(ServerTest, AnswersRequestsOfAConnectionOneAfterTheOther) {
  StartServer();
  Client client(port_);
  for (int i = 0; i < 3; ++i) {
    client.Send(Post("/a", absl::StrCat("body ", i)));
    const ClientResponse response = client.Receive();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, absl::StrCat("/a body ", i));
    EXPECT_FALSE(response.headers.contains("connection"));
    EXPECT_THAT(response.headers.at("date"), HasSubstr("GMT"));
  }
}

TEST_F(ServerTest, AnswersPipelinedRequestsInTheirOrder) {
  StartServer();
  Client client(port_);
  client.Send(Post("/wait", "") + Post("/2", "two") + Post("/wait", "") + Post("/4", "four"));
  std::move(handler_.NextWaiting())(Text("first"));
  EXPECT_EQ(client.Receive().body, "first");
  EXPECT_EQ(client.Receive().body, "/2 two");
  std::move(handler_.NextWaiting())(Text("third"));
  EXPECT_EQ(client.Receive().body, "third");
  EXPECT_EQ(client.Receive().body, "/4 four");
}

TEST_F(ServerTest, TakesARequestThatComesByteByByte) {
  StartServer();
  Client client(port_);
  for (const char c : Post("/slow", "abc")) ASSERT_TRUE(client.Send({&c, 1}));
  EXPECT_EQ(client.Receive().body, "/slow abc");
}

TEST_F(ServerTest, TakesALargeBody) {
  handler_.body_bytes_max = 8 << 20;
  StartServer();
  Client client(port_);
  const std::string body(8 << 20, 'b');
  client.Send(Post("/", body));
  EXPECT_EQ(client.Receive().body, "/ " + body);
}

TEST_F(ServerTest, TakesAChunkedBody) {
  StartServer();
  Client client(port_);
  client.Send("POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.Send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.Receive().body, "/c abcde");
}

TEST_F(ServerTest, SaysContinueOnlyToWhoWaitsForIt) {
  StartServer();
  Client client(port_);
  client.Send("POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.Receive().status, 100);
  client.Send("abc");
  EXPECT_EQ(client.Receive().body, "/e abc");
  client.Send("POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
  EXPECT_EQ(client.Receive().status, 200) << "the body was there already";
}

TEST_F(ServerTest, RefusesABodyBeforeItIsSent) {
  handler_.body_bytes_max = 10;
  StartServer();
  Client client(port_);
  client.Send("POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
  const ClientResponse response = client.Receive();
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body,
            "{\"error\":{\"code\":\"body_too_large\",\"message\":\"the body is larger than this source takes\"}}");
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, TakesABodyOfExactlyTheLimit) {
  handler_.body_bytes_max = 10;
  StartServer();
  Client client(port_);
  client.Send(Post("/", "0123456789"));
  EXPECT_EQ(client.Receive().status, 200);
  client.Send(Post("/", "0123456789a"));
  EXPECT_EQ(client.Receive().status, 413);
}

// A reset would take the answer away from a sender that is still writing.
TEST_F(ServerTest, ARefusedSenderGetsItsAnswerWhileItStillSends) {
  handler_.body_bytes_max = 10;
  StartServer();
  Client client(port_);
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n");
  client.Send(std::string(4'000'000, 'x'));
  EXPECT_EQ(client.Receive().status, 413);
}

TEST_F(ServerTest, AConnectionOutlivesARefusalWithASmallBody) {
  StartServer();
  Client client(port_);
  client.Send(Post("/nothing", "ignored") + Post("/a", "b"));
  EXPECT_EQ(client.Receive().status, 404);
  EXPECT_EQ(client.Receive().body, "/a b");
}

TEST_F(ServerTest, RefusesAHeadThatIsTooLarge) {
  options_.head_bytes_max = 1024;
  StartServer();
  Client client(port_);
  client.Send("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(2000, 'x') + "\r\n\r\n");
  EXPECT_EQ(client.Receive().status, 431);
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, RefusesMalformedHttpAndCloses) {
  StartServer();
  Client client(port_);
  client.Send(Post("/a", "b") + "not http\r\n\r\n");
  EXPECT_EQ(client.Receive().status, 200);
  const ClientResponse response = client.Receive();
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(response.body, HasSubstr("\"code\":\"bad_request\""));
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, HonoursConnectionCloseAndHttp10) {
  StartServer();
  Client close_client(port_);
  close_client.Send(Post("/a", "b", "Connection: close\r\n"));
  EXPECT_EQ(close_client.Receive().headers.at("connection"), "close");
  EXPECT_TRUE(close_client.Ended());
  Client old_client(port_);
  old_client.Send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /old HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old_client.Receive().headers.at("connection"), "keep-alive");
  EXPECT_EQ(old_client.Receive().headers.at("connection"), "close");
  EXPECT_TRUE(old_client.Ended());
}

TEST_F(ServerTest, AHeadRequestGetsNoBody) {
  StartServer();
  Client client(port_);
  client.Send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.Receive(false).headers.at("content-length"), "3");
  client.Send(Post("/b", "c"));
  EXPECT_EQ(client.Receive().body, "/b c");
}

TEST_F(ServerTest, NothingOfAReplyEndsAHeaderLine) {
  StartServer();
  Client client(port_);
  client.Send(Post("/wait", ""));
  Response response;
  response.headers.emplace_back("X-Echo", "a\r\nSet-Cookie: b");
  std::move(handler_.NextWaiting())(std::move(response));
  EXPECT_EQ(client.Receive().headers.at("x-echo"), "a  Set-Cookie: b");
}

TEST_F(ServerTest, A204HasNoLength) {
  StartServer();
  Client client(port_);
  client.Send(Post("/wait", ""));
  Response response;
  response.status = 204;
  std::move(handler_.NextWaiting())(std::move(response));
  const ClientResponse got = client.Receive();
  EXPECT_EQ(got.status, 204);
  EXPECT_FALSE(got.headers.contains("content-length"));
}

// --- timeouts: each on its own ---

TEST_F(ServerTest, CutsASlowHead) {
  options_.head_timeout = absl::Milliseconds(40);
  StartServer();
  Client client(port_);
  client.Send("POST /a HTTP/1.1\r\nHost:");
  const ClientResponse response = client.Receive();
  EXPECT_EQ(response.status, 408);
  EXPECT_THAT(response.body, HasSubstr("request_timeout"));
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, CutsASlowBody) {
  options_.body_timeout = absl::Milliseconds(40);
  StartServer();
  for (const std::string_view framing : {"Content-Length: 100000", "Transfer-Encoding: chunked"}) {
    Client client(port_);
    client.Send(absl::StrCat("POST /a HTTP/1.1\r\nHost: h\r\n", absl::string_view(framing.data(), framing.size()),
                             "\r\n\r\n5\r\nab"));
    EXPECT_EQ(client.Receive().status, 408);
    EXPECT_TRUE(client.Ended());
  }
}

TEST_F(ServerTest, EndsAnIdleConnectionWithoutAWord) {
  options_.idle_timeout = absl::Milliseconds(40);
  StartServer();
  Client client(port_);
  client.Send(Post("/a", "b"));
  EXPECT_EQ(client.Receive().status, 200);
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, EndsAConnectionThatNeverSpeaks) {
  options_.head_timeout = absl::Milliseconds(40);
  StartServer();
  Client client(port_);
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, AnswersUnavailableWhenHandlingTakesTooLongAndIgnoresTheLateAnswer) {
  options_.handle_timeout = absl::Milliseconds(40);
  StartServer();
  Client client(port_);
  client.Send(Post("/wait", ""));
  Respond late = handler_.NextWaiting();
  const ClientResponse response = client.Receive();
  EXPECT_EQ(response.status, 503);
  EXPECT_TRUE(response.headers.contains("retry-after"));
  std::move(late)(Text("late"));
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, CutsAPeerThatDoesNotReadItsAnswer) {
  options_.write_timeout = absl::Milliseconds(40);
  StartServer();
  Client client(port_, 4096);
  client.Send(Post("/huge", ""));
  while (registry_.Expose().find("timeouts_total{phase=\"write\",server=\"http\"} 1") == std::string::npos) {
    std::this_thread::yield();
  }
  WaitForConnections(0);
}

TEST_F(ServerTest, CutsARefusedSenderThatNeverEnds) {
  options_.linger_timeout = absl::Milliseconds(40);
  StartServer();
  Client client(port_);
  client.Send("garbage\r\n\r\n");
  EXPECT_EQ(client.Receive().status, 400);
  WaitForConnections(0);  // though the client has not closed
}

TEST_F(ServerTest, WritesAnAnswerThatTheSocketDoesNotHold) {
  StartServer();
  Client client(port_);
  client.Send(Post("/huge", "") + Post("/a", "b"));
  EXPECT_EQ(client.Receive().body.size(), 64u << 20);
  EXPECT_EQ(client.Receive().body, "/a b");
}

// --- bounds ---

TEST_F(ServerTest, RefusesConnectionsOverTheCapAndTakesThemAgainLater) {
  options_.connections_max = 2;
  StartServer();
  std::optional<Client> first(port_);
  Client second(port_);
  first->Send(Post("/1", ""));
  second.Send(Post("/2", ""));
  EXPECT_EQ(first->Receive().status, 200);
  EXPECT_EQ(second.Receive().status, 200);
  {
    Client third(port_);
    const ClientResponse response = third.Receive();
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.headers.at("retry-after"), "1");
    EXPECT_TRUE(third.Ended());
  }
  first.reset();
  WaitForConnections(1);
  Client fourth(port_);
  fourth.Send(Post("/4", ""));
  EXPECT_EQ(fourth.Receive().status, 200);
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_edge_connections_refused_total{server=\"http\"} 1"));
}

void ExpectOverloaded(Client& client) {
  const ClientResponse response = client.Receive();
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr("{\"error\":{\"code\":\"overloaded\","));
  EXPECT_EQ(response.headers.at("retry-after"), "1");
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, HoldsBodiesUpToTheBoundOfAllTogether) {
  options_.buffered_bytes_max = 100;
  StartServer();
  EXPECT_EQ(Value("hookstream_edge_buffered_bytes_max"), 100);
  Client first(port_);
  first.Send(Post("/wait", std::string(60, 'a')));
  Respond respond_first = handler_.NextWaiting();
  Client second(port_);
  second.Send(Post("/wait", std::string(40, 'b')));
  Respond respond_second = handler_.NextWaiting();
  EXPECT_EQ(Buffered(), 100);

  Client third(port_);
  third.Send(Post("/a", "c"));
  ExpectOverloaded(third);
  EXPECT_EQ(Value("hookstream_edge_bodies_refused_total"), 1);
  Client bodiless(port_);
  bodiless.Send(Post("/a", ""));
  EXPECT_EQ(bodiless.Receive().status, 200) << "it needs no room";

  std::move(respond_first)(Text("done"));
  EXPECT_EQ(Buffered(), 40);
  EXPECT_EQ(first.Receive().body, "done");
  first.Send(Post("/a", std::string(60, 'd')));
  EXPECT_EQ(first.Receive().status, 200);
  std::move(respond_second)(Text("done"));
  EXPECT_EQ(Buffered(), 0);
}

TEST_F(ServerTest, AnAnnouncedBodyTakesNothingOfTheBound) {
  options_.buffered_bytes_max = 1 << 20;
  StartServer();
  std::deque<Client> slow;
  for (int i = 0; i < 8; ++i) {
    slow.emplace_back(port_);
    slow.back().Send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(slow.back().Receive().status, 100);
  }
  EXPECT_EQ(Buffered(), 0);
  Client client(port_);
  client.Send(Post("/a", std::string(1 << 20, 'x')));
  EXPECT_EQ(client.Receive().status, 200);
}

TEST_F(ServerTest, RefusesABodyThatFindsNoRoomBeforeItIsSent) {
  options_.buffered_bytes_max = 100'000;
  StartServer();
  Client first(port_);
  first.Send(Post("/wait", std::string(50'001, 'a')));
  Respond respond = handler_.NextWaiting();
  Client second(port_);
  second.Send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\nExpect: 100-continue\r\n\r\n");
  ExpectOverloaded(second);
  std::move(respond)(Text("done"));
  EXPECT_EQ(first.Receive().status, 200);
}

TEST_F(ServerTest, RefusesABodyThatFindsNoMoreRoomWhileItComes) {
  options_.buffered_bytes_max = 64 << 10;
  StartServer();
  Client sized(port_);
  sized.Send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\nx");
  WaitForBuffered(16 << 10);  // the first step
  Client holder(port_);
  holder.Send(Post("/wait", std::string(40'000, 'a')));
  Respond respond = handler_.NextWaiting();
  EXPECT_EQ(Buffered(), 40'000 + (16 << 10));
  sized.Send(std::string(59'999, 'x'));
  ExpectOverloaded(sized);
  WaitForBuffered(40'000);
  Client chunked(port_);
  chunked.Send("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nc350\r\n" + std::string(50'000, 'x'));
  ExpectOverloaded(chunked);
  WaitForBuffered(40'000);
  EXPECT_EQ(Value("hookstream_edge_bodies_refused_total"), 2);
  std::move(respond)(Text("done"));
  EXPECT_EQ(holder.Receive().status, 200);
  EXPECT_EQ(Buffered(), 0);
}

TEST_F(ServerTest, ABodyThatEndsEarlyGivesItsRoomBack) {
  options_.body_timeout = absl::Milliseconds(40);
  StartServer();
  for (const std::string_view body :
       {"Content-Length: 100000\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n40\r\n"}) {
    const std::string begun =
        absl::StrCat("POST /a HTTP/1.1\r\nHost: h\r\n", absl::string_view(body.data(), body.size())) +
        std::string(50, 'x');
    {
      Client left(port_);
      left.Send(begun);
    }
    Client late(port_);
    late.Send(begun);
    EXPECT_EQ(late.Receive().status, 408);
    late.EndSending();
    WaitForBuffered(0);
  }
  Client malformed(port_);
  malformed.Send("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + std::string(40, 'x'));
  EXPECT_EQ(malformed.Receive().status, 400);
  WaitForBuffered(0);
  Client refused(port_);
  refused.Send(Post("/nothing", std::string(1000, 'x')));
  EXPECT_EQ(refused.Receive().status, 404);
  WaitForBuffered(0);
}

TEST_F(ServerTest, ABodyIsCountedUntilTheHandlerHasDoneWithIt) {
  options_.handle_timeout = absl::Milliseconds(40);
  StartServer();
  for (const bool answered : {true, false}) {
    std::optional<Client> client(port_);
    client->Send(Post("/wait", std::string(100, 'a')));
    std::optional<Respond> respond(handler_.NextWaiting());
    EXPECT_EQ(client->Receive().status, 503);
    client.reset();
    WaitForConnections(0);
    EXPECT_EQ(Buffered(), 100) << "the sender has gone, the body has not";
    if (answered) {
      std::move (*respond)(Text("late"));
      EXPECT_EQ(Buffered(), 0);
    }
    respond.reset();
    WaitForBuffered(0);
  }
}

TEST_F(ServerTest, DrainAndStopGiveTheRoomOfBodiesBack) {
  StartServer();
  Client begun(port_);
  begun.Send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc");
  Client waiting(port_);
  waiting.Send(Post("/wait", std::string(100, 'a')));
  Respond respond = handler_.NextWaiting();
  WaitForBuffered((16 << 10) + 100);
  server_->Drain(absl::Milliseconds(20));
  server_->Stop();
  EXPECT_EQ(Buffered(), 100);
  std::move(respond)(Text("to nobody"));
  EXPECT_EQ(Buffered(), 0);
}

TEST_F(ServerTest, TheBoundHoldsOverSeveralLoops) {
  options_.threads = 3;
  options_.buffered_bytes_max = 300'000;
  StartServer();
  std::atomic<bool> done = false;
  std::thread watch([&] {
    while (!done) Buffered();
  });
  std::atomic<int> taken = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      const std::string body(100'000, static_cast<char>('a' + c));
      std::optional<Client> client(port_);
      for (int i = 0; i < 30; ++i) {
        client->Send(Post("/p", body));
        const ClientResponse response = client->Receive();
        if (response.status == 200) {
          ASSERT_EQ(response.body, "/p " + body);
          ++taken;
        } else {
          ASSERT_EQ(response.status, 503);
          client.emplace(port_);
        }
      }
    });
  }
  for (auto& client : clients) client.join();
  done = true;
  watch.join();
  EXPECT_GT(taken, 0);
  EXPECT_EQ(Value("hookstream_edge_bodies_refused_total"), 8 * 30 - taken);
  WaitForBuffered(0);
}

// --- life and end ---

TEST_F(ServerTest, AddressesThatCantBeListenedOnAreErrors) {
  for (const char* listen : {"", "here", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "example.com:80"}) {
    options_.listen = listen;
    EXPECT_EQ(Server(options_, handler_, registry_).Start().code(), absl::StatusCode::kInvalidArgument) << listen;
  }
  StartServer();
  options_.listen = absl::StrCat("127.0.0.1:", port_);
  EXPECT_EQ(Server(options_, handler_, registry_).Start().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ServerTest, DrainEndsIdleConnectionsAndLetsRequestsFinish) {
  options_.threads = 1;  // so that the idle one's end says that the drain has reached the others
  StartServer();
  Client idle(port_);
  idle.Send(Post("/a", "b"));
  EXPECT_EQ(idle.Receive().status, 200);
  Client busy(port_);
  busy.Send(Post("/wait", ""));
  Respond respond = handler_.NextWaiting();
  Client begun(port_);
  begun.Send("POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(begun.Receive().status, 100);

  std::thread drain([this] { server_->Drain(absl::Seconds(30)); });
  EXPECT_TRUE(idle.Ended());
  EXPECT_FALSE(Client(port_).connected()) << "nothing listens any more";
  std::move(respond)(Text("done"));
  const ClientResponse response = busy.Receive();
  EXPECT_EQ(response.body, "done");
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_TRUE(busy.Ended());
  begun.Send("ok");
  EXPECT_EQ(begun.Receive().body, "/half ok");
  EXPECT_TRUE(begun.Ended());
  {
    // Their ends, so that nothing lingers.
    busy.EndSending();
    begun.EndSending();
  }
  drain.join();
  EXPECT_EQ(server_->Connections(), 0);
  server_->Stop();
}

// Nothing of it is unread, so there is nothing to linger for: its sender may keep it open for ever.
TEST_F(ServerTest, DrainDoesNotWaitForSendersThatKeepIdleConnectionsOpen) {
  options_.linger_timeout = absl::Hours(1);
  StartServer();
  Client silent(port_);
  Client kept(port_);
  for (int i = 0; i < 2; ++i) {
    kept.Send(Post("/a", "b"));
    EXPECT_EQ(kept.Receive().status, 200);
  }
  Client refused(port_);
  refused.Send(Post("/nothing", "ignored"));
  EXPECT_EQ(refused.Receive().status, 404);
  Client ended_a_line(port_);
  ended_a_line.Send(Post("/a", "b") + "\r\n");
  EXPECT_EQ(ended_a_line.Receive().status, 200);
  WaitForConnections(4);
  server_->Drain(absl::Seconds(30));
  EXPECT_EQ(server_->Connections(), 0);
}

// Its answer was begun before the drain, and so promised that the connection goes on.
TEST_F(ServerTest, DrainEndsAConnectionWhoseAnswerWasBeingWritten) {
  options_.threads = 1;  // so that the idle one's end says that the drain has reached the other
  options_.linger_timeout = absl::Milliseconds(40);
  StartServer();
  Client client(port_);
  client.Send(Post("/huge", ""));
  Client idle(port_);
  idle.Send(Post("/a", "b"));
  EXPECT_EQ(idle.Receive().status, 200);
  std::thread drain([this] { server_->Drain(absl::Seconds(10)); });
  EXPECT_TRUE(idle.Ended());
  const ClientResponse response = client.Receive();
  EXPECT_EQ(response.body.size(), 64u << 20);
  EXPECT_FALSE(response.headers.contains("connection"));
  drain.join();
  EXPECT_EQ(server_->Connections(), 0);
}

TEST_F(ServerTest, DrainGivesUpAtItsDeadlineAndStopCuts) {
  StartServer();
  Client client(port_);
  client.Send(Post("/wait", ""));
  Respond respond = handler_.NextWaiting();
  server_->Drain(absl::Milliseconds(20));
  EXPECT_EQ(server_->Connections(), 1);
  server_->Stop();
  EXPECT_TRUE(client.Ended());
  server_.reset();
  std::move(respond)(Text("to nobody"));  // may come after the server is gone
}

TEST_F(ServerTest, StopWithoutDrainAndTwiceIsFine) {
  StartServer();
  Client client(port_);
  client.Send(Post("/a", "b"));
  EXPECT_EQ(client.Receive().status, 200);
  server_->Stop();
  server_->Stop();
  EXPECT_TRUE(client.Ended());
}

TEST_F(ServerTest, ServesManyConnectionsOnSeveralLoops) {
  options_.threads = 3;
  StartServer();
  std::vector<std::thread> clients;
  for (int c = 0; c < 16; ++c) {
    clients.emplace_back([this, c] {
      Client client(port_);
      for (int i = 0; i < 50; ++i) {
        const std::string body = absl::StrCat(c, ":", i);
        client.Send(Post("/p", body));
        ASSERT_EQ(client.Receive().body, "/p " + body);
      }
    });
  }
  for (auto& client : clients) client.join();
}

TEST_F(ServerTest, AnswersFromOtherThreadsReachTheirConnections) {
  StartServer();
  std::thread answers([this] {
    for (int i = 0; i < 8 * 20; ++i) std::move(handler_.NextWaiting())(Text("ok"));
  });
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([this] {
      Client client(port_);
      for (int i = 0; i < 20; ++i) {
        client.Send(Post("/wait", ""));
        ASSERT_EQ(client.Receive().body, "ok");
      }
    });
  }
  for (auto& client : clients) client.join();
  answers.join();
}

TEST_F(ServerTest, CountsWhatItAnswers) {
  StartServer();
  Client client(port_);
  client.Send(Post("/a", "b") + Post("/nothing", ""));
  client.Receive();
  client.Receive();
  const std::string text = registry_.Expose();
  EXPECT_THAT(text, HasSubstr("hookstream_edge_responses_total{server=\"http\",status=\"200\"} 1"));
  EXPECT_THAT(text, HasSubstr("hookstream_edge_responses_total{server=\"http\",status=\"404\"} 1"));
  EXPECT_THAT(text, HasSubstr("hookstream_edge_connections{server=\"http\"} 1"));
  EXPECT_THAT(text, HasSubstr("hookstream_edge_connections_max{server=\"http\"} 10000"));
}

}  // namespace
}  // namespace hookstream::edge
