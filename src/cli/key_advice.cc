#include "cli/key_advice.h"

#include "absl/strings/str_cat.h"
#include "base/units.h"
#include "cli/common.h"
#include "cli/words.h"

namespace hookstream::cli {
namespace {

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone()); }

bool HasEnded(const v1::SourceKey& key, absl::Time now) {
  return key.has_not_after() && FromProto(key.not_after()) <= now;
}
bool HasBegun(const v1::SourceKey& key, absl::Time now) {
  return !key.has_not_before() || FromProto(key.not_before()) <= now;
}

// Requests whose right key was outside its time.
int64_t OutsideItsTime(const v1::Source& source) {
  int64_t count = 0;
  for (const auto* reasons : {&source.refused_by(), &source.would_refuse_by()}) {
    for (const v1::ReasonCount& entry : *reasons) {
      if (entry.reason() == "key_not_valid_now") count += entry.count();
    }
  }
  return count;
}

// Of the other keys that are valid now, the index of the one that was used last; -1: none has verified anything.
int Successor(const v1::Source& source, int index, absl::Time now) {
  int last = -1;
  for (int i = 0; i < source.keys_size(); ++i) {
    const v1::SourceKey& key = source.keys(i);
    if (i == index || !key.has_last_hit_at() || HasEnded(key, now) || !HasBegun(key, now)) continue;
    if (last < 0 || FromProto(source.keys(last).last_hit_at()) < FromProto(key.last_hit_at())) last = i;
  }
  return last;
}

// A request may carry signatures of the old and the new key, and counts for the first in the list that fits.
std::string OrderHint(const v1::Source& source, int index, absl::Time now) {
  for (int i = index + 1; i < source.keys_size(); ++i) {
    const v1::SourceKey& key = source.keys(i);
    if (key.hits() > 0 || HasEnded(key, now) || !HasBegun(key, now)) continue;
    return absl::StrCat(". '", key.id(),
                        "' stands after it in the configuration and has no hits: put the new key first,",
                        " since a request signed with both counts for the first");
  }
  return "";
}

}  // namespace

KeyAdvice AdviseOnKey(const v1::Source& source, int index, absl::Time now, absl::Duration quiet) {
  const v1::SourceKey& key = source.keys(index);
  if (source.keys_size() == 1) return {false, "it is the only key"};
  if (!HasBegun(key, now)) return {false, absl::StrCat("it is not valid before ", Day(FromProto(key.not_before())))};
  if (HasEnded(key, now)) {
    const std::string ended = absl::StrCat("it ended ", AgoText(FromProto(key.not_after()), now));
    const int64_t outside = OutsideItsTime(source);
    if (outside == 0) return {true, ended + " and verifies nothing any more"};
    return {false, absl::StrCat(ended, ", but ", CountText(outside),
                                " request(s) were signed with a key outside its time: somebody may still use it")};
  }

  const bool used = key.has_last_hit_at();
  const absl::Time silent_since = FromProto(used ? key.last_hit_at() : key.counting_since());
  const absl::Time known_at = silent_since + quiet;
  const std::string last_use =
      used ? absl::StrCat("it was last used ", AgoText(silent_since, now))
           : absl::StrCat("it has not been used since counting began ", AgoText(silent_since, now));
  const int successor_index = Successor(source, index, now);
  if (successor_index < 0) {
    return {false, absl::StrCat("no other key has verified anything, so the provider may not have another one yet; ",
                                last_use, used ? OrderHint(source, index, now) : "")};
  }
  const v1::SourceKey& successor = source.keys(successor_index);
  if (!used && index < successor_index) {
    return {false, absl::StrCat(last_use, ", but it stands before '", successor.id(),
                                "': it may be the new key, which the provider does not sign with yet")};
  }
  if (now < known_at) {
    return {false, absl::StrCat(last_use, ", and ", DurationText(quiet), " without it are wanted: look again after ",
                                Day(known_at), used ? OrderHint(source, index, now) : "")};
  }
  const absl::Time successor_used = FromProto(successor.last_hit_at());
  const std::string replaced = absl::StrCat("'", successor.id(), "' verified ", CountText(successor.hits()),
                                            " request(s), the last ", AgoText(successor_used, now));
  if (successor_used < known_at) {
    return {false, absl::StrCat(last_use, ", but too few requests came afterwards to prove anything (", replaced,
                                "): look again after the next one")};
  }
  if (successor.has_not_after() && FromProto(successor.not_after()) - now < quiet) {
    return {false, absl::StrCat("'", successor.id(), "', which replaces it, ends itself on ",
                                Day(FromProto(successor.not_after())))};
  }
  return {true, absl::StrCat(last_use, ", more than ", DurationText(quiet), ", while ", replaced)};
}

}  // namespace hookstream::cli
