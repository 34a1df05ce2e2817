// Any bytes as a row of the journal, with the checksum that they ought to have: taking them never
// crashes, what is accepted is bounded, and it comes back the same after it was written again.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "node/history/checksum.h"
#include "node/history/journal.h"
#include "node/limits.h"
#include "schemas/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entente;
  using namespace entente::node;
  Bytes row(data, data + size);
  append_checksum(row);
  const auto batch = decode_batch(row);
  if (!batch) {
    ENTENTE_CHECK(batch.error().code == ErrorCode::store_failed);
    return 0;
  }
  ENTENTE_CHECK(batch->size() <= limits::kBatchReadings);
  ENTENTE_CHECK(batch->series.size() == batch->size() && batch->values.size() == batch->size() &&
                batch->qualities.size() == batch->size());
  const auto back = decode_batch(encode_batch(*batch));
  const auto same_bits = [](double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  };
  ENTENTE_CHECK(back && back->series == batch->series && back->times == batch->times &&
                back->qualities == batch->qualities);
  ENTENTE_CHECK(std::equal(back->values.begin(), back->values.end(), batch->values.begin(),
                           batch->values.end(), same_bits));
  return 0;
}
