// From a question's text to its syntax tree (design section 7; the grammar is in README.md).
//
// Keywords, aggregates and reducers are recognised in any case; names and values keep theirs.
// Source of the method: PEGTL's parsing expression grammar, every choice made by its first token.
#pragma once

#include <string_view>

#include "federation/query/ast.h"
#include "schemas/base/result.h"

namespace entente::federation {

// Total over any bytes, time linear in their number, stack bounded. Threads: any.
// Refuses (query_syntax): says what was expected in words, shows the line with a caret under the
// character, and offers the nearest words. A question longer than limits::kQuestionBytes, nested
// deeper than kConditionDepth or not UTF-8 is refused in the same way.
[[nodiscard]] Result<Sentence> parse_question(std::string_view text);

}  // namespace entente::federation
