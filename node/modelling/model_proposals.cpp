// Proposals of ModelRegister: refits and set-points, kept, compared, decided on.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "node/modelling/limits.h"
#include "node/modelling/model_register_parts.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

namespace json = boost::json;

json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

// What identify was asked for when this definition was found.
IdentifyRequest request_of(const ModelDefinition& definition) {
  const ModelSpec& spec = definition.spec;
  IdentifyRequest request;
  request.twin = definition.twin;
  request.name = definition.name;
  for (const std::string& signal : spec.signals) {
    request.signal += (request.signal.empty() ? "" : ",") + signal;
  }
  request.inputs = spec.inputs;
  request.kind = definition.identified;
  request.detector = spec.kind == "detector";
  request.step = spec.step;
  if (request.detector || !request.kind.empty()) return request;
  request.horizon = spec.step * static_cast<std::int64_t>(horizon_of(spec));
  const auto periods = spec.parameters.find("periods");
  if (periods == spec.parameters.end()) return request;
  for (const double period : periods->second) {
    request.periods.push_back(spec.step * static_cast<std::int64_t>(period));
  }
  return request;
}

std::string numbers_text(const std::vector<double>* numbers) {
  if (numbers == nullptr) return "none";
  std::string text;
  for (std::size_t i = 0; i < numbers->size() && i < 6; ++i) {
    text += (i > 0 ? ", " : "") + short_number((*numbers)[i]);
  }
  if (numbers->size() > 6) text += ", … (" + std::to_string(numbers->size()) + " numbers)";
  return text;
}

json::array changes(const ModelDefinition& before, const ModelDefinition& after) {
  json::array all;
  const auto change = [&](const std::string& what, const std::string& was, const std::string& is) {
    if (was != is) all.push_back({{"what", what}, {"before", was}, {"after", is}});
  };
  change("kind", before.spec.kind, after.spec.kind);
  change("identified", before.identified, after.identified);
  change("from", to_text(before.from), to_text(after.from));
  std::map<std::string, std::pair<const std::vector<double>*, const std::vector<double>*>> both;
  for (const auto& [name, numbers] : before.spec.parameters) both[name].first = &numbers;
  for (const auto& [name, numbers] : after.spec.parameters) both[name].second = &numbers;
  for (const auto& [name, pair] : both) {
    const bool same =
        pair.first != nullptr && pair.second != nullptr && *pair.first == *pair.second;
    if (!same) {
      all.push_back({{"what", name},
                     {"before", numbers_text(pair.first)},
                     {"after", numbers_text(pair.second)}});
    }
  }
  return all;
}

json::object trial_json(const Trial& trial) {
  const bool banded = trial.score.banded > 0;
  return {{"points", trial.score.points},
          {"mean_absolute_error", number(trial.scored() ? trial.score.mae() : kMissing)},
          {"naive_error", number(trial.naive_error)},
          {"coverage_half", number(banded ? trial.score.coverage_half() : kMissing)},
          {"coverage_ninety", number(banded ? trial.score.coverage_ninety() : kMissing)},
          {"alarms", trial.alarms}};
}

json::array path_json(const std::vector<PredictedPoint>& path) {
  json::array all;
  for (const PredictedPoint& point : path) {
    all.push_back({{"time", to_text(point.time)},
                   {"mean", number(point.mean)},
                   {"low50", number(point.half.low)},
                   {"high50", number(point.half.high)},
                   {"low90", number(point.ninety.low)},
                   {"high90", number(point.ninety.high)}});
  }
  return all;
}

json::array bounds_json(const std::vector<Bounded>& bounds) {
  json::array all;
  for (const Bounded& one : bounds) {
    all.push_back({{"name", one.name}, {"low", number(one.low)}, {"high", number(one.high)}});
  }
  return all;
}

