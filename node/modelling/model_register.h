// The models of a node's twins: applied, fed with what comes in, scored, retired.
//
// Feeding never touches ingest: a turn, once a second, reads from the history what came since each
// model's last observation, at most limits::kTurnObservations over all models, who take their turns
// in order of name from where the last turn ended. A model that is behind catches up turn by turn;
// its backlog is the history itself, and shown. All that a turn brought to light is committed
// together; when it cannot be, the models forget the turn and take it again. A model that is out of
// date is refitted by its definition's policy: a proposal, one that is accepted at once, or
// nothing. A model goes with its twin. Every change of an operator is in the audit log. Threads:
// all of it is for workers (it waits for models and for the store), but `load`, at start; one turn
// at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "node/modelling/identify.h"
#include "node/modelling/model_shelf.h"
#include "node/modelling/optimise.h"
#include "node/modelling/proposals.h"
#include "node/modelling/simulate.h"
#include "node/store/store.h"
#include "node/twin/twin_registry.h"
#include "schemas/base/guarded.h"

namespace entente::node {

// The score of the forecasts that are kept, against what came.
struct KeptScore {
  ForecastScore score;
  std::size_t forecasts = 0;
  std::optional<Forecast> latest;
};

// A model as it is now; numbers of the running model only while it is live or stale.
struct ModelView {
  ModelRow row;
  bool running = false;
  std::optional<Instant> fed_to;
  std::optional<Duration> behind;  // the backlog, in time of readings
  std::size_t replay = 0;          // observations that a restart would replay
  std::size_t durable_bytes = 0;
  Residual residual;
  std::vector<NamedNumber> state;
  double drift = 0;  // of the residuals, 1: out of date
  std::string last_error;
};

struct ModelForecast {
  ModelDefinition definition;
  Prediction prediction;
};

struct TurnReport {
  std::size_t observations = 0;
  std::size_t behind = 0;  // models that have not caught up
  std::size_t alarms = 0;
};

class ModelRegister {
 public:
  struct Parts {
    Store& store;  // entente.db
    const History& history;
    const Clock& clock;
    std::function<std::shared_ptr<const TwinState>()> twins;
  };
  explicit ModelRegister(Parts parts) : parts_(std::move(parts)) {}
  // Refuses: store_failed.
  [[nodiscard]] Outcome load();

  const ModelKinds& kinds() const { return kinds_; }
  // The twin and its numeric signals are there. Refuses: not_found.
  [[nodiscard]] Outcome check_names(const std::string& twin,
                                    const std::vector<std::string>& signals) const;

  // Validates on what the definition has not seen, then lives; `hold`: only validates. The same
  // definition as before changes nothing; another under the same name is the next version and
  // begins anew. Refuses: not_found, overloaded (too many models), what the store says.
  struct ApplyOptions {
    bool hold = false;
    bool dry_run = false;
  };
  [[nodiscard]] Result<ModelRow> apply(const std::string& actor, ModelDefinition definition,
                                       ApplyOptions options);
  // Refuses: not_found, conflict (it is retired).
  [[nodiscard]] Result<ModelRow> retire(const std::string& actor, const std::string& twin,
                                        const std::string& name, bool dry_run);

  // Of one twin when `twin` is not empty; in order of twin and name.
  std::vector<ModelView> list(const std::string& twin) const;
  [[nodiscard]] Result<ModelView> show(const std::string& twin, const std::string& name) const;
  // Reads the history for what the forecasts said.
  [[nodiscard]] Result<KeptScore> score(const ModelDefinition& definition) const;
  // By the live model of that signal, or of that name; the first of several. Refuses: not_found
  // (no such model, still warming up), invalid_argument (a horizon it cannot do).
  // `set`: inputs held at these values instead of their last ones, for models that are told inputs
  // ahead.
  [[nodiscard]] Result<ModelForecast> forecast(const std::string& twin, const std::string& signal,
                                               const std::string& name, Duration horizon,
                                               const std::vector<PlannedInput>& set = {}) const;
  [[nodiscard]] Result<std::pair<ModelDefinition, Simulated>> simulate(const std::string& twin,
                                                                       const std::string& name,
                                                                       const SimulationPlan& plan,
                                                                       Duration horizon) const;

  // Proposals. Each is kept until limits::kProposalsKept others came, and decided on once.
  // Identifies the model again on its newest history, and compares: parameters, and the scores of
  // both definitions on values that neither has seen. Refuses: not_found, conflict (retired), as
  // identify.
  [[nodiscard]] Result<Proposal> refit(const std::string& actor, const std::string& twin,
                                       const std::string& name, bool dry_run);
  // Inputs that cost least (optimise.h). `plan.steps` comes from the horizon.
  [[nodiscard]] Result<Proposal> optimise(const std::string& actor, const std::string& twin,
                                          const std::string& name, OptimisationPlan plan,
                                          Duration horizon, const OptimisationWatch& watch,
                                          bool dry_run);
  [[nodiscard]] Result<std::vector<Proposal>> proposals(const std::string& twin) const;
  // Refuses: not_found.
  [[nodiscard]] Result<Proposal> proposal(std::int64_t number) const;
  // Accepts a refit, which applies its definition, or dismisses any. Refuses: not_found, conflict
  // (decided on already; the model was changed since), unsupported (accepting an optimisation: its
  // inputs are set by people), as apply.
  enum class Decision { accept, dismiss };
  [[nodiscard]] Result<Proposal> settle(const std::string& actor, std::int64_t number,
                                        Decision decision, bool dry_run);
  // The newest first. Refuses: store_failed.
  [[nodiscard]] Result<std::vector<StoredAlarm>> alarms(const std::string& twin, Instant since,
                                                        std::size_t limit) const;

  // `everything`: looks for late readings in every model now, and not once in a while.
  enum class Look { when_due, everything };
  TurnReport turn(Look look = Look::when_due);

 private:
  struct Entry;
  using Key = std::pair<std::string, std::string>;  // twin, name
  using Entries = std::map<Key, std::shared_ptr<Entry>>;
  struct Turn;

  std::shared_ptr<Entry> find(const std::string& twin, const std::string& name) const;
  Result<std::shared_ptr<Entry>> running(const std::string& twin, const std::string& signal,
                                         const std::string& name) const;
  ModelView view(const Entry& entry) const;
  template <class Use>
  auto read(Use&& use) const -> Result<decltype(use(std::declval<Database&>()))>;
  Result<Trial> tried(const ModelDefinition& definition, std::size_t horizon) const;
  void take_turn(const std::shared_ptr<Entry>& entry, Look look, Turn& turn);
  bool commit(Turn& turn);
  void judge(const std::shared_ptr<Entry>& entry, const std::string& out_of_date);
  void catch_up(const std::shared_ptr<Entry>& entry);
  TurnReport feed_all(Look look);
  void refit_by_policy(const ModelDefinition& definition);
  Result<Proposal> keep(Proposal proposal, const char* action, bool is_new) const;
  void remove_orphans(const Entries& entries);
  enum class Change { definition, life };
  Result<ModelRow> keep(const std::string& actor, ModelRow row, const char* action, Change change);

  const Parts parts_;
  const ModelKinds kinds_;
  Guarded<Entries> entries_;
  mutable Guarded<std::optional<Database>> reader_;  // opened at its first use
  std::mutex turning_;
  Key last_turn_;                        // guarded by turning_
  std::vector<std::int64_t> to_accept_;  // refits, when the turn is over; guarded by turning_
};

}  // namespace entente::node
