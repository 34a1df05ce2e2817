#include "node/ingest/row_reader.h"

#include <algorithm>
#include <cstring>
#include <istream>

namespace entente::node {

ByteSource source_of(std::istream& stream) {
  return [&stream](char* into, std::size_t size) -> std::size_t {
    stream.read(into, static_cast<std::streamsize>(size));
    return static_cast<std::size_t>(stream.gcount());
  };
}

ByteSource source_of(std::string_view text) {
  return [text](char* into, std::size_t size) mutable {
    const auto taken = text.copy(into, size);
    text.remove_prefix(taken);
    return taken;
  };
}

}  // namespace entente::node
