// A node's disk in memory, as SQLite sees it: what was written but not synced may be lost, torn or
// kept, in any order, when the power goes.
//
// An SQLite VFS ("entente-simulation") that becomes the default, so that the product's own VFS with
// its page checksums (node/store/page_check.h) lies on top of it as it lies on a real disk. Paths
// are "/simulated/DISK/FILE". A file has two images: what readers see, and what is durable, with
// the writes between them in their order; a sync applies those. Shared memory for the WAL's index
// is memory and gone at a crash. Threads: one, and a thread at a time.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "schemas/base/bytes.h"
#include "schemas/base/random.h"
#include "schemas/base/time.h"

namespace entente::simulation {

class Disk {
 public:
  explicit Disk(std::string name);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  std::string path(const std::string& file) const { return "/simulated/" + name_ + "/" + file; }

  struct Pending {
    std::int64_t at = 0;
    Bytes data;
    bool truncate = false;  // to `at`
  };
  struct File {
    Bytes seen;
    Bytes durable;
    std::vector<Pending> pending;
    // Advisory locks of the file and of the WAL's index, by handle.
    int shared = 0;
    const void* reserved = nullptr;
    const void* exclusive = nullptr;
    std::deque<std::unique_ptr<std::array<char, 32'768>>> index;
    std::array<int, 8> index_shared{};
    std::array<const void*, 8> index_exclusive{};
    std::shared_ptr<int> generation = std::make_shared<int>(0);
  };

  // The power goes: open handles write nothing any more, reads fail.
  void cut_power();
  bool has_power() const { return power_; }
  // Comes back with what is durable and some of what was not synced. Nothing may be open.
  void restart(Random& random);

  // Faults.
  void cut_power_after(int writes, std::function<void()> told);  // in the middle of one
  void set_full(bool full) { full_ = full; }
  void fail_next_sync() { fails_sync_ = true; }
  // Mutations: a disk that only says that it synced, and one that loses a page it had synced.
  void lie_about_syncs() { lies_ = true; }
  bool lose_synced_page(Random& random);

  // Whether a power cut would keep everything that was written to this file.
  bool is_durable(const std::string& file) const;
  std::map<std::string, Bytes> durable_image() const;
  void put_image(const std::map<std::string, Bytes>& image);
  std::uint64_t syncs() const { return syncs_; }

  // For the VFS.
  std::shared_ptr<File> open(const std::string& path, bool create);
  bool exists(const std::string& path) const { return files_.contains(path); }
  void remove(const std::string& path) { files_.erase(path); }
  int write(File& file, const void* data, std::int64_t amount, std::int64_t at);
  int truncate(File& file, std::int64_t size);
  int sync(File& file);

 private:
  bool admits_write();
  static void apply(Bytes& image, const Pending& change);

  const std::string name_;
  std::map<std::string, std::shared_ptr<File>> files_;  // by path
  bool power_ = true;
  bool full_ = false;
  bool fails_sync_ = false;
  bool lies_ = false;
  int writes_left_ = -1;  // until the power goes; below zero: never
  std::function<void()> told_;
  std::uint64_t syncs_ = 0;
};

// Makes the VFS the default, once a process.
void use_simulated_disks();

}  // namespace entente::simulation
