// What many JSON values at one place have in common: which kinds they are, which keys, which texts. Taken down by
// `AddValue`, value by value; infer.cc makes types of it.
//
// Plain data that owns what is below it. Not thread-safe. Bounds: kMaxMembers keys at a place (beyond it the keys are
// data, and the values are taken down together), kMaxTexts texts, tuples of kMaxTupleItems.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "schema/json.h"

namespace hookstream::schema {

inline constexpr size_t kMaxMembers = 4'096;
inline constexpr size_t kMaxTexts = 24;
inline constexpr size_t kMaxTextBytes = 64;
inline constexpr size_t kMaxTupleItems = 8;

// Kinds of values; `empty_*` below are counted in both.
struct Kinds {
  bool boolean = false;
  bool number = false;
  bool text = false;
  bool object = false;
  bool array = false;

  bool scalar() const { return boolean || number || text; }
  int count() const { return boolean + number + text + object + array; }
  friend bool operator==(const Kinds&, const Kinds&) = default;
};

struct Observed {
  struct Member {
    std::string key;
    uint64_t present = 0;  // in so many objects, null or not
    std::unique_ptr<Observed> shape;
  };

  uint64_t nulls = 0;
  uint64_t bools = 0;
  uint64_t falses = 0;

  // Whole numbers without point and exponent: within int64, and between it and uint64. All others are `reals`.
  uint64_t integers = 0;
  uint64_t big_integers = 0;
  uint64_t reals = 0;
  double least = 0;  // of all numbers
  double most = 0;

  uint64_t strings = 0;
  uint64_t empty_strings = 0;
  uint64_t times = 0;                     // RFC 3339 with time and zone
  std::map<std::string, uint64_t> texts;  // how often each came; not the empty one
  bool many_texts = false;                // more than kMaxTexts, or one longer than kMaxTextBytes

  uint64_t objects = 0;
  uint64_t empty_objects = 0;
  std::vector<Member> members;  // in the order in which they were met
  absl::flat_hash_map<std::string, size_t> index;
  bool is_map = false;  // the keys are data: `members` is empty, `values` has all of them
  std::unique_ptr<Observed> values;

  uint64_t arrays = 0;
  uint64_t empty_arrays = 0;
  std::unique_ptr<Observed> items;               // all elements of all arrays
  std::vector<std::unique_ptr<Observed>> slots;  // by position, while all arrays have one length of 2 to kMaxTupleItems
  bool no_tuple = false;

  // An object that is the same message as this one further up: a recursion. Its keys are there.
  Observed* same = nullptr;

  std::string example;  // the first scalar

  uint64_t numbers() const { return integers + big_integers + reals; }
  Observed* Find(std::string_view key);
  // The member, made when it is new.
  Member& Get(std::string_view key);
};

// `array_depth`: arrays around the value. A key that comes twice counts once, as everywhere.
void AddValue(const Json& value, Observed& shape, int array_depth = 0);

// Takes over all that `from` knows.
void Merge(Observed& into, Observed from);

// The kinds that have to be read. An empty of another kind than the rest ("", false, [], {}) stands for "none".
Kinds KindsOf(const Observed& shape);
// Whether such an empty, or a null, is among the values.
bool HasEmpties(const Observed& shape);

// A key such as "0" or "17": a message that reads it reads arrays too, by position.
bool IsIndex(std::string_view key);

// Marks the objects whose keys are data, e.g. ids, so that they become maps: see docs/typing.md.
void FindMaps(Observed& shape);
// Joins objects that hold others like themselves under the key that they have themselves.
void FindRecursions(Observed& root);

}  // namespace hookstream::schema
