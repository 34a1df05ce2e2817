// Any bytes as a sealed value, a wrapped key and a sealed stream's piece under a key that never
// made them: nothing opens.
#include "schemas/base/random.h"
#include "security/vault/key_wrap.h"
#include "security/vault/sealed_stream.h"
#include "security/vault/vault.h"

using namespace entente;
using namespace entente::security;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ensure_sodium();
  static SeededRandom random(1);
  static const Vault vault = *Vault::from_key(Secret::random(random, kVaultKeyBytes));
  static const Secret credential = Secret::random(random, 32);
  const ByteView bytes(data, size);
  ENTENTE_CHECK(!vault.open(VaultUse::signing_key, "keys|root|0", bytes));
  const auto way = unlock_way(bytes);
  if (way && *way == UnlockWay::credential) ENTENTE_CHECK(!unwrap_key(bytes, credential));
  if (size < kStreamHeadBytes) return 0;
  auto opener = StreamOpener::open(vault, VaultUse::backup, {}, bytes.first(kStreamHeadBytes));
  if (opener) ENTENTE_CHECK(!opener->open_piece(bytes.subspan(kStreamHeadBytes)));
  return 0;
}
