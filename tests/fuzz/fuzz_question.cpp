// Any bytes as a planned question from the wire: reading never crashes, and what it accepts has
// these bytes as its one form.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "schemas/base/check.h"
#include "schemas/question.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entente;
  const auto question = question_from_bytes({data, size});
  if (!question) return 0;
  const Bytes again = canonical_bytes(*question);
  ENTENTE_CHECK(std::equal(again.begin(), again.end(), data, data + size));
  for (std::size_t i = 0; i < question->tick_count(); ++i) (void)question->tick(i);
  return 0;
}
