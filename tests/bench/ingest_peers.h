// What else would keep the stream durable, for comparison.
#pragma once

#include <string>
#include <vector>

#include "node/history/reading.h"

namespace entente::bench {

struct PeerRate {
  double readings_per_s = 0;
  double cpu_us_per_reading = 0;  // of this process: a server's is not in it
};

// A table clustered by series and time, a transaction a batch, synchronous=FULL, WAL.
PeerRate sqlite_rows(const std::string& path, const std::vector<node::Batch>& batches);

// A PostgreSQL 15 of its own in a temporary folder, with its default durability.
class Postgres {
 public:
  Postgres();
  ~Postgres();
  bool running() const { return why_.empty(); }
  const std::string& why() const { return why_; }
  // A binary COPY a batch into a table indexed by series and time.
  PeerRate copy(const std::vector<node::Batch>& batches);

 private:
  std::string folder_;
  std::string why_;
};

}  // namespace entente::bench
