#include "node/store/head_file.h"

#include <filesystem>
#include <sstream>

#include "node/daemon/keyring.h"

namespace entente::node {
namespace {

constexpr std::size_t kFileBytes = 256;

}  // namespace

Result<std::optional<ShownHead>> HeadFile::read() const {
  const auto folder = std::filesystem::path(path_).parent_path();
  if (!std::filesystem::is_directory(folder)) {
    return make_error(ErrorCode::config_invalid,
                      "[ledger] head_file: there is no folder " + folder.string(),
                      "mount its disk, or name another place in entente.toml");
  }
  if (!std::filesystem::exists(path_)) return std::optional<ShownHead>();
  auto bytes = read_file(path_, kFileBytes);
  if (!bytes) return std::move(bytes).error();
  std::istringstream line{std::string(text_of(*bytes))};
  ShownHead shown;
  std::string link;
  line >> shown.head.count >> link >> shown.issued.ns;
  const auto parsed = Hash256::from_hex_text(link);
  if (!line || !parsed) {
    return make_error(ErrorCode::verification_failed, path_ + " does not hold the audit log's head",
                      "delete it; if the database was restored from a backup, run 'entente budget "
                      "reconcile --restored' before partners ask");
  }
  shown.head.link = *parsed;
  shown.source = "file:" + path_;
  return std::optional(shown);
}

Outcome HeadFile::write(const AuditHead& head, Instant now) {
  if (head == written_) return {};
  const std::string line =
      std::to_string(head.count) + " " + head.link.hex() + " " + std::to_string(now.ns) + "\n";
  auto done = write_private(path_, bytes_of(line));
  failing_ = !done;
  if (!done) return done;
  written_ = head;
  return {};
}

}  // namespace entente::node
