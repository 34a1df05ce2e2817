#include "federation/agree/agreement_machine.h"

#include <array>

namespace entente::federation {
namespace {

using enum AgreementState;
using Step = AgreementStep;
using Moved = std::optional<Transition>;

constexpr std::array<std::string_view, kAgreementStates> kStates = {
    "draft", "proposed", "countered", "agreed", "active", "suspended", "expired", "terminated"};

bool offer_lies(const Standing& standing) {
  return standing.state == proposed || standing.state == countered;
}

bool offered_there(const Standing& standing) {
  return offer_lies(standing) && !standing.offered_here;
}

bool offered_by_us(const Standing& standing) {
  return offer_lies(standing) && standing.offered_here;
}

bool open(const Standing& standing) {
  return standing.state != draft && !is_over(standing.state);
}

Transition to(Standing next, Offer offer = Offer::kept, bool judged = false) {
  return {next, offer, judged};
}

Transition over() {
  return to({terminated});
}

Standing held(bool here, bool there) {
  return here || there ? Standing{suspended, false, here, there} : Standing{active};
}

// The steps that this side takes.
Moved taken(const Standing& from, Step step) {
  switch (step) {
    case Step::propose:
      if (from.state == draft) return to({proposed, true}, Offer::replaced, true);
      return {};
    case Step::counter:
      if (offered_there(from)) return to({countered, true}, Offer::replaced, true);
      return {};
    case Step::settle:
      if (offered_there(from)) return to({agreed}, Offer::kept, true);
      return {};
    case Step::report:
      if (offered_there(from)) return to(from);
      return {};
    case Step::withdraw:
      if (offered_by_us(from)) return over();
      return {};
    case Step::suspend:
      if ((from.state == active || from.state == suspended) && !from.held_here) {
        return to(held(true, from.held_there));
      }
      return {};
    case Step::resume:
      if (from.held_here) return to(held(false, from.held_there));
      return {};
    case Step::terminate:
      if (open(from)) return over();
      return {};
  }
  return {};
}

// The steps that the partner takes. What says no more than is known already changes nothing.
Moved told(const Standing& from, Step step) {
  const bool signed_by_both =
      from.state == agreed || from.state == active || from.state == suspended;
  switch (step) {
    case Step::propose:
      if (from.state == draft) return to({proposed, false}, Offer::replaced, true);
      return {};
    case Step::counter:
      if (offered_by_us(from)) return to({countered, false}, Offer::replaced, true);
      return {};
    case Step::settle:
      if (offered_by_us(from)) return to({active}, Offer::kept, true);
      return {};
    case Step::report:
      if (offered_by_us(from)) return to(from);
      return {};
    case Step::withdraw:
      // Their offer; one that our answer crosses on the way; or one that has never arrived.
      if (from.state == draft || offer_lies(from) || from.state == agreed) return over();
      if (is_over(from.state)) return to(from);
      return {};
    case Step::suspend:
      // Only who holds the terms with both signatures suspends: in `agreed` this is the receipt.
      if (signed_by_both) return to(held(from.held_here, true));
      return {};
    case Step::resume:
      if (signed_by_both) return to(held(from.held_here, false));
      return {};
    case Step::terminate:
      if (is_over(from.state)) return to(from);
      return over();
  }
  return {};
}

Moved acknowledged(const Standing& from, Step step) {
  if (step == Step::settle && from.state == agreed) return to({active});
  return to(from);
}

Moved refused(const Standing& from, Step step, ErrorCode code, std::uint32_t at) {
  // Before round n the offer of round n - 1 lay on the table; that of round 0 is the proposal.
  const auto state_of = [](std::uint32_t round) { return round == 0 ? proposed : countered; };
  if (step == Step::propose && from.state == proposed && from.offered_here) return over();
  if (step == Step::counter && from.state == countered && from.offered_here) {
    if (says_over(code) || at == 0) return over();
    return to({state_of(at - 1), false}, Offer::restored);
  }
  if (step == Step::settle && from.state == agreed) {
    if (says_over(code)) return over();
    return to({state_of(at), false});
  }
  return to(from);
}

}  // namespace

std::string_view to_text(AgreementState state) {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<AgreementState> agreement_state_from_text(std::string_view text) {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (kStates[i] == text) return static_cast<AgreementState>(i);
  }
  return {};
}

bool is_over(AgreementState state) {
  return state == expired || state == terminated;
}

bool is_possible(const Standing& standing) {
  const bool holds = standing.held_here || standing.held_there;
  return holds == (standing.state == suspended) && (!standing.offered_here || offer_lies(standing));
}

bool says_over(ErrorCode code) {
  return code == ErrorCode::conflict || code == ErrorCode::not_found || code == ErrorCode::replayed;
}

Result<Transition> transition(const Standing& from, const AgreementEvent& event,
                              std::uint32_t round) {
  using Kind = AgreementEvent::Kind;
  Moved moved;
  if (event.kind == Kind::taken) {
    moved = taken(from, event.step);
  } else if (event.kind == Kind::told) {
    moved = told(from, event.step);
  } else if (event.kind == Kind::acknowledged) {
    moved = acknowledged(from, event.step);
  } else if (event.kind == Kind::refused) {
    moved = refused(from, event.step, event.code, round);
  } else if (open(from)) {
    moved = to({expired});
  }
  if (moved) return *moved;
  std::string what = "the agreement is " + std::string(to_text(from.state));
  if (offer_lies(from)) what += from.offered_here ? " from here" : " from the partner";
  if (from.state == suspended && !from.held_here) what += " by the partner";
  return make_error(ErrorCode::conflict,
                    what + ": '" + std::string(to_text(event.step)) + "' does not fit");
}

std::string_view to_text(Turn turn) {
  return turn == Turn::ours ? "ours" : turn == Turn::theirs ? "theirs" : "nobody's";
}

Turn turn_of(const Standing& standing) {
  if (offer_lies(standing)) return standing.offered_here ? Turn::theirs : Turn::ours;
  if (standing.state == suspended) return standing.held_here ? Turn::ours : Turn::theirs;
  return standing.state == agreed || standing.state == draft ? Turn::ours : Turn::nobodys;
}

std::vector<AgreementStep> steps_open(const Standing& standing) {
  std::vector<AgreementStep> steps;
  for (std::size_t i = 0; i < kAgreementSteps; ++i) {
    const auto step = static_cast<AgreementStep>(i);
    if (step != Step::report && taken(standing, step)) steps.push_back(step);
  }
  return steps;
}

}  // namespace entente::federation
