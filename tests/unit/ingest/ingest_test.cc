#include "ingest/ingest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/event_id.h"
#include "hookstream/v1/event.pb.h"
#include "provider/loader.h"
#include "provider/presets.h"
#include "tests/support/fake_store.h"
#include "verify/sample.h"
#include "verify/sign.h"

namespace hookstream::ingest {
namespace {

using hookstream::testing::FakeStore;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPublicUrl[] = "https://hooks.example.com";

// A request whose texts live as long as it does.
struct OwnedRequest {
  std::string source = "acme";
  std::string method = "POST";
  std::string target = "/webhooks/acme";
  std::vector<std::pair<std::string, std::string>> headers = {{"Content-Type", "application/json"}};
  std::string body;
};

std::shared_ptr<const provider::Provider> Load(std::string_view yaml) {
  auto loaded = provider::LoadProvider(yaml, "test.yaml");
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return *std::move(loaded);
}

std::shared_ptr<const provider::Provider> Preset(std::string_view name) {
  return {provider::FindPreset(name), [](const provider::Provider*) {}};
}

// Signed with a shared token, so that a request needs no computation.
constexpr std::string_view kAcme = R"(
name: acme
verify: {scheme: equal, signature: header.X-Token}
event: {type: json/type, id: json/id, time: {from: json/created, unit: s}, ordering_key: json/customer, attributes: {region: json/region}}
)";

SourceConfig Acme() {
  SourceConfig source;
  source.name = "acme";
  source.preset = Load(kAcme);
  source.keys = {{.id = "k1", .secret = "secret-1"}, {.id = "k2", .secret = "secret-2"}};
  return source;
}

OwnedRequest AcmeRequest(std::string_view body, std::string_view token = "secret-1") {
  OwnedRequest request;
  request.headers.emplace_back("X-Token", token);
  request.body = body;
  return request;
}

class IngestTest : public ::testing::Test {
 protected:
  IngestTest() { Use({Acme()}); }

  void Use(std::vector<SourceConfig> sources) {
    const absl::Status status = ingest_.ReplaceSources(std::move(sources));
    ASSERT_TRUE(status.ok()) << status;
  }

  std::future<Outcome> Start(const OwnedRequest& owned) {
    std::vector<Header> headers;
    for (const auto& [name, value] : owned.headers) headers.push_back({name, value});
    HttpRequest request;
    request.source = owned.source;
    request.method = owned.method;
    request.target = owned.target;
    request.headers = headers;
    request.body = owned.body;
    std::promise<Outcome> promise;
    std::future<Outcome> future = promise.get_future();
    ingest_.Handle(std::move(request),
                   [promise = std::move(promise)](Outcome outcome) mutable { promise.set_value(std::move(outcome)); });
    return future;
  }
  Outcome Send(const OwnedRequest& request) { return Start(request).get(); }

  Accepted Accept(const OwnedRequest& request) {
    Outcome outcome = Send(request);
    if (const auto* refused = std::get_if<Refused>(&outcome))
      ADD_FAILURE() << "refused: " << ReasonName(refused->reason);
    return std::holds_alternative<Accepted>(outcome) ? std::get<Accepted>(std::move(outcome)) : Accepted{};
  }
  Refused Refuse(const OwnedRequest& request) {
    Outcome outcome = Send(request);
    EXPECT_TRUE(std::holds_alternative<Refused>(outcome));
    return std::holds_alternative<Refused>(outcome) ? std::get<Refused>(std::move(outcome)) : Refused{};
  }

  // As a subscriber sees it: the parts of what is stored put together.
  v1::Event Stored(Seq seq) {
    const store::EventData& data = store_.Events().at(seq - 1)->data;
    v1::Event event;
    EXPECT_TRUE(event.ParseFromString(data.envelope));
    EXPECT_TRUE(event.mutable_raw()->ParseFromString(data.raw_head));
    EXPECT_EQ(event.GetReflection()->GetUnknownFields(event).field_count(), 0);
    event.mutable_raw()->set_body(data.body);
    EXPECT_EQ(event.source(), data.source);
    EXPECT_EQ(event.provider(), data.provider);
    EXPECT_EQ(event.type(), data.type);
    return event;
  }

