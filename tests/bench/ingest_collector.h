// Part "end_to_end" of the ingest benchmark: a collector and a node over real mutual TLS on
// loopback, every batch signed and checked, judged, durable, in the twins' state, acknowledged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace entente::bench {

struct CollectorLoad {
  std::size_t readings = 2'000'000;
  std::size_t sensors = 10'000;  // at 1 Hz, random walk on a 0.01 grid
  std::size_t batch = 1'000;
  std::size_t singles = 0;  // so many in flight, each put by itself; 0: batches
  std::string folder;       // for the node's files; emptied before and after
};

struct CollectorFigures {
  double readings_per_s = 0;
  double cpu_s_per_million = 0;         // both sides together
  double client_cpu_s_per_million = 0;  // of that the collector: encode, sign, TLS
  double batch_p50_us = 0;              // from handing one over until it is acknowledged
  double batch_p99_us = 0;
  double wire_bytes_per_reading = 0;  // encoded batches
  std::uint64_t kept = 0;             // as the node acknowledged
};

// One run with a fresh node. Throws when anything was refused, or not everything was kept.
CollectorFigures run_collector(const CollectorLoad& load);

}  // namespace entente::bench
