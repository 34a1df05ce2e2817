// Answers a question of a local user, whatever it is about: own twins and exports exactly,
// partners' exports and system twins through their disclosure gates; and previews what it would
// cost.
//
// Planning runs on a worker, since a question may be long and conversions of epsilon take a while.
// Threads: loop.
#pragma once

#include <kj/async.h>

#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "federation/ask/asker.h"
#include "federation/compose/system_twin.h"
#include "federation/link/workers.h"
#include "federation/query/twin_source.h"
#include "node/config/declarations.h"
#include "node/twin/twin_graph.h"
#include "schemas/base/clock.h"
#include "schemas/charter.h"

namespace entente::node {

struct AskRequest {
  std::string question;
  std::optional<std::string> purpose;
  std::optional<Duration> timeout;
  bool fresh = false;     // Plan::fresh
  bool receipts = false;  // with what proves each member's answer (node/daemon/answer_receipt.h)
  // Organisation and export (empty: any) of members that this question may not be charged to: they
  // answered it before. Refused (conflict) where what one of them is asked now is another question.
  std::set<std::pair<OrgId, std::string>> free_of = {};
};

// What came of a question to partners, whether or not it was enough.
struct ReleasedAnswer {
  std::string question;
  federation::FederatedAnswer answer;  // its coverage has all members, also absent ones
  federation::Needs needs;
  bool receipts = false;
  bool enough() const { return needs.met(answer.answered(), answer.coverage.size()); }
};

class AskService {
 public:
  struct Parts {
    federation::Loop& loop;
    federation::Workers& workers;
    const Clock& clock;
    federation::Asker& asker;
    const federation::TwinSource& twins;
    const federation::AnswerBook& answers;
    std::function<std::shared_ptr<const TwinGraph>()> graph;
    federation::SnapshotSource site;
    std::function<std::shared_ptr<const SystemTwins>()> systems;  // on the loop
    double default_epsilon;
    Duration default_timeout;
    std::function<std::vector<SignedCharter>(const OrgId&)> charters = {};  // whom receipts name
  };
  explicit AskService(Parts parts) : parts_(std::move(parts)) {}

  // The JSON of a preview of all these (preview.h), which asks nobody and reads no reading.
  // Refuses what ask() refuses before it asks. At least one.
  // `declared`: a system twin that the questions may name, and that is not in force yet.
  kj::Promise<Result<boost::json::value>> preview(
      std::vector<AskRequest> requests, std::optional<federation::SystemTwin> declared = {});

  // The JSON of POST /api/v1/ask. Refuses: what parse_question, plan and find_target refuse;
  // budget_exhausted or denied when every member refused for that reason; peer_unreachable when
  // nobody could be asked, or fewer answered than the system needs.
  kj::Promise<Result<boost::json::value>> ask(AskRequest request);

  // The released lane alone, as it came: who answered, who did not and why, also when that is not
  // enough for an answer. Refuses: query_unsupported (own twins and exports, which are answered
  // exactly), and what stops a question before anybody is asked.
  using Released = std::shared_ptr<const ReleasedAnswer>;
  kj::Promise<Result<Released>> ask_partners(AskRequest request);

 private:
  struct Prepared;
  struct Scene;
  struct Step;
  Scene scene() const;
  Result<Prepared> prepare(const AskRequest& request, const Scene& scene) const;
  Outcome check_free(const AskRequest& request, const Prepared& prepared) const;
  kj::Promise<std::shared_ptr<Step>> begin(AskRequest request);
  kj::Promise<Released> send(Prepared& prepared);
  Result<boost::json::value> shown(const ReleasedAnswer& released) const;
  // Whom a question goes to; a system's member that cannot be asked now is kept as absent. Refuses
  // with the first absence when too few are left.
  static Outcome find_members(const std::vector<federation::SystemMember>& members,
                              const std::shared_ptr<const federation::SiteSnapshot>& snapshot,
                              Prepared& into);
  Result<boost::json::value> exact(const Prepared& prepared) const;
  Result<boost::json::value> preview_on_worker(const std::vector<AskRequest>& requests,
                                               const Scene& scene) const;

  Parts parts_;
};

}  // namespace entente::node
