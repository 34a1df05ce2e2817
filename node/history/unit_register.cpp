#include "node/history/unit_register.h"

#include <algorithm>
#include <set>

#include "schemas/base/log.h"
#include "schemas/base/zone.h"

namespace entente::node {
namespace {

constexpr std::size_t kStepsUp = 64;         // from a twin to its ancestor, at most
constexpr std::size_t kRowsAtOnce = 10'000;  // written in one job, so that others have their turn
constexpr Instant kAlways{INT64_MIN};

// Where the relationship ends; nothing if it forks, runs in a circle or is not there at all.
std::optional<std::string> end_of(const TwinGraph& graph, const Twin& twin,
                                  const std::string& relationship) {
  const Twin* at = &twin;
  for (std::size_t steps = 0; steps <= kStepsUp; ++steps) {
    const auto found = at->relationships.find(relationship);
    if (found == at->relationships.end() || found->second.empty()) {
      return steps == 0 ? std::nullopt : std::optional(at->id);
    }
    if (found->second.size() > 1) return std::nullopt;
    at = graph.find(found->second.front());
    if (at == nullptr) return std::nullopt;
  }
  return std::nullopt;
}

// The nearest twin of the type along any relationships; nothing if two are equally near.
std::optional<std::string> nearest_of(const TwinGraph& graph, const Twin& twin,
                                      const std::string& type) {
  std::set<std::string> level = {twin.id}, seen = level;
  for (std::size_t steps = 0; steps <= kStepsUp && !level.empty(); ++steps) {
    std::vector<std::string> found;
    std::set<std::string> next;
    for (const std::string& id : level) {
      const Twin* at = graph.find(id);
      if (at == nullptr) continue;
      if (graph.types().is_a(at->type, type)) found.push_back(id);
      for (const auto& [name, targets] : at->relationships) {
        for (const std::string& target : targets) {
          if (seen.insert(target).second) next.insert(target);
        }
      }
    }
    if (found.size() == 1) return found.front();
    if (found.size() > 1) return std::nullopt;
    level = std::move(next);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> present_unit(const TwinGraph& graph, const Twin& twin,
                                        const UnitRule& rule) {
  if (rule.kind == UnitRule::Kind::relationship) return end_of(graph, twin, rule.name);
  if (rule.kind == UnitRule::Kind::type) return nearest_of(graph, twin, rule.name);
  const auto found = twin.properties.find(rule.name);
  if (found == twin.properties.end()) return std::nullopt;
  std::string text = to_text(found->second);
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

const char* UnitRegister::migration() {
  return "CREATE TABLE unit_spans (domain TEXT NOT NULL, twin TEXT NOT NULL,"
         "  since INTEGER NOT NULL, unit TEXT NOT NULL, PRIMARY KEY (domain, twin, since))"
         "  STRICT, WITHOUT ROWID;";
}

Result<std::shared_ptr<const UnitMap>> UnitRegister::load(const std::string& domain) const {
  auto reader = store_.reader();
  if (!reader) return std::move(reader).error();
  auto units = std::make_shared<UnitMap>();
  Statement rows = reader->prepare(
      "SELECT twin, since, unit FROM unit_spans WHERE domain = ? ORDER BY twin, since");
  rows.bind(1, std::string_view(domain));
  while (rows.step()) (*units)[rows.text(0)].push_back({{rows.integer(1)}, rows.text(2)});
  return std::shared_ptr<const UnitMap>(std::move(units));
}

std::vector<UnitRegister::Change> UnitRegister::changes(const TwinState& state,
                                                        const ExportView& view,
                                                        const UnitMap& units) const {
  const auto rule = unit_rule_from(view.unit);
  ENTENTE_CHECK(rule && rule->kind != UnitRule::Kind::twin);
  std::vector<Change> changes;
  // No question can have been charged to a block that has not begun.
  const Instant next =
      view.block.ns > 0 ? step_end(clock_.now(), view.block, view.zone) : Instant{};
  for (const std::size_t index : state.graph.members(view.type)) {
    const Twin& twin = state.graph.twins()[index];
    const auto unit = present_unit(state.graph, twin, *rule);
    const auto known = units.find(twin.id);
    if (known == units.end()) {
      if (unit) changes.push_back({twin.id, {kAlways, *unit}});
      continue;
    }
    const UnitSpan& last = known->second.back();
    if (last.unit == unit.value_or("") || view.block.ns == 0) continue;
    changes.push_back({twin.id, {std::max(next, last.since), unit.value_or("")}});
  }
  return changes;
}

Outcome UnitRegister::record(const std::string& domain, const std::vector<Change>& changes) {
  for (std::size_t first = 0; first < changes.size(); first += kRowsAtOnce) {
    const std::size_t end = std::min(first + kRowsAtOnce, changes.size());
    auto done = store_.run<int>([&](Database& database) -> Result<int> {
      Statement& add = database.cached(
          "INSERT OR REPLACE INTO unit_spans (domain, twin, since, unit) VALUES (?, ?, ?, ?)");
      for (std::size_t i = first; i < end; ++i) {
        const Change& one = changes[i];
        add.bind(1, std::string_view(domain)).bind(2, std::string_view(one.twin));
        add.bind(3, one.span.since.ns).bind(4, std::string_view(one.span.unit)).run();
      }
      return 0;
    });
    if (!done) return std::move(done).error();
  }
  return {};
}

Result<std::shared_ptr<const UnitMap>> UnitRegister::units(
    const std::shared_ptr<const TwinState>& state, const ExportView& view) {
  using Units = Result<std::shared_ptr<const UnitMap>>;
  return books_.with([&](auto& books) -> Units {
    Book& book = books[view.domain];
    if (!book.units) {
      auto loaded = load(view.domain);
      if (!loaded) return loaded;
      book.units = std::move(*loaded);
    }
    std::weak_ptr<const TwinState>& seen = book.seen[view.type];
    if (seen.lock() == state) return book.units;
    const std::vector<Change> changed = changes(*state, view, *book.units);
    if (!changed.empty()) {
      // Some rows may be durable though others were refused or the disk failed: then the map is
      // read again.
      const auto known = std::exchange(book.units, nullptr);
      if (auto done = record(view.domain, changed); !done) return std::move(done).error();
      book.units = known;
      auto units = std::make_shared<UnitMap>(*book.units);
      for (const Change& one : changed) {
        UnitSpans& spans = (*units)[one.twin];
        if (!spans.empty() && spans.back().since == one.span.since) spans.pop_back();
        spans.push_back(one.span);
      }
      book.units = std::move(units);
      log::info("units", "twins were counted to their units",
                {{"domain", view.domain}, {"twins", std::to_string(changed.size())}});
    }
    seen = state;
    return book.units;
  });
}

}  // namespace entente::node
