#include "node/daemon/upkeep.h"

#include <algorithm>
#include <cstdlib>

#include "federation/agree/agreements_desk.h"
#include "federation/ask/questions_desk.h"
#include "federation/feed/feed_desk.h"
#include "node/daemon/answer_json.h"
#include "node/daemon/limits.h"
#include "node/daemon/link_register.h"
#include "node/daemon/partner_policy.h"
#include "node/daemon/witnessing.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"
#include "security/identity/words.h"

namespace entente::node {
namespace {

using federation::AgreementState;
using federation::LinkEvent;

constexpr Duration kTick = seconds(1);
constexpr int kTicksPerMinute = 60;

std::optional<federation::DialAddress> dial_address(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return {};
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return federation::DialAddress{host,
                                 static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)))};
}

void give_links(Core& core) {
  if (!core.link_manager) return;
  for (const auto& [org, link] : core.links->entries()) {
    if (link.state == LinkState::active) {
      federation::Partner partner;
      partner.organisation = org;
      partner.name = link.name;
      if (link.dials && !link.addresses.empty())
        partner.dial = dial_address(link.addresses.front());
      core.link_manager->set_partner(std::move(partner));
    } else if (link.state == LinkState::suspended) {
      core.link_manager->suspend(org, "suspended by an administrator");
    } else {
      core.link_manager->remove_partner(org);
    }
  }
}

// Records something about a link, in its own time.
void note(Core& core, std::string action, std::string object, security::AuditOutcome outcome,
          std::string reason) {
  security::AuditRecord record;
  record.time = core.clock.now();
  record.actor = "node";
  record.action = std::move(action);
  record.object = std::move(object);
  record.outcome = outcome;
  if (!reason.empty()) record.detail = {{"reason", std::move(reason)}};
  core.store->post<Hash256>(
      [record = std::move(record)](Database& database) -> Result<Hash256> {
        return append_audit(database, record);
      },
      [](Result<Hash256> head) {
        if (!head) log::error("audit", "a note was lost", {{"reason", head.error().what}});
      });
}

void on_link_event(Core& core, const LinkEvent& event) {
  const char* words[] = {"connected", "closed", "violation", "refused"};
  const std::string word = words[static_cast<std::size_t>(event.kind)];
  core.metrics.link_event(word);
  if (event.kind == LinkEvent::Kind::violation) {
    note(core, "link.violation", "link:" + event.organisation.hex(),
         security::AuditOutcome::refused, event.reason);
  }
}

// Tells partners what waits for them; each message is repeated until it is acknowledged.
void deliver_outbox(Core& core) {
  for (const auto& [id, entry] : core.agreements->entries()) {
    // While the link is closed there is nobody to tell.
    if (!core.site->partners.contains(entry.partner())) continue;
    auto delivery = core.agreements->begin_delivery(id);
    if (!delivery) continue;
    core.loop.keep(federation::tell_partner(*core.link_manager, delivery->partner,
                                            std::move(delivery->signed_message))
                       .then([&core, id = id, number = delivery->number](federation::Told told) {
                         core.agreements->delivered(id, number, told);
                       }));
  }
}

// While the ledger is closed the head that told so is the only evidence off the database.
void keep_head_on_worker(Core& core, std::shared_ptr<bool> writing) {
  if (*writing || core.ledger->restored()) return;
  *writing = true;
  auto work = [&core] {
    keep_head(core);
    return 0;
  };
  core.loop.keep(federation::off_loop<int>(core.loop, *core.workers, std::move(work))
                     .then([writing](int) { *writing = false; })
                     .catch_([writing](kj::Exception&&) { *writing = false; }));
}

