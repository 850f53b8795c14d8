#include "provider/multipart.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace hookstream::provider {
namespace {

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

bool Same(std::string_view a, std::string_view b) { return absl::EqualsIgnoreCase(ToAbsl(a), ToAbsl(b)); }

// Reads `type; name=value; name="value"`, parameter after parameter.
class Parameterized {
 public:
  explicit Parameterized(std::string_view text) : text_(text) {
    const size_t end = text_.find(';');
    type_ = Trimmed(text_.substr(0, end));
    text_ = end == std::string_view::npos ? std::string_view() : text_.substr(end + 1);
  }

  std::string_view type() const { return type_; }
  bool malformed() const { return malformed_; }

  // False: there is no further one, or the text is malformed.
  bool Next(std::string_view& name, std::string& value) {
    text_ = Trimmed(text_);
    if (malformed_ || text_.empty()) return false;
    const size_t equals = text_.find('=');
    name = text_.substr(0, equals);
    if (equals == 0 || equals == std::string_view::npos || name.find_first_of("; \t\"") != std::string_view::npos) {
      return Malformed();
    }
    text_.remove_prefix(equals + 1);
    value.clear();
    if (text_.empty() || text_.front() != '"') {
      // Not only tokens: senders leave a boundary with a slash or an equals sign unquoted.
      const std::string_view plain = Trimmed(text_.substr(0, text_.find(';')));
      if (plain.empty() || plain.find_first_of("\" \t") != std::string_view::npos) return Malformed();
      value = plain;
      text_.remove_prefix(std::min(text_.find(';'), text_.size()));
    } else if (!Quoted(value)) {
      return Malformed();
    }
    text_ = Trimmed(text_);
    if (text_.empty()) return true;
    if (text_.front() != ';') return Malformed();
    text_.remove_prefix(1);
    return true;
  }

 private:
  bool Malformed() {
    malformed_ = true;
    return false;
  }

  bool Quoted(std::string& value) {
    for (size_t i = 1; i < text_.size(); ++i) {
      if (text_[i] == '"') {
        text_.remove_prefix(i + 1);
        return true;
      }
      // A backslash before anything else stands for itself: old browsers sent whole paths as file names.
      const bool escape = text_[i] == '\\' && i + 1 < text_.size() && (text_[i + 1] == '"' || text_[i + 1] == '\\');
      value.push_back(text_[escape ? ++i : i]);
    }
    return false;
  }

  std::string_view text_;
  std::string_view type_;
  bool malformed_ = false;
};

// A part's headers; false: they are not a form's.
bool ReadPartHeaders(std::string_view headers, MultipartPart& part) {
  bool has_disposition = false;
  bool encoded = false;
  while (!headers.empty()) {
    const size_t end = headers.find("\r\n");
    const std::string_view line = headers.substr(0, end);
    headers = end == std::string_view::npos ? std::string_view() : headers.substr(end + 2);
    const size_t colon = line.find(':');
    // A line that goes on with the one before (obsolete folding) has no name.
    if (colon == 0 || colon == std::string_view::npos || line.find_first_of(" \t") < colon) return false;
    if (line.find_first_of("\r\n") != std::string_view::npos) return false;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = Trimmed(line.substr(colon + 1));
    if (Same(name, "Content-Transfer-Encoding")) {
      encoded = !Same(value, "7bit") && !Same(value, "8bit") && !Same(value, "binary");
    }
    if (!Same(name, "Content-Disposition")) continue;
    Parameterized disposition(value);
    if (has_disposition || !Same(disposition.type(), "form-data")) return false;
    has_disposition = true;
    bool has_name = false;
    std::string_view parameter;
    std::string text;
    while (disposition.Next(parameter, text)) {
      if (Same(parameter, "filename") || Same(parameter, "filename*")) part.is_file = true;
      if (!Same(parameter, "name")) continue;
      if (has_name) return false;
      has_name = true;
      part.name = std::move(text);
    }
    if (disposition.malformed() || !has_name) return false;
  }
  return has_disposition && (part.is_file || !encoded);
}

}  // namespace

std::optional<std::string> MultipartBoundary(std::string_view content_type) {
  constexpr std::string_view kOthers = "'()+_,-./:=? ";
  Parameterized type(content_type);
  if (!Same(type.type(), "multipart/form-data")) return std::nullopt;
  std::optional<std::string> boundary;
  std::string_view name;
  std::string value;
  while (type.Next(name, value)) {
    if (!Same(name, "boundary")) continue;
    if (boundary) return std::nullopt;
    boundary = std::move(value);
  }
  if (type.malformed() || !boundary || boundary->empty() || boundary->size() > kMaxBoundaryBytes ||
      boundary->back() == ' ') {
    return std::nullopt;
  }
  for (const char c : *boundary) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && kOthers.find(c) == std::string_view::npos) {
      return std::nullopt;
    }
  }
  return boundary;
}

std::optional<std::vector<MultipartPart>> ParseMultipart(std::string_view body, std::string_view boundary) {
  const std::string delimiter = absl::StrCat("\r\n--", ToAbsl(boundary));
  const std::string_view first = std::string_view(delimiter).substr(2);
  std::string_view rest = body;
  if (rest.starts_with(first)) {
    rest.remove_prefix(first.size());
  } else {
    const size_t preamble = rest.find(delimiter);
    if (preamble == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(preamble + delimiter.size());
  }
  std::vector<MultipartPart> parts;
  // `rest` is what follows a boundary on its line.
  while (true) {
    const bool last = rest.substr(0, 2) == "--";
    if (last) rest.remove_prefix(2);
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    if (last && rest.empty()) return parts;
    if (rest.substr(0, 2) != "\r\n") return std::nullopt;
    if (last) return parts;
    rest.remove_prefix(2);
    if (parts.size() == kMaxMultipartParts) return std::nullopt;

    // Four bytes more: the empty line that ends the headers.
    const size_t header_bytes = rest.substr(0, kMaxPartHeaderBytes + 4).find("\r\n\r\n");
    if (header_bytes == std::string_view::npos) return std::nullopt;
    MultipartPart& part = parts.emplace_back();
    if (!ReadPartHeaders(rest.substr(0, header_bytes), part)) return std::nullopt;
    rest.remove_prefix(header_bytes + 4);
    // The headers' empty line could be taken for the boundary's.
    if (rest.starts_with(first)) return std::nullopt;
    const size_t end = rest.find(delimiter);
    if (end == std::string_view::npos) return std::nullopt;
    part.value = rest.substr(0, end);
    rest.remove_prefix(end + delimiter.size());
  }
}

}  // namespace hookstream::provider
