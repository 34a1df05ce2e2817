// Types and twins.
#include <utility>

#include <boost/json.hpp>

#include <algorithm>

#include "node/daemon/api.h"
#include "node/daemon/on_worker.h"
#include "node/daemon/twin_query.h"
#include "node/limits.h"
#include "schemas/base/hash.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using federation::to_awaitable;

json::value value_json(const PropertyValue& value) {
  if (const auto* structured = std::get_if<Structured>(&value))
    return json::parse(structured->json);
  return std::visit(
      [](const auto& plain) -> json::value {
        if constexpr (std::is_same_v<std::decay_t<decltype(plain)>, Structured>) {
          return nullptr;
        } else if constexpr (std::is_same_v<std::decay_t<decltype(plain)>, std::string>) {
          return json::string(plain);
        } else {
          return plain;
        }
      },
      value);
}

json::object properties_json(const Properties& properties) {
  json::object out;
  for (const auto& [name, value] : properties) out[name] = value_json(value);
  return out;
}

std::string name_of(const LocalText& texts, const std::string& fallback) {
  const auto english = texts.find("en");
  if (english != texts.end()) return english->second;
  return texts.empty() ? fallback : texts.begin()->second;
}

// On a worker: reads the latest values.
json::object twin_json(const Core& core, const TwinGraph& graph, const Twin& twin, bool whole) {
  const Instant now = core.clock.now();
  json::object out;
  out["id"] = twin.id;
  out["type"] = twin.type;
  out["name"] = twin.id;
  out["properties"] = properties_json(twin.properties);
  json::object signals;
  std::uint64_t readings = 0;
  for (const Signal& signal : graph.type_of(twin)->signals) {
    if (!signal.numeric) continue;
    const auto series = core.history->find(twin.id, signal.name);
    const auto latest = series ? core.history->latest(*series) : std::nullopt;
    if (!latest) continue;
    if (whole) {
      core.history->scan(*series, kAllTime,
                         [&](const History::Block& block) { readings += block.times.size(); });
    }
    signals[signal.name] = {
        {"value", std::isfinite(latest->value) ? json::value(latest->value) : json::value(nullptr)},
        {"time", to_text(latest->time)},
        {"age_s", (now - latest->time).seconds()},
        {"quality", to_text(latest->quality)},
        {"unit", signal.unit}};
  }
  out["signals"] = std::move(signals);
  if (!whole) return out;
  out["readings"] = readings;
  json::array relationships;
  for (const auto& [name, targets] : twin.relationships) {
    for (const std::string& target : targets) {
      relationships.push_back({{"name", name}, {"to", target}});
    }
  }
  for (const TwinGraph::Incoming& incoming : graph.incoming(twin.id)) {
    relationships.push_back({{"name", incoming.relationship}, {"from", incoming.from}});
  }
  out["relationships"] = std::move(relationships);
  json::object components;
  for (const auto& [name, properties] : twin.components)
    components[name] = properties_json(properties);
  out["components"] = std::move(components);
  return out;
}

awaitable<Result<Reply>> list_twins(Core& core, const Call& call) {
  auto page = page_of(call);
  if (!page) co_return std::move(page).error();
  const std::string type(call.parameter("type"));
  auto state = core.twins->state();
  if (!type.empty() && state->graph.types().find(type) == nullptr) {
    co_return make_error(ErrorCode::not_found, "there is no type '" + type + "'",
                         "see 'entente type list'");
  }
  auto job = [&core, state, type, page = *page]() -> Result<json::value> {
    json::array items;
    std::string next;
    const TwinList& twins = state->graph.twins();
    for (auto i = state->graph.lower_bound(page.after); i < twins.size(); ++i) {
      const Twin& twin = twins[i];
      if (twin.id == page.after) continue;
      if (!type.empty() && !state->graph.types().is_a(twin.type, type)) continue;
      if (items.size() == page.limit) {
        next = cursor_after(std::string_view(items.back().at("id").as_string()));
        break;
      }
      items.push_back(twin_json(core, state->graph, twin, false));
    }
    return json::value{{"items", std::move(items)}, {"next", next}};
  };
  auto got = co_await on_worker<json::value>(core, std::move(job));
  if (!got) co_return std::move(got).error();
  co_return Reply::json(*got);
}

awaitable<Result<Reply>> show_twin(Core& core, const Call& call) {
  auto state = core.twins->state();
  const std::string id = call.path.at("id");
  if (state->graph.find(id) == nullptr) {
    co_return make_error(ErrorCode::not_found, "there is no twin '" + id + "'",
                         "see 'entente twin list'");
  }
  auto job = [&core, state, id]() -> Result<json::value> {
    return json::value(twin_json(core, state->graph, *state->graph.find(id), true));
  };
  auto got = co_await on_worker<json::value>(core, std::move(job));
  if (!got) co_return std::move(got).error();
  co_return Reply::json(*got);
}

json::value change_json(const TwinChange& change, std::size_t given, std::size_t added,
                        std::size_t changed) {
  return {{"added", added},
          {"changed", changed},
          {"unchanged", given - std::min(given, added + changed)},
          {"removed", change.removed.size()},
          {"missing", json::value_from(change.types_missing)}};
}

