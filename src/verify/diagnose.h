// Why a request was refused, as well as it can be found out: used by `hookstream verify`, never by the relay (it tries
// wrong readings on purpose).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "provider/provider.h"
#include "provider/request.h"
#include "verify/verifier.h"

namespace hookstream::verify {

struct Diagnosis {
  Verdict verdict;
  // The key that matched; verdict.key_id is empty, since it would not outlive the call.
  std::string key_id;
  // The likeliest cause and what to do, for a person; empty when the verdict is ok.
  std::string cause;
};

// INVALID_ARGUMENT as Verifier::Create.
absl::StatusOr<Diagnosis> Diagnose(const provider::Provider& provider, const std::vector<Key>& keys,
                                   const Params& params, const provider::Request& request, absl::Time now,
                                   const Options& options = {});

}  // namespace hookstream::verify
