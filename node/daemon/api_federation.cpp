// Links.
#include <utility>

#include <boost/json.hpp>

#include "node/daemon/answer_json.h"
#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "security/identity/words.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

json::value link_json(const Core& core, const LinkEntry& link) {
  const auto health = core.link_manager->health(link.organisation);
  json::object out;
  out["organisation"] = {
      {"id", link.organisation.hex()}, {"name", link.name}, {"title", link.title}};
  out["state"] = to_text(link.state);
  out["turn"] = link.state == LinkState::pending ? "ours" : "nobody's";
  out["since"] = shown_time(link.since);
  out["dials"] = link.dials;
  out["words"] = link.words;
  out["site"] = link.site;
  out["addresses"] = json::value_from(link.addresses);
  bool connected = false;
  std::string error = link.last_error;
  json::value round_trip, expires, protocol;
  if (health && link.state == LinkState::active) {
    const bool up = health->call.connected && health->serve.connected;
    connected = up;
    if (!up) error = health->call.connected ? health->serve.last_error : health->call.last_error;
    if (!up && error.empty()) {
      error = link.dials ? "not connected yet" : "not connected: the partner dials";
    }
    if (up) {
      if (health->round_trip.ns > 0) round_trip = health->round_trip.seconds() * 1e3;
      expires = shown_time(health->certificate_expires);
      protocol = health->protocol;
    }
  }
  out["connected"] = connected;
  out["last_error"] = error;
  out["round_trip_ms"] = round_trip;
  out["certificate_expires"] = expires;
  out["protocol"] = protocol;
  return out;
}

awaitable<Result<Reply>> list_links(Core& core, const Call&) {
  json::array items;
  for (const auto& [org, link] : core.links->entries()) items.push_back(link_json(core, link));
  for (const auto& [id, name] : core.invited_names) {
    if (core.invitations.state(id, core.clock.now()) != security::InvitationState::open) continue;
    const auto& record = core.invitations.records().at(id);
    items.push_back({{"organisation", {{"id", nullptr}, {"name", name}, {"title", ""}}},
                     {"state", "invited"},
                     {"turn", "theirs"},
                     {"since", nullptr},
                     {"connected", false},
                     {"last_error", "the invitation ends at " + shown_time(record.expires)},
                     {"certificate_expires", nullptr},
                     {"round_trip_ms", nullptr},
                     {"protocol", nullptr},
                     {"dials", false},
                     {"words", ""}});
  }
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
  core.invited_names[invitation->id] = *name;
  co_return Reply::json(
      {{"token", security::to_token(*invitation)}, {"expires", shown_time(invitation->expires)}});
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
// Agreements go first, so that a crash in between leaves less and never more.
awaitable<Result<Reply>> revoke(Core& core, const Call& call) {
  const LinkEntry* link = core.links->named(call.path.at("name"));
  if (link != nullptr && !call.dry_run) {
    std::vector<AgreementId> carried;
    for (const auto& [id, entry] : core.agreements->entries()) {
      const bool over = is_over(entry.standing.state);
      if (entry.partner() == link->organisation && !over) carried.push_back(id);
    }
    for (const AgreementId& id : carried) {
      auto ended =
          co_await await_result<AgreementEntry>(core.loop, [&](AgreementRegister::Reply reply) {
            core.agreements->take(actor_of(call), id, AgreementStep::terminate,
                                  "the link was revoked", std::move(reply));
          });
      if (!ended) co_return std::move(ended).error();
    }
  }
  co_return co_await move_link(core, call, &LinkRegister::revoke);
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

void add_federation_routes(RouteTable& table, Core& core) {
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
  table.add({Method::post, "/api/v1/links/{name}/confirm", Verb::manage_links, "confirmLink",
             "Confirms that both sides read the same eight words", BodyKind::json, with(confirm)});
  table.add({Method::post, "/api/v1/links/{name}/suspend", Verb::manage_links, "suspendLink",
             "Closes a link until it is resumed", BodyKind::json,
             stepping(&LinkRegister::suspend)});
  table.add({Method::post, "/api/v1/links/{name}/resume", Verb::manage_links, "resumeLink",
             "Opens a suspended link again", BodyKind::json, stepping(&LinkRegister::resume)});
  table.add({Method::post, "/api/v1/links/{name}/revoke", Verb::manage_links, "revokeLink",
             "Ends a link for good", BodyKind::json, with(revoke)});
}

}  // namespace entente::node
