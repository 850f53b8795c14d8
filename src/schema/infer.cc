#include "schema/infer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "schema/json.h"
#include "schema/naming.h"
#include "schema/observed.h"
#include "typing/form.h"
#include "typing/pattern.h"
#include "typing/repair.h"

namespace hookstream::schema {
namespace {

constexpr char kTimestamp[] = "google.protobuf.Timestamp";
constexpr char kStruct[] = "google.protobuf.Struct";
constexpr char kValue[] = "google.protobuf.Value";

// Messages may nest 64 deep on the relay, and lists of lists take two levels; what is deeper is left untyped.
constexpr int kMaxMessageDepth = 24;

// An enum is believed when many values are few texts, each seen again and again.
constexpr uint64_t kEnumValuesMin = 20;
constexpr size_t kEnumTextsMin = 2;
constexpr size_t kEnumTextsMax = 12;
constexpr uint64_t kEnumValuesPerText = 5;

// 2001-09-09 to 2100-01-01, in seconds.
constexpr double kFirstUnixTime = 1'000'000'000;
constexpr double kLastUnixTime = 4'102'444'800;

std::vector<std::string> Words(std::string_view key) { return absl::StrSplit(SnakeName(key), '_'); }

template <size_t N>
bool IsOneOf(const std::string& word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The name says that it is an instant: "created_at", "timestamp", "expires", "dueDate".
bool NamesTime(std::string_view key) {
  static constexpr std::array<std::string_view, 17> kWords = {
      "at",      "time",   "timestamp",  "ts",    "date", "created", "updated", "modified", "deleted",
      "expires", "expiry", "expiration", "start", "end",  "until",   "since",   "datetime"};
  return IsOneOf(Words(key).back(), kWords);
}

// Texts under such names are open sets, however few were seen.
bool NamesOpenSet(std::string_view key) {
  static constexpr std::array<std::string_view, 24> kWords = {
      "id",   "name",  "currency", "country", "locale", "language", "lang", "timezone",
      "zone", "code",  "version",  "city",    "region", "host",     "path", "url",
      "uri",  "title", "user",     "login",   "branch", "ref",      "tag",  "object"};
  return IsOneOf(Words(key).back(), kWords);
}

v1::NumberTime UnitOf(const Observed& shape, std::string_view key) {
  if (shape.numbers() == 0 || !NamesTime(key)) return v1::NUMBER_TIME_UNSPECIFIED;
  const auto within = [&](double unit) {
    return shape.least >= kFirstUnixTime * unit && shape.most < kLastUnixTime * unit;
  };
  if (within(1)) return v1::NUMBER_TIME_SECONDS;
  if (shape.reals > 0) return v1::NUMBER_TIME_UNSPECIFIED;
  if (within(1e3)) return v1::NUMBER_TIME_MILLIS;
  if (within(1e6)) return v1::NUMBER_TIME_MICROS;
  return v1::NUMBER_TIME_UNSPECIFIED;
}

// "in_progress", "In Progress", "PAID": a word or two that begin with a letter.
bool IsToken(const std::string& text) {
  if (text.size() > 40 || !absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == ' ';
  });
}

// As enum texts are compared.
std::string Bare(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      out.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

bool IsEnum(const Observed& shape, std::string_view key) {
  const uint64_t values = shape.strings - shape.empty_strings;
  if (shape.many_texts || shape.texts.size() < kEnumTextsMin || shape.texts.size() > kEnumTextsMax ||
      values < kEnumValuesMin || values < kEnumValuesPerText * shape.texts.size() || NamesOpenSet(key)) {
    return false;
  }
  return std::all_of(shape.texts.begin(), shape.texts.end(), [](const auto& text) {
    return text.second >= 2 && IsToken(text.first) && Bare(text.first) != "unspecified";
  });
}

// A json_name that every tool takes. Others are read by a pointer.
bool IsPlainKey(std::string_view key) {
  return !key.empty() && key.size() <= 100 && key.front() != '[' && std::all_of(key.begin(), key.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || (c != '\0' && std::strchr("_$-.:@ ", c));
  });
}

// How one place is read.
struct Reader {
  std::string suffix;  // of the field's name, where a place has several readers
  std::string type;
  Cardinality cardinality = Cardinality::kSingle;
  v1::FieldMapping mapping;
  bool optional = false;  // if it can be: of scalars and enums
  bool is_bool = false;
  std::string comment;
};

// A message while it can still be found equal to another one.
struct Draft {
  struct Field {
    std::string key;
    ProtoField proto;
    uint64_t had = 0;      // objects in which the place was there and not null
    uint64_t of = 0;       // objects
    bool unknown = false;  // nothing but null, {} or [] was seen
    bool counted = true;   // its comment begins with the share
    std::string example;
  };
  ProtoMessage proto;
  std::vector<Field> fields;
  std::set<std::string> keys;
  std::string last_word;
};

class FileBuilder {
 public:
  FileBuilder(const InferOptions& options, uint64_t samples) : options_(options), samples_(samples) {}

