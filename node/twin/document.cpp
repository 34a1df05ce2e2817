#include "node/twin/document.h"

#include <toml++/toml.h>

#include <sstream>
#include <utility>

#include "node/limits.h"
#include "node/twin/json_text.h"

namespace entente::node {
namespace {

namespace json = boost::json;

json::value converted(const toml::node& node, const std::string& path,
                      std::map<std::string, std::size_t>& lines) {
  lines[path] = node.source().begin.line;
  switch (node.type()) {
    case toml::node_type::table: {
      json::object object;
      for (const auto& [key, value] : *node.as_table()) {
        const std::string name(key.str());
        const auto inner = path.empty() ? name : path + "." + name;
        object[name] = converted(value, inner, lines);
        lines[inner] = key.source().begin.line;
      }
      return object;
    }
    case toml::node_type::array: {
      json::array array;
      for (const auto& each : *node.as_array()) {
        array.push_back(converted(each, path + "[" + std::to_string(array.size()) + "]", lines));
      }
      return array;
    }
    case toml::node_type::string:
      return json::value(**node.as_string());
    case toml::node_type::integer:
      return json::value(**node.as_integer());
    case toml::node_type::floating_point:
      return json::value(**node.as_floating_point());
    case toml::node_type::boolean:
      return json::value(**node.as_boolean());
    default:
      break;
  }
  std::ostringstream text;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_date<decltype(value)> || toml::is_time<decltype(value)> ||
                  toml::is_date_time<decltype(value)>) {
      text << *value;
    }
  });
  return json::value(text.str());
}

// Lines of a JSON text's keys and array elements, by a walk over its characters. The text has been
// parsed before, so that the walk may trust its form.
class JsonLines {
 public:
  JsonLines(std::string text, std::map<std::string, std::size_t>& lines)
      : text_(std::move(text)), lines_(lines) {}

  void walk() { value(""); }

 private:
  void space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') ++line_;
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n') return;
      ++at_;
    }
  }
  char peek() { return space(), at_ < text_.size() ? text_[at_] : '\0'; }

  std::string string() {
    std::string raw;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') raw.push_back(text_[at_++]);
      if (at_ < text_.size()) raw.push_back(text_[at_]);
    }
    ++at_;
    return raw;
  }

  void value(const std::string& path) {
    const char first = peek();
    lines_[path] = line_;
    if (first == '{') return object(path);
    if (first == '[') return array(path);
    if (first == '"') return static_cast<void>(string());
    while (at_ < text_.size() &&
           std::string_view(",]} \t\r\n").find(text_[at_]) == std::string_view::npos) {
      ++at_;
    }
  }

  void object(const std::string& path) {
    ++at_;
    while (peek() == '"') {
      const auto line = line_;
      const auto key = string();
      const auto inner = path.empty() ? key : path + "." + key;
      if (peek() == ':') ++at_;
      value(inner);
      lines_[inner] = line;
      if (peek() == ',') ++at_;
    }
    if (peek() == '}') ++at_;
  }

  void array(const std::string& path) {
    ++at_;
    for (std::size_t index = 0; at_ < text_.size() && peek() != ']'; ++index) {
      value(path + "[" + std::to_string(index) + "]");
      if (peek() == ',') ++at_;
    }
    if (peek() == ']') ++at_;
  }

  const std::string text_;
  std::map<std::string, std::size_t>& lines_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

Result<Document> from_json(std::string_view text, std::string_view file) {
  auto value = parse_json(text, file, limits::kTypeNesting);
  if (!value) return std::move(value).error();
  Document document;
  document.file = file;
  document.root = std::move(*value);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  document.walked = text;
  return document;
}

}  // namespace

std::string Document::place(const std::string& path) const {
  if (!walked.empty()) JsonLines(std::exchange(walked, {}), lines).walk();
  auto wanted = path;
  while (true) {
    const auto found = lines.find(wanted);
    if (found != lines.end() && found->second > 0) {
      return file + ":" + std::to_string(found->second);
    }
    const auto cut = wanted.find_last_of(".[");
    if (cut == std::string::npos) return file;
    wanted.resize(cut);
  }
}

TextFormat format_of(std::string_view file) {
  return file.ends_with(".json") ? TextFormat::json : TextFormat::toml;
}

Result<Document> parse_document(std::string_view text, std::string_view file, TextFormat format) {
  if (format == TextFormat::json) return from_json(text, file);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Document document;
  document.file = file;
  try {
    const auto table = toml::parse(text, std::string(file));
    document.root = converted(table, "", document.lines);
  } catch (const toml::parse_error& failure) {
    return make_error(ErrorCode::config_invalid,
                      std::string(file) + ":" + std::to_string(failure.source().begin.line) + ":" +
                          std::to_string(failure.source().begin.column) + ": " +
                          std::string(failure.description()));
  }
  return document;
}

}  // namespace entente::node
