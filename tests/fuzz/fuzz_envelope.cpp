// Feeds foreign bytes to the envelope's decoders, inside a signed body and bare.
#include "schemas/envelope.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto envelope = envelope_from_bytes(bytes)) {
    ENTENTE_CHECK(canonical_bytes(*envelope) == to_bytes(bytes));
  }
  if (const auto received = signed_from_bytes(bytes)) {
    ENTENTE_CHECK(to_wire_bytes(*received) == to_bytes(bytes));
    (void)envelope_from_bytes(received->body);
  }
  return 0;
}
