// What every local model is: a recursion that is told observations, knows what is normal, and says
// what comes next with bands.
//
// Shapes: `values` in the order of ModelSpec::signals, `inputs` in that of ModelSpec::inputs. Units
// are those of the signals; a model never converts. Times are UTC. A NaN value is missing: whoever
// feeds a model turns a reading whose quality is not good into NaN. A NaN input is not known and is
// held at the last known one. Infinities are treated as NaN.
// Threads: one at a time for each model; models share nothing that changes. No clock, no
// randomness: equal observations give equal bytes of `save`.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/bytes.h"
#include "schemas/base/time.h"

namespace entente::node {

inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// The reviewable definition of a model; what `identify` proposes and an operator confirms.
struct ModelSpec {
  std::string kind;
  std::uint32_t version =
      1;  // of this definition, counted by whoever keeps it; in every prediction
  std::vector<std::string> signals;
  std::vector<std::string> inputs;
  Duration step;  // of the grid; 0: the model takes irregular times
  // Numbers by name; matrices row by row. Each kind lists its own and refuses others.
  std::map<std::string, std::vector<double>> parameters;
  bool operator==(const ModelSpec&) const = default;
};

struct Observation {
  Instant time;
  std::span<const double> values;
  std::span<const double> inputs = {};
};

struct Band {
  double low = 0, high = 0;
  bool contains(double value) const { return low <= value && value <= high; }
};

struct PredictedPoint {
  Instant time;
  double mean = 0;
  Band half;    // 50 %
  Band ninety;  // 90 %
};

struct Prediction {
  Instant issued;                                  // time of the newest observation
  std::uint32_t model_version = 0;                 // ModelSpec::version
  std::vector<std::vector<PredictedPoint>> paths;  // one a signal
};

// Row k: the inputs k + 1 steps ahead. Fewer rows than steps: the last one is held.
using InputPlan = std::vector<std::vector<double>>;

// The newest observation against what was expected of it one step before.
struct Residual {
  std::vector<double> differences;  // observed minus expected; NaN where nothing was observed
  std::vector<double> scales;       // the expected standard deviation; 0 while it is not known
  double distance = 0;  // Mahalanobis distance of all that were observed; 0 when none was
};

struct NamedNumber {
  std::string name;
  double value = 0;
};

class ModelArchive;

class Model {
 public:
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  virtual ~Model() = default;

  virtual const ModelSpec& spec() const = 0;
  // Takes one observation. Bounded in time and memory. Refuses: invalid_argument (other sizes than
  // the spec's), stale (not later than the newest one; nothing changed).
  [[nodiscard]] virtual Outcome update(const Observation& observation) = 0;
  // Lets time pass without an observation. Refuses: invalid_argument (dt <= 0, or the sizes).
  [[nodiscard]] virtual Outcome step(Duration dt, std::span<const double> inputs) = 0;
  // From the newest observation on; one point a step of the grid, or one point for models
  // without one. Refuses: invalid_argument (horizon below one step or beyond kPredictedPoints),
  // not_found (too little was observed; `what` says how much is needed).
  [[nodiscard]] virtual Result<Prediction> predict(Duration horizon,
                                                   const InputPlan& inputs) const = 0;
  virtual Residual residual() const = 0;
  virtual std::vector<NamedNumber> state() const = 0;

  // Everything, spec included, as versioned bytes with a checksum: model_kinds.h loads them.
  Bytes save() const;
  // The state alone, written or read by the archive's direction. Never the spec.
  virtual void archive(ModelArchive& archive) = 0;
};

inline constexpr std::size_t kPredictedPoints = 10'000;
inline constexpr std::size_t kModelSignals = 64;         // and as many inputs
inline constexpr std::size_t kModelParameters = 65'536;  // numbers of one spec
inline constexpr std::size_t kModelBytes = 16 << 20;     // saved

// What `update` asks of every observation.
[[nodiscard]] Outcome check_observation(const ModelSpec& spec, const Observation& observation);

// Reads a spec's parameters by name, with defaults and bounds, and knows which were not asked for.
class ParameterReader {
 public:
  explicit ParameterReader(const ModelSpec& spec) : spec_(spec) {}
  struct Bounds {
    double least = -std::numeric_limits<double>::infinity();
    double most = std::numeric_limits<double>::infinity();
  };
  double number(const std::string& name, double otherwise, Bounds bounds);
  std::size_t count(const std::string& name, std::size_t otherwise, Bounds bounds);
  std::vector<double> numbers(const std::string& name, std::vector<double> otherwise,
                              Bounds bounds);
  // The first thing that was wrong: a value out of bounds or not finite, a name nobody asked for.
  [[nodiscard]] Outcome finish() const;

 private:
  const ModelSpec& spec_;
  std::map<std::string, bool> asked_;
  std::string wrong_;
};

}  // namespace entente::node
