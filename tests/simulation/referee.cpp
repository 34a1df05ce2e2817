#include "tests/simulation/referee.h"

#include <algorithm>
#include <cmath>

#include "federation/ask/limits.h"
#include "federation/query/release.h"
#include "node/store/audit_log.h"
#include "schemas/base/hash.h"
#include "tests/simulation/envelopes.h"

namespace entente::simulation {
namespace {

using namespace federation;

constexpr Duration kGrace = seconds(1);  // after a deadline

std::string text_of(const QueryId& id) {
  return id.short_hex();
}

Hash256 release_key(const Hash256& question, const std::string& domain) {
  return hash_parts("entente release key v2", {question.view(), bytes_of(domain)});
}
Hash256 composed_key(const Hash256& release, const OrgId& partner) {
  return hash_parts("entente composed release v1", {release.view(), partner.view()});
}

// What is stored under a key and paid for by this partner.
std::optional<Bytes> paid_release(node::Database& database, const Hash256& key,
                                  const OrgId& partner) {
  auto& row = database.cached(
      "SELECT r.body FROM releases r JOIN paid p ON p.key = r.key WHERE r.key = ? AND "
      "p.partner = ?");
  row.bind(1, key.view()).bind(2, partner.view());
  std::optional<Bytes> body;
  if (row.step()) body = row.blob(0);
  row.reset();
  return body;
}

bool is_past(const Question& question) {
  return question.window.to <= kBeginning;
}

}  // namespace

Referee::Referee(Context& context) : context_(context), sites_(context.nodes) {}

void Referee::violate(const std::string& what) {
  if (violation_) return;
  violation_ = what;
  context_.note("referee", "VIOLATION: " + what);
}

void Referee::agreements_changed(Node& node) {
  for (const auto& [id, entry] : node.agreements().entries()) {
    if (!entry.provides) continue;
    const bool active = entry.standing.state == AgreementState::active;
    auto known = terms_.find(entry.terms);
    if (known == terms_.end()) {
      if (!active) continue;
      const auto wire = signed_agreement_from_bytes(entry.signed_bytes);
      const Organisation* consumer = organisation_of(entry.value.consumer);
      const bool signed_by_both =
          wire && consumer != nullptr && wire->provider_signature && wire->consumer_signature &&
          security::verify(consumer->keys.agreement.public_key(), security::contexts::kAgreement,
                           wire->agreement, *wire->consumer_signature) &&
          security::verify(node.organisation().keys.agreement.public_key(),
                           security::contexts::kAgreement, wire->agreement,
                           *wire->provider_signature);
      if (!signed_by_both)
        return violate(node.name() + " has an agreement that both have not signed");
      terms_.emplace(entry.terms,
                     Terms{node.number(), consumer->number, entry.value, context_.queue.now(), {}});
      continue;
    }
    if (active) known->second.over.reset();
    if (!active && !known->second.over) known->second.over = context_.queue.now();
  }
}

std::vector<AgreementId> Referee::terms_of(std::size_t provider) const {
  std::vector<AgreementId> ids;
  for (const auto& [id, terms] : terms_) {
    if (terms.provider == provider) ids.push_back(id);
  }
  return ids;
}

void Referee::judge_agreements(Node& a, Node& b) {
  if (sites_[a.number()].ever_restored || sites_[b.number()].ever_restored) return;
  const auto& there = b.agreements().entries();
  for (const auto& [id, entry] : a.agreements().entries()) {
    if (entry.partner() != b.organisation().id()) continue;
    const auto other = there.find(id);
    const auto state = entry.standing.state;
    // What was withdrawn before it had arrived is nobody's but its own side's.
    if (other == there.end() && is_over(state)) continue;
    // A counter-offer that was withdrawn before it had arrived leaves other terms at the end.
    if (other == there.end() || other->second.standing.state != state ||
        (other->second.terms != entry.terms && !is_over(state))) {
      return violate(
          a.name() + " has an agreement " + std::string(to_text(state)) + ", " + b.name() +
          " has it " +
          std::string(other == there.end() ? "not" : to_text(other->second.standing.state)));
    }
  }
}

void Referee::replied(Node& node, std::size_t from, const Bytes& request, Arrival arrival,
                      const DisclosureGate::Outcome& outcome) {
  if (node.lost_power()) return;  // it never leaves
  const auto envelope = read_envelope(request);
  if (const auto* refusal = std::get_if<Refusal>(&outcome)) {
    ++counts_.refusals;
    context_.note(node.name(), "refuses " + organisation(from).name + ": " +
                                   std::string(code_name(refusal->code)));
    return;
  }
  ++counts_.answers;
  if (!envelope) return violate(node.name() + " answered what is no envelope");
  context_.note(node.name(),
                "answers " + organisation(from).name + " on " + text_of(envelope->query_id));
  judge_envelope(node, from, request, *envelope, arrival);
  judge_restored(node, request);
  judge_release(node, *envelope);
}

void Referee::sent(std::size_t asker, std::size_t to, const Bytes& request) {
  auto& memory = sites_[to];
  const auto known = memory.known.find(asker);
  const auto outer = signed_from_bytes(request);
  // Receipts are kept in their own time: a crash may have taken it.
  if (!outer || known == memory.known.end() || known->second.life != lives(asker)) return;
  memory.known_at_sending[envelope_hash(outer->body)] = known->second.records;
}

void Referee::judge_restored(const Node& node, const Bytes& request) {
  const auto& memory = sites_[node.number()];
  if (!memory.restored) return;
  const auto known = memory.known_at_sending.find(envelope_hash(signed_from_bytes(request)->body));
  if (known == memory.known_at_sending.end() || known->second <= *memory.restored) return;
  violate(node.name() + " forgot charges and answered a partner who knows of them");
}

void Referee::restored(Node& node, std::uint64_t records) {
  auto& memory = sites_[node.number()];
  memory.restored = records;
  memory.ever_restored = true;
  memory.stored.clear();
}

void Referee::judge_envelope(const Node& node, std::size_t from, const Bytes& request,
                             const Envelope& envelope, Arrival arrival) {
  const auto wrong = [&](const std::string& what) {
    violate(node.name() + " answered " + what + " (query " + text_of(envelope.query_id) + ")");
  };
  const Organisation& partner = organisation(from);
  const auto outer = signed_from_bytes(request);
  if (envelope.origin != partner.id()) return wrong("an envelope of somebody else than its peer");
  if (!security::verify(partner.keys.envelope.public_key(), security::contexts::kEnvelope,
                        *outer)) {
    return wrong("an envelope whose signature does not verify");
  }
  if (envelope.audience != node.organisation().id() || envelope.audience_site != kSite) {
    return wrong("an envelope for another site");
  }
  if (envelope.issued > arrival.clock + federation::limits::kClockSkew ||
      envelope.deadline <= arrival.clock ||
      envelope.deadline - envelope.issued > federation::limits::kDeadlineMax) {
    return wrong("an envelope that was not fresh");
  }
  const auto pact = terms_.find(envelope.agreement);
  if (pact == terms_.end() || pact->second.provider != node.number() ||
      pact->second.consumer != from) {
    return wrong("without an agreement");
  }
  const auto& over = pact->second.over;
  if (over && *over < arrival.time && !sites_[node.number()].ever_restored) {
    return wrong("under an agreement that was over or suspended");
  }
  const Agreement& terms = pact->second.value;
  const auto& purposes = terms.purposes;
  if (!purposes.empty() &&
      std::find(purposes.begin(), purposes.end(), envelope.purpose) == purposes.end()) {
    return wrong("for a purpose that was not agreed");
  }
  const auto question = question_from_bytes(envelope.question);
  if (!question || terms.find_export(question->export_name) == nullptr) {
    return wrong("about an export that was not agreed");
  }
  for (const Item& item : question->items) {
    const auto& allowed = terms.aggregates;
    if (!allowed.empty() &&
        std::find(allowed.begin(), allowed.end(), item.aggregate) == allowed.end()) {
      return wrong("with an aggregate that was not agreed");
    }
  }
  for (const Group& group : question->groups) {
    std::uint64_t units = 0;
    for (const auto cell : group.cells) units += terms.exports.front().cells.at(cell).units;
    if (units < terms.min_units) return wrong("about too small a group");
  }
  if (question->rho_per_block > terms.rho_per_block.units) return wrong("beyond a block's quota");
  // Each id once for each question: another envelope with it is a replay.
  auto& envelopes = sites_[node.number()]
                        .answered[envelope.query_id.hex() + question_hash(envelope.question).hex()];
  envelopes.insert(envelope_hash(outer->body));
  if (envelopes.size() > 1) wrong("one query id under two envelopes");
}

void Referee::judge_release(Node& node, const Envelope& envelope) {
  const auto question = question_from_bytes(envelope.question);
  if (!question || violation_) return;
  if (!node.disk().is_durable("entente.db-wal")) {
    return violate(node.name() + " sent an answer before its commit was on the disk");
  }
  const Hash256 key =
      release_key(question_hash(envelope.question), node.organisation().view.domain);
  const Hash256 own_key = composed_key(key, envelope.origin);
  auto& memory = sites_[node.number()];
  bool any = false;
  for (const bool composed : {false, true}) {
    const Hash256& place = composed ? own_key : key;
    auto body = paid_release(node.eye(), place, envelope.origin);
    if (!body) continue;
    any = true;
    const auto release = release_from_bytes(*body);
    if (!release) return violate(node.name() + " stores a release that does not read");
    if (composed) ++counts_.composed;
    auto [known, fresh] = memory.left.try_emplace(place, Left{{*body}, envelope.origin});
    auto& bytes = known->second.releases;
    if (bytes.back() != *body) {
      if (!known->second.forgotten) {
        return violate(node.name() + " gave one question other bytes than before");
      }
      known->second.forgotten = false;
      known->second.partner = envelope.origin;
      bytes.push_back(*body);
    }
    if (!fresh) {
      ++counts_.reused;
    } else if (!composed) {
      judge_figures(node, *question, *release, place);
    }
  }
  if (!any) violate(node.name() + " sent an answer that no stored and paid release covers");
}

void Referee::judge_figures(const Node& node, const Question& question, const Release& release,
                            const Hash256& key) {
  if (!is_past(question)) return;
  const ExportView view = node.view();
  const auto price = price_of(question, view);
  if (!price) return violate(node.name() + " released what has no price");
  if (release.charges != price->charges) {
    return violate(node.name() + " released at another charge than the question's price");
  }
  const auto exact = aggregate(question, view, *price, fold_past(node.organisation(), question));
  if (!exact) return violate("the oracle cannot aggregate: " + exact.error().what);
  if (exact->cells.size() != release.cells.size()) {
    return violate(node.name() + " released other cells than were asked for");
  }
  std::vector<std::int64_t> noise;
  double most = 0;
  for (std::size_t cell = 0; cell < exact->cells.size(); ++cell) {
    const auto& mantissas = release.cells[cell].mantissas;
    std::size_t next = 0;
    for (const Statistic& statistic : release.statistics) {
      const double sigma = std::sqrt(static_cast<double>(statistic.variance));
      for (std::uint32_t i = 0; i < statistic.width; ++i, ++next) {
        noise.push_back(mantissas.at(next) - exact->cells[cell].at(next));
        most = std::max(most, std::abs(static_cast<double>(noise.back())) / sigma);
      }
    }
  }
  const bool none = std::all_of(noise.begin(), noise.end(), [](auto n) { return n == 0; });
  if (!context_.noisy) {
    if (!none) violate(node.name() + " released other sums than its readings come to");
    return;
  }
  // One in 10^27 of a right figure.
  if (most > 11) violate(node.name() + " released what no noise explains");
  if (noise.size() < 3) return;
  if (none) violate(node.name() + " released without noise");
  const auto [known, fresh] = sites_[node.number()].noises.try_emplace(noise, key);
  if (!fresh && known->second != key) violate(node.name() + " used the same noise twice");
}

void Referee::committed(Node& node) {
  if (violation_) return;
  judge_accounts(node);
}

void Referee::judge_accounts(Node& node) {
  auto& memory = sites_[node.number()];
  auto& database = node.eye();
  std::map<std::int64_t, std::uint64_t> stated;  // by block, what the stored releases cost
  auto& releases = database.cached("SELECT key, body FROM releases");
  while (releases.step()) {
    Hash256 key;
    const Bytes raw = releases.blob(0);
    std::copy(raw.begin(), raw.end(), key.bytes.begin());
    auto known = memory.stored.find(key);
    if (known == memory.stored.end()) {
      const auto release = release_from_bytes(releases.blob(1));
      if (!release) continue;
      known = memory.stored.emplace(key, release->charges).first;
    }
    for (const BlockAmount& charge : known->second) stated[charge.start.ns] += charge.rho.units;
  }
  releases.reset();
  const RhoUnits cap = node.view().rho_cap;
  std::map<std::int64_t, std::uint64_t> spent;
  std::map<std::int64_t, std::map<std::string, std::uint64_t>> by_partner;
  auto& rows = database.cached("SELECT block, scope, spent FROM ledger");
  while (rows.step()) {
    const auto units = static_cast<std::uint64_t>(rows.integer(2));
    if (rows.text(1) == "site") {
      spent[rows.integer(0)] = units;
    } else {
      by_partner[rows.integer(0)][rows.text(1)] = units;
    }
  }
  rows.reset();
  if (spent != stated) return violate(node.name() + " charged otherwise than its releases state");
  if (!spent.empty() && !memory.first_charge) memory.first_charge = context_.queue.now();
  // By partner: the largest quota it ever had; what it is guaranteed since before the first charge.
  std::map<std::size_t, std::pair<std::uint64_t, std::uint64_t>> rights;
  for (const auto& [id, terms] : terms_) {
    if (terms.provider != node.number()) continue;
    auto& [quota, guaranteed] = rights[terms.consumer];
    quota = std::max(quota, terms.value.rho_per_block.units);
    if (!terms.over && memory.first_charge && terms.since <= *memory.first_charge) {
      guaranteed = std::max(guaranteed, terms.value.rho_guaranteed.units);
    }
  }
  for (const auto& [block, units] : spent) {
    std::uint64_t held = units;
    for (const auto& [consumer, right] : rights) {
      const auto used = by_partner[block][organisation(consumer).id().hex()];
      if (used > right.first) {
        return violate(node.name() + " charged a partner more than its quota");
      }
      if (right.second > used) held += right.second - used;
    }
    if (units > cap.units) return violate(node.name() + " charged a block more than its cap");
    if (held > cap.units) return violate(node.name() + " used up what another is guaranteed");
  }
}

void Referee::offered(Node& node,
                      const std::vector<std::pair<std::size_t, node::Reading>>& readings) {
  for (const auto& [twin, reading] : readings) {
    sites_[node.number()].offered[{twin, reading.time.ns}] = reading.value;
  }
}

void Referee::acknowledged(Node& node,
                           const std::vector<std::pair<std::size_t, node::Reading>>& readings) {
  if (node.lost_power()) return;
  counts_.readings += readings.size();
  for (const auto& [twin, reading] : readings) {
    sites_[node.number()].acknowledged[{twin, reading.time.ns}] = reading.value;
  }
}

void Referee::reconciled(Node& node) {
  sites_[node.number()].restored.reset();
  sites_[node.number()].reconciled = true;
}

void Referee::judge_readings(Node& node) {
  const auto& memory = sites_[node.number()];
  const auto& twins = node.organisation().twins;
  auto expected = memory.acknowledged;
  for (std::size_t i = 0; i < twins.size(); ++i) {
    for (const auto& reading : twins[i].past) expected[{i, reading.time.ns}] = reading.value;
  }
  for (std::size_t i = 0; i < twins.size(); ++i) {
    const auto series = node.history().find(twins[i].id, kSignal);
    if (!series) continue;
    node.history().scan(*series, node::kAllTime, [&](const node::History::Block& block) {
      for (std::size_t r = 0; r < block.times.size(); ++r) {
        const std::pair key{i, block.times[r]};
        const auto known = expected.find(key);
        if (known != expected.end()) {
          if (known->second != block.values[r]) violate(node.name() + " holds another reading");
          expected.erase(known);
        } else if (!memory.offered.contains(key)) {
          violate(node.name() + " holds a reading that nobody sent");
        }
      }
    });
  }
  if (!expected.empty()) {
    violate(node.name() + " lost " + std::to_string(expected.size()) + " acknowledged readings");
  }
}

void Referee::started(Node& node) {
  if (violation_) return;
  auto& memory = sites_[node.number()];
  for (auto& [key, left] : memory.left) {
    const auto body = paid_release(node.eye(), key, left.partner);
    if (!body && memory.restored) left.forgotten = true;
    if (!body && left.forgotten) continue;
    if (!body) return violate(node.name() + " lost a release that had left it");
    const auto& bytes = left.releases;
    if (std::find(bytes.begin(), bytes.end(), *body) == bytes.end())
      return violate(node.name() + " changed a release that had left it");
  }
  const auto closed = node.ledger().restored();
  // Where it was reconciled by a clock that was behind, older receipts close it again.
  if (closed && !memory.restored && !memory.reconciled) {
    return violate(node.name() + " took its own ledger for an older one: " + closed->evidence);
  }
  const auto verdict = node::verify_audit(node.eye(), {});
  if (verdict.first_bad) return violate(node.name() + "'s audit log is broken");
  judge_accounts(node);
  judge_readings(node);
}

void Referee::asked(const AskedQuestion& question) {
  ++counts_.questions;
  open_.emplace(question.id, question);
  context_.queue.after(question.timeout + kGrace, [this, id = question.id] {
    if (open_.contains(id)) violate("question " + std::to_string(id) + " outlived its deadline");
  });
}

void Referee::gave_up(std::size_t asker) {
  std::erase_if(open_, [&](const auto& one) { return one.second.asker == asker; });
}

void Referee::answered(const AskedQuestion& question, Node& asker, const FederatedAnswer& answer) {
  open_.erase(question.id);
  if (violation_) return;
  if (answer.coverage.size() != question.members ||
      answer.plan.members.size() != question.members) {
    return violate("the coverage of question " + std::to_string(question.id) +
                   " does not name every member");
  }
  std::string states;
  for (std::size_t i = 0; i < answer.coverage.size(); ++i) {
    judge_member(asker, answer, i);
    states += " " + answer.coverage[i].name + "=" + std::string(to_text(answer.coverage[i].state));
  }
  context_.note(asker.name(), "question " + std::to_string(question.id) + " ends:" + states);
  if (!violation_) judge_rows(answer);
}

void Referee::judge_member(Node& asker, const FederatedAnswer& answer, std::size_t index) {
  const MemberCoverage& member = answer.coverage[index];
  const Organisation* site = organisation_of(member.organisation);
  if (site == nullptr) return violate("the coverage names an organisation that nobody asked");
  const bool honest = !liars_.contains(site->number) && !tampered_.contains(asker.number());
  switch (member.state) {
    case MemberState::late:
      ++counts_.members_late;
      break;
    case MemberState::unreachable:
      ++counts_.members_unreachable;
      break;
    case MemberState::unverified:
      if (honest) violate("an answer of honest " + site->name + " did not verify");
      break;
    default:
      break;
  }
  if (member.state != MemberState::answered) {
    if (member.proof) violate("a member that has not answered has a proof");
    return;
  }
  ++counts_.members_answered;
  if (!member.proof) return violate("a member has answered without a proof");
  const auto proven = prove(*member.proof, site->pinned, asker.organisation().pinned);
  if (!proven) return violate("an accepted answer proves nothing: " + proven.error().what);
  if (!proven->receipt) return violate("an accepted answer has no receipt");
  if (proven->envelope.query_id != answer.query_id) {
    return violate("an accepted answer belongs to another question");
  }
  auto& memory = sites_[site->number];
  if (memory.restored) {
    memory.known.erase(asker.number());  // it has a newer receipt now, which proves nothing
  } else if (auto& known = memory.known[asker.number()]; proven->receipt->issued > known.issued) {
    known = {proven->receipt->issued, proven->receipt->head.count, lives(asker.number())};
  }
  const auto& left = memory.left;
  const Hash256 key = release_key(question_hash(proven->envelope.question), site->view.domain);
  const auto sent = [&](const Hash256& place) {
    const auto there = left.find(place);
    if (there == left.end()) return false;
    const auto& bytes = there->second.releases;
    return std::find(bytes.begin(), bytes.end(), proven->answer.release) != bytes.end();
  };
  if (!sent(key) && !sent(composed_key(key, asker.organisation().id()))) {
    return violate("an accepted answer is no release that " + site->name + " has sent");
  }
}

void Referee::judge_rows(const FederatedAnswer& answer) {
  std::vector<Release> releases;
  std::vector<Price> prices;
  std::vector<std::size_t> members;
  for (std::size_t i = 0; i < answer.coverage.size(); ++i) {
    const MemberCoverage& member = answer.coverage[i];
    if (member.state != MemberState::answered) continue;
    const auto proven =
        prove(*member.proof, organisation_of(member.organisation)->pinned,
              organisation_of(read_envelope(member.proof->envelope)->origin)->pinned);
    const auto view = export_view_from_bytes(member.proof->export_view);
    auto price = price_of(*answer.plan.members[i].question, *view);
    if (!proven || !price) return violate("what was merged cannot be computed again");
    releases.push_back(proven->release);
    prices.push_back(std::move(*price));
    members.push_back(i);
  }
  std::vector<MemberRelease> merged;
  for (std::size_t i = 0; i < releases.size(); ++i) {
    merged.push_back({&answer.plan.members[members[i]], &prices[i], &releases[i]});
  }
  const auto rows = merge_rows(answer.plan, merged);
  const auto same = [](const std::optional<Estimate>& a, const std::optional<Estimate>& b) {
    return a.has_value() == b.has_value() &&
           (!a || a->value == b->value || (std::isnan(a->value) && std::isnan(b->value)));
  };
  bool equal = rows.size() == answer.rows.size();
  for (std::size_t r = 0; equal && r < rows.size(); ++r) {
    equal = std::equal(rows[r].values.begin(), rows[r].values.end(), answer.rows[r].values.begin(),
                       answer.rows[r].values.end(), same);
  }
  if (!equal) violate("merged figures are not those of the members' releases");
}

}  // namespace entente::simulation
