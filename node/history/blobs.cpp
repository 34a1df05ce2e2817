#include "node/history/blobs.h"

#include "node/limits.h"

namespace entente::node {
namespace {

[[noreturn]] void fail(const char* what, std::int64_t id, const Error& error) {
  throw StoreFault(
      "history.db, " + std::string(what) + " " + std::to_string(id) + ": " + error.what, 0);
}

}  // namespace

Blobs::Blobs(const Store& store)
    : store_(store),
      directories_(limits::kKeptDirectoryBytes),
      buckets_(limits::kKeptBucketBytes),
      data_(limits::kKeptDataBytes) {}

std::shared_ptr<const Directory> Blobs::directory(std::int64_t segment) {
  if (auto kept = directories_.find(segment)) return kept;
  const auto bytes = read("SELECT directory FROM segment WHERE id = ?", segment);
  if (bytes.empty()) return nullptr;
  auto decoded = Directory::decode(bytes);
  if (!decoded) fail("segment", segment, decoded.error());
  auto made = std::make_shared<const Directory>(std::move(*decoded));
  directories_.put(segment, made);
  return made;
}

std::shared_ptr<const SegmentData> Blobs::data(std::int64_t segment) {
  if (auto kept = data_.find(segment)) return kept;
  auto bytes = read("SELECT data FROM segment WHERE id = ?", segment);
  if (bytes.empty()) return nullptr;
  auto opened = SegmentData::open(std::move(bytes));
  if (!opened) fail("segment", segment, opened.error());
  std::shared_ptr<const SegmentData> made = std::move(*opened);
  data_.put(segment, made);
  return made;
}

std::shared_ptr<const Directory> Blobs::bucket(std::int64_t bucket) {
  if (auto kept = buckets_.find(bucket)) return kept;
  const auto bytes = read("SELECT directory FROM bucket WHERE id = ?", bucket);
  if (bytes.empty()) return nullptr;
  auto decoded = Directory::decode(bytes);
  if (!decoded) fail("bucket", bucket, decoded.error());
  auto made = std::make_shared<const Directory>(std::move(*decoded));
  buckets_.put(bucket, made);
  return made;
}

Bytes Blobs::read(const char* sql, std::int64_t id) {
  return with_reader([&](Database& reader) {
    auto& row = reader.cached(sql);
    row.bind(1, id);
    Bytes bytes = row.step() ? row.blob(0) : Bytes();
    row.reset();
    return bytes;
  });
}

std::unique_ptr<Database> Blobs::borrow() {
  {
    std::lock_guard guard(readers_mutex_);
    if (!readers_.empty()) {
      auto reader = std::move(readers_.back());
      readers_.pop_back();
      return reader;
    }
  }
  auto opened = store_.reader();
  if (!opened) throw StoreFault(opened.error().what, 0);
  return std::make_unique<Database>(std::move(*opened));
}

void Blobs::give_back(std::unique_ptr<Database> reader) {
  std::lock_guard guard(readers_mutex_);
  if (readers_.size() < limits::kIdleReaders) readers_.push_back(std::move(reader));
}

}  // namespace entente::node
