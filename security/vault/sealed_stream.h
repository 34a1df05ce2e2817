// A long value sealed piece by piece, for backups: libsodium's secretstream under a subkey of the
// vault, so that pieces cannot be changed, dropped, repeated, moved or cut off at the end
// unnoticed.
//
//   salt (16), secretstream header (24), then pieces: length (4, little-endian; of the ciphertext),
//   ciphertext (1 to 1 MiB + 17 bytes); the last piece carries the final tag.
// The subkey is of (use, salt), so two streams never share one. Threads: one at a time.
#pragma once

#include <sodium/crypto_secretstream_xchacha20poly1305.h>

#include "security/vault/vault.h"

namespace entente::security {

inline constexpr std::size_t kStreamSaltBytes = 16;
inline constexpr std::size_t kStreamHeadBytes = kStreamSaltBytes + 24;
inline constexpr std::size_t kStreamPieceBytes = 1'048'576;
inline constexpr std::size_t kStreamOverhead = 17;

class StreamSealer {
 public:
  // `aad` is authenticated with the first piece: what stands in the clear before the stream.
  StreamSealer(const Vault& vault, VaultUse use, Bytes aad, Random& random);
  StreamSealer(StreamSealer&&) = default;
  ~StreamSealer();
  // To be written first.
  const Bytes& head() const { return head_; }
  // The next piece with its length before it. At most kStreamPieceBytes; nothing after the last.
  Bytes seal(ByteView piece, bool last);

 private:
  crypto_secretstream_xchacha20poly1305_state state_;
  Bytes aad_;
  Bytes head_;
  bool ended_ = false;
};

class StreamOpener {
 public:
  StreamOpener(StreamOpener&&) = default;
  ~StreamOpener();
  // Refuses (verification_failed) a head of another length or of another stream.
  [[nodiscard]] static Result<StreamOpener> open(const Vault& vault, VaultUse use, Bytes aad,
                                                 ByteView head);
  struct Piece {
    Bytes bytes;
    bool last = false;
  };
  // Of the ciphertext without its length. Refuses (verification_failed): changed, dropped, repeated
  // or moved; another vault; anything after the last piece.
  [[nodiscard]] Result<Piece> open_piece(ByteView sealed);

 private:
  StreamOpener() = default;
  crypto_secretstream_xchacha20poly1305_state state_;
  Bytes aad_;
  bool ended_ = false;
};

}  // namespace entente::security
