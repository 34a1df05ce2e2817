#include "schemas/answer.h"

#include <tuple>

#include "schemas/canonical.h"
#include "schemas/receipt.h"
#include "schemas/rules.h"
#include "schemas/wire/answer.capnp.h"

namespace entente {
namespace {

constexpr rules::Refuse kRefuseRelease{ErrorCode::invalid_argument, "release"};
constexpr rules::Refuse kRefuseAnswer{ErrorCode::invalid_argument, "answer"};
// Beyond these a 64-bit mantissa times 2^exponent is no finite double.
constexpr int kExponentMin = -1'074;
constexpr int kExponentMax = 960;

Outcome read_amounts(capnp::List<wire::BlockAmount>::Reader in, const rules::Refuse& refuse,
                     std::string_view field, std::vector<BlockAmount>& out) {
  if (in.size() > limits::kBlocks) return refuse(field, "holds more than 400 blocks");
  out.reserve(in.size());
  for (const auto item : in) {
    const BlockAmount amount{{item.getStartNs()}, {item.getRho()}};
    if (!out.empty() && amount.start <= out.back().start) {
      return refuse(field, "must ascend by block, each once");
    }
    out.push_back(amount);
  }
  return {};
}

template <class Init>
void write_amounts(const std::vector<BlockAmount>& amounts, Init init) {
  auto out = init(static_cast<unsigned>(amounts.size()));
  for (unsigned i = 0; i < out.size(); ++i) {
    out[i].setStartNs(amounts[i].start.ns);
    out[i].setRho(amounts[i].rho.units);
  }
}

Outcome read_statistics(wire::Release::Reader in, Release& out) {
  const auto statistics = in.getStatistics();
  if (statistics.size() == 0 || statistics.size() > limits::kStatistics) {
    return kRefuseRelease("statistics", "must hold 1 to 4096 entries");
  }
  for (const auto item : statistics) {
    const int exponent = item.getExponent();
    if (exponent < kExponentMin || exponent > kExponentMax) {
      return kRefuseRelease("statistics", "has an exponent beyond what a double holds");
    }
    // One is written as 0, as it was before there was a width; 1 has no form of its own.
    const std::uint32_t width = item.getWidth() == 0 ? 1 : item.getWidth();
    out.statistics.push_back({exponent, item.getVariance(), width});
  }
  return {};
}

auto place_of(const ReleasedCell& cell) {
  return std::tie(cell.group, cell.values, cell.tick);
}

Outcome read_cells(wire::Release::Reader in, Release& out) {
  const auto cells = in.getCells();
  if (cells.size() > limits::kCells) return kRefuseRelease("cells", "holds more than 4096 cells");
  std::uint64_t integers = 0;
  for (const Statistic& statistic : out.statistics) integers += statistic.width;
  out.cells.reserve(cells.size());
  for (const auto item : cells) {
    ReleasedCell cell{item.getGroup(), item.getTick(), {}, {}};
    if (item.getValues().size() > limits::kExportKeys) {
      return kRefuseRelease("cells", "must hold at most 8 values of private keys");
    }
    for (const auto raw : item.getValues()) {
      cell.values.push_back(string_from(raw));
      if (!rules::is_label(cell.values.back(), limits::kLabelBytes)) {
        return kRefuseRelease("cells", "must hold values of clean UTF-8 of 1 to 255 bytes");
      }
    }
    if (!out.cells.empty() && place_of(cell) <= place_of(out.cells.back())) {
      return kRefuseRelease("cells", "must ascend by group, then values, then tick, each once");
    }
    const auto mantissas = item.getMantissas();
    if (mantissas.size() != integers) {
      return kRefuseRelease("cells", "must hold as many mantissas as the statistics are wide");
    }
    cell.mantissas.reserve(mantissas.size());
    for (const std::int64_t mantissa : mantissas) cell.mantissas.push_back(mantissa);
    out.cells.push_back(std::move(cell));
  }
  return {};
}

Result<Release> read_release(wire::Release::Reader in) {
  Release out;
  auto organisation = OrgId::from_bytes(view_of(in.getOrganisation()));
  if (!organisation) return kRefuseRelease("organisation", "is no organisation id");
  out.organisation = *organisation;
  out.site = string_from(in.getSite());
  if (!is_local_id(out.site)) return kRefuseRelease("site", "is no local id");
  auto question = Hash256::from_bytes(view_of(in.getQuestionHash()));
  if (!question) return kRefuseRelease("questionHash", "must be 32 bytes");
  out.question_hash = *question;
  out.domain = string_from(in.getDomain());
  if (!is_local_id(out.domain)) return kRefuseRelease("domain", "is no local id");
  out.unit = string_from(in.getUnit());
  if (!unit_rule_from(out.unit)) return kRefuseRelease("unit", "says no unit");
  out.revision = in.getRevision();
  if (auto done = read_amounts(in.getCharges(), kRefuseRelease, "charges", out.charges); !done) {
    return std::move(done).error();
  }
  if (auto done = read_statistics(in, out); !done) return std::move(done).error();
  if (auto done = read_cells(in, out); !done) return std::move(done).error();
  out.released = {in.getReleasedNs()};
  return out;
}

Result<Answer> read_answer(wire::Answer::Reader in) {
  Answer out;
  out.release = bytes_from(in.getRelease());
  if (out.release.empty() || out.release.size() > limits::kReleaseBytes) {
    return kRefuseAnswer("release", "must hold 1 byte to 224 KiB");
  }
  auto envelope = Hash256::from_bytes(view_of(in.getEnvelopeHash()));
  if (!envelope) return kRefuseAnswer("envelopeHash", "must be 32 bytes");
  out.envelope_hash = *envelope;
  auto audience = OrgId::from_bytes(view_of(in.getAudience()));
  if (!audience) return kRefuseAnswer("audience", "is no organisation id");
  out.audience = *audience;
  out.reused = in.getReused();
  if (auto done = read_amounts(in.getCharged(), kRefuseAnswer, "charged", out.charged); !done) {
    return std::move(done).error();
  }
  if (auto done = read_amounts(in.getLeft(), kRefuseAnswer, "left", out.left); !done) {
    return std::move(done).error();
  }
  if (auto done = read_amounts(in.getCaps(), kRefuseAnswer, "caps", out.caps); !done) {
    return std::move(done).error();
  }
  auto head = Hash256::from_bytes(view_of(in.getAuditHead()));
  if (!head) return kRefuseAnswer("auditHead", "must be 32 bytes");
  out.audit_head = *head;
  out.issued = {in.getIssuedNs()};
  out.receipt = bytes_from(in.getReceipt());
  if (out.receipt.size() > kReceiptBytes) return kRefuseAnswer("receipt", "is over 1 KiB");
  out.delta_charged = {in.getDeltaCharged()};
  out.delta_left = {in.getDeltaLeft()};
  return out;
}

}  // namespace

Bytes canonical_bytes(const Release& release) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Release>();
  out.setOrganisation(data_of(release.organisation.view()));
  out.setSite(release.site);
  out.setQuestionHash(data_of(release.question_hash.view()));
  out.setDomain(release.domain);
  out.setUnit(release.unit);
  out.setRevision(release.revision);
  write_amounts(release.charges, [&](unsigned n) { return out.initCharges(n); });
  auto statistics = out.initStatistics(static_cast<unsigned>(release.statistics.size()));
  for (unsigned i = 0; i < statistics.size(); ++i) {
    statistics[i].setExponent(static_cast<std::int16_t>(release.statistics[i].exponent));
    statistics[i].setVariance(release.statistics[i].variance);
    const std::uint32_t width = release.statistics[i].width;
    statistics[i].setWidth(width == 1 ? 0 : width);
  }
  auto cells = out.initCells(static_cast<unsigned>(release.cells.size()));
  for (unsigned i = 0; i < cells.size(); ++i) {
    const ReleasedCell& cell = release.cells[i];
    cells[i].setGroup(cell.group);
    cells[i].setTick(cell.tick);
    auto mantissas = cells[i].initMantissas(static_cast<unsigned>(cell.mantissas.size()));
    for (unsigned j = 0; j < mantissas.size(); ++j) mantissas.set(j, cell.mantissas[j]);
    if (cell.values.empty()) continue;
    auto values = cells[i].initValues(static_cast<unsigned>(cell.values.size()));
    for (unsigned j = 0; j < values.size(); ++j) values.set(j, cell.values[j]);
  }
  out.setReleasedNs(release.released.ns);
  return canonicalize(out.asReader());
}

