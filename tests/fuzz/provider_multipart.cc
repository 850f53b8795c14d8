// Any Content-Type (the first line) and any body: the parts lie in the body in their order, with boundaries between
// them, and the same parts written anew are read again as they were.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "provider/multipart.h"

namespace hookstream::provider {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

void Try(std::string_view content_type, std::string_view body) {
  const std::optional<std::string> boundary = MultipartBoundary(content_type);
  if (!boundary) return;
  Check(!boundary->empty() && boundary->size() <= kMaxBoundaryBytes);
  const auto parts = ParseMultipart(body, *boundary);
  if (!parts) return;
  Check(parts->size() <= kMaxMultipartParts);
  const std::string delimiter = absl::StrCat("\r\n--", *boundary);
  std::string again;
  const char* end = body.data();
  for (const MultipartPart& part : *parts) {
    Check(part.value.data() > end && part.value.data() + part.value.size() < body.data() + body.size());
    end = part.value.data() + part.value.size();
    // Its escapes could make the header too long.
    if (part.name.size() > kMaxPartHeaderBytes / 4) return;
    Check(part.value.find(delimiter) == std::string_view::npos);
    Check(body.substr(static_cast<size_t>(end - body.data())).starts_with(delimiter));
    absl::StrAppend(&again, "--", *boundary, "\r\nContent-Disposition: form-data; name=\"",
                    absl::StrReplaceAll(part.name, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"",
                    part.is_file ? "; filename=f" : "", "\r\n\r\n", std::string(part.value), "\r\n");
  }
  absl::StrAppend(&again, "--", *boundary, "--");
  const auto reread = ParseMultipart(again, *boundary);
  Check(reread && reread->size() == parts->size());
  for (size_t i = 0; i < parts->size(); ++i) {
    Check((*reread)[i].name == (*parts)[i].name && (*reread)[i].value == (*parts)[i].value &&
          (*reread)[i].is_file == (*parts)[i].is_file);
  }
}

}  // namespace
}  // namespace hookstream::provider

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  hookstream::provider::Try(input.substr(0, line), input.substr(line + 1));
  return 0;
}
