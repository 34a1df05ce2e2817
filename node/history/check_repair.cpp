// A damaged history.db made anew from what can be read of it.
#include <filesystem>
#include <map>
#include <set>

#include "node/history/check.h"
#include "node/history/check_buckets.h"
#include "node/history/history.h"
#include "node/history/journal.h"
#include "node/history/limits.h"
#include "node/history/sealing.h"
#include "node/limits.h"
#include "node/store/page_check.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDamagedTable =
    "CREATE TABLE IF NOT EXISTS damaged (source TEXT NOT NULL, id INTEGER NOT NULL, series_group "
    "INTEGER, first_time INTEGER, last_time INTEGER, directory BLOB, data BLOB) STRICT";

std::string span_text(std::int64_t first, std::int64_t last) {
  return to_text(Instant{first}) + " to " + to_text(Instant{last});
}

class Repair {
 public:
  Repair(const std::string& path, Database& to, CheckReport& report)
      : path_(path), to_(to), report_(report) {
    auto strict = Database::open(path, Database::Mode::read_only);
    if (strict) sound_.emplace(std::move(*strict));
    const ReadDamagedPages all;
    auto any = Database::open(path, Database::Mode::read_only);
    if (any) any_.emplace(std::move(*any));
  }

  void run() {
    to_.exec("BEGIN IMMEDIATE");
    to_.exec(kDamagedTable);
    names();
    rows("type_file", "name, text", 2);
    rows("twin", "id, definition", 2);
    for (const auto id : ids("segment")) segment(id);
    for (const auto id : ids("journal")) batch(id);
    rows("retained", "series_group, readings_from, minutes_from, hours_from", 4);
    rows("series_horizon", "series, readings_from", 2);
    rolled_up();
    corrections();
    latest();
    leave_out_strays();
    to_.exec("COMMIT");
  }

 private:
  void say(std::string sentence) { report_.repairs.push_back(std::move(sentence)); }

  // Calls `use` with the row from sound pages, else with what its page still says (then `sure` is
  // false). False: nothing can be read.
  template <class Use>
  bool row(const char* sql, std::int64_t id, Use use) {
    for (const bool sure : {true, false}) {
      auto& database = sure ? sound_ : any_;
      if (!database) continue;
      try {
        std::optional<ReadDamagedPages> all;
        if (!sure) all.emplace();
        auto& statement = database->cached(sql);
        statement.bind(1, id);
        if (!statement.step()) continue;
        use(statement, sure);
        statement.reset();
        return true;
      } catch (const StoreFault&) {
        continue;
      }
    }
    return false;
  }

  // Numbers of a table's rows: from the front, from the back, and one by one between.
  std::set<std::int64_t> ids(const std::string& table) {
    std::set<std::int64_t> found;
    if (!any_) return found;
    const ReadDamagedPages all;
    bool whole = true;
    std::int64_t ends[2] = {0, 0};
    int end = 0;
    for (const char* order : {"ASC", "DESC"}) {
      try {
        auto scan = any_->prepare("SELECT rowid FROM " + table + " NOT INDEXED ORDER BY rowid " +
                                  std::string(order));
        while (scan.step()) found.insert(ends[end] = scan.integer(0));
        if (whole) return found;
      } catch (const StoreFault&) {
        whole = false;
      }
      ++end;
    }
    if (found.empty()) {
      say("nothing of the table " + table + " can be read");
      return found;
    }
    std::int64_t probes = limits::kSalvageProbes;
    for (auto id = ends[0] + 1; id < ends[1] && probes-- > 0; ++id) {
      row(("SELECT 1 FROM " + table + " WHERE rowid = ?").c_str(), id,
          [&](Statement&, bool) { found.insert(id); });
    }
    return found;
  }

  void names() {
    auto all = ids("name");
    // A number that a damaged page made up would have all before it filled in.
    while (!all.empty() && (*all.rbegin() >= static_cast<std::int64_t>(limits::kSeriesNumbers) ||
                            *all.begin() < 0)) {
      const auto odd = *all.begin() < 0 ? all.begin() : std::prev(all.end());
      say("series " + std::to_string(*odd) + " cannot be and was left out");
      all.erase(odd);
    }
    const auto count = all.empty() ? 0 : *all.rbegin() + 1;
    for (std::int64_t id = 0; id < count; ++id) {
      std::string twin = "lost-series-" + std::to_string(id);
      std::string signal = "lost";
      bool sure = false;
      const bool read =
          row("SELECT twin, signal FROM name WHERE id = ?", id, [&](Statement& from, bool is_sure) {
            twin = from.text(0);
            signal = from.text(1);
            sure = is_sure;
          });
      const auto number = "series " + std::to_string(id);
      if (!read) say(number + " has lost its name and is now called " + twin);
      if (read && !sure) say(number + " may be misnamed: " + twin + " " + signal);
      to_.cached("INSERT INTO name (id, twin, signal) VALUES (?, ?, ?)")
          .bind(1, id)
          .bind(2, twin)
          .bind(3, signal)
          .run();
      names_.push_back(twin + " " + signal);
    }
  }

