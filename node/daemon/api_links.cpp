// Links: invitations, the states of a link, and what is known of a partner.
#include <utility>

#include <boost/json.hpp>

#include "federation/link/gate.h"
#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "security/identity/words.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

// What only a live connection tells: null without one.
void add_live_facts(json::object& out, const Core& core, const federation::LinkHealth* health) {
  json::value round_trip, expires, days, protocol, range, ahead;
  if (health != nullptr) {
    if (health->round_trip.ns > 0) round_trip = health->round_trip.seconds() * 1e3;
    expires = shown_time(health->certificate_expires);
    days = (health->certificate_expires - core.clock.now()).seconds() / 86'400;
    protocol = health->protocol;
    if (health->protocol_most > 0) {
      range = std::to_string(health->protocol_least) + " to " +
              std::to_string(health->protocol_most) + ", here " +
              std::to_string(federation::kProtocolLeast) + " to " +
              std::to_string(federation::kProtocolMost);
    }
    if (health->clock_ahead) ahead = health->clock_ahead->seconds();
  }
  out["round_trip_ms"] = round_trip;
  out["certificate_expires"] = expires;
  out["certificate_days_left"] = days;
  out["protocol"] = protocol;
  out["protocol_range"] = range;
  out["clock_ahead_s"] = ahead;
}

// What is pinned of the partner, and how fresh it is, here and there.
void add_trust_facts(json::object& out, const Core& core, const LinkEntry& link) {
  const auto pinned = charter_from_bytes(link.chain.back().charter);
  const Instant now = core.clock.now();
  out["charter_version"] = link.chain.size();
  if (pinned) {
    out["charter_expires"] = shown_time(pinned->expires);
    out["charter_days_left"] = (pinned->expires - now).seconds() / 86'400;
  }
  const bool active = link.state == LinkState::active;
  const PartnerStatus status = partner_status(link.heard, now);
  out["status"] = active ? json::value(to_text(status)) : json::value();
  out["heard"] = shown_time(link.heard);
  const bool last = status == PartnerStatus::status_only;
  out["next_step"] =
      active && !last ? json::value(shown_time(next_step(link.heard, status))) : json::value();
  out["our_charter_there"] = link.told;
  json::array conflicts;
  for (const CharterConflict& one : core.links->charter_conflicts()) {
    if (one.organisation != link.organisation) continue;
    conflicts.push_back({{"version", one.version},
                         {"time", shown_time(one.time)},
                         {"pinned", to_base64url(to_wire_bytes(one.pinned))},
                         {"shown", to_base64url(to_wire_bytes(one.shown))}});
  }
  out["charter_conflicts"] = std::move(conflicts);
}

json::value link_json(const Core& core, const LinkEntry& link) {
  const auto health = core.link_manager->health(link.organisation);
  const bool active = link.state == LinkState::active;
  const bool up = active && health && health->call.connected && health->serve.connected;
  json::object out;
  out["organisation"] = {
      {"id", link.organisation.hex()}, {"name", link.name}, {"title", link.title}};
  out["state"] = to_text(link.state);
  out["turn"] = link.state == LinkState::pending || link.our_turn ? "ours" : "nobody's";
  out["since"] = shown_time(link.since);
  out["dials"] = link.dials;
  out["words"] = link.words;
  out["site"] = link.site;
  out["addresses"] = json::value_from(link.addresses);
  out["connected"] = up;
  std::string error = link.last_error;
  if (active && !up && health) {
    error = health->call.connected ? health->serve.last_error : health->call.last_error;
    if (error.empty()) {
      error = link.dials ? "not connected yet" : "not connected: the partner dials";
    }
  }
  out["last_error"] = error;
  add_live_facts(out, core, up ? &*health : nullptr);
  add_trust_facts(out, core, link);
  return out;
}

json::object invitation_json(const OpenInvitation& open) {
  return {{"organisation", {{"id", nullptr}, {"name", open.name}, {"title", ""}}},
          {"state", "invited"},
          {"turn", "theirs"},
          {"since", shown_time(open.created)},
          {"made_by", open.made_by},
          {"expires", shown_time(open.expires)},
          {"wrong_proofs", open.wrong_proofs},
          {"connected", false},
          {"last_error", open.wrong_proofs == 0 ? "" : "somebody tried it with a wrong token"},
          {"round_trip_ms", nullptr},
          {"certificate_expires", nullptr},
          {"protocol", nullptr},
          {"dials", false},
          {"words", ""}};
}

awaitable<Result<Reply>> list_links(Core& core, const Call&) {
  json::array items;
  for (const auto& [org, link] : core.links->entries()) items.push_back(link_json(core, link));
  for (const auto& [id, open] : core.invited->open()) items.push_back(invitation_json(open));
  co_return Reply::json({{"items", std::move(items)}});
}

