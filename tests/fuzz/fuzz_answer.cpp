// Feeds foreign bytes to the decoders of answers, of releases and of what system twins answer.
#include "schemas/answer.h"
#include "schemas/composite_answer.h"

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
  if (const auto composite = composite_answer_from_bytes(bytes)) {
    ENTENTE_CHECK(canonical_bytes(*composite) == to_bytes(bytes));
  }
  return 0;
}
