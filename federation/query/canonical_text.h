// The one way to write a syntax tree down: upper-case keywords, single blanks, least parentheses.
//
// parse_question(to_text(sentence)) gives an equal sentence, for every tree the parser can give.
#pragma once

#include <string>

#include "federation/query/ast.h"

namespace entente::federation {

std::string to_text(const Sentence& sentence);
// "mean(max(pm25))": also a label for items that were made by a program.
std::string to_text(const SelectItem& item);
// "max(pm25)" or "pm25".
std::string to_text(const FoldedSignal& value);
// The shortest decimal form that reads back as the same number.
std::string number_text(double value);

}  // namespace entente::federation
