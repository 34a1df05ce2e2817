#include "security/identity/invitation.h"

#include <algorithm>

#include "schemas/base/hash.h"
#include "schemas/canonical.h"
#include "schemas/wire/enrol.capnp.h"
#include "security/identity/limits.h"

namespace entente::security {
namespace {

constexpr std::string_view kPrefix = "ENTL1.";
constexpr std::size_t kChecksum = 8;

Error invalid(const std::string& why) {
  return make_error(ErrorCode::token_invalid, "the invitation's token " + why);
}

Hash256 checksum_of(ByteView canonical) { return hash("entente invitation v1", canonical); }

Result<std::vector<std::string>> read_addresses(capnp::List<capnp::Text>::Reader in) {
  if (in.size() > limits::kInvitationAddresses) return invalid("lists too many addresses");
  std::vector<std::string> out;
  for (const auto raw : in) {
    out.push_back(string_from(raw));
    if (!is_address(out.back())) return invalid("has an address that is not host:port");
  }
  return out;
}

Result<Invitation> read(wire::Invitation::Reader in) {
  Invitation out;
  const auto organisation = OrgId::from_bytes(view_of(in.getOrganisation()));
  const auto id = InvitationId::from_bytes(view_of(in.getId()));
  const auto secret = view_of(in.getSecret());
  if (!organisation || !id || secret.size() != kInvitationSecret) {
    return invalid("has a field of a wrong length");
  }
  out.organisation = *organisation;
  out.id = *id;
  std::copy(secret.begin(), secret.end(), out.secret.bytes().begin());
  auto addresses = read_addresses(in.getAddresses());
  if (!addresses) return std::move(addresses).error();
  out.addresses = *std::move(addresses);
  auto enrolment = read_addresses(in.getEnrolment());
  if (!enrolment) return std::move(enrolment).error();
  if (enrolment->empty()) return invalid("names no address to enrol at");
  out.enrolment = *std::move(enrolment);
  out.expires = {in.getExpiresNs()};
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool is_host(std::string_view host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    return host.find(':') != std::string_view::npos &&
           host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
  }
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.front() == '-') return false;
  return std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '-';
  });
}

bool all_addresses(const std::vector<std::string>& texts) {
  return texts.size() <= limits::kInvitationAddresses &&
         std::all_of(texts.begin(), texts.end(), [](const auto& text) { return is_address(text); });
}

}  // namespace

bool is_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.size() > limits::kAddressBytes) return false;
  const std::string_view port = text.substr(colon + 1);
  if (port.empty() || port.size() > 5 || port.front() == '0') return false;
  int number = 0;
  for (const char c : port) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + (c - '0');
  }
  return number <= 65'535 && is_host(text.substr(0, colon));
}

std::string to_token(const Invitation& invitation) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Invitation>();
  out.setOrganisation(data_of(invitation.organisation.view()));
  auto addresses = out.initAddresses(static_cast<unsigned>(invitation.addresses.size()));
  for (unsigned i = 0; i < addresses.size(); ++i) addresses.set(i, invitation.addresses[i]);
  auto enrolment = out.initEnrolment(static_cast<unsigned>(invitation.enrolment.size()));
  for (unsigned i = 0; i < enrolment.size(); ++i) enrolment.set(i, invitation.enrolment[i]);
  out.setId(data_of(invitation.id.view()));
  out.setSecret(data_of(invitation.secret.view()));
  out.setExpiresNs(invitation.expires.ns);
  Bytes bytes = canonicalize(out.asReader());
  const Hash256 checksum = checksum_of(bytes);
  bytes.insert(bytes.end(), checksum.bytes.begin(), checksum.bytes.begin() + kChecksum);
  std::string token = std::string(kPrefix) + to_base64url(bytes);
  wipe(bytes);
  return token;
}

