// Events as the ingest stores them, for tests of what stands above the store.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "hookstream/v1/event.pb.h"
#include "store/store.h"

namespace hookstream::testing {

struct EventShape {
  std::string source = "github-main";
  std::string provider = "github";
  std::string type = "issues.opened";
  std::string body = R"({"action":"opened"})";
  store::Content content = store::Content::kJson;
  absl::Time received_at = absl::FromUnixSeconds(1'700'000'000);
  std::string content_type = "application/json";
};

inline store::EventData MakeEventData(const EventShape& shape = {}) {
  v1::Event envelope;
  envelope.set_source(shape.source);
  envelope.set_provider(shape.provider);
  envelope.set_type(shape.type);
  envelope.mutable_received_at()->set_seconds(absl::ToUnixSeconds(shape.received_at));
  envelope.mutable_verification()->set_preset(shape.provider);
  (*envelope.mutable_attributes())["account"] = "acct_1";
  v1::Raw raw;
  raw.set_content_type(shape.content_type);
  raw.set_method("POST");
  raw.set_count(1);
  store::EventData data;
  data.source = shape.source;
  data.provider = shape.provider;
  data.type = shape.type;
  data.received_at = shape.received_at;
  data.content = shape.content;
  data.envelope = envelope.SerializeAsString();
  data.raw_head = raw.SerializeAsString();
  data.body = shape.body;
  return data;
}

inline store::NewEvent MakeNewEvent(const EventShape& shape = {}) {
  store::NewEvent event;
  event.data = MakeEventData(shape);
  return event;
}

}  // namespace hookstream::testing
