// Whoever holds the token, and still is not the organisation that he says he is.
#include <doctest/doctest.h>
#include <sodium.h>

#include <algorithm>
#include <functional>

#include "schemas/base/hash.h"
#include "security/identity/enrolment_wire.h"
#include "security/identity/limits.h"
#include "tests/unit/security/identity/enrolment_world.h"

using namespace entente;
using namespace entente::security;
using namespace entente::security::test;

namespace {

// Opens and seals messages as a holder of the token can; written from the header's description, so
// that it also checks the format.
class Forger {
 public:
  explicit Forger(const Invitation& invitation)
      : id_(invitation.id), secret_(to_bytes(invitation.secret.view())) {}
  EnrolBody open(ByteView bytes, int index) const {
    const EnrolMessage message = *enrol_message_from_bytes(bytes);
    const Bytes key = key_of(index), place = place_of(index);
    Bytes plain(message.sealed.size() - 16);
    REQUIRE(crypto_aead_xchacha20poly1305_ietf_decrypt(
                plain.data(), nullptr, nullptr, message.sealed.data(), message.sealed.size(),
                place.data(), place.size(), message.nonce.bytes.data(), key.data()) == 0);
    return *enrol_body_from_bytes(plain);
  }
  Bytes seal(const EnrolBody& body, int index) const {
    const Bytes key = key_of(index), place = place_of(index), plain = canonical_bytes(body);
    EnrolMessage message{id_, {}, Bytes(plain.size() + 16)};
    randombytes_buf(message.nonce.bytes.data(), message.nonce.bytes.size());
    crypto_aead_xchacha20poly1305_ietf_encrypt(message.sealed.data(), nullptr, plain.data(),
                                               plain.size(), place.data(), place.size(), nullptr,
                                               message.nonce.bytes.data(), key.data());
    return canonical_bytes(message);
  }

 private:
  Bytes key_of(int index) const {
    Bytes text = to_bytes(std::string("entente enrolment v1 from ") +
                          (index % 2 == 0 ? "accepting" : "inviting"));
    text.insert(text.end(), id_.bytes.begin(), id_.bytes.end());
    Bytes out(32);
    crypto_generichash(out.data(), 32, text.data(), text.size(), secret_.data(), secret_.size());
    return out;
  }
  Bytes place_of(int index) const {
    Bytes out = {static_cast<std::uint8_t>(index % 2 == 0 ? 'a' : 'i'),
                 static_cast<std::uint8_t>(index / 2)};
    out.insert(out.end(), id_.bytes.begin(), id_.bytes.end());
    return out;
  }
  InvitationId id_;
  Bytes secret_;
};

Hash256 commitment(char role, const EnrolReveal& reveal) {
  const std::string text(1, role);
  return hash_parts("entente enrolment commitment v1",
                    {bytes_of(text), reveal.nonce.view(), reveal.identity});
}

}  // namespace

