#include "node/twin/json_text.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <set>
#include <string>
#include <vector>

namespace entente::node {
namespace {

namespace json = boost::json;

// Follows the events of a parse and stops at the first key that its object already has.
struct RepeatedKeys {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  std::vector<std::set<std::string>> objects;
  std::string key;
  std::string repeated;

  using code = boost::system::error_code;
  bool on_document_begin(code&) { return true; }
  bool on_document_end(code&) { return true; }
  bool on_object_begin(code&) { return objects.emplace_back(), true; }
  bool on_object_end(std::size_t, code&) { return objects.pop_back(), true; }
  bool on_array_begin(code&) { return true; }
  bool on_array_end(std::size_t, code&) { return true; }
  bool on_key_part(json::string_view part, std::size_t, code&) { return key.append(part), true; }
  bool on_key(json::string_view part, std::size_t, code& failure) {
    key.append(part);
    if (!objects.back().insert(key).second) {
      repeated = key;
      failure = json::error::syntax;
      return false;
    }
    key.clear();
    return true;
  }
  bool on_string_part(json::string_view, std::size_t, code&) { return true; }
  bool on_string(json::string_view, std::size_t, code&) { return true; }
  bool on_number_part(json::string_view, code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, code&) { return true; }
  bool on_double(double, json::string_view, code&) { return true; }
  bool on_bool(bool, code&) { return true; }
  bool on_null(code&) { return true; }
  bool on_comment_part(json::string_view, code&) { return true; }
  bool on_comment(json::string_view, code&) { return true; }
};

std::string place(std::string_view text, std::size_t offset) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    ++column;
    if (text[i] == '\n') ++line, column = 1;
  }
  return std::to_string(line) + ":" + std::to_string(column);
}

}  // namespace

Result<json::value> parse_json(std::string_view text, std::string_view file, int depth_max) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  json::parse_options options;
  options.max_depth = static_cast<std::size_t>(depth_max);
  json::basic_parser<RepeatedKeys> parser(options);
  boost::system::error_code failure;
  const auto used = parser.write_some(false, text.data(), text.size(), failure);
  const auto refuse = [&](const std::string& reason) {
    return make_error(ErrorCode::config_invalid,
                      std::string(file) + ":" + place(text, used) + ": " + reason);
  };
  if (!parser.handler().repeated.empty()) {
    return refuse("the key \"" + parser.handler().repeated + "\" stands twice in one object");
  }
  if (failure) return refuse("not JSON: " + failure.message());
  if (text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
    return refuse("text after the end of the JSON value");
  }
  auto value = json::parse(text, failure, {}, options);
  if (failure) return refuse("not JSON: " + failure.message());
  return value;
}

}  // namespace entente::node
