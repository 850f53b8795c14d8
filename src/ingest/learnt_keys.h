// Keys that a provider tells in a request (Asana, Notion), as they are kept in the store: one record a source.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace hookstream::ingest {

struct LearntKey {
  std::string id;  // "learnt-20261201T120000Z", with -2, -3, ... where it is taken
  std::string secret;
  absl::Time learnt_at;  // whole milliseconds
};

// The record's name, and the source of such a name.
std::string LearntKeysRecord(std::string_view source);
std::string_view LearntKeysSource(std::string_view record);
inline constexpr std::string_view kLearntKeysPrefix = "learnt-keys/";

// One line a key: id, milliseconds, the secret in base64. Empty for none.
std::string EncodeLearntKeys(const std::vector<LearntKey>& keys);
// DATA_LOSS for what EncodeLearntKeys did not write.
absl::StatusOr<std::vector<LearntKey>> ParseLearntKeys(std::string_view text);

// An id that none of `keys` has.
std::string LearntKeyId(absl::Time now, const std::vector<LearntKey>& keys);

}  // namespace hookstream::ingest
