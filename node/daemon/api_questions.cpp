// Questions, exports, and what this node is.
#include <utility>

#include <boost/json.hpp>

#include "federation/link/bridge.h"
#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/on_worker.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using federation::to_awaitable;

constexpr std::size_t kQuestionsMost = 64;  // of one preview

Result<bool> flag_of(const Call& call, std::string_view name) {
  const json::value* said =
      call.json.is_object() ? call.json.get_object().if_contains(name) : nullptr;
  if (said == nullptr) return false;
  if (said->is_bool()) return said->get_bool();
  return make_error(ErrorCode::invalid_argument, std::string(name) + " must be true or false");
}

// Whether only the price is asked for.
Result<bool> preview_of(const Call& call) {
  auto dry = flag_of(call, "dryRun");
  if (dry && call.dry_run) return true;
  return dry;
}

// One question, or several for a preview.
Result<std::vector<std::string>> questions_of(const Call& call) {
  const json::value* several =
      call.json.is_object() ? call.json.get_object().if_contains("questions") : nullptr;
  if (several == nullptr) {
    auto question = call.text_field("question");
    if (!question) return std::move(question).error();
    return std::vector<std::string>{std::move(*question)};
  }
  const auto wrong = make_error(ErrorCode::invalid_argument, "questions must hold 1 to 64 texts");
  if (!several->is_array()) return wrong;
  std::vector<std::string> questions;
  for (const json::value& one : several->get_array()) {
    if (!one.is_string() || questions.size() == kQuestionsMost) return wrong;
    questions.emplace_back(one.get_string());
  }
  if (questions.empty()) return wrong;
  return questions;
}

// What is the same for all questions of a call.
Result<AskRequest> read_request(const Call& call) {
  AskRequest request;
  auto purpose = call.optional_text_field("purpose");
  if (!purpose) return std::move(purpose).error();
  request.purpose = *purpose;
  auto timeout = call.optional_text_field("timeout");
  if (!timeout) return std::move(timeout).error();
  if (*timeout) {
    auto parsed = parse_duration(**timeout);
    if (!parsed) return std::move(parsed).error();
    if (parsed->ns <= 0 || *parsed > seconds(120)) {
      return make_error(ErrorCode::invalid_argument,
                        "the timeout must be above 0s and at most 120s");
    }
    request.timeout = *parsed;
  }
  auto fresh = flag_of(call, "fresh");
  if (!fresh) return std::move(fresh).error();
  request.fresh = *fresh;
  auto receipts = flag_of(call, "receipts");
  if (!receipts) return std::move(receipts).error();
  request.receipts = *receipts;
  return request;
}

awaitable<Result<Reply>> ask(Core& core, const Call& call) {
  auto questions = questions_of(call);
  if (!questions) co_return std::move(questions).error();
  auto common = read_request(call);
  if (!common) co_return std::move(common).error();
  const auto asked_for = preview_of(call);
  if (!asked_for) co_return asked_for.error();
  const bool preview = *asked_for;
  if (!preview && questions->size() > 1) {
    co_return make_error(ErrorCode::invalid_argument,
                         "several questions can only be previewed: ask them one by one");
  }
  std::vector<AskRequest> requests;
  for (std::string& question : *questions) {
    requests.push_back(*common);
    requests.back().question = std::move(question);
  }
  using Shared = std::shared_ptr<Result<json::value>>;
  auto asked =
      preview ? core.ask->preview(std::move(requests)) : core.ask->ask(std::move(requests.front()));
  auto promise = asked.then([](Result<json::value> result) {
    return std::make_shared<Result<json::value>>(std::move(result));
  });
  Shared got = co_await to_awaitable<Shared>(core.loop, kj::mv(promise));
  if (!*got) co_return std::move(*got).error();
  co_return Reply::json(**got);
}

awaitable<Result<std::vector<Need>>> needs_of_ask(Core& core, const Call& call) {
  auto questions = questions_of(call);
  if (!questions) co_return std::move(questions).error();
  auto preview = preview_of(call);
  if (!preview) co_return std::move(preview).error();
  co_return co_await needs_of_questions(core, call.subject, std::move(*questions),
                                        *preview ? Asking::preview : Asking::answer);
}