  ManualClock clock_;
  metrics::Registry registry_;
  FakeStore store_;
  Ingest ingest_{{.public_url = kPublicUrl, .instance = 7}, store_, clock_, registry_};
};

TEST_F(IngestTest, StoresAVerifiedEventWithAllThatIsKnownOfIt) {
  OwnedRequest request =
      AcmeRequest(R"({"id":"e1","type":"order.paid","created":1600000000,"customer":"c9","region":"eu"})", "secret-2");
  request.target = "/webhooks/acme?x=1";
  request.headers.emplace_back("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  const Accepted accepted = Accept(request);
  ASSERT_EQ(accepted.events.size(), 1u);
  EXPECT_FALSE(accepted.events[0].duplicate);
  EXPECT_FALSE(accepted.many);
  EXPECT_EQ(accepted.tag, FakeStore::kTag);

  const v1::Event event = Stored(accepted.events[0].seq);
  EXPECT_EQ(event.source(), "acme");
  EXPECT_EQ(event.provider(), "acme");
  EXPECT_EQ(event.type(), "order.paid");
  EXPECT_EQ(event.provider_event_id(), "e1");
  EXPECT_EQ(event.ordering_key(), "c9");
  EXPECT_EQ(event.occurred_at().seconds(), 1'600'000'000);
  EXPECT_EQ(event.received_at().seconds(), absl::ToUnixSeconds(clock_.WallNow()));
  EXPECT_EQ(event.attributes().at("region"), "eu");
  EXPECT_EQ(event.traceparent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  EXPECT_EQ(event.verification().preset(), "acme");
  EXPECT_EQ(event.verification().scheme(), "equal");
  EXPECT_EQ(event.verification().key_id(), "k2");
  EXPECT_EQ(event.verification().result(), v1::VERIFICATION_RESULT_VERIFIED);
  EXPECT_EQ(event.raw().content_type(), "application/json");
  EXPECT_EQ(event.raw().target(), "/webhooks/acme?x=1");
  EXPECT_EQ(event.raw().method(), "POST");
  EXPECT_EQ(event.raw().request_id(), "0000000000000007-1");
  EXPECT_EQ(event.raw().index(), 0);
  EXPECT_EQ(event.raw().count(), 1);
  EXPECT_EQ(event.raw().body(), request.body);
  ASSERT_EQ(event.raw().headers_size(), 3);
  EXPECT_EQ(event.raw().headers(0).name(), "Content-Type");

  const store::NewEvent last = store_.LastNewEvent();
  EXPECT_EQ(last.dedupe, HashOf("e1"));
  EXPECT_EQ(last.ordering_key, HashOf("c9"));
  EXPECT_EQ(last.dedupe_window, absl::Hours(72));
  EXPECT_EQ(last.data.content, store::Content::kJson);
}

TEST_F(IngestTest, CredentialsNeverReachTheStore) {
  const Accepted accepted = Accept(AcmeRequest(R"({"id":"e1"})"));
  const v1::Event event = Stored(accepted.events.at(0).seq);
  EXPECT_EQ(event.raw().headers(1).name(), "X-Token");
  EXPECT_EQ(event.raw().headers(1).value(), "********");
}

TEST_F(IngestTest, AnswersOnlyAfterTheStoreHasConfirmed) {
  store_.Hold();
  std::future<Outcome> outcome = Start(AcmeRequest(R"({"id":"e1"})"));
  store_.WaitForAppends(1);
  EXPECT_EQ(outcome.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  store_.Release();
  EXPECT_TRUE(std::holds_alternative<Accepted>(outcome.get()));
}

TEST_F(IngestTest, ADuplicateNamesItsOriginal) {
  const Accepted first = Accept(AcmeRequest(R"({"id":"e1"})"));
  const Accepted again = Accept(AcmeRequest(R"({"id":"e1"})"));
  EXPECT_TRUE(again.events.at(0).duplicate);
  EXPECT_EQ(again.events.at(0).seq, first.events.at(0).seq);
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_ingest_events_total{source=\"acme\",status=\"duplicate\"} 1"));
}

TEST_F(IngestTest, WithoutAnIdNothingIsADuplicate) {
  EXPECT_FALSE(Accept(AcmeRequest("{}")).events.at(0).duplicate);
  EXPECT_FALSE(Accept(AcmeRequest("{}")).events.at(0).duplicate);
  EXPECT_TRUE(store_.LastNewEvent().dedupe.IsZero());
}

TEST_F(IngestTest, RefusesAWrongSignatureAndStoresNothing) {
  const Refused refused = Refuse(AcmeRequest(R"({"id":"e1"})", "secret-3"));
  EXPECT_EQ(refused.reason, Reason::kSignatureInvalid);
  EXPECT_EQ(store_.Appends(), 0);
  const std::string text = registry_.Expose();
  EXPECT_THAT(text, HasSubstr("hookstream_ingest_requests_total{decision=\"signature_invalid\",source=\"acme\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("hookstream_ingest_verification_failures_total{enforced=\"true\",reason=\"signature_mismatch\","
                        "source=\"acme\"} 1"));
}

TEST_F(IngestTest, WhatIsVerifiedAndCantBeParsedIsAcceptedRaw) {
  const Accepted accepted = Accept(AcmeRequest("{ not json"));
  const v1::Event event = Stored(accepted.events.at(0).seq);
  EXPECT_EQ(event.type(), "unknown");
  EXPECT_EQ(event.raw().body(), "{ not json");
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_ingest_unparsed_total{source=\"acme\"} 1"));
}

TEST_F(IngestTest, BytesThatAreNoUtf8MakeNoEventThatCantBeRead) {
  OwnedRequest request = AcmeRequest("{}");
  request.target = "/webhooks/acme?\xff\xfe";
  request.headers[0].second = "text/\xff";
  request.headers.emplace_back("X-Bytes", "\xc3\x28");
  const v1::Event event = Stored(Accept(request).events.at(0).seq);
  EXPECT_THAT(event.raw().target(), HasSubstr("/webhooks/acme"));
  EXPECT_EQ(event.raw().headers(2).value(), "\xc3\x28");
}

TEST_F(IngestTest, ATraceparentThatIsMalformedOrRepeatedIsNotPassedOn) {
  OwnedRequest request = AcmeRequest("{}");
  request.headers.emplace_back("Traceparent", "nonsense");
  EXPECT_EQ(Stored(Accept(request).events.at(0).seq).traceparent(), "");
  request.headers.back().second = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  request.headers.push_back(request.headers.back());
  EXPECT_EQ(Stored(Accept(request).events.at(0).seq).traceparent(), "");
}

TEST_F(IngestTest, UnknownSourcesAndMethodsAreRefused) {
  OwnedRequest request = AcmeRequest("{}");
  request.method = "GET";
  const Refused method = Refuse(request);
  EXPECT_EQ(method.reason, Reason::kMethodNotAllowed);
  EXPECT_EQ(method.allow, "POST");
  request.method = "POST";
  request.source = "other";
  EXPECT_EQ(Refuse(request).reason, Reason::kUnknownSource);
  const Ingest::Admission admission = ingest_.Admit("other", "POST");
  ASSERT_TRUE(admission.refused);
  EXPECT_EQ(admission.refused->reason, Reason::kUnknownSource);
  EXPECT_FALSE(ingest_.Admit("acme", "POST").refused);
  EXPECT_THAT(registry_.Expose(),
              HasSubstr("hookstream_ingest_requests_total{decision=\"unknown_source\",source=\"\"} 2"));
}

TEST_F(IngestTest, TheSmallerLimitOfSourceAndPresetHolds) {
  SourceConfig source = Acme();
  source.body_bytes_max = 20;
  SourceConfig small = Acme();
  small.name = "small";
  small.preset = Load(absl::StrCat("max_body: 1KiB\n", absl::string_view(kAcme.data(), kAcme.size())));
  small.body_bytes_max = 10'000;
  Use({source, small});
  EXPECT_EQ(ingest_.Admit("acme", "POST").body_bytes_max, 20);
  EXPECT_EQ(ingest_.Admit("small", "POST").body_bytes_max, 1024);
  Accept(AcmeRequest(std::string(20, ' ')));
  EXPECT_EQ(Refuse(AcmeRequest(std::string(21, ' '))).reason, Reason::kBodyTooLarge);
}

TEST_F(IngestTest, RateLimitComesBeforeVerificationAndSaysWhen) {
  SourceConfig source = Acme();
  source.requests_per_second_max = 2;
  Use({source});
  Accept(AcmeRequest("{}"));
  EXPECT_EQ(Refuse(AcmeRequest("{}", "wrong")).reason, Reason::kSignatureInvalid);
  const Refused refused = Refuse(AcmeRequest("{}"));
  EXPECT_EQ(refused.reason, Reason::kRateLimited);
  EXPECT_EQ(refused.retry_after, absl::Seconds(1));
  clock_.Advance(absl::Seconds(1));
  Accept(AcmeRequest("{}"));
}

TEST_F(IngestTest, AFullStoreAndOneThatFailedAreToldApart) {
  store_.RefuseAppends(absl::ResourceExhaustedError("queue"));
  Refused refused = Refuse(AcmeRequest("{}"));
  EXPECT_EQ(refused.reason, Reason::kStoreFull);
  EXPECT_GT(refused.retry_after, absl::ZeroDuration());
  store_.RefuseAppends(absl::UnavailableError("sync failed"));
  refused = Refuse(AcmeRequest("{}"));
  EXPECT_EQ(refused.reason, Reason::kUnavailable);
  EXPECT_GT(refused.retry_after, absl::ZeroDuration());
  store_.RefuseAppends(absl::InvalidArgumentError("too large"));
  EXPECT_EQ(Refuse(AcmeRequest("{}")).reason, Reason::kBodyTooLarge);
  store_.RefuseAppends(absl::OkStatus());
  store_.FailAppends(absl::DataLossError("disk"));
  EXPECT_EQ(Refuse(AcmeRequest("{}")).reason, Reason::kUnavailable) << "in doubt: the sender tries again";
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_ingest_appending 0"));
}

TEST_F(IngestTest, RefusesEverythingWhileItIsNotHealthy) {
  ingest_.SetHealth(absl::UnavailableError("the disk is full"));
  EXPECT_EQ(Refuse(AcmeRequest("{}")).reason, Reason::kUnavailable);
  EXPECT_TRUE(ingest_.Admit("acme", "POST").refused);
  ingest_.SetHealth(absl::OkStatus());
  Accept(AcmeRequest("{}"));
}

// --- kinds of bodies ---

SourceConfig CloudEvents() {
  SourceConfig source;
  source.name = "acme";
  source.preset = Preset("cloudevents");
  source.keys = {{.id = "k", .secret = "t"}};
  return source;
}

TEST_F(IngestTest, LinesAreEventsOfOneRequest) {
  SourceConfig source = Acme();
  source.preset = Load(
      "name: acme\ncontent: lines\nverify: {scheme: equal, signature: header.X-Token}\n"
      "event: {split: /*, type: item/t, id: item/id}");
  Use({source});
  const Accepted accepted = Accept(AcmeRequest("{\"t\":\"a\",\"id\":1}\r\n\n{\"t\":\"b\",\"id\":2}\n"));
  EXPECT_TRUE(accepted.many);
  ASSERT_EQ(accepted.events.size(), 2u);
  const v1::Event second = Stored(accepted.events[1].seq);
  EXPECT_EQ(second.type(), "b");
  EXPECT_EQ(second.raw().body(), "{\"t\":\"b\",\"id\":2}");
  EXPECT_EQ(second.raw().index(), 1);
  EXPECT_EQ(second.raw().count(), 2);
  EXPECT_EQ(store_.LastNewEvent().data.content, store::Content::kJson);
  EXPECT_TRUE(Accept(AcmeRequest("{\"t\":\"b\",\"id\":2}")).events.at(0).duplicate);
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_ingest_unparsed_total{source=\"acme\"} 0"));
}

TEST_F(IngestTest, TheRequestsRuleSaysWhetherItMayCarrySeveralEvents) {
  Use({CloudEvents()});
  OwnedRequest request;
  request.headers = {{"Content-Type", "application/cloudevents-batch+json"}, {"Authorization", "Bearer t"}};
  const std::string one = R"({"specversion":"1.0","type":"a","source":"/s","id":"1"})";
  request.body = absl::StrCat("[", one, "]");
  const Accepted batch = Accept(request);
  EXPECT_TRUE(batch.many);
  EXPECT_FALSE(batch.events.at(0).duplicate);
  request.headers[0].second = "application/cloudevents+json";
  request.body = one;
  const Accepted structured = Accept(request);
  EXPECT_FALSE(structured.many);
  EXPECT_TRUE(structured.events.at(0).duplicate) << "the same event in another mode";
}

TEST_F(IngestTest, WhatABodyIsStoredAsIsWhatWasSent) {
  Use({CloudEvents()});
  OwnedRequest request;
  request.headers = {{"Content-Type", ""}, {"Authorization", "Bearer t"}, {"ce-id", "1"}, {"ce-source", "/s"},
                     {"ce-type", "a"},     {"ce-specversion", "1.0"}};
  request.body = "[1,2]";
  const std::pair<std::string, store::Content> cases[] = {
      {"application/json", store::Content::kJson},
      {"application/vnd.acme+json; charset=utf-8", store::Content::kJson},
      {"application/x-www-form-urlencoded", store::Content::kForm},
      {"multipart/form-data; boundary=b", store::Content::kMultipart},
      {"application/xml", store::Content::kOpaque}};
  int id = 0;
  for (const auto& [type, content] : cases) {
    request.headers[0].second = type;
    request.headers[2].second = absl::StrCat(++id);
    const Accepted accepted = Accept(request);
    ASSERT_EQ(accepted.events.size(), 1u) << type;
    EXPECT_EQ(store_.LastNewEvent().data.content, content) << type;
    EXPECT_EQ(Stored(accepted.events[0].seq).type(), "a");
    EXPECT_EQ(Stored(accepted.events[0].seq).raw().body(), "[1,2]");
  }
  // The multipart form alone was none.
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_ingest_unparsed_total{source=\"acme\"} 1"));
}

// --- audit mode and no verification ---

TEST_F(IngestTest, AuditModeAcceptsMarksAndCounts) {
  SourceConfig source = Acme();
  source.enforce = false;
  Use({source});
  const Accepted forged = Accept(AcmeRequest(R"({"id":"e1"})", "wrong"));
  v1::Event event = Stored(forged.events.at(0).seq);
  EXPECT_EQ(event.verification().result(), v1::VERIFICATION_RESULT_REFUSED);
  EXPECT_EQ(event.verification().reason(), "signature_mismatch");
  EXPECT_EQ(event.verification().key_id(), "");
  EXPECT_THAT(registry_.Expose(), HasSubstr("enforced=\"false\",reason=\"signature_mismatch\",source=\"acme\"} 1"));
  // The genuine event with the same id is none the worse for it.
  const Accepted genuine = Accept(AcmeRequest(R"({"id":"e1"})"));
  EXPECT_FALSE(genuine.events.at(0).duplicate);
  event = Stored(genuine.events.at(0).seq);
  EXPECT_EQ(event.verification().result(), v1::VERIFICATION_RESULT_VERIFIED);
}

TEST_F(IngestTest, AuditModeComputesNoHandshakeForAStranger) {
  SourceConfig source;
  source.name = "acme";
  source.preset = Load(R"(
name: zoomlike
verify: {scheme: hmac-sha256, signature: header.X-Sig}
handshakes:
  - when: {json/event: validate}
    reply: {text: "{json/token | hmac-sha256 | hex}"}
event: {type: json/event}
)");
  source.keys = {{.id = "k", .secret = "s"}};
  source.enforce = false;
  Use({source});
  OwnedRequest request;
  request.headers.emplace_back("X-Sig", std::string(64, '0'));
  request.body = R"({"event":"validate","token":"what I want to have signed"})";
  const Accepted accepted = Accept(request);
  EXPECT_EQ(accepted.events.size(), 1u) << "an event like any other";
}

TEST_F(IngestTest, VerificationNoneSaysSo) {
  SourceConfig source = Acme();
  source.keys.clear();
  source.verification_none = true;
  Use({source});
  const v1::Event event = Stored(Accept(AcmeRequest(R"({"type":"t"})", "whatever")).events.at(0).seq);
  EXPECT_EQ(event.type(), "t");
  EXPECT_EQ(event.verification().result(), v1::VERIFICATION_RESULT_NOT_REQUIRED);
  EXPECT_EQ(event.verification().scheme(), "none");
  EXPECT_EQ(event.verification().reason(), "");
}

// --- handshakes and replies ---

TEST_F(IngestTest, AnswersAHandshakeAndStoresNothing) {
  SourceConfig source;
  source.name = "acme";
  source.preset = Load(R"(
name: metalike
secrets: [verify_token]
verify: {scheme: hmac-sha256, signature: header.X-Sig}
handshakes:
  - when: {method: GET, query.mode: subscribe}
    verified: false
    require: {query.token: "{secret.verify_token}"}
    reply: {text: "{query.challenge}"}
event: {type: json/type}
)");
  source.keys = {{.id = "k", .secret = "s"}};
  source.params = {{"verify_token", "tok"}};
  Use({source});
  OwnedRequest request;
  request.method = "GET";
  request.target = "/webhooks/acme?mode=subscribe&token=tok&challenge=c123";
  Outcome outcome = Send(request);
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
  EXPECT_EQ(std::get<Reply>(outcome).status, 200);
  EXPECT_EQ(std::get<Reply>(outcome).body, "c123");
  request.target = "/webhooks/acme?mode=subscribe&token=wrong&challenge=c123";
  outcome = Send(request);
  ASSERT_TRUE(std::holds_alternative<Reply>(outcome));
  EXPECT_EQ(std::get<Reply>(outcome).status, 403);
  EXPECT_EQ(store_.Appends(), 0);
}

TEST_F(IngestTest, APresetsOwnAnswersAreGiven) {
  SourceConfig source = Acme();
  source.preset = Load(absl::StrCat(absl::string_view(kAcme.data(), kAcme.size()),
                                    "respond: {accepted: {status: 204}, rejected: {status: 406}}\n"));
  Use({source});
  const Accepted accepted = Accept(AcmeRequest("{}"));
  ASSERT_TRUE(accepted.reply);
  EXPECT_EQ(accepted.reply->status, 204);
  const Refused refused = Refuse(AcmeRequest("{}", "wrong"));
  ASSERT_TRUE(refused.reply);
  EXPECT_EQ(refused.reply->status, 406);
}

// --- several events in a body ---

TEST_F(IngestTest, SplitsABodyIntoItsEvents) {
  SourceConfig source = Acme();
  source.preset = Load(R"(
name: batch
verify: {scheme: equal, signature: header.X-Token}
event: {split: "/events/*", type: item/type, id: item/id}
)");
  Use({source});
  const Accepted accepted =
      Accept(AcmeRequest(R"({"events":[{"type":"a","id":"1"},{"type":"b","id":"2"},{"type":"a","id":"1"}]})"));
  EXPECT_TRUE(accepted.many);
  ASSERT_EQ(accepted.events.size(), 3u);
  EXPECT_TRUE(accepted.events[2].duplicate);
  const v1::Event first = Stored(accepted.events[0].seq);
  const v1::Event second = Stored(accepted.events[1].seq);
  EXPECT_EQ(first.raw().body(), R"({"type":"a","id":"1"})");
  EXPECT_EQ(second.type(), "b");
  EXPECT_EQ(second.raw().index(), 1);
  EXPECT_EQ(second.raw().count(), 3);
  EXPECT_EQ(first.raw().request_id(), second.raw().request_id());
  EXPECT_EQ(store_.Appends(), 1);

  const Accepted none = Accept(AcmeRequest(R"({"events":[]})"));
  EXPECT_TRUE(none.many);
  EXPECT_TRUE(none.events.empty());
  EXPECT_EQ(store_.Appends(), 1) << "nothing to store";
}

// --- the presets that are built in, signed as their providers do ---

TEST_F(IngestTest, TakesWhatProvidersSendAndNothingElse) {
  for (const std::string_view name : {"github", "openai", "slack", "standard-webhooks", "stripe", "twilio"}) {
    SCOPED_TRACE(name);
    const auto preset = Preset(name);
    const verify::Key key{.id = "key",
                          .secret = name.starts_with("standard") || name == "openai"
                                        ? "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
                                        : "some secret"};
    SourceConfig source;
    source.name = "source";
    source.preset = preset;
    source.keys = {key};
    Use({source});
    const auto sample = verify::SampleBody(*preset, "", "seed", clock_.WallNow());
    ASSERT_TRUE(sample.ok()) << sample.status();
    const auto signed_request = verify::Sign(*preset, key,
                                             {.type = sample->type,
                                              .body = sample->body,
                                              .url = absl::StrCat(kPublicUrl, "/webhooks/source"),
                                              .now = clock_.WallNow(),
                                              .id = sample->id,
                                              .content_type = sample->content_type});
    ASSERT_TRUE(signed_request.ok()) << signed_request.status();
    OwnedRequest request;
    request.source = "source";
    request.method = signed_request->method;
    request.target = verify::SplitUrl(signed_request->url).second;
    request.headers = signed_request->headers;
    request.body = signed_request->body;
    const v1::Event event = Stored(Accept(request).events.at(0).seq);
    EXPECT_EQ(event.type(), sample->type);
    EXPECT_EQ(event.provider(), preset->family);
    EXPECT_EQ(event.verification().key_id(), "key");
    EXPECT_EQ(event.raw().body(), request.body);
    request.body.back() = static_cast<char>(request.body.back() ^ 1);
    EXPECT_EQ(Refuse(request).reason, Reason::kSignatureInvalid);
  }
}

// --- the set of sources ---

TEST_F(IngestTest, WrongSourcesAreRefusedByNameAndTheOldOnesStay) {
  const auto refuse = [this](const std::function<void(SourceConfig&)>& change) {
    SourceConfig source = Acme();
    change(source);
    const absl::Status status = ingest_.ReplaceSources({source});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("secret-1")));
    return std::string(status.message());
  };
  EXPECT_THAT(refuse([](auto& s) { s.name = "Not_a_name"; }), HasSubstr("Not_a_name"));
  EXPECT_THAT(refuse([](auto& s) { s.keys.clear(); }), HasSubstr("acme"));
  refuse([](auto& s) { s.preset = nullptr; });
  refuse([](auto& s) { s.verification_none = true; });  // with keys
  refuse([](auto& s) { s.dedupe_window = absl::Hours(24 * 31); });
  refuse([](auto& s) { s.requests_per_second_max = -1; });
  refuse([](auto& s) { s.body_bytes_max = 0; });
  refuse([](auto& s) { s.params = {{"unknown", "x"}}; });
  refuse([](auto& s) {
    s.preset = Load("name: open\nverify: {scheme: none}\nevent: {type: json/type}\n");
    s.keys.clear();
  });
  EXPECT_EQ(ingest_.ReplaceSources({Acme(), Acme()}).code(), absl::StatusCode::kInvalidArgument);
  Accept(AcmeRequest("{}"));
}

