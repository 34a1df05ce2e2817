#include "federation/link/frame_reader.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace entente::federation {
namespace {

static_assert(std::endian::native == std::endian::little, "the framing is read in place");

std::uint32_t u32_at(const std::uint8_t* p) {
  std::uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

capnp::ReaderOptions reader_options() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords =
      entente::limits::kTraversalWords + limits::kInspectionWords;
  options.nestingLimit = entente::limits::kNestingDepth;
  return options;
}

std::size_t take(ByteView& input, std::uint8_t* to, std::size_t most) {
  const std::size_t n = std::min(most, input.size());
  std::memcpy(to, input.data(), n);
  input = input.subspan(n);
  return n;
}

}  // namespace

FramedMessage::FramedMessage(kj::Array<capnp::word> words, const Ends& ends,
                             std::uint32_t segments)
    : capnp::MessageReader(reader_options()),
      words_(kj::mv(words)),
      ends_(ends),
      segments_(segments) {}
FramedMessage::~FramedMessage() noexcept(false) = default;

kj::ArrayPtr<const capnp::word> FramedMessage::getSegment(unsigned id) {
  if (id >= segments_) return nullptr;
  const std::size_t begin = id == 0 ? 0 : ends_[id - 1];
  return words_.slice(begin, ends_[id]);
}

const char* FrameReader::read_table() {
  std::uint64_t words = 0;
  for (std::uint32_t i = 0; i < segments_; ++i) {
    words += u32_at(header_.data() + 4 + 4 * i);
    if (words > words_most_) return "message too large";
    ends_[i] = static_cast<std::uint32_t>(words);
  }
  if (words == 0) return "empty message";
  body_ = kj::heapArray<capnp::word>(words);
  body_have_ = 0;
  return nullptr;
}

FrameReader::Step FrameReader::feed(ByteView& input) {
  while (body_ == nullptr) {
    if (input.empty()) return {};
    header_have_ += take(input, header_.data() + header_have_, header_need_ - header_have_);
    if (header_have_ < header_need_) return {};
    if (segments_ == 0) {
      const std::uint64_t count = std::uint64_t{u32_at(header_.data())} + 1;
      if (count > limits::kSegments) return {{}, "too many segments"};
      segments_ = static_cast<std::uint32_t>(count);
      header_need_ = (4 + 4 * segments_ + 7) / 8 * 8;
      continue;
    }
    if (const char* violation = read_table()) return {{}, violation};
  }
  const std::size_t total = body_.size() * sizeof(capnp::word);
  auto* bytes = reinterpret_cast<std::uint8_t*>(body_.begin());
  body_have_ += take(input, bytes + body_have_, total - body_have_);
  if (body_have_ < total) return {};
  Step step{kj::heap<FramedMessage>(kj::mv(body_), ends_, segments_), nullptr};
  body_ = nullptr;
  header_have_ = 0, header_need_ = 4, segments_ = 0;
  return step;
}

}  // namespace entente::federation
