#include "node/cli/followed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "node/cli/limits.h"
#include "node/limits.h"

namespace entente::node {

Result<std::unique_ptr<FollowedFile>> FollowedFile::open(std::string path, Hooks hooks) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return make_error(ErrorCode::input_unreadable, "cannot open " + path,
                      "name a file that exists and that you may read");
  }
  return std::unique_ptr<FollowedFile>(new FollowedFile(std::move(path), std::move(hooks), file));
}

FollowedFile::FollowedFile(std::string path, Hooks hooks, int file)
    : path_(std::move(path)), hooks_(std::move(hooks)), file_(file) {}

FollowedFile::~FollowedFile() {
  ::close(file_);
}

bool FollowedFile::replaced() const {
  struct stat ours {};
  struct stat there {};
  if (::stat(path_.c_str(), &there) != 0) return false;  // not there yet
  if (::fstat(file_, &ours) != 0) return true;
  return ours.st_ino != there.st_ino || ours.st_dev != there.st_dev || there.st_size < position_;
}

// Reads more; false when nothing new is there.
bool FollowedFile::fill() {
  const auto before = held_.size();
  held_.resize(before + limits::kReadBytes);
  const auto got = ::read(file_, held_.data() + before, limits::kReadBytes);
  held_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got <= 0) return false;
  position_ += got;
  if (skipping_) {
    const auto end = held_.find('\n', before);
    held_.erase(before, end == std::string::npos ? end : end - before);
    if (end == std::string::npos) return true;
    skipping_ = false;
  }
  const auto end = held_.rfind('\n');
  cut_ = end == std::string::npos ? 0 : end + 1;
  skipping_ = cut_ == 0 && held_.size() > limits::kRecordBytes;
  return true;
}

std::size_t FollowedFile::read(char* into, std::size_t size) {
  while (true) {
    if (hooks_.stopped()) {
      finished_ = true;
      return 0;
    }
    if (cut_ > 0) {
      const auto given = held_.copy(into, std::min(size, cut_));
      held_.erase(0, given);
      cut_ -= given;
      given_ = true;
      return given;
    }
    if (fill()) continue;
    if (std::exchange(given_, false)) return 0;
    if (replaced()) {
      if (!held_.empty()) {  // the last line of the old file, which nobody will end
        held_ += '\n';
        cut_ = held_.size();
        continue;
      }
      const int next = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
      if (next >= 0) {
        ::close(std::exchange(file_, next));
        position_ = 0;
        skipping_ = false;
        turned_ = true;
        return 0;
      }
    }
    hooks_.sleep(limits::kFollowPause);
  }
}

}  // namespace entente::node
