#include "dispatch/admin.h"

#include <atomic>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dispatch/compose.h"
#include "dispatch/prepared.h"
#include "dispatch/spec.h"

namespace hookstream::dispatch {
namespace {

constexpr int64_t kPageBytesMax = 3 << 20;  // with the typed payloads below gRPC's default of 4 MiB in general
constexpr int64_t kJobStepEvents = 1'000;
constexpr int64_t kPerSecondMax = 100'000;
// Times of acceptance follow the order of events but for the requests that were under way together.
constexpr absl::Duration kReceivedDisorder = absl::Minutes(10);

struct Query {
  filter::Filter filter;
  absl::Time since = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
};

absl::StatusOr<Query> CompileQuery(const v1::EventQuery& from) {
  Query query;
  auto filter = filter::Filter::Compile(from.filter());
  if (!filter.ok()) return absl::InvalidArgumentError(absl::StrCat("query.filter: ", filter.status().message()));
  query.filter = *std::move(filter);
  const auto read = [](const char* field, const google::protobuf::Timestamp& time, absl::Time& to) -> absl::Status {
    const auto value = FromProto(time);
    if (!value.has_value()) return absl::InvalidArgumentError(absl::StrCat("query.", field, ": is not a valid time"));
    to = *value;
    return absl::OkStatus();
  };
  if (from.has_since()) HS_RETURN_IF_ERROR(read("since", from.since(), query.since));
  if (from.has_until()) HS_RETURN_IF_ERROR(read("until", from.until(), query.until));
  return query;
}

bool Matches(const Query& query, const store::EventMeta& meta) {
  return meta.received_at >= query.since && meta.received_at < query.until &&
         query.filter.Matches({.source = meta.source, .provider = meta.provider, .type = meta.type});
}

std::string PageToken(Seq next) { return absl::StrCat("p", next); }
// Nothing: the first page.
absl::StatusOr<std::optional<Seq>> ReadPageToken(const std::string& token) {
  if (token.empty()) return std::nullopt;
  Seq seq = 0;
  if (token[0] != 'p' || !absl::SimpleAtoi(token.substr(1), &seq) || PageToken(seq) != token) {
    return absl::InvalidArgumentError("page_token: is none that this call gave");
  }
  return seq;
}

// What the requests for lists have in common.
struct ListRequest {
  Query query;
  int64_t size = 0;
  std::optional<Seq> token;
  v1::View view = v1::VIEW_METADATA;
};

template <typename Request>
absl::StatusOr<ListRequest> ReadListRequest(const Request& request) {
  ListRequest list;
  HS_ASSIGN_OR_RETURN(list.query, CompileQuery(request.query()));
  HS_ASSIGN_OR_RETURN(list.size, ReadPageSize(request.page_size()));
  HS_ASSIGN_OR_RETURN(list.token, ReadPageToken(request.page_token()));
  HS_ASSIGN_OR_RETURN(list.view, CompileView(request.view(), v1::VIEW_METADATA));
  return list;
}

absl::Status ComposeInto(const store::EventRef& event, v1::View view, StoreTag tag, const typing::Registry& registry,
                         v1::Event& to) {
  const PreparedRef prepared = Prepare(event, tag, registry);
  if (!to.ParseFromString(ComposeEvent(*prepared, view))) {
    return absl::DataLossError(absl::StrCat("the stored event ", FormatEventId(tag, event->seq), " can't be read"));
  }
  return absl::OkStatus();
}

}  // namespace

Admin::Admin(store::Store& store, const Dispatcher& dispatcher, RegistrySource registry)
    : store_(store), dispatcher_(dispatcher), registry_(std::move(registry)) {}

// --- events ---

void Admin::ListEvents(const v1::ListEventsRequest& request, Done<v1::ListEventsResponse> done) {
  const auto list = ReadListRequest(request);
  if (!list.ok()) return std::move(done)(list.status());

  const bool descending = request.descending();
  store::Position from = store::Earliest{};
  if (list->token.has_value()) {
    from = store::AtSeq{*list->token};
  } else if (descending) {
    from = list->query.until == absl::InfiniteFuture() ? store::Position(store::Latest{})
                                                       : store::AtTime{list->query.until};
  } else if (list->query.since != absl::InfinitePast()) {
    from = store::AtTime{list->query.since};
  }
  // Once all that follows is out of the query's time the list ends, instead of reading on through the store.
  auto beyond = std::make_shared<std::atomic<bool>>(false);
  store::MetaFilter filter = [query = list->query, beyond, descending](const store::EventMeta& meta) {
    if (descending ? meta.received_at + kReceivedDisorder < query.since
                   : meta.received_at - kReceivedDisorder >= query.until) {
      beyond->store(true, std::memory_order_relaxed);
    }
    return Matches(query, meta);
  };
  auto gather = [this, view = list->view, beyond,
                 done = std::move(done)](absl::StatusOr<store::EventPage> page) mutable {
    if (!page.ok()) return std::move(done)(page.status());
    v1::ListEventsResponse response;
    const auto registry = registry_();
    for (const auto& event : page->events) {
      const absl::Status status = ComposeInto(event, view, store_.Tag(), *registry, *response.add_events());
      if (!status.ok()) return std::move(done)(status);
    }
    if (page->next.has_value() && !beyond->load()) response.set_next_page_token(PageToken(*page->next));
    std::move(done)(std::move(response));
  };
  const store::PageLimit limit{.events_max = list->size, .bytes_max = kPageBytesMax};
  if (descending) {
    store_.ReadBackwards(from, std::move(filter), limit, std::move(gather));
  } else {
    store_.Read(from, std::move(filter), limit, std::move(gather));
  }
}

void Admin::ReadEvent(const std::string& id, Done<store::EventRef> done) {
  const auto seq = ParseSeq(id, store_.Tag());
  if (!seq.ok()) return std::move(done)(absl::InvalidArgumentError(absl::StrCat("id: ", seq.status().message())));
  store_.ReadOne(*seq, std::move(done));
}

void Admin::GetEvent(const v1::GetEventRequest& request, Done<v1::GetEventResponse> done) {
  const auto view = CompileView(request.view(), v1::VIEW_FULL);
  if (!view.ok()) return std::move(done)(view.status());
  ReadEvent(request.id(), [this, view = *view, done = std::move(done)](absl::StatusOr<store::EventRef> event) mutable {
    if (!event.ok()) return std::move(done)(event.status());
    v1::GetEventResponse response;
    const absl::Status status = ComposeInto(*event, view, store_.Tag(), *registry_(), *response.mutable_event());
    if (!status.ok()) return std::move(done)(status);
    std::move(done)(std::move(response));
  });
}

// --- dead letters ---

void Admin::ListDeadLetters(const v1::ListDeadLettersRequest& request, Done<v1::ListDeadLettersResponse> done) {
  const auto id = dispatcher_.FindSubscription(request.subscription());
  if (!id.ok()) return std::move(done)(id.status());
  const auto list = ReadListRequest(request);
  if (!list.ok()) return std::move(done)(list.status());
  store_.ListDead(
      *id, list->token.value_or(0),
      [query = list->query](const store::EventMeta& meta) { return Matches(query, meta); },
      {.events_max = list->size, .bytes_max = kPageBytesMax},
      [this, view = list->view, subscription = request.subscription(),
       done = std::move(done)](absl::StatusOr<store::DeadPage> page) mutable {
        if (!page.ok()) return std::move(done)(page.status());
        v1::ListDeadLettersResponse response;
        const auto registry = registry_();
        for (const store::DeadEvent& from : page->events) {
          v1::DeadLetter& to = *response.add_dead_letters();
          const absl::Status status = ComposeInto(from.event, view, store_.Tag(), *registry, *to.mutable_event());
          if (!status.ok()) return std::move(done)(status);
          to.set_subscription(subscription);
          to.set_attempts(from.record.attempts);
          for (const Failure& failure : from.record.failures) ToProto(failure, to.add_failures());
          ToProto(from.dead_at, to.mutable_dead_at());
        }
        if (page->next.has_value()) response.set_next_page_token(PageToken(*page->next));
        std::move(done)(std::move(response));
      });
}

absl::StatusOr<std::unique_ptr<DeadLetterJob>> Admin::Redrive(const v1::RedriveDeadLettersRequest& request) {
  if (request.max_events_per_second() < 0 || request.max_events_per_second() > kPerSecondMax) {
    return absl::InvalidArgumentError(absl::StrCat("max_events_per_second: must be 1 to ", kPerSecondMax));
  }
  return MakeJob(request.dry_run() ? DeadLetterJob::Kind::kCount : DeadLetterJob::Kind::kRedrive,
                 request.subscription(), request.event_ids(), request.query(), request.max_events_per_second());
}

absl::StatusOr<std::unique_ptr<DeadLetterJob>> Admin::Purge(const v1::PurgeDeadLettersRequest& request) {
  return MakeJob(DeadLetterJob::Kind::kPurge, request.subscription(), request.event_ids(), request.query(), 0);
}

absl::StatusOr<std::unique_ptr<DeadLetterJob>> Admin::MakeJob(
    DeadLetterJob::Kind kind, const std::string& subscription,
    const google::protobuf::RepeatedPtrField<std::string>& ids, const v1::EventQuery& query, int64_t per_second) {
  HS_ASSIGN_OR_RETURN(const store::SubscriptionId id, dispatcher_.FindSubscription(subscription));
  HS_ASSIGN_OR_RETURN(Query compiled, CompileQuery(query));
  absl::flat_hash_set<Seq> wanted;
  Seq first = 0;
  for (const std::string& text : ids) {
    const auto seq = ParseSeq(text, store_.Tag());
    if (!seq.ok()) return absl::InvalidArgumentError(absl::StrCat("event_ids: ", seq.status().message()));
    first = wanted.empty() ? *seq : std::min(first, *seq);
    wanted.insert(*seq);
  }
  store::MetaFilter filter = [compiled = std::move(compiled),
                              wanted = std::move(wanted)](const store::EventMeta& meta) {
    return (wanted.empty() || wanted.contains(meta.seq)) && Matches(compiled, meta);
  };
  return std::unique_ptr<DeadLetterJob>(new DeadLetterJob(store_, kind, id, std::move(filter), first, per_second));
}

DeadLetterJob::DeadLetterJob(store::Store& store, Kind kind, store::SubscriptionId subscription,
                             store::MetaFilter filter, Seq from, int64_t per_second)
    : store_(store),
      kind_(kind),
      subscription_(subscription),
      filter_(std::move(filter)),
      per_second_(per_second),
      from_(from) {}

void DeadLetterJob::Step(Done<Progress> done) {
  const int64_t events = per_second_ == 0 ? kJobStepEvents : std::min(kJobStepEvents, per_second_);
  store_.ListDead(subscription_, from_, filter_, {.events_max = events},
                  [this, done = std::move(done)](absl::StatusOr<store::DeadPage> page) mutable {
                    if (!page.ok()) return std::move(done)(page.status());
                    std::vector<Seq> seqs;
                    seqs.reserve(page->events.size());
                    for (const auto& event : page->events) seqs.push_back(event.event->seq);
                    progress_.matched += static_cast<int64_t>(seqs.size());
                    progress_.finished = !page->next.has_value();
                    progress_.pause = per_second_ == 0 || progress_.finished
                                          ? absl::ZeroDuration()
                                          : absl::Seconds(1) * static_cast<int64_t>(seqs.size()) / per_second_;
                    if (page->next.has_value()) from_ = *page->next;
                    if (kind_ == Kind::kCount || seqs.empty()) return std::move(done)(progress_);
                    auto changed = [this, done = std::move(done)](absl::StatusOr<int64_t> count) mutable {
                      if (!count.ok()) return std::move(done)(count.status());
                      progress_.changed += *count;
                      std::move(done)(progress_);
                    };
                    if (kind_ == Kind::kRedrive) {
                      store_.Redrive(subscription_, std::move(seqs), std::move(changed));
                    } else {
                      store_.PurgeDead(subscription_, std::move(seqs), std::move(changed));
                    }
                  });
}

}  // namespace hookstream::dispatch
