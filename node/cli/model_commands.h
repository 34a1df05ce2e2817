// The commands of models: "model …", and of "twin …" what models say.
#pragma once

#include "node/cli/command.h"

namespace entente::node {

void add_model_commands(CommandTable& table);
// Refits, set-points and decisions on them; proposal_commands.cpp.
void add_proposal_commands(CommandTable& table);

}  // namespace entente::node
