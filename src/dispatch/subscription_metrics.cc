#include "dispatch/subscription_metrics.h"

namespace hookstream::dispatch {
namespace {

metrics::Counter& Failed(metrics::Registry& registry, const std::string& subscription, const char* kind) {
  return registry.AddCounter("hookstream_dispatch_failed_attempts_total", "Attempts that failed, by why",
                             {{"subscription", subscription}, {"kind", kind}});
}
metrics::Counter* Settlement(metrics::Registry& registry, const std::string& subscription, const char* kind) {
  return &registry.AddCounter("hookstream_dispatch_settlements_total", "Settlements that clients sent, by kind",
                              {{"subscription", subscription}, {"kind", kind}});
}
metrics::Counter* Result(metrics::Registry& registry, const std::string& subscription, const char* status) {
  return &registry.AddCounter("hookstream_dispatch_results_total", "Results of settlements that were sent, by status",
                              {{"subscription", subscription}, {"status", status}});
}

}  // namespace

SubscriptionMetrics::SubscriptionMetrics(metrics::Registry& registry, const std::string& subscription)
    : delivered(registry.AddCounter("hookstream_dispatch_deliveries_total", "Deliveries handed to streams",
                                    {{"subscription", subscription}})),
      redelivered(registry.AddCounter("hookstream_dispatch_redeliveries_total",
                                      "Deliveries that were not the event's first attempt",
                                      {{"subscription", subscription}})),
      acked(registry.AddCounter("hookstream_dispatch_settled_events_total", "Events settled by an acknowledgement",
                                {{"subscription", subscription}})),
      dead(registry.AddCounter("hookstream_dispatch_dead_events_total", "Events that became dead letters",
                               {{"subscription", subscription}})),
      released(registry.AddCounter("hookstream_dispatch_released_claims_total", "Claims given back to the store",
                                   {{"subscription", subscription}})),
      commits_failed(registry.AddCounter("hookstream_dispatch_failed_commits_total", "Commits that the store refused",
                                         {{"subscription", subscription}})),
      failed_nack(Failed(registry, subscription, "nack")),
      failed_deadline(Failed(registry, subscription, "deadline")),
      failed_lost_connection(Failed(registry, subscription, "lost_connection")),
      failed_reject(Failed(registry, subscription, "reject")),
      settlements{Settlement(registry, subscription, "ack"), Settlement(registry, subscription, "nack"),
                  Settlement(registry, subscription, "extend"), Settlement(registry, subscription, "reject")},
      results{Result(registry, subscription, "ok"), Result(registry, subscription, "lease_expired"),
              Result(registry, subscription, "unknown"), Result(registry, subscription, "retry")},
      leased(registry.AddGauge("hookstream_dispatch_leased_events", "Delivered and not settled",
                               {{"subscription", subscription}})),
      ready(registry.AddGauge("hookstream_dispatch_ready_events", "Ready for a stream with credit",
                              {{"subscription", subscription}})),
      waiting(registry.AddGauge("hookstream_dispatch_waiting_events", "Waiting for their next attempt",
                                {{"subscription", subscription}})),
      unsettled(registry.AddGauge("hookstream_dispatch_unsettled_events", "Held in memory until they are settled",
                                  {{"subscription", subscription}})),
      unsettled_max(registry.AddGauge("hookstream_dispatch_unsettled_events_max", "The subscription's max_unsettled",
                                      {{"subscription", subscription}})),
      streams(registry.AddGauge("hookstream_dispatch_streams", "Open streams", {{"subscription", subscription}})),
      credit_free(registry.AddGauge("hookstream_dispatch_free_credit_events",
                                    "Events that the streams would still take", {{"subscription", subscription}})),
      lag(registry.AddGauge("hookstream_dispatch_lag_events", "Accepted and not yet examined",
                            {{"subscription", subscription}})),
      dead_letters(registry.AddGauge("hookstream_dispatch_dead_letters", "Dead letters that are kept",
                                     {{"subscription", subscription}})) {}

}  // namespace hookstream::dispatch
