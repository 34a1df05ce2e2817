// Power cuts at every write, sync and truncation of 500 operations of the history, with unsynced
// writes lost, torn and reordered. ENTENTE_CUTS=all cuts everywhere; the test command at a share.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <unordered_map>

#include "tests/unit/node/history/crash_model.h"
#include "tests/unit/node/history/recording_vfs.h"
#include "tests/unit/node/store/vfs_shim.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {
namespace {

using Kind = DiskEvent::Kind;

RecordingVfs* active = nullptr;
VfsShim shim;
Guarded<std::unordered_map<sqlite3_file*, std::string>> names;

void note(sqlite3_file* file, Kind kind, std::int64_t at, ByteView data) {
  const auto name = names.with([&](auto& all) { return all[file]; });
  if (active != nullptr && !name.empty()) active->note({kind, name, at, to_bytes(data)});
}

int write_noted(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  const int code = VfsShim::methods_of(file).xWrite(file, data, size, at);
  note(file, Kind::write, at, {static_cast<const std::uint8_t*>(data), std::size_t(size)});
  return code;
}

int sync_noted(sqlite3_file* file, int) {
  note(file, Kind::sync, 0, {});  // into the record only: the machine of the test loses no power
  return SQLITE_OK;
}

int truncate_noted(sqlite3_file* file, sqlite3_int64 size) {
  note(file, Kind::truncate, size, {});
  return VfsShim::methods_of(file).xTruncate(file, size);
}

int close_noted(sqlite3_file* file) {
  names.with([&](auto& all) { all.erase(file); });
  return VfsShim::methods_of(file).xClose(file);
}

int open_noted(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  const int code = shim.open(name, file, flags, out, [](sqlite3_io_methods& methods) {
    methods.xWrite = write_noted;
    methods.xSync = sync_noted;
    methods.xTruncate = truncate_noted;
    methods.xClose = close_noted;
  });
  if (code == SQLITE_OK && name != nullptr) {
    names.with([&](auto& all) { all[file] = std::filesystem::path(name).filename().string(); });
  }
  return code;
}

int delete_noted(sqlite3_vfs*, const char* name, int sync) {
  if (active != nullptr) {
    active->note({Kind::remove, std::filesystem::path(name).filename().string(), sync, {}});
  }
  return shim.original().xDelete(&shim.original(), name, 0);
}

}  // namespace

RecordingVfs::RecordingVfs() {
  active = this;
  shim.install("recording", open_noted, delete_noted);
}

RecordingVfs::~RecordingVfs() {
  shim.remove();
  active = nullptr;
}

void Disk::apply(const DiskEvent& event, Bytes& content) {
  const auto at = static_cast<std::size_t>(event.at);
  if (event.kind == Kind::truncate) return content.resize(at);
  if (content.size() < at + event.data.size()) content.resize(at + event.data.size());
  std::copy(event.data.begin(), event.data.end(),
            content.begin() + static_cast<std::ptrdiff_t>(at));
}

void Disk::happen(const DiskEvent& event) {
  if (event.kind == Kind::word) return;
  auto& file = files_[event.file];
  if (event.kind == Kind::sync) {
    if (syncs_ == Syncs::ignored) return;
    // SQLite's first sync of a WAL or journal that it made syncs the folder as well.
    if (!file.exists && event.file.find('-') != std::string::npos) {
      for (auto& [name, each] : files_) {
        const auto removed =
            std::find_if(each.pending.rbegin(), each.pending.rend(),
                         [](const DiskEvent& pending) { return pending.kind == Kind::remove; });
        if (removed == each.pending.rend()) continue;
        each.pending.erase(each.pending.begin(), removed.base());
        each.durable.clear();
        each.exists = false;
      }
    }
    for (const auto& each : file.pending) apply(each, file.durable);
    file.pending.clear();
    file.exists = true;
  } else if (event.kind == Kind::remove && event.at != 0) {
    file = {};
  } else {
    file.pending.push_back(event);
  }
}