void tend(Core& core) {
  const Instant now = core.clock.now();
  deliver_outbox(core);
  core.agreements->tend(now);
  core.feed_gate->tend_in_background();
  core.feeds->tend();
  core.charters->tend();
  core.invited->tend();
  if (core.enrolment->is_open() && !core.invitations.any_open(now)) core.enrolment->close();
  std::size_t active = 0, connected = 0;
  for (const auto& [org, link] : core.links->entries()) {
    if (link.state != LinkState::active) continue;
    ++active;
    const auto health = core.link_manager->health(org);
    connected += health && health->call.connected && health->serve.connected;
  }
  core.metrics.noise(core.noise.taken(), core.noise.drawn_by_taker());
  core.metrics.gauges(active, connected, core.certificates->current()->not_after - now,
                      core.twins->state()->graph.twins().size());
  std::size_t stale = 0;
  Duration ahead{};
  for (const auto& [org, link] : core.links->entries()) {
    if (link.state != LinkState::active) continue;
    stale += core.charters->status_of(org) != PartnerStatus::fresh;
    const auto health = core.link_manager->health(org);
    if (!health || !health->clock_ahead) continue;
    const Duration apart{std::abs(health->clock_ahead->ns)};
    ahead = std::max(ahead, apart);
  }
  core.metrics.trust(core.keyring.self.current().expires - now, stale, ahead,
                     core.invited->open().size());
}

// Ahead of time, once a day: what ends without anybody's doing.
void warn_of_ends(Core& core) {
  const Instant now = core.clock.now();
  const Duration left = core.keyring.self.current().expires - now;
  if (left < limits::kCharterWarning) {
    log::warn("identity", "the charter ends soon: any rotation renews it",
              {{"days_left", left.ns / days(1).ns}});
  }
}

void renew(Core& core) {
  auto renewed = core.certificates->renew_if_due(core.clock.now());
  core.metrics.renewal(renewed.has_value());
  if (!renewed) {
    const Duration left = core.certificates->current()->not_after - core.clock.now();
    log::error("identity", "the certificate was not renewed",
               {{"reason", renewed.error().what}, {"hours_left", left.ns / hours(1).ns}});
  } else if (*renewed) {
    log::info("identity", "a new certificate is in force",
              {{"until", shown_time(core.certificates->current()->not_after)}});
  }
  if (auto done = core.collectors->refresh(); !done) {
    log::error("collect", "the port did not open", {{"why", done.error().what}});
  }
}

// What the history may forget, by the twins' types as they are now.
void retain(Core& core) {
  if (core.retention->empty()) return;
  const auto policy = [state = core.twins->state(), rules = core.retention](const SeriesKey& key) {
    const auto* twin = state->graph.find(key.twin);
    return rules->of(twin == nullptr ? "" : twin->type, key.signal);
  };
  core.history->retain(policy, core.clock.now(), [](Result<RetentionReport> done) {
    if (!done) {
      log::warn("history", "retention waits for its next turn", {{"reason", done.error().what}});
    } else if (done->readings + done->buckets > 0) {
      log::info("history", "rolled up and removed what is older than it is to be kept",
                {{"readings", done->readings}, {"summaries", done->buckets}});
    }
  });
}

// A change of a twin's unit is written down while it is new, not when somebody asks: it takes
// effect with the block after.
void note_units(Core& core) {
  const bool queued = core.workers->post([&core] {
    for (const auto& [name, view] : core.declarations.exports) {
      if (view->unit == "twin") continue;
      try {
        auto noted = core.units->units(core.twins->state(), *view);
        if (!noted) log::warn("units", "waits for its turn", {{"reason", noted.error().what}});
      } catch (const StoreFault& fault) {
        log::warn("units", "waits for its turn", {{"reason", fault.what()}});
      }
    }
  });
  if (!queued) log::debug("units", "the workers are busy; in a minute again", {});
}

kj::Promise<void> tend_for_ever(Core& core, int ticks, std::shared_ptr<bool> writing) {
  return core.loop.after(kTick).then([&core, ticks, writing] {
    tend(core);
    keep_head_on_worker(core, writing);
    if (ticks % (60 * kTicksPerMinute) == kTicksPerMinute) retain(core);
    if (ticks % (24 * 60 * kTicksPerMinute) == kTicksPerMinute) warn_of_ends(core);
    if (ticks % std::max<std::int64_t>(core.settings.audit_checkpoint.ns / kTick.ns, 1) == 0) {
      core.audit->turn();
    }
    if (ticks % kTicksPerMinute == 0) {
      renew(core);
      core.ballast.keep();
      note_units(core);
      core.approvals->sweep();
    }
    return tend_for_ever(core, ticks + 1, writing);
  });
}

}  // namespace

void keep_head(Core& core) {
  if (core.ledger->restored()) return;
  const bool told = core.head_file->failing();
  try {
    auto written = core.head_file->write(core.ledger->head(), core.clock.now());
    if (!written && !told) {
      log::warn("ledger", "the audit log's head was not kept", {{"reason", written.error().what}});
    }
  } catch (const StoreFault& fault) {
    log::warn("ledger", "the audit log's head was not read", {{"reason", fault.what()}});
  }
}

