#include "security/vault/sealed_stream.h"

#include <sodium.h>

#include <algorithm>

namespace entente::security {
namespace {

static_assert(kStreamOverhead == crypto_secretstream_xchacha20poly1305_ABYTES);
static_assert(kStreamHeadBytes ==
              kStreamSaltBytes + crypto_secretstream_xchacha20poly1305_HEADERBYTES);

Error changed(const char* why) {
  return make_error(ErrorCode::verification_failed, std::string("the sealed stream ") + why,
                    "use the key of the node that made it, or another copy");
}

}  // namespace

StreamSealer::StreamSealer(const Vault& vault, VaultUse use, Bytes aad, Random& random)
    : aad_(std::move(aad)), head_(kStreamHeadBytes) {
  const std::span<std::uint8_t> salt(head_.data(), kStreamSaltBytes);
  random.fill(salt);
  const Secret key = vault.stream_key(use, salt);
  crypto_secretstream_xchacha20poly1305_init_push(&state_, head_.data() + kStreamSaltBytes,
                                                  key.view().data());
}

StreamSealer::~StreamSealer() {
  sodium_memzero(&state_, sizeof state_);
}

Bytes StreamSealer::seal(ByteView piece, bool last) {
  ENTENTE_CHECK(!ended_ && piece.size() <= kStreamPieceBytes);
  ended_ = last;
  const std::size_t size = piece.size() + kStreamOverhead;
  Bytes out(4 + size);
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(size >> (8 * i));
  crypto_secretstream_xchacha20poly1305_push(
      &state_, out.data() + 4, nullptr, piece.data(), piece.size(), aad_.data(), aad_.size(),
      last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
           : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
  aad_.clear();
  return out;
}

StreamOpener::~StreamOpener() {
  sodium_memzero(&state_, sizeof state_);
}

Result<StreamOpener> StreamOpener::open(const Vault& vault, VaultUse use, Bytes aad,
                                        ByteView head) {
  if (head.size() != kStreamHeadBytes) return changed("is cut short");
  const Secret key = vault.stream_key(use, head.first(kStreamSaltBytes));
  StreamOpener opener;
  opener.aad_ = std::move(aad);
  if (crypto_secretstream_xchacha20poly1305_init_pull(
          &opener.state_, head.data() + kStreamSaltBytes, key.view().data()) != 0) {
    return changed("does not begin like one");
  }
  return opener;
}

Result<StreamOpener::Piece> StreamOpener::open_piece(ByteView sealed) {
  if (ended_) return changed("goes on after its end");
  if (sealed.size() < kStreamOverhead || sealed.size() > kStreamPieceBytes + kStreamOverhead) {
    return changed("has a piece of an impossible length");
  }
  Piece piece{Bytes(sealed.size() - kStreamOverhead), false};
  unsigned char tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(&state_, piece.bytes.data(), nullptr, &tag,
                                                 sealed.data(), sealed.size(), aad_.data(),
                                                 aad_.size()) != 0) {
    return changed("was changed, or is sealed under another key");
  }
  aad_.clear();
  piece.last = ended_ = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
  return piece;
}

}  // namespace entente::security
