#include "rpc/admin_service.h"

#include <grpcpp/alarm.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "rpc/status.h"

namespace hookstream::rpc {
namespace {

constexpr size_t kChunkBytes = 1 << 20;

// Finishes a unary call with what a verb gives. `response` lives until Finish, also when the client has gone.
template <typename T>
dispatch::Done<T> Finisher(grpc::ServerUnaryReactor* reactor, T* response) {
  return [reactor, response](absl::StatusOr<T> result) {
    if (result.ok()) *response = *std::move(result);
    reactor->Finish(ToGrpc(result.status()));
  };
}

// The same for answers that hold a subscription.
template <typename Response>
dispatch::Done<v1::SubscriptionInfo> InfoFinisher(grpc::ServerUnaryReactor* reactor, Response* response) {
  return [reactor, response](absl::StatusOr<v1::SubscriptionInfo> info) {
    if (info.ok()) *response->mutable_subscription() = *std::move(info);
    reactor->Finish(ToGrpc(info.status()));
  };
}

class BodyCall final : public grpc::ServerWriteReactor<v1::GetEventBodyResponse> {
 public:
  BodyCall(dispatch::Admin& admin, const std::string& id) {
    admin.ReadEvent(id, [this](absl::StatusOr<store::EventRef> event) {
      if (!event.ok()) {
        Finish(ToGrpc(event.status()));
        return;
      }
      event_ = *std::move(event);
      Next();
    });
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      Next();
    } else {
      Finish({grpc::StatusCode::CANCELLED, "the client is gone"});
    }
  }
  void OnDone() override { delete this; }

 private:
  void Next() {
    const std::string& body = event_->data.body;
    if (at_ == body.size()) {
      Finish(grpc::Status::OK);
      return;
    }
    const size_t count = std::min(kChunkBytes, body.size() - at_);
    response_.set_chunk(body.data() + at_, count);
    at_ += count;
    StartWrite(&response_);
  }

  store::EventRef event_;
  size_t at_ = 0;
  v1::GetEventBodyResponse response_;
};

// Steps of the job and writes take turns; between them the pause for the pace that was asked for.
class RedriveCall final : public grpc::ServerWriteReactor<v1::RedriveDeadLettersResponse> {
 public:
  RedriveCall(dispatch::Admin& admin, const v1::RedriveDeadLettersRequest& request) {
    auto job = admin.Redrive(request);
    if (!job.ok()) {
      Finish(ToGrpc(job.status()));
      return;
    }
    job_ = *std::move(job);
    Step();
  }

  void OnWriteDone(bool ok) override {
    if (!ok || cancelled_.load()) {
      Finish({grpc::StatusCode::CANCELLED, "the client is gone: the rest was not redriven"});
    } else if (progress_.finished) {
      Finish(grpc::Status::OK);
    } else if (progress_.pause == absl::ZeroDuration()) {
      Step();
    } else {
      alarm_.Set(absl::ToChronoTime(absl::Now() + progress_.pause), [this](bool) {
        if (cancelled_.load()) {
          Finish({grpc::StatusCode::CANCELLED, "the client is gone: the rest was not redriven"});
        } else {
          Step();
        }
      });
    }
  }
  void OnCancel() override {
    cancelled_.store(true);
    alarm_.Cancel();
  }
  void OnDone() override { delete this; }

 private:
  void Step() {
    job_->Step([this](absl::StatusOr<dispatch::DeadLetterJob::Progress> progress) {
      if (!progress.ok()) {
        Finish(ToGrpc(progress.status()));
        return;
      }
      progress_ = *progress;
      response_.set_matched(progress_.matched);
      response_.set_redriven(progress_.changed);
      StartWrite(&response_);
    });
  }

  std::unique_ptr<dispatch::DeadLetterJob> job_;
  dispatch::DeadLetterJob::Progress progress_;
  v1::RedriveDeadLettersResponse response_;
  std::atomic<bool> cancelled_{false};
  grpc::Alarm alarm_;
};

// The steps one after the other; the call is answered after the last.
void RunPurge(std::shared_ptr<dispatch::DeadLetterJob> job, grpc::ServerUnaryReactor* reactor,
              v1::PurgeDeadLettersResponse* response) {
  dispatch::DeadLetterJob& steps = *job;
  steps.Step(
      [job = std::move(job), reactor, response](absl::StatusOr<dispatch::DeadLetterJob::Progress> progress) mutable {
        if (progress.ok()) response->set_purged(progress->changed);
        if (!progress.ok() || progress->finished) {
          reactor->Finish(ToGrpc(progress.status()));
          return;
        }
        RunPurge(std::move(job), reactor, response);
      });
}

}  // namespace

