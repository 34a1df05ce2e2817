#include "node/ingest/line_buffer.h"

#include "node/limits.h"

namespace entente::node {

bool LineBuffer::more() {
  if (ended_) return false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  chunk_.resize(limits::kReadBytes);
  const auto got = source_(chunk_.data(), chunk_.size());
  buffer_.append(chunk_, 0, got);
  counted_ += got;
  ended_ = got == 0;
  if (!begun_ && (buffer_.size() >= 3 || ended_)) {
    begun_ = true;
    if (buffer_.starts_with("\xEF\xBB\xBF")) begin_ = 3;
  }
  return got > 0;
}

}  // namespace entente::node
