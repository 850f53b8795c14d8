// SubscriberService: Subscribe on raw buffers, the unary Fetch and Settle.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

#include "dispatch/dispatcher.h"
#include "hookstream/v1/subscriber_service.grpc.pb.h"
#include "rpc/rpc_metrics.h"

namespace hookstream::rpc {

// What the calls of the service share. Outlives them.
struct SubscriberContext {
  dispatch::Dispatcher& dispatcher;
  RpcMetrics& metrics;
  std::string version;
};

// One Subscribe call; deletes itself when it is over.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* NewSubscribeCall(SubscriberContext& context);
// One Fetch call; `response` lives until it is over.
grpc::ServerUnaryReactor* NewFetchCall(SubscriberContext& context, const grpc::ByteBuffer& request,
                                       grpc::ByteBuffer* response);

class SubscriberService final
    : public v1::SubscriberService::WithRawCallbackMethod_Subscribe<v1::SubscriberService::WithRawCallbackMethod_Fetch<
          v1::SubscriberService::WithCallbackMethod_Settle<v1::SubscriberService::Service>>> {
 public:
  explicit SubscriberService(SubscriberContext context) : context_(std::move(context)) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Subscribe(grpc::CallbackServerContext*) override {
    return NewSubscribeCall(context_);
  }
  grpc::ServerUnaryReactor* Fetch(grpc::CallbackServerContext*, const grpc::ByteBuffer* request,
                                  grpc::ByteBuffer* response) override {
    return NewFetchCall(context_, *request, response);
  }
  grpc::ServerUnaryReactor* Settle(grpc::CallbackServerContext* call, const v1::SettleRequest* request,
                                   v1::SettleResponse* response) override;

 private:
  SubscriberContext context_;
};

}  // namespace hookstream::rpc
