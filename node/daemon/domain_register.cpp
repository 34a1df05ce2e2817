#include "node/daemon/domain_register.h"

namespace entente::node {
namespace {

constexpr const char* kRemedy =
    "a domain never changes: declare a new one under a new name for signals that were never "
    "offered";

std::string definition_of(const ExportView& view) {
  return "unit=" + view.unit + " block=" + to_text(view.block) + " zone=" + view.zone +
         " delta=" + std::to_string(view.delta.units);
}

Error refused(const ExportView& view, const std::string& what) {
  return make_error(ErrorCode::config_invalid, "the export '" + view.name + "': " + what, kRemedy);
}

// Two declared exports at once: same domain, same definition; same signal, same domain.
Outcome check_pair(const ExportView& a, const ExportView& b, const TypeRegistry& types) {
  if (a.domain == b.domain) {
    if (definition_of(a) == definition_of(b)) return {};
    return refused(a, "the domain '" + a.domain + "' is declared in two ways");
  }
  const bool related = a.type == b.type || types.is_a(a.type, b.type) || types.is_a(b.type, a.type);
  for (const Measure& measure : a.measures) {
    if (related && b.measure(measure.signal) != nullptr) {
      return refused(a, "the signal '" + measure.signal + "' lies in the domain '" + b.domain +
                            "' too, by the export '" + b.name + "'");
    }
  }
  return {};
}

// What is on record, compared with the export; true when nothing has to be added.
Result<bool> compare(Database& database, const ExportView& view) {
  const std::string definition = definition_of(view);
  Statement& domain = database.cached("SELECT definition FROM domains WHERE name = ?");
  domain.bind(1, std::string_view(view.domain));
  const bool known = domain.step();
  const std::string stored = known ? domain.text(0) : definition;
  domain.reset();
  if (stored != definition) {
    return refused(view, "the domain '" + view.domain + "' was declared as " + stored +
                             ", now as " + definition);
  }
  bool complete = known;
  Statement& signal =
      database.cached("SELECT domain FROM domain_signals WHERE type = ? AND signal = ?");
  for (const Measure& measure : view.measures) {
    signal.bind(1, std::string_view(view.type)).bind(2, std::string_view(measure.signal));
    const bool owned = signal.step();
    const std::string owner = owned ? signal.text(0) : view.domain;
    signal.reset();
    complete = complete && owned;
    if (owner == view.domain) continue;
    return refused(view,
                   "the signal '" + measure.signal + "' belongs to the domain '" + owner + "'");
  }
  return complete;
}

void record(Database& database, const ExportView& view) {
  const std::string definition = definition_of(view);
  Statement& domain =
      database.cached("INSERT OR IGNORE INTO domains (name, definition) VALUES (?, ?)");
  domain.bind(1, std::string_view(view.domain)).bind(2, std::string_view(definition)).run();
  Statement& signal = database.cached(
      "INSERT OR IGNORE INTO domain_signals (type, signal, domain) VALUES (?, ?, ?)");
  for (const Measure& measure : view.measures) {
    signal.bind(1, std::string_view(view.type)).bind(2, std::string_view(measure.signal));
    signal.bind(3, std::string_view(view.domain)).run();
  }
}

}  // namespace

const char* domain_migration() {
  return "CREATE TABLE domains (name TEXT PRIMARY KEY, definition TEXT NOT NULL) STRICT;"
         "CREATE TABLE domain_signals (type TEXT NOT NULL, signal TEXT NOT NULL,"
         "  domain TEXT NOT NULL, PRIMARY KEY (type, signal)) STRICT, WITHOUT ROWID;";
}

std::vector<std::string> known_domains(const Store& store) {
  auto reader = store.reader();
  if (!reader) throw StoreFault(reader.error().what, 0);
  std::vector<std::string> names;
  Statement rows = reader->prepare("SELECT name FROM domains ORDER BY name");
  while (rows.step()) names.push_back(rows.text(0));
  return names;
}

Outcome bind_domains(Store& store, const Declarations& declarations, const TypeRegistry& types) {
  for (auto a = declarations.exports.begin(); a != declarations.exports.end(); ++a) {
    for (auto b = std::next(a); b != declarations.exports.end(); ++b) {
      if (auto fits = check_pair(*a->second, *b->second, types); !fits) return fits;
    }
  }
  auto reader = store.reader();
  if (!reader) return std::move(reader).error();
  bool complete = true;
  for (const auto& [name, view] : declarations.exports) {
    auto known = compare(*reader, *view);
    if (!known) return std::move(known).error();
    complete = complete && *known;
  }
  if (complete) return {};
  auto bound = store.run<int>([&](Database& database) -> Result<int> {
    for (const auto& [name, view] : declarations.exports) record(database, *view);
    return 0;
  });
  if (!bound) return std::move(bound).error();
  return {};
}

}  // namespace entente::node
