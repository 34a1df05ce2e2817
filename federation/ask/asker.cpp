#include "federation/ask/asker.h"

#include <kj/vector.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace entente::federation {
namespace {

using Part = std::shared_ptr<const AnsweredPart>;
using Domain = std::tuple<OrgId, std::string, std::string>;

// What members released, each domain of a site counted once where system twins of others are among
// them: the sites cannot tell that two of their exports were asked on two ways. Two direct members
// of one domain are the composer's own choice.
class Counted {
 public:
  // Adds the parts; what is counted already is taken out and named in the coverage.
  void add(const MemberCall& member, MemberOutcome& outcome, std::vector<Part>& parts) {
    const auto& composite = member.target.view->composite;
    if (composite && composite->answer == CompositeTerms::Answer::own) {
      add_merged(*composite, outcome, parts);
      return;
    }
    for (Part& part : outcome.parts) {
      const Release& release = part->release;
      const Domain domain{release.organisation, release.site, release.domain};
      const bool twice = composite ? all_.contains(domain) : far_.contains(domain);
      all_.insert(domain);
      if (composite) far_.insert(domain);
      if (!twice) {
        parts.push_back(std::move(part));
        continue;
      }
      for (MemberCoverage& coverage : outcome.coverage) {
        const bool its = coverage.organisation == release.organisation &&
                         coverage.site == release.site &&
                         coverage.export_name == part->plan.question->export_name;
        if (its) leave_out(coverage);
      }
    }
  }

 private:
  // All that is declared of the sites that answered: which of it was added up, nobody can tell.
  void add_merged(const CompositeTerms& terms, MemberOutcome& outcome, std::vector<Part>& parts) {
    std::set<Domain> domains;
    for (const auto& leaf : terms.leaves) {
      const bool answered = std::any_of(
          outcome.coverage.begin(), outcome.coverage.end(), [&](const MemberCoverage& coverage) {
            return coverage.state == MemberState::answered &&
                   coverage.organisation == leaf.organisation && coverage.site == leaf.site;
          });
      if (answered) domains.emplace(leaf.organisation, leaf.site, leaf.domain);
    }
    const bool twice = std::any_of(domains.begin(), domains.end(),
                                   [&](const Domain& domain) { return all_.contains(domain); });
    if (twice) {
      for (MemberCoverage& coverage : outcome.coverage) {
        if (coverage.state == MemberState::answered) leave_out(coverage);
      }
      return;
    }
    all_.insert(domains.begin(), domains.end());
    far_.insert(domains.begin(), domains.end());
    std::move(outcome.parts.begin(), outcome.parts.end(), std::back_inserter(parts));
  }

  static void leave_out(MemberCoverage& coverage) {
    mark(coverage, MemberState::refused, ErrorCode::replayed,
         "what it counts is in this answer on another way already");
  }

  std::set<Domain> all_, far_;  // far: through a system twin of another organisation
};

}  // namespace

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
    std::vector<Part> parts;
    Counted counted;
    for (const auto& member : members) {
      MemberOutcome outcome = reader_.read(*member);
      counted.add(*member, outcome, parts);
      std::move(outcome.coverage.begin(), outcome.coverage.end(),
                std::back_inserter(answer->coverage));
    }
    std::vector<MemberRelease> releases;
    for (const auto& part : parts) releases.push_back(part->view());
    answer->rows = merge_rows(answer->plan, releases);
    return kj::mv(*answer);
  });
}

}  // namespace entente::federation
