// Reading stored events, and the dead letters of subscriptions: what AdminService needs besides subscriptions.
//
// Threads: any; nothing blocks. `done` runs on the store's completion thread or on the caller's. Errors as AdminService
// says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "dispatch/dispatcher.h"
#include "hookstream/v1/admin_service.pb.h"
#include "store/store.h"

namespace hookstream::dispatch {

class Admin {
 public:
  // All outlive it and every call.
  Admin(store::Store& store, Dispatcher& dispatcher, RegistrySource registry, const Clock& clock);

  void ListEvents(const v1::ListEventsRequest& request, Done<v1::ListEventsResponse> done);
  void GetEvent(const v1::GetEventRequest& request, Done<v1::GetEventResponse> done);
  // The event, whose body is data.body.
  void GetEventBody(const std::string& id, Done<store::EventRef> done);

  void ListDeadLetters(const v1::ListDeadLettersRequest& request, Done<v1::ListDeadLettersResponse> done);
  void PurgeDeadLetters(const v1::PurgeDeadLettersRequest& request, Done<v1::PurgeDeadLettersResponse> done);

  // A redrive in steps. `progress` runs after each step with the sums so far, and gives how long to wait before the
  // next: the caller's timer. `done` is the last.
  class RedriveJob;
  // INVALID_ARGUMENT, NOT_FOUND.
  absl::StatusOr<std::shared_ptr<RedriveJob>> Redrive(const v1::RedriveDeadLettersRequest& request);

  class RedriveJob {
   public:
    virtual ~RedriveJob() = default;
    struct Progress {
      v1::RedriveDeadLettersResponse sums;
      bool finished = false;
      absl::Duration pause;  // before the next Step, for the pace that was asked for
    };
    // One step at a time.
    virtual void Step(Done<Progress> done) = 0;
  };

 private:
  store::Store& store_;
  Dispatcher& dispatcher_;
  const RegistrySource registry_;
  const Clock& clock_;
};

}  // namespace hookstream::dispatch
