#include "rpc/subscribe_call.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "dispatch/compose.h"
#include "dispatch/spec.h"
#include "rpc/buffer.h"
#include "rpc/status.h"

namespace hookstream::rpc {
namespace {

using dispatch::Delivery;
using dispatch::SettlementResult;

// Batches of settlements that were read and not yet worked off: at it no more are read.
constexpr int kBatchesUnderWayMax = 4;
// Results that the client has not read yet: at it no more settlements are read.
constexpr size_t kResultsQueuedMax = 2 * dispatch::kSettlementsMax;
// With ids of 43 bytes this stays below the smallest max_message_bytes.
constexpr size_t kResultsPerMessage = 1'000;

// One call. gRPC's reactions and the dispatcher's callbacks run concurrently; what they decide meets in the state below
// `mutex_`. At most one write is outstanding; Finish comes exactly once, when none is, and nothing is started
// afterwards.
//
// The call keeps itself alive until OnDone. The dispatcher's callbacks may keep it longer: they then find it finished.
class SubscribeCall final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                            public std::enable_shared_from_this<SubscribeCall> {
 public:
  explicit SubscribeCall(SubscriberContext& context) : context_(context) {}

  void Begin() {
    self_ = shared_from_this();
    context_.metrics.streams.Increment();
    Read();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      RequestsEnded();
      return;
    }
    google::protobuf::Arena arena;
    auto* request = google::protobuf::Arena::CreateMessage<v1::SubscribeRequest>(&arena);
    if (!ReadMessage(request_, *request)) {
      Fail({grpc::StatusCode::INVALID_ARGUMENT, "the message is no SubscribeRequest"});
      return;
    }
    request_.Clear();
    if (const absl::Status status = Handle(*request); !status.ok()) {
      Fail(ToGrpc(status));
      return;
    }
    {
      MutexLock lock(mutex_);
      reading_ = false;
    }
    Read();
  }

  void OnWriteDone(bool ok) override {
    response_.Clear();
    if (outgoing_at_ == outgoing_.size()) {  // the events may go
      outgoing_.clear();
      outgoing_at_ = 0;
    }
    bool half_closed = false;
    {
      MutexLock lock(mutex_);
      writing_ = false;
      half_closed = std::exchange(probing_, false) && ok;
    }
    if (!ok) {
      ConnectionLost();
      return;
    }
    if (half_closed) stream_->HalfClose();
    Pump();
    Read();  // it may have waited for results to be written
  }

  void OnCancel() override { ConnectionLost(); }

  void OnDone() override {
    context_.metrics.streams.Decrement();
    stream_.reset();
    self_.reset();  // the last: it may delete this
  }

 private:
  // --- requests: one reaction at a time ---

  absl::Status Handle(const v1::SubscribeRequest& request) {
    if (stream_ == nullptr) {
      if (!request.has_open()) return absl::InvalidArgumentError("the first message of the stream must be `open`");
      return Open(request.open());
    }
    switch (request.request_case()) {
      case v1::SubscribeRequest::kSettle: {
        context_.metrics.settle_batches.Increment();
        {
          MutexLock lock(mutex_);
          ++batches_under_way_;
        }
        return stream_->Settle(request.settle(), [self = shared_from_this()] { self->BatchTaken(); });
      }
      case v1::SubscribeRequest::kFlow: return stream_->Flow(request.flow());
      case v1::SubscribeRequest::kOpen:
        return absl::InvalidArgumentError("`open` is the first message of a stream only");
      case v1::SubscribeRequest::REQUEST_NOT_SET: break;
    }
    return absl::InvalidArgumentError("a message of the stream must be `settle` or `flow`");
  }

  absl::Status Open(const v1::Open& open) {
    const auto settings = dispatch::CompileOpen(open);
    if (!settings.ok()) return settings.status();
    compose_ = {.view = settings->view,
                .wrapper = dispatch::Wrapper::kSubscribeResponse,
                .events_max = static_cast<size_t>(settings->batch_events_max),
                .message_bytes_max = settings->message_bytes_max};
    auto self = shared_from_this();
    dispatch::StreamCallbacks callbacks;
    callbacks.opened = [self](v1::Opened opened) {
      v1::SubscribeResponse response;
      opened.set_server_version(self->context_.version);
      *response.mutable_opened() = std::move(opened);
      self->QueueUrgent(std::move(response));
    };
    callbacks.deliveries = [self](std::vector<Delivery> deliveries) { self->QueueDeliveries(std::move(deliveries)); };
    callbacks.results = [self](std::vector<SettlementResult> results) { self->QueueResults(std::move(results)); };
    callbacks.drain = [self](absl::Duration grace, const std::string& reason) {
      v1::SubscribeResponse response;
      dispatch::ToProto(grace, response.mutable_drain()->mutable_grace());
      response.mutable_drain()->set_reason(reason);
      self->QueueUrgent(std::move(response));
    };
    callbacks.heartbeat = [self](int64_t lag) { self->QueueHeartbeat(lag); };
    callbacks.closed = [self](const absl::Status& status) { self->Fail(ToGrpc(status)); };
    auto stream = context_.dispatcher.OpenStream(open, std::move(callbacks));
    if (!stream.ok()) return stream.status();
    stream_ = *std::move(stream);
    bool lost = false;
    {
      MutexLock lock(mutex_);
      open_ = true;
      lost = lost_;
    }
    if (lost) stream_->Lost();
    return absl::OkStatus();
  }

