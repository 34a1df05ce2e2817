// Cap'n Proto's stream framing, decoded by us so that every limit holds before memory is taken.
//
// Bytes of one message, little-endian (https://capnproto.org/encoding.html, "Serialization Over a
// Stream"): u32 segments - 1; u32 size of each segment in words; zero padding to 8 bytes; the
// segments. Cap'n Proto 0.9.2's own reader writes 8 bytes past a zero-size block when the first
// word is 0xFFFFFFFF (security.md section 1).
#pragma once

#include <capnp/message.h>
#include <kj/array.h>
#include <kj/memory.h>

#include <array>
#include <cstdint>

#include "federation/limits.h"
#include "schemas/base/bytes.h"

namespace entente::federation {

// One message with its memory.
class FramedMessage final : public capnp::MessageReader {
 public:
  using Ends = std::array<std::uint32_t, limits::kSegments>;  // first word behind each segment
  FramedMessage(kj::Array<capnp::word> words, const Ends& ends, std::uint32_t segments);
  ~FramedMessage() noexcept(false) override;
  kj::ArrayPtr<const capnp::word> getSegment(unsigned id) override;
  std::size_t size_bytes() const { return words_.size() * sizeof(capnp::word); }

 private:
  kj::Array<capnp::word> words_;
  Ends ends_;
  std::uint32_t segments_;
};

// Takes bytes as they come and yields messages. After a violation it must not be fed again.
class FrameReader {
 public:
  explicit FrameReader(std::size_t bytes_most) : words_most_(bytes_most / 8) {}

  struct Step {
    kj::Own<FramedMessage> message;   // null until one is complete
    const char* violation = nullptr;  // the rule broken, a literal
  };
  // Consumes from the front of `input` at most to the end of one message.
  Step feed(ByteView& input);
  // Some bytes of a message have come and others not.
  bool inside_message() const { return header_have_ > 0; }

 private:
  const char* read_table();

  const std::size_t words_most_;
  std::array<std::uint8_t, 4 + 4 * limits::kSegments + 4> header_{};
  std::size_t header_have_ = 0;
  std::size_t header_need_ = 4;  // grows once the number of segments is known
  std::uint32_t segments_ = 0;
  FramedMessage::Ends ends_{};
  kj::Array<capnp::word> body_;
  std::size_t body_have_ = 0;  // bytes
};

}  // namespace entente::federation