awaitable<Result<Reply>> invite(Core& core, const Call& call) {
  auto text = call.text_field("name");
  if (!text) co_return std::move(text).error();
  auto name = checked_local_id(*text, "link");
  if (!name) co_return std::move(name).error();
  if (core.links->name_taken(*name)) {
    co_return make_error(ErrorCode::conflict, "there is a link named '" + *name + "' already");
  }
  security::InvitationBook::Terms terms;
  auto life = call.optional_text_field("expires");
  if (!life) co_return std::move(life).error();
  if (*life) {
    auto parsed = parse_duration(**life);
    if (!parsed) co_return std::move(parsed).error();
    terms.life = *parsed;
  }
  if (call.dry_run) co_return Reply::json({{"token", ""}, {"expires", ""}, {"dry_run", true}});
  auto port = core.enrolment->open(core.settings.federation_address, core.settings.enrolment_port);
  if (!port) co_return std::move(port).error();
  core.enrolment_port = *port;
  terms.organisation = core.organisation();
  terms.addresses = {core.public_address(core.federation_port)};
  terms.enrolment = {core.public_address(*port)};
  auto invitation = core.invitations.invite(terms, core.random, core.clock.now());
  if (!invitation) co_return std::move(invitation).error();
  OpenInvitation open;
  open.name = *name;
  open.port = *port;
  open.made_by = actor_of(call);
  const auto keep = [&](std::function<void(Result<int>)> done) {
    core.invited->add(*invitation, open, [done = std::move(done)](Outcome kept) {
      done(kept ? Result<int>(0) : Result<int>(kept.error()));
    });
  };
  auto kept = co_await await_result<int>(core.loop, keep);
  if (!kept) co_return std::move(kept).error();
  co_return Reply::json(
      {{"token", security::to_token(*invitation)}, {"expires", shown_time(invitation->expires)}});
}

awaitable<Result<Reply>> cancel(Core& core, const Call& call) {
  const std::string name = call.path.at("name");
  if (!core.invited->name_taken(name)) {
    co_return make_error(ErrorCode::not_found, "no invitation named '" + name + "' is open",
                         "see 'entente link list'");
  }
  const json::object out{{"name", name}, {"state", "cancelled"}};
  if (call.dry_run) co_return Reply::json(out);
  const auto drop = [&](std::function<void(Result<int>)> done) {
    core.invited->cancel(actor_of(call), name, [done = std::move(done)](Outcome dropped) {
      done(dropped ? Result<int>(0) : Result<int>(dropped.error()));
    });
  };
  auto dropped = co_await await_result<int>(core.loop, drop);
  if (!dropped) co_return std::move(dropped).error();
  co_return Reply::json(out);
}

awaitable<Result<Reply>> accept(Core& core, const Call& call) {
  auto token = call.text_field("token");
  if (!token) co_return std::move(token).error();
  auto invitation = security::parse_token(*token, core.clock.now());
  if (!invitation) co_return std::move(invitation).error();
  if (invitation->organisation == core.organisation()) {
    co_return make_error(ErrorCode::token_invalid, "this invitation is this organisation's own");
  }
  if (call.dry_run) {
    co_return Reply::json(
        {{"organisation", {{"id", invitation->organisation.hex()}}}, {"dry_run", true}});
  }
  auto enrolled = co_await federation::accept_invitation(core.loop, core.clock, core.random,
                                                         *invitation, core.enrolment_self());
  if (!enrolled) co_return std::move(enrolled).error();
  LinkEntry entry;
  entry.organisation = (*enrolled)->partner.id();
  entry.name = (*enrolled)->name();
  entry.title = (*enrolled)->partner.current().title;
  entry.site = (*enrolled)->site;
  entry.addresses = invitation->addresses;
  entry.chain = (*enrolled)->partner.chain();
  entry.dials = true;
  entry.words = security::to_text((*enrolled)->words);
  auto added = co_await await_result<LinkEntry>(core.loop, [&](LinkRegister::Reply reply) {
    core.links->add(actor_of(call), entry, std::move(reply));
  });
  if (!added) co_return std::move(added).error();
  co_return Reply::json(link_json(core, *added));
}

// While the audit log cannot be trusted links may be cut and not opened.
Outcome may_open(const Core& core) {
  const auto& why = core.audit->fault();
  return why ? Outcome(make_error(ErrorCode::store_failed, why->what, why->remedy)) : Outcome{};
}

using Step = void (LinkRegister::*)(const std::string&, const std::string&, LinkRegister::Reply);

