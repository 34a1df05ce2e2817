// The privacy budget: what is spent and left, and reconciling after a restored backup.
#include <utility>

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "federation/query/contribution.h"
#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/budget_report.h"
#include "node/daemon/domain_register.h"
#include "node/daemon/on_worker.h"
#include "security/privacy/blocks.h"
#include "security/privacy/rho.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

std::string block_text(Instant start) {
  return start == security::kLifetimeBlock ? "lifetime" : to_text(start);
}

double shown_delta(DeltaUnits delta) {
  return std::round(security::to_double(delta) * 1e12) / 1e12;
}

// The domains of this site's exports, each once, by name.
std::map<std::string, std::shared_ptr<const ExportView>> domains_of(const Core& core) {
  std::map<std::string, std::shared_ptr<const ExportView>> domains;
  for (const auto& [name, view] : core.declarations.exports) domains.emplace(view->domain, view);
  return domains;
}

// What active agreements give a partner in a domain: the most that any one of them names.
struct Terms {
  RhoUnits quota;
  RhoUnits guaranteed;
};

// Everything the report needs of the loop's objects, as values for a worker.
struct BudgetView {
  std::map<std::string, std::string> names;                   // scope -> local alias
  std::map<std::string, std::map<std::string, Terms>> terms;  // domain -> scope -> terms
  json::array quotas;
};

BudgetView view_of(const Core& core) {
  BudgetView out;
  for (const auto& [org, link] : core.links->entries()) out.names[org.hex()] = link.name;
  for (const auto& [id, agreement] : core.site->agreements) {
    const Agreement& value = agreement.value;
    if (value.provider != core.organisation()) continue;
    const std::string org = value.consumer.hex();
    for (const ExportView& view : value.exports) {
      Terms& terms = out.terms[view.domain][org];
      terms.quota = std::max(terms.quota, value.rho_per_block);
      terms.guaranteed = std::max(terms.guaranteed, value.rho_guaranteed);
    }
    const DeltaUnits delta = value.exports.front().delta;
    out.quotas.push_back({{"organisation", out.names[org]},
                          {"agreement", value.name},
                          {"epsilon_per_block", shown_epsilon(value.rho_per_block, delta)},
                          {"epsilon_guaranteed", shown_epsilon(value.rho_guaranteed, delta)}});
  }
  return out;
}

std::uint64_t less(std::uint64_t a, std::uint64_t b) {
  return a > b ? a - b : 0;
}

// Each partner's share of one block, with what is left for it: no more than its quota's rest, and
// no more than the cap's rest less what the others are guaranteed and have not used.
json::array partners_json(const BlockReport& block, const std::vector<LedgerRow>& rows,
                          const ExportView& view, const BudgetView& budget) {
  std::map<std::string, Terms> terms;
  if (const auto known = budget.terms.find(view.domain); known != budget.terms.end()) {
    terms = known->second;
  }
  std::map<std::string, std::uint64_t> spent;
  for (const auto& [scope, term] : terms) spent[scope] = 0;
  for (const LedgerRow& row : rows) {
    if (row.domain != view.domain || row.block != block.start || row.scope == kSiteScope) continue;
    spent[row.scope] = row.spent.units;
  }
  json::array out;
  for (const auto& [scope, own] : spent) {
    std::uint64_t room = less(view.rho_cap.units, block.block.rho.units);
    for (const auto& [other, term] : terms) {
      if (other != scope) room = less(room, less(term.guaranteed.units, spent[other]));
    }
    const std::uint64_t left =
        block.reconciled ? 0 : std::min(room, less(terms[scope].quota.units, own));
    const auto name = budget.names.find(scope);
    out.push_back({{"organisation", name == budget.names.end() ? scope.substr(0, 8) : name->second},
                   {"spent_epsilon", shown_epsilon({own}, view.delta)},
                   {"left_epsilon", shown_epsilon({left}, view.delta)},
                   {"quota_epsilon", shown_epsilon(terms[scope].quota, view.delta)},
                   {"guaranteed_epsilon", shown_epsilon(terms[scope].guaranteed, view.delta)}});
  }
  return out;
}

