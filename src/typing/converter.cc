#include "typing/converter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "base/text.h"
#include "hookstream/v1/event.pb.h"
#include "simdjson.h"
#include "typing/form.h"
#include "typing/raw_text.h"
#include "typing/repair.h"
#include "typing/scalars.h"
#include "typing/table.h"
#include "typing/writer.h"

namespace hookstream::typing {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// A decoder refuses messages nested deeper than 100 (C++ and Java's default); one Struct in a Struct takes three
// levels.
constexpr int kMaxWireDepth = 99;
constexpr int kMaxTypedDepth = 64;
constexpr int kMaxStructDepth = 33;
// JSON in a string in JSON in a string.
constexpr size_t kMaxDocuments = 4;
constexpr size_t kLargeBodyBytes = 1 << 20;
// A parser takes about 14 times the largest document that it met; larger ones are dropped after use.
constexpr size_t kKeptDocumentBytes = 256 << 10;
constexpr size_t kKeptWireBytes = 1 << 20;

// Of the closed set in hookstream.v1.TypingNote.
constexpr std::string_view kNoMapping = "no_mapping";
constexpr std::string_view kMalformed = "malformed";
constexpr std::string_view kWrongShape = "wrong_shape";
constexpr std::string_view kOutOfRange = "out_of_range";
constexpr std::string_view kUnknownEnum = "unknown_enum";
constexpr std::string_view kBadTime = "bad_time";
constexpr std::string_view kBadBase64 = "bad_base64";
constexpr std::string_view kBadJson = "bad_json";
constexpr std::string_view kBadUtf8 = "bad_utf8";
constexpr std::string_view kDuplicateKey = "duplicate_key";
constexpr std::string_view kTooDeep = "too_deep";
constexpr std::string_view kTooLarge = "too_large";
constexpr std::string_view kRepaired = "repaired";

// Tags of google.protobuf.Struct, Value, ListValue, map entries, Timestamp, Duration.
constexpr uint32_t kTag1Varint = 1 << 3;
constexpr uint32_t kTag2Varint = 2 << 3;
constexpr uint32_t kTag1Bytes = 1 << 3 | 2;
constexpr uint32_t kTag2Bytes = 2 << 3 | 2;
constexpr uint32_t kTagNumberValue = 2 << 3 | 1;
constexpr uint32_t kTagStringValue = 3 << 3 | 2;
constexpr uint32_t kTagBoolValue = 4 << 3;
constexpr uint32_t kTagStructValue = 5 << 3 | 2;
constexpr uint32_t kTagListValue = 6 << 3 | 2;

uint64_t ZigZag(int64_t value) { return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63); }

std::string_view StringOf(element value) {
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS ? text : std::string_view();
}

// "", false, [] and {}: what providers send for "none" whatever the field's type.
bool IsEmpty(element value) {
  switch (value.type()) {
    case element_type::STRING: return StringOf(value).empty();
    case element_type::BOOL: {
      bool flag = true;
      return value.get(flag) == simdjson::SUCCESS && !flag;
    }
    case element_type::ARRAY: {
      simdjson::dom::array array;
      return value.get(array) == simdjson::SUCCESS && array.size() == 0;
    }
    case element_type::OBJECT: {
      simdjson::dom::object object;
      return value.get(object) == simdjson::SUCCESS && object.size() == 0;
    }
    default: return false;
  }
}

// A scalar as JSON writes it, a string without quotes, a container's kind.
std::string TextOf(element value) {
  switch (value.type()) {
    case element_type::STRING: return std::string(StringOf(value));
    case element_type::ARRAY: return "array";
    case element_type::OBJECT: return "object";
    default: return simdjson::minify(value);
  }
}

// The value at a pointer; the first of two equal keys. False: not there.
bool Walk(const Pointer& pointer, element& value) {
  for (const std::string& segment : pointer) {
    simdjson::dom::object object;
    simdjson::dom::array array;
    if (value.get(object) == simdjson::SUCCESS) {
      if (object.at_key(segment).get(value) != simdjson::SUCCESS) return false;
    } else if (value.get(array) == simdjson::SUCCESS) {
      if (array.at_pointer(segment).get(value) != simdjson::SUCCESS) return false;
    } else {
      return false;
    }
  }
  return true;
}

bool Holds(const WhenCondition& condition, element document) {
  if (!Walk(condition.pointer, document) || document.is_null()) return false;
  if (condition.equals.empty()) return true;
  const std::string text = TextOf(document);
  return std::find(condition.equals.begin(), condition.equals.end(), text) != condition.equals.end();
}

// Notices the second of two equal keys of one object.
class SeenKeys {
 public:
  bool Insert(std::string_view key) {
    if (few_.size() < kFew) {
      for (const std::string_view other : few_) {
        if (other == key) return false;
      }
      few_.push_back(key);
      return true;
    }
    if (many_.empty()) many_.insert(few_.begin(), few_.end());
    return many_.insert(key).second;
  }

 private:
  static constexpr size_t kFew = 12;
  absl::InlinedVector<std::string_view, kFew> few_;
  absl::flat_hash_set<std::string_view> many_;
};

enum class Fit : uint8_t { kFits, kMisfit };

}  // namespace

struct Converter::State {
  explicit State(ConvertLimits conversion_limits) : limits(conversion_limits) {}

  // A parser owns the document that it parsed last, so JSON in a string has its own.
  struct Document {
    simdjson::dom::parser parser;
    std::vector<char> padded;

    simdjson::error_code Parse(std::string_view json, element& root) {
      if (padded.size() < json.size() + simdjson::SIMDJSON_PADDING) {
        padded.resize(json.size() + simdjson::SIMDJSON_PADDING);
      }
      std::memcpy(padded.data(), json.data(), json.size());
      return parser.parse(padded.data(), json.size(), false).get(root);
    }
  };

