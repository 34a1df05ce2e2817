#include "schemas/composite_answer.h"

#include <algorithm>

#include "schemas/agreement.h"
#include "schemas/canonical.h"
#include "schemas/rules.h"
#include "schemas/wire/answer.capnp.h"

namespace entente {
namespace {

constexpr rules::Refuse kRefuse{ErrorCode::invalid_argument, "composite answer"};
constexpr std::string_view kStates[] = {"answered",    "refused",    "late",
                                        "unreachable", "unverified", "skipped"};

Outcome read_charges(wire::LeafOutcome::Reader in, LeafOutcome& out) {
  const auto charged = in.getCharged();
  if (charged.size() > limits::kBlocks) return kRefuse("charged", "holds more than 400 blocks");
  for (const auto item : charged) {
    const BlockAmount amount{{item.getStartNs()}, {item.getRho()}};
    if (!out.charged.empty() && amount.start <= out.charged.back().start) {
      return kRefuse("charged", "must ascend by block, each once");
    }
    out.charged.push_back(amount);
  }
  return {};
}

Outcome read_path(wire::LeafOutcome::Reader in, LeafOutcome& out) {
  const auto path = in.getPath();
  if (path.size() > kPathMost) return kRefuse("path", "holds more than 8 organisations");
  for (const auto item : path) {
    const auto organisation = OrgId::from_bytes(view_of(item));
    if (!organisation) return kRefuse("path", "must hold organisation ids");
    out.path.push_back(*organisation);
  }
  return {};
}

Outcome read_routed(wire::LeafOutcome::Reader in, LeafOutcome& out) {
  const auto envelope = in.getEnvelope();
  if (envelope.size() == 0) {
    if (in.getAnswer().size() == 0) return {};
    return kRefuse("envelope", "is missing beside an answer");
  }
  if (out.state != MemberState::answered) return kRefuse("answer", "is of a site that gave none");
  RoutedAnswer routed{bytes_from(envelope),
                      bytes_from(in.getAnswer()),
                      in.getSealed(),
                      bytes_from(in.getView()),
                      {}};
  if (routed.answer.empty() || routed.view.empty()) {
    return kRefuse("answer", "must come with its export's description");
  }
  const auto groups = in.getGroups();
  if (groups.size() == 0 || groups.size() > limits::kCells) {
    return kRefuse("groups", "must hold 1 to 4096 groups");
  }
  for (const std::uint32_t group : groups) routed.groups.push_back(group);
  out.routed = std::move(routed);
  return {};
}

Result<LeafOutcome> read_leaf(wire::LeafOutcome::Reader in) {
  LeafOutcome out;
  const auto organisation = OrgId::from_bytes(view_of(in.getOrganisation()));
  if (!organisation) return kRefuse("organisation", "is no organisation id");
  out.organisation = *organisation;
  out.site = string_from(in.getSite());
  out.domain = string_from(in.getDomain());
  out.export_name = string_from(in.getExportName());
  for (const std::string* id : {&out.site, &out.domain, &out.export_name}) {
    if (!is_local_id(*id)) return kRefuse("leaves", "must name site, domain and export");
  }
  out.name = string_from(in.getName());
  if (!rules::is_label(out.name, limits::kLabelBytes)) return kRefuse("name", "is no name");
  const auto state = member_state_from_text(string_from(in.getState()));
  if (!state) return kRefuse("state", "is not one this version knows");
  out.state = *state;
  if (out.state != MemberState::answered) out.code = code_from_number(in.getCode());
  if (auto done = read_path(in, out); !done) return std::move(done).error();
  if (auto done = read_charges(in, out); !done) return std::move(done).error();
  if (in.getRelease().size() > 0) {
    const auto release = Hash256::from_bytes(view_of(in.getRelease()));
    if (!release) return kRefuse("release", "must be 32 bytes");
    out.release = *release;
  }
  if (auto done = read_routed(in, out); !done) return std::move(done).error();
  return out;
}

Result<CompositeAnswer> read(wire::CompositeAnswer::Reader in) {
  CompositeAnswer out;
  const auto envelope = Hash256::from_bytes(view_of(in.getEnvelopeHash()));
  if (!envelope) return kRefuse("envelopeHash", "must be 32 bytes");
  out.envelope_hash = *envelope;
  const auto audience = OrgId::from_bytes(view_of(in.getAudience()));
  if (!audience) return kRefuse("audience", "is no organisation id");
  out.audience = *audience;
  out.composite = string_from(in.getComposite());
  if (!is_local_id(out.composite)) return kRefuse("composite", "is no local id");
  out.issued = {in.getIssuedNs()};
  const auto leaves = in.getLeaves();
  if (leaves.size() == 0 || leaves.size() > kLeaves) {
    return kRefuse("leaves", "must hold 1 to 1024 sites");
  }
  const auto releases = in.getReleases();
  if (releases.size() > limits::kCells) return kRefuse("releases", "holds more than 4096");
  for (const auto item : releases) {
    out.releases.push_back(bytes_from(item));
    if (out.releases.back().empty()) return kRefuse("releases", "holds an empty one");
  }
  for (const auto item : leaves) {
    auto leaf = read_leaf(item);
    if (!leaf) return std::move(leaf).error();
    if (leaf->routed && !out.releases.empty()) {
      return kRefuse("releases", "are merged beside answers of sites");
    }
    out.leaves.push_back(*std::move(leaf));
  }
  return out;
}

void write_leaf(const LeafOutcome& leaf, wire::LeafOutcome::Builder out) {
  out.setOrganisation(data_of(leaf.organisation.view()));
  out.setSite(leaf.site);
  out.setDomain(leaf.domain);
  out.setExportName(leaf.export_name);
  out.setName(leaf.name);
  out.setState(std::string(to_text(leaf.state)));
  if (leaf.state != MemberState::answered) out.setCode(static_cast<std::uint16_t>(leaf.code));
  if (!leaf.path.empty()) {
    auto path = out.initPath(static_cast<unsigned>(leaf.path.size()));
    for (unsigned i = 0; i < path.size(); ++i) path.set(i, data_of(leaf.path[i].view()));
  }
  if (!leaf.charged.empty()) {
    auto charged = out.initCharged(static_cast<unsigned>(leaf.charged.size()));
    for (unsigned i = 0; i < charged.size(); ++i) {
      charged[i].setStartNs(leaf.charged[i].start.ns);
      charged[i].setRho(leaf.charged[i].rho.units);
    }
  }
  if (!leaf.release.is_zero()) out.setRelease(data_of(leaf.release.view()));
  if (!leaf.routed) return;
  out.setEnvelope(data_of(leaf.routed->envelope));
  out.setAnswer(data_of(leaf.routed->answer));
  out.setSealed(leaf.routed->sealed);
  out.setView(data_of(leaf.routed->view));
  auto groups = out.initGroups(static_cast<unsigned>(leaf.routed->groups.size()));
  for (unsigned i = 0; i < groups.size(); ++i) groups.set(i, leaf.routed->groups[i]);
}

}  // namespace

std::string_view to_text(MemberState state) {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<MemberState> member_state_from_text(std::string_view text) {
  const auto found = std::find(std::begin(kStates), std::end(kStates), text);
  if (found == std::end(kStates)) return std::nullopt;
  return static_cast<MemberState>(found - std::begin(kStates));
}

Bytes canonical_bytes(const CompositeAnswer& answer) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::CompositeAnswer>();
  out.setEnvelopeHash(data_of(answer.envelope_hash.view()));
  out.setAudience(data_of(answer.audience.view()));
  out.setComposite(answer.composite);
  out.setIssuedNs(answer.issued.ns);
  auto leaves = out.initLeaves(static_cast<unsigned>(answer.leaves.size()));
  for (unsigned i = 0; i < leaves.size(); ++i) write_leaf(answer.leaves[i], leaves[i]);
  if (!answer.releases.empty()) {
    auto releases = out.initReleases(static_cast<unsigned>(answer.releases.size()));
    for (unsigned i = 0; i < releases.size(); ++i) releases.set(i, data_of(answer.releases[i]));
  }
  return canonicalize(out.asReader());
}

Result<CompositeAnswer> composite_answer_from_bytes(ByteView canonical) {
  if (canonical.size() > kCompositeAnswerBytes) return kRefuse("size", "is over 248 KiB");
  return rules::only_encoding(with_canonical<wire::CompositeAnswer>(
                                  canonical, ErrorCode::invalid_argument, "composite answer",
                                  [](auto in) -> Result<CompositeAnswer> { return read(in); }),
                              canonical, kRefuse,
                              [](const CompositeAnswer& value) { return canonical_bytes(value); });
}

}  // namespace entente
