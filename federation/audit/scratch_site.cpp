#include "federation/audit/scratch_site.h"

#include <optional>
#include <utility>

#include "federation/query/parser.h"
#include "federation/query/plan.h"
#include "schemas/base/check.h"

namespace entente::federation {

ScratchSite::ScratchSite(Random& random)
    : random_(random),
      pool_(random, {security::kNoisePoolDraws, {}}),
      answer_key_(security::SigningKey::generate(random)),
      self_(random.id<OrgId>()) {
  for (std::size_t i = 0; i < kPartners; ++i) {
    partners_.push_back({random.id<OrgId>(), security::SigningKey::generate(random), {}});
  }
}

ScratchSite::~ScratchSite() = default;

Result<std::unique_ptr<ScratchSite>> ScratchSite::open(Random& random,
                                                       const MakeScratchLedger& make) {
  std::unique_ptr<ScratchSite> site(new ScratchSite(random));
  auto ledger = make(site->loop_, site->clock_);
  if (!ledger) return std::move(ledger).error();
  site->ledger_ = std::move(*ledger);
  return site;
}

void ScratchSite::offer(const AuditedSite& site) {
  auto view = std::make_shared<ExportView>(site.view);
  view->domain += "-" + std::to_string(++offers_);
  auto snapshot = std::make_shared<SiteSnapshot>();
  snapshot->self = self_;
  snapshot->self_name = "audit";
  snapshot->site = view->site;
  snapshot->answer_key = answer_key_.public_key();
  snapshot->policy = std::make_shared<const security::Policy>(security::Policy::initial("admin"));
  for (std::size_t i = 0; i < partners_.size(); ++i) {
    Agreement agreement;
    agreement.provider = self_;
    agreement.consumer = partners_[i].organisation;
    agreement.name = "audit";
    agreement.exports = {*view};
    agreement.aggregates = site.aggregates;
    agreement.min_units = site.min_units;
    agreement.rho_per_block = site.quota;
    agreement.issued = clock_.now() - days(1);
    agreement.expires = clock_.now() + days(1);
    partners_[i].agreement = agreement_id_of(canonical_bytes(agreement));
    snapshot->agreements.emplace(partners_[i].agreement,
                                 ActiveAgreement{partners_[i].agreement, std::move(agreement)});
    KnownPartner known;
    known.organisation = partners_[i].organisation;
    known.name = "partner" + std::to_string(i);
    known.envelope_keys = {partners_[i].envelope_key.public_key()};
    snapshot->partners.emplace(known.organisation, std::move(known));
  }
  snapshot->exports[view->name] = view;
  view_ = std::move(view);
  snapshot_ = std::move(snapshot);
}

Result<Question> ScratchSite::question_of(const std::string& sentence) const {
  auto parsed = parse_question(sentence);
  if (!parsed) return std::move(parsed).error();
  const MemberView member{view_.get(), "audit"};
  PlanOptions options;
  options.now = clock_.now();
  auto planned = plan(*parsed, {&member, 1}, options);
  if (!planned) return std::move(planned).error();
  return std::move(*planned->members.at(0).question);
}

Envelope ScratchSite::envelope_of(const Partner& partner, const Question& question,
                                  const SealKey& key, bool fresh) {
  Envelope envelope;
  envelope.origin = partner.organisation;
  envelope.audience = self_;
  envelope.audience_site = view_->site;
  envelope.query_id = random_.id<QueryId>();
  envelope.issued = clock_.now();
  envelope.deadline = envelope.issued + seconds(100);
  envelope.agreement = partner.agreement;
  envelope.purpose = "audit";
  envelope.seal_key = key;
  envelope.question = canonical_bytes(question);
  envelope.fresh = fresh;
  return envelope;
}

Result<Answer> ScratchSite::open_answer(const Partner& partner, const security::SealPair& seal,
                                        ByteView sealed) const {
  auto opened = seal.open(sealed);
  if (!opened) return std::move(opened).error();
  auto outer = signed_from_bytes(*opened);
  if (!outer) return std::move(outer).error();
  if (!security::verify(answer_key_.public_key(), security::contexts::kAnswer, *outer)) {
    return make_error(ErrorCode::verification_failed, "the answer's signature is not valid");
  }
  auto answer = answer_from_bytes(outer->body);
  if (answer && answer->audience != partner.organisation) {
    return make_error(ErrorCode::verification_failed, "the answer is for somebody else");
  }
  return answer;
}

std::vector<BlockAmount> ScratchSite::spent(std::optional<std::size_t> partner) {
  std::optional<OrgId> organisation;
  if (partner) organisation = partners_.at(*partner).organisation;
  return ledger_->spent(view_->domain, organisation);
}

Result<ScratchAnswer> ScratchSite::ask(const ScratchAsk& asked, const TwinSource& twins,
                                       const Fault& fault) {
  const Partner& partner = partners_.at(asked.partner);
  auto question = question_of(asked.sentence);
  if (!question) return std::move(question).error();
  auto price = price_of(*question, *view_);
  if (!price) return std::move(price).error();
  const auto seal = security::SealPair::generate(random_);
  const Envelope made = envelope_of(partner, *question, seal.public_key(), asked.fresh);
  const Bytes envelope = to_wire_bytes(security::sign_body(
      partner.envelope_key, security::contexts::kEnvelope, canonical_bytes(made)));
  security::PeerIdentity peer;
  peer.organisation = partner.organisation;
  peer.site = "partner";
  peer.certificate_expires = clock_.now() + hours(1);

  // What was used up is drawn anew while nobody waits, as the node does on its workers.
  pool_.refill();
  const FaultyTwins faulty_twins(twins, fault);
  FaultyNoise faulty_noise(pool_, fault);
  FaultyStore faulty_store(ledger_->store(), fault);
  GateObserver observer;
  DisclosureGate gate({loop_, workers_, clock_, faulty_twins, faulty_store, answer_key_,
                       faulty_noise, [this] { return snapshot_; }, observer, Duration{}});
  std::optional<DisclosureGate::Outcome> outcome;
  loop_.run(gate.answer(peer, envelope).then([&outcome](DisclosureGate::Outcome came) {
    outcome = std::move(came);
  }));
  ENTENTE_CHECK(outcome.has_value());
  if (const Refusal* refusal = std::get_if<Refusal>(&*outcome)) {
    return make_error(refusal->code, "the scratch site refuses '" + asked.sentence + "'");
  }
  auto answer = open_answer(partner, seal, std::get<Bytes>(*outcome));
  if (!answer) return std::move(answer).error();
  auto release = release_from_bytes(answer->release);
  if (!release) return std::move(release).error();
  return ScratchAnswer{std::move(*question), std::move(*price),
                       std::move(*release),  release_hash(answer->release),
                       answer->reused,       std::move(answer->charged)};
}

}  // namespace entente::federation
