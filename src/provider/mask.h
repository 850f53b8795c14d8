// Credentials that a preset compares (schemes `equal` and `basic`) never reach the store: they are overwritten with
// asterisks of the same length.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "provider/context.h"
#include "provider/provider.h"

namespace hookstream::provider {

struct MaskedRequest {
  struct Header {
    std::string name;
    std::string value;
  };
  std::vector<Header> headers;
  std::string target;
  // Same size as the original, and still a document of the same shape. Extract events from a context over this body,
  // so that no item holds a credential.
  std::string body;
};

// True when the preset reads credentials at all: for others nothing has ever to be masked.
bool ReadsCredentials(const Provider& provider);

// nullopt: there is nothing to mask in this request, store it as it is.
std::optional<MaskedRequest> MaskCredentials(const Provider& provider, Context& context);

}  // namespace hookstream::provider
