#include "node/modelling/identify_dynamics.h"

#include <algorithm>
#include <cmath>

#include "node/model/grey_box.h"
#include "node/modelling/limits.h"

namespace entente::node {
namespace {

constexpr double kHeldBack = 0.25;
constexpr std::size_t kStepsLeast = 260;
constexpr double kMissingMost = 0.1;  // of a column, filled between its neighbours
constexpr std::size_t kStatesMost = 6;
constexpr std::size_t kWhitenessLags = 24;

struct Columns {
  std::vector<std::vector<double>> signals, inputs;
  std::size_t missing = 0;
  std::size_t length() const { return signals.front().size(); }
};

// The grid from the first step on at which every input is known.
Result<Columns> columns_of(const std::vector<Seen>& seen, const ModelSpec& spec) {
  const auto known = std::find_if(seen.begin(), seen.end(), [](const Seen& one) {
    return std::all_of(one.inputs.begin(), one.inputs.end(),
                       [](double value) { return std::isfinite(value); });
  });
  Columns out;
  out.signals.resize(spec.signals.size());
  out.inputs.resize(spec.inputs.size());
  std::size_t length = 0;
  if (known != seen.end()) {
    length = static_cast<std::size_t>((seen.back().time - known->time).ns / spec.step.ns) + 1;
  }
  if (length < kStepsLeast) {
    return make_error(ErrorCode::not_found,
                      "there are " + std::to_string(length) + " steps of " + to_text(spec.step) +
                          " in which every input is known, and it takes " +
                          std::to_string(kStepsLeast),
                      "wait for more readings, or give a shorter --step");
  }
  length = std::min(length, limits::kIdentifySteps);
  for (auto* columns : {&out.signals, &out.inputs}) {
    for (auto& column : *columns) column.assign(length, kMissing);
  }
  for (auto one = known; one != seen.end(); ++one) {
    const auto at = static_cast<std::size_t>((one->time - known->time).ns / spec.step.ns);
    if (at >= length) break;
    for (std::size_t i = 0; i < out.signals.size(); ++i) out.signals[i][at] = one->values[i];
    for (std::size_t j = 0; j < out.inputs.size(); ++j) out.inputs[j][at] = one->inputs[j];
  }
  for (auto& column : out.inputs) {
    for (std::size_t t = 1; t < length; ++t) {
      if (!std::isfinite(column[t])) column[t] = column[t - 1];
    }
  }
  for (const double value : out.signals.front()) out.missing += !std::isfinite(value);
  return out;
}

// Gaps as lines between their ends. False: too much is missing.
bool fill(std::vector<double>& column) {
  std::size_t last = column.size(), missing = 0;
  for (std::size_t t = 0; t < column.size(); ++t) {
    if (!std::isfinite(column[t])) {
      ++missing;
      continue;
    }
    const std::size_t from = last == column.size() ? 0 : last + 1;
    const double before = last == column.size() ? column[t] : column[last];
    for (std::size_t k = from; k < t; ++k) {
      const double share = static_cast<double>(k - from + 1) / static_cast<double>(t - from + 1);
      column[k] = before + share * (column[t] - before);
    }
    last = t;
  }
  if (last == column.size()) return false;
  for (std::size_t k = last + 1; k < column.size(); ++k) column[k] = column[last];
  return static_cast<double>(missing) <= kMissingMost * static_cast<double>(column.size());
}

struct Matrices {
  std::size_t states = 0, inputs = 0, signals = 0;
  std::vector<double> transition, input, observation, direct;  // row by row
  std::vector<double> process;                                 // states x states
  std::vector<double> noise;                                   // signals x signals
  std::vector<double> drift, level;  // constants of states and signals; empty: none
  double spread = 1e3;               // of the states at the beginning, a deviation
};

// With the last inputs, and a constant where there is one, as states of their own.
void write(const Matrices& m, ModelSpec& spec) {
  const bool constant = !m.level.empty();
  const std::size_t n = m.states, all = n + m.inputs + (constant ? 1 : 0);
  const auto zeros = [](std::size_t size) { return std::vector<double>(size, 0.0); };
  auto transition = zeros(all * all), input = zeros(all * m.inputs), process = zeros(all * all);
  auto observation = zeros(m.signals * all), covariance = zeros(all), mean = zeros(all);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      transition[i * all + j] = m.transition[i * n + j];
      process[i * all + j] = m.process[i * n + j];
    }
    for (std::size_t j = 0; j < m.inputs; ++j) {
      transition[i * all + n + j] = m.input[i * m.inputs + j];
    }
    if (constant) transition[i * all + all - 1] = m.drift[i];
    covariance[i] = m.spread * m.spread;
  }
  for (std::size_t j = 0; j < m.inputs; ++j) input[(n + j) * m.inputs + j] = 1;
  if (constant) transition[all * all - 1] = mean[all - 1] = 1;
  for (std::size_t i = 0; i < m.signals; ++i) {
    for (std::size_t j = 0; j < n; ++j) observation[i * all + j] = m.observation[i * n + j];
    for (std::size_t j = 0; j < m.inputs && !m.direct.empty(); ++j) {
      observation[i * all + n + j] = m.direct[i * m.inputs + j];
    }
    if (constant) observation[i * all + all - 1] = m.level[i];
  }
  spec.kind = "linear_state_space";
  spec.parameters = {{"states", {static_cast<double>(all)}},
                     {"transition", std::move(transition)},
                     {"observation", std::move(observation)},
                     {"process_noise", std::move(process)},
                     {"observation_noise", m.noise},
                     {"initial_mean", std::move(mean)},
                     {"initial_covariance", std::move(covariance)}};
  if (m.inputs > 0) spec.parameters["input"] = std::move(input);
}