TEST_F(IngestTest, HitsPerKeyGoOnOverAReload) {
  Accept(AcmeRequest("{}", "secret-1"));
  Accept(AcmeRequest("{}", "secret-2"));
  SourceConfig source = Acme();
  source.keys = {{.id = "k2", .secret = "secret-2"}, {.id = "k3", .secret = "secret-3"}};
  Use({source});
  clock_.Advance(absl::Hours(1));
  Accept(AcmeRequest("{}", "secret-2"));
  EXPECT_EQ(Refuse(AcmeRequest("{}", "secret-1")).reason, Reason::kSignatureInvalid);
  const std::vector<SourceInfo> sources = ingest_.ListSources();
  ASSERT_EQ(sources.size(), 1u);
  EXPECT_EQ(sources[0].url, "https://hooks.example.com/webhooks/acme");
  EXPECT_EQ(sources[0].preset, "acme");
  ASSERT_EQ(sources[0].keys.size(), 2u);
  EXPECT_EQ(sources[0].keys[0].id, "k2");
  EXPECT_EQ(sources[0].keys[0].hits, 2);
  EXPECT_EQ(sources[0].keys[0].last_hit_at, clock_.WallNow());
  EXPECT_EQ(sources[0].keys[1].hits, 0);
  EXPECT_EQ(sources[0].keys[1].last_hit_at, absl::InfinitePast());
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_ingest_key_hits_total{key=\"k2\",source=\"acme\"} 2"));
}

