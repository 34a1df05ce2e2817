#include "node/twin/twin_registry.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <map>
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

// Twins again as definitions, so that a changed type is checked by the code that checked them
// first.
Result<Twin> fitting(const Twin& twin, const TypeRegistry& types) {
  Document document;
  document.file = "twin " + twin.id;
  boost::json::array list;
  list.push_back(boost::json::parse(to_json(twin)));
  boost::json::object root;
  root["twin"] = std::move(list);
  document.root = std::move(root);
  auto read = read_definitions(document, types);
  if (!read) return std::move(read).error();
  return std::move(read->front().twin);
}

Outcome check_all(const TwinGraph& graph, const std::map<std::string, std::string>& places) {
  for (const auto& twin : graph.twins()) {
    const auto place = places.find(twin.id);
    auto checked =
        check_relationships(twin, graph, place == places.end() ? "twin " + twin.id : place->second);
    if (!checked) return checked;
  }
  return {};
}

void compare(TwinChange& change) {
  std::map<std::string_view, const Twin*> old;
  for (const auto& twin : change.before->graph.twins()) old.emplace(twin.id, &twin);
  for (const auto& twin : change.after->graph.twins()) {
    const auto found = old.find(twin.id);
    if (found == old.end()) {
      change.added.push_back(twin.id);
      continue;
    }
    if (!(*found->second == twin)) change.changed.push_back(twin.id);
    old.erase(found);
  }
  for (const auto& [id, twin] : old) change.removed.emplace_back(id);
  const auto& before = change.before->graph.types();
  const auto& after = change.after->graph.types();
  for (const auto& type : after.types()) {
    if (before.find(type.id) == nullptr) change.types_added.push_back(type.id);
  }
  for (const auto& type : before.types()) {
    if (after.find(type.id) == nullptr) change.types_removed.push_back(type.id);
  }
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
  struct Rows {
    std::vector<TypeFile> files;
    std::vector<std::string> twins;
  };
  auto rows = store.run<Rows>([](Database& database) -> Result<Rows> {
    Rows all;
    auto& files = database.cached("SELECT name, text FROM type_file ORDER BY name");
    while (files.step()) all.files.push_back({files.text(0), files.text(1)});
    auto& twins = database.cached("SELECT definition FROM twin ORDER BY id");
    while (twins.step()) all.twins.push_back(twins.text(0));
    return all;
  });
  if (!rows) return std::move(rows).error();
  auto types = build_types(rows->files);
  Document document;
  document.file = "history.db";
  boost::json::array list;
  for (const auto& definition : rows->twins) {
    boost::system::error_code failure;
    list.push_back(boost::json::parse(definition, failure));
    if (failure) return make_error(ErrorCode::config_invalid, "history.db: a twin is no JSON");
  }
  boost::json::object root;
  root["twin"] = std::move(list);
  document.root = std::move(root);
  auto read = read_definitions(document, *types.registry);
  if (!read) return std::move(read).error();
  std::vector<Twin> twins;
  for (auto& each : *read) twins.push_back(std::move(each.twin));
  TwinGraph graph(types.registry, std::move(twins));
  if (auto checked = check_all(graph, {}); !checked) return std::move(checked).error();
  std::unique_ptr<TwinRegistry> registry(new TwinRegistry(store));
  registry->current_->with([&](Current& current) {
    current.state = state_with(std::move(graph), std::move(rows->files));
  });
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
  std::vector<Twin> twins;
  for (const auto& twin : change.before->graph.twins()) {
    auto again = fitting(twin, *types.registry);
    if (!again) return std::move(again).error();
    twins.push_back(std::move(*again));
  }
  TwinGraph graph(types.registry, std::move(twins));
  if (auto checked = check_all(graph, {}); !checked) return std::move(checked).error();
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
  std::map<std::string, Twin> twins;
  std::map<std::string, std::string> places;
  for (auto& each : *read) {
    places.emplace(each.twin.id, each.place);
    twins.emplace(each.twin.id, std::move(each.twin));
  }
  for (const auto& twin : old.twins()) twins.emplace(twin.id, twin);
  if (twins.size() > limits::kTwins) {
    return make_error(ErrorCode::payload_too_large,
                      "more than " + std::to_string(limits::kTwins) + " twins");
  }
  std::vector<Twin> list;
  for (auto& [id, twin] : twins) list.push_back(std::move(twin));
  TwinGraph graph(old.shared_types(), std::move(list));
  if (auto checked = check_all(graph, places); !checked) return std::move(checked).error();
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
  std::vector<Twin> list;
  for (const auto& twin : old.twins()) {
    if (!gone.contains(twin.id)) list.push_back(twin);
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