double deviation(std::span<const double> values) {
  double sum = 0, squares = 0, count = 0;
  for (const double value : values) {
    if (std::isfinite(value)) sum += value, squares += value * value, ++count;
  }
  const double mean = sum / std::max(count, 1.0);
  return std::sqrt(std::max(squares / std::max(count, 1.0) - mean * mean, 1e-24));
}

// Runs the proposal over everything, one step ahead: errors of what the fit saw and of the rest,
// each signal by its deviation.
Outcome score(const ModelKinds& kinds, const ModelSpec& spec, const Columns& columns,
              std::size_t fitted, IdentifiedRow& row) {
  auto model = kinds.make(spec);
  if (!model) return std::move(model).error();
  std::vector<double> scales, before(columns.signals.size(), kMissing), white;
  for (const auto& column : columns.signals) scales.push_back(deviation(column));
  double own = 0, naive = 0, count = 0, naive_count = 0;
  std::vector<double> values(columns.signals.size()), inputs(columns.inputs.size());
  for (std::size_t t = 0; t < columns.length(); ++t) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = columns.signals[i][t];
    for (std::size_t j = 0; j < inputs.size(); ++j) inputs[j] = columns.inputs[j][t];
    const Instant time{spec.step.ns * static_cast<std::int64_t>(t)};
    if (auto done = (*model)->update({time, values, inputs}); !done) return done;
    const Residual residual = (*model)->residual();
    if (t >= kWhitenessLags && t < fitted) white.push_back(residual.differences.front());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (t >= fitted) {
        const double error = residual.differences[i] / scales[i];
        const double change = (values[i] - before[i]) / scales[i];
        if (std::isfinite(error)) own += error * error, ++count;
        if (std::isfinite(change)) naive += change * change, ++naive_count;
      }
      if (std::isfinite(values[i])) before[i] = values[i];
    }
  }
  const double scale = values.size() == 1 ? scales.front() : 1;
  row.step_error = scale * std::sqrt(own / std::max(count, 1.0));
  row.naive_step_error = scale * std::sqrt(naive / std::max(naive_count, 1.0));
  row.whiteness = ljung_box(white, kWhitenessLags, 1).p_value;
  row.points = static_cast<std::size_t>(count);
  row.fitted = std::isfinite(row.step_error) && count > 0;
  return {};
}

