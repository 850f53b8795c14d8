// A subscription's settings: their ranges and defaults, and the form in which the store keeps them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/event_id.h"
#include "delivery/tracker.h"
#include "filter/filter.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "hookstream/v1/admin_service.pb.h"
#include "hookstream/v1/subscriber_service.pb.h"
#include "store/store.h"

namespace hookstream::dispatch {

// What a subscription's message means, defaults filled in.
struct Spec {
  v1::Subscription message;
  delivery::Settings settings;
  filter::Filter filter;
  absl::Duration expire_after = absl::InfiniteDuration();
};

// INVALID_ARGUMENT; the message begins with the field's name.
absl::StatusOr<Spec> CompileSpec(const v1::Subscription& message, absl::Duration resume_grace);
// 1 to 63 characters of [a-z0-9-].
absl::Status ValidateName(std::string_view field, std::string_view name);
// Of a list's page: 1 to 1000, 0 for 50.
absl::StatusOr<int32_t> ReadPageSize(int32_t page_size);

// What the store keeps: opaque bytes.
struct StoredSpec {
  v1::Subscription message;
  bool declared = false;
  bool paused = false;
};
std::string EncodeStoredSpec(const StoredSpec& spec);
// DATA_LOSS: not what EncodeStoredSpec made.
absl::StatusOr<StoredSpec> DecodeStoredSpec(std::string_view bytes);

// Two messages that say the same.
bool SameSubscription(const v1::Subscription& a, const v1::Subscription& b);

// Where to begin. Nothing set: latest. INVALID_ARGUMENT: a time out of range, or an event id of another store.
absl::StatusOr<store::Position> ResolveStart(const v1::Start& start, StoreTag tag);
absl::StatusOr<Seq> ParseSeq(std::string_view event_id, StoreTag tag);

store::MetaFilter ToMetaFilter(const filter::Filter& filter);

// Protobuf's times. Nothing: out of their documented range.
std::optional<absl::Duration> FromProto(const google::protobuf::Duration& duration);
std::optional<absl::Time> FromProto(const google::protobuf::Timestamp& time);
void ToProto(absl::Duration duration, google::protobuf::Duration* to);
void ToProto(absl::Time time, google::protobuf::Timestamp* to);
void ToProto(const Failure& failure, v1::Failure* to);

// The settings of an `open`, defaults filled in. INVALID_ARGUMENT names the field.
struct OpenSettings {
  delivery::Credit credit;
  int64_t message_bytes_max = 0;
  int32_t batch_events_max = 0;
  v1::View view = v1::VIEW_FULL;
};
absl::StatusOr<OpenSettings> CompileOpen(const v1::Open& open);
// A Flow's new credit: 0 leaves what is in `credit`.
absl::Status ApplyFlow(const v1::Flow& flow, delivery::Credit& credit);
absl::StatusOr<v1::View> CompileView(v1::View view, v1::View unspecified);

}  // namespace hookstream::dispatch
