#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "schemas/base/hash.h"
#include "schemas/export_view_wire.h"
#include "schemas/rules.h"

namespace entente {
namespace {

constexpr rules::Refuse kRefuse{ErrorCode::agreement_invalid, "export"};
constexpr std::uint64_t kDeltaOne = std::uint64_t{1} << 60;

Result<std::vector<ReducerBounds>> read_bounds(wire::Measure::Reader in) {
  std::vector<ReducerBounds> out;
  std::set<Reducer> seen;
  const auto bounds = in.getBounds();
  if (bounds.size() == 0 || bounds.size() > 8) {
    return kRefuse("bounds", "must name 1 to 8 reducers");
  }
  for (const auto item : bounds) {
    const auto reducer = reducer_from_text(string_from(item.getReducer()));
    if (!reducer) return kRefuse("reducer", "is not one this version knows");
    if (!seen.insert(*reducer).second) return kRefuse("bounds", "names one reducer twice");
    const double lower = item.getLower(), upper = item.getUpper();
    if (!std::isfinite(lower) || !std::isfinite(upper) || !(lower < upper)) {
      return kRefuse("bounds", "must be finite, the lower below the upper");
    }
    out.push_back({*reducer, lower, upper});
  }
  return out;
}

Outcome read_measures(wire::ExportView::Reader in, ExportView& out) {
  const auto measures = in.getMeasures();
  if (measures.size() == 0 || measures.size() > limits::kMeasures) {
    return kRefuse("measures", "must hold 1 to 256 signals");
  }
  std::set<std::string> seen;
  for (const auto item : measures) {
    Measure measure;
    measure.signal = string_from(item.getSignal());
    if (!rules::is_property_name(measure.signal)) return kRefuse("signal", "is no signal's name");
    if (!seen.insert(measure.signal).second) return kRefuse("measures", "names one signal twice");
    measure.unit = string_from(item.getUnit());
    if (!rules::is_clean_text(measure.unit, limits::kLabelBytes)) {
      return kRefuse("unit", "must be clean UTF-8 of at most 255 bytes");
    }
    const auto reducer = reducer_from_text(string_from(item.getDefaultReducer()));
    if (!reducer) return kRefuse("defaultReducer", "is not one this version knows");
    measure.default_reducer = *reducer;
    auto bounds = read_bounds(item);
    if (!bounds) return std::move(bounds).error();
    measure.bounds = *std::move(bounds);
    out.measures.push_back(std::move(measure));
  }
  return {};
}

Outcome read_keys(wire::ExportView::Reader in, ExportView& out) {
  const auto keys = in.getKeys();
  if (keys.size() > limits::kExportKeys) return kRefuse("keys", "holds more than 8 keys");
  std::set<std::string> seen;
  for (const auto raw : keys) {
    std::string key = string_from(raw);
    if (!rules::is_property_name(key)) return kRefuse("keys", "must hold names of properties");
    if (!seen.insert(key).second) return kRefuse("keys", "names one key twice");
    out.keys.push_back(std::move(key));
  }
  return {};
}

// After keys and threshold_delta.
Outcome read_private_keys(wire::ExportView::Reader in, ExportView& out) {
  const auto keys = in.getPrivateKeys();
  if (keys.size() > limits::kExportKeys) return kRefuse("privateKeys", "holds more than 8 keys");
  std::set<std::string> seen(out.keys.begin(), out.keys.end());
  for (const auto raw : keys) {
    std::string key = string_from(raw);
    if (!rules::is_property_name(key))
      return kRefuse("privateKeys", "must hold names of properties");
    if (!seen.insert(key).second) return kRefuse("privateKeys", "names a key twice");
    out.private_keys.push_back(std::move(key));
  }
  out.private_delta = {in.getPrivateDelta()};
  out.private_min_units = in.getPrivateMinUnits();
  const bool any = !out.private_keys.empty();
  if (any != (out.private_delta.units > 0) || out.private_delta > out.threshold_delta) {
    return kRefuse("privateDelta", "must be above 0, at most thresholdDelta, and for private keys");
  }
  if (any != (out.private_min_units > 0)) {
    return kRefuse("privateMinUnits", "must be at least 1, and for private keys");
  }
  return {};
}

Outcome read_cells(wire::ExportView::Reader in, ExportView& out) {
  const auto cells = in.getCells();
  if (cells.size() == 0 || cells.size() > limits::kCells) {
    return kRefuse("cells", "must hold 1 to 4096 cells");
  }
  std::set<std::vector<std::string>> seen;
  std::uint64_t units = 0;
  for (const auto item : cells) {
    PublicCell cell{{}, item.getUnits()};
    const auto values = item.getValues();
    if (values.size() != out.keys.size()) return kRefuse("cells", "must have one value per key");
    for (const auto raw : values) {
      std::string value = string_from(raw);
      if (!rules::is_label(value, limits::kLabelBytes)) {
        return kRefuse("cells", "must hold clean UTF-8 of 1 to 255 bytes");
      }
      cell.values.push_back(std::move(value));
    }
    if (!seen.insert(cell.values).second) return kRefuse("cells", "names one cell twice");
    units += cell.units;
    out.cells.push_back(std::move(cell));
  }
  if (units > UINT32_MAX) return kRefuse("cells", "declares more units than fit 32 bits");
  return {};
}

Outcome read_times(wire::ExportView::Reader in, ExportView& out) {
  out.zone = string_from(in.getZone());
  if (!rules::is_zone_name(out.zone)) return kRefuse("zone", "is no name of a time zone");
  out.block = {in.getBlockNs()};
  out.tick = {in.getTickNs()};
  out.lateness = {in.getLatenessNs()};
  if (out.block.ns < 0) return kRefuse("block", "must not be negative");
  if (out.tick.ns <= 0) return kRefuse("tick", "must be positive");
  if (out.lateness.ns < 0) return kRefuse("lateness", "must not be negative");
  const bool fits =
      out.block.ns == 0 || out.block.ns % out.tick.ns == 0 || out.tick.ns % out.block.ns == 0;
  if (!fits) return kRefuse("tick", "must divide the block or be a multiple of it");
  const auto revisions = in.getRevisionsNs();
  if (revisions.size() > kRevisions) return kRefuse("revisions", "holds more than 16");
  for (const std::int64_t after : revisions) {
    if (after <= (out.revisions.empty() ? 0 : out.revisions.back().ns)) {
      return kRefuse("revisions", "must be above 0 and ascend");
    }
    out.revisions.push_back({after});
  }
  return {};
}

Outcome read_composite(wire::ExportView::Reader in, ExportView& out) {
  if (!in.hasComposite()) return {};
  const auto composite = in.getComposite();
  CompositeTerms terms;
  const auto answer = composite_answer_from_text(string_from(composite.getAnswer()));
  if (!answer) return kRefuse("composite.answer", "must be \"routed\" or \"own\"");
  terms.answer = *answer;
  const auto leaves = composite.getLeaves();
  if (leaves.size() == 0 || leaves.size() > kLeaves) {
    return kRefuse("composite.leaves", "must hold 1 to 1024 sites");
  }
  std::set<std::tuple<OrgId, std::string, std::string>> seen;
  for (const auto item : leaves) {
    CompositeTerms::Leaf leaf;
    const auto organisation = OrgId::from_bytes(view_of(item.getOrganisation()));
    if (!organisation) return kRefuse("composite.leaves", "must name organisations by id");
    leaf.organisation = *organisation;
    leaf.site = string_from(item.getSite());
    leaf.domain = string_from(item.getDomain());
    leaf.name = string_from(item.getName());
    const bool named = is_local_id(leaf.site) && is_local_id(leaf.domain) &&
                       rules::is_label(leaf.name, limits::kLabelBytes);
    if (!named) return kRefuse("composite.leaves", "must name site, domain and organisation");
    if (!seen.emplace(leaf.organisation, leaf.site, leaf.domain).second) {
      return kRefuse("composite.leaves", "name one domain of a site twice");
    }
    terms.leaves.push_back(std::move(leaf));
  }
  const auto within = composite.getWithin();
  if (within.size() > kComposites) return kRefuse("composite.within", "holds more than 256");
  for (const auto item : within) {
    const auto organisation = OrgId::from_bytes(view_of(item.getOrganisation()));
    CompositeTerms::Name name{organisation ? *organisation : OrgId{}, string_from(item.getName())};
    if (!organisation || !is_local_id(name.name)) {
      return kRefuse("composite.within", "must name organisation and composite");
    }
    const auto& before = terms.within;
    if (!before.empty() && !(before.back() < name)) {
      return kRefuse("composite.within", "must ascend, each once");
    }
    terms.within.push_back(std::move(name));
  }
  out.composite = std::move(terms);
  return {};
}

void write_composite(const CompositeTerms& terms, wire::Composite::Builder out) {
  out.setAnswer(std::string(to_text(terms.answer)));
  auto leaves = out.initLeaves(static_cast<unsigned>(terms.leaves.size()));
  for (unsigned i = 0; i < leaves.size(); ++i) {
    leaves[i].setOrganisation(data_of(terms.leaves[i].organisation.view()));
    leaves[i].setSite(terms.leaves[i].site);
    leaves[i].setDomain(terms.leaves[i].domain);
    leaves[i].setName(terms.leaves[i].name);
  }
  if (terms.within.empty()) return;
  auto within = out.initWithin(static_cast<unsigned>(terms.within.size()));
  for (unsigned i = 0; i < within.size(); ++i) {
    within[i].setOrganisation(data_of(terms.within[i].organisation.view()));
    within[i].setName(terms.within[i].name);
  }
}

}  // namespace

void write_texts(const std::vector<std::string>& texts, capnp::List<capnp::Text>::Builder out) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, texts[i]);
}

