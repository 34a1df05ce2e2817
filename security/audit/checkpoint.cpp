#include "security/audit/checkpoint.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace entente::security {
namespace {

constexpr std::string_view kPrefix = "entente/";
constexpr std::string_view kDash = "\xe2\x80\x94 ";  // an em dash and a space
constexpr std::uint8_t kEd25519 = 0x01;
constexpr std::uint8_t kCosignature = 0x04;
constexpr std::size_t kKeyIdBytes = 4;
constexpr std::size_t kTimeBytes = 8;
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int kBase64 = sodium_base64_VARIANT_ORIGINAL;

using KeyId = std::array<std::uint8_t, kKeyIdBytes>;

struct NoteLine {
  std::string_view name;
  KeyId key{};
  Bytes signature;
};

struct Note {
  std::string_view text;  // with the newline before the empty line
  std::vector<NoteLine> lines;
};

Error bad(const std::string& why) {
  return make_error(ErrorCode::verification_failed, "checkpoint: " + why);
}

std::string to_base64(ByteView bytes) {
  std::string text(sodium_base64_encoded_len(bytes.size(), kBase64), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), kBase64);
  text.pop_back();  // its own zero
  return text;
}

std::optional<Bytes> from_base64(std::string_view text) {
  Bytes bytes(text.size());
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_base642bin(bytes.data(), bytes.size(), text.data(), text.size(), nullptr, &size, &end,
                        kBase64) != 0 ||
      end != text.data() + text.size()) {
    return {};
  }
  bytes.resize(size);
  if (to_base64(bytes) != text) return {};  // one form per value
  return bytes;
}

KeyId key_id(std::string_view name, std::uint8_t type, const PublicKey& key) {
  std::array<std::uint8_t, crypto_hash_sha256_BYTES> hash;
  crypto_hash_sha256_state state;
  const std::array<std::uint8_t, 2> between{'\n', type};
  crypto_hash_sha256_init(&state);
  crypto_hash_sha256_update(&state, bytes_of(name).data(), name.size());
  crypto_hash_sha256_update(&state, between.data(), between.size());
  crypto_hash_sha256_update(&state, key.bytes.data(), key.bytes.size());
  crypto_hash_sha256_final(&state, hash.data());
  KeyId id;
  std::copy_n(hash.begin(), id.size(), id.begin());
  return id;
}

std::string signature_line(std::string_view name, const KeyId& key, ByteView signature) {
  Bytes raw(key.begin(), key.end());
  raw.insert(raw.end(), signature.begin(), signature.end());
  return std::string(kDash) + std::string(name) + " " + to_base64(raw) + "\n";
}

// Takes a line without its newline off the front.
std::optional<std::string_view> take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  if (end == std::string_view::npos) return {};
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

Result<NoteLine> read_signature(std::string_view line) {
  if (!line.starts_with(kDash)) return bad("a signature line does not begin with a dash");
  line.remove_prefix(kDash.size());
  const auto space = line.find(' ');
  if (space == std::string_view::npos || space == 0) return bad("a signature line has no name");
  const auto raw = from_base64(line.substr(space + 1));
  if (!raw || raw->size() <= kKeyIdBytes) return bad("a signature does not read");
  NoteLine read{line.substr(0, space), {}, Bytes(raw->begin() + kKeyIdBytes, raw->end())};
  std::copy_n(raw->begin(), kKeyIdBytes, read.key.begin());
  return read;
}

Result<Note> read_note(std::string_view whole) {
  if (whole.size() > kNoteBytes) return bad("it is over 16 KiB");
  const auto empty = whole.find("\n\n");
  if (empty == std::string_view::npos) return bad("there is no empty line before its signatures");
  Note note{whole.substr(0, empty + 1), {}};
  std::string_view rest = whole.substr(empty + 2);
  while (!rest.empty()) {
    const auto line = take_line(rest);
    if (!line) return bad("its last line does not end");
    if (note.lines.size() == kNoteSignatures) return bad("it has more than 64 signatures");
    auto signature = read_signature(*line);
    if (!signature) return std::move(signature).error();
    note.lines.push_back(std::move(*signature));
  }
  return note;
}

std::optional<LogName> read_name(std::string_view text) {
  if (!text.starts_with(kPrefix)) return {};
  text.remove_prefix(kPrefix.size());
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  auto organisation = OrgId::from_hex_text(text.substr(0, slash));
  const std::string_view site = text.substr(slash + 1);
  if (!organisation || !is_local_id(site)) return {};
  return LogName{*organisation, std::string(site)};
}

Result<Checkpoint> read_text(std::string_view text) {
  const auto origin = take_line(text);
  const auto log = origin ? read_name(*origin) : std::nullopt;
  if (!log) return bad("its first line does not name a log");
  const auto digits = take_line(text);
  std::uint64_t size = 0;
  if (!digits || digits->empty()) return bad("its second line is no size");
  const auto parsed = std::from_chars(digits->data(), digits->data() + digits->size(), size);
  if (parsed.ec != std::errc() || std::to_string(size) != *digits) {
    return bad("its second line is no size");
  }
  const auto encoded = take_line(text);
  const auto raw = encoded ? from_base64(*encoded) : std::nullopt;
  const auto root = Hash256::from_bytes(raw ? ByteView(*raw) : ByteView());
  if (!root) return bad("its third line is no hash");
  if (!text.empty()) return bad("it has lines that this version does not know");
  return Checkpoint{*log, {size, *root}};
}

