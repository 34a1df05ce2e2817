// Agreements: proposed, countered, signed, suspended and ended; compared; written down to begin
// with.
#include <utility>

#include <boost/json.hpp>

#include "federation/agree/agreement_diff.h"
#include "federation/query/suggest.h"
#include "node/config/agreement_text.h"
#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "schemas/base/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using federation::AgreementState;
using federation::Turn;
using security::PinnedOrganisation;
using Step = AgreementStep;

std::string organisation_name(const Core& core, const OrgId& org) {
  if (org == core.organisation()) return core.settings.organisation;
  const auto link = core.links->entries().find(org);
  return link == core.links->entries().end() ? org.short_hex() : link->second.name;
}

bool link_is_open(const Core& core, const OrgId& org) {
  return core.site->partners.contains(org);
}

std::string turn_text(const AgreementEntry& entry) {
  if (entry.outbox) return "ours: being delivered";
  return std::string(to_text(turn_of(entry.standing)));
}

// What brings the agreement on: a command of this side, or what the other has to do.
std::string next_step(const Core& core, const AgreementEntry& entry) {
  const std::string partner = organisation_name(core, entry.partner());
  const std::string id = entry.id.short_hex();
  const auto until = lapses_at(entry);
  if (entry.outbox && !link_is_open(core, entry.partner())) {
    return "'" + std::string(to_text(entry.outbox->step)) + "' reaches " + partner +
           " when the link is active again: entente link list";
  }
  if (entry.outbox) {
    return "the node tells " + partner + " '" + std::string(to_text(entry.outbox->step)) +
           "' until it has answered";
  }
  switch (entry.standing.state) {
    case AgreementState::proposed:
    case AgreementState::countered:
      if (entry.standing.offered_here) {
        return partner + " signs, counters or declines by " + shown_time(*until) +
               "; entente agreement withdraw " + id;
      }
      return "entente agreement sign|counter|terminate " + id + " by " + shown_time(*until);
    case AgreementState::active:
      if (entry.value.starts && core.clock.now() < *entry.value.starts) {
        return "in force from " + shown_time(*entry.value.starts) + " on";
      }
      return "in force until " + shown_time(entry.value.expires);
    case AgreementState::suspended:
      if (entry.standing.held_here) return "entente agreement resume " + id;
      return partner + " resumes it, or either terminates it";
    default:
      return "nothing";
  }
}

json::object agreement_json(const Core& core, const AgreementEntry& entry) {
  json::array exports;
  DeltaUnits delta;
  for (const ExportView& view : entry.value.exports) {
    exports.push_back(json::value(view.name));
    delta = view.delta;
  }
  return {{"id", entry.id.hex()},
          {"terms", entry.terms.hex()},
          {"version", entry.value.round + 1},
          {"name", entry.value.name},
          {"provider", organisation_name(core, entry.value.provider)},
          {"consumer", organisation_name(core, entry.value.consumer)},
          {"state", to_text(entry.standing.state)},
          {"turn", turn_text(entry)},
          {"since", shown_time(entry.since)},
          {"next", next_step(core, entry)},
          {"exports", std::move(exports)},
          {"epsilon_per_block", shown_epsilon(entry.value.rho_per_block, delta)},
          {"epsilon_guaranteed", shown_epsilon(entry.value.rho_guaranteed, delta)},
          {"expires", shown_time(entry.value.expires)},
          {"last_error", entry.last_error}};
}

std::string text_of(const Core& core, const AgreementEntry& entry) {
  std::vector<std::shared_ptr<const ExportView>> views;
  for (const ExportView& view : entry.value.exports) {
    views.push_back(std::make_shared<const ExportView>(view));
  }
  return agreement_skeleton(organisation_name(core, entry.partner()), views, &entry.value);
}

Result<PinnedOrganisation> pinned_organisation(const Core& core, const OrgId& id) {
  if (id == core.organisation()) return core.keyring.self;
  const auto link = core.links->entries().find(id);
  if (link == core.links->entries().end()) return make_error(ErrorCode::not_found, "no such link");
  return PinnedOrganisation::from_chain(link->second.chain);
}