TEST_F(IngestTest, CountsRequestsByWhatBecameOfThem) {
  const absl::Time start = clock_.WallNow();
  clock_.Advance(absl::Minutes(5));
  Accept(AcmeRequest("{}"));
  Accept(AcmeRequest("{}"));
  for (int i = 0; i < 3; ++i) Refuse(AcmeRequest("{}", "wrong"));
  OwnedRequest unsigned_request;
  unsigned_request.body = "{}";
  Refuse(unsigned_request);
  OwnedRequest other_method = AcmeRequest("{}");
  other_method.method = "DELETE";
  Refuse(other_method);
  SourceInfo info = ingest_.ListSources().at(0);
  EXPECT_EQ(info.counting_since, start);
  EXPECT_EQ(info.accepted, 2);
  EXPECT_EQ(info.refused, 5);
  EXPECT_EQ(info.verified, 6);
  EXPECT_EQ(info.would_refuse, 0);
  ASSERT_EQ(info.refused_by.size(), 3u);
  EXPECT_EQ(info.refused_by[0].reason, "signature_mismatch");
  EXPECT_EQ(info.refused_by[0].count, 3);
  EXPECT_EQ(info.refused_by[1].reason, "method_not_allowed");
  EXPECT_EQ(info.refused_by[2].reason, "signature_missing");

  SourceConfig audit = Acme();
  audit.enforce = false;
  Use({audit});
  Accept(AcmeRequest("{}", "wrong"));
  info = ingest_.ListSources().at(0);
  EXPECT_EQ(info.would_refuse, 1);
  EXPECT_EQ(info.would_refuse_by.at(0).reason, "signature_mismatch");
  EXPECT_EQ(info.accepted, 3);
  EXPECT_EQ(info.refused, 5) << "goes on over a reload";
  EXPECT_EQ(info.verified, 7);
}

