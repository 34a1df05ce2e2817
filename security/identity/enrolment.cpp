#include "security/identity/enrolment.h"

#include <sodium.h>

#include <algorithm>

#include "schemas/base/hash.h"
#include "security/identity/certificate_verifier.h"
#include "security/identity/enrolment_wire.h"
#include "security/identity/limits.h"

namespace entente::security {
namespace {

constexpr std::string_view kSignatureContext = "entente enrolment signature v1";
constexpr std::size_t kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;

// Who speaks. The values are bytes of what is authenticated.
enum class Speaker : std::uint8_t { accepting = 'a', inviting = 'i', confirming = 'c' };
enum class Stage { fresh, committed, revealed, proved, over };

Error refused(std::string why) {
  return make_error(ErrorCode::enrolment_refused, "enrolment: " + std::move(why));
}

// A 32-byte subkey of the invitation's secret.
Secret subkey(const Secret& secret, std::string_view label, const InvitationId& id) {
  Secret out(32);
  crypto_generichash_state state;
  crypto_generichash_init(&state, secret.view().data(), secret.size(), out.size());
  const std::string prefix = "entente enrolment v1 " + std::string(label);
  crypto_generichash_update(&state, bytes_of(prefix).data(), prefix.size());
  crypto_generichash_update(&state, id.bytes.data(), id.bytes.size());
  crypto_generichash_final(&state, out.bytes().data(), out.size());
  sodium_memzero(&state, sizeof(state));
  return out;
}

struct Keys {
  Keys(const Secret& secret, const InvitationId& id)
      : from_accepting(subkey(secret, "from accepting", id)),
        from_inviting(subkey(secret, "from inviting", id)),
        proof(subkey(secret, "proof", id)) {}
  Secret from_accepting;
  Secret from_inviting;
  Secret proof;
};

Hash256 commitment_to(Speaker speaker, const EnrolReveal& reveal) {
  const std::uint8_t role = static_cast<std::uint8_t>(speaker);
  return hash_parts("entente enrolment commitment v1",
                    {ByteView(&role, 1), reveal.nonce.view(), reveal.identity});
}

// One side's view of the conversation.
struct Party {
  Hash256 commitment;
  EnrolReveal reveal;
};

struct Checked {
  PinnedOrganisation organisation;
  EnrolIdentity identity;
};

// Whether an identity stands by itself: chain, leaf, site.
Result<Checked> check_identity(ByteView bytes, Instant now) {
  auto identity = enrol_identity_from_bytes(bytes);
  if (!identity) return std::move(identity).error();
  auto organisation = PinnedOrganisation::from_chain(identity->charters);
  if (!organisation) return std::move(organisation).error();
  if (!organisation->in_force(now)) return refused("the organisation's charter has expired");
  const PinnedVerifier verifier({{organisation->id(), *organisation}});
  auto peer = verifier.verify(identity->certificates, now, &organisation->id());
  if (!peer) return std::move(peer).error();
  if (peer->site != identity->site) return refused("the certificate names another site");
  return Checked{*std::move(organisation), *std::move(identity)};
}

}  // namespace

// What both sides have in common.
class EnrolmentRun {
 public:
  EnrolmentRun(EnrolmentSelf self, Speaker own, Random& random)
      : self_(std::move(self)), own_(own), random_(random) {
    EnrolIdentity identity{self_.organisation.chain(), self_.site, self_.certificates,
                           self_.addresses};
    ours_.reveal.nonce = random_.id<Hash256>();
    ours_.reveal.identity = canonical_bytes(identity);
    ours_.commitment = commitment_to(own_, ours_.reveal);
  }

  Outcome check_self(Instant now) const {
    const auto own = check_identity(ours_.reveal.identity, now);
    const bool sound =
        own.has_value() && self_.agreement_key != nullptr &&
        self_.organisation.has_key(KeyPurpose::agreement, self_.agreement_key->public_key());
    if (sound) return {};
    return make_error(ErrorCode::invalid_argument,
                      "this site's own charter, certificate, address or agreement key is unsound" +
                          (own ? std::string() : ": " + own.error().what));
  }

