// What single providers sign that the language has no words for. Internal to the room.
#pragma once

#include <string>
#include <vector>

#include "provider/context.h"
#include "provider/provider.h"

namespace hookstream::verify {

// The texts that may have been signed; any may fit. Empty: something that is signed is not in the request. `time`, the
// signed time's text, is bound in the context where the rule has one.
std::vector<std::string> CodeTexts(provider::Code code, provider::Context& context);

}  // namespace hookstream::verify