  ProtoFile Build(Observed& root) {
    file_.package = options_.package;
    file_.provider = options_.provider;
    SetLanguagePackages(file_);
    const std::string& name = options_.message;
    std::string stem = name;
    if (absl::EndsWith(stem, "Event") && stem.size() > sizeof("Event") - 1) stem.resize(stem.size() - 5);
    std::vector<std::string> folders = absl::StrSplit(options_.package, '.');
    file_.path = absl::StrCat(absl::StrJoin(folders, "/"), "/", SnakeName(stem), ".proto");

    FindMaps(root);
    FindRecursions(root);
    FindMaps(root);  // again: what was joined may be one now
    // What a wrapper's value is called is told from others by the wrapper's name.
    type_names_ = {name, "Value"};
    Draft& draft = NewDraft(name, "");
    const Kinds kinds = KindsOf(root);
    if (kinds.object && kinds.count() == 1 && !root.is_map && !root.members.empty()) {
      FillMessage(root, draft, 0);
    } else {
      FillWrapper(root, draft, 0);
    }
    if (options_.rest) {
      ProtoField rest;
      std::set<std::string> taken = FieldNames(draft);
      rest.name = Unique("rest", taken);
      rest.type = kStruct;
      rest.mapping.set_rest(true);
      rest.comment = "All other keys.";
      draft.fields.push_back({"", std::move(rest), 0, 0, false, false, ""});
    }
    Finish();
    return std::move(file_);
  }

 private:
  // --- drafts ---

  Draft& NewDraft(const std::string& name, const std::string& key) {
    drafts_.push_back(std::make_unique<Draft>());
    Draft& draft = *drafts_.back();
    draft.proto.name = name;
    draft.last_word = key.empty() ? "" : Words(Singular(SnakeName(key))).back();
    return draft;
  }

  static std::set<std::string> FieldNames(const Draft& draft) {
    std::set<std::string> names;
    for (const Draft::Field& field : draft.fields) names.insert(field.proto.name);
    return names;
  }

  // A name for a message or enum that is new in the file.
  std::string NewTypeName(const std::string& key, const std::string& parent) {
    std::string name = TypeName(key);
    if (type_names_.count(name) != 0) name = absl::StrCat(parent, CamelName(key));
    return Unique(name, type_names_);
  }

  // The name that a type goes by, now that equal messages are one.
  const std::string& Resolved(const std::string& type) const {
    const auto found = aliases_.find(type);
    return found == aliases_.end() ? type : Resolved(found->second);
  }

  // The draft, or an earlier one that is the same message; then the draft is dropped. It is the last one.
  std::string Settle(Draft& draft) {
    for (Draft::Field& field : draft.fields) draft.keys.insert(field.key);
    const std::string name = draft.proto.name;
    for (size_t i = 1; i < drafts_.size(); ++i) {
      Draft& other = *drafts_[i];
      if (&other == &draft || open_.count(other.proto.name) != 0 || !CanShare(other, draft)) continue;
      Share(other, draft);
      aliases_[name] = other.proto.name;
      const auto own = std::find_if(drafts_.begin(), drafts_.end(), [&](const auto& d) { return d.get() == &draft; });
      drafts_.erase(own);
      return other.proto.name;
    }
    return name;
  }

