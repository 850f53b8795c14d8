#include "app/yaml.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"
#include "base/units.h"

namespace hookstream::app {
namespace {

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string_view KindName(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map: return "a mapping";
    case YAML::NodeType::Sequence: return "a list";
    case YAML::NodeType::Scalar: return "a single value";
    default: return "nothing";
  }
}

}  // namespace

std::vector<std::string> Problems::Lines(std::vector<Problem> problems) const {
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.mark.line, a.mark.column) < std::pair(b.mark.line, b.mark.column);
  });
  std::vector<std::string> lines;
  for (const auto& [mark, message] : problems) {
    lines.push_back(mark.is_null() ? absl::StrCat(file_, ": ", message)
                                   : absl::StrCat(file_, ":", mark.line + 1, ":", mark.column + 1, ": ", message));
  }
  return lines;
}

std::string Closest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = EditDistance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

MapReader::MapReader(Problems& problems, YAML::Node node, std::string path, std::vector<KnownKey>* known)
    : problems_(problems),
      mark_(node.IsDefined() ? node.Mark() : YAML::Mark::null_mark()),
      path_(std::move(path)),
      known_(known) {
  if (!node.IsDefined() || node.IsNull()) return;
  if (!node.IsMap()) {
    problems_.Error(
        mark_, absl::StrCat(path_.empty() ? "the file" : path_, " must be a mapping, not ", ToAbsl(KindName(node))));
    return;
  }
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) {
      problems_.Error(pair.first.Mark(), "a key must be a plain word");
      continue;
    }
    const std::string& key = pair.first.Scalar();
    const auto earlier = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
    if (earlier != entries_.end()) {
      problems_.Error(pair.first.Mark(),
                      absl::StrCat("'", PathOf(key), "' is given twice; it is first on line ", earlier->mark.line + 1));
      continue;
    }
    entries_.push_back({key, pair.first.Mark(), pair.second, false});
  }
}

MapReader::~MapReader() {
  for (const Entry& entry : entries_) {
    if (entry.taken) continue;
    std::string hint;
    if (entry.key == "<<") {
      hint = "; merge keys are not supported: write the values out";
    } else if (const std::string meant = Closest(entry.key, asked_); !meant.empty()) {
      hint = absl::StrCat("; did you mean '", meant, "'?");
    } else if (!asked_.empty()) {
      hint = absl::StrCat("; known here: ", absl::StrJoin(asked_, ", "));
    }
    problems_.Error(entry.mark, absl::StrCat("unknown key '", PathOf(entry.key), "'", hint));
  }
}

std::string MapReader::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : absl::StrCat(path_, ".", ToAbsl(key));
}

const YAML::Node* MapReader::Find(std::string_view key) {
  asked_.emplace_back(key);
  for (Entry& entry : entries_) {
    if (entry.key != key) continue;
    entry.taken = true;
    return &entry.value;
  }
  return nullptr;
}

YAML::Mark MapReader::MarkOf(std::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.key == key) return entry.value.Mark().is_null() ? entry.mark : entry.value.Mark();
  }
  return mark_;
}

void MapReader::Error(std::string_view key, std::string_view message) {
  problems_.Error(MarkOf(key), absl::StrCat(PathOf(key), ": ", ToAbsl(message)));
}

void MapReader::Warning(std::string_view key, std::string_view message) {
  problems_.Warning(MarkOf(key), absl::StrCat(PathOf(key), ": ", ToAbsl(message)));
}

std::optional<std::string> MapReader::Scalar(std::string_view key, std::string_view kind, std::string_view value) {
  if (known_ != nullptr) known_->push_back({PathOf(key), std::string(kind), std::string(value)});
  const YAML::Node* node = Find(key);
  if (node == nullptr) return std::nullopt;
  if (!node->IsScalar()) {
    Error(key, absl::StrCat("must be a single value (", ToAbsl(kind), "), not ", ToAbsl(KindName(*node))));
    return std::nullopt;
  }
  return node->Scalar();
}

bool MapReader::Has(std::string_view key) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
}

std::vector<std::string> MapReader::Keys() const {
  std::vector<std::string> keys;
  for (const Entry& entry : entries_) keys.push_back(entry.key);
  return keys;
}

template <typename Parse>
bool MapReader::Parsed(std::string_view key, std::string_view kind, std::string_view value, const Parse& parse) {
  if (const auto text = Scalar(key, kind, value)) {
    if (absl::Status status = parse(*text); !status.ok()) {
      Error(key, std::string_view(status.message().data(), status.message().size()));
    }
  }
  return Has(key);
}

bool MapReader::String(std::string_view key, std::string& value, std::string_view kind) {
  return Parsed(key, kind, value, [&](const std::string& text) {
    if (text.empty()) return absl::InvalidArgumentError("must not be empty");
    value = text;
    return absl::OkStatus();
  });
}

bool MapReader::Bool(std::string_view key, bool& value) {
  return Parsed(key, "true or false", value ? "true" : "false", [&](const std::string& text) {
    if (text != "true" && text != "false") {
      return absl::InvalidArgumentError(absl::StrCat("must be true or false, not '", text, "'"));
    }
    value = text == "true";
    return absl::OkStatus();
  });
}

bool MapReader::Int(std::string_view key, int64_t& value, int64_t least, int64_t most) {
  const std::string kind = absl::StrCat("number, ", least, " to ", most);
  return Parsed(key, kind, absl::StrCat(value), [&](const std::string& text) {
    int64_t number = 0;
    if (!ParseWholeNumber(text, number) || number < least || number > most) {
      return absl::InvalidArgumentError(absl::StrCat("must be a whole ", kind, ", not '", text, "'"));
    }
    value = number;
    return absl::OkStatus();
  });
}

