// A small federation for tests: `works` and `depot` keep meters, `office` asks about them.
//
// Each provider has 30 meters (20 in hall north, 10 in hall south) with a reading every four hours
// of kDays days from kFirstDay on. An agreement allows groups of 12 and epsilon 8 a day, so three
// questions at epsilon 4 fit in a day and a fourth does not.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/integration/process.h"

namespace entente::tests {

inline constexpr int kMeters = 30;
inline constexpr int kDays = 12;
inline constexpr int kReadingsPerDay = 6;

// The n-th day with readings, from 1 on: "2025-03-01".
std::string day(int n);
// A question about one day, like "mean(load)" of "meters@works".
std::string question(const std::string& item, const std::string& target, int n,
                     const std::string& where = {});

// The files of one provider, written below a folder.
struct MeterFiles {
  std::filesystem::path type;
  std::filesystem::path twins;
  std::filesystem::path readings;
  std::filesystem::path map;
  std::filesystem::path agreement;
  std::filesystem::path exports;
};
MeterFiles write_meter_files(const std::filesystem::path& folder);
void write_text(const std::filesystem::path& path, const std::string& text);

// Makes the home of a provider and of an asker; not started.
void init_provider(TestNode& node, const MeterFiles& files);
void init_office(TestNode& node);
// Gives a running provider its type and twins, and its readings.
void apply_twins(TestNode& node, const MeterFiles& files);
void load(TestNode& node, const MeterFiles& files);

// One node: running, loaded.
struct LoadedWorks {
  LoadedWorks();
  TemporaryFolder folder;
  MeterFiles files;
  TestNode works;
};

// works and office: running, strangers, nothing loaded.
struct Strangers {
  Strangers();
  TemporaryFolder folder;
  MeterFiles files;
  TestNode works;
  TestNode office;
};

// The same: linked, loaded, agreed. Office made the invitation, works dials.
struct Pair : Strangers {
  Pair();
  std::string agreement;
};

// What an answer says, without what may differ between repetitions (its id, the age, the charge).
std::string figures(const boost::json::value& answer);
const boost::json::object& coverage_of(const boost::json::value& answer,
                                       const std::string& organisation);
// Spent on a day by all partners, in units of rho; 0 when the day has no block yet.
std::uint64_t spent_rho(const TestNode& node, int n);
// The bytes of all stored releases, read from the file of a node.
std::vector<std::string> stored_releases(const TestNode& node);
// The first column of a query of entente.db.
std::vector<std::string> blobs_of(const TestNode& node, const char* query);

}  // namespace entente::tests
