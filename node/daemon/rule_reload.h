// Rules of quality and of retention, changed while the node serves.
//
// Both stand in quality.toml and in the files of provision.d, beside exports and systems. A reload
// reads all of these files first; one error in any of them and everything stays as it was. Exports
// and privacy domains are what partners agreed to: they are read at the start only, and a reload
// says when the files have others. Systems of the files are put in force with the rules, each
// change as a new version (system_register.h). Kept readings keep their verdicts; `rejudge` judges
// them again. What retention allows now is removed at its next turn, and what is gone stays gone.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/signal_set.hpp>

#include <string>
#include <utility>
#include <vector>

#include "node/config/declarations.h"
#include "node/config/settings.h"
#include "node/twin/type_registry.h"

namespace entente::node {

struct Core;

// All that the files of a node's home declare. Refuses (config_invalid) with file, line and word.
[[nodiscard]] Result<Declarations> read_declared(const Settings& settings);

// Types and signals with rules that no type has. They may come later: that is no error.
std::vector<std::pair<std::string, std::string>> idle_rules(const RuleBook& book,
                                                            const TypeRegistry& types);

struct Reloaded {
  std::vector<RuleChange> rules;
  std::vector<RetentionChange> retention;
  bool loses = false;  // something is kept for a shorter time than before
  std::vector<std::pair<std::string, std::string>> idle;
  std::uint64_t series = 0;  // that were judged by the old rules and are judged by the new now
  std::vector<std::string> systems;  // whose definition is another now, added or gone
  bool needs_restart = false;        // the files have other exports than the node serves
};

// Loop. The change is in the audit log before it is in force, and every reading that comes after
// the return is judged by it. Changes nothing under `dry_run`, and records nothing where nothing
// differs. Refuses: config_invalid (file, line, word), conflict (another reload runs), overloaded,
// store_failed; then the old rules stay.
boost::asio::awaitable<Result<Reloaded>> reload_rules(Core& core, std::string actor, bool dry_run);

// Reloads at each of these signals, until they are cancelled; what became of it is logged.
void reload_on(boost::asio::signal_set& signals, Core& core);

// "30d", "forever".
std::string length_text(const std::optional<Duration>& length);

}  // namespace entente::node
