// Structured logs: one line per decision, as JSON or as text, on stderr.
//
//   Log(LogLevel::kInfo, "event accepted", {{"event_id", id}, {"bytes", body.size()}});
//
// Thread-safe. A field's value never holds a secret or a body.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace hookstream {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

struct LogField {
  using Value = std::variant<std::string_view, int64_t, double, bool>;

  template <typename T>
  LogField(std::string_view field_name, const T& field_value) : name(field_name) {
    if constexpr (std::is_same_v<T, bool>) {
      value = field_value;
    } else if constexpr (std::is_integral_v<T>) {
      value = static_cast<int64_t>(field_value);
    } else if constexpr (std::is_floating_point_v<T>) {
      value = static_cast<double>(field_value);
    } else {
      value = std::string_view(field_value.data(), field_value.size());
    }
  }
  LogField(std::string_view field_name, const char* field_value)
      : name(field_name), value(std::string_view(field_value)) {}

  std::string_view name;
  Value value;
};

// Before the first line; the default is text from kInfo on.
void ConfigureLog(LogFormat format, LogLevel least);

// Cheap test, for fields that cost something to make.
bool LogEnabled(LogLevel level);

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace hookstream