TEST_F(IngestTest, ASourceOrKeyThatComesBackCountsAnew) {
  Accept(AcmeRequest("{}"));
  Use({});
  clock_.Advance(absl::Hours(1));
  Use({Acme()});
  SourceInfo info = ingest_.ListSources().at(0);
  EXPECT_EQ(info.counting_since, clock_.WallNow());
  EXPECT_EQ(info.accepted, 0) << "the number belongs to the time that is given with it";
  EXPECT_EQ(info.keys.at(0).hits, 0);
  EXPECT_EQ(info.keys.at(0).counting_since, clock_.WallNow());
  Accept(AcmeRequest("{}"));
  EXPECT_EQ(ingest_.ListSources().at(0).keys.at(0).hits, 1);
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_ingest_key_hits_total{key=\"k1\",source=\"acme\"} 2"));
}

TEST_F(IngestTest, AKeysLastHitIsAMetric) {
  EXPECT_THAT(registry_.Expose(),
              HasSubstr("hookstream_ingest_key_last_hit_timestamp_seconds{key=\"k1\",source=\"acme\"} 0"));
  clock_.Advance(absl::Seconds(25));
  Accept(AcmeRequest("{}"));
  EXPECT_THAT(registry_.Expose(),
              HasSubstr("hookstream_ingest_key_last_hit_timestamp_seconds{key=\"k1\",source=\"acme\"} 1700000025"));
}