Result<ExportView> read_export(wire::ExportView::Reader in) {
  ExportView out;
  out.name = string_from(in.getName());
  if (!is_local_id(out.name)) return kRefuse("name", "is no local id");
  out.site = string_from(in.getSite());
  if (!is_local_id(out.site)) return kRefuse("site", "is no local id");
  out.domain = string_from(in.getDomain());
  if (!is_local_id(out.domain)) return kRefuse("domain", "is no local id");
  out.type = string_from(in.getType());
  if (!rules::is_label(out.type, limits::kTextBytes)) return kRefuse("type", "is no DTMI");
  if (auto done = read_keys(in, out); !done) return std::move(done).error();
  if (auto done = read_cells(in, out); !done) return std::move(done).error();
  if (auto done = read_measures(in, out); !done) return std::move(done).error();
  if (auto done = read_times(in, out); !done) return std::move(done).error();
  out.rho_cap = {in.getRhoCap()};
  out.delta = {in.getDeltaUnits()};
  if (out.delta.units >= kDeltaOne) return kRefuse("delta", "must be below 1");
  out.unit = string_from(in.getUnit());
  const auto unit = unit_rule_from(out.unit);
  if (!unit) return kRefuse("unit", "must be \"twin\", \"property:NAME\" or \"ancestor:NAME\"");
  // One is written as 0, as it was before more could be said.
  out.groups_per_unit = in.getGroupsPerUnit() == 0 ? 1 : in.getGroupsPerUnit();
  if (out.groups_per_unit > limits::kCells) return kRefuse("groupsPerUnit", "must be 1 to 4096");
  if (unit->kind == UnitRule::Kind::twin && out.groups_per_unit > 1) {
    return kRefuse("groupsPerUnit", "must be 1 where the unit is a twin");
  }
  out.threshold_delta = {in.getThresholdDelta()};
  if (out.threshold_delta.units >= kDeltaOne) return kRefuse("thresholdDelta", "must be below 1");
  if (auto done = read_private_keys(in, out); !done) return std::move(done).error();
  if (auto done = read_composite(in, out); !done) return std::move(done).error();
  return out;
}

