// The history's tables in history.db.
#pragma once

namespace entente::node {

// The first layout: a row a reading. What such a file holds moves into the second at its opening.
inline constexpr const char* kFirstTables = R"sql(
  CREATE TABLE type_file (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE twin (id TEXT PRIMARY KEY, definition TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    twin TEXT NOT NULL,
    signal TEXT NOT NULL,
    UNIQUE (twin, signal)
  ) STRICT;
  CREATE TABLE reading (
    series INTEGER NOT NULL REFERENCES series (id),
    time INTEGER NOT NULL,
    value REAL,
    quality INTEGER NOT NULL,
    PRIMARY KEY (series, time)
  ) STRICT, WITHOUT ROWID;
)sql";

// journal: a batch a row, until it is sealed. segment, bucket: segment.h; numbers are never used
// again while a process runs. latest: a directory that holds the latest sealed reading of each
// series of a group. retained: a group's readings, minutes and hours begin at these times at the
// latest, what was before is rolled up. correction: what a later reading of the same time replaced.
inline constexpr const char* kTables = R"sql(
  CREATE TABLE name (id INTEGER PRIMARY KEY, twin TEXT NOT NULL, signal TEXT NOT NULL) STRICT;
  CREATE TABLE journal (seq INTEGER PRIMARY KEY, batch BLOB NOT NULL) STRICT;
  CREATE TABLE segment (
    id INTEGER PRIMARY KEY,
    series_group INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    directory BLOB NOT NULL,
    data BLOB NOT NULL
  ) STRICT;
  CREATE INDEX segment_place ON segment (series_group, first_time, last_time, readings);
  CREATE TABLE bucket (
    id INTEGER PRIMARY KEY,
    series_group INTEGER NOT NULL,
    level INTEGER NOT NULL,
    start INTEGER NOT NULL,
    directory BLOB NOT NULL
  ) STRICT;
  CREATE INDEX bucket_place ON bucket (series_group, level, start);
  CREATE TABLE latest (series_group INTEGER PRIMARY KEY, directory BLOB NOT NULL) STRICT;
  CREATE TABLE retained (
    series_group INTEGER PRIMARY KEY,
    readings_from INTEGER NOT NULL,
    minutes_from INTEGER NOT NULL,
    hours_from INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE correction (
    series INTEGER NOT NULL,
    time INTEGER NOT NULL,
    replaced_at INTEGER NOT NULL,
    value REAL,
    quality INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX correction_place ON correction (series, time);
)sql";

// Of series that retention took readings of: none from before are left or taken. Where it was not
// kept by series, what was rolled up in a group counts for all of it. A series whose names are
// empty is forgotten: its number is not used again.
inline constexpr const char* kSeriesHorizons = R"sql(
  CREATE TABLE series_horizon (
    series INTEGER PRIMARY KEY,
    readings_from INTEGER NOT NULL
  ) STRICT;
  INSERT INTO series_horizon
    SELECT name.id, retained.readings_from FROM name
    JOIN retained ON retained.series_group = name.id / 256;
)sql";

// Buckets of 6 hours and of 4, 16 and 64 days: no table changes, but a program from before them
// refuses the file by its version, not as damaged.
inline constexpr const char* kLongBuckets = "SELECT 1";

}  // namespace entente::node
