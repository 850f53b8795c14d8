#include "tests/support/process/subscriber.h"

#include <google/protobuf/util/time_util.h>

#include "absl/time/clock.h"

namespace hookstream::testing {
namespace {

v1::Open OpenOf(const std::string& subscription) {
  v1::Open open;
  open.set_subscription(subscription);
  return open;
}

}  // namespace

Subscriber::Subscriber(const std::string& server, const std::string& subscription)
    : Subscriber(server, OpenOf(subscription)) {}

Subscriber::Subscriber(const std::string& server, v1::Open open) {
  // A channel of its own: gRPC shares connections between channels with the same arguments, and a test that loses one
  // stream's connection must not lose another's. It also comes back at once where a shared one would still back off.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  stub_ =
      v1::SubscriberService::NewStub(grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments));
  stream_ = stub_->Subscribe(&context_);
  open.set_confirm_settlements(true);
  v1::SubscribeRequest request;
  *request.mutable_open() = std::move(open);
  stream_->Write(request);
  reader_ = std::thread([this] { Read(); });
}

Subscriber::~Subscriber() {
  context_.TryCancel();
  reader_.join();
}

void Subscriber::Read() {
  v1::SubscribeResponse response;
  while (stream_->Read(&response)) {
    MutexLock lock(mutex_);
    for (const v1::Delivery& delivery : response.deliveries().deliveries()) deliveries_.push_back(delivery);
    for (const v1::SettlementResult& result : response.settled().results())
      results_[result.delivery_id()] = result.status();
    if (response.has_drain()) drain_ = response.drain();
    changed_.NotifyAll();
  }
  grpc::Status status = stream_->Finish();
  MutexLock lock(mutex_);
  finished_ = std::move(status);
  changed_.NotifyAll();
}

template <typename Done>
void Subscriber::Wait(absl::Duration timeout, const Done& done) {
  const absl::Time end = absl::Now() + timeout;
  while (!done() && !finished_ && absl::Now() < end) changed_.WaitFor(mutex_, end - absl::Now());
}

std::optional<v1::Delivery> Subscriber::Next(absl::Duration timeout) {
  MutexLock lock(mutex_);
  Wait(timeout, [this]() HS_REQUIRES(mutex_) { return !deliveries_.empty(); });
  if (deliveries_.empty()) return std::nullopt;
  v1::Delivery delivery = std::move(deliveries_.front());
  deliveries_.pop_front();
  return delivery;
}

bool Subscriber::Send(const v1::Settlement& settlement) {
  v1::SubscribeRequest request;
  *request.mutable_settle()->add_settlements() = settlement;
  MutexLock lock(write_mutex_);
  return !half_closed_ && stream_->Write(request);
}

bool Subscriber::Ack(const std::string& delivery_id) {
  v1::Settlement settlement;
  settlement.set_delivery_id(delivery_id);
  settlement.mutable_ack();
  return Send(settlement);
}

bool Subscriber::Nack(const std::string& delivery_id, const std::string& reason, std::optional<absl::Duration> delay) {
  v1::Settlement settlement;
  settlement.set_delivery_id(delivery_id);
  settlement.mutable_nack()->set_reason(reason);
  if (delay) {
    *settlement.mutable_nack()->mutable_delay() =
        google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(*delay));
  }
  return Send(settlement);
}

bool Subscriber::Reject(const std::string& delivery_id, const std::string& reason) {
  v1::Settlement settlement;
  settlement.set_delivery_id(delivery_id);
  settlement.mutable_reject()->set_reason(reason);
  return Send(settlement);
}

std::optional<v1::SettlementStatus> Subscriber::Result(const std::string& delivery_id, absl::Duration timeout) {
  MutexLock lock(mutex_);
  Wait(timeout, [&]() HS_REQUIRES(mutex_) { return results_.count(delivery_id) > 0; });
  const auto found = results_.find(delivery_id);
  if (found == results_.end()) return std::nullopt;
  return found->second;
}

bool Subscriber::AckConfirmed(const std::string& delivery_id) {
  return Ack(delivery_id) && Result(delivery_id) == v1::SETTLEMENT_STATUS_OK;
}

std::optional<v1::Drain> Subscriber::WaitDrain(absl::Duration timeout) {
  MutexLock lock(mutex_);
  Wait(timeout, [this]() HS_REQUIRES(mutex_) { return drain_.has_value(); });
  return drain_;
}

void Subscriber::HalfClose() {
  MutexLock lock(write_mutex_);
  if (half_closed_) return;
  half_closed_ = true;
  stream_->WritesDone();
}

std::optional<grpc::Status> Subscriber::Finish(absl::Duration timeout) {
  MutexLock lock(mutex_);
  Wait(timeout, [] { return false; });
  return finished_;
}

}  // namespace hookstream::testing
