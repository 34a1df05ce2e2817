#include "node/modelling/model_shelf.h"

#include <boost/json.hpp>
#include <cmath>

#include "node/model/model_archive.h"
#include "node/modelling/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;

constexpr ModelLife kLives[] = {ModelLife::proposed, ModelLife::validated, ModelLife::live,
                                ModelLife::stale, ModelLife::retired};
constexpr std::size_t kPathsMost = 10'000;

json::value number_json(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

std::string validation_text(const Validation& v) {
  return json::serialize(json::value{{"observations", v.observations},
                                     {"points", v.points},
                                     {"alarms", v.alarms},
                                     {"from", v.of.from.ns},
                                     {"to", v.of.to.ns},
                                     {"mean_absolute_error", number_json(v.mean_absolute_error)},
                                     {"naive_error", number_json(v.naive_error)},
                                     {"scale", number_json(v.scale)},
                                     {"coverage_half", number_json(v.coverage_half)},
                                     {"coverage_ninety", number_json(v.coverage_ninety)},
                                     {"pinball", number_json(v.pinball)}});
}

// What this program itself wrote.
Validation validation_of(const std::string& text) {
  const json::value read = json::parse(text);
  const auto count = [&](const char* name) { return read.at(name).to_number<std::size_t>(); };
  const auto real = [&](const char* name) {
    const json::value& value = read.at(name);
    return value.is_null() ? kMissing : value.to_number<double>();
  };
  Validation v;
  v.observations = count("observations");
  v.points = count("points");
  v.alarms = count("alarms");
  v.of = {{read.at("from").to_number<std::int64_t>()}, {read.at("to").to_number<std::int64_t>()}};
  v.mean_absolute_error = real("mean_absolute_error");
  v.naive_error = real("naive_error");
  v.scale = real("scale");
  v.coverage_half = real("coverage_half");
  v.coverage_ninety = real("coverage_ninety");
  v.pinball = real("pinball");
  return v;
}

void archive_paths(ModelArchive& archive, std::vector<std::vector<PredictedPoint>>& paths) {
  std::size_t count = paths.size();
  archive.size(count);
  if (count > kModelSignals) return archive.fail();
  paths.resize(count);
  for (auto& path : paths) {
    std::size_t length = path.size();
    archive.size(length);
    if (length > kPathsMost) return archive.fail();
    path.resize(length);
    for (PredictedPoint& point : path) {
      archive.time(point.time);
      archive.number(point.mean);
      archive.number(point.half.low);
      archive.number(point.half.high);
      archive.number(point.ninety.low);
      archive.number(point.ninety.high);
    }
  }
}

Statement& keyed(Database& database, std::string_view sql, const ModelDefinition& of) {
  Statement& statement = database.cached(sql);
  statement.bind(1, of.twin).bind(2, of.name);
  return statement;
}

void bind_number(Statement& row, int at, double value) {
  if (std::isfinite(value)) {
    row.bind(at, value);
  } else {
    row.bind_null(at);
  }
}

}  // namespace

std::string_view to_text(ModelLife life) {
  constexpr std::string_view kWords[] = {"proposed", "validated", "live", "stale", "retired"};
  return kWords[static_cast<std::size_t>(life)];
}

const char* model_migration() {
  return "CREATE TABLE twin_model (twin TEXT NOT NULL, name TEXT NOT NULL,"
         "  version INTEGER NOT NULL, definition TEXT NOT NULL, life TEXT NOT NULL,"
         "  reason TEXT NOT NULL, since INTEGER NOT NULL, actor TEXT NOT NULL,"
         "  validation TEXT NOT NULL, state BLOB NOT NULL,"
         "  PRIMARY KEY (twin, name)) STRICT, WITHOUT ROWID;"
         "CREATE TABLE model_forecast (twin TEXT NOT NULL, name TEXT NOT NULL,"
         "  issued INTEGER NOT NULL, version INTEGER NOT NULL, paths BLOB NOT NULL,"
         "  PRIMARY KEY (twin, name, issued)) STRICT, WITHOUT ROWID;"
         "CREATE TABLE model_alarm (twin TEXT NOT NULL, name TEXT NOT NULL,"
         "  time INTEGER NOT NULL, version INTEGER NOT NULL, signal TEXT NOT NULL,"
         "  value REAL, expected REAL, evidence REAL NOT NULL,"
         "  PRIMARY KEY (twin, name, time)) STRICT, WITHOUT ROWID;"
         "CREATE INDEX model_alarm_time ON model_alarm (twin, time);";
}

