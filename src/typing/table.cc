#include "typing/table.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"
#include "google/protobuf/wire_format_lite.h"

namespace hookstream::typing {
namespace {

namespace pb = google::protobuf;
using pb::internal::WireFormatLite;

constexpr size_t kMaxPointerSegments = 32;
constexpr size_t kMaxPointers = 16;

absl::Status Bad(const std::string& where, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", absl::string_view(why.data(), why.size())));
}

// "0", "17": an array's index, as RFC 6901 has it.
std::optional<uint32_t> ArrayIndex(std::string_view segment) {
  if (segment.empty() || segment.size() > 9 || (segment.size() > 1 && segment[0] == '0')) return std::nullopt;
  uint32_t index = 0;
  for (const char c : segment) {
    if (c < '0' || c > '9') return std::nullopt;
    index = index * 10 + static_cast<uint32_t>(c - '0');
  }
  return index;
}

Kind WellKnownKind(const pb::Descriptor& message) {
  static const auto* const kKinds = new std::map<std::string, Kind, std::less<>>{
      {"google.protobuf.Timestamp", Kind::kTimestamp}, {"google.protobuf.Duration", Kind::kDuration},
      {"google.protobuf.FieldMask", Kind::kFieldMask}, {"google.protobuf.Struct", Kind::kStruct},
      {"google.protobuf.Value", Kind::kValue},         {"google.protobuf.ListValue", Kind::kListValue},
      {"google.protobuf.Any", Kind::kUnsupported},     {"google.protobuf.BoolValue", Kind::kWrapper},
      {"google.protobuf.Int32Value", Kind::kWrapper},  {"google.protobuf.Int64Value", Kind::kWrapper},
      {"google.protobuf.UInt32Value", Kind::kWrapper}, {"google.protobuf.UInt64Value", Kind::kWrapper},
      {"google.protobuf.FloatValue", Kind::kWrapper},  {"google.protobuf.DoubleValue", Kind::kWrapper},
      {"google.protobuf.StringValue", Kind::kWrapper}, {"google.protobuf.BytesValue", Kind::kWrapper},
  };
  const auto it = kKinds->find(message.full_name());
  return it == kKinds->end() ? Kind::kMessage : it->second;
}

Kind KindOf(const pb::FieldDescriptor& field) {
  switch (field.type()) {
    case pb::FieldDescriptor::TYPE_DOUBLE: return Kind::kDouble;
    case pb::FieldDescriptor::TYPE_FLOAT: return Kind::kFloat;
    case pb::FieldDescriptor::TYPE_INT64: return Kind::kInt64;
    case pb::FieldDescriptor::TYPE_UINT64: return Kind::kUint64;
    case pb::FieldDescriptor::TYPE_INT32: return Kind::kInt32;
    case pb::FieldDescriptor::TYPE_FIXED64: return Kind::kFixed64;
    case pb::FieldDescriptor::TYPE_FIXED32: return Kind::kFixed32;
    case pb::FieldDescriptor::TYPE_BOOL: return Kind::kBool;
    case pb::FieldDescriptor::TYPE_STRING: return Kind::kString;
    case pb::FieldDescriptor::TYPE_GROUP: return Kind::kUnsupported;
    case pb::FieldDescriptor::TYPE_MESSAGE: return field.is_map() ? Kind::kMap : WellKnownKind(*field.message_type());
    case pb::FieldDescriptor::TYPE_BYTES: return Kind::kBytes;
    case pb::FieldDescriptor::TYPE_UINT32: return Kind::kUint32;
    case pb::FieldDescriptor::TYPE_ENUM:
      return field.enum_type()->full_name() == "google.protobuf.NullValue" ? Kind::kNullValue : Kind::kEnum;
    case pb::FieldDescriptor::TYPE_SFIXED32: return Kind::kSfixed32;
    case pb::FieldDescriptor::TYPE_SFIXED64: return Kind::kSfixed64;
    case pb::FieldDescriptor::TYPE_SINT32: return Kind::kSint32;
    case pb::FieldDescriptor::TYPE_SINT64: return Kind::kSint64;
  }
  return Kind::kUnsupported;
}

int64_t UnitsPerSecond(v1::NumberTime time) {
  switch (time) {
    case v1::NUMBER_TIME_SECONDS: return 1;
    case v1::NUMBER_TIME_MILLIS: return 1'000;
    case v1::NUMBER_TIME_MICROS: return 1'000'000;
    default: return 0;
  }
}

bool TakesNull(const Field& field) {
  return !field.repeated && (field.kind == Kind::kValue || field.kind == Kind::kNullValue);
}

// MESSAGE_STATUS_DELIVERED of the enum MessageStatus -> "delivered".
std::string WithoutPrefix(const pb::EnumValueDescriptor& value) {
  const std::string prefix = Normalised(value.type()->name());
  std::string_view name = value.name();
  size_t matched = 0;
  size_t at = 0;
  while (at < name.size() && matched < prefix.size()) {
    const std::string c = Normalised(name.substr(at, 1));
    if (!c.empty() && c[0] != prefix[matched]) break;
    matched += c.size();
    ++at;
  }
  if (matched == prefix.size() && at < name.size()) {
    name.remove_prefix(at);
    if (name.front() == '_' && name.size() > 1) name.remove_prefix(1);
  }
  return absl::AsciiStrToLower(absl::string_view(name.data(), name.size()));
}

Slot& SlotAt(Node& node, std::string_view key, bool numbered, MessageTable& table) {
  KeyIndex& index = numbered ? node.numbered : node.keys;
  int at = index.Find(key);
  if (at == KeyIndex::kNone) {
    at = static_cast<int>(node.slots.size());
    node.slots.emplace_back();
    node.slots.back().id = table.slot_count++;
    index.Add(key, at);
    if (const auto item = ArrayIndex(key); item.has_value() && !numbered) {
      node.items.push_back({*item, static_cast<uint32_t>(at)});
      std::sort(node.items.begin(), node.items.end());
    }
  }
  return node.slots[static_cast<size_t>(at)];
}

// Valid until the next call.
Slot& SlotOf(MessageTable& table, const Pointer& pointer, bool numbered) {
  Node* node = &table.root;
  for (size_t i = 0;; ++i) {
    const bool last = i + 1 == pointer.size();
    Slot& slot = SlotAt(*node, pointer[i], numbered && last, table);
    if (last) return slot;
    if (slot.child == nullptr) slot.child = std::make_unique<Node>();
    node = slot.child.get();
  }
}

// A place that a choice reads is read by choices only, so that its fit is decided once, at the end of the message.
void Finish(Node& node, MessageTable& table, const std::map<const Field*, std::vector<std::string>>& pointers) {
  for (Slot& slot : node.slots) {
    if (!slot.candidates.empty()) {
      for (const Field* reader : slot.readers) {
        slot.candidates.push_back({static_cast<uint32_t>(table.choices.size()), 0});
        table.choices.push_back({reader, pointers.at(reader)});
      }
      slot.readers.clear();
    }
    if (slot.child != nullptr) Finish(*slot.child, table, pointers);
    if (slot.readers.size() != 1 || slot.child != nullptr) continue;
    const Field& reader = *slot.readers[0];
    if (reader.kind == Kind::kString && !reader.repeated && !reader.json) slot.plain_string = &reader;
  }
}

}  // namespace

absl::StatusOr<Pointer> ParsePointer(std::string_view text) {
  Pointer pointer;
  if (text.empty()) return pointer;
  const auto bad = [&](std::string_view why) { return Bad("JSON pointer '" + std::string(text) + "'", why); };
  if (text.front() != '/') return bad("does not begin with /");
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/') {
      if (pointer.size() == kMaxPointerSegments) return bad("has more than 32 segments");
      pointer.emplace_back();
    } else if (text[i] == '~') {
      const char next = i + 1 < text.size() ? text[i + 1] : 0;
      if (next != '0' && next != '1') return bad("has a ~ that is not ~0 or ~1");
      pointer.back().push_back(next == '0' ? '~' : '/');
      ++i;
    } else {
      pointer.back().push_back(text[i]);
    }
  }
  return pointer;
}

