#include "node/backup/backup_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "security/vault/key_wrap.h"
#include "security/vault/sealed_stream.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using security::StreamOpener;
using security::StreamSealer;

constexpr std::string_view kMagic = "ENTENTE-BACKUP1\n";
constexpr std::size_t kDescriptionMost = 16'384;
constexpr std::size_t kFilesMost = 100'000;
constexpr std::size_t kNameMost = 512;
constexpr std::size_t kReadBytes = 1 << 18;

Error io_error(const std::string& what, int error) {
  return make_error(error == ENOSPC ? ErrorCode::disk_full : ErrorCode::store_failed,
                    what + ": " + std::strerror(error));
}

Error no_backup(const fs::path& path, const std::string& why) {
  return make_error(ErrorCode::invalid_argument, path.string() + " is no backup: " + why,
                    "give a file that 'entente backup create' made");
}

Error damaged(const fs::path& path, const std::string& why) {
  return make_error(ErrorCode::verification_failed, path.string() + ": " + why,
                    "use another copy, and the key of the node that made it");
}

Error stopped() {
  return make_error(ErrorCode::deadline_exceeded, "it was stopped before its end");
}

// "provision.d/air.toml": relative, plain, nowhere upwards.
bool is_plain_name(std::string_view name) {
  if (name.empty() || name.size() > kNameMost || name.front() == '/') return false;
  if (name.find('\0') != std::string_view::npos) return false;
  const fs::path path(name);
  return std::none_of(path.begin(), path.end(), [](const fs::path& part) {
    return part == ".." || part == "." || part.empty();
  });
}

Bytes clear_head(const BackupDescription& description) {
  const json::object object{{"organisation", description.organisation.hex()},
                            {"name", description.name},
                            {"site", description.site},
                            {"version", description.version},
                            {"created_ns", description.created.ns},
                            {"vault", description.vault.hex()},
                            {"wrapped", to_base64url(description.wrapped)}};
  const std::string text = json::serialize(object);
  Bytes out(kMagic.begin(), kMagic.end());
  for (std::size_t i = 0; i < 4; ++i)
    out.push_back(static_cast<std::uint8_t>(text.size() >> 8 * i));
  out.insert(out.end(), text.begin(), text.end());
  return out;
}

// ---- writing ----

class TarWriter final : public BackupWriter {
 public:
  TarWriter(fs::path path, int file, StreamSealer sealer, BackupProgress progress)
      : path_(std::move(path)),
        file_(file),
        sealer_(std::move(sealer)),
        progress_(std::move(progress)),
        archive_(archive_write_new()) {
    archive_write_add_filter_zstd(archive_);
    archive_write_set_format_pax_restricted(archive_);
    archive_write_set_bytes_per_block(archive_, 65'536);
    archive_write_set_bytes_in_last_block(archive_, 1);
  }
  ~TarWriter() override {
    archive_write_free(archive_);
    if (file_ >= 0) ::close(file_);
    if (!finished_) ::unlink(path_.c_str());
  }

  Outcome begin(const Bytes& head) {
    if (auto written = put(head); !written) return written;
    if (auto written = put(sealer_.head()); !written) return written;
    return checked(archive_write_open(archive_, this, nullptr, &TarWriter::take, nullptr));
  }

  Outcome add(const std::string& name, const fs::path& file) override {
    if (!is_plain_name(name)) {
      return make_error(ErrorCode::conflict, "no backup takes a file of the name " + name,
                        "give it a shorter, plain name");
    }
    std::ifstream in(file, std::ios::binary);
    struct stat info {};
    if (!in || ::stat(file.c_str(), &info) != 0)
      return io_error("cannot read " + file.string(), errno);
    std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                   archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0600);
    archive_entry_set_size(entry.get(), info.st_size);
    archive_entry_set_mtime(entry.get(), info.st_mtime, 0);
    if (auto written = checked(archive_write_header(archive_, entry.get())); !written) {
      return written;
    }
    std::vector<char> buffer(kReadBytes);
    auto left = static_cast<std::uint64_t>(info.st_size);
    while (left > 0) {
      in.read(buffer.data(),
              static_cast<std::streamsize>(std::min<std::uint64_t>(left, buffer.size())));
      const auto got = static_cast<std::size_t>(in.gcount());
      if (got == 0) {
        return make_error(ErrorCode::conflict, file.string() + " shrank while it was copied",
                          "make the backup again");
      }
      if (archive_write_data(archive_, buffer.data(), got) != static_cast<la_ssize_t>(got)) {
        return failure();
      }
      left -= got;
      done_ += got;
      if (progress_ && !progress_(done_)) return stopped();
    }
    return {};
  }

