// The .proto files of proto/hookstream as they are written, comments and all, embedded in the binary: for whoever
// builds stubs or protos of his own against them.
//
// Thread-safe; unpacked at the first call, and kept.
#pragma once

#include <map>
#include <string>

namespace hookstream::schema {

// By path, e.g. "hookstream/v1/event.proto".
const std::map<std::string, std::string, std::less<>>& BuiltinProtos();

}  // namespace hookstream::schema