  // Messages are one when they are named alike and have most keys in common, or all of at least four, and no key is
  // another thing in each.
  bool CanShare(const Draft& a, const Draft& b) const {
    if (a.keys.empty() || b.keys.empty()) return false;
    if (std::any_of(a.keys.begin(), a.keys.end(), IsIndex) || std::any_of(b.keys.begin(), b.keys.end(), IsIndex)) {
      return false;
    }
    size_t common = 0;
    for (const std::string& key : b.keys) common += a.keys.count(key);
    const size_t all = a.keys.size() + b.keys.size() - common;
    const bool same_keys = common == all && common >= 4;
    if (!same_keys && !(a.last_word == b.last_word && !a.last_word.empty() && common * 5 >= all * 4)) return false;
    for (const Draft::Field& field : b.fields) {
      if (field.key.empty() && !field.counted) return false;
      for (const Draft::Field& other : a.fields) {
        if (other.key != field.key || field.unknown || other.unknown) continue;
        // Several fields of one key are compared by their place in the message's order: by their names.
        if (other.proto.name != field.proto.name) continue;
        if (!SameField(a, other, b, field)) return false;
      }
      const auto readers = [&](const Draft& of) {
        return std::count_if(of.fields.begin(), of.fields.end(),
                             [&](const Draft::Field& f) { return f.key == field.key && !f.unknown; });
      };
      if (readers(a) > 0 && readers(b) > 0 && readers(a) != readers(b)) return false;
    }
    return true;
  }

  bool SameField(const Draft& a, const Draft::Field& x, const Draft& b, const Draft::Field& y) const {
    const auto type = [&](const Draft& of, const Draft::Field& field) {
      const std::string& name = Resolved(field.proto.type);
      return name == of.proto.name ? std::string("itself") : name;
    };
    const auto presence = [](Cardinality cardinality) {
      return cardinality == Cardinality::kOptional ? Cardinality::kSingle : cardinality;
    };
    if (presence(x.proto.cardinality) != presence(y.proto.cardinality) ||
        x.proto.mapping.SerializeAsString() != y.proto.mapping.SerializeAsString() ||
        x.proto.json_name != y.proto.json_name) {
      return false;
    }
    if (type(a, x) == type(b, y)) return true;
    return enums_.count(x.proto.type) != 0 && enums_.count(y.proto.type) != 0;
  }

  void Share(Draft& into, Draft& from) {
    const uint64_t into_of = into.fields.front().of;
    const uint64_t from_of = from.fields.front().of;
    std::set<std::string> taken = FieldNames(into);
    for (Draft::Field& other : into.fields) {
      const bool met = from.keys.count(other.key) != 0;
      other.of += from_of;
      if (!met) MakeOptional(other.proto);
    }
    for (Draft::Field& field : from.fields) {
      Draft::Field* same = nullptr;
      for (Draft::Field& other : into.fields) {
        if (other.key == field.key && (other.proto.name == field.proto.name || other.unknown)) same = &other;
      }
      if (same == nullptr && into.keys.count(field.key) != 0 && field.unknown) continue;
      if (same == nullptr) {
        if (taken.count(field.proto.name) != 0) field.proto.name = Unique(field.proto.name, taken);
        taken.insert(field.proto.name);
        MakeOptional(field.proto);
        field.of += into_of;
        into.fields.push_back(std::move(field));
        continue;
      }
      same->had += field.had;
      if (field.proto.cardinality == Cardinality::kOptional) MakeOptional(same->proto);
      if (same->unknown && !field.unknown) {
        const uint64_t had = same->had;
        const uint64_t of = same->of;
        *same = std::move(field);
        same->had = had;
        same->of = of;
        MakeOptional(same->proto);
      } else if (const auto one = enums_.find(same->proto.type), two = enums_.find(field.proto.type);
                 one != enums_.end() && two != enums_.end() && one != two) {
        one->second.insert(two->second.begin(), two->second.end());
        aliases_[two->first] = one->first;
        enums_.erase(two);
      }
    }
    into.keys.insert(from.keys.begin(), from.keys.end());
  }

  // Messages know already whether they are there.
  void MakeOptional(ProtoField& field) const {
    const bool scalar =
        absl::ascii_islower(static_cast<unsigned char>(field.type[0])) && !absl::StartsWith(field.type, "google.");
    if (field.cardinality == Cardinality::kSingle && (scalar || enums_.count(Resolved(field.type)) != 0)) {
      field.cardinality = Cardinality::kOptional;
    }
  }

  // --- types ---

