#include "rpc/server.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "hookstream/v1/admin_service.grpc.pb.h"
#include "hookstream/v1/schema_service.grpc.pb.h"
#include "hookstream/v1/subscriber_service.grpc.pb.h"
#include "tests/support/fake_store.h"
#include "tests/support/make_event.h"

namespace hookstream::rpc {
namespace {

using ::testing::HasSubstr;

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
}

// A Subscribe call of the generated client.
class Client {
 public:
  explicit Client(v1::SubscriberService::Stub& stub) {
    SetDeadline(context_);
    call_ = stub.Subscribe(&context_);
  }
  ~Client() {
    context_.TryCancel();
    if (!finished_) {
      v1::SubscribeResponse rest;
      while (call_->Read(&rest)) {
      }
      (void)call_->Finish();
    }
  }

  bool Write(const v1::SubscribeRequest& request) { return call_->Write(request); }
  void Open(const v1::Open& open) {
    v1::SubscribeRequest request;
    *request.mutable_open() = open;
    EXPECT_TRUE(call_->Write(request));
  }
  bool Settle(const v1::SettleBatch& batch) {
    v1::SubscribeRequest request;
    *request.mutable_settle() = batch;
    return call_->Write(request);
  }
  // The next response that is no heartbeat.
  v1::SubscribeResponse Read() {
    v1::SubscribeResponse response;
    do {
      if (!call_->Read(&response)) {
        ADD_FAILURE() << "the stream has ended";
        return {};
      }
    } while (response.has_heartbeat());
    return response;
  }
  std::vector<v1::Delivery> Deliveries(int count) {
    std::vector<v1::Delivery> deliveries;
    while (static_cast<int>(deliveries.size()) < count) {
      const v1::SubscribeResponse response = Read();
      if (!response.has_deliveries()) {
        ADD_FAILURE() << "no deliveries: " << response.ShortDebugString();
        break;
      }
      batches_.push_back(response.deliveries().deliveries_size());
      bytes_.push_back(response.ByteSizeLong());
      for (const auto& delivery : response.deliveries().deliveries()) deliveries.push_back(delivery);
    }
    return deliveries;
  }
  void HalfClose() { call_->WritesDone(); }
  void Cancel() { context_.TryCancel(); }
  // Reads what is left.
  grpc::Status Finish() {
    v1::SubscribeResponse rest;
    while (call_->Read(&rest)) {
      if (!rest.has_heartbeat()) rest_.push_back(rest);
    }
    finished_ = true;
    return call_->Finish();
  }

  const std::vector<int>& batches() const { return batches_; }
  const std::vector<size_t>& bytes() const { return bytes_; }
  const std::vector<v1::SubscribeResponse>& rest() const { return rest_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>> call_;
  std::vector<int> batches_;
  std::vector<size_t> bytes_;
  std::vector<v1::SubscribeResponse> rest_;
  bool finished_ = false;
};

v1::SettleBatch Acks(const std::vector<v1::Delivery>& deliveries) {
  v1::SettleBatch batch;
  for (const auto& delivery : deliveries) {
    auto& settlement = *batch.add_settlements();
    settlement.set_delivery_id(delivery.delivery_id());
    settlement.mutable_ack();
  }
  return batch;
}

class ServerTest : public ::testing::Test {
 protected:
  ServerTest()
      : schemas_(*typing::Registry::Build()),
        dispatcher_(store_, [this] { return schemas_; }, clock_, metrics_, {}),
        admin_(store_, dispatcher_, [this] { return schemas_; }),
        server_(dispatcher_, admin_, [this] { return schemas_; },
                {.status =
                     [] {
                       v1::GetStatusResponse status;
                       status.set_engine("memory");
                       return status;
                     },
                 .sources = [] { return v1::ListSourcesResponse(); },
                 .learnt_keys = [](const auto&) { return v1::ListLearntKeysResponse(); },
                 .forget_key =
                     [](const auto&, dispatch::Done<v1::ForgetLearntKeyResponse> done) {
                       std::move(done)(v1::ForgetLearntKeyResponse());
                     }},
                metrics_, {.version = "9.9.9"}) {
    EXPECT_TRUE(store_.Start(dispatcher_.Subscriptions(), nullptr).ok());
    dispatcher_.Start();
    EXPECT_TRUE(server_.Start().ok());
    server_.SetServing(true);
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(server_.port()), grpc::InsecureChannelCredentials());
    subscriber_ = v1::SubscriberService::NewStub(channel_);
    admin_stub_ = v1::AdminService::NewStub(channel_);
  }
  ~ServerTest() override {
    server_.Shutdown(absl::ZeroDuration());
    dispatcher_.Stop();
    store_.Stop();
  }