// Who signed the terms, by keys of which version of their charter. Null: not yet, or by a key that
// was revoked since.
json::array signatures_json(const Core& core, const AgreementEntry& entry) {
  json::array out;
  const auto wire = signed_agreement_from_bytes(entry.signed_bytes);
  if (!wire) return out;
  for (const OrgId& signer : {entry.value.provider, entry.value.consumer}) {
    const auto& signature =
        signer == entry.value.provider ? wire->provider_signature : wire->consumer_signature;
    json::object one{{"organisation", organisation_name(core, signer)},
                     {"signed", signature.has_value()},
                     {"charter_version", nullptr}};
    const auto pinned = pinned_organisation(core, signer);
    const auto version = signature && pinned ? pinned->signed_since(KeyPurpose::agreement,
                                                                    security::contexts::kAgreement,
                                                                    wire->agreement, *signature)
                                             : std::nullopt;
    if (version) one["charter_version"] = *version;
    out.push_back(std::move(one));
  }
  return out;
}

json::object whole_agreement_json(const Core& core, const AgreementEntry& entry) {
  const Agreement& value = entry.value;
  json::object out = agreement_json(core, entry);
  json::array aggregates, tests, offers, steps;
  for (const ExportView& view : value.exports) offers.push_back(export_json(view));
  for (const Aggregate one : value.aggregates) aggregates.push_back(json::value(to_text(one)));
  for (const AgreementTest& test : value.tests) {
    json::object one;
    one[test.must ? "must" : "must_not"] = test.question;
    tests.push_back(std::move(one));
  }
  for (const Step step : steps_open(entry.standing)) steps.push_back(json::value(to_text(step)));
  out["offers"] = std::move(offers);
  out["aggregates"] = std::move(aggregates);
  out["purposes"] = json::value_from(value.purposes);
  out["onward"] = json::value_from(value.onward);
  out["min_units"] = value.min_units;
  out["min_sites"] = value.min_sites;
  out["tick_least"] = to_text(value.tick_least);
  out["window_least"] = to_text(value.window_least);
  out["questions_per_hour"] = value.questions_per_hour;
  out["questions_per_day"] = value.questions_per_day;
  out["issued"] = shown_time(value.issued);
  out["starts"] = value.starts ? json::value(shown_time(*value.starts)) : json::value();
  out["zone"] = value.zone;
  out["answers"] = value.answers ? json::value(value.answers->hex()) : json::value();
  out["suspended_here"] = entry.standing.held_here;
  out["suspended_there"] = entry.standing.held_there;
  out["reason"] = entry.reason;
  out["steps"] = std::move(steps);
  out["tests"] = std::move(tests);
  out["signatures"] = signatures_json(core, entry);
  out["text"] = text_of(core, entry);
  return out;
}

awaitable<Result<Reply>> list_agreements(Core& core, const Call&) {
  json::array items;
  for (const auto& [id, entry] : core.agreements->entries()) {
    items.push_back(agreement_json(core, entry));
  }
  co_return Reply::json({{"items", std::move(items)}});
}

awaitable<Result<Reply>> show_agreement(Core& core, const Call& call) {
  auto entry = core.agreements->find(call.path.at("id"));
  if (!entry) co_return std::move(entry).error();
  co_return Reply::json(whole_agreement_json(core, *entry));
}

Result<OrgId> partner_named(const Core& core, const std::string& name, const std::string& place) {
  if (const LinkEntry* link = core.links->named(name)) return link->organisation;
  auto id = OrgId::from_hex_text(name);
  if (id && core.links->entries().contains(*id)) return *id;
  std::vector<std::string> known;
  for (const auto& [org, link] : core.links->entries()) known.push_back(link.name);
  return make_error(ErrorCode::agreement_invalid, place + ": there is no link named '" + name +
                                                      "'; there are " + federation::listed(known) +
                                                      federation::did_you_mean(name, known));
}

