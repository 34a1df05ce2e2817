// SQLite's own VFS with a count of syncs and a switch that makes the next one fail.
#pragma once

#include <atomic>

namespace entente::node::test {

// Installed as the default VFS while it lives; databases opened meanwhile must be closed before its
// end. Threads: counts from any.
class CountingVfs {
 public:
  CountingVfs();
  CountingVfs(const CountingVfs&) = delete;
  CountingVfs& operator=(const CountingVfs&) = delete;
  ~CountingVfs();

  int syncs() const { return syncs_; }
  void reset() { syncs_ = 0; }
  void fail_syncs(bool fail) { failing_ = fail; }

  bool note_sync() { return ++syncs_, failing_; }

 private:
  std::atomic<int> syncs_{0};
  std::atomic<bool> failing_{false};
};

}  // namespace entente::node::test
