// `hookstream listen`: deliveries of a subscription, or of a private one, printed or forwarded.
#include <algorithm>
#include <atomic>
#include <iostream>
#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "cli/cloud_event.h"
#include "cli/http_client.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/verb_list.h"
#include "google/protobuf/util/time_util.h"
#include "hookstream/v1/subscriber_service.grpc.pb.h"

namespace hookstream::cli {
namespace {

// Hop by hop (RFC 9110, 7.6.1), or made anew for the forwarded request.
bool IsForwarded(std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(absl::string_view(name.data(), name.size()));
  for (const std::string_view drop : {"host", "connection", "content-length", "transfer-encoding", "keep-alive", "te",
                                      "trailer", "upgrade", "expect", "proxy-connection"}) {
    if (lower == drop) return false;
  }
  return true;
}

std::string_view FailureText(v1::FailureKind kind) {
  switch (kind) {
    case v1::FAILURE_KIND_NACK: return "nacked";
    case v1::FAILURE_KIND_DEADLINE: return "deadline missed";
    case v1::FAILURE_KIND_LOST_CONNECTION: return "connection lost";
    case v1::FAILURE_KIND_REJECT: return "rejected";
    default: return "failed";
  }
}

struct Listen {
  using Stream = grpc::ClientReaderWriter<v1::SubscribeRequest, v1::SubscribeResponse>;

  Common common;
  std::string subscription;
  std::string filter;
  std::string since;
  std::string forward;
  int64_t count = 0;
  int64_t miss = 0;
  bool no_ack = false;
  std::string client_id;

  v1::SubscribeRequest OpenRequest() const {
    v1::SubscribeRequest request;
    v1::Open& open = *request.mutable_open();
    if (!subscription.empty()) {
      open.set_subscription(subscription);
    } else {
      open.mutable_ephemeral()->set_filter(filter);
      if (!since.empty())
        *open.mutable_ephemeral()->mutable_start()->mutable_time() = ToProto(ParseWhen("--since", since));
    }
    open.set_client_id(client_id);
    open.set_confirm_settlements(true);
    open.set_max_message_bytes(256 << 20);
    // No more at a time than are wanted in all, and few when each is worked on.
    const int64_t most = forward.empty() ? 1'000 : 16;
    open.set_max_outstanding_events(static_cast<int32_t>(count == 0 ? most : std::min(count + miss, most)));
    return request;
  }

  void Run() {
    if (!subscription.empty() && (!filter.empty() || !since.empty())) {
      FailUsage("a subscription has its own filter and position: --filter and --since are for listening without one");
    }
    std::optional<HttpUrl> target;
    if (!forward.empty()) {
      auto parsed = ParseHttpUrl(forward);
      if (!parsed.ok()) FailUsage(absl::StrCat("--forward: ", std::string(parsed.status().message())));
      target = *std::move(parsed);
    }
    const v1::SubscribeRequest open = OpenRequest();

    Mutex write_mutex;
    bool half_closed = false;
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;
    std::atomic<bool> interrupted = false;
    const auto half_close = [&] {
      MutexLock lock(write_mutex);
      if (half_closed || stream == nullptr) return;
      half_closed = true;
      stream->WritesDone();
    };
    // Before the channel, whose threads are not to get the signals.
    Interrupt interrupt([&] {
      interrupted = true;
      half_close();
    });
    const auto channel = Connect(common);
    const auto stub = v1::SubscriberService::NewStub(channel);
    JsonWriter writer(channel);
    HttpClient client(absl::Seconds(30));
    {
      MutexLock lock(write_mutex);
      stream = stub->Subscribe(&context);
      stream->Write(open);
    }

    // Deliveries that were left to their deadline, that were handled, whose settlement is not answered, or was not
    // taken.
    int64_t missed = 0, seen = 0, unsettled = 0, retried = 0;
    v1::SubscribeResponse response;
    while (stream->Read(&response)) {
      switch (response.response_case()) {
        case v1::SubscribeResponse::kOpened:
          std::cerr << "listening to " << (subscription.empty() ? "a private subscription" : subscription) << " at "
                    << common.server << std::endl;
          break;
        case v1::SubscribeResponse::kDeliveries: {
          v1::SubscribeRequest answer;
          for (const v1::Delivery& delivery : response.deliveries().deliveries()) {
            if (interrupted || (count > 0 && seen >= count)) break;
            Print(delivery, writer);
            if (missed < miss) {
              ++missed;
              continue;
            }
            ++seen;
            v1::Settlement settlement;
            settlement.set_delivery_id(delivery.delivery_id());
            settlement.mutable_ack();
            if (target) Forward(client, *target, delivery, settlement);
            if (!no_ack) *answer.mutable_settle()->add_settlements() = settlement;
          }
          std::cout.flush();
          const int64_t settlements = answer.settle().settlements_size();
          if (settlements > 0) {
            MutexLock lock(write_mutex);
            if (!half_closed && stream->Write(answer)) unsettled += settlements;
          }
          break;
        }
        case v1::SubscribeResponse::kSettled:
          for (const v1::SettlementResult& result : response.settled().results()) {
            --unsettled;
            if (result.status() == v1::SETTLEMENT_STATUS_OK) continue;
            ++retried;
            std::cerr << "settlement was not taken (" << v1::SettlementStatus_Name(result.status())
                      << "): the event may come again" << std::endl;
          }
          break;
        case v1::SubscribeResponse::kDrain:
          std::cerr << "the relay is going to stop: " << Printable(response.drain().reason()) << std::endl;
          break;
        default: break;
      }
      if (count > 0 && seen >= count && unsettled == 0) half_close();
    }
    const grpc::Status status = stream->Finish();
    if (!status.ok()) {
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE && seen > 0)
        Fail(absl::StrCat("the relay closed the stream: ", Printable(status.error_message())));
      Check(common, status);
    }
    if (retried > 0) Fail("");
  }

