// Messages to and from gRPC's buffers of slices.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include "dispatch/compose.h"

namespace hookstream::rpc {

// False: the bytes are no such message. The buffer is kept as it is.
bool ReadMessage(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message);
void WriteMessage(const google::protobuf::MessageLite& message, grpc::ByteBuffer& buffer);

// One block for what is copied; large parts of events are referenced, and hold their event.
void WriteBatch(const dispatch::BatchPlan& plan, grpc::ByteBuffer& buffer);

}  // namespace hookstream::rpc