  // The scalars of a place as one type.
  Reader ScalarReader(const Observed& shape, const Kinds& kinds, const std::string& key, const std::string& parent,
                      bool allow_enum) {
    Reader reader;
    reader.optional = HasEmpties(shape);
    const uint64_t texts = shape.strings - shape.empty_strings;
    const v1::NumberTime unit = UnitOf(shape, key);
    const bool all_times = kinds.text && shape.times == texts && texts > 0;
    if (kinds.boolean && !kinds.number && !kinds.text) {
      reader.type = "bool";
      reader.is_bool = true;
    } else if (kinds.number && !kinds.boolean && !kinds.text) {
      if (unit != v1::NUMBER_TIME_UNSPECIFIED) {
        reader.type = kTimestamp;
        reader.mapping.set_time(unit);
      } else if (shape.reals > 0 || (shape.big_integers > 0 && shape.least < 0)) {
        reader.type = "double";
      } else {
        reader.type = shape.big_integers > 0 ? "uint64" : "int64";
      }
    } else if (all_times && !kinds.boolean && (!kinds.number || unit != v1::NUMBER_TIME_UNSPECIFIED)) {
      reader.type = kTimestamp;
      reader.mapping.set_time(unit);
    } else if (allow_enum && options_.enums && kinds.text && !kinds.number && !kinds.boolean && IsEnum(shape, key)) {
      reader.type = NewEnum(shape, key, parent);
      reader.optional |= shape.empty_strings > 0;
    } else {
      reader.type = "string";
      // An empty bool beside texts is none, so only a true one is text.
      reader.mapping.set_text(kinds.number || kinds.boolean);
    }
    if (reader.type == kTimestamp) reader.optional = false;
    return reader;
  }

  std::string NewEnum(const Observed& shape, const std::string& key, const std::string& parent) {
    const std::string name = NewTypeName(key, parent);
    std::set<std::string>& texts = enums_[name];
    for (const auto& [text, times] : shape.texts) texts.insert(text);
    return name;
  }

  // One value of a list or a map, as which it may be no list or map itself.
  Reader ElementReader(Observed& shape, const std::string& key, const std::string& parent, int depth) {
    const Kinds kinds = KindsOf(shape);
    Reader reader;
    if (kinds.count() == 0 || depth >= kMaxMessageDepth) {
      reader.type = kValue;
      return reader;
    }
    if (kinds.scalar() && !kinds.object && !kinds.array) return ScalarReader(shape, kinds, key, parent, false);
    if (kinds.object && kinds.count() == 1) {
      if (shape.same != nullptr) return Recursion(*shape.same);
      if (!shape.is_map) {
        reader.type = shape.members.empty() ? std::string(kStruct) : NewMessage(shape, key, parent, depth);
        return reader;
      }
    }
    if (kinds.array && kinds.count() == 1 && IsTuple(shape)) {
      reader.type = NewTuple(shape, key, parent, depth);
      return reader;
    }
    const std::string name = NewTypeName(key, parent);
    open_.insert(name);
    Draft& draft = NewDraft(name, "");
    FillWrapper(shape, draft, depth + 1);
    open_.erase(name);
    reader.type = Settle(draft);
    return reader;
  }

  Reader Recursion(const Observed& ancestor) {
    Reader reader;
    const auto moved = moved_.find(&ancestor);
    const auto found = recursive_.find(moved == moved_.end() ? &ancestor : moved->second);
    reader.type = found == recursive_.end() ? std::string(kStruct) : found->second;
    return reader;
  }

  // Not where objects come too: the positions' pointers would read their keys.
  static bool IsTuple(const Observed& shape) {
    if (shape.objects > 0 || shape.no_tuple || shape.slots.empty() || shape.arrays - shape.empty_arrays < 2)
      return false;
    std::vector<Kinds> kinds;
    for (const auto& slot : shape.slots) {
      kinds.push_back(KindsOf(*slot));
      if (kinds.back().count() != 1) return false;
    }
    return std::any_of(kinds.begin(), kinds.end(), [&](const Kinds& own) { return !(own == kinds.front()); });
  }

  std::string NewTuple(Observed& shape, const std::string& key, const std::string& parent, int depth) {
    const std::string name = NewTypeName(Singular(key), parent);
    open_.insert(name);
    Draft& draft = NewDraft(name, "");
    draft.proto.comment = "A list whose positions mean different things.";
    for (size_t i = 0; i < shape.slots.size(); ++i) {
      AddField(draft, absl::StrCat("item_", i), absl::StrCat("/", i), true, *shape.slots[i],
               shape.arrays - shape.empty_arrays, shape.arrays - shape.empty_arrays, name, depth + 1);
    }
    open_.erase(name);
    return Settle(draft);
  }

