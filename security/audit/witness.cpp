#include "security/audit/witness.h"

namespace entente::security {
namespace {

std::string sizes(const Checkpoint& kept, const Checkpoint& shown) {
  return std::to_string(kept.tree.size) + " records were seen, " + std::to_string(shown.tree.size) +
         " are shown";
}

}  // namespace

std::string_view to_text(WitnessVerdict verdict) {
  switch (verdict) {
    case WitnessVerdict::cosigned:
      return "cosigned";
    case WitnessVerdict::elsewhere:
      return "elsewhere";
    case WitnessVerdict::went_back:
      return "went-back";
    case WitnessVerdict::forked:
      return "forked";
  }
  ENTENTE_CHECK(false);
  return {};
}

Result<WitnessJudgement> judge(const LogName& log, const std::vector<PublicKey>& audit_keys,
                               std::string_view kept, const WitnessOffer& offer) {
  if (offer.proof.size() > kProofHashes) {
    return make_error(ErrorCode::verification_failed, "the proof has more than 64 hashes");
  }
  auto shown = verify_checkpoint(offer.note, audit_keys);
  if (!shown) return std::move(shown).error();
  if (shown->log != log) {
    return make_error(ErrorCode::verification_failed,
                      "the checkpoint is of another log, " + shown->log.text());
  }
  WitnessJudgement judgement{WitnessVerdict::cosigned, *shown, ""};
  const auto found = [&judgement](WitnessVerdict verdict, std::string reason) {
    judgement.verdict = verdict;
    judgement.reason = std::move(reason);
    return judgement;
  };
  Checkpoint before{log, empty_tree()};
  if (!kept.empty()) {
    auto read = read_checkpoint(kept);
    if (!read) return std::move(read).error();
    before = std::move(*read);
  }
  if (contradict(before, *shown)) {
    return found(WitnessVerdict::forked, "two logs of " + std::to_string(shown->tree.size) +
                                             " records are signed with different roots");
  }
  if (shown->tree.size < before.tree.size) {
    return found(WitnessVerdict::went_back, "the log went back: " + sizes(before, *shown));
  }
  if (shown->tree == before.tree) return judgement;
  if (offer.old_size != before.tree.size) {
    return found(WitnessVerdict::elsewhere, "the proof begins at " +
                                                std::to_string(offer.old_size) + ", not at " +
                                                std::to_string(before.tree.size) + " records");
  }
  if (auto holds = verify_consistency(before.tree, shown->tree, offer.proof); !holds) {
    return found(WitnessVerdict::forked, sizes(before, *shown) + ", but " + holds.error().what);
  }
  return judgement;
}

}  // namespace entente::security
