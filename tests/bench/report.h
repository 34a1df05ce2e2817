// What every benchmark prints: a table for people, and as its last line one JSON object.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace entente::bench {

struct Spread {
  double median = 0, least = 0, most = 0;
};

inline Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  const double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return {median, values.front(), values.back()};
}

// CPU of this process so far, user and system, in microseconds.
inline double cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto us = [](const timeval& t) { return static_cast<double>(t.tv_sec) * 1e6 +
                                          static_cast<double>(t.tv_usec); };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

inline std::string machine() {
  std::ifstream info("/proc/cpuinfo");
  std::string line, model = "unknown";
  while (std::getline(info, line)) {
    if (!line.starts_with("model name")) continue;
    model = line.substr(std::min(line.find(':') + 2, line.size()));
    break;
  }
  return model + ", " + std::to_string(std::thread::hardware_concurrency()) + " cores";
}

// One line of figures that belong together; the unit is part of each name ("calls_per_s").
class Report {
 public:
  explicit Report(std::string name) : name_(std::move(name)) {}
  void figure(const std::string& name, double value) { figures_.emplace_back(name, value); }
  // What the ratio compares with: the floor's name and figure, measured in the same run.
  void floor(const std::string& name, double value, double ratio) {
    floor_ = name, floor_value_ = value, ratio_ = ratio;
  }
  // `commit` comes from tests/bench/run by ENTENTE_BENCH_COMMIT.
  void print() const {
    const char* commit = std::getenv("ENTENTE_BENCH_COMMIT");
    std::printf("{\"name\":\"%s\",\"figures\":{", name_.c_str());
    for (std::size_t i = 0; i < figures_.size(); ++i) {
      std::printf("%s\"%s\":%.6g", i == 0 ? "" : ",", figures_[i].first.c_str(),
                  figures_[i].second);
    }
    std::printf("},\"floor\":{\"name\":\"%s\",\"value\":%.6g},\"ratio\":%.4g,", floor_.c_str(),
                floor_value_, ratio_);
    std::printf("\"commit\":\"%s\",\"machine\":\"%s\"}\n", commit == nullptr ? "" : commit,
                machine().c_str());
  }

 private:
  std::string name_;
  std::vector<std::pair<std::string, double>> figures_;
  std::string floor_;
  double floor_value_ = 0, ratio_ = 0;
};

}  // namespace entente::bench