awaitable<Result<Reply>> move_link(Core& core, const Call& call, Step step) {
  const std::string name = call.path.at("name");
  if (core.links->named(name) == nullptr) {
    co_return make_error(ErrorCode::not_found, "no link named '" + name + "'",
                         "see 'entente link list'");
  }
  if (auto open = may_open(core); step == &LinkRegister::resume && !open) {
    co_return std::move(open).error();
  }
  if (call.dry_run) co_return Reply::json(link_json(core, *core.links->named(name)));
  auto moved = co_await await_result<LinkEntry>(core.loop, [&](LinkRegister::Reply reply) {
    (core.links.get()->*step)(actor_of(call), name, std::move(reply));
  });
  if (!moved) co_return std::move(moved).error();
  co_return Reply::json(link_json(core, *moved));
}

// Revoking ends what the link carried: a link made anew with the same organisation grants nothing.
// The link goes first, so that nothing the partner does keeps it open; an agreement that could not
// be ended then is said, and ended by 'entente agreement terminate'.
awaitable<Result<Reply>> revoke(Core& core, const Call& call) {
  const LinkEntry* link = core.links->named(call.path.at("name"));
  std::vector<AgreementId> carried;
  if (link != nullptr && !call.dry_run) {
    for (const auto& [id, entry] : core.agreements->entries()) {
      const bool over = is_over(entry.standing.state);
      if (entry.partner() == link->organisation && !over) carried.push_back(id);
    }
  }
  auto revoked = co_await move_link(core, call, &LinkRegister::revoke);
  if (!revoked) co_return revoked;
  for (const AgreementId& id : carried) {
    auto ended =
        co_await await_result<AgreementEntry>(core.loop, [&](AgreementRegister::Reply reply) {
          core.agreements->take(actor_of(call), id, AgreementStep::terminate,
                                "the link was revoked", std::move(reply));
        });
    if (!ended) co_return std::move(ended).error();
  }
  co_return revoked;
}

awaitable<Result<Reply>> confirm(Core& core, const Call& call) {
  if (auto open = may_open(core); !open) co_return std::move(open).error();
  const std::string name = call.path.at("name");
  auto words = call.optional_text_field("words");
  if (!words) co_return std::move(words).error();
  if (call.dry_run) {
    const LinkEntry* entry = core.links->named(name);
    if (entry == nullptr)
      co_return make_error(ErrorCode::not_found, "no link named '" + name + "'");
    co_return Reply::json(link_json(core, *entry));
  }
  auto confirmed = co_await await_result<LinkEntry>(core.loop, [&](LinkRegister::Reply reply) {
    core.links->confirm(actor_of(call), name, *words, std::move(reply));
  });
  if (!confirmed) co_return std::move(confirmed).error();
  co_return Reply::json(link_json(core, *confirmed));
}

}  // namespace

void add_link_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  const auto stepping = [&core](Step step) {
    return [&core, step](const Call& call) { return move_link(core, call, step); };
  };
  table.add({Method::get, "/api/v1/links", Verb::read_links, "listLinks",
             "All links with whose turn it is", BodyKind::none, with(list_links)});
  table.add({Method::post, "/api/v1/links/invite", Verb::manage_links, "inviteLink",
             "Makes a one-time invitation and opens the enrolment port", BodyKind::json,
             with(invite)});
  table.add({Method::post, "/api/v1/links/accept", Verb::manage_links, "acceptLink",
             "Enrols with the organisation that made a token", BodyKind::json, with(accept)});
  const auto opening = [&table](Route route) {
    table.add(for_two_persons(security::Step::activate_link, std::move(route)));
  };
  opening({Method::post, "/api/v1/links/{name}/confirm", Verb::manage_links, "confirmLink",
           "Confirms that both sides read the same eight words", BodyKind::json, with(confirm)});
  table.add({Method::post, "/api/v1/links/{name}/suspend", Verb::cut_links, "suspendLink",
             "Closes a link until it is resumed", BodyKind::json,
             stepping(&LinkRegister::suspend)});
  opening({Method::post, "/api/v1/links/{name}/resume", Verb::manage_links, "resumeLink",
           "Opens a suspended link again", BodyKind::json, stepping(&LinkRegister::resume)});
  table.add({Method::post, "/api/v1/links/{name}/revoke", Verb::cut_links, "revokeLink",
             "Ends a link for good", BodyKind::json, with(revoke)});
  table.add({Method::post, "/api/v1/links/{name}/cancel", Verb::cut_links, "cancelInvitation",
             "Withdraws open invitations of this name", BodyKind::json, with(cancel)});
}

}  // namespace entente::node