bool signed_as(const NoteLine& line, std::string_view name, std::uint8_t type,
               const PublicKey& key) {
  return line.name == name && line.key == key_id(name, type, key);
}

std::string cosigned_bytes(std::int64_t seconds, std::string_view text) {
  return "cosignature/v1\ntime " + std::to_string(seconds) + "\n" + std::string(text);
}

std::optional<Instant> cosigned_at(const NoteLine& line, std::string_view text,
                                   const PublicKey& key) {
  if (line.signature.size() != kTimeBytes + Signature::kSize) return {};
  std::uint64_t time = 0;
  for (std::size_t i = 0; i < kTimeBytes; ++i) time = time << 8 | line.signature[i];
  if (time > INT64_MAX / kNanosecondsPerSecond) return {};
  const auto seconds = static_cast<std::int64_t>(time);
  const auto signature = Signature::from_bytes(ByteView(line.signature).subspan(kTimeBytes));
  const std::string body = cosigned_bytes(seconds, text);
  if (!verify_plain(key, bytes_of(body), *signature)) return {};
  return Instant{seconds * kNanosecondsPerSecond};
}

}  // namespace

std::string LogName::text() const {
  return std::string(kPrefix) + organisation.hex() + "/" + site;
}

std::string sign_checkpoint(const Checkpoint& checkpoint, const SigningKey& audit_key) {
  const std::string name = checkpoint.log.text();
  const std::string text = name + "\n" + std::to_string(checkpoint.tree.size) + "\n" +
                           to_base64(checkpoint.tree.root.view()) + "\n";
  const Signature signature = audit_key.sign_plain(bytes_of(text));
  return text + "\n" +
         signature_line(name, key_id(name, kEd25519, audit_key.public_key()), signature.view());
}

Result<Checkpoint> read_checkpoint(std::string_view note) {
  const auto read = read_note(note);
  if (!read) return read.error();
  return read_text(read->text);
}

Result<Checkpoint> verify_checkpoint(std::string_view note,
                                     const std::vector<PublicKey>& audit_keys) {
  const auto read = read_note(note);
  if (!read) return read.error();
  auto checkpoint = read_text(read->text);
  if (!checkpoint) return checkpoint;
  const std::string name = checkpoint->log.text();
  for (const PublicKey& key : audit_keys) {
    for (const NoteLine& line : read->lines) {
      if (!signed_as(line, name, kEd25519, key)) continue;
      const auto signature = Signature::from_bytes(line.signature);
      if (signature && verify_plain(key, bytes_of(read->text), *signature)) return checkpoint;
    }
  }
  return bad("it is not signed by the log's audit key");
}

std::string cosign(std::string_view note, const LogName& witness, const SigningKey& audit_key,
                   Instant now) {
  const auto read = read_note(note);
  ENTENTE_CHECK(read.has_value());
  const std::int64_t seconds = std::max<std::int64_t>(now.ns, 0) / kNanosecondsPerSecond;
  const std::string body = cosigned_bytes(seconds, read->text);
  Bytes stamped(kTimeBytes);
  for (std::size_t i = 0; i < kTimeBytes; ++i) {
    stamped[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(seconds) >>
                                           (8 * (kTimeBytes - 1 - i)));
  }
  const Signature signature = audit_key.sign_plain(bytes_of(body));
  stamped.insert(stamped.end(), signature.bytes.begin(), signature.bytes.end());
  const std::string name = witness.text();
  return signature_line(name, key_id(name, kCosignature, audit_key.public_key()), stamped);
}

std::string with_cosignature(std::string_view note, std::string_view line) {
  std::string whole(note);
  if (whole.find(line) == std::string::npos) whole += line;
  return whole;
}

Result<Instant> verify_cosignature(std::string_view note, const LogName& witness,
                                   const std::vector<PublicKey>& audit_keys) {
  const auto read = read_note(note);
  if (!read) return read.error();
  const std::string name = witness.text();
  for (const PublicKey& key : audit_keys) {
    for (const NoteLine& line : read->lines) {
      if (!signed_as(line, name, kCosignature, key)) continue;
      if (const auto time = cosigned_at(line, read->text, key)) return *time;
    }
  }
  return bad("it is not cosigned by " + name);
}

std::vector<LogName> cosigners(std::string_view note) {
  std::vector<LogName> names;
  const auto read = read_note(note);
  if (!read) return names;
  const auto own = read_text(read->text);
  for (const NoteLine& line : read->lines) {
    auto name = read_name(line.name);
    if (!name || (own && *name == own->log)) continue;
    if (std::find(names.begin(), names.end(), *name) == names.end()) names.push_back(*name);
  }
  return names;
}

std::string note_key_id(std::string_view name, const PublicKey& key) {
  return to_hex(key_id(name, kEd25519, key));
}

bool contradict(const Checkpoint& one, const Checkpoint& other) {
  return one.log == other.log && one.tree.size == other.tree.size &&
         one.tree.root != other.tree.root;
}

}  // namespace entente::security