// The file that a request brings: its text and what it is called.
Result<AgreementText> file_of(const Call& call) {
  auto text = call.text_field("text");
  if (!text) return std::move(text).error();
  auto file = call.optional_text_field("file");
  if (!file) return std::move(file).error();
  std::string name = file->value_or("");
  if (name.empty() || name.size() > entente::limits::kTextBytes) name = "agreement";
  return read_agreement(*text, name);
}

std::string partner_place(const AgreementText& text) {
  const auto place = text.places.find("partner");
  return place == text.places.end() ? "agreement.partner" : place->second;
}

// Exports, and system twins that partners may ask, as they are described now.
ExportViews offered(const Core& core) {
  ExportViews all = core.declarations.exports;
  all.insert(core.site->exports_of_systems.begin(), core.site->exports_of_systems.end());
  return all;
}

// The text with names resolved: exports in full, the partner's id, epsilon as rho. The first offer
// is this site's about its own exports.
Result<Agreement> terms_of(const Core& core, const AgreementText& text) {
  auto terms = offer_of(text, offered(core));
  if (!terms) return terms;
  auto partner = partner_named(core, text.partner, partner_place(text));
  if (!partner) return std::move(partner).error();
  terms->provider = core.organisation();
  terms->consumer = *partner;
  return terms;
}

// The same of an answer to an offer: a consumer's about the exports that the offer describes.
Result<Agreement> terms_of(const Core& core, const AgreementText& text,
                           const AgreementEntry& entry) {
  ExportViews exports;
  if (entry.provides) {
    exports = offered(core);
  } else {
    for (const ExportView& view : entry.value.exports) {
      exports.emplace(view.name, std::make_shared<const ExportView>(view));
    }
  }
  auto terms = offer_of(text, exports);
  if (!terms) return terms;
  auto partner = partner_named(core, text.partner, partner_place(text));
  if (!partner) return std::move(partner).error();
  if (*partner != entry.partner()) {
    return make_error(
        ErrorCode::agreement_invalid,
        partner_place(text) + ": the offer is " + organisation_name(core, entry.partner()) + "'s");
  }
  terms->provider = entry.value.provider;
  terms->consumer = entry.value.consumer;
  return terms;
}

Reply state_reply(const Core& core, const AgreementEntry& entry, bool dry_run) {
  json::object out = dry_run ? whole_agreement_json(core, entry) : agreement_json(core, entry);
  if (dry_run) out["dry_run"] = true;
  return Reply::json(out);
}

using Start = std::function<void(AgreementRegister::Reply)>;

awaitable<Result<Reply>> carry_out(Core& core, Start start) {
  auto done = co_await await_result<AgreementEntry>(core.loop, start);
  if (!done) co_return std::move(done).error();
  co_return state_reply(core, *done, false);
}

awaitable<Result<Reply>> propose(Core& core, const Call& call) {
  auto text = file_of(call);
  if (!text) co_return std::move(text).error();
  auto terms = terms_of(core, *text);
  if (!terms) co_return std::move(terms).error();
  if (call.dry_run) {
    auto made = core.agreements->try_propose(std::move(*terms));
    if (!made) co_return std::move(made).error();
    co_return state_reply(core, *made, true);
  }
  Start start = [&](AgreementRegister::Reply reply) {
    core.agreements->propose(actor_of(call), *terms, std::move(reply));
  };
  co_return co_await carry_out(core, start);
}

awaitable<Result<Reply>> counter(Core& core, const Call& call) {
  auto entry = core.agreements->find(call.path.at("id"));
  if (!entry) co_return std::move(entry).error();
  auto text = file_of(call);
  if (!text) co_return std::move(text).error();
  auto terms = terms_of(core, *text, *entry);
  if (!terms) co_return std::move(terms).error();
  if (call.dry_run) {
    auto made = core.agreements->try_counter(entry->id, std::move(*terms));
    if (!made) co_return std::move(made).error();
    co_return state_reply(core, *made, true);
  }
  Start start = [&](AgreementRegister::Reply reply) {
    core.agreements->counter(actor_of(call), entry->id, *terms, std::move(reply));
  };
  co_return co_await carry_out(core, start);
}

