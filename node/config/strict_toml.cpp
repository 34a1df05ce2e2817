#include "node/config/strict_toml.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "federation/query/suggest.h"

namespace entente::node {
namespace {

std::string line_of(const toml::node& node) {
  return std::to_string(node.source().begin.line);
}

}  // namespace

std::string StrictTable::place(std::string_view key) const {
  const toml::node* node = table_->get(key);
  std::string where = file_ + ":" + line_of(node != nullptr ? *node : *table_);
  if (!path_.empty() || !key.empty()) where += ", ";
  where += path_;
  if (!path_.empty() && !key.empty()) where += ".";
  return where + std::string(key);
}

void StrictTable::fail(std::string_view key, const std::string& what) {
  if (!error_) error_ = make_error(code_, place(key) + ": " + what);
}

void StrictTable::fail_in(std::string_view key, std::size_t index, const std::string& what) {
  const toml::node* node = table_->get(key);
  const toml::array* list = node != nullptr ? node->as_array() : nullptr;
  if (error_ || list == nullptr || index >= list->size()) return fail(key, what);
  std::string where = file_ + ":" + line_of((*list)[index]) + ", " + path_;
  if (!path_.empty()) where += ".";
  error_ = make_error(code_, where + std::string(key) + ": " + what);
}

const toml::node* StrictTable::take(std::string_view key, bool required) {
  asked_.emplace(key);
  const toml::node* node = table_->get(key);
  if (node == nullptr && required) fail(key, "is missing");
  return node;
}

std::string StrictTable::text(std::string_view key, std::optional<std::string> fallback) {
  const toml::node* node = take(key, !fallback);
  if (node == nullptr) return fallback.value_or("");
  if (const auto value = node->value<std::string>(); value && node->is_string()) return *value;
  fail(key, "must be a text in quotes");
  return {};
}

double StrictTable::number(std::string_view key, std::optional<double> fallback) {
  const toml::node* node = take(key, !fallback);
  if (node == nullptr) return fallback.value_or(0);
  const auto value = node->value<double>();
  if (value && node->is_number() && std::isfinite(*value)) return *value;
  fail(key, "must be a finite number");
  return 0;
}

std::int64_t StrictTable::integer(std::string_view key, std::int64_t least, std::int64_t most,
                                  std::optional<std::int64_t> fallback) {
  const toml::node* node = take(key, !fallback);
  if (node == nullptr) return fallback.value_or(least);
  const auto value = node->value<std::int64_t>();
  if (value && node->is_integer() && *value >= least && *value <= most) return *value;
  fail(key, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return least;
}

bool StrictTable::boolean(std::string_view key, bool fallback) {
  const toml::node* node = take(key, false);
  if (node == nullptr) return fallback;
  if (const auto value = node->value<bool>(); value && node->is_boolean()) return *value;
  fail(key, "must be true or false");
  return fallback;
}

Duration StrictTable::duration(std::string_view key, std::optional<Duration> fallback) {
  const toml::node* node = take(key, !fallback);
  if (node == nullptr) return fallback.value_or(Duration{});
  if (const auto value = node->value<std::string>(); value && node->is_string()) {
    if (const auto parsed = parse_duration(*value)) return *parsed;
  }
  fail(key, "must be a duration in quotes, such as \"24h\" or \"7d\"");
  return {};
}

std::optional<Instant> StrictTable::instant(std::string_view key) {
  const toml::node* node = take(key, false);
  if (node == nullptr) return {};
  if (const auto value = node->value<std::string>(); value && node->is_string()) {
    if (value->empty()) return {};
    if (const auto parsed = parse_instant(*value)) return *parsed;
  }
  fail(key, "must be a time in quotes, such as \"2027-01-01\"");
  return {};
}

std::vector<std::string> StrictTable::texts(std::string_view key) {
  std::vector<std::string> values;
  const toml::array* list = array(key);
  if (list == nullptr) return values;
  for (const toml::node& entry : *list) {
    const auto value = entry.value<std::string>();
    if (!value || !entry.is_string()) {
      fail(key, "must be a list of texts");
      break;
    }
    values.push_back(*value);
  }
  return values;
}

const toml::table* StrictTable::table(std::string_view key) {
  const toml::node* node = take(key, false);
  if (node == nullptr) return nullptr;
  if (const toml::table* inner = node->as_table()) return inner;
  fail(key, "must be a table");
  return nullptr;
}

const toml::array* StrictTable::array(std::string_view key) {
  const toml::node* node = take(key, false);
  if (node == nullptr) return nullptr;
  if (const toml::array* list = node->as_array()) return list;
  fail(key, "must be a list");
  return nullptr;
}

Outcome StrictTable::finish() {
  if (error_) return *error_;
  for (const auto& [key, node] : *table_) {
    if (asked_.contains(key.str())) continue;
    std::string allowed;
    for (const std::string& word : asked_) allowed += (allowed.empty() ? "" : ", ") + word;
    const std::vector<std::string> known(asked_.begin(), asked_.end());
    allowed += federation::did_you_mean(key.str(), known);
    return make_error(code_, file_ + ":" + std::to_string(key.source().begin.line) + ", '" + path_ +
                                 (path_.empty() ? "" : ".") + std::string(key.str()) +
                                 "' is not known here; known are: " + allowed);
  }
  return {};
}

Result<toml::table> parse_toml(std::string_view text, const std::string& file, ErrorCode code) {
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    return make_error(code, file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                                ": " + std::string(error.description()));
  }
}

Result<toml::table> load_toml(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return make_error(ErrorCode::not_found, "cannot read " + path);
  std::ostringstream text;
  text << stream.rdbuf();
  return parse_toml(text.str(), path, ErrorCode::config_invalid);
}

std::vector<std::string> keys_as_written(const toml::table& table) {
  std::vector<std::pair<toml::source_position, std::string>> order;
  for (const auto& [key, node] : table) {
    order.emplace_back(key.source().begin, std::string(key.str()));
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.line, a.first.column) < std::pair(b.first.line, b.first.column);
  });
  std::vector<std::string> keys;
  for (auto& [at, key] : order) keys.push_back(std::move(key));
  return keys;
}

}  // namespace entente::node
