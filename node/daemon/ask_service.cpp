#include "node/daemon/ask_service.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "federation/compose/system_check.h"
#include "federation/query/contribution.h"
#include "federation/query/exact.h"
#include "federation/query/parser.h"
#include "federation/query/suggest.h"
#include "node/daemon/answer_json.h"
#include "node/daemon/answer_receipt.h"
#include "node/daemon/preview.h"
#include "security/privacy/blocks.h"
#include "security/privacy/rho.h"

namespace entente::node {

namespace json = boost::json;
using namespace federation;

// A question resolved and planned: what either lane needs.
struct AskService::Prepared {
  std::string text;
  Plan plan;
  std::vector<AskTarget> targets;         // released lane
  std::vector<MemberCoverage> absent;     // members of a system that cannot be asked now
  std::shared_ptr<const ExportView> own;  // exact lane
  Needs needs;
  Duration timeout;
  bool receipts = false;
  bool exact() const { return own != nullptr; }
};

// Who and what there is while a question is prepared.
struct AskService::Scene {
  std::shared_ptr<const SiteSnapshot> site;
  std::shared_ptr<const TwinGraph> graph;
  std::shared_ptr<const SystemTwins> systems;
};

// What came of preparing: nothing to ask any more, or whom.
struct AskService::Step {
  std::optional<Error> refused;
  std::optional<Prepared> prepared;
  std::optional<Result<json::value>> exact;
};

namespace {

void collect_keys(const Tree<KeyTest>& tree, std::set<std::string>& keys) {
  if (tree.kind == Tree<KeyTest>::Kind::leaf) keys.insert(tree.leaf.key.text);
  for (const auto& child : tree.children) collect_keys(child, keys);
}

// `twins OF type` as an export of everything: its keys are the properties the sentence names, its
// cells what the twins of today have there, its signals the type's, without bounds.
Result<std::shared_ptr<const ExportView>> view_of_type(const Sentence& sentence,
                                                       const std::string& dtmi,
                                                       const TwinGraph& graph) {
  const ResolvedType* type = graph.types().find(dtmi);
  if (type == nullptr) {
    std::vector<std::string> known;
    for (const ResolvedType& one : graph.types().types()) known.push_back(one.id);
    return make_error(ErrorCode::query_unknown_name,
                      "there is no type '" + dtmi + "'" + did_you_mean(dtmi, known),
                      "see 'entente type list'");
  }
  auto view = std::make_shared<ExportView>();
  view->name = "twins";
  view->type = dtmi;
  view->tick = minutes(1);
  view->block = Duration{};
  std::set<std::string> keys;
  for (const Name& key : sentence.group_by) keys.insert(key.text);
  if (sentence.where) collect_keys(*sentence.where, keys);
  for (const std::string& key : keys) {
    if (type->property(key) != nullptr) view->keys.push_back(key);
  }
  std::map<std::vector<std::string>, std::uint32_t> cells;
  for (const std::size_t index : graph.members(dtmi)) {
    const Twin& twin = graph.twins()[index];
    std::vector<std::string> values;
    for (const std::string& key : view->keys) {
      const auto property = twin.properties.find(key);
      if (property != twin.properties.end()) values.push_back(to_text(property->second));
    }
    if (values.size() == view->keys.size()) ++cells[values];
  }
  for (const auto& [values, units] : cells) view->cells.push_back({values, units});
  if (view->cells.empty()) {
    return make_error(ErrorCode::not_found,
                      "no twin of the type '" + dtmi + "' has these properties");
  }
  for (const Signal& signal : type->signals) {
    if (signal.numeric) view->measures.push_back({signal.name, signal.unit, Reducer::mean, {}});
  }
  return std::shared_ptr<const ExportView>(std::move(view));
}

// " (epsilon 2.36 left in the block of 2015-08-23T00:00:00Z)": the tightest block of a refusal.
std::string left_text(const MemberCoverage& member) {
  if (member.code != ErrorCode::budget_exhausted || member.left.empty()) return {};
  const BlockAmount& least =
      *std::min_element(member.left.begin(), member.left.end(),
                        [](const BlockAmount& a, const BlockAmount& b) { return a.rho < b.rho; });
  char epsilon[64];
  std::snprintf(epsilon, sizeof epsilon, "%.2f", security::epsilon_of(least.rho, member.delta));
  return std::string(" (epsilon ") + epsilon + " left in the block of " +
         (least.start == security::kLifetimeBlock ? "its lifetime" : to_text(least.start)) + ")";
}

// When nobody answered: one error that says why, for each.
Error nobody_answered(const FederatedAnswer& answer) {
  ErrorCode code = ErrorCode::peer_unreachable;
  std::set<ErrorCode> codes;
  std::string what;
  for (const MemberCoverage& member : answer.coverage) {
    if (member.state == MemberState::skipped) continue;
    codes.insert(member.code);
    what += (what.empty() ? "" : "; ") + member.name + ": " + member.reason + left_text(member);
  }
  if (codes.size() == 1) code = *codes.begin();
  return make_error(code, what);
}

// One member without a live link or an agreement never blocks the others: it is named instead.
MemberCoverage absent_member(const SystemMember& member, const Error& why) {
  MemberCoverage coverage;
  coverage.name = member.organisation;
  coverage.export_name = member.export_name;
  coverage.state =
      why.code == ErrorCode::agreement_missing ? MemberState::refused : MemberState::unreachable;
  coverage.code = why.code;
  coverage.reason = why.what;
  return coverage;
}

}  // namespace

AskService::Scene AskService::scene() const {
  return {parts_.site(), parts_.graph(), parts_.systems()};
}

Result<AskService::Prepared> AskService::prepare(const AskRequest& request,
                                                 const Scene& scene) const {
  const SiteSnapshot& site = *scene.site;
  const SystemTwins& systems = *scene.systems;
  auto sentence = parse_question(request.question);
  if (!sentence) return std::move(sentence).error();
  Prepared prepared;
  prepared.text = request.question;
  prepared.timeout = request.timeout.value_or(parts_.default_timeout);
  prepared.receipts = request.receipts;
  PlanOptions options;
  options.now = parts_.clock.now();
  options.default_epsilon = parts_.default_epsilon;
  std::vector<SystemMember> members;
  if (const auto* type = std::get_if<TypeTarget>(&sentence->target)) {
    auto view = view_of_type(*sentence, type->dtmi.text, *scene.graph);
    if (!view) return std::move(view).error();
    prepared.own = std::move(*view);
  } else {
    const auto& target = std::get<NamedTarget>(sentence->target);
    const bool here = !target.organisation || target.organisation->text == site.self_name;
    const auto own = site.exports.find(target.name.text);
    const auto system = systems.find(target.name.text);
    if (!here) {
      members = {{target.name.text, target.organisation->text}};
    } else if (own != site.exports.end()) {
      prepared.own = own->second;
    } else if (system != systems.end()) {
      members = system->second.members;
      prepared.needs = system->second.needs;
      options.bounds = bounds_of(system->second);
    } else {
      std::vector<std::string> known;
      for (const auto& [name, view] : site.exports) known.push_back(name);
      for (const auto& [name, value] : systems) known.push_back(name);
      return make_error(ErrorCode::query_unknown_name,
                        "there is no export or system '" + target.name.text + "' here" +
                            did_you_mean(target.name.text, known) + "\n" +
                            pointed(request.question, target.name.at.offset),
                        "see 'entente export list' and 'entente system list', or name a partner's "
                        "export as export@organisation");
    }
  }
  std::vector<MemberView> views;
  if (prepared.own) {
    options.exact = true;
    views.push_back({prepared.own.get(), site.self_name});
  }
  if (auto found = find_members(members, scene.site, prepared); !found) {
    return std::move(found).error();
  }
  for (const AskTarget& target : prepared.targets) {
    views.push_back({target.view, target.partner.name});
  }
  auto planned = plan(*sentence, views, options);
  if (!planned) return std::move(planned).error();
  prepared.plan = std::move(*planned);
  if (request.purpose) prepared.plan.purpose = *request.purpose;
  prepared.plan.fresh = request.fresh;
  return prepared;
}

Outcome AskService::find_members(const std::vector<SystemMember>& members,
                                 const std::shared_ptr<const SiteSnapshot>& snapshot,
                                 Prepared& into) {
  std::optional<Error> first;
  for (const SystemMember& member : members) {
    auto found = find_target(snapshot, member.export_name, member.organisation);
    if (found) {
      into.targets.push_back(std::move(*found));
      continue;
    }
    into.absent.push_back(absent_member(member, found.error()));
    if (!first) first = std::move(found).error();
  }
  // Nobody is charged for a question that cannot be answered in the end.
  const bool enough = !into.targets.empty() && into.needs.met(into.targets.size(), members.size());
  if (first && !enough) return std::move(*first);
  return {};
}

Result<json::value> AskService::exact(const Prepared& prepared) const {
  const MemberPlan& part = prepared.plan.members.front();
  auto folded = parts_.twins.fold(fold_request(*part.question, prepared.own));
  if (!folded) return std::move(folded).error();
  auto rows = blend_exact(*part.question, *prepared.own, *folded);
  auto exact = exact_json(prepared.text, prepared.plan, rows);
  exact.as_object()["twins_without_unit"] = folded->left_out;
  return exact;
}

Result<json::value> AskService::preview_on_worker(const std::vector<AskRequest>& requests,
                                                  const Scene& scene) const {
  std::vector<PreviewedQuestion> batch;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto prepared = prepare(requests[i], scene);
    if (!prepared && requests.size() > 1) {
      const Error& error = prepared.error();
      return make_error(error.code, "question " + std::to_string(i + 1) + ": " + error.what,
                        error.remedy);
    }
    if (!prepared) return std::move(prepared).error();
    PreviewedQuestion& one = batch.emplace_back();
    one.text = std::move(prepared->text);
    one.plan = std::move(prepared->plan);
    one.targets = std::move(prepared->targets);
    one.exact = prepared->exact();
    for (const MemberCoverage& member : prepared->absent) {
      one.notes.push_back(member.name + " cannot be asked: " + member.reason);
    }
  }
  return preview_json(batch, parts_.answers, parts_.clock.now());
}

