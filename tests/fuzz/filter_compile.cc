// Filter texts of users. Checked: a text that compiles can be asked about any event, and says the same twice; one that
// does not names a column within the text (or one behind it).
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "filter/filter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto filter = hookstream::filter::Filter::Compile(text);
  if (!filter.ok()) {
    const std::string message(filter.status().message());
    if (message.rfind("column ", 0) != 0) std::abort();
    const unsigned long column = std::strtoul(message.c_str() + 7, nullptr, 10);
    if (column < 1 || column > size + 1) std::abort();
    return 0;
  }
  // The text itself is as good an event as any: its stars and quotes are what globs stumble over.
  for (const std::string_view type : {text, text.substr(size / 2), std::string_view("invoice.paid")}) {
    const hookstream::filter::Subject subject{.source = "stripe-live", .provider = "stripe", .type = type};
    if (filter->Matches(subject) != hookstream::filter::Filter(*filter).Matches(subject)) std::abort();
  }
  return 0;
}
