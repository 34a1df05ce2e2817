// Agreements.
#include <utility>

#include <boost/json.hpp>

#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "security/privacy/rho.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

std::string organisation_name(const Core& core, const OrgId& org) {
  if (org == core.organisation()) return core.settings.organisation;
  const auto link = core.links->entries().find(org);
  return link == core.links->entries().end() ? org.short_hex() : link->second.name;
}

std::string turn_of(const AgreementEntry& entry) {
  if (entry.state == federation::AgreementState::proposed)
    return entry.our_turn ? "ours" : "theirs";
  if (entry.state == federation::AgreementState::agreed) return "ours: being delivered";
  return entry.outbox.empty() ? "nobody's" : "ours: being delivered";
}

json::object agreement_json(const Core& core, const AgreementEntry& entry) {
  json::array exports;
  DeltaUnits delta;
  for (const ExportView& view : entry.value.exports) {
    exports.push_back(json::value(view.name));
    delta = view.delta;
  }
  return {{"id", entry.id.hex()},
          {"name", entry.value.name},
          {"provider", organisation_name(core, entry.value.provider)},
          {"consumer", organisation_name(core, entry.value.consumer)},
          {"state", federation::to_text(entry.state)},
          {"turn", turn_of(entry)},
          {"since", shown_time(entry.since)},
          {"exports", std::move(exports)},
          {"epsilon_per_block", shown_epsilon(entry.value.rho_per_block, delta)},
          {"epsilon_guaranteed", shown_epsilon(entry.value.rho_guaranteed, delta)},
          {"expires", shown_time(entry.value.expires)},
          {"last_error", entry.last_error}};
}

json::object whole_agreement_json(const Core& core, const AgreementEntry& entry) {
  json::object out = agreement_json(core, entry);
  json::array aggregates, tests, offers;
  for (const ExportView& view : entry.value.exports) offers.push_back(export_json(view));
  out["offers"] = std::move(offers);
  for (const Aggregate one : entry.value.aggregates)
    aggregates.push_back(json::value(to_text(one)));
  for (const AgreementTest& test : entry.value.tests) {
    json::object one;
    one[test.must ? "must" : "must_not"] = test.question;
    tests.push_back(std::move(one));
  }
  out["aggregates"] = std::move(aggregates);
  out["purposes"] = json::value_from(entry.value.purposes);
  out["min_units"] = entry.value.min_units;
  out["issued"] = shown_time(entry.value.issued);
  out["reason"] = entry.reason;
  out["tests"] = std::move(tests);
  return out;
}

awaitable<Result<Reply>> list_agreements(Core& core, const Call&) {
  json::array items;
  for (const auto& [id, entry] : core.agreements->entries())
    items.push_back(agreement_json(core, entry));
  co_return Reply::json({{"items", std::move(items)}});
}

awaitable<Result<Reply>> show_agreement(Core& core, const Call& call) {
  auto entry = core.agreements->find(call.path.at("id"));
  if (!entry) co_return std::move(entry).error();
  co_return Reply::json(whole_agreement_json(core, *entry));
}

// The text with names resolved: exports in full, the partner's id, epsilon as rho.
Result<Agreement> terms_of(const Core& core, const AgreementText& text) {
  auto terms = offer_of(text, core.declarations);
  if (!terms) return terms;
  terms->provider = core.organisation();
  const LinkEntry* link = core.links->named(text.partner);
  auto id = OrgId::from_hex_text(text.partner);
  if (link != nullptr) {
    terms->consumer = link->organisation;
  } else if (id && core.links->entries().contains(*id)) {
    terms->consumer = *id;
  } else {
    return make_error(ErrorCode::agreement_invalid,
                      "agreement.partner: there is no link named '" + text.partner + "'");
  }
  terms->issued = core.clock.now();
  // What a partner would refuse to read is refused here, with the field named.
  auto read_back = agreement_from_bytes(canonical_bytes(*terms));
  if (!read_back) return std::move(read_back).error();
  if (auto kept = federation::check_guarantees(*core.site, *terms); !kept) {
    return std::move(kept).error();
  }
  return terms;
}

awaitable<Result<Reply>> propose(Core& core, const Call& call) {
  auto text = call.text_field("text");
  if (!text) co_return std::move(text).error();
  auto parsed = read_agreement(*text, "agreement");
  if (!parsed) co_return std::move(parsed).error();
  auto terms = terms_of(core, *parsed);
  if (!terms) co_return std::move(terms).error();
  if (call.dry_run) {
    if (auto tests = federation::run_agreement_tests(*terms, core.clock.now()); !tests) {
      co_return std::move(tests).error();
    }
    AgreementEntry entry;
    entry.value = std::move(*terms);
    json::object out = whole_agreement_json(core, entry);
    out["dry_run"] = true;
    co_return Reply::json(out);
  }
  auto proposed =
      co_await await_result<AgreementEntry>(core.loop, [&](AgreementRegister::Reply reply) {
        core.agreements->propose(actor_of(call), std::move(*terms), std::move(reply));
      });
  if (!proposed) co_return std::move(proposed).error();
  co_return Reply::json(agreement_json(core, *proposed));
}

awaitable<Result<Reply>> sign(Core& core, const Call& call) {
  auto entry = core.agreements->find(call.path.at("id"));
  if (!entry) co_return std::move(entry).error();
  if (call.dry_run) co_return Reply::json(whole_agreement_json(core, *entry));
  auto agreed =
      co_await await_result<AgreementEntry>(core.loop, [&](AgreementRegister::Reply reply) {
        core.agreements->sign(actor_of(call), entry->id, std::move(reply));
      });
  if (!agreed) co_return std::move(agreed).error();
  co_return Reply::json(agreement_json(core, *agreed));
}

awaitable<Result<Reply>> terminate(Core& core, const Call& call) {
  auto entry = core.agreements->find(call.path.at("id"));
  if (!entry) co_return std::move(entry).error();
  auto reason = call.optional_text_field("reason");
  if (!reason) co_return std::move(reason).error();
  if (call.dry_run) co_return Reply::json(whole_agreement_json(core, *entry));
  auto ended =
      co_await await_result<AgreementEntry>(core.loop, [&](AgreementRegister::Reply reply) {
        core.agreements->terminate(actor_of(call), entry->id, reason->value_or(""),
                                   std::move(reply));
      });
  if (!ended) co_return std::move(ended).error();
  co_return Reply::json(agreement_json(core, *ended));
}

}  // namespace

void add_federation_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  using security::Step;
  table.add({Method::get, "/api/v1/agreements", Verb::read_agreements, "listAgreements",
             "All agreements with whose turn it is", BodyKind::none, with(list_agreements)});
  table.add({Method::get, "/api/v1/agreements/{id}", Verb::read_agreements, "showAgreement",
             "One agreement in full", BodyKind::none, with(show_agreement)});
  table.add({Method::post, "/api/v1/agreements", Verb::manage_agreements, "proposeAgreement",
             "Signs an agreement and offers it to the partner", BodyKind::json, with(propose)});
  table.add(
      for_two_persons(Step::sign_agreement,
                      {Method::post, "/api/v1/agreements/{id}/sign", Verb::manage_agreements,
                       "signAgreement", "Signs a partner's proposal", BodyKind::json, with(sign)}));
  table.add({Method::post, "/api/v1/agreements/{id}/terminate", Verb::manage_agreements,
             "terminateAgreement", "Ends an agreement at both ends", BodyKind::json,
             with(terminate)});
}

}  // namespace entente::node
