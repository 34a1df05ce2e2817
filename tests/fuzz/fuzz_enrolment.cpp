// Feeds foreign bytes to the inviting side of enrolment and to the decoders behind its seal.
#include "security/identity/enrolment.h"

#include "security/identity/certificate.h"
#include "security/identity/enrolment_wire.h"

using namespace entente;
using namespace entente::security;

namespace {

constexpr Instant kNow{1'750'000'000'000'000'000};

// An organisation that invites; made once.
struct Inviter {
  SeededRandom random{1};
  OrganisationKeys keys = generate_keys(random);
  PinnedOrganisation pinned = *PinnedOrganisation::from_chain({sign_charter(
      *first_charter({"inviter", "", kNow - days(1), kNow + days(9), 1}, keys), keys.roots)});
  Bytes ca = *make_ca_certificate(keys.ca, pinned.id(), {kNow - days(1), kNow + days(9)}, random);
  LeafCredential leaf = *issue_leaf(
      keys.ca, ca, {pinned.id(), "site", {kNow - minutes(5), kNow + hours(1)}}, random);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Inviter inviter;
  const ByteView bytes(data, size);
  InvitationBook book;
  // The id is zero, which the fuzzer finds at once.
  book.restore({InvitationId{}, Secret(kInvitationSecret), kNow + hours(1), 0, false});
  auto side = InvitingSide::create(
      book, {inviter.pinned, "site", inviter.leaf.chain_der, {}, &inviter.keys.agreement},
      inviter.random, kNow);
  ENTENTE_CHECK(side.has_value());
  const auto step = side->receive(bytes, kNow);
  ENTENTE_CHECK(!step || !step->enrolled);
  if (const auto body = enrol_body_from_bytes(bytes)) (void)canonical_bytes(*body);
  if (const auto identity = enrol_identity_from_bytes(bytes)) {
    ENTENTE_CHECK(enrol_identity_from_bytes(canonical_bytes(*identity)).has_value());
  }
  return 0;
}
