// SQLite's own VFS with a record of every write, sync, truncation and deletion, from which the disk
// can be rebuilt as a power cut at any of them may have left it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "schemas/base/bytes.h"
#include "schemas/base/guarded.h"
#include "schemas/base/random.h"

namespace entente::node::test {

struct DiskEvent {
  enum class Kind { write, sync, truncate, remove, word };
  Kind kind = Kind::word;
  std::string file;
  std::int64_t at = 0;  // write: offset; truncate: size; remove: 1 when synced; word: what was said
  Bytes data;
};

// Installed as the default VFS while it lives; databases opened meanwhile must be closed before its
// end. Threads: any.
class RecordingVfs {
 public:
  RecordingVfs();
  RecordingVfs(const RecordingVfs&) = delete;
  RecordingVfs& operator=(const RecordingVfs&) = delete;
  ~RecordingVfs();

  void note(DiskEvent event) {
    events_.with([&](auto& all) { all.push_back(std::move(event)); });
  }
  // An acknowledgement, among the events.
  void say(int word) { note({DiskEvent::Kind::word, "", word, {}}); }
  std::vector<DiskEvent> events() const {
    return events_.with([](const auto& all) { return all; });
  }

 private:
  Guarded<std::vector<DiskEvent>> events_;
};

// The disk while events happen to it one after the other.
class Disk {
 public:
  enum class Syncs { kept, ignored };
  explicit Disk(Syncs syncs) : syncs_(syncs) {}
  void happen(const DiskEvent& event);
  // What a power cut now may leave: of the writes since a file's last sync any, in any order, whole
  // or by sectors of 512 bytes. Files by name.
  std::map<std::string, Bytes> survivor(Random& random) const;

 private:
  struct File {
    Bytes durable;
    bool exists = false;  // durably
    std::vector<DiskEvent> pending;
  };
  static void apply(const DiskEvent& event, Bytes& content);
  const Syncs syncs_;
  std::map<std::string, File> files_;
};

}  // namespace entente::node::test
