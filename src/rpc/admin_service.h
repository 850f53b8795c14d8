// AdminService: passes on to the dispatcher and to dispatch::Admin.
#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "dispatch/admin.h"
#include "dispatch/dispatcher.h"
#include "hookstream/v1/admin_service.grpc.pb.h"
#include "rpc/server.h"

namespace hookstream::rpc {

class AdminService final : public v1::AdminService::CallbackService {
 public:
  AdminService(dispatch::Dispatcher& dispatcher, dispatch::Admin& admin, StatusSource status)
      : dispatcher_(dispatcher), admin_(admin), status_(std::move(status)) {}

  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  Reactor* GetStatus(Context*, const v1::GetStatusRequest*, v1::GetStatusResponse*) override;
  Reactor* ListSources(Context*, const v1::ListSourcesRequest*, v1::ListSourcesResponse*) override;
  Reactor* ListLearntKeys(Context*, const v1::ListLearntKeysRequest*, v1::ListLearntKeysResponse*) override;
  Reactor* ForgetLearntKey(Context*, const v1::ForgetLearntKeyRequest*, v1::ForgetLearntKeyResponse*) override;

  Reactor* ListSubscriptions(Context*, const v1::ListSubscriptionsRequest*, v1::ListSubscriptionsResponse*) override;
  Reactor* GetSubscription(Context*, const v1::GetSubscriptionRequest*, v1::GetSubscriptionResponse*) override;
  Reactor* CreateSubscription(Context*, const v1::CreateSubscriptionRequest*, v1::CreateSubscriptionResponse*) override;
  Reactor* UpdateSubscription(Context*, const v1::UpdateSubscriptionRequest*, v1::UpdateSubscriptionResponse*) override;
  Reactor* DeleteSubscription(Context*, const v1::DeleteSubscriptionRequest*, v1::DeleteSubscriptionResponse*) override;
  Reactor* PauseSubscription(Context*, const v1::PauseSubscriptionRequest*, v1::PauseSubscriptionResponse*) override;
  Reactor* ResumeSubscription(Context*, const v1::ResumeSubscriptionRequest*, v1::ResumeSubscriptionResponse*) override;
  Reactor* SeekSubscription(Context*, const v1::SeekSubscriptionRequest*, v1::SeekSubscriptionResponse*) override;

  Reactor* ListEvents(Context*, const v1::ListEventsRequest*, v1::ListEventsResponse*) override;
  Reactor* GetEvent(Context*, const v1::GetEventRequest*, v1::GetEventResponse*) override;
  grpc::ServerWriteReactor<v1::GetEventBodyResponse>* GetEventBody(Context*, const v1::GetEventBodyRequest*) override;

  Reactor* ListDeadLetters(Context*, const v1::ListDeadLettersRequest*, v1::ListDeadLettersResponse*) override;
  grpc::ServerWriteReactor<v1::RedriveDeadLettersResponse>* RedriveDeadLetters(
      Context*, const v1::RedriveDeadLettersRequest*) override;
  Reactor* PurgeDeadLetters(Context*, const v1::PurgeDeadLettersRequest*, v1::PurgeDeadLettersResponse*) override;

 private:
  dispatch::Dispatcher& dispatcher_;
  dispatch::Admin& admin_;
  const StatusSource status_;
};

}  // namespace hookstream::rpc