kj::Promise<Result<json::value>> AskService::preview(std::vector<AskRequest> requests,
                                                     std::optional<SystemTwin> declared) {
  using Shared = std::shared_ptr<Result<json::value>>;
  Scene known = scene();
  if (declared) {
    auto systems = std::make_shared<SystemTwins>(*known.systems);
    systems->insert_or_assign(declared->name, std::move(*declared));
    known.systems = std::move(systems);
  }
  auto work = [this, known = std::move(known), requests = std::move(requests)] {
    return std::make_shared<Result<json::value>>(preview_on_worker(requests, known));
  };
  return off_loop<Shared>(parts_.loop, parts_.workers, std::move(work)).then([](Shared done) {
    return std::move(*done);
  });
}

Outcome AskService::check_free(const AskRequest& request, const Prepared& prepared) const {
  if (request.free_of.empty()) return {};
  for (std::size_t i = 0; i < prepared.targets.size(); ++i) {
    const AskTarget& target = prepared.targets[i];
    const auto& question = prepared.plan.members[i].question;
    const OrgId& asked = target.partner.organisation;
    const bool had = request.free_of.contains({asked, target.view->name}) ||
                     (target.view->composite && request.free_of.contains({asked, ""}));
    if (!question || !had) continue;
    const Hash256 hash = question_hash(canonical_bytes(*question));
    const auto revision = target.view->revision_at(parts_.clock.now(), question->window.to);
    if (parts_.answers.holds(target.partner.organisation, target.view->site, hash, revision,
                             AnswerBook::Way::any)) {
      continue;
    }
    return make_error(ErrorCode::conflict,
                      target.partner.name + " has answered already, and would be asked, and " +
                          "charged, anew: its terms, its export or its data are others now");
  }
  return {};
}

