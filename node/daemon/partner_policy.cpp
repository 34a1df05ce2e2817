#include "node/daemon/partner_policy.h"

namespace entente::node {

std::optional<security::Verb> choke_verb(const federation::MethodRow& row) {
  const std::string_view word = row.verb.substr(0, row.verb.find('.'));
  if (word == "agreement") return security::Verb::partner_agreements;
  if (word == "link" || word == "question" || word == "feed") {
    return security::Verb::partner_session;
  }
  return std::nullopt;
}

Outcome partner_may(const security::Policy& policy, const OrgId& organisation, LinkStanding link,
                    const federation::MethodRow& row, Instant now) {
  const auto verb = choke_verb(row);
  if (!verb) return make_error(ErrorCode::denied, "no rule covers " + std::string(row.name));
  security::DecisionContext context;
  context.now = now;
  context.link_active = link == LinkStanding::active;
  const auto decision = security::decide(policy, security::Partner{organisation, {}}, *verb,
                                         {security::ResourceKind::node, ""}, context);
  if (decision.allowed) return {};
  return make_error(decision.code, decision.reason);
}

}  // namespace entente::node
