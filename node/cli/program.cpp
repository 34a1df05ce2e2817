#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <memory>

#include "federation/query/suggest.h"
#include "node/cli/cli.h"
#include "node/cli/command.h"
#include "node/cli/model_commands.h"
#include "node/cli/signal_commands.h"
#include "node/cli/system_commands.h"

namespace entente::node {
namespace {

// The CLI11 application made of the command table, and where it puts what it finds.
class Parser {
 public:
  explicit Parser(const CommandTable& table);

  void parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    app_.parse(std::move(arguments));
  }
  // The command that was named; nothing when only a noun was.
  const CommandSpec* command() const { return find(deepest()); }
  const CLI::App* deepest() const;
  Arguments& arguments(const CommandSpec* command) { return *found_.at(command); }
  std::string help() const { return app_.help(); }
  const CLI::App& app() const { return app_; }

 private:
  CLI::App* at(const std::string& path);
  void add(CLI::App& app, const OptionSpec& option, Arguments& into);
  const CommandSpec* find(const CLI::App* app) const {
    const auto found = commands_.find(app);
    return found == commands_.end() ? nullptr : found->second;
  }

  CLI::App app_{"Entente: federated digital twins that share answers, never data.", "entente"};
  std::map<std::string, CLI::App*> by_path_;
  std::map<const CLI::App*, const CommandSpec*> commands_;
  std::map<const CommandSpec*, std::unique_ptr<Arguments>> found_;
};

CLI::App* Parser::at(const std::string& path) {
  if (path.empty()) return &app_;
  if (const auto found = by_path_.find(path); found != by_path_.end()) return found->second;
  const std::size_t space = path.rfind(' ');
  CLI::App* parent = at(space == std::string::npos ? "" : path.substr(0, space));
  const std::string name = space == std::string::npos ? path : path.substr(space + 1);
  CLI::App* app = parent->add_subcommand(name, "");
  for (const auto& [noun, summary] : nouns()) {
    if (noun == path) app->description(summary);
  }
  return by_path_[path] = app;
}

void Parser::add(CLI::App& app, const OptionSpec& option, Arguments& into) {
  using Form = OptionSpec::Form;
  std::string flags = is_positional(option) ? option.name : "--" + option.name;
  if (option.letter != 0) flags = std::string("-") + option.letter + "," + flags;
  if (option.form == Form::flag) {
    app.add_flag(flags, into.flags[option.name], option.help);
    return;
  }
  CLI::Option* made = app.add_option(flags, into.values[option.name], option.help);
  made->type_name(option.hint);
  if (option.form == Form::positionals || option.form == Form::optional_positionals) {
    made->expected(1, 1'000);
  } else {
    made->expected(1);
    // Values are kept in lists, and an option of a list would take a positional that follows it.
    made->allow_extra_args(false);
  }
  if (option.form == Form::positional || option.form == Form::positionals) made->required();
  if (option.name == "output") made->check(CLI::IsMember({"table", "json", "jsonl", "csv"}));
}

Parser::Parser(const CommandTable& table) {
  app_.set_help_flag("-h,--help", "show this help");
  app_.set_version_flag("--version", "entente " ENTENTE_VERSION);
  for (const auto& [noun, summary] : nouns()) at(noun);
  for (const CommandSpec& spec : table) {
    CLI::App* app = at(spec.path);
    commands_[app] = &spec;
    app->description(std::string(spec.effect == Effect::ro ? "[ro] " : "[rw] ") + spec.summary);
    auto& into = found_[&spec] = std::make_unique<Arguments>();
    for (const OptionSpec& option : spec.options) add(*app, option, *into);
    for (const OptionSpec& option : common_options(spec.effect)) {
      add(*app, option, *into);
      app->get_option("--" + option.name)->group("Common options");
    }
    if (spec.examples.empty()) continue;
    std::string footer = "Examples:";
    for (const std::string& example : spec.examples) footer += "\n  " + example;
    app->footer(footer);
  }
  app_.footer(
      "[ro] changes nothing, [rw] does and takes --dry-run.\n"
      "Help on anything: entente NOUN --help, entente explain ENT-nnnn");
}

const CLI::App* Parser::deepest() const {
  const CLI::App* app = &app_;
  while (true) {
    const auto below = app->get_subcommands();
    if (below.empty()) return app;
    app = below.back();
  }
}

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// "entente backup verify".
std::string full_name(const CLI::App& app) {
  std::string name = app.get_name();
  for (const CLI::App* up = app.get_parent(); up != nullptr; up = up->get_parent()) {
    name = up->get_name() + " " + name;
  }
  return name;
}

// The word that no command understands, and what may have been meant.
Error unknown_word(const CLI::App& app, const std::string& word) {
  const bool option = word.starts_with('-');
  const auto known = option ? option_names(app) : subcommand_names(app);
  const std::string where = full_name(app);
  const auto near = federation::nearest(word, known);
  std::string remedy;
  if (!near.empty()) {
    remedy = federation::did_you_mean(near);
  } else if (!known.empty() && !option) {
    remedy = "it has " + federation::listed(known);
  } else {
    remedy = "see '" + where + " --help'";
  }
  return make_error(ErrorCode::invalid_argument,
                    "'" + word + "' is no " + (option ? "option" : "word") + " of '" + where + "'",
                    remedy);
}

Error usage_error(const Parser& parser, const CLI::ParseError& fault) {
  const CLI::App& app = *parser.deepest();
  const auto rest = parser.app().remaining(true);
  if (!rest.empty()) {
    // A wrong option is the cause even if a word follows that then has no place.
    const auto option = std::find_if(rest.begin(), rest.end(),
                                     [](const std::string& word) { return word.starts_with('-'); });
    return unknown_word(app, option == rest.end() ? rest.front() : *option);
  }
  return make_error(ErrorCode::invalid_argument, fault.what(),
                    "see '" + full_name(app) + " --help'");
}

void report(const Error& error, Streams& streams, bool as_json, bool colour) {
  streams.err << error_text(error, colour);
  if (as_json)
    Renderer({Format::json, false}).print(streams.out, {error_json(error), {}, "", false});
}

bool wants_json(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "-ojson" || arguments[i] == "--output=json") return true;
    if ((arguments[i] == "-o" || arguments[i] == "--output") && i + 1 < arguments.size() &&
        arguments[i + 1] == "json") {
      return true;
    }
  }
  return false;
}