  void BatchTaken() {
    {
      MutexLock lock(mutex_);
      --batches_under_way_;
    }
    Read();
  }

  // The client half-closed, or the connection is gone: gRPC says the same of both. A write tells them apart, since it
  // fails on a connection that is gone. To take a lost connection for a half-close would cost no attempt, and an event
  // that kills its clients would come for ever.
  void RequestsEnded() {
    if (stream_ == nullptr) {
      Fail({grpc::StatusCode::INVALID_ARGUMENT, "the stream ended before `open`"});
      return;
    }
    {
      MutexLock lock(mutex_);
      probe_ = true;
    }
    Pump();
  }

  void ConnectionLost() {
    bool open = false;
    {
      MutexLock lock(mutex_);
      lost_ = true;
      open = open_;
    }
    if (open) stream_->Lost();
    Fail({grpc::StatusCode::CANCELLED, "the client is gone"});
  }

  // --- what the dispatcher gives ---

  void QueueUrgent(v1::SubscribeResponse response) {
    {
      MutexLock lock(mutex_);
      if (finish_.has_value()) return;
      urgent_.push_back(std::move(response));
    }
    Pump();
  }

  void QueueDeliveries(std::vector<Delivery> deliveries) {
    {
      MutexLock lock(mutex_);
      if (finish_.has_value()) return;
      if (deliveries_.empty()) {
        deliveries_ = std::move(deliveries);
      } else {
        std::move(deliveries.begin(), deliveries.end(), std::back_inserter(deliveries_));
      }
    }
    Pump();
  }

  void QueueResults(std::vector<SettlementResult> results) {
    {
      MutexLock lock(mutex_);
      if (finish_.has_value()) return;
      std::move(results.begin(), results.end(), std::back_inserter(results_));
    }
    Pump();
  }

  void QueueHeartbeat(int64_t lag) {
    {
      MutexLock lock(mutex_);
      if (finish_.has_value()) return;
      lag_ = lag;
      heartbeat_ = true;
    }
    Pump();
  }

  // The call ends with `status` once the results that are known are written. The first one counts.
  void Fail(grpc::Status status) {
    {
      MutexLock lock(mutex_);
      if (!finish_.has_value()) finish_ = std::move(status);
      deliveries_.clear();  // as those in outgoing_: their leases are given back, or lost
    }
    Pump();  // also if it was failed before: that one may have waited for the write that is done now
  }

  // --- starting things ---

  // The next read, unless one is outstanding or there is enough to do.
  void Read() {
    {
      MutexLock lock(mutex_);
      if (reading_ || finish_.has_value() || batches_under_way_ >= kBatchesUnderWayMax ||
          results_.size() >= kResultsQueuedMax) {
        return;
      }
      reading_ = true;
      ++starting_;
    }
    StartRead(&request_);
    Started();
  }

  // Finish waits for starts that are under way on other threads.
  void Started() {
    bool pump = false;
    {
      MutexLock lock(mutex_);
      pump = --starting_ == 0 && finish_.has_value();
    }
    if (pump) Pump();
  }

  // Writes what is next, or finishes.
  void Pump() {
    v1::SubscribeResponse message;
    bool deliveries = false;
    std::optional<grpc::Status> finish;
    {
      MutexLock lock(mutex_);
      if (writing_ || finished_) return;
      if (lost_ || !NextMessage(message)) {
        if (finish_.has_value()) {
          if (starting_ != 0) return;  // Started comes back
          finished_ = true;
          finish = finish_;
        } else if (outgoing_at_ < outgoing_.size() || !deliveries_.empty()) {
          deliveries = true;
          if (outgoing_at_ == outgoing_.size()) {
            outgoing_.clear();
            outgoing_at_ = 0;
            outgoing_.swap(deliveries_);
          }
        } else if (heartbeat_ || probe_) {
          message.mutable_heartbeat()->set_lag(lag_);
          heartbeat_ = false;
        } else {
          return;
        }
      }
      if (!finish.has_value()) {
        probing_ = std::exchange(probe_, false);
        writing_ = true;
        ++starting_;
      }
    }
    if (finish.has_value()) {
      context_.metrics.Finished("Subscribe", finish->error_code());
      Finish(*std::move(finish));
      return;
    }
    if (deliveries) {
      ComposeDeliveries();
    } else {
      if (message.has_heartbeat()) context_.metrics.heartbeats.Increment();
      WriteMessage(message, response_);
    }
    StartWrite(&response_);
    Started();
  }

