// Any bytes as a collector's batch: taking them never crashes, what is accepted is bounded, and it
// comes back the same after it was written again.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "node/collect/upload.h"
#include "node/limits.h"
#include "schemas/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace entente;
  using namespace entente::node;
  const auto upload = decode_upload({data, size});
  if (!upload) return 0;
  const UploadColumns& columns = upload->columns;
  ENTENTE_CHECK(columns.size() > 0 && columns.size() <= limits::kUploadReadings);
  ENTENTE_CHECK(columns.series.size() == columns.size());
  ENTENTE_CHECK(columns.values.size() == columns.size());
  const Bytes again = encode_upload(upload->session, upload->sequence, columns);
  if (again.size() > limits::kUploadBytes) return 0;
  const auto back = decode_upload(again);
  const auto same_bits = [](double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
  };
  ENTENTE_CHECK(back && back->session == upload->session && back->sequence == upload->sequence);
  ENTENTE_CHECK(back->columns.series == columns.series && back->columns.times == columns.times);
  ENTENTE_CHECK(std::equal(columns.values.begin(), columns.values.end(),
                           back->columns.values.begin(), back->columns.values.end(), same_bits));
  return 0;
}
