// BLAKE2b-256 with a context: the same bytes in two roles never have the same hash.
#pragma once

#include <string_view>

#include "schemas/base/ids.h"

namespace entente {

// BLAKE2b-256 over (length of context, context, data). Contexts are literals like "entente charter
// v1".
Hash256 hash(std::string_view context, ByteView data);
// The same over several parts, each preceded by its length, so that parts never run together.
Hash256 hash_parts(std::string_view context, std::initializer_list<ByteView> parts);

}  // namespace entente
