// Messages of the relay as Protobuf's canonical JSON, with typed payloads expanded: the descriptors of providers'
// messages are not linked in, the relay is asked for them (SchemaService) when one is first met.
//
// Not thread-safe.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/util/type_resolver.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/common.h"
#include "google/protobuf/any.pb.h"
#include "hookstream/v1/schema_service.grpc.pb.h"

namespace hookstream::cli {

class JsonWriter {
 public:
  explicit JsonWriter(const std::shared_ptr<grpc::Channel>& channel);
  ~JsonWriter();

  // One line, without a line break. A payload whose message the relay no longer knows is shown as its bytes
  // (google.protobuf.BytesValue), and a line on stderr says which.
  std::string ToJson(const google::protobuf::Message& message);
  // Over several lines, indented by `indent`; without "@type". Empty for an Any without a type.
  std::string PayloadText(const google::protobuf::Any& payload, int indent);

 private:
  class Resolver;
  const std::unique_ptr<Resolver> resolver_;
};

}  // namespace hookstream::cli