  std::string NewMessage(Observed& shape, const std::string& key, const std::string& parent, int depth) {
    const std::string name = NewTypeName(key, parent);
    open_.insert(name);
    recursive_[&shape] = name;
    Draft& draft = NewDraft(name, key);
    FillMessage(shape, draft, depth + 1);
    open_.erase(name);
    return Settle(draft);
  }

  void FillMessage(Observed& shape, Draft& draft, int depth) {
    recursive_[&shape] = draft.proto.name;
    // Keys that differ in case or punctuation only would be one JSON name.
    std::map<std::string, int> alike;
    for (const Observed::Member& member : shape.members) ++alike[Bare(member.key)];
    for (Observed::Member& member : shape.members) {
      AddField(draft, member.key, PointerSegment(member.key), alike[Bare(member.key)] > 1, *member.shape,
               member.present, shape.objects, draft.proto.name, depth);
    }
  }

  // The fields that read one place of a message. `by_pointer`: not by the key's name.
  void AddField(Draft& draft, const std::string& key, const std::string& pointer, bool by_pointer, Observed& shape,
                uint64_t present, uint64_t objects, const std::string& parent, int depth) {
    const std::vector<Reader> readers = Readers(shape, key, parent, depth);
    const bool unknown = KindsOf(shape).count() == 0 || IsUnknown(shape);
    const bool several = readers.size() > 1;
    const bool exclusive = several && readers.back().suffix != "text";  // a value fits one of them
    bool first = true;
    for (const Reader& reader : readers) {
      Draft::Field field;
      field.key = key;
      field.had = present - std::min(present, shape.nulls);
      field.of = objects;
      field.unknown = unknown;
      field.example = shape.example;
      field.proto.type = reader.type;
      field.proto.cardinality = reader.cardinality;
      field.proto.mapping = reader.mapping;
      field.proto.comment = reader.comment;
      if (reader.optional || exclusive || field.had < objects) MakeOptional(field.proto);
      NameField(draft, key, pointer, by_pointer || several, reader, field.proto);
      field.counted = first;
      first = false;
      draft.fields.push_back(std::move(field));
    }
  }

  static bool IsUnknown(const Observed& shape) {
    const Kinds kinds = KindsOf(shape);
    return kinds.count() == 1 && ((kinds.object && shape.objects == shape.empty_objects) ||
                                  (kinds.array && shape.arrays == shape.empty_arrays));
  }

  static void NameField(const Draft& draft, const std::string& key, const std::string& pointer, bool by_pointer,
                        const Reader& reader, ProtoField& field) {
    const std::string base =
        reader.suffix.empty() ? FieldName(key, reader.is_bool) : SnakeName(absl::StrCat(key, "_", reader.suffix));
    std::set<std::string> bare;
    std::set<std::string> json_names;
    for (const Draft::Field& other : draft.fields) {
      bare.insert(Bare(other.proto.name));
      json_names.insert(other.proto.json_name.empty() ? DefaultJsonName(other.proto.name) : other.proto.json_name);
    }
    std::string name = base;
    for (int number = 2; bare.count(Bare(name)) != 0 || json_names.count(DefaultJsonName(name)) != 0; ++number) {
      name = absl::StrCat(base, "_", number);
    }
    field.name = name;
    const std::string json = DefaultJsonName(name);
    if (by_pointer) {
      field.mapping.add_from(pointer);
    } else if (key != name && key != json) {
      if (IsPlainKey(key) && json_names.count(key) == 0) {
        field.json_name = key;
      } else {
        field.mapping.add_from(pointer);
      }
    }
  }

