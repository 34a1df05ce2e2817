#include "node/history/fold_source.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "schemas/base/limits.h"
#include "schemas/rules.h"

namespace entente::node {
namespace {

constexpr std::size_t kUnitsAtOnce = 16'384;  // their summaries are in memory together
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// A twin in a declared cell of the groups asked for.
struct Member {
  const Twin* twin = nullptr;
  std::uint32_t cell = 0;
  std::uint32_t group = 0;
  std::vector<std::string> keys;
  const UnitSpans* units = nullptr;  // null: it never had one, or is its own
};

// Ticks next to each other in which every twin stays in its unit, or one in which some do not.
struct Run {
  std::size_t first = 0;
  std::size_t count = 0;
  TimeWindow window;
};

// One entry of the table.
struct Place {
  std::string unit;
  std::uint32_t group = 0;
  std::vector<std::string> keys;
  auto operator<=>(const Place&) const = default;
};
struct Entry {
  std::uint32_t cell = kNone;
  std::size_t index = 0;
};
using Entries = std::map<Place, Entry>;

Error unknown(const std::string& what) {
  return make_error(ErrorCode::query_unknown_name, what);
}

std::optional<std::string> property_text(const Twin& twin, const std::string& name) {
  const auto found = twin.properties.find(name);
  return found == twin.properties.end() ? std::nullopt : std::optional(to_text(found->second));
}

Outcome check_names(const ResolvedType& type, const federation::FoldRequest& request) {
  for (const auto* keys : {&request.view->keys, &request.private_keys}) {
    for (const auto& key : *keys) {
      if (type.property(key) != nullptr) continue;
      return unknown(type.id + " has no property \"" + key + "\"");
    }
  }
  const auto rule = unit_rule_from(request.view->unit);
  if (!rule) return unknown("\"" + request.view->unit + "\" says no unit");
  if (rule->kind == UnitRule::Kind::property && type.property(rule->name) == nullptr) {
    return unknown(type.id + " has no property \"" + rule->name + "\" to make units of");
  }
  if (rule->kind == UnitRule::Kind::relationship && type.relationship(rule->name) == nullptr) {
    return unknown(type.id + " has no relationship \"" + rule->name + "\" to make units of");
  }
  for (const auto& column : request.columns) {
    const auto* signal = type.signal(column.signal);
    if (signal == nullptr) return unknown(type.id + " has no signal \"" + column.signal + "\"");
    if (!signal->numeric) return unknown("the signal \"" + column.signal + "\" is no number");
  }
  return {};
}

std::vector<std::uint32_t> groups_of_cells(const federation::FoldRequest& request) {
  std::vector<std::uint32_t> groups(request.view->cells.size(), kNone);
  for (std::uint32_t g = 0; g < request.groups.size(); ++g) {
    for (const std::uint32_t cell : request.groups[g]) groups.at(cell) = g;
  }
  if (request.groups.empty()) {
    for (std::uint32_t cell = 0; cell < groups.size(); ++cell) groups[cell] = cell;
  }
  return groups;
}

// The values of these properties; false when one is missing.
bool read_values(const Twin& twin, const std::vector<std::string>& names,
                 std::vector<std::string>& values) {
  values.resize(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto text = property_text(twin, names[i]);
    if (!text || text->empty()) return false;
    values[i] = std::move(*text);
  }
  return true;
}

// In id order. `units` is null where every twin is a unit.
std::vector<Member> members_of(const TwinGraph& graph, const federation::FoldRequest& request,
                               const UnitMap* units) {
  const ExportView& view = *request.view;
  const auto groups = groups_of_cells(request);
  std::map<std::vector<std::string>, std::uint32_t> cells;
  for (std::uint32_t i = 0; i < view.cells.size(); ++i) {
    if (groups[i] != kNone) cells.emplace(view.cells[i].values, i);
  }
  std::vector<Member> members;
  std::vector<std::string> values;
  for (const auto index : graph.members(view.type)) {
    const auto& twin = graph.twins()[index];
    if (!read_values(twin, view.keys, values)) continue;
    const auto cell = cells.find(values);
    if (cell == cells.end()) continue;
    Member member{&twin, cell->second, groups[cell->second], {}, nullptr};
    if (!read_values(twin, request.private_keys, member.keys)) continue;
    // A value that an answer could not hold is none.
    const auto fits = [](const std::string& value) {
      return rules::is_label(value, entente::limits::kLabelBytes);
    };
    if (!std::all_of(member.keys.begin(), member.keys.end(), fits)) continue;
    if (units != nullptr) {
      const auto spans = units->find(twin.id);
      if (spans != units->end()) member.units = &spans->second;
    }
    members.push_back(std::move(member));
  }
  return members;
}

// The unit in all of the window; nothing where it changes inside.
std::optional<std::string_view> unit_in(const UnitSpans& spans, TimeWindow window) {
  auto at = std::upper_bound(spans.begin(), spans.end(), window.from,
                             [](Instant from, const UnitSpan& span) { return from < span.since; });
  const std::string& unit = std::prev(at)->unit;
  for (; at != spans.end() && at->since < window.to; ++at) {
    if (at->unit != unit) return std::nullopt;
  }
  if (unit.empty()) return std::nullopt;
  return unit;
}

std::vector<Run> runs_of(const std::vector<TimeWindow>& ticks, const std::vector<Member>& members) {
  std::set<Instant> changes;
  for (const Member& member : members) {
    if (member.units == nullptr) continue;
    for (auto span = std::next(member.units->begin()); span != member.units->end(); ++span) {
      changes.insert(span->since);
    }
  }
  std::vector<Run> runs;
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    const auto next = changes.upper_bound(runs.empty() ? ticks[i].from : runs.back().window.from);
    const bool same = !runs.empty() && (next == changes.end() || *next >= ticks[i].to);
    if (same) {
      ++runs.back().count;
      runs.back().window.to = ticks[i].to;
    } else {
      runs.push_back({i, 1, ticks[i]});
    }
  }
  return runs;
}

// Where each member counts in the run; null where it is left out.
std::vector<const Entry*> places_of(const std::vector<Member>& members, const Run& run,
                                    const UnitMap* units, Entries& entries) {
  std::vector<const Entry*> places;
  places.reserve(members.size());
  for (const Member& member : members) {
    std::optional<std::string_view> unit = member.twin->id;
    if (units != nullptr) {
      unit = member.units == nullptr ? std::nullopt : unit_in(*member.units, run.window);
    }
    if (!unit) {
      places.push_back(nullptr);
      continue;
    }
    Entry& entry = entries[{std::string(*unit), member.group, member.keys}];
    entry.cell = std::min(entry.cell, member.cell);
    places.push_back(&entry);
  }
  return places;
}

// The values of a run's ticks, unit by unit.
class RunFold {
 public:
  RunFold(const History& history, const federation::FoldRequest& request, const Run& run)
      : history_(history),
        request_(request),
        run_(run),
        ticks_(request.ticks.begin() + static_cast<std::ptrdiff_t>(run.first),
               request.ticks.begin() + static_cast<std::ptrdiff_t>(run.first + run.count)) {}

