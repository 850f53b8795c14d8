// The two handlers behind a real server: what a sender gets.
#include "edge/handlers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <string>
#include <thread>

#include "base/event_id.h"
#include "provider/loader.h"
#include "tests/support/fake_store.h"
#include "tests/unit/edge/client.h"

namespace hookstream::edge {
namespace {

using hookstream::testing::FakeStore;
using ::testing::HasSubstr;

constexpr std::string_view kToken = "X-Token: secret\r\n";

ingest::SourceConfig Source(std::string name, std::string_view event, std::string_view more = "") {
  const std::string yaml =
      absl::StrCat("name: ", name, "\nverify: {scheme: equal, signature: header.X-Token}\nevent: {",
                   absl::string_view(event.data(), event.size()), "}\n", absl::string_view(more.data(), more.size()));
  auto preset = provider::LoadProvider(yaml, "test.yaml");
  EXPECT_TRUE(preset.ok()) << preset.status();
  ingest::SourceConfig source;
  source.name = std::move(name);
  source.preset = *std::move(preset);
  source.keys = {{.id = "k", .secret = "secret"}};
  source.body_bytes_max = 100;
  return source;
}

class HandlersTest : public ::testing::Test {
 protected:
  HandlersTest() {
    ingest::SourceConfig limited = Source("limited", "type: json/type");
    limited.requests_per_second_max = 1;
    EXPECT_TRUE(ingest_.ReplaceSources({Source("acme", "type: json/type, id: json/id"),
                                        Source("batch", "split: \"/*\", type: item/type, id: item/id"),
                                        Source("silent", "type: json/type", "respond: {accepted: {status: 204}}\n"),
                                        Source("literal", "type: json/type", "respond: {accepted: {text: \"[[accepted]]\"}}\n"),
                                        std::move(limited)})
                    .ok());
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    webhooks_.emplace(options, webhook_handler_, registry_);
    options.name = "admin";
    admin_.emplace(options, admin_handler_, registry_);
    EXPECT_TRUE(webhooks_->Start().ok());
    EXPECT_TRUE(admin_->Start().ok());
  }

  ClientResponse Send(std::string_view bytes) {
    Client client(webhooks_->Port());
    client.Send(bytes);
    return client.Receive();
  }
  ClientResponse Ask(std::string_view method, std::string_view path) {
    Client client(admin_->Port());
    client.Send(absl::StrCat(absl::string_view(method.data(), method.size()), " ",
                             absl::string_view(path.data(), path.size()), " HTTP/1.1\r\nHost: h\r\n\r\n"));
    return client.Receive(method != "HEAD");
  }

  SystemClock clock_;
  metrics::Registry registry_;
  FakeStore store_;
  ingest::Ingest ingest_{{.public_url = "https://hooks.example.com", .instance = 1}, store_, clock_, registry_};
  WebhookHandler webhook_handler_{ingest_};
  Mutex mutex_;
  Health health_ HS_GUARDED_BY(mutex_);
  AdminHandler admin_handler_{registry_, [this] {
                                MutexLock lock(mutex_);
                                return health_;
                              }};
  std::optional<Server> webhooks_;
  std::optional<Server> admin_;
};

TEST_F(HandlersTest, AnAcceptedEventIsAnsweredWithItsId) {
  const std::string id = FormatEventId(FakeStore::kTag, 1);
  ClientResponse response = Send(Post("/webhooks/acme?x=y", R"({"id":"1"})", kToken));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.at("content-type"), "application/json");
  EXPECT_EQ(response.body, "{\"id\":\"" + id + "\",\"status\":\"accepted\"}");
  response = Send(Post("/webhooks/acme", R"({"id":"1"})", kToken));
  EXPECT_EQ(response.body, "{\"id\":\"" + id + "\",\"status\":\"duplicate\"}");
}

TEST_F(HandlersTest, SeveralEventsOfABodyAreAnsweredWithAList) {
  const std::string first = FormatEventId(FakeStore::kTag, 1);
  const std::string second = FormatEventId(FakeStore::kTag, 2);
  ClientResponse response = Send(Post("/webhooks/batch", R"([{"id":"1"},{"id":"2"}])", kToken));
  EXPECT_EQ(response.body, "{\"ids\":[\"" + first + "\",\"" + second + "\"],\"status\":\"accepted\"}");
  response = Send(Post("/webhooks/batch", R"([{"id":"2"}])", kToken));
  EXPECT_EQ(response.body, "{\"ids\":[\"" + second + "\"],\"status\":\"duplicate\"}");
  EXPECT_EQ(Send(Post("/webhooks/batch", "[]", kToken)).body, "{\"ids\":[],\"status\":\"accepted\"}");
}

TEST_F(HandlersTest, APresetMayAskForAnotherAnswer) {
  ClientResponse response = Send(Post("/webhooks/silent", "{}", kToken));
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.body, "");
  response = Send(Post("/webhooks/literal", "{}", kToken));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "[accepted]");
}

