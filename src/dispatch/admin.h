// Reading stored events, and the dead letters of subscriptions: what AdminService needs besides subscriptions.
//
// Threads: any; nothing blocks. `done` runs on the store's completion thread or before the call returns. Errors as
// AdminService says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event_id.h"
#include "dispatch/dispatcher.h"
#include "hookstream/v1/admin_service.pb.h"
#include "store/store.h"

namespace hookstream::dispatch {

class Admin;

// A redrive or purge in steps, so that a large one neither blocks the store nor the client's patience. One step at a
// time.
class DeadLetterJob {
 public:
  enum class Kind { kCount, kRedrive, kPurge };
  struct Progress {
    int64_t matched = 0;
    int64_t changed = 0;  // redriven or purged, durably
    bool finished = false;
    absl::Duration pause;  // before the next step, for the pace that was asked for
  };

  // The sums so far. After an error the job is over.
  void Step(Done<Progress> done);

 private:
  friend class Admin;
  DeadLetterJob(store::Store& store, Kind kind, store::SubscriptionId subscription, store::MetaFilter filter, Seq from,
                int64_t per_second);

  store::Store& store_;
  const Kind kind_;
  const store::SubscriptionId subscription_;
  const store::MetaFilter filter_;
  const int64_t per_second_;  // 0: no limit
  Seq from_;
  Progress progress_;
};

class Admin {
 public:
  // All outlive it and every call.
  Admin(store::Store& store, const Dispatcher& dispatcher, RegistrySource registry);

  void ListEvents(const v1::ListEventsRequest& request, Done<v1::ListEventsResponse> done);
  void GetEvent(const v1::GetEventRequest& request, Done<v1::GetEventResponse> done);
  // The body is in `data.body`.
  void ReadEvent(const std::string& id, Done<store::EventRef> done);

  void ListDeadLetters(const v1::ListDeadLettersRequest& request, Done<v1::ListDeadLettersResponse> done);
  // INVALID_ARGUMENT, NOT_FOUND (no such subscription). The job is kept by its owner until its last step is done.
  absl::StatusOr<std::unique_ptr<DeadLetterJob>> Redrive(const v1::RedriveDeadLettersRequest& request);
  absl::StatusOr<std::unique_ptr<DeadLetterJob>> Purge(const v1::PurgeDeadLettersRequest& request);

 private:
  absl::StatusOr<std::unique_ptr<DeadLetterJob>> MakeJob(DeadLetterJob::Kind kind, const std::string& subscription,
                                                         const google::protobuf::RepeatedPtrField<std::string>& ids,
                                                         const v1::EventQuery& query, int64_t per_second);

  store::Store& store_;
  const Dispatcher& dispatcher_;
  const RegistrySource registry_;
};

}  // namespace hookstream::dispatch
