#include "node/ingest/line_buffer.h"

#include <algorithm>

#include "node/limits.h"

namespace entente::node {
namespace {
constexpr std::string_view kMark = "\xEF\xBB\xBF";  // the byte order mark of UTF-8
}  // namespace

bool LineBuffer::more() {
  const bool any = read();
  if (begun_) return any;
  // The mark stands at the very beginning or nowhere: looked for before anything is consumed.
  for (bool last = any; last && buffer_.size() < kMark.size();) last = read();
  begun_ = true;
  if (buffer_.starts_with(kMark)) begin_ = kMark.size();
  return any;
}

bool LineBuffer::read() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  chunk_.resize(limits::kReadBytes);
  const auto got = source_(chunk_.data(), chunk_.size());
  if (buffer_.capacity() < buffer_.size() + got + kBufferSlack) {
    buffer_.reserve(std::max(2 * buffer_.size(), buffer_.size() + got + kBufferSlack));
  }
  buffer_.append(chunk_, 0, got);
  counted_ += got;
  return got > 0;
}

namespace {
constexpr std::size_t kLongText = 80;
}  // namespace

// To the end of the line that stands at the front of the buffer.
void Lines::pass_over() {
  while (true) {
    const auto text = buffer_.text();
    const auto end = text.find('\n');
    buffer_.consume(end == text.npos ? text.size() : end + 1);
    if (end != text.npos || !buffer_.more()) return;
  }
}

Lines::Step Lines::next() {
  buffer_.consume(pending_);
  pending_ = 0;
  while (true) {
    auto text = buffer_.text();
    const auto end = text.find('\n');
    if (end == text.npos && text.size() <= bytes_max_) {
      if (buffer_.more()) continue;
      text = buffer_.text();  // reading on has moved it
      if (text.empty()) return Step::end;
    }
    ++number_;
    const auto size = std::min(end, text.size());
    if (size > bytes_max_) {
      long_ = text.substr(0, kLongText);
      text_ = long_;
      pass_over();
      return Step::too_long;
    }
    text_ = text.substr(0, size);
    pending_ = end == text.npos ? size : end + 1;
    if (text_.ends_with('\r')) text_.remove_suffix(1);
    const auto content = text_.find_first_not_of(" \t\r");
    if (content != text_.npos) return Step::line;
    buffer_.consume(pending_);
    pending_ = 0;
  }
}

}  // namespace entente::node