TEST_F(IngestTest, RecordsHowFarSignedTimesAreOff) {
  SourceConfig source;
  source.name = "stripe";
  source.preset = Preset("stripe");
  source.keys = {{.id = "k", .secret = "s"}};
  Use({source});
  EXPECT_FALSE(ingest_.ListSources().at(0).skew);
  const auto send = [&](absl::Duration late, std::string_view secret = "s") {
    verify::SignInput input;
    input.body = "{}";
    input.url = "https://h/x";
    input.now = clock_.WallNow() - late;
    const auto made = verify::Sign(*source.preset, {.id = "k", .secret = std::string(secret)}, input);
    ASSERT_TRUE(made.ok()) << made.status();
    OwnedRequest request;
    request.source = "stripe";
    request.headers = made->headers;
    request.body = made->body;
    Send(request);
  };
  send(absl::Hours(9), "guessed");
  EXPECT_FALSE(ingest_.ListSources().at(0).skew) << "what a stranger signs says nothing";
  send(absl::Seconds(2));
  send(absl::Seconds(-400));  // refused: the clock is ahead by more than the preset allows
  send(absl::Seconds(30));
  auto skew = ingest_.ListSources().at(0).skew;
  ASSERT_TRUE(skew);
  EXPECT_EQ(skew->last, absl::Seconds(30));
  EXPECT_EQ(skew->last_at, clock_.WallNow());
  EXPECT_EQ(skew->lowest, absl::Seconds(-400));
  EXPECT_EQ(skew->highest, absl::Seconds(30));
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_ingest_signed_time_skew_seconds_count{source=\"stripe\"} 3"));
  EXPECT_THAT(registry_.Expose(), HasSubstr("hookstream_ingest_signed_time_skew_seconds_sum{source=\"stripe\"} -368"));
  // The worst is of the recent past only; the last stays.
  clock_.Advance(absl::Hours(3));
  skew = ingest_.ListSources().at(0).skew;
  ASSERT_TRUE(skew);
  EXPECT_EQ(skew->last, absl::Seconds(30));
  EXPECT_EQ(skew->lowest, std::nullopt);
}

