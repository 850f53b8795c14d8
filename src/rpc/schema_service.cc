#include "rpc/schema_service.h"

#include "rpc/status.h"

namespace hookstream::rpc {

grpc::ServerUnaryReactor* SchemaService::ListEventTypes(grpc::CallbackServerContext* call,
                                                        const v1::ListEventTypesRequest* request,
                                                        v1::ListEventTypesResponse* response) {
  for (typing::EventTypeInfo& info : registry_()->EventTypes(request->provider())) {
    v1::EventType& to = *response->add_event_types();
    to.set_provider(std::move(info.provider));
    to.set_pattern(std::move(info.pattern));
    to.set_message(std::move(info.message));
    to.set_schema_fingerprint(std::move(info.fingerprint));
  }
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* SchemaService::GetDescriptors(grpc::CallbackServerContext* call,
                                                        const v1::GetDescriptorsRequest* request,
                                                        v1::GetDescriptorsResponse* response) {
  const auto registry = registry_();
  absl::StatusOr<typing::DescriptorFiles> files =
      absl::InvalidArgumentError("by: message or schema_fingerprint must be set");
  if (request->has_message()) files = registry->DescriptorsOfMessage(request->message());
  if (request->has_schema_fingerprint()) files = registry->DescriptorsOfFingerprint(request->schema_fingerprint());
  if (files.ok()) {
    response->set_file_descriptor_set(std::move(files->file_descriptor_set));
    response->set_schema_fingerprint(std::move(files->fingerprint));
  }
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  reactor->Finish(ToGrpc(files.status()));
  return reactor;
}

}  // namespace hookstream::rpc
