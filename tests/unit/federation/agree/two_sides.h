// A provider and a consumer who agree, each with entries of its own and a network between them that
// tests hold in their hands.
#pragma once

#include <map>

#include "federation/agree/agreement_entry.h"
#include "tests/support/two_organisations.h"

namespace entente::test {

struct AgreeingSide {
  std::shared_ptr<federation::SiteSnapshot> site;
  const security::SigningKey* key = nullptr;
  std::map<AgreementId, federation::AgreementEntry> entries;  // as on its disk

  const federation::AgreementEntry* find(const AgreementId& id) const {
    const auto found = entries.find(id);
    return found == entries.end() ? nullptr : &found->second;
  }
};

struct TwoSides {
  TwoOrganisations both;
  Instant now = both.now;
  AgreeingSide provider, consumer;

  TwoSides() {
    both.agreement.issued = now;
    both.agreement.expires = now + days(400);
    both.agreement.tests = {
        {true, "SELECT mean(pm25) FROM air GROUP BY state OVER 1d WITH (purpose = 'planning')"},
        {false, "SELECT mean(pm25) FROM air GROUP BY county OVER 1d WITH (purpose = 'planning')"}};
    provider = side(both.provider, both.consumer, both.provider_agreement_key,
                    both.consumer_agreement_key);
    provider.site->exports["air"] = std::make_shared<const ExportView>(both.view);
    consumer = side(both.consumer, both.provider, both.consumer_agreement_key,
                    both.provider_agreement_key);
  }

  AgreeingSide& of(bool provides) { return provides ? provider : consumer; }
  federation::AgreementParty party(const AgreeingSide& side) const {
    return {*side.site, *side.key, now};
  }

  // Delivers what stands in an outbox and its answer, until neither side has anything to say.
  void settle_all() {
    for (bool moved = true; moved;) {
      moved = false;
      for (const bool provides : {true, false}) {
        for (const auto& [id, entry] : std::map(of(provides).entries)) {
          if (!entry.outbox) continue;
          deliver(provides, entry);
          moved = true;
        }
      }
    }
  }

  // What the partner answers to a signed message, with what it then has on its disk.
  federation::Heard receive(bool at_provider, const Bytes& signed_message, bool keep = true) {
    AgreeingSide& side = of(at_provider);
    const OrgId peer = at_provider ? both.consumer : both.provider;
    auto opened = federation::open_message(*side.site, peer, signed_message);
    if (!opened) {
      federation::Heard heard;
      heard.refusal.emplace().code = opened.error().code;
      return heard;
    }
    auto heard = federation::hear(party(side), peer, *opened, side.find(opened->message.thread));
    if (keep && heard.changed) {
      const AgreementId id = heard.changed->id;
      side.entries.insert_or_assign(id, *heard.changed);
    }
    return heard;
  }

  static federation::Told told(const federation::Heard& heard) {
    if (!heard.refusal) return {};
    return {make_error(heard.refusal->code, "refused"), heard.refusal->subject};
  }

  void answer(bool to_provider, const AgreementId& id, std::uint64_t number,
              const federation::Told& told) {
    AgreeingSide& side = of(to_provider);
    const auto* entry = side.find(id);
    if (entry == nullptr) return;
    if (auto next = federation::answered(*entry, number, told, now)) {
      side.entries.insert_or_assign(id, std::move(*next));
    }
  }

  void deliver(bool from_provider, const federation::AgreementEntry& entry) {
    const auto heard =
        receive(!from_provider, federation::sealed_message(*of(from_provider).key, *entry.outbox));
    answer(from_provider, entry.id, entry.outbox->number, told(heard));
  }

  // Steps of a side, kept but not delivered.
  AgreementId propose() {
    const auto made = federation::propose(party(provider), both.agreement);
    AgreementId id = made.value().id;
    provider.entries.insert_or_assign(id, *made);
    return id;
  }
  Outcome counter(bool by_provider, const AgreementId& id, std::uint64_t rho) {
    AgreeingSide& side = of(by_provider);
    Agreement terms = side.entries.at(id).value;
    terms.rho_per_block = {rho};
    auto made = federation::counter(party(side), side.entries.at(id), std::move(terms));
    if (!made) return std::move(made).error();
    side.entries.insert_or_assign(id, std::move(*made));
    return {};
  }
  Outcome take(bool by_provider, const AgreementId& id, AgreementStep step) {
    AgreeingSide& side = of(by_provider);
    auto taken = federation::take(party(side), side.entries.at(id), step, "because");
    if (!taken) return std::move(taken).error();
    side.entries.insert_or_assign(id, taken->entry);
    return taken->failed ? Outcome(*taken->failed) : Outcome{};
  }

 private:
  AgreeingSide side(const OrgId& self, const OrgId& peer, const security::SigningKey& key,
                    const security::SigningKey& peer_key) const {
    AgreeingSide out;
    out.key = &key;
    out.site = std::make_shared<federation::SiteSnapshot>();
    out.site->self = self;
    out.site->site = "main";
    out.site->policy = std::make_shared<const security::Policy>(both.policy);
    federation::KnownPartner partner;
    partner.organisation = peer;
    partner.name = "peer";
    partner.agreement_keys = {{peer_key.public_key()}};
    out.site->partners.emplace(peer, partner);
    return out;
  }
};

}  // namespace entente::test