void write_export(const ExportView& view, wire::ExportView::Builder out) {
  out.setName(view.name);
  out.setSite(view.site);
  out.setDomain(view.domain);
  out.setType(view.type);
  write_texts(view.keys, out.initKeys(static_cast<unsigned>(view.keys.size())));
  auto cells = out.initCells(static_cast<unsigned>(view.cells.size()));
  for (unsigned i = 0; i < cells.size(); ++i) {
    const PublicCell& cell = view.cells[i];
    write_texts(cell.values, cells[i].initValues(static_cast<unsigned>(cell.values.size())));
    cells[i].setUnits(cell.units);
  }
  auto measures = out.initMeasures(static_cast<unsigned>(view.measures.size()));
  for (unsigned i = 0; i < measures.size(); ++i) {
    const Measure& measure = view.measures[i];
    measures[i].setSignal(measure.signal);
    measures[i].setUnit(measure.unit);
    measures[i].setDefaultReducer(std::string(to_text(measure.default_reducer)));
    auto bounds = measures[i].initBounds(static_cast<unsigned>(measure.bounds.size()));
    for (unsigned j = 0; j < bounds.size(); ++j) {
      bounds[j].setReducer(std::string(to_text(measure.bounds[j].reducer)));
      bounds[j].setLower(measure.bounds[j].lower);
      bounds[j].setUpper(measure.bounds[j].upper);
    }
  }
  out.setZone(view.zone);
  out.setBlockNs(view.block.ns);
  out.setTickNs(view.tick.ns);
  out.setLatenessNs(view.lateness.ns);
  out.setRhoCap(view.rho_cap.units);
  out.setDeltaUnits(view.delta.units);
  out.setUnit(view.unit);
  out.setThresholdDelta(view.threshold_delta.units);
  out.setGroupsPerUnit(view.groups_per_unit == 1 ? 0 : view.groups_per_unit);
  if (!view.private_keys.empty()) {
    write_texts(view.private_keys,
                out.initPrivateKeys(static_cast<unsigned>(view.private_keys.size())));
  }
  out.setPrivateDelta(view.private_delta.units);
  out.setPrivateMinUnits(view.private_min_units);
  if (view.composite) write_composite(*view.composite, out.initComposite());
  if (view.revisions.empty()) return;
  auto revisions = out.initRevisionsNs(static_cast<unsigned>(view.revisions.size()));
  for (unsigned i = 0; i < revisions.size(); ++i) revisions.set(i, view.revisions[i].ns);
}

