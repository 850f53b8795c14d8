#include "dispatch/spec.h"

#include <google/protobuf/util/message_differencer.h>
#include <google/protobuf/util/time_util.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace hookstream::dispatch {
namespace {

absl::Status FieldError(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(ToAbsl(field), ": ", ToAbsl(what)));
}

// Of [least, most].
absl::StatusOr<absl::Duration> ReadDuration(std::string_view field, const google::protobuf::Duration& value,
                                            absl::Duration least, absl::Duration most) {
  const auto duration = FromProto(value);
  if (!duration.has_value() || *duration < least || *duration > most) {
    return FieldError(field, absl::StrCat("must be ", absl::FormatDuration(least), " to ", absl::FormatDuration(most)));
  }
  return *duration;
}

absl::StatusOr<int64_t> ReadCount(std::string_view field, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most) return FieldError(field, absl::StrCat("must be ", least, " to ", most));
  return value;
}

bool IsZero(const google::protobuf::Duration& value) { return value.seconds() == 0 && value.nanos() == 0; }

constexpr char kStoredVersion = 1;
constexpr uint8_t kDeclaredFlag = 1, kPausedFlag = 2;

constexpr int64_t kEventsDefault = 1'000, kEventsMax = 100'000;
constexpr int64_t kBytesDefault = 64 << 20, kBytesMin = 1 << 10, kBytesMax = 1 << 30;
constexpr int64_t kMessageBytesDefault = 4 << 20, kMessageBytesMin = 64 << 10, kMessageBytesMax = 256 << 20;
constexpr int64_t kBatchDefault = 100, kBatchMax = 1'000;
constexpr size_t kClientIdBytesMax = 128;
constexpr int kHeldIdsMax = 10'000;

}  // namespace

absl::Status ValidateName(std::string_view field, std::string_view name) {
  return IsName(name) ? absl::OkStatus() : FieldError(field, "must be 1 to 63 characters of [a-z0-9-]");
}