TEST_SUITE("security/enrolment_forger") {
  TEST_CASE("nothing but the invitation's id can be read on the way") {
    World world(2);
    auto accepting = world.accepting();
    auto inviting = world.inviting();
    const std::string_view names[] = {"washington", "oregon", "example.org"};
    const auto holds = [](ByteView bytes, ByteView part) {
      return std::search(bytes.begin(), bytes.end(), part.begin(), part.end()) != bytes.end();
    };
    const Forger holder(world.invitation);
    converse(accepting, inviting, [&](int index, Bytes message) {
      CHECK(holds(message, world.invitation.id.view()));
      for (const std::string_view name : names) CHECK_FALSE(holds(message, bytes_of(name)));
      CHECK_FALSE(holds(message, world.invitation.secret.view()));
      if (index == 2) {  // the control: a holder of the token reads them
        CHECK(holds(canonical_bytes(holder.open(message, index)), bytes_of("oregon")));
      }
      return message;
    });
  }

  TEST_CASE("who holds the token still cannot stand in for the inviter") {
    World world(10);
    InvitationBook stolen;
    stolen.restore(
        {world.invitation.id, world.invitation.secret.copy(), world.invitation.expires, 0, false});
    auto accepting = world.accepting();
    auto mallory = *InvitingSide::create(stolen, world.mallory.self(), world.random, kNow);
    const Ends ends = converse(accepting, mallory, untouched);
    REQUIRE(ends.error);
    CHECK(ends.error->what.find("token names another") != std::string::npos);
    CHECK_FALSE(ends.accepting);
    CHECK_FALSE(ends.inviting);
  }

  TEST_CASE("a man in the middle with the token changes nothing unseen: charter, nonce, address") {
    using Change = std::function<void(World&, EnrolReveal&)>;
    const std::pair<const char*, Change> changes[] = {
        {"nonce", [](World& w, EnrolReveal& r) { r.nonce = w.random.id<Hash256>(); }},
        {"charter",
         [](World& w, EnrolReveal& r) {
           const EnrolmentSelf own = w.mallory.self();
           r.identity = canonical_bytes(
               EnrolIdentity{own.organisation.chain(), own.site, own.certificates, own.addresses});
         }},
        {"address",
         [](World&, EnrolReveal& r) {
           EnrolIdentity identity = *enrol_identity_from_bytes(r.identity);
           identity.addresses = {"evil.example.org:1"};
           r.identity = canonical_bytes(identity);
         }},
        {"leaf", [](World& w, EnrolReveal& r) {
           EnrolIdentity identity = *enrol_identity_from_bytes(r.identity);
           identity.certificates = w.mallory.leaf.chain_der;
           r.identity = canonical_bytes(identity);
         }}};
    for (const auto& [name, change] : changes) {
      CAPTURE(std::string(name));
      for (const bool fix_commitments : {false, true}) {
        CAPTURE(fix_commitments);
        for (const int target : {2, 3}) {
          CAPTURE(target);
          World world(11);
          const Forger forger(world.invitation);
          auto accepting = world.accepting();
          auto inviting = world.inviting();
          // With fixed commitments the attacker must choose before anything is revealed, so it
          // rewrites the commitment from what it will put there: known here from a seed's rerun.
          std::optional<EnrolReveal> planned;
          if (fix_commitments) {
            World twin(11);
            auto a = twin.accepting();
            auto i = twin.inviting();
            converse(a, i, [&](int index, Bytes message) {
              const Forger reader(twin.invitation);
              if (index == 2) {
                auto reveal = std::get<EnrolReveal>(reader.open(message, index));
                if (target == 2) planned = reveal;
              }
              if (index == 3 && target == 3) {
                planned = std::get<EnrolAnswer>(reader.open(message, index)).reveal;
              }
              return message;
            });
            REQUIRE(planned);
            change(world, *planned);
          }
          const Ends ends = converse(accepting, inviting, [&](int index, Bytes message) {
            if (fix_commitments && index == target - 2) {
              return forger.seal(EnrolCommitment{commitment(target == 2 ? 'a' : 'i', *planned)},
                                 index);
            }
            if (index != target) return message;
            EnrolBody body = forger.open(message, index);
            EnrolReveal& reveal =
                target == 2 ? std::get<EnrolReveal>(body) : std::get<EnrolAnswer>(body).reveal;
            if (fix_commitments) {
              reveal = *planned;
            } else {
              change(world, reveal);
            }
            return forger.seal(body, index);
          });
          CHECK(ends.error);
          CHECK_FALSE(ends.accepting);
          CHECK_FALSE(ends.inviting);
        }
      }
    }
  }

  TEST_CASE("a forger that changes nothing passes, so the refusals above mean something") {
    World world(12);
    const Forger forger(world.invitation);
    auto accepting = world.accepting();
    auto inviting = world.inviting();
    const Ends ends = converse(accepting, inviting, [&](int index, Bytes message) {
      return forger.seal(forger.open(message, index), index);
    });
    REQUIRE(ends.accepting);
    CHECK(ends.accepting->words == ends.inviting->words);
  }

  TEST_CASE("the key of the charter must take part: another's charter cannot be enrolled") {
    World world(13);
    const Forger forger(world.invitation);
    const SigningKey other = SigningKey::generate(world.random);
    for (const int target : {3, 4}) {
      CAPTURE(target);
      world.invitation = world.invite();
      const Forger holder(world.invitation);
      auto accepting = world.accepting();
      auto inviting = world.inviting();
      const Ends ends = converse(accepting, inviting, [&](int index, Bytes message) {
        if (index != target) return message;
        EnrolBody body = holder.open(message, index);
        EnrolProof& proof =
            target == 3 ? std::get<EnrolAnswer>(body).proof : std::get<EnrolProof>(body);
        proof.signature = other.sign("entente enrolment signature v1", proof.proof.view());
        return holder.seal(body, index);
      });
      REQUIRE(ends.error);
      CHECK(ends.error->what.find("key of the charter") != std::string::npos);
      CHECK_FALSE(ends.accepting);
      CHECK_FALSE(ends.inviting);
    }
  }
}
