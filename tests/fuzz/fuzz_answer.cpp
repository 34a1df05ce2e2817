// Feeds foreign bytes to the decoders of answers and releases.
#include "schemas/answer.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  if (const auto release = release_from_bytes(bytes)) {
    ENTENTE_CHECK(canonical_bytes(*release) == to_bytes(bytes));
  }
  if (const auto answer = answer_from_bytes(bytes)) {
    ENTENTE_CHECK(canonical_bytes(*answer) == to_bytes(bytes));
    (void)release_from_bytes(answer->release);
  }
  return 0;
}