struct Tried {
  IdentifiedRow row;
  ModelSpec spec;
  std::vector<IdentifiedParameter> parameters;
};

Tried try_grey_box(const std::string& word, GreyBoxKind kind, const ModelKinds& kinds,
                   const ModelSpec& spec, const Columns& columns, std::string& why) {
  Tried tried;
  tried.row.method = word;
  tried.row.kind = "linear_state_space";
  tried.row.fitted = false;
  tried.spec = spec;
  auto box = fit_grey_box(kind, columns.signals.front(), columns.inputs, spec.step, kHeldBack);
  if (!box) {
    why = box.error().what;
    return tried;
  }
  const auto& given = box->model.parameters;
  Matrices m;
  m.states = static_cast<std::size_t>(given.at("states").front());
  m.inputs = 2;
  m.signals = 1;
  m.transition = given.at("transition");
  m.input = given.at("input");
  m.observation = given.at("observation");
  m.noise = given.at("observation_noise");
  m.process.assign(m.states * m.states, 0);
  for (std::size_t i = 0; i < m.states; ++i) {
    m.process[i * m.states + i] = given.at("process_noise")[i];
  }
  write(m, tried.spec);
  for (const GreyBoxParameter& one : box->parameters) {
    tried.parameters.push_back({one.name, one.value, one.range.low, one.range.high});
  }
  const auto fitted =
      static_cast<std::size_t>(static_cast<double>(columns.length()) * (1 - kHeldBack));
  if (auto done = score(kinds, tried.spec, columns, fitted, tried.row); !done) {
    why = done.error().what;
  }
  return tried;
}

double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// In units of their deviations about their means, as the method wants them.
struct Scaled {
  InputColumns columns;
  std::vector<double> means, scales;
};
Scaled scaled(const std::vector<std::vector<double>>& columns, std::size_t length) {
  Scaled out;
  for (const auto& column : columns) {
    const std::span<const double> part(column.data(), length);
    out.means.push_back(mean_of(part));
    out.scales.push_back(deviation(part));
    auto& made = out.columns.emplace_back();
    for (const double value : part) made.push_back((value - out.means.back()) / out.scales.back());
  }
  return out;
}

Tried try_subspace(std::size_t states, const ModelKinds& kinds, const ModelSpec& spec,
                   const Columns& columns, std::string& why) {
  Tried tried;
  tried.row.method = "subspace of " + std::to_string(states);
  tried.row.kind = "linear_state_space";
  tried.row.fitted = false;
  tried.spec = spec;
  const auto fitted =
      static_cast<std::size_t>(static_cast<double>(columns.length()) * (1 - kHeldBack));
  const Scaled y = scaled(columns.signals, fitted), u = scaled(columns.inputs, fitted);
  SubspaceOptions options;
  options.states = states;
  auto found = identify_subspace(y.columns, u.columns, options);
  if (!found) {
    why = found.error().what;
    return tried;
  }
  double largest = 0;
  for (const auto& [real, imaginary] : found->poles) {
    largest = std::max(largest, std::hypot(real, imaginary));
  }
  if (largest > 1.02) return tried;  // it grows without bound: no model of a plant
  Matrices m;
  m.states = states;
  m.inputs = columns.inputs.size();
  m.signals = columns.signals.size();
  m.transition = found->transition;
  m.process = found->process_noise;
  m.input = found->input;
  m.observation = found->observation;
  m.direct = found->direct;
  m.noise = found->observation_noise;
  m.drift.assign(states, 0);
  m.level = y.means;
  for (std::size_t i = 0; i < states; ++i) {
    for (std::size_t j = 0; j < m.inputs; ++j) {
      m.input[i * m.inputs + j] /= u.scales[j];
      m.drift[i] -= m.input[i * m.inputs + j] * u.means[j];
    }
  }
  for (std::size_t i = 0; i < m.signals; ++i) {
    for (std::size_t j = 0; j < states; ++j) m.observation[i * states + j] *= y.scales[i];
    for (std::size_t j = 0; j < m.inputs; ++j) {
      m.direct[i * m.inputs + j] *= y.scales[i] / u.scales[j];
      m.level[i] -= m.direct[i * m.inputs + j] * u.means[j];
    }
    for (std::size_t k = 0; k < m.signals; ++k) {
      m.noise[i * m.signals + k] *= y.scales[i] * y.scales[k];
    }
  }
  write(m, tried.spec);
  std::size_t number = 0;
  for (const auto& [real, imaginary] : found->poles) {
    const std::string name = "pole_" + std::to_string(++number);
    tried.parameters.push_back(
        {name + "_magnitude", std::hypot(real, imaginary), kMissing, kMissing});
    tried.parameters.push_back({name + "_angle", std::atan2(imaginary, real), kMissing, kMissing});
  }
  if (auto done = score(kinds, tried.spec, columns, fitted, tried.row); !done) {
    why = done.error().what;
  }
  return tried;
}

