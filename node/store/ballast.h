// A file that takes up room until the disk is full: then it is given up, so that checkpoints and
// deletions, which need room themselves, can go on and the node comes back by itself.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>

namespace entente::node {

// Threads: any.
class Ballast {
 public:
  Ballast(std::string path, std::size_t bytes) : path_(std::move(path)), bytes_(bytes) {}
  // Makes the file when it is not there and the disk has twice its room left. True when it is
  // there.
  bool keep();
  // Gives the room back. False: there was none.
  bool release();

 private:
  const std::string path_;
  const std::size_t bytes_;
  std::mutex mutex_;  // guards the file
};

}  // namespace entente::node
