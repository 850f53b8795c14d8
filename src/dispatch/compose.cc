#include "dispatch/compose.h"

#include <algorithm>

#include "dispatch/wire.h"

namespace hookstream::dispatch {
namespace {

// Field numbers of hookstream.v1.
constexpr int kResponseDeliveries = 2, kBatchDeliveries = 1;
constexpr int kDeliveryId = 1, kDeliveryEvent = 2, kDeliveryAttempt = 3, kDeliveryDeadline = 5, kDeliveryDeadlineIn = 6,
              kDeliveryLastFailure = 7;
constexpr int kFailureKind = 1, kFailureReason = 2, kFailureTime = 3, kFailureAttempt = 4;
constexpr int kEventRaw = 10;
constexpr int kRawBody = 5, kRawBodyOmitted = 6, kRawBodyBytes = 7;
constexpr int kSeconds = 1, kNanos = 2;

// Timestamp and Duration have the same fields.
struct SecondsNanos {
  uint64_t seconds = 0;  // two's complement
  uint64_t nanos = 0;

  explicit SecondsNanos(absl::Duration d) {
    absl::Duration rest;
    int64_t whole = absl::IDivDuration(d, absl::Seconds(1), &rest);
    seconds = static_cast<uint64_t>(whole);
    nanos = static_cast<uint64_t>(absl::ToInt64Nanoseconds(rest));
  }
  // Not before 1970.
  explicit SecondsNanos(absl::Time t) : SecondsNanos(t - absl::UnixEpoch()) {}

