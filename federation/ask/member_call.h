// Asking one member: its signed envelope, the call, and what came back, still sealed.
//
// A lost connection is tried again with the same envelope while there is time: the site's seen-set
// and its stored release make a repeat free and equal, and another envelope would be refused as
// replayed. A link that is down from the beginning is named at once. Threads: loop.
#pragma once

#include <kj/async.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "federation/ask/receipt_book.h"
#include "federation/ask/site.h"
#include "federation/query/plan.h"
#include "federation/query/price.h"
#include "schemas/answer.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "schemas/composite_answer.h"
#include "security/identity/keys.h"

namespace entente::federation {

class Loop;
struct AnswerProof;

// A member of what is asked: under which agreement, whose export.
struct AskTarget {
  KnownPartner partner;
  AgreementId agreement_id;
  std::shared_ptr<const Agreement> agreement;  // keeps the snapshot it is in
  const ExportView* view = nullptr;            // in `agreement`
};

// Finds the active agreement under which this site may ask `export_name` of the partner with this
// local alias; of this site itself, by its own name, what it offers (SiteSnapshot::own_terms).
// Refuses: query_unknown_name (no such partner, with suggestions), link_not_active,
// agreement_missing.
[[nodiscard]] Result<AskTarget> find_target(const std::shared_ptr<const SiteSnapshot>& snapshot,
                                            std::string_view export_name,
                                            std::string_view organisation);

// What became of one member, or of one site behind a member that is a system twin itself.
struct MemberCoverage {
  OrgId organisation;
  std::string name;  // local alias; behind a composite, alias/name
  std::string site;
  std::string export_name;
  MemberState state = MemberState::skipped;
  ErrorCode code = ErrorCode::internal;  // when not answered
  std::string reason;                    // likewise, in words
  bool reused = false;
  std::vector<BlockAmount> charged;
  std::vector<BlockAmount> left;
  std::vector<BlockAmount> caps;
  DeltaUnits delta;
  DeltaUnits delta_charged = {};  // to each block of `charged`, for naming groups of private keys
  std::string unit = "twin";      // what the site protects
  Duration age;                   // answer time minus the window's end
  std::uint32_t revision = 0;
  std::vector<ComposedOf> composed_of;            // when cells of earlier releases were added up
  std::shared_ptr<const AnswerProof> proof = {};  // of an answer
  std::vector<OrgId> path = {};                   // through which composites; empty: asked directly
  // The organisation that handed an answer on has verified it; this site does not know who signed.
  bool vouched = false;
};

// Says what became of it, in words; codes come from the partner.
void mark(MemberCoverage& coverage, MemberState state, ErrorCode code, std::string reason);
std::string words_of(ErrorCode code);

// A partner's reply before it is opened: a refusal, or the sealed signed answer.
using MemberReply = std::variant<Refusal, Bytes>;
// Sends a signed envelope to a partner; rejects when it cannot be reached.
using SendQuestion = std::function<kj::Promise<MemberReply>(const OrgId&, Bytes envelope)>;

// One member while it is being asked, and what it answered.
struct MemberCall {
  AskTarget target;
  MemberPlan plan;
  Price price;
  QueryId query_id;
  Bytes question;  // canonical
  MemberCoverage coverage;
  std::optional<security::SealPair> seal;
  Hash256 envelope_hash;
  Bytes envelope;  // empty: nothing is asked of it, coverage says why
  Instant deadline;
  std::optional<Bytes> reply;  // sealed, as it came
};

// What all members of one question have in common.
struct CallTerms {
  QueryId query_id;
  std::string purpose;
  bool fresh = false;
  Instant deadline;
  Bytes via = {};          // Envelope::via, of a question that is sent on
  bool to_origin = false;  // Envelope::to_origin
};

class MemberCaller {
 public:
  struct Parts {
    Loop& loop;
    const Clock& clock;
    Random& random;
    const security::SigningKey& envelope_key;
    SnapshotSource site;
    SendQuestion send;
    ReceiptBook& receipts;
  };
  explicit MemberCaller(Parts parts) : parts_(std::move(parts)) {}

  // The envelope of one member; what the signed terms refuse anyway is refused here, unsent.
  std::shared_ptr<MemberCall> prepare(const CallTerms& terms, const MemberPlan& part,
                                      const AskTarget& target) const;
  // Always fulfils, by the call's deadline: with a reply, or the coverage says why not.
  kj::Promise<void> call(std::shared_ptr<MemberCall> member) const;

  const Parts& parts() const { return parts_; }

 private:
  kj::Promise<void> attempt(std::shared_ptr<MemberCall> member, int repeats) const;

  Parts parts_;
};

}  // namespace entente::federation
