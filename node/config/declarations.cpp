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
        table.fail("members", "'" + member + "' must be an export of a partner: name@organisation");
        continue;
      }
      system.members.push_back({member.substr(0, at), member.substr(at + 1)});
    }
    if (auto needs = federation::needs_from_text(table.text("needs", "any")); !needs) {
      table.fail("needs", needs.error().what);
    } else {
      system.needs = *needs;
    }
    if (table.text("answer", "routed") != "routed") {
      table.fail("answer", "this version routes questions to the members: write \"routed\"");
    }
    if (const toml::table* properties = table.table("property")) {
      for (const auto& [key, node] : *properties) property(table, system, key.str(), node);
    }
    if (auto checked = federation::check_system(system); !checked) {
      table.fail("", checked.error().what);
    }
    out_.systems[name] = std::move(system);
  }

  void property(StrictTable& table, federation::SystemTwin& system, std::string_view key,
                const toml::node& node) {
    const toml::table* inner = node.as_table();
    if (inner == nullptr) return table.fail("property", "must be a table of tables");
    StrictTable one(*inner, file_, table.path() + ".property." + std::string(key), kCode);
    federation::SystemProperty property;
    property.name = std::string(key);
    property.item = one.text("item");
    property.over = one.duration("over", days(1));
    if (const auto bounds = interval(one, "bounds")) {
      property.lower = bounds->minimum;
      property.upper = bounds->maximum;
    }
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

Result<AgreementText> read_agreement(std::string_view text, const std::string& file) {
  constexpr ErrorCode kInvalid = ErrorCode::agreement_invalid;
  auto parsed = parse_toml(text, file, kInvalid);
  if (!parsed) return std::move(parsed).error();
  StrictTable top(*parsed, file, "", kInvalid);
  AgreementText out;
  if (const toml::table* section = top.table("agreement")) {
    StrictTable table(*section, file, "agreement", kInvalid);
    out.name = table.text("name");
    if (!is_local_id(out.name)) table.fail("name", "is no name: use a-z 0-9 . _ -");
    out.partner = table.text("partner");
    out.exports = table.texts("exports");
    if (out.exports.empty()) table.fail("exports", "must name at least one export");
    out.terms.purposes = table.texts("purposes");
    for (const std::string& word : table.texts("aggregates")) {
      const auto aggregate = aggregate_from_text(word);
      if (!aggregate) {
        table.fail("aggregates", "'" + word +
                                     "' is no aggregate; known are count, share, sum, mean, "
                                     "variance, stddev, min, max, median, quantile, histogram");
      } else {
        out.terms.aggregates.push_back(*aggregate);
      }
    }
    std::sort(out.terms.aggregates.begin(), out.terms.aggregates.end());
    out.terms.min_units = static_cast<std::uint32_t>(table.integer("min_units", 1, 1'000'000, 10));
    out.terms.min_sites = static_cast<std::uint32_t>(table.integer("min_sites", 1, 1'000, 1));
    if (out.terms.min_sites > 1) {
      table.fail("min_sites", "above 1 needs secure aggregation, which this version does not have");
    }
    out.epsilon_per_block = table.number("epsilon_per_block");
    out.epsilon_guaranteed = table.number("epsilon_guaranteed", 0);
    if (!(out.epsilon_guaranteed >= 0 && out.epsilon_guaranteed <= out.epsilon_per_block)) {
      table.fail("epsilon_guaranteed", "must be from 0 to epsilon_per_block");
    }
    out.terms.onward = table.texts("onward");
    if (!out.terms.onward.empty()) {
      table.fail("onward", "this version grants no onward sharing: write []");
    }
    const auto expires = table.instant("expires");
    if (!expires) table.fail("expires", "must be a time, such as \"2027-01-01\"");
    out.terms.expires = expires.value_or(Instant{});
    if (auto done = table.finish(); !done) top.adopt(done.error());
  } else {
    top.fail("agreement", "the section [agreement] is missing");
  }
  if (const toml::array* tests = top.array("test")) {
    for (const toml::node& node : *tests) {
      const toml::table* inner = node.as_table();
      if (inner == nullptr) {
        top.fail("test", "must be [[test]] tables");
        break;
      }
      StrictTable test(*inner, file, "test", kInvalid);
      const bool must = test.has("must");
      if (must == test.has("must_not")) test.fail("must", "write either must or must_not");
      out.terms.tests.push_back({must, test.text(must ? "must" : "must_not")});
      if (auto done = test.finish(); !done) top.adopt(done.error());
    }
  }
  if (auto done = top.finish(); !done) return std::move(done).error();
  return out;
}

Result<Agreement> offer_of(const AgreementText& text, const Declarations& declarations) {
  Agreement terms = text.terms;
  terms.name = text.name;
  for (const std::string& name : text.exports) {
    const auto view = declarations.exports.find(name);
    if (view == declarations.exports.end()) {
      return make_error(ErrorCode::agreement_invalid,
                        "agreement.exports: this site has no export '" + name + "'");
    }
    if (!terms.exports.empty() && terms.exports.front().delta != view->second->delta) {
      return make_error(
          ErrorCode::agreement_invalid,
          "agreement.exports: exports of domains with different delta need an agreement each");
    }
    terms.exports.push_back(*view->second);
  }
  auto quota = security::rho_cap_of(text.epsilon_per_block, terms.exports.front().delta);
  if (!quota) {
    return make_error(ErrorCode::agreement_invalid,
                      "agreement.epsilon_per_block: " + quota.error().what);
  }
  terms.rho_per_block = *quota;
  if (text.epsilon_guaranteed > 0) {
    auto least = security::rho_cap_of(text.epsilon_guaranteed, terms.exports.front().delta);
    if (!least) {
      return make_error(ErrorCode::agreement_invalid,
                        "agreement.epsilon_guaranteed: " + least.error().what);
    }
    terms.rho_guaranteed = *least;
  }
  return terms;
}

}  // namespace entente::node