  size_t Bytes() const { return wire::VarintFieldBytes(seconds) + wire::VarintFieldBytes(nanos); }
  char* Put(char* to, int field) const {
    to = wire::PutLengthHead(to, field, Bytes());
    to = wire::PutVarintField(to, kSeconds, seconds);
    return wire::PutVarintField(to, kNanos, nanos);
  }
};

size_t FailureBytes(const Failure& failure) {
  return wire::VarintFieldBytes(static_cast<uint64_t>(failure.kind)) +
         (failure.reason.empty() ? 0 : wire::LengthFieldBytes(failure.reason.size())) +
         wire::LengthFieldBytes(SecondsNanos(failure.time).Bytes()) +
         wire::VarintFieldBytes(static_cast<uint64_t>(failure.attempt));
}

char* PutFailure(char* to, int field, const Failure& failure) {
  to = wire::PutLengthHead(to, field, FailureBytes(failure));
  to = wire::PutVarintField(to, kFailureKind, static_cast<uint64_t>(failure.kind));
  if (!failure.reason.empty()) to = wire::PutLengthField(to, kFailureReason, failure.reason);
  to = SecondsNanos(failure.time).Put(to, kFailureTime);
  return wire::PutVarintField(to, kFailureAttempt, static_cast<uint64_t>(failure.attempt));
}

bool HasRaw(const Prepared& event, v1::View view) {
  return view == v1::VIEW_FULL || view == v1::VIEW_RAW ||
         (view == v1::VIEW_TYPED && event.status != TypedStatus::kFull);
}
bool HasData(const Prepared& event, v1::View view) {
  return (view == v1::VIEW_FULL || view == v1::VIEW_TYPED) && event.HasData();
}

size_t RawBytes(const store::EventData& data) {
  return data.raw_head.size() + (data.body.empty() ? 0 : wire::LengthFieldBytes(data.body.size())) +
         wire::VarintFieldBytes(data.body.size());
}
size_t OmittedRawBytes(const store::EventData& data) { return 2 + wire::VarintFieldBytes(data.body.size()); }

char* PutOmittedRaw(char* to, const store::EventData& data) {
  to = wire::PutLengthHead(to, kEventRaw, OmittedRawBytes(data));
  to = wire::PutVarintField(to, kRawBodyOmitted, 1);
  return wire::PutVarintField(to, kRawBodyBytes, data.body.size());
}

// The bytes of an event's field `raw` before its body.
char* PutRawHead(char* to, const store::EventData& data, size_t raw_bytes) {
  to = wire::PutLengthHead(to, kEventRaw, raw_bytes);
  to = wire::PutRaw(to, data.raw_head);
  to = wire::PutVarintField(to, kRawBodyBytes, data.body.size());
  return data.body.empty() ? to : wire::PutLengthHead(to, kRawBody, data.body.size());
}

size_t Referenced(std::string_view bytes) { return bytes.size() >= kReferencedBytesMin ? bytes.size() : 0; }

}  // namespace

BatchPlan::BatchPlan(std::span<const Delivery> queue, const ComposeOptions& options)
    : queue_(queue), options_(options) {
  parts_.reserve(std::min(queue.size(), options.events_max));
  const auto message_bytes = [&](size_t batch_bytes) {
    return options_.wrapper == Wrapper::kNone ? batch_bytes : wire::LengthFieldBytes(batch_bytes);
  };
  const auto fits = [&](const Part& part) {
    return static_cast<int64_t>(message_bytes(batch_bytes_ + wire::LengthFieldBytes(part.delivery_bytes))) <=
           options_.message_bytes_max;
  };
  size_t referenced_bytes = 0;
  for (const Delivery& delivery : queue_) {
    if (parts_.size() == options_.events_max) break;
    Part part = Measure(delivery, false);
    if (!fits(part)) {
      if (!parts_.empty() && !options_.all) break;
      part = Measure(delivery, true);
      ++bodies_omitted_;
    }
    parts_.push_back(part);
    batch_bytes_ += wire::LengthFieldBytes(part.delivery_bytes);
    referenced_bytes += ReferencedBytes(delivery, part);
  }
  message_bytes_ = message_bytes(batch_bytes_);
  copied_bytes_ = message_bytes_ - referenced_bytes;
}

BatchPlan::Part BatchPlan::Measure(const Delivery& delivery, bool omit) const {
  const Prepared& event = *delivery.event;
  const store::EventData& data = event.event->data;
  Part part;
  part.omitted = omit;
  part.raw = omit || HasRaw(event, options_.view);
  part.data = !omit && HasData(event, options_.view);
  part.event_bytes = data.envelope.size() + (part.data ? event.head.size() + event.payload.size() : event.data_at);
  if (part.raw) {
    part.raw_bytes = omit ? OmittedRawBytes(data) : RawBytes(data);
    part.event_bytes += wire::LengthFieldBytes(part.raw_bytes);
  }
  part.delivery_bytes = wire::LengthFieldBytes(DeliveryIdText::kBytes) + wire::LengthFieldBytes(part.event_bytes) +
                        wire::VarintFieldBytes(static_cast<uint64_t>(delivery.attempt)) +
                        wire::LengthFieldBytes(SecondsNanos(delivery.deadline).Bytes()) +
                        wire::LengthFieldBytes(SecondsNanos(delivery.deadline_in).Bytes());
  if (delivery.last_failure != nullptr) {
    part.delivery_bytes += wire::LengthFieldBytes(FailureBytes(*delivery.last_failure));
  }
  return part;
}

size_t BatchPlan::ReferencedBytes(const Delivery& delivery, const Part& part) const {
  return (part.raw && !part.omitted ? Referenced(delivery.event->event->data.body) : 0) +
         (part.data ? Referenced(delivery.event->payload) : 0);
}

void BatchPlan::WriteTo(char* block, const std::function<void(const Piece&)>& piece) const {
  char* start = block;
  char* to = block;
  // Copies small bytes, and passes on large ones between two pieces of the block.
  const auto put = [&](std::string_view bytes, const PreparedRef& owner) {
    if (Referenced(bytes) == 0) {
      to = wire::PutRaw(to, bytes);
      return;
    }
    piece({{start, static_cast<size_t>(to - start)}, nullptr});
    piece({bytes, owner});
    start = to;
  };
  if (options_.wrapper == Wrapper::kSubscribeResponse) to = wire::PutLengthHead(to, kResponseDeliveries, batch_bytes_);
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Delivery& delivery = queue_[i];
    const Part& part = parts_[i];
    const Prepared& event = *delivery.event;
    const store::EventData& data = event.event->data;
    to = wire::PutLengthHead(to, kBatchDeliveries, part.delivery_bytes);
    to = wire::PutLengthField(to, kDeliveryId, delivery.id.view());
    to = wire::PutVarintField(to, kDeliveryAttempt, static_cast<uint64_t>(delivery.attempt));
    to = SecondsNanos(delivery.deadline).Put(to, kDeliveryDeadline);
    to = SecondsNanos(delivery.deadline_in).Put(to, kDeliveryDeadlineIn);
    if (delivery.last_failure != nullptr) to = PutFailure(to, kDeliveryLastFailure, *delivery.last_failure);
    to = wire::PutLengthHead(to, kDeliveryEvent, part.event_bytes);
    to = wire::PutRaw(to, data.envelope);
    if (part.raw && part.omitted) {
      to = PutOmittedRaw(to, data);
    } else if (part.raw) {
      to = PutRawHead(to, data, part.raw_bytes);
      put(data.body, delivery.event);
    }
    to = wire::PutRaw(to, part.data ? std::string_view(event.head) : event.IdAndTyping());
    if (part.data) put(event.payload, delivery.event);
  }
  if (to != start) piece({{start, static_cast<size_t>(to - start)}, nullptr});
}

std::string ComposeEvent(const Prepared& event, v1::View view) {
  const store::EventData& data = event.event->data;
  const bool raw = HasRaw(event, view);
  std::string bytes = data.envelope;
  if (raw) {
    const size_t raw_bytes = RawBytes(data);
    const size_t before = bytes.size();
    bytes.resize(before + wire::LengthFieldBytes(raw_bytes));
    wire::PutRaw(PutRawHead(bytes.data() + before, data, raw_bytes), data.body);
  }
  if (HasData(event, view)) {
    bytes.append(event.head).append(event.payload);
  } else {
    bytes.append(event.IdAndTyping());
  }
  return bytes;
}

}  // namespace hookstream::dispatch
