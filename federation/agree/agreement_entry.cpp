#include "federation/agree/agreement_entry.h"

#include <algorithm>

#include "federation/agree/limits.h"

namespace entente::federation {
namespace {

using Kind = AgreementEvent::Kind;
using Step = AgreementStep;

Error unfit(std::string what) {
  return make_error(ErrorCode::agreement_invalid, std::move(what));
}

bool is_end(Step step) {
  return step == Step::withdraw || step == Step::terminate;
}

std::optional<Signature>& our_signature(AgreementEntry& entry, SignedAgreement& wire) {
  return entry.provides ? wire.provider_signature : wire.consumer_signature;
}

void move_to(AgreementEntry& entry, const Standing& next, Instant now) {
  if (entry.standing == next) return;
  entry.standing = next;
  entry.since = now;
}

// Puts this side's step into the outbox.
void tell(const AgreementParty& party, AgreementEntry& entry, Step step) {
  AgreementMessage message;
  message.sender = party.site.self;
  message.receiver = entry.partner();
  message.thread = entry.id;
  message.terms = entry.terms;
  message.step = step;
  // Also after a restored backup higher than any before.
  entry.sent =
      std::max(entry.sent + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(party.now.ns, 0)));
  message.number = entry.sent;
  const bool offers = step == Step::propose || step == Step::counter || step == Step::settle;
  if (offers) message.agreement = entry.signed_bytes;
  // Whether an offer has arrived is not known before it is answered. The end of a proposal brings
  // it along, that of a counter-offer is about the offer before it, which both know.
  if (is_end(step) && entry.outbox && entry.outbox->step == Step::propose) {
    message.agreement = entry.outbox->agreement;
  }
  if (is_end(step) && entry.outbox && entry.outbox->step == Step::counter) {
    message.terms = *entry.value.answers;
  }
  if (step != Step::report) message.reason = entry.reason;
  entry.outbox = std::move(message);
}

// Makes these terms the ones on the table, signed by this side.
Result<AgreementEntry> offer(const AgreementParty& party, AgreementEntry entry, Agreement terms,
                             Step step) {
  auto moved = transition(entry.standing, {Kind::taken, step}, terms.round);
  if (!moved) return std::move(moved).error();
  SignedAgreement wire;
  wire.agreement = canonical_bytes(terms);
  // What a partner would refuse to read is refused here, with the field named.
  auto read_back = agreement_from_bytes(wire.agreement);
  if (!read_back) return std::move(read_back).error();
  if (auto judged = judge(party.site, terms, party.now); judged.refusal) return *judged.refusal;
  entry.provides = terms.provider == party.site.self;
  our_signature(entry, wire) = party.key.sign(security::contexts::kAgreement, wire.agreement);
  entry.terms = agreement_id_of(wire.agreement);
  entry.value = std::move(terms);
  entry.previous = std::move(entry.signed_bytes);
  entry.signed_bytes = to_wire_bytes(wire);
  if (step == Step::propose) entry.id = entry.terms;
  entry.last_error.clear();
  entry.reason.clear();
  move_to(entry, moved->next, party.now);
  tell(party, entry, step);
  return entry;
}

Refusal refusal_of(ErrorCode code, std::uint16_t test = 0) {
  Refusal refusal;
  refusal.code = code;
  if (test != 0) refusal.subject = "test " + std::to_string(test);
  return refusal;
}

Heard refuse(const Error& error, std::uint16_t test = 0) {
  return {refusal_of(error.code, test), error.what, {}};
}

// The first message of a negotiation, or of one that is over before it was known.
Heard hear_first(const AgreementParty& party, const OrgId& peer, const OpenedMessage& opened) {
  const AgreementMessage& message = opened.message;
  auto moved = transition({}, {Kind::told, message.step}, 0);
  if (!moved) return refuse(moved.error());
  if (message.agreement.empty()) {
    return refuse(make_error(ErrorCode::not_found, "there is no such agreement"));
  }
  auto terms = read_offer(party.site, peer, message.agreement, party.now);
  if (!terms) return refuse(terms.error());
  if (terms->id != message.thread || terms->id != message.terms || terms->value.round != 0) {
    return refuse(unfit("what is offered is not what the message names"));
  }
  if (terms->value.provider != peer) return refuse(unfit("the first offer is the provider's"));
  if (moved->judged) {
    const Judgement judged = judge(party.site, terms->value, party.now);
    if (judged.refusal) return refuse(*judged.refusal, judged.test);
  }
  AgreementEntry entry;
  entry.id = entry.terms = terms->id;
  entry.value = std::move(terms->value);
  entry.signed_bytes = message.agreement;
  entry.standing = moved->next;
  entry.since = party.now;
  entry.reason = message.reason;
  entry.heard = message.number;
  entry.heard_hash = opened.hash;
  return {{}, {}, std::move(entry)};
}

// Whether a step is about the terms that it must be about.
Outcome names_our_terms(const AgreementEntry& entry, const AgreementMessage& message) {
  const bool before =
      is_end(message.step) && entry.value.answers && message.terms == *entry.value.answers;
  if (message.step == Step::counter || message.terms == entry.terms || before) return {};
  return unfit("the step is about other terms");
}

Result<SignedTerms> read_counter(const AgreementParty& party, const OrgId& peer,
                                 const AgreementEntry& entry, const AgreementMessage& message) {
  auto terms = read_offer(party.site, peer, message.agreement, party.now);
  if (!terms) return terms;
  const Agreement& value = terms->value;
  const bool fits = terms->id == message.terms && value.answers == entry.terms &&
                    value.round == entry.value.round + 1 && value.round <= limits::kRounds &&
                    value.provider == entry.value.provider && value.name == entry.value.name;
  if (!fits) return unfit("the counter-offer does not answer the offer on the table");
  return terms;
}

// Our own signature is compared, not verified: keys may have changed since.
Outcome check_settled(const AgreementParty& party, const OrgId& peer, const AgreementEntry& entry,
                      const AgreementMessage& message) {
  auto theirs = read_terms(message.agreement);
  if (!theirs) return std::move(theirs).error();
  auto ours = read_terms(entry.signed_bytes);
  if (!ours) return std::move(ours).error();
  const auto& back =
      entry.provides ? theirs->wire.provider_signature : theirs->wire.consumer_signature;
  const auto& given =
      entry.provides ? ours->wire.provider_signature : ours->wire.consumer_signature;
  if (theirs->wire.agreement != ours->wire.agreement || back != given) {
    return make_error(ErrorCode::verification_failed, "what was signed is not what was offered");
  }
  return verify_partner(party.site, peer, theirs->wire);
}

void note_report(AgreementEntry& entry, const AgreementMessage& message) {
  entry.last_error = "the partner's node cannot sign: " + code_text(*message.code);
  if (message.test != 0) entry.last_error += ", " + test_name(entry.value, message.test);
}

// Applies a step that fits and whose terms have been read.
AgreementEntry apply(const AgreementParty& party, const AgreementEntry& entry,
                     const OpenedMessage& opened, const Transition& moved,
                     std::optional<SignedTerms> counter_terms) {
  const AgreementMessage& message = opened.message;
  AgreementEntry next = entry;
  if (counter_terms) {
    next.previous = next.signed_bytes;
    next.signed_bytes = message.agreement;
    next.terms = counter_terms->id;
    next.value = std::move(counter_terms->value);
    next.outbox.reset();
  }
  if (message.step == Step::settle) next.signed_bytes = message.agreement;
  if (message.step == Step::report) {
    note_report(next, message);
  } else {
    next.last_error.clear();
  }
  if (message.step != Step::report && message.step != Step::settle) next.reason = message.reason;
  move_to(next, moved.next, party.now);
  // What the partner has said shows that it knows what we still wanted to tell; what is left to
  // say are this side's own suspension and end.
  const bool stays =
      next.outbox && (next.outbox->step == Step::suspend || next.outbox->step == Step::resume ||
                      next.outbox->step == Step::settle);
  if (next.outbox && !stays) next.outbox.reset();
  if (is_over(next.standing.state)) next.outbox.reset();
  next.heard = message.number;
  next.heard_hash = opened.hash;
  next.heard_refusal.reset();
  return next;
}

Heard hear_known(const AgreementParty& party, const OrgId& peer, const OpenedMessage& opened,
                 const AgreementEntry& entry) {
  const AgreementMessage& message = opened.message;
  if (message.number == entry.heard && opened.hash == entry.heard_hash) {
    return {entry.heard_refusal, "it was refused before", {}};
  }
  if (message.number <= entry.heard) {
    return refuse(make_error(ErrorCode::replayed, "a later message has come before"));
  }
  auto moved = transition(entry.standing, {Kind::told, message.step}, entry.value.round);
  if (!moved) return refuse(moved.error());
  if (auto same = names_our_terms(entry, message); !same) return refuse(same.error());
  std::optional<SignedTerms> counter_terms;
  if (message.step == Step::counter) {
    auto terms = read_counter(party, peer, entry, message);
    if (!terms) return refuse(terms.error());
    counter_terms = std::move(*terms);
  }
  if (message.step == Step::settle) {
    if (auto same = check_settled(party, peer, entry, message); !same) return refuse(same.error());
  }
  if (moved->judged) {
    const Agreement& terms = counter_terms ? counter_terms->value : entry.value;
    if (Judgement judged = judge(party.site, terms, party.now); judged.refusal) {
      // A fair message that was judged: the same one, should it come again later, is answered the
      // same, whatever this side has come to think of the terms.
      Heard heard = refuse(*judged.refusal, judged.test);
      heard.changed = entry;
      heard.changed->heard = message.number;
      heard.changed->heard_hash = opened.hash;
      heard.changed->heard_refusal = heard.refusal;
      heard.changed->last_error = judged.refusal->what;
      return heard;
    }
  }
  return {{}, {}, apply(party, entry, opened, *moved, std::move(counter_terms))};
}

}  // namespace

