#include "tests/simulation/disk.h"

#include <sqlite3.h>

#include <algorithm>

namespace entente::simulation {
namespace {

constexpr std::int64_t kSector = 512;
constexpr std::int64_t kPage = 4'096;

}  // namespace

void Disk::apply(Bytes& image, const Pending& change) {
  const auto at = static_cast<std::size_t>(change.at);
  if (change.truncate) {
    image.resize(std::min(image.size(), at));
    return;
  }
  if (image.size() < at + change.data.size()) image.resize(at + change.data.size());
  std::copy(change.data.begin(), change.data.end(),
            image.begin() + static_cast<std::ptrdiff_t>(at));
}

void Disk::cut_power() {
  power_ = false;
  writes_left_ = -1;
}

void Disk::cut_power_after(int writes, std::function<void()> told) {
  writes_left_ = writes;
  told_ = std::move(told);
}

void Disk::restart(Random& random) {
  // How much of what was not synced is there: nothing, all of it, or some, sector by sector.
  const auto luck = random.below(4);
  for (auto& [path, file] : files_) {
    for (const Pending& change : file->pending) {
      if (luck == 0) break;
      if (luck == 1 || change.truncate) {
        if (luck == 1 || random.below(2) == 0) apply(file->durable, change);
        continue;
      }
      const auto size = static_cast<std::int64_t>(change.data.size());
      for (std::int64_t from = 0; from < size; from += kSector) {
        if (random.below(3) == 0) continue;
        const auto to = std::min(from + kSector, size);
        apply(file->durable,
              {change.at + from, Bytes(change.data.begin() + from, change.data.begin() + to)});
      }
    }
    auto fresh = std::make_shared<File>();
    fresh->durable = std::move(file->durable);
    fresh->seen = fresh->durable;
    file = std::move(fresh);
  }
  power_ = true;
  fails_sync_ = false;
  full_ = false;
  writes_left_ = -1;
}

bool Disk::admits_write() {
  if (!power_) return false;
  if (writes_left_ < 0 || --writes_left_ >= 0) return true;
  cut_power();
  if (told_) told_();
  return false;
}

int Disk::write(File& file, const void* data, std::int64_t amount, std::int64_t at) {
  if (!admits_write()) return SQLITE_IOERR_WRITE;
  if (full_) return SQLITE_FULL;
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  Pending change{at, Bytes(bytes, bytes + amount)};
  apply(file.seen, change);
  file.pending.push_back(std::move(change));
  return SQLITE_OK;
}

int Disk::truncate(File& file, std::int64_t size) {
  if (!admits_write()) return SQLITE_IOERR_TRUNCATE;
  Pending change{size, {}, true};
  apply(file.seen, change);
  file.pending.push_back(std::move(change));
  return SQLITE_OK;
}

int Disk::sync(File& file) {
  if (!admits_write()) return SQLITE_IOERR_FSYNC;
  if (std::exchange(fails_sync_, false)) return SQLITE_IOERR_FSYNC;
  ++syncs_;
  if (lies_) return SQLITE_OK;
  for (const Pending& change : file.pending) apply(file.durable, change);
  file.pending.clear();
  return SQLITE_OK;
}

bool Disk::lose_synced_page(Random& random) {
  for (auto& [path, file] : files_) {
    const auto pages = static_cast<std::int64_t>(file->durable.size()) / kPage;
    if (!path.ends_with("-wal") || pages < 2) continue;
    const auto at = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(pages)));
    auto page = file->durable.begin() + at * kPage;
    std::fill(page, page + kPage, std::uint8_t{0});
    file->seen = file->durable;
    return true;
  }
  return false;
}

bool Disk::is_durable(const std::string& file) const {
  const auto found = files_.find(path(file));
  return found == files_.end() || found->second->pending.empty();
}

std::map<std::string, Bytes> Disk::durable_image() const {
  std::map<std::string, Bytes> image;
  for (const auto& [path, file] : files_) image.emplace(path, file->durable);
  return image;
}

void Disk::put_image(const std::map<std::string, Bytes>& image) {
  files_.clear();
  for (const auto& [path, bytes] : image) {
    auto file = std::make_shared<File>();
    file->durable = file->seen = bytes;
    files_.emplace(path, std::move(file));
  }
}

std::shared_ptr<Disk::File> Disk::open(const std::string& path, bool create) {
  auto found = files_.find(path);
  if (found != files_.end()) return found->second;
  if (!create) return nullptr;
  return files_.emplace(path, std::make_shared<File>()).first->second;
}

}  // namespace entente::simulation