  // Tables of texts: from sound pages, the rest from any.
  void rows(const std::string& table, const std::string& columns, int count) {
    const auto key = columns.substr(0, columns.find(','));
    const auto insert = "INSERT OR IGNORE INTO " + table + " (" + columns + ") VALUES (?" + [&] {
      std::string more;
      for (int i = 1; i < count; ++i) more += ", ?";
      return more;
    }() + ")";
    bool whole = false;
    for (const bool sure : {true, false}) {
      auto& from = sure ? sound_ : any_;
      std::optional<ReadDamagedPages> all;
      if (!sure) all.emplace();
      for (const char* order : {"ASC", "DESC"}) {
        if (whole || !from) continue;
        try {
          auto scan = from->prepare("SELECT " + columns + " FROM " + table + " ORDER BY " + key +
                                    " " + order);
          while (scan.step()) {
            auto& put = to_.cached(insert);
            for (int i = 0; i < count; ++i) put.bind(i + 1, scan.text(i));
            put.run();
            if (!sure && to_.changes() > 0) {
              say(table + " " + scan.text(0) + " was read from a damaged page: compare it");
            }
          }
          whole = true;
        } catch (const StoreFault&) {
          continue;
        }
      }
    }
    if (!whole) say("rows of the table " + table + " may be missing");
  }

  void segment(std::int64_t id) {
    Bytes directory;
    Bytes data;
    std::int64_t group = 0;
    std::int64_t first = 0;
    std::int64_t last = 0;
    const auto name = "segment " + std::to_string(id);
    const bool read =
        row("SELECT series_group, first_time, last_time, directory, data FROM segment WHERE id = ?",
            id, [&](Statement& from, bool sure) {
              group = from.integer(0);
              first = from.integer(1);
              last = from.integer(2);
              directory = from.blob(3);
              data = from.blob(4);
              if (!sure) say(name + " was read from a damaged page");
            });
    if (!read) return say(name + " cannot be read; the damaged file is kept");
    if (auto made = remade(directory, data, group, first)) {
      put_segment(id, group, *made);
      return;
    }
    put_damaged("segment", id, group, first, last, directory, data);
    say(name + " does not decode and stands in the table damaged: " + span_text(first, last) +
        ", " + series_text(group, directory));
  }

  std::string series_text(std::int64_t group, const Bytes& bytes) const {
    const auto base = static_cast<std::size_t>(group) * kGroupSeries;
    const auto directory = Directory::decode(bytes);
    if (!directory) {
      return "some of the series " + std::to_string(base) + " to " +
             std::to_string(base + kGroupSeries - 1);
    }
    std::string text;
    for (const auto& series : directory->series()) {
      const auto number = base + series.place;
      text += (text.empty() ? "" : ", ") +
              (number < names_.size() ? names_[number] : "series " + std::to_string(number));
    }
    return text;
  }