  static v1::Subscription Plain(const std::string& name) {
    v1::Subscription subscription;
    subscription.set_name(name);
    subscription.mutable_start()->set_earliest(true);
    subscription.mutable_retry()->set_jitter(0);
    subscription.mutable_retry()->mutable_min_backoff();
    return subscription;
  }
  grpc::Status Create(const v1::Subscription& subscription) {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::CreateSubscriptionRequest request;
    *request.mutable_subscription() = subscription;
    v1::CreateSubscriptionResponse response;
    return admin_stub_->CreateSubscription(&context, request, &response);
  }
  void Add(int count, const testing::EventShape& shape = {}) {
    for (int i = 0; i < count; ++i) {
      std::vector<store::NewEvent> events;
      events.push_back(testing::MakeNewEvent(shape));
      EXPECT_TRUE(store_.Append(std::move(events), [](auto) {}).ok());
    }
  }
  static v1::Open OpenOf(const std::string& subscription, bool confirm = true) {
    v1::Open open;
    open.set_subscription(subscription);
    open.set_confirm_settlements(confirm);
    return open;
  }
  grpc::Status FailureOf(const v1::SubscribeRequest& request) {
    Client client(*subscriber_);
    client.Write(request);
    return client.Finish();
  }

  SystemClock clock_;
  metrics::Registry metrics_;
  testing::FakeStore store_;
  std::shared_ptr<const typing::Registry> schemas_;
  dispatch::Dispatcher dispatcher_;
  dispatch::Admin admin_;
  Server server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::SubscriberService::Stub> subscriber_;
  std::unique_ptr<v1::AdminService::Stub> admin_stub_;
};

TEST_F(ServerTest, OpeningAStreamWronglyEndsItWithTheReason) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  v1::SubscribeRequest request;
  EXPECT_EQ(FailureOf(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.mutable_settle();
  EXPECT_THAT(FailureOf(request).error_message(), HasSubstr("first message"));
  *request.mutable_open() = OpenOf("nobody");
  EXPECT_EQ(FailureOf(request).error_code(), grpc::StatusCode::NOT_FOUND);
  *request.mutable_open() = OpenOf("billing");
  request.mutable_open()->set_max_message_bytes(5);
  const grpc::Status status = FailureOf(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("max_message_bytes"));
  Client silent(*subscriber_);
  silent.HalfClose();
  EXPECT_EQ(silent.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  Client twice(*subscriber_);
  twice.Open(OpenOf("billing"));
  twice.Open(OpenOf("billing"));
  EXPECT_EQ(twice.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerTest, EventsAreDeliveredAndConfirmed) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  Client client(*subscriber_);
  client.Open(OpenOf("billing"));
  const v1::Opened opened = client.Read().opened();
  EXPECT_EQ(opened.subscription(), "billing");
  EXPECT_EQ(opened.server_version(), "9.9.9");
  EXPECT_FALSE(opened.resume_token().empty());
  Add(3);
  const auto deliveries = client.Deliveries(3);
  EXPECT_EQ(deliveries[0].event().raw().body(), testing::EventShape().body);
  EXPECT_EQ(deliveries[0].attempt(), 1);
  ASSERT_TRUE(client.Settle(Acks(deliveries)));
  std::set<std::string> confirmed;
  while (confirmed.size() < 3) {
    const v1::SubscribeResponse response = client.Read();
    for (const auto& result : response.settled().results()) {
      EXPECT_EQ(result.status(), v1::SETTLEMENT_STATUS_OK);
      confirmed.insert(result.delivery_id());
    }
  }
  client.HalfClose();
  EXPECT_TRUE(client.Finish().ok());
}

TEST_F(ServerTest, WithoutConfirmationOnlyFailuresAreAnswered) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  Client client(*subscriber_);
  client.Open(OpenOf("billing", false));
  client.Read();
  Add(2);
  v1::SettleBatch batch = Acks(client.Deliveries(2));
  auto& unknown = *batch.add_settlements();
  unknown.set_delivery_id("nonsense");
  unknown.mutable_ack();
  ASSERT_TRUE(client.Settle(batch));
  const auto results = client.Read().settled().results();
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].status(), v1::SETTLEMENT_STATUS_UNKNOWN);
  EXPECT_EQ(results[0].delivery_id(), "nonsense");
  client.HalfClose();
  EXPECT_TRUE(client.Finish().ok());
  EXPECT_TRUE(client.rest().empty());
}