  const ConvertLimits limits;
  std::vector<std::unique_ptr<Document>> documents;
  WireWriter out;
  std::vector<const Mapping*> candidates;

  Document& DocumentAt(size_t level) {
    while (documents.size() <= level) documents.push_back(std::make_unique<Document>());
    return *documents[level];
  }
  void DropLarge() {
    for (const auto& document : documents) {
      if (document->padded.size() > kKeptDocumentBytes) *document = Document();
    }
    out.Shrink(kKeptWireBytes);
  }
};

namespace {

// Converts one document. Every function that writes leaves nothing behind when the value does not fit.
template <typename State>
class Conversion {
 public:
  Conversion(State& state, Typed& typed, std::string_view source, bool form)
      : state_(state), out_(state.out), typed_(typed), source_(source), form_(form), raw_budget_(16 * source.size()) {
    out_.Clear();
  }

  // False: the value is no shape of this message.
  bool Run(const MessageTable& table, const std::string& root_pointer, element value) {
    Path document{};
    Path root{.parent = &document, .kind = Path::kPointer, .text = root_pointer};
    document_ = &document;
    return Message(table, value, root) == Fit::kFits;
  }

  bool too_large() const { return too_large_; }
  std::string_view reason() const { return reason_; }

  void Note(std::string_view reason, std::string pointer, std::string_view text, bool partial = true) {
    if (partial) typed_.status = TypedStatus::kPartial;
    if (typed_.notes.size() == kMaxNotes) {
      ++typed_.notes_dropped;
      return;
    }
    typed_.notes.push_back({std::move(pointer), reason, std::string(CutUtf8(text, kMaxNoteTextBytes))});
  }

 private:
  // Where a value is, as a list on the stack: a pointer's text is made only for a note.
  struct Path {
    enum Kind : uint8_t { kDocument, kKey, kIndex, kPointer };
    const Path* parent = nullptr;
    Kind kind = kDocument;
    std::string_view text = {};  // kKey: unescaped; kPointer: a JSON pointer
    size_t index = 0;
  };
  static Path Key(const Path& parent, std::string_view key) { return {&parent, Path::kKey, key, 0}; }
  static Path Item(const Path& parent, size_t index) { return {&parent, Path::kIndex, {}, index}; }

  struct ChoiceState {
    element value;
    uint32_t rank = std::numeric_limits<uint32_t>::max();
    uint32_t slot = 0;
    bool done = false;
    bool chosen() const { return rank != std::numeric_limits<uint32_t>::max(); }
  };
  struct NumberedValue {
    const Slot* slot;
    uint64_t number;
    element value;
    std::string_view key;
  };
  // What a message's conversion keeps while it walks the keys.
  struct Walked {
    explicit Walked(const MessageTable& message)
        : table(message), seen((message.slot_count + 63) / 64), choices(message.choices.size()) {}
    const MessageTable& table;
    absl::InlinedVector<uint64_t, 4> seen;  // slots
    absl::InlinedVector<ChoiceState, 4> choices;
    std::vector<NumberedValue> numbered;
    bool unclaimed = false;  // keys for `rest`
  };

  static void AppendPointer(const Path* path, std::string& out) {
    if (path == nullptr) return;
    AppendPointer(path->parent, out);
    switch (path->kind) {
      case Path::kDocument: break;
      case Path::kPointer: out.append(path->text); break;
      case Path::kIndex: absl::StrAppend(&out, "/", path->index); break;
      case Path::kKey: out += PointerSegment(path->text); break;
    }
  }
  static std::string PointerOf(const Path& path) {
    std::string out;
    AppendPointer(&path, out);
    return std::string(CutUtf8(out, kMaxNotePointerBytes));
  }

  void NoteAt(const Path& path, std::string_view reason, std::string_view text) {
    const bool wanted = typed_.notes.size() < kMaxNotes;
    Note(reason, wanted ? PointerOf(path) : std::string(), text);
  }
  // A value that no reader takes: an empty of the wrong kind is absent, everything else is noted.
  void Refuse(const Path& path, element value, std::string_view reason) {
    if (IsEmpty(value)) {
      ++typed_.empties;
    } else {
      NoteAt(path, reason, typed_.notes.size() < kMaxNotes ? TextOf(value) : std::string());
    }
  }
  Fit Misfit(std::string_view reason = kWrongShape) {
    reason_ = reason;
    return Fit::kMisfit;
  }
  bool Full() {
    if (out_.size() > state_.limits.max_wire_bytes) too_large_ = true;
    return too_large_;
  }

  // --- messages ---

  // Writes the fields of a message, without tag and length.
  Fit Message(const MessageTable& table, element value, const Path& path) {
    Walked walked(table);
    bool fits = false;
    simdjson::dom::object object;
    simdjson::dom::array array;
    if (value.get(object) == simdjson::SUCCESS) {
      fits = !table.root.slots.empty() || table.self.empty();
      VisitObject(table.root, object, path, walked, table.rest != nullptr ? &walked.unclaimed : nullptr);
    } else if (value.get(array) == simdjson::SUCCESS) {
      fits = !table.root.items.empty();
      VisitArray(table.root, array, path, walked);
    } else if (table.self.empty()) {
      return Misfit();
    }
    for (const Slot::Candidate& candidate : table.self) Offer(candidate, Slot::kSelf, value, walked);
    if (!walked.choices.empty()) fits |= Choices(walked, path);
    if (!fits) return Misfit();
    if (!walked.numbered.empty()) Numbered(walked, path);
    if (walked.unclaimed) Rest(table, object, path);
    return Fit::kFits;
  }

