#include "node/quality/rule_text.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "node/config/strict_toml.h"
#include "node/limits.h"

namespace entente::node {
namespace {

constexpr ErrorCode kCode = ErrorCode::config_invalid;

std::optional<Range> range_of(StrictTable& table, std::string_view key) {
  const toml::array* pair = table.array(key);
  if (pair == nullptr) return std::nullopt;
  const auto lower = pair->size() == 2 ? pair->get(0)->value<double>() : std::nullopt;
  const auto upper = pair->size() == 2 ? pair->get(1)->value<double>() : std::nullopt;
  if (!lower || !upper || !std::isfinite(*lower) || !std::isfinite(*upper) || *lower > *upper) {
    table.fail(key, "must be [least, most], two finite numbers");
    return std::nullopt;
  }
  return Range{*lower, *upper};
}

// A number from `least`; absent when the file does not say it.
std::optional<double> number_of(StrictTable& table, std::string_view key, double least,
                                const char* must) {
  if (!table.has(key)) return table.number(key, 0), std::nullopt;
  const double value = table.number(key);
  if (!table.failed() && value < least) table.fail(key, must);
  return value;
}

std::optional<Duration> duration_of(StrictTable& table, std::string_view key) {
  if (!table.has(key)) return table.duration(key, Duration{}), std::nullopt;
  const Duration value = table.duration(key);
  if (!table.failed() && value.ns < 0) table.fail(key, "must not be negative");
  return value;
}

void read_other_units(StrictTable& table, RuleKeys::Unit& unit) {
  const std::string own = table.text("own", "");
  const std::vector<std::string> others = table.texts("others");
  const bool by_numbers = table.has("factor") || table.has("offset");
  const Conversion given{table.number("factor", 1), table.number("offset", 0)};
  if (table.failed()) return;
  if (by_numbers) {
    if (given.factor == 0) return table.fail("factor", "must not be 0");
    if (!own.empty() || !others.empty()) {
      return table.fail("factor", "stands instead of own and others, not beside them");
    }
    unit.others.push_back(given);
    return;
  }
  if (own.empty() || others.empty() || others.size() > limits::kOtherUnits) {
    return table.fail("", "needs own and 1 to " + std::to_string(limits::kOtherUnits) +
                              " others, or factor and offset");
  }
  for (const std::string& other : others) {
    const auto way = conversion(own, other);
    if (!way) {
      return table.fail("others", "no way is known from '" + own + "' to '" + other +
                                      "': give factor and offset instead");
    }
    unit.others.push_back(*way);
  }
}

void read_unit(StrictTable& table, RuleKeys& keys) {
  const toml::table* inner = table.table("unit");
  if (inner == nullptr) return;
  StrictTable one(*inner, table.file(), table.path() + ".unit", kCode);
  RuleKeys::Unit unit;
  const auto expected = range_of(one, "expected");
  if (!expected) one.fail("expected", "must say the least and the most that is usual");
  unit.expected = expected.value_or(Range{});
  read_other_units(one, unit);
  if (auto done = one.finish(); !done) table.adopt(done.error());
  keys.unit = std::move(unit);
}

RuleKeys read_keys(StrictTable& table) {
  constexpr const char* kNotNegative = "must not be negative";
  RuleKeys keys;
  keys.range = range_of(table, "range");
  keys.rate_per_second = number_of(table, "rate_per_second", 0, kNotNegative);
  keys.stuck = duration_of(table, "stuck");
  keys.dither = number_of(table, "dither", 0, kNotNegative);
  keys.spike = number_of(table, "spike", 0, kNotNegative);
  keys.spike_floor = number_of(table, "spike_floor", 0, kNotNegative);
  const auto least = static_cast<std::int64_t>(limits::kSpikeWindowMin);
  const auto most = static_cast<std::int64_t>(limits::kSpikeWindowMax);
  const auto window = table.integer("spike_window", least, most, least);
  if (table.has("spike_window")) keys.spike_window = static_cast<int>(window);
  keys.period = duration_of(table, "period");
  keys.gap_factor = number_of(table, "gap_factor", 1, "must be 1 or more");
  keys.jitter = number_of(table, "jitter", 0, kNotNegative);
  const bool flat = table.boolean("flat_after_gap", false);
  if (table.has("flat_after_gap")) keys.flat_after_gap = flat;
  keys.clock_ahead = duration_of(table, "clock_ahead");
  keys.clock_behind = duration_of(table, "clock_behind");
  read_unit(table, keys);
  return keys;
}

struct Read {
  std::string owner;
  std::string signal;
  RuleKeys keys;
  std::string place;
};

// The signals under one type or twin.
Outcome read_owner(const toml::node& node, const std::string& owner, const std::string& path,
                   const std::string& file, std::vector<Read>& into) {
  const toml::table* signals = node.as_table();
  if (signals == nullptr) {
    return make_error(kCode, file + ":" + std::to_string(node.source().begin.line) + ", " + path +
                                 ": must be a table of signals");
  }
  for (const auto& [key, inner] : *signals) {
    const std::string signal(key.str());
    const toml::table* keys = inner.as_table();
    if (keys == nullptr) {
      return make_error(kCode, file + ":" + std::to_string(key.source().begin.line) + ", " + path +
                                   "." + signal + ": must be a table of rules for that signal");
    }
    StrictTable table(*keys, file, path + "." + signal, kCode);
    Read one{owner, signal, read_keys(table), table.place("")};
    if (auto done = table.finish(); !done) return done;
    into.push_back(std::move(one));
  }
  return {};
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string number_text(double value) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string pair_text(const Range& range) {
  return "[" + number_text(range.minimum) + ", " + number_text(range.maximum) + "]";
}

std::string header(std::string_view before, std::string_view owner, std::string_view signal) {
  return "[quality." + std::string(before) + in_quotes(owner) + "." + in_quotes(signal) + "]\n";
}

}  // namespace

Outcome read_rules(const toml::table& quality, const std::string& file, RuleBook& into) {
  std::vector<Read> types, twins;
  for (const auto& [key, node] : quality) {
    const std::string name(key.str());
    if (name != "twin") {
      auto done = read_owner(node, name, "quality." + in_quotes(name), file, types);
      if (!done) return done;
      continue;
    }
    const toml::table* owners = node.as_table();
    if (owners == nullptr) {
      return make_error(kCode, file + ":" + std::to_string(key.source().begin.line) +
                                   ", quality.twin: must be a table of twins");
    }
    for (const auto& [twin, inner] : *owners) {
      const std::string id(twin.str());
      auto done = read_owner(inner, id, "quality.twin." + in_quotes(id), file, twins);
      if (!done) return done;
    }
  }
  RuleBook copy = into;
  for (auto* list : {&types, &twins}) {
    for (Read& one : *list) {
      auto added = list == &types ? copy.add_for_type(one.owner, one.signal, std::move(one.keys))
                                  : copy.add_for_twin(one.owner, one.signal, std::move(one.keys));
      if (!added) return make_error(kCode, one.place + ": " + added.error().what);
    }
  }
  into = std::move(copy);
  return {};
}

Outcome read_rule_file(std::string_view text, const std::string& file, RuleBook& into) {
  auto parsed = parse_toml(text, file, kCode);
  if (!parsed) return std::move(parsed).error();
  StrictTable top(*parsed, file, "", kCode);
  const toml::table* quality = top.table("quality");
  if (auto done = top.finish(); !done) return done;
  return quality == nullptr ? Outcome{} : read_rules(*quality, file, into);
}

Outcome load_rule_file(const std::string& path, RuleBook& into) {
  std::error_code missing;
  if (!std::filesystem::exists(path, missing) && !missing) return {};
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream) return make_error(kCode, "cannot read " + path);
  return read_rule_file(text.str(), path, into);
}

std::string rule_text(const RuleKeys& keys) {
  std::string out;
  const auto line = [&](std::string_view key, const std::string& value) {
    out.append(key).append(" = ").append(value).append("\n");
  };
  const auto number = [&](std::string_view key, const auto& value) {
    if (value) line(key, number_text(*value));
  };
  const auto duration = [&](std::string_view key, const std::optional<Duration>& value) {
    if (value) line(key, in_quotes(value->ns == 0 ? "0s" : to_text(*value)));
  };
  if (keys.range) line("range", pair_text(*keys.range));
  number("rate_per_second", keys.rate_per_second);
  duration("stuck", keys.stuck);
  number("dither", keys.dither);
  number("spike", keys.spike);
  if (keys.spike_window) line("spike_window", std::to_string(*keys.spike_window));
  number("spike_floor", keys.spike_floor);
  duration("period", keys.period);
  number("gap_factor", keys.gap_factor);
  number("jitter", keys.jitter);
  if (keys.flat_after_gap) line("flat_after_gap", *keys.flat_after_gap ? "true" : "false");
  duration("clock_ahead", keys.clock_ahead);
  duration("clock_behind", keys.clock_behind);
  if (keys.unit && keys.unit->others.size() == 1) {
    line("unit", "{ expected = " + pair_text(keys.unit->expected) +
                     ", factor = " + number_text(keys.unit->others[0].factor) +
                     ", offset = " + number_text(keys.unit->others[0].offset) + " }");
  }
  return out;
}

std::string rule_header_for_type(std::string_view type, std::string_view signal) {
  return header("", type, signal);
}

std::string rule_header_for_twin(std::string_view twin, std::string_view signal) {
  return header("twin.", twin, signal);
}

}  // namespace entente::node
