#include "federation/ask/admission.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "federation/ask/composition.h"
#include "federation/ask/limits.h"
#include "federation/query/plan.h"
#include "schemas/base/hash.h"
#include "security/identity/keys.h"
#include "security/privacy/rho.h"

namespace entente::federation {
namespace {

Outcome check_fresh(const Envelope& envelope, Instant now) {
  if (envelope.issued > now + limits::kClockSkew) {
    return make_error(ErrorCode::stale, "the envelope was issued in the future");
  }
  if (envelope.deadline <= now) {
    return make_error(ErrorCode::deadline_exceeded, "the envelope's deadline has passed");
  }
  if (envelope.deadline - envelope.issued > limits::kDeadlineMax) {
    return make_error(ErrorCode::stale, "the envelope's deadline is more than " +
                                            to_text(limits::kDeadlineMax) + " after its issue");
  }
  return {};
}

Outcome check_allowed(const SiteSnapshot& site, const ActiveAgreement& agreement,
                      const std::string& export_name, Instant now) {
  security::Partner partner;
  partner.organisation = agreement.value.consumer;
  partner.agreements = {security::grant_of(agreement.value, agreement.id)};
  security::DecisionContext context;
  context.now = now;
  context.link_active = true;  // admit() has found the partner among the active links
  context.agreement = agreement.id;
  const security::Decision decision =
      security::decide(*site.policy, partner, security::Verb::partner_ask,
                       {security::ResourceKind::export_, export_name}, context);
  if (decision.allowed) return {};
  return make_error(decision.code, decision.reason);
}

std::string group_label(const Group& group) {
  std::string label;
  for (const std::string& value : group.values) label += (label.empty() ? "" : "/") + value;
  return label.empty() ? "all" : label;
}

Result<const ActiveAgreement*> find_agreement(const SiteSnapshot& site, const Envelope& envelope,
                                              Instant now) {
  if (auto agreed = still_agreed(site, envelope.agreement, envelope.origin); !agreed) {
    return std::move(agreed).error();
  }
  const auto found = site.agreements.find(envelope.agreement);
  if (found == site.agreements.end() || found->second.value.provider != site.self ||
      found->second.value.consumer != envelope.origin) {
    return make_error(ErrorCode::agreement_missing, "no active agreement with this id and partner");
  }
  if (found->second.value.expires <= now) {
    return make_error(ErrorCode::agreement_missing, "the agreement has expired");
  }
  if (const auto& starts = found->second.value.starts; starts && now < *starts) {
    return make_error(ErrorCode::agreement_missing,
                      "the agreement is in force from " + to_text(*starts) + " on");
  }
  return &found->second;
}

// The version is that of the mechanism: v2 draws on the grid of variances, so that what v1 stated
// for the same question is another release. The first release of a window has the key it had before
// there were revisions.
Hash256 release_key_of(const Hash256& question, const std::string& domain, std::uint32_t revision) {
  if (revision == 0) {
    return hash_parts("entente release key v2", {question.view(), bytes_of(domain)});
  }
  return hash_parts("entente release key v2",
                    {question.view(), bytes_of(domain), bytes_of(std::to_string(revision))});
}

}  // namespace

std::optional<LedgerReceipt> shown_receipt(const SiteSnapshot& site, ByteView signed_receipt) {
  const auto outer = signed_from_bytes(signed_receipt);
  if (!outer) return {};
  const auto signed_by = [&](const PublicKey& key) {
    return security::verify(key, security::contexts::kReceipt, *outer);
  };
  const auto& earlier = site.earlier_answer_keys;
  if (!signed_by(site.answer_key) && std::none_of(earlier.begin(), earlier.end(), signed_by)) {
    return {};
  }
  const auto receipt = ledger_receipt_from_bytes(outer->body);
  if (!receipt || receipt->organisation != site.self || receipt->site != site.site) return {};
  return *receipt;
}

std::vector<Guarantee> guaranteed_to_others(const SiteSnapshot& site, std::string_view domain,
                                            const OrgId& partner) {
  std::map<OrgId, RhoUnits> most;
  // What is suspended can be resumed: nobody else gets its part meanwhile.
  const auto count = [&](const ActiveAgreement& agreement) {
    const Agreement& terms = agreement.value;
    const bool about = std::any_of(terms.exports.begin(), terms.exports.end(),
                                   [&](const ExportView& view) { return view.domain == domain; });
    const bool counts = terms.provider == site.self && terms.consumer != partner && about &&
                        terms.rho_guaranteed.units > 0;
    if (counts) most[terms.consumer] = std::max(most[terms.consumer], terms.rho_guaranteed);
  };
  for (const auto& [id, agreement] : site.agreements) count(agreement);
  for (const auto& [id, agreement] : site.suspended) count(agreement);
  std::vector<Guarantee> out;
  for (const auto& [organisation, rho] : most) out.push_back({organisation, rho});
  return out;
}

Outcome check_guarantees(const SiteSnapshot& site, const Agreement& agreement) {
  if (agreement.provider != site.self || agreement.rho_guaranteed.units == 0) return {};
  for (const ExportView& view : agreement.exports) {
    // What this partner has by other agreements already is the least that it keeps.
    unsigned __int128 sum = agreement.rho_guaranteed.units;
    for (const Guarantee& other : guaranteed_to_others(site, view.domain, agreement.consumer)) {
      sum += other.rho.units;
    }
    if (sum <= view.rho_cap.units) continue;
    return make_error(ErrorCode::agreement_invalid,
                      "epsilon_guaranteed of '" + agreement.name +
                          "' and what other agreements "
                          "guarantee in the domain '" +
                          view.domain + "' exceed its cap of each block",
                      "guarantee less, or raise the epsilon of [domain." + view.domain + "]");
  }
  return {};
}

Outcome check_purpose(const Agreement& agreement, const std::string& purpose) {
  const auto& allowed = agreement.purposes;
  if (allowed.empty() || std::find(allowed.begin(), allowed.end(), purpose) != allowed.end()) {
    return {};
  }
  return make_error(ErrorCode::denied, "the agreement '" + agreement.name +
                                           "' does not cover the purpose '" + purpose + "'");
}

bool is_suspended(const SiteSnapshot& site, const AgreementId& id, const OrgId& partner) {
  const auto waits = site.suspended.find(id);
  return waits != site.suspended.end() &&
         (waits->second.value.consumer == partner || waits->second.value.provider == partner);
}

Outcome still_agreed(const SiteSnapshot& site, const AgreementId& id, const OrgId& partner) {
  if (site.agreements.contains(id)) return {};
  if (is_suspended(site, id, partner)) {
    return make_error(ErrorCode::agreement_missing,
                      "the agreement '" + site.suspended.at(id).value.name + "' is suspended",
                      std::string(kUntilResumed));
  }
  return make_error(ErrorCode::agreement_missing, "no active agreement with this id and partner");
}

namespace {

Outcome check_granularity(const Question& question, const Agreement& agreement) {
  const Duration window = question.window.to - question.window.from;
  const auto refuse = [&](std::string_view what, Duration asked, Duration least) {
    return make_error(ErrorCode::shape_refused, "the agreement '" + agreement.name + "' allows " +
                                                    std::string(what) + " of at least " +
                                                    to_text(least) + ", not " + to_text(asked));
  };
  if (window < agreement.window_least) return refuse("windows", window, agreement.window_least);
  const Duration tick = question.every.value_or(window);
  if (tick < agreement.tick_least) return refuse("cells of time", tick, agreement.tick_least);
  return {};
}

}  // namespace

Outcome check_shape(const Question& question, const ExportView& view, const Agreement& agreement) {
  if (auto coarse = check_granularity(question, agreement); !coarse) return coarse;
  // Terms that nothing here keeps were refused before they were signed.
  if (agreement.min_sites > 1) {
    return make_error(ErrorCode::shape_refused, "the agreement '" + agreement.name +
                                                    "' has terms that this version does "
                                                    "not keep");
  }
  for (const Item& item : question.items) {
    const auto& allowed = agreement.aggregates;
    if (!allowed.empty() &&
        std::find(allowed.begin(), allowed.end(), item.aggregate) == allowed.end()) {
      return make_error(ErrorCode::shape_refused, "the agreement '" + agreement.name +
                                                      "' does not allow " +
                                                      std::string(to_text(item.aggregate)));
    }
  }
  for (const Group& group : question.groups) {
    const std::uint64_t units = view.units_within(group.cells);
    if (units < agreement.min_units) {
      return make_error(ErrorCode::group_too_small,
                        "the group " + group_label(group) + " has " + std::to_string(units) +
                            " declared units, the agreement asks for at least " +
                            std::to_string(agreement.min_units));
    }
  }
  if (!question.private_keys.empty() && view.private_min_units < agreement.min_units) {
    return make_error(ErrorCode::group_too_small,
                      "'" + view.name + "' names values of private keys that " +
                          std::to_string(view.private_min_units) +
                          " units share, the agreement asks for at least " +
                          std::to_string(agreement.min_units),
                      "declare the export with a larger private_min_units");
  }
  if (question.rho_per_block > agreement.rho_per_block.units) {
    const auto epsilon = [&](std::uint64_t rho) {
      char text[32];
      std::snprintf(text, sizeof text, "%.4g", security::epsilon_of({rho}, view.delta));
      return std::string(text);
    };
    return make_error(ErrorCode::epsilon_refused,
                      "epsilon " + epsilon(question.rho_per_block) + " of one question is above " +
                          epsilon(agreement.rho_per_block.units) + ", which the agreement '" +
                          agreement.name + "' allows for a whole block");
  }
  return {};
}

Result<OpenedEnvelope> open_envelope(const SiteSnapshot& site, const security::PeerIdentity& peer,
                                     ByteView signed_envelope, std::string_view context,
                                     Instant now) {
  // This site knows itself as a partner, not another site of its organisation.
  const bool sibling = peer.organisation == site.self && peer.site != site.site;
  const KnownPartner* partner = sibling ? nullptr : site.partner(peer.organisation);
  if (partner == nullptr) {
    return make_error(ErrorCode::link_not_active, "no active link with this organisation");
  }
  auto outer = signed_from_bytes(signed_envelope);
  if (!outer) return std::move(outer).error();
  if (!partner->signed_envelope(context, *outer)) {
    return make_error(ErrorCode::verification_failed, "the envelope's signature is not valid");
  }
  auto envelope = envelope_from_bytes(outer->body);
  if (!envelope) return std::move(envelope).error();
  if (envelope->origin != peer.organisation || envelope->audience != site.self ||
      envelope->audience_site != site.site) {
    return make_error(ErrorCode::verification_failed, "the envelope is for or from somebody else");
  }
  if (auto fresh = check_fresh(*envelope, now); !fresh) return std::move(fresh).error();
  return OpenedEnvelope{std::move(*envelope), envelope_hash(outer->body)};
}

Result<AgreedExport> agreed_export(const SiteSnapshot& site, const Envelope& envelope,
                                   const Question& question, Instant now) {
  auto agreement = find_agreement(site, envelope, now);
  if (!agreement) return std::move(agreement).error();
  const Agreement& terms = (*agreement)->value;
  const ExportView* agreed = terms.find_export(question.export_name);
  const std::shared_ptr<const ExportView> view = site.offered(question.export_name);
  if (agreed == nullptr) {
    return make_error(ErrorCode::denied,
                      "the export '" + question.export_name + "' is not part of the agreement");
  }
  if (view == nullptr) {
    return make_error(ErrorCode::agreement_missing,
                      "the export '" + question.export_name + "' was withdrawn",
                      "propose an agreement about what is offered");
  }
  // Views are compared as values: to hash one is to build it as a message. check_question would
  // call another hash a fault of shape.
  if (*agreed != *view || question.export_hash != export_hash(*view)) {
    return make_error(ErrorCode::agreement_missing,
                      "the export '" + view->name + "' has changed since the agreement was signed",
                      "propose the agreement again");
  }
  if (auto purpose = check_purpose(terms, envelope.purpose); !purpose) {
    return std::move(purpose).error();
  }
  if (auto allowed = check_allowed(site, **agreement, view->name, now); !allowed) {
    return std::move(allowed).error();
  }
  return AgreedExport{*agreement, view};
}

ReleaseInquiry inquiry_about(const SiteSnapshot& site, const OpenedEnvelope& opened,
                             const AgreedExport& agreed) {
  ReleaseInquiry inquiry;
  inquiry.partner = opened.envelope.origin;
  inquiry.query_id = opened.envelope.query_id;
  inquiry.envelope_hash = opened.hash;
  inquiry.deadline = opened.envelope.deadline;
  inquiry.domain = agreed.view->domain;
  inquiry.site_cap = agreed.view->rho_cap;
  inquiry.partner_quota = agreed.agreement->value.rho_per_block;
  inquiry.delta_cap = agreed.view->threshold_delta;
  inquiry.guaranteed_to_others = guaranteed_to_others(site, inquiry.domain, inquiry.partner);
  inquiry.shown = shown_receipt(site, opened.envelope.receipt);
  return inquiry;
}

std::vector<BlockAmount> caps_of(const ReleaseInquiry& inquiry) {
  std::vector<BlockAmount> caps;
  for (const BlockAmount& charge : inquiry.charges) {
    caps.push_back({charge.start, std::min(inquiry.site_cap, inquiry.partner_quota)});
  }
  return caps;
}

Result<Admitted> admit(const SiteSnapshot& site, const security::PeerIdentity& peer,
                       ByteView signed_envelope, Instant now) {
  auto opened = open_envelope(site, peer, signed_envelope, security::contexts::kEnvelope, now);
  if (!opened) return std::move(opened).error();
  if (auto agreement = find_agreement(site, opened->envelope, now); !agreement) {
    return std::move(agreement).error();
  }
  auto question = question_from_bytes(opened->envelope.question);
  if (!question) return std::move(question).error();
  auto agreed = agreed_export(site, opened->envelope, *question, now);
  if (!agreed) return std::move(agreed).error();
  auto path = path_of(site, opened->envelope);
  if (!path) return std::move(path).error();
  if (auto onward = check_onward(*path, agreed->agreement->value); !onward) {
    return std::move(onward).error();
  }
  const ExportView& view = *agreed->view;
  if (auto shape = check_question(*question, view, now); !shape) return std::move(shape).error();
  if (auto shape = check_shape(*question, view, agreed->agreement->value); !shape) {
    return std::move(shape).error();
  }
  auto price = price_of(*question, view);
  if (!price) return std::move(price).error();

  const std::uint32_t revision = view.revision_at(now, question->window.to);
  ReleaseInquiry inquiry = inquiry_about(site, *opened, *agreed);
  inquiry.question_hash = question_hash(opened->envelope.question);
  inquiry.release_key = release_key_of(inquiry.question_hash, view.domain, revision);
  if (is_additive(*question) && price->delta.units == 0 && !view.composite) {
    inquiry.cells = AdditiveCells{cells_key(*question, revision), question->window, question->every,
                                  opened->envelope.fresh};
  }
  inquiry.charges = price->charges;
  inquiry.delta = price->delta;
  return Admitted{
      std::move(opened->envelope), std::move(*question), agreed->view, std::move(*price), revision,
      std::move(inquiry),          std::move(*path)};
}

}  // namespace entente::federation
