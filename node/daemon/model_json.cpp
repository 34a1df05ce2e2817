#include "node/daemon/model_json.h"

#include <boost/json.hpp>
#include <cmath>

#include "node/daemon/answer_json.h"

namespace entente::node {
namespace {

namespace json = boost::json;

json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

json::array texts(const std::vector<std::string>& all) {
  json::array out;
  for (const std::string& one : all) out.emplace_back(one);
  return out;
}

json::object validation_json(const Validation& v) {
  json::object out{{"observations", v.observations}, {"points", v.points}, {"alarms", v.alarms}};
  out["from"] = v.points > 0 ? json::value(to_text(v.of.from)) : json::value(nullptr);
  out["to"] = v.points > 0 ? json::value(to_text(v.of.to)) : json::value(nullptr);
  out["mean_absolute_error"] = number(v.mean_absolute_error);
  out["naive_error"] = number(v.naive_error);
  out["mase"] = number(v.mean_absolute_error / v.scale);
  out["coverage_half"] = number(v.coverage_half);
  out["coverage_ninety"] = number(v.coverage_ninety);
  out["pinball"] = number(v.pinball);
  out["beats_naive"] = v.points > 0 ? json::value(v.beats_naive()) : json::value(nullptr);
  return out;
}

}  // namespace

json::object model_json(const ModelRow& row) {
  const ModelDefinition& definition = row.definition;
  return {{"twin", definition.twin},
          {"name", definition.name},
          {"kind", definition.spec.kind},
          {"version", definition.spec.version},
          {"signals", texts(definition.spec.signals)},
          {"inputs", texts(definition.spec.inputs)},
          {"step", to_text(definition.spec.step)},
          {"late", to_text(definition.late)},
          {"life", to_text(row.life)},
          {"reason", row.reason},
          {"since", shown_time(row.since)},
          {"by", row.actor},
          {"validation", validation_json(row.validation)},
          {"toml", definition_text(definition)}};
}

json::object model_json(const ModelView& view) {
  json::object out = model_json(view.row);
  out["running"] = view.running;
  out["last_error"] = view.last_error;
  out["fed_to"] = view.fed_to ? json::value(to_text(*view.fed_to)) : json::value(nullptr);
  out["behind_s"] = view.behind ? json::value(view.behind->seconds()) : json::value(nullptr);
  out["replay"] = view.replay;
  out["state_bytes"] = view.durable_bytes;
  out["drift"] = view.drift;
  json::array residual;
  for (std::size_t i = 0; i < view.residual.differences.size(); ++i) {
    residual.push_back({{"signal", view.row.definition.spec.signals[i]},
                        {"difference", number(view.residual.differences[i])},
                        {"scale", number(view.residual.scales[i])}});
  }
  out["residual"] = std::move(residual);
  json::object state;
  for (const NamedNumber& one : view.state) state[one.name] = number(one.value);
  out["state"] = std::move(state);
  return out;
}

json::object score_json(const KeptScore& kept, double scale) {
  const ForecastScore& score = kept.score;
  const bool any = score.points > 0, banded = score.banded > 0;
  return {{"forecasts", kept.forecasts},
          {"points", score.points},
          {"mean_absolute_error", number(any ? score.mae() : kMissing)},
          {"mase", number(any ? score.mae() / scale : kMissing)},
          {"coverage_half", number(banded ? score.coverage_half() : kMissing)},
          {"coverage_ninety", number(banded ? score.coverage_ninety() : kMissing)},
          {"pinball", number(banded ? score.mean_pinball() : kMissing)}};
}

json::array path_json(const std::vector<PredictedPoint>& path) {
  json::array out;
  for (const PredictedPoint& point : path) {
    out.push_back({{"time", to_text(point.time)},
                   {"mean", number(point.mean)},
                   {"low50", number(point.half.low)},
                   {"high50", number(point.half.high)},
                   {"low90", number(point.ninety.low)},
                   {"high90", number(point.ninety.high)}});
  }
  return out;
}

json::object identified_json(const Identified& found) {
  json::array rows;
  for (std::size_t i = 0; i < found.rows.size(); ++i) {
    const IdentifiedRow& row = found.rows[i];
    rows.push_back({{"method", row.method},
                    {"kind", row.kind},
                    {"fitted", row.fitted},
                    {"chosen", i == found.chosen},
                    {"points", row.points},
                    {"mean_absolute_error", number(row.mean_absolute_error)},
                    {"mase", number(row.mase)},
                    {"coverage_half", number(row.coverage_half)},
                    {"coverage_ninety", number(row.coverage_ninety)},
                    {"step_error", number(row.step_error)},
                    {"naive_step_error", number(row.naive_step_error)},
                    {"whiteness_p", number(row.whiteness)}});
  }
  const bool detector = found.definition.spec.kind == "detector";
  json::object out{{"twin", found.definition.twin},
                   {"name", found.definition.name},
                   {"kind", found.definition.spec.kind},
                   {"step", to_text(found.definition.spec.step)},
                   {"from", to_text(found.of.from)},
                   {"to", to_text(found.of.to)},
                   {"values", found.values},
                   {"missing", found.missing},
                   {"items", std::move(rows)},
                   {"toml", definition_text(found.definition)}};
  out["beats_naive"] = detector ? json::value(nullptr) : json::value(found.beats_naive());
  out["alarms"] = detector ? json::value(found.alarms) : json::value(nullptr);
  json::array parameters;
  for (const IdentifiedParameter& one : found.parameters) {
    parameters.push_back({{"name", one.name},
                          {"value", number(one.value)},
                          {"low", number(one.low)},
                          {"high", number(one.high)}});
  }
  out["parameters"] = std::move(parameters);
  return out;
}

json::object forecast_json(const ModelForecast& forecast) {
  json::array signals;
  for (std::size_t i = 0; i < forecast.prediction.paths.size(); ++i) {
    signals.push_back({{"signal", forecast.definition.spec.signals[i]},
                       {"path", path_json(forecast.prediction.paths[i])}});
  }
  return {{"twin", forecast.definition.twin},
          {"model", forecast.definition.name},
          {"kind", forecast.definition.spec.kind},
          {"version", forecast.prediction.model_version},
          {"issued", to_text(forecast.prediction.issued)},
          {"items", std::move(signals)}};
}

json::object simulated_json(const ModelDefinition& definition, const Simulated& done,
                            const SimulationPlan& plan) {
  json::object inputs;
  for (const PlannedInput& one : plan.inputs) {
    inputs[one.input] = json::object{{"value", one.value}, {"deviation", one.deviation}};
  }
  json::object out{{"twin", definition.twin},
                   {"model", definition.name},
                   {"version", definition.spec.version},
                   {"signal", definition.spec.signals.front()},
                   {"inputs", std::move(inputs)},
                   {"runs", done.runs},
                   {"seed", done.seed},
                   {"past_errors", done.errors},
                   {"path", path_json(done.path)}};
  out["limit"] = plan.limit ? json::value(*plan.limit) : json::value(nullptr);
  out["above"] = number(done.above);
  out["below"] = number(done.below);
  return out;
}

json::object proposal_json(const Proposal& proposal) {
  const bool open = proposal.life == ProposalLife::open;
  json::object out{
      {"number", proposal.number},
      {"kind", to_text(proposal.kind)},
      {"life", to_text(proposal.life)},
      {"twin", proposal.twin},
      {"model", proposal.model},
      {"version", proposal.version},
      {"made", shown_time(proposal.made)},
      {"by", proposal.actor},
      {"settled", open ? json::value(nullptr) : json::value(shown_time(proposal.settled))},
      {"settled_by", proposal.settled_by},
      {"toml", proposal.toml}};
  out["proposal"] = json::parse(proposal.body);
  return out;
}

json::object alarm_json(const StoredAlarm& stored) {
  const Alarm& alarm = stored.alarm;
  return {{"time", to_text(alarm.time)},
          {"signal", alarm.signal},
          {"value", number(alarm.value)},
          {"expected", number(alarm.expected)},
          {"evidence", number(alarm.evidence)},
          {"model", stored.model},
          {"version", alarm.version}};
}

}  // namespace entente::node