void refresh_site(Core& core) {
  auto site = std::make_shared<federation::SiteSnapshot>();
  site->self = core.organisation();
  site->self_name = core.settings.organisation;
  site->site = core.settings.site;
  site->answer_key = core.keyring.keys.answer.public_key();
  for (const PublicKey& key : core.keyring.self.keys_ever(KeyPurpose::answer)) {
    if (key != site->answer_key) site->earlier_answer_keys.push_back(key);
  }
  site->exports = core.declarations.exports;
  site->policy = std::make_shared<const security::Policy>(core.policy);
  security::PinnedOrganisations pinned = core.links->pinned();
  for (const auto& [org, link] : core.links->entries()) {
    const auto organisation = pinned.find(org);
    if (organisation == pinned.end()) {
      site->closed_links.emplace(link.name, to_text(link.state));
      continue;
    }
    site->partners.emplace(org, federation::known_partner(organisation->second, link.name));
  }
  for (const auto& [id, entry] : core.agreements->entries()) {
    const AgreementState state = entry.standing.state;
    const bool begun = !entry.value.starts || *entry.value.starts <= core.clock.now();
    if (state == AgreementState::active && begun) {
      site->agreements.emplace(entry.terms, federation::ActiveAgreement{entry.terms, entry.value});
    } else if (state == AgreementState::suspended) {
      site->suspended.emplace(entry.terms, federation::ActiveAgreement{entry.terms, entry.value});
    }
  }
  const federation::KnownPartner own =
      federation::known_partner(core.keyring.self, site->self_name);
  std::vector<std::string> systems;
  for (const auto& [name, system] : core.declarations.systems) systems.push_back(name);
  offer_to_self(*site, own, std::move(systems));
  core.composites->offer(core.declarations, site);
  core.verifier.replace(std::move(pinned));
  core.site = std::move(site);
  give_links(core);
  if (core.link_manager) deliver_outbox(core);
}

kj::Promise<federation::MemberReply> answer_partner(Core& core, const security::PeerIdentity& peer,
                                                    ByteView envelope) {
  if (core.relay->concerns(envelope)) return core.relay->answer(peer, envelope);
  return core.gate->answer(peer, envelope);
}

federation::SendQuestion question_sender(Core& core) {
  return [&core, over = federation::send_over(*core.link_manager)](
             const OrgId& partner, Bytes envelope) -> kj::Promise<federation::MemberReply> {
    if (partner != core.organisation()) return over(partner, std::move(envelope));
    security::PeerIdentity self;
    self.organisation = partner;
    self.site = core.settings.site;
    return answer_partner(core, self, envelope);
  };
}

federation::LinkHooks link_hooks(Core& core) {
  federation::LinkHooks hooks;
  const auto may_open = [&core](const OrgId& org) -> Outcome {
    security::DecisionContext context;
    context.now = core.clock.now();
    context.link_active = core.site->partners.contains(org);
    const auto decision =
        security::decide(core.policy, security::Partner{org, {}}, security::Verb::partner_session,
                         {security::ResourceKind::node, ""}, context);
    if (decision.allowed) return {};
    return make_error(decision.code, decision.reason);
  };
  hooks.admit = [&core, may_open](const security::PeerIdentity& peer) -> Outcome {
    if (auto valid = core.verifier.still_valid(peer, core.clock.now()); !valid) return valid;
    return may_open(peer.organisation);
  };
  // A question's own decision, with agreement and export, is the gate's.
  hooks.decide = [&core](const federation::Caller& caller,
                         const federation::MethodRow& row) -> Outcome {
    // The partner learns no more than that this site's store failed.
    if (core.audit->fault()) return make_error(ErrorCode::store_failed, core.audit->fault()->what);
    if (auto valid = core.verifier.still_valid(caller.peer, core.clock.now()); !valid) return valid;
    if (auto fresh = core.charters->allows(caller.peer.organisation, row.verb); !fresh)
      return fresh;
    const OrgId& org = caller.peer.organisation;
    const bool active = core.site->partners.contains(org);
    return partner_may(core.policy, org, active ? LinkStanding::active : LinkStanding::not_active,
                       row, core.clock.now());
  };
  // The intent of a question and of an agreement's message is written in the very transaction that
  // has the effect; what is left is the opening of sessions and desks, which has none, and
  // witnessing, which records what it finds against a partner.
  hooks.audit_intent = [](const federation::Caller&,
                          const federation::MethodRow&) -> kj::Promise<void> {
    return kj::READY_NOW;
  };
  hooks.questions = [&core](const federation::Caller& caller) {
    return federation::make_questions_desk(
        caller, [&core](const security::PeerIdentity& peer, ByteView envelope) {
          return answer_partner(core, peer, envelope);
        });
  };
  hooks.feeds = [&core](const federation::Caller& caller) {
    return federation::make_feeds_desk(caller, *core.feed_gate);
  };
  hooks.agreements = [&core](const federation::Caller& caller) {
    return federation::make_agreements_desk(caller, *core.agreements);
  };
  hooks.witness = [&core](const federation::Caller& caller, security::WitnessOffer offer) {
    return witness_partner(core, caller, std::move(offer));
  };
  hooks.charters = [&core](const federation::Caller& caller, federation::CharterOffer offer) {
    return core.charters->shown(caller, std::move(offer));
  };
  hooks.greet = [&core](const OrgId& partner, wire::Session::Client session) {
    return core.charters->greet(partner, kj::mv(session));
  };
  hooks.on_event = [&core](const LinkEvent& event) { on_link_event(core, event); };
  return hooks;
}

