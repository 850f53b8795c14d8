#include "rpc/buffer.h"

#include <grpc/slice.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <vector>

namespace hookstream::rpc {

bool ReadMessage(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message) {
  grpc::ByteBuffer copy(buffer);  // shares the slices; the reader wants one that it may change
  grpc::ProtoBufferReader reader(&copy);
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

void WriteMessage(const google::protobuf::MessageLite& message, grpc::ByteBuffer& buffer) {
  const size_t size = message.ByteSizeLong();
  grpc_slice block = grpc_slice_malloc(size);
  message.SerializeWithCachedSizesToArray(GRPC_SLICE_START_PTR(block));
  const grpc::Slice slice(block, grpc::Slice::STEAL_REF);
  buffer = grpc::ByteBuffer(&slice, 1);
}

void WriteBatch(const dispatch::BatchPlan& plan, grpc::ByteBuffer& buffer) {
  grpc_slice block = grpc_slice_malloc_large(plan.copied_bytes());
  char* const start = reinterpret_cast<char*>(GRPC_SLICE_START_PTR(block));
  std::vector<grpc::Slice> slices;
  plan.Write(start, [&](const dispatch::Piece& piece) {
    if (piece.owner == nullptr) {
      const auto from = static_cast<size_t>(piece.bytes.data() - start);
      slices.emplace_back(grpc_slice_sub(block, from, from + piece.bytes.size()), grpc::Slice::STEAL_REF);
    } else {
      slices.emplace_back(
          const_cast<char*>(piece.bytes.data()), piece.bytes.size(),
          [](void* owner) { delete static_cast<dispatch::PreparedRef*>(owner); },
          new dispatch::PreparedRef(piece.owner));
    }
  });
  grpc_slice_unref(block);
  buffer = grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace hookstream::rpc
