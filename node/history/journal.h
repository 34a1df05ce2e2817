// One batch as one row of the journal: what an acknowledgement stands on until it is sealed.
#pragma once

#include "node/history/reading.h"
#include "schemas/base/bytes.h"
#include "schemas/base/result.h"

namespace entente::node {

// Columns (columns.h) of series, times, values and qualities, with a checksum.
Bytes encode_batch(const Batch& batch);
// Refuses (store_failed): a wrong checksum, an unknown version, columns of different lengths, more
// than limits::kBatchReadings readings, an unknown quality.
[[nodiscard]] Result<Batch> decode_batch(ByteView bytes);

}  // namespace entente::node
