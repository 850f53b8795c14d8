// Reading of YAML with nothing let through: a key that is not known, a key given twice, a value of the wrong kind or
// out of its range is a problem with file, line, column and, where one can be guessed, what was meant.
//
// A MapReader is one mapping; each of its methods takes one key, at most once. The destructor reports the keys that
// nothing took. A reader over nothing (a key that is absent) leaves every value as it was, so a default is simply
// the value that was there before. Not thread-safe.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace hookstream::app {

// What is wrong with a file.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  const std::string& file() const { return file_; }
  // "file:line:column: message"; without a mark, "file: message".
  void Error(const YAML::Mark& mark, std::string_view message) { errors_.push_back({mark, std::string(message)}); }
  void Warning(const YAML::Mark& mark, std::string_view message) { warnings_.push_back({mark, std::string(message)}); }

  bool ok() const { return errors_.empty(); }
  // In the order of the file.
  std::vector<std::string> Errors() const { return Lines(errors_); }
  std::vector<std::string> Warnings() const { return Lines(warnings_); }

 private:
  struct Problem {
    YAML::Mark mark;
    std::string message;
  };
  std::vector<std::string> Lines(std::vector<Problem> problems) const;

  std::string file_;
  std::vector<Problem> errors_;
  std::vector<Problem> warnings_;
};

// A key that the reader knows, for the documentation and its test.
struct KnownKey {
  std::string path;   // "sources[].keys[].id"
  std::string kind;   // "duration, 1s to 10m"
  std::string value;  // the default, as it would be written; empty: none
};

class MapReader {
 public:
  // `known`: every key is taken down there, and lists and maps are entered though there is nothing in them.
  MapReader(Problems& problems, YAML::Node node, std::string path, std::vector<KnownKey>* known = nullptr);
  ~MapReader();
  MapReader(const MapReader&) = delete;
  MapReader& operator=(const MapReader&) = delete;

  // True when the key is there, whether or not its value was usable.
  bool String(std::string_view key, std::string& value, std::string_view kind = "text");
  bool Bool(std::string_view key, bool& value);
  // Both ends of a range are allowed values.
  bool Int(std::string_view key, int64_t& value, int64_t least, int64_t most);
  bool Double(std::string_view key, double& value, double least, double most);
  bool Bytes(std::string_view key, int64_t& value, int64_t least, int64_t most);
  bool Duration(std::string_view key, absl::Duration& value, absl::Duration least, absl::Duration most);
  bool Time(std::string_view key, std::optional<absl::Time>& value);
  // "500/s", "30/m" or "1000/h"; as events per second.
  bool Rate(std::string_view key, std::optional<double>& value);
  // One of the texts; `value` is its index.
  bool Choice(std::string_view key, size_t& value, const std::vector<std::string_view>& texts);
  bool Strings(std::string_view key, std::vector<std::string>& values, std::string_view kind = "list of text");

  bool Map(std::string_view key, const std::function<void(MapReader&)>& read);
  // Every item is a mapping.
  bool List(std::string_view key, const std::function<void(MapReader&)>& read);

  // At the key's value, or at the mapping when the key is not there.
  void Error(std::string_view key, std::string_view message);
  void Warning(std::string_view key, std::string_view message);

  const std::string& path() const { return path_; }
  YAML::Mark MarkOf(std::string_view key) const;
  bool Has(std::string_view key) const;
  // Those that are there, for a mapping whose keys are names.
  std::vector<std::string> Keys() const;
  // Takes a key without reading its value.
  void Skip(std::string_view key) { Find(key); }
  // Whether only the keys are being taken down.
  bool describing() const { return known_ != nullptr; }

 private:
  // The scalar of a key: nullopt when it is absent or no scalar (then a problem).
  std::optional<std::string> Scalar(std::string_view key, std::string_view kind, std::string_view value);
  // `parse` gets the scalar and says what is wrong with it.
  template <typename Parse>
  bool Parsed(std::string_view key, std::string_view kind, std::string_view value, const Parse& parse);
  const YAML::Node* Find(std::string_view key);
  std::string PathOf(std::string_view key) const;

  struct Entry {
    std::string key;
    YAML::Mark mark;
    YAML::Node value;
    bool taken = false;
  };

  Problems& problems_;
  YAML::Mark mark_;
  std::string path_;
  std::vector<Entry> entries_;
  std::vector<std::string> asked_;
  std::vector<KnownKey>* known_;
};

// The known word that was probably meant; empty when none is close.
std::string Closest(std::string_view word, const std::vector<std::string>& known);

}  // namespace hookstream::app
