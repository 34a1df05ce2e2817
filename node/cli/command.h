// The table of all commands: the single source for parsing, help, completion and the tests that run
// every one of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "node/cli/session.h"
#include "schemas/base/result.h"

namespace entente::node {

// ro commands change nothing; rw commands get --dry-run and --yes; the daemon writes, but not once.
enum class Effect { ro, rw, daemon };

struct OptionSpec {
  enum class Form {
    value,
    flag,
    positional,
    optional_positional,
    positionals,
    optional_positionals
  };
  std::string name;  // long name without dashes
  Form form = Form::value;
  std::string hint;  // "FILE", "30s|2m"; what stands for the value in the help
  std::string help;
  char letter = 0;  // "-f"
};

struct CommandSpec {
  std::string path;  // "link invite"
  Effect effect = Effect::ro;
  std::string summary;  // one sentence without full stop
  std::vector<OptionSpec> options;
  std::vector<std::string> examples;
  std::function<Result<int>(Session&)> run;
};

using CommandTable = std::vector<CommandSpec>;

inline bool is_positional(const OptionSpec& option) {
  return option.form == OptionSpec::Form::positional ||
         option.form == OptionSpec::Form::optional_positional ||
         option.form == OptionSpec::Form::positionals ||
         option.form == OptionSpec::Form::optional_positionals;
}

// What every command takes besides; --dry-run and --yes only where something is written.
std::vector<OptionSpec> common_options(Effect effect);

void add_local_commands(CommandTable& table);
void add_show_commands(CommandTable& table);
void add_budget_commands(CommandTable& table);
void add_twin_commands(CommandTable& table);
void add_export_command(CommandTable& table);
void add_delete_command(CommandTable& table);
void add_quality_commands(CommandTable& table);
void add_ask_commands(CommandTable& table);
void add_ingest_command(CommandTable& table);
void add_collector_commands(CommandTable& table);
void add_replay_command(CommandTable& table);
void add_link_commands(CommandTable& table);
void add_key_commands(CommandTable& table);
void add_agreement_commands(CommandTable& table);
void add_access_commands(CommandTable& table);
void add_user_commands(CommandTable& table);
void add_approval_commands(CommandTable& table);
void add_audit_commands(CommandTable& table);
void add_feed_commands(CommandTable& table);
void add_audit_log_commands(CommandTable& table);
void add_vault_commands(CommandTable& table);
void add_backup_commands(CommandTable& table);
CommandTable all_commands();

// A function for bash that completes nouns, verbs and options.
std::string bash_completion(const CommandTable& table);

// {noun, its summary}, in the order of the help.
const std::vector<std::pair<std::string, std::string>>& nouns();

}  // namespace entente::node