AdminService::Reactor* AdminService::GetStatus(Context* call, const v1::GetStatusRequest*,
                                               v1::GetStatusResponse* response) {
  *response = status_.status();
  Reactor* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

AdminService::Reactor* AdminService::ListSources(Context* call, const v1::ListSourcesRequest*,
                                                 v1::ListSourcesResponse* response) {
  *response = status_.sources();
  Reactor* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

AdminService::Reactor* AdminService::ListLearntKeys(Context* call, const v1::ListLearntKeysRequest* request,
                                                    v1::ListLearntKeysResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  Finisher(reactor, response)(status_.learnt_keys(*request));
  return reactor;
}

AdminService::Reactor* AdminService::ForgetLearntKey(Context* call, const v1::ForgetLearntKeyRequest* request,
                                                     v1::ForgetLearntKeyResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  status_.forget_key(*request, Finisher(reactor, response));
  return reactor;
}

AdminService::Reactor* AdminService::ListSubscriptions(Context* call, const v1::ListSubscriptionsRequest* request,
                                                       v1::ListSubscriptionsResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  dispatcher_.ListSubscriptions(*request, Finisher(reactor, response));
  return reactor;
}

AdminService::Reactor* AdminService::GetSubscription(Context* call, const v1::GetSubscriptionRequest* request,
                                                     v1::GetSubscriptionResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  dispatcher_.GetSubscription(request->name(), InfoFinisher(reactor, response));
  return reactor;
}

AdminService::Reactor* AdminService::CreateSubscription(Context* call, const v1::CreateSubscriptionRequest* request,
                                                        v1::CreateSubscriptionResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  dispatcher_.CreateSubscription(request->subscription(), InfoFinisher(reactor, response));
  return reactor;
}

AdminService::Reactor* AdminService::UpdateSubscription(Context* call, const v1::UpdateSubscriptionRequest* request,
                                                        v1::UpdateSubscriptionResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  dispatcher_.UpdateSubscription(request->subscription(), request->revision(), InfoFinisher(reactor, response));
  return reactor;
}

AdminService::Reactor* AdminService::DeleteSubscription(Context* call, const v1::DeleteSubscriptionRequest* request,
                                                        v1::DeleteSubscriptionResponse*) {
  Reactor* reactor = call->DefaultReactor();
  dispatcher_.DeleteSubscription(request->name(),
                                 [reactor](const absl::Status& status) { reactor->Finish(ToGrpc(status)); });
  return reactor;
}

AdminService::Reactor* AdminService::PauseSubscription(Context* call, const v1::PauseSubscriptionRequest* request,
                                                       v1::PauseSubscriptionResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  dispatcher_.PauseSubscription(request->name(), true, InfoFinisher(reactor, response));
  return reactor;
}

AdminService::Reactor* AdminService::ResumeSubscription(Context* call, const v1::ResumeSubscriptionRequest* request,
                                                        v1::ResumeSubscriptionResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  dispatcher_.PauseSubscription(request->name(), false, InfoFinisher(reactor, response));
  return reactor;
}

AdminService::Reactor* AdminService::SeekSubscription(Context* call, const v1::SeekSubscriptionRequest* request,
                                                      v1::SeekSubscriptionResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  dispatcher_.SeekSubscription(request->name(), request->position(), InfoFinisher(reactor, response));
  return reactor;
}

AdminService::Reactor* AdminService::ListEvents(Context* call, const v1::ListEventsRequest* request,
                                                v1::ListEventsResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  admin_.ListEvents(*request, Finisher(reactor, response));
  return reactor;
}

AdminService::Reactor* AdminService::GetEvent(Context* call, const v1::GetEventRequest* request,
                                              v1::GetEventResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  admin_.GetEvent(*request, Finisher(reactor, response));
  return reactor;
}

grpc::ServerWriteReactor<v1::GetEventBodyResponse>* AdminService::GetEventBody(Context*,
                                                                               const v1::GetEventBodyRequest* request) {
  return new BodyCall(admin_, request->id());
}

AdminService::Reactor* AdminService::ListDeadLetters(Context* call, const v1::ListDeadLettersRequest* request,
                                                     v1::ListDeadLettersResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  admin_.ListDeadLetters(*request, Finisher(reactor, response));
  return reactor;
}

grpc::ServerWriteReactor<v1::RedriveDeadLettersResponse>* AdminService::RedriveDeadLetters(
    Context*, const v1::RedriveDeadLettersRequest* request) {
  return new RedriveCall(admin_, *request);
}

AdminService::Reactor* AdminService::PurgeDeadLetters(Context* call, const v1::PurgeDeadLettersRequest* request,
                                                      v1::PurgeDeadLettersResponse* response) {
  Reactor* reactor = call->DefaultReactor();
  auto job = admin_.Purge(*request);
  if (job.ok()) {
    RunPurge(*std::move(job), reactor, response);
  } else {
    reactor->Finish(ToGrpc(job.status()));
  }
  return reactor;
}

}  // namespace hookstream::rpc