Result<Release> release_from_bytes(ByteView canonical) {
  if (canonical.size() > limits::kReleaseBytes) return kRefuseRelease("size", "is over 224 KiB");
  return rules::only_encoding(
      with_canonical<wire::Release>(canonical, ErrorCode::invalid_argument, "release",
                                    [](auto in) -> Result<Release> { return read_release(in); }),
      canonical, kRefuseRelease, [](const Release& value) { return canonical_bytes(value); });
}

Bytes canonical_bytes(const Answer& answer) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Answer>();
  out.setRelease(data_of(answer.release));
  out.setEnvelopeHash(data_of(answer.envelope_hash.view()));
  out.setAudience(data_of(answer.audience.view()));
  out.setReused(answer.reused);
  write_amounts(answer.charged, [&](unsigned n) { return out.initCharged(n); });
  write_amounts(answer.left, [&](unsigned n) { return out.initLeft(n); });
  write_amounts(answer.caps, [&](unsigned n) { return out.initCaps(n); });
  out.setAuditHead(data_of(answer.audit_head.view()));
  out.setIssuedNs(answer.issued.ns);
  if (!answer.receipt.empty()) out.setReceipt(data_of(answer.receipt));
  out.setDeltaCharged(answer.delta_charged.units);
  out.setDeltaLeft(answer.delta_left.units);
  return canonicalize(out.asReader());
}

Result<Answer> answer_from_bytes(ByteView canonical) {
  if (canonical.size() > limits::kAnswerBytes) return kRefuseAnswer("size", "is over 248 KiB");
  return rules::only_encoding(
      with_canonical<wire::Answer>(canonical, ErrorCode::invalid_argument, "answer",
                                   [](auto in) -> Result<Answer> { return read_answer(in); }),
      canonical, kRefuseAnswer, [](const Answer& value) { return canonical_bytes(value); });
}

}  // namespace entente
