// gRPC reflection, v1 and v1alpha, from the registry of schemas: it knows users' messages, which the linked-in
// descriptors of gRPC's own reflection do not. gRPC's protocols (health, reflection) come from the linked-in ones.
#pragma once

#include <grpcpp/grpcpp.h>

#include <string>
#include <vector>

#include "dispatch/prepared.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"

namespace hookstream::rpc {

class ReflectionV1 final : public grpc::reflection::v1::ServerReflection::CallbackService {
 public:
  ReflectionV1(dispatch::RegistrySource registry, std::vector<std::string> services)
      : registry_(std::move(registry)), services_(std::move(services)) {}
  grpc::ServerBidiReactor<grpc::reflection::v1::ServerReflectionRequest,
                          grpc::reflection::v1::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* call) override;

 private:
  const dispatch::RegistrySource registry_;
  const std::vector<std::string> services_;
};

class ReflectionV1Alpha final : public grpc::reflection::v1alpha::ServerReflection::CallbackService {
 public:
  ReflectionV1Alpha(dispatch::RegistrySource registry, std::vector<std::string> services)
      : registry_(std::move(registry)), services_(std::move(services)) {}
  grpc::ServerBidiReactor<grpc::reflection::v1alpha::ServerReflectionRequest,
                          grpc::reflection::v1alpha::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* call) override;

 private:
  const dispatch::RegistrySource registry_;
  const std::vector<std::string> services_;
};

}  // namespace hookstream::rpc