// On a worker: parse, resolve, plan; an exact question is answered there too.
kj::Promise<std::shared_ptr<AskService::Step>> AskService::begin(AskRequest request) {
  auto work = [this, known = scene(), request = std::move(request)] {
    auto step = std::make_shared<Step>();
    auto prepared = prepare(request, known);
    if (!prepared) {
      step->refused.emplace(std::move(prepared).error());
    } else if (prepared->exact()) {
      step->exact.emplace(exact(*prepared));
    } else if (auto is_free = check_free(request, *prepared); !is_free) {
      step->refused.emplace(is_free.error());
    } else {
      step->prepared.emplace(std::move(*prepared));
    }
    return step;
  };
  return off_loop<std::shared_ptr<Step>>(parts_.loop, parts_.workers, std::move(work));
}

kj::Promise<AskService::Released> AskService::send(Prepared& prepared) {
  auto released = std::make_shared<ReleasedAnswer>();
  released->question = prepared.text;
  released->needs = prepared.needs;
  released->receipts = prepared.receipts;
  return parts_.asker.ask(std::move(prepared.plan), std::move(prepared.targets), prepared.timeout)
      .then([released, absent = prepared.absent](FederatedAnswer answer) -> Released {
        released->answer = std::move(answer);
        auto& coverage = released->answer.coverage;
        coverage.insert(coverage.end(), absent.begin(), absent.end());
        return released;
      });
}

