#include "schemas/sum_round.h"

#include <algorithm>
#include <optional>

#include "schemas/base/hash.h"
#include "schemas/canonical.h"
#include "schemas/rules.h"
#include "schemas/wire/sum.capnp.h"

namespace entente {
namespace {

// A list handed to every member is the longest: 1,000 keys with their signatures.
constexpr std::size_t kMessageBytes = limits::kEnvelopeBytes;

constexpr rules::Refuse refuse_in(std::string_view what) {
  return {ErrorCode::invalid_argument, what};
}

template <class Id>
bool read_id(capnp::Data::Reader in, Id& out) {
  auto id = Id::from_bytes(view_of(in));
  if (!id || id->is_zero()) return false;
  out = *id;
  return true;
}

// Reads one message: size, canonical form, and that nothing in it is unknown.
template <class Wire, class Value, class Read>
Result<Value> read_message(ByteView bytes, const rules::Refuse& refuse, Read read) {
  if (bytes.size() > kMessageBytes) return refuse("size", "is over 256 KiB");
  return rules::only_encoding(
      with_canonical<Wire>(bytes, refuse.code, refuse.what,
                           [&](auto in) -> Result<Value> { return read(in); }),
      bytes, refuse, [](const Value& value) { return canonical_bytes(value); });
}

template <class Reader, class Value>
std::optional<Error> read_head(Reader in, const rules::Refuse& refuse, Value& out) {
  if (!read_id(in.getProposal(), out.proposal)) return refuse("proposal", "is no hash");
  return {};
}

template <class Reader, class Value>
std::optional<Error> read_member(Reader in, const rules::Refuse& refuse, Value& out) {
  if (auto wrong = read_head(in, refuse, out)) return wrong;
  out.member = in.getMember();
  if (out.member >= kSumMembersMost) return refuse("member", "must be below 1000");
  return {};
}

// Whether `next` may follow in an ascending list of members.
bool follows(std::optional<std::uint32_t>& last, std::uint32_t next) {
  if (next >= kSumMembersMost || (last && next <= *last)) return false;
  last = next;
  return true;
}

constexpr std::string_view kAscend = "must name members below 1000, ascending, each once";

template <class List>
Result<std::vector<std::uint32_t>> read_members(List in, const rules::Refuse& refuse,
                                                std::string_view field) {
  std::vector<std::uint32_t> out;
  std::optional<std::uint32_t> last;
  if (in.size() > kSumMembersMost) return refuse(field, kAscend);
  for (const std::uint32_t member : in) {
    if (!follows(last, member)) return refuse(field, kAscend);
    out.push_back(member);
  }
  return out;
}

template <class List>
Result<std::vector<SealedShare>> read_shares(List in, const rules::Refuse& refuse,
                                             std::size_t empty_most) {
  std::vector<SealedShare> out;
  std::optional<std::uint32_t> last;
  std::size_t empty = 0;
  if (in.size() > kSumMembersMost) return refuse("shares", kAscend);
  for (const auto one : in) {
    if (!follows(last, one.getMember())) return refuse("shares", kAscend);
    out.push_back({one.getMember(), bytes_from(one.getSealed())});
    if (out.back().sealed.empty()) ++empty;
    if (!out.back().sealed.empty() && out.back().sealed.size() != kSealedShareBytes) {
      return refuse("shares", "must have 96 bytes each");
    }
  }
  if (empty > empty_most) return refuse("shares", "lack what was sealed");
  return out;
}

template <class List>
Result<std::vector<SecretShare>> read_secret_shares(List in, const rules::Refuse& refuse,
                                                    std::string_view field) {
  std::vector<SecretShare> out;
  if (in.size() > kSumMembersMost) return refuse(field, "are too many");
  for (const auto one : in) {
    auto share = SecretShare::from_bytes(view_of(one));
    if (!share) return refuse(field, "must have 40 bytes each");
    out.push_back(*share);
  }
  return out;
}

template <class List>
void write_shares(List out, const std::vector<SealedShare>& shares) {
  for (unsigned i = 0; i < out.size(); ++i) {
    out[i].setMember(shares[i].member);
    if (!shares[i].sealed.empty()) out[i].setSealed(data_of(shares[i].sealed));
  }
}

template <class Numbers, class List>
void write_numbers(List out, const Numbers& numbers) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, numbers[i]);
}

unsigned count(std::size_t size) {
  return static_cast<unsigned>(size);
}

