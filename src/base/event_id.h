// The text form of an event's place in a store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace hookstream {

// Position of an event in its store: 1 for the first ever, never used twice.
using Seq = uint64_t;

// Tells stores apart: random, made once with the store, never 0.
using StoreTag = uint64_t;

// 26 characters of base32hex ([0-9a-v]): the sequence first, so that ids of a store sort in the order of acceptance
// (and so in time), then the store's tag.
std::string FormatEventId(StoreTag tag, Seq seq);

struct EventId {
  StoreTag tag;
  Seq seq;
};

// INVALID_ARGUMENT when the text is no event id.
absl::StatusOr<EventId> ParseEventId(std::string_view text);

}  // namespace hookstream
