// Whether a key of a source can be retired: what a rotation ends with.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "hookstream/v1/admin_service.pb.h"

namespace hookstream::cli {

struct KeyAdvice {
  bool safe_to_retire = false;
  // Why, for a person; names other keys and times, never a secret.
  std::string reason;
};

// The rule: a key is safe to retire when requests have come for at least `quiet` after its last use, and other keys
// verified them all. `quiet` is the longest that a provider goes on repeating or signing with an old key.
//
// In detail, for source.keys(index):
// - never when it is the only key, is not valid yet, or no other valid key has verified anything;
// - a key that was never used counts as used when counting began: a relay that has just started knows nothing;
// - one that was never used and stands before the key in use may be the new one;
// - silence of the whole source proves nothing: some request has to come after the time that is waited for;
// - the key that replaces it must not end within `quiet` itself;
// - a key that has ended verifies nothing: it can go, unless requests were refused for a key outside its time, since
//   then somebody may still sign with it.
KeyAdvice AdviseOnKey(const v1::Source& source, int index, absl::Time now, absl::Duration quiet);

}  // namespace hookstream::cli