  void begin(const Secret& secret, const InvitationId& id, std::optional<OrgId> expected) {
    id_ = id;
    expected_ = expected;
    keys_.emplace(secret, id);
  }

  Bytes seal(const EnrolBody& body) {
    const Bytes plain = canonical_bytes(body);
    EnrolMessage message{id_, random_.id<EnrolNonce>(), Bytes(plain.size() + kTag)};
    const Bytes place = place_of(own_, sent_++);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        message.sealed.data(), nullptr, plain.data(), plain.size(), place.data(), place.size(),
        nullptr, message.nonce.bytes.data(), key_of(own_).view().data());
    return canonical_bytes(message);
  }

  Result<EnrolBody> open(ByteView bytes) {
    auto message = enrol_message_from_bytes(bytes);
    if (!message) return std::move(message).error();
    if (message->invitation != id_) return refused("the message is for another invitation");
    if (message->sealed.size() < kTag) return refused("the message is cut off");
    const Speaker peer = other(own_);
    const Bytes place = place_of(peer, received_++);
    Bytes plain(message->sealed.size() - kTag);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            plain.data(), nullptr, nullptr, message->sealed.data(), message->sealed.size(),
            place.data(), place.size(), message->nonce.bytes.data(),
            key_of(peer).view().data()) != 0) {
      return refused("a message was not sealed with this invitation's token, or not for its place");
    }
    return enrol_body_from_bytes(plain);
  }

  // Takes the peer's reveal. After it the transcript is complete.
  Outcome take_reveal(EnrolReveal reveal, Instant now) {
    if (commitment_to(other(own_), reveal) != theirs_.commitment) {
      return refused("the peer revealed something else than it had committed to");
    }
    auto checked = check_identity(reveal.identity, now);
    if (!checked) return std::move(checked).error();
    const OrgId& id = checked->organisation.id();
    if (expected_ && id != *expected_) {
      return refused("the inviter is organisation " + id.short_hex() +
                     "…, but the token names another");
    }
    if (id == self_.organisation.id() && checked->identity.site == self_.site) {
      return refused("this site cannot enrol with itself");
    }
    theirs_.reveal = std::move(reveal);
    peer_ = *std::move(checked);
    transcript_ = transcript();
    return {};
  }

  EnrolProof make_proof() const {
    return {keyed(own_), self_.agreement_key->sign(kSignatureContext, signed_text(own_))};
  }

  Outcome check_proof(const EnrolProof& proof) const {
    const Speaker peer = other(own_);
    if (sodium_memcmp(keyed(peer).bytes.data(), proof.proof.bytes.data(), Hash256::kSize) != 0) {
      return refused("the peer's proof of the token is wrong");
    }
    // Around a rotation its charter names two, of which it signs with either.
    const auto& keys = peer_->organisation.current().keys;
    const auto signed_with = [&](const PurposeKey& item) {
      return item.purpose == KeyPurpose::agreement &&
             verify(item.key, kSignatureContext, signed_text(peer), proof.signature);
    };
    if (std::none_of(keys.begin(), keys.end(), signed_with)) {
      return refused("the peer does not hold the key of the charter that it shows");
    }
    return {};
  }

  Hash256 keyed(Speaker speaker) const {
    const Bytes text = signed_text(speaker);
    Hash256 out;
    crypto_generichash(out.bytes.data(), out.bytes.size(), text.data(), text.size(),
                       keys_->proof.view().data(), keys_->proof.size());
    return out;
  }

  Enrolled enrolled() const {
    return {id_,
            peer_->organisation,
            peer_->identity.site,
            peer_->identity.addresses,
            words_of(transcript_),
            transcript_};
  }

  const Party& ours() const { return ours_; }
  void set_their_commitment(const Hash256& value) { theirs_.commitment = value; }
  const InvitationId& id() const { return id_; }

  Stage stage = Stage::fresh;

 private:
  static Speaker other(Speaker speaker) {
    return speaker == Speaker::accepting ? Speaker::inviting : Speaker::accepting;
  }
  const Secret& key_of(Speaker speaker) const {
    return speaker == Speaker::accepting ? keys_->from_accepting : keys_->from_inviting;
  }
  Bytes place_of(Speaker speaker, std::uint8_t counter) const {
    Bytes out = {static_cast<std::uint8_t>(speaker), counter};
    out.insert(out.end(), id_.bytes.begin(), id_.bytes.end());
    return out;
  }
  Bytes signed_text(Speaker speaker) const {
    Bytes out = {static_cast<std::uint8_t>(speaker)};
    out.insert(out.end(), transcript_.bytes.begin(), transcript_.bytes.end());
    return out;
  }
  Hash256 transcript() const {
    const bool accepting = own_ == Speaker::accepting;
    const Party& a = accepting ? ours_ : theirs_;
    const Party& i = accepting ? theirs_ : ours_;
    return hash_parts("entente enrolment transcript v1",
                      {id_.view(), a.commitment.view(), i.commitment.view(), a.reveal.nonce.view(),
                       i.reveal.nonce.view(), a.reveal.identity, i.reveal.identity});
  }

  const EnrolmentSelf self_;
  const Speaker own_;
  Random& random_;
  InvitationId id_;
  std::optional<OrgId> expected_;
  std::optional<Keys> keys_;
  std::uint8_t sent_ = 0;
  std::uint8_t received_ = 0;
  Party ours_;
  Party theirs_;
  std::optional<Checked> peer_;
  Hash256 transcript_;
};

