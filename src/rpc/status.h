// The one table from the relay's errors to gRPC's.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace hookstream::rpc {

grpc::Status ToGrpc(const absl::Status& status);

}  // namespace hookstream::rpc