std::optional<Instant> lapses_at(const AgreementEntry& entry) {
  const AgreementState state = entry.standing.state;
  if (state == AgreementState::draft || is_over(state)) return {};
  const bool offered = state == AgreementState::proposed || state == AgreementState::countered;
  return offered ? offer_ends(entry.value) : entry.value.expires;
}

Result<AgreementEntry> propose(const AgreementParty& party, Agreement terms) {
  if (terms.provider != party.site.self) return unfit("the first offer is the provider's");
  terms.issued = party.now;
  terms.round = 0;
  terms.answers.reset();
  return offer(party, {}, std::move(terms), Step::propose);
}

Result<AgreementEntry> counter(const AgreementParty& party, const AgreementEntry& entry,
                               Agreement terms) {
  if (terms.provider != entry.value.provider || terms.consumer != entry.value.consumer) {
    return unfit("a counter-offer is between the same two organisations");
  }
  if (terms.name != entry.value.name) {
    return unfit("agreement.name: a counter-offer keeps the name '" + entry.value.name + "'");
  }
  terms.issued = party.now;
  terms.round = entry.value.round + 1;
  if (terms.round > limits::kRounds) return unfit("there were too many counter-offers");
  terms.answers = entry.terms;
  return offer(party, entry, std::move(terms), Step::counter);
}

