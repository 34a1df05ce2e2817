#include "node/daemon/composite_register.h"

#include <algorithm>

#include "federation/ask/member_call.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using federation::CompositeMember;
using federation::SystemMember;
using federation::SystemTwin;

// The member as it was when it could last be asked.
const CompositeMember* kept(const std::vector<CompositeMember>& members,
                            const SystemMember& wanted) {
  for (const CompositeMember& member : members) {
    if (member.alias == wanted.organisation && member.view.name == wanted.export_name) {
      return &member;
    }
  }
  return nullptr;
}

}  // namespace

const char* CompositeRegister::migration() {
  return "CREATE TABLE composite_member (system TEXT NOT NULL, place INTEGER NOT NULL,"
         "  organisation BLOB NOT NULL, alias TEXT NOT NULL, quota INTEGER NOT NULL,"
         "  view BLOB NOT NULL, PRIMARY KEY (system, place)) STRICT;";
}

Outcome CompositeRegister::load() {
  auto reader = store_.reader();
  if (!reader) return std::move(reader).error();
  Statement rows = reader->prepare(
      "SELECT system, organisation, alias, quota, view FROM composite_member "
      "ORDER BY system, place");
  while (rows.step()) {
    const auto organisation = OrgId::from_bytes(rows.blob(1));
    auto view = export_view_from_bytes(rows.blob(4));
    if (!organisation || !view) {
      return make_error(ErrorCode::store_failed, "a stored member of a system twin does not read");
    }
    entries_[std::string(rows.text(0))].members.push_back(
        {*organisation,
         std::string(rows.text(2)),
         {static_cast<std::uint64_t>(rows.integer(3))},
         std::move(*view)});
  }
  return {};
}

void CompositeRegister::keep(const std::string& name, const Members& members) {
  store_.post<int>(
      [name, members](Database& database) -> Result<int> {
        database.cached("DELETE FROM composite_member WHERE system = ?")
            .bind(1, std::string_view(name))
            .run();
        Statement& row = database.cached(
            "INSERT INTO composite_member (system, place, organisation, alias, quota, view) "
            "VALUES (?, ?, ?, ?, ?, ?)");
        for (std::size_t place = 0; place < members.size(); ++place) {
          const CompositeMember& member = members[place];
          row.bind(1, std::string_view(name)).bind(2, static_cast<std::int64_t>(place));
          row.bind(3, member.organisation.view()).bind(4, std::string_view(member.alias));
          row.bind(5, static_cast<std::int64_t>(member.quota.units));
          row.bind(6, canonical_bytes(member.view)).run();
        }
        return 0;
      },
      [name](Result<int> done) {
        if (!done) {
          log::warn("system", "what its members agreed to was not kept",
                    {{"system", name}, {"reason", done.error().what}});
        }
      });
}

Result<CompositeRegister::Members> CompositeRegister::members_of(
    const SystemTwin& system, const Entry& before,
    const std::shared_ptr<const federation::SiteSnapshot>& site) const {
  Members members;
  for (const SystemMember& wanted : system.members) {
    auto target = federation::find_target(site, wanted.export_name, wanted.organisation);
    if (target) {
      members.push_back({target->partner.organisation, wanted.organisation,
                         target->agreement->rho_per_block, *target->view});
      continue;
    }
    const CompositeMember* last = kept(before.members, wanted);
    if (last == nullptr) {
      return make_error(target.error().code, "the member '" + wanted.export_name + "@" +
                                                 wanted.organisation +
                                                 "' has never agreed: " + target.error().what);
    }
    members.push_back(*last);
  }
  return members;
}

void CompositeRegister::offer(const Declarations& declared,
                              const std::shared_ptr<federation::SiteSnapshot>& site) {
  for (const auto& [name, system] : declared.systems) {
    if (!system.answer) continue;
    Entry& entry = entries_[name];
    auto members = members_of(system, entry, site);
    std::string absence = members ? "" : members.error().what;
    const bool same =
        members && entry.composite && entry.system == system && entry.members == *members;
    if (members && !same) {
      auto made = federation::compose(system, site->self, site->site, *members);
      if (entry.members != *members) keep(name, *members);
      entry.members = std::move(*members);
      entry.system = system;
      entry.composite =
          made ? std::make_shared<const federation::Composite>(std::move(*made)) : nullptr;
      if (!made) absence = made.error().what;
    } else if (!members) {
      entry.composite = nullptr;
    } else {
      absence = entry.absence;
    }
    if (absence != entry.absence && !absence.empty()) {
      log::info("system", "cannot be offered to partners", {{"system", name}, {"why", absence}});
    }
    entry.absence = std::move(absence);
    if (!entry.composite) continue;
    site->composites.emplace(name, entry.composite);
    site->exports_of_systems.emplace(
        name, std::shared_ptr<const ExportView>(entry.composite, &entry.composite->view));
  }
}

std::string CompositeRegister::absence(const std::string& system) const {
  const auto found = entries_.find(system);
  return found == entries_.end() ? "it is not declared" : found->second.absence;
}

void offer_to_self(federation::SiteSnapshot& site, const federation::KnownPartner& self,
                   std::vector<std::string> systems) {
  if (site.exports.empty()) return;
  Agreement terms;
  terms.provider = terms.consumer = site.self;
  terms.name = "own";
  for (const auto& [name, view] : site.exports) {
    terms.exports.push_back(*view);
    terms.rho_per_block = std::max(terms.rho_per_block, view->rho_cap);
  }
  terms.onward = std::move(systems);
  terms.expires = {INT64_MAX};
  site.own = self;
  const AgreementId id = agreement_id_of(canonical_bytes(terms));
  site.agreements.emplace(id, federation::ActiveAgreement{id, std::move(terms)});
}

}  // namespace entente::node