Result<Invitation> parse_token(std::string_view text, Instant now) {
  text = trimmed(text);
  if (text.size() > limits::kInvitationText) return invalid("is too long");
  if (!text.starts_with(kPrefix)) {
    return invalid("does not begin with " + std::string(kPrefix));
  }
  auto bytes = from_base64url(text.substr(kPrefix.size()));
  if (!bytes) return invalid("is mistyped or cut off: it holds characters no token has");
  if (bytes->size() <= kChecksum) return invalid("is cut off");
  const ByteView body = ByteView(*bytes).first(bytes->size() - kChecksum);
  const Hash256 expected = checksum_of(body);
  if (!std::equal(body.end(), ByteView(*bytes).end(), expected.bytes.begin())) {
    return invalid("is mistyped or cut off: its checksum is wrong");
  }
  auto out = with_canonical<wire::Invitation>(
      body, ErrorCode::token_invalid, "invitation",
      [](auto in) -> Result<Invitation> { return read(in); });
  wipe(*bytes);
  if (out && now >= out->expires) {
    return invalid("expired at " + entente::to_text(out->expires));
  }
  return out;
}

Result<Invitation> InvitationBook::invite(const Terms& terms, Random& random, Instant now) {
  const Duration life = terms.life.ns == 0 ? limits::kInvitationLife : terms.life;
  if (terms.enrolment.empty() || !all_addresses(terms.enrolment) ||
      !all_addresses(terms.addresses)) {
    return make_error(ErrorCode::invalid_argument,
                      "an invitation needs 1 to 4 addresses to enrol at, each as host:port");
  }
  if (life.ns <= 0 || life > limits::kInvitationLife) {
    return make_error(ErrorCode::invalid_argument, "an invitation lives 24 h at most");
  }
  std::erase_if(records_, [&](const auto& item) {
    return state(item.first, now) != InvitationState::open;
  });
  if (records_.size() >= limits::kInvitationsOpen) {
    return make_error(ErrorCode::overloaded, "64 invitations are open already",
                      "withdraw one, or wait until one expires");
  }
  Invitation out;
  out.organisation = terms.organisation;
  out.addresses = terms.addresses;
  out.enrolment = terms.enrolment;
  out.id = random.id<InvitationId>();
  out.secret = Secret::random(random, kInvitationSecret);
  out.expires = now + life;
  records_[out.id] = {out.id, out.secret.copy(), out.expires, 0, false};
  return out;
}

void InvitationBook::restore(InvitationRecord record) {
  const InvitationId id = record.id;
  records_[id] = std::move(record);
}

InvitationState InvitationBook::state(const InvitationId& id, Instant now) const {
  const auto found = records_.find(id);
  if (found == records_.end()) return InvitationState::unknown;
  if (found->second.used) return InvitationState::used;
  if (found->second.wrong_proofs >= limits::kWrongProofs) return InvitationState::burnt;
  return now >= found->second.expires ? InvitationState::expired : InvitationState::open;
}

const Secret* InvitationBook::secret_of(const InvitationId& id, Instant now) const {
  if (state(id, now) != InvitationState::open) return nullptr;
  return &records_.at(id).secret;
}

InvitationState InvitationBook::count_wrong_proof(const InvitationId& id, Instant now) {
  if (state(id, now) == InvitationState::open) records_.at(id).wrong_proofs += 1;
  return state(id, now);
}

Outcome InvitationBook::use(const InvitationId& id, Instant now) {
  if (state(id, now) != InvitationState::open) {
    return make_error(ErrorCode::enrolment_refused, "the invitation is no longer open");
  }
  records_.at(id).used = true;
  return {};
}

bool InvitationBook::withdraw(const InvitationId& id) { return records_.erase(id) > 0; }

bool InvitationBook::any_open(Instant now) const {
  return std::any_of(records_.begin(), records_.end(), [&](const auto& item) {
    return state(item.first, now) == InvitationState::open;
  });
}

}  // namespace entente::security