  void VisitObject(const Node& node, simdjson::dom::object object, const Path& path, Walked& walked, bool* unclaimed) {
    for (auto field : object) {
      const std::string_view key = field.key;
      const int at = node.keys.Find(key);
      if (at == KeyIndex::kNone) {
        uint64_t number = 0;
        if (const Slot* const numbered = NumberedSlot(node, key, number); numbered != nullptr) {
          walked.numbered.push_back({numbered, number, field.value, key});  // put in order at the message's end
        } else if (unclaimed != nullptr) {
          *unclaimed = true;
        }
        continue;
      }
      const Slot& slot = node.slots[static_cast<size_t>(at)];
      uint64_t& word = walked.seen[slot.id / 64];
      const uint64_t bit = uint64_t{1} << (slot.id % 64);
      if ((word & bit) != 0) [[unlikely]] {
        NoteAt(Key(path, key), kDuplicateKey, "");
        continue;
      }
      word |= bit;
      std::string_view text;
      if (slot.plain_string != nullptr && field.value.get(text) == simdjson::SUCCESS) {
        if (slot.plain_string->presence || !text.empty()) out_.TaggedBytes(slot.plain_string->tag, text);
      } else {
        VisitSlot(slot, field.value, Key(path, key), walked);
      }
      if (Full()) return;
    }
  }

  void VisitArray(const Node& node, simdjson::dom::array array, const Path& path, Walked& walked) {
    size_t index = 0;
    auto wanted = node.items.begin();
    for (const element item : array) {
      if (wanted == node.items.end()) return;
      if (wanted->first == index) {
        VisitSlot(node.slots[wanted->second], item, Item(path, index), walked);
        ++wanted;
      }
      ++index;
    }
  }

  void VisitSlot(const Slot& slot, element value, const Path& path, Walked& walked) {
    if (value.is_null() && !(slot.takes_null && slot.candidates.empty())) return;
    if (slot.readers.size() == 1) {
      if (FieldValue(*slot.readers[0], value, path) == Fit::kMisfit) Refuse(path, value, reason_);
    } else if (!slot.readers.empty()) {
      Group(slot.readers, value, path);
    }
    for (const Slot::Candidate& candidate : slot.candidates) Offer(candidate, slot.id, value, walked);
    if (slot.child == nullptr) return;
    simdjson::dom::object object;
    simdjson::dom::array array;
    if (value.get(object) == simdjson::SUCCESS) {
      VisitObject(*slot.child, object, path, walked, nullptr);
    } else if (value.get(array) == simdjson::SUCCESS) {
      VisitArray(*slot.child, array, path, walked);
    }
  }

  static void Offer(const Slot::Candidate& candidate, uint32_t slot, element value, Walked& walked) {
    ChoiceState& choice = walked.choices[candidate.choice];
    if (candidate.rank >= choice.rank) return;
    choice.value = value;
    choice.rank = candidate.rank;
    choice.slot = slot;
  }

  // Converts the chosen places; those of one place together. True: one of them took the message's value itself.
  bool Choices(Walked& walked, const Path& path) {
    bool self_fits = false;
    for (size_t i = 0; i < walked.choices.size(); ++i) {
      ChoiceState& choice = walked.choices[i];
      if (!choice.chosen() || choice.done) continue;
      absl::InlinedVector<const Field*, 4> group;
      for (size_t j = i; j < walked.choices.size(); ++j) {
        if (!walked.choices[j].chosen() || walked.choices[j].slot != choice.slot) continue;
        group.push_back(walked.table.choices[j].field);
        walked.choices[j].done = true;
      }
      const std::string_view pointer = walked.table.choices[i].pointers[choice.rank];
      const Path here = {&path, Path::kPointer, pointer, 0};
      if (choice.slot == Slot::kSelf) {
        // Whether the value is of a wrong shape is the message's to say.
        for (const Field* field : group) {
          self_fits |= FieldValue(*field, choice.value, here, group.size() == 1) == Fit::kFits;
        }
      } else {
        Group(group, choice.value, here);
      }
    }
    return self_fits;
  }

  // Fields that read one place: it is refused when it fits none of them; of arrays, the elements that fit none.
  void Group(absl::Span<const Field* const> fields, element value, const Path& path) {
    std::vector<uint8_t> taken;
    simdjson::dom::array array;
    const bool items = fields.size() > 1 && value.get(array) == simdjson::SUCCESS;
    if (items) taken.assign(array.size(), 0);
    bool fits = false;
    std::string_view reason;
    for (const Field* field : fields) {
      if (FieldValue(*field, value, path, fields.size() == 1, items ? &taken : nullptr) == Fit::kFits) {
        fits = true;
      } else if (reason.empty()) {
        reason = reason_;
      }
    }
    if (!fits) return Refuse(path, value, reason);
    if (!items || std::find(taken.begin(), taken.end(), 1) == taken.end()) return;
    size_t index = 0;
    for (const element item : array) {
      if (index < taken.size() && taken[index] == 0 && !item.is_null()) Refuse(Item(path, index), item, kWrongShape);
      ++index;
    }
  }

  // "MediaUrl12" -> the place of MediaUrl, and 12. Null: no such place.
  static const Slot* NumberedSlot(const Node& node, std::string_view key, uint64_t& number) {
    if (node.numbered.size() == 0) return nullptr;
    size_t digits = 0;
    while (digits < key.size() && key[key.size() - 1 - digits] >= '0' && key[key.size() - 1 - digits] <= '9') ++digits;
    if (digits == 0 || digits > 9) return nullptr;
    const int at = node.numbered.Find(key.substr(0, key.size() - digits));
    if (at == KeyIndex::kNone) return nullptr;
    std::from_chars(key.data() + key.size() - digits, key.data() + key.size(), number);
    return &node.slots[static_cast<size_t>(at)];
  }

