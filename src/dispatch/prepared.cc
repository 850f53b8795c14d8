#include "dispatch/prepared.h"

#include <optional>
#include <utility>

#include "base/text.h"
#include "dispatch/wire.h"
#include "hookstream/v1/event.pb.h"
#include "provider/extract.h"
#include "provider/presets.h"

namespace hookstream::dispatch {
namespace {

// Fields of hookstream.v1.Event, Typing, TypingNote, google.protobuf.Any.
constexpr int kEventId = 1, kEventData = 9, kEventTyping = 12;
constexpr int kAnyTypeUrl = 1, kAnyValue = 2;

v1::TypingStatus ToProto(TypedStatus status) {
  switch (status) {
    case TypedStatus::kFull: return v1::TYPING_STATUS_FULL;
    case TypedStatus::kPartial: return v1::TYPING_STATUS_PARTIAL;
    case TypedStatus::kUntyped: return v1::TYPING_STATUS_UNTYPED;
  }
  return v1::TYPING_STATUS_UNSPECIFIED;
}

std::string TypingBytes(const typing::Typed& typed) {
  v1::Typing message;
  message.set_status(ToProto(typed.status));
  message.set_schema_fingerprint(typed.fingerprint);
  for (const auto& note : typed.notes) {
    auto& to = *message.add_notes();
    to.set_pointer(note.pointer);
    to.set_reason(note.reason.data(), note.reason.size());
    to.set_text(note.text);
  }
  return message.SerializeAsString();
}

typing::Typed Untyped(std::string_view reason, std::string text) {
  typing::Typed untyped;
  untyped.notes.push_back({.pointer = "", .reason = reason, .text = std::move(text)});
  return untyped;
}

typing::Typed ConvertEvent(const store::EventData& data, const typing::Registry& registry) {
  const auto convert = [&](typing::ContentKind kind, std::string_view document) {
    return typing::Convert(registry, data.provider, data.type, kind, document);
  };
  switch (data.content) {
    case store::Content::kJson: return convert(typing::ContentKind::kJson, data.body);
    case store::Content::kForm:
    case store::Content::kMultipart: {
      // Which preset it was says the envelope, and only for built-in ones what that means.
      v1::Event envelope;
      const provider::Provider* const preset =
          envelope.ParseFromString(data.envelope) ? provider::FindPreset(envelope.verification().preset()) : nullptr;
      const bool in_field = preset != nullptr && preset->content.kind == provider::ContentRule::Kind::kFormField;
      if (data.content == store::Content::kForm && !in_field) return convert(typing::ContentKind::kForm, data.body);
      v1::Raw head;
      std::string scratch;
      std::optional<provider::FormDocument> document;
      if (head.ParseFromString(data.raw_head)) {
        document = provider::DocumentOfForm(preset, head.content_type(), data.body, scratch);
      }
      if (!document) return Untyped("malformed", "no multipart form");
      return convert(document->is_json ? typing::ContentKind::kJson : typing::ContentKind::kForm, document->text);
    }
    case store::Content::kOpaque: break;
  }
  return Untyped("no_mapping", "the source's content is opaque");
}

}  // namespace

PreparedRef Prepare(store::EventRef event, StoreTag tag, const typing::Registry& registry) {
  typing::Typed typed = ConvertEvent(event->data, registry);
  const std::string id = FormatEventId(tag, event->seq);
  const std::string typing = TypingBytes(typed);
  const std::string type_url = typed.status == TypedStatus::kUntyped ? std::string() : typed.TypeUrl();

  auto prepared = std::make_shared<Prepared>();
  prepared->data_at = wire::LengthFieldBytes(id.size()) + wire::LengthFieldBytes(typing.size());
  size_t head_bytes = prepared->data_at;
  size_t any_bytes = 0;
  if (!type_url.empty()) {
    any_bytes = wire::LengthFieldBytes(type_url.size()) + wire::LengthFieldBytes(typed.wire.size());
    head_bytes += wire::LengthFieldBytes(any_bytes) - typed.wire.size();
  }
  prepared->head.resize(head_bytes);
  char* at = wire::PutLengthField(prepared->head.data(), kEventId, id);
  at = wire::PutLengthField(at, kEventTyping, typing);
  if (!type_url.empty()) {
    at = wire::PutLengthHead(at, kEventData, any_bytes);
    at = wire::PutLengthField(at, kAnyTypeUrl, type_url);
    wire::PutLengthHead(at, kAnyValue, typed.wire.size());
    prepared->payload = std::move(typed.wire);
  }
  prepared->status = typed.status;
  prepared->event = std::move(event);
  return prepared;
}

TailCache::TailCache(int64_t bytes_max, const store::Store& store, RegistrySource registry, const Clock& clock,
                     TypingObserver observer)
    : bytes_max_(bytes_max),
      store_(store),
      registry_(std::move(registry)),
      clock_(clock),
      observer_(std::move(observer)) {}

void TailCache::Get(std::span<const store::EventRef> events, std::vector<PreparedRef>& out) {
  std::vector<std::shared_ptr<Entry>> found;
  found.reserve(events.size());
  {
    MutexLock lock(mutex_);
    for (const auto& event : events) {
      auto& entry = entries_[event->seq];
      if (entry == nullptr) entry = std::make_shared<Entry>();
      found.push_back(entry);
    }
  }
  std::vector<Place> converted;
  std::shared_ptr<const typing::Registry> registry;
  for (size_t i = 0; i < events.size(); ++i) {
    std::call_once(found[i]->once, [&] {
      if (registry == nullptr) registry = registry_();
      const MonoTime start = clock_.MonoNow();
      found[i]->prepared = Prepare(events[i], store_.Tag(), *registry);
      observer_(found[i]->prepared->status, clock_.MonoNow() - start);
      converted.push_back({events[i]->seq, found[i]->prepared->Bytes()});
    });
    out.push_back(found[i]->prepared);
  }
  if (converted.empty()) return;
  std::vector<std::shared_ptr<Entry>> dropped;  // freed without the lock
  MutexLock lock(mutex_);
  for (const Place& place : converted) {
    order_.push_back(place);
    bytes_ += place.bytes;
  }
  while (bytes_ > bytes_max_) {
    const Place first = order_.front();
    order_.pop_front();
    bytes_ -= first.bytes;
    if (auto it = entries_.find(first.seq); it != entries_.end()) {
      dropped.push_back(std::move(it->second));
      entries_.erase(it);
    }
  }
}

void TailCache::Clear() {
  decltype(entries_) dropped;
  MutexLock lock(mutex_);
  dropped.swap(entries_);
  order_.clear();
  bytes_ = 0;
}

int64_t TailCache::Bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

}  // namespace hookstream::dispatch