namespace {

// Ends the run unless the step succeeds and sets the next stage.
class StageGuard {
 public:
  explicit StageGuard(EnrolmentRun& run) : run_(run), stage_(run.stage) { run.stage = Stage::over; }
  Stage stage() const { return stage_; }
  void next(Stage stage) { run_.stage = stage; }

 private:
  EnrolmentRun& run_;
  const Stage stage_;
};

Error out_of_turn() {
  return refused("a message came out of turn");
}

}  // namespace

AcceptingSide::AcceptingSide(std::unique_ptr<EnrolmentRun> run) : run_(std::move(run)) {}
AcceptingSide::AcceptingSide(AcceptingSide&&) noexcept = default;
AcceptingSide& AcceptingSide::operator=(AcceptingSide&&) noexcept = default;
AcceptingSide::~AcceptingSide() = default;

Result<AcceptingSide> AcceptingSide::create(const Invitation& invitation, EnrolmentSelf self,
                                            Random& random, Instant now) {
  if (now >= invitation.expires) {
    return make_error(ErrorCode::token_invalid, "the invitation has expired");
  }
  auto run = std::make_unique<EnrolmentRun>(std::move(self), Speaker::accepting, random);
  if (auto done = run->check_self(now); !done) return std::move(done).error();
  run->begin(invitation.secret, invitation.id, invitation.organisation);
  return AcceptingSide(std::move(run));
}

Bytes AcceptingSide::first_message() {
  ENTENTE_CHECK(run_->stage == Stage::fresh);
  run_->stage = Stage::committed;
  return run_->seal(EnrolCommitment{run_->ours().commitment});
}

