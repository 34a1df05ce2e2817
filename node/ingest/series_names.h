// Where the readings of a twin's signal go: every name is looked up once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "node/history/history.h"
#include "node/quality/quality_gate.h"
#include "node/twin/twin_graph.h"

namespace entente::node {

// Known names are as many as the graph's signals; of unknown ones at most limits::kUnknownNames are
// remembered. The gate hears of each series: its rule, and where it stood. Threads: one at a time.
// `graph`, `history` and `gate` outlive it.
class SeriesNames {
 public:
  struct Place {
    std::optional<SeriesId> id;  // nothing: readings of this name are refused
    std::string refusal;         // why, when there is no id
    std::uint64_t told = 0;      // the run in which the refusal was last told
  };

  SeriesNames(const TwinGraph& graph, History& history, QualityGate& gate)
      : graph_(graph), history_(history), gate_(gate) {}

  // Stays where it is as long as the names do, when it has an id; otherwise until the next call.
  Place& find(std::string_view twin, std::string_view signal);
  History& history() { return history_; }
  QualityGate& gate() { return gate_; }

  // A run tells each unknown name once.
  void begin_run() { ++run_; }
  // True the first time in this run.
  bool tell(Place& place);

 private:
  struct Name {
    std::string twin;
    std::string signal;
  };
  struct View {
    std::string_view twin;
    std::string_view signal;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const View& name) const {
      const std::hash<std::string_view> of;
      return of(name.twin) * 0x9E3779B97F4A7C15U + of(name.signal);
    }
    std::size_t operator()(const Name& name) const { return (*this)(View{name.twin, name.signal}); }
  };
  struct Equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.twin == b.twin && a.signal == b.signal;
    }
  };
  Place look_up(std::string_view twin, std::string_view signal);

  const TwinGraph& graph_;
  History& history_;
  QualityGate& gate_;
  std::unordered_map<Name, Place, Hash, Equal> places_;
  std::size_t unknown_ = 0;
  std::uint64_t run_ = 1;
  Place passing_;  // of an unknown name that is not remembered
};

}  // namespace entente::node