json::object optimised_json(const ModelSpec& spec, const OptimisationPlan& plan,
                            const Optimised& done) {
  json::array pieces;
  for (std::size_t piece = 0; piece < done.begins.size(); ++piece) {
    json::object inputs;
    for (std::size_t i = 0; i < plan.set.size(); ++i) {
      inputs[plan.set[i].name] = number(done.inputs[piece][i]);
    }
    pieces.push_back({{"from", to_text(done.begins[piece])}, {"inputs", std::move(inputs)}});
  }
  json::array signals;
  for (std::size_t i = 0; i < done.paths.size(); ++i) {
    signals.push_back({{"signal", spec.signals[i]}, {"path", path_json(done.paths[i])}});
  }
  return {{"minimise", plan.minimise},
          {"set", bounds_json(plan.set)},
          {"keep", bounds_json(plan.keep)},
          {"steps", plan.steps},
          {"seed", done.seed},
          {"evaluations", done.evaluations},
          {"cost", number(done.cost)},
          {"cost_held", number(done.cost_held)},
          {"steps_at_risk", done.steps_at_risk},
          {"pieces", std::move(pieces)},
          {"items", std::move(signals)}};
}

Error no_proposal(std::int64_t number) {
  return make_error(ErrorCode::not_found, "there is no proposal " + std::to_string(number),
                    "see 'entente model proposals'");
}

}  // namespace

Result<Proposal> ModelRegister::keep(Proposal proposal, const char* action, bool is_new) const {
  return parts_.store.run<Proposal>([&](Database& database) -> Result<Proposal> {
    if (is_new) {
      proposal.number = add_proposal(database, proposal);
    } else {
      settle_proposal(database, proposal);
    }
    security::AuditRecord record;
    record.time = is_new ? proposal.made : proposal.settled;
    record.actor = is_new ? proposal.actor : proposal.settled_by;
    record.action = action;
    record.object = "model:" + proposal.twin + "/" + proposal.model;
    record.outcome = security::AuditOutcome::done;
    record.detail = {{"proposal", std::to_string(proposal.number)},
                     {"kind", std::string(to_text(proposal.kind))},
                     {"life", std::string(to_text(proposal.life))},
                     {"version", std::to_string(proposal.version)}};
    append_audit(database, std::move(record));
    return proposal;
  });
}

Result<Proposal> ModelRegister::refit(const std::string& actor, const std::string& twin,
                                      const std::string& name, bool dry_run) {
  auto view = show(twin, name);
  if (!view) return std::move(view).error();
  const ModelDefinition before = view->row.definition;
  if (view->row.life == ModelLife::retired) {
    return make_error(ErrorCode::conflict, "the model '" + name + "' is retired");
  }
  if (before.spec.kind == "linear_state_space" && before.identified.empty()) {
    return make_error(ErrorCode::unsupported, "the definition does not say how it was identified",
                      "identify it again with --kind, or add identified = \"…\" to it");
  }
  const Instant now = parts_.clock.now();
  auto found = identify(parts_.history, kinds_, request_of(before), now);
  if (!found) return std::move(found).error();
  ModelDefinition& after = found->definition;
  after.name = before.name;
  after.late = before.late;
  after.refit = before.refit;
  // Both on the newest third of what the new one was found on.
  const Duration span = found->of.to - found->of.from;
  TrialOptions options;
  options.horizon = horizon_of(after.spec);
  options.every = std::max<std::size_t>(options.horizon / 2, 1);
  options.scored_from = found->of.from + Duration{span.ns / 3 * 2};
  const auto scored = [&](const ModelDefinition& definition) {
    return try_definition(kinds_, definition, trial_observations(parts_.history, definition, now),
                          options);
  };
  auto old_score = scored(before);
  if (!old_score) return std::move(old_score).error();
  auto new_score = scored(after);
  if (!new_score) return std::move(new_score).error();
  Proposal proposal;
  proposal.kind = ProposalKind::refit;
  proposal.twin = twin;
  proposal.model = name;
  proposal.version = before.spec.version;
  proposal.made = now;
  proposal.actor = actor;
  proposal.toml = definition_text(after);
  json::object body{{"changes", changes(before, after)},
                    {"before", trial_json(*old_score)},
                    {"after", trial_json(*new_score)},
                    {"scored_from", to_text(options.scored_from)}};
  const bool both = old_score->scored() && new_score->scored();
  body["better"] =
      both ? json::value(new_score->score.mae() < old_score->score.mae()) : json::value(nullptr);
  proposal.body = json::serialize(body);
  if (dry_run) return proposal;
  return keep(std::move(proposal), "model.propose", true);
}