json::object block_json(const BlockReport& block, const std::vector<LedgerRow>& rows,
                        const ExportView& view, const BudgetView& budget) {
  const std::uint64_t cap = view.rho_cap.units, spent = block.block.rho.units;
  const std::uint64_t left = less(cap, spent);
  return {{"start", block_text(block.start)},
          {"spent_epsilon", epsilon_of(block.block, view)},
          {"left_epsilon", shown_epsilon({left}, view.delta)},
          {"spent_rho", spent},
          {"cap_rho", cap},
          {"percent_left", 100.0 * static_cast<double>(left) / static_cast<double>(cap)},
          {"week_epsilon", epsilon_of(block.week, view)},
          {"year_epsilon", epsilon_of(block.year, view)},
          {"spent_delta", shown_delta(block.block.delta)},
          {"reconciled", block.reconciled},
          {"partners", partners_json(block, rows, view, budget)}};
}

json::object domain_json(const ReleaseLedger& ledger, const std::vector<LedgerRow>& rows,
                         const ExportView& view, const BudgetView& budget) {
  const auto reconciled = ledger.reconciled(view.domain);
  json::array blocks;
  for (const BlockReport& block : report_blocks(rows, view, reconciled)) {
    blocks.push_back(block_json(block, rows, view, budget));
  }
  json::object out{{"domain", view.domain},
                   {"unit", view.unit},
                   {"protects", federation::unit_words(view.unit)},
                   {"zone", view.zone},
                   {"block", view.block.ns == 0 ? "lifetime" : to_text(view.block)},
                   {"cap_epsilon", shown_epsilon(view.rho_cap, view.delta)},
                   {"cap_week_epsilon", epsilon_of(kept_up(view, days(7)), view)},
                   {"cap_year_epsilon", epsilon_of(kept_up(view, days(365)), view)},
                   {"delta", shown_delta(view.delta)},
                   {"threshold_delta", shown_delta(view.threshold_delta)},
                   {"blocks", std::move(blocks)}};
  if (reconciled) out["reconciled_until"] = to_text(reconciled->until);
  return out;
}

awaitable<Result<Reply>> show_budget(Core& core, const Call&) {
  auto job = [&core, domains = domains_of(core), budget = view_of(core)]() -> Result<json::value> {
    const std::vector<LedgerRow> rows = core.ledger->rows();
    json::array all;
    for (const auto& [name, view] : domains) {
      all.push_back(domain_json(*core.ledger, rows, *view, budget));
    }
    json::object out{{"domains", std::move(all)}, {"partners_quota", budget.quotas}};
    const auto restored = core.ledger->restored();
    out["restored"] = restored ? json::value(restored->evidence) : json::value(nullptr);
    return json::value(std::move(out));
  };
  auto shown = co_await on_worker<json::value>(core, std::move(job));
  if (!shown) co_return std::move(shown).error();
  co_return Reply::json(*shown);
}

// What was asked of a reconciliation, checked as far as the loop can.
struct ReconcileRequest {
  std::set<OrgId> without;
  bool restored = false;  // the user says so
};

Result<ReconcileRequest> read_request(const Core& core, const Call& call) {
  ReconcileRequest request;
  if (call.json.is_null()) return request;
  const auto* body = call.json.if_object();
  if (body == nullptr) return make_error(ErrorCode::invalid_argument, "the body is no object");
  if (const json::value* said = body->if_contains("restored")) {
    if (!said->is_bool()) {
      return make_error(ErrorCode::invalid_argument, "restored must be true or false");
    }
    request.restored = said->get_bool();
  }
  const json::value* names = body->if_contains("without");
  if (names == nullptr) return request;
  if (!names->is_array()) {
    return make_error(ErrorCode::invalid_argument, "without must list names of links");
  }
  for (const json::value& name : names->get_array()) {
    const auto* link =
        name.is_string() ? core.links->named(std::string(name.get_string())) : nullptr;
    if (link == nullptr) {
      return make_error(ErrorCode::not_found, "without: there is no such link",
                        "see 'entente link list'");
    }
    request.without.insert(link->organisation);
  }
  return request;
}

// Which partners' heads were compared, and which were not; a plan for the rest.
struct Prepared {
  Reconciliation plan;
  std::map<std::string, OrgId> compared;
  std::map<std::string, OrgId> missing;
};

