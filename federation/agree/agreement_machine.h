// The states of an agreement and every step from one to the next: one pure, total function, used
// by both sides, for the steps they take, for those they are told of, and for what becomes of them.
//
//   draft -> proposed -> countered -> agreed -> active -> suspended | expired | terminated
//
//   draft       terms that neither side has offered; what an unknown negotiation is
//   proposed    the first offer is on the table; the other side's turn
//   countered   a counter-offer is; the turn of whoever did not make it
//   agreed      this side has signed the other's offer and the other does not know yet
//   active      both have signed and both know
//   suspended   nothing is asked or answered until every side that suspended it has resumed it
//   expired     its time, or the time to answer an offer, has passed; final
//   terminated  withdrawn, declined or ended; final
//
// Every open state has an owner (`turn_of`) and time ends it. A step that does not fit refuses
// (conflict) and changes nothing. Threads: any; pure.
#pragma once

#include "schemas/agreement_message.h"

namespace entente::federation {

enum class AgreementState {
  draft,
  proposed,
  countered,
  agreed,
  active,
  suspended,
  expired,
  terminated
};
inline constexpr std::size_t kAgreementStates = 8;
std::string_view to_text(AgreementState state);
std::optional<AgreementState> agreement_state_from_text(std::string_view text);

// Where one side stands.
struct Standing {
  AgreementState state = AgreementState::draft;
  bool offered_here = false;  // proposed, countered: the offer on the table is this side's
  bool held_here = false;     // suspended: by this side
  bool held_there = false;    // suspended: by the partner
  bool operator==(const Standing&) const = default;
};

// Whether a standing can be: flags belong to their states, and a suspension has a holder.
bool is_possible(const Standing& standing);
// No step leads out of it.
bool is_over(AgreementState state);

// What happens to a standing.
struct AgreementEvent {
  enum class Kind {
    taken,         // this side takes the step
    told,          // the partner says that it took the step
    acknowledged,  // the partner has taken note of this side's step
    refused,       // the partner has refused this side's step with `code`, for good
    lapsed,        // time is over; `step` is ignored
  };
  Kind kind = Kind::taken;
  AgreementStep step = AgreementStep::propose;
  ErrorCode code = ErrorCode::conflict;
};

// What follows besides the state.
enum class Offer {
  kept,      // the terms on the table stay
  replaced,  // the step's terms are on the table now
  restored,  // the terms before the counter-offer are again
};
struct Transition {
  Standing next;
  Offer offer = Offer::kept;
  bool judged =
      false;  // only if the terms pass on this side: signatures, tests, exports, guarantees
  bool operator==(const Transition&) const = default;
};

// `round` is that of the terms on the table (Agreement::round): what an undone step goes back to
// depends on it.
[[nodiscard]] Result<Transition> transition(const Standing& from, const AgreementEvent& event,
                                            std::uint32_t round);

// Whether the partner's refusal says that it knows no such open negotiation, rather than that it
// cannot accept the terms.
bool says_over(ErrorCode code);

enum class Turn { ours, theirs, nobodys };
std::string_view to_text(Turn turn);
// Whose step is awaited; what waits to be delivered is this side's node's.
Turn turn_of(const Standing& standing);

// The steps that a person on this side may take now.
std::vector<AgreementStep> steps_open(const Standing& standing);

}  // namespace entente::federation