Result<SumLayout> read_layout(wire::SumProposal::Reader in, const rules::Refuse& refuse) {
  SumLayout out;
  out.cells = in.getCells();
  const auto coordinates = in.getCoordinates();
  if (coordinates.size() == 0 || coordinates.size() > limits::kStatistics) {
    return refuse("coordinates", "must be 1 to 4096");
  }
  std::size_t integers = 0;
  for (const auto one : coordinates) {
    SumCoordinate coordinate{one.getExponent(), one.getWidth(), one.getVariance(),
                             one.getShareVariance()};
    if (coordinate.exponent < -1'100 || coordinate.exponent > 1'100) {
      return refuse("exponent", "must be -1100 to 1100");
    }
    if (coordinate.width == 0 || coordinate.width > kSumIntegersMost) {
      return refuse("width", "is out of range");
    }
    if (coordinate.variance == 0 || coordinate.share_variance == 0) {
      return refuse("variance", "must be above zero");
    }
    integers += coordinate.width;
    out.coordinates.push_back(coordinate);
  }
  if (out.cells == 0 || out.cells > limits::kCells || integers * out.cells > kSumIntegersMost) {
    return refuse("cells", "make too many integers, or none");
  }
  return out;
}

Result<SumProposal> read_proposal(wire::SumProposal::Reader in) {
  const auto refuse = refuse_in("sum proposal");
  SumProposal out;
  if (!read_id(in.getRound(), out.round)) return refuse("round", "is no round id");
  if (!read_id(in.getCoordinator(), out.coordinator)) {
    return refuse("coordinator", "is no organisation id");
  }
  const auto members = in.getMembers();
  if (members.size() > kSumMembersMost) return refuse("members", "are more than 1000");
  for (const auto one : members) {
    SumMember member;
    if (!read_id(one.getOrganisation(), member.organisation)) {
      return refuse("members", "hold no organisation id");
    }
    member.site = string_from(one.getSite());
    if (!is_local_id(member.site)) return refuse("members", "hold a site that is no local id");
    if (!read_id(one.getKey(), member.key)) return refuse("members", "hold no key");
    if (!read_id(one.getQuestion(), member.question)) return refuse("members", "hold no question");
    out.members.push_back(std::move(member));
  }
  auto layout = read_layout(in, refuse);
  if (!layout) return std::move(layout).error();
  out.layout = std::move(*layout);
  out.colluders = in.getColluders();
  out.dropouts = in.getDropouts();
  out.threshold = in.getThreshold();
  const std::uint32_t most = std::max({out.colluders, out.dropouts, out.threshold});
  if (most > out.members.size()) return refuse("threshold", "is above the number of members");
  out.issued = {in.getIssuedNs()};
  out.deadline = {in.getDeadlineNs()};
  if (out.deadline <= out.issued) return refuse("deadline", "must come after issued");
  return out;
}

}  // namespace

std::size_t SumLayout::integers() const {
  std::size_t each = 0;
  for (const SumCoordinate& one : coordinates) each += one.width;
  return each * cells;
}

Bytes canonical_bytes(const SumProposal& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumProposal>();
  out.setRound(data_of(value.round.view()));
  out.setCoordinator(data_of(value.coordinator.view()));
  auto members = out.initMembers(count(value.members.size()));
  for (unsigned i = 0; i < members.size(); ++i) {
    members[i].setOrganisation(data_of(value.members[i].organisation.view()));
    members[i].setSite(value.members[i].site);
    members[i].setKey(data_of(value.members[i].key.view()));
    members[i].setQuestion(data_of(value.members[i].question.view()));
  }
  out.setCells(value.layout.cells);
  auto coordinates = out.initCoordinates(count(value.layout.coordinates.size()));
  for (unsigned i = 0; i < coordinates.size(); ++i) {
    const SumCoordinate& one = value.layout.coordinates[i];
    coordinates[i].setExponent(static_cast<std::int16_t>(one.exponent));
    coordinates[i].setWidth(one.width);
    coordinates[i].setVariance(one.variance);
    coordinates[i].setShareVariance(one.share_variance);
  }
  out.setColluders(value.colluders);
  out.setDropouts(value.dropouts);
  out.setThreshold(value.threshold);
  out.setIssuedNs(value.issued.ns);
  out.setDeadlineNs(value.deadline.ns);
  return canonicalize(out.asReader());
}

Result<SumProposal> sum_proposal_from_bytes(ByteView canonical) {
  return read_message<wire::SumProposal, SumProposal>(canonical, refuse_in("sum proposal"),
                                                      [](auto in) { return read_proposal(in); });
}

Bytes canonical_bytes(const SumKeys& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumKeys>();
  out.setProposal(data_of(value.proposal.view()));
  out.setMember(value.member);
  out.setMaskKey(data_of(value.mask_key.view()));
  out.setSealKey(data_of(value.seal_key.view()));
  return canonicalize(out.asReader());
}

