// The text of .proto files -> descriptors, in memory: what a tool writes is compiled before it is handed out.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "schema/schema_set.h"

namespace hookstream::schema {

// A serialized google.protobuf.FileDescriptorSet of the files with their imports, imports first. A file's name is its
// import path. google/protobuf/{struct,timestamp,duration,descriptor}.proto and hookstream/v1/mapping.proto are there
// without being given. INVALID_ARGUMENT names file, line and what is wrong.
absl::StatusOr<std::string> CompileProtos(const std::vector<TextFile>& files);

// Compiles the files and loads them as the relay would. INVALID_ARGUMENT: as above, or what typing::Registry says.
absl::Status CheckProtos(const std::vector<TextFile>& files);

}  // namespace hookstream::schema