  // What reads a place: one field for most, several where values of several kinds come.
  // `element`: of a list or a map, where what does not fit is noted by whatever is around it.
  std::vector<Reader> Readers(Observed& shape, const std::string& key, const std::string& parent, int depth,
                              bool element = false) {
    const Kinds kinds = KindsOf(shape);
    Reader untyped;
    untyped.type = kValue;
    if (kinds.count() == 0 || depth >= kMaxMessageDepth) return {untyped};
    const int groups = (kinds.scalar() ? 1 : 0) + (kinds.object ? 1 : 0) + (kinds.array ? 1 : 0);
    // A list of what comes alone elsewhere: one value is a list of one.
    const bool empties = shape.falses > 0 || shape.empty_strings > 0 || shape.empty_objects > 0;
    if (groups == 2 && kinds.array && !IsTuple(shape) && shape.items != nullptr && !(element && empties)) {
      const Kinds items = KindsOf(*shape.items);
      const bool scalars = kinds.scalar() && items.scalar() && !items.object && !items.array;
      const bool objects = kinds.object && items.object && items.count() == 1 && !shape.is_map &&
                           !shape.items->is_map && shape.same == nullptr && shape.items->same == nullptr;
      if (scalars || objects) {
        TakeIntoItems(shape);
        return {ListReader(shape, key, parent, depth)};
      }
    }
    std::vector<Reader> readers;
    if (kinds.scalar()) {
      readers.push_back(ScalarReader(shape, kinds, key, parent, groups == 1));
      if (groups == 1 && enums_.count(readers.front().type) != 0) {
        Reader text;
        text.type = "string";
        text.suffix = "text";
        text.comment = "As it was sent: texts too that are newer than the enum.";
        readers.push_back(std::move(text));
      }
    }
    if (kinds.object) {
      if (kinds.scalar() && HasSameId(shape, kinds)) readers.front().mapping.set_id("/id");
      Reader reader = ObjectReader(shape, key, parent, depth);
      if (!readers.empty()) reader.suffix = "object";
      readers.push_back(std::move(reader));
    }
    if (kinds.array) {
      // Beside other readers a list is this one's only if an element fits, so that nothing in it may be passed over.
      const bool strict = !readers.empty() && shape.items != nullptr && HasEmpties(*shape.items);
      Reader reader = strict ? ListOfAnything() : ListReader(shape, key, parent, depth);
      if (!readers.empty()) reader.suffix = "list";
      readers.push_back(std::move(reader));
    }
    return readers;
  }

  // An object that stands for its id, or an id for its object.
  static bool HasSameId(Observed& shape, const Kinds& kinds) {
    const Observed* const id = shape.is_map || shape.same != nullptr ? nullptr : shape.Find("id");
    if (id == nullptr) return false;
    const Kinds own = KindsOf(*id);
    return own.count() == 1 && own.text == kinds.text && own.number == kinds.number && own.boolean == kinds.boolean;
  }

  void TakeIntoItems(Observed& shape) {
    moved_[&shape] = shape.items.get();
    // It is a list from now on, though the objects that said so are gone.
    shape.no_tuple = true;
    Observed alone;
    alone.example = shape.example;
    alone.bools = std::exchange(shape.bools, 0);
    alone.falses = std::exchange(shape.falses, 0);
    alone.integers = std::exchange(shape.integers, 0);
    alone.big_integers = std::exchange(shape.big_integers, 0);
    alone.reals = std::exchange(shape.reals, 0);
    alone.least = shape.least;
    alone.most = shape.most;
    alone.strings = std::exchange(shape.strings, 0);
    alone.empty_strings = std::exchange(shape.empty_strings, 0);
    alone.times = std::exchange(shape.times, 0);
    alone.texts = std::move(shape.texts);
    alone.many_texts = shape.many_texts;
    alone.objects = std::exchange(shape.objects, 0);
    alone.empty_objects = std::exchange(shape.empty_objects, 0);
    alone.members = std::move(shape.members);
    alone.index = std::move(shape.index);
    shape.members.clear();
    shape.index.clear();
    Merge(*shape.items, std::move(alone));
    FindMaps(*shape.items);
  }

  Reader ObjectReader(Observed& shape, const std::string& key, const std::string& parent, int depth) {
    if (shape.same != nullptr) return Recursion(*shape.same);
    Reader reader;
    if (shape.is_map) {
      const std::string singular = Singular(key);
      reader = ElementReader(*shape.values, singular == key ? absl::StrCat(key, "_value") : singular, parent, depth);
      reader.cardinality = Cardinality::kMap;
      reader.optional = false;
      return reader;
    }
    reader.type = shape.members.empty() ? std::string(kStruct) : NewMessage(shape, key, parent, depth);
    return reader;
  }

  Reader ListReader(Observed& shape, const std::string& key, const std::string& parent, int depth) {
    if (shape.items == nullptr) return ListOfAnything();
    Reader reader;
    if (IsTuple(shape)) {
      reader.type = NewTuple(shape, key, parent, depth);
      return reader;
    }
    reader = ElementReader(*shape.items, Singular(key), parent, depth);
    reader.cardinality = Cardinality::kRepeated;
    reader.optional = false;
    return reader;
  }

