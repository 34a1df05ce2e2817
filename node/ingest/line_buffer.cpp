#include "node/ingest/line_buffer.h"

#include "node/limits.h"

namespace entente::node {

bool LineBuffer::more() {
  if (ended_) return false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const auto old = buffer_.size();
  buffer_.resize(old + limits::kReadBytes);
  const auto got = source_(buffer_.data() + old, limits::kReadBytes);
  buffer_.resize(old + got);
  counted_ += got;
  ended_ = got == 0;
  if (!begun_ && (buffer_.size() >= 3 || ended_)) {
    begun_ = true;
    if (buffer_.starts_with("\xEF\xBB\xBF")) begin_ = 3;
  }
  return got > 0;
}

}  // namespace entente::node
