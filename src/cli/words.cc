#include "cli/words.h"

#include "absl/strings/str_cat.h"

namespace hookstream::cli {

std::string CountText(int64_t count) {
  std::string text = absl::StrCat(count);
  for (size_t at = text.size(); at > 3 && text[at - 4] != '-';) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string SpanText(absl::Duration span) {
  span = absl::AbsDuration(span);
  struct Unit {
    const char* name;
    absl::Duration size;
  };
  for (const Unit& unit : {Unit{"day", absl::Hours(24)}, Unit{"hour", absl::Hours(1)}, Unit{"minute", absl::Minutes(1)},
                           Unit{"second", absl::Seconds(1)}}) {
    const int64_t count = span / unit.size;
    if (count > 0) return absl::StrCat(CountText(count), " ", unit.name, count == 1 ? "" : "s");
  }
  return "less than a second";
}

std::string AgoText(absl::Time time, absl::Time now) {
  return now - time < absl::Seconds(1) ? "just now" : absl::StrCat(SpanText(now - time), " ago");
}

}  // namespace hookstream::cli