Bytes canonical_bytes(const ExportView& view) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::ExportView>();
  write_export(view, out);
  return canonicalize(out.asReader());
}

Result<ExportView> export_view_from_bytes(ByteView canonical) {
  auto view =
      with_canonical<wire::ExportView>(canonical, ErrorCode::invalid_argument, "export",
                                       [](wire::ExportView::Reader in) { return read_export(in); });
  if (!view) return view;
  // A null list and an empty one are both canonical; one value shall have one form all the same.
  const Bytes again = canonical_bytes(*view);
  if (std::equal(again.begin(), again.end(), canonical.begin(), canonical.end())) return view;
  return make_error(ErrorCode::invalid_argument, "these bytes are not the one form of this export");
}

Hash256 export_hash(const ExportView& view) {
  return hash("entente export v1", canonical_bytes(view));
}

const ReducerBounds* Measure::bounds_for(Reducer reducer) const {
  for (const ReducerBounds& candidate : bounds) {
    if (candidate.reducer == reducer) return &candidate;
  }
  return nullptr;
}

const Measure* ExportView::measure(std::string_view signal) const {
  for (const Measure& candidate : measures) {
    if (candidate.signal == signal) return &candidate;
  }
  return nullptr;
}

std::string_view to_text(CompositeTerms::Answer answer) {
  return answer == CompositeTerms::Answer::own ? "own" : "routed";
}

std::optional<CompositeTerms::Answer> composite_answer_from_text(std::string_view text) {
  if (text == "routed") return CompositeTerms::Answer::routed;
  if (text == "own") return CompositeTerms::Answer::own;
  return std::nullopt;
}

std::optional<UnitRule> unit_rule_from(std::string_view text) {
  constexpr std::string_view kProperty = "property:", kAncestor = "ancestor:";
  if (text == "twin") return UnitRule{};
  if (text.starts_with(kProperty)) {
    text.remove_prefix(kProperty.size());
    if (!rules::is_property_name(text)) return std::nullopt;
    return UnitRule{UnitRule::Kind::property, std::string(text)};
  }
  if (!text.starts_with(kAncestor)) return std::nullopt;
  text.remove_prefix(kAncestor.size());
  if (text.starts_with("dtmi:")) {
    if (!rules::is_label(text, limits::kLabelBytes)) return std::nullopt;
    return UnitRule{UnitRule::Kind::type, std::string(text)};
  }
  if (!rules::is_property_name(text)) return std::nullopt;
  return UnitRule{UnitRule::Kind::relationship, std::string(text)};
}

std::uint64_t ExportView::units_within(const std::vector<std::uint32_t>& within) const {
  std::uint64_t sum = 0, most = 0;
  for (const std::uint32_t cell : within) {
    const std::uint64_t one = cells.at(cell).units;
    sum += one;
    most = std::max(most, one);
  }
  return unit == "twin" ? sum : most;
}

std::uint32_t ExportView::revision_at(Instant now, Instant to) const {
  std::uint32_t passed = 0;
  for (const Duration after : revisions) {
    // What lies beyond the end of time never comes.
    std::int64_t at = 0;
    const bool beyond = __builtin_add_overflow(to.ns, lateness.ns, &at) ||
                        __builtin_add_overflow(at, after.ns, &at);
    if (beyond || now.ns < at) break;
    ++passed;
  }
  return passed;
}

std::uint32_t ExportView::declared_units() const {
  std::uint64_t sum = 0;
  for (const PublicCell& cell : cells) sum += cell.units;
  return sum > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(sum);
}

}  // namespace entente