  // The segment as its readings encode; nothing when they do not decode, belong to nobody or stand
  // in the way of a segment that is there.
  std::optional<EncodedSegment> remade(const Bytes& directory_bytes, const Bytes& data_bytes,
                                       std::int64_t group, std::int64_t) {
    const auto directory = Directory::decode(directory_bytes);
    const auto data = SegmentData::open(data_bytes);
    if (!directory || !data || group < 0) return std::nullopt;
    std::vector<Place> places;
    std::vector<Readings> readings;
    for (const auto& series : directory->series()) {
      Readings of;
      if (!(*data)->read(series, kAllTime, of) || of.empty()) return std::nullopt;
      const auto number = static_cast<std::size_t>(group) * kGroupSeries + series.place;
      if (number >= names_.size()) return std::nullopt;
      places.push_back(series.place);
      readings.push_back(std::move(of));
    }
    if (places.empty()) return std::nullopt;
    const std::vector<ReadingsView> views(readings.begin(), readings.end());
    auto made = encode_segment(places, views);
    for (const auto& [begin, end] : taken_[group]) {
      if (made.first_time <= end && made.last_time >= begin) return std::nullopt;
    }
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto& of = readings[i];
      auto& newest = latest_[group][places[i]];
      if (!newest || of.times.back() > newest->time) {
        newest = Entry{of.times.back(), of.values.back(), of.qualities.back()};
      }
    }
    taken_[group].emplace_back(made.first_time, made.last_time);
    return made;
  }

  void put_segment(std::int64_t id, std::int64_t group, const EncodedSegment& segment) {
    to_.cached(
           "INSERT INTO segment (id, series_group, first_time, last_time, readings, directory, "
           "data) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(1, id)
        .bind(2, group)
        .bind(3, segment.first_time)
        .bind(4, segment.last_time)
        .bind(5, static_cast<std::int64_t>(segment.readings))
        .bind(6, ByteView(segment.directory))
        .bind(7, ByteView(segment.data))
        .run();
  }

  void put_damaged(std::string_view source, std::int64_t id, std::int64_t group, std::int64_t first,
                   std::int64_t last, const Bytes& directory, const Bytes& data) {
    to_.cached("INSERT INTO damaged VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(1, source)
        .bind(2, id)
        .bind(3, group)
        .bind(4, first)
        .bind(5, last)
        .bind(6, ByteView(directory))
        .bind(7, ByteView(data))
        .run();
  }

  void batch(std::int64_t seq) {
    Bytes bytes;
    const auto name = "row " + std::to_string(seq) + " of the journal";
    const bool read = row("SELECT batch FROM journal WHERE seq = ?", seq,
                          [&](Statement& from, bool) { bytes = from.blob(0); });
    if (!read) return say(name + " cannot be read; the damaged file is kept");
    auto decoded = decode_batch(bytes);
    const bool known =
        decoded &&
        std::all_of(decoded->series.begin(), decoded->series.end(), [&](SeriesId series) {
          return static_cast<std::size_t>(series) < names_.size();
        });
    if (!known) {
      put_damaged("journal", seq, 0, 0, 0, {}, bytes);
      return say(name + " does not decode and stands in the table damaged");
    }
    to_.cached("INSERT INTO journal (seq, batch) VALUES (?, ?)")
        .bind(1, seq)
        .bind(2, ByteView(bytes))
        .run();
  }

  // Summaries of readings that retention removed: there is nothing to make them from.
  void rolled_up() {
    std::map<std::int64_t, std::int64_t> horizons;
    auto& kept = to_.cached("SELECT series_group, readings_from FROM retained");
    while (kept.step()) horizons[kept.integer(0)] = kept.integer(1);
    if (horizons.empty()) return;
    for (const auto id : ids("bucket")) {
      const bool read =
          row("SELECT series_group, level, start, directory FROM bucket WHERE id = ?", id,
              [&](Statement& from, bool) {
                const auto horizon = horizons.find(from.integer(0));
                if (horizon == horizons.end() || from.integer(2) >= horizon->second) return;
                const auto bytes = from.blob(3);
                if (!Directory::decode(bytes)) {
                  say("bucket " + std::to_string(id) + ", of readings that are gone, is lost");
                  return;
                }
                to_.cached(
                       "INSERT INTO bucket (id, series_group, level, start, directory) "
                       "VALUES (?, ?, ?, ?, ?)")
                    .bind(1, id)
                    .bind(2, from.integer(0))
                    .bind(3, from.integer(1))
                    .bind(4, from.integer(2))
                    .bind(5, ByteView(bytes))
                    .run();
              });
      if (!read) say("bucket " + std::to_string(id) + " cannot be read");
    }
  }

  void corrections() {
    for (const auto id : ids("correction")) {
      const auto name = "correction " + std::to_string(id);
      const bool read =
          row("SELECT series, time, replaced_at, value, quality FROM correction WHERE rowid = ?",
              id, [&](Statement& from, bool sure) {
                const auto series = from.integer(0);
                if (series < 0 || static_cast<std::size_t>(series) >= names_.size()) {
                  return say(name + " speaks of an unknown series and was left out");
                }
                if (!sure) say(name + " was read from a damaged page");
                auto& put = to_.cached(
                    "INSERT INTO correction (series, time, replaced_at, value, quality) "
                    "VALUES (?, ?, ?, ?, ?)");
                put.bind(1, series).bind(2, from.integer(1)).bind(3, from.integer(2));
                from.is_null(3) ? put.bind_null(4) : put.bind(4, from.real(3));
                put.bind(5, from.integer(4)).run();
              });
      if (!read) say(name + " cannot be read");
    }
  }

  // What a damaged page made up: opening would refuse it, or take it for a newer program's.
  void leave_out_strays() {
    const std::string groups = std::to_string((names_.size() + kGroupSeries - 1) / kGroupSeries);
    const auto levels = std::to_string(kLevels);
    for (const auto& [table, which] :
         {std::pair<std::string, std::string>{"retained", "series_group"},
          {"bucket", "series_group"},
          {"latest", "series_group"},
          {"segment", "series_group"}}) {
      leave_out(table, which + " < 0 OR " + which + " >= " + groups);
    }
    leave_out("bucket", "level < 0 OR level >= " + levels);
    leave_out("series_horizon", "series < 0 OR series >= " + std::to_string(names_.size()));
  }

  void leave_out(const std::string& table, const std::string& where) {
    to_.exec(("DELETE FROM " + table + " WHERE " + where).c_str());
    if (const auto rows = to_.changes(); rows > 0) {
      say(std::to_string(rows) + " rows of " + table + " speak of what is not there: left out");
    }
  }

  // Of a series that is rolled up to the last reading, the damaged file alone knows the latest.
  void rolled_up_latest() {
    for (const auto group : ids("latest")) {
      row("SELECT directory FROM latest WHERE series_group = ?", group,
          [&](Statement& statement, bool) {
            const auto decoded = Directory::decode(statement.blob(0));
            if (!decoded) return;
            auto& horizon = to_.cached("SELECT readings_from FROM retained WHERE series_group = ?");
            const auto rolled_up_to = horizon.bind(1, group).step()
                                          ? horizon.integer(0)
                                          : std::numeric_limits<std::int64_t>::min();
            horizon.reset();
            for (const auto& series : decoded->series()) {
              if (series.last.time >= rolled_up_to) continue;
              auto& latest = latest_[group][series.place];
              if (!latest) latest = series.last;
            }
          });
    }
  }

  void latest() {
    rolled_up_latest();
    for (const auto& [group, by_place] : latest_) {
      std::vector<Described> described;
      for (const auto& [place, entry] : by_place) {
        Described one;
        one.series.place = place;
        one.series.first_time = entry->time;
        one.series.last = *entry;
        described.push_back(std::move(one));
      }
      to_.cached("INSERT INTO latest (series_group, directory) VALUES (?, ?)")
          .bind(1, group)
          .bind(2, ByteView(encode_directory(described)))
          .run();
    }
  }

  const std::string path_;
  Database& to_;
  CheckReport& report_;
  std::optional<Database> sound_;  // refuses pages that fail
  std::optional<Database> any_;    // reads them all the same
  std::vector<std::string> names_;
  std::map<std::int64_t, std::vector<std::pair<std::int64_t, std::int64_t>>> taken_;
  std::map<std::int64_t, std::map<Place, std::optional<Entry>>> latest_;
};

}  // namespace