Result<json::value> AskService::shown(const ReleasedAnswer& released) const {
  const FederatedAnswer& answer = released.answer;
  if (answer.answered() == 0) return nobody_answered(answer);
  if (!released.enough()) {
    return make_error(ErrorCode::peer_unreachable,
                      "this system needs " + to_text(released.needs) + ", " +
                          std::to_string(answer.answered()) + " of " +
                          std::to_string(answer.coverage.size()) +
                          " answered; what was charged stays charged, and asking again "
                          "gives the same figures free");
  }
  json::value out = answer_json(released.question, answer);
  if (!released.receipts) return out;
  const auto proofs = receipts_of(released.question, answer, parts_.site()->self, parts_.charters);
  out.as_object()["receipts"] = json::array(proofs.begin(), proofs.end());
  return out;
}

namespace {

Error fault_of(const kj::Exception& fault) {
  const bool busy = fault.getType() == kj::Exception::Type::OVERLOADED;
  return make_error(busy ? ErrorCode::overloaded : ErrorCode::internal,
                    busy ? "the node has too much to do" : fault.getDescription().cStr());
}

}  // namespace

kj::Promise<Result<json::value>> AskService::ask(AskRequest request) {
  return begin(std::move(request))
      .then([this](std::shared_ptr<Step> step) -> kj::Promise<Result<json::value>> {
        if (step->refused) return Result<json::value>(std::move(*step->refused));
        if (step->exact) return std::move(*step->exact);
        return send(*step->prepared).then([this](Released released) { return shown(*released); });
      })
      .catch_([](kj::Exception&& fault) -> Result<json::value> { return fault_of(fault); });
}

kj::Promise<Result<AskService::Released>> AskService::ask_partners(AskRequest request) {
  return begin(std::move(request))
      .then([this](std::shared_ptr<Step> step) -> kj::Promise<Result<Released>> {
        if (step->refused) return Result<Released>(std::move(*step->refused));
        if (!step->prepared) {
          return Result<Released>(make_error(ErrorCode::query_unsupported,
                                             "own twins and exports are answered exactly: they "
                                             "have no place among released values"));
        }
        return send(*step->prepared).then([](Released released) {
          return Result<Released>(std::move(released));
        });
      })
      .catch_([](kj::Exception&& fault) -> Result<Released> { return fault_of(fault); });
}

}  // namespace entente::node
