// Feeds foreign text to the token's parser: as it stands, and with a right prefix and checksum, so
// that what lies behind the checksum is reached too.
#include "security/identity/invitation.h"

#include "schemas/base/hash.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  (void)security::parse_token(text_of(bytes), Instant{});
  Bytes summed = to_bytes(bytes);
  const Hash256 checksum = hash("entente invitation v1", bytes);
  summed.insert(summed.end(), checksum.bytes.begin(), checksum.bytes.begin() + 8);
  const auto parsed = security::parse_token("ENTL1." + to_base64url(summed), Instant{});
  if (parsed) {
    ENTENTE_CHECK(security::parse_token(security::to_token(*parsed), Instant{}).has_value());
  }
  return 0;
}