void store_enrolment(Core& core, security::Enrolled enrolled, std::function<void(Outcome)> stored) {
  LinkEntry entry;
  entry.organisation = enrolled.partner.id();
  entry.name = core.invited->name_of(enrolled.invitation);
  if (entry.name.empty()) entry.name = enrolled.name();
  entry.title = enrolled.partner.current().title;
  entry.site = enrolled.site;
  entry.addresses = enrolled.addresses;
  entry.chain = enrolled.partner.chain();
  entry.words = security::to_text(enrolled.words);
  // Used up first: a crash in between costs an invitation and never lets one enrol two.
  core.invited->use(enrolled.invitation,
                    [&core, entry = std::move(entry), stored = std::move(stored)](Outcome used) {
                      if (!used) return stored(std::move(used));
                      const std::string actor = "organisation:" + entry.organisation.hex();
                      core.links->add(actor, entry, [stored](Result<LinkEntry> added) {
                        stored(added ? Outcome{} : Outcome(added.error()));
                      });
                    });
}

void reopen_enrolment(Core& core) {
  for (const auto& [id, open] : core.invited->open()) {
    if (core.enrolment->is_open()) return;
    auto port = core.enrolment->open(core.settings.federation_address, open.port);
    if (port) {
      core.enrolment_port = *port;
    } else {
      log::warn("link", "the enrolment port did not open: invitations lead nowhere",
                {{"name", open.name}, {"reason", port.error().what}});
    }
  }
}

kj::Promise<void> upkeep(Core& core) {
  return tend_for_ever(core, 1, std::make_shared<bool>(false));
}

bool Core::refill_noise() {
  return workers && workers->post([this] { noise.refill(); });
}

std::string Core::public_address(std::uint16_t port) const {
  std::string host =
      settings.federation_public.empty() ? settings.federation_address : settings.federation_public;
  const auto colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.find(']') != host.size() - 1 &&
                        (host.front() == '[' || host.find(':') == colon);
  if (has_port && port == federation_port) return host;
  if (has_port) host = host.substr(0, colon);
  if (host.find(':') != std::string::npos && host.front() != '[') host = "[" + host + "]";
  return host + ":" + std::to_string(port);
}

std::string address_with_port(const std::string& host, std::uint16_t port) {
  const auto colon = host.rfind(':');
  const bool literal = colon != std::string::npos && host.find(':') != colon;  // IPv6
  if (literal && !host.starts_with('[')) return "[" + host + "]:" + std::to_string(port);
  const bool has_port = colon != std::string::npos && host.back() != ']';
  return has_port ? host : host + ":" + std::to_string(port);
}

security::EnrolmentSelf Core::enrolment_self() const {
  return {keyring.self,
          settings.site,
          certificates->current()->chain_der,
          {public_address(federation_port)},
          &keyring.keys.agreement};
}

}  // namespace entente::node