Result<Proposal> ModelRegister::optimise(const std::string& actor, const std::string& twin,
                                         const std::string& name, OptimisationPlan plan,
                                         Duration horizon, const OptimisationWatch& watch,
                                         bool dry_run) {
  auto entry = running(twin, "", name);
  if (!entry) return std::move(entry).error();
  // A copy, so that feeding goes on meanwhile.
  std::unique_ptr<Model> model;
  std::vector<double> held;
  ModelDefinition definition;
  {
    std::lock_guard lock((*entry)->mutex);
    if (!(*entry)->live) return no_model(twin, name);
    definition = (*entry)->row.definition;
    held = (*entry)->live->held();
    auto copied = kinds_.load((*entry)->live->model().save());
    if (!copied) return std::move(copied).error();
    model = std::move(*copied);
  }
  const ModelSpec& spec = definition.spec;
  if (spec.step.ns == 0) {
    return make_error(ErrorCode::unsupported, "a model without a step is not optimised",
                      "identify one with --step");
  }
  for (const Bounded& one : plan.set) {
    if (auto fine = planned_row(spec, held, {{one.name, one.low, 0}}); !fine) {
      return std::move(fine).error();
    }
  }
  plan.steps =
      horizon.ns > 0 ? static_cast<std::size_t>(horizon.ns / spec.step.ns) : horizon_of(spec);
  plan.pieces = std::min(plan.pieces, std::max<std::size_t>(plan.steps, 1));
  auto done = node::optimise(*model, held, plan, watch);
  if (!done) return std::move(done).error();
  Proposal proposal;
  proposal.kind = ProposalKind::optimisation;
  proposal.twin = twin;
  proposal.model = definition.name;
  proposal.version = spec.version;
  proposal.made = parts_.clock.now();
  proposal.actor = actor;
  proposal.body = json::serialize(optimised_json(spec, plan, *done));
  if (dry_run) return proposal;
  return keep(std::move(proposal), "model.propose", true);
}

Result<std::vector<Proposal>> ModelRegister::proposals(const std::string& twin) const {
  return read([&](Database& database) { return stored_proposals(database, twin); });
}

Result<Proposal> ModelRegister::proposal(std::int64_t number) const {
  auto all = proposals("");
  if (!all) return std::move(all).error();
  for (Proposal& one : *all) {
    if (one.number == number) return std::move(one);
  }
  return no_proposal(number);
}

Result<Proposal> ModelRegister::settle(const std::string& actor, std::int64_t number,
                                       Decision decision, bool dry_run) {
  auto found = proposal(number);
  if (!found) return found;
  if (found->life != ProposalLife::open) {
    return make_error(ErrorCode::conflict, "the proposal " + std::to_string(number) + " was " +
                                               std::string(to_text(found->life)) + " already");
  }
  if (decision == Decision::accept) {
    if (found->kind != ProposalKind::refit) {
      return make_error(ErrorCode::unsupported, "this node sets no inputs of an asset",
                        "set them where the asset is controlled, then dismiss the proposal");
    }
    auto view = show(found->twin, found->model);
    if (!view) return std::move(view).error();
    if (view->row.definition.spec.version != found->version) {
      return make_error(ErrorCode::conflict, "the model was changed since it was proposed",
                        "entente model refit " + found->twin + "/" + found->model);
    }
    auto definition = read_definition(found->toml, "proposal", kinds_);
    if (!definition) return std::move(definition).error();
    auto applied = apply(actor, std::move(*definition), {false, dry_run});
    if (!applied) return std::move(applied).error();
  }
  found->life = decision == Decision::accept ? ProposalLife::accepted : ProposalLife::dismissed;
  found->settled = parts_.clock.now();
  found->settled_by = actor;
  if (dry_run) return found;
  return keep(std::move(*found), "model.settle", false);
}

// Called within a turn.
void ModelRegister::refit_by_policy(const ModelDefinition& definition) {
  if (definition.refit == RefitPolicy::never) return;
  auto proposed = refit("node", definition.twin, definition.name, false);
  if (!proposed) {
    log::warn(
        "models", "no refit could be proposed",
        {{"twin", definition.twin}, {"model", definition.name}, {"reason", proposed.error().what}});
    return;
  }
  const json::value body = json::parse(proposed->body);
  const json::value& better = body.at("better");
  // A policy takes no refit that does worse than what is there.
  if (definition.refit != RefitPolicy::apply || !better.is_bool() || !better.get_bool()) return;
  to_accept_.push_back(proposed->number);
}

}  // namespace entente::node