Result<TakenStep> take(const AgreementParty& party, const AgreementEntry& entry, Step step,
                       std::string reason) {
  auto moved = transition(entry.standing, {Kind::taken, step}, entry.value.round);
  if (!moved) return std::move(moved).error();
  TakenStep out{entry, {}};
  AgreementEntry& next = out.entry;
  if (moved->judged) {
    Judgement judged = judge(party.site, entry.value, party.now);
    if (judged.refusal) {
      tell(party, next, Step::report);
      next.outbox->code = judged.refusal->code;
      next.outbox->test = judged.test;
      next.last_error = judged.refusal->what;
      out.failed = std::move(judged.refusal);
      return out;
    }
  }
  if (step == Step::settle) {
    auto terms = read_terms(entry.signed_bytes);
    if (!terms) return std::move(terms).error();
    our_signature(next, terms->wire) =
        party.key.sign(security::contexts::kAgreement, terms->wire.agreement);
    next.signed_bytes = to_wire_bytes(terms->wire);
  }
  move_to(next, moved->next, party.now);
  next.reason = std::move(reason);
  next.last_error.clear();
  tell(party, next, step);
  return out;
}

Heard hear(const AgreementParty& party, const OrgId& peer, const OpenedMessage& opened,
           const AgreementEntry* entry) {
  if (entry == nullptr) return hear_first(party, peer, opened);
  if (entry->partner() != peer) {
    return refuse(make_error(ErrorCode::not_found, "there is no such agreement"));
  }
  return hear_known(party, peer, opened, *entry);
}