  void Numbered(Walked& walked, const Path& path) {
    std::stable_sort(walked.numbered.begin(), walked.numbered.end(), [](const auto& a, const auto& b) {
      return std::pair(a.slot->id, a.number) < std::pair(b.slot->id, b.number);
    });
    const NumberedValue* last = nullptr;
    for (const NumberedValue& item : walked.numbered) {
      const Path here = Key(path, item.key);
      if (last != nullptr && last->slot == item.slot && last->number == item.number) {
        NoteAt(here, kDuplicateKey, "");
        continue;
      }
      last = &item;
      if (item.value.is_null()) continue;
      for (const Field* field : item.slot->readers) {
        // One at a time, so a packed field is written unpacked, which every parser takes.
        if (Single(*field, item.value, here) == Fit::kMisfit) Refuse(here, item.value, reason_);
      }
    }
  }

  void Rest(const MessageTable& table, simdjson::dom::object object, const Path& path) {
    if (!Descend()) return NoteAt(path, kTooDeep, "");
    const auto mark = out_.Open(table.rest->tag, true);
    SeenKeys seen;
    for (auto field : object) {
      uint64_t number = 0;
      if (table.root.keys.Find(field.key) != KeyIndex::kNone) continue;
      if (NumberedSlot(table.root, field.key, number) != nullptr) continue;
      StructEntry(field.key, field.value, path, seen, 1);
      if (Full()) break;
    }
    out_.Close(mark);
    Ascend();
  }

  bool Descend() {
    if (wire_depth_ == kMaxWireDepth) return false;
    ++wire_depth_;
    return true;
  }
  void Ascend() { --wire_depth_; }

  // --- fields ---

  // Writes a field with its tag, all elements of a repeated one. `sole`: no other field reads the value. With `taken`,
  // marks the elements that it took and leaves it to the caller to refuse the others.
  Fit FieldValue(const Field& field, element value, const Path& path, bool sole = true,
                 std::vector<uint8_t>* taken = nullptr) {
    if (field.json && !in_json_) return JsonText(field, value, path);
    if (field.kind == Kind::kMap) return Map(field, value, path);
    if (!field.repeated) {
      simdjson::dom::array array;
      if (form_ && value.get(array) == simdjson::SUCCESS) {
        // Only a form's key that came several times is an array here.
        NoteAt(path, kDuplicateKey, "");
        if (array.at(0).get(value) != simdjson::SUCCESS) return Misfit();
      }
      return Single(field, value, path);
    }
    simdjson::dom::array array;
    if (value.get(array) != simdjson::SUCCESS) {
      // One value for a list of one; where another field reads it too, it is that one's.
      return sole && !IsEmpty(value) ? Single(field, value, path) : Misfit();
    }
    const size_t start = out_.size();
    std::optional<WireWriter::Mark> mark;
    if (field.packed) mark = out_.Open(field.packed_tag, array.size() > 64);
    const size_t content = out_.size();
    size_t index = 0;
    size_t fitting = 0;
    size_t values = 0;
    const size_t notes = typed_.notes.size();
    const TypedStatus status = typed_.status;
    const size_t empties = typed_.empties;
    const size_t dropped = typed_.notes_dropped;
    for (const element item : array) {
      const size_t at = index++;
      if (item.is_null() && field.kind != Kind::kValue && field.kind != Kind::kNullValue) continue;
      ++values;
      const Path here = Item(path, at);
      if (Single(field, item, here, field.packed) == Fit::kFits) {
        ++fitting;
        if (taken != nullptr) (*taken)[at] = 1;
      } else if (taken == nullptr) {
        Refuse(here, item, reason_);
      }
      if (Full()) break;
    }
    if (taken != nullptr && values > 0 && fitting == 0) {
      // Another reader's array.
      out_.Truncate(start);
      typed_.notes.resize(notes);
      typed_.status = status;
      typed_.empties = empties;
      typed_.notes_dropped = dropped;
      return Misfit();
    }
    if (mark.has_value()) {
      if (out_.size() == content) {
        out_.Truncate(start);
      } else {
        out_.Close(*mark);
      }
    }
    return Fit::kFits;
  }

  Fit JsonText(const Field& field, element value, const Path& path) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return Misfit();
    if (text.empty()) return Misfit();
    if (document_level_ + 1 == kMaxDocuments) return Misfit(kTooDeep);
    element root;
    if (state_.DocumentAt(document_level_ + 1).Parse(text, root) != simdjson::SUCCESS) return Misfit(kBadJson);
    if (root.is_null()) return Fit::kFits;
    const auto outer = std::make_tuple(source_, document_, form_, in_json_);
    ++document_level_;
    source_ = text;
    document_ = &path;
    form_ = false;
    in_json_ = true;  // this field's own option is served
    const Fit fit = FieldValue(field, root, path);
    std::tie(source_, document_, form_, in_json_) = outer;
    --document_level_;
    return fit;
  }

  Fit Map(const Field& field, element value, const Path& path) {
    simdjson::dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return Misfit();
    if (!Descend()) return Misfit(kTooDeep);
    SeenKeys seen;
    for (auto entry : object) {
      const Path here = Key(path, entry.key);
      if (!seen.Insert(entry.key)) {
        NoteAt(here, kDuplicateKey, "");
        continue;
      }
      const element item = entry.value;
      if (item.is_null() && field.value->kind != Kind::kValue && field.value->kind != Kind::kNullValue) continue;
      const size_t start = out_.size();
      const auto mark = out_.Open(field.tag, false);
      if (!MapKey(*field.key, entry.key)) {
        out_.Truncate(start);
        NoteAt(here, kWrongShape, entry.key);
      } else if (Single(*field.value, item, here) == Fit::kMisfit) {
        out_.Truncate(start);
        Refuse(here, item, reason_);
      } else {
        out_.Close(mark);
      }
      if (Full()) break;
    }
    Ascend();
    return Fit::kFits;
  }