bool MapReader::Double(std::string_view key, double& value, double least, double most) {
  const std::string kind = absl::StrCat("number, ", least, " to ", most);
  return Parsed(key, kind, absl::StrCat(value), [&](const std::string& text) {
    double number = 0;
    if (!absl::SimpleAtod(text, &number) || !(number >= least && number <= most)) {
      return absl::InvalidArgumentError(absl::StrCat("must be a ", kind, ", not '", text, "'"));
    }
    value = number;
    return absl::OkStatus();
  });
}

bool MapReader::Bytes(std::string_view key, int64_t& value, int64_t least, int64_t most) {
  const std::string kind = absl::StrCat("size, ", BytesText(least), " to ", BytesText(most));
  return Parsed(key, kind, value == 0 ? "" : BytesText(value), [&](const std::string& text) -> absl::Status {
    const auto bytes = ParseBytesText(text);
    if (!bytes.ok()) return bytes.status();
    if (*bytes < least || *bytes > most) {
      return absl::InvalidArgumentError(absl::StrCat("must be a ", kind, ", not ", text));
    }
    value = *bytes;
    return absl::OkStatus();
  });
}

bool MapReader::Duration(std::string_view key, absl::Duration& value, absl::Duration least, absl::Duration most) {
  const std::string kind = absl::StrCat("duration, ", DurationText(least), " to ", DurationText(most));
  return Parsed(key, kind, value == absl::ZeroDuration() ? "" : DurationText(value),
                [&](const std::string& text) -> absl::Status {
                  const auto duration = ParseDurationText(text);
                  if (!duration.ok()) return duration.status();
                  if (*duration < least || *duration > most) {
                    return absl::InvalidArgumentError(absl::StrCat("must be a ", kind, ", not ", text));
                  }
                  value = *duration;
                  return absl::OkStatus();
                });
}

bool MapReader::Time(std::string_view key, std::optional<absl::Time>& value) {
  return Parsed(key, "time, RFC 3339", "", [&](const std::string& text) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", text, "' is no time: write it as RFC 3339, e.g. 2026-12-01T00:00:00Z"));
    }
    value = time;
    return absl::OkStatus();
  });
}

bool MapReader::Rate(std::string_view key, std::optional<double>& value) {
  return Parsed(key, "rate, as 500/s, 30/m or 1000/h", "", [&](const std::string& text) {
    const size_t slash = std::min(text.find('/'), text.size());
    const std::string unit = text.substr(slash);
    const double seconds = unit == "/s" ? 1 : unit == "/m" ? 60 : unit == "/h" ? 3600 : 0;
    int64_t number = 0;
    if (seconds == 0 || !ParseWholeNumber(std::string_view(text).substr(0, slash), number) || number < 1 ||
        number > 10'000'000) {
      return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no rate: write e.g. 500/s, 30/m or 1000/h"));
    }
    value = static_cast<double>(number) / seconds;
    return absl::OkStatus();
  });
}

bool MapReader::Choice(std::string_view key, size_t& value, const std::vector<std::string_view>& texts) {
  const std::string kind = absl::StrJoin(texts, ", ", [](std::string* out, std::string_view t) { out->append(t); });
  return Parsed(key, absl::StrCat("one of ", kind), value < texts.size() ? texts[value] : "",
                [&](const std::string& text) {
                  const auto found = std::find(texts.begin(), texts.end(), text);
                  if (found == texts.end()) {
                    return absl::InvalidArgumentError(absl::StrCat("must be one of ", kind, ", not '", text, "'"));
                  }
                  value = static_cast<size_t>(found - texts.begin());
                  return absl::OkStatus();
                });
}

bool MapReader::Strings(std::string_view key, std::vector<std::string>& values, std::string_view kind) {
  if (known_ != nullptr) known_->push_back({PathOf(key), std::string(kind), ""});
  const YAML::Node* node = Find(key);
  if (node == nullptr) return false;
  if (!node->IsSequence()) {
    Error(key, absl::StrCat("must be a list, not ", ToAbsl(KindName(*node))));
    return true;
  }
  for (const YAML::Node& item : *node) {
    if (item.IsScalar() && !item.Scalar().empty()) {
      values.push_back(item.Scalar());
    } else {
      problems_.Error(item.Mark(), absl::StrCat(PathOf(key), ": every item must be a text that is not empty"));
    }
  }
  return true;
}

bool MapReader::Map(std::string_view key, const std::function<void(MapReader&)>& read) {
  const YAML::Node* node = Find(key);
  if (node == nullptr) {
    MapReader nothing(problems_, YAML::Node(YAML::NodeType::Undefined), PathOf(key), known_);
    read(nothing);
    return false;
  }
  MapReader map(problems_, *node, PathOf(key), known_);
  read(map);
  return true;
}

bool MapReader::List(std::string_view key, const std::function<void(MapReader&)>& read) {
  const YAML::Node* node = Find(key);
  if (known_ != nullptr) {
    MapReader item(problems_, YAML::Node(YAML::NodeType::Undefined), absl::StrCat(PathOf(key), "[]"), known_);
    read(item);
  }
  if (node == nullptr || node->IsNull()) return false;
  if (!node->IsSequence()) {
    Error(key, absl::StrCat("must be a list, not ", ToAbsl(KindName(*node))));
    return true;
  }
  for (size_t i = 0; i < node->size(); ++i) {
    MapReader item(problems_, (*node)[i], absl::StrCat(PathOf(key), "[", i, "]"), nullptr);
    read(item);
  }
  return true;
}

}  // namespace hookstream::app
