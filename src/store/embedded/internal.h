// What the source files of EmbeddedStore share; nobody else includes it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "metrics/metrics.h"
#include "store/embedded/database.h"
#include "store/embedded/dedupe.h"
#include "store/embedded/embedded_store.h"
#include "store/embedded/format.h"
#include "store/embedded/log_reader.h"
#include "store/embedded/subscription.h"
#include "store/embedded/tail.h"

namespace hookstream::store {

namespace embedded {

struct Metrics {
  explicit Metrics(metrics::Registry* registry);

  std::unique_ptr<metrics::Registry> own;  // when nobody gave one
  metrics::Registry& registry;
  metrics::Counter& appended_events;
  metrics::Counter& appended_bytes;
  metrics::Counter& duplicates;
  metrics::Counter& refused_full;
  metrics::Counter& refused_busy;
  metrics::Counter& refused_unavailable;
  metrics::Counter& acks;
  metrics::Counter& retries;
  metrics::Counter& dead;
  metrics::Counter& redriven;
  metrics::Counter& purged;
  metrics::Counter& failures;
  metrics::Counter& read_failures;
  metrics::Counter& trimmed_events;
  metrics::Counter& ephemeral_lost;
  metrics::Histogram& commit_seconds;
  metrics::Histogram& sync_seconds;
  metrics::Histogram& batch_events;
  metrics::Gauge& healthy;
  metrics::Gauge& clock_step_seconds;
  metrics::Gauge& pinned_bytes;
  std::shared_ptr<void> refresh;
};

// What the disk says at an opening.
struct LoadedState {
  struct Entry {
    SpecValue spec;
    Progress progress;
    SettledPages settled;
    uint64_t first_page_saved = 0;
    std::set<Seq> retries;
    Seq dead_low = kNoSeq;
  };
  StoreTag tag = 0;
  Seq trim = 1;
  SubscriptionId next_subscription = 1;
  std::optional<ClockMark> clock;
  Seq last = 0;        // last sequence on disk
  Seq last_chunk = 0;  // where its chunk begins
  ChunkHeader last_header;
  uint64_t events_begin = 0;
  uint64_t bytes_begin = 0;
  absl::Time oldest_received;
  std::map<SubscriptionId, Entry> subscriptions;
};

}  // namespace embedded

// One commit under way.
struct EmbeddedStore::Batch {
  // What outcomes change in one subscription, applied once they are durable.
  struct Delta {
    SubscriptionPtr subscription;
    std::map<uint64_t, embedded::SettledPage> pages;
    std::map<Seq, bool> retries;  // true: it has a retry record now
    std::set<Seq> dead;           // new dead letters
    std::optional<uint64_t> first_page_saved;
  };

  std::vector<AppendOp> appends;
  std::vector<OutcomeOp> outcomes;
  std::optional<ControlOp> control;

  std::vector<std::vector<Appended>> results;  // of appends
  std::vector<EventRef> events;                // new ones, in order of their sequences
  std::vector<std::pair<Hash128, embedded::DedupeEntry>> ids;
  embedded::ChunkHeader header;
  int64_t duplicates = 0;
  absl::flat_hash_map<embedded::Subscription*, Delta> deltas;
};

}  // namespace hookstream::store