std::string Normalised(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= 'A' && c <= 'Z') {
      out.push_back(static_cast<char>(c - 'A' + 'a'));
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80) {
      out.push_back(c);
    }
  }
  return out;
}

absl::Status CheckKnown(const pb::Message& option, const std::string& where) {
  const pb::Reflection& reflection = *option.GetReflection();
  const pb::UnknownFieldSet& unknown = reflection.GetUnknownFields(option);
  if (!unknown.empty()) {
    return Bad(where, absl::StrCat("has the mapping option number ", unknown.field(0).number(), " of ",
                                   option.GetDescriptor()->full_name(), ", which this version does not know"));
  }
  std::vector<const pb::FieldDescriptor*> fields;
  reflection.ListFields(option, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE || !field->is_repeated()) continue;
    for (int i = 0; i < reflection.FieldSize(option, field); ++i) {
      HS_RETURN_IF_ERROR(CheckKnown(reflection.GetRepeatedMessage(option, field, i), where));
    }
  }
  return absl::OkStatus();
}

bool EnumTable::Find(std::string_view text, int32_t& number) const {
  int at = exact.Find(text);
  if (at == KeyIndex::kNone) at = normalised.Find(Normalised(text));
  if (at == KeyIndex::kNone) return false;
  number = numbers[static_cast<size_t>(at)];
  return true;
}