Outcome repair_history(const std::string& path, CheckReport& report) {
  const std::string fresh = path + ".repaired";
  std::error_code ignored;
  for (const char* end : {"", "-wal", "-shm"}) fs::remove(fresh + end, ignored);
  try {
    Store::Options options;
    options.path = fresh;
    options.migrations = history_migrations();
    auto store = Store::open(std::move(options));
    if (!store) return std::move(store).error();
    store->reset();
    {
      auto database = Database::open(fresh, Database::Mode::read_write);
      if (!database) return std::move(database).error();
      Repair(path, *database, report).run();
    }
    Store::Options again;
    again.path = fresh;
    again.migrations = history_migrations();
    store = Store::open(std::move(again));
    if (!store) return std::move(store).error();
    if (auto made = make_all_buckets(**store, report); !made) return made;
  } catch (const StoreFault& fault) {
    return fault.error();
  }
  std::string kept = path + ".damaged-1";
  for (int n = 2; fs::exists(kept); ++n) kept = path + ".damaged-" + std::to_string(n);
  std::error_code failed;
  for (const char* end : {"-wal", ""}) {
    if (fs::exists(path + end)) fs::rename(path + end, kept + end, failed);
    if (failed) return make_error(ErrorCode::store_failed, "cannot rename " + path + end);
  }
  fs::remove(path + "-shm", ignored);
  fs::remove(fresh + ".lock", ignored);
  fs::rename(fresh, path, failed);
  if (failed) return make_error(ErrorCode::store_failed, "cannot rename " + fresh);
  report.repairs.push_back("the damaged file is kept as " + kept);
  return {};
}

}  // namespace entente::node