awaitable<Result<Reply>> take_step(Core& core, const Call& call, Step step) {
  auto entry = core.agreements->find(call.path.at("id"));
  if (!entry) co_return std::move(entry).error();
  auto reason = call.optional_text_field("reason");
  if (!reason) co_return std::move(reason).error();
  if (reason->value_or("").size() > entente::limits::kTextBytes) {
    co_return make_error(ErrorCode::invalid_argument, "'reason' is over 4096 bytes");
  }
  if (call.dry_run) {
    auto taken = core.agreements->try_take(entry->id, step);
    if (!taken) co_return std::move(taken).error();
    co_return state_reply(core, *taken, true);
  }
  Start start = [&](AgreementRegister::Reply reply) {
    core.agreements->take(actor_of(call), entry->id, step, reason->value_or(""), std::move(reply));
  };
  co_return co_await carry_out(core, start);
}

// One side of a comparison: a file, or an agreement as it stands, or what that one answers.
struct Compared {
  Agreement terms;
  std::string called;
};

Result<Compared> compared(const Core& core, const json::value& side, const std::string& where) {
  if (!side.is_object()) {
    return make_error(ErrorCode::invalid_argument, "'" + where + "' must be an object");
  }
  const json::object& object = side.as_object();
  const auto text_at = [&](const char* key) -> std::string {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
  };
  if (const std::string id = text_at("id"); !id.empty()) {
    auto entry = core.agreements->find(id);
    if (!entry) return std::move(entry).error();
    const json::value* before = object.if_contains("answered");
    if (before == nullptr || !before->is_bool() || !before->get_bool()) {
      return Compared{entry->value, "version " + std::to_string(entry->value.round + 1)};
    }
    if (entry->previous.empty()) {
      return make_error(ErrorCode::not_found, "'" + id + "' is no counter-offer: it answers none");
    }
    auto terms = federation::read_terms(entry->previous);
    if (!terms) return std::move(terms).error();
    return Compared{terms->value, "version " + std::to_string(terms->value.round + 1)};
  }
  const std::string file = text_at("file").empty() ? where : text_at("file");
  auto text = read_agreement(text_at("text"), file);
  if (!text) return std::move(text).error();
  ExportViews exports = offered(core);
  for (const auto& [id, entry] : core.agreements->entries()) {
    // Of a consumer's own file the exports are the partner's, as they were described last.
    if (entry.provides || is_over(entry.standing.state)) continue;
    for (const ExportView& view : entry.value.exports) {
      exports.emplace(view.name, std::make_shared<const ExportView>(view));
    }
  }
  auto terms = offer_of(*text, exports);
  if (!terms) return std::move(terms).error();
  return Compared{std::move(*terms), file};
}

awaitable<Result<Reply>> diff(Core& core, const Call& call) {
  const json::object body = call.json.is_object() ? call.json.get_object() : json::object();
  const json::value none;
  const json::value* before_side = body.if_contains("before");
  const json::value* after_side = body.if_contains("after");
  auto before = compared(core, before_side != nullptr ? *before_side : none, "before");
  if (!before) co_return std::move(before).error();
  auto after = compared(core, after_side != nullptr ? *after_side : none, "after");
  if (!after) co_return std::move(after).error();
  // A file says neither party; it is compared as if between the other side's, or ours to offer.
  Agreement& was = before->terms;
  Agreement& is = after->terms;
  if (was.provider.is_zero()) was.provider = is.provider, was.consumer = is.consumer;
  if (is.provider.is_zero()) is.provider = was.provider, is.consumer = was.consumer;
  federation::PartyNames names{core.settings.organisation, "the partner"};
  if (!is.provider.is_zero()) {
    names = {organisation_name(core, is.provider), organisation_name(core, is.consumer)};
  }
  json::array changes;
  for (const auto& change : federation::agreement_diff(was, is, names)) {
    changes.push_back({{"term", change.term},
                       {"before", change.before},
                       {"after", change.after},
                       {"gains", change.gains},
                       {"loses", change.loses},
                       {"words", change.words}});
  }
  co_return Reply::json(
      {{"before", before->called}, {"after", after->called}, {"items", std::move(changes)}});
}

