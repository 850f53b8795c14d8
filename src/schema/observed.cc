#include "schema/observed.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "base/text.h"
#include "typing/scalars.h"

namespace hookstream::schema {
namespace {

bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// RFC 3339 with a time of day and a zone: a date alone is no instant, and a time without a zone is anybody's.
bool IsInstant(std::string_view text) {
  if (text.size() < sizeof("2026-01-01T00:00:00Z") - 1 || text.size() > 40) return false;
  const char last = text.back();
  const bool zone =
      last == 'Z' || last == 'z' || text.find_first_of("+-", sizeof("2026-01-01T00:00:00") - 1) != text.npos;
  return zone && typing::ParseTimestamp(text).has_value();
}

void AddNumber(double value, Observed& shape) {
  const bool first = shape.numbers() == 0;
  shape.least = first ? value : std::min(shape.least, value);
  shape.most = first ? value : std::max(shape.most, value);
}

void AddText(const std::string& text, uint64_t times, Observed& shape) {
  if (shape.many_texts) return;
  if (text.size() > kMaxTextBytes || (shape.texts.count(text) == 0 && shape.texts.size() == kMaxTexts)) {
    shape.many_texts = true;
    shape.texts.clear();
    return;
  }
  shape.texts[text] += times;
}

void NoTuple(Observed& shape) {
  shape.no_tuple = true;
  shape.slots.clear();
}

// All members become values of a map.
void MakeMap(Observed& shape) {
  shape.is_map = true;
  if (shape.values == nullptr) shape.values = std::make_unique<Observed>();
  for (Observed::Member& member : shape.members) Merge(*shape.values, std::move(*member.shape));
  shape.members.clear();
  shape.index.clear();
}

// --- maps ---

// A date, a number, a UUID, or letters and digits so mixed that nobody would name a field so.
bool IsIdLike(std::string_view key) {
  if (key.empty()) return false;
  const size_t digits = static_cast<size_t>(std::count_if(key.begin(), key.end(), IsDigit));
  const bool hex = std::all_of(key.begin(), key.end(), [](char c) { return IsHex(c) || c == '-'; });
  if (digits == key.size()) return true;
  if (key.size() == 10 && key[4] == '-' && key[7] == '-' && digits == 8) return true;
  if (hex && key.size() >= 16 && digits >= 3) return true;
  if (key.find('@') != key.npos || absl::StrContains(absl::string_view(key.data(), key.size()), "://")) return true;
  // "cus_9s6XKzkNRiz8i3": digits before a letter, again and again.
  size_t changes = 0;
  for (size_t i = 1; i < key.size(); ++i) changes += IsDigit(key[i - 1]) != IsDigit(key[i]) ? 1 : 0;
  return key.size() >= 10 && digits >= 3 && changes >= 3;
}

// Whether the members' values could all be values of one map.
bool AreAlike(const Observed& shape) {
  Kinds kinds;
  std::set<std::string_view> keys;
  size_t objects = 0;
  size_t sum = 0;
  for (const Observed::Member& member : shape.members) {
    const Kinds own = KindsOf(*member.shape);
    if (own.count() == 0) continue;
    if (kinds.count() == 0) kinds = own;
    if (!(own == kinds)) return false;
    if (!own.object) continue;
    ++objects;
    sum += member.shape->members.size();
    for (const Observed::Member& inner : member.shape->members) keys.insert(inner.key);
  }
  if (kinds.count() != 1) return false;
  return !kinds.object || keys.size() * objects <= 2 * sum;
}

bool LooksLikeMap(const Observed& shape) {
  const size_t keys = shape.members.size();
  if (keys < 2) return false;
  const auto ids = static_cast<size_t>(
      std::count_if(shape.members.begin(), shape.members.end(), [](const auto& m) { return IsIdLike(m.key); }));
  uint64_t presences = 0;
  for (const Observed::Member& member : shape.members) presences += member.present;
  const uint64_t objects = shape.objects - shape.empty_objects;
  // A key is met in a quarter of the objects at most: they have other keys each time.
  const bool changing = keys >= 16 && objects >= 4 && presences * 4 <= keys * objects;
  return (ids == keys || (keys >= 8 && ids * 5 >= keys * 4) || changing) && AreAlike(shape);
}

// --- recursion ---

bool HasIndex(const Observed& shape) {
  return std::any_of(shape.members.begin(), shape.members.end(), [](const auto& m) { return IsIndex(m.key); });
}

bool AreSimilar(const Observed& a, const Observed& b) {
  if (HasIndex(a) || HasIndex(b)) return false;
  size_t common = 0;
  for (const Observed::Member& member : b.members) common += a.index.count(member.key);
  const size_t fewer = std::min(a.members.size(), b.members.size());
  return common >= 2 && common * 10 >= fewer * 7;
}

struct Ancestor {
  std::string key;
  Observed* shape;
};

void JoinInto(Observed& ancestor, Observed& object) {
  while (!object.members.empty()) {
    std::vector<Observed::Member> members = std::move(object.members);
    object.members.clear();
    object.index.clear();
    for (Observed::Member& member : members) {
      Observed::Member& to = ancestor.Get(member.key);
      to.present += member.present;
      // Where this is the key of the recursion itself, `object` gets what was below it, for the next round.
      Merge(*to.shape, std::move(*member.shape));
    }
  }
  object.same = &ancestor;
}

void Descend(Observed& shape, const std::string& key, std::vector<Ancestor>& path);

void VisitMembers(Observed& object, std::vector<Ancestor>& path) {
  // By index: a recursion further down adds keys here.
  for (size_t i = 0; i < object.members.size(); ++i) {
    const std::string key = object.members[i].key;
    Descend(*object.members[i].shape, key, path);
  }
}

void Descend(Observed& shape, const std::string& key, std::vector<Ancestor>& path) {
  if (shape.objects > 0 && !shape.is_map && shape.same == nullptr && !shape.members.empty()) {
    const auto found = std::find_if(path.rbegin(), path.rend(), [&](const Ancestor& ancestor) {
      return ancestor.key == key && AreSimilar(*ancestor.shape, shape);
    });
    if (found != path.rend()) {
      JoinInto(*found->shape, shape);
      found->shape->objects += shape.objects;
      found->shape->empty_objects += shape.empty_objects;
    } else {
      path.push_back({key, &shape});
      VisitMembers(shape, path);
      path.pop_back();
    }
  }
  if (shape.values != nullptr) Descend(*shape.values, key, path);
  if (shape.items != nullptr) Descend(*shape.items, key, path);
}

}  // namespace

Observed* Observed::Find(std::string_view key) {
  const auto found = index.find(absl::string_view(key.data(), key.size()));
  return found == index.end() ? nullptr : members[found->second].shape.get();
}

Observed::Member& Observed::Get(std::string_view key) {
  const auto [found, added] = index.emplace(std::string(key), members.size());
  if (added) members.push_back({std::string(key), 0, std::make_unique<Observed>()});
  return members[found->second];
}

void AddValue(const Json& value, Observed& shape, int array_depth) {
  if (shape.example.empty() && !value.is_array() && !value.is_object() && !value.is_null()) {
    shape.example = value.text().substr(0, kMaxTextBytes);
  }
  switch (value.type()) {
    case Json::Type::kNull: ++shape.nulls; return;
    case Json::Type::kBool:
      ++shape.bools;
      shape.falses += value.is_true() ? 0 : 1;
      return;
    case Json::Type::kInteger:
    case Json::Type::kNumber: {
      int64_t small = 0;
      uint64_t big = 0;
      const double real = std::strtod(value.text().c_str(), nullptr);
      AddNumber(real, shape);
      if (value.type() == Json::Type::kNumber) {
        ++shape.reals;
      } else if (absl::SimpleAtoi(value.text(), &small)) {
        ++shape.integers;
      } else if (absl::SimpleAtoi(value.text(), &big)) {
        ++shape.big_integers;
      } else {
        ++shape.reals;
      }
      return;
    }
    case Json::Type::kString:
      ++shape.strings;
      if (value.text().empty()) {
        ++shape.empty_strings;
        return;
      }
      shape.times += IsInstant(value.text()) ? 1 : 0;
      AddText(value.text(), 1, shape);
      return;
    case Json::Type::kArray: {
      const std::vector<Json>& items = value.items();
      ++shape.arrays;
      if (items.empty()) {
        ++shape.empty_arrays;
        return;
      }
      if (shape.items == nullptr) shape.items = std::make_unique<Observed>();
      for (const Json& item : items) AddValue(item, *shape.items, array_depth + 1);
      // Positions within positions would double the work at each level.
      const bool first = shape.arrays - shape.empty_arrays == 1;
      if (array_depth > 1 || items.size() < 2 || items.size() > kMaxTupleItems ||
          (!first && items.size() != shape.slots.size())) {
        NoTuple(shape);
      }
      if (shape.no_tuple) return;
      if (first) {
        for (size_t i = 0; i < items.size(); ++i) shape.slots.push_back(std::make_unique<Observed>());
      }
      for (size_t i = 0; i < items.size(); ++i) AddValue(items[i], *shape.slots[i], array_depth + 1);
      return;
    }
    case Json::Type::kObject: {
      ++shape.objects;
      shape.empty_objects += value.members().empty() ? 1 : 0;
      std::set<std::string_view> seen;
      for (const auto& [key, member] : value.members()) {
        if (!seen.insert(key).second) continue;
        if (!shape.is_map && shape.members.size() == kMaxMembers && shape.index.count(key) == 0) MakeMap(shape);
        if (shape.is_map) {
          AddValue(member, *shape.values, array_depth);
          continue;
        }
        Observed::Member& to = shape.Get(key);
        ++to.present;
        AddValue(member, *to.shape, array_depth);
      }
      return;
    }
  }
}

void Merge(Observed& into, Observed from) {
  if (into.example.empty()) into.example = std::move(from.example);
  into.nulls += from.nulls;
  into.bools += from.bools;
  into.falses += from.falses;
  if (from.numbers() > 0) {
    const bool first = into.numbers() == 0;
    into.least = first ? from.least : std::min(into.least, from.least);
    into.most = first ? from.most : std::max(into.most, from.most);
  }
  into.integers += from.integers;
  into.big_integers += from.big_integers;
  into.reals += from.reals;
  into.strings += from.strings;
  into.empty_strings += from.empty_strings;
  into.times += from.times;
  for (const auto& [text, times] : from.texts) AddText(text, times, into);
  if (from.many_texts) {
    into.many_texts = true;
    into.texts.clear();
  }

  into.objects += from.objects;
  into.empty_objects += from.empty_objects;
  if (into.same == nullptr && into.members.empty()) into.same = from.same;
  if (from.is_map && !into.is_map) MakeMap(into);
  if (into.is_map) {
    for (Observed::Member& member : from.members) Merge(*into.values, std::move(*member.shape));
    if (from.values != nullptr) Merge(*into.values, std::move(*from.values));
  } else {
    for (Observed::Member& member : from.members) {
      Observed::Member& to = into.Get(member.key);
      to.present += member.present;
      Merge(*to.shape, std::move(*member.shape));
    }
    if (into.members.size() > kMaxMembers) MakeMap(into);
  }

  const bool had_arrays = into.arrays > into.empty_arrays;
  const bool has_arrays = from.arrays > from.empty_arrays;
  into.arrays += from.arrays;
  into.empty_arrays += from.empty_arrays;
  if (from.items != nullptr) {
    if (into.items == nullptr) into.items = std::make_unique<Observed>();
    Merge(*into.items, std::move(*from.items));
  }
  if (has_arrays) {
    if (from.no_tuple || (had_arrays && into.slots.size() != from.slots.size())) {
      NoTuple(into);
    } else if (!had_arrays) {
      into.slots = std::move(from.slots);
    } else if (!into.no_tuple) {
      for (size_t i = 0; i < into.slots.size(); ++i) Merge(*into.slots[i], std::move(*from.slots[i]));
    }
  }
}

Kinds KindsOf(const Observed& shape) {
  Kinds kinds;
  kinds.number = shape.numbers() > 0;
  kinds.boolean = shape.bools > shape.falses;
  kinds.text = shape.strings > shape.empty_strings;
  kinds.object = shape.objects > shape.empty_objects;
  kinds.array = shape.arrays > shape.empty_arrays;
  if (kinds.count() > 0) return kinds;
  // Nothing but empties: one kind is kept.
  kinds.text = shape.strings > 0;
  if (kinds.count() == 0) kinds.boolean = shape.bools > 0;
  if (kinds.count() == 0) kinds.array = shape.arrays > 0;
  if (kinds.count() == 0) kinds.object = shape.objects > 0;
  return kinds;
}

bool HasEmpties(const Observed& shape) {
  const Kinds kinds = KindsOf(shape);
  return shape.nulls > 0 || (shape.bools > 0 && !kinds.boolean) || (shape.strings > 0 && !kinds.text) ||
         (shape.empty_strings > 0 && (kinds.count() > 1 || shape.times > 0)) || (shape.objects > 0 && !kinds.object) ||
         (shape.arrays > 0 && !kinds.array);
}

bool IsIndex(std::string_view key) {
  return !key.empty() && key.size() <= 9 && (key.size() == 1 || key[0] != '0') &&
         std::all_of(key.begin(), key.end(), IsDigit);
}

void FindMaps(Observed& shape) {
  const auto visit = [](Observed* inner) {
    if (inner == nullptr) return;
    if (!inner->is_map && LooksLikeMap(*inner)) MakeMap(*inner);
    FindMaps(*inner);
  };
  // As a message it would take the lists that come at the same place for its own.
  if (!shape.is_map && shape.arrays > shape.empty_arrays && HasIndex(shape)) MakeMap(shape);
  for (Observed::Member& member : shape.members) visit(member.shape.get());
  visit(shape.values.get());
  visit(shape.items.get());
  for (const auto& slot : shape.slots) visit(slot.get());
}

void FindRecursions(Observed& root) {
  std::vector<Ancestor> path;
  VisitMembers(root, path);
  // What is directly in the root has no key that another could have too.
  const std::string no_key(1, '\0');
  if (root.values != nullptr) Descend(*root.values, no_key, path);
  if (root.items != nullptr) Descend(*root.items, no_key, path);
}

}  // namespace hookstream::schema