  // A key that is a number has to be in its one form, so that two texts are two keys.
  bool MapKey(const Field& field, std::string_view key) {
    bool out_of_range;
    switch (field.kind) {
      case Kind::kString: out_.TaggedBytes(field.tag, key); return true;
      case Kind::kBool:
        if (key != "true" && key != "false") return false;
        out_.Tag(field.tag);
        out_.Varint(key == "true");
        return true;
      case Kind::kUint32:
      case Kind::kUint64:
      case Kind::kFixed32:
      case Kind::kFixed64: {
        const auto number = ParseUint64(key, out_of_range);
        return number.has_value() && absl::StrCat(*number) == key && Unsigned(field, *number, false) == Fit::kFits;
      }
      default: {
        const auto number = ParseInt64(key, out_of_range);
        return number.has_value() && absl::StrCat(*number) == key && Signed(field, *number, false) == Fit::kFits;
      }
    }
  }

  // --- single values ---

  // Writes one value with its tag; as an element of a packed field without.
  Fit Single(const Field& field, element value, const Path& path, bool packed = false) {
    if (field.has_id && value.is_object()) {
      if (!Walk(field.id, value)) return Misfit();
      if (value.is_null()) return Fit::kFits;
    }
    switch (field.kind) {
      case Kind::kString: return String(field, value, path);
      case Kind::kMessage: {
        if (typed_depth_ == kMaxTypedDepth || !Descend()) return Misfit(kTooDeep);
        ++typed_depth_;
        const bool in_json = std::exchange(in_json_, false);
        const size_t start = out_.size();
        const auto mark = out_.Open(field.tag, LikelyLarge(value));
        const Fit fit = Message(*field.message, value, path);
        if (fit == Fit::kFits) {
          out_.Close(mark);
        } else {
          out_.Truncate(start);
        }
        in_json_ = in_json;
        --typed_depth_;
        Ascend();
        return fit;
      }
      case Kind::kBool: return Bool(field, value, packed);
      case Kind::kInt32:
      case Kind::kInt64:
      case Kind::kSint32:
      case Kind::kSint64:
      case Kind::kSfixed32:
      case Kind::kSfixed64: return SignedValue(field, value, packed);
      case Kind::kUint32:
      case Kind::kUint64:
      case Kind::kFixed32:
      case Kind::kFixed64: return UnsignedValue(field, value, packed);
      case Kind::kFloat:
      case Kind::kDouble: return Real(field, value, packed);
      case Kind::kBytes: {
        std::string_view text;
        if (value.get(text) != simdjson::SUCCESS) return Misfit();
        const auto bytes = DecodeBase64(text);
        if (!bytes.has_value()) return Misfit(kBadBase64);
        if (field.presence || !bytes->empty()) out_.TaggedBytes(field.tag, *bytes);
        return Fit::kFits;
      }
      case Kind::kEnum: return Enum(field, value, packed);
      case Kind::kNullValue: return value.is_null() ? Signed(field, 0, packed) : Enum(field, value, packed);
      case Kind::kTimestamp:
      case Kind::kDuration: return Time(field, value);
      case Kind::kFieldMask: return FieldMask(field, value);
      case Kind::kWrapper: {
        if (!Descend()) return Misfit(kTooDeep);
        const size_t start = out_.size();
        const auto mark = out_.Open(field.tag, false);
        const Fit fit = Single(*field.value, value, path);
        if (fit == Fit::kFits) {
          out_.Close(mark);
        } else {
          out_.Truncate(start);
        }
        Ascend();
        return fit;
      }
      case Kind::kStruct:
        if (!value.is_object()) return Misfit();
        return Dynamic(field, value, path, &Conversion::StructBody);
      case Kind::kListValue:
        if (!value.is_array()) return Misfit();
        return Dynamic(field, value, path, &Conversion::ListBody);
      case Kind::kValue: return Dynamic(field, value, path, &Conversion::ValueBody);
      case Kind::kMap:
      case Kind::kUnsupported: break;
    }
    return Misfit();
  }

  // Whether a message's content probably has 128 bytes and more.
  static bool LikelyLarge(element value) {
    simdjson::dom::object object;
    return value.get(object) == simdjson::SUCCESS && object.size() > 4;
  }

  Fit String(const Field& field, element value, const Path& path) {
    std::string_view text;
    if (value.get(text) == simdjson::SUCCESS) {
      if (field.presence || !text.empty()) out_.TaggedBytes(field.tag, text);
      return Fit::kFits;
    }
    if (!field.text) return Misfit();
    switch (value.type()) {
      case element_type::INT64:
      case element_type::UINT64:
      case element_type::BOOL: out_.TaggedBytes(field.tag, simdjson::minify(value)); return Fit::kFits;
      case element_type::DOUBLE: out_.TaggedBytes(field.tag, NumberAsWritten(value, path)); return Fit::kFits;
      default: return Misfit();
    }
  }

  // The document's own text of a number ("12.50"), which the parser does not keep: found by walking the source, within
  // a budget for the whole conversion; beyond it as the shortest text of the same value.
  std::string NumberAsWritten(element value, const Path& path) {
    Pointer segments;
    Segments(&path, segments);
    const std::string_view text = FindRawText(source_, segments, raw_budget_);
    double number = 0;
    bool out_of_range;
    if (value.get(number) == simdjson::SUCCESS) {
      const auto found = ParseDouble(text, out_of_range);
      if (found.has_value() && *found == number) return std::string(text);
    }
    return simdjson::minify(value);
  }
  void Segments(const Path* path, Pointer& out) const {
    if (path == nullptr || path == document_) return;
    Segments(path->parent, out);
    switch (path->kind) {
      case Path::kDocument: break;
      case Path::kKey: out.emplace_back(path->text); break;
      case Path::kIndex: out.push_back(absl::StrCat(path->index)); break;
      case Path::kPointer:
        if (auto pointer = ParsePointer(path->text); pointer.ok())
          out.insert(out.end(), pointer->begin(), pointer->end());
        break;
    }
  }

