#include "node/daemon/answer_json.h"

#include <boost/json/value_from.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "federation/query/contribution.h"
#include "security/privacy/blocks.h"
#include "security/privacy/rho.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using namespace federation;

json::value number_or_null(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

std::string block_text(Instant start) {
  return start == security::kLifetimeBlock ? "lifetime" : to_text(start);
}

json::object row_head(const Plan& plan, const std::vector<std::string>& group, bool total,
                      std::uint32_t tick) {
  json::object row;
  row["group"] = json::value_from(group);
  row["total"] = total;
  if (plan.ticks.size() > 1) row["tick"] = to_text(plan.ticks[tick].from);
  return row;
}

json::object charged_json(const MemberCoverage& member) {
  json::array blocks;
  double most = 0;
  std::uint64_t rho = 0;
  for (const BlockAmount& block : member.charged) {
    const double epsilon = shown_epsilon(block.rho, member.delta);
    blocks.push_back({{"start", block_text(block.start)}, {"epsilon", epsilon}});
    most = std::max(most, epsilon);
    rho += block.rho.units;
  }
  return {{"epsilon", most},
          {"rho", rho},
          {"delta", shown_delta(member.delta_charged)},
          {"blocks", std::move(blocks)}};
}

// "left" is the least over the blocks touched, as a share of the cap with its epsilon equivalent.
json::value left_json(const MemberCoverage& member) {
  if (member.left.empty()) return nullptr;
  json::object out;
  double least = 2;
  for (std::size_t i = 0; i < member.left.size(); ++i) {
    const RhoUnits cap = i < member.caps.size() ? member.caps[i].rho : RhoUnits{};
    const double share = cap.units == 0 ? 0
                                        : static_cast<double>(member.left[i].rho.units) /
                                              static_cast<double>(cap.units);
    if (share >= least) continue;
    least = share;
    out["block"] = block_text(member.left[i].start);
    out["epsilon"] = shown_epsilon(member.left[i].rho, member.delta);
    if (cap.units != 0) {
      out["percent"] = 100 * share;
      out["cap_epsilon"] = shown_epsilon(cap, member.delta);
    }
  }
  return out;
}

json::object coverage_json(const MemberCoverage& member) {
  json::object out;
  out["organisation"] = member.name;
  const bool known = member.organisation != OrgId{};
  out["organisation_id"] = known ? json::value(member.organisation.hex()) : json::value(nullptr);
  out["site"] = member.site;
  out["export"] = member.export_name;
  out["state"] = to_text(member.state);
  if (member.state != MemberState::answered) {
    out["code"] = code_text(member.code);
    out["reason"] = member.reason;
  }
  json::array via;
  for (const OrgId& organisation : member.path) via.push_back(json::value(organisation.hex()));
  out["via"] = std::move(via);
  out["vouched"] = member.vouched;
  out["reused"] = member.reused;
  out["charged"] = charged_json(member);
  out["left"] = left_json(member);
  if (member.state != MemberState::answered) return out;
  out["age_s"] = member.age.seconds();
  out["revision"] = member.revision;
  json::array parts;
  for (const ComposedOf& part : member.composed_of) {
    parts.push_back({{"release", part.release.hex()},
                     {"from", to_text(part.window.from)},
                     {"to", to_text(part.window.to)}});
  }
  out["composed_of"] = std::move(parts);
  return out;
}

json::object estimate_json(const Estimate& estimate) {
  return {{"value", number_or_null(estimate.value)},
          {"standard_error", number_or_null(estimate.standard_error)},
          {"lower", number_or_null(estimate.lower)},
          {"upper", number_or_null(estimate.upper)}};
}

// A histogram: from one edge to the next, ascending.
json::value bins_json(const PlannedItem& item, const std::vector<Estimate>& bins) {
  json::array all;
  for (std::size_t i = 0; i < bins.size(); ++i) {
    json::object bin{{"from", item.edges.at(i)}, {"to", item.edges.at(i + 1)}};
    for (auto& field : estimate_json(bins[i])) bin[field.key()] = field.value();
    all.push_back(std::move(bin));
  }
  return {{"value", nullptr}, {"bins", std::move(all)}};
}

Estimate exactly(double value) {
  return {value, 0, value, value};
}

}  // namespace

json::object question_head(const std::string& question, const Plan& plan) {
  json::object out;
  out["question"] = question;
  json::object window{{"from", to_text(plan.window.from)}, {"to", to_text(plan.window.to)}};
  if (plan.ticks.size() > 1) window["every"] = to_text(plan.ticks.front().length());
  out["window"] = std::move(window);
  json::array items;
  for (const PlannedItem& item : plan.items) {
    items.push_back({{"label", item.label}, {"unit", item.unit}});
  }
  out["items"] = std::move(items);
  out["group_keys"] = json::value_from(plan.group_keys);
  return out;
}

double shown_epsilon(RhoUnits rho, DeltaUnits delta) {
  return std::round(security::epsilon_of(rho, delta) * 1e6) / 1e6;
}

std::string shown_time(Instant instant) {
  return to_text(Instant{instant.ns - instant.ns % seconds(1).ns});
}

