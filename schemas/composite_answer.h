// The answer of a system twin of another organisation, and its wire form
// (schemas/wire/answer.capnp).
//
// Routed, it carries what each site answered, most of it sealed to the asker so that nobody on the
// way reads it; or the composing site has merged the sites' releases and answers for itself.
// Conversions are total and refuse (invalid_argument) with the field that is wrong: a state that is
// none, answers of sites that did not answer, a merged release beside routed answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schemas/answer.h"
#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente {

// What became of one member of a question.
enum class MemberState { answered, refused, late, unreachable, unverified, skipped };
std::string_view to_text(MemberState state);
std::optional<MemberState> member_state_from_text(std::string_view text);

// What one site answered, as it is sent on.
struct RoutedAnswer {
  Bytes envelope;                     // Signed Envelope that the site was asked with
  Bytes answer;                       // SignedAnswer, sealed to the asker or opened on the way
  bool sealed = false;                // which of the two
  Bytes view;                         // canonical ExportView that the question names by hash
  std::vector<std::uint32_t> groups;  // of each of its question's groups: the asked one's
  bool operator==(const RoutedAnswer&) const = default;
};

struct LeafOutcome {
  OrgId organisation;
  std::string site;
  std::string domain;
  std::string export_name;
  std::string name;  // as the composing site calls it
  MemberState state = MemberState::skipped;
  ErrorCode code = ErrorCode::internal;  // unless answered
  std::vector<OrgId> path;               // who sent the question on, the asker's partner first
  std::vector<BlockAmount> charged;      // behind a merged answer: to the composing site
  Hash256 release;                       // likewise: release_hash of the site's release
  std::optional<RoutedAnswer> routed;    // of a site that answered, of a routed answer
  bool operator==(const LeafOutcome&) const = default;
};

struct CompositeAnswer {
  Hash256 envelope_hash;
  OrgId audience;
  std::string composite;
  Instant issued;
  std::vector<LeafOutcome> leaves;
  // Merged: canonical Releases of the composing site, one for each set of members whose sums were
  // added up, with the cells of the groups that they share. Empty when routed.
  std::vector<Bytes> releases;
  bool operator==(const CompositeAnswer&) const = default;
};

// Leaves room for signature, seal and framing in one reply.
inline constexpr std::size_t kCompositeAnswerBytes = 253'952;
inline constexpr std::size_t kPathMost = 8;  // organisations between an asker and a site

Bytes canonical_bytes(const CompositeAnswer& answer);
[[nodiscard]] Result<CompositeAnswer> composite_answer_from_bytes(ByteView canonical);

}  // namespace entente
