#include "node/history/fold_source.h"

#include <map>

namespace entente::node {
namespace {

constexpr std::size_t kUnitsAtOnce = 16'384;  // their summaries are in memory together

struct Unit {
  std::uint32_t cell = 0;
  std::vector<const Twin*> twins;
};

Error unknown(const std::string& what) {
  return make_error(ErrorCode::query_unknown_name, what);
}

std::optional<std::string> property_text(const Twin& twin, const std::string& name) {
  const auto found = twin.properties.find(name);
  return found == twin.properties.end() ? std::nullopt : std::optional(to_text(found->second));
}

Outcome check_names(const ResolvedType& type, const federation::FoldRequest& request) {
  for (const auto& key : request.view->keys) {
    if (type.property(key) == nullptr) return unknown(type.id + " has no property \"" + key + "\"");
  }
  const auto& unit = request.view->unit;
  if (unit != "twin" && type.property(unit) == nullptr) {
    return unknown(type.id + " has no property \"" + unit + "\" to make units of");
  }
  for (const auto& column : request.columns) {
    const auto* signal = type.signal(column.signal);
    if (signal == nullptr) return unknown(type.id + " has no signal \"" + column.signal + "\"");
    if (!signal->numeric) return unknown("the signal \"" + column.signal + "\" is no number");
  }
  return {};
}

// Members of declared cells by unit, in id order.
Result<std::map<std::string, Unit>> members(const TwinGraph& graph, const ExportView& view) {
  std::map<std::vector<std::string>, std::uint32_t> cells;
  for (std::uint32_t i = 0; i < view.cells.size(); ++i) cells.emplace(view.cells[i].values, i);
  std::map<std::string, Unit> units;
  std::vector<std::string> values(view.keys.size());
  for (const auto index : graph.members(view.type)) {
    const auto& twin = graph.twins()[index];
    bool complete = true;
    for (std::size_t k = 0; k < view.keys.size() && complete; ++k) {
      auto text = property_text(twin, view.keys[k]);
      complete = text.has_value();
      if (complete) values[k] = std::move(*text);
    }
    const auto cell = complete ? cells.find(values) : cells.end();
    if (cell == cells.end()) continue;
    // A twin without the unit's property is a unit of its own: nothing else could bound it.
    std::string name = "twin:" + twin.id;
    if (view.unit != "twin") {
      if (auto text = property_text(twin, view.unit)) name = "unit:" + *text;
    }
    auto& unit = units[name];
    if (!unit.twins.empty() && unit.cell != cell->second) {
      return make_error(ErrorCode::conflict,
                        "the unit " + name + " lies in several cells of " + view.name,
                        "give its twins the same keys");
    }
    unit.cell = cell->second;
    unit.twins.push_back(&twin);
  }
  return units;
}

}  // namespace

Result<federation::FoldedTable> FoldSource::fold(const federation::FoldRequest& request) const {
  const auto state = state_();
  const auto* type = state->graph.types().find(request.view->type);
  if (type == nullptr) return unknown("no type \"" + request.view->type + "\" is known");
  if (auto checked = check_names(*type, request); !checked) return std::move(checked).error();
  auto units = members(state->graph, *request.view);
  if (!units) return std::move(units).error();
  federation::FoldedTable table;
  table.ticks = request.ticks.size();
  table.columns = request.columns.size();
  table.units.reserve(units->size());
  std::vector<const std::vector<const Twin*>*> members_of;
  for (const auto& [name, unit] : *units) {
    table.units.push_back({unit.cell, std::vector<double>(table.ticks * table.columns)});
    members_of.push_back(&unit.twins);
  }
  std::vector<SeriesId> series;
  std::vector<std::size_t> ends;
  std::vector<double> folded;
  for (std::size_t first = 0; first < members_of.size(); first += kUnitsAtOnce) {
    const auto count = std::min(kUnitsAtOnce, members_of.size() - first);
    for (std::size_t c = 0; c < table.columns; ++c) {
      series.clear();
      ends.clear();
      for (std::size_t u = first; u < first + count; ++u) {
        for (const auto* twin : *members_of[u]) {
          const auto id = history_.find(twin->id, request.columns[c].signal);
          if (id) series.push_back(*id);
        }
        ends.push_back(series.size());
      }
      folded.resize(count * table.ticks);
      history_.fold_units(series, ends, request.columns[c], request.ticks, folded);
      for (std::size_t i = 0; i < folded.size(); ++i) {
        auto& values = table.units[first + i / table.ticks].values;
        values[i % table.ticks * table.columns + c] = folded[i];
      }
    }
  }
  return table;
}

}  // namespace entente::node