TEST_F(HandlersTest, RefusalsHaveAStatusAndAStableCode) {
  const auto expect = [](const ClientResponse& response, int status, std::string_view code) {
    EXPECT_EQ(response.status, status);
    EXPECT_THAT(response.body, HasSubstr(absl::StrCat("{\"error\":{\"code\":\"", absl::string_view(code.data(), code.size()), "\",\"message\":\"")));
    EXPECT_EQ(response.headers.at("content-type"), "application/json");
  };
  expect(Send(Post("/webhooks/acme", "{}", "X-Token: wrong\r\n")), 401, "signature_invalid");
  expect(Send(Post("/webhooks/acme", "{}")), 401, "signature_invalid");  // no oracle: as if it were wrong
  expect(Send(Post("/webhooks/nobody", "{}", kToken)), 404, "unknown_source");
  expect(Send(Post("/webhooks/acme/", "{}", kToken)), 404, "unknown_source");
  expect(Send(Post("/elsewhere", "{}", kToken)), 404, "not_found");
  expect(Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 404, "not_found");
  const ClientResponse method = Send("GET /webhooks/acme HTTP/1.1\r\nHost: h\r\n\r\n");
  expect(method, 405, "method_not_allowed");
  EXPECT_EQ(method.headers.at("allow"), "POST");
  expect(Send(Post("/webhooks/acme", std::string(101, ' '), kToken)), 413, "body_too_large");
  EXPECT_EQ(Send(Post("/webhooks/acme", std::string(100, ' '), kToken)).status, 200);
  expect(Send(Post("/webhooks/acme", "{}", "Content-Encoding: gzip\r\nX-Token: secret\r\n")), 415,
         "content_encoding_unsupported");
  EXPECT_EQ(Send(Post("/webhooks/acme", "{}", "Content-Encoding: identity\r\nX-Token: secret\r\n")).status, 200);
}

TEST_F(HandlersTest, OverloadSaysWhenToComeBack) {
  EXPECT_EQ(Send(Post("/webhooks/limited", "{}", kToken)).status, 200);
  ClientResponse response = Send(Post("/webhooks/limited", "{}", kToken));
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.at("retry-after"), "1");
  store_.RefuseAppends(absl::ResourceExhaustedError("full"));
  response = Send(Post("/webhooks/acme", "{}", kToken));
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr("overloaded"));
  EXPECT_TRUE(response.headers.contains("retry-after"));
  store_.RefuseAppends(absl::OkStatus());
  ingest_.SetHealth(absl::UnavailableError("recovering"));
  response = Send(Post("/webhooks/acme", "{}", kToken));
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body, HasSubstr("unavailable"));
  EXPECT_TRUE(response.headers.contains("retry-after"));
}

TEST_F(HandlersTest, DrainWaitsForAppendsAndAnswersThem) {
  store_.Hold();
  Client client(webhooks_->Port());
  client.Send(Post("/webhooks/acme", R"({"id":"1"})", kToken));
  store_.WaitForAppends(1);
  auto drained = std::async(std::launch::async, [this] { webhooks_->Drain(absl::Seconds(30)); });
  while (Client(webhooks_->Port()).connected()) std::this_thread::yield();
  EXPECT_EQ(drained.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  store_.Release();
  EXPECT_EQ(client.Receive().status, 200);
  EXPECT_TRUE(client.Ended());
  client.EndSending();
  drained.get();
}

TEST_F(HandlersTest, AnAnswerMayComeAfterTheServerIsGone) {
  store_.Hold();
  Client client(webhooks_->Port());
  client.Send(Post("/webhooks/acme", R"({"id":"1"})", kToken));
  store_.WaitForAppends(1);
  webhooks_.reset();
  store_.Release();
  store_.Stop();
  EXPECT_EQ(store_.Events().size(), 1u);
}

TEST_F(HandlersTest, TheAdminPortTellsHowTheRelayIs) {
  EXPECT_EQ(Ask("GET", "/healthz").status, 200);
  EXPECT_EQ(Ask("GET", "/readyz").body, "{\"status\":\"ready\"}");
  {
    MutexLock lock(mutex_);
    health_.failing.push_back({"store", "disk \"/data\" is full"});
    health_.failing.push_back({"drain", "going away"});
  }
  const ClientResponse response = Ask("GET", "/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body,
            "{\"status\":\"not_ready\",\"failing\":[{\"part\":\"store\",\"message\":\"disk \\\"/data\\\" is full\"},"
            "{\"part\":\"drain\",\"message\":\"going away\"}]}");
  EXPECT_EQ(Ask("GET", "/healthz").status, 200) << "alive nevertheless";
}

TEST_F(HandlersTest, TheAdminPortShowsTheMetrics) {
  Send(Post("/webhooks/acme", "{}", kToken));
  const ClientResponse response = Ask("GET", "/metrics");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("hookstream_ingest_events_total{source=\"acme\",status=\"accepted\"} 1"));
  EXPECT_EQ(Ask("HEAD", "/metrics").status, 200);
  EXPECT_EQ(Ask("GET", "/webhooks/acme").status, 404);
  const ClientResponse post = Ask("POST", "/metrics");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.headers.at("allow"), "GET, HEAD");
}

}  // namespace
}  // namespace hookstream::edge