Result<SumKeys> sum_keys_from_bytes(ByteView canonical) {
  const auto refuse = refuse_in("sum keys");
  return read_message<wire::SumKeys, SumKeys>(canonical, refuse, [&](auto in) -> Result<SumKeys> {
    SumKeys out;
    if (auto wrong = read_member(in, refuse, out)) return std::move(*wrong);
    if (!read_id(in.getMaskKey(), out.mask_key)) return refuse("maskKey", "is no X25519 key");
    if (!read_id(in.getSealKey(), out.seal_key)) return refuse("sealKey", "is no X25519 key");
    return out;
  });
}

Bytes canonical_bytes(const SumKeyList& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumKeyList>();
  out.setProposal(data_of(value.proposal.view()));
  auto entries = out.initEntries(count(value.entries.size()));
  for (unsigned i = 0; i < entries.size(); ++i) {
    entries[i].setMember(value.entries[i].member);
    entries[i].setMaskKey(data_of(value.entries[i].mask_key.view()));
    entries[i].setSealKey(data_of(value.entries[i].seal_key.view()));
    entries[i].setSignature(data_of(value.entries[i].signature.view()));
  }
  return canonicalize(out.asReader());
}

Result<SumKeyList> sum_key_list_from_bytes(ByteView canonical) {
  const auto refuse = refuse_in("sum key list");
  const auto read = [&](auto in) -> Result<SumKeyList> {
    SumKeyList out;
    if (auto wrong = read_head(in, refuse, out)) return std::move(*wrong);
    std::optional<std::uint32_t> last;
    if (in.getEntries().size() > kSumMembersMost) return refuse("entries", kAscend);
    for (const auto one : in.getEntries()) {
      SumKeyList::Entry entry;
      entry.member = one.getMember();
      if (!follows(last, entry.member)) return refuse("entries", kAscend);
      if (!read_id(one.getMaskKey(), entry.mask_key) ||
          !read_id(one.getSealKey(), entry.seal_key) ||
          !read_id(one.getSignature(), entry.signature)) {
        return refuse("entries", "hold no two keys and a signature");
      }
      out.entries.push_back(entry);
    }
    return out;
  };
  return read_message<wire::SumKeyList, SumKeyList>(canonical, refuse, read);
}

Bytes canonical_bytes(const SumShares& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumShares>();
  out.setProposal(data_of(value.proposal.view()));
  out.setMember(value.member);
  out.setCommitment(data_of(value.commitment.view()));
  write_shares(out.initShares(count(value.shares.size())), value.shares);
  return canonicalize(out.asReader());
}

Result<SumShares> sum_shares_from_bytes(ByteView canonical) {
  const auto refuse = refuse_in("sum shares");
  const auto read = [&](auto in) -> Result<SumShares> {
    SumShares out;
    if (auto wrong = read_member(in, refuse, out)) return std::move(*wrong);
    if (!read_id(in.getCommitment(), out.commitment)) return refuse("commitment", "is no hash");
    auto shares = read_shares(in.getShares(), refuse, 0);
    if (!shares) return std::move(shares).error();
    out.shares = std::move(*shares);
    return out;
  };
  return read_message<wire::SumShares, SumShares>(canonical, refuse, read);
}

Bytes canonical_bytes(const SumShareList& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumShareList>();
  out.setProposal(data_of(value.proposal.view()));
  write_shares(out.initShares(count(value.shares.size())), value.shares);
  return canonicalize(out.asReader());
}

Result<SumShareList> sum_share_list_from_bytes(ByteView canonical) {
  const auto refuse = refuse_in("sum share list");
  const auto read = [&](auto in) -> Result<SumShareList> {
    SumShareList out;
    if (auto wrong = read_head(in, refuse, out)) return std::move(*wrong);
    auto shares = read_shares(in.getShares(), refuse, 1);
    if (!shares) return std::move(shares).error();
    out.shares = std::move(*shares);
    return out;
  };
  return read_message<wire::SumShareList, SumShareList>(canonical, refuse, read);
}

Bytes canonical_bytes(const SumMasked& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumMasked>();
  out.setProposal(data_of(value.proposal.view()));
  out.setMember(value.member);
  write_numbers(out.initValues(count(value.values.size())), value.values);
  return canonicalize(out.asReader());
}

Result<SumMasked> sum_masked_from_bytes(ByteView canonical) {
  const auto refuse = refuse_in("sum masked vector");
  const auto read = [&](auto in) -> Result<SumMasked> {
    SumMasked out;
    if (auto wrong = read_member(in, refuse, out)) return std::move(*wrong);
    const auto values = in.getValues();
    if (values.size() == 0 || values.size() > kSumIntegersMost) {
      return refuse("values", "are too many, or none");
    }
    for (const std::uint64_t one : values) out.values.push_back(one);
    return out;
  };
  return read_message<wire::SumMasked, SumMasked>(canonical, refuse, read);
}

