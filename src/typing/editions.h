// Builds files in a pool of descriptors, those of Protobuf Editions too, which this protobuf library (3.21) does not
// know.
//
// Of a file of edition 2023 or 2024 the pool gets a copy in proto3 or proto2 whose messages have the same wire format.
// Where that is proto2, a field of implicit presence becomes one of explicit presence: a writer may then write a
// default, which every reader takes. Pure; as thread-safe as the pool.
#pragma once

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"

namespace hookstream::typing {

// Its imports have to be in the pool already. INVALID_ARGUMENT names the file, and the element that is wrong in it.
absl::StatusOr<const google::protobuf::FileDescriptor*> AddToPool(const google::protobuf::FileDescriptorProto& file,
                                                                  google::protobuf::DescriptorPool& pool);

}  // namespace hookstream::typing