absl::StatusOr<const MessageTable*> TableCompiler::Compile(const pb::Descriptor& message) {
  const MessageTable* const table = TableOf(message);
  while (!todo_.empty()) {
    MessageTable* const next = todo_.back();
    todo_.pop_back();
    HS_RETURN_IF_ERROR(Fill(*next));
  }
  return table;
}

MessageTable* TableCompiler::TableOf(const pb::Descriptor& message) {
  std::unique_ptr<MessageTable>& table = messages_[&message];
  if (table == nullptr) {
    table = std::make_unique<MessageTable>();
    table->descriptor = &message;
    todo_.push_back(table.get());
  }
  return table.get();
}

const EnumTable* TableCompiler::EnumOf(const pb::EnumDescriptor& descriptor) {
  std::unique_ptr<EnumTable>& table = enums_[&descriptor];
  if (table != nullptr) return table.get();
  table = std::make_unique<EnumTable>();
  // Written texts first: they win over a name that looks alike. Then what Protobuf's JSON writes, then the loose form.
  std::map<std::string, int> loose;  // to an index of numbers; -1: of two values
  const auto add_loose = [&](const std::string& text, int at) {
    const auto [it, added] = loose.emplace(text, at);
    if (!added && it->second != at) it->second = -1;
  };
  for (int i = 0; i < descriptor.value_count(); ++i) {
    const pb::EnumValueDescriptor& value = *descriptor.value(i);
    table->numbers.push_back(value.number());
    for (const std::string& name : value.options().GetExtension(v1::value).names()) {
      table->exact.Add(name, i);
      add_loose(Normalised(name), i);
    }
  }
  for (int i = 0; i < descriptor.value_count(); ++i) {
    const pb::EnumValueDescriptor& value = *descriptor.value(i);
    table->exact.Add(value.name(), i);
    add_loose(Normalised(value.name()), i);
    // "unspecified" stands for no text of a provider's, unless `names` says so.
    const std::string bare = WithoutPrefix(value);
    if (value.number() == 0 && bare == "unspecified") continue;
    table->exact.Add(bare, i);
    add_loose(Normalised(bare), i);
  }
  for (const auto& [text, at] : loose) {
    if (at >= 0 && !text.empty()) table->normalised.Add(text, at);
  }
  return table.get();
}

absl::Status TableCompiler::CompileField(const pb::FieldDescriptor& descriptor, const v1::FieldMapping& mapping,
                                         Field& field) {
  const std::string& where = descriptor.full_name();
  field.descriptor = &descriptor;
  field.kind = KindOf(descriptor);
  field.repeated = descriptor.is_repeated() && field.kind != Kind::kMap;
  field.packed = descriptor.is_packed();
  field.presence = descriptor.has_presence() || descriptor.is_repeated();
  field.tag = WireFormatLite::MakeTag(
      descriptor.number(),
      WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(descriptor.type())));
  field.packed_tag = WireFormatLite::MakeTag(descriptor.number(), WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  field.text = mapping.text();
  field.json = mapping.json();
  field.numbered = mapping.numbered();
  field.units_per_second = UnitsPerSecond(mapping.time());
  if (!mapping.id().empty()) {
    auto id = ParsePointer(mapping.id());
    if (!id.ok()) return Bad(where, std::string_view(id.status().message().data(), id.status().message().size()));
    field.has_id = true;
    field.id = *std::move(id);
  }
  if (field.numbered && !field.repeated) return Bad(where, "`numbered` is only for a repeated field");

  if (field.kind == Kind::kMap) {
    const pb::Descriptor& entry = *descriptor.message_type();
    field.key = std::make_unique<Field>();
    HS_RETURN_IF_ERROR(CompileField(*entry.map_key(), {}, *field.key));
    v1::FieldMapping of_value;
    of_value.set_text(mapping.text());
    of_value.set_time(mapping.time());
    of_value.set_id(mapping.id());
    field.has_id = false;
    field.value = std::make_unique<Field>();
    HS_RETURN_IF_ERROR(CompileField(*entry.map_value(), of_value, *field.value));
    field.key->presence = field.value->presence = true;
    return absl::OkStatus();
  }
  if (field.kind == Kind::kWrapper) {
    v1::FieldMapping of_value;
    of_value.set_text(mapping.text());
    field.value = std::make_unique<Field>();
    HS_RETURN_IF_ERROR(CompileField(*descriptor.message_type()->FindFieldByNumber(1), of_value, *field.value));
  } else if (field.text && field.kind != Kind::kString) {
    return Bad(where, "`text` is only for strings");
  }
  if (mapping.time() != v1::NUMBER_TIME_UNSPECIFIED) {
    if (field.kind != Kind::kTimestamp && field.kind != Kind::kDuration) {
      return Bad(where, "`time` is only for google.protobuf.Timestamp and Duration");
    }
    if (field.units_per_second == 0) return Bad(where, "`time` has a unit that this version does not know");
  }
  if (field.kind == Kind::kEnum || field.kind == Kind::kNullValue) {
    const pb::EnumDescriptor& type = *descriptor.enum_type();
    for (int i = 0; i < type.value_count(); ++i) {
      HS_RETURN_IF_ERROR(CheckKnown(type.value(i)->options().GetExtension(v1::value), type.value(i)->full_name()));
    }
    field.enums = EnumOf(type);
  }
  if (field.kind == Kind::kMessage) field.message = TableOf(*descriptor.message_type());
  return absl::OkStatus();
}

