// SQLite's own VFS with a count of syncs and switches that make them fail or wait.
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

  // While held, a sync waits: a stalled disk.
  void hold_syncs(bool hold) {
    held_ = hold;
    held_.notify_all();
  }

  bool note_sync() {
    ++syncs_;
    held_.wait(true);
    return failing_;
  }

 private:
  std::atomic<int> syncs_{0};
  std::atomic<bool> failing_{false};
  std::atomic<bool> held_{false};
};

}  // namespace entente::node::test