  Fit Bool(const Field& field, element value, bool packed) {
    bool flag = false;
    if (value.get(flag) != simdjson::SUCCESS) {
      const std::string_view text = StringOf(value);
      flag = text == "true" || (form_ && text == "1");
      if (!flag && text != "false" && !(form_ && text == "0")) return Misfit();
    }
    if (packed) {
      out_.Varint(flag);
    } else if (flag || field.presence) {
      out_.Tag(field.tag);
      out_.Varint(flag);
    }
    return Fit::kFits;
  }

  Fit SignedValue(const Field& field, element value, bool packed) {
    int64_t number = 0;
    switch (value.type()) {
      case element_type::INT64:
        if (value.get(number) != simdjson::SUCCESS) return Misfit();
        break;
      case element_type::UINT64: return Misfit(kOutOfRange);
      case element_type::DOUBLE: {
        double real = 0;
        if (value.get(real) != simdjson::SUCCESS) return Misfit();
        const auto whole = WholeInt64(real);
        if (!whole.has_value()) return Misfit(real == std::floor(real) ? kOutOfRange : kWrongShape);
        number = *whole;
        break;
      }
      case element_type::STRING: {
        bool out_of_range;
        const auto parsed = ParseInt64(StringOf(value), out_of_range);
        if (!parsed.has_value()) return Misfit(out_of_range ? kOutOfRange : kWrongShape);
        number = *parsed;
        break;
      }
      default: return Misfit();
    }
    return Signed(field, number, packed);
  }

  Fit UnsignedValue(const Field& field, element value, bool packed) {
    uint64_t number = 0;
    switch (value.type()) {
      case element_type::INT64:
        if (value.get(number) != simdjson::SUCCESS) return Misfit(kOutOfRange);
        break;
      case element_type::UINT64:
        if (value.get(number) != simdjson::SUCCESS) return Misfit();
        break;
      case element_type::DOUBLE: {
        double real = 0;
        if (value.get(real) != simdjson::SUCCESS) return Misfit();
        const auto whole = WholeUint64(real);
        if (!whole.has_value()) return Misfit(real == std::floor(real) ? kOutOfRange : kWrongShape);
        number = *whole;
        break;
      }
      case element_type::STRING: {
        bool out_of_range;
        const auto parsed = ParseUint64(StringOf(value), out_of_range);
        if (!parsed.has_value()) return Misfit(out_of_range ? kOutOfRange : kWrongShape);
        number = *parsed;
        break;
      }
      default: return Misfit();
    }
    return Unsigned(field, number, packed);
  }

  Fit Signed(const Field& field, int64_t number, bool packed) {
    const bool narrow = field.kind == Kind::kInt32 || field.kind == Kind::kSint32 || field.kind == Kind::kSfixed32;
    if (narrow && (number < std::numeric_limits<int32_t>::min() || number > std::numeric_limits<int32_t>::max())) {
      return Misfit(kOutOfRange);
    }
    if (!packed) {
      if (number == 0 && !field.presence) return Fit::kFits;
      out_.Tag(field.tag);
    }
    switch (field.kind) {
      case Kind::kSint32:
      case Kind::kSint64: out_.Varint(ZigZag(number)); break;
      case Kind::kSfixed32: out_.Fixed32(static_cast<uint32_t>(number)); break;
      case Kind::kSfixed64: out_.Fixed64(static_cast<uint64_t>(number)); break;
      default: out_.Varint(static_cast<uint64_t>(number));
    }
    return Fit::kFits;
  }

  Fit Unsigned(const Field& field, uint64_t number, bool packed) {
    const bool narrow = field.kind == Kind::kUint32 || field.kind == Kind::kFixed32;
    if (narrow && number > std::numeric_limits<uint32_t>::max()) return Misfit(kOutOfRange);
    if (!packed) {
      if (number == 0 && !field.presence) return Fit::kFits;
      out_.Tag(field.tag);
    }
    switch (field.kind) {
      case Kind::kFixed32: out_.Fixed32(static_cast<uint32_t>(number)); break;
      case Kind::kFixed64: out_.Fixed64(number); break;
      default: out_.Varint(number);
    }
    return Fit::kFits;
  }

  Fit Real(const Field& field, element value, bool packed) {
    double number = 0;
    if (value.get(number) != simdjson::SUCCESS) {
      std::string_view text;
      if (value.get(text) != simdjson::SUCCESS) return Misfit();
      bool out_of_range;
      const auto parsed = ParseDouble(text, out_of_range);
      if (!parsed.has_value()) return Misfit(out_of_range ? kOutOfRange : kWrongShape);
      number = *parsed;
    }
    const float narrow = static_cast<float>(number);
    if (field.kind == Kind::kFloat && std::isinf(narrow) && !std::isinf(number)) return Misfit(kOutOfRange);
    if (!packed) {
      // -0.0 is no default.
      if (number == 0 && !std::signbit(number) && !field.presence) return Fit::kFits;
      out_.Tag(field.tag);
    }
    if (field.kind == Kind::kFloat) {
      out_.Float(narrow);
    } else {
      out_.Double(number);
    }
    return Fit::kFits;
  }

  Fit Enum(const Field& field, element value, bool packed) {
    int32_t number = 0;
    if (value.is_string()) {
      if (!field.enums->Find(StringOf(value), number)) return Misfit(kUnknownEnum);
    } else {
      int64_t wide = 0;
      double real = 0;
      if (value.get(wide) != simdjson::SUCCESS) {
        if (!value.is_double() || value.get(real) != simdjson::SUCCESS) return Misfit();
        const auto whole = WholeInt64(real);
        if (!whole.has_value()) return Misfit();
        wide = *whole;
      }
      if (wide < std::numeric_limits<int32_t>::min() || wide > std::numeric_limits<int32_t>::max()) {
        return Misfit(kOutOfRange);
      }
      number = static_cast<int32_t>(wide);
    }
    return Signed(field, number, packed);
  }

