#include "security/audit/audit.h"

#include <algorithm>

#include "schemas/base/hash.h"
#include "schemas/canonical.h"
#include "schemas/rules.h"
#include "schemas/wire/audit.capnp.h"

namespace entente::security {
namespace {

constexpr rules::Refuse kRefuse{ErrorCode::verification_failed, "audit record"};
constexpr std::uint16_t kOutcomes = 4;

Result<AuditRecord> read(wire::AuditRecord::Reader in) {
  AuditRecord out;
  out.sequence = in.getSequence();
  if (out.sequence == 0) return kRefuse("sequence", "begins at 1");
  out.time = {in.getTimeNs()};
  out.actor = string_from(in.getActor());
  if (!rules::is_label(out.actor, entente::limits::kLabelBytes)) {
    return kRefuse("actor", "is no name");
  }
  out.action = string_from(in.getAction());
  if (!is_local_id(out.action)) return kRefuse("action", "is no local id");
  out.object = string_from(in.getObject());
  if (!rules::is_clean_text(out.object, entente::limits::kTextBytes)) {
    return kRefuse("object", "is no clean text");
  }
  const auto outcome = static_cast<std::uint16_t>(in.getOutcome());
  if (outcome >= kOutcomes) return kRefuse("outcome", "is unknown to this version");
  out.outcome = static_cast<AuditOutcome>(outcome);
  const auto detail = in.getDetail();
  if (detail.size() > kAuditDetails) return kRefuse("detail", "holds more than 32 values");
  for (const auto item : detail) {
    AuditDetail value{string_from(item.getName()), string_from(item.getValue())};
    if (!is_local_id(value.name)) return kRefuse("detail", "has a name that is no local id");
    if (!rules::is_clean_text(value.value, entente::limits::kTextBytes)) {
      return kRefuse("detail", "has a value that is no clean text");
    }
    if (!out.detail.empty() && value.name <= out.detail.back().name) {
      return kRefuse("detail", "must ascend by name, each once");
    }
    out.detail.push_back(std::move(value));
  }
  return out;
}

Error bad(std::uint64_t sequence, const std::string& why) {
  return make_error(ErrorCode::verification_failed,
                    "audit record " + std::to_string(sequence) + ": " + why,
                    "keep the log as it is and compare it with a backup");
}

}  // namespace

std::string_view to_text(AuditOutcome outcome) {
  switch (outcome) {
    case AuditOutcome::intent: return "intent";
    case AuditOutcome::done: return "done";
    case AuditOutcome::refused: return "refused";
    case AuditOutcome::failed: return "failed";
  }
  ENTENTE_CHECK(false);
  return {};
}

Bytes canonical_bytes(const AuditRecord& record) {
  std::vector<AuditDetail> detail = record.detail;
  std::sort(detail.begin(), detail.end());
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::AuditRecord>();
  out.setSequence(record.sequence);
  out.setTimeNs(record.time.ns);
  out.setActor(record.actor);
  out.setAction(record.action);
  out.setObject(record.object);
  out.setOutcome(static_cast<wire::AuditOutcome>(record.outcome));
  auto items = out.initDetail(static_cast<unsigned>(detail.size()));
  for (unsigned i = 0; i < items.size(); ++i) {
    items[i].setName(detail[i].name);
    items[i].setValue(detail[i].value);
  }
  return canonicalize(out.asReader());
}

Result<AuditRecord> audit_record_from_bytes(ByteView canonical) {
  if (canonical.size() > kAuditRecordBytes) return kRefuse("size", "is over 16 KiB");
  return rules::only_encoding(
      with_canonical<wire::AuditRecord>(
          canonical, ErrorCode::verification_failed, "audit record",
          [](auto in) -> Result<AuditRecord> { return read(in); }),
      canonical, kRefuse, [](const AuditRecord& value) { return canonical_bytes(value); });
}

Hash256 chain(const Hash256& previous, ByteView record) {
  return hash_parts("entente audit chain v1", {previous.view(), record});
}

Result<Bytes> AuditChain::append(AuditRecord record) {
  record.sequence = head_.count + 1;
  Bytes bytes = canonical_bytes(record);
  if (const auto readable = audit_record_from_bytes(bytes); !readable) {
    return make_error(ErrorCode::invalid_argument, readable.error().what);
  }
  head_ = {record.sequence, chain(head_.link, bytes)};
  return bytes;
}

Outcome AuditVerifier::add(const AuditEntry& entry) {
  const std::uint64_t expected = head_.count + 1;
  const auto record = audit_record_from_bytes(entry.record);
  if (!record) return bad(expected, record.error().what);
  if (record->sequence != expected) {
    return bad(expected, "number " + std::to_string(record->sequence) + " stands in its place");
  }
  const Hash256 link = chain(head_.link, entry.record);
  if (link != entry.link) return bad(expected, "it was edited: its link does not follow");
  head_ = {expected, link};
  if (head_.count == trusted_.count && head_ != trusted_) {
    return bad(expected, "the log up to here was rewritten: the head known from elsewhere differs");
  }
  return {};
}

Outcome AuditVerifier::finish() const {
  if (head_.count >= trusted_.count) return {};
  return bad(head_.count + 1, "the log was cut; " + std::to_string(trusted_.count) +
                                  " records are known to have existed");
}

Outcome verify_log(const std::vector<AuditEntry>& entries, const AuditHead& trusted) {
  AuditVerifier verifier(trusted);
  for (const AuditEntry& entry : entries) {
    if (auto done = verifier.add(entry); !done) return done;
  }
  return verifier.finish();
}

}  // namespace entente::security
