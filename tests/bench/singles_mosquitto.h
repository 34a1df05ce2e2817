// The peer of `singles`: mosquitto with MQTT at quality of service 1 over mutual TLS.
#pragma once

#include <optional>
#include <string>

#include "tests/bench/program.h"

namespace entente::bench {

struct SingleFigures {
  double readings_per_s = 0;
  double p50_us = 0, p99_us = 0;  // from publishing one until it is acknowledged
};

// A broker with its defaults, which keep nothing on the disk; on loopback, with a certificate made
// for it (P-256), which its client shows as well.
class Mosquitto {
 public:
  // Files go below `folder`. Throws when something does not start.
  Mosquitto(const std::string& binary, const std::string& folder);
  // One client publishes "20.01 1700000000000000000" to "sensor-7/value" and the like.
  SingleFigures publish(std::size_t readings, std::size_t in_flight);

 private:
  std::string certificate_, key_;
  std::optional<Program> broker_;
  std::uint16_t port_ = 0;
};

// Empty when the benchmark was built with libmosquitto and the broker is installed; else what is
// missing.
std::string mosquitto_missing();

}  // namespace entente::bench