TEST_F(IngestTest, ARequestUnderWayOutlivesItsSource) {
  store_.Hold();
  std::future<Outcome> outcome = Start(AcmeRequest("{}"));
  store_.WaitForAppends(1);
  Use({});
  store_.Release();
  EXPECT_TRUE(std::holds_alternative<Accepted>(outcome.get()));
  EXPECT_EQ(Refuse(AcmeRequest("{}")).reason, Reason::kUnknownSource);
}

TEST_F(IngestTest, SourcesAreReplacedUnderLoad) {
  std::atomic<bool> stop{false};
  std::thread reload([&] {
    while (!stop) {
      SourceConfig source = Acme();
      ASSERT_TRUE(ingest_.ReplaceSources({std::move(source)}).ok());
    }
  });
  std::vector<std::thread> senders;
  for (int t = 0; t < 3; ++t) {
    senders.emplace_back([this, t] {
      for (int i = 0; i < 200; ++i) {
        // As the edge does with each head. It once read a source whose set had just been replaced.
        EXPECT_EQ(ingest_.Admit("acme", "POST").body_bytes_max, SourceConfig().body_bytes_max);
        Outcome outcome = Send(AcmeRequest(absl::StrCat(R"({"id":")", t, "-", i, R"("})")));
        EXPECT_TRUE(std::holds_alternative<Accepted>(outcome));
      }
    });
  }
  for (auto& sender : senders) sender.join();
  stop = true;
  reload.join();
  EXPECT_EQ(store_.Events().size(), 600u);
  EXPECT_EQ(ingest_.ListSources().at(0).keys.at(0).hits, 600);
}

}  // namespace
}  // namespace hookstream::ingest