awaitable<Result<Prepared>> prepare(Core& core) {
  std::map<std::string, OrgId> partners;
  for (const auto& [id, agreement] : core.site->agreements) {
    if (agreement.value.provider != core.organisation()) continue;
    const auto link = core.links->entries().find(agreement.value.consumer);
    if (link != core.links->entries().end()) partners[link->second.name] = link->first;
  }
  auto job = [&core, partners]() -> Result<Prepared> {
    Prepared prepared;
    prepared.plan = core.ledger->plan(known_domains(*core.store));
    for (const auto& [name, org] : partners) {
      (core.ledger->compared(org) ? prepared.compared : prepared.missing).emplace(name, org);
    }
    return prepared;
  };
  co_return co_await on_worker<Prepared>(core, std::move(job));
}

std::string joined(const std::map<std::string, OrgId>& partners) {
  std::string out;
  for (const auto& [name, org] : partners) out += (out.empty() ? "" : " ") + name;
  return out;
}

Outcome check_request(const ReconcileRequest& request, const Prepared& prepared) {
  if (!prepared.plan.restored && !request.restored) {
    return make_error(ErrorCode::conflict,
                      "nothing shows that this database was restored from a backup",
                      "if it was, say so with --restored: it spends every block that has begun");
  }
  std::map<std::string, OrgId> open;
  for (const auto& [name, org] : prepared.missing) {
    if (!request.without.contains(org)) open.emplace(name, org);
  }
  if (open.empty()) return {};
  return make_error(ErrorCode::conflict,
                    "the receipts of these partners could not be compared: " + joined(open),
                    "have each ask any question, which shows it, or go on with --without NAME");
}

json::object reconciliation_json(const Core& core, const Prepared& prepared, bool done) {
  json::array domains, compared, missing;
  for (const auto& [name, view] : domains_of(core)) {
    domains.push_back({{"domain", name},
                       {"block", view->block.ns == 0 ? "lifetime" : to_text(view->block)},
                       {"cap_epsilon", shown_epsilon(view->rho_cap, view->delta)},
                       {"blocks_before", to_text(prepared.plan.until)},
                       {"lifetime_block", "spent wholly"}});
  }
  for (const auto& [name, org] : prepared.compared) compared.push_back(json::value(name));
  for (const auto& [name, org] : prepared.missing) missing.push_back(json::value(name));
  const auto& restored = prepared.plan.restored;
  return {{"evidence", restored ? json::value(restored->evidence) : json::value(nullptr)},
          {"spent_before", to_text(prepared.plan.until)},
          {"domains", std::move(domains)},
          {"compared", std::move(compared)},
          {"not_compared", std::move(missing)},
          {"done", done}};
}

// The site's word that it went on without these partners' receipts, for whoever reads the log.
std::string override_signature(const Core& core, const Reconciliation& plan,
                               const std::string& without) {
  const std::string body = "without " + without + " at record " + std::to_string(plan.head.count) +
                           " " + plan.head.link.hex() + " until " + to_text(plan.until);
  return to_hex(
      core.keyring.keys.audit.sign(security::contexts::kReconcile, bytes_of(body)).view());
}

awaitable<Result<Reply>> reconcile_budget(Core& core, const Call& call) {
  auto request = read_request(core, call);
  if (!request) co_return std::move(request).error();
  auto prepared = co_await prepare(core);
  if (!prepared) co_return std::move(prepared).error();
  if (call.dry_run) {
    json::object out = reconciliation_json(core, *prepared, false);
    const auto ready = check_request(*request, *prepared);
    out["ready"] = ready.has_value();
    out["reason"] = ready ? json::value(nullptr) : json::value(ready.error().what);
    co_return Reply::json(out);
  }
  if (auto ready = check_request(*request, *prepared); !ready) co_return std::move(ready).error();
  Override word;
  word.user = call.subject.name;
  word.without = joined(prepared->missing);
  if (!word.without.empty()) {
    word.signature = override_signature(core, prepared->plan, word.without);
  }
  auto done = co_await await_result<Reconciliation>(core.loop, [&](auto reply) {
    core.ledger->reconcile(prepared->plan, word, std::move(reply));
  });
  if (!done) co_return std::move(done).error();
  co_return Reply::json(reconciliation_json(core, *prepared, true));
}

}  // namespace

void add_budget_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::get, "/api/v1/budget", Verb::read_budgets, "showBudget",
             "What is spent and left of each block", BodyKind::none, with(show_budget)});
  table.add({Method::post, "/api/v1/budget/reconcile", Verb::manage_budgets, "reconcileBudget",
             "Spends what a restored backup has forgotten, then answers again", BodyKind::json,
             with(reconcile_budget)});
}

}  // namespace entente::node