  static Reader ListOfAnything() {
    Reader reader;
    reader.type = kValue;
    reader.cardinality = Cardinality::kRepeated;
    return reader;
  }

  // A message that is not an object's but reads the value itself, in each shape that it comes in.
  void FillWrapper(Observed& shape, Draft& draft, int depth) {
    const std::string& name = draft.proto.name;
    std::vector<Reader> readers = Readers(shape, "value", name, depth, true);
    const Kinds kinds = KindsOf(shape);
    for (Reader& reader : readers) {
      Draft::Field field;
      const bool list = reader.cardinality == Cardinality::kRepeated;
      const bool map = reader.cardinality == Cardinality::kMap;
      const bool message = !list && !map && kinds.object && reader.type != "string";
      std::string base = list || map ? "values" : "value";
      if (message && readers.size() > 1) base = "object";
      if (reader.suffix == "text") base = "text";
      std::set<std::string> taken = FieldNames(draft);
      field.proto.name = Unique(base, taken);
      field.proto.type = reader.type;
      field.proto.cardinality = reader.cardinality;
      field.proto.mapping = reader.mapping;
      field.proto.mapping.add_from("");
      field.proto.comment = reader.comment;
      field.example = shape.example;
      if (readers.size() > 1 || reader.optional) MakeOptional(field.proto);
      field.key = "";
      field.counted = false;
      draft.fields.push_back(std::move(field));
    }
  }

  // --- the end ---

  std::string Comment(const Draft& draft, const Draft::Field& field) const {
    std::vector<std::string> sentences;
    if (field.unknown && field.had == 0) {
      sentences.emplace_back("Always null: what else it can be is not known.");
    } else if (field.counted && field.of > 0) {
      // Of the event's message the objects are the samples.
      const bool root = &draft == drafts_.front().get();
      if (field.of == 1) {
        sentences.emplace_back(root ? "In the one sample." : "In the only one.");
      } else {
        sentences.push_back(absl::StrCat(field.had == field.of ? "In all " : absl::StrCat("In ", field.had, " of "),
                                         field.of, root ? " samples." : "."));
      }
    }
    if (field.unknown && field.had > 0) sentences.emplace_back("Always empty: what can be in it is not known.");
    if (!field.proto.comment.empty()) sentences.push_back(field.proto.comment);
    if (options_.examples && !field.example.empty() && IsPrintable(field.example)) {
      sentences.push_back(absl::StrCat("E.g. \"", field.example, "\"."));
    }
    return absl::StrJoin(sentences, " ");
  }

  static bool IsPrintable(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); });
  }

  void Finish() {
    Draft& root = *drafts_.front();
    v1::EventMapping& event = root.proto.events.emplace_back();
    event.mutable_types()->Add(options_.types.begin(), options_.types.end());
    root.proto.comment = absl::StrCat("Payload of ", absl::StrJoin(options_.types, ", "), " as ", samples_,
                                      samples_ == 1 ? " sample has it." : " samples have it.");
    const std::set<std::string> used = Used();
    for (const auto& draft : drafts_) {
      if (used.count(draft->proto.name) == 0) continue;
      for (Draft::Field& field : draft->fields) {
        field.proto.comment = Comment(*draft, field);
        field.proto.type = Resolved(field.proto.type);
        draft->proto.fields.push_back(field.proto);
      }
      file_.messages.push_back(std::move(draft->proto));
    }
    for (const auto& [name, texts] : enums_) {
      if (used.count(name) != 0) file_.enums.push_back(EnumOf(name, texts));
    }
  }

  // Types that the event's message leads to.
  std::set<std::string> Used() const {
    std::map<std::string, const Draft*> by_name;
    for (const auto& draft : drafts_) by_name[draft->proto.name] = draft.get();
    std::set<std::string> used;
    std::vector<std::string> todo = {drafts_.front()->proto.name};
    while (!todo.empty()) {
      const std::string name = std::move(todo.back());
      todo.pop_back();
      if (!used.insert(name).second) continue;
      const auto found = by_name.find(name);
      if (found == by_name.end()) continue;
      for (const Draft::Field& field : found->second->fields) todo.push_back(Resolved(field.proto.type));
    }
    return used;
  }

  static ProtoEnum EnumOf(const std::string& name, const std::set<std::string>& texts) {
    ProtoEnum type;
    type.name = name;
    type.comment = "Texts that the samples have.";
    const std::string prefix = UpperName(name);
    type.values.push_back({absl::StrCat(prefix, "_UNSPECIFIED"), 0, {}, ""});
    std::set<std::string> taken = {type.values[0].name};
    std::set<std::string> bare;
    for (const std::string& text : texts) {
      // Compared without case and punctuation, so that these are one value.
      if (!bare.insert(Bare(text)).second) continue;
      ProtoEnumValue value;
      value.name = Unique(absl::StrCat(prefix, "_", UpperName(text)), taken);
      value.number = static_cast<int>(type.values.size());
      type.values.push_back(std::move(value));
    }
    return type;
  }

  const InferOptions& options_;
  const uint64_t samples_;
  ProtoFile file_;
  std::vector<std::unique_ptr<Draft>> drafts_;  // the event's message first
  std::set<std::string> type_names_;
  std::set<std::string> open_;                          // messages whose fields are still being found
  std::map<std::string, std::set<std::string>> enums_;  // their texts
  std::map<std::string, std::string> aliases_;          // types that turned out to be others
  std::map<const Observed*, std::string> recursive_;    // messages of objects, for those that are like them
  std::map<const Observed*, const Observed*> moved_;    // objects that were joined with a list's
};

