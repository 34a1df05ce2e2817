// The asking side: sends one planned question to every member at once, waits no longer than the
// deadline, verifies and opens each answer, and merges what came.
//
// One dead partner never blocks the others: it is named in the coverage with the reason. Each
// member is sent the same query id under its own signed envelope with a fresh key to seal the
// answer to. Threads: loop.
#pragma once

#include <kj/async.h>

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "federation/ask/answer_book.h"
#include "federation/ask/receipt_book.h"
#include "federation/ask/site.h"
#include "federation/query/estimate.h"
#include "federation/query/plan.h"
#include "schemas/answer.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "security/identity/keys.h"

namespace entente::federation {

class Loop;
struct AnswerProof;
struct Price;

// A member of what is asked: under which agreement, whose export.
struct AskTarget {
  KnownPartner partner;
  AgreementId agreement_id;
  std::shared_ptr<const Agreement> agreement;  // keeps the snapshot it is in
  const ExportView* view = nullptr;            // in `agreement`
};

// Finds the active agreement under which this site may ask `export_name` of the partner with this
// local alias. Refuses: query_unknown_name (no such partner, with suggestions), link_not_active,
// agreement_missing.
[[nodiscard]] Result<AskTarget> find_target(const std::shared_ptr<const SiteSnapshot>& snapshot,
                                            std::string_view export_name,
                                            std::string_view organisation);

enum class MemberState { answered, refused, late, unreachable, unverified, skipped };
std::string_view to_text(MemberState state);

// What became of one member.
struct MemberCoverage {
  OrgId organisation;
  std::string name;  // local alias
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
};

struct FederatedAnswer {
  QueryId query_id;
  Plan plan;
  std::vector<AnswerRow> rows;
  std::vector<MemberCoverage> coverage;
  std::size_t answered() const;
  // A member of which nothing was asked does not make an answer partial.
  bool partial() const;
};

struct OpenedAnswer {
  Answer answer;
  Bytes signed_bytes;  // as they were sealed: what proves it to others
};
// Opens, verifies and checks an answer against what was asked. Whatever does not fit is refused
// (verification_failed).
[[nodiscard]] Result<OpenedAnswer> open_answer(const security::SealPair& seal,
                                               const AskTarget& target,
                                               const Hash256& envelope_hash, const OrgId& self,
                                               ByteView sealed);
// Whose release an answer must carry.
struct ReleasingSite {
  OrgId organisation;
  std::string site;
};
// The release in an answer, when it fits what was asked; else verification_failed. `question_bytes`
// are the question's canonical ones, `price` what it costs by the site's description.
[[nodiscard]] Result<Release> open_release(const Answer& answer, const ReleasingSite& of,
                                           const Question& question, ByteView question_bytes,
                                           const Price& price);
// The receipt that came with an answer; refused when it is not of this site and this answer. None
// from software that gives none.
[[nodiscard]] Result<std::optional<LedgerReceipt>> open_receipt(const Answer& answer,
                                                                const AskTarget& target);

// A partner's reply before it is opened: a refusal, or the sealed signed answer.
using MemberReply = std::variant<Refusal, Bytes>;
// Sends a signed envelope to a partner; rejects when it cannot be reached.
using SendQuestion = std::function<kj::Promise<MemberReply>(const OrgId&, Bytes envelope)>;

class Asker {
 public:
  struct Parts {
    Loop& loop;
    const Clock& clock;
    Random& random;
    const security::SigningKey& envelope_key;
    SnapshotSource site;
    SendQuestion send;
    ReceiptBook& receipts;
    AnswerBook* answers = nullptr;  // told of every answer, if any
  };
  explicit Asker(Parts parts) : parts_(std::move(parts)) {}

  // `plan.members[i]` belongs to `targets[i]`. Always fulfils by `timeout`; never rejects.
  kj::Promise<FederatedAnswer> ask(Plan plan, std::vector<AskTarget> targets, Duration timeout);

 private:
  struct Member;
  std::shared_ptr<Member> prepare(const Plan& plan, const MemberPlan& part, const AskTarget& target,
                                  const QueryId& query_id, Duration timeout);
  void accept(Member& member, const Bytes& sealed);
  kj::Promise<void> ask_member(std::shared_ptr<Member> member, Duration timeout);

  Parts parts_;
};

}  // namespace entente::federation
