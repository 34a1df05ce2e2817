#include "security/vault/sealed_stream.h"

#include <doctest/doctest.h>

#include <vector>

using namespace entente;
using namespace entente::security;

namespace {

struct Stream {
  SeededRandom random{9};
  Vault vault = *Vault::from_key(Secret::random(random, 32));
  Bytes head;
  std::vector<Bytes> pieces;  // without their lengths

  explicit Stream(std::size_t count = 5) {
    StreamSealer sealer(vault, VaultUse::backup, to_bytes(bytes_of("clear")), random);
    head = sealer.head();
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes sealed =
          sealer.seal(Bytes(i * 100, static_cast<std::uint8_t>(i)), i + 1 == count);
      pieces.emplace_back(sealed.begin() + 4, sealed.end());
    }
  }
  // Whether the pieces open in this order, the last of them as the last.
  bool opens(const std::vector<Bytes>& given, const char* aad = "clear") const {
    auto opener = StreamOpener::open(vault, VaultUse::backup, to_bytes(bytes_of(aad)), head);
    if (!opener) return false;
    bool last = false;
    for (const Bytes& one : given) {
      auto piece = opener->open_piece(one);
      if (!piece) return false;
      last = piece->last;
    }
    return last;
  }
};

}  // namespace

TEST_SUITE("security/sealed_stream") {
  TEST_CASE("pieces open in their order and in no other way") {
    const Stream stream;
    CHECK(stream.opens(stream.pieces));
    auto pieces = stream.pieces;
    std::swap(pieces[1], pieces[2]);
    CHECK_FALSE(stream.opens(pieces));
    pieces = stream.pieces;
    pieces.erase(pieces.begin() + 1);
    CHECK_FALSE(stream.opens(pieces));
    pieces = stream.pieces;
    pieces.insert(pieces.begin() + 1, pieces[0]);
    CHECK_FALSE(stream.opens(pieces));
    pieces = stream.pieces;
    pieces.pop_back();
    CHECK_FALSE(stream.opens(pieces));  // cut off: no last piece came
    pieces = stream.pieces;
    pieces.push_back(pieces.back());
    CHECK_FALSE(stream.opens(pieces));
  }

  TEST_CASE("a changed bit another clear text and another vault are refused") {
    Stream stream(2);
    for (Bytes& piece : stream.pieces) {
      for (std::uint8_t& byte : piece) {
        byte ^= 4;
        CHECK_FALSE(stream.opens(stream.pieces));
        byte ^= 4;
      }
    }
    for (std::uint8_t& byte : stream.head) {
      byte ^= 4;
      CHECK_FALSE(stream.opens(stream.pieces));
      byte ^= 4;
    }
    CHECK_FALSE(stream.opens(stream.pieces, "other"));
    CHECK(stream.opens(stream.pieces));  // the control
    SeededRandom random(10);
    stream.vault = *Vault::from_key(Secret::random(random, 32));
    CHECK_FALSE(stream.opens(stream.pieces));
  }
}
