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
#include <string>
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
    const Declarations& declarations;
    double default_epsilon;
    Duration default_timeout;
    std::function<std::vector<SignedCharter>(const OrgId&)> charters = {};  // whom receipts name
  };
  explicit AskService(Parts parts) : parts_(std::move(parts)) {}

  // The JSON of a preview of all these (preview.h), which asks nobody and reads no reading.
  // Refuses what ask() refuses before it asks. At least one.
  kj::Promise<Result<boost::json::value>> preview(std::vector<AskRequest> requests);

  // The JSON of POST /api/v1/ask. Refuses: what parse_question, plan and find_target refuse;
  // budget_exhausted or denied when every member refused for that reason; peer_unreachable when
  // nobody could be asked, or fewer answered than the system needs.
  kj::Promise<Result<boost::json::value>> ask(AskRequest request);

 private:
  struct Prepared;
  Result<Prepared> prepare(const AskRequest& request,
                           const std::shared_ptr<const federation::SiteSnapshot>& snapshot,
                           const TwinGraph& graph) const;
  // Whom a question goes to; a system's member that cannot be asked now is kept as absent. Refuses
  // with the first absence when too few are left.
  static Outcome find_members(const std::vector<federation::SystemMember>& members,
                              const std::shared_ptr<const federation::SiteSnapshot>& snapshot,
                              Prepared& into);
  Result<boost::json::value> exact(const Prepared& prepared) const;
  Result<boost::json::value> preview_on_worker(
      const std::vector<AskRequest>& requests,
      const std::shared_ptr<const federation::SiteSnapshot>& snapshot,
      const TwinGraph& graph) const;

  Parts parts_;
};

}  // namespace entente::node
