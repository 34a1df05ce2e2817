#include "node/history/checksum.h"

#include <zlib.h>

#include <string>

namespace entente::node {
namespace {

constexpr std::size_t kChecksumBytes = 4;

std::uint32_t checksum(ByteView bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, bytes.data(), bytes.size()));
}

}  // namespace

void append_checksum(Bytes& bytes) {
  const auto sum = checksum(bytes);
  for (std::size_t i = 0; i < kChecksumBytes; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(sum >> (8 * i)));
  }
}

Result<ByteView> without_checksum(ByteView bytes, std::string_view what) {
  if (bytes.size() >= kChecksumBytes) {
    const auto content = bytes.first(bytes.size() - kChecksumBytes);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < kChecksumBytes; ++i) {
      sum |= static_cast<std::uint32_t>(bytes[content.size() + i]) << (8 * i);
    }
    if (sum == checksum(content)) return content;
  }
  return make_error(ErrorCode::store_failed, std::string(what) + " fails its checksum",
                    "run 'entente node check' and restore what it names from a backup");
}

}  // namespace entente::node
