// One attempt at delivering one event, ready to be composed (compose.h).
#pragma once

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "base/retry_record.h"
#include "dispatch/delivery_id.h"
#include "dispatch/prepared.h"

namespace hookstream::dispatch {

struct Delivery {
  PreparedRef event;
  DeliveryIdText id;
  int attempt = 1;
  absl::Time deadline;                          // by the wall clock
  absl::Duration deadline_in;                   // from the hand-over
  std::shared_ptr<const Failure> last_failure;  // null on the first
};

}  // namespace hookstream::dispatch
