#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "dispatch/compose.h"
#include "rpc/buffer.h"
#include "rpc/status.h"
#include "rpc/subscribe_call.h"

namespace hookstream::rpc {
namespace {

// Kept alive by itself until OnDone, and by the dispatcher's callback.
class FetchCall final : public grpc::ServerUnaryReactor, public std::enable_shared_from_this<FetchCall> {
 public:
  FetchCall(SubscriberContext& context, grpc::ByteBuffer* response) : context_(context), response_(response) {}

  void Begin(const grpc::ByteBuffer& buffer) {
    self_ = shared_from_this();
    v1::FetchRequest request;
    if (!ReadMessage(buffer, request)) {
      End({grpc::StatusCode::INVALID_ARGUMENT, "the message is no FetchRequest"});
      return;
    }
    auto stream = context_.dispatcher.Fetch(
        request, [self = shared_from_this()](auto deliveries) { self->Fetched(std::move(deliveries)); });
    if (!stream.ok()) {
      End(ToGrpc(stream.status()));
      return;
    }
    std::optional<std::vector<dispatch::Delivery>> early;
    bool cancelled = false;
    {
      MutexLock lock(mutex_);
      stream_ = *std::move(stream);
      early.swap(early_);
      cancelled = ended_;
    }
    if (early.has_value()) {
      Answer(*std::move(early));
    } else if (cancelled) {
      stream_->Lost();
    }
  }

  void OnCancel() override {
    dispatch::Stream* stream = nullptr;
    {
      MutexLock lock(mutex_);
      stream = stream_.get();
    }
    if (stream != nullptr) stream->Lost();
    End({grpc::StatusCode::CANCELLED, "the client is gone"});
  }

  void OnDone() override {
    stream_.reset();
    self_.reset();  // the last: it may delete this
  }

 private:
  void Fetched(absl::StatusOr<std::vector<dispatch::Delivery>> deliveries) {
    if (!deliveries.ok()) {
      End(ToGrpc(deliveries.status()));
      return;
    }
    {
      MutexLock lock(mutex_);
      if (stream_ == nullptr) {  // sooner than Begin got the handle, which has the settings
        early_ = *std::move(deliveries);
        return;
      }
    }
    Answer(*std::move(deliveries));
  }

  void Answer(const std::vector<dispatch::Delivery>& deliveries) {
    {
      MutexLock lock(mutex_);
      if (std::exchange(ended_, true)) return;
    }
    const dispatch::OpenSettings& settings = stream_->settings();
    const dispatch::BatchPlan plan(deliveries, {.view = settings.view,
                                                .wrapper = dispatch::Wrapper::kNone,
                                                .events_max = deliveries.size(),
                                                .message_bytes_max = settings.message_bytes_max,
                                                .all = true});
    WriteBatch(plan, *response_);
    if (plan.bodies_omitted() != 0)
      context_.metrics.bodies_omitted.Increment(static_cast<double>(plan.bodies_omitted()));
    context_.metrics.message_events.Increment(static_cast<double>(plan.count()));
    context_.metrics.Finished("Fetch", grpc::StatusCode::OK);
    Finish(grpc::Status::OK);
  }

  void End(const grpc::Status& status) {
    {
      MutexLock lock(mutex_);
      if (std::exchange(ended_, true)) return;
    }
    context_.metrics.Finished("Fetch", status.error_code());
    Finish(status);
  }

  SubscriberContext& context_;
  grpc::ByteBuffer* const response_;
  std::shared_ptr<FetchCall> self_;
  std::unique_ptr<dispatch::Stream> stream_;  // set once, under `mutex_`

  Mutex mutex_;
  std::optional<std::vector<dispatch::Delivery>> early_ HS_GUARDED_BY(mutex_);
  bool ended_ HS_GUARDED_BY(mutex_) = false;  // Finish was called, or is about to be
};

}  // namespace

grpc::ServerUnaryReactor* NewFetchCall(SubscriberContext& context, const grpc::ByteBuffer& request,
                                       grpc::ByteBuffer* response) {
  auto call = std::make_shared<FetchCall>(context, response);
  call->Begin(request);
  return call.get();
}

}  // namespace hookstream::rpc
