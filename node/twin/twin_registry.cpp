#include "node/twin/twin_registry.h"

#include <algorithm>
#include <set>

#include "node/limits.h"
#include "node/twin/twin_definitions.h"

namespace entente::node {
namespace {

struct BuiltTypes {
  std::shared_ptr<const TypeRegistry> registry;
  std::vector<TypeProblem> problems;
  std::vector<std::string> missing;
};

BuiltTypes build_types(const std::vector<TypeFile>& files) {
  std::vector<Interface> interfaces;
  BuiltTypes built;
  for (const auto& file : files) {
    auto parsed = parse_dtdl(file.text, file.name);
    for (auto& each : parsed.problems) built.problems.push_back(std::move(each));
    if (!parsed.problems.empty()) continue;
    for (auto& each : parsed.interfaces) interfaces.push_back(std::move(each));
  }
  const bool parsed_well = built.problems.empty();
  auto linked = TypeRegistry::build(std::move(interfaces));
  built.registry = std::move(linked.registry);
  built.missing = std::move(linked.missing);
  // What stands on a file that did not parse would only repeat its problems.
  if (parsed_well) built.problems = std::move(linked.problems);
  return built;
}

Error problem_error(const std::vector<TypeProblem>& problems) {
  std::string all;
  for (std::size_t i = 0; i < problems.size() && i < 8; ++i) {
    all += (i == 0 ? "" : "\n") + problems[i].text();
  }
  if (problems.size() > 8) all += "\n… and " + std::to_string(problems.size() - 8) + " more";
  return make_error(ErrorCode::config_invalid, all);
}

Error at(const std::string& place, const Error& error) {
  return make_error(error.code, place + ": " + error.what);
}

Outcome check_all(const TwinGraph& graph) {
  for (const auto& twin : graph.twins()) {
    auto checked = check_relationships(twin, graph);
    if (!checked) return at("twin " + twin.id, checked.error());
  }
  return {};
}

// Twins come in id order, and those that stayed are the same objects.
void compare(TwinChange& change) {
  const auto& before = change.before->graph.twins().shared();
  const auto& after = change.after->graph.twins().shared();
  auto old = before.begin();
  auto now = after.begin();
  while (old != before.end() || now != after.end()) {
    if (now == after.end() || (old != before.end() && (*old)->id < (*now)->id)) {
      change.removed.push_back((*old++)->id);
    } else if (old == before.end() || (*now)->id < (*old)->id) {
      change.added.push_back((*now++)->id);
    } else {
      if (*old != *now && !(**old == **now)) change.changed.push_back((*now)->id);
      ++old, ++now;
    }
  }
  const auto& types_before = change.before->graph.types();
  const auto& types_after = change.after->graph.types();
  for (const auto& type : types_after.types()) {
    if (types_before.find(type.id) == nullptr) change.types_added.push_back(type.id);
  }
  for (const auto& type : types_before.types()) {
    if (types_after.find(type.id) == nullptr) change.types_removed.push_back(type.id);
  }
}

// `old` with the definitions, which are in id order, added or in place of what had their ids.
std::vector<TwinList::Shared> merged(const TwinList& old,
                                     const std::vector<TwinDefinition>& fresh) {
  std::vector<TwinList::Shared> all;
  all.reserve(old.size() + fresh.size());
  auto kept = old.shared().begin();
  const auto end = old.shared().end();
  for (const auto& each : fresh) {
    while (kept != end && (*kept)->id < each.twin.id) all.push_back(*kept++);
    const bool replaces = kept != end && (*kept)->id == each.twin.id;
    if (replaces && **kept == each.twin) {
      all.push_back(*kept);
    } else {
      all.push_back(std::make_shared<const Twin>(each.twin));
    }
    if (replaces) ++kept;
  }
  all.insert(all.end(), kept, end);
  return all;
}

// What a change of some twins may break: their own relationships, and those that point at one whose
// type is another now.
Outcome check_changed(const TwinGraph& before, const TwinGraph& after, const Document& document,
                      const std::vector<TwinDefinition>& definitions) {
  const auto place_of = [&](std::string_view id) {
    const auto found = std::lower_bound(
        definitions.begin(), definitions.end(), id,
        [](const TwinDefinition& each, std::string_view wanted) { return each.twin.id < wanted; });
    const bool here = found != definitions.end() && found->twin.id == id;
    return here ? document.place(found->path) : "twin " + std::string(id);
  };
  const auto check = [&](std::string_view id) -> Outcome {
    auto checked = check_relationships(*after.find(id), after);
    if (!checked) return at(place_of(id), checked.error());
    return {};
  };
  for (const auto& each : definitions) {
    if (auto checked = check(each.twin.id); !checked) return checked;
    const auto* old = before.find(each.twin.id);
    if (old == nullptr || old->type == each.twin.type) continue;
    for (const auto& pointer : before.incoming(each.twin.id)) {
      if (auto checked = check(pointer.from); !checked) return checked;
    }
  }
  return {};
}

std::shared_ptr<const TwinState> state_with(TwinGraph graph, std::vector<TypeFile> files) {
  return std::make_shared<const TwinState>(TwinState{std::move(graph), std::move(files)});
}

Result<bool> write(Database& database, const TwinChange& change) {
  for (const auto& file : change.after->files) {
    const auto& old = change.before->files;
    if (std::find(old.begin(), old.end(), file) != old.end()) continue;
    database.cached("INSERT OR REPLACE INTO type_file (name, text) VALUES (?, ?)")
        .bind(1, file.name)
        .bind(2, file.text)
        .run();
  }
  const auto put = [&](const std::string& id) {
    database
        .cached(
            "INSERT INTO twin (id, definition) VALUES (?, ?) "
            "ON CONFLICT (id) DO UPDATE SET definition = excluded.definition")
        .bind(1, id)
        .bind(2, to_json(*change.after->graph.find(id)))
        .run();
  };
  for (const auto& id : change.added) put(id);
  for (const auto& id : change.changed) put(id);
  for (const auto& id : change.removed) {
    database.cached("DELETE FROM twin WHERE id = ?").bind(1, id).run();
  }
  return true;
}

}  // namespace

bool TwinChange::empty() const {
  return added.empty() && changed.empty() && removed.empty() && before->files == after->files;
}

Result<std::unique_ptr<TwinRegistry>> TwinRegistry::load(Store& store) {
  using Loaded = std::shared_ptr<const TwinState>;
  // Row by row: neither all texts nor all their trees are ever in memory.
  auto state = store.run<Loaded>([](Database& database) -> Result<Loaded> {
    std::vector<TypeFile> names;
    auto& files = database.cached("SELECT name, text FROM type_file ORDER BY name");
    while (files.step()) names.push_back({files.text(0), files.text(1)});
    const auto types = build_types(names);
    std::vector<TwinList::Shared> twins;
    auto& rows = database.cached("SELECT definition FROM twin ORDER BY id");
    while (rows.step()) {
      auto twin = read_twin(rows.text(0), "history.db", *types.registry);
      if (!twin) return std::move(twin).error();
      twins.push_back(std::make_shared<const Twin>(std::move(*twin)));
    }
    twins.shrink_to_fit();
    TwinGraph graph(types.registry, std::move(twins));
    if (auto checked = check_all(graph); !checked) return std::move(checked).error();
    return state_with(std::move(graph), std::move(names));
  });
  if (!state) return std::move(state).error();
  std::unique_ptr<TwinRegistry> registry(new TwinRegistry(store));
  registry->current_->with([&](Current& current) { current.state = std::move(*state); });
  return registry;
}

std::shared_ptr<const TwinState> TwinRegistry::state() const {
  return current_->with([](Current& current) { return current.state; });
}

Result<TwinChange> TwinRegistry::plan_types(std::vector<TypeFile> files, Missing missing) const {
  TwinChange change;
  change.before = state();
  auto all = change.before->files;
  for (auto& file : files) {
    const auto old = std::find_if(all.begin(), all.end(),
                                  [&](const TypeFile& each) { return each.name == file.name; });
    if (old != all.end()) {
      old->text = std::move(file.text);
    } else {
      all.push_back(std::move(file));
    }
  }
  std::sort(all.begin(), all.end(),
            [](const TypeFile& a, const TypeFile& b) { return a.name < b.name; });
  auto types = build_types(all);
  if (missing == Missing::leave_out) {
    types.problems.erase(std::remove_if(types.problems.begin(), types.problems.end(),
                                        [](const TypeProblem& each) { return each.dangling; }),
                         types.problems.end());
  }
  if (!types.problems.empty()) return problem_error(types.problems);
  // Twins again as definitions, so that a changed type is checked by the code that checked them
  // first.
  std::vector<TwinList::Shared> twins;
  for (const auto& twin : change.before->graph.twins().shared()) {
    auto again = read_twin(to_json(*twin), "twin " + twin->id, *types.registry);
    if (!again) return std::move(again).error();
    const bool same = *again == *twin;
    twins.push_back(same ? twin : std::make_shared<const Twin>(std::move(*again)));
  }
  TwinGraph graph(types.registry, std::move(twins));
  if (auto checked = check_all(graph); !checked) return std::move(checked).error();
  change.after = state_with(std::move(graph), std::move(all));
  change.types_missing = std::move(types.missing);
  compare(change);
  return change;
}

Result<TwinChange> TwinRegistry::plan_twins(std::string_view text, std::string_view file) const {
  if (text.size() > limits::kTwinFileBytes) {
    return make_error(ErrorCode::payload_too_large, std::string(file) + " is too large");
  }
  TwinChange change;
  change.before = state();
  const auto& old = change.before->graph;
  auto document = parse_document(text, file, format_of(file));
  if (!document) return std::move(document).error();
  auto read = read_definitions(*document, old.types());
  if (!read) return std::move(read).error();
  std::sort(read->begin(), read->end(),
            [](const TwinDefinition& a, const TwinDefinition& b) { return a.twin.id < b.twin.id; });
  auto twins = merged(old.twins(), *read);
  if (twins.size() > limits::kTwins) {
    return make_error(ErrorCode::payload_too_large,
                      "more than " + std::to_string(limits::kTwins) + " twins");
  }
  TwinGraph graph(old.shared_types(), std::move(twins));
  if (auto checked = check_changed(old, graph, *document, *read); !checked) {
    return std::move(checked).error();
  }
  change.after = state_with(std::move(graph), change.before->files);
  compare(change);
  return change;
}

Result<TwinChange> TwinRegistry::plan_removal(const std::vector<std::string>& ids) const {
  TwinChange change;
  change.before = state();
  const auto& old = change.before->graph;
  const std::set<std::string_view> gone(ids.begin(), ids.end());
  for (const auto& id : ids) {
    if (old.find(id) == nullptr) return make_error(ErrorCode::not_found, "no twin \"" + id + "\"");
    for (const auto& each : old.incoming(id)) {
      if (gone.contains(each.from)) continue;
      return make_error(ErrorCode::conflict, each.from + "." + each.relationship + " points at \"" +
                                                 id + "\"; remove that first");
    }
  }
  std::vector<TwinList::Shared> list;
  for (const auto& twin : old.twins().shared()) {
    if (!gone.contains(twin->id)) list.push_back(twin);
  }
  change.after = state_with(TwinGraph(old.shared_types(), std::move(list)), change.before->files);
  compare(change);
  return change;
}

Outcome TwinRegistry::claim(const TwinChange& change) {
  return current_->with([&](Current& current) -> Outcome {
    if (current.busy) return make_error(ErrorCode::conflict, "another change is being written");
    if (current.state != change.before) {
      return make_error(ErrorCode::conflict, "the twins have changed since this was planned");
    }
    current.busy = true;
    return {};
  });
}

void TwinRegistry::commit(TwinChange change, std::function<void(Outcome)> done) {
  if (auto claimed = claim(change); !claimed) return done(std::move(claimed));
  auto shared = std::make_shared<TwinChange>(std::move(change));
  store_.post<bool>([shared](Database& database) { return write(database, *shared); },
                    [shared, current = current_, done = std::move(done)](Result<bool> written) {
                      current->with([&](Current& now) {
                        now.busy = false;
                        if (written) now.state = shared->after;
                      });
                      done(written ? Outcome() : Outcome(std::move(written).error()));
                    });
}

Outcome TwinRegistry::commit_now(TwinChange change) {
  if (auto claimed = claim(change); !claimed) return claimed;
  auto written = store_.run<bool>([&](Database& database) { return write(database, change); });
  current_->with([&](Current& now) {
    now.busy = false;
    if (written) now.state = change.after;
  });
  return written ? Outcome() : Outcome(std::move(written).error());
}

}  // namespace entente::node