absl::Status TableCompiler::Fill(MessageTable& table) {
  struct Place {
    const Field* field;
    std::vector<Pointer> pointers;
  };
  std::vector<Place> places;
  std::map<const Field*, std::vector<std::string>> texts;
  std::vector<std::pair<const Field*, std::string>> aliases;  // the field's name beside its json_name
  for (int i = 0; i < table.descriptor->field_count(); ++i) {
    const pb::FieldDescriptor& descriptor = *table.descriptor->field(i);
    const std::string& where = descriptor.full_name();
    const v1::FieldMapping& mapping = descriptor.options().GetExtension(v1::field);
    HS_RETURN_IF_ERROR(CheckKnown(mapping, where));
    Field& field = *table.fields.emplace_back(std::make_unique<Field>());
    HS_RETURN_IF_ERROR(CompileField(descriptor, mapping, field));
    if (mapping.rest()) {
      if (field.kind != Kind::kStruct || field.repeated)
        return Bad(where, "`rest` is only for a google.protobuf.Struct");
      if (mapping.from_size() != 0 || field.json || field.has_id) return Bad(where, "`rest` goes with no other option");
      if (table.rest != nullptr) return Bad(where, "is the second field with `rest`");
      table.rest = &field;
      continue;
    }
    Place place = {&field, {}};
    std::vector<std::string>& written = texts[&field];
    if (static_cast<size_t>(mapping.from_size()) > kMaxPointers) return Bad(where, "has more than 16 pointers");
    for (const std::string& from : mapping.from()) {
      auto pointer = ParsePointer(from);
      if (!pointer.ok()) {
        return Bad(where, std::string_view(pointer.status().message().data(), pointer.status().message().size()));
      }
      if (field.numbered && pointer->empty()) return Bad(where, "`numbered` needs a key");
      place.pointers.push_back(*std::move(pointer));
      written.push_back(from);
    }
    if (mapping.from_size() == 0) {
      place.pointers.push_back({descriptor.json_name()});
      written.push_back(PointerSegment(descriptor.json_name()));
      if (descriptor.json_name() != descriptor.name()) aliases.emplace_back(&field, descriptor.name());
    } else if (field.numbered && mapping.from_size() > 1) {
      return Bad(where, "`numbered` goes with one pointer");
    }
    places.push_back(std::move(place));
  }

  // A name that begins another field's pointer is a place of its own there: its field reads it as a second one. A key
  // that another field names whole stays that field's.
  std::erase_if(aliases, [&](const auto& alias) {
    bool begins = false;
    for (const Place& place : places) {
      for (const Pointer& pointer : place.pointers) {
        if (pointer.empty() || pointer[0] != alias.second) continue;
        if (pointer.size() == 1) return false;
        begins = true;
      }
    }
    const auto own = std::find_if(places.begin(), places.end(), [&](const Place& p) { return p.field == alias.first; });
    if (!begins || own->field->numbered) return false;
    own->pointers.push_back({alias.second});
    texts[own->field].push_back(PointerSegment(alias.second));
    return true;
  });

  for (Place& place : places) {
    if (place.pointers.size() == 1 && !place.pointers[0].empty()) {
      Slot& slot = SlotOf(table, place.pointers[0], place.field->numbered);
      slot.readers.push_back(place.field);
      slot.takes_null |= TakesNull(*place.field);
      continue;
    }
    const Slot::Candidate first = {static_cast<uint32_t>(table.choices.size()), 0};
    table.choices.push_back({place.field, texts.at(place.field)});
    for (uint32_t rank = 0; rank < place.pointers.size(); ++rank) {
      const Slot::Candidate candidate = {first.choice, rank};
      if (place.pointers[rank].empty()) {
        table.self.push_back(candidate);
      } else {
        SlotOf(table, place.pointers[rank], false).candidates.push_back(candidate);
      }
    }
  }
  Finish(table.root, table, texts);
  // Both names of a field are otherwise one place: that of its json_name.
  for (const auto& [field, name] : aliases) {
    KeyIndex& index = field->numbered ? table.root.numbered : table.root.keys;
    index.Add(name, index.Find(field->descriptor->json_name()));
  }
  return absl::OkStatus();
}

}  // namespace hookstream::typing
