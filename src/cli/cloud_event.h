// Events as CloudEvents 1.0 (https://github.com/cloudevents/spec), in the structured mode of its JSON format. What
// becomes what is in docs/cloudevents.md.
#pragma once

#include <string>

#include "hookstream/v1/event.pb.h"

namespace hookstream::cli {

// One line, without a line break. A JSON body is `data` as it is, but for line breaks between its tokens, which become
// spaces; any other is `data_base64`.
std::string CloudEventJson(const v1::Event& event);

}  // namespace hookstream::cli