bool worth_retrying(const Error& error) {
  return exit_code(error.code) == 6 || error.code == ErrorCode::overloaded ||
         error.code == ErrorCode::store_failed || error.code == ErrorCode::disk_full ||
         // A partner that has not seen this side's newest charter yet does not know its key.
         error.code == ErrorCode::verification_failed;
}

std::optional<AgreementEntry> answered(const AgreementEntry& entry, std::uint64_t number,
                                       const Told& told, Instant now) {
  if (!entry.outbox || entry.outbox->number != number) return {};
  AgreementEntry next = entry;
  if (!told.outcome && worth_retrying(told.outcome.error())) {
    if (entry.last_error == told.outcome.error().what) return {};
    next.last_error = told.outcome.error().what;
    return next;
  }
  const Step step = entry.outbox->step;
  AgreementEvent event{Kind::acknowledged, step};
  if (!told.outcome) event = {Kind::refused, step, told.outcome.error().code};
  auto moved = transition(entry.standing, event, entry.value.round);
  if (!moved) return {};
  next.outbox.reset();
  if (step != Step::report) next.last_error.clear();
  const bool known_over = !told.outcome && is_end(step) && says_over(told.outcome.error().code);
  if (!told.outcome && !known_over) {
    next.last_error = told.outcome.error().what;
    if (!told.subject.empty()) {
      const auto test = std::strtoul(
          told.subject.c_str() + std::min<std::size_t>(told.subject.find(' '), told.subject.size()),
          nullptr, 10);
      next.last_error += " (" + test_name(entry.value, static_cast<std::uint16_t>(test)) + ")";
    }
    if (is_over(moved->next.state)) next.reason = next.last_error;
  }
  if (moved->offer == Offer::restored) {
    auto terms = read_terms(entry.previous);
    if (!terms) return {};
    next.signed_bytes = std::move(next.previous);
    next.previous.clear();
    next.terms = terms->id;
    next.value = std::move(terms->value);
  }
  // An offer that was signed here and refused bears only the partner's signature again.
  if (step == Step::settle && moved->next.state != entry.standing.state &&
      moved->next.state != AgreementState::active) {
    if (auto terms = read_terms(entry.signed_bytes)) {
      our_signature(next, terms->wire).reset();
      next.signed_bytes = to_wire_bytes(terms->wire);
    }
  }
  move_to(next, moved->next, now);
  return next;
}

std::optional<AgreementEntry> lapse(const AgreementEntry& entry, Instant now) {
  const auto end = lapses_at(entry);
  if (!end || now < *end) return {};
  auto moved = transition(entry.standing, {Kind::lapsed}, entry.value.round);
  if (!moved) return {};
  AgreementEntry next = entry;
  move_to(next, moved->next, now);
  next.outbox.reset();
  return next;
}

}  // namespace entente::federation