// Of a named partner about this site's exports, or of an agreement that is to be answered.
awaitable<Result<Reply>> new_text(Core& core, const Call& call) {
  auto from = call.optional_text_field("from");
  if (!from) co_return std::move(from).error();
  if (*from) {
    auto entry = core.agreements->find(**from);
    if (!entry) co_return std::move(entry).error();
    co_return Reply::json({{"text", text_of(core, *entry)}});
  }
  auto partner = call.text_field("partner");
  if (!partner) co_return std::move(partner).error();
  if (auto known = partner_named(core, *partner, "partner"); !known) {
    co_return std::move(known).error();
  }
  std::vector<std::shared_ptr<const ExportView>> views;
  std::vector<std::string> names;
  const ExportViews all = offered(core);
  for (const auto& [name, view] : all) names.push_back(name);
  const json::value* chosen = call.json.get_object().if_contains("exports");
  if (chosen == nullptr || !chosen->is_array() || chosen->as_array().empty()) {
    for (const auto& [name, view] : all) {
      const bool same = views.empty() || views.front()->delta == view->delta;
      if (same) views.push_back(view);
    }
  } else {
    for (const json::value& one : chosen->as_array()) {
      const std::string name = one.is_string() ? std::string(one.get_string()) : std::string();
      const auto view = all.find(name);
      if (view == all.end()) {
        co_return make_error(ErrorCode::not_found, "there is no export '" + name + "'; there are " +
                                                       federation::listed(names) +
                                                       federation::did_you_mean(name, names));
      }
      views.push_back(view->second);
    }
  }
  co_return Reply::json({{"text", agreement_skeleton(*partner, views, nullptr)}});
}

}  // namespace

void add_agreement_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  const auto stepping = [&core](Step step) {
    return [&core, step](const Call& call) { return take_step(core, call, step); };
  };
  const std::string one = "/api/v1/agreements/{id}";
  table.add({Method::get, "/api/v1/agreements", Verb::read_agreements, "listAgreements",
             "All agreements with whose turn it is", BodyKind::none, with(list_agreements)});
  table.add({Method::get, one, Verb::read_agreements, "showAgreement", "One agreement in full",
             BodyKind::none, with(show_agreement)});
  // An offer is signed too: the partner's signature alone puts it in force.
  const auto for_two = [&table](Route route) {
    table.add(for_two_persons(security::Step::sign_agreement, std::move(route)));
  };
  for_two({Method::post, "/api/v1/agreements", Verb::manage_agreements, "proposeAgreement",
           "Signs an agreement and offers it to the partner", BodyKind::json, with(propose)});
  table.add({Method::post, "/api/v1/agreements/new", Verb::read_agreements, "newAgreement",
             "Writes the text of an agreement to begin with", BodyKind::json, with(new_text)});
  table.add({Method::post, "/api/v1/agreements/diff", Verb::read_agreements, "diffAgreements",
             "Says what changes between two sets of terms, who gains and who loses", BodyKind::json,
             with(diff)});
  for_two({Method::post, one + "/counter", Verb::manage_agreements, "counterAgreement",
           "Answers an offer with another", BodyKind::json, with(counter)});
  for_two({Method::post, one + "/sign", Verb::manage_agreements, "signAgreement",
           "Signs a partner's offer", BodyKind::json, stepping(Step::settle)});
  table.add({Method::post, one + "/withdraw", Verb::manage_agreements, "withdrawAgreement",
             "Takes an offer back", BodyKind::json, stepping(Step::withdraw)});
  table.add({Method::post, one + "/suspend", Verb::manage_agreements, "suspendAgreement",
             "Stops questions until it is resumed", BodyKind::json, stepping(Step::suspend)});
  table.add({Method::post, one + "/resume", Verb::manage_agreements, "resumeAgreement",
             "Lifts this side's suspension", BodyKind::json, stepping(Step::resume)});
  table.add({Method::post, one + "/terminate", Verb::manage_agreements, "terminateAgreement",
             "Ends or declines an agreement at both ends", BodyKind::json,
             stepping(Step::terminate)});
}

}  // namespace entente::node
