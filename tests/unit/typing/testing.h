// What the tests of this room share.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/message.h"
#include "typing/converter.h"
#include "typing/registry.h"

namespace hookstream::typing {

// The bytes of a file; the test fails when it can't be read.
std::string ReadFile(const std::string& path);

// The FileDescriptorSet of kinds.proto and mapped.proto.
const std::string& TestSet();

// Built-in messages and those of TestSet(); of kinds.proto, typing.test.Kinds is the payload of test's "kinds".
const Registry& TestRegistry();

// A typed payload as a message.
std::unique_ptr<google::protobuf::Message> Parse(const Registry& registry, const Typed& typed);
// ... as Protobuf's JSON with the fields' own names; "UNTYPED" when there is none.
std::string ToJson(const Registry& registry, const Typed& typed);

// Converts with TestRegistry() and provider "test".
Typed ConvertTest(std::string_view type, std::string_view json, ContentKind kind = ContentKind::kJson);
// ToJson of it.
std::string Converted(std::string_view type, std::string_view json, ContentKind kind = ContentKind::kJson);

// "/a/b: wrong_shape: text".
std::string Describe(const Note& note);
// The only note, or all of them in brackets.
std::string Notes(const Typed& typed);

std::ostream& operator<<(std::ostream& out, TypedStatus status);

}  // namespace hookstream::typing