int run_command(const CommandSpec& command, Arguments arguments, Streams& streams,
                const LocalCommands& local) {
  Session session(std::move(arguments), streams, local);
  Result<int> outcome = 0;
  try {
    outcome = command.run(session);
  } catch (const std::exception& fault) {
    outcome = make_error(ErrorCode::internal, fault.what());
  }
  if (outcome) return *outcome;
  report(outcome.error(), streams, session.format() == Format::json, session.colour());
  return exit_code(outcome.error().code);
}

}  // namespace

CommandTable all_commands() {
  CommandTable table;
  add_local_commands(table);
  add_show_commands(table);
  add_budget_commands(table);
  add_ask_commands(table);
  add_ingest_command(table);
  add_replay_command(table);
  add_twin_commands(table);
  add_export_command(table);
  add_delete_command(table);
  add_quality_commands(table);
  add_model_commands(table);
  add_proposal_commands(table);
  add_signal_commands(table);
  add_collector_commands(table);
  add_link_commands(table);
  add_key_commands(table);
  add_agreement_commands(table);
  add_system_commands(table);
  add_feed_commands(table);
  add_access_commands(table);
  add_user_commands(table);
  add_approval_commands(table);
  add_audit_log_commands(table);
  add_audit_commands(table);
  add_vault_commands(table);
  add_backup_commands(table);
  return table;
}

const std::vector<std::pair<std::string, std::string>>& nouns() {
  static const std::vector<std::pair<std::string, std::string>> all{
      {"init", ""},
      {"serve", ""},
      {"status", ""},
      {"doctor", ""},
      {"ask", ""},
      {"ingest", ""},
      {"node", "This node's files"},
      {"collector", "Edge collectors that send readings"},
      {"replay", ""},
      {"link", "Links to other organisations"},
      {"key", "Keys of this organisation, and their rotation"},
      {"charter", "Charters that are signed elsewhere"},
      {"agreement", "What two organisations both signed"},
      {"role", "Roles of this node's users"},
      {"user", "This node's users and their passwords"},
      {"login", ""},
      {"password", ""},
      {"approval", "Steps that wait for a second person"},
      {"policy", "Former policies"},
      {"access", "Who may do what, and why"},
      {"access token", "Tokens for programs and people"},
      {"type", "Types of twins (DTDL)"},
      {"twin", "Twins and their latest readings"},
      {"model", "What twins are expected to do: forecasts, anomalies"},
      {"signal", "Signals that are computed from others"},
      {"quality", "The rules that readings are judged and kept by"},
      {"system", "System twins, composed of members"},
      {"feed", "Standing questions to partners, and what came of them"},
      {"export", "What partners may be offered"},
      {"budget", "The privacy budget"},
      {"audit", "The audit chain, and the audit of privacy"},
      {"vault", "What seals this node's keys, and what opens it"},
      {"backup", "Sealed backups of this node"},
      {"restore", ""},
      {"explain", ""},
      {"version", ""},
      {"completion", "Completion for shells"}};
  return all;
}