Bytes canonical_bytes(const SumSurvivors& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumSurvivors>();
  out.setProposal(data_of(value.proposal.view()));
  write_numbers(out.initFinished(count(value.finished.size())), value.finished);
  write_numbers(out.initSurvivors(count(value.survivors.size())), value.survivors);
  return canonicalize(out.asReader());
}

Result<SumSurvivors> sum_survivors_from_bytes(ByteView canonical) {
  const auto refuse = refuse_in("sum survivors");
  const auto read = [&](auto in) -> Result<SumSurvivors> {
    SumSurvivors out;
    if (auto wrong = read_head(in, refuse, out)) return std::move(*wrong);
    auto finished = read_members(in.getFinished(), refuse, "finished");
    if (!finished) return std::move(finished).error();
    auto survivors = read_members(in.getSurvivors(), refuse, "survivors");
    if (!survivors) return std::move(survivors).error();
    out.finished = std::move(*finished);
    out.survivors = std::move(*survivors);
    return out;
  };
  return read_message<wire::SumSurvivors, SumSurvivors>(canonical, refuse, read);
}

Bytes canonical_bytes(const SumConsent& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumConsent>();
  out.setProposal(data_of(value.proposal.view()));
  out.setMember(value.member);
  out.setSignature(data_of(value.signature.view()));
  return canonicalize(out.asReader());
}

Result<SumConsent> sum_consent_from_bytes(ByteView canonical) {
  const auto refuse = refuse_in("sum consent");
  const auto read = [&](auto in) -> Result<SumConsent> {
    SumConsent out;
    if (auto wrong = read_member(in, refuse, out)) return std::move(*wrong);
    if (!read_id(in.getSignature(), out.signature)) return refuse("signature", "must be 64 bytes");
    return out;
  };
  return read_message<wire::SumConsent, SumConsent>(canonical, refuse, read);
}

Bytes canonical_bytes(const SumConsentList& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumConsentList>();
  out.setProposal(data_of(value.proposal.view()));
  auto consents = out.initConsents(count(value.consents.size()));
  for (unsigned i = 0; i < consents.size(); ++i) {
    consents[i].setMember(value.consents[i].member);
    consents[i].setSignature(data_of(value.consents[i].signature.view()));
  }
  return canonicalize(out.asReader());
}

Result<SumConsentList> sum_consent_list_from_bytes(ByteView canonical) {
  const auto refuse = refuse_in("sum consent list");
  const auto read = [&](auto in) -> Result<SumConsentList> {
    SumConsentList out;
    if (auto wrong = read_head(in, refuse, out)) return std::move(*wrong);
    std::optional<std::uint32_t> last;
    if (in.getConsents().size() > kSumMembersMost) return refuse("consents", kAscend);
    for (const auto one : in.getConsents()) {
      SumConsentList::Entry entry;
      entry.member = one.getMember();
      if (!follows(last, entry.member)) return refuse("consents", kAscend);
      if (!read_id(one.getSignature(), entry.signature)) {
        return refuse("consents", "hold no signature of 64 bytes");
      }
      out.consents.push_back(entry);
    }
    return out;
  };
  return read_message<wire::SumConsentList, SumConsentList>(canonical, refuse, read);
}

Bytes canonical_bytes(const SumUnmasking& value) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::SumUnmasking>();
  out.setProposal(data_of(value.proposal.view()));
  out.setMember(value.member);
  auto seeds = out.initSeedShares(count(value.seed_shares.size()));
  for (unsigned i = 0; i < seeds.size(); ++i) seeds.set(i, data_of(value.seed_shares[i].view()));
  auto keys = out.initKeyShares(count(value.key_shares.size()));
  for (unsigned i = 0; i < keys.size(); ++i) keys.set(i, data_of(value.key_shares[i].view()));
  return canonicalize(out.asReader());
}

Result<SumUnmasking> sum_unmasking_from_bytes(ByteView canonical) {
  const auto refuse = refuse_in("sum unmasking");
  const auto read = [&](auto in) -> Result<SumUnmasking> {
    SumUnmasking out;
    if (auto wrong = read_member(in, refuse, out)) return std::move(*wrong);
    auto seeds = read_secret_shares(in.getSeedShares(), refuse, "seedShares");
    if (!seeds) return std::move(seeds).error();
    auto keys = read_secret_shares(in.getKeyShares(), refuse, "keyShares");
    if (!keys) return std::move(keys).error();
    out.seed_shares = std::move(*seeds);
    out.key_shares = std::move(*keys);
    return out;
  };
  return read_message<wire::SumUnmasking, SumUnmasking>(canonical, refuse, read);
}

Hash256 sum_proposal_hash(ByteView canonical) {
  return hash("entente sum proposal v1", canonical);
}
Hash256 sum_survivors_hash(ByteView canonical) {
  return hash("entente sum survivors v1", canonical);
}

}  // namespace entente
