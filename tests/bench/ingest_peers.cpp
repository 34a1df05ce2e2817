#include "tests/bench/ingest_peers.h"

#include <pwd.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "tests/bench/report.h"
#ifdef ENTENTE_BENCH_LIBPQ
#include <libpq-fe.h>
#endif

namespace entente::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::size_t readings_of(const std::vector<node::Batch>& batches) {
  std::size_t all = 0;
  for (const auto& batch : batches) all += batch.size();
  return all;
}

struct Timer {
  Clock::time_point begin = Clock::now();
  double cpu = cpu_us();
  PeerRate rate(std::size_t readings) const {
    const double took = std::chrono::duration<double>(Clock::now() - begin).count();
    const auto n = static_cast<double>(readings);
    return {n / took, (cpu_us() - cpu) / n};
  }
};

[[maybe_unused]] bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

}  // namespace

PeerRate sqlite_rows(const std::string& path, const std::vector<node::Batch>& batches) {
  sqlite3* database = nullptr;
  sqlite3_open(path.c_str(), &database);
  sqlite3_exec(database,
               "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
               "CREATE TABLE reading (series INTEGER, time INTEGER, value REAL, quality INTEGER, "
               "PRIMARY KEY (series, time)) WITHOUT ROWID",
               nullptr, nullptr, nullptr);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(database, "INSERT OR REPLACE INTO reading VALUES (?, ?, ?, 0)", -1, &insert,
                     nullptr);
  const Timer timer;
  for (const auto& batch : batches) {
    sqlite3_exec(database, "BEGIN", nullptr, nullptr, nullptr);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(batch.series[i]));
      sqlite3_bind_int64(insert, 2, batch.times[i]);
      sqlite3_bind_double(insert, 3, batch.values[i]);
      sqlite3_step(insert);
      sqlite3_reset(insert);
    }
    sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr);
  }
  const auto rate = timer.rate(readings_of(batches));
  sqlite3_finalize(insert);
  sqlite3_close(database);
  return rate;
}

#ifdef ENTENTE_BENCH_LIBPQ
namespace {

constexpr const char* kPrograms = "/usr/lib/postgresql/15/bin/";

// The server refuses to run as root: it runs as the user that its package made.
std::string as_owner(const std::string& command) {
  return ::geteuid() == 0 ? "runuser -u postgres -- " + command : command;
}

template <class T>
void append_big_endian(T value, std::string& out) {
  for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> shift));
  }
}

std::string copy_bytes(const node::Batch& batch) {
  std::string out("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    append_big_endian(std::int16_t{3}, out);
    append_big_endian(std::int32_t{4}, out);
    append_big_endian(static_cast<std::int32_t>(batch.series[i]), out);
    append_big_endian(std::int32_t{8}, out);
    append_big_endian(batch.times[i], out);
    append_big_endian(std::int32_t{8}, out);
    append_big_endian(std::bit_cast<std::int64_t>(batch.values[i]), out);
  }
  append_big_endian(std::int16_t{-1}, out);
  return out;
}

}  // namespace

Postgres::Postgres() {
  if (!std::filesystem::exists(std::string(kPrograms) + "initdb")) {
    why_ = "no package postgresql-15";
    return;
  }
  if (::geteuid() == 0 && ::getpwnam("postgres") == nullptr) {
    why_ = "no user postgres";
    return;
  }
  char name[] = "/tmp/entente-postgres-XXXXXX";
  folder_ = ::mkdtemp(name);
  if (::geteuid() == 0) run("chown postgres " + folder_);
  const std::string data = folder_ + "/data";
  const bool started =
      run(as_owner(std::string(kPrograms) + "initdb -A trust -U bench -D " + data)) &&
      run(as_owner(std::string(kPrograms) + "pg_ctl -w -D " + data + " -l " + folder_ +
                   "/log -o \"-c listen_addresses='' -k " + folder_ + "\" start"));
  if (!started) why_ = "it did not start";
}

Postgres::~Postgres() {
  if (folder_.empty()) return;
  run(as_owner(std::string(kPrograms) + "pg_ctl -m immediate -D " + folder_ + "/data stop"));
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

PeerRate Postgres::copy(const std::vector<node::Batch>& batches) {
  PGconn* connection = PQconnectdb(("host=" + folder_ + " user=bench dbname=postgres").c_str());
  const auto command = [&](const char* text) { PQclear(PQexec(connection, text)); };
  command("SET client_min_messages = error");
  command("DROP TABLE IF EXISTS reading");
  command("CREATE TABLE reading (series int4, time int8, value float8)");
  command("CREATE INDEX ON reading (series, time)");
  const Timer timer;
  for (const auto& batch : batches) {
    command("COPY reading FROM STDIN (FORMAT binary)");
    const auto bytes = copy_bytes(batch);
    PQputCopyData(connection, bytes.data(), static_cast<int>(bytes.size()));
    PQputCopyEnd(connection, nullptr);
    while (PGresult* result = PQgetResult(connection)) PQclear(result);
  }
  const auto rate = timer.rate(readings_of(batches));
  auto* counted = PQexec(connection, "SELECT count(*) FROM reading");
  if (std::to_string(readings_of(batches)) != PQgetvalue(counted, 0, 0)) std::abort();
  PQclear(counted);
  PQfinish(connection);
  return rate;
}
#else
Postgres::Postgres() : why_("built without libpq") {}
Postgres::~Postgres() = default;
PeerRate Postgres::copy(const std::vector<node::Batch>&) {
  return {};
}
#endif

}  // namespace entente::bench