awaitable<Result<Reply>> list_exports(Core& core, const Call&) {
  json::array items;
  for (const auto& [name, view] : core.declarations.exports) items.push_back(export_json(*view));
  co_return Reply::json({{"items", std::move(items)}});
}

awaitable<Result<Reply>> show_export(Core& core, const Call& call) {
  const auto found = core.declarations.exports.find(call.path.at("name"));
  if (found == core.declarations.exports.end()) {
    co_return make_error(ErrorCode::not_found, "there is no export '" + call.path.at("name") + "'",
                         "see 'entente export list'");
  }
  json::object out = export_json(*found->second);
  json::array cells;
  for (const PublicCell& cell : found->second->cells) {
    cells.push_back({{"values", json::value_from(cell.values)}, {"units", cell.units}});
  }
  out["public_cells"] = std::move(cells);
  co_return Reply::json(out);
}

json::value break_glass_json(const Core& core) {
  const auto& use = core.break_glass->unacknowledged();
  if (!use) return nullptr;
  return {{"first", shown_time(use->first)},
          {"last", shown_time(use->last)},
          {"calls", use->calls},
          {"what", use->what}};
}

awaitable<Result<Reply>> status(Core& core, const Call&) {
  std::size_t active = 0, pending = 0, connected = 0;
  for (const auto& [org, link] : core.links->entries()) {
    active += link.state == LinkState::active;
    pending += link.state == LinkState::pending;
    const auto health = core.link_manager->health(org);
    connected += link.state == LinkState::active && health && health->call.connected &&
                 health->serve.connected;
  }
  const auto state = core.twins->state();
  co_return Reply::json(
      {{"organisation",
        {{"id", core.organisation().hex()},
         {"name", core.settings.organisation},
         {"title", core.settings.title}}},
       {"site", core.settings.site},
       {"version", ENTENTE_VERSION},
       {"uptime_s", (core.clock.now() - core.started).seconds()},
       {"http", core.settings.http_address + ":" + std::to_string(core.http_port)},
       {"federation", {{"listening", core.public_address(core.federation_port)}}},
       {"twins", state->graph.twins().size()},
       {"links", {{"active", active}, {"connected", connected}, {"pending", pending}}},
       {"agreements", core.site->agreements.size()},
       {"break_glass", break_glass_json(core)},
       {"checks", checks_json(core.checks())}});
}

}  // namespace

awaitable<Result<std::vector<Need>>> needs_of_questions(Core& core, const Subject& subject,
                                                        std::vector<std::string> questions,
                                                        Asking asking) {
  std::set<std::string> systems;
  const auto declared = core.systems->twins();
  for (const auto& [name, system] : *declared) systems.insert(name);
  auto job = [policy = core.site->policy, subject, now = core.clock.now(),
              self = core.settings.organisation, systems = std::move(systems),
              state = core.twins->state(), questions = std::move(questions),
              asking]() -> Result<std::vector<Need>> {
    const QuestionScene scene{*policy, subject, now, self, systems, state->graph};
    std::vector<Need> all;
    for (const std::string& question : questions) {
      auto needs = question_needs(scene, question, asking);
      if (!needs) return std::move(needs).error();
      all.insert(all.end(), needs->begin(), needs->end());
    }
    return all;
  };
  co_return co_await on_worker<std::vector<Need>>(core, std::move(job));
}

void add_question_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  Route asking{Method::post,
               "/api/v1/ask",
               Verb::ask,
               "ask",
               "Answers a question, or previews its cost with ?dryRun=1",
               BodyKind::json,
               with(ask)};
  asking.needs = with(needs_of_ask);
  table.add(std::move(asking));
  table.add({Method::get, "/api/v1/exports", Verb::read_twins, "listExports",
             "What this site offers to partners", BodyKind::none, with(list_exports)});
  table.add({Method::get, "/api/v1/exports/{name}", Verb::read_twins, "showExport",
             "One export: bounds, caps, unit, block, keys and declared cells", BodyKind::none,
             with(show_export)});
  table.add({Method::get, "/api/v1/status", Verb::read_status, "status",
             "What this node is and how it does", BodyKind::none, with(status)});
}

}  // namespace entente::node