  // What goes before deliveries. False: nothing.
  bool NextMessage(v1::SubscribeResponse& message) HS_REQUIRES(mutex_) {
    if (!urgent_.empty()) {
      message = std::move(urgent_.front());
      urgent_.pop_front();
      return true;
    }
    if (results_.empty()) return false;
    const size_t count = std::min(results_.size(), kResultsPerMessage);
    for (size_t i = 0; i < count; ++i) {
      v1::SettlementResult& to = *message.mutable_settled()->add_results();
      to.set_delivery_id(std::move(results_[i].delivery_id));
      to.set_status(static_cast<v1::SettlementStatus>(results_[i].status));
    }
    results_.erase(results_.begin(), results_.begin() + static_cast<std::ptrdiff_t>(count));
    return true;
  }

  void ComposeDeliveries() {
    const dispatch::BatchPlan plan(std::span<const Delivery>(outgoing_).subspan(outgoing_at_), compose_);
    WriteBatch(plan, response_);
    context_.metrics.messages.Increment();
    context_.metrics.message_bytes.Increment(static_cast<double>(plan.message_bytes()));
    context_.metrics.message_events.Increment(static_cast<double>(plan.count()));
    if (plan.bodies_omitted() != 0)
      context_.metrics.bodies_omitted.Increment(static_cast<double>(plan.bodies_omitted()));
    outgoing_at_ += plan.count();
  }

  SubscriberContext& context_;
  std::shared_ptr<SubscribeCall> self_;
  dispatch::ComposeOptions compose_;
  // Set by the read of `open`; for the other reactions it is there once `open_` is.
  std::unique_ptr<dispatch::Stream> stream_;
  grpc::ByteBuffer request_;  // of the read that is outstanding
  // Of the write that is outstanding: touched by whoever set `writing_`, until it is unset.
  grpc::ByteBuffer response_;
  std::vector<Delivery> outgoing_;
  size_t outgoing_at_ = 0;

  Mutex mutex_;
  bool open_ HS_GUARDED_BY(mutex_) = false;
  bool reading_ HS_GUARDED_BY(mutex_) = false;  // stays set when the requests have ended
  bool writing_ HS_GUARDED_BY(mutex_) = false;
  int starting_ HS_GUARDED_BY(mutex_) = 0;  // calls of StartRead and StartWrite that have not returned
  int batches_under_way_ HS_GUARDED_BY(mutex_) = 0;
  bool lost_ HS_GUARDED_BY(mutex_) = false;
  bool probe_ HS_GUARDED_BY(mutex_) = false;    // a write is to tell whether the connection is there
  bool probing_ HS_GUARDED_BY(mutex_) = false;  // the outstanding write is that one
  bool heartbeat_ HS_GUARDED_BY(mutex_) = false;
  int64_t lag_ HS_GUARDED_BY(mutex_) = 0;
  std::deque<v1::SubscribeResponse> urgent_ HS_GUARDED_BY(mutex_);
  std::vector<SettlementResult> results_ HS_GUARDED_BY(mutex_);
  std::vector<Delivery> deliveries_ HS_GUARDED_BY(mutex_);  // bounded by the stream's credit
  std::optional<grpc::Status> finish_ HS_GUARDED_BY(mutex_);
  bool finished_ HS_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* NewSubscribeCall(SubscriberContext& context) {
  auto call = std::make_shared<SubscribeCall>(context);
  call->Begin();
  return call.get();
}

grpc::ServerUnaryReactor* SubscriberService::Settle(grpc::CallbackServerContext* call, const v1::SettleRequest* request,
                                                    v1::SettleResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  // `response` lives until Finish, also when the client has gone.
  context_.dispatcher.Settle(*request,
                             [this, reactor, response](absl::StatusOr<std::vector<SettlementResult>> results) {
                               if (results.ok()) {
                                 for (SettlementResult& result : *results) {
                                   v1::SettlementResult& to = *response->add_results();
                                   to.set_delivery_id(std::move(result.delivery_id));
                                   to.set_status(static_cast<v1::SettlementStatus>(result.status));
                                 }
                               }
                               const grpc::Status status = ToGrpc(results.status());
                               context_.metrics.Finished("Settle", status.error_code());
                               reactor->Finish(status);
                             });
  return reactor;
}

}  // namespace hookstream::rpc