absl::StatusOr<int32_t> ReadPageSize(int32_t page_size) {
  if (page_size == 0) return 50;
  HS_RETURN_IF_ERROR(ReadCount("page_size", page_size, 1, 1'000).status());
  return page_size;
}

absl::StatusOr<Spec> CompileSpec(const v1::Subscription& message, absl::Duration resume_grace) {
  HS_RETURN_IF_ERROR(ValidateName("name", message.name()));
  Spec spec;
  spec.message = message;
  auto filter = filter::Filter::Compile(message.filter());
  if (!filter.ok()) return FieldError("filter", std::string(filter.status().message()));
  spec.filter = *std::move(filter);

  delivery::Settings& settings = spec.settings;
  settings.resume_grace = resume_grace;
  if (!IsZero(message.ack_deadline())) {
    HS_ASSIGN_OR_RETURN(settings.ack_deadline,
                        ReadDuration("ack_deadline", message.ack_deadline(), absl::Seconds(1), absl::Minutes(10)));
  }
  if (message.has_max_attempts()) {
    HS_ASSIGN_OR_RETURN(const int64_t attempts, ReadCount("max_attempts", message.max_attempts(), 0, 1'000));
    settings.max_attempts = static_cast<int>(attempts);
  }
  const v1::Retry& retry = message.retry();
  if (retry.has_min_backoff()) {
    HS_ASSIGN_OR_RETURN(settings.retry.min_backoff,
                        ReadDuration("retry.min_backoff", retry.min_backoff(), absl::ZeroDuration(), absl::Hours(1)));
  }
  if (retry.has_max_backoff()) {
    HS_ASSIGN_OR_RETURN(settings.retry.max_backoff, ReadDuration("retry.max_backoff", retry.max_backoff(),
                                                                 settings.retry.min_backoff, absl::Hours(24)));
  } else {
    settings.retry.max_backoff = std::max(settings.retry.max_backoff, settings.retry.min_backoff);
  }
  if (retry.multiplier() != 0) {
    if (!(retry.multiplier() >= 1 && retry.multiplier() <= 10))
      return FieldError("retry.multiplier", "must be 1 to 10");
    settings.retry.multiplier = retry.multiplier();
  }
  if (retry.has_jitter()) {
    if (!(retry.jitter() >= 0 && retry.jitter() <= 1)) return FieldError("retry.jitter", "must be 0 to 1");
    settings.retry.jitter = retry.jitter();
  }
  // The tracker does not order yet; to accept the setting and not keep it would be worse than to refuse it.
  if (message.ordering() != v1::ORDERING_UNSPECIFIED && message.ordering() != v1::ORDERING_NONE) {
    return FieldError("ordering", "this version supports ORDERING_NONE only");
  }
  if (message.on_key_failure() != v1::ON_KEY_FAILURE_UNSPECIFIED) {
    return FieldError("on_key_failure", "needs ordering: ORDERING_KEY, which this version does not support");
  }
  if (message.max_unsettled() != 0) {
    HS_ASSIGN_OR_RETURN(settings.max_unsettled, ReadCount("max_unsettled", message.max_unsettled(), 1, 1'000'000));
  }
  if (message.start().has_time() && !FromProto(message.start().time()).has_value()) {
    return FieldError("start.time", "is not a valid time");
  }
  if (message.start().has_event_id() && !ParseEventId(message.start().event_id()).ok()) {
    return FieldError("start.event_id", "is no event id");
  }
  if (!IsZero(message.max_lease())) {
    HS_ASSIGN_OR_RETURN(settings.max_lease,
                        ReadDuration("max_lease", message.max_lease(), absl::Seconds(1), absl::Hours(12)));
  }
  if (settings.max_lease < settings.ack_deadline) settings.max_lease = settings.ack_deadline;
  if (message.has_expire_after()) {
    HS_ASSIGN_OR_RETURN(spec.expire_after,
                        ReadDuration("expire_after", message.expire_after(), absl::Seconds(1), absl::Hours(24 * 365)));
  }
  return spec;
}

std::string EncodeStoredSpec(const StoredSpec& spec) {
  std::string bytes(1, kStoredVersion);
  bytes.push_back(static_cast<char>((spec.declared ? kDeclaredFlag : 0) | (spec.paused ? kPausedFlag : 0)));
  spec.message.AppendToString(&bytes);
  return bytes;
}

absl::StatusOr<StoredSpec> DecodeStoredSpec(std::string_view bytes) {
  StoredSpec spec;
  if (bytes.size() < 2 || bytes[0] != kStoredVersion ||
      !spec.message.ParseFromArray(bytes.data() + 2, static_cast<int>(bytes.size() - 2))) {
    return absl::DataLossError("the stored settings of a subscription can't be read");
  }
  spec.declared = (static_cast<uint8_t>(bytes[1]) & kDeclaredFlag) != 0;
  spec.paused = (static_cast<uint8_t>(bytes[1]) & kPausedFlag) != 0;
  return spec;
}

bool SameSubscription(const v1::Subscription& a, const v1::Subscription& b) {
  return google::protobuf::util::MessageDifferencer::Equals(a, b);
}

absl::StatusOr<Seq> ParseSeq(std::string_view event_id, StoreTag tag) {
  const auto id = ParseEventId(event_id);
  if (!id.ok()) return id.status();
  if (id->tag != tag) return absl::InvalidArgumentError("the event id is of another store");
  return id->seq;
}

absl::StatusOr<store::Position> ResolveStart(const v1::Start& start, StoreTag tag) {
  switch (start.position_case()) {
    case v1::Start::kEarliest: return store::Earliest{};
    case v1::Start::kTime: {
      const auto time = FromProto(start.time());
      if (!time.has_value()) return FieldError("start.time", "is not a valid time");
      return store::AtTime{*time};
    }
    case v1::Start::kEventId: {
      const auto seq = ParseSeq(start.event_id(), tag);
      if (!seq.ok()) return FieldError("start.event_id", std::string(seq.status().message()));
      return store::AtSeq{*seq};
    }
    case v1::Start::kLatest:
    case v1::Start::POSITION_NOT_SET: break;
  }
  return store::Latest{};
}

store::MetaFilter ToMetaFilter(const filter::Filter& filter) {
  if (filter.MatchesAll()) return nullptr;
  return [filter](const store::EventMeta& meta) {
    return filter.Matches({.source = meta.source, .provider = meta.provider, .type = meta.type});
  };
}

std::optional<absl::Duration> FromProto(const google::protobuf::Duration& duration) {
  using google::protobuf::util::TimeUtil;
  if (duration.seconds() < TimeUtil::kDurationMinSeconds || duration.seconds() > TimeUtil::kDurationMaxSeconds ||
      std::abs(duration.nanos()) > 999'999'999) {
    return std::nullopt;
  }
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

std::optional<absl::Time> FromProto(const google::protobuf::Timestamp& time) {
  using google::protobuf::util::TimeUtil;
  if (time.seconds() < TimeUtil::kTimestampMinSeconds || time.seconds() > TimeUtil::kTimestampMaxSeconds ||
      time.nanos() < 0 || time.nanos() > 999'999'999) {
    return std::nullopt;
  }
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void ToProto(absl::Duration duration, google::protobuf::Duration* to) {
  absl::Duration rest;
  to->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  to->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

void ToProto(absl::Time time, google::protobuf::Timestamp* to) {
  const int64_t seconds = absl::ToUnixSeconds(time);  // rounds down
  to->set_seconds(seconds);
  to->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void ToProto(const Failure& failure, v1::Failure* to) {
  to->set_kind(static_cast<v1::FailureKind>(failure.kind));
  to->set_reason(failure.reason);
  ToProto(failure.time, to->mutable_time());
  to->set_attempt(failure.attempt);
}

absl::StatusOr<v1::View> CompileView(v1::View view, v1::View unspecified) {
  if (view == v1::VIEW_UNSPECIFIED) return unspecified;
  if (!v1::View_IsValid(view)) return FieldError("view", "is not known");
  return view;
}

absl::StatusOr<OpenSettings> CompileOpen(const v1::Open& open) {
  OpenSettings settings;
  settings.credit = {.events = kEventsDefault, .bytes = kBytesDefault};
  if (open.client_id().size() > kClientIdBytesMax) {
    return FieldError("client_id", absl::StrCat("must be at most ", kClientIdBytesMax, " characters"));
  }
  if (open.held_delivery_ids_size() > kHeldIdsMax) {
    return FieldError("held_delivery_ids", absl::StrCat("must be at most ", kHeldIdsMax));
  }
  if (!open.tier().empty()) return FieldError("tier", "the subscription has no tiers");
  v1::Flow flow;
  flow.set_max_outstanding_events(open.max_outstanding_events());
  flow.set_max_outstanding_bytes(open.max_outstanding_bytes());
  HS_RETURN_IF_ERROR(ApplyFlow(flow, settings.credit));
  settings.message_bytes_max = kMessageBytesDefault;
  if (open.max_message_bytes() != 0) {
    HS_ASSIGN_OR_RETURN(settings.message_bytes_max,
                        ReadCount("max_message_bytes", open.max_message_bytes(), kMessageBytesMin, kMessageBytesMax));
  }
  settings.batch_events_max = kBatchDefault;
  if (open.max_batch_events() != 0) {
    HS_ASSIGN_OR_RETURN(const int64_t batch, ReadCount("max_batch_events", open.max_batch_events(), 1, kBatchMax));
    settings.batch_events_max = static_cast<int32_t>(batch);
  }
  HS_ASSIGN_OR_RETURN(settings.view, CompileView(open.view(), v1::VIEW_FULL));
  return settings;
}

absl::Status ApplyFlow(const v1::Flow& flow, delivery::Credit& credit) {
  delivery::Credit changed = credit;
  if (flow.max_outstanding_events() != 0) {
    HS_ASSIGN_OR_RETURN(changed.events,
                        ReadCount("max_outstanding_events", flow.max_outstanding_events(), 1, kEventsMax));
  }
  if (flow.max_outstanding_bytes() != 0) {
    HS_ASSIGN_OR_RETURN(changed.bytes,
                        ReadCount("max_outstanding_bytes", flow.max_outstanding_bytes(), kBytesMin, kBytesMax));
  }
  credit = changed;
  return absl::OkStatus();
}

}  // namespace hookstream::dispatch
