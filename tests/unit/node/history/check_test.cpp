// What `entente node check` finds in history.db: flipped bits everywhere, and rows that do not fit
// together. ENTENTE_FLIPS=20000 flips that many bits; the test command does a few hundred.
#include "node/history/check.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <algorithm>
#include <random>

#include "node/history/history.h"
#include "node/store/page_check.h"
#include "node/twin/twin_registry.h"
#include "schemas/base/random.h"
#include "tests/unit/node/history/opened_history.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;
constexpr int kSeries = 5;

Result<std::unique_ptr<Store>> store_at(const std::string& path) {
  Store::Options options;
  options.path = path;
  options.migrations = history_migrations();
  return Store::open(std::move(options));
}

std::string name_of(int n) {
  return "twin-" + std::to_string(n);
}

Batch batch_of(History& history, int n) {
  SeededRandom random(static_cast<std::uint32_t>(n));
  Batch batch;
  for (int i = 0; i < 200; ++i) {
    const auto late = random.below(20) == 0 ? static_cast<std::int64_t>(random.below(100)) : 0;
    const auto id = *history.open_series(name_of(i % kSeries), "x");
    batch.add(id, {{((std::int64_t{n} * 200 + i) - late) * seconds(30).ns},
                   static_cast<double>(random.below(1'000)) / 8,
                   random.below(50) == 0 ? Quality::out_of_range : Quality::good});
  }
  return batch;
}

// Closed, with segments, buckets, corrections and a journal that is not sealed.
void fill(const std::string& path) {
  static const SystemClock clock;
  auto store = store_at(path);
  REQUIRE(store.has_value());
  auto history = open_history(**store, clock);
  REQUIRE(history.has_value());
  for (int n = 1; n <= 60; ++n) {
    REQUIRE((*history)->append_now(batch_of(**history, n)).has_value());
    if (n % 13 == 0) REQUIRE((*history)->seal().has_value());
  }
  test::erase_now(**history, {*(*history)->find(name_of(2), "x")}, {{hours(5).ns}, {hours(6).ns}});
  for (int n = 61; n <= 65; ++n) {
    REQUIRE((*history)->append_now(batch_of(**history, n)).has_value());
  }
}

// Everything that the history answers, as text of every bit; or why it refuses.
struct Answers {
  std::string text;
  std::string refused;
};

Answers answers_of(const std::string& path) {
  static const SystemClock clock;
  Answers out;
  auto store = store_at(path);
  if (!store) return {"", store.error().what};
  auto history = open_history(**store, clock);
  if (!history) return {"", history.error().what};
  const auto put = [&](auto... values) {
    ((out.text.append(reinterpret_cast<const char*>(&values), sizeof values)), ...);
  };
  try {
    for (const auto& key : (*history)->series("")) {
      out.text += key.twin + "/" + key.signal + ";";
      const auto id = *(*history)->find(key.twin, key.signal);
      (*history)->scan(id, kAllTime, [&](const History::Block& block) {
        for (std::size_t i = 0; i < block.times.size(); ++i) {
          put(block.times[i], block.values[i], block.qualities[i]);
        }
      });
      for (const TimeWindow window :
           {kAllTime, TimeWindow{{hours(2).ns}, {hours(26).ns}}, TimeWindow{{77}, {days(3).ns}}}) {
        std::vector<Summary> got(1);
        (*history)->aggregate(std::vector{id}, window, Figures::moments_and_sketch, got);
        const auto& p = got[0].partial;
        put(p.count, p.sum, p.squares, p.minimum, p.maximum, p.first, p.last, p.integral, p.rise);
        if (p.count > 0) put(got[0].sketch.quantile(0.95).value_or(0));
      }
      for (const auto& correction : (*history)->corrections(id, kAllTime)) {
        put(correction.before.time.ns, correction.before.value, correction.replaced_at.ns);
      }
      const auto latest = (*history)->latest(id);
      if (latest) put(latest->time.ns, latest->value);
    }
  } catch (const StoreFault& fault) {
    out.refused = fault.what();
  }
  return out;
}

void flip(const std::string& path, std::uint64_t bit) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  char byte = 0;
  REQUIRE(file.get(byte).good());
  byte = static_cast<char>(byte ^ (1 << (bit % 8)));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(byte);
}

void change(const std::string& path, const char* sql) {
  auto database = Database::open(path, Database::Mode::read_write);
  REQUIRE(database.has_value());
  database->exec(sql);
}

int flips_asked() {
  const char* asked = std::getenv("ENTENTE_FLIPS");
  return asked == nullptr ? 200 : std::atoi(asked);
}

}  // namespace

