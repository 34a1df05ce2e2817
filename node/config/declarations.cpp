#include "node/config/declarations.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "node/config/strict_toml.h"
#include "node/quality/rule_text.h"
#include "schemas/base/limits.h"
#include "schemas/base/zone.h"
#include "security/privacy/rho.h"

namespace entente::node {
namespace {

constexpr ErrorCode kCode = ErrorCode::config_invalid;

struct Domain {
  std::string zone;
  std::string unit;
  Duration block;
  RhoUnits cap;
  DeltaUnits delta;
  DeltaUnits threshold_delta;
};

// One file's tables, read into `out`; the first error sticks in `error`.
class Reader {
 public:
  Reader(std::string file, std::string site) : file_(std::move(file)), site_(std::move(site)) {}

  // `rules` and `retention` are those of the files before; the result has this file's beside them.
  Result<Declarations> read(const toml::table& root, const RuleBook& rules,
                            const RetentionRules& retention) {
    StrictTable top(root, file_, "", kCode);
    out_.quality = rules;
    if (const toml::table* quality = top.table("quality")) {
      if (auto done = read_rules(*quality, file_, out_.quality); !done) top.adopt(done.error());
    }
    out_.retention = retention;
    if (const toml::table* kept = top.table("retention")) {
      if (auto done = out_.retention.read(*kept, file_); !done) top.adopt(done.error());
    }
    each(top, "domain", [this](StrictTable& t, const std::string& name) { domain(t, name); });
    each(top, "export", [this](StrictTable& t, const std::string& name) { exported(t, name); });
    for (const auto& [name, view] : out_.exports) {
      for (const Measure& measure : view->measures) {
        out_.quality.restart_at_blocks(view->type, measure.signal, view->block, view->zone);
      }
    }
    each(top, "system", [this](StrictTable& t, const std::string& name) { system(t, name); });
    if (auto done = top.finish(); !done) return std::move(done).error();
    return std::move(out_);
  }

 private:
  template <class Read>
  void each(StrictTable& top, const std::string& kind, Read read) {
    const toml::table* tables = top.table(kind);
    if (tables == nullptr) return;
    for (const auto& [key, node] : *tables) {
      const std::string name(key.str());
      const toml::table* inner = node.as_table();
      if (inner == nullptr || !is_local_id(name)) {
        top.fail(kind, "'" + name + "' must be a table whose name is made of a-z 0-9 . _ -");
        return;
      }
      StrictTable table(*inner, file_, kind + "." + name, kCode);
      read(table, name);
      if (auto done = table.finish(); !done) top.adopt(done.error());
    }
  }

  void domain(StrictTable& table, const std::string& name) {
    Domain domain;
    if (name.starts_with("system.")) {
      return table.fail("", "names that begin with \"system.\" are for the quotas of system twins");
    }
    domain.unit = table.text("unit", "twin");
    if (!unit_rule_from(domain.unit)) {
      table.fail("unit",
                 "must be \"twin\", \"property:NAME\", \"ancestor:RELATIONSHIP\" or "
                 "\"ancestor:dtmi:…;1\"");
    }
    const std::string block = table.text("block", "1d");
    if (block != "lifetime") {
      const auto length = parse_duration(block);
      if (!length || (*length != hours(1) && *length != days(1) && *length != days(7))) {
        table.fail("block", "must be \"1h\", \"1d\", \"1w\" or \"lifetime\"");
      } else {
        domain.block = *length;
      }
    }
    domain.zone = table.text("zone", "UTC");
    if (!is_zone(domain.zone)) table.fail("zone", "is no IANA time zone");
    const double epsilon = table.number("epsilon");
    const double delta = table.number("delta");
    auto delta_units = security::delta_of(delta);
    if (!delta_units) return table.fail("delta", delta_units.error().what);
    domain.delta = *delta_units;
    auto cap = security::rho_cap_of(epsilon, domain.delta);
    if (!cap) return table.fail("epsilon", cap.error().what);
    domain.cap = *cap;
    if (const double threshold = table.number("threshold_delta", 0); threshold != 0) {
      auto units = security::delta_of(threshold);
      if (!units) return table.fail("threshold_delta", units.error().what);
      domain.threshold_delta = *units;
    }
    domains_[name] = domain;
  }

