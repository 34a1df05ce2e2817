// A growing file as a stream of whole lines, over its rotations.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "schemas/base/result.h"
#include "schemas/base/time.h"

namespace entente::node {

// When another file stands at the path (renamed, recreated) or the file became shorter, the old one
// is read to its end and the new one from its beginning.
class FollowedFile {
 public:
  struct Hooks {
    std::function<bool()> stopped;
    std::function<void(Duration)> sleep;
  };
  // Refuses: input_unreadable.
  static Result<std::unique_ptr<FollowedFile>> open(std::string path, Hooks hooks);
  ~FollowedFile();
  FollowedFile(const FollowedFile&) = delete;

  // Whole lines. 0 is a pause: what came so far may go on its way; the next call waits for more. 0
  // also before another file's first byte, see take_turned(), and at the end, see finished().
  std::size_t read(char* into, std::size_t size);
  // True once after a turn to another file: its lines count from 1, its header comes again.
  bool take_turned() { return std::exchange(turned_, false); }
  bool finished() const { return finished_; }

 private:
  FollowedFile(std::string path, Hooks hooks, int file);
  bool fill();
  bool replaced() const;

  const std::string path_;
  const Hooks hooks_;
  int file_;
  off_t position_ = 0;
  std::string held_;     // read and not given
  std::size_t cut_ = 0;  // of it, whole lines
  bool given_ = false;   // since the last pause
  // The line begun is longer than any may be: its rest is dropped, and whoever reads it refuses it.
  bool skipping_ = false;
  bool turned_ = false;
  bool finished_ = false;
};

}  // namespace entente::node
