#include "security/identity/charter_draft.h"

#include <doctest/doctest.h>

#include "schemas/base/hash.h"
#include "security/identity/limits.h"
#include "tests/unit/security/identity/organisations.h"

using namespace entente;
using namespace entente::security;
using test::kNow;

namespace {

CharterChange change_at(Instant issued) {
  CharterChange change;
  change.issued = issued;
  change.expires = issued + limits::kCharterLife;
  return change;
}

std::vector<PublicKey> roots_of(const std::vector<SigningKey>& keys) {
  std::vector<PublicKey> out;
  for (const SigningKey& key : keys) out.push_back(key.public_key());
  return out;
}

// `next` signed by all of these and taken; the organisation must accept it.
void take(PinnedOrganisation& organisation, const Charter& next,
          const std::vector<const SigningKey*>& signers) {
  auto advanced = organisation.advance(sign_charter(next, signers));
  REQUIRE(advanced);
  CHECK(*advanced == Advance::advanced);
}

}  // namespace

TEST_SUITE("security/charter_draft") {
  TEST_CASE("a rotation names the new key before the old one and the one after drops the oldest") {
    SeededRandom random(11);
    auto org = test::make_organisation(random);
    for (const KeyPurpose purpose : {KeyPurpose::ca, KeyPurpose::answer, KeyPurpose::audit,
                                     KeyPurpose::envelope, KeyPurpose::agreement}) {
      CAPTURE(to_text(purpose));
      const PublicKey first = *org.pinned.current().key_for(purpose);
      const auto second = SigningKey::generate(random), third = SigningKey::generate(random);
      CharterChange change = change_at(kNow);
      change.add = {{purpose, second.public_key()}};
      auto next = next_charter(org.pinned, change);
      REQUIRE(next);
      take(org.pinned, *next, {&org.keys.roots[0]});
      CHECK(*org.pinned.current().key_for(purpose) == second.public_key());
      CHECK(org.pinned.has_key(purpose, first));
      CHECK(org.pinned.named_since(purpose, second.public_key()) == org.pinned.current().version);
      CHECK(org.pinned.named_since(purpose, first) == 1);
      CHECK(org.pinned.named_since(purpose, third.public_key()) == 0);
      change.add = {{purpose, third.public_key()}};
      next = next_charter(org.pinned, change);
      REQUIRE(next);
      take(org.pinned, *next, {&org.keys.roots[0]});
      CHECK(org.pinned.has_key(purpose, second.public_key()));
      CHECK_FALSE(org.pinned.has_key(purpose, first));
      // What it signed in its time still verifies.
      const auto ever = org.pinned.keys_ever(purpose);
      CHECK(std::count(ever.begin(), ever.end(), first) == 1);
    }
  }

  TEST_CASE("a revoked key is named no more and verifies no more") {
    SeededRandom random(12);
    auto org = test::make_organisation(random);
    const PublicKey old = org.keys.answer.public_key();
    const auto fresh = SigningKey::generate(random);
    CharterChange change = change_at(kNow);
    change.revoke = {hash_public_key(old)};
    // Without a successor the purpose would have no key.
    CHECK(next_charter(org.pinned, change).error().code == ErrorCode::charter_invalid);
    change.add = {{KeyPurpose::answer, fresh.public_key()}};
    auto next = next_charter(org.pinned, change);
    REQUIRE(next);
    take(org.pinned, *next, {&org.keys.roots[0]});
    CHECK_FALSE(org.pinned.has_key(KeyPurpose::answer, old));
    const auto ever = org.pinned.keys_ever(KeyPurpose::answer);
    CHECK(std::count(ever.begin(), ever.end(), old) == 0);
    // It never comes back, and a second revocation of it says nothing new.
    CharterChange back = change_at(kNow);
    back.add = {{KeyPurpose::answer, old}};
    CHECK_FALSE(next_charter(org.pinned, back));
    CharterChange again = change_at(kNow);
    again.revoke = {hash_public_key(old)};
    CHECK(next_charter(org.pinned, again)->revoked_keys.size() == 1);
  }

  TEST_CASE("a key that stands already is not added twice whatever its purpose") {
    SeededRandom random(13);
    const auto org = test::make_organisation(random);
    for (const KeyPurpose purpose : {KeyPurpose::ca, KeyPurpose::answer}) {
      CharterChange change = change_at(kNow);
      change.add = {{purpose, org.keys.ca.public_key()}};
      CHECK_FALSE(next_charter(org.pinned, change));
    }
    CharterChange root = change_at(kNow);
    root.add = {{KeyPurpose::ca, org.keys.roots[0].public_key()}};
    CHECK_FALSE(next_charter(org.pinned, root));
  }

  TEST_CASE("drafts count who signed: both thresholds and each key once") {
    SeededRandom random(14);
    auto org = test::make_organisation(random, "washington", 3, 2);
    std::vector<SigningKey> fresh;
    for (int i = 0; i < 2; ++i) fresh.push_back(SigningKey::generate(random));
    CharterChange change = change_at(kNow);
    change.roots = roots_of(fresh);
    change.threshold = 2;
    auto next = next_charter(org.pinned, change);
    REQUIRE(next);
    SignedCharter draft{canonical_bytes(*next), {}};
    auto missing = missing_signatures(org.pinned, draft);
    REQUIRE(missing);
    CHECK(missing->of_old == 2);
    CHECK(missing->of_new == 2);
    CHECK(missing->could_sign.size() == 5);
    REQUIRE(add_signature(org.pinned, draft, org.keys.roots[0]));
    CHECK(add_signature(org.pinned, draft, org.keys.roots[0]).error().code == ErrorCode::conflict);
    const auto stranger = SigningKey::generate(random);
    CHECK(add_signature(org.pinned, draft, stranger).error().code == ErrorCode::denied);
    // By hand: one key's signature twice counts once.
    SignedCharter doubled = draft;
    doubled.signatures.push_back(doubled.signatures.front());
    CHECK(missing_signatures(org.pinned, doubled)->of_old == 1);
    CHECK_FALSE(org.pinned.advance(doubled));
    REQUIRE(add_signature(org.pinned, draft, org.keys.roots[2]));
    CHECK(missing_signatures(org.pinned, draft)->of_old == 0);
    CHECK_FALSE(missing_signatures(org.pinned, draft)->complete());
    CHECK_FALSE(org.pinned.advance(draft));
    for (const SigningKey& root : fresh) REQUIRE(add_signature(org.pinned, draft, root));
    CHECK(missing_signatures(org.pinned, draft)->complete());
    CHECK(*org.pinned.advance(draft) == Advance::advanced);
    // From now on the old roots sign nothing.
    auto after = next_charter(org.pinned, change_at(kNow));
    REQUIRE(after);
    SignedCharter by_old{canonical_bytes(*after), {}};
    CHECK(add_signature(org.pinned, by_old, org.keys.roots[0]).error().code == ErrorCode::denied);
  }

  TEST_CASE("a draft travels by file and a file that was changed on the way is refused") {
    SeededRandom random(15);
    auto org = test::make_organisation(random);
    CharterChange change = change_at(kNow);
    change.add = {{KeyPurpose::ca, SigningKey::generate(random).public_key()}};
    const Charter next = *next_charter(org.pinned, change);
    const std::string text = to_text(CharterFile{org.pinned, {canonical_bytes(next), {}}});
    auto away = charter_file_from_text(text);
    REQUIRE(away);
    CHECK(away->organisation.id() == org.pinned.id());
    REQUIRE(add_signature(away->organisation, away->draft, org.keys.roots[0]));
    auto home = charter_file_from_text(to_text(*away));
    REQUIRE(home);
    CHECK(*org.pinned.advance(home->draft) == Advance::advanced);

    // Each line once left out, then each cut, then bytes flipped all over.
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      lines.push_back(text.substr(at, end - at + 1));
      at = end + 1;
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].starts_with('#')) continue;
      CAPTURE(i);
      std::string without, cut;
      for (std::size_t j = 0; j < lines.size(); ++j) {
        if (j != i) without += lines[j];
        cut += j == i ? lines[j].substr(0, lines[j].size() / 2) + "\n" : lines[j];
      }
      CHECK_FALSE(charter_file_from_text(without));
      CHECK_FALSE(charter_file_from_text(cut));
    }
    CHECK_FALSE(charter_file_from_text(""));
    CHECK_FALSE(charter_file_from_text(text + lines.back()));
    for (std::uint32_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      SeededRandom flips(seed);
      std::string changed = text;
      const std::size_t first = text.find("\ncharter ") + 9;
      const std::size_t at = first + flips.below(text.size() - first);
      changed[at] = changed[at] == 'A' ? 'B' : 'A';
      auto read = charter_file_from_text(changed);
      if (!read) continue;
      // Where it still reads, the signed chain is the same; a changed draft takes no old signature.
      CHECK(read->organisation.id() == org.pinned.id());
    }
  }

  TEST_CASE("who signs is told every change") {
    SeededRandom random(16);
    const auto org = test::make_organisation(random);
    const auto fresh = SigningKey::generate(random), root = SigningKey::generate(random);
    CharterChange change = change_at(kNow);
    change.add = {{KeyPurpose::audit, fresh.public_key()}};
    change.roots = {{org.keys.roots[0].public_key(), root.public_key()}};
    change.threshold = 2;
    change.revoke = {hash("a leaf", {})};
    const auto next = next_charter(org.pinned, change);
    REQUIRE(next);
    std::string all;
    for (const auto& line : changes_of(org.pinned.current(), *next)) all += line + "\n";
    for (const std::string& said :
         {std::string("version 1 becomes 2"),
          "adds the audit key " + fresh.public_key().short_hex(),
          "adds the root key " + root.public_key().hex(), std::string("threshold becomes 2 of 2"),
          "revokes the key with hash " + change.revoke[0].hex()}) {
      CAPTURE(said);
      CHECK(all.find(said) != std::string::npos);
    }
    CHECK(all.find("drops") == std::string::npos);
  }

  TEST_CASE("a root key comes back from its file and from nothing that was changed") {
    SeededRandom random(17);
    const auto root = SigningKey::generate(random);
    const std::string text = root_key_to_text(root);
    auto back = root_key_from_text("  " + text + "\n");
    REQUIRE(back);
    CHECK(back->public_key() == root.public_key());
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
      std::string changed = text;
      changed[at] = changed[at] == 'A' ? 'B' : 'A';
      CHECK_FALSE(root_key_from_text(changed));
    }
    CHECK_FALSE(root_key_from_text(text.substr(0, text.size() / 2)));
    CHECK_FALSE(root_key_from_text(""));
  }
}
