// Structured logging: one JSON line per event on standard error, or a short line on a terminal.
// Never a reading's value, a secret or a question's constant. Threads: any.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace entente::log {

enum class Level { debug, info, warn, error };

// A named value; numbers stay numbers in the JSON.
struct Field {
  Field(std::string_view n, std::string_view v) : name(n), text(v) {}
  Field(std::string_view n, const char* v) : name(n), text(v) {}
  Field(std::string_view n, const std::string& v) : name(n), text(v) {}
  template <class Number>
  requires std::is_arithmetic_v<Number> Field(std::string_view n, Number v)
      : name(n), text(std::to_string(v)), is_number(true) {}
  std::string_view name;
  std::string text;
  bool is_number = false;
};

enum class Format { json, plain };
// Once, at start. Before it, events at `warn` and above go to standard error as JSON.
void configure(Level least, Format format);
// `area` is the folder that speaks ("link", "store"); `event` what happened, in words.
void write(Level level, std::string_view area, std::string_view event,
           std::initializer_list<Field> fields = {});

inline void debug(std::string_view area, std::string_view event,
                  std::initializer_list<Field> fields = {}) {
  write(Level::debug, area, event, fields);
}
inline void info(std::string_view area, std::string_view event,
                 std::initializer_list<Field> fields = {}) {
  write(Level::info, area, event, fields);
}
inline void warn(std::string_view area, std::string_view event,
                 std::initializer_list<Field> fields = {}) {
  write(Level::warn, area, event, fields);
}
inline void error(std::string_view area, std::string_view event,
                  std::initializer_list<Field> fields = {}) {
  write(Level::error, area, event, fields);
}

}  // namespace entente::log