TEST_SUITE("node/history check") {
  TEST_CASE("a sound history has no findings and everything in it is counted") {
    test::TemporaryFolder folder;
    fill(folder / "h.db");
    CheckReport report;
    check_history(folder / "h.db", report);
    for (const auto& finding : report.findings)
      MESSAGE(finding.table, " ", finding.row, ": ", finding.what);
    CHECK(report.findings.empty());
    CHECK(report.series == kSeries);
    CHECK(report.segments > 0);
    CHECK(report.buckets > 10);
    CHECK(report.batches == 5);
    CHECK(report.corrections > 0);
    CHECK(report.readings > 10'000);
    CHECK(report.pages > 10);
  }

  TEST_CASE("a row that contradicts another is found and named") {
    struct Case {
      const char* sql;
      const char* table;
    };
    for (const Case& one :
         {Case{"UPDATE segment SET first_time = first_time - 1", "segment"},
          Case{"UPDATE segment SET readings = readings + 1", "segment"},
          Case{"UPDATE segment SET directory = (SELECT directory FROM latest)", "segment"},
          Case{"UPDATE segment SET data = zeroblob(20)", "segment"},
          Case{"UPDATE bucket SET start = start + 3600000000000 WHERE id = (SELECT max(id) FROM "
               "bucket "
               "WHERE level = 1)",
               "bucket"},
          Case{"UPDATE journal SET batch = zeroblob(9) WHERE seq = (SELECT max(seq) FROM journal)",
               "journal"},
          Case{"DELETE FROM latest", "latest"},
          Case{"UPDATE name SET id = 99 WHERE id = 1", "name"},
          Case{"UPDATE correction SET series = 99 WHERE rowid = 1", "correction"}}) {
      CAPTURE(one.sql);
      test::TemporaryFolder folder;
      fill(folder / "h.db");
      change(folder / "h.db", one.sql);
      CheckReport report;
      check_history(folder / "h.db", report);
      REQUIRE_FALSE(report.findings.empty());
      CHECK(std::any_of(report.findings.begin(), report.findings.end(),
                        [&](const Finding& f) { return f.table == one.table && !f.row.empty(); }));
      CHECK_FALSE(report.findings.front().remedy.empty());
    }
  }

  TEST_CASE("a flipped bit anywhere in the file is refused by name or changes no answer") {
    test::TemporaryFolder folder;
    const auto sound = folder / "sound.db";
    fill(sound);
    const auto truth = answers_of(sound);
    REQUIRE(truth.refused.empty());
    const auto bits = fs::file_size(sound) * 8;
    const auto seed = static_cast<std::uint32_t>(std::random_device{}());
    CAPTURE(seed);
    SeededRandom random(seed);
    int refused = 0;
    int found = 0;
    int unnamed = 0;
    const int flips = flips_asked();
    for (int n = 0; n < flips; ++n) {
      const auto path = folder / "h.db";
      for (const char* end : {"", "-wal", "-shm"}) fs::remove(path + end);
      fs::copy_file(sound, path);
      // Every eighth in the header and the schema, which are few bits among many.
      const auto bit = random.below(n % 8 == 0 ? 4'096 * 8 : bits);
      CAPTURE(bit);
      flip(path, bit);
      CheckReport report;
      check_history(path, report);
      found += !report.findings.empty();
      for (const char* end : {"", "-wal", "-shm"}) fs::remove(path + end);
      fs::copy_file(sound, path);
      flip(path, bit);
      const auto got = answers_of(path);
      if (got.refused.empty()) {
        CHECK(got.text == truth.text);
      } else {
        ++refused;
        unnamed += got.refused.find("h.db") == std::string::npos;
      }
    }
    MESSAGE("of " << flips << " flips the check found " << found << ", opening or reading refused "
                  << refused << " (" << unnamed << " without the file's name)");
    CHECK(found == flips);
    CHECK(unnamed == 0);
  }

  TEST_CASE("repair makes a sound file whose readings are the old ones or are said to be missing") {
    const auto seed = static_cast<std::uint32_t>(std::random_device{}());
    CAPTURE(seed);
    SeededRandom random(seed);
    test::TemporaryFolder folder;
    const auto sound = folder / "sound.db";
    fill(sound);
    const auto truth = answers_of(sound);
    int same = 0;
    int said = 0;
    for (int n = 0; n < 40; ++n) {
      test::TemporaryFolder home;
      const auto path = home / "h.db";
      fs::copy_file(sound, path);
      const auto bit = random.below(fs::file_size(sound) * 8);
      CAPTURE(bit);
      flip(path, bit);
      CheckReport report;
      check_history(path, report);
      REQUIRE(repair_history(path, report).has_value());
      CHECK(fs::exists(path + ".damaged-1"));
      CheckReport after;
      check_history(path, after);
      for (const auto& finding : after.findings) MESSAGE(finding.table, finding.row, finding.what);
      CHECK(after.findings.empty());
      const auto got = answers_of(path);
      CHECK(got.refused.empty());
      same += got.text == truth.text;
      // Two sentences are said in any case: buckets, and where the damaged file is.
      said += got.text != truth.text && report.repairs.size() > 2;
    }
    MESSAGE("of 40 repaired files " << same << " answer the same to the last bit, " << said
                                    << " say what they lost");
    CHECK(same + said == 40);
  }

  TEST_CASE("a flipped bit in the WAL loses no commit but the last without a word") {
    test::TemporaryFolder folder;
    const auto live = folder / "live.db";
    constexpr int kCommits = 40;
    {
      auto database = Database::open(live, Database::Mode::read_write);
      REQUIRE(database.has_value());
      database->exec("CREATE TABLE t (x INTEGER PRIMARY KEY) STRICT");
      database->checkpoint();
      for (int n = 0; n < kCommits; ++n) database->exec("INSERT INTO t DEFAULT VALUES");
      for (const char* end : {"", "-wal"}) fs::copy_file(live + end, folder / "kept.db" + end);
    }
    const auto bits = fs::file_size(folder / "kept.db-wal") * 8;
    const auto seed = static_cast<std::uint32_t>(std::random_device{}());
    CAPTURE(seed);
    SeededRandom random(seed);
    int refused = 0;
    int last = 0;
    const int flips = flips_asked();
    for (int n = 0; n < flips; ++n) {
      const auto path = folder / "h.db";
      for (const char* end : {"", "-wal", "-shm"}) fs::remove(path + end);
      for (const char* end : {"", "-wal"}) fs::copy_file(folder / "kept.db" + end, path + end);
      const auto bit = random.below(n % 8 == 0 ? 32 * 8 : bits);
      CAPTURE(bit);
      flip(path + "-wal", bit);
      if (const auto sound = check_wal(path); !sound) {
        CHECK(sound.error().what.find("h.db-wal") != std::string::npos);
        ++refused;
        continue;
      }
      auto database = Database::open(path, Database::Mode::read_write);
      if (!database) {
        ++refused;
        continue;
      }
      auto rows = database->prepare("SELECT count(*) FROM t");
      REQUIRE(rows.step());
      CHECK(rows.integer(0) >= kCommits - 2);
      last += rows.integer(0) < kCommits;
    }
    MESSAGE("of " << flips << " flips " << refused << " were refused by name, " << last
                  << " fell into the last two commits, where they look like a power cut");
    CHECK(refused + last >= flips * 9 / 10);
  }
}

}  // namespace entente::node
