#include "tests/bench/ask_federation.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace entente::bench {

using namespace federation;

namespace {

ExportView view_of(const std::string& site) {
  ExportView view;
  view.name = kExport;
  view.site = site;
  view.domain = kExport;
  view.type = "dtmi:bench:Monitor;1";
  view.keys = {"state", "county"};
  for (int county = 0; county < kCounties; ++county) {
    view.cells.push_back({{site, "county-" + std::to_string(county)}, kTwinsPerCounty});
  }
  view.measures = {{"pm25", "ug/m3", Reducer::mean, {{Reducer::mean, 0, 200}}}};
  view.lateness = hours(2);
  view.rho_cap = {std::uint64_t{1} << 62};  // never spent
  view.delta = {1'152'921'504'606};         // 1e-6
  return view;
}

}  // namespace

SiteSpec::SiteSpec(std::string given_name, const OrgId& asker, Random& random)
    : name(std::move(given_name)),
      authority(name),
      answer_key(security::SigningKey::generate(random)),
      view(view_of(name)) {
  const SystemClock clock;
  agreement.provider = authority.organisation();
  agreement.consumer = asker;
  agreement.name = "bench";
  agreement.exports = {view};
  agreement.rho_per_block = view.rho_cap;
  agreement.issued = clock.now() - hours(1);
  agreement.expires = clock.now() + days(1);
  agreement_id = agreement_id_of(canonical_bytes(agreement));
}

Federation::Federation(int plain, int on_grid)
    : envelope_key(security::SigningKey::generate(random)) {
  for (int i = 0; i < plain + on_grid; ++i) {
    sites.push_back(std::make_unique<SiteSpec>("site-" + std::to_string(i),
                                               asker_authority.organisation(), random));
    if (i >= plain) sites.back()->grid = milliseconds(50);
  }
}

Federation::~Federation() {
  for (const auto& site : sites) {
    if (site->life >= 0) ::close(site->life);
  }
  for (const auto& site : sites) {
    if (site->process > 0) ::waitpid(site->process, nullptr, 0);
  }
}

std::shared_ptr<const SiteSnapshot> Federation::snapshot_of_asker() const {
  auto snapshot = std::make_shared<SiteSnapshot>();
  snapshot->self = asker_authority.organisation();
  snapshot->self_name = "asker";
  snapshot->site = "main";
  for (const auto& site : sites) {
    KnownPartner partner;
    partner.organisation = site->authority.organisation();
    partner.name = site->name;
    partner.answer_key = site->answer_key.public_key();
    snapshot->partners[partner.organisation] = partner;
    snapshot->agreements[site->agreement_id] = {site->agreement_id, site->agreement};
  }
  snapshot->policy = std::make_shared<const security::Policy>(security::Policy::initial("bench"));
  return snapshot;
}

std::shared_ptr<const SiteSnapshot> Federation::snapshot_of(const SiteSpec& site) const {
  auto snapshot = std::make_shared<SiteSnapshot>();
  snapshot->self = site.authority.organisation();
  snapshot->self_name = site.name;
  snapshot->site = site.view.site;
  snapshot->exports[site.view.name] = std::make_shared<const ExportView>(site.view);
  snapshot->agreements[site.agreement_id] = {site.agreement_id, site.agreement};
  snapshot->partners[asker_authority.organisation()] = asker_as_partner();
  snapshot->policy = std::make_shared<const security::Policy>(security::Policy::initial("bench"));
  return snapshot;
}

KnownPartner Federation::asker_as_partner() const {
  KnownPartner partner;
  partner.organisation = asker_authority.organisation();
  partner.name = "asker";
  partner.envelope_keys = {envelope_key.public_key()};
  return partner;
}

LinkLimits generous_limits() {
  LinkLimits limits;
  limits.ask_rate = limits.ask_burst = limits.bulk_rate = limits.bulk_burst = 1e9;
  return limits;
}

}  // namespace entente::bench
