// JSON or a form -> the wire bytes of the message that the registry maps the event to. Pure: no clock, no I/O.
//
// Nothing is ever rejected: what can't be typed comes back UNTYPED with the reason, what did not fit is noted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "typing/registry.h"

namespace hookstream::v1 {
class Event;
}

namespace hookstream::typing {

// How the item's bytes are written; the preset's `content:` tells. For `content: form.payload` the item is the JSON
// text in that field, so kJson.
enum class ContentKind { kJson, kForm };

enum class TypedStatus { kFull, kPartial, kUntyped };

// A value that did not fit. Reasons are those of hookstream.v1.TypingNote.
struct Note {
  std::string pointer;      // JSON pointer in the item; "": the whole
  std::string_view reason;  // from a closed set, static storage
  std::string text;         // the value or a detail: at most kMaxNoteTextBytes of UTF-8
};

inline constexpr size_t kMaxNotes = 16;
inline constexpr size_t kMaxNoteTextBytes = 64;
inline constexpr size_t kMaxNotePointerBytes = 256;

struct Typed {
  TypedStatus status = TypedStatus::kUntyped;
  std::string message;      // full name; empty when UNTYPED
  std::string wire;         // the message's bytes
  std::vector<Note> notes;  // at most kMaxNotes; `notes_dropped` counts the rest
  size_t notes_dropped = 0;
  // Empties of the wrong kind ("" for a number, [] for an object, ...) that were taken as absent.
  size_t empties = 0;
  std::string fingerprint;  // of the set that has the message; empty when UNTYPED

  // "type.googleapis.com/" + message.
  std::string TypeUrl() const;
};

struct ConvertLimits {
  size_t max_body_bytes = 32 << 20;  // larger: UNTYPED, "too_large"
  size_t max_wire_bytes = 64 << 20;  // larger: UNTYPED, "too_large"
};

// Keeps parsers and buffers between conversions (up to about 5 MiB; larger ones are dropped). Not thread-safe: one per
// thread. Bodies over 1 MiB are converted one at a time in the process, since a parsed document is many times its size.
class Converter {
 public:
  explicit Converter(ConvertLimits limits = {});
  ~Converter();
  Converter(Converter&&) noexcept;
  Converter& operator=(Converter&&) noexcept;

  // `item` are the event's own bytes; they need no padding. `provider` is the family, `type` is Event.type.
  Typed Convert(const Registry& registry, std::string_view provider, std::string_view type, ContentKind kind,
                std::string_view item);

 private:
  struct State;
  Typed ConvertItem(const Registry& registry, std::string_view provider, std::string_view type, ContentKind kind,
                    std::string_view item);
  std::unique_ptr<State> state_;
};

// The same with a converter of the calling thread.
Typed Convert(const Registry& registry, std::string_view provider, std::string_view type, ContentKind kind,
              std::string_view item);

// Sets `data` and `typing` of an event.
void SetTyped(Typed typed, v1::Event& event);

}  // namespace hookstream::typing
