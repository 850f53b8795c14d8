#include "base/log.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cmath>
#include <memory>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/text.h"

namespace hookstream {
namespace {

std::atomic<LogFormat> g_format{LogFormat::kText};

spdlog::logger& Logger() {
  // Leaked: threads may log while statics are destroyed.
  static spdlog::logger* logger = [] {
    auto* made = new spdlog::logger("hookstream", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v", spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "info";
}

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>,
                                     rapidjson::CrtAllocator, rapidjson::kWriteNanAndInfFlag>;

void WriteValue(JsonWriter& writer, const LogField::Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    // Values may come from the outside, and a line is always valid JSON.
    const std::string valid = ReplaceBadUtf8(*text, "?");
    writer.String(valid.data(), static_cast<rapidjson::SizeType>(valid.size()));
  } else if (const auto* number = std::get_if<int64_t>(&value)) {
    writer.Int64(*number);
  } else if (const auto* real = std::get_if<double>(&value)) {
    std::isfinite(*real) ? writer.Double(*real) : writer.Null();
  } else {
    writer.Bool(std::get<bool>(value));
  }
}

std::string_view View(const rapidjson::StringBuffer& buffer) { return {buffer.GetString(), buffer.GetSize()}; }

}  // namespace

void ConfigureLog(LogFormat format, LogLevel least) {
  g_format = format;
  Logger().set_level(ToSpdlog(least));
  if (format == LogFormat::kJson) Logger().set_pattern("%v", spdlog::pattern_time_type::utc);
}

bool LogEnabled(LogLevel level) { return Logger().should_log(ToSpdlog(level)); }

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  rapidjson::StringBuffer buffer;
  if (g_format == LogFormat::kJson) {
    JsonWriter writer(buffer);
    writer.StartObject();
    const std::string now = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
    writer.Key("time");
    writer.String(now.data(), static_cast<rapidjson::SizeType>(now.size()));
    writer.Key("level");
    writer.String(LevelName(level).data(), static_cast<rapidjson::SizeType>(LevelName(level).size()));
    writer.Key("message");
    writer.String(message.data(), static_cast<rapidjson::SizeType>(message.size()));
    for (const LogField& field : fields) {
      writer.Key(field.name.data(), static_cast<rapidjson::SizeType>(field.name.size()));
      WriteValue(writer, field.value);
    }
    writer.EndObject();
    Logger().log(ToSpdlog(level), "{}", View(buffer));
    return;
  }
  std::string line(message);
  for (const LogField& field : fields) {
    buffer.Clear();
    JsonWriter writer(buffer);
    WriteValue(writer, field.value);
    line.append("  ").append(field.name).append("=");
    line.append(View(buffer));
  }
  Logger().log(ToSpdlog(level), "{}", line);
}

}  // namespace hookstream