std::vector<std::pair<std::string, GreyBoxKind>> grey_boxes(std::string_view word) {
  const std::vector<std::pair<std::string, GreyBoxKind>> all{{"thermal_1", GreyBoxKind::thermal_1},
                                                             {"thermal_2", GreyBoxKind::thermal_2},
                                                             {"thermal_3", GreyBoxKind::thermal_3},
                                                             {"tank", GreyBoxKind::tank}};
  std::vector<std::pair<std::string, GreyBoxKind>> chosen;
  for (const auto& one : all) {
    if (one.first == word || (word == "thermal" && one.second != GreyBoxKind::tank)) {
      chosen.push_back(one);
    }
  }
  return chosen;
}

}  // namespace

bool is_dynamic_kind(std::string_view word) {
  return word == "subspace" || !grey_boxes(word).empty();
}

Result<Identified> identify_dynamics(const std::vector<Seen>& seen, const ModelKinds& kinds,
                                     const IdentifyRequest& request, Identified found) {
  ModelSpec& spec = found.definition.spec;
  const auto boxes = grey_boxes(request.kind);
  const char* inputs = request.kind == "tank" ? "the inflow and the outflow"
                                              : "the outdoor temperature and the heat";
  if (!boxes.empty() && (spec.signals.size() != 1 || spec.inputs.size() != 2)) {
    return make_error(ErrorCode::invalid_argument,
                      "a model '" + request.kind + "' has one signal and two inputs",
                      std::string("give --signal, and with --input ") + inputs);
  }
  auto columns = columns_of(seen, spec);
  if (!columns) return std::move(columns).error();
  found.values = columns->length();
  found.missing = columns->missing;
  std::string why = "the largest order grows without bound";
  std::vector<Tried> all;
  for (const auto& [word, kind] : boxes) {
    all.push_back(try_grey_box(word, kind, kinds, spec, *columns, why));
  }
  if (boxes.empty()) {
    for (auto* group : {&columns->signals, &columns->inputs}) {
      for (auto& column : *group) {
        if (fill(column)) continue;
        return make_error(ErrorCode::not_found, "more than a tenth of a column is missing",
                          "give a longer --step, or see 'entente twin health'");
      }
    }
    for (std::size_t states = 1; states <= kStatesMost; ++states) {
      all.push_back(try_subspace(states, kinds, spec, *columns, why));
    }
  }
  double least = std::numeric_limits<double>::infinity();
  for (const Tried& one : all) {
    if (one.row.fitted) least = std::min(least, one.row.step_error);
    found.rows.push_back(one.row);
  }
  const auto best = std::find_if(all.begin(), all.end(), [&](const Tried& one) {
    return one.row.fitted && one.row.step_error <= 1.01 * least;
  });
  if (best == all.end()) {
    return make_error(ErrorCode::not_found, "no order could be fitted: " + why,
                      "check the inputs: which they are, their units, and that they move");
  }
  found.chosen = static_cast<std::size_t>(best - all.begin());
  found.parameters = best->parameters;
  spec = best->spec;
  found.definition.identified = boxes.empty() ? "subspace" : best->row.method;
  return found;
}

}  // namespace entente::node
