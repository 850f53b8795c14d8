// Any bytes, as JSON and as a form, through the registry: what comes out parses as its message, and the limits hold.
// The first byte chooses the event type.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string_view>
#include <vector>

#include "google/protobuf/dynamic_message.h"
#include "typing/converter.h"
#include "typing/registry.h"

namespace {

using namespace hookstream::typing;

void Check(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

struct Target {
  const char* provider;
  const char* type;
};
constexpr Target kTargets[] = {
    {"stripe", "payment_intent.succeeded"},
    {"stripe", "invoice.paid"},
    {"stripe", "customer.subscription.updated"},
    {"github", "push"},
    {"github", "pull_request.opened"},
    {"twilio", "message.received"},
    {"twilio", "message.sent"},
    {"slack", "message"},
    {"openai", "response.completed"},
    // Options and well-known types that no provider's message has together.
    {"fuzz", "value"},
};

// google.protobuf.Value and Struct as payloads: the deepest nesting.
std::shared_ptr<const Registry> MakeRegistry() {
  RegistryOptions options;
  const auto plain = Registry::Build();
  Check(plain.ok(), "the built-in set");
  const auto files = (*plain)->DescriptorsOfMessage("google.protobuf.Struct");
  Check(files.ok(), "google.protobuf.Struct");
  options.user_sets.push_back({"fuzz", files->file_descriptor_set, {{"google.protobuf.Struct", "fuzz", {"struct"}}}});
  options.user_sets[0].events.push_back({"google.protobuf.Value", "fuzz", {"value"}});
  auto built = Registry::Build(options);
  Check(built.ok(), "the registry");
  return *built;
}

void One(const Registry& registry, const Target& target, ContentKind kind, std::string_view body) {
  static google::protobuf::DynamicMessageFactory factory;
  static Converter converter({.max_body_bytes = 1 << 20, .max_wire_bytes = 4 << 20});
  const Typed typed = converter.Convert(registry, target.provider, target.type, kind, body);
  Check(typed.notes.size() <= kMaxNotes, "the number of notes");
  for (const Note& note : typed.notes) {
    Check(!note.reason.empty() && note.text.size() <= kMaxNoteTextBytes && note.pointer.size() <= kMaxNotePointerBytes,
          "a note's size");
  }
  if (typed.status == TypedStatus::kUntyped) {
    Check(typed.wire.empty() && typed.message.empty() && typed.notes.size() == 1, "an untyped result");
    return;
  }
  Check(typed.status != TypedStatus::kPartial || !typed.notes.empty(), "a partial result without a note");
  const google::protobuf::Descriptor* const descriptor = registry.FindMessage(typed.message);
  Check(descriptor != nullptr, "the message's name");
  const std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(descriptor)->New());
  Check(message->ParseFromString(typed.wire), "the wire bytes");
  // Nothing is written twice and nothing is unknown: the message says the same in as many bytes or fewer.
  Check(message->ByteSizeLong() <= typed.wire.size(), "the wire bytes' size");
  Check(message->GetReflection()->GetUnknownFields(*message).empty(), "unknown fields");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const Registry> registry = MakeRegistry();
  if (size == 0) return 0;
  const Target& target = kTargets[data[0] % std::size(kTargets)];
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  One(*registry, target, ContentKind::kJson, body);
  One(*registry, target, ContentKind::kForm, body);
  return 0;
}
