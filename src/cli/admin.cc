// status, subscriptions, events, deadletters: the admin API on the command line.
#include <google/protobuf/util/time_util.h>

#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/units.h"
#include "cli/cloud_event.h"
#include "cli/json.h"
#include "cli/verb_list.h"

namespace hookstream::cli {
namespace {

using google::protobuf::util::TimeUtil;
using Admin = v1::AdminService::Stub;

google::protobuf::Duration ToProto(absl::Duration duration) {
  return TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

std::string Text(const google::protobuf::Duration& duration) {
  return DurationText(absl::Nanoseconds(TimeUtil::DurationToNanoseconds(duration)));
}

// A connection to the relay, made when a verb runs.
struct Session {
  explicit Session(const Common& options)
      : common(options), channel(Connect(options)), admin(v1::AdminService::NewStub(channel)), json(channel) {}

  template <typename Request, typename Response>
  Response Call(grpc::Status (Admin::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request) {
    return cli::Call(common, *admin, method, request);
  }
  void PrintJson(const google::protobuf::Message& message) { std::cout << json.ToJson(message) << '\n'; }
  // A body that is too large for a message is fetched in pieces.
  void PrintCloudEvent(v1::Event event);
  template <typename Visit>
  void ReadBody(const std::string& id, const Visit& visit);

  const Common& common;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Admin> admin;
  JsonWriter json;
};

template <typename Visit>
void Session::ReadBody(const std::string& id, const Visit& visit) {
  grpc::ClientContext context;
  v1::GetEventBodyRequest request;
  request.set_id(id);
  const auto reader = admin->GetEventBody(&context, request);
  v1::GetEventBodyResponse chunk;
  while (reader->Read(&chunk)) visit(chunk.chunk());
  Check(common, reader->Finish());
}

void Session::PrintCloudEvent(v1::Event event) {
  if (event.raw().body_omitted()) {
    v1::Raw& raw = *event.mutable_raw();
    ReadBody(event.id(), [&](const std::string& chunk) { raw.mutable_body()->append(chunk); });
    raw.set_body_omitted(false);
  }
  std::cout << CloudEventJson(event) << '\n';
}

// Which events or dead letters.
struct Query {
  std::string filter;
  std::string since;
  std::string until;

  void Add(CLI::App& verb) {
    verb.add_option("--filter,-f", filter, "only those that match")->type_name("EXPR");
    verb.add_option("--since", since, "accepted at or after: so long ago, or a time")->type_name("2h|TIME");
    verb.add_option("--until", until, "accepted before")->type_name("2h|TIME");
  }
  bool Given() const { return !filter.empty() || !since.empty() || !until.empty(); }
  v1::EventQuery Get() const {
    v1::EventQuery query;
    query.set_filter(filter);
    if (!since.empty()) *query.mutable_since() = cli::ToProto(ParseWhen("--since", since));
    if (!until.empty()) *query.mutable_until() = cli::ToProto(ParseWhen("--until", until));
    return query;
  }
};

// --- subscriptions ---

// Settings of a subscription as options; only those that were given are changed.
struct Settings {
  std::string filter, ack_deadline, max_lease, min_backoff, max_backoff, start;
  int max_attempts = 10, max_unsettled = 0;
  CLI::Option *filter_given = nullptr, *attempts_given = nullptr;

  void Add(CLI::App& verb, bool create) {
    filter_given = verb.add_option("--filter,-f", filter, "which events (default: all)")->type_name("EXPR");
    verb.add_option("--ack-deadline", ack_deadline, "until when a delivery must be settled (30s)")
        ->type_name("DURATION");
    attempts_given = verb.add_option("--max-attempts", max_attempts, "failed attempts until it is dead (10; 0: never)")
                         ->type_name("N");
    verb.add_option("--min-backoff", min_backoff, "before the second attempt (1s)")->type_name("DURATION");
    verb.add_option("--max-backoff", max_backoff, "longest wait between attempts (10m)")->type_name("DURATION");
    verb.add_option("--max-unsettled", max_unsettled, "events that may be unsettled in all (10000)")->type_name("N");
    verb.add_option("--max-lease", max_lease, "longest that a lease can be extended to (1h)")->type_name("DURATION");
    if (create) verb.add_option("--start", start, "earliest, latest (default), 2h ago, a time, or an event id");
  }

  void Apply(v1::Subscription& spec) const;
};

v1::Start ParseStart(const std::string& text) {
  v1::Start start;
  if (text == "earliest") {
    start.set_earliest(true);
  } else if (text == "latest") {
    start.set_latest(true);
  } else if (text.size() == 26 && text.find_first_of(":-") == std::string::npos) {
    start.set_event_id(text);
  } else {
    *start.mutable_time() = cli::ToProto(ParseWhen("position", text));
  }
  return start;
}

void Settings::Apply(v1::Subscription& spec) const {
  const auto duration = [](std::string_view option, const std::string& text, auto mutable_field) {
    if (!text.empty()) *mutable_field() = ToProto(ParseDurationOption(option, text));
  };
  if (filter_given->count() > 0) spec.set_filter(filter);
  if (attempts_given->count() > 0) spec.set_max_attempts(max_attempts);
  if (max_unsettled > 0) spec.set_max_unsettled(max_unsettled);
  duration("--ack-deadline", ack_deadline, [&] { return spec.mutable_ack_deadline(); });
  duration("--max-lease", max_lease, [&] { return spec.mutable_max_lease(); });
  duration("--min-backoff", min_backoff, [&] { return spec.mutable_retry()->mutable_min_backoff(); });
  duration("--max-backoff", max_backoff, [&] { return spec.mutable_retry()->mutable_max_backoff(); });
  if (!start.empty()) *spec.mutable_start() = ParseStart(start);
}

void PrintSubscription(Session& session, const v1::SubscriptionInfo& info) {
  if (session.common.json()) return session.PrintJson(info);
  const v1::Subscription& spec = info.subscription();
  std::vector<std::vector<std::string>> rows = {
      {"name", spec.name()},
      {"filter", spec.filter().empty() ? "(all)" : Printable(spec.filter())},
      {"state",
       absl::StrCat(info.paused() ? "paused" : "active", info.declared() ? ", declared by the configuration" : "")},
      {"ack deadline", Text(spec.ack_deadline())},
      {"max attempts", spec.max_attempts() == 0 ? "unlimited" : absl::StrCat(spec.max_attempts())},
      {"streams", absl::StrCat(info.streams())},
      {"lag", absl::StrCat(info.lag())},
      {"ready", absl::StrCat(info.ready())},
      {"leased", absl::StrCat(info.leased())},
      {"waiting", absl::StrCat(info.waiting())},
      {"dead", absl::StrCat(info.dead())},
      {"created", TimeText(info.created_at())},
      {"revision", info.revision()},
  };
  if (info.has_oldest_unsettled_at()) rows.push_back({"oldest unsettled", TimeText(info.oldest_unsettled_at())});
  PrintTable(rows);
}

void ListSubscriptions(const Common& common) {
  Session session(common);
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "STATE", "STREAMS", "LAG", "READY", "LEASED", "WAITING", "DEAD", "FILTER"}};
  v1::ListSubscriptionsRequest request;
  do {
    const auto page = session.Call(&Admin::ListSubscriptions, request);
    for (const v1::SubscriptionInfo& info : page.subscriptions()) {
      if (common.json()) session.PrintJson(info);
      rows.push_back({info.subscription().name(), info.paused() ? "paused" : "active", absl::StrCat(info.streams()),
                      absl::StrCat(info.lag()), absl::StrCat(info.ready()), absl::StrCat(info.leased()),
                      absl::StrCat(info.waiting()), absl::StrCat(info.dead()),
                      Printable(info.subscription().filter())});
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  if (!common.json()) PrintTable(rows);
}

// --- events ---

std::vector<std::string> EventRow(const v1::Event& event) {
  return {event.id(), TimeText(event.received_at()), event.source(), event.provider(), Printable(event.type())};
}

void PrintEvent(Session& session, const v1::Event& event) {
  if (session.common.output == Output::kCloudEvents) return session.PrintCloudEvent(event);
  if (session.common.json()) return session.PrintJson(event);
  std::vector<std::vector<std::string>> rows = {
      {"id", event.id()},
      {"source", event.source()},
      {"provider", event.provider()},
      {"type", Printable(event.type())},
      {"provider's id", Printable(event.provider_event_id())},
      {"ordering key", Printable(event.ordering_key())},
      {"received", TimeText(event.received_at())},
      {"verification",
       absl::StrCat(event.verification().preset(), ", ", event.verification().scheme(),
                    event.verification().key_id().empty() ? "" : ", key ", event.verification().key_id())},
      {"body", absl::StrCat(event.raw().body_bytes(), " bytes of ", Printable(event.raw().content_type()))},
  };
  if (event.has_occurred_at()) rows.push_back({"occurred", TimeText(event.occurred_at())});
  for (const auto& [name, value] : event.attributes())
    rows.push_back({absl::StrCat("attribute ", Printable(name)), Printable(value)});
  if (event.has_data())
    rows.push_back({"payload", event.data().type_url().substr(event.data().type_url().rfind('/') + 1)});
  for (const v1::TypingNote& note : event.typing().notes()) {
    rows.push_back({"note", Printable(absl::StrCat(note.reason(), " ", note.pointer(), " ", note.text()))});
  }
  PrintTable(rows);
  if (event.has_data()) std::cout << session.json.PayloadText(event.data(), 2);
}

struct Events {
  Common common;
  Query query;
  std::string id;
  int64_t limit = 50;
  bool body = false;
  bool newest_first = false;

  void List() {
    Session session(common);
    std::vector<std::vector<std::string>> rows = {{"ID", "RECEIVED", "SOURCE", "PROVIDER", "TYPE"}};
    v1::ListEventsRequest request;
    *request.mutable_query() = query.Get();
    request.set_descending(newest_first);
    request.set_view(common.output == Output::kText ? v1::VIEW_METADATA : v1::VIEW_FULL);
    int64_t seen = 0;
    bool more = false;
    do {
      request.set_page_size(static_cast<int32_t>(std::min<int64_t>(limit - seen, 1'000)));
      const auto page = session.Call(&Admin::ListEvents, request);
      for (const v1::Event& event : page.events()) {
        if (common.json()) session.PrintJson(event);
        if (common.output == Output::kCloudEvents) session.PrintCloudEvent(event);
        rows.push_back(EventRow(event));
        ++seen;
      }
      request.set_page_token(page.next_page_token());
      more = !page.next_page_token().empty();
    } while (more && seen < limit);
    if (common.output == Output::kText) PrintTable(rows);
    if (more) std::cerr << "there may be more: --limit says how many are shown" << std::endl;
  }

  void Show() {
    Session session(common);
    if (!body) {
      v1::GetEventRequest request;
      request.set_id(id);
      return PrintEvent(session, session.Call(&Admin::GetEvent, request).event());
    }
    session.ReadBody(id, [](const std::string& chunk) { std::cout << chunk; });
  }
};

// --- dead letters ---

struct DeadLetters {
  Common common;
  Query query;
  std::string subscription;
  std::vector<std::string> ids;
  bool all = false;
  bool dry_run = false;
  int rate = 0;
  int64_t limit = 50;

  // Calls `visit` with each dead letter until it says false. True: it never did.
  template <typename Visit>
  bool ForEach(Session& session, v1::View view, const Visit& visit) {
    v1::ListDeadLettersRequest request;
    request.set_subscription(subscription);
    *request.mutable_query() = query.Get();
    request.set_view(view);
    request.set_page_size(200);
    do {
      const auto page = session.Call(&Admin::ListDeadLetters, request);
      for (const v1::DeadLetter& letter : page.dead_letters()) {
        if (!visit(letter)) return false;
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return true;
  }

  void List() {
    Session session(common);
    std::vector<std::vector<std::string>> rows = {{"ID", "DEAD SINCE", "ATTEMPTS", "SOURCE", "TYPE", "LAST FAILURE"}};
    int64_t seen = 0;
    const bool whole = ForEach(session, v1::VIEW_METADATA, [&](const v1::DeadLetter& letter) {
      if (seen++ == limit) return false;
      if (common.json()) session.PrintJson(letter);
      std::string failure;
      if (letter.failures_size() > 0) {
        failure =
            Printable(absl::StrCat(v1::FailureKind_Name(letter.failures(0).kind()).substr(sizeof("FAILURE_KIND_") - 1),
                                   " ", letter.failures(0).reason()));
      }
      rows.push_back({letter.event().id(), TimeText(letter.dead_at()), absl::StrCat(letter.attempts()),
                      letter.event().source(), Printable(letter.event().type()), failure});
      return true;
    });
    if (!common.json()) PrintTable(rows);
    if (!whole) std::cerr << "there are more: --limit says how many are shown" << std::endl;
  }

  void Show() {
    Session session(common);
    const bool missing = ForEach(session, v1::VIEW_FULL, [&](const v1::DeadLetter& letter) {
      if (letter.event().id() != ids.front()) return true;
      if (common.json()) {
        session.PrintJson(letter);
        return false;
      }
      PrintEvent(session, letter.event());
      std::cout << "dead since " << TimeText(letter.dead_at()) << " after " << letter.attempts() << " attempts:\n";
      for (const v1::Failure& failure : letter.failures()) {
        std::cout << "  " << TimeText(failure.time()) << "  attempt " << failure.attempt() << "  "
                  << v1::FailureKind_Name(failure.kind()).substr(sizeof("FAILURE_KIND_") - 1) << "  "
                  << Printable(failure.reason()) << '\n';
      }
      return false;
    });
    if (missing) Fail(absl::StrCat("there is no dead letter ", ids.front(), " in subscription ", subscription));
  }

  // Everything only when that was said in so many words.
  void CheckSelection() const {
    const int given = static_cast<int>(!ids.empty()) + static_cast<int>(query.Given()) + static_cast<int>(all);
    if (given != 1) FailUsage("say which: event ids, or --filter/--since/--until, or --all");
  }

  void Redrive() {
    CheckSelection();
    Session session(common);
    v1::RedriveDeadLettersRequest request;
    request.set_subscription(subscription);
    for (const std::string& id : ids) request.add_event_ids(id);
    *request.mutable_query() = query.Get();
    request.set_dry_run(dry_run);
    request.set_max_events_per_second(rate);
    grpc::ClientContext context;
    const auto reader = session.admin->RedriveDeadLetters(&context, request);
    v1::RedriveDeadLettersResponse progress;
    while (reader->Read(&progress)) {
      if (common.json()) {
        session.PrintJson(progress);
      } else {
        std::cerr << progress.redriven() << " of " << progress.matched() << " redriven" << std::endl;
      }
    }
    Check(common, reader->Finish());
    if (!common.json()) {
      std::cout << (dry_run ? absl::StrCat(progress.matched(), " would be redriven")
                            : absl::StrCat(progress.redriven(), " redriven"))
                << '\n';
    }
  }

  void Purge() {
    CheckSelection();
    Session session(common);
    v1::PurgeDeadLettersRequest request;
    request.set_subscription(subscription);
    for (const std::string& id : ids) request.add_event_ids(id);
    *request.mutable_query() = query.Get();
    const auto response = session.Call(&Admin::PurgeDeadLetters, request);
    if (common.json()) return session.PrintJson(response);
    std::cout << response.purged() << " purged\n";
  }
};

}  // namespace

void AddStatus(CLI::App& app, int& exit_code) {
  auto common = std::make_shared<Common>();
  CLI::App* verb =
      AddVerb(app, exit_code, "status", "How the relay is: ready or not, and what it stores",
              "  hookstream status\n\nExits 1 when the relay is not ready.", [common] {
                Session session(*common);
                const auto status = session.Call(&Admin::GetStatus, v1::GetStatusRequest());
                if (common->json()) {
                  session.PrintJson(status);
                } else {
                  std::vector<std::vector<std::string>> rows = {
                      {"version", status.version()},
                      {"ready", status.ready() ? "yes" : absl::StrCat("no: ", Printable(status.not_ready_reason()))},
                      {"started", TimeText(status.started_at())},
                      {"engine", status.engine()},
                      {"events", absl::StrCat(status.stored_events())},
                      {"bytes", absl::StrCat(status.stored_bytes())}};
                  if (status.has_oldest_event_at())
                    rows.push_back({"oldest event", TimeText(status.oldest_event_at())});
                  PrintTable(rows);
                }
                if (!status.ready()) Fail("");
              });
  AddCommon(*verb, *common);
}

void AddSubscriptions(CLI::App& app, int& exit_code) {
  struct State {
    Common common;
    std::string name, position, revision;
    Settings create, update;
  };
  auto state = std::make_shared<State>();
  CLI::App* group = AddGroup(app, "subscriptions", "What groups of clients get, and how far they are");
  const auto add = [&](const std::string& name, const std::string& description, const std::string& examples,
                       std::function<void()> run, bool named = true) {
    CLI::App* verb = AddVerb(*group, exit_code, name, description, examples, std::move(run));
    if (named) verb->add_option("name", state->name, "the subscription")->required();
    AddCommon(*verb, state->common);
    return verb;
  };
  add(
      "list", "All subscriptions", "  hookstream subscriptions list", [state] { ListSubscriptions(state->common); },
      false);
  add("show", "One subscription", "  hookstream subscriptions show billing", [state] {
    Session session(state->common);
    v1::GetSubscriptionRequest request;
    request.set_name(state->name);
    PrintSubscription(session, session.Call(&Admin::GetSubscription, request).subscription());
  });
  CLI::App* create =
      add("create", "A new subscription",
          "  hookstream subscriptions create billing --filter 'provider == \"stripe\"' --start 2h", [state] {
            Session session(state->common);
            v1::CreateSubscriptionRequest request;
            request.mutable_subscription()->set_name(state->name);
            state->create.Apply(*request.mutable_subscription());
            PrintSubscription(session, session.Call(&Admin::CreateSubscription, request).subscription());
          });
  state->create.Add(*create, true);
  CLI::App* update = add("update", "Change settings; those that are not named stay",
                         "  hookstream subscriptions update billing --ack-deadline 1m", [state] {
                           Session session(state->common);
                           v1::GetSubscriptionRequest get;
                           get.set_name(state->name);
                           const auto present = session.Call(&Admin::GetSubscription, get);
                           v1::UpdateSubscriptionRequest request;
                           *request.mutable_subscription() = present.subscription().subscription();
                           state->update.Apply(*request.mutable_subscription());
                           // What was read is what is changed: another change in between is an error.
                           request.set_revision(present.subscription().revision());
                           PrintSubscription(session, session.Call(&Admin::UpdateSubscription, request).subscription());
                         });
  state->update.Add(*update, false);
  add("delete", "Delete it with its position, retries and dead letters", "  hookstream subscriptions delete billing",
      [state] {
        Session session(state->common);
        v1::DeleteSubscriptionRequest request;
        request.set_name(state->name);
        session.Call(&Admin::DeleteSubscription, request);
        if (!state->common.json()) std::cout << "deleted\n";
      });
  add("pause", "No new deliveries until it is resumed", "  hookstream subscriptions pause billing", [state] {
    Session session(state->common);
    v1::PauseSubscriptionRequest request;
    request.set_name(state->name);
    PrintSubscription(session, session.Call(&Admin::PauseSubscription, request).subscription());
  });
  add("resume", "Deliver again", "  hookstream subscriptions resume billing", [state] {
    Session session(state->common);
    v1::ResumeSubscriptionRequest request;
    request.set_name(state->name);
    PrintSubscription(session, session.Call(&Admin::ResumeSubscription, request).subscription());
  });
  CLI::App* seek =
      add("seek", "Start over at a position; what is unsettled is forgotten",
          "  hookstream subscriptions seek billing 2h\n  hookstream subscriptions seek billing earliest", [state] {
            Session session(state->common);
            v1::SeekSubscriptionRequest request;
            request.set_name(state->name);
            *request.mutable_position() = ParseStart(state->position);
            PrintSubscription(session, session.Call(&Admin::SeekSubscription, request).subscription());
          });
  seek->add_option("position", state->position, "earliest, latest, 2h (ago), a time, or an event id")->required();
}

void AddEvents(CLI::App& app, int& exit_code) {
  auto events = std::make_shared<Events>();
  CLI::App* group = AddGroup(app, "events", "What is stored");
  CLI::App* list = AddVerb(*group, exit_code, "list", "Events in the order of acceptance",
                           "  hookstream events list --since 1h --filter 'provider == \"github\"'\n  hookstream events "
                           "list --newest-first --limit 10",
                           [events] { events->List(); });
  events->query.Add(*list);
  list->add_option("--limit", events->limit, "at most so many")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
  list->add_flag("--newest-first", events->newest_first, "in the opposite order");
  AddCommon(*list, events->common, {Output::kCloudEvents});
  CLI::App* show = AddVerb(*group, exit_code, "show", "One event",
                           "  hookstream events show ID\n  hookstream events show ID --body > body.json\n"
                           "  hookstream events show ID --output cloudevents",
                           [events] { events->Show(); });
  show->add_option("id", events->id, "the event")->required();
  show->add_flag("--body", events->body, "the exact bytes of its body, and nothing else");
  AddCommon(*show, events->common, {Output::kCloudEvents});
}

void AddDeadLetters(CLI::App& app, int& exit_code) {
  auto dead = std::make_shared<DeadLetters>();
  CLI::App* group = AddGroup(app, "deadletters", "Events that a subscription gave up");
  const auto add = [&](const std::string& name, const std::string& description, const std::string& examples,
                       std::function<void()> run) {
    CLI::App* verb = AddVerb(*group, exit_code, name, description, examples, std::move(run));
    verb->add_option("subscription", dead->subscription, "whose")->required();
    AddCommon(*verb, dead->common);
    return verb;
  };
  CLI::App* list =
      add("list", "Dead letters and why they are", "  hookstream deadletters list billing", [dead] { dead->List(); });
  dead->query.Add(*list);
  list->add_option("--limit", dead->limit, "at most so many")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
  CLI::App* show = add("show", "One dead letter with its failures", "  hookstream deadletters show billing ID",
                       [dead] { dead->Show(); });
  show->add_option("id", dead->ids, "the event")->required()->expected(1);
  CLI::App* redrive =
      add("redrive", "Make them deliverable again, with attempt 1",
          "  hookstream deadletters redrive billing --all --dry-run\n  hookstream deadletters redrive billing ID",
          [dead] { dead->Redrive(); });
  redrive->add_option("id", dead->ids, "these events");
  redrive->add_flag("--all", dead->all, "all of them");
  redrive->add_flag("--dry-run", dead->dry_run, "only count");
  redrive->add_option("--rate", dead->rate, "how many a second (default: no limit)")->check(CLI::Range(1, 100'000));
  dead->query.Add(*redrive);
  CLI::App* purge =
      add("purge", "Delete them for good", "  hookstream deadletters purge billing ID", [dead] { dead->Purge(); });
  purge->add_option("id", dead->ids, "these events");
  purge->add_flag("--all", dead->all, "all of them");
  dead->query.Add(*purge);
}

}  // namespace hookstream::cli