double shown_delta(DeltaUnits delta) {
  return std::round(security::to_double(delta) * 1e15) / 1e15;
}

std::string protected_words(std::string_view unit) {
  return "the readings of " + unit_words(unit) + " in one block";
}

std::string naming_words(const ExportView& view) {
  char delta[32];
  std::snprintf(delta, sizeof delta, "%.3g", shown_delta(view.private_delta));
  return "values of private keys are named where at least " +
         std::to_string(view.private_min_units) +
         " units share them and noise allows; others are missing. It spends delta " + delta +
         " of each block besides epsilon";
}

json::object export_json(const ExportView& view) {
  json::array measures, signals, revisions;
  for (const Measure& measure : view.measures) {
    measures.push_back(json::value(measure.signal));
    json::array bounds;
    for (const ReducerBounds& one : measure.bounds) {
      bounds.push_back(
          {{"reducer", to_text(one.reducer)}, {"lower", one.lower}, {"upper", one.upper}});
    }
    signals.push_back({{"name", measure.signal},
                       {"unit", measure.unit},
                       {"reducer", to_text(measure.default_reducer)},
                       {"bounds", std::move(bounds)}});
  }
  for (const Duration after : view.revisions) revisions.push_back(json::value(to_text(after)));
  return {{"name", view.name},
          {"domain", view.domain},
          {"type", view.type},
          {"keys", json::value_from(view.keys)},
          {"measures", std::move(measures)},
          {"signals", std::move(signals)},
          {"site", view.site},
          {"zone", view.zone},
          {"block", view.block.ns == 0 ? "lifetime" : to_text(view.block)},
          {"epsilon_per_block", shown_epsilon(view.rho_cap, view.delta)},
          {"delta", shown_delta(view.delta)},
          {"threshold_delta", shown_delta(view.threshold_delta)},
          {"tick", to_text(view.tick)},
          {"lateness", to_text(view.lateness)},
          {"revisions", std::move(revisions)},
          {"cells", view.cells.size()},
          {"declared_units", view.declared_units()},
          {"unit", view.unit},
          {"protects", unit_words(view.unit)},
          {"groups_per_unit", view.groups_per_unit},
          {"private_keys", json::value_from(view.private_keys)},
          {"private_delta", shown_delta(view.private_delta)},
          {"private_min_units", view.private_min_units},
          {"system", view.composite ? json::value(to_text(view.composite->answer)) : nullptr}};
}

json::value answer_json(const std::string& question, const FederatedAnswer& answer) {
  json::object out = question_head(question, answer.plan);
  out["query_id"] = answer.query_id.hex();
  out["exact"] = false;
  out["partial"] = answer.partial();
  json::array rows;
  for (const AnswerRow& row : answer.rows) {
    json::object one = row_head(answer.plan, row.group, row.total, row.tick);
    json::array values;
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      if (!row.bins[i].empty()) {
        values.push_back(bins_json(answer.plan.items[i], row.bins[i]));
      } else if (row.values[i]) {
        values.push_back(estimate_json(*row.values[i]));
      } else {
        values.push_back(nullptr);
      }
    }
    one["values"] = std::move(values);
    rows.push_back(std::move(one));
  }
  out["rows"] = std::move(rows);
  json::array coverage;
  for (const MemberCoverage& member : answer.coverage) coverage.push_back(coverage_json(member));
  out["coverage"] = std::move(coverage);
  std::set<std::string> units;
  for (const MemberCoverage& member : answer.coverage) {
    if (member.state == MemberState::answered) units.insert(protected_words(member.unit));
  }
  std::string protects;
  for (const std::string& one : units) protects += (protects.empty() ? "" : "; ") + one;
  out["unit"] = protects;
  out["cells_may_be_missing"] = !answer.plan.private_places.empty();
  out["mechanism"] =
      "exact discrete Gaussian noise, added by each site; ranges cover the noise alone";
  return out;
}

json::value exact_json(const std::string& question, const Plan& plan,
                       const std::vector<ExactRow>& rows) {
  json::object out = question_head(question, plan);
  out["exact"] = true;
  out["partial"] = false;
  json::array all;
  for (const ExactRow& row : rows) {
    std::vector<std::string> group =
        row.total ? std::vector<std::string>{} : plan.groups[row.group];
    for (std::size_t i = 0; i < row.keys.size(); ++i) group[plan.private_places[i]] = row.keys[i];
    json::object one = row_head(plan, group, row.total, row.tick);
    json::array values;
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      const std::vector<double>& value = row.values[i];
      if (value.empty()) {
        values.push_back(nullptr);
      } else if (plan.items[i].aggregate != Aggregate::histogram) {
        values.push_back(estimate_json(exactly(value.front())));
      } else {
        std::vector<Estimate> bins;
        for (const double count : value) bins.push_back(exactly(count));
        values.push_back(bins_json(plan.items[i], bins));
      }
    }
    one["values"] = std::move(values);
    all.push_back(std::move(one));
  }
  out["rows"] = std::move(all);
  out["coverage"] = json::array{};
  out["unit"] = "";
  out["mechanism"] =
      "exact: own twins, asked by a local user; values are limited to the bounds that an "
      "export declares, as in what partners are told";
  return out;
}

}  // namespace entente::node
