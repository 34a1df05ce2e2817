#include "security/audit/checkpoint.h"

#include <doctest/doctest.h>

using namespace entente;
using namespace entente::security;

namespace {

struct World {
  SeededRandom random{7};
  SigningKey site = SigningKey::generate(random);
  SigningKey partner = SigningKey::generate(random);
  SigningKey stranger = SigningKey::generate(random);
  LogName log{random.id<OrgId>(), "main"};
  LogName witness{random.id<OrgId>(), "north"};
  Checkpoint checkpoint{log, {42, random.id<Hash256>()}};
  Instant now{1'790'000'000'123'456'789};

  std::string note() const { return sign_checkpoint(checkpoint, site); }
  std::vector<PublicKey> keys() const { return {site.public_key()}; }
};

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), with);
}

}  // namespace

TEST_SUITE_BEGIN("security/audit checkpoint");

TEST_CASE("a checkpoint reads back under the key that signed it and under no other") {
  const World world;
  const auto read = verify_checkpoint(world.note(), world.keys());
  REQUIRE(read);
  CHECK(*read == world.checkpoint);
  CHECK(verify_checkpoint(world.note(), {world.stranger.public_key(), world.site.public_key()}));
  CHECK_FALSE(verify_checkpoint(world.note(), {world.stranger.public_key()}));
  CHECK_FALSE(verify_checkpoint(world.note(), {}));
}

TEST_CASE("the key id is the one of the signed note format") {
  // The example key of golang.org/x/mod/sumdb/note, which C2SP's format comes from:
  // PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW
  const auto key =
      PublicKey::from_hex_text("1a5cd907143c384c41e830c5bce12aa8817ec5649aaabf2c31388b35b2d744d6");
  REQUIRE(key);
  CHECK(note_key_id("PeterNeumann", *key) == "c74f20a3");
}

TEST_CASE("no byte of a note can change without its being refused") {
  const World world;
  const std::string note = world.note();
  for (std::size_t i = 0; i < note.size(); ++i) {
    std::string changed = note;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CAPTURE(i);
    CHECK_FALSE(verify_checkpoint(changed, world.keys()));
  }
  for (std::size_t size = 0; size < note.size(); ++size) {
    CHECK_FALSE(verify_checkpoint(note.substr(0, size), world.keys()));
  }
}

TEST_CASE("a note of another form is refused with the line that is wrong") {
  const World world;
  const std::string note = world.note();
  const auto why = [](const std::string& text) {
    const auto read = read_checkpoint(text);
    return read ? std::string() : read.error().what;
  };
  CHECK(why(note).empty());
  CHECK(why("") == "checkpoint: there is no empty line before its signatures");
  CHECK(why(replaced(note, "entente/", "elsewhere/")) ==
        "checkpoint: its first line does not name a log");
  CHECK(why(replaced(note, "\n42\n", "\n042\n")) == "checkpoint: its second line is no size");
  CHECK(why(replaced(note, "\n42\n", "\n-42\n")) == "checkpoint: its second line is no size");
  CHECK(why(replaced(note, "\n42\n", "\n99999999999999999999\n")) ==
        "checkpoint: its second line is no size");
  CHECK(why(replaced(note, "=\n", "\n")) == "checkpoint: its third line is no hash");
  CHECK(why(replaced(note, "\n\n", "\nmore\n\n")) ==
        "checkpoint: it has lines that this version does not know");
  CHECK(why(note + "— x\n") == "checkpoint: a signature line has no name");
  CHECK(why(note.substr(0, note.size() - 1)) == "checkpoint: its last line does not end");
  CHECK(why(note + std::string(kNoteBytes, '\n')) == "checkpoint: it is over 16 KiB");
}

TEST_CASE("a witness's line holds for the note it was made for alone") {
  const World world;
  const std::string note = world.note();
  const std::string line = cosign(note, world.witness, world.partner, world.now);
  const std::string both = with_cosignature(note, line);
  const std::vector<PublicKey> partner{world.partner.public_key()};
  CHECK(verify_checkpoint(both, world.keys()));
  CHECK(with_cosignature(both, line) == both);
  const auto when = verify_cosignature(both, world.witness, partner);
  REQUIRE(when);
  CHECK(when->ns == 1'790'000'000'000'000'000);
  CHECK(cosigners(both) == std::vector<LogName>{world.witness});
  CHECK(cosigners(note).empty());
  CHECK_FALSE(verify_cosignature(note, world.witness, partner));
  CHECK_FALSE(verify_cosignature(both, world.log, partner));
  CHECK_FALSE(verify_cosignature(both, world.witness, world.keys()));

  Checkpoint next = world.checkpoint;
  next.tree.size = 43;
  const std::string moved = with_cosignature(sign_checkpoint(next, world.site), line);
  CHECK_FALSE(verify_cosignature(moved, world.witness, partner));
}

TEST_CASE("a cosignature is no checkpoint signature though one key made both") {
  const World world;
  const std::string note = sign_checkpoint(world.checkpoint, world.partner);
  const std::string line = cosign(note, world.log, world.partner, world.now);
  const std::string only_cosigned = note.substr(0, note.find("\n\n") + 2) + line;
  CHECK_FALSE(verify_checkpoint(only_cosigned, {world.partner.public_key()}));
  CHECK_FALSE(verify_cosignature(note, world.log, {world.partner.public_key()}));
}

TEST_CASE("two heads of one size and different roots contradict each other") {
  const World world;
  Checkpoint other = world.checkpoint;
  CHECK_FALSE(contradict(world.checkpoint, other));
  other.tree.root.bytes[0] ^= 1;
  CHECK(contradict(world.checkpoint, other));
  other.tree.size = 43;
  CHECK_FALSE(contradict(world.checkpoint, other));
  other.tree.size = 42;
  other.log.site = "south";
  CHECK_FALSE(contradict(world.checkpoint, other));
}

TEST_SUITE_END();
