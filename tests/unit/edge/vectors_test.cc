// Every known-answer request through HTTP: the server, ingest and a store, at the time and under the URL that it was
// signed for.
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "edge/handlers.h"
#include "edge/server.h"
#include "provider/presets.h"
#include "tests/support/fake_store.h"
#include "tests/support/vectors.h"
#include "tests/unit/edge/client.h"
#include "verify/sign.h"

namespace hookstream::edge {
namespace {

using hookstream::testing::FakeStore;
using hookstream::testing::RequestVector;

// A relay's way of a request, for one vector.
struct Relay {
  Relay(const RequestVector& vector, store::Store& store, metrics::Registry& registry)
      : clock(absl::FromUnixSeconds(vector.now.value_or(1'750'000'000))),
        // A confirmation succeeds (SNS).
        ingest({.public_url = std::string(verify::SplitUrl(vector.url).first),
                .fetch = [](ingest::FetchRequest, auto done) { std::move(done)(ingest::Fetched{}); }},
               store, clock, registry) {
    ingest::SourceConfig source;
    source.name = "vector";
    source.preset = {provider::FindPreset(vector.preset), [](const provider::Provider*) {}};
    source.keys = {{.id = "k", .secret = vector.secret}};
    source.params = vector.ParamsOf(source.preset->secrets);
    status = ingest.ReplaceSources({source});
  }

  ManualClock clock;
  ingest::Ingest ingest;
  absl::Status status;
};

// Takes any path: a vector has been signed for its own.
class VectorHandler final : public Handler {
 public:
  std::variant<Wanted, Response> Admit(const RequestHead&) override { return Wanted{1 << 20}; }
  void Handle(const RequestHead& head, std::string body, Respond respond) override {
    relay->ingest.Handle(
        {"vector", head.method, head.target, head.headers, std::move(body)},
        [respond = std::move(respond)](ingest::Outcome outcome) mutable {
          Response response;
          const auto* refused = std::get_if<ingest::Refused>(&outcome);
          response.status = refused == nullptr ? 200 : refused->reason == ingest::Reason::kSignatureInvalid ? 401 : 500;
          std::move(respond)(std::move(response));
        });
  }

  Relay* relay = nullptr;
};

TEST(Vectors, EveryOneGivesItsVerdictThroughHttp) {
  metrics::Registry registry;
  FakeStore store;
  VectorHandler handler;
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.threads = 1;
  Server server(options, handler, registry);
  ASSERT_TRUE(server.Start().ok());
  for (const RequestVector& vector : hookstream::testing::LoadVectors()) {
    SCOPED_TRACE(vector.id);
    Relay relay(vector, store, registry);
    ASSERT_TRUE(relay.status.ok()) << relay.status;
    handler.relay = &relay;
    std::string request = absl::StrCat(vector.method, " ", std::string(verify::SplitUrl(vector.url).second),
                                       " HTTP/1.1\r\nHost: h\r\nContent-Length: ", vector.body.size(), "\r\n");
    for (const auto& [name, value] : vector.headers) absl::StrAppend(&request, name, ": ", value, "\r\n");
    absl::StrAppend(&request, "Connection: close\r\n\r\n", vector.body);
    Client client(server.Port());
    client.Send(request);
    EXPECT_EQ(client.Receive().status, vector.valid ? 200 : 401);
  }
  server.Stop();
}

}  // namespace
}  // namespace hookstream::edge
