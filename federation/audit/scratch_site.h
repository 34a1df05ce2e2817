// A site that exists for an audit alone: the disclosure gate, a real ledger in a scratch place, the
// pool of noise, the planner, and keys made for the occasion, around an export as it is declared.
//
// A partner's sentence goes in, the bytes that were signed and sealed for it are opened again;
// every step between is the one that answers partners. Nothing of a node's own is opened: no key,
// no ledger, no reading. Threads: one, on which no other Loop lives; the ledger and the worker have
// their own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "federation/ask/disclosure_gate.h"
#include "federation/audit/audited_site.h"
#include "federation/audit/faults.h"
#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "schemas/envelope.h"
#include "security/privacy/noise_pool.h"

namespace entente::federation {

// The durable account of a scratch site; its owner removes what it wrote.
class ScratchLedger {
 public:
  virtual ~ScratchLedger() = default;
  virtual ReleaseStore& store() = 0;
  // What was spent on a domain's blocks: by everybody, as the site's account says, or of the quota
  // of one partner. Blocks.
  virtual std::vector<BlockAmount> spent(const std::string& domain,
                                         const std::optional<OrgId>& partner) = 0;
};
using MakeScratchLedger =
    std::function<Result<std::unique_ptr<ScratchLedger>>(Loop& loop, const Clock& clock)>;

// What partner number `partner` asks.
struct ScratchAsk {
  std::string sentence;
  std::size_t partner = 0;
  bool fresh = false;  // not to be added up of earlier cells
};

// What a partner holds after a question, and the price that it computed itself.
struct ScratchAnswer {
  Question question;
  Price price;
  Release release;
  Hash256 hash;         // of the release
  bool reused = false;  // the site's account was not charged
  std::vector<BlockAmount> charged;
};

class ScratchSite {
 public:
  static constexpr std::size_t kPartners = 4;

  // Refuses what `make` refuses. `random` outlives this.
  static Result<std::unique_ptr<ScratchSite>> open(Random& random, const MakeScratchLedger& make);
  ~ScratchSite();

  // From now on this export, as a domain that nothing was ever charged to.
  void offer(const AuditedSite& site);
  const ExportView& view() const { return *view_; }
  // By everybody, or of one partner's quota.
  std::vector<BlockAmount> spent(std::optional<std::size_t> partner);

  // Refuses what the planner or the gate refuses.
  Result<ScratchAnswer> ask(const ScratchAsk& asked, const TwinSource& twins, const Fault& fault);
  // What the planner makes of a sentence, without asking.
  Result<Question> question_of(const std::string& sentence) const;

 private:
  struct Partner {
    OrgId organisation;
    security::SigningKey envelope_key;
    AgreementId agreement;
  };
  explicit ScratchSite(Random& random);
  Envelope envelope_of(const Partner& partner, const Question& question, const SealKey& key,
                       bool fresh);
  Result<Answer> open_answer(const Partner& partner, const security::SealPair& seal,
                             ByteView sealed) const;

  Random& random_;
  SystemClock clock_;
  Loop loop_;
  Workers workers_{1};
  security::NoisePool pool_;
  security::SigningKey answer_key_;
  OrgId self_;
  std::vector<Partner> partners_;
  std::unique_ptr<ScratchLedger> ledger_;
  std::shared_ptr<const ExportView> view_;
  std::shared_ptr<const SiteSnapshot> snapshot_;
  std::size_t offers_ = 0;
};

}  // namespace entente::federation
