// What is counted of each subscription. Label `subscription` is the name from configuration or API; all private ones
// share "(ephemeral)".
#pragma once

#include <array>
#include <string>

#include "metrics/metrics.h"

namespace hookstream::dispatch {

struct SubscriptionMetrics {
  SubscriptionMetrics(metrics::Registry& registry, const std::string& subscription);

  metrics::Counter& delivered;
  metrics::Counter& redelivered;  // of these, not the first attempt
  metrics::Counter& acked;        // durable
  metrics::Counter& dead;         // durable
  metrics::Counter& released;     // claims given back
  metrics::Counter& commits_failed;
  metrics::Counter& failed_nack;
  metrics::Counter& failed_deadline;  // expired leases
  metrics::Counter& failed_lost_connection;
  metrics::Counter& failed_reject;
  std::array<metrics::Counter*, 4> settlements;  // as they came, by delivery::SettleKind
  std::array<metrics::Counter*, 4> results;      // as they were answered, by SettlementStatus - 1
  metrics::Gauge& leased;
  metrics::Gauge& ready;
  metrics::Gauge& waiting;
  metrics::Gauge& unsettled;
  metrics::Gauge& unsettled_max;
  metrics::Gauge& streams;
  metrics::Gauge& credit_free;  // events
  metrics::Gauge& lag;
  metrics::Gauge& dead_letters;
};

}  // namespace hookstream::dispatch
