// Feeds foreign bytes to the charter's decoders and to the verification of chains.
#include "schemas/charter.h"

#include "security/identity/charter.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto charter = charter_from_bytes(bytes)) {
    ENTENTE_CHECK(canonical_bytes(*charter) == to_bytes(bytes));
  }
  if (auto received = signed_charter_from_bytes(bytes)) {
    ENTENTE_CHECK(to_wire_bytes(*received) == to_bytes(bytes));
    (void)security::PinnedOrganisation::from_chain({*std::move(received)});
  }
  return 0;
}