Result<std::vector<ModelRow>> stored_models(Database& database, const ModelKinds& kinds) {
  std::vector<ModelRow> all;
  Statement rows = database.prepare(
      "SELECT definition, version, life, reason, since, actor, validation, twin, name "
      "FROM twin_model ORDER BY twin, name");
  while (rows.step()) {
    auto definition = read_definition(rows.text(0), rows.text(7) + "/" + rows.text(8), kinds);
    if (!definition) {
      return make_error(ErrorCode::store_failed,
                        "a stored model does not read: " + definition.error().what);
    }
    ModelRow& one = all.emplace_back();
    one.definition = std::move(*definition);
    one.definition.spec.version = static_cast<std::uint32_t>(rows.integer(1));
    for (const ModelLife life : kLives) {
      if (to_text(life) == rows.text(2)) one.life = life;
    }
    one.reason = rows.text(3);
    one.since = {rows.integer(4)};
    one.actor = rows.text(5);
    one.validation = validation_of(rows.text(6));
  }
  return all;
}

Bytes stored_checkpoint(Database& database, const ModelDefinition& of) {
  Statement& row = keyed(
      database, "SELECT state FROM twin_model WHERE twin = ? AND name = ? AND version = ?", of);
  row.bind(3, static_cast<std::int64_t>(of.spec.version));
  Bytes state = row.step() ? row.blob(0) : Bytes{};
  row.reset();
  return state;
}

void store_model(Database& database, const ModelRow& row) {
  const ModelDefinition& of = row.definition;
  remove_model(database, of);
  Statement& insert =
      keyed(database,
            "INSERT INTO twin_model (twin, name, version, definition, life, reason, since, actor,"
            " validation, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, x'')",
            of);
  const std::string text = definition_text(of), validation = validation_text(row.validation);
  insert.bind(3, static_cast<std::int64_t>(of.spec.version)).bind(4, std::string_view(text));
  insert.bind(5, to_text(row.life)).bind(6, std::string_view(row.reason)).bind(7, row.since.ns);
  insert.bind(8, std::string_view(row.actor)).bind(9, std::string_view(validation)).run();
}

void store_life(Database& database, const ModelRow& row) {
  Statement& update = database.cached(
      "UPDATE twin_model SET life = ?3, reason = ?4, since = ?5, actor = ?6"
      " WHERE twin = ?1 AND name = ?2 AND version = ?7");
  update.bind(1, std::string_view(row.definition.twin));
  update.bind(2, std::string_view(row.definition.name)).bind(3, to_text(row.life));
  update.bind(4, std::string_view(row.reason)).bind(5, row.since.ns);
  update.bind(6, std::string_view(row.actor));
  update.bind(7, static_cast<std::int64_t>(row.definition.spec.version)).run();
}

void store_checkpoint(Database& database, const ModelDefinition& of, ByteView state) {
  Statement& update = keyed(database,
                            "UPDATE twin_model SET state = ?3 WHERE twin = ?1 AND name = ?2"
                            " AND version = ?4",
                            of);
  update.bind(3, state).bind(4, static_cast<std::int64_t>(of.spec.version)).run();
}