  void exported(StrictTable& table, const std::string& name) {
    ExportView view;
    view.name = name;
    view.site = site_;
    view.domain = table.text("domain");
    const auto domain = domains_.find(view.domain);
    if (domain == domains_.end()) {
      return table.fail("domain",
                        "'" + view.domain + "' is not declared as [domain.…] in this file");
    }
    view.zone = domain->second.zone;
    view.unit = domain->second.unit;
    view.block = domain->second.block;
    view.rho_cap = domain->second.cap;
    view.delta = domain->second.delta;
    view.threshold_delta = domain->second.threshold_delta;
    view.type = table.text("type");
    view.tick = table.duration("tick", hours(1));
    view.lateness = table.duration("lateness", Duration{});
    revisions(table, view);
    if (view.tick.ns <= 0) table.fail("tick", "must be above 0s");
    if (view.block.ns > 0 && view.tick.ns > 0 && view.block.ns % view.tick.ns != 0 &&
        view.tick.ns % view.block.ns != 0) {
      table.fail("tick", "must divide the block or be a multiple of it");
    }
    cells(table, view);
    contributions(table, view);
    private_keys(table, view);
    measures(table, view);
    out_.exports[name] = std::make_shared<const ExportView>(std::move(view));
  }

  static void revisions(StrictTable& table, ExportView& view) {
    for (const std::string& text : table.texts("revisions")) {
      const auto after = parse_duration(text);
      const Duration before = view.revisions.empty() ? Duration{} : view.revisions.back();
      if (!after || *after <= before || view.revisions.size() == kRevisions) {
        return table.fail("revisions",
                          "must hold at most " + std::to_string(kRevisions) +
                              " times after a window's close, ascending, such as \"2d\", \"30d\"");
      }
      view.revisions.push_back(*after);
    }
  }

  void cells(StrictTable& table, ExportView& view) {
    std::vector<std::set<std::string>> allowed;
    if (const toml::table* keys = table.table("keys")) {
      view.keys = keys_as_written(*keys);
      for (const std::string& key : view.keys) {
        StrictTable list(*keys, file_, table.path() + ".keys", kCode);
        const std::vector<std::string> values = list.texts(key);
        if (values.empty()) table.fail("keys", "'" + key + "' needs at least one value");
        allowed.emplace_back(values.begin(), values.end());
      }
    }
    if (view.keys.empty()) {
      view.cells.push_back(
          {{}, static_cast<std::uint32_t>(table.integer("units", 1, 100'000'000))});
      return;
    }
    const toml::table* units = table.table("units");
    if (units == nullptr) return table.fail("units", "must name the declared size of every cell");
    for (const std::string& label : keys_as_written(*units)) {
      PublicCell cell;
      std::stringstream parts(label);
      for (std::string part; std::getline(parts, part, '/');) cell.values.push_back(part);
      bool known = cell.values.size() == view.keys.size();
      for (std::size_t i = 0; known && i < cell.values.size(); ++i) {
        known = allowed[i].contains(cell.values[i]);
      }
      const auto size = units->get(label)->value<std::int64_t>();
      if (!known || !size || *size < 1 || *size > 100'000'000) {
        return table.fail("units", "'" + label +
                                       "' must name one declared value per key, joined by /, "
                                       "and a whole number from 1");
      }
      cell.units = static_cast<std::uint32_t>(*size);
      view.cells.push_back(std::move(cell));
    }
    if (view.cells.empty()) table.fail("units", "must name at least one cell");
  }

  static void contributions(StrictTable& table, ExportView& view) {
    view.groups_per_unit = static_cast<std::uint32_t>(
        table.integer("groups_per_unit", 1, static_cast<std::int64_t>(entente::limits::kCells), 1));
    if (view.unit == "twin" && view.groups_per_unit > 1) {
      table.fail("groups_per_unit", "must be 1: the unit of '" + view.domain +
                                        "' is a twin, and a twin lies in one group");
    }
  }

