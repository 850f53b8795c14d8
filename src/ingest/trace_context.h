// W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/#traceparent-header).
#pragma once

#include <string_view>

namespace hookstream::ingest {

// True when the text may be passed on as a traceparent.
bool IsTraceparent(std::string_view text);

}  // namespace hookstream::ingest
