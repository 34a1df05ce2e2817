// Derived signals: defined, listed, removed, and their values with what they are computed from.
#include <utility>

#include <boost/json.hpp>

#include "node/daemon/api_signals.h"
#include "node/daemon/on_worker.h"
#include "node/daemon/twin_query.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

json::object definition_json(const DerivedBook::Entry& entry) {
  const DerivedSignal& signal = entry.signal;
  return {{"name", signal.name},          {"owner", signal.owner()},       {"twin", signal.twin},
          {"type", signal.type},          {"value", signal.value},         {"unit", signal.unit},
          {"hold", to_text(signal.hold)}, {"since", to_text(entry.since)}, {"by", entry.actor},
          {"toml", derived_text(signal)}};
}

// What the handlers work with.
struct Desk {
  Core& core;
  DerivedHistory& history;
  DerivedSignals& signals() const { return history.signals(); }
};

awaitable<Result<Reply>> list_signals(const Desk& desk, const Call&) {
  json::array items;
  for (const auto& [key, entry] : desk.signals().book()->entries) {
    items.push_back(definition_json(entry));
  }
  co_return Reply::json({{"items", std::move(items)}});
}

awaitable<Result<Reply>> apply_signals(const Desk& desk, const Call& call) {
  auto signals = read_derived(call.body, "signals");
  if (!signals) co_return std::move(signals).error();
  const std::size_t count = signals->size();
  auto job = [desk, actor = actor_of(call), signals = std::move(*signals),
              dry_run = call.dry_run]() -> Result<int> {
    auto done = desk.signals().apply(actor, signals, dry_run);
    if (!done) return std::move(done).error();
    return 0;
  };
  auto done = co_await on_worker<int>(desk.core, std::move(job));
  if (!done) co_return std::move(done).error();
  co_return Reply::json({{"applied", count}});
}

awaitable<Result<Reply>> remove_signal(const Desk& desk, const Call& call) {
  auto owner = call.text_field("owner");
  if (!owner) co_return std::move(owner).error();
  auto name = call.text_field("name");
  if (!name) co_return std::move(name).error();
  auto job = [desk, actor = actor_of(call), owner = *owner, name = *name,
              dry_run = call.dry_run]() -> Result<int> {
    auto done = desk.signals().remove(actor, owner, name, dry_run);
    if (!done) return std::move(done).error();
    return 0;
  };
  auto done = co_await on_worker<int>(desk.core, std::move(job));
  if (!done) co_return std::move(done).error();
  co_return Reply::json({{"removed", *name}, {"owner", *owner}});
}

// Names and times of what it reads, and no values: those of neighbours are for who may read them.
json::object value_json(const DerivedValue& one, Instant now) {
  json::array inputs;
  for (const auto& input : one.inputs) {
    json::object shown{{"twin", input.key.twin}, {"signal", input.key.signal}};
    shown["time"] = input.reading ? json::value(to_text(input.reading->time)) : json::value();
    inputs.push_back(std::move(shown));
  }
  json::object out{{"name", one.name},   {"owner", one.owner}, {"expression", one.value},
                   {"unit", one.unit},   {"own", one.own},     {"reason", one.reason},
                   {"exportable", false}};
  const bool there = one.newest.has_value();
  out["value"] = there ? json::value(one.newest->value) : json::value();
  out["time"] = there ? json::value(to_text(one.newest->time)) : json::value();
  out["age_s"] = there ? json::value((now - one.newest->time).seconds()) : json::value();
  out["inputs"] = std::move(inputs);
  return out;
}

awaitable<Result<Reply>> twin_signals(const Desk& desk, const Call& call) {
  const std::string id = call.path.at("id");
  auto state = desk.core.twins->state();
  if (auto found = find_twin(state->graph, id, {}); !found) co_return std::move(found).error();
  auto job = [desk, id]() -> Result<json::value> {
    const Instant now = desk.core.clock.now();
    json::array items;
    for (const DerivedValue& one : desk.history.values(id, now)) {
      items.push_back(value_json(one, now));
    }
    return json::value{{"twin", id}, {"items", std::move(items)}};
  };
  auto got = co_await on_worker<json::value>(desk.core, std::move(job));
  if (!got) co_return std::move(got).error();
  co_return Reply::json(*got);
}

}  // namespace

void add_signal_routes(RouteTable& table, Core& core, DerivedHistory& history) {
  const Desk shared{core, history};
  const auto with = [shared](auto handler) {
    return [shared, handler](const Call& call) { return handler(shared, call); };
  };
  table.add({Method::get, "/api/v1/signals", Verb::read_twins, "listSignals",
             "The definitions of derived signals", BodyKind::none, with(list_signals)});
  table.add({Method::post, "/api/v1/signals", Verb::write_twins, "applySignals",
             "Adds or replaces derived signals (TOML), all or none", BodyKind::text,
             with(apply_signals)});
  table.add({Method::post, "/api/v1/signals/remove", Verb::write_twins, "removeSignal",
             "Removes a derived signal: owner \"type DTMI\" or \"twin ID\", and name",
             BodyKind::json, with(remove_signal)});
  table.add({Method::get, "/api/v1/twins/{id}/signals", Verb::read_twins, "twinSignals",
             "A twin's derived signals: value, or the reason why there is none", BodyKind::none,
             with(twin_signals)});
}

}  // namespace entente::node