void store_told(Database& database, const ModelDefinition& of, const Told& told) {
  if (told.again_from) {
    keyed(database, "DELETE FROM model_alarm WHERE twin = ? AND name = ? AND time >= ?", of)
        .bind(3, told.again_from->ns)
        .run();
  }
  for (const Forecast& forecast : told.forecasts) {
    ModelArchive archive = ModelArchive::writer();
    auto paths = forecast.paths;
    archive_paths(archive, paths);
    const Bytes bytes = archive.finish();
    Statement& insert = keyed(database,
                              "INSERT OR IGNORE INTO model_forecast (twin, name, issued, version,"
                              " paths) VALUES (?, ?, ?, ?, ?)",
                              of);
    insert.bind(3, forecast.issued.ns).bind(4, static_cast<std::int64_t>(forecast.version));
    insert.bind(5, ByteView(bytes)).run();
  }
  for (const Alarm& alarm : told.alarms) {
    Statement& insert = keyed(database,
                              "INSERT OR IGNORE INTO model_alarm (twin, name, time, version,"
                              " signal, value, expected, evidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                              of);
    insert.bind(3, alarm.time.ns).bind(4, static_cast<std::int64_t>(alarm.version));
    insert.bind(5, std::string_view(alarm.signal));
    bind_number(insert, 6, alarm.value);
    bind_number(insert, 7, alarm.expected);
    insert.bind(8, alarm.evidence).run();
  }
  if (!told.forecasts.empty()) {
    keyed(
        database,
        "DELETE FROM model_forecast WHERE twin = ?1 AND name = ?2 AND issued NOT IN (SELECT"
        " issued FROM model_forecast WHERE twin = ?1 AND name = ?2 ORDER BY issued DESC LIMIT ?3)",
        of)
        .bind(3, static_cast<std::int64_t>(limits::kForecastsKept))
        .run();
  }
  if (told.alarms.empty()) return;
  keyed(database,
        "DELETE FROM model_alarm WHERE twin = ?1 AND name = ?2 AND time NOT IN (SELECT time FROM"
        " model_alarm WHERE twin = ?1 AND name = ?2 ORDER BY time DESC LIMIT ?3)",
        of)
      .bind(3, static_cast<std::int64_t>(limits::kAlarmsKept))
      .run();
}

void remove_model(Database& database, const ModelDefinition& of) {
  for (const char* sql : {"DELETE FROM twin_model WHERE twin = ? AND name = ?",
                          "DELETE FROM model_forecast WHERE twin = ? AND name = ?",
                          "DELETE FROM model_alarm WHERE twin = ? AND name = ?"}) {
    keyed(database, sql, of).run();
  }
}

std::vector<Forecast> stored_forecasts(Database& database, const ModelDefinition& of) {
  std::vector<Forecast> all;
  Statement& rows = keyed(database,
                          "SELECT issued, version, paths FROM model_forecast WHERE twin = ? AND"
                          " name = ? ORDER BY issued DESC",
                          of);
  while (rows.step()) {
    auto archive = ModelArchive::reader(rows.blob(2));
    if (!archive) continue;
    Forecast forecast{{rows.integer(0)}, static_cast<std::uint32_t>(rows.integer(1)), {}};
    archive_paths(*archive, forecast.paths);
    if (!archive->failed()) all.push_back(std::move(forecast));
  }
  return all;
}

std::vector<StoredAlarm> stored_alarms(Database& database, const std::string& twin, Instant since,
                                       std::size_t limit) {
  std::vector<StoredAlarm> all;
  Statement& rows = database.cached(
      "SELECT name, time, version, signal, value, expected, evidence FROM model_alarm"
      " WHERE twin = ? AND time >= ? ORDER BY time DESC LIMIT ?");
  rows.bind(1, std::string_view(twin)).bind(2, since.ns).bind(3, static_cast<std::int64_t>(limit));
  while (rows.step()) {
    StoredAlarm& one = all.emplace_back();
    one.model = rows.text(0);
    one.alarm.time = {rows.integer(1)};
    one.alarm.version = static_cast<std::uint32_t>(rows.integer(2));
    one.alarm.signal = rows.text(3);
    one.alarm.value = rows.is_null(4) ? kMissing : rows.real(4);
    one.alarm.expected = rows.is_null(5) ? kMissing : rows.real(5);
    one.alarm.evidence = rows.real(6);
  }
  rows.reset();
  return all;
}

}  // namespace entente::node
