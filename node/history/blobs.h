// Segments and buckets read from history.db, checked, and kept while there is room.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "node/history/segment.h"
#include "node/store/store.h"

namespace entente::node {

// Least recently used leave first. Threads: any.
template <class T>
class BlobCache {
 public:
  explicit BlobCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  std::shared_ptr<const T> find(std::int64_t id) {
    std::lock_guard guard(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) return nullptr;
    recent_.splice(recent_.begin(), recent_, found->second.place);
    return found->second.value;
  }
  void put(std::int64_t id, std::shared_ptr<const T> value) {
    const auto bytes = value->memory();
    std::lock_guard guard(mutex_);
    if (entries_.contains(id)) return;
    recent_.push_front(id);
    entries_.emplace(id, Entry{std::move(value), bytes, recent_.begin()});
    bytes_ += bytes;
    make_room();
  }
  // Asks again how much memory an entry takes.
  void weigh(std::int64_t id) {
    std::lock_guard guard(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    const auto bytes = found->second.value->memory();
    bytes_ += bytes - found->second.bytes;
    found->second.bytes = bytes;
    make_room();
  }

 private:
  void make_room() {
    while (bytes_ > bytes_max_ && recent_.size() > 1) {
      const auto oldest = entries_.find(recent_.back());
      bytes_ -= oldest->second.bytes;
      entries_.erase(oldest);
      recent_.pop_back();
    }
  }
  struct Entry {
    std::shared_ptr<const T> value;
    std::size_t bytes = 0;
    std::list<std::int64_t>::iterator place;
  };
  const std::size_t bytes_max_;
  std::mutex mutex_;  // guards what follows
  std::unordered_map<std::int64_t, Entry> entries_;
  std::list<std::int64_t> recent_;  // most recent first
  std::size_t bytes_ = 0;
};

// Threads: any but the loop. Throws StoreFault when the file cannot be read or fails a checksum,
// naming the blob.
class Blobs {
 public:
  explicit Blobs(const Store& store);

  // Null when it is gone: what replaced it stands in the group's places by now.
  std::shared_ptr<const Directory> directory(std::int64_t segment);
  std::shared_ptr<const SegmentData> data(std::int64_t segment);
  std::shared_ptr<const Directory> bucket(std::int64_t bucket);
  // To be told after a segment's data was used, which may have grown by that.
  void weigh(std::int64_t segment) { data_.weigh(segment); }

  // A query-only connection while `use` runs; connections are kept.
  template <class Use>
  auto with_reader(Use use) {
    auto reader = borrow();
    auto result = use(*reader);
    give_back(std::move(reader));
    return result;
  }

 private:
  std::unique_ptr<Database> borrow();
  void give_back(std::unique_ptr<Database> reader);
  Bytes read(const char* sql, std::int64_t id);

  const Store& store_;
  BlobCache<Directory> directories_;
  BlobCache<Directory> buckets_;
  BlobCache<SegmentData> data_;
  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Database>> readers_;  // guarded by readers_mutex_
};

}  // namespace entente::node