  Fit Time(const Field& field, element value) {
    const bool timestamp = field.kind == Kind::kTimestamp;
    const int64_t unit = field.units_per_second;
    std::optional<SecondsNanos> time;
    int64_t whole = 0;
    double real = 0;
    std::string_view text;
    if (value.get(text) == simdjson::SUCCESS) {
      time = timestamp ? ParseTimestamp(text) : ParseDuration(text);
      if (!time.has_value() && unit != 0) time = ParseDecimalTime(text, unit, timestamp);
    } else if (unit == 0) {
      return Misfit();
    } else if (value.get(whole) == simdjson::SUCCESS) {
      time = TimeFromInteger(whole, unit, timestamp);
    } else if (value.is_double() && value.get(real) == simdjson::SUCCESS) {
      char buffer[400];  // the longest double has 309 digits before the point
      const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), real, std::chars_format::fixed);
      if (error == std::errc()) {
        time = ParseDecimalTime({buffer, static_cast<size_t>(end - buffer)}, unit, timestamp);
      }
    } else {
      return Misfit();
    }
    if (!time.has_value()) return Misfit(kBadTime);
    if (!Descend()) return Misfit(kTooDeep);
    const auto mark = out_.Open(field.tag, false);
    if (time->seconds != 0) {
      out_.Tag(kTag1Varint);
      out_.Varint(static_cast<uint64_t>(time->seconds));
    }
    if (time->nanos != 0) {
      out_.Tag(kTag2Varint);
      out_.Varint(static_cast<uint64_t>(static_cast<int64_t>(time->nanos)));
    }
    out_.Close(mark);
    Ascend();
    return Fit::kFits;
  }

  Fit FieldMask(const Field& field, element value) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return Misfit();
    if (!Descend()) return Misfit(kTooDeep);
    const auto mark = out_.Open(field.tag, text.size() > 100);
    while (!text.empty()) {
      const size_t end = std::min(text.find(','), text.size());
      if (end != 0) out_.TaggedBytes(kTag1Bytes, SnakePath(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    out_.Close(mark);
    Ascend();
    return Fit::kFits;
  }

  // --- google.protobuf.Struct, Value, ListValue ---

  using Body = void (Conversion::*)(element, const Path&, int);
  Fit Dynamic(const Field& field, element value, const Path& path, Body body) {
    if (!Descend()) return Misfit(kTooDeep);
    const auto mark = out_.Open(field.tag, LikelyLarge(value));
    (this->*body)(value, path, 1);
    out_.Close(mark);
    Ascend();
    return Fit::kFits;
  }

  void StructBody(element value, const Path& path, int depth) {
    simdjson::dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return;
    SeenKeys seen;
    for (auto field : object) {
      StructEntry(field.key, field.value, path, seen, depth);
      if (Full()) return;
    }
  }

  void StructEntry(std::string_view key, element value, const Path& path, SeenKeys& seen, int depth) {
    const Path here = Key(path, key);
    if (!seen.Insert(key)) return NoteAt(here, kDuplicateKey, "");
    if (!Fits(value, depth, 2)) return NoteAt(here, kTooDeep, "");
    wire_depth_ += 2;
    const bool large = LikelyLarge(value);
    const auto entry = out_.Open(kTag1Bytes, large);
    out_.TaggedBytes(kTag1Bytes, key);
    const auto inner = out_.Open(kTag2Bytes, large);
    ValueBody(value, here, depth);
    out_.Close(inner);
    out_.Close(entry);
    wire_depth_ -= 2;
  }

  void ListBody(element value, const Path& path, int depth) {
    simdjson::dom::array array;
    if (value.get(array) != simdjson::SUCCESS) return;
    size_t index = 0;
    for (const element item : array) {
      const Path here = Item(path, index++);
      if (!Fits(item, depth, 1)) {
        NoteAt(here, kTooDeep, "");
        continue;
      }
      ++wire_depth_;
      const auto mark = out_.Open(kTag1Bytes, LikelyLarge(item));
      ValueBody(item, here, depth);
      out_.Close(mark);
      --wire_depth_;
      if (Full()) return;
    }
  }

  // Whether a value may go `levels` messages deeper, and a container one more.
  bool Fits(element value, int depth, int levels) const {
    const bool container = value.is_object() || value.is_array();
    return wire_depth_ + levels + (container ? 1 : 0) <= kMaxWireDepth && (!container || depth < kMaxStructDepth);
  }

  void ValueBody(element value, const Path& path, int depth) {
    switch (value.type()) {
      case element_type::STRING: out_.TaggedBytes(kTagStringValue, StringOf(value)); return;
      case element_type::BOOL: {
        bool flag = false;
        if (value.get(flag) != simdjson::SUCCESS) return;
        out_.Tag(kTagBoolValue);
        out_.Varint(flag);
        return;
      }
      case element_type::NULL_VALUE:
        out_.Tag(kTag1Varint);
        out_.Varint(0);
        return;
      case element_type::INT64:
      case element_type::UINT64:
      case element_type::DOUBLE: {
        double number = 0;
        if (value.get(number) != simdjson::SUCCESS) return;
        out_.Tag(kTagNumberValue);
        out_.Double(number);
        return;
      }
      case element_type::OBJECT: {
        ++wire_depth_;
        const auto mark = out_.Open(kTagStructValue, LikelyLarge(value));
        StructBody(value, path, depth + 1);
        out_.Close(mark);
        --wire_depth_;
        return;
      }
      case element_type::ARRAY: {
        ++wire_depth_;
        const auto mark = out_.Open(kTagListValue, true);
        ListBody(value, path, depth + 1);
        out_.Close(mark);
        --wire_depth_;
        return;
      }
    }
  }

  State& state_;
  WireWriter& out_;
  Typed& typed_;
  std::string_view source_;         // text of the document that is walked
  const Path* document_ = nullptr;  // its root
  size_t document_level_ = 0;
  bool form_;
  bool in_json_ = false;  // the value comes out of the field's JSON text already
  size_t raw_budget_;
  int wire_depth_ = 0;
  int typed_depth_ = 0;
  bool too_large_ = false;
  std::string_view reason_ = kWrongShape;  // of the last misfit
};

void Untyped(Typed& typed, std::string_view reason, std::string_view text, std::string pointer = "") {
  typed = Typed();
  typed.notes.push_back({std::move(pointer), reason, std::string(CutUtf8(text, kMaxNoteTextBytes))});
}

// Large documents are many times their body: only one of them at a time in the process.
Mutex& LargeBodies() {
  static auto* const mutex = new Mutex;
  return *mutex;
}

}  // namespace