  // Posts the request as it came, and turns the answer into the settlement.
  void Forward(HttpClient& client, const HttpUrl& target, const v1::Delivery& delivery, v1::Settlement& settlement) {
    const v1::Raw& raw = delivery.event().raw();
    std::string problem;
    if (raw.body_omitted()) {
      problem = "the body is too large for a delivery";
    } else {
      HttpRequest request;
      request.method = raw.method().empty() ? "POST" : raw.method();
      request.url = target;
      for (const v1::Header& header : raw.headers()) {
        if (IsForwarded(header.name())) request.headers.emplace_back(header.name(), header.value());
      }
      request.body = raw.body();
      const auto response = client.Send(request);
      if (!response.ok()) {
        problem = std::string(response.status().message());
      } else if (response->status / 100 != 2) {
        problem = absl::StrCat("answered ", response->status);
      }
      if (problem.empty()) std::cerr << "  forwarded: " << response->status << std::endl;
    }
    if (problem.empty()) return;
    std::cerr << "  not forwarded: " << problem << std::endl;
    settlement.mutable_nack()->set_reason(absl::StrCat("forward: ", problem));
  }

  void Print(const v1::Delivery& delivery, JsonWriter& writer) {
    if (common.json()) {
      std::cout << writer.ToJson(delivery) << '\n';
      return;
    }
    if (common.output == Output::kCloudEvents) {
      std::cout << CloudEventJson(delivery.event()) << '\n';
      return;
    }
    const v1::Event& event = delivery.event();
    std::cout << TimeText(event.received_at()) << "  " << event.id() << "  " << event.source() << "  "
              << Printable(event.type()) << "  attempt " << delivery.attempt();
    if (delivery.has_last_failure()) {
      const v1::Failure& failure = delivery.last_failure();
      std::cout << " (" << FailureText(failure.kind());
      if (!failure.reason().empty()) std::cout << ": " << Printable(failure.reason());
      std::cout << ")";
    }
    std::cout << '\n';
    if (event.has_data()) {
      std::cout << "  " << event.data().type_url().substr(event.data().type_url().rfind('/') + 1)
                << (event.typing().status() == v1::TYPING_STATUS_PARTIAL ? " (partial)" : "") << '\n'
                << writer.PayloadText(event.data(), 2);
    } else {
      std::cout << "  not typed, " << event.raw().body_bytes() << " bytes of " << Printable(event.raw().content_type())
                << '\n';
    }
    for (const v1::TypingNote& note : event.typing().notes()) {
      std::cout << "  note: " << Printable(note.reason()) << (note.pointer().empty() ? "" : " at ")
                << Printable(note.pointer()) << (note.text().empty() ? "" : ": ") << Printable(note.text()) << '\n';
    }
  }
};

}  // namespace

void AddListen(CLI::App& app, int& exit_code) {
  auto listen = std::make_shared<Listen>();
  CLI::App* verb = AddVerb(
      app, exit_code, "listen", "Print events as they come, and acknowledge them",
      "  hookstream listen                                  everything from now on; takes nothing from anybody\n"
      "  hookstream listen --filter 'provider == \"stripe\"' --since 2h\n"
      "  hookstream listen billing --output json            takes part in the subscription `billing`\n"
      "  hookstream listen --output cloudevents             one CloudEvent a line\n"
      "  hookstream listen --forward http://127.0.0.1:3000/hook\n"
      "\nEnds with Ctrl-C or after --count; what is not acknowledged by then is given back.",
      [listen] { listen->Run(); });
  verb->add_option("subscription", listen->subscription,
                   "take part in this one (default: a private one, gone with the command)");
  verb->add_option("--filter,-f", listen->filter, "which events")->type_name("EXPR");
  verb->add_option("--since", listen->since, "begin so long ago, or at a time (default: now)")->type_name("2h|TIME");
  verb->add_option("--forward", listen->forward,
                   "post each original request there; 2xx acknowledges, else it comes again")
      ->type_name("URL");
  verb->add_option("--count,-n", listen->count, "end after so many")->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  verb->add_flag("--no-ack", listen->no_ack, "acknowledge nothing: events come again when their deadline has passed");
  verb->add_option(
          "--miss", listen->miss,
          "leave the first so many deliveries to their deadline, to see them come again; --count does not count them")
      ->check(CLI::Range(int64_t{0}, int64_t{100'000}));
  verb->add_option("--client-id", listen->client_id, "name of this client over reconnections");
  AddCommon(*verb, listen->common, {Output::kCloudEvents});
}

}  // namespace hookstream::cli
