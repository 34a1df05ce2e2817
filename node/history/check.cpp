#include "node/history/check.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "node/history/group.h"
#include "node/history/history.h"
#include "node/history/journal.h"
#include "node/history/segment.h"
#include "node/limits.h"
#include "node/store/page_check.h"
#include "node/store/sqlite.h"

namespace entente::node {
namespace {

constexpr const char* kRepair = "run 'entente node check --repair', or restore the latest backup";

std::string name_of(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

std::string row_of(const char* what, std::int64_t number) {
  return std::string(what) + " " + std::to_string(number);
}

bool close(double a, double b, double scale) {
  return a == b || std::abs(a - b) <= 1e-9 * (1 + std::abs(scale)) ||
         (std::isnan(a) && std::isnan(b));
}

// Sums depend on the order in which stretches were merged; everything else is exact.
bool agree(const Partial& a, const Partial& b) {
  const double magnitude = std::max({std::abs(a.minimum), std::abs(a.maximum), 1.0});
  const double n = static_cast<double>(a.count + 1);
  const double span = static_cast<double>(a.last_time - a.first_time) / 1e9;
  return a.readings == b.readings && a.count == b.count && close(a.minimum, b.minimum, 0) &&
         close(a.maximum, b.maximum, 0) && close(a.first, b.first, 0) && close(a.last, b.last, 0) &&
         a.first_time == b.first_time && a.last_time == b.last_time &&
         close(a.sum, b.sum, magnitude * n) &&
         close(a.squares, b.squares, magnitude * magnitude * n) &&
         close(a.integral, b.integral, magnitude * span) && close(a.rise, b.rise, magnitude * n);
}

// A segment as its row has it, and as its data say it should be.
struct ReadSegment {
  std::vector<Place> places;
  std::vector<Readings> readings;  // beside places
};

class HistoryCheck {
 public:
  HistoryCheck(Database& database, std::string file, CheckReport& report)
      : database_(database), file_(std::move(file)), report_(report) {}

  void run() {
    step("name", &HistoryCheck::names);
    step("segment", &HistoryCheck::segments);
    step("journal", &HistoryCheck::journal);
    step("latest", &HistoryCheck::latest);
    step("bucket", &HistoryCheck::buckets);
    step("correction", &HistoryCheck::corrections);
  }

 private:
  struct SegmentRow {
    SegmentPlace place;
    std::size_t group = 0;
  };

  void step(const char* table, void (HistoryCheck::*check)()) {
    try {
      (this->*check)();
    } catch (const StoreFault& fault) {
      found(table, "", fault.what());
    }
  }
  void found(const char* table, std::string row, std::string what, const char* remedy = kRepair) {
    report_.findings.push_back({file_, table, std::move(row), std::move(what), remedy});
  }

  void names() {
    auto rows = database_.prepare("SELECT id, twin, signal FROM name ORDER BY id");
    for (std::int64_t next = 0; rows.step(); ++next) {
      ++report_.series;
      const auto id = rows.integer(0);
      if (id != next) found("name", row_of("series", next), "numbers are not dense");
      next = id;
      if (rows.text(1).empty() != rows.text(2).empty()) {
        found("name", row_of("series", id), "has no name");
      }
      if (rows.text(1).empty()) forgotten_.insert(id);
    }
  }

  bool known(std::int64_t series) const {
    return series >= 0 && static_cast<std::uint64_t>(series) < report_.series &&
           !forgotten_.contains(series);
  }
  bool known(std::size_t group, Place place) const { return known(series_of(group, place)); }

  void segments() {
    auto rows = database_.prepare(
        "SELECT id, series_group, first_time, last_time, readings FROM segment NOT INDEXED "
        "ORDER BY id");
    while (rows.step()) {
      SegmentRow row;
      row.place = {rows.integer(0), rows.integer(2), rows.integer(3),
                   static_cast<std::uint64_t>(rows.integer(4))};
      row.group = static_cast<std::size_t>(rows.integer(1));
      ++report_.segments;
      try {
        check_segment(row);
      } catch (const StoreFault& fault) {
        found("segment", row_of("segment", row.place.id), fault.what());
      }
      by_group_[row.group].push_back(row.place);
    }
    for (auto& [group, places] : by_group_) {
      std::sort(places.begin(), places.end(), [](const SegmentPlace& a, const SegmentPlace& b) {
        return a.first_time < b.first_time;
      });
      for (std::size_t i = 1; i < places.size(); ++i) {
        if (places[i].first_time <= places[i - 1].last_time) {
          found("segment", row_of("segment", places[i].id),
                "overlaps " + row_of("segment", places[i - 1].id));
        }
      }
    }
  }

  Result<ReadSegment> read_segment(std::int64_t id, Bytes* directory_bytes, Bytes* data_bytes) {
    auto& row = database_.cached("SELECT directory, data FROM segment WHERE id = ?");
    row.bind(1, id);
    if (!row.step()) return make_error(ErrorCode::store_failed, "is listed and not there");
    auto directory_blob = row.blob(0);
    auto data_blob = row.blob(1);
    row.reset();
    auto directory = Directory::decode(directory_blob);
    if (!directory) return std::move(directory).error();
    auto data = SegmentData::open(data_blob);
    if (!data) return std::move(data).error();
    ReadSegment made;
    for (const auto& series : directory->series()) {
      Readings readings;
      if (auto read = (*data)->read(series, kAllTime, readings); !read) {
        return std::move(read).error();
      }
      if (readings.empty()) return make_error(ErrorCode::store_failed, "holds an empty chunk");
      made.places.push_back(series.place);
      made.readings.push_back(std::move(readings));
    }
    if (directory_bytes != nullptr) *directory_bytes = std::move(directory_blob);
    if (data_bytes != nullptr) *data_bytes = std::move(data_blob);
    return made;
  }

  void check_segment(const SegmentRow& row) {
    const auto name = row_of("segment", row.place.id);
    Bytes directory;
    Bytes data;
    auto read = read_segment(row.place.id, &directory, &data);
    if (!read) return found("segment", name, read.error().what);
    for (std::size_t i = 0; i < read->places.size(); ++i) {
      const auto place = read->places[i];
      const auto& of = read->readings[i];
      if (!known(row.group, place)) {
        found("segment", name,
              "holds readings of " + row_of("series", series_of(row.group, place)) +
                  ", which has no name");
      }
      auto& last = last_[{row.group, place}];
      if (!last || of.times.back() > last->time) {
        last = Entry{of.times.back(), of.values.back(), of.qualities.back()};
      }
    }
    const std::vector<ReadingsView> views(read->readings.begin(), read->readings.end());
    const auto made = encode_segment(read->places, views);
    report_.readings += made.readings;
    if (made.data != data) found("segment", name, "its data are not what its readings encode to");
    if (made.directory != directory) {
      found("segment", name, "its summaries are not what its readings come to");
    }
    if (made.first_time != row.place.first_time || made.last_time != row.place.last_time ||
        made.readings != row.place.readings) {
      found("segment", name, "its times or number of readings are not those of its readings");
    }
  }

  static std::int64_t series_of(std::size_t group, Place place) {
    return static_cast<std::int64_t>(group * kGroupSeries + place);
  }

  void journal() {
    auto rows = database_.prepare("SELECT seq, batch FROM journal ORDER BY seq");
    while (rows.step()) {
      ++report_.batches;
      const auto name = row_of("row", rows.integer(0));
      const auto batch = decode_batch(rows.blob(1));
      if (!batch) {
        found("journal", name, batch.error().what);
        continue;
      }
      report_.readings += batch->size();
      const bool unknown =
          std::any_of(batch->series.begin(), batch->series.end(),
                      [&](SeriesId id) { return !known(static_cast<std::int64_t>(id)); });
      if (unknown) found("journal", name, "speaks of a series that has no name");
    }
  }

  void latest() {
    auto rows = database_.prepare("SELECT series_group, directory FROM latest");
    std::map<std::pair<std::size_t, Place>, std::optional<Entry>> said;
    while (rows.step()) {
      const auto group = static_cast<std::size_t>(rows.integer(0));
      auto directory = Directory::decode(rows.blob(1));
      if (!directory) {
        found("latest", row_of("group", rows.integer(0)), directory.error().what);
        continue;
      }
      for (const auto& series : directory->series()) said[{group, series.place}] = series.last;
    }
    for (const auto* one : {&last_, &said}) {
      const auto& other = one == &last_ ? said : last_;
      for (const auto& [key, entry] : *one) {
        const auto there = other.find(key);
        const bool same = there != other.end() && there->second->time == entry->time &&
                          same_reading(*there->second, *entry);
        if (same || (one == &said && there != other.end())) continue;
        if (one == &said && entry->time < horizon_of(key.first)) continue;
        found("latest", row_of("series", series_of(key.first, key.second)),
              "is not the latest reading of its segments");
      }
    }
  }

  void buckets() {
    auto rows = database_.prepare(
        "SELECT id, series_group, level, start, directory FROM bucket NOT INDEXED "
        "ORDER BY series_group, level, start");
    while (rows.step()) {
      ++report_.buckets;
      const auto name = row_of("bucket", rows.integer(0));
      const auto level = rows.integer(2);
      const auto start = rows.integer(3);
      if (level < 0 || level >= static_cast<std::int64_t>(kLevels) ||
          bucket_start(static_cast<Level>(level), start) != start) {
        found("bucket", name, "is of no level or begins where none does");
        continue;
      }
      const auto directory = Directory::decode(rows.blob(4));
      if (!directory) {
        found("bucket", name, directory.error().what);
        continue;
      }
      const auto group = static_cast<std::size_t>(rows.integer(1));
      const TimeWindow window{{start}, {start + length_ns(static_cast<Level>(level))}};
      // What retention rolled up has no readings to compare with.
      if (start < horizon_of(group)) continue;
      if (!bucket_agrees(*directory, group, window)) {
        found("bucket", name, "is not what the readings of its time come to");
      }
    }
  }

  std::int64_t horizon_of(std::size_t group) {
    if (!horizons_) {
      horizons_.emplace();
      auto rows = database_.prepare("SELECT series_group, readings_from FROM retained");
      while (rows.step()) {
        (*horizons_)[static_cast<std::size_t>(rows.integer(0))] = rows.integer(1);
      }
    }
    const auto found = horizons_->find(group);
    return found == horizons_->end() ? std::numeric_limits<std::int64_t>::min() : found->second;
  }

  bool bucket_agrees(const Directory& directory, std::size_t group, TimeWindow window) {
    std::vector<Summary> made(kGroupSeries);
    const auto places = by_group_.find(group);
    if (places == by_group_.end()) return directory.series().empty();
    for (const auto& segment : places->second) {
      if (segment.last_time < window.from.ns || segment.first_time >= window.to.ns) continue;
      const auto* read = segment_kept(segment.id);
      if (read == nullptr) return true;  // named already
      for (std::size_t i = 0; i < read->places.size(); ++i) {
        add(read->readings[i], window, made[read->places[i]]);
      }
    }
    for (std::size_t place = 0; place < kGroupSeries; ++place) {
      const auto* series = directory.find(static_cast<Place>(place));
      if (series == nullptr && made[place].partial.readings == 0) continue;
      if (series == nullptr || !agree(series->partial, made[place].partial)) return false;
      if (!(directory.sketch(static_cast<Place>(place)) == made[place].sketch)) return false;
    }
    return true;
  }

  static void add(const Readings& of, TimeWindow window, Summary& into) {
    const auto begin = std::lower_bound(of.times.begin(), of.times.end(), window.from.ns);
    const auto end = std::lower_bound(begin, of.times.end(), window.to.ns);
    const auto from = static_cast<std::size_t>(begin - of.times.begin());
    const auto count = static_cast<std::size_t>(end - begin);
    into.partial.add(std::span(of.times).subspan(from, count),
                     std::span(of.values).subspan(from, count),
                     std::span(of.qualities).subspan(from, count));
    for (std::size_t i = from; i < from + count; ++i) {
      if (of.qualities[i] == Quality::good) into.sketch.add(of.values[i]);
    }
  }

  // Buckets come in order of time, so that a few segments serve many of them.
  const ReadSegment* segment_kept(std::int64_t id) {
    const auto kept = kept_.find(id);
    if (kept != kept_.end()) return kept->second ? &*kept->second : nullptr;
    if (kept_.size() >= limits::kCheckedSegmentsKept) kept_.erase(kept_.begin());
    auto read = read_segment(id, nullptr, nullptr);
    auto& made = kept_[id];
    if (read) made = std::move(*read);
    return made ? &*made : nullptr;
  }

  void corrections() {
    auto rows = database_.prepare("SELECT rowid, series, quality FROM correction NOT INDEXED");
    while (rows.step()) {
      ++report_.corrections;
      if (!known(rows.integer(1)) || rows.integer(2) < 0 || rows.integer(2) >= kQualities) {
        found("correction", row_of("row", rows.integer(0)),
              "speaks of a series that has no name, or of a quality that is none");
      }
    }
  }

  Database& database_;
  const std::string file_;
  CheckReport& report_;
  std::set<std::int64_t> forgotten_;                           // series: nothing speaks of them
  std::map<std::size_t, std::vector<SegmentPlace>> by_group_;  // ascending in time
  std::map<std::pair<std::size_t, Place>, std::optional<Entry>> last_;
  std::map<std::int64_t, std::optional<ReadSegment>> kept_;
  std::optional<std::map<std::size_t, std::int64_t>> horizons_;  // by group, of its readings
};

}  // namespace

void check_file(const std::string& path, CheckReport& report) {
  const auto file = name_of(path);
  const auto found = [&](std::string row, std::string what) {
    report.findings.push_back({file, "", std::move(row), std::move(what), kRepair});
  };
  const ReadDamagedPages all;
  if (auto wal = check_wal(path); !wal) {
    found("the WAL", wal.error().what);
  } else {
    // As every opening does: what a crash left in the WAL goes into the file, over what it tore.
    const auto copied = Database::open(path, Database::Mode::read_write, Database::Check::none);
    if (!copied) return found("", copied.error().what);
  }
  if (auto scan = scan_pages(path); !scan) {
    return found("", scan.error().what);
  } else {
    report.pages += scan->pages;
    for (const auto page : scan->damaged) found(row_of("page", page), "fails its checksum");
  }
  auto database = Database::open(path, Database::Mode::read_only);
  if (!database) return found("", database.error().what);
  try {
    auto rows = database->prepare("PRAGMA integrity_check");
    while (rows.step()) {
      if (rows.text(0) != "ok") found("", rows.text(0));
    }
  } catch (const StoreFault& fault) {
    found("", fault.what());
  }
}

void check_history(const std::string& path, CheckReport& report) {
  check_file(path, report);
  const ReadDamagedPages all;
  auto database = Database::open(path, Database::Mode::read_only);
  if (!database) return;  // named by check_file
  HistoryCheck(*database, name_of(path), report).run();
}

}  // namespace entente::node