  Outcome finish() override {
    if (auto closed = checked(archive_write_close(archive_)); !closed) return closed;
    if (auto last = seal_all(true); !last) return last;
    const bool synced = ::fsync(file_) == 0;
    const int error = errno;
    ::close(file_);
    file_ = -1;
    if (!synced) return io_error("cannot sync " + path_.string(), error);
    finished_ = true;
    return {};
  }

 private:
  static la_ssize_t take(archive*, void* self, const void* data, size_t size) {
    auto& writer = *static_cast<TarWriter*>(self);
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    writer.waiting_.insert(writer.waiting_.end(), bytes, bytes + size);
    if (writer.waiting_.size() < security::kStreamPieceBytes) return static_cast<la_ssize_t>(size);
    if (auto sealed = writer.seal_all(false); !sealed) {
      writer.failed_ = sealed.error();
      return -1;
    }
    return static_cast<la_ssize_t>(size);
  }

  // Whole pieces; at the end what remains, as the last one.
  Outcome seal_all(bool end) {
    std::size_t at = 0;
    while (waiting_.size() - at >= security::kStreamPieceBytes) {
      const ByteView piece = ByteView(waiting_).subspan(at, security::kStreamPieceBytes);
      if (auto written = put(sealer_.seal(piece, false)); !written) return written;
      at += security::kStreamPieceBytes;
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(at));
    return end ? put(sealer_.seal(waiting_, true)) : Outcome{};
  }

  Outcome put(ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return io_error("cannot write " + path_.string(), errno);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }

  Outcome checked(int code) { return code == ARCHIVE_OK ? Outcome{} : failure(); }
  Error failure() {
    if (failed_) return *failed_;
    const char* why = archive_error_string(archive_);
    return make_error(ErrorCode::store_failed,
                      "cannot write " + path_.string() + ": " + (why == nullptr ? "" : why));
  }

  fs::path path_;
  int file_;
  StreamSealer sealer_;
  BackupProgress progress_;
  archive* archive_;
  Bytes waiting_;
  std::optional<Error> failed_;
  std::uint64_t done_ = 0;
  bool finished_ = false;
};

// ---- reading ----

struct Opened {
  BackupDescription description;
  Bytes head;  // all that stands in the clear
};

Result<BackupDescription> description_from(const fs::path& path, const std::string& text) {
  boost::system::error_code failed;
  const json::value value = json::parse(text, failed);
  const json::object* object = failed ? nullptr : value.if_object();
  if (object == nullptr) return no_backup(path, "its description does not read");
  const auto text_of_member = [&](const char* name) -> std::string {
    const json::value* found = object->if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
  };
  BackupDescription out;
  const auto organisation = OrgId::from_hex_text(text_of_member("organisation"));
  const auto vault = Hash256::from_hex_text(text_of_member("vault"));
  const auto wrapped = from_base64url(text_of_member("wrapped"));
  const json::value* created = object->if_contains("created_ns");
  if (!organisation || !vault || !wrapped || created == nullptr || !created->is_int64()) {
    return no_backup(path, "its description does not read");
  }
  if (!wrapped->empty()) {
    if (auto way = security::unlock_way(*wrapped); !way) return std::move(way).error();
  }
  out.organisation = *organisation;
  out.name = text_of_member("name");
  out.site = text_of_member("site");
  out.version = text_of_member("version");
  out.created = Instant{created->get_int64()};
  out.vault = *vault;
  out.wrapped = *wrapped;
  return out;
}

