#include "federation/ask/asker.h"

#include <kj/vector.h>

#include <algorithm>

namespace entente::federation {

std::size_t FederatedAnswer::answered() const {
  return static_cast<std::size_t>(std::count_if(
      coverage.begin(), coverage.end(),
      [](const MemberCoverage& member) { return member.state == MemberState::answered; }));
}

bool FederatedAnswer::partial() const {
  return std::any_of(coverage.begin(), coverage.end(), [](const MemberCoverage& member) {
    return member.state != MemberState::answered && member.state != MemberState::skipped;
  });
}

kj::Promise<FederatedAnswer> Asker::ask(Plan plan, std::vector<AskTarget> targets,
                                        Duration timeout) {
  auto answer = std::make_shared<FederatedAnswer>();
  const MemberCaller::Parts& own = caller_.parts();
  CallTerms terms;
  terms.query_id = answer->query_id = own.random.id<QueryId>();
  terms.purpose = plan.purpose;
  terms.fresh = plan.fresh;
  terms.deadline = own.clock.now() + timeout;
  std::vector<std::shared_ptr<MemberCall>> members;
  kj::Vector<kj::Promise<void>> asked;
  for (std::size_t i = 0; i < plan.members.size(); ++i) {
    members.push_back(caller_.prepare(terms, plan.members[i], targets.at(i)));
    asked.add(caller_.call(members.back()));
  }
  answer->plan = std::move(plan);
  return kj::joinPromises(asked.releaseAsArray()).then([this, answer, members] {
    std::vector<std::shared_ptr<const AnsweredPart>> parts;
    for (const auto& member : members) {
      MemberOutcome outcome = reader_.read(*member);
      std::move(outcome.coverage.begin(), outcome.coverage.end(),
                std::back_inserter(answer->coverage));
      std::move(outcome.parts.begin(), outcome.parts.end(), std::back_inserter(parts));
    }
    std::vector<MemberRelease> releases;
    for (const auto& part : parts) releases.push_back(part->view());
    answer->rows = merge_rows(answer->plan, releases);
    return kj::mv(*answer);
  });
}

}  // namespace entente::federation
