// A CRC-32 behind the bytes of a blob: every flipped bit is found when the blob is read.
#pragma once

#include <string_view>

#include "schemas/base/bytes.h"
#include "schemas/base/result.h"

namespace entente::node {

void append_checksum(Bytes& bytes);
// The bytes before the checksum. Refuses (store_failed) with `what` when they are not what was
// written.
[[nodiscard]] Result<ByteView> without_checksum(ByteView bytes, std::string_view what);

}  // namespace entente::node
