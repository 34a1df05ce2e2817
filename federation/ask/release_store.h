// What the disclosure gate needs of the site's durable account: budgets, releases, the seen-set.
//
// One release is one row for ever: the same question over the same closed data has the same key and
// therefore the same bytes, whoever asks. A debit, the noise, the final bytes and the audit entry
// become durable together or not at all (privacy.md 2.8); only then are bytes handed back. So what
// left the site is always within what was charged, and a crash can only lose time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "schemas/answer.h"
#include "schemas/base/ids.h"
#include "schemas/receipt.h"

namespace entente::federation {

// What a partner may count on in each block of a domain, whatever the others ask.
struct Guarantee {
  OrgId partner;
  RhoUnits rho;
  bool operator==(const Guarantee&) const = default;
};

// Of a question whose cells may be added up (composition.h): what it has in common with those they
// are added to, and where its own lie. Its release is kept under that.
struct AdditiveCells {
  Hash256 key;
  TimeWindow window;
  std::optional<Duration> every;
  bool fresh = false;  // the partner wants no composed release, also not one it got before
};

// Who asks what, and what it would cost. Everything here is public to the asker but for what others
// are guaranteed.
struct ReleaseInquiry {
  OrgId partner;
  QueryId query_id;
  Hash256 envelope_hash;
  Instant deadline;  // the seen-set keeps the id until it has passed, and the allowed skew
  Hash256 question_hash;
  Hash256 release_key;
  std::string domain;
  std::vector<BlockAmount> charges;
  RhoUnits site_cap;                                 // of each block, for all partners together
  RhoUnits partner_quota;                            // of each block, for this partner
  DeltaUnits delta = {};                             // charged to each block: by thresholding alone
  DeltaUnits delta_cap = {};                         // of each block, for every scope
  std::vector<Guarantee> guaranteed_to_others = {};  // of each block, each partner once
  // The receipt the partner showed; this site's own signature has been verified.
  std::optional<LedgerReceipt> shown = {};
  std::optional<AdditiveCells> cells = {};  // of questions whose cells may be added up
  // Set to commit a composed release, which is this partner's own: the charges to its quota.
  std::optional<std::vector<BlockAmount>> composed = {};
};

// A release whose cells may be added up.
struct StoredRelease {
  Bytes release;  // canonical
  TimeWindow window;
  std::optional<Duration> every;
  bool paid = false;  // by the partner who asks
};

// Where the inquiry stands before anything private is read.
struct ReleaseStanding {
  // Already released, or composed for this partner: these are the bytes.
  std::optional<Bytes> release;
  bool paid = false;  // by this partner; a repeat is then free
  // For this partner now, per block: the least of its quota's rest and the cap's, less what others
  // are guaranteed.
  std::vector<BlockAmount> left;
  DeltaUnits delta_left = {};
  AuditHead audit_head;  // durable when this was read
};

struct CommittedRelease {
  Bytes release;
  bool reused = false;               // the site ledger was not charged
  std::vector<BlockAmount> charged;  // to this partner's quota now
  DeltaUnits delta_charged = {};     // to each block of `charged`
  std::vector<BlockAmount> left;     // after the charge
  DeltaUnits delta_left = {};
  AuditHead audit_head;  // of the log with this release as its last record
};

class ReleaseStore {
 public:
  virtual ~ReleaseStore() = default;

  // Workers, several at once. Reads only. Refuses: reconcile_needed (this site's log does not hold
  // the receipt shown, now or in an earlier question: the database was restored from a backup);
  // replayed (the query id is known under another envelope); budget_exhausted (no room in cap or
  // quota). Throws on a store fault.
  virtual Result<ReleaseStanding> inquire(const ReleaseInquiry& inquiry) const = 0;

  // Workers. Releases kept under the inquiry's cells that overlap its window, in the order and as
  // far as composition.h says. None for an inquiry without cells, and none from a store that has no
  // such memory.
  virtual std::vector<StoredRelease> cells(const ReleaseInquiry& /*inquiry*/) const { return {}; }

  // What budget_exhausted is told besides: the amounts left per block.
  virtual std::vector<BlockAmount> left(const ReleaseInquiry& inquiry) const = 0;

  // Loop thread; `done` is called on it. `draw` adds the noise and returns the canonical release;
  // it runs once, on the store's thread, inside the transaction and after the debit, and only if
  // nobody released this key meanwhile. Refuses as inquire does, changing nothing. With
  // `composed` the site is not charged, `draw` draws nothing, and the bytes are kept for this
  // partner alone: for others the question is as new as before.
  virtual void commit(ReleaseInquiry inquiry, std::function<Bytes()> draw,
                      std::function<void(Result<CommittedRelease>)> done) = 0;

  // Loop thread. Notes durably, in its own time, that bytes already paid for went out again, or
  // that a question was refused. The answer does not wait for it.
  virtual void note(const ReleaseInquiry& inquiry, std::string_view outcome) = 0;
};

}  // namespace entente::federation
