// What a witness makes of a checkpoint that a partner shows: whether its log went on from the one
// seen before. Pure; storage and network are elsewhere.
//
// The log's owner sends the note, the size that it believes the witness saw last, and the proof
// from there (as in c2sp.org/tlog-witness). A witness keeps the newest note of each log whole, so
// that two of them that contradict each other can be shown to anybody.
#pragma once

#include <string>
#include <vector>

#include "security/audit/checkpoint.h"

namespace entente::security {

inline constexpr std::size_t kProofHashes = 64;

struct WitnessOffer {
  std::string note;
  std::uint64_t old_size = 0;
  std::vector<Hash256> proof;  // from old_size to the note's size
};

enum class WitnessVerdict {
  cosigned,   // it goes on from what was seen: keep it, and say so
  elsewhere,  // the proof begins at another size than the one seen: show what was seen
  went_back,  // the log is shorter than it was: restored from a backup, or cut
  forked,     // the log is another one than it was: rewritten, or two are shown
};
std::string_view to_text(WitnessVerdict verdict);

struct WitnessJudgement {
  WitnessVerdict verdict = WitnessVerdict::elsewhere;
  Checkpoint checkpoint;  // what the note says
  std::string reason;     // for people; empty when cosigned
};

// `kept` is the newest note seen of this log, empty when there is none. Refuses
// (verification_failed), which says nothing about the log: the note is not one of `log` under
// `audit_keys`, or the proof is longer than 64 hashes.
[[nodiscard]] Result<WitnessJudgement> judge(const LogName& log,
                                             const std::vector<PublicKey>& audit_keys,
                                             std::string_view kept, const WitnessOffer& offer);

}  // namespace entente::security
