// multipart/form-data (RFC 7578, and RFC 2046 for the parts): only where the parts are is read, nothing is copied or
// decoded.
//
// Strict, for what one parser takes for a field and another does not is a hole: lines end with CRLF, a line that
// begins with the boundary is nothing but the boundary, every part has one Content-Disposition of form-data with one
// name, and the last boundary has to be there. A preamble and an epilogue are ignored. Pure, without exceptions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hookstream::provider {

inline constexpr size_t kMaxBoundaryBytes = 70;  // RFC 2046
inline constexpr size_t kMaxMultipartParts = 1'000;
inline constexpr size_t kMaxPartHeaderBytes = size_t{8} << 10;

struct MultipartPart {
  // The field's, with its backslashes resolved. Percent escapes stay: browsers write a quote as %22 and leave %22 as
  // it is.
  std::string name;
  // It came with a file name, be it an empty one: its value is no field's.
  bool is_file = false;
  // As long-lived as the body.
  std::string_view value;
};

// The boundary of a Content-Type of multipart/form-data. nullopt for other types, and without one boundary of 1 to
// kMaxBoundaryBytes of the characters that RFC 2046 allows.
std::optional<std::string> MultipartBoundary(std::string_view content_type);

// The parts in their order. nullopt: malformed, more than kMaxMultipartParts parts, more than kMaxPartHeaderBytes of
// headers in one of them, or a field with a transfer encoding that would have to be decoded.
std::optional<std::vector<MultipartPart>> ParseMultipart(std::string_view body, std::string_view boundary);

}  // namespace hookstream::provider