Result<Opened> read_head(const fs::path& path, std::ifstream& in) {
  if (!in) return make_error(ErrorCode::not_found, "cannot read " + path.string());
  Opened out;
  out.head.resize(kMagic.size() + 4);
  in.read(reinterpret_cast<char*>(out.head.data()), static_cast<std::streamsize>(out.head.size()));
  if (!in || !std::equal(kMagic.begin(), kMagic.end() - 2, out.head.begin())) {
    return no_backup(path, "it does not begin like one");
  }
  if (!std::equal(kMagic.begin(), kMagic.end(), out.head.begin())) {
    return make_error(ErrorCode::version_too_new, path.string() + " is a backup of a newer form");
  }
  std::size_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) size |= std::size_t{out.head[kMagic.size() + i]} << 8 * i;
  if (size > kDescriptionMost) return no_backup(path, "its description is too long");
  std::string text(size, '\0');
  in.read(text.data(), static_cast<std::streamsize>(size));
  if (!in) return no_backup(path, "it is cut short");
  out.head.insert(out.head.end(), text.begin(), text.end());
  auto description = description_from(path, text);
  if (!description) return std::move(description).error();
  out.description = std::move(*description);
  return out;
}

// Hands the archive one opened piece after the other.
class PieceSource {
 public:
  PieceSource(fs::path path, std::ifstream& in, StreamOpener opener)
      : path_(std::move(path)), in_(in), opener_(std::move(opener)) {}

  static la_ssize_t give(archive*, void* self, const void** data) {
    auto& source = *static_cast<PieceSource*>(self);
    while (!source.ended_) {
      auto next = source.next();
      if (!next) {
        source.failed_ = next.error();
        return -1;
      }
      source.ended_ = next->last;
      source.piece_ = std::move(next->bytes);
      if (source.piece_.empty()) continue;
      *data = source.piece_.data();
      return static_cast<la_ssize_t>(source.piece_.size());
    }
    return 0;
  }
  // After the archive's end: nothing may be left, and the last piece must have come.
  Outcome ended() {
    while (!ended_) {
      auto next = this->next();
      if (!next) return std::move(next).error();
      ended_ = next->last;
    }
    if (in_.peek() != std::ifstream::traits_type::eof())
      return damaged(path_, "it goes on after its end");
    return {};
  }
  const std::optional<Error>& failed() const { return failed_; }

 private:
  Result<StreamOpener::Piece> next() {
    std::array<std::uint8_t, 4> length{};
    in_.read(reinterpret_cast<char*>(length.data()), 4);
    if (!in_) return damaged(path_, "it is cut off");
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size |= std::size_t{length[i]} << 8 * i;
    if (size > security::kStreamPieceBytes + security::kStreamOverhead) {
      return damaged(path_, "it was changed");
    }
    Bytes sealed(size);
    in_.read(reinterpret_cast<char*>(sealed.data()), static_cast<std::streamsize>(size));
    if (!in_) return damaged(path_, "it is cut off");
    auto piece = opener_.open_piece(sealed);
    if (!piece) return damaged(path_, piece.error().what);
    return piece;
  }

  fs::path path_;
  std::ifstream& in_;
  StreamOpener opener_;
  Bytes piece_;
  std::optional<Error> failed_;
  bool ended_ = false;
};