  void operator()(const std::vector<Member>& members, const std::vector<const Entry*>& places,
                  federation::FoldedTable& table) {
    std::vector<std::vector<const Twin*>> twins(table.units.size());
    for (std::size_t m = 0; m < members.size(); ++m) {
      if (places[m] != nullptr) twins[places[m]->index].push_back(members[m].twin);
    }
    for (std::size_t first = 0; first < twins.size(); first += kUnitsAtOnce) {
      const auto count = std::min(kUnitsAtOnce, twins.size() - first);
      for (std::size_t c = 0; c < table.columns; ++c) {
        fold(std::span(twins).subspan(first, count), c);
        for (std::size_t i = 0; i < folded_.size(); ++i) {
          auto& values = table.units[first + i / run_.count].values;
          values[(run_.first + i % run_.count) * table.columns + c] = folded_[i];
        }
      }
    }
  }

 private:
  void fold(std::span<const std::vector<const Twin*>> units, std::size_t column) {
    series_.clear();
    ends_.clear();
    for (const auto& unit : units) {
      for (const Twin* twin : unit) {
        const auto id = history_.find(twin->id, request_.columns[column].signal);
        if (id) series_.push_back(*id);
      }
      ends_.push_back(series_.size());
    }
    folded_.resize(units.size() * run_.count);
    history_.fold_units(series_, ends_, request_.columns[column], ticks_, folded_);
  }

  const History& history_;
  const federation::FoldRequest& request_;
  const Run& run_;
  std::vector<TimeWindow> ticks_;
  std::vector<SeriesId> series_;
  std::vector<std::size_t> ends_;
  std::vector<double> folded_;
};

}  // namespace

Result<federation::FoldedTable> FoldSource::fold(const federation::FoldRequest& request) const {
  const auto state = state_();
  const auto* type = state->graph.types().find(request.view->type);
  if (type == nullptr) return unknown("no type \"" + request.view->type + "\" is known");
  if (auto checked = check_names(*type, request); !checked) return std::move(checked).error();
  std::shared_ptr<const UnitMap> units;
  if (request.view->unit != "twin") {
    if (units_ == nullptr) {
      return make_error(ErrorCode::query_unsupported, "nobody keeps which twins make a unit");
    }
    auto known = units_->units(state, *request.view);
    if (!known) return std::move(known).error();
    units = std::move(*known);
  }
  const auto members = members_of(state->graph, request, units.get());
  const auto runs = runs_of(request.ticks, members);
  Entries entries;
  // Of one run at a time: of all together they would be as many as the table has values.
  std::vector<const Entry*> places;
  std::vector<bool> left_out(members.size());
  for (const Run& run : runs) {
    places = places_of(members, run, units.get(), entries);
    for (std::size_t m = 0; m < members.size(); ++m) {
      left_out[m] = left_out[m] || places[m] == nullptr;
    }
  }
  federation::FoldedTable table;
  table.ticks = request.ticks.size();
  table.columns = request.columns.size();
  table.units.reserve(entries.size());
  constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();
  for (auto& [place, entry] : entries) {
    entry.index = table.units.size();
    table.units.push_back({entry.cell, std::vector<double>(table.ticks * table.columns, kAbsent),
                           units ? place.unit : std::string(), place.keys});
  }
  table.left_out = static_cast<std::size_t>(std::count(left_out.begin(), left_out.end(), true));
  for (const Run& run : runs) {
    if (runs.size() > 1) places = places_of(members, run, units.get(), entries);
    RunFold(history_, request, run)(members, places, table);
  }
  return table;
}

}  // namespace entente::node