  static void private_keys(StrictTable& table, ExportView& view) {
    view.private_keys = table.texts("private_keys");
    if (view.private_keys.empty()) return;
    std::set<std::string> seen(view.keys.begin(), view.keys.end());
    for (const std::string& key : view.private_keys) {
      if (!seen.insert(key).second) {
        table.fail("private_keys", "'" + key + "' is named twice, here or in keys");
      }
    }
    if (view.private_keys.size() > entente::limits::kExportKeys) {
      table.fail("private_keys", "must name at most 8 properties");
    }
    view.private_min_units =
        static_cast<std::uint32_t>(table.integer("private_min_units", 1, 100'000'000, 10));
    auto delta = security::delta_of(table.number("private_delta"));
    if (!delta) return table.fail("private_delta", delta.error().what);
    view.private_delta = *delta;
    if (view.private_delta > view.threshold_delta) {
      table.fail("private_delta", "must be at most the threshold_delta of [domain." + view.domain +
                                      "], from which it is spent, and that is " +
                                      (view.threshold_delta.units == 0 ? "0" : "less"));
    }
  }

  // Nothing where the key is absent, or wrong, which is then said.
  static std::optional<Range> interval(StrictTable& table, const std::string& key) {
    const toml::array* pair = table.array(key);
    if (pair == nullptr) return std::nullopt;
    const auto lower = pair->size() == 2 ? pair->get(0)->value<double>() : std::nullopt;
    const auto upper = pair->size() == 2 ? pair->get(1)->value<double>() : std::nullopt;
    const bool finite = lower && upper && std::isfinite(*lower) && std::isfinite(*upper);
    if (finite && *lower < *upper) return Range{*lower, *upper};
    table.fail(key, "must be [lower, upper], two finite numbers with lower below upper");
    return std::nullopt;
  }

  void measures(StrictTable& table, ExportView& view) {
    const toml::table* all = table.table("measures");
    if (all == nullptr) return table.fail("measures", "must name at least one signal with bounds");
    for (const auto& [key, node] : *all) {
      const std::string signal(key.str());
      const toml::table* inner = node.as_table();
      if (inner == nullptr) return table.fail("measures", "'" + signal + "' must be a table");
      StrictTable one(*inner, file_, table.path() + ".measures." + signal, kCode);
      Measure measure;
      measure.signal = signal;
      measure.unit = one.text("unit", "");
      for (const Reducer reducer :
           {Reducer::mean, Reducer::delta, Reducer::last, Reducer::min, Reducer::max, Reducer::sum,
            Reducer::median, Reducer::duration}) {
        const std::string word(to_text(reducer));
        if (const auto pair = interval(one, word)) {
          measure.bounds.push_back({reducer, pair->minimum, pair->maximum});
        }
      }
      if (const auto valid = interval(one, "valid")) {
        auto added = out_.quality.add_valid(view.type, signal, *valid);
        if (!added) one.fail("valid", added.error().what);
      }
      const std::string word = one.text(
          "default",
          measure.bounds.empty() ? "mean" : std::string(to_text(measure.bounds.front().reducer)));
      const auto reducer = reducer_from_text(word);
      if (!reducer || measure.bounds_for(*reducer) == nullptr) {
        one.fail("default",
                 "'" + word + "' must be a reducer with bounds here, e.g. mean = [0, 200]");
      } else {
        measure.default_reducer = *reducer;
      }
      if (auto done = one.finish(); !done) return table.adopt(done.error());
      view.measures.push_back(std::move(measure));
    }
  }