std::map<std::string, Bytes> Disk::survivor(Random& random) const {
  constexpr std::size_t kSector = 512;
  std::map<std::string, Bytes> left;
  for (const auto& [name, file] : files_) {
    Bytes content = file.durable;
    bool exists = file.exists;
    auto pending = file.pending;
    // Nothing, everything, a prefix, or any part of it in any order.
    const auto fate = random.below(4);
    if (fate == 0) pending.clear();
    if (fate == 2) pending.resize(pending.size() - random.below(pending.size() + 1));
    if (fate == 3) {
      for (std::size_t i = pending.size(); i > 1; --i) {
        std::swap(pending[i - 1], pending[random.below(i)]);
      }
      std::erase_if(pending, [&](const DiskEvent&) { return random.below(2) == 0; });
    }
    for (auto& event : pending) {
      exists = event.kind != Kind::remove;
      if (event.kind == Kind::remove) {
        content.clear();
        continue;
      }
      // A torn write: whole sectors of it, as they lie on the disk.
      if (event.kind == Kind::write && fate >= 2 && random.below(2) == 0) {
        const auto first = kSector - static_cast<std::size_t>(event.at) % kSector;
        const auto sectors = event.data.size() > first ? (event.data.size() - first) / kSector : 0;
        const auto kept = random.below(sectors + 2);
        event.data.resize(kept == 0 ? 0
                                    : std::min(event.data.size(), first + (kept - 1) * kSector));
        if (event.data.empty()) continue;
      }
      apply(event, content);
    }
    if (exists) left.emplace(name, std::move(content));
  }
  return left;
}

namespace {

constexpr int kOperationBatches = 340;  // with 113 seals and 48 erasures

std::vector<DiskEvent> recorded() {
  TemporaryFolder folder;
  RecordingVfs vfs;
  live(folder / "h.db", kOperationBatches, [&](int word) { vfs.say(word); });
  return vfs.events();
}

void put(const std::map<std::string, Bytes>& files, const TemporaryFolder& folder) {
  for (const auto& [name, content] : files) {
    std::ofstream file(folder / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(content.data()),
               static_cast<std::streamsize>(content.size()));
  }
}

std::set<std::size_t> cuts_of(std::size_t events, std::size_t share, Random& random) {
  const char* asked = std::getenv("ENTENTE_CUTS");
  std::set<std::size_t> cuts;
  if (asked != nullptr && std::strcmp(asked, "all") == 0) share = events;
  if (share >= events) {
    for (std::size_t i = 0; i < events; ++i) cuts.insert(i);
  } else {
    while (cuts.size() < share) cuts.insert(random.below(events));
  }
  return cuts;
}

// True when it opens and holds what the words said tell.
bool survives(const std::string& path, const std::vector<int>& said) {
  static const SystemClock clock;
  Store::Options options;
  options.path = path;
  options.migrations = history_migrations();
  auto store = Store::open(std::move(options));
  if (!store) return false;
  auto history = open_history(**store, clock);
  if (!history) return false;
  Model model;
  for (const int word : said) {
    if (word > 0) write(**history, model, word);
    if (word < 0) erase(model, -word);
  }
  return equals(**history, model);
}

}  // namespace

TEST_SUITE("node/history power cuts") {
  TEST_CASE("a power cut at any write sync or truncation loses and halves nothing") {
    const auto events = recorded();
    std::map<Kind, int> kinds;
    for (const auto& event : events) ++kinds[event.kind];
    CHECK(kinds[Kind::word] == kOperationBatches + kOperationBatches / 7);
    const auto seed = static_cast<std::uint32_t>(std::random_device{}());
    CAPTURE(seed);
    SeededRandom random(seed);
    const auto cuts = cuts_of(events.size(), 150, random);
    Disk disk(Disk::Syncs::kept);
    std::vector<int> said;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (cuts.contains(i)) {
        CAPTURE(i);
        TemporaryFolder folder;
        put(disk.survivor(random), folder);
        check_survivor(folder / "h.db", said);
      }
      disk.happen(events[i]);
      if (events[i].kind == Kind::word) said.push_back(static_cast<int>(events[i].at));
    }
    MESSAGE("seed " << seed << ": " << cuts.size() << " cuts checked of " << events.size()
                    << " places: " << kinds[Kind::write] << " writes, " << kinds[Kind::sync]
                    << " syncs, " << kinds[Kind::truncate] << " truncations");
  }

  TEST_CASE("on a disk that ignores syncs the same cuts lose what was acknowledged") {
    const auto events = recorded();
    const auto seed = static_cast<std::uint32_t>(std::random_device{}());
    CAPTURE(seed);
    SeededRandom random(seed);
    std::set<std::size_t> cuts;
    while (cuts.size() < 12) cuts.insert(events.size() / 4 + random.below(events.size() / 2));
    Disk disk(Disk::Syncs::ignored);
    std::vector<int> said;
    int lost = 0;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (cuts.contains(i)) {
        TemporaryFolder folder;
        put(disk.survivor(random), folder);
        lost += !survives(folder / "h.db", said);
      }
      disk.happen(events[i]);
      if (events[i].kind == Kind::word) said.push_back(static_cast<int>(events[i].at));
    }
    MESSAGE("lost at " << lost << " of " << cuts.size() << " cuts");
    CHECK(lost > 0);
  }
}

}  // namespace entente::node::test
