#include "node/audit/declared_sites.h"

#include <filesystem>

#include "node/audit/scratch_ledger.h"
#include "node/config/agreement_text.h"
#include "node/config/declarations.h"
#include "node/config/settings.h"

namespace entente::node {
namespace {

Result<Declarations> declarations_of(const PrivacyAuditOptions& options) {
  Declarations declarations;
  if (options.exports) {
    auto read =
        read_declarations(options.exports->text, options.exports->path, "main", declarations);
    if (!read) return std::move(read).error();
    return declarations;
  }
  if (!std::filesystem::exists(options.home + "/entente.toml")) return declarations;
  auto settings = load_settings(options.home);
  if (!settings) return std::move(settings).error();
  return load_declarations(settings->path("provision.d"), settings->site);
}

}  // namespace

Result<std::vector<federation::AuditedSite>> declared_sites(const PrivacyAuditOptions& options) {
  auto declarations = declarations_of(options);
  if (!declarations) return std::move(declarations).error();
  std::vector<federation::AuditedSite> sites;
  if (!options.agreement) {
    for (const auto& [name, view] : declarations->exports) {
      sites.push_back({*view, view->rho_cap, 1, {}});
    }
    return sites;
  }
  if (declarations->exports.empty()) {
    return make_error(ErrorCode::not_found, "the agreement's exports are declared nowhere",
                      "name the file that declares them by --exports, or the node by --home");
  }
  auto text = read_agreement(options.agreement->text, options.agreement->path);
  if (!text) return std::move(text).error();
  auto offer = offer_of(*text, declarations->exports);
  if (!offer) return std::move(offer).error();
  for (const ExportView& view : offer->exports) {
    sites.push_back({view, offer->rho_per_block, offer->min_units, offer->aggregates});
  }
  return sites;
}

Result<std::vector<federation::PrivacyAudit>> run_privacy_audits(
    const PrivacyAuditOptions& options) {
  // First of all, so that what is wrong with the texts is said at once.
  auto sites = declared_sites(options);
  if (!sites) return std::move(sites).error();
  federation::AuditOptions each;
  if (options.runs > 0) each.runs = options.runs;
  each.every_run = options.every_run;
  std::string subject;
  if (options.progress) {
    each.progress = [&](std::size_t done, std::size_t all) {
      options.progress(subject, done, all);
    };
  }
  SystemRandom random;
  std::vector<federation::PrivacyAudit> audits;
  auto made_up = federation::audit_privacy(random, make_scratch_ledger, each);
  if (!made_up) return std::move(made_up).error();
  audits.push_back(std::move(*made_up));
  for (const federation::AuditedSite& site : *sites) {
    subject = site.view.name;
    auto own = federation::audit_export(random, make_scratch_ledger, site, each);
    if (!own) return std::move(own).error();
    audits.push_back(std::move(*own));
  }
  return audits;
}

}  // namespace entente::node
