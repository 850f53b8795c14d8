// Composes messages of deliveries from wire bytes: the store's and the typed ones are copied or referenced as they are,
// never parsed or serialized again. Pure and thread-safe.
//
//   BatchPlan plan(queue, options);                       // how many fit
//   char* block = allocate(plan.copied_bytes());
//   plan.Write(block, [&](const Piece& piece) { ... });   // the message is the pieces, one after the other
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/delivery.h"
#include "hookstream/v1/subscriber_service.pb.h"

namespace hookstream::dispatch {

enum class Wrapper {
  kNone,               // field 1 of FetchResponse
  kSubscribeResponse,  // `deliveries` of SubscribeResponse
};

struct ComposeOptions {
  v1::View view = v1::VIEW_FULL;  // not UNSPECIFIED
  Wrapper wrapper = Wrapper::kSubscribeResponse;
  size_t events_max = 100;
  // Of the whole message. One event that does not fit alone goes without its body and its typed payload.
  int64_t message_bytes_max = 4 << 20;
  // What does not fit any more comes without its body instead of not at all: for an answer that has no second message.
  bool all = false;
};

struct Piece {
  std::string_view bytes;
  // Set: the bytes are a part of this event, and live as long. Null: a part of the block.
  PreparedRef owner;
};

// Bytes of an event from this size on are referenced; smaller ones are cheaper to copy than to pass on their own.
inline constexpr size_t kReferencedBytesMin = 16 << 10;

class BatchPlan {
 public:
  // Takes as many from the front of `queue` as fit, at least one if there is any. `queue` is used until Write. An event
  // without its body always counts as fitting: it is as small as its metadata.
  BatchPlan(std::span<const Delivery> queue, const ComposeOptions& options);

  size_t count() const { return parts_.size(); }
  size_t message_bytes() const { return message_bytes_; }
  // How large a block Write needs.
  size_t copied_bytes() const { return copied_bytes_; }
  // How many events go without their body because they would not fit.
  size_t bodies_omitted() const { return bodies_omitted_; }

  template <typename F>
  void Write(char* block, F&& piece) const {
    WriteTo(block, [&](const Piece& p) { piece(p); });
  }

 private:
  struct Part {
    size_t delivery_bytes = 0;
    size_t event_bytes = 0;
    size_t raw_bytes = 0;
    bool raw = false;
    bool data = false;
    bool omitted = false;
  };

  Part Measure(const Delivery& delivery, bool omit) const;
  size_t ReferencedBytes(const Delivery& delivery, const Part& part) const;
  void WriteTo(char* block, const std::function<void(const Piece&)>& piece) const;

  const std::span<const Delivery> queue_;
  const ComposeOptions options_;
  std::vector<Part> parts_;
  size_t batch_bytes_ = 0;  // the deliveries with tag and length
  size_t message_bytes_ = 0;
  size_t copied_bytes_ = 0;
  size_t bodies_omitted_ = 0;
};

// Wire bytes of an Event alone.
std::string ComposeEvent(const Prepared& event, v1::View view);

}  // namespace hookstream::dispatch