// Writes one file of the archive, or only reads it. Its size; refused by `progress` or the disk.
Result<std::uint64_t> take_file(archive* reader, const fs::path& target, std::uint64_t before,
                                const BackupProgress& progress) {
  int file = -1;
  if (!target.empty()) {
    std::error_code failed;
    fs::create_directories(target.parent_path(), failed);
    fs::permissions(target.parent_path(), fs::perms::owner_all, failed);
    file = ::open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) {
      return errno == EEXIST ? make_error(ErrorCode::conflict, target.string() + " exists already",
                                          "restore into an empty folder")
                             : io_error("cannot write " + target.string(), errno);
    }
  }
  std::vector<std::uint8_t> buffer(kReadBytes);
  std::uint64_t size = 0;
  std::optional<Error> failed;
  while (!failed) {
    const la_ssize_t got = archive_read_data(reader, buffer.data(), buffer.size());
    if (got < 0) failed = make_error(ErrorCode::verification_failed, "a file does not read");
    if (got <= 0) break;
    size += static_cast<std::uint64_t>(got);
    for (std::size_t at = 0; file >= 0 && at < static_cast<std::size_t>(got);) {
      const ssize_t written = ::write(file, buffer.data() + at, static_cast<std::size_t>(got) - at);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) {
        failed = io_error("cannot write " + target.string(), errno);
        break;
      }
      at += static_cast<std::size_t>(written);
    }
    if (!failed && progress && !progress(before + size)) failed = stopped();
  }
  if (file >= 0) {
    if (!failed && ::fsync(file) != 0) failed = io_error("cannot sync " + target.string(), errno);
    ::close(file);
  }
  if (failed) return *failed;
  return size;
}

}  // namespace

Result<std::unique_ptr<BackupWriter>> BackupWriter::begin(const fs::path& path,
                                                          const BackupDescription& description,
                                                          const security::Vault& vault,
                                                          Random& random, BackupProgress progress) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0 && errno == EEXIST) {
    return make_error(ErrorCode::conflict, path.string() + " exists already",
                      "name another file: a backup is never written over");
  }
  if (file < 0) return io_error("cannot write " + path.string(), errno);
  const Bytes head = clear_head(description);
  auto writer = std::make_unique<TarWriter>(
      path, file, StreamSealer(vault, security::VaultUse::backup, head, random),
      std::move(progress));
  if (auto begun = writer->begin(head); !begun) return std::move(begun).error();
  return std::unique_ptr<BackupWriter>(std::move(writer));
}

Result<BackupDescription> describe_backup(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  auto opened = read_head(path, in);
  if (!opened) return std::move(opened).error();
  return std::move(opened->description);
}

Result<BackupContents> read_backup(const fs::path& path, const security::Vault& vault,
                                   const fs::path& into, const BackupProgress& progress) {
  std::ifstream in(path, std::ios::binary);
  auto opened = read_head(path, in);
  if (!opened) return std::move(opened).error();
  if (opened->description.vault != vault.fingerprint()) {
    return damaged(path, "it is sealed under another vault key than the one given");
  }
  Bytes head(security::kStreamHeadBytes);
  in.read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(head.size()));
  if (!in) return damaged(path, "it is cut off");
  auto opener = StreamOpener::open(vault, security::VaultUse::backup, opened->head, head);
  if (!opener) return std::move(opener).error();
  PieceSource source(path, in, std::move(*opener));
  const std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  archive_read_support_filter_zstd(reader.get());
  archive_read_support_format_tar(reader.get());
  const auto failure = [&]() -> Error {
    if (source.failed()) return *source.failed();
    const char* why = archive_error_string(reader.get());
    return damaged(path, std::string("its archive does not read: ") + (why == nullptr ? "" : why));
  };
  if (archive_read_open(reader.get(), &source, nullptr, &PieceSource::give, nullptr) !=
      ARCHIVE_OK) {
    return failure();
  }
  BackupContents contents;
  archive_entry* entry = nullptr;
  int code = ARCHIVE_OK;
  while ((code = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr || !is_plain_name(name) || archive_entry_filetype(entry) != AE_IFREG ||
        archive_entry_hardlink(entry) != nullptr || ++contents.files > kFilesMost) {
      return damaged(path, "it holds what no backup of a node holds");
    }
    auto taken =
        take_file(reader.get(), into.empty() ? fs::path() : into / name, contents.bytes, progress);
    if (!taken) return source.failed() ? *source.failed() : taken.error();
    contents.bytes += *taken;
  }
  if (code != ARCHIVE_EOF) return failure();
  if (auto ended = source.ended(); !ended) return std::move(ended).error();
  return contents;
}

}  // namespace entente::node
