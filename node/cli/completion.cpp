#include "node/cli/command.h"

namespace entente::node {
namespace {

void append_words(std::string& list, const std::string& word) {
  if ((" " + list + " ").find(" " + word + " ") != std::string::npos) return;
  if (!list.empty()) list += ' ';
  list += word;
}

}  // namespace

std::string bash_completion(const CommandTable& table) {
  std::string first;
  std::string cases;
  for (const auto& [noun, summary] : nouns()) {
    append_words(first, noun);
    std::string verbs;
    for (const CommandSpec& spec : table) {
      if (spec.path.starts_with(noun + " ")) append_words(verbs, spec.path.substr(noun.size() + 1));
    }
    if (!verbs.empty()) cases += "    '" + noun + " ') words='" + verbs + "' ;;\n";
  }
  std::string options;
  std::string
      alone;  // patterns of words that stand alone come last: 'ask '* also fits 'ask preview'
  for (const CommandSpec& spec : table) {
    std::string names = "--help";
    for (const OptionSpec& option : spec.options) {
      if (!is_positional(option)) append_words(names, "--" + option.name);
    }
    for (const OptionSpec& option : common_options(spec.effect)) {
      append_words(names, "--" + option.name);
    }
    const bool verb = spec.path.find(' ') != std::string::npos;
    (verb ? options : alone) +=
        "      '" + spec.path + (verb ? "'" : " '*") + ") words='" + names + "' ;;\n";
  }
  return "# bash completion for entente; use it with: source <(entente completion bash)\n"
         "_entente() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=''\n"
         "  case $before in\n"
         "    -o|--output) COMPREPLY=($(compgen -W 'table json jsonl csv' -- \"$current\")); "
         "return ;;\n"
         "    --home) COMPREPLY=($(compgen -d -- \"$current\")); return ;;\n"
         "    --map|-f|--file) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n"
         "  esac\n"
         "  if [[ $current == -* ]]; then\n"
         "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n" +
         options + alone +
         "    esac\n"
         "  elif ((COMP_CWORD == 1)); then\n"
         "    words='" +
         first +
         "'\n"
         "  elif ((COMP_CWORD == 2)); then\n"
         "    case \"${COMP_WORDS[1]} \" in\n" +
         cases +
         "    esac\n"
         "  fi\n"
         "  if [[ -n $words ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "  else COMPREPLY=($(compgen -f -- \"$current\")); fi\n"
         "}\n"
         "complete -F _entente entente\n";
}

}  // namespace entente::node
