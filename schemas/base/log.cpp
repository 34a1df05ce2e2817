#include "schemas/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

namespace entente::log {
namespace {

std::atomic<Format> g_format{Format::json};  // set once by configure(), read by every thread

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("entente",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::warn);
    made->set_pattern("%v");
    return made;
  }();
  return *instance;
}

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\', out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

void configure(Level least, Format format) {
  g_format = format;
  logger().set_level(to_spdlog(least));
  logger().set_pattern(
      format == Format::json ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%fZ\",%v}" : "%H:%M:%S %L %v",
      spdlog::pattern_time_type::utc);
  logger().flush_on(spdlog::level::debug);
}

void write(Level level, std::string_view area, std::string_view event,
           std::initializer_list<Field> fields) {
  if (!logger().should_log(to_spdlog(level))) return;
  const bool json = g_format == Format::json;
  std::string line;
  if (json) {
    line = "\"level\":\"" + std::string(spdlog::level::to_string_view(to_spdlog(level)).data()) +
           "\",\"area\":";
    append_json(line, area);
    line += ",\"event\":";
    append_json(line, event);
    for (const Field& field : fields) {
      line += ',';
      append_json(line, field.name);
      line += ':';
      if (field.is_number) {
        line += field.text;
      } else {
        append_json(line, field.text);
      }
    }
  } else {
    line = fmt::format("{:<8} {}", area, event);
    for (const Field& field : fields) line += fmt::format("  {}={}", field.name, field.text);
  }
  logger().log(to_spdlog(level), "{}", line);
}

}  // namespace entente::log