std::string Typed::TypeUrl() const { return absl::StrCat("type.googleapis.com/", message); }

Converter::Converter(ConvertLimits limits) : state_(std::make_unique<State>(limits)) {}
Converter::~Converter() = default;
Converter::Converter(Converter&&) noexcept = default;
Converter& Converter::operator=(Converter&&) noexcept = default;

Typed Converter::Convert(const Registry& registry, std::string_view provider, std::string_view type, ContentKind kind,
                         std::string_view item) {
  std::optional<MutexLock> lock;
  if (item.size() > kLargeBodyBytes && item.size() <= state_->limits.max_body_bytes) lock.emplace(LargeBodies());
  Typed typed = ConvertItem(registry, provider, type, kind, item);
  state_->DropLarge();
  return typed;
}

Typed Converter::ConvertItem(const Registry& registry, std::string_view provider, std::string_view type,
                             ContentKind kind, std::string_view item) {
  Typed typed;
  const auto& candidates = registry.Candidates(provider, type, state_->candidates);
  if (candidates.empty()) {
    Untyped(typed, kNoMapping, type);
    return typed;
  }
  if (item.size() > state_->limits.max_body_bytes) {
    Untyped(typed, kTooLarge, absl::StrCat(item.size(), " bytes"));
    return typed;
  }
  FormJson form;
  if (kind == ContentKind::kForm) {
    form = FormToJson(item);
    item = form.json;
  }
  State::Document& document = state_->DocumentAt(0);
  element root;
  simdjson::error_code error = document.Parse(item, root);
  Repaired repaired;
  if (error == simdjson::DEPTH_ERROR) {
    Untyped(typed, kTooDeep, "");
    return typed;
  }
  if (error != simdjson::SUCCESS) {
    repaired = RepairJson(item);
    if (!repaired.what.empty()) {
      const simdjson::error_code second = document.Parse(repaired.json, root);
      if (second == simdjson::SUCCESS) error = second;
    }
    if (error != simdjson::SUCCESS) {
      Untyped(typed, kMalformed, simdjson::error_message(error));
      return typed;
    }
  }

  const Mapping* chosen = nullptr;
  for (const Mapping* candidate : candidates) {
    if (std::all_of(candidate->when.begin(), candidate->when.end(),
                    [&](const WhenCondition& condition) { return Holds(condition, root); })) {
      chosen = candidate;
      break;
    }
  }
  if (chosen == nullptr) {
    Untyped(typed, kNoMapping, "no condition of a mapping holds");
    return typed;
  }
  element value = root;
  if (!Walk(chosen->root, value) || value.is_null()) {
    Untyped(typed, kWrongShape, "absent", chosen->root_text);
    return typed;
  }
  typed.status = TypedStatus::kFull;
  Conversion<State> conversion(*state_, typed, item, kind == ContentKind::kForm);
  if (!repaired.what.empty()) {
    conversion.Note(repaired.bad_utf8 ? kBadUtf8 : kRepaired, "", repaired.what, repaired.lossy);
  }
  if (form.bad_utf8) conversion.Note(kBadUtf8, "", "");
  if (!conversion.Run(*chosen->table, chosen->root_text, value)) {
    Untyped(typed, conversion.reason(), TextOf(value), chosen->root_text);
    return typed;
  }
  if (conversion.too_large()) {
    Untyped(typed, kTooLarge, "as a message");
    return typed;
  }
  typed.wire = state_->out.bytes();
  typed.message = chosen->table->descriptor->full_name();
  typed.fingerprint = *chosen->fingerprint;
  return typed;
}

Typed Convert(const Registry& registry, std::string_view provider, std::string_view type, ContentKind kind,
              std::string_view item) {
  thread_local Converter converter;
  return converter.Convert(registry, provider, type, kind, item);
}

void SetTyped(Typed typed, v1::Event& event) {
  v1::Typing& typing = *event.mutable_typing();
  typing.Clear();
  for (Note& note : typed.notes) {
    v1::TypingNote& out = *typing.add_notes();
    out.set_pointer(std::move(note.pointer));
    out.set_reason(std::string(note.reason));
    out.set_text(std::move(note.text));
  }
  if (typed.status == TypedStatus::kUntyped) {
    typing.set_status(v1::TYPING_STATUS_UNTYPED);
    event.clear_data();
    return;
  }
  typing.set_status(typed.status == TypedStatus::kFull ? v1::TYPING_STATUS_FULL : v1::TYPING_STATUS_PARTIAL);
  typing.set_schema_fingerprint(std::move(typed.fingerprint));
  event.mutable_data()->set_type_url(typed.TypeUrl());
  event.mutable_data()->set_value(std::move(typed.wire));
}

}  // namespace hookstream::typing
