// Feeds foreign bytes to the agreement's decoders.
#include "schemas/agreement_message.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto agreement = agreement_from_bytes(bytes)) {
    ENTENTE_CHECK(canonical_bytes(*agreement) == to_bytes(bytes));
  }
  if (const auto received = signed_agreement_from_bytes(bytes)) {
    ENTENTE_CHECK(to_wire_bytes(*received) == to_bytes(bytes));
    (void)agreement_from_bytes(received->agreement);
  }
  if (const auto message = agreement_message_from_bytes(bytes)) {
    ENTENTE_CHECK(canonical_bytes(*message) == to_bytes(bytes));
    (void)signed_agreement_from_bytes(message->agreement);
  }
  return 0;
}