  void system(StrictTable& table, const std::string& name) {
    federation::SystemTwin system;
    system.name = name;
    system.title = table.text("title", name);
    for (const std::string& member : table.texts("members")) {
      const auto at = member.find('@');
      if (at == std::string::npos || !is_local_id(member.substr(0, at)) ||
          !is_local_id(member.substr(at + 1))) {
        table.fail("members", "'" + member + "' must be an export: name@organisation");
        continue;
      }
      system.members.push_back({member.substr(0, at), member.substr(at + 1)});
    }
    if (auto needs = federation::needs_from_text(table.text("needs", "any")); !needs) {
      table.fail("needs", needs.error().what);
    } else {
      system.needs = *needs;
    }
    system.answer = composite_answer_from_text(table.text("answer", "routed"));
    if (!system.answer) table.fail("answer", "must be \"routed\" or \"own\"");
    if (const toml::table* properties = table.table("property")) {
      for (const auto& [key, node] : *properties) property(table, system, key.str(), node);
    }
    for (const char* later : {"alert", "model"}) {
      if (table.table(later) == nullptr) continue;
      table.fail(later, std::string(later) +
                            "s on a system twin are not there in this version: take the table out");
    }
    if (auto checked = federation::check_system(system); !checked) {
      table.fail("", checked.error().what);
    }
    out_.systems[name] = std::move(system);
  }

  void property(StrictTable& table, federation::SystemTwin& system, std::string_view key,
                const toml::node& node) {
    const toml::table* inner = node.as_table();
    if (inner == nullptr || !is_local_id(key)) {
      return table.fail("property", "must be a table of tables, each named by a-z 0-9 . _ -");
    }
    StrictTable one(*inner, file_, table.path() + ".property." + std::string(key), kCode);
    federation::SystemProperty property;
    property.name = std::string(key);
    property.item = one.text("item");
    property.over = one.duration("over", days(1));
    if (const auto bounds = interval(one, "bounds")) {
      property.lower = bounds->minimum;
      property.upper = bounds->maximum;
    }
    if (one.has("every")) property.every = one.duration("every");
    property.unit = one.text("unit", "");
    property.kept = one.boolean("keep", false);
    if (one.has("epsilon")) property.epsilon = one.number("epsilon");
    if (property.epsilon && !(*property.epsilon > 0)) one.fail("epsilon", "must be above 0");
    property.purpose = one.text("purpose", "");
    property.since = one.instant("since");
    property.until = one.instant("until");
    if (auto done = one.finish(); !done) return table.adopt(done.error());
    system.properties.push_back(std::move(property));
  }

  std::string file_;
  std::string site_;
  std::map<std::string, Domain> domains_;
  Declarations out_;
};

}  // namespace

Outcome read_declarations(std::string_view text, const std::string& file, const std::string& site,
                          Declarations& into) {
  auto parsed = parse_toml(text, file, kCode);
  if (!parsed) return std::move(parsed).error();
  auto read = Reader(file, site).read(*parsed, into.quality, into.retention);
  if (!read) return std::move(read).error();
  for (const auto& [name, view] : read->exports) {
    if (into.exports.contains(name)) {
      return make_error(kCode, file + ": the export '" + name + "' is declared twice");
    }
  }
  for (const auto& [name, system] : read->systems) {
    if (into.systems.contains(name)) {
      return make_error(kCode, file + ": the system '" + name + "' is declared twice");
    }
  }
  for (const auto& [name, system] : read->systems) {
    if (!into.exports.contains(name) && !read->exports.contains(name)) continue;
    return make_error(kCode, file + ": the system '" + name + "' has the name of an export",
                      "partners ask both by their names: choose another");
  }
  for (const auto& [name, view] : read->exports) {
    if (!into.systems.contains(name)) continue;
    return make_error(kCode, file + ": the export '" + name + "' has the name of a system",
                      "partners ask both by their names: choose another");
  }
  into.exports.merge(read->exports);
  into.systems.merge(read->systems);
  into.quality = std::move(read->quality);
  into.retention = std::move(read->retention);
  return {};
}

Result<Declarations> load_declarations(const std::string& folder, const std::string& site) {
  Declarations all;
  std::error_code missing;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  if (missing && missing != std::errc::no_such_file_or_directory) {
    return make_error(kCode, "cannot read the folder " + folder + ": " + missing.message());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    if (!stream) return make_error(kCode, "cannot read " + file.string());
    if (auto read = read_declarations(text.str(), file.string(), site, all); !read) {
      return std::move(read).error();
    }
  }
  return all;
}

}  // namespace entente::node