TEST_F(ServerTest, StreamsShareASubscriptionAndSubscriptionsGetEverything) {
  ASSERT_TRUE(Create(Plain("one")).ok());
  ASSERT_TRUE(Create(Plain("two")).ok());
  Client a(*subscriber_), b(*subscriber_), all(*subscriber_);
  v1::Open half = OpenOf("one");
  half.set_max_outstanding_events(50);
  a.Open(half);
  a.Read();
  b.Open(half);
  b.Read();
  all.Open(OpenOf("two"));
  all.Read();
  Add(100);
  std::set<std::string> ids;
  for (Client* client : {&a, &b}) {
    for (const auto& delivery : client->Deliveries(50)) EXPECT_TRUE(ids.insert(delivery.event().id()).second);
  }
  EXPECT_EQ(ids.size(), 100u);
  EXPECT_EQ(all.Deliveries(100).size(), 100u);
}

TEST_F(ServerTest, BatchesStayWithinTheirLimits) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  Add(40, {.body = std::string(10'000, 'b')});
  v1::Open open = OpenOf("billing");
  open.set_max_batch_events(7);
  open.set_max_message_bytes(64 << 10);
  Client client(*subscriber_);
  client.Open(open);
  EXPECT_EQ(client.Read().opened().max_batch_events(), 7);
  const auto deliveries = client.Deliveries(40);
  EXPECT_EQ(deliveries.size(), 40u);
  for (const int size : client.batches()) EXPECT_LE(size, 7);
  for (const size_t bytes : client.bytes()) EXPECT_LE(bytes, size_t{64 << 10});
  for (const auto& delivery : deliveries) EXPECT_EQ(delivery.event().raw().body().size(), 10'000u);
}

TEST_F(ServerTest, ALargeEventComesWhole) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  const std::string body = "\"" + std::string(1 << 20, 'b') + "\"";
  Add(2, {.body = body});
  Client client(*subscriber_);
  client.Open(OpenOf("billing"));
  client.Read();
  for (const auto& delivery : client.Deliveries(2)) EXPECT_EQ(delivery.event().raw().body(), body);
}

TEST_F(ServerTest, AnEventThatDoesNotFitComesWithoutItsBodyWhichCanBeStreamed) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  const std::string body(3 << 20, 'b');
  Add(1, {.body = body});
  v1::Open open = OpenOf("billing");
  open.set_max_message_bytes(64 << 10);
  Client client(*subscriber_);
  client.Open(open);
  client.Read();
  const auto deliveries = client.Deliveries(1);
  ASSERT_EQ(deliveries.size(), 1u);
  EXPECT_TRUE(deliveries[0].event().raw().body_omitted());
  EXPECT_EQ(deliveries[0].event().raw().body_bytes(), 3 << 20);

  grpc::ClientContext context;
  SetDeadline(context);
  v1::GetEventBodyRequest request;
  request.set_id(deliveries[0].event().id());
  const auto chunks = admin_stub_->GetEventBody(&context, request);
  std::string whole;
  v1::GetEventBodyResponse chunk;
  while (chunks->Read(&chunk)) whole += chunk.chunk();
  EXPECT_TRUE(chunks->Finish().ok());
  EXPECT_EQ(whole, body);
}

TEST_F(ServerTest, AnOversizedSettleBatchIsRefusedWithTheLimit) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  Client client(*subscriber_);
  client.Open(OpenOf("billing"));
  client.Read();
  v1::SettleBatch batch;
  for (int i = 0; i <= dispatch::kSettlementsMax; ++i) batch.add_settlements()->mutable_ack();
  client.Settle(batch);
  const grpc::Status status = client.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("at most 10000"));
}

