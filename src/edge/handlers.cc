#include "edge/handlers.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/event_id.h"
#include "provider/encoding.h"

namespace hookstream::edge {
namespace {

constexpr std::string_view kWebhooks = "/webhooks/";

Response NotFound() { return ErrorResponse(404, "not_found", "there is nothing at this path"); }

bool IsHeader(const Header& header, std::string_view name) {
  return absl::EqualsIgnoreCase(absl::string_view(header.name.data(), header.name.size()),
                                absl::string_view(name.data(), name.size()));
}

// The table: why a request was refused, as HTTP says it.
Response RefusedResponse(const ingest::Refused& refused) {
  using ingest::Reason;
  switch (refused.reason) {
    case Reason::kUnknownSource: return ErrorResponse(404, "unknown_source", "there is no such source");
    case Reason::kMethodNotAllowed:
      return ErrorResponse(405, "method_not_allowed", "this source does not take that method");
    case Reason::kSignatureInvalid:
      return ErrorResponse(401, "signature_invalid", "the request's signature or credential is not accepted");
    case Reason::kBodyTooLarge:
      return ErrorResponse(413, "body_too_large", "the body is larger than this source takes");
    case Reason::kRateLimited: return ErrorResponse(429, "rate_limited", "too many requests for this source");
    case Reason::kStoreFull: return ErrorResponse(503, "overloaded", "no more can be stored now");
    case Reason::kUnavailable: return ErrorResponse(503, "unavailable", "nothing can be stored now");
    case Reason::kNotFetched:
      return ErrorResponse(503, "not_fetched", "what the provider publishes could not be fetched now");
  }
  return ErrorResponse(500, "internal", "unknown outcome");
}

Response FromReply(ingest::Reply reply) {
  Response response;
  response.status = reply.status;
  response.content_type = std::move(reply.content_type);
  response.headers = std::move(reply.headers);
  response.body = std::move(reply.body);
  return response;
}

Response FromRefused(ingest::Refused refused) {
  Response response = refused.reply ? FromReply(*std::move(refused.reply)) : RefusedResponse(refused);
  if (!refused.allow.empty()) response.headers.emplace_back("Allow", std::move(refused.allow));
  if (refused.retry_after > absl::ZeroDuration()) {
    response.headers.emplace_back("Retry-After", absl::StrCat(absl::ToInt64Seconds(refused.retry_after)));
  }
  return response;
}

Response FromAccepted(ingest::Accepted accepted) {
  if (accepted.reply) return FromReply(*std::move(accepted.reply));
  Response response;
  response.content_type = "application/json";
  std::string& body = response.body;
  body.reserve(32 + 32 * accepted.events.size());
  bool all_duplicates = !accepted.events.empty();
  body.append(accepted.many ? "{\"ids\":[" : "{\"id\":");
  for (size_t i = 0; i < accepted.events.size(); ++i) {
    if (i > 0) body.push_back(',');
    body.push_back('"');
    body.append(FormatEventId(accepted.tag, accepted.events[i].seq));
    body.push_back('"');
    all_duplicates = all_duplicates && accepted.events[i].duplicate;
  }
  if (accepted.many) body.push_back(']');
  body.append(",\"status\":").append(all_duplicates ? "\"duplicate\"}" : "\"accepted\"}");
  return response;
}

Response ToResponse(ingest::Outcome outcome) {
  if (auto* accepted = std::get_if<ingest::Accepted>(&outcome)) return FromAccepted(std::move(*accepted));
  if (auto* reply = std::get_if<ingest::Reply>(&outcome)) return FromReply(std::move(*reply));
  return FromRefused(std::get<ingest::Refused>(std::move(outcome)));
}

}  // namespace

std::variant<Handler::Wanted, Response> WebhookHandler::Admit(const RequestHead& head) {
  if (!head.path.starts_with(kWebhooks)) return NotFound();
  auto admission = ingest_.Admit(head.path.substr(kWebhooks.size()), head.method);
  if (admission.refused) return FromRefused(*std::move(admission.refused));
  for (const Header& header : head.headers) {
    if (IsHeader(header, "content-encoding") && !header.value.empty() &&
        !absl::EqualsIgnoreCase(absl::string_view(header.value.data(), header.value.size()), "identity")) {
      return ErrorResponse(415, "content_encoding_unsupported", "a body has to be sent without Content-Encoding");
    }
  }
  return Wanted{admission.body_bytes_max};
}

void WebhookHandler::Handle(const RequestHead& head, std::string body, Respond respond) {
  ingest::HttpRequest request;
  request.source = head.path.substr(kWebhooks.size());
  request.method = head.method;
  request.target = head.target;
  request.headers = head.headers;
  request.body = std::move(body);
  ingest_.Handle(std::move(request), [respond = std::move(respond)](ingest::Outcome outcome) mutable {
    std::move(respond)(ToResponse(std::move(outcome)));
  });
}

std::variant<Handler::Wanted, Response> AdminHandler::Admit(const RequestHead& head) {
  if (head.path != "/metrics" && head.path != "/healthz" && head.path != "/readyz") return NotFound();
  if (head.method != "GET" && head.method != "HEAD") {
    Response response = ErrorResponse(405, "method_not_allowed", "only GET and HEAD are known here");
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  return Wanted{0};
}

void AdminHandler::Handle(const RequestHead& head, std::string, Respond respond) {
  Response response;
  if (head.path == "/metrics") {
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = registry_.Expose();
  } else if (head.path == "/healthz") {
    response.content_type = "application/json";
    response.body = "{\"status\":\"alive\"}";
  } else {
    const Health health = health_();
    response.content_type = "application/json";
    if (health.Ready()) {
      response.body = "{\"status\":\"ready\"}";
    } else {
      response.status = 503;
      response.body = "{\"status\":\"not_ready\",\"failing\":[";
      for (const Health::Failing& failing : health.failing) {
        if (response.body.back() != '[') response.body.push_back(',');
        absl::StrAppend(&response.body, "{\"part\":", provider::JsonQuoted(failing.part),
                        ",\"message\":", provider::JsonQuoted(failing.message), "}");
      }
      response.body.append("]}");
    }
  }
  std::move(respond)(std::move(response));
}

}  // namespace hookstream::edge