Result<EnrolmentStep> AcceptingSide::receive(ByteView message, Instant now) {
  StageGuard guard(*run_);
  if (guard.stage() == Stage::fresh || guard.stage() == Stage::over) return out_of_turn();
  auto body = run_->open(message);
  if (!body) return std::move(body).error();
  if (guard.stage() == Stage::committed) {
    const auto* commitment = std::get_if<EnrolCommitment>(&*body);
    if (commitment == nullptr) return out_of_turn();
    run_->set_their_commitment(commitment->value);
    guard.next(Stage::revealed);
    return EnrolmentStep{run_->seal(run_->ours().reveal), {}};
  }
  if (guard.stage() == Stage::revealed) {
    auto* answer = std::get_if<EnrolAnswer>(&*body);
    if (answer == nullptr) return out_of_turn();
    if (auto done = run_->take_reveal(std::move(answer->reveal), now); !done) {
      return std::move(done).error();
    }
    if (auto done = run_->check_proof(answer->proof); !done) return std::move(done).error();
    guard.next(Stage::proved);
    return EnrolmentStep{run_->seal(run_->make_proof()), {}};
  }
  const auto* confirmation = std::get_if<EnrolConfirmation>(&*body);
  if (confirmation == nullptr) return out_of_turn();
  if (confirmation->proof != run_->keyed(Speaker::confirming)) {
    return refused("the confirmation is wrong");
  }
  return EnrolmentStep{{}, run_->enrolled()};
}

InvitingSide::InvitingSide(InvitationBook& book, std::unique_ptr<EnrolmentRun> run)
    : book_(&book), run_(std::move(run)) {}
InvitingSide::InvitingSide(InvitingSide&&) noexcept = default;
InvitingSide& InvitingSide::operator=(InvitingSide&&) noexcept = default;
InvitingSide::~InvitingSide() = default;

Result<InvitingSide> InvitingSide::create(InvitationBook& book, EnrolmentSelf self, Random& random,
                                          Instant now) {
  auto run = std::make_unique<EnrolmentRun>(std::move(self), Speaker::inviting, random);
  if (auto done = run->check_self(now); !done) return std::move(done).error();
  return InvitingSide(book, std::move(run));
}

Result<EnrolmentStep> InvitingSide::receive(ByteView message, Instant now) {
  if (run_->stage == Stage::fresh) {
    auto first = enrol_message_from_bytes(message);
    const Secret* secret = first ? book_->secret_of(first->invitation, now) : nullptr;
    if (secret == nullptr) {
      run_->stage = Stage::over;
      if (!first) return std::move(first).error();
      return refused("no invitation with that id is open");
    }
    run_->begin(*secret, first->invitation, std::nullopt);
  }
  const bool over = run_->stage == Stage::over;
  auto result = step(message, now);
  // A run that is over already counted; later messages on its connection must not burn more. A bad
  // charter or certificate is an honest holder's mistake to put right and try again.
  if (!result && !over && result.error().code == ErrorCode::enrolment_refused) {
    book_->count_wrong_proof(run_->id(), now);
  }
  return result;
}

Result<EnrolmentStep> InvitingSide::step(ByteView message, Instant now) {
  StageGuard guard(*run_);
  if (guard.stage() == Stage::over) return out_of_turn();
  auto body = run_->open(message);
  if (!body) return std::move(body).error();
  if (guard.stage() == Stage::fresh) {
    const auto* commitment = std::get_if<EnrolCommitment>(&*body);
    if (commitment == nullptr) return out_of_turn();
    run_->set_their_commitment(commitment->value);
    guard.next(Stage::committed);
    return EnrolmentStep{run_->seal(EnrolCommitment{run_->ours().commitment}), {}};
  }
  if (guard.stage() == Stage::committed) {
    auto* reveal = std::get_if<EnrolReveal>(&*body);
    if (reveal == nullptr) return out_of_turn();
    if (auto done = run_->take_reveal(std::move(*reveal), now); !done) {
      return std::move(done).error();
    }
    guard.next(Stage::revealed);
    return EnrolmentStep{run_->seal(EnrolAnswer{run_->ours().reveal, run_->make_proof()}), {}};
  }
  const auto* proof = std::get_if<EnrolProof>(&*body);
  if (proof == nullptr) return out_of_turn();
  if (auto done = run_->check_proof(*proof); !done) return std::move(done).error();
  if (auto done = book_->use(run_->id(), now); !done) return std::move(done).error();
  return EnrolmentStep{run_->seal(EnrolConfirmation{run_->keyed(Speaker::confirming)}),
                       run_->enrolled()};
}

}  // namespace entente::security
