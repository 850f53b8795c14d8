// The FileDescriptorSet of proto/hookstream/**, embedded in the binary.
#pragma once

#include <string_view>

namespace hookstream::typing {

// A serialized google.protobuf.FileDescriptorSet, complete with its imports.
std::string_view BuiltinDescriptorSet();

}  // namespace hookstream::typing