awaitable<Result<Reply>> apply_twins(Core& core, const Call& call) {
  // A JSON body has been parsed on its way; any other text is TOML.
  const bool is_json = !call.json.is_null();
  auto job = [&core, is_json, text = call.body] {
    return core.twins->plan_twins(text, is_json ? "twins.json" : "twins");
  };
  auto planned = co_await on_worker<TwinChange>(core, std::move(job));
  if (!planned) co_return std::move(planned).error();
  const std::size_t before = planned->before->graph.twins().size();
  json::value summary = change_json(*planned, planned->added.size() + planned->changed.size(),
                                    planned->added.size(), planned->changed.size());
  summary.as_object()["twins"] = before + planned->added.size();
  if (!call.dry_run) {
    if (auto done = co_await commit_twins(core, std::move(*planned)); !done)
      co_return std::move(done).error();
  }
  co_return Reply::json(summary);
}

awaitable<Result<Reply>> apply_types(Core& core, const Call& call) {
  std::string text = call.body.empty() ? json::serialize(call.json) : call.body;
  auto job = [&core, text = std::move(text)] {
    // A document's name is its content's hash: applying it again changes nothing.
    const std::string name = hash("entente type file v1", bytes_of(text)).short_hex() + ".json";
    return core.twins->plan_types({{name, text}}, TwinRegistry::Missing::refuse);
  };
  auto planned = co_await on_worker<TwinChange>(core, std::move(job));
  if (!planned) co_return std::move(planned).error();
  const std::size_t added = planned->types_added.size();
  json::value summary = change_json(*planned, std::max<std::size_t>(added, 1), added, 0);
  summary.as_object()["types"] = json::value_from(planned->types_added);
  if (!call.dry_run) {
    if (auto done = co_await commit_twins(core, std::move(*planned)); !done)
      co_return std::move(done).error();
  }
  co_return Reply::json(summary);
}

awaitable<Result<Reply>> list_types(Core& core, const Call&) {
  auto state = core.twins->state();
  json::array items;
  for (const ResolvedType& type : state->graph.types().types()) {
    items.push_back({{"id", type.id},
                     {"name", name_of(type.display_name, type.id)},
                     {"twins", state->graph.members(type.id).size()}});
  }
  co_return Reply::json({{"items", std::move(items)}});
}

json::object content_json(std::string_view kind, const Content& content) {
  return {{"@type", kind},
          {"name", content.name},
          {"unit", content.unit},
          {"schema", content.schema ? json::value(content.schema->word) : json::value(nullptr)}};
}

awaitable<Result<Reply>> show_type(Core& core, const Call& call) {
  auto state = core.twins->state();
  const std::string id = call.path.at("id");
  const ResolvedType* type = state->graph.types().find(id);
  if (type == nullptr) {
    co_return make_error(ErrorCode::not_found, "there is no type '" + id + "'",
                         "see 'entente type list'");
  }
  json::array contents;
  for (const Signal& signal : type->signals) {
    contents.push_back(
        {{"@type", "Telemetry"},
         {"name", signal.name},
         {"unit", signal.unit},
         {"schema", signal.schema ? json::value(signal.schema->word) : json::value(nullptr)}});
  }
  for (const Content& one : type->properties) contents.push_back(content_json("Property", one));
  for (const Content& one : type->relationships)
    contents.push_back(content_json("Relationship", one));
  for (const Content& one : type->components) contents.push_back(content_json("Component", one));
  for (const Content& one : type->commands) contents.push_back(content_json("Command", one));
  co_return Reply::json({{"id", type->id},
                         {"name", name_of(type->display_name, type->id)},
                         {"description", name_of(type->description, "")},
                         {"twins", state->graph.members(type->id).size()},
                         {"extends", json::value_from(type->ancestors)},
                         {"contents", std::move(contents)}});
}

}  // namespace

void add_twin_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::get, "/api/v1/types", Verb::read_twins, "listTypes",
             "All types with their twins' number", BodyKind::none, with(list_types)});
  table.add({Method::get, "/api/v1/types/{id}", Verb::read_twins, "showType",
             "One type with what it has, inherited included", BodyKind::none, with(show_type)});
  table.add({Method::post,
             "/api/v1/types",
             Verb::write_twins,
             "applyTypes",
             "Adds or replaces DTDL interfaces",
             BodyKind::json_or_text,
             with(apply_types),
             Access::token,
             {},
             limits::kHttpLinesBytes});
  table.add({Method::get,
             "/api/v1/twins",
             Verb::read_twins,
             "listTwins",
             "Twins with their latest readings",
             BodyKind::none,
             with(list_twins),
             Access::token,
             {{"type", "only twins of this type or a subtype"},
              {"limit", "rows a page"},
              {"cursor", "where the last page ended"}}});
  table.add({Method::get, "/api/v1/twins/{id}", Verb::read_twins, "showTwin",
             "One twin with its relationships", BodyKind::none, with(show_twin)});
  table.add({Method::post,
             "/api/v1/twins",
             Verb::write_twins,
             "applyTwins",
             "Adds or replaces twins, all or none",
             BodyKind::json_or_text,
             with(apply_twins),
             Access::token,
             {},
             limits::kHttpLinesBytes});
}

}  // namespace entente::node
