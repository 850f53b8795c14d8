// SchemaService, from the registry of schemas.
#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "dispatch/prepared.h"
#include "hookstream/v1/schema_service.grpc.pb.h"

namespace hookstream::rpc {

class SchemaService final : public v1::SchemaService::CallbackService {
 public:
  explicit SchemaService(dispatch::RegistrySource registry) : registry_(std::move(registry)) {}

  grpc::ServerUnaryReactor* ListEventTypes(grpc::CallbackServerContext* call, const v1::ListEventTypesRequest* request,
                                           v1::ListEventTypesResponse* response) override;
  grpc::ServerUnaryReactor* GetDescriptors(grpc::CallbackServerContext* call, const v1::GetDescriptorsRequest* request,
                                           v1::GetDescriptorsResponse* response) override;

 private:
  const dispatch::RegistrySource registry_;
};

}  // namespace hookstream::rpc
