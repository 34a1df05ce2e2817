// The audit log's records and the chain that makes changes to them visible.
//
// Each record is stored as its canonical bytes (schemas/wire/audit.capnp) beside its link:
//   link(n) = BLAKE2b-256("entente audit chain v1", link(n - 1), record bytes), link(0) = zero.
// Whoever knows a head (count, last link) from another place finds every edited, dropped,
// reordered, inserted or cut record below it. Records hold names and amounts, never a reading's
// value.
//
// The Merkle tree (merkle_tree.h) hashes the same record bytes as its leaves, and checkpoints
// (checkpoint.h) sign its root: they prove to others, with short proofs, what the chain proves to
// whoever reads the log.
#pragma once

#include <string>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/time.h"
#include "schemas/receipt.h"

namespace entente::security {

enum class AuditOutcome { intent, done, refused, failed };
std::string_view to_text(AuditOutcome outcome);

struct AuditDetail {
  std::string name;  // local id
  std::string value;
  auto operator<=>(const AuditDetail&) const = default;
};

struct AuditRecord {
  std::uint64_t sequence = 0;  // from 1; the log sets it
  Instant time;
  std::string actor;   // "user:NAME", "organisation:ID", "node"
  std::string action;  // local id: "release", "link.accept"
  std::string object;  // what it was done to; may be empty
  AuditOutcome outcome = AuditOutcome::intent;
  std::vector<AuditDetail> detail;
  bool operator==(const AuditRecord&) const = default;
};

inline constexpr std::size_t kAuditRecordBytes = 16'384;
inline constexpr std::size_t kAuditDetails = 32;

// Detail is sorted by name first, so that equal records have equal bytes.
Bytes canonical_bytes(const AuditRecord& record);
// Refuses (verification_failed) with the field that is wrong.
[[nodiscard]] Result<AuditRecord> audit_record_from_bytes(ByteView canonical);

Hash256 chain(const Hash256& previous, ByteView record);

using entente::AuditHead;

// Extends a head record by record; keep one where the log is written. Threads: as a value.
class AuditChain {
 public:
  AuditChain() = default;
  explicit AuditChain(AuditHead head) : head_(head) {}
  const AuditHead& head() const { return head_; }
  // Numbers the record, and returns its bytes; the head moves on. Refuses (invalid_argument), the
  // head unchanged, a record that the verifier would refuse, so that no log is written that cannot
  // be read.
  [[nodiscard]] Result<Bytes> append(AuditRecord record);
  // The head before the last append again, when the transaction that held it was undone.
  void restore(AuditHead head) { head_ = head; }

 private:
  AuditHead head_;
};

struct AuditEntry {
  Bytes record;
  Hash256 link;
};

// Reads a log from its first record on and compares it with a head known from elsewhere (a backup,
// a partner, a receipt). Threads: as a value.
class AuditVerifier {
 public:
  explicit AuditVerifier(AuditHead trusted) : trusted_(trusted) {}
  // Reads on from a head that is believed.
  static AuditVerifier from(const AuditHead& believed) {
    AuditVerifier verifier{{}};
    verifier.head_ = believed;
    return verifier;
  }
  // Refuses (verification_failed), naming the first bad record: malformed, misnumbered (dropped,
  // reordered or inserted), with a link that does not follow (edited), or not the one that the
  // trusted head stands for (rewritten with all that follows).
  [[nodiscard]] Outcome add(const AuditEntry& entry);
  // Refuses (verification_failed) when the log ended before the trusted head: it was cut.
  [[nodiscard]] Outcome finish() const;
  const AuditHead& head() const { return head_; }

 private:
  AuditHead trusted_;
  AuditHead head_;
};

[[nodiscard]] Outcome verify_log(const std::vector<AuditEntry>& entries, const AuditHead& trusted);

}  // namespace entente::security
