#include "ingest/learnt_keys.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/text.h"
#include "provider/encoding.h"

namespace hookstream::ingest {

std::string LearntKeysRecord(std::string_view source) {
  return absl::StrCat(ToAbsl(kLearntKeysPrefix), ToAbsl(source));
}

std::string_view LearntKeysSource(std::string_view record) { return record.substr(kLearntKeysPrefix.size()); }

std::string EncodeLearntKeys(const std::vector<LearntKey>& keys) {
  std::string text;
  for (const LearntKey& key : keys) {
    absl::StrAppend(&text, key.id, " ", absl::ToUnixMillis(key.learnt_at), " ", provider::EncodeBase64(key.secret),
                    "\n");
  }
  return text;
}

absl::StatusOr<std::vector<LearntKey>> ParseLearntKeys(std::string_view text) {
  std::vector<LearntKey> keys;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
    int64_t millis = 0;
    std::optional<std::string> secret;
    if (parts.size() == 3)
      secret = provider::DecodeBase64({parts[2].data(), parts[2].size()}, provider::Padding::kRequired);
    if (!secret || secret->empty() || parts[0].empty() || !absl::SimpleAtoi(parts[1], &millis)) {
      return absl::DataLossError("a record of learnt keys can't be read");
    }
    keys.push_back({std::string(parts[0]), *std::move(secret), absl::FromUnixMillis(millis)});
  }
  return keys;
}

std::string LearntKeyId(absl::Time now, const std::vector<LearntKey>& keys) {
  const std::string base = absl::StrCat("learnt-", absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone()));
  std::string id = base;
  const auto taken = [&](const LearntKey& key) { return key.id == id; };
  for (int number = 2; std::any_of(keys.begin(), keys.end(), taken); ++number) id = absl::StrCat(base, "-", number);
  return id;
}

}  // namespace hookstream::ingest
