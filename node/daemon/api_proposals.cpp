// Proposals about models: refits, set-points, and what is decided on them.
#include <utility>

#include <boost/json.hpp>
#include <charconv>
#include <tuple>

#include "node/daemon/api_models.h"
#include "node/daemon/model_desk.h"
#include "node/daemon/model_json.h"
#include "node/daemon/twin_query.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

// A proposal is found by its number, and is of the twin that the path names.
Result<std::int64_t> number_in(const Call& call) {
  const std::string& text = call.path.at("number");
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size() && number > 0) return number;
  return make_error(ErrorCode::not_found, "there is no proposal '" + text + "'",
                    "see 'entente model proposals'");
}

Result<Proposal> proposal_of(const ModelRegister& models, const std::string& twin,
                             std::int64_t number) {
  auto found = models.proposal(number);
  if (!found || found->twin == twin) return found;
  return make_error(ErrorCode::not_found,
                    "'" + twin + "' has no proposal " + std::to_string(number),
                    "see 'entente model proposals'");
}

awaitable<Result<Reply>> list_proposals(const Desk& desk, const Call& call) {
  std::string twin;
  if (const auto id = call.path.find("id"); id != call.path.end()) twin = id->second;
  auto job = [desk, twin]() -> Result<json::value> {
    auto all = desk.entries().proposals(twin);
    if (!all) return std::move(all).error();
    json::array items;
    for (const Proposal& one : *all) {
      json::object item = proposal_json(one);
      item.erase("proposal");
      items.push_back(std::move(item));
    }
    return json::value{{"items", std::move(items)}};
  };
  co_return co_await replied(desk, std::move(job));
}

awaitable<Result<Reply>> show_proposal(const Desk& desk, const Call& call) {
  auto number = number_in(call);
  if (!number) co_return std::move(number).error();
  auto job = [desk, twin = call.path.at("id"), number = *number]() -> Result<json::value> {
    auto found = proposal_of(desk.entries(), twin, number);
    if (!found) return std::move(found).error();
    return json::value(proposal_json(*found));
  };
  co_return co_await replied(desk, std::move(job));
}

awaitable<Result<Reply>> decide_proposal(const Desk& desk, const Call& call) {
  auto number = number_in(call);
  if (!number) co_return std::move(number).error();
  auto word = call.text_field("decision");
  if (!word) co_return std::move(word).error();
  if (*word != "accept" && *word != "dismiss") {
    co_return bad_field("decision", "accept or dismiss");
  }
  const auto decision =
      *word == "accept" ? ModelRegister::Decision::accept : ModelRegister::Decision::dismiss;
  auto job = [desk, twin = call.path.at("id"), number = *number, decision, actor = actor_of(call),
              dry_run = call.dry_run]() -> Result<json::value> {
    auto found = proposal_of(desk.entries(), twin, number);
    if (!found) return std::move(found).error();
    auto settled = desk.entries().settle(actor, number, decision, dry_run);
    if (!settled) return std::move(settled).error();
    return json::value(proposal_json(*settled));
  };
  co_return co_await replied(desk, std::move(job));
}

awaitable<Result<Reply>> refit_model(const Desk& desk, const Call& call) {
  auto job = [desk, actor = actor_of(call), twin = call.path.at("id"), name = call.path.at("model"),
              dry_run = call.dry_run]() -> Result<json::value> {
    auto proposed = desk.entries().refit(actor, twin, name, dry_run);
    if (!proposed) return std::move(proposed).error();
    return json::value(proposal_json(*proposed));
  };
  co_return co_await replied(desk, std::move(job));
}

Result<OptimisationPlan> optimisation_plan(const Call& call) {
  OptimisationPlan plan;
  auto cost = call.text_field("minimise");
  if (!cost) return std::move(cost).error();
  plan.minimise = std::move(*cost);
  for (auto [name, into, ends] :
       {std::tuple("set", &plan.set, Ends::both), std::tuple("keep", &plan.keep, Ends::open)}) {
    auto texts = texts_of(call, name);
    if (!texts) return std::move(texts).error();
    for (const std::string& text : *texts) {
      auto bounded = bounded_of(text, ends);
      if (!bounded) return std::move(bounded).error();
      into->push_back(std::move(*bounded));
    }
  }
  auto pieces = count_of(call, "pieces", plan.pieces);
  if (!pieces) return std::move(pieces).error();
  plan.pieces = *pieces;
  auto seed = count_of(call, "seed", plan.seed);
  if (!seed) return std::move(seed).error();
  plan.seed = *seed;
  return plan;
}

awaitable<Result<Reply>> optimise_twin(const Desk& desk, const Call& call) {
  auto plan = optimisation_plan(call);
  if (!plan) co_return std::move(plan).error();
  auto model = call.optional_text_field("model");
  if (!model) co_return std::move(model).error();
  auto text = call.optional_text_field("for");
  if (!text) co_return std::move(text).error();
  auto horizon = length_of("for", text->value_or(""));
  if (!horizon) co_return std::move(horizon).error();
  auto job = [desk, actor = actor_of(call), twin = call.path.at("id"), name = model->value_or(""),
              plan = std::move(*plan), horizon = *horizon,
              dry_run = call.dry_run]() -> Result<json::value> {
    auto proposed = desk.entries().optimise(actor, twin, name, plan, horizon, {}, dry_run);
    if (!proposed) return std::move(proposed).error();
    return json::value(proposal_json(*proposed));
  };
  co_return co_await replied(desk, std::move(job));
}

}  // namespace

void add_proposal_routes(RouteTable& table, Core& core,
                         const std::unique_ptr<ModelService>& models) {
  const Desk shared{core, models};
  const auto with = [shared](auto handler) {
    return [shared, handler](const Call& call) { return handler(shared, call); };
  };
  table.add({Method::get, "/api/v1/models/proposals", Verb::read_twins, "listProposals",
             "What is proposed about models: refits and set-points", BodyKind::none,
             with(list_proposals)});
  table.add({Method::get, "/api/v1/twins/{id}/proposals", Verb::read_twins, "twinProposals",
             "The same of one twin", BodyKind::none, with(list_proposals)});
  table.add({Method::get, "/api/v1/twins/{id}/proposals/{number}", Verb::read_twins, "showProposal",
             "A proposal with all that it says", BodyKind::none, with(show_proposal)});
  table.add({Method::post, "/api/v1/twins/{id}/proposals/{number}", Verb::write_twins,
             "settleProposal", "Accepts or dismisses a proposal", BodyKind::json,
             with(decide_proposal)});
  table.add({Method::post, "/api/v1/twins/{id}/models/{model}/refit", Verb::write_twins,
             "refitModel", "Proposes a model anew from its newest history, with what changes",
             BodyKind::json, with(refit_model)});
  table.add({Method::post, "/api/v1/twins/{id}/optimise", Verb::write_twins, "optimiseTwin",
             "Proposes inputs that cost least within bounds", BodyKind::json, with(optimise_twin)});
}

}  // namespace entente::node
