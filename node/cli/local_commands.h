// What the command line needs from the rest of the node, as functions: commands that work on files
// instead of calling a running node, the daemon itself, and the reader of `ingest`. main.cpp fills
// them in; a command whose function is missing is refused (unsupported).
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/result.h"
#include "schemas/base/time.h"

namespace entente {
class Clock;
}
namespace entente::federation {
struct PrivacyAudit;
}

namespace entente::node {

// `data` is what `-o json` shows (apiVersion is added) and the table lists; `words` go to stderr.
struct LocalReport {
  boost::json::object data;
  std::vector<std::string> words;
};

struct InitOptions {
  std::string home;
  std::string organisation;  // a local id: "washington"
  std::string title;         // for people; the organisation when empty
  std::string site = "main";
  std::string federation_address;  // host:port at which partners reach this site; empty: none yet
  std::optional<std::uint16_t> http_port;
  std::optional<std::uint16_t> federation_port;
  bool dry_run = false;
};

struct ServeOptions {
  std::string home;
  std::optional<std::uint16_t> http_port;  // 0: any free one
  std::optional<std::uint16_t> federation_port;
  std::string log_level = "info";              // debug, info, warn, error
  std::string log_format;                      // json, plain; empty: plain on a terminal, else json
  std::optional<std::string> passphrase_file;  // of a vault that wants one
};

struct AgreementCheckOptions {
  std::string home;
  std::string path;  // as given; "-" for standard input
  std::string text;  // its content
};

struct NodeCheckOptions {
  std::string home;
  bool repair = false;
};

struct NamedFile {
  std::string path;  // as given
  std::string text;  // its content
};

struct PrivacyAuditOptions {
  std::string home;
  std::optional<NamedFile> exports;    // declarations as in provision.d, instead of the home's
  std::optional<NamedFile> agreement;  // what it sells of them
  std::size_t runs = 0;
  bool every_run = false;  // also of what is long to answer
  // After each experiment: of which export (empty: the made-up one), done, of all.
  std::function<void(std::string_view, std::size_t, std::size_t)> progress;
};

struct VaultProtectOptions {
  std::string home;
  std::string way;                        // key-file, passphrase, credential
  std::optional<std::string> secret;      // the new pass phrase or credential
  std::optional<std::string> passphrase;  // that opens the vault until now
  bool dry_run = false;
};

struct BackupOptions {
  std::string file;
  std::string home;                   // whose key file opens it; into which it is restored
  std::string key_file;               // instead of the home's
  std::optional<std::string> secret;  // the pass phrase or credential of its vault
  bool dry_run = false;
  std::function<void(std::uint64_t bytes)> progress;
};

// Readings of a file, in order, in the form that POST /api/v1/readings takes.
struct ReadingBatch {
  std::string json_lines;              // one reading a line
  std::vector<std::uint64_t> sources;  // for each of those lines, its line in the file
  struct Reject {
    std::uint64_t line = 0;  // in the file
    std::string reason;
    std::size_t column = 0;  // 0: the whole line
    std::string text = {};   // what stood there, cut
  };
  std::vector<Reject> rejects;  // rows that could not be read
  double progress = -1;         // 0 to 1 of the file, after this batch; negative: unknown
};

class ReadingSource {
 public:
  virtual ~ReadingSource() = default;
  // The next batch, at most `rows` lines and about `bytes` bytes; nothing at the end.
  // Refuses (input_unreadable): the file cannot be read on.
  [[nodiscard]] virtual Result<std::optional<ReadingBatch>> next(std::size_t rows,
                                                                 std::size_t bytes) = 0;
};

struct ReadingFiles {
  std::string path;
  std::string map_path;
  std::string format;     // csv, jsonl, line; empty: by the mapping, then by the file's name
  std::string precision;  // of line protocol; empty: ns
  bool follow = false;    // reads on as the file grows
};

struct LocalCommands {
  std::function<Result<LocalReport>(const InitOptions&)> init;
  // Runs until it is told to stop.
  // The value is the exit code.
  std::function<Result<int>(const ServeOptions&)> serve;
  std::function<Result<LocalReport>(const AgreementCheckOptions&)> agreement_check;
  // `data` has "ok", figures, "findings" (objects of file, table, row, what, remedy) and "repairs"
  // (sentences). Refuses: conflict (the node runs), not_found, store_failed.
  std::function<Result<LocalReport>(const NodeCheckOptions&)> node_check;
  // The made-up export first, then what is declared. Touches no database and no key of the home.
  std::function<Result<std::vector<federation::PrivacyAudit>>(const PrivacyAuditOptions&)>
      privacy_audit;
  // What doctor can say of a home whose node does not answer: [{"name","state","detail","remedy"}].
  std::function<boost::json::array(const std::string& home)> home_checks;
  // `data` has "opened_by" (key-file, passphrase, credential) and "file".
  std::function<Result<LocalReport>(const std::string& home)> vault_status;
  std::function<Result<LocalReport>(const VaultProtectOptions&)> vault_protect;
  // What opens this backup: key-file, passphrase, credential.
  std::function<Result<std::string>(const std::string& file)> backup_way;
  std::function<Result<LocalReport>(const BackupOptions&)> backup_verify;
  std::function<Result<LocalReport>(const BackupOptions&)> restore;
  // Verifies one receipt, a line of what `ask --receipts` wrote; `expected` zero: whoever answered.
  // Its answer in the form of POST /api/v1/ask, with "proof". Refuses: invalid_argument,
  // verification_failed.
  std::function<Result<boost::json::object>(const boost::json::value& receipt,
                                            const OrgId& expected)>
      verify_receipt;
  // Instead of the readers of files (file_source.h), for tests and other forms.
  // Refuses: input_unreadable (file), config_invalid (mapping).
  std::function<Result<std::unique_ptr<ReadingSource>>(const ReadingFiles&)> open_readings;
  // Waits; tests need not.
  std::function<void(Duration)> sleep;
  // Of `replay`, and outlives the run; null: the system's.
  const Clock* clock = nullptr;
  // Whether --follow or `replay` shall end; empty: when the process is interrupted.
  std::function<bool()> stopped;
};

}  // namespace entente::node
