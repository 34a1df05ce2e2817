// The audit log's head in a file off the database, so that a database restored from an older backup
// is told at the next start, before any partner asks.
//
// One line: records, link in hexadecimal, time of writing in nanoseconds since 1970. Written
// through a temporary file and a rename, from what a reader sees and so never ahead of the durable
// log. It helps as far as it is not restored together with the database: [ledger] head_file names a
// place on another disk. Threads: one at a time.
#pragma once

#include <optional>
#include <string>

#include "node/store/ledger_standing.h"
#include "schemas/base/result.h"

namespace entente::node {

class HeadFile {
 public:
  explicit HeadFile(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  // None when there is no file. Refuses: config_invalid (nor its folder: a disk that is not there
  // tells nothing), verification_failed (it does not read).
  [[nodiscard]] Result<std::optional<ShownHead>> read() const;
  // Without effect while the head is the one written last. Refuses: store_failed.
  [[nodiscard]] Outcome write(const AuditHead& head, Instant now);
  // Whether the latest write was refused.
  bool failing() const { return failing_; }

 private:
  const std::string path_;
  AuditHead written_;
  bool failing_ = false;
};

}  // namespace entente::node