TEST_F(ServerTest, AVanishedClientCostsAnAttemptAndAHalfCloseDoesNot) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  Add(1);
  {
    Client client(*subscriber_);
    client.Open(OpenOf("billing"));
    client.Read();
    EXPECT_EQ(client.Deliveries(1)[0].attempt(), 1);
    client.HalfClose();
    EXPECT_TRUE(client.Finish().ok());
  }
  {
    Client client(*subscriber_);
    client.Open(OpenOf("billing"));
    client.Read();
    EXPECT_EQ(client.Deliveries(1)[0].attempt(), 1);
    client.Cancel();
    EXPECT_EQ(client.Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  Client client(*subscriber_);
  client.Open(OpenOf("billing"));
  client.Read();
  const auto again = client.Deliveries(1);
  EXPECT_EQ(again[0].attempt(), 2);
  EXPECT_EQ(again[0].last_failure().kind(), v1::FAILURE_KIND_LOST_CONNECTION);
}

TEST_F(ServerTest, FetchAndSettleNeedNoStream) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  Add(3);
  v1::FetchRequest fetch;
  fetch.set_subscription("billing");
  fetch.mutable_wait()->set_seconds(10);
  fetch.set_view(v1::VIEW_METADATA);
  std::vector<v1::Delivery> deliveries;
  while (deliveries.size() < 3) {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::FetchResponse response;
    const grpc::Status status = subscriber_->Fetch(&context, fetch, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_GT(response.deliveries_size(), 0);
    for (const auto& delivery : response.deliveries()) deliveries.push_back(delivery);
  }
  EXPECT_FALSE(deliveries[0].event().has_raw());
  v1::SettleRequest settle;
  settle.set_subscription("billing");
  *settle.mutable_settlements() = Acks(deliveries).settlements();
  grpc::ClientContext context;
  SetDeadline(context);
  v1::SettleResponse settled;
  ASSERT_TRUE(subscriber_->Settle(&context, settle, &settled).ok());
  ASSERT_EQ(settled.results_size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(settled.results(i).status(), v1::SETTLEMENT_STATUS_OK);
    EXPECT_EQ(settled.results(i).delivery_id(), deliveries[static_cast<size_t>(i)].delivery_id());
  }
  grpc::ClientContext other;
  fetch.set_subscription("nobody");
  v1::FetchResponse none;
  EXPECT_EQ(subscriber_->Fetch(&other, fetch, &none).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServerTest, AFetchThatIsCancelledHoldsNothing) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  v1::FetchRequest fetch;
  fetch.set_subscription("billing");
  fetch.mutable_wait()->set_seconds(30);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  v1::FetchResponse response;
  EXPECT_EQ(subscriber_->Fetch(&context, fetch, &response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  // The relay learns of it a moment later.
  for (int streams = 1; streams != 0;) {
    grpc::ClientContext look;
    SetDeadline(look);
    v1::GetSubscriptionRequest request;
    request.set_name("billing");
    v1::GetSubscriptionResponse info;
    ASSERT_TRUE(admin_stub_->GetSubscription(&look, request, &info).ok());
    streams = info.subscription().streams();
  }
  Client client(*subscriber_);
  client.Open(OpenOf("billing"));
  client.Read();
  Add(1);
  EXPECT_EQ(client.Deliveries(1)[0].attempt(), 1);
}

TEST_F(ServerTest, ADrainTellsTheClientsTakesTheirSettlementsAndEndsTheStreams) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  Client client(*subscriber_);
  client.Open(OpenOf("billing"));
  client.Read();
  Add(1);
  const auto deliveries = client.Deliveries(1);

  server_.SetServing(false);
  dispatcher_.StopDeliveries();
  dispatcher_.SendDrain(absl::Seconds(20), "restart");
  const v1::SubscribeResponse drain = client.Read();
  EXPECT_EQ(drain.drain().reason(), "restart");
  EXPECT_EQ(drain.drain().grace().seconds(), 20);
  ASSERT_TRUE(client.Settle(Acks(deliveries)));
  EXPECT_EQ(client.Read().settled().results(0).status(), v1::SETTLEMENT_STATUS_OK);
  EXPECT_TRUE(dispatcher_.WaitSettled(absl::Seconds(20)));
  dispatcher_.CloseStreams();
  EXPECT_EQ(client.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  server_.Shutdown(absl::Seconds(20));
}

TEST_F(ServerTest, AShutdownDoesNotWaitForStreamsLongerThanItsGrace) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  Client client(*subscriber_);
  client.Open(OpenOf("billing"));
  client.Read();
  server_.Shutdown(absl::Milliseconds(10));
  EXPECT_FALSE(client.Finish().ok());
}

TEST_F(ServerTest, HealthIsToldPerService) {
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  const auto check = [&](const std::string& service) {
    grpc::ClientContext context;
    SetDeadline(context);
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status status = health->Check(&context, request, &response);
    return status.ok() ? static_cast<int>(response.status()) : -static_cast<int>(status.error_code());
  };
  for (const std::string service : {"", "hookstream.v1.SubscriberService", "hookstream.v1.AdminService"}) {
    EXPECT_EQ(check(service), grpc::health::v1::HealthCheckResponse::SERVING) << service;
  }
  EXPECT_EQ(check("nobody"), -static_cast<int>(grpc::StatusCode::NOT_FOUND));
  server_.SetServing(false);
  for (const std::string service : {"", "hookstream.v1.SubscriberService"}) {
    EXPECT_EQ(check(service), grpc::health::v1::HealthCheckResponse::NOT_SERVING) << service;
  }
}

template <typename Service, typename Request, typename Response>
void ExpectReflection(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  SetDeadline(context);
  const auto stub = Service::NewStub(channel);
  const auto call = stub->ServerReflectionInfo(&context);
  const auto ask = [&](const Request& request) {
    Response response;
    EXPECT_TRUE(call->Write(request));
    EXPECT_TRUE(call->Read(&response));
    return response;
  };
  Request request;
  request.set_list_services("");
  std::set<std::string> services;
  const Response list = ask(request);
  for (const auto& service : list.list_services_response().service()) services.insert(service.name());
  EXPECT_THAT(services, ::testing::IsSupersetOf({"hookstream.v1.SubscriberService", "hookstream.v1.AdminService",
                                                 "hookstream.v1.SchemaService", "grpc.health.v1.Health"}));
  for (const std::string& service : services) {
    request.set_file_containing_symbol(service);
    const Response response = ask(request);
    ASSERT_GT(response.file_descriptor_response().file_descriptor_proto_size(), 0) << service;
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(response.file_descriptor_response().file_descriptor_proto(0)));
    EXPECT_EQ(service.rfind(file.package() + ".", 0), 0u) << service << " in " << file.name();
  }
  request.set_file_by_filename("hookstream/v1/event.proto");
  EXPECT_GT(ask(request).file_descriptor_response().file_descriptor_proto_size(), 1);  // with its imports
  request.set_file_containing_symbol("no.such.Thing");
  EXPECT_EQ(ask(request).error_response().error_code(), static_cast<int>(grpc::StatusCode::NOT_FOUND));
  request.Clear();
  EXPECT_EQ(ask(request).error_response().error_code(), static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
  call->WritesDone();
  EXPECT_TRUE(call->Finish().ok());
}

TEST_F(ServerTest, ReflectionIsServedInBothVersions) {
  namespace v1r = grpc::reflection::v1;
  namespace alpha = grpc::reflection::v1alpha;
  ExpectReflection<v1r::ServerReflection, v1r::ServerReflectionRequest, v1r::ServerReflectionResponse>(channel_);
  ExpectReflection<alpha::ServerReflection, alpha::ServerReflectionRequest, alpha::ServerReflectionResponse>(channel_);
}

TEST_F(ServerTest, SchemasAreHandedOut) {
  const auto stub = v1::SchemaService::NewStub(channel_);
  grpc::ClientContext list_context, good_context, bad_context;
  v1::ListEventTypesResponse types;
  ASSERT_TRUE(stub->ListEventTypes(&list_context, {}, &types).ok());
  EXPECT_EQ(types.event_types_size(), static_cast<int>(schemas_->EventTypes().size()));
  v1::GetDescriptorsRequest request;
  request.set_message("hookstream.v1.Event");
  v1::GetDescriptorsResponse response;
  ASSERT_TRUE(stub->GetDescriptors(&good_context, request, &response).ok());
  google::protobuf::FileDescriptorSet set;
  EXPECT_TRUE(set.ParseFromString(response.file_descriptor_set()));
  EXPECT_GT(set.file_size(), 1);
  request.set_message("no.such.Thing");
  EXPECT_EQ(stub->GetDescriptors(&bad_context, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServerTest, TheAdminServiceRedrivesWithProgress) {
  v1::Subscription subscription = Plain("billing");
  subscription.set_max_attempts(1);
  ASSERT_TRUE(Create(subscription).ok());
  EXPECT_EQ(Create(subscription).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  Client client(*subscriber_);
  client.Open(OpenOf("billing"));
  client.Read();
  Add(3);
  v1::SettleBatch rejects;
  for (const auto& delivery : client.Deliveries(3)) {
    auto& settlement = *rejects.add_settlements();
    settlement.set_delivery_id(delivery.delivery_id());
    settlement.mutable_reject()->set_reason("never");
  }
  ASSERT_TRUE(client.Settle(rejects));
  for (int results = 0; results < 3;) results += client.Read().settled().results_size();

  grpc::ClientContext context;
  SetDeadline(context);
  v1::RedriveDeadLettersRequest request;
  request.set_subscription("billing");
  request.set_max_events_per_second(100);
  const auto redrive = admin_stub_->RedriveDeadLetters(&context, request);
  v1::RedriveDeadLettersResponse progress;
  while (redrive->Read(&progress)) {
  }
  ASSERT_TRUE(redrive->Finish().ok());
  EXPECT_EQ(progress.redriven(), 3);
  EXPECT_EQ(client.Deliveries(3).size(), 3u);

  grpc::ClientContext purge_context, status_context, list_context;
  v1::PurgeDeadLettersRequest purge;
  purge.set_subscription("billing");
  v1::PurgeDeadLettersResponse purged;
  ASSERT_TRUE(admin_stub_->PurgeDeadLetters(&purge_context, purge, &purged).ok());
  EXPECT_EQ(purged.purged(), 0);
  v1::GetStatusResponse status;
  ASSERT_TRUE(admin_stub_->GetStatus(&status_context, {}, &status).ok());
  EXPECT_EQ(status.engine(), "memory");
  v1::ListEventsResponse events;
  ASSERT_TRUE(admin_stub_->ListEvents(&list_context, {}, &events).ok());
  EXPECT_EQ(events.events_size(), 3);
}

TEST_F(ServerTest, TwoServersDoNotShareAPort) {
  Server other(dispatcher_, admin_, [this] { return schemas_; }, {}, metrics_,
               {.listen = "127.0.0.1:" + std::to_string(server_.port())});
  EXPECT_EQ(other.Start().code(), absl::StatusCode::kUnavailable);
}

// Many clients with small credit: every event is delivered once and settled.
TEST_F(ServerTest, ManyStreamsUnderLoadLoseNothing) {
  ASSERT_TRUE(Create(Plain("billing")).ok());
  constexpr size_t kEvents = 2'000;
  Mutex mutex;
  CondVar changed;
  std::set<std::string> settled;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Client client(*subscriber_);
      v1::Open open = OpenOf("billing");
      open.set_max_outstanding_events(32 + i);
      client.Open(open);
      client.Read();
      while (true) {
        const v1::SubscribeResponse response = client.Read();
        if (!response.has_deliveries() && !response.has_settled()) break;  // the drain
        if (response.has_deliveries()) {
          client.Settle(Acks({response.deliveries().deliveries().begin(), response.deliveries().deliveries().end()}));
        }
        MutexLock lock(mutex);
        for (const auto& result : response.settled().results()) {
          EXPECT_EQ(result.status(), v1::SETTLEMENT_STATUS_OK);
          EXPECT_TRUE(settled.insert(result.delivery_id()).second);
        }
        changed.NotifyAll();
      }
    });
  }
  Add(static_cast<int>(kEvents));
  {
    MutexLock lock(mutex);
    while (settled.size() < kEvents && changed.WaitFor(mutex, absl::Seconds(20))) {
    }
    EXPECT_EQ(settled.size(), kEvents);
  }
  dispatcher_.StopDeliveries();
  dispatcher_.SendDrain(absl::Seconds(1), "the test is over");
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(settled.size(), kEvents);
}

}  // namespace
}  // namespace hookstream::rpc
