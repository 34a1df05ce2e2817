#include "node/cli/audit_bundle.h"

#include <boost/json.hpp>
#include <istream>

#include "node/audit/charter_json.h"
#include "node/cli/json_fields.h"
#include "security/audit/audit.h"
#include "security/audit/checkpoint.h"
#include "security/identity/charter.h"

namespace entente::node {

namespace json = boost::json;
using security::PinnedOrganisation;

namespace {

constexpr std::uint64_t kProgressEvery = 4'096;
constexpr std::size_t kLineBytes = 4 << 20;  // the first line holds every partner's charters

struct Header {
  PinnedOrganisation owner;
  security::Checkpoint checkpoint;
  std::string note;
  json::array witnesses;
};

Error not_a_bundle(std::uint64_t line, const std::string& why) {
  return make_error(ErrorCode::invalid_argument, "line " + std::to_string(line) + ": " + why,
                    "give a file that 'entente audit export' wrote");
}

Error broken(const std::string& why) {
  return make_error(ErrorCode::verification_failed, why,
                    "keep the file as it is, and compare with the partners' checkpoints");
}

Result<json::value> next_line(std::istream& in, std::uint64_t number) {
  std::string line;
  if (!std::getline(in, line)) return not_a_bundle(number, "the file ends here");
  if (line.size() > kLineBytes) return not_a_bundle(number, "it is over 4 MiB");
  boost::system::error_code failed;
  json::value value = json::parse(line, failed);
  if (failed || !value.is_object()) return not_a_bundle(number, "it is no JSON object");
  return value;
}

Result<Header> read_header(std::istream& in, const OrgId& expected) {
  auto line = next_line(in, 1);
  if (!line) return std::move(line).error();
  if (number_of_field(*line, "entente_audit_bundle") != 1.0) {
    return not_a_bundle(1, "it is no audit bundle of version 1");
  }
  auto owner = pinned_from(line->get_object());
  if (!owner) return std::move(owner).error();
  if (!expected.is_zero() && owner->id() != expected) {
    return broken("the log is of organisation " + owner->id().hex() + ", not of " + expected.hex());
  }
  const std::string note = text_of_field(*line, "checkpoint");
  auto checkpoint = security::verify_checkpoint(note, owner->keys_ever(KeyPurpose::audit));
  if (!checkpoint) return broken(checkpoint.error().what);
  if (checkpoint->log !=
      security::LogName{owner->id(), std::string(text_of_field(*line, "site"))}) {
    return broken("the checkpoint is of another log than the one named");
  }
  return Header{std::move(*owner), std::move(*checkpoint), note,
                array_of_field(*line, "witnesses")};
}

Result<security::AuditEntry> read_entry(std::istream& in, std::uint64_t line) {
  auto value = next_line(in, line);
  if (!value) return std::move(value).error();
  auto record = from_base64url(text_of_field(*value, "record"));
  auto link = Hash256::from_hex_text(text_of_field(*value, "link"));
  if (!record || !link) return not_a_bundle(line, "it is no record with its link");
  return security::AuditEntry{std::move(*record), *link};
}

std::vector<Cosigned> cosigned_by(const Header& header) {
  std::vector<Cosigned> found;
  for (const json::value& witness : header.witnesses) {
    if (!witness.is_object()) continue;
    const auto pinned = pinned_from(witness.get_object());
    if (!pinned) continue;
    const auto time = security::verify_cosignature(
        header.note, {pinned->id(), std::string(text_of_field(witness, "site"))},
        pinned->keys_ever(KeyPurpose::audit));
    if (time) found.push_back({text_of_field(witness, "name"), pinned->id(), *time});
  }
  return found;
}

}  // namespace

Result<BundleVerdict> verify_bundle(std::istream& in, const OrgId& expected,
                                    const std::function<void(std::uint64_t)>& progress) {
  auto header = read_header(in, expected);
  if (!header) return std::move(header).error();
  const std::uint64_t size = header->checkpoint.tree.size;
  security::AuditVerifier chain{{}};
  security::MerkleFrontier tree;
  for (std::uint64_t i = 0; i < size; ++i) {
    const auto entry = read_entry(in, i + 2);
    if (!entry) return entry.error();
    if (auto follows = chain.add(*entry); !follows) return broken(follows.error().what);
    tree.add(security::leaf_hash(entry->record));
    if (progress && i % kProgressEvery == 0) progress(i);
  }
  if (tree.head() != header->checkpoint.tree) {
    return broken("the records are not those that the checkpoint was signed for");
  }
  if (std::string rest; std::getline(in, rest)) {
    return not_a_bundle(size + 2, "there is more than the checkpoint stands for");
  }
  return BundleVerdict{header->owner.id(), header->checkpoint.log.site, size,
                       header->checkpoint.tree.root, cosigned_by(*header)};
}

}  // namespace entente::node