bool IsPackage(const std::string& package) {
  if (package.empty()) return false;
  for (const absl::string_view part : absl::StrSplit(package, '.')) {
    if (part.empty() || !absl::ascii_islower(static_cast<unsigned char>(part[0])) ||
        !std::all_of(part.begin(), part.end(), [](char c) {
          return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                 absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_';
        })) {
      return false;
    }
  }
  return true;
}

std::string MessageName(const InferOptions& options) {
  std::string name;
  for (const absl::string_view segment : absl::StrSplit(options.types.front(), absl::ByAnyChar("./:"))) {
    if (segment.find('*') == segment.npos) absl::StrAppend(&name, CamelName({segment.data(), segment.size()}));
  }
  if (name.empty()) name = CamelName(options.provider);
  if (absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) name = absl::StrCat("N", name);
  return absl::EndsWith(name, "Event") ? name : name + "Event";
}

bool IsMessageName(const std::string& name) {
  return absl::ascii_isupper(static_cast<unsigned char>(name[0])) && std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c));
         });
}

}  // namespace

struct Inference::State {
  InferOptions options;
  Observed root;
  int64_t samples = 0;
};

Inference::Inference(std::unique_ptr<State> state) : state_(std::move(state)) {}
Inference::~Inference() = default;
Inference::Inference(Inference&&) noexcept = default;
Inference& Inference::operator=(Inference&&) noexcept = default;

absl::StatusOr<Inference> Inference::Create(InferOptions options) {
  const auto bad = [](const auto&... args) { return absl::InvalidArgumentError(absl::StrCat(args...)); };
  if (!IsPackage(options.package)) return bad("package '", options.package, "': must be like acme.v1");
  const std::string first = options.package.substr(0, options.package.find('.'));
  if (first == "hookstream" || first == "google") {
    return bad("package '", options.package, "': schemas of one's own can't be in hookstream or google");
  }
  if (options.provider.empty()) return bad("the provider is missing");
  if (options.types.empty()) return bad("the event types are missing");
  for (const std::string& type : options.types) HS_RETURN_IF_ERROR(typing::TypePattern::Parse(type).status());
  if (options.message.empty()) options.message = MessageName(options);
  if (!IsMessageName(options.message)) {
    return bad("message '", options.message, "': must be like OrderEvent");
  }
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  return Inference(std::move(state));
}

absl::Status Inference::Add(std::string_view name, std::string_view json) {
  auto parsed = ParseJson(json, name);
  if (!parsed.ok()) {
    const typing::Repaired repaired = typing::RepairJson(json);
    if (repaired.what.empty()) return parsed.status();
    auto second = ParseJson(repaired.json, name);
    if (!second.ok()) return parsed.status();
    parsed = std::move(second);
  }
  AddValue(*parsed, state_->root);
  ++state_->samples;
  return absl::OkStatus();
}

absl::Status Inference::AddForm(std::string_view name, std::string_view form) {
  return Add(name, typing::FormToJson(form).json);
}

int64_t Inference::samples() const { return state_->samples; }

ProtoFile Inference::File() && {
  FileBuilder builder(state_->options, static_cast<uint64_t>(state_->samples));
  return builder.Build(state_->root);
}

}  // namespace hookstream::schema
