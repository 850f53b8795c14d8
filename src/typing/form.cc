#include "typing/form.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/text.h"

namespace hookstream::typing {
namespace {

void AppendString(std::string_view text, FormJson& out) {
  constexpr char kHex[] = "0123456789abcdef";
  out.json.push_back('"');
  while (!text.empty()) {
    const unsigned char c = static_cast<unsigned char>(text.front());
    size_t length = 1;
    if (c == '"' || c == '\\') {
      out.json.push_back('\\');
      out.json.push_back(text.front());
    } else if (c < 0x20) {
      out.json.append("\\u00");
      out.json.push_back(kHex[c >> 4]);
      out.json.push_back(kHex[c & 15]);
    } else if (const size_t character = Utf8Length(text); character != 0) {
      length = character;
      out.json.append(text.substr(0, length));
    } else {
      out.bad_utf8 = true;
      out.json.append("\xEF\xBF\xBD");
    }
    text.remove_prefix(length);
  }
  out.json.push_back('"');
}

}  // namespace

FormJson FormToJson(std::string_view form) {
  struct Field {
    std::string name;
    std::vector<std::string> values;
  };
  std::vector<Field> fields;
  absl::flat_hash_map<std::string, size_t> by_name;
  while (!form.empty()) {
    const size_t end = std::min(form.find('&'), form.size());
    const std::string_view pair = form.substr(0, end);
    form.remove_prefix(std::min(end + 1, form.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    std::string name = DecodeFormText(pair.substr(0, equals));
    const auto [it, added] = by_name.try_emplace(name, fields.size());
    if (added) fields.push_back({std::move(name), {}});
    fields[it->second].values.push_back(DecodeFormText(pair.substr(std::min(equals + 1, pair.size()))));
  }
  FormJson out;
  out.json.push_back('{');
  for (const Field& field : fields) {
    if (out.json.size() > 1) out.json.push_back(',');
    AppendString(field.name, out);
    out.json.push_back(':');
    const bool many = field.values.size() > 1;
    if (many) out.json.push_back('[');
    for (size_t i = 0; i < field.values.size(); ++i) {
      if (i != 0) out.json.push_back(',');
      AppendString(field.values[i], out);
    }
    if (many) out.json.push_back(']');
  }
  out.json.push_back('}');
  return out;
}

}  // namespace hookstream::typing