std::vector<OptionSpec> common_options(Effect effect) {
  using Form = OptionSpec::Form;
  std::vector<OptionSpec> options{
      {"output", Form::value, "FORMAT", "table, json, jsonl or csv", 'o'},
      {"home", Form::value, "DIR", "the node's folder (ENTENTE_HOME, else ~/.entente)"},
      {"timeout", Form::value, "TIME", "how long to wait, like 30s or 2m (30s)"},
      {"quiet", Form::flag, "", "no words, only data and errors", 'q'},
      {"no-input", Form::flag, "", "never ask a person"},
      {"no-color", Form::flag, "", "no colours (also NO_COLOR)"}};
  if (effect == Effect::rw) {
    options.push_back({"dry-run", Form::flag, "", "say what would happen, change nothing"});
    options.push_back({"yes", Form::flag, "", "do not ask for confirmation", 'y'});
  }
  return options;
}

Streams process_streams() {
  return {std::cin,
          std::cout,
          std::cerr,
          ::isatty(STDIN_FILENO) == 1,
          ::isatty(STDOUT_FILENO) == 1,
          ::isatty(STDERR_FILENO) == 1,
          [](const std::string& name) -> std::optional<std::string> {
            const char* value = std::getenv(name.c_str());
            if (value == nullptr) return std::nullopt;
            return std::string(value);
          }};
}

namespace {

// `entente [common options] noun verb …`: options before the noun are taken as if after the verb.
std::vector<std::string> common_last(const std::vector<std::string>& arguments) {
  const std::vector<OptionSpec> common = common_options(Effect::rw);
  std::size_t noun = 0;
  while (noun < arguments.size() && arguments[noun].starts_with('-')) {
    const std::string& word = arguments[noun];
    const auto option = std::find_if(common.begin(), common.end(), [&](const OptionSpec& one) {
      return word == "--" + one.name || (one.letter != 0 && word == std::string("-") + one.letter);
    });
    noun += option != common.end() && option->form != OptionSpec::Form::flag ? 2 : 1;
  }
  if (noun == 0 || noun >= arguments.size()) return arguments;
  const auto first = arguments.begin() + static_cast<std::ptrdiff_t>(noun);
  std::vector<std::string> out(first, arguments.end());
  // Before a "--", behind which everything is an operand.
  const auto at = std::find(out.begin(), out.end(), "--");
  out.insert(at, arguments.begin(), first);
  return out;
}

}  // namespace

int run_cli(const std::vector<std::string>& given, Streams& streams, const LocalCommands& local) {
  const CommandTable table = all_commands();
  const std::vector<std::string> arguments = common_last(given);
  Parser parser(table);
  try {
    parser.parse(arguments);
    const CommandSpec* command = parser.command();
    if (command != nullptr) {
      return run_command(*command, std::move(parser.arguments(command)), streams, local);
    }
    // `entente` alone is a question; `entente link` alone is a command cut short.
    (arguments.empty() ? streams.out : streams.err) << parser.help();
    return arguments.empty() ? 0 : exit_code(ErrorCode::invalid_argument);
  } catch (const CLI::CallForVersion& version) {
    streams.out << version.what() << '\n';
    return 0;
  } catch (const CLI::CallForHelp&) {
    streams.out << parser.help();
    return 0;
  } catch (const CLI::ParseError& fault) {
    report(usage_error(parser, fault), streams, wants_json(arguments), false);
    return exit_code(ErrorCode::invalid_argument);
  } catch (const std::exception& fault) {
    report(make_error(ErrorCode::internal, fault.what()), streams, wants_json(arguments), false);
    return exit_code(ErrorCode::internal);
  }
}

}  // namespace entente::node
